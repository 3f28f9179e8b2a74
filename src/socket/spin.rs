//! Looking again for a while before sleeping.
//!
//! Waking a sleeping thread costs far more than a message does, so a wait that will be short is
//! better spent looking again, as long as that pays. Whether it does is learnt per socket from what
//! happened: looking that ended in sleep is soon given up, and tried again now and then. Between
//! looks the processor is offered to others, so a peer on the same core gets to answer; if others
//! take it for long, the machine is busy and looking again stops.

use crate::sys::clock::{TICKS_PER_US, processors, ticks};

/// How long to look, about what a wake-up costs.
const BUDGET: u64 = 25 * TICKS_PER_US;
/// A yield that took longer means that others have work to do.
const BUSY: u64 = 60 * TICKS_PER_US;
/// How long to watch for news from another thread before the processor is offered to others.
const GLANCE: u64 = 3 * TICKS_PER_US;
/// Successes that are remembered.
const MOST_CREDIT: i32 = 4;
/// Waits without looking before it is tried again, at most.
const LONGEST_PAUSE: u32 = 256;

/// What a socket has learnt about its waits.
pub(super) struct Spin {
    credit: i32,
    pause: u32,
    pause_left: u32,
}

/// One wait that began with looking again.
pub(super) struct Looking {
    until: u64,
}

impl Spin {
    pub(super) fn new() -> Spin {
        Spin { credit: 1, pause: 1, pause_left: 0 }
    }

    /// Whether this wait should begin with looking again.
    pub(super) fn begin(&mut self) -> Option<Looking> {
        if self.credit <= 0 {
            if self.pause_left > 0 {
                self.pause_left -= 1;
                return None;
            }
            self.credit = 1;
        }
        Some(Looking { until: ticks() + BUDGET })
    }

    /// Learns whether looking again was enough.
    pub(super) fn end(&mut self, found: bool) {
        if found {
            self.credit = (self.credit + 1).min(MOST_CREDIT);
            self.pause = 1;
        } else {
            self.credit -= 2;
            if self.credit <= 0 {
                self.pause_left = self.pause;
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

impl Looking {
    /// Waits a moment for `news`, which another thread of this process gives, without a system
    /// call. Worth nothing if the other thread has to share our processor.
    pub(super) fn glance(&self, news: impl Fn() -> bool) -> bool {
        if processors() == 1 {
            return false;
        }
        let until = self.until.min(ticks() + GLANCE);
        while ticks() < until {
            for _ in 0..8 {
                if news() {
                    return true;
                }
                std::hint::spin_loop();
            }
        }
        false
    }

    /// Lets others run for a moment; false if it is time to sleep.
    pub(super) fn pause(&mut self) -> bool {
        let before = ticks();
        std::thread::yield_now();
        let after = ticks();
        if after - before > BUSY {
            self.until = 0;
            // One more look: what we wait for may have come meanwhile.
            return true;
        }
        after < self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_is_given_up_and_tried_again_ever_less() {
        let mut spin = Spin::new();
        let mut looked = 0;
        for _ in 0..1000 {
            if spin.begin().is_some() {
                looked += 1;
                spin.end(false);
            }
        }
        assert!((5..15).contains(&looked), "{looked} looks in 1000 futile waits");
        while spin.begin().is_none() {}
        spin.end(true);
        assert!((0..100).all(|_| {
            let looks = spin.begin().is_some();
            spin.end(true);
            looks
        }));
    }
}
