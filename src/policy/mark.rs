//! When a caller that would rather fail than wait (ZMQ_DONTWAIT) meets the high-water mark.
//!
//! What the kernel took counts for a moment, so that a burst meets the mark as it does where an I/O
//! thread has to keep up with it: programs find out that way how far they are ahead.

use super::TICKS_PER_US;

/// How often such a caller has the count settled, in ticks: what libzmq's I/O thread takes to send a
/// burst of as many small messages as the default mark allows.
pub(crate) const SETTLE: u64 = 1200 * TICKS_PER_US;

/// What counts against a high-water mark.
#[derive(Debug, Default)]
pub(crate) struct Mark {
    /// Messages written since the count was last settled with the kernel, at most.
    written: usize,
    /// When that was, in ticks.
    settled: u64,
}

impl Mark {
    /// So many more messages were written.
    #[inline]
    pub(crate) fn add(&mut self, messages: usize) {
        self.written += messages;
    }

    /// Whether there is room below this mark whatever the kernel has done with what was written.
    #[inline]
    pub(crate) fn is_below(&self, limit: usize) -> bool {
        self.written < limit
    }

    /// Whether it is time to ask how much of it the kernel has taken.
    pub(crate) fn is_to_settle(&self, now: u64) -> bool {
        now.wrapping_sub(self.settled) >= SETTLE
    }

    /// From now on only what the kernel has not taken counts.
    pub(crate) fn settle(&mut self, unsent: usize, now: u64) {
        self.written = unsent;
        self.settled = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_took_counts_for_a_moment() {
        let mut mark = Mark::default();
        let mut now = 1_000_000_000;
        mark.settle(0, now);
        (0..10).for_each(|_| mark.add(1));
        assert!(mark.is_below(11) && !mark.is_below(10));
        now += SETTLE - 1;
        assert!(!mark.is_to_settle(now));
        assert!(mark.is_to_settle(now + 1));
        mark.settle(3, now + 1);
        assert!(mark.is_below(4) && !mark.is_below(3) && !mark.is_to_settle(now + SETTLE));
    }
}
