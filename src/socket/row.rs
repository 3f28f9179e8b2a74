//! The [`Row`] of sends of each thread.
//!
//! Not a thread-local value of std's: in a library that was opened at run time the first use of one needs memory, and
//! without it the C library ends the process. So threads have places in a table. Two that have the same one look as if one did
//! what both do: what they send may be collected for a moment when it would have left at once.

use crate::policy::row::Row;

/// A send of this thread is done but for handing over to the kernel. Whether it is one of many.
#[inline]
pub(super) fn sends(now: u64) -> bool {
    let place = rows::mine();
    let row = place.get().follow(now & rows::TIME);
    place.set(row);
    row.is_long()
}

/// The last send also had to hand over to the kernel, and ended now.
#[inline]
pub(super) fn handed_over(now: u64) {
    let place = rows::mine();
    place.set(place.get().handed_over(now & rows::TIME));
}

/// This thread wants to receive now: what it sends next may be an answer.
#[inline]
pub(super) fn ends() {
    rows::mine().set(Row::NONE);
}

#[cfg(not(sim))]
mod rows {
    use super::Row;
    use crate::sync::statics::{AtomicU64, Ordering};
    use crate::sys::thread;

    /// Bits of a time that is kept: those of 36 years.
    pub(super) const TIME: u64 = u64::MAX >> LENGTH_BITS;
    /// Bits of a length that is kept.
    const LENGTH_BITS: u32 = 4;
    const LENGTH: u64 = (1 << LENGTH_BITS) - 1;
    /// Places, a power of two.
    const PLACES_BITS: u32 = 8;

    /// So that threads do not write to the same line of the cache.
    #[repr(align(64))]
    pub(super) struct Place(AtomicU64);

    static PLACES: [Place; 1 << PLACES_BITS] =
        [const { Place(AtomicU64::new(0)) }; 1 << PLACES_BITS];

    #[inline]
    pub(super) fn mine() -> &'static Place {
        // Addresses, which end with zeros, and mostly differ by the size of a stack.
        let mixed = (thread::token() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        &PLACES[(mixed >> (u64::BITS - PLACES_BITS)) as usize]
    }

    impl Place {
        #[inline]
        pub(super) fn get(&self) -> Row {
            let kept = self.0.load(Ordering::Relaxed);
            Row::kept(kept >> LENGTH_BITS, (kept & LENGTH) as u32)
        }

        #[inline]
        pub(super) fn set(&self, row: Row) {
            let (ended, length) = row.parts();
            let length = u64::from(length).min(LENGTH);
            self.0.store((ended << LENGTH_BITS) | length, Ordering::Relaxed);
        }
    }
}

/// A made-up world is the same each time, and has memory: addresses of threads are not.
#[cfg(sim)]
mod rows {
    use super::Row;
    use std::cell::Cell;

    pub(super) const TIME: u64 = u64::MAX;

    thread_local! {
        static ROW: Cell<Row> = const { Cell::new(Row::NONE) };
    }

    pub(super) struct Mine;

    pub(super) fn mine() -> Mine {
        Mine
    }

    impl Mine {
        pub(super) fn get(&self) -> Row {
            ROW.get()
        }

        pub(super) fn set(&self, row: Row) {
            ROW.set(row);
        }
    }
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
