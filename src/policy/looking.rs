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

use super::TICKS_PER_US;
use super::habit::{Habit, Terms};
use std::time::Duration;

/// How long to look, about what a wake-up costs; ticks.
const BUDGET: u64 = 25 * TICKS_PER_US;
/// A yield that took longer means that others have work to do; ticks.
const BUSY: u64 = 60 * TICKS_PER_US;
/// How long to watch for news from another thread before the processor is offered to others; ticks.
const GLANCE: u64 = 3 * TICKS_PER_US;
/// The same where the processor is not offered: long enough for the other thread to be woken, or two
/// that slept once would go on to wake each other each time; ticks.
const LONG_GLANCE: u64 = 15 * TICKS_PER_US;
/// What looking in vain costs, and how often it is tried again.
pub(super) const TERMS: Terms = Terms { loss: 2, longest_pause: 256 };

/// A yield that took this long was a time slice of somebody's. A peer that answers what has collected
/// takes less, and offering it the processor costs less than sleeping does; ticks.
const SLICE: u64 = 400 * TICKS_PER_US;
/// How long nobody yields after the first such yield; four times as long after each further one; ticks.
const CROWDED: u64 = 2000 * TICKS_PER_US;
/// The longest is this many times four of those: half a second.
const MOST_CROWDED: u64 = 4;
/// So many short yields take one of those back.
const CALM_YIELDS: u64 = 64;
/// A long one after this many short ones costs less than sleeping each time would. Where the scheduler
/// shares the processor out to groups of threads first, ours loses it now and then whatever it does,
/// and yields within the group.
const RARE: u64 = 8;

/// A sleep longer than this means little traffic: the I/O thread is told of its turn by a change of
/// what it watches, not by ticking.
const LONG_SLEEP: Duration = Duration::from_millis(4);
/// The longest that a message which could be copied waits instead for the kernel to take more.
const CATCH_UP: Duration = Duration::from_millis(1);
/// The same where the receiver has to wait for a processor.
const CATCH_UP_IN_CROWD: Duration = Duration::from_millis(4);

/// Whether somebody who slept for so long has little to do.
pub(crate) fn is_long(slept: Duration) -> bool {
    slept > LONG_SLEEP
}

/// How long to wait for the kernel to take more, where the message could be copied.
pub(crate) fn catch_up(crowded: bool) -> Duration {
    if crowded { CATCH_UP_IN_CROWD } else { CATCH_UP }
}

/// So many threads of a process may look at once. Two that wait for each other in turn look both for a
/// moment.
pub(crate) fn most_looking(processors: usize) -> u64 {
    2 * processors.max(2) as u64
}

/// What yields have told about the other work of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Crowd {
    /// Long yields lately.
    pub(crate) level: u64,
    /// Short ones since.
    pub(crate) calm: u64,
    /// When yielding is worth a try, in ticks.
    pub(crate) until: u64,
}

impl Crowd {
    /// Whether others have work to do; yielding is worth a try from `until` on.
    pub(crate) fn is_here(until: u64, now: u64) -> bool {
        // As a difference, generously: the counters of processors may not quite agree.
        until.wrapping_sub(now) <= 2 * (CROWDED << (2 * MOST_CROWDED))
    }

    /// Others had the processor for a time slice, until `now`.
    pub(crate) fn grow(&mut self, now: u64) {
        if std::mem::take(&mut self.calm) >= RARE {
            return;
        }
        self.until = now.wrapping_add(CROWDED << (2 * self.level));
        self.level = (self.level + 1).min(MOST_CROWDED);
    }

    /// They gave it back soon.
    pub(crate) fn calm_down(&mut self) {
        self.calm += 1;
        if self.level > 0 && self.calm.is_multiple_of(CALM_YIELDS) {
            self.level -= 1;
        }
    }
}

/// What a socket, or a thread, has learnt about its waits.
#[derive(Debug)]
pub(crate) struct Waits {
    /// Offering the processor.
    yields: Habit,
    /// Watching for news: worth nothing if the other thread has to share our processor.
    glances: Habit,
}

/// What a socket has learnt about all its waits.
#[derive(Debug)]
pub(crate) struct Learnt {
    /// Waits for something to receive.
    pub(crate) receive: Waits,
    /// Waits for the kernel to take more of a long message.
    pub(crate) send: Waits,
    /// Whether it pays to wait for that at all, where the message could be copied.
    pub(crate) catching_up: Habit,
}

impl Learnt {
    pub(crate) fn new() -> Learnt {
        Learnt { receive: Waits::new(), send: Waits::new(), catching_up: Habit::new(TERMS) }
    }
}

/// What there is to know when a wait begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wait {
    pub(crate) now: u64,
    /// News come from other threads of this process.
    pub(crate) local: bool,
    /// They may run meanwhile.
    pub(crate) others_run: bool,
    /// The machine has other work to do.
    pub(crate) crowded: bool,
}

/// One wait that begins with looking again.
#[derive(Debug)]
pub(crate) struct Look {
    until: u64,
    local: bool,
    glances: bool,
    yields: bool,
    /// What was done last.
    glanced: bool,
    yielded: bool,
    /// When others gave the processor back that they had for a time slice.
    lost: Option<u64>,
}

/// What follows from having offered the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Yielded {
    /// There is another look; otherwise it is time to sleep.
    pub(crate) go_on: bool,
    /// Others gave it back soon, see [`Crowd::calm_down`].
    pub(crate) soon: bool,
}

impl Waits {
    pub(crate) fn new() -> Waits {
        Waits { yields: Habit::new(TERMS), glances: Habit::new(TERMS) }
    }

    /// Whether this wait should begin with looking again.
    pub(crate) fn begin(&mut self, wait: Wait) -> Option<Look> {
        let glances = wait.local && wait.others_run && self.glances.pays();
        let yields = !wait.crowded && self.yields.pays();
        (glances || yields).then_some(Look {
            until: wait.now + BUDGET,
            local: wait.local,
            glances,
            yields,
            glanced: false,
            yielded: false,
            lost: None,
        })
    }

    /// Learns from a wait that began with looking again: whether that was enough, and whether there
    /// is `more` than what was waited for. If so, those who had the processor so long worked for us.
    /// Otherwise the time when they gave it back, see [`Crowd::grow`].
    pub(crate) fn end(&mut self, look: &Look, found: bool, more: bool) -> Option<u64> {
        if look.glances {
            self.glances.learn(found && look.glanced);
        }
        if look.yielded {
            self.yields.learn(found);
        }
        // Nor is it known that others had it, where threads of this process may have done something
        // else that we do not wait for.
        look.lost.filter(|_| !more && (found || !look.local))
    }
}

impl Look {
    /// Until when to watch for news from another thread of this process, if at all.
    pub(crate) fn glance_until(&self, now: impl FnOnce() -> u64) -> Option<u64> {
        let most = if self.yields { GLANCE } else { LONG_GLANCE };
        self.glances.then(|| self.until.min(now() + most))
    }

    /// Whether there were any. If not, whether to offer the processor.
    pub(crate) fn glanced(&mut self, found: bool) -> bool {
        self.glanced = found;
        self.yields && !found
    }

    /// Others were offered the processor, from `before` to `after`.
    pub(crate) fn yielded(&mut self, before: u64, after: u64) -> Yielded {
        self.yielded = true;
        let took = after.wrapping_sub(before);
        let soon = took <= SLICE;
        if !soon {
            self.lost = Some(after);
        }
        if took > BUSY {
            self.until = 0;
            // One more look: what we wait for may have come meanwhile.
            return Yielded { go_on: true, soon };
        }
        Yielded { go_on: after < self.until, soon }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_machine_is_asked_ever_less_until_yields_are_short_again() {
        let mut crowd = Crowd::default();
        let is_here = |crowd: &Crowd, now| Crowd::is_here(crowd.until, now);
        let (mut now, mut asked) = (1_000_000_000_000u64, 0);
        for _ in 0..10_000 {
            if !is_here(&crowd, now) {
                asked += 1;
                crowd.grow(now.wrapping_add(2 * SLICE));
            }
            now = now.wrapping_add(100 * TICKS_PER_US);
        }
        assert!((5..10).contains(&asked), "{asked} long yields in a second");
        while is_here(&crowd, now) {
            now = now.wrapping_add(CROWDED);
        }
        for _ in 0..MOST_CROWDED * CALM_YIELDS {
            crowd.calm_down();
            assert!(!is_here(&crowd, now));
        }
        crowd.grow(now.wrapping_add(2 * SLICE));
        assert!(!is_here(&crowd, now.wrapping_add(2 * SLICE)), "one among many");
        crowd.grow(now.wrapping_add(2 * SLICE));
        assert!(is_here(&crowd, now.wrapping_add(2 * SLICE)), "one right after another");
        assert!(!is_here(&crowd, now.wrapping_add(2 * CROWDED)), "it has calmed down");
    }

    const START: u64 = 1_000_000_000;

    fn begin(waits: &mut Waits, local: bool, crowded: bool) -> Option<Look> {
        waits.begin(Wait { now: START, local, others_run: true, crowded })
    }

    #[test]
    fn a_wait_looks_for_about_as_long_as_a_wake_up_costs() {
        let mut waits = Waits::new();
        let mut look = begin(&mut waits, false, false).unwrap();
        assert_eq!(look.glance_until(|| START), None, "news come from the kernel");
        assert!(look.glanced(false));
        let mut now = START;
        while look.yielded(now, now + TICKS_PER_US) == (Yielded { go_on: true, soon: true }) {
            now += TICKS_PER_US;
        }
        assert!(now - START >= BUDGET - 2 * TICKS_PER_US && now - START <= BUDGET);
    }

    #[test]
    fn whoever_lost_the_processor_looks_once_more_and_tells() {
        for (took, soon) in [(BUSY + 1, true), (SLICE + 1, false)] {
            let mut waits = Waits::new();
            let mut look = begin(&mut waits, false, false).unwrap();
            assert_eq!(look.yielded(START, START + took), Yielded { go_on: true, soon });
            let after = START + took;
            assert!(!look.yielded(after, after + 1).go_on);
            assert_eq!(waits.end(&look, false, false), (!soon).then_some(after));
            // Those who had it so long worked for us.
            assert_eq!(waits.end(&look, true, true), None);
        }
    }

    #[test]
    fn in_a_crowd_only_news_of_the_process_are_watched_for() {
        let mut waits = Waits::new();
        assert!(begin(&mut waits, false, true).is_none());
        let mut look = begin(&mut waits, true, true).unwrap();
        assert_eq!(look.glance_until(|| START), Some(START + LONG_GLANCE));
        assert!(!look.glanced(false));
        assert!(begin(&mut Waits::new(), true, true).is_some());
        assert!(
            waits
                .begin(Wait { now: START, local: true, others_run: false, crowded: true })
                .is_none()
        );
    }
}
