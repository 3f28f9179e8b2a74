//! Whether a thread sends in haste over several sockets.
//!
//! A socket sees its own sends only. A thread that sends over ten sockets in turn leaves each of
//! them alone for long enough to look quiet, and would pay for a system call with each message.

use super::batching::BURST;
use std::cell::Cell;

/// So many sends in a row, whatever the socket, are worth collecting. A message to each of a few
/// sockets is not: it should be there at once.
const ROW: u32 = 8;

thread_local! {
    static ROW_OF_THREAD: Cell<Row> = const { Cell::new(Row::NONE) };
}

/// Sends of a thread, one right after the other.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// The end of the last one, in ticks.
    ended: u64,
    length: u32,
}

impl Row {
    const NONE: Row = Row { ended: 0, length: 0 };

    /// A send now follows; its own work is done, which takes next to nothing.
    fn follow(self, now: u64) -> Row {
        let close = now.wrapping_sub(self.ended) < BURST;
        Row { ended: now, length: if close { self.length.saturating_add(1) } else { 0 } }
    }

    fn is_long(self) -> bool {
        self.length > ROW
    }
}

/// A send of this thread is done but for handing over to the kernel. Whether it is one of many.
#[inline]
pub(super) fn sends(now: u64) -> bool {
    let row = ROW_OF_THREAD.get().follow(now);
    ROW_OF_THREAD.set(row);
    row.is_long()
}

/// The last send also had to hand over to the kernel, and ended now.
#[inline]
pub(super) fn sent(now: u64) {
    ROW_OF_THREAD.set(Row { ended: now, ..ROW_OF_THREAD.get() });
}

/// This thread wants to receive now: what it sends next may be an answer.
#[inline]
pub(super) fn ends() {
    ROW_OF_THREAD.set(Row::NONE);
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

    #[test]
    fn receiving_ends_a_row_of_the_thread() {
        let now = 1_000_000_000;
        assert!(!sends(now));
        assert!((0..ROW).all(|_| !sends(now)) && sends(now));
        sent(now + BURST);
        assert!(sends(now + BURST + 1), "the time for the system call is not the application's");
        ends();
        assert!(!sends(now + BURST + 2));
    }
}
