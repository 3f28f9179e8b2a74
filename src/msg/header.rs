//! What stands in front of counted bodies, and how memory of the application is given back.

use super::kept;
use crate::error::{Error, Result};
use crate::sync::atomic::AtomicUsize;
use crate::sync::heap;
use crate::sys::cancel::Shielded;
use std::ffi::c_void;
use std::mem::{align_of, size_of};
use std::ptr;

/// How the application gets its memory back: the function, and the two pointers given to it.
#[derive(Clone, Copy)]
pub struct ForeignFree {
    /// `zmq_free_fn`: called with the address of the memory and `hint`.
    pub function: unsafe extern "C" fn(*mut c_void, *mut c_void),
    /// The application's own argument.
    pub hint: *mut c_void,
}

impl ForeignFree {
    /// Gives the memory at `data` back.
    ///
    /// # Safety
    /// It belongs to nobody any more.
    #[inline]
    pub(super) unsafe fn call(self, data: *mut u8) {
        // The thread does not end in it: this may be deep in a call.
        let _here = Shielded::begin();
        // SAFETY: what the application asked for, for the memory that it lent.
        unsafe { (self.function)(data.cast(), self.hint) };
    }
}

/// Memory that nobody uses any more, and how to give it back.
#[derive(Clone, Copy)]
pub(super) struct Retired {
    /// In a stack of a `Reclaimer`, or what was taken from it: the next one.
    pub(super) next: *mut Retired,
    pub(super) data: *mut u8,
    /// Bytes there.
    len: usize,
    pub(super) free: ForeignFree,
}

impl Retired {
    pub(super) fn new(data: *mut u8, len: usize, free: ForeignFree) -> Retired {
        Retired { next: ptr::null_mut(), data, len, free }
    }

    /// What it takes of the program's memory, about.
    pub(super) fn weight(&self) -> usize {
        // Lengths come from the application; sums of these stay numbers.
        self.len.min(1 << 40) + size_of::<Retired>()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    // Those of the application first, so that one comparison tells them from the rest.
    Foreign,
    /// The same, in memory of the process's allocator, which may have some when malloc has none.
    ForeignInNeed,
    Allocated,
    /// Allocated, and so long that the block is worth keeping for the next body.
    Long,
    RxBuffer,
    /// A receive buffer in a block of the process's store.
    #[cfg(not(loom))]
    RxBlock,
}

/// What stands in front of every counted body.
#[repr(C, align(16))]
pub(super) struct Header {
    pub(super) references: AtomicUsize,
    pub(super) origin: Origin,
    /// Bytes of the block behind the header, if its memory may be kept; otherwise 0.
    pub(super) room: u32,
}

impl Header {
    /// Of a block with this many bytes behind it.
    pub(super) fn new(origin: Origin, room: usize) -> Header {
        let keeps = (kept::SHORTEST..=kept::LONGEST).contains(&room);
        let origin = if keeps && origin == Origin::Allocated { Origin::Long } else { origin };
        let room = if keeps { room as u32 } else { 0 };
        Header { references: AtomicUsize::new(1), origin, room }
    }
}

#[repr(C)]
pub(super) struct Foreign {
    header: Header,
    /// The memory, and how to give it back.
    pub(super) retired: Retired,
}

const _: () = assert!(align_of::<Header>() <= 16 && align_of::<Foreign>() <= 16);

/// A header for memory of the application.
pub(super) fn foreign(data: *mut u8, len: usize, free: ForeignFree) -> Result<*mut Header> {
    // SAFETY: malloc is aligned for Foreign (16 bytes) and the block is large enough for it.
    unsafe {
        let block = heap::malloc(size_of::<Foreign>()).cast::<Foreign>();
        if block.is_null() {
            return Err(Error::NoMemory);
        }
        let header = Header::new(Origin::Foreign, 0);
        block.write(Foreign { header, retired: Retired::new(data, len, free) });
        Ok(block.cast())
    }
}

/// A header for memory of the application that is on its way back, and has to get there though malloc has
/// none: the reserve (`util::reserve`) is for what cannot be refused.
#[cold]
pub(super) fn foreign_in_need(data: *mut u8, len: usize, free: ForeignFree) -> *mut Foreign {
    let header = Header::new(Origin::ForeignInNeed, 0);
    Box::into_raw(Box::new(Foreign { header, retired: Retired::new(data, len, free) }))
}

/// Frees a header for memory of the application, which is back.
///
/// # Safety
/// It is live, and nobody's but the caller's.
pub(super) unsafe fn free_foreign(foreign: *mut Foreign) {
    // SAFETY: by contract; the origin says where it is from.
    unsafe {
        if (*foreign).header.origin == Origin::ForeignInNeed {
            drop(Box::from_raw(foreign));
        } else {
            heap::free(foreign.cast());
        }
    }
}
