//! How often the I/O thread ticks for the sockets it watches, and whom its ticks pass by.

use std::time::{Duration, Instant};

/// Between ticks while something waits to be flushed.
pub(crate) const TICK_SOON: Duration = Duration::from_micros(50);
/// Between other ticks.
pub(crate) const TICK_LATER: Duration = Duration::from_millis(1);
/// The longest between ticks that took long themselves.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// Fast ticks without anything to flush before ticks become slow again.
const CALM_TICKS: u32 = 10;
/// Ticks on which an application that is here is left alone, at most: something may wait for the I/O
/// thread that it does not know of.
const PASS_BY: u32 = 8;

/// How often there are ticks, at what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    Off,
    Slow,
    Fast,
}

/// Rounds of ticks, one for every watched socket.
#[derive(Debug)]
pub(crate) struct Rounds {
    /// When the last one was over.
    ended: Instant,
    /// How long it took.
    took: Duration,
    /// Rounds since one in which something waited to be flushed.
    calm: u32,
}

impl Rounds {
    pub(crate) fn new(now: Instant) -> Rounds {
        Rounds { ended: now, took: Duration::ZERO, calm: 0 }
    }

    /// When the next one should begin: with thousands of sockets a round takes long, and the more is
    /// collected meanwhile the less does it cost.
    pub(crate) fn next(&self, pace: Pace) -> Option<Instant> {
        let pause = match pace {
            Pace::Off => return None,
            Pace::Slow => TICK_LATER,
            Pace::Fast => TICK_SOON,
        };
        Some(self.ended + (2 * self.took).min(LONGEST_PAUSE).max(pause))
    }

    /// One is over; in which something was to be flushed `soon`. How far one tick of a socket is from
    /// the next at most, in microseconds, if there are so many that it is not what the socket asked for.
    pub(crate) fn ended(&mut self, began: Instant, now: Instant, soon: bool) -> u64 {
        self.ended = now;
        self.took = now.saturating_duration_since(began);
        self.calm = if soon { 0 } else { self.calm.saturating_add(1) };
        3 * self.took.as_micros() as u64
    }

    /// Whether slow ticks are enough.
    pub(crate) fn is_calm(&self) -> bool {
        self.calm > CALM_TICKS
    }
}

/// Whether a tick passes an application by that is `here`, having passed it by `passes` times in a row:
/// to look closer would take the lock away from it. Returns how often it has now.
pub(crate) fn pass_by(passes: u32, here: impl FnOnce() -> bool) -> u32 {
    if passes < PASS_BY && here() { passes + 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Duration = Duration::from_micros(1);

    #[test]
    fn rounds_that_take_long_are_rare_but_come() {
        let mut now = Instant::now();
        let mut rounds = Rounds::new(now);
        assert_eq!(rounds.next(Pace::Off), None);
        for took in [US, 100 * US, 10_000 * US, 1_000_000 * US] {
            let began = now;
            now += took;
            assert_eq!(rounds.ended(began, now, true), 3 * took.as_micros() as u64);
            let next = rounds.next(Pace::Fast).unwrap();
            assert!(next - now >= TICK_SOON && next - now <= LONGEST_PAUSE);
            // At most a third of the time goes into ticks, until that would make them too rare.
            assert!(next - now >= (2 * took).min(LONGEST_PAUSE));
            assert!(rounds.next(Pace::Slow).unwrap() >= now + TICK_LATER);
        }
    }

    #[test]
    fn ticks_become_slow_when_nothing_was_flushed_for_a_while() {
        let now = Instant::now();
        let mut rounds = Rounds::new(now);
        for _ in 0..3 {
            rounds.ended(now, now, true);
            assert!(!rounds.is_calm());
            for _ in 0..CALM_TICKS {
                rounds.ended(now, now, false);
                assert!(!rounds.is_calm());
            }
            rounds.ended(now, now, false);
            assert!(rounds.is_calm());
        }
    }

    #[test]
    fn whoever_is_here_is_passed_by_only_so_often() {
        let mut passes = 0;
        for _ in 0..3 {
            for n in 1..=PASS_BY {
                passes = pass_by(passes, || true);
                assert_eq!(passes, n);
            }
            passes = pass_by(passes, || panic!("not asked: it is looked after anyhow"));
            assert_eq!(passes, 0);
        }
        passes = pass_by(pass_by(passes, || true), || false);
        assert_eq!(passes, 0);
    }
}
