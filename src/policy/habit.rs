//! Whether to try something again that sometimes pays.
//!
//! What pays now will pay next time, and what did not is tried again ever less, but never not at all:
//! whoever looks is told when times have changed.

/// Successes that are remembered, and so failures in a row that are forgiven.
const MOST_CREDIT: i32 = 4;

/// What was learnt about something that may pay.
#[derive(Debug)]
pub(crate) struct Habit {
    credit: i32,
    /// Times without trying before the next try, after the next failure.
    pause: u32,
    /// How many of those are left.
    pause_left: u32,
    terms: Terms,
}

/// What one failure costs, and how soon there is another try.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Credit that one failure takes; a success gives one.
    pub(crate) loss: i32,
    /// Times without trying before the next try, at most.
    pub(crate) longest_pause: u32,
}

impl Habit {
    pub(crate) fn new(terms: Terms) -> Habit {
        Habit { credit: 1, pause: 1, pause_left: 0, terms }
    }

    /// Whether to try this time.
    #[inline]
    pub(crate) fn pays(&mut self) -> bool {
        if self.credit <= 0 {
            if self.pause_left > 0 {
                self.pause_left -= 1;
                return false;
            }
            self.credit = 1;
        }
        true
    }

    /// Learns whether the try was worth it.
    #[inline]
    pub(crate) fn learn(&mut self, paid: bool) {
        if paid {
            self.credit = (self.credit + 1).min(MOST_CREDIT);
            self.pause = 1;
        } else {
            self.credit -= self.terms.loss;
            if self.credit <= 0 {
                self.pause_left = self.pause;
                self.pause = (self.pause * 2).min(self.terms.longest_pause);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{lingering, looking};
    use super::*;

    #[test]
    fn what_does_not_pay_is_tried_ever_less() {
        for (terms, tries) in [(looking::TERMS, 5..15), (lingering::LINGERS, 10..30)] {
            let mut habit = Habit::new(terms);
            let mut tried = 0;
            for _ in 0..1000 {
                if habit.pays() {
                    tried += 1;
                    habit.learn(false);
                }
            }
            assert!(tries.contains(&tried), "{tried} tries in vain in 1000");
            while !habit.pays() {}
            habit.learn(true);
            assert!((0..100).all(|_| {
                let tries = habit.pays();
                habit.learn(true);
                tries
            }));
        }
    }

    /// All decisions of a recorded sequence: tries of which 5, 30, 60 and 95 of a hundred pay in turn.
    fn digest(terms: Terms) -> u64 {
        let (mut digest, mut random) = (0u64, 1u64);
        let mut habit = Habit::new(terms);
        for at in 0..100_000u64 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let pays = habit.pays();
            if pays {
                habit.learn((random >> 33) % 100 < [5, 30, 60, 95][(at / 5000 % 4) as usize]);
            }
            digest = (digest ^ u64::from(pays)).wrapping_mul(0x100_0000_01b3).rotate_left(23);
        }
        digest
    }

    #[test]
    fn decisions_are_those_on_record() {
        // Recorded when looking, lingering and gathering had two learners of their own.
        assert_eq!(digest(looking::TERMS), 0x45be_d59b_15d3_c7f0);
        assert_eq!(digest(lingering::LINGERS), 0x94ea_5a1c_5691_9403);
        assert_eq!(digest(lingering::GATHERS), 0xd569_5b08_600b_9db0);
    }
}
