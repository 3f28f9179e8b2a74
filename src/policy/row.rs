//! Whether a thread sends in haste over several sockets.
//!
//! A socket sees its own sends only. A thread that sends over ten sockets in turn leaves each of
//! them alone for long enough to look quiet, and would pay for a system call with each message.

use super::batching::BURST;

/// So many sends in a row, whatever the socket, are worth collecting. A message to each of a few
/// sockets is not: it should be there at once.
const ROW: u32 = 8;

/// Sends of a thread, one right after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// The end of the last one, in ticks.
    ended: u64,
    length: u32,
}

impl Row {
    /// None so far, or it is over.
    pub(crate) const NONE: Row = Row { ended: 0, length: 0 };

    /// One that was kept elsewhere, as [`Row::parts`] says.
    // In a made-up world it is kept whole.
    #[cfg(not(sim))]
    pub(crate) fn kept(ended: u64, length: u32) -> Row {
        Row { ended, length }
    }

    /// When the last one ended, and how many there were. No decision depends on lengths of more than 15.
    // In a made-up world it is kept whole.
    #[cfg(not(sim))]
    pub(crate) fn parts(self) -> (u64, u32) {
        (self.ended, self.length)
    }

    /// A send now follows; its own work is done, which takes next to nothing.
    pub(crate) fn follow(self, now: u64) -> Row {
        let close = now.wrapping_sub(self.ended) < BURST;
        Row { ended: now, length: if close { self.length.saturating_add(1) } else { 0 } }
    }

    /// The last send also had to hand over to the kernel, and ended now: the time for the system call
    /// is not the application's.
    pub(crate) fn handed_over(self, now: u64) -> Row {
        Row { ended: now, ..self }
    }

    /// Whether it is one of many.
    pub(crate) fn is_long(self) -> bool {
        self.length > ROW
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_many_sends_close_together_are_a_long_row() {
        let start = 1_000_000_000;
        let mut row = Row::NONE;
        for i in 0..=u64::from(ROW) {
            assert!(!row.is_long(), "{i}");
            row = row.follow(start + i * (BURST - 1));
        }
        row = row.follow(row.ended + BURST - 1);
        assert!(row.is_long());
        assert!(!row.follow(row.ended + BURST).is_long());
    }
}
