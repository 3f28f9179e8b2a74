//! Blocks of memory, the records in them, and the way through both.

use crate::msg::Msg;
use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
#[cfg(loom)]
use crate::sync::model::Users;
use crate::util::reserve;
use std::alloc::Layout;
use std::cell::UnsafeCell;
use std::mem::{MaybeUninit, size_of};
use std::ptr;

/// Words of 8 bytes in a block: with the link and the count they fill 4 KiB. In a model, one `Msg` and
/// the end; in a made-up world little more than the longest record.
pub(super) const BLOCK: usize = if cfg!(loom) {
    2 + MSG_WORDS
} else if cfg!(sim) {
    132
} else {
    510
};
/// Words of a record that holds a `Msg`, without its head.
pub(super) const MSG_WORDS: usize = size_of::<Msg>() / size_of::<u64>();

/// The first word of a record: the length of its body, the flags of its frame, and its kind.
#[derive(Clone, Copy)]
pub(super) struct Head(pub(super) u64);

impl Head {
    pub(super) const BYTES: u64 = 1;
    pub(super) const MESSAGE: u64 = 2;
    /// Nothing more in this block.
    pub(super) const END: u64 = 3;

    pub(super) fn new(kind: u64, flags: u8, len: usize) -> Head {
        Head(len as u64 | u64::from(flags) << 32 | kind << 40)
    }

    pub(super) fn kind(self) -> u64 {
        self.0 >> 40
    }

    pub(super) fn flags(self) -> u8 {
        (self.0 >> 32) as u8
    }

    /// Whether it is of this kind and without flags.
    pub(super) fn is_plain(self, kind: u64) -> bool {
        self.0 >> 32 == kind << 8
    }

    pub(super) fn more(self) -> bool {
        self.flags() & crate::msg::MORE != 0
    }

    pub(super) fn len(self) -> usize {
        self.0 as u32 as usize
    }

    /// Words of the whole record.
    pub(super) fn words(self) -> usize {
        1 + if self.kind() == Head::BYTES { self.len().div_ceil(8) } else { MSG_WORDS }
    }
}

#[cfg_attr(sim, repr(align(4096)))]
pub(super) struct Block {
    pub(super) next: AtomicPtr<Block>,
    /// The queue, and messages that use a body where it stands, see [`Block::lend`].
    pub(super) holders: AtomicUsize,
    pub(super) words: UnsafeCell<[MaybeUninit<u64>; BLOCK]>,
    #[cfg(loom)]
    pub(super) users: Users<BLOCK>,
}

impl Block {
    /// One holder less. True for the last one, whose the block is.
    ///
    /// # Safety
    /// It is live, and the caller one of its holders.
    pub(super) unsafe fn leave(block: *mut Block) -> bool {
        // SAFETY: live by contract.
        let holders = unsafe { &(*block).holders };
        // Nearly always the queue alone, and then nobody else can come.
        if holders.load(Ordering::Acquire) == 1 {
            return true;
        }
        let last = holders.fetch_sub(1, Ordering::AcqRel) == 1;
        if last {
            holders.store(1, Ordering::Relaxed);
        }
        last
    }

    /// A new one, `None` without memory.
    pub(super) fn allocate() -> Option<*mut Block> {
        reserve::ready().ok()?;
        // SAFETY: a block has bytes. As a `Box` would be allocated, which may be refused here.
        let block = unsafe { std::alloc::alloc(Layout::new::<Block>()) }.cast::<Block>();
        if block.is_null() {
            return None;
        }
        // SAFETY: freshly allocated.
        unsafe { Block::init(block) };
        Some(block)
    }

    /// Makes a block of memory.
    ///
    /// # Safety
    /// It is large enough, aligned, and the caller's.
    pub(super) unsafe fn init(block: *mut Block) {
        // SAFETY: by contract; the words need no value before records are written.
        unsafe {
            ptr::addr_of_mut!((*block).next).write(AtomicPtr::new(ptr::null_mut()));
            ptr::addr_of_mut!((*block).holders).write(AtomicUsize::new(1));
        }
        #[cfg(loom)]
        // SAFETY: as above.
        unsafe {
            ptr::addr_of_mut!((*block).users).write(Users::default())
        };
    }

    /// The address of a word.
    ///
    /// # Safety
    /// `block` is live and `index` at most [`BLOCK`].
    pub(super) unsafe fn at(block: *mut Block, index: usize) -> *mut u64 {
        #[cfg(loom)]
        // SAFETY: live by contract.
        unsafe {
            (*block).users.enter(index)
        };
        // SAFETY: no reference to the words is made, so both sides may use their own.
        unsafe { UnsafeCell::raw_get(ptr::addr_of!((*block).words)).cast::<u64>().add(index) }
    }
}

/// A way through the records of the blocks.
pub(super) struct Walk {
    pub(super) block: *mut Block,
    pub(super) index: usize,
    /// Words passed.
    pub(super) position: u64,
}

impl Walk {
    /// The record here, or behind the end of the block, and its body. `leave` gets blocks that are
    /// left behind.
    ///
    /// # Safety
    /// There is a record before the writer's position, and the caller may read it.
    #[inline(always)]
    pub(super) unsafe fn record(&mut self, leave: impl FnMut(*mut Block)) -> (Head, *mut u64) {
        // SAFETY: passed on.
        unsafe { self.record_here().unwrap_or_else(|| self.record_behind(leave)) }
    }

    /// The record here, unless it is behind the end of the block.
    ///
    /// # Safety
    /// As for [`Walk::record`].
    #[inline(always)]
    pub(super) unsafe fn record_here(&self) -> Option<(Head, *mut u64)> {
        if self.index >= BLOCK {
            return None;
        }
        // SAFETY: what stands here is the head of a record, and its body behind it.
        unsafe {
            let record = Block::at(self.block, self.index);
            let head = Head(record.read());
            (head.kind() != Head::END).then(|| (head, record.add(1)))
        }
    }

    /// The record at the start of the next block.
    ///
    /// # Safety
    /// As for [`Walk::record`].
    #[cold]
    pub(super) unsafe fn record_behind(
        &mut self,
        mut leave: impl FnMut(*mut Block),
    ) -> (Head, *mut u64) {
        loop {
            let old = self.block;
            self.position += (BLOCK - self.index) as u64;
            self.index = 0;
            // SAFETY: the writer linked the next block before it wrote the record there.
            self.block = unsafe { (*old).next.load(Ordering::Acquire) };
            leave(old);
            // SAFETY: passed on.
            if let Some(found) = unsafe { self.record_here() } {
                return found;
            }
        }
    }

    /// Goes behind the record.
    #[inline]
    pub(super) fn pass(&mut self, head: Head) {
        self.index += head.words();
        self.position += head.words() as u64;
    }
}
