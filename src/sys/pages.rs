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

/// A page is no larger, and memory of whole ones is of whole pages.
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

/// Gives the memory back and keeps the addresses, where bytes are zero from now on.
///
/// # Safety
/// Whole pages from [`map`], whose content is of no value.
pub unsafe fn discard(address: NonNull<u8>, len: usize) {
    // SAFETY: pages of ours, by contract. Refused, they stay as they are.
    unsafe { libc::madvise(address.as_ptr().cast(), len, libc::MADV_DONTNEED) };
}

/// Gives memory back.
///
/// # Safety
/// It is `len` bytes from [`map`], and nobody uses it any more.
pub unsafe fn unmap(address: NonNull<u8>, len: usize) {
    // SAFETY: a whole mapping of ours, by contract.
    unsafe { libc::munmap(address.as_ptr().cast(), len) };
}
