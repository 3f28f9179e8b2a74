//! Cheap time stamps for decisions that may be a little wrong, and the number of processors.

use super::cancel::Shielded;
#[cfg(not(sim))]
use super::raw;
#[cfg(sim)]
use super::sim::libc;
use crate::sync::atomic::Ordering;
#[cfg(all(target_arch = "x86_64", not(sim)))]
use crate::sync::statics::AtomicBool;
use crate::sync::statics::AtomicU32;
use std::time::{Duration, Instant};

pub use crate::policy::TICKS_PER_US;

/// The time in nanoseconds since some moment, which costs a few nanoseconds to read. Never used for
/// what a program can rely on (timeouts, intervals): processors' counters may differ a little.
#[inline]
pub fn ticks() -> u64 {
    #[cfg(all(target_arch = "x86_64", not(sim)))]
    {
        counter::now()
    }
    #[cfg(any(not(target_arch = "x86_64"), sim))]
    {
        kernel_time()
    }
}

/// The time that timeouts and intervals are measured with.
#[inline]
pub fn now() -> Instant {
    #[cfg(sim)]
    return super::sim::world::instant();
    #[cfg(not(sim))]
    Instant::now()
}

/// The time that has passed since then.
#[inline]
pub fn since(then: Instant) -> Duration {
    now().saturating_duration_since(then)
}

/// Finds out how fast the processor counts, which takes some 20 us once. Without it [`ticks`] is right
/// for processors that count at 2.5 GHz. Counts the processors, too, which needs memory: later there
/// may be none.
pub fn calibrate() {
    processors();
    #[cfg(all(target_arch = "x86_64", not(sim)))]
    {
        static CALIBRATED: AtomicBool = AtomicBool::new(false);
        // Two threads that do it at the same time find out the same, and neither waits: in a forked
        // child the other one may not exist.
        if !CALIBRATED.load(Ordering::Relaxed) {
            counter::calibrate();
            CALIBRATED.store(true, Ordering::Relaxed);
        }
    }
}

/// What [`ticks`] says, and CLOCK_MONOTONIC in nanoseconds at the same moment: of several pairs that which was read the
/// fastest, as a thread may lose the processor in between.
#[must_use]
pub fn both() -> (u64, u64) {
    let pairs = (0..3).map(|_| {
        let (before, time, after) = (ticks(), kernel_time(), ticks());
        let took = after.wrapping_sub(before);
        (took, before.wrapping_add(took / 2), time)
    });
    pairs.min().map_or((0, 0), |(_, ticks, time)| (ticks, time))
}

/// What the calendar says: the time since 1970. Somebody may set it back at any moment.
#[cfg(tls)]
#[must_use]
pub fn wall() -> Duration {
    Duration::from_nanos(read(libc::CLOCK_REALTIME))
}

fn kernel_time() -> u64 {
    read(libc::CLOCK_MONOTONIC)
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid; the clocks exist on every system we run on.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64)
}

#[cfg(all(target_arch = "x86_64", not(sim)))]
mod counter {
    use super::kernel_time;
    use crate::sync::atomic::Ordering;
    use crate::sync::statics::AtomicU64;
    use core::arch::x86_64::_rdtsc;

    /// Nanoseconds in a count, times 2^32.
    static SCALE: AtomicU64 = AtomicU64::new(scale_of(2500, 1000));

    /// How long to count.
    const SAMPLE: u64 = 20_000;

    const fn scale_of(counts: u64, nanoseconds: u64) -> u64 {
        (((nanoseconds as u128) << 32) / counts as u128) as u64
    }

    fn count() -> u64 {
        // SAFETY: every x86_64 processor has the time stamp counter.
        unsafe { _rdtsc() }
    }

    #[inline]
    pub(super) fn now() -> u64 {
        let scale = SCALE.load(Ordering::Relaxed);
        ((u128::from(count()) * u128::from(scale)) >> 32) as u64
    }

    /// A count and a time that belong together: of several pairs that which was read the fastest.
    fn pair() -> (u64, u64) {
        let pairs = (0..5).map(|_| {
            let (before, time, after) = (count(), kernel_time(), count());
            let took = after.wrapping_sub(before);
            (took, before.wrapping_add(took / 2), time)
        });
        pairs.min().map_or((0, 0), |(_, count, time)| (count, time))
    }

    pub(super) fn calibrate() {
        if let Some(scale) = measure() {
            SCALE.store(scale, Ordering::Relaxed);
        }
    }

    /// `None` if what was measured is not plausible. A counter that later runs at another speed, or
    /// differs between processors, makes decisions worse and nothing wrong.
    fn measure() -> Option<u64> {
        let (count, time) = pair();
        while kernel_time().wrapping_sub(time) < SAMPLE {
            std::hint::spin_loop();
        }
        let (last_count, last_time) = pair();
        let counts = last_count.checked_sub(count)?;
        let nanoseconds = last_time.checked_sub(time)?;
        // 100 MHz to 200 GHz: bench/path.c makes the clock slow.
        (counts > nanoseconds / 10 && counts < nanoseconds * 200)
            .then(|| scale_of(counts, nanoseconds))
    }
}

/// Sleeps, or less if a signal comes. (std's is a cancellation point.)
#[cfg(not(sim))]
pub fn pause(time: Duration) {
    raw::nanosleep(libc::timespec {
        tv_sec: time.as_secs().min(1 << 30) as libc::time_t,
        tv_nsec: time.subsec_nanos() as libc::c_long,
    });
}

/// How many processors this process may run on.
pub fn processors() -> usize {
    /// 0: not asked yet.
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let known = COUNT.load(Ordering::Relaxed);
    if known != 0 {
        return known as usize;
    }
    // It reads files.
    let _here = Shielded::begin();
    #[cfg(not(sim))]
    let count = std::thread::available_parallelism().map_or(1, |n| n.get());
    #[cfg(sim)]
    let count = super::sim::world::processors();
    COUNT.store(u32::try_from(count).unwrap_or(u32::MAX), Ordering::Relaxed);
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A look at both clocks may lose the processor in between, so the best of some counts.
    #[test]
    fn a_tick_is_a_nanosecond() {
        calibrate();
        let off_by = (0..20).map(|_| {
            let (ticks_before, time_before) = (ticks(), kernel_time());
            while kernel_time() - time_before < 2_000_000 {
                std::hint::spin_loop();
            }
            let (passed, time) = (ticks() - ticks_before, kernel_time() - time_before);
            passed.abs_diff(time) as f64 / time as f64
        });
        let best = off_by.fold(f64::MAX, f64::min);
        assert!(best < 0.03, "{best} off");
    }
}
