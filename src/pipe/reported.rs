//! Connections with bytes that nobody has looked at.
//!
//! The set reports a connection once. A thread that took the report and reads something else, or
//! nothing, because it waits for room or for another peer, leaves bytes in the kernel that nobody hears
//! of any more, PINGs among them; a slow receiver leaves them behind messages in its buffer.
//! [`PipeTable::reported`] lists such connections from the report on, and [`PipeTable::gather_ready`] is
//! for whoever goes to sleep, or hands over to somebody else.

use super::{Kind, PipeTable};
use crate::connection::Connection;
use crate::pattern::PipeId;
use crate::util::memory;

impl PipeTable {
    /// The pipe's connection may have bytes.
    #[inline]
    pub(super) fn note_reported(&mut self, id: PipeId) {
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return };
        if !std::mem::replace(&mut pipe.reported, true) {
            // Without memory for that whoever receives still finds it.
            pipe.reported = memory::push(&mut self.reported, id).is_ok();
        }
    }

    /// Whether the pipe's connection may have bytes, here or in the kernel.
    fn may_have_bytes(&mut self, id: PipeId) -> bool {
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return false };
        !pipe.lingering && pipe.connection().is_some_and(|c| has_bytes(c))
    }

    /// Reads and looks ahead, up to the receive high-water marks, on all connections that were reported
    /// readable. True if anything came.
    pub fn gather_ready(&mut self) -> bool {
        debug_assert!(self.lists_reported(), "a connection has bytes and is not listed");
        if self.reported.is_empty() {
            return false;
        }
        let mut came = false;
        for id in std::mem::take(&mut self.reported) {
            if self.may_have_bytes(id) {
                let heard = self.heard(id);
                self.gather(id);
                came |= self.heard(id) != heard;
            }
            // One that is full, or holds messages, stays for the next who stops looking.
            let again = self.may_have_bytes(id);
            if let Some(Some(pipe)) = self.pipes.get_mut(id as usize) {
                pipe.reported = false;
            }
            if again {
                self.note_reported(id);
            }
        }
        came
    }

    fn heard(&mut self, id: PipeId) -> Option<u64> {
        self.get(id)?.connection().map(|connection| connection.heard)
    }

    fn lists_reported(&self) -> bool {
        self.pipes.iter().flatten().all(|pipe| match &pipe.kind {
            Kind::Wire(wire) => {
                let bytes = wire.connection.as_ref().is_some_and(has_bytes);
                pipe.reported || pipe.lingering || !bytes
            }
            Kind::Inproc(_) => true,
        })
    }
}

fn has_bytes(connection: &Connection) -> bool {
    connection.rx.ready() || connection.rx.holds_data()
}
