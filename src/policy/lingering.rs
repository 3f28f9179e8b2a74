//! How long the reader of a queue within the process waits for its writer.
//!
//! A reader that finds the queue empty and leaves pays for coming back; one that stays for a moment may
//! find the next message. And a reader that is faster than its writer would be at its heels: each would
//! wait for the cache lines that the other has just used. So it lets some messages gather first.

use super::TICKS_PER_US;
use super::habit::{Habit, Terms};

/// How long a reader lingers at an empty queue at most, in ticks.
const LINGER: u64 = TICKS_PER_US;
/// How long it then lets messages gather at most, in ticks.
const GATHER: u64 = 3 * TICKS_PER_US;
/// As many messages gathered are worth it.
const GATHERED: u64 = 4;
/// Words of 8 bytes in the queue that are enough.
const ENOUGH: u64 = 8 * 1024;
/// Whether lingering pays; 1024 looks at an empty queue without it cost more than trying again does.
pub(super) const LINGERS: Terms = Terms { loss: 1, longest_pause: 1024 };
/// The same of gathering, which costs an answer that somebody waits for more.
pub(super) const GATHERS: Terms = Terms { loss: 1, longest_pause: 16 * 1024 };

/// What a reader has learnt about waiting for its writer.
#[derive(Debug)]
pub(crate) struct Lingering {
    lingers: Habit,
    gathers: Habit,
    /// Messages received when it last began to let some gather.
    gathered_from: Option<u64>,
}

impl Lingering {
    pub(crate) fn new() -> Lingering {
        Lingering {
            lingers: Habit::new(LINGERS),
            gathers: Habit::new(GATHERS),
            gathered_from: None,
        }
    }

    /// The queue is empty again, after so many messages in all. Whether to linger, if there are other
    /// processors for the writer to run on.
    pub(crate) fn begins(&mut self, processors: usize, messages: u64) -> bool {
        if processors == 1 || !self.lingers.pays() {
            return false;
        }
        if let Some(from) = self.gathered_from.take() {
            self.gathers.learn(messages - from > GATHERED);
        }
        true
    }

    /// How long from `now` on.
    pub(crate) fn until(now: u64) -> u64 {
        now + LINGER
    }

    /// Whether something came. If so, whether to let more of it gather.
    pub(crate) fn ended(&mut self, found: bool, messages: u64) -> bool {
        self.lingers.learn(found);
        let gathers = found && self.gathers.pays();
        if gathers {
            self.gathered_from = Some(messages);
        }
        gathers
    }

    /// How long from `now` on.
    pub(crate) fn gather_until(now: u64) -> u64 {
        now + GATHER
    }

    /// Whether so many words are enough to begin with.
    pub(crate) fn is_enough(words: u64) -> bool {
        words >= ENOUGH
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_lingers_where_the_writer_could_not_run() {
        let mut lingering = Lingering::new();
        assert!((0..100).all(|n| !lingering.begins(1, n)));
        assert!(lingering.begins(2, 100));
    }

    #[test]
    fn gathering_that_gathers_nothing_is_given_up() {
        let mut lingering = Lingering::new();
        let (mut messages, mut gathered) = (0, 0);
        for _ in 0..1000 {
            // An answer comes each time, and it is the only one.
            if lingering.begins(2, messages) {
                gathered += u32::from(lingering.ended(true, messages));
            }
            messages += 1;
        }
        assert!((2..30).contains(&gathered), "{gathered} of 1000");
        for _ in 0..20_000 {
            if lingering.begins(2, messages) && lingering.ended(true, messages) {
                gathered += 1;
            }
            messages += GATHERED + 1;
        }
        assert!(gathered > 1000, "{gathered}: many come at a time now");
    }
}
