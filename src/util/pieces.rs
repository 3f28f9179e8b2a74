//! Memory straight from the system, in pieces that are cut into blocks of one size.
//!
//! A piece goes back to the system when all of its blocks have come back. Blocks from malloc would
//! stay between what was allocated after them.

use super::memory::try_room;
use std::ptr::NonNull;

/// Neighbouring blocks from one mapping.
struct Piece {
    base: NonNull<u8>,
    /// One bit for each block that nobody has.
    free: u64,
}

/// Pieces of `COUNT` blocks, at most 64, of `SIZE` bytes.
pub struct Pieces<const SIZE: usize, const COUNT: usize> {
    /// By address.
    pieces: Vec<Piece>,
}

// SAFETY: a block that nobody has is plain memory, which belongs to whoever takes it.
unsafe impl<const SIZE: usize, const COUNT: usize> Send for Pieces<SIZE, COUNT> {}

/// What has to be done with a block that is given back.
#[derive(Debug, PartialEq, Eq)]
pub enum GivenBack {
    /// Nothing: its piece has it.
    Joined,
    /// Its piece is whole, no longer in the list, and the caller's to unmap.
    Whole(NonNull<u8>),
    /// It is not from here.
    Stranger,
}

impl<const SIZE: usize, const COUNT: usize> Default for Pieces<SIZE, COUNT> {
    fn default() -> Self {
        Pieces::new()
    }
}

impl<const SIZE: usize, const COUNT: usize> Pieces<SIZE, COUNT> {
    /// Bytes of a piece.
    pub const BYTES: usize = SIZE * COUNT;

    const ALL: u64 = {
        assert!(COUNT > 0 && COUNT <= 64);
        u64::MAX >> (64 - COUNT)
    };

    /// None.
    pub const fn new() -> Self {
        Pieces { pieces: Vec::new() }
    }

    /// How many there are.
    #[cfg(test)]
    pub fn count(&self) -> usize {
        self.pieces.len()
    }

    /// Takes a mapping of [`Pieces::BYTES`] in. False, and it is still the caller's, without memory for
    /// that.
    pub fn add(&mut self, base: NonNull<u8>) -> bool {
        if try_room(&mut self.pieces, 1).is_err() {
            return false;
        }
        let at = self.pieces.partition_point(|piece| piece.base < base);
        self.pieces.insert(at, Piece { base, free: Self::ALL });
        true
    }

    /// A block of the lowest piece that has one.
    pub fn cut(&mut self) -> Option<NonNull<u8>> {
        let piece = self.pieces.iter_mut().find(|piece| piece.free != 0)?;
        let index = piece.free.trailing_zeros() as usize;
        piece.free &= !(1 << index);
        // SAFETY: inside the mapping.
        Some(unsafe { piece.base.add(index * SIZE) })
    }

    /// Takes a block back that nobody uses any more.
    pub fn give(&mut self, block: NonNull<u8>) -> GivenBack {
        let after = self.pieces.partition_point(|piece| piece.base <= block);
        let Some(at) = after.checked_sub(1) else { return GivenBack::Stranger };
        let offset = block.as_ptr() as usize - self.pieces[at].base.as_ptr() as usize;
        if offset >= Self::BYTES {
            return GivenBack::Stranger;
        }
        debug_assert!(offset.is_multiple_of(SIZE));
        self.pieces[at].free |= 1 << (offset / SIZE);
        if self.pieces[at].free == Self::ALL {
            return GivenBack::Whole(self.pieces.remove(at).base);
        }
        GivenBack::Joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_whole_when_all_blocks_are_back() {
        let mut memory = [0u8; 64];
        let base = NonNull::from(&mut memory).cast::<u8>();
        let mut pieces = Pieces::<16, 3>::new();
        assert_eq!(pieces.give(base), GivenBack::Stranger);
        assert!(pieces.cut().is_none());
        assert!(pieces.add(base));
        let blocks: Vec<_> = std::iter::from_fn(|| pieces.cut()).collect();
        assert_eq!(blocks.len(), 3);
        assert_eq!(blocks[2].as_ptr() as usize - base.as_ptr() as usize, 32);
        assert_eq!(pieces.give(blocks[1]), GivenBack::Joined);
        assert_eq!(pieces.cut(), Some(blocks[1]));
        assert_eq!(pieces.give(blocks[0]), GivenBack::Joined);
        assert_eq!(pieces.give(blocks[2]), GivenBack::Joined);
        // SAFETY: still inside the array.
        let beyond = unsafe { base.add(48) };
        assert_eq!(pieces.give(beyond), GivenBack::Stranger);
        assert_eq!(pieces.give(blocks[1]), GivenBack::Whole(base));
        assert_eq!(pieces.count(), 0);
    }
}
