//! The [`Row`] of sends of each thread.

use crate::policy::row::Row;
use std::cell::Cell;

thread_local! {
    static ROW_OF_THREAD: Cell<Row> = const { Cell::new(Row::NONE) };
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
pub(super) fn handed_over(now: u64) {
    ROW_OF_THREAD.set(ROW_OF_THREAD.get().handed_over(now));
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
    fn receiving_ends_a_row_of_the_thread() {
        let now = 1_000_000_000;
        assert!((0..9).all(|n| !sends(now + n)) && sends(now + 9));
        handed_over(now + 1_000_000);
        assert!(sends(now + 1_000_001), "the time for the system call is not the application's");
        ends();
        assert!(!sends(now + 1_000_002));
    }
}
