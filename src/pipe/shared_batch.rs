//! One batch for many connections.

use crate::connection::tx::BATCH;
use crate::pattern::PipeId;

/// What several connections are to send alike, see [`PipeTable::add_to_batch`](super::PipeTable).
#[derive(Default)]
pub(super) struct SharedBatch {
    /// Who gets what is in `bytes`.
    pub(super) members: Vec<PipeId>,
    /// The encoded frames of whole messages.
    pub(super) bytes: Vec<u8>,
    pub(super) messages: usize,
    /// Bytes of their bodies.
    pub(super) bodies: usize,
    /// Messages that every member has room for beyond these. 0: `members` must be looked at anew.
    pub(super) room: usize,
    /// The number that the pattern gave to the pipes it named last.
    pub(super) set: u64,
    /// Messages to go before these pipes are looked at again.
    pub(super) refused: u32,
}

impl SharedBatch {
    /// Whether anything waits to be flushed.
    #[inline]
    pub(super) fn is_pending(&self) -> bool {
        self.messages != 0
    }

    /// Whether the batch is worth a system call for each member.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH
    }

    /// How many connections have something in it to flush.
    #[inline]
    pub(super) fn pending_count(&self) -> usize {
        if self.is_pending() { self.members.len() } else { 0 }
    }

    /// The batch was handed over.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.messages = 0;
        self.bodies = 0;
        self.room = 0;
    }

    /// Gives back memory that only traffic needs.
    pub(super) fn trim(&mut self) {
        if !self.is_pending() {
            *self = SharedBatch { set: self.set, ..SharedBatch::default() };
        }
    }
}
