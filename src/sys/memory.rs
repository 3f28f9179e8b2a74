//! How much memory the process has, and how malloc(3) gives back what it keeps.

use super::fd::OwnedFd;
use super::raw;
use std::os::fd::{AsRawFd, FromRawFd};

/// Bytes of the process that are in memory; `None` where /proc cannot be read.
pub fn resident() -> Option<u64> {
    let mut text = [0u8; 128];
    // SAFETY: a zero-terminated path.
    let fd = unsafe { raw::open(c"/proc/self/statm".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if fd < 0 {
        return None;
    }
    // SAFETY: a descriptor that was just opened for us.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: as many writable bytes as the length says.
    let count = unsafe { raw::read(file.as_raw_fd(), text.as_mut_ptr().cast(), text.len()) };
    let text = text.get(..usize::try_from(count).ok()?)?;
    let mut numbers = std::str::from_utf8(text).ok()?.split_ascii_whitespace();
    let pages: u64 = numbers.nth(1)?.parse().ok()?;
    // SAFETY: a plain call.
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.checked_mul(u64::try_from(page).ok()?)
}

/// Gives back to the system what malloc keeps for later, where it knows how to.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim(3) may be called from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_process_has_memory() {
        let resident = super::resident().unwrap_or_default();
        assert!((1 << 16..1 << 40).contains(&resident), "{resident}");
        super::trim();
    }
}
