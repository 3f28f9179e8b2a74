//! Blocks that no queue uses at the moment, shared by all queues of the process.
//!
//! A queue that fills and empties in turn needs many blocks for a moment. To allocate and free them
//! each time costs more than copying messages into them, and to keep them in each queue would add
//! up.

use super::Block;
use parking_lot::Mutex;

/// Blocks kept at most: 4 MiB.
const MOST: usize = 1024;

/// A block and the right to use it.
struct Unused(*mut Block);

// SAFETY: an unused block is plain memory that belongs to whoever takes it.
unsafe impl Send for Unused {}

static UNUSED: Mutex<Vec<Unused>> = Mutex::new(Vec::new());

/// A block of the pool, whose content is of no value. None either if another thread is at the pool:
/// to allocate takes no longer than to wait, and in a forked child that thread may not exist.
pub(super) fn take() -> Option<*mut Block> {
    UNUSED.try_lock()?.pop().map(|unused| unused.0)
}

/// Keeps a live block that nobody uses; false if there are enough, or another thread is here.
pub(super) fn give(block: *mut Block) -> bool {
    let Some(mut unused) = UNUSED.try_lock() else { return false };
    let room = unused.len() < MOST;
    if room {
        unused.push(Unused(block));
    }
    room
}
