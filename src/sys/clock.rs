//! Cheap time stamps for decisions that may be a little wrong, and the number of processors.

use std::sync::OnceLock;

/// Ticks of [`ticks`] in a microsecond, roughly: processors run their counter at 2 to 4 GHz. Only
/// heuristics depend on it, so half or double the real value changes nothing that matters.
pub const TICKS_PER_US: u64 = 2500;

/// A monotonic counter that costs a few nanoseconds to read.
#[inline]
pub fn ticks() -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: every x86_64 processor has the time stamp counter.
        unsafe { core::arch::x86_64::_rdtsc() }
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        use std::time::Instant;
        static START: OnceLock<Instant> = OnceLock::new();
        let start = START.get_or_init(Instant::now);
        start.elapsed().as_nanos() as u64 * TICKS_PER_US / 1000
    }
}

/// How many processors this process may run on.
pub fn processors() -> usize {
    static COUNT: OnceLock<usize> = OnceLock::new();
    *COUNT.get_or_init(|| std::thread::available_parallelism().map_or(1, |n| n.get()))
}
