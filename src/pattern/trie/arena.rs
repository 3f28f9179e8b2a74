//! Memory for the records of a trie: one allocation, divided into blocks of whole units.
//!
//! What is given back is kept in lists by size and divided again as needed, so that what a node
//! left behind when it grew becomes room for others. Neighbours are not joined: the trie makes a
//! new arena when too much is free.

use crate::util::buffer::Buffer;
use std::collections::BTreeSet;

/// Bytes per unit.
pub(super) const UNIT: usize = 4;
/// Blocks below this many units have a list for each size; the sizes must fit in a `u64` of bits.
const SIZES: u32 = 64;
/// Bytes behind the last block, so that whoever looks at a few bytes at once may do so anywhere.
const MARGIN: usize = 8;
/// Arenas of so many bytes grow only if there is memory for it.
const LARGE: usize = 16 * 1024;
/// In bytes. With this many, the number of a unit has bits to spare.
const MOST: usize = 2 << 30;

/// A block: the number of its first unit, never 0.
pub(super) type Block = u32;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Arena {
    bytes: Buffer,
    /// Units in use or free; those behind are none yet.
    end: u32,
    /// Where the list of free blocks of each size begins; the next one is in the block.
    lists: Vec<Block>,
    /// Which lists are not empty.
    occupied: u64,
    /// Free blocks of other sizes: size and block.
    large: BTreeSet<(u32, Block)>,
    free: u32,
}

/// Units for this many bytes.
pub(super) fn units(bytes: usize) -> u32 {
    bytes.div_ceil(UNIT) as u32
}

/// Where a block's bytes begin.
#[inline]
pub(super) fn start(block: Block) -> usize {
    block as usize * UNIT
}

impl Arena {
    /// All bytes of all blocks.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    #[inline]
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Units of all blocks, in use or free, and the unused one in front.
    pub(super) fn len(&self) -> u32 {
        self.end
    }

    pub(super) fn free(&self) -> u32 {
        self.free
    }

    /// Whether this many bytes surely fit. Where they are many, or the arena is large, memory for
    /// them is there then; the rest is no more than any small allocation.
    pub(super) fn has_room(&mut self, bytes: usize) -> bool {
        let end = start(self.end);
        if bytes >= MOST || end + bytes >= MOST {
            return false;
        }
        let len = end + bytes + MARGIN;
        len <= self.bytes.capacity() || len < LARGE || self.grow(len)
    }

    /// Makes room for so many bytes in all, and some more. False without memory.
    fn grow(&mut self, len: usize) -> bool {
        // Doubling would waste too much of the memory of a large tree.
        let spare = (len / if len > 1 << 20 { 16 } else { 4 }).max(64);
        self.bytes.reserve_exact(len + spare - self.bytes.len()).is_ok()
    }

    /// Bytes of memory held, but for the free blocks that are large.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.lists.capacity() * size_of::<Block>()
    }

    /// A block with undefined contents. The caller has asked [`Arena::has_room`].
    pub(super) fn take(&mut self, size: u32) -> Block {
        let small = if size < SIZES { self.occupied >> size << size } else { 0 };
        let (found, block) = if small != 0 {
            let found = small.trailing_zeros();
            let block = self.lists[found as usize];
            let next = word(&self.bytes, start(block));
            self.lists[found as usize] = next;
            if next == 0 {
                self.occupied &= !(1 << found);
            }
            (found, block)
        } else if let Some(&(found, block)) = self.large.range((size, 0)..).next() {
            self.large.remove(&(found, block));
            (found, block)
        } else {
            return self.extend(size);
        };
        self.free -= found;
        if found > size {
            self.give(block + size, found - size);
        }
        block
    }

    /// A block behind all others.
    fn extend(&mut self, size: u32) -> Block {
        let block = self.end.max(1);
        self.end = block + size;
        let len = start(self.end) + MARGIN;
        if len > self.bytes.capacity() {
            self.grow(len);
        }
        self.bytes.resize(len);
        block
    }

    /// Takes a block, or the last part of one, back.
    pub(super) fn give(&mut self, block: Block, size: u32) {
        if size == 0 {
            return;
        }
        self.free += size;
        if size >= SIZES {
            self.large.insert((size, block));
            return;
        }
        if self.lists.len() <= size as usize {
            self.lists.reserve_exact(size as usize + 1 - self.lists.len());
            self.lists.resize(size as usize + 1, 0);
        }
        let next = self.lists[size as usize];
        set_word(&mut self.bytes, start(block), next);
        self.lists[size as usize] = block;
        self.occupied |= 1 << size;
    }

    /// No more memory than needed is kept.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to(0);
    }
}

/// The number at a place.
#[inline]
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(four) => u32::from_le_bytes(*four),
        None => 0,
    }
}

/// Puts a number at a place.
#[inline]
pub(super) fn set_word(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}
