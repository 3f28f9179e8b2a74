//! Memory of long bodies, kept for the next ones while there is traffic.
//!
//! malloc(3) gives memory of this size back to the system as soon as a little more of it is free,
//! and then every page of the next body is a page fault, which costs as much as the bytes do.

use crate::sync::PerProcess;
use crate::sync::atomic::Ordering;
use crate::sync::heap;
use crate::sync::mutex::Mutex;
use crate::sync::statics::AtomicU64;
use crate::util::blocks;

/// Shorter blocks are malloc's.
pub(super) const SHORTEST: usize = 32 * 1024;
/// Longer blocks are malloc's.
pub(super) const LONGEST: usize = 4 << 20;
/// The most bytes kept.
const MOST_BYTES: usize = 8 << 20;
/// The most blocks kept.
const MOST_BLOCKS: usize = 64;

struct Block {
    start: *mut u8,
    size: usize,
}

// SAFETY: nobody else has the block.
unsafe impl Send for Block {}

struct Kept {
    /// Those given longest ago come first.
    blocks: Vec<Block>,
    bytes: usize,
}

impl Kept {
    const fn new() -> Kept {
        Kept { blocks: Vec::new(), bytes: 0 }
    }

    /// A block for `size` bytes, if there is one of about that size.
    fn take(&mut self, size: usize) -> Option<Block> {
        // The last one given is the likeliest to be in the cache.
        let fits = |block: &Block| block.size >= size && block.size <= size + size / 4;
        let at = self.blocks.iter().rposition(fits)?;
        Some(self.remove(at))
    }

    fn give(&mut self, block: Block) {
        self.bytes += block.size;
        self.blocks.push(block);
        while self.bytes > MOST_BYTES || self.blocks.len() > MOST_BLOCKS {
            let oldest = self.remove(0);
            free(oldest);
        }
    }

    fn remove(&mut self, at: usize) -> Block {
        let block = self.blocks.remove(at);
        self.bytes -= block.size;
        block
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.blocks.drain(..).for_each(free);
    }
}

/// What a process keeps.
struct Shared {
    kept: Mutex<Kept>,
    /// How many sockets have traffic.
    busy: AtomicU64,
}

impl Shared {
    const fn new() -> Shared {
        Shared { kept: Mutex::new(Kept::new()), busy: AtomicU64::new(0) }
    }
}

impl Default for Shared {
    fn default() -> Self {
        Shared::new()
    }
}

static SHARED: PerProcess<Shared> = PerProcess::new(Shared::new());

/// Says that a socket has traffic from now on, or has none any more. Without any, nothing is kept.
pub fn set_busy(busy: bool) {
    blocks::set_busy(busy);
    let shared = SHARED.get();
    if busy {
        shared.busy.fetch_add(1, Ordering::SeqCst);
    } else if shared.busy.fetch_sub(1, Ordering::SeqCst) == 1 {
        let mut kept = shared.kept.lock();
        let all = std::mem::replace(&mut *kept, Kept::new());
        drop(kept);
        // Freed when nobody has to wait for it any more.
        drop(all);
    }
}

fn free(block: Block) {
    // SAFETY: the block came from malloc, and nobody else has it.
    unsafe { heap::free(block.start.cast()) };
}

/// A block for `size` bytes and how many it really has, if there is one of about that size.
pub(super) fn take(size: usize) -> Option<(*mut u8, usize)> {
    let shared = SHARED.get();
    if shared.busy.load(Ordering::Relaxed) == 0 {
        return None;
    }
    // Who has to wait for others is faster with malloc.
    let mut kept = shared.kept.try_lock()?;
    kept.take(size).map(|block| (block.start, block.size))
}

/// Keeps a block of `size` bytes that nobody uses any more. False if it is to be freed.
///
/// # Safety
/// The block came from malloc and is the caller's, who gives it away.
pub(super) unsafe fn give(start: *mut u8, size: usize) -> bool {
    let shared = SHARED.get();
    let Some(mut kept) = shared.kept.try_lock() else { return false };
    // Under the lock: whoever ends the traffic takes all that was kept before it.
    if shared.busy.load(Ordering::SeqCst) == 0 {
        return false;
    }
    kept.give(Block { start, size });
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(size: usize) -> Block {
        // SAFETY: malloc of a size above zero.
        let start = unsafe { heap::malloc(size) }.cast::<u8>();
        assert!(!start.is_null());
        Block { start, size }
    }

    #[test]
    fn the_last_block_of_about_the_size_comes_first() {
        let mut kept = Kept::new();
        let sizes = [100_000, 110_000, 200_000];
        let starts = sizes.map(|size| {
            let block = block(size);
            let start = block.start;
            kept.give(block);
            start
        });
        assert!(kept.take(111_000).is_none());
        assert!(kept.take(70_000).is_none());
        let taken = kept.take(99_000).unwrap();
        assert_eq!((taken.start, taken.size), (starts[1], 110_000));
        let next = kept.take(99_000).unwrap();
        assert_eq!((next.start, next.size), (starts[0], 100_000));
        assert_eq!(kept.bytes, 200_000);
        free(taken);
        free(next);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut kept = Kept::new();
        (0..100).for_each(|_| kept.give(block(SHORTEST)));
        assert_eq!((kept.blocks.len(), kept.bytes), (MOST_BLOCKS, MOST_BLOCKS * SHORTEST));
        (0..10).for_each(|_| kept.give(block(LONGEST)));
        assert_eq!((kept.blocks.len(), kept.bytes), (2, MOST_BYTES));
        assert!(kept.blocks.iter().all(|block| block.size == LONGEST));
    }
}
