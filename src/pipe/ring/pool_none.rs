//! In a model every block is allocated, so that each is seen to be freed.

pub(super) fn take() -> Option<*mut super::block::Block> {
    None
}

/// # Safety
/// The block came from `Block::allocate`, and nobody uses it any more.
pub(super) unsafe fn give(block: *mut super::block::Block) {
    // SAFETY: by contract.
    drop(unsafe { Box::from_raw(block) });
}
