//! Memory straight from the system: it goes back there when it is unmapped, which memory from malloc
//! does only if nothing above it is in use.

#[cfg(sim)]
use super::sim::libc;
use std::ptr::NonNull;

/// `len` bytes at the start of a page, all zero; `None` if the system has none.
pub fn map(len: usize) -> Option<NonNull<u8>> {
    // SAFETY: a new private mapping, which touches no other.
    let address = unsafe {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        libc::mmap(std::ptr::null_mut(), len, access, flags, -1, 0)
    };
    if address == libc::MAP_FAILED { None } else { NonNull::new(address.cast()) }
}

/// What lengths are multiples of. Pages of a kernel may be larger (16 and 64 KiB on aarch64): memory from [`map`] begins with one
/// of those, and nobody else has the rest of the last one.
pub const SIZE: usize = 4096;

/// Changes how long a mapping is, and moves it where it has to be; `None`, and nothing has happened,
/// if the system has no memory for that, or does not do it. Bytes that were not there are zero.
///
/// # Safety
/// It is `len` bytes from [`map`], which nobody else uses.
pub unsafe fn resize(address: NonNull<u8>, len: usize, to: usize) -> Option<NonNull<u8>> {
    // SAFETY: a whole mapping of ours, by contract.
    let moved = unsafe { libc::mremap(address.as_ptr().cast(), len, to, libc::MREMAP_MAYMOVE) };
    if moved == libc::MAP_FAILED { None } else { NonNull::new(moved.cast()) }
}

/// Gives memory back and keeps the addresses. What is read there is zero afterwards, or as it was: the system takes whole
/// pages, which may be larger than [`SIZE`], and those at both ends hold what is a neighbour's.
///
/// # Safety
/// It is from [`map`], and its content is of no value.
pub unsafe fn discard(address: NonNull<u8>, len: usize) {
    let Some((skipped, len)) = whole_pages(address.addr().get(), len, page_size()) else { return };
    // SAFETY: pages of ours, by contract, and nothing else is in them. Refused, they stay as they are. Miri does not know the call.
    #[cfg(not(miri))]
    unsafe {
        libc::madvise(address.as_ptr().add(skipped).cast(), len, libc::MADV_DONTNEED)
    };
    #[cfg(miri)]
    unsafe {
        address.as_ptr().add(skipped).write_bytes(0, len)
    };
}

/// What of it are whole pages: how much to skip, and how much there is then.
fn whole_pages(address: usize, len: usize, page: usize) -> Option<(usize, usize)> {
    let skipped = address.checked_next_multiple_of(page)? - address;
    let len = len.checked_sub(skipped)? / page * page;
    (len > 0).then_some((skipped, len))
}

/// The kernel's.
fn page_size() -> usize {
    // SAFETY: no pointers.
    let said = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(said).map_or(1 << 16, |size| size.max(SIZE))
}

/// Gives memory back.
///
/// # Safety
/// It is `len` bytes from [`map`], and nobody uses it any more.
pub unsafe fn unmap(address: NonNull<u8>, len: usize) {
    // SAFETY: a whole mapping of ours, by contract.
    unsafe { libc::munmap(address.as_ptr().cast(), len) };
}

#[cfg(test)]
mod tests {
    use super::whole_pages;

    /// Blocks of 68 KiB side by side: on a kernel with larger pages the first and the last of one are its neighbours', too.
    #[test]
    fn a_page_that_holds_what_is_anothers_stays() {
        let block = 68 << 10;
        for page in [4096, 16 << 10, 64 << 10] {
            for at in (0..40).map(|n| (64 << 20) + n * block) {
                let Some((skipped, len)) = whole_pages(at, block, page) else { continue };
                assert!((at + skipped).is_multiple_of(page) && len.is_multiple_of(page));
                assert!(skipped + len <= block && skipped < page && block - skipped - len < page);
            }
        }
        assert_eq!(whole_pages(block, block, 4096), Some((0, block)));
        assert_eq!(whole_pages(4096, 60 << 10, 64 << 10), None);
        assert_eq!(whole_pages(usize::MAX - 4095, 4096, 1 << 16), None);
    }
}
