//! Memory of long bodies, kept for the next ones while there is traffic.
//!
//! malloc(3) gives memory of this size back to the system as soon as a little more of it is free,
//! and then every page of the next body is a page fault, which costs as much as the bytes do.

use super::content::Header;
use crate::sync::atomic::Ordering;
use crate::sync::heap;
use crate::sync::statics::AtomicU64;
use parking_lot::Mutex;
use std::time::Duration;

/// Shorter blocks are malloc's.
pub(super) const SHORTEST: usize = 32 * 1024;
/// Longer blocks are malloc's.
pub(super) const LONGEST: usize = 4 << 20;
/// The most bytes kept.
const MOST_BYTES: usize = 8 << 20;
/// The most blocks kept.
const MOST_BLOCKS: usize = 64;

struct Block {
    header: *mut Header,
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
    fn remove(&mut self, at: usize) -> Block {
        let block = self.blocks.remove(at);
        self.bytes -= block.size;
        block
    }
}

static KEPT: Mutex<Kept> = Mutex::new(Kept { blocks: Vec::new(), bytes: 0 });

/// How many sockets have traffic.
static BUSY: AtomicU64 = AtomicU64::new(0);

/// Says that a socket has traffic from now on, or has none any more. Without any, nothing is kept.
pub fn set_busy(busy: bool) {
    if busy {
        BUSY.fetch_add(1, Ordering::SeqCst);
    } else if BUSY.fetch_sub(1, Ordering::SeqCst) == 1 {
        // Not for ever: in a forked child a thread of the parent's may seem to have the lock.
        let Some(mut kept) = KEPT.try_lock_for(Duration::from_millis(10)) else { return };
        let blocks = std::mem::take(&mut kept.blocks);
        kept.bytes = 0;
        drop(kept);
        blocks.into_iter().for_each(free);
    }
}

fn free(block: Block) {
    // SAFETY: the block came from malloc, and nobody else has it.
    unsafe { heap::free(block.header.cast()) };
}

/// A block for `size` bytes and how many it really has, if there is one of about that size.
pub(super) fn take(size: usize) -> Option<(*mut Header, usize)> {
    if BUSY.load(Ordering::Relaxed) == 0 {
        return None;
    }
    // Who has to wait for others is faster with malloc.
    let mut kept = KEPT.try_lock()?;
    // The last one given is the likeliest to be in the cache.
    let fits = |block: &Block| block.size >= size && block.size <= size + size / 4;
    let at = kept.blocks.iter().rposition(fits)?;
    let block = kept.remove(at);
    Some((block.header, block.size))
}

/// Keeps a block of `size` bytes that nobody uses any more. False if it is to be freed.
///
/// # Safety
/// The block came from malloc and is the caller's, who gives it away.
pub(super) unsafe fn give(header: *mut Header, size: usize) -> bool {
    let Some(mut kept) = KEPT.try_lock() else { return false };
    // Under the lock: whoever ends the traffic takes all that was kept before it.
    if BUSY.load(Ordering::SeqCst) == 0 {
        return false;
    }
    kept.bytes += size;
    kept.blocks.push(Block { header, size });
    while kept.bytes > MOST_BYTES || kept.blocks.len() > MOST_BLOCKS {
        let oldest = kept.remove(0);
        free(oldest);
    }
    true
}
