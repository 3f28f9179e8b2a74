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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msg::Msg;

    /// Lengths that no other test has.
    const LEN: usize = 3_333_333;

    fn address(msg: &mut Msg) -> usize {
        msg.as_mut_ptr() as usize
    }

    #[test]
    fn blocks_are_used_again_while_there_is_traffic() {
        set_busy(true);
        let mut msg = Msg::with_size(LEN).unwrap();
        let first = address(&mut msg);
        drop(msg);
        // Another test may have the lock for a moment; then a block is not kept.
        let again = (0..100).any(|_| {
            let mut one = Msg::with_size(LEN - 1000).unwrap();
            let mut other = Msg::with_size(LEN - 1000).unwrap();
            let same = address(&mut one) == first || address(&mut other) == first;
            one.data_mut().fill(1);
            other.data_mut().fill(2);
            assert!(one.data().iter().all(|octet| *octet == 1));
            same
        });
        assert!(again);
        let held = || KEPT.lock().blocks.iter().filter(|b| b.size >= LEN - 1000).count();
        assert!(held() <= 2);
        let mut small = Msg::with_size(LEN / 2).unwrap();
        assert_ne!(address(&mut small), first);
        set_busy(false);
        if BUSY.load(Ordering::SeqCst) == 0 {
            assert_eq!(held(), 0);
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        set_busy(true);
        let many: Vec<Msg> = (0..100).map(|_| Msg::with_size(SHORTEST).unwrap()).collect();
        drop(many);
        let large: Vec<Msg> = (0..10).map(|_| Msg::with_size(LONGEST).unwrap()).collect();
        drop(large);
        let kept = KEPT.lock();
        assert!(kept.blocks.len() <= MOST_BLOCKS && kept.bytes <= MOST_BYTES);
        assert_eq!(kept.bytes, kept.blocks.iter().map(|block| block.size).sum::<usize>());
        drop(kept);
        set_busy(false);
    }
}
