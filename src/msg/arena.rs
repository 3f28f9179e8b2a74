//! Bodies of small messages to another socket of the process, without a malloc for each.
//!
//! One thread's malloc and another's free of the same block is the most expensive thing that can
//! happen to a small message. An arena copies bodies one behind the other into large blocks. Each
//! body holds one reference to its block, taken out of a stock that the arena acquired in advance,
//! so the writer never touches a count that readers are busy giving back to.

use super::content;
use super::header::Header;
use crate::error::Result;
use std::collections::VecDeque;
use std::ptr;

/// Bytes in a block; few in a model, which must get to the end of one.
const BLOCK: usize = if cfg!(loom) { 2 * ARENA_LIMIT } else { content::SLICED };
/// Bodies above this are not worth it.
pub const ARENA_LIMIT: usize = 2048;
/// References acquired in advance: more than bodies fit a block.
const STOCK: usize = BLOCK;
/// Blocks kept for use again.
const KEPT: usize = 3;

struct Block {
    header: *mut Header,
    filled: usize,
    /// References of ours that no body has.
    stock: usize,
}

impl Block {
    fn new() -> Result<Block> {
        let header = content::allocate_sliced(BLOCK)?;
        // SAFETY: just allocated, not shared yet.
        unsafe { content::retain_many(header, STOCK - 1) };
        Ok(Block { header, filled: 0, stock: STOCK })
    }

    /// Whether all bodies are gone, so that the block can be filled from the start again.
    fn is_free(&self) -> bool {
        // SAFETY: the stock is never empty, so the header is live.
        unsafe { content::has_references(self.header, self.stock) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the references of the stock are ours.
        unsafe { content::release_many(self.header, self.stock) };
    }
}

/// Where one socket puts the small bodies it sends within the process.
#[derive(Default)]
pub struct Arena {
    current: Option<Block>,
    /// Full blocks, oldest first.
    full: VecDeque<Block>,
}

// SAFETY: blocks are owned; what is shared of them are disjoint parts behind an atomic count.
unsafe impl Send for Arena {}

impl Arena {
    /// Copies `bytes` and gives the address of the copy and the header that it holds a reference
    /// to.
    ///
    /// # Errors
    /// [`NoMemory`](crate::error::Error::NoMemory).
    #[inline]
    pub(super) fn place(&mut self, bytes: &[u8]) -> Result<(*mut u8, *mut Header)> {
        // Bodies start at multiples of eight, as those from malloc do.
        let room = bytes.len().next_multiple_of(8);
        let fits = self.current.as_ref().is_some_and(|b| b.filled + room <= BLOCK && b.stock > 1);
        if !fits {
            self.change_block()?;
        }
        let Some(block) = &mut self.current else { return Err(crate::error::Error::NoMemory) };
        // SAFETY: `room` bytes behind `filled` are in the block and belong to no body.
        let to = unsafe { block.header.add(1).cast::<u8>().add(block.filled) };
        // SAFETY: as above, and `bytes` is elsewhere.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
        block.filled += room;
        block.stock -= 1;
        Ok((to, block.header))
    }

    #[cold]
    fn change_block(&mut self) -> Result<()> {
        if let Some(full) = self.current.take() {
            self.full.push_back(full);
        }
        let free = self.full.front().is_some_and(Block::is_free);
        let again = if free { self.full.pop_front() } else { None };
        let mut block = match again {
            Some(block) => block,
            None => Block::new()?,
        };
        if self.full.len() > KEPT {
            // Perhaps the application keeps a message in the oldest; it must not block the others.
            self.full.pop_front();
        }
        if free {
            let missing = STOCK - block.stock;
            // SAFETY: the stock is never empty, so the header is live.
            unsafe { content::retain_many(block.header, missing) };
            block.stock = STOCK;
            block.filled = 0;
        }
        self.current = Some(block);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msg::Msg;

    #[test]
    fn bodies_stay_whole_while_blocks_change() {
        let mut arena = Arena::default();
        let mut kept = VecDeque::new();
        for round in 0..20_000u32 {
            let bytes = [round as u8; 100];
            // SAFETY: placed at once.
            let mut msg = unsafe { Msg::borrowed(&bytes) };
            msg.set_more(round % 2 == 0);
            msg.make_owned_in(&mut arena).unwrap();
            kept.push_back((round, msg));
            if kept.len() > 3000 {
                let (round, msg) = kept.pop_front().unwrap();
                assert_eq!(msg.data(), [round as u8; 100]);
                assert_eq!(msg.more(), round % 2 == 0);
            }
        }
        drop(arena);
        for (round, msg) in kept {
            assert_eq!(msg.data(), [round as u8; 100]);
        }
    }

    #[test]
    fn an_idle_arena_uses_its_blocks_again() {
        let mut arena = Arena::default();
        let mut seen = std::collections::HashSet::new();
        for _ in 0..10_000 {
            let (_, header) = arena.place(&[1; 1000]).unwrap();
            seen.insert(header as usize);
            // SAFETY: the reference of the body just placed.
            unsafe { content::release(header, None) };
        }
        assert!(seen.len() <= 1 + KEPT, "{} blocks", seen.len());
    }

    #[test]
    fn a_busy_arena_keeps_its_blocks_for_later() {
        let mut arena = Arena::default();
        let mut under_way = VecDeque::new();
        for _ in 0..1000 {
            let (_, header) = arena.place(&[1; 1000]).unwrap();
            under_way.push_back(header);
            if under_way.len() > 100 {
                let header = under_way.pop_front().unwrap();
                // SAFETY: the reference of a body placed before.
                unsafe { content::release(header, None) };
                assert!((1..=KEPT).contains(&arena.full.len()));
            }
        }
        for header in under_way {
            // SAFETY: as above.
            unsafe { content::release(header, None) };
        }
    }
}
