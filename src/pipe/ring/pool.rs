//! Memory for the blocks of all queues of the process.
//!
//! A queue that fills and empties in turn needs many blocks for a moment. To allocate and free them
//! each time costs more than copying messages into them, and to keep them in each queue would add
//! up, so the last ones given back are kept here. Others go back to the piece of memory they are
//! from, and the piece to the system once all of its blocks have: blocks from malloc would stay
//! between what was allocated after them.

use super::block::Block;
use crate::sync::PerProcess;
use crate::sync::atomic::Ordering;
use crate::sync::mutex::Mutex;
use crate::sync::statics::AtomicPtr;
use crate::sys::pages;
use crate::util::memory::try_room;
use crate::util::pieces::{GivenBack, Pieces};
use std::ptr::{self, NonNull};

/// Blocks kept at most: 2 MiB.
const MOST: usize = 512;
/// Blocks of a piece.
const PIECE: usize = 64;
const SIZE: usize = size_of::<Block>();

const _: () = assert!(SIZE == 4096);

#[derive(Default)]
struct Pool {
    /// The last one is the likeliest to be in the cache.
    unused: Vec<*mut Block>,
    pieces: Pieces<SIZE, PIECE>,
    /// There may be blocks from pieces that are not here.
    strangers: bool,
}

// SAFETY: an unused block is plain memory that belongs to whoever takes it.
unsafe impl Send for Pool {}

/// The blocks of a process.
struct Shared {
    pool: Mutex<Pool>,
    /// Blocks given back while another thread was at the pool, linked with each other. Nobody waits
    /// for the pool.
    returned: AtomicPtr<Block>,
}

static BLOCKS: PerProcess<Shared> = PerProcess::new(Shared {
    pool: Mutex::new(Pool { unused: Vec::new(), pieces: Pieces::new(), strangers: false }),
    returned: AtomicPtr::new(ptr::null_mut()),
});

fn blocks() -> &'static Shared {
    BLOCKS.get_or(|parents| {
        let pool = if parents.pool.is_locked() {
            Pool { strangers: true, ..Pool::default() }
        } else {
            // SAFETY: free, so whole, and nobody in this process uses it. What it consists of has one
            // owner as before: the parent's is not dropped.
            unsafe { ptr::read(parents.pool.inherited()) }
        };
        Shared { pool: Mutex::new(pool), returned: AtomicPtr::new(ptr::null_mut()) }
    })
}

/// A live block whose content is of no value. None if there is no memory, or if another thread is at
/// the pool and has none left: to allocate takes no longer than to wait.
pub(super) fn take() -> Option<*mut Block> {
    let blocks = blocks();
    match blocks.pool.try_lock() {
        Some(mut pool) => {
            pool.collect(&blocks.returned);
            pool.unused.pop().or_else(|| pool.cut())
        }
        None => take_returned(&blocks.returned),
    }
}

/// Takes a live block that nobody uses back.
///
/// # Safety
/// It came from [`take`], or from the allocator as a `Box`.
pub(super) unsafe fn give(block: *mut Block) {
    let blocks = blocks();
    match blocks.pool.try_lock() {
        Some(mut pool) => {
            pool.collect(&blocks.returned);
            pool.put(block);
        }
        None => put_returned(&blocks.returned, block, block),
    }
}

fn take_returned(returned: &AtomicPtr<Block>) -> Option<*mut Block> {
    let first = returned.swap(ptr::null_mut(), Ordering::Acquire);
    if first.is_null() {
        return None;
    }
    // SAFETY: the whole list is ours now.
    unsafe {
        let rest = next(first);
        if !rest.is_null() {
            let mut last = rest;
            while !next(last).is_null() {
                last = next(last);
            }
            put_returned(returned, rest, last);
        }
    }
    Some(first)
}

/// Adds the list from `first` to `last` to what was given back.
fn put_returned(returned: &AtomicPtr<Block>, first: *mut Block, last: *mut Block) {
    let mut head = returned.load(Ordering::Relaxed);
    loop {
        // SAFETY: the list is ours until it is there.
        unsafe { (*last).next.store(head, Ordering::Relaxed) };
        match returned.compare_exchange_weak(head, first, Ordering::Release, Ordering::Relaxed) {
            Ok(_) => return,
            Err(now) => head = now,
        }
    }
}

/// The block behind another in a list.
///
/// # Safety
/// The list is the caller's.
unsafe fn next(block: *mut Block) -> *mut Block {
    // SAFETY: live by contract.
    unsafe { (*block).next.load(Ordering::Relaxed) }
}

impl Pool {
    /// Takes in what others gave back meanwhile.
    #[inline]
    fn collect(&mut self, returned: &AtomicPtr<Block>) {
        if returned.load(Ordering::Relaxed).is_null() {
            return;
        }
        let mut block = returned.swap(ptr::null_mut(), Ordering::Acquire);
        while !block.is_null() {
            // SAFETY: the whole list is ours now.
            let behind = unsafe { next(block) };
            self.put(block);
            block = behind;
        }
    }

    fn put(&mut self, block: *mut Block) {
        if self.unused.len() < MOST && try_room(&mut self.unused, 1).is_ok() {
            self.unused.push(block);
        } else {
            self.join(block);
        }
    }

    /// A block of the lowest piece that has one, or of a new piece.
    #[cold]
    fn cut(&mut self) -> Option<*mut Block> {
        let block = self.pieces.cut().or_else(|| self.cut_new())?.cast::<Block>().as_ptr();
        // SAFETY: large enough, inside a page, and nobody else's.
        unsafe { Block::init(block) };
        Some(block)
    }

    fn cut_new(&mut self) -> Option<NonNull<u8>> {
        let base = pages::map(Pieces::<SIZE, PIECE>::BYTES)?;
        if !self.pieces.add(base) {
            // SAFETY: just mapped, and nobody has any of it.
            unsafe { pages::unmap(base, Pieces::<SIZE, PIECE>::BYTES) };
        }
        self.pieces.cut()
    }

    /// Gives a block back to its piece, and the piece to the system if it is whole.
    #[cold]
    fn join(&mut self, block: *mut Block) {
        let Some(address) = NonNull::new(block.cast()) else { return };
        match self.pieces.give(address) {
            GivenBack::Joined => {}
            // SAFETY: a whole mapping, none of whose blocks is in use.
            GivenBack::Whole(base) => unsafe { pages::unmap(base, Pieces::<SIZE, PIECE>::BYTES) },
            // Lost, rather than freed where it was not allocated.
            GivenBack::Stranger if self.strangers => {}
            // SAFETY: by contract of `give`, it came from the allocator.
            GivenBack::Stranger => drop(unsafe { Box::from_raw(block) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_blocks_took_goes_back_to_the_system() {
        let blocks: Vec<_> = (0..40 * PIECE).filter_map(|_| Block::take()).collect();
        for (at, &block) in blocks.iter().enumerate() {
            // SAFETY: live, and ours.
            unsafe { Block::at(block, 7).write(at as u64) };
        }
        for (at, &block) in blocks.iter().enumerate() {
            // SAFETY: as above.
            assert_eq!(unsafe { Block::at(block, 7).read() }, at as u64);
        }
        for block in blocks {
            // SAFETY: as above.
            unsafe { Block::give(block) };
        }
        let held = super::blocks().pool.lock().pieces.count();
        assert!(held < 30, "{held} pieces of 40");
    }
}
