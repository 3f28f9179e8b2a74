//! When a sender meets the high-water mark, and when it may go on.
//!
//! For a caller that would rather fail than wait (ZMQ_DONTWAIT) what the kernel took counts for a
//! moment, so that a burst meets the mark as it does where an I/O thread has to keep up with it:
//! programs find out that way how far they are ahead.
//!
//! While the kernel takes no more, what has left counts until half of the mark has, as with libzmq, so that of
//! several pipes that are full each has taken the same. Whoever found no room is told of some not with each message that leaves, but whenever one more half
//! of the mark has left, counted from the first message. That is how libzmq counts, too: whatever
//! the peer has room for leaves in the end, and above it a full queue of messages is taken. If half of the
//! queue had to be free, a sender that met the mark while the peer was still reading would stop for
//! good with less.

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
    /// Messages that had gone by then, since the pipe began. Wraps.
    gone: usize,
    /// How many halves of the mark had gone when a writer found no room.
    halves: usize,
}

impl Mark {
    /// The limit of a queue that has none.
    pub(crate) const NONE: usize = usize::MAX;

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
        self.gone = self.gone_by_now(unsent);
        self.written = unsent;
        self.settled = now;
    }

    /// A writer found no room, with so much unsent, and waits for some.
    pub(crate) fn found_full(&mut self, unsent: usize, limit: usize) {
        // Below the limit it was what had been written since the count was last settled.
        let gone = if unsent < limit { self.gone } else { self.gone_by_now(unsent) };
        self.halves = gone / half(limit);
    }

    /// Whether a writer that found no room may go on.
    pub(crate) fn has_resumed(&self, unsent: usize, limit: usize) -> bool {
        let halves = self.gone_by_now(unsent) / half(limit);
        unsent + half(limit) <= limit || halves != self.halves && self.has_room(unsent, limit)
    }

    /// Whether there is room in a queue that still has so many, of which the kernel takes no more for now.
    pub(crate) fn has_room(&self, unsent: usize, limit: usize) -> bool {
        unsent + self.gone_by_now(unsent) % half(limit) < limit
    }

    /// How many messages fill a queue that still has so many, as whoever looks at both ends of it is told: what
    /// has left counts until half of the mark has, as with libzmq.
    pub(crate) fn filled(&self, unsent: usize, limit: usize) -> usize {
        if unsent == 0 || limit == Mark::NONE {
            return unsent;
        }
        let lately = self.gone_by_now(unsent) % half(limit);
        unsent.max(limit.min(unsent + lately))
    }

    fn gone_by_now(&self, unsent: usize) -> usize {
        self.gone.wrapping_add(self.written).wrapping_sub(unsent)
    }
}

/// How much has to leave before those who wait for room are told.
fn half(limit: usize) -> usize {
    limit.div_ceil(2).max(1)
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

    /// A sender that writes whenever it may, over a kernel that takes messages one by one, until it has
    /// taken `room`: how many it gets rid of.
    fn sent(limit: usize, room: usize, ahead: usize) -> (usize, usize) {
        let (mut mark, mut sent, mut gone, mut told) = (Mark::default(), 0, 0, 0);
        let mut full = false;
        loop {
            while !full && sent < room + 2 * limit {
                if mark.has_room(sent - gone, limit) {
                    mark.add(1);
                    sent += 1;
                    // The kernel takes some meanwhile.
                    gone += usize::from(gone < room.min(ahead));
                } else {
                    mark.found_full(sent - gone, limit);
                    full = true;
                }
            }
            if gone == room {
                return (sent, told);
            }
            gone += 1;
            if full && mark.has_resumed(sent - gone, limit) {
                full = false;
                told += 1;
            }
            if gone.is_multiple_of(7) {
                mark.settle(sent - gone, 0);
            }
        }
    }

    #[test]
    fn as_much_is_taken_as_the_peer_has_room_for_and_a_full_queue() {
        for limit in [1, 2, 3, 10, 101, 500] {
            for room in [0, 1, 9, 250, 500, 501, 1000] {
                for ahead in [0, 1, limit / 2, limit / 2 + 3, limit, 2 * limit] {
                    let half = half(limit);
                    let (sent, told) = sent(limit, room, ahead);
                    // What libzmq takes.
                    assert_eq!(sent, limit + room / half * half, "{limit} {room} {ahead}");
                    assert!(told <= room / half + 1, "told {told} times of {room}");
                }
            }
        }
    }

    #[test]
    fn what_was_full_only_for_the_moment_has_room_when_that_is_over() {
        let mut mark = Mark::default();
        mark.settle(0, 0);
        (0..500).for_each(|_| mark.add(1));
        // The kernel has taken 252 already, and takes no more.
        mark.found_full(248, 500);
        mark.settle(248, SETTLE);
        assert!(mark.has_resumed(248, 500));
        (0..252).for_each(|_| mark.add(1));
        mark.found_full(500, 500);
        assert!(!mark.has_resumed(500, 500) && !mark.has_resumed(300, 500));
        assert!(mark.has_resumed(252, 500) && mark.has_resumed(250, 500));
    }

    #[test]
    fn what_has_left_fills_a_queue_until_half_of_the_mark_has() {
        let mut mark = Mark::default();
        assert_eq!((mark.filled(0, 500), mark.filled(0, Mark::NONE)), (0, 0));
        (0..1000).for_each(|_| mark.add(1));
        // As libzmq's test of monitors has it: the peer has 500, and the kernel some between.
        for (unsent, filled) in
            [(500, 500), (499, 500), (458, 500), (251, 500), (250, 250), (1, 250)]
        {
            assert_eq!(mark.filled(unsent, 500), filled);
        }
        // Never more than the mark, but for what is there.
        assert_eq!(
            (mark.filled(499, 499), mark.filled(700, 500), mark.filled(7, Mark::NONE)),
            (499, 700, 7)
        );
        assert_eq!(mark.filled(0, 500), 0);
    }
}
