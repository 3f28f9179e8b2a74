//! Reference-counted long bodies: allocated ones, those of the application, and receive buffers.

use super::header::{self, Foreign, Header, Origin, Retired};
use super::kept;
use super::reclaim::Reclaimer;
use crate::error::{Error, Result};
use crate::sync::atomic::Ordering;
use crate::sync::heap;
#[cfg(not(loom))]
use crate::util::blocks;
use std::mem::size_of;
use std::ptr;

/// Slices of a receive buffer no longer than this are copied before the application gets them.
/// A buffer is 64 KiB or more, so a kept message pins at most sixteen times its size.
pub(super) const PIN_LIMIT: usize = 4096;

/// Blocks for bodies are multiples of this, as malloc's are.
const ROUND: usize = 16;

/// Whether bodies of these lengths need blocks of the same size.
#[inline]
pub(super) fn same_size(one: usize, other: usize) -> bool {
    one.div_ceil(ROUND) == other.div_ceil(ROUND)
}

/// A body of `size` bytes right behind its header, in one allocation.
pub(super) fn allocate(size: usize) -> Result<(*mut Header, *mut u8)> {
    let rounded = size.checked_next_multiple_of(ROUND).ok_or(Error::NoMemory)?;
    let total = rounded.checked_add(size_of::<Header>()).ok_or(Error::NoMemory)?;
    let again = if size < kept::SHORTEST { None } else { kept::take(size) };
    // SAFETY: malloc is aligned for Header (16 bytes) and the block is large enough for it; so is
    // one that was kept.
    unsafe {
        let (header, room) = match again {
            Some((block, room)) => (block.cast::<Header>(), room),
            None => (heap::malloc(total).cast::<Header>(), size),
        };
        if header.is_null() {
            return Err(Error::NoMemory);
        }
        header.write(Header::new(Origin::Allocated, room));
        Ok((header, header.add(1).cast()))
    }
}

/// Takes one more reference.
///
/// # Safety
/// `header` must be live.
#[inline]
pub(super) unsafe fn retain(header: *mut Header) {
    // SAFETY: live by contract. Relaxed: the caller already holds a reference.
    unsafe { (*header).references.fetch_add(1, Ordering::Relaxed) };
}

/// Takes `count` more references.
///
/// # Safety
/// `header` must be live.
pub(super) unsafe fn retain_many(header: *mut Header, count: usize) {
    // SAFETY: live by contract. Relaxed as in `retain`.
    unsafe { (*header).references.fetch_add(count, Ordering::Relaxed) };
}

/// Of whoever gives references back: what it did with the body is done before the last owner frees
/// it. Not Release with a fence behind the last one: `ThreadSanitizer` knows no fences, and on x86
/// both are the same instruction.
const GIVES_BACK: Ordering = Ordering::AcqRel;

/// Gives `count` references back and frees the body with the last one.
///
/// # Safety
/// `header` must be live and the caller's `count` references are gone afterwards.
pub(super) unsafe fn release_many(header: *mut Header, count: usize) {
    // SAFETY: live by contract.
    unsafe {
        if (*header).references.fetch_sub(count, GIVES_BACK) == count {
            free(header, None);
        }
    }
}

/// Whether there are exactly `count` references, all of them the caller's.
///
/// # Safety
/// `header` must be live.
pub(super) unsafe fn has_references(header: *mut Header, count: usize) -> bool {
    // SAFETY: live by contract. Acquire pairs with the release of the last other reference.
    unsafe { (*header).references.load(Ordering::Acquire) == count }
}

/// What fits a block of the process's store.
#[cfg(not(loom))]
pub(super) const SLICED: usize = blocks::SIZE - size_of::<Header>();
#[cfg(loom)]
pub(super) const SLICED: usize = 64 * 1024;

/// Memory for `size` bytes behind a header, of which bodies will be parts.
pub(super) fn allocate_sliced(size: usize) -> Result<*mut Header> {
    #[cfg(not(loom))]
    if (kept::SHORTEST..=SLICED).contains(&size)
        && let Some(block) = blocks::take()
    {
        let header = block.as_ptr().cast::<Header>();
        // SAFETY: a block is large enough, aligned to a page, and ours.
        unsafe { header.write(Header::new(Origin::RxBlock, 0)) };
        return Ok(header);
    }
    let (header, _) = allocate(size)?;
    // SAFETY: just allocated, not shared yet.
    unsafe { (*header).origin = Origin::RxBuffer };
    Ok(header)
}

/// Whether the caller's reference is the only one.
///
/// # Safety
/// `header` must be live.
#[inline]
pub(super) unsafe fn is_unique(header: *mut Header) -> bool {
    // SAFETY: live by contract. Acquire pairs with the release of the last other reference.
    unsafe { (*header).references.load(Ordering::Acquire) == 1 }
}

/// Whether the body at `data` is a block from [`allocate`] that nobody shares.
///
/// # Safety
/// `header` must be live.
#[inline]
pub(super) unsafe fn is_own_block(header: *mut Header, data: *mut u8) -> bool {
    // SAFETY: live by contract; the address behind it is only compared.
    unsafe {
        (*header).origin == Origin::Allocated
            && data == header.wrapping_add(1).cast()
            && is_unique(header)
    }
}

/// Whether the body is a slice of a receive buffer.
///
/// # Safety
/// `header` must be live.
#[inline]
pub(super) unsafe fn is_rx_buffer(header: *mut Header) -> bool {
    // SAFETY: live by contract.
    match unsafe { (*header).origin } {
        Origin::RxBuffer => true,
        #[cfg(not(loom))]
        Origin::RxBlock => true,
        _ => false,
    }
}

/// Whether the body is memory of the library's, not of the application's.
///
/// # Safety
/// `header` must be live.
#[inline]
pub(super) unsafe fn is_ours(header: *mut Header) -> bool {
    // SAFETY: live by contract.
    unsafe { !matches!((*header).origin, Origin::Foreign | Origin::ForeignInNeed) }
}

/// Gives one reference back and frees the body with the last one: memory of the application by way of
/// `to`, or at once if there is none.
///
/// # Safety
/// `header` must be live and the caller's reference is gone afterwards.
#[inline]
pub(super) unsafe fn release(header: *mut Header, to: Option<&'static Reclaimer>) {
    // SAFETY: live by contract. An unshared body needs no read-modify-write: nobody else can
    // take a reference while ours is the only one.
    unsafe {
        let references = &(*header).references;
        let shared = references.load(Ordering::Acquire) != 1;
        if shared && references.fetch_sub(1, GIVES_BACK) != 1 {
            return;
        }
        free(header, to);
    }
}

unsafe fn free(header: *mut Header, to: Option<&'static Reclaimer>) {
    // SAFETY: the last reference is gone, so the block is ours.
    unsafe {
        if (*header).origin == Origin::Allocated {
            heap::free(header.cast());
        } else {
            free_other(header, to);
        }
    }
}

/// Not in [`free`], which has no registers to save for what most bodies are.
#[inline(never)]
unsafe fn free_other(header: *mut Header, to: Option<&'static Reclaimer>) {
    // SAFETY: as there; Foreign starts with its Header.
    unsafe {
        match (*header).origin {
            Origin::Allocated => heap::free(header.cast()),
            Origin::Foreign | Origin::ForeignInNeed => match to {
                Some(reclaimer) => reclaimer.retire_counted(header.cast()),
                None => {
                    let Retired { data, free, .. } = (*header.cast::<Foreign>()).retired;
                    header::free_foreign(header.cast());
                    free.call(data);
                }
            },
            #[cfg(not(loom))]
            Origin::RxBlock => {
                if let Some(block) = ptr::NonNull::new(header.cast()) {
                    blocks::give(block);
                }
            }
            Origin::Long | Origin::RxBuffer => {
                let room = (*header).room as usize;
                if room == 0 || !kept::give(header.cast(), room) {
                    heap::free(header.cast());
                }
            }
        }
    }
}

/// A buffer that bytes are received into and messages are cut from without copying.
///
/// Filled bytes never change while a message refers to them; new bytes go behind them.
pub struct RxBuffer {
    header: *mut Header,
    capacity: usize,
    filled: usize,
}

// SAFETY: the buffer is owned; what it shares are immutable bytes behind an atomic count.
unsafe impl Send for RxBuffer {}

impl RxBuffer {
    /// An empty buffer for `capacity` bytes.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn new(capacity: usize) -> Result<RxBuffer> {
        let header = allocate_sliced(capacity)?;
        Ok(RxBuffer { header, capacity, filled: 0 })
    }

    fn base(&self) -> *mut u8 {
        // SAFETY: the bytes follow the header in the same allocation.
        unsafe { self.header.add(1).cast() }
    }

    /// How many bytes the buffer can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The bytes received so far.
    #[inline]
    pub fn filled(&self) -> &[u8] {
        // SAFETY: the first `filled` bytes were written through `spare` and `advance`.
        unsafe { std::slice::from_raw_parts(self.base(), self.filled) }
    }

    /// The bytes received so far, to be changed, if no message refers to them.
    #[inline]
    pub fn filled_mut(&mut self) -> Option<&mut [u8]> {
        // SAFETY: as in `filled`; nobody else reads them, and only `share` changes that.
        self.is_unique()
            .then(|| unsafe { std::slice::from_raw_parts_mut(self.base(), self.filled) })
    }

    /// Where the next bytes go, and how many fit.
    pub fn spare(&mut self) -> (*mut u8, usize) {
        // SAFETY: `filled <= capacity`.
        (unsafe { self.base().add(self.filled) }, self.capacity - self.filled)
    }

    /// Says that `count` bytes were written to [`RxBuffer::spare`].
    ///
    /// # Safety
    /// They must have been written, and fit.
    pub unsafe fn advance(&mut self, count: usize) {
        debug_assert!(count <= self.capacity - self.filled);
        self.filled += count;
    }

    /// Copies `bytes` behind the filled part.
    ///
    /// # Panics
    /// If they do not fit.
    pub fn append(&mut self, bytes: &[u8]) {
        let (to, room) = self.spare();
        assert!(bytes.len() <= room, "receive buffer overrun");
        // SAFETY: room was checked; source and destination are different allocations or parts.
        unsafe {
            ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
            self.advance(bytes.len());
        }
    }

    /// Forgets the bytes from `end` on, which no message refers to.
    pub fn truncate(&mut self, end: usize) {
        self.filled = self.filled.min(end);
    }

    /// Whether no message refers to the buffer, so that it may be filled from the start again.
    pub fn is_unique(&self) -> bool {
        // SAFETY: the buffer holds a reference.
        unsafe { is_unique(self.header) }
    }

    /// Starts again with the bytes from `keep_from` moved to the front. Only for an unshared
    /// buffer: returns false and does nothing otherwise.
    pub fn rewind(&mut self, keep_from: usize) -> bool {
        if keep_from > self.filled || !self.is_unique() {
            return false;
        }
        let keep = self.filled - keep_from;
        // SAFETY: both ranges are inside the filled part, and nobody else reads it.
        unsafe { ptr::copy(self.base().add(keep_from), self.base(), keep) };
        self.filled = keep;
        true
    }

    /// Starts again with nothing. False, and nothing has happened, unless the buffer is unshared.
    #[inline]
    pub fn clear(&mut self) -> bool {
        let unique = self.is_unique();
        if unique {
            self.filled = 0;
        }
        unique
    }

    pub(super) fn share(&self) -> *mut Header {
        // SAFETY: the buffer holds a reference.
        unsafe { retain(self.header) };
        self.header
    }
}

impl Drop for RxBuffer {
    fn drop(&mut self) {
        // SAFETY: the buffer's own reference.
        unsafe { release(self.header, None) };
    }
}

/// A long body that is received piece by piece into its final place.
///
/// Memory grows with what has arrived, so a peer that announces gigabytes and sends nothing costs
/// nothing.
pub struct BodyBuilder {
    header: *mut Header,
    capacity: usize,
    filled: usize,
    total: usize,
}

// SAFETY: the allocation is owned and not shared before `finish`.
unsafe impl Send for BodyBuilder {}

/// What is allocated for a body before more than this has arrived.
const FIRST_ALLOCATION: usize = 1 << 20;

impl BodyBuilder {
    /// For a body of `total` bytes of which `first` are here already.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn new(total: usize, first: &[u8]) -> Result<BodyBuilder> {
        let first = &first[..first.len().min(total)];
        let capacity = total.min(FIRST_ALLOCATION.max(2 * first.len()));
        let (header, _) = allocate(capacity)?;
        let mut body = BodyBuilder { header, capacity, filled: 0, total };
        body.append(first);
        Ok(body)
    }

    /// For a body of `total` bytes, with memory for all of them. `None` if there is none, or that is more
    /// than a peer may ask for before it has sent as much.
    pub fn whole(total: usize) -> Option<BodyBuilder> {
        if total <= FIRST_ALLOCATION { BodyBuilder::new(total, &[]).ok() } else { None }
    }

    /// Takes bytes that follow those that are here.
    ///
    /// # Panics
    /// If there is no room for them.
    pub fn append(&mut self, bytes: &[u8]) {
        assert!(bytes.len() <= self.capacity - self.filled, "body overrun");
        // SAFETY: there is room, and the memory is nobody else's.
        unsafe {
            let to = self.header.add(1).cast::<u8>().add(self.filled);
            ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
        self.filled += bytes.len();
    }

    /// How many bytes are still to come.
    pub fn missing(&self) -> usize {
        self.total - self.filled
    }

    /// Where the next bytes go, and how many fit there (never more than are missing).
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn spare(&mut self) -> Result<(*mut u8, usize)> {
        if self.filled == self.capacity && self.filled < self.total {
            let capacity = self.total.min(self.capacity * 2);
            // SAFETY: the block came from malloc and is not shared; on failure it stays valid.
            let moved = unsafe {
                heap::realloc(self.header.cast(), capacity + size_of::<Header>()).cast::<Header>()
            };
            if moved.is_null() {
                return Err(Error::NoMemory);
            }
            // SAFETY: the header moved with the block, and nobody else has it.
            unsafe { moved.write(Header::new(Origin::Allocated, capacity)) };
            self.header = moved;
            self.capacity = capacity;
        }
        // SAFETY: `filled <= capacity`, and the bytes follow the header.
        let to = unsafe { self.header.add(1).cast::<u8>().add(self.filled) };
        Ok((to, self.capacity - self.filled))
    }

    /// Says that `count` bytes were written to [`BodyBuilder::spare`].
    ///
    /// # Safety
    /// They must have been written, and fit.
    pub unsafe fn advance(&mut self, count: usize) {
        self.filled += count;
    }

    /// The complete body; `None` (and the builder is lost) if bytes are missing.
    pub(super) fn finish(self) -> Option<(*mut Header, *mut u8, usize)> {
        if self.filled != self.total {
            return None;
        }
        let this = std::mem::ManuallyDrop::new(self);
        // SAFETY: the bytes follow the header.
        Some((this.header, unsafe { this.header.add(1).cast() }, this.total))
    }
}

impl Drop for BodyBuilder {
    fn drop(&mut self) {
        // SAFETY: the builder's own reference.
        unsafe { release(self.header, None) };
    }
}
