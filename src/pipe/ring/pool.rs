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

/// A block of the pool, whose content is of no value.
pub(super) fn take() -> Option<*mut Block> {
    UNUSED.lock().pop().map(|unused| unused.0)
}

/// Keeps a live block that nobody uses; false if there are enough.
pub(super) fn give(block: *mut Block) -> bool {
    let mut unused = UNUSED.lock();
    let room = unused.len() < MOST;
    if room {
        unused.push(Unused(block));
    }
    room
}
