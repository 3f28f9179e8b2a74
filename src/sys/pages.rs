//! Memory straight from the system: it goes back there when it is unmapped, which memory from malloc
//! does only if nothing above it is in use.

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

/// Gives memory back.
///
/// # Safety
/// It is `len` bytes from [`map`], and nobody uses it any more.
pub unsafe fn unmap(address: NonNull<u8>, len: usize) {
    // SAFETY: a whole mapping of ours, by contract.
    unsafe { libc::munmap(address.as_ptr().cast(), len) };
}
