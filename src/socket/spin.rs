//! Looking again for a while before sleeping.
//!
//! Waking a sleeping thread costs far more than a message does, so a wait that will be short is
//! better spent looking again, as long as that pays. Whether it does is learnt per socket from what
//! happened: looking that ended in sleep is soon given up, and tried again now and then. Between
//! looks the processor is offered to others, so a peer on the same core gets to answer; if others
//! take it for long, the machine is busy and looking again stops. Nor do more threads look at once
//! than can be of use: a hundred would only offer the processors to each other.

use crate::sync::atomic::Ordering;
use crate::sync::statics::AtomicU64;
use crate::sys::clock::{TICKS_PER_US, processors, ticks};

/// How long to look, about what a wake-up costs.
const BUDGET: u64 = 25 * TICKS_PER_US;
/// A yield that took longer means that others have work to do.
const BUSY: u64 = 60 * TICKS_PER_US;
/// How many times as long as others had the processor then it is not offered again: the first time,
/// which may be chance, and at most, after twice as many each time.
const RARELY: (u64, u64) = (2, 64);
/// As many offers in a row that cost little show that the machine is not busy any more.
const QUICK: u32 = 64;
/// How long to watch for news from another thread before the processor is offered to others.
const GLANCE: u64 = 3 * TICKS_PER_US;
/// Successes that are remembered.
const MOST_CREDIT: i32 = 4;
/// Waits without looking before it is tried again, at most.
const LONGEST_PAUSE: u32 = 256;

/// Threads of the process that are looking, more or less.
static LOOKING: AtomicU64 = AtomicU64::new(0);

/// So many may. Two that wait for each other in turn look both for a moment.
fn most_looking() -> u64 {
    2 * processors().max(2) as u64
}

/// What was learnt about something that is done while waiting.
pub(super) struct Learnt {
    credit: i32,
    pause: u32,
    pause_left: u32,
}

impl Learnt {
    pub(super) fn new() -> Learnt {
        Learnt { credit: 1, pause: 1, pause_left: 0 }
    }

    /// Whether it is worth a try this time.
    pub(super) fn pays(&mut self) -> bool {
        if self.credit <= 0 {
            if self.pause_left > 0 {
                self.pause_left -= 1;
                return false;
            }
            self.credit = 1;
        }
        true
    }

    /// Learns whether it was enough.
    pub(super) fn learn(&mut self, found: bool) {
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

/// What a socket has learnt about its waits.
pub(super) struct Spin {
    /// Offering the processor.
    yields: Learnt,
    /// Watching for news: worth nothing if the other thread has to share our processor.
    glances: Learnt,
    /// When the processor may be offered again at the earliest, in [`ticks`].
    not_before: u64,
    /// See [`RARELY`].
    rarely: u64,
    /// Offers since the last that was too long.
    quick: u32,
}

/// One wait that began with looking again.
pub(super) struct Looking {
    until: u64,
    glances: bool,
    yields: bool,
    /// What was done last.
    glanced: bool,
    yielded: bool,
    /// How long others had the processor, if that was too long.
    lost: u64,
}

impl Spin {
    pub(super) fn new() -> Spin {
        let (yields, glances) = (Learnt::new(), Learnt::new());
        Spin { yields, glances, not_before: 0, rarely: RARELY.0, quick: 0 }
    }

    /// Whether this wait should begin with looking again; `local`: news come from other threads of
    /// this process.
    pub(super) fn begin(&mut self, local: bool) -> Option<Looking> {
        if LOOKING.load(Ordering::Relaxed) >= most_looking() {
            return None;
        }
        let glances = local && processors() > 1 && self.glances.pays();
        let yields = self.yields.pays();
        if !glances && !yields {
            return None;
        }
        let now = ticks();
        let yields = yields && now >= self.not_before;
        if !glances && !yields {
            return None;
        }
        LOOKING.fetch_add(1, Ordering::Relaxed);
        let until = now + BUDGET;
        Some(Looking { until, glances, yields, glanced: false, yielded: false, lost: 0 })
    }

    /// Learns from a wait that began with looking again: whether that was enough, and whether there is
    /// `more` than what was waited for. If so, those who had the processor so long worked for us.
    pub(super) fn end(&mut self, looking: &Looking, found: bool, more: bool) {
        if looking.glances {
            self.glances.learn(found && looking.glanced);
        }
        if looking.yielded {
            self.yields.learn(found);
        }
        if looking.lost > 0 && !more {
            // A thread that sleeps and is woken goes before one that offers the processor.
            self.not_before = ticks() + self.rarely * looking.lost;
            self.rarely = (self.rarely * 2).min(RARELY.1);
            self.quick = 0;
        } else if looking.yielded && self.rarely > RARELY.0 {
            self.quick += 1;
            if self.quick >= QUICK {
                self.rarely = RARELY.0;
            }
        }
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        LOOKING.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Looking {
    /// Waits for a moment: for `news`, which another thread of this process gives, without a system
    /// call; then by letting others run. False if it is time to sleep.
    pub(super) fn wait(&mut self, news: impl Fn() -> bool) -> bool {
        self.glanced = self.glances && self.glance(news);
        self.glanced || self.yields && self.pause()
    }

    fn glance(&self, news: impl Fn() -> bool) -> bool {
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
        self.yielded = true;
        let before = ticks();
        std::thread::yield_now();
        let after = ticks();
        if after - before > BUSY {
            self.until = 0;
            self.lost = after - before;
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
        let mut looking = Learnt::new();
        let mut looked = 0;
        for _ in 0..1000 {
            if looking.pays() {
                looked += 1;
                looking.learn(false);
            }
        }
        assert!((5..15).contains(&looked), "{looked} looks in 1000 futile waits");
        while !looking.pays() {}
        looking.learn(true);
        assert!((0..100).all(|_| {
            let looks = looking.pays();
            looking.learn(true);
            looks
        }));
    }
}
