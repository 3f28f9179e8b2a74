//! Where blocks come from and go to.

use super::block::Block;
use super::pool;
use crate::msg::{ForeignFree, Msg};
use crate::sync::atomic::Ordering;
use std::ffi::c_void;

impl Block {
    /// A block with nothing in it that matters, from the pool or new; `None` without memory.
    pub(super) fn take() -> Option<*mut Block> {
        pool::take().or_else(Block::allocate)
    }

    /// A message of a body that stands in the block, for a reader without memory for a copy. The
    /// last of them gives the block back.
    ///
    /// # Safety
    /// The block is live and the caller's, and the body is initialised and one of its records, which
    /// nobody changes.
    #[cold]
    pub(super) unsafe fn lend(block: *mut Block, body: *mut u8, len: usize) -> Msg {
        /// Whoever has the message is done with it.
        unsafe extern "C" fn leave(_body: *mut c_void, block: *mut c_void) {
            let block = block.cast::<Block>();
            // SAFETY: a holder of the block, which was counted.
            unsafe {
                if Block::leave(block) {
                    Block::give(block);
                }
            }
        }
        // SAFETY: live by contract. The body stays as long as there are holders.
        unsafe {
            (*block).holders.fetch_add(1, Ordering::Relaxed);
            let free = ForeignFree { function: leave, hint: block.cast() };
            Msg::foreign(body, len, Some(free))
        }
    }

    /// Gives a block back.
    ///
    /// # Safety
    /// It is live, and nobody uses it any more.
    pub(super) unsafe fn give(block: *mut Block) {
        // SAFETY: passed on; made by `take`.
        unsafe { pool::give(block) };
    }
}
