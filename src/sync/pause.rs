//! How a thread lets others go on while it waits without sleeping on anything.

use std::time::Duration;

/// Between two looks at a word that another processor is about to change.
#[inline(always)]
pub fn spin_loop() {
    std::hint::spin_loop();
}

/// Offers the processor to others.
#[inline]
pub fn yield_now() {
    std::thread::yield_now();
}

/// Sleeps for so long, or less if a signal comes. (std's is a cancellation point.)
#[inline]
pub fn sleep(time: Duration) {
    crate::sys::clock::pause(time);
}
