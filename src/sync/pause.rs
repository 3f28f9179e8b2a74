//! How a thread lets others go on while it waits without sleeping on anything.

#[cfg(sim)]
use crate::sys::sim;
use std::time::Duration;

/// Between two looks at a word that another processor is about to change.
#[inline(always)]
pub fn spin_loop() {
    #[cfg(sim)]
    sim::relax();
    #[cfg(not(sim))]
    std::hint::spin_loop();
}

/// Offers the processor to others.
#[inline]
pub fn yield_now() {
    #[cfg(sim)]
    sim::yields();
    #[cfg(not(sim))]
    std::thread::yield_now();
}

/// Sleeps for so long, or less if a signal comes. (std's is a cancellation point.)
#[inline]
pub fn sleep(time: Duration) {
    #[cfg(sim)]
    sim::sleep(time);
    #[cfg(not(sim))]
    crate::sys::clock::pause(time);
}
