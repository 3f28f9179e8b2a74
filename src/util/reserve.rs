//! Memory for the calls that are under way when malloc fails.
//!
//! Vec, Box and BTreeMap end the process when there is no memory, and they are used in a hundred places
//! for a few bytes each: the tables of a socket, its timers, the metadata of a connection. So the C
//! library has an allocator with a reserve: what malloc refuses comes from there. From then on memory is
//! *short*, and whoever would begin something new asks [`ready`] first and hears
//! [`Error::NoMemory`]: contexts, sockets, endpoints, connections, subscriptions, queues. What has
//! begun goes on. Whoever asks next finds out whether the shortage is over: malloc has memory once more, and
//! enough of the reserve has been given back for the next one. No thread or timer is needed for that: a
//! listener that was refused asks again after its pause, and who connects with its next attempt.
//!
//! Bodies of messages and receive buffers come from malloc itself (`sync::heap`), and lists whose length
//! somebody else chooses (`util::memory`) ask first: neither touches the reserve.
//!
//! Blocks are of a few sizes, each with a bitmap; there is no lock that a forked child could find taken. For lists
//! that are longer than any block there is four times as much room ([`long`]): a process has the more of
//! that the more connections it has, and memory is short when it cannot have it.
//! Only the shared and the static library have this allocator (the feature `reserve`, see the Makefile): a
//! Rust program chooses its own.

use crate::error::{Error, Result};
use crate::sync::heap;
use crate::sync::statics::{AtomicBool, AtomicU64, Ordering};
use crate::sys::local::Flag;
use long::{LONGEST_BLOCK, Long};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;

mod long;

/// Bytes of a block, and how many there are of them.
const KINDS: [(usize, usize); 5] =
    [(64, 4096), (256, 1024), (1024, 256), (4096, 64), (LONGEST_BLOCK, 64)];
const TOTAL: usize = {
    let (mut sum, mut kind) = (0, 0);
    while kind < KINDS.len() {
        sum += KINDS[kind].0 * KINDS[kind].1;
        kind += 1;
    }
    sum
};
const WORDS: usize = {
    let (mut sum, mut kind) = (0, 0);
    while kind < KINDS.len() {
        sum += KINDS[kind].1.div_ceil(64);
        kind += 1;
    }
    sum
};
/// What malloc must be able to give then.
const PROBE: usize = 256 * 1024;

/// Bytes that are given out. Pages that nobody has touched cost nothing, in the file of the library neither: nothing
/// that is not zero stands beside them.
#[repr(C, align(4096))]
struct Store<const SIZE: usize>(UnsafeCell<[u8; SIZE]>);

// SAFETY: which block is whose is decided by the bitmaps of whoever gives them out.
unsafe impl<const SIZE: usize> Sync for Store<SIZE> {}

impl<const SIZE: usize> Store<SIZE> {
    const fn new() -> Store<SIZE> {
        Store(UnsafeCell::new([0; SIZE]))
    }
}

struct Reserve {
    store: &'static Store<TOTAL>,
    taken: [AtomicU64; WORDS],
    long: Long,
    short: AtomicBool,
}

static BLOCKS: Store<TOTAL> = Store::new();
/// What lists that grow longer than any block have from the start.
static FIRST_LONG: Store<{ long::FIRST }> = Store::new();
static RESERVE: Reserve = Reserve::new(&BLOCKS, FIRST_LONG.0.get().cast::<u8>());

/// This thread asks for what it may be refused.
static ASKS: Flag = Flag::new();

/// Has a list asked for room that it may be refused: the room for those that may not be is not for it.
pub fn ask<T>(what: impl FnOnce() -> T) -> T {
    let before = ASKS.replace(true);
    let answer = what();
    ASKS.replace(before);
    answer
}

/// Whether something new may begin.
///
/// # Errors
/// [`Error::NoMemory`] while memory is short.
#[inline]
pub fn ready() -> Result<()> {
    #[cfg(sim)]
    if crate::sys::sim::memory_is_short() {
        return Err(Error::NoMemory);
    }
    RESERVE.ready()
}

/// malloc, and the reserve behind it.
#[derive(Debug)]
pub struct Allocator;

// SAFETY: each block is given out once until it is given back, has at least the size that was asked for,
// and an address that is a multiple of its size, or of a page.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        let block = unsafe { System.alloc(layout) };
        let block = if block.is_null() { RESERVE.take(layout) } else { block };
        RESERVE.resized(block, 0, layout.size());
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        let mut block = unsafe { System.alloc_zeroed(layout) };
        if block.is_null() {
            block = RESERVE.take(layout);
            if !block.is_null() {
                // SAFETY: a block of at least this size.
                unsafe { block.write_bytes(0, layout.size()) };
            }
        }
        RESERVE.resized(block, 0, layout.size());
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        RESERVE.resized(block, layout.size(), 0);
        if !RESERVE.give_back(block, layout) {
            // SAFETY: passed on; it is malloc's.
            unsafe { System.dealloc(block, layout) };
        }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !RESERVE.has(block, layout) {
            // SAFETY: passed on; it is malloc's.
            let moved = unsafe { System.realloc(block, layout, size) };
            if !moved.is_null() {
                RESERVE.resized(moved, layout.size(), size);
                return moved;
            }
        }
        // SAFETY: by contract.
        unsafe { move_to_other(block, layout, size) }
    }
}

/// # Safety
/// As [`GlobalAlloc::realloc`].
#[cold]
unsafe fn move_to_other(block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
    // SAFETY: by contract the size is one that a layout may have; the blocks are two, of at least these sizes.
    unsafe {
        let wanted = Layout::from_size_align_unchecked(size, layout.align());
        let moved = Allocator.alloc(wanted);
        if !moved.is_null() {
            block.copy_to_nonoverlapping(moved, layout.size().min(size));
            Allocator.dealloc(block, layout);
        }
        moved
    }
}

impl Reserve {
    const fn new(store: &'static Store<TOTAL>, first_long: *mut u8) -> Reserve {
        Reserve {
            store,
            taken: [const { AtomicU64::new(0) }; WORDS],
            long: Long::new(first_long),
            short: AtomicBool::new(false),
        }
    }

    /// A block of so many bytes has so many now, if it could be had. The more of them are long the more room
    /// there has to be.
    #[inline]
    fn resized(&self, block: *mut u8, from: usize, to: usize) {
        if from.max(to) > LONGEST_BLOCK && !block.is_null() && !self.long.resized(from, to) {
            self.short.store(true, Ordering::Relaxed);
        }
    }

    #[inline]
    fn ready(&self) -> Result<()> {
        if self.short.load(Ordering::Relaxed) { self.fill() } else { Ok(()) }
    }

    /// Looks whether the shortage is over.
    #[cold]
    fn fill(&self) -> Result<()> {
        if !self.has_some() || !self.long.covers() {
            return Err(Error::NoMemory);
        }
        // SAFETY: freed at once; `black_box` keeps the two from being left out.
        let there = unsafe {
            let block = std::hint::black_box(heap::malloc(PROBE));
            heap::free(block);
            !block.is_null()
        };
        if !there {
            return Err(Error::NoMemory);
        }
        self.short.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Whether of each kind a quarter is there. The rest may be out for long: what was begun with it lives.
    fn has_some(&self) -> bool {
        let mut words = self.taken.iter();
        KINDS.iter().all(|(_, count)| {
            let of_kind = words.by_ref().take(count.div_ceil(64));
            let taken: u32 = of_kind.map(|word| word.load(Ordering::Relaxed).count_ones()).sum();
            taken as usize <= count - count / 4
        })
    }

    /// Where in the store a block is, if it is there.
    #[inline]
    fn offset(&self, block: *const u8) -> Option<usize> {
        let at = block.addr().wrapping_sub(self.store.0.get().addr());
        (at < TOTAL).then_some(at)
    }

    /// Whether a block is from here.
    #[inline]
    fn has(&self, block: *const u8, layout: Layout) -> bool {
        self.offset(block).is_some() || layout.size() > LONGEST_BLOCK && self.long.has(block)
    }

    /// Takes a block back, if it is from here.
    #[inline]
    fn give_back(&self, block: *mut u8, layout: Layout) -> bool {
        match self.offset(block) {
            Some(at) => self.give(at),
            None => return layout.size() > LONGEST_BLOCK && self.long.give(block, layout.size()),
        }
        true
    }

    /// A block, null if there is none.
    #[cold]
    fn take(&self, layout: Layout) -> *mut u8 {
        self.short.store(true, Ordering::Relaxed);
        let (mut start, mut first) = (0, 0);
        for (size, count) in KINDS {
            let words = count.div_ceil(64);
            if size >= layout.size() && layout.align() <= size.min(4096) {
                for (word, taken) in self.taken.iter().skip(first).take(words).enumerate() {
                    if let Some(bit) = claim(taken, count - word * 64) {
                        let at = start + (word * 64 + bit) * size;
                        return self.store.0.get().cast::<u8>().wrapping_add(at);
                    }
                }
            }
            start += size * count;
            first += words;
        }
        if layout.size() <= LONGEST_BLOCK || ASKS.get() {
            return std::ptr::null_mut();
        }
        self.long.take(layout)
    }

    /// Gives back the block at this place.
    #[cold]
    fn give(&self, at: usize) {
        let (mut start, mut first) = (0, 0);
        for (size, count) in KINDS {
            let len = size * count;
            if at < start + len {
                let index = (at - start) / size;
                if let Some(taken) = self.taken.get(first + index / 64) {
                    taken.fetch_and(!(1 << (index % 64)), Ordering::Release);
                }
                return;
            }
            start += len;
            first += count.div_ceil(64);
        }
    }
}

/// Claims a free one of the first `count` bits of a word.
fn claim(taken: &AtomicU64, count: usize) -> Option<usize> {
    let mut seen = taken.load(Ordering::Relaxed);
    loop {
        let bit = seen.trailing_ones();
        if bit as usize >= count.min(64) {
            return None;
        }
        // Who had the block before is done with it.
        seen = taken.fetch_or(1 << bit, Ordering::Acquire);
        if seen >> bit & 1 == 0 {
            return Some(bit as usize);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_apart_and_come_back() {
        static STORE: Store<TOTAL> = Store::new();
        static OWN: Reserve = Reserve::new(&STORE, std::ptr::null_mut());
        let layout = |size, align| Layout::from_size_align(size, align).unwrap();
        let mut blocks: Vec<(usize, Layout)> = Vec::new();
        assert_eq!(OWN.ready(), Ok(()));
        for round in 0.. {
            let sizes = [1, 64, 65, 700, 4000, 30_000];
            let wanted = layout(sizes[round % 6], [1, 8, 64][round % 3]);
            let block = OWN.take(wanted);
            if block.is_null() {
                assert!(round > 300, "only {round}");
                break;
            }
            assert_eq!(block.addr() % wanted.align(), 0);
            blocks.push((OWN.offset(block).unwrap(), wanted));
        }
        assert_eq!(OWN.ready(), Err(Error::NoMemory));
        blocks.sort_unstable_by_key(|(at, _)| *at);
        assert!(blocks.windows(2).all(|pair| pair[0].0 + pair[0].1.size() <= pair[1].0));
        assert!(blocks.last().is_some_and(|(at, last)| at + last.size() <= TOTAL));
        let long = layout(1 << 20, 1);
        assert!(ask(|| OWN.take(long)).is_null(), "what may be refused is");
        let block = OWN.take(long);
        assert!(OWN.has(block, long) && OWN.offset(block).is_none());
        assert!(OWN.give_back(block, long));
        assert!(OWN.take(layout(64, 8192)).is_null(), "no such place");
        // What began in the last shortage may live on.
        for (number, (at, _)) in blocks.into_iter().enumerate() {
            OWN.give(at);
            if number == 10 {
                assert_eq!(OWN.ready(), Err(Error::NoMemory));
            }
        }
        assert!(OWN.taken.iter().all(|word| word.load(Ordering::Relaxed) == 0));
        assert_eq!(OWN.ready(), Ok(()));
    }

    /// With the library's own reserve, of which it takes little, for a moment.
    #[test]
    fn what_grows_moves_with_its_content() {
        let layout = Layout::from_size_align(64, 8).unwrap();
        // SAFETY: one block, from its making to its end.
        unsafe {
            let block = RESERVE.take(layout);
            block.write_bytes(7, 64);
            let moved = Allocator.realloc(block, layout, 5000);
            assert!(RESERVE.offset(moved).is_none(), "malloc has memory");
            assert!((0..64).all(|at| *moved.add(at) == 7));
            Allocator.dealloc(moved, Layout::from_size_align(5000, 8).unwrap());
        }
        assert_eq!(ready(), Ok(()));
    }
}
