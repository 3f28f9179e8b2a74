//! Bytes that grow.

use crate::error::{Error, Result};
use crate::sync::heap;
use crate::sys::pages;
use crate::util::blocks;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::slice;

/// As a vector of bytes, but that memory for it may be refused, and that what is long comes from the
/// system and goes back there: malloc(3) keeps it if anything above it is in use.
pub struct Buffer {
    /// Dangling if there is no capacity.
    address: NonNull<u8>,
    len: usize,
    capacity: usize,
    source: Source,
}

/// Where memory is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Source {
    /// malloc(3).
    Heap,
    /// [`blocks`]: half of one and more.
    Block,
    /// The system: more than a block.
    Pages,
}

// SAFETY: the memory has one owner.
unsafe impl Send for Buffer {}
// SAFETY: nothing changes behind a shared reference.
unsafe impl Sync for Buffer {}

/// What of a block is used: as much as one system call should move.
pub const BLOCK: usize = 64 * 1024;

/// Where bytes begin in a block. The kernel copies them to the start of a page, and a processor takes
/// places that are whole pages apart for the same: that costs two messages of a hundred.
const OFFSET: usize = 17 * 64;

const _: () = assert!(OFFSET + BLOCK <= blocks::SIZE);

impl Buffer {
    /// Nothing, without memory.
    pub const fn new() -> Buffer {
        Buffer { address: NonNull::dangling(), len: 0, capacity: 0, source: Source::Heap }
    }

    /// How many bytes there is memory for.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Makes sure of memory for so many more.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has changed then.
    #[inline]
    pub fn reserve(&mut self, more: usize) -> Result<()> {
        if self.capacity - self.len >= more { Ok(()) } else { self.grow(more) }
    }

    #[cold]
    fn grow(&mut self, more: usize) -> Result<()> {
        let len = self.len.checked_add(more).ok_or(Error::NoMemory)?;
        // Doubling ends with twice of what a full block needs.
        let wanted = if len > BLOCK / 2 { len.max(BLOCK) } else { len.max(2 * self.len).max(64) };
        self.change_to(wanted)
    }

    /// The same without any to spare.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has changed then.
    pub fn reserve_exact(&mut self, more: usize) -> Result<()> {
        let len = self.len.checked_add(more).ok_or(Error::NoMemory)?;
        if len <= self.capacity { Ok(()) } else { self.change_to(len) }
    }

    /// Goes on in other memory, of this size, which holds what there is.
    fn change_to(&mut self, capacity: usize) -> Result<()> {
        debug_assert!(capacity >= self.len);
        if isize::try_from(capacity).is_err() {
            return Err(Error::NoMemory);
        }
        if self.source == Source::Pages && capacity > BLOCK {
            // SAFETY: ours, and used here only.
            let moved = unsafe { pages::resize(self.address, self.capacity, whole(capacity)) };
            if let Some(address) = moved {
                (self.address, self.capacity) = (address, whole(capacity));
                return Ok(());
            }
        }
        let mut other = Buffer::allocated(capacity)?;
        // SAFETY: both are that long, and are different memory.
        unsafe { self.address.copy_to_nonoverlapping(other.address, self.len) };
        other.len = self.len;
        *self = other;
        Ok(())
    }

    fn allocated(capacity: usize) -> Result<Buffer> {
        if capacity == 0 {
            return Ok(Buffer::new());
        }
        if capacity > BLOCK / 2
            && capacity <= BLOCK
            && let Some(address) = blocks::take()
        {
            // SAFETY: a block is longer by more than this.
            let address = unsafe { address.add(OFFSET) };
            return Ok(Buffer { address, len: 0, capacity: BLOCK, source: Source::Block });
        }
        if capacity > BLOCK
            && let Some(address) = pages::map(whole(capacity))
        {
            let capacity = whole(capacity);
            return Ok(Buffer { address, len: 0, capacity, source: Source::Pages });
        }
        // SAFETY: not of no bytes.
        let address = NonNull::new(unsafe { heap::malloc(capacity) }.cast());
        let address = address.ok_or(Error::NoMemory)?;
        Ok(Buffer { address, len: 0, capacity, source: Source::Heap })
    }

    /// Appends bytes that [`Buffer::reserve`] has made room for.
    ///
    /// # Panics
    /// If there is no memory for them and none was asked for.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        if self.capacity - self.len < bytes.len() {
            assert!(self.grow(bytes.len()).is_ok(), "no room was made");
        }
        // SAFETY: there is room, which is nobody else's.
        unsafe {
            let to = self.address.as_ptr().add(self.len);
            to.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        self.len += bytes.len();
    }

    /// Has this many bytes, of which those that were not there are zero. [`Buffer::reserve`] has made
    /// room.
    ///
    /// # Panics
    /// As [`Buffer::extend_from_slice`].
    pub fn resize(&mut self, len: usize) {
        if len > self.capacity {
            assert!(self.grow(len - self.len).is_ok(), "no room was made");
        }
        if len > self.len {
            // SAFETY: there is room, which is nobody else's.
            unsafe { self.address.as_ptr().add(self.len).write_bytes(0, len - self.len) };
        }
        self.len = len;
    }

    /// Forgets what is behind the first `len` bytes.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Forgets all, and keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Gives memory above this back, if there is memory for what stays.
    pub fn shrink_to(&mut self, capacity: usize) {
        let capacity = capacity.max(self.len);
        if capacity < self.capacity {
            // Without memory it stays as it is, which is right, too.
            let _ = self.change_to(capacity);
        }
    }
}

impl Default for Buffer {
    fn default() -> Buffer {
        Buffer::new()
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: so many were written.
        unsafe { slice::from_raw_parts(self.address.as_ptr(), self.len) }
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: so many were written, and there is one owner.
        unsafe { slice::from_raw_parts_mut(self.address.as_ptr(), self.len) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.capacity == 0 {
            return;
        }
        // SAFETY: ours, from where it goes back to, and used no more.
        unsafe {
            match self.source {
                Source::Heap => heap::free(self.address.as_ptr().cast()),
                Source::Block => blocks::give(self.address.sub(OFFSET)),
                Source::Pages => pages::unmap(self.address, self.capacity),
            }
        }
    }
}

/// Bytes of the pages that hold so many.
fn whole(len: usize) -> usize {
    len.next_multiple_of(pages::SIZE)
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Buffer { len, capacity, source, .. } = self;
        write!(f, "Buffer({len} of {capacity}, {source:?})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_stay_while_memory_changes() {
        let mut buffer = Buffer::new();
        let mut expected = Vec::new();
        for round in 0..3000usize {
            let bytes = vec![round as u8; round % 97];
            buffer.reserve(bytes.len()).unwrap();
            buffer.extend_from_slice(&bytes);
            expected.extend_from_slice(&bytes);
            if round % 500 == 499 {
                buffer.truncate(expected.len() / 2);
                expected.truncate(expected.len() / 2);
                buffer.shrink_to(100);
                assert!(buffer.capacity() >= buffer.len().max(100));
            }
            assert_eq!(*buffer, *expected);
        }
        buffer.clear();
        buffer.shrink_to(0);
        assert_eq!((buffer.len(), buffer.capacity()), (0, 0));
    }

    #[test]
    fn what_no_memory_can_hold_is_refused() {
        let mut buffer = Buffer::new();
        buffer.reserve(10).unwrap();
        buffer.extend_from_slice(b"0123456789");
        assert_eq!(buffer.reserve(usize::MAX), Err(Error::NoMemory));
        assert_eq!(buffer.reserve(isize::MAX as usize), Err(Error::NoMemory));
        assert_eq!(*buffer, *b"0123456789");
    }

    #[test]
    fn what_was_not_there_is_zero() {
        let mut buffer = Buffer::new();
        for len in [10, BLOCK, 5 * BLOCK, 40 * BLOCK] {
            buffer.reserve_exact(len - buffer.len()).unwrap();
            assert!(buffer.capacity() < len + pages::SIZE + BLOCK);
            buffer.resize(len);
            assert!(buffer.iter().all(|byte| *byte == 0));
            buffer[len - 1] = 7;
            buffer.resize(len - 1);
        }
        buffer[BLOCK] = 1;
        buffer.truncate(2 * BLOCK);
        buffer.shrink_to(0);
        assert_eq!((buffer.len(), buffer.capacity()), (2 * BLOCK, 2 * BLOCK));
        assert_eq!(buffer[BLOCK], 1);
    }

    #[test]
    fn a_full_batch_is_a_block() {
        let mut buffer = Buffer::new();
        buffer.reserve(BLOCK / 2).unwrap();
        assert_eq!(buffer.source, Source::Heap);
        buffer.reserve(BLOCK / 2 + 1).unwrap();
        assert_eq!((buffer.source, buffer.capacity()), (Source::Block, BLOCK));
        buffer.reserve(BLOCK + 1).unwrap();
        assert_eq!((buffer.source, buffer.capacity()), (Source::Pages, BLOCK + pages::SIZE));
    }
}
