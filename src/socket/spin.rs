//! Looking again for a while before sleeping.
//!
//! Waking a sleeping thread costs far more than a message does, so a wait that will be short is
//! better spent looking again, as long as that pays. Whether it does is learnt per socket from what
//! happened: looking that ended in sleep is soon given up, and tried again now and then. Between
//! looks the processor is offered to others, so a peer on the same core gets to answer. Nor do more
//! threads look at once than can be of use: a hundred would only offer the processors to each other.
//!
//! Who offers the processor on a machine that has other work to do loses it for a time slice, some
//! milliseconds, where who sleeps is woken at once. So after that no thread of the process offers it
//! for a while ([`Crowd`]).

use crate::sync::PerProcess;
use crate::sync::atomic::Ordering;
use crate::sync::pause;
use crate::sync::statics::AtomicU64;
use crate::sys::clock::{TICKS_PER_US, processors, ticks};
use crate::sys::signals::Held;

/// How long to look, about what a wake-up costs.
const BUDGET: u64 = 25 * TICKS_PER_US;
/// A yield that took longer means that others have work to do.
const BUSY: u64 = 60 * TICKS_PER_US;
/// How long to watch for news from another thread before the processor is offered to others.
const GLANCE: u64 = 3 * TICKS_PER_US;
/// The same where the processor is not offered: long enough for the other thread to be woken, or two
/// that slept once would go on to wake each other each time.
const STARE: u64 = 15 * TICKS_PER_US;
/// Successes that are remembered.
const MOST_CREDIT: i32 = 4;
/// Waits without looking before it is tried again, at most.
const LONGEST_PAUSE: u32 = 256;

/// One that took this long was a time slice of somebody's. A peer that answers what has collected
/// takes less, and offering it the processor costs less than sleeping does.
const SLICE: u64 = 400 * TICKS_PER_US;
/// How long nobody yields after the first such yield; four times as long after each further one.
const CROWDED: u64 = 2000 * TICKS_PER_US;
/// The longest is this many times four of those: half a second.
const MOST_CROWDED: u64 = 4;
/// So many short yields take one of those back.
const CALM_YIELDS: u64 = 64;
/// A long one after this many short ones costs less than sleeping each time would. Where the scheduler
/// shares the processor out to groups of threads first, ours loses it now and then whatever it does,
/// and yields within the group.
const RARE: u64 = 8;

/// Threads of the process that are looking, more or less.
static LOOKING: PerProcess<AtomicU64> = PerProcess::new(AtomicU64::new(0));

static CROWD: Crowd = Crowd::new();

/// So many may. Two that wait for each other in turn look both for a moment.
fn most_looking() -> u64 {
    2 * processors().max(2) as u64
}

/// What yields have told about the other work of the machine. Threads change it without care for
/// each other: they all find out the same.
struct Crowd {
    /// Long yields lately.
    level: AtomicU64,
    /// Short ones since.
    calm: AtomicU64,
    /// When yielding is worth a try, in [`ticks`].
    until: AtomicU64,
}

impl Crowd {
    const fn new() -> Crowd {
        Crowd { level: AtomicU64::new(0), calm: AtomicU64::new(0), until: AtomicU64::new(0) }
    }

    fn is_here(&self, now: u64) -> bool {
        // As a difference, generously: the counters of processors may not quite agree.
        let left = self.until.load(Ordering::Relaxed).wrapping_sub(now);
        left <= 2 * (CROWDED << (2 * MOST_CROWDED))
    }

    /// Others had the processor for a time slice, until `now`.
    fn grew(&self, now: u64) {
        if self.calm.swap(0, Ordering::Relaxed) >= RARE {
            return;
        }
        let level = self.level.load(Ordering::Relaxed);
        self.until.store(now.wrapping_add(CROWDED << (2 * level)), Ordering::Relaxed);
        self.level.store((level + 1).min(MOST_CROWDED), Ordering::Relaxed);
    }

    /// They gave it back soon.
    fn calmed(&self) {
        let calm = self.calm.load(Ordering::Relaxed) + 1;
        self.calm.store(calm, Ordering::Relaxed);
        let level = self.level.load(Ordering::Relaxed);
        if level > 0 && calm.is_multiple_of(CALM_YIELDS) {
            self.level.store(level - 1, Ordering::Relaxed);
        }
    }
}

/// Whether the machine has other work to do, as far as is known.
pub(super) fn is_crowded() -> bool {
    CROWD.is_here(ticks())
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
}

/// One wait that began with looking again.
pub(super) struct Looking {
    /// Where it is counted.
    everyone: &'static AtomicU64,
    until: u64,
    local: bool,
    glances: bool,
    yields: bool,
    /// What was done last.
    glanced: bool,
    yielded: bool,
    /// When others gave the processor back that they had for a time slice.
    lost: Option<u64>,
    /// Signals wait from the first yield on, for the sleep that may follow. To watch for news takes no
    /// longer than a few system calls would, and does without.
    signals: Option<Held>,
}

impl Spin {
    pub(super) fn new() -> Spin {
        Spin { yields: Learnt::new(), glances: Learnt::new() }
    }

    /// Whether this wait should begin with looking again; `local`: news come from other threads of
    /// this process.
    pub(super) fn begin(&mut self, local: bool) -> Option<Looking> {
        let everyone = LOOKING.get();
        if everyone.load(Ordering::Relaxed) >= most_looking() {
            return None;
        }
        let now = ticks();
        let glances = local && processors() > 1 && self.glances.pays();
        let yields = !CROWD.is_here(now) && self.yields.pays();
        if !glances && !yields {
            return None;
        }
        everyone.fetch_add(1, Ordering::Relaxed);
        Some(Looking {
            everyone,
            until: now + BUDGET,
            local,
            glances,
            yields,
            glanced: false,
            yielded: false,
            lost: None,
            signals: None,
        })
    }

    /// Learns from a wait that began with looking again: whether that was enough, and whether there
    /// is `more` than what was waited for. If so, those who had the processor so long worked for us.
    pub(super) fn end(&mut self, looking: &Looking, found: bool, more: bool) {
        if looking.glances {
            self.glances.learn(found && looking.glanced);
        }
        if looking.yielded {
            self.yields.learn(found);
        }
        // Nor is it known that others had it, where threads of this process may have done something
        // else that we do not wait for.
        if let Some(at) = looking.lost
            && !more
            && (found || !looking.local)
        {
            CROWD.grew(at);
        }
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.everyone.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Looking {
    /// Gives up looking: what signals there are is for the sleep that follows to find out.
    pub(super) fn give_up(mut self) -> Option<Held> {
        self.signals.take()
    }

    /// Waits for a moment: for `news`, which another thread of this process gives, without a system
    /// call; then by letting others run. False if it is time to sleep.
    pub(super) fn wait(&mut self, news: impl Fn() -> bool) -> bool {
        self.glanced = self.glances && self.glance(news);
        self.glanced || self.yields && self.pause()
    }

    fn glance(&self, news: impl Fn() -> bool) -> bool {
        let until = self.until.min(ticks() + if self.yields { GLANCE } else { STARE });
        while ticks() < until {
            for _ in 0..8 {
                if news() {
                    return true;
                }
                pause::spin_loop();
            }
        }
        false
    }

    /// Lets others run for a moment; false if it is time to sleep.
    pub(super) fn pause(&mut self) -> bool {
        self.yielded = true;
        self.signals.get_or_insert_with(Held::begin);
        let before = ticks();
        pause::yield_now();
        let after = ticks();
        let took = after.wrapping_sub(before);
        if took > SLICE {
            self.lost = Some(after);
        } else {
            CROWD.calmed();
        }
        if took > BUSY {
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
    fn a_busy_machine_is_asked_ever_less_until_yields_are_short_again() {
        let crowd = Crowd::new();
        let (mut now, mut asked) = (1_000_000_000_000, 0);
        for _ in 0..10_000 {
            if !crowd.is_here(now) {
                asked += 1;
                crowd.grew(now.wrapping_add(2 * SLICE));
            }
            now = now.wrapping_add(100 * TICKS_PER_US);
        }
        assert!((5..10).contains(&asked), "{asked} long yields in a second");
        while crowd.is_here(now) {
            now = now.wrapping_add(CROWDED);
        }
        for _ in 0..MOST_CROWDED * CALM_YIELDS {
            crowd.calmed();
            assert!(!crowd.is_here(now));
        }
        crowd.grew(now.wrapping_add(2 * SLICE));
        assert!(!crowd.is_here(now.wrapping_add(2 * SLICE)), "one among many");
        crowd.grew(now.wrapping_add(2 * SLICE));
        assert!(crowd.is_here(now.wrapping_add(2 * SLICE)), "one right after another");
        assert!(!crowd.is_here(now.wrapping_add(2 * CROWDED)), "it has calmed down");
    }

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
