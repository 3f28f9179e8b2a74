//! How much memory the process has, and how malloc(3) gives back what it keeps.

use std::fs::File;
use std::io::Read;

/// Bytes of the process that are in memory; `None` where /proc cannot be read.
pub fn resident() -> Option<u64> {
    let mut text = [0; 128];
    let count = File::open("/proc/self/statm").ok()?.read(&mut text).ok()?;
    let mut numbers = std::str::from_utf8(text.get(..count)?).ok()?.split_ascii_whitespace();
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
