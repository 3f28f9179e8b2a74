//! Room for lists that are long, four times as much as all of them take.
//!
//! Some lists have a place for each connection, or for each of what peers have said, and a list that grows is in one piece: no
//! reserve of a fixed size is enough for them. So this one grows with them, while there is memory. It is address
//! space that nobody has touched; what of it was used goes back to the system when it is given back.

use crate::sync::statics::{AtomicPtr, AtomicU64, Ordering};
use crate::sys::pages;
use std::alloc::Layout;
use std::mem::{ManuallyDrop, replace};
use std::ptr::{NonNull, null_mut};

/// Longer ones are counted, and have their room here.
pub(super) const LONGEST_BLOCK: usize = 32 << 10;
/// Each list may double, and copies what it has; and lists that are short today may be as long tomorrow.
const TIMES: u64 = 4;
/// No list counts for more. What is longer has asked before.
const MOST: usize = 1 << 30;
/// Of so many pieces is a region, one bit each.
const PIECES: usize = 64;
/// Bytes of a piece of the first region. Each region is twice as large as the one before.
const PIECE: usize = 64 << 10;
const REGIONS: usize = 16;
/// Bytes of the first region.
pub(super) const FIRST: usize = PIECES * PIECE;

/// A mapping, of which each piece is taken or not.
struct Region {
    /// Null until it is needed; then it stays.
    base: AtomicPtr<u8>,
    taken: AtomicU64,
}

/// The regions, and what they are for.
pub(super) struct Long {
    /// Bytes of all long lists.
    lists: AtomicU64,
    regions: [Region; REGIONS],
}

fn weight(size: usize) -> u64 {
    if size > LONGEST_BLOCK { size.min(MOST) as u64 } else { 0 }
}

/// Bits for so many pieces, the first of them at `at`.
fn run(at: usize, count: usize) -> u64 {
    (u64::MAX >> (PIECES - count)) << at
}

impl Long {
    /// With a first region that is there already, or null.
    pub(super) const fn new(first: *mut u8) -> Long {
        let mut regions = [const { Region::new() }; REGIONS];
        // In a made-up world atomics have destructors, which no constant can run.
        let _ = ManuallyDrop::new(replace(&mut regions[0].base, AtomicPtr::new(first)));
        Long { lists: AtomicU64::new(0), regions }
    }

    /// A list is so long instead. False if there is not enough room for all of them any more.
    #[cold]
    pub(super) fn resized(&self, from: usize, to: usize) -> bool {
        let (from, to) = (weight(from), weight(to));
        self.lists.fetch_add(to.wrapping_sub(from), Ordering::Relaxed);
        to <= from || self.covers()
    }

    /// Whether there is [`TIMES`] as much room as lists are long; makes it if there is not.
    pub(super) fn covers(&self) -> bool {
        let wanted = self.lists.load(Ordering::Relaxed) * TIMES;
        let mut room = 0;
        for (number, region) in self.regions.iter().enumerate() {
            if room >= wanted {
                return true;
            }
            if !region.is_there(number) {
                return false;
            }
            let free = region.taken.load(Ordering::Relaxed).count_zeros() as usize;
            room += (free * (PIECE << number)) as u64;
        }
        room >= wanted
    }

    /// A block, null if there is none.
    pub(super) fn take(&self, layout: Layout) -> *mut u8 {
        if layout.align() > pages::SIZE {
            return null_mut();
        }
        for (number, region) in self.regions.iter().enumerate() {
            let count = layout.size().div_ceil(PIECE << number);
            if count > PIECES || !region.is_there(number) {
                continue;
            }
            if let Some(at) = region.claim(count) {
                let base = region.base.load(Ordering::Acquire);
                return base.wrapping_add(at * (PIECE << number));
            }
        }
        null_mut()
    }

    /// Whether a block is from here.
    pub(super) fn has(&self, block: *const u8) -> bool {
        self.find(block).is_some()
    }

    fn find(&self, block: *const u8) -> Option<(usize, &Region, usize)> {
        for (number, region) in self.regions.iter().enumerate() {
            let base = region.base.load(Ordering::Acquire);
            let at = block.addr().wrapping_sub(base.addr());
            if !base.is_null() && at < PIECES * (PIECE << number) {
                return Some((number, region, at / (PIECE << number)));
            }
        }
        None
    }

    /// Gives a block of so many bytes back. False if it is not from here.
    pub(super) fn give(&self, block: *mut u8, size: usize) -> bool {
        let Some((number, region, at)) = self.find(block) else { return false };
        let count = size.div_ceil(PIECE << number);
        if let Some(block) = NonNull::new(block) {
            // SAFETY: its pages, which are nobody else's until the bits say so.
            unsafe { pages::discard(block, count * (PIECE << number)) };
        }
        region.taken.fetch_and(!run(at, count), Ordering::Release);
        true
    }
}

impl Region {
    const fn new() -> Region {
        Region { base: AtomicPtr::new(null_mut()), taken: AtomicU64::new(0) }
    }

    /// Whether it is mapped, from now on at least.
    fn is_there(&self, number: usize) -> bool {
        if !self.base.load(Ordering::Acquire).is_null() {
            return true;
        }
        let len = PIECES * (PIECE << number);
        let Some(mapped) = pages::map(len) else { return false };
        let (ours, order) = (mapped.as_ptr(), Ordering::AcqRel);
        if self.base.compare_exchange(null_mut(), ours, order, Ordering::Acquire).is_err() {
            // SAFETY: just mapped; another thread was faster.
            unsafe { pages::unmap(mapped, len) };
        }
        true
    }

    /// Claims so many pieces that are neighbours.
    fn claim(&self, count: usize) -> Option<usize> {
        let mut seen = self.taken.load(Ordering::Relaxed);
        loop {
            let at = (0..=PIECES - count).find(|&at| seen & run(at, count) == 0)?;
            let with = seen | run(at, count);
            // Who had them before is done with them.
            let (done, order) = (Ordering::Acquire, Ordering::Relaxed);
            match self.taken.compare_exchange_weak(seen, with, done, order) {
                Ok(_) => return Some(at),
                Err(other) => seen = other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).expect("a size that may be")
    }

    #[test]
    fn there_is_the_more_the_longer_lists_are() {
        static OWN: Long = Long::new(null_mut());
        let mapped = || OWN.regions.iter().filter(|r| !r.base.load(Ordering::Relaxed).is_null());
        // What is short does not count.
        assert!(OWN.resized(0, LONGEST_BLOCK) && mapped().count() == 0);
        assert!(OWN.resized(0, 512 << 10) && OWN.resized(512 << 10, 1 << 20));
        assert_eq!(mapped().count(), 1, "4 MiB");
        assert!(OWN.resized(0, 32 << 20));
        assert_eq!(mapped().count(), 6, "252 MiB");
        // Each of the lists can grow to twice its length, whatever there is of it then.
        let blocks: Vec<_> =
            [100 << 20, 30 << 20, 2 << 20].map(|size| (OWN.take(layout(size)), size)).into();
        for &(block, size) in &blocks {
            assert!(OWN.has(block) && block.addr().is_multiple_of(pages::SIZE));
            // SAFETY: a block of this size.
            unsafe { block.add(size - 1).write(1) };
        }
        assert!(OWN.covers() && mapped().count() == 7, "what is taken is no room any more");
        for (block, size) in blocks {
            // SAFETY: as above.
            assert_eq!(unsafe { block.add(size - 1).read() }, 1);
            assert!(OWN.give(block, size));
        }
        assert!(OWN.regions.iter().all(|region| region.taken.load(Ordering::Relaxed) == 0));
        assert!(OWN.resized(32 << 20, 0) && OWN.resized(1 << 20, 0));
        assert_eq!(OWN.lists.load(Ordering::Relaxed), 0);
        let mut other = 0;
        assert!(!OWN.has(&raw const other) && !OWN.give(&raw mut other, 1));
        assert!(OWN.take(layout(1 << 40)).is_null(), "longer than any region");
    }

    #[test]
    fn blocks_are_apart() {
        static OWN: Long = Long::new(null_mut());
        assert!(OWN.resized(0, 1 << 20));
        let mut blocks: Vec<(usize, usize)> = Vec::new();
        for round in 0..60 {
            let size = [40_000, 65_536, 70_000, 300_000][round % 4];
            let block = OWN.take(layout(size));
            assert!(!block.is_null());
            blocks.push((block.addr(), size));
            if round % 3 == 2 {
                let (at, size) = blocks.swap_remove(round / 3);
                assert!(OWN.give(block.with_addr(at), size));
            }
        }
        blocks.sort_unstable();
        assert!(blocks.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
    }
}
