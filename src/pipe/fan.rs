//! One batch for many: messages that several connections are to send alike (PUB, XPUB).
//!
//! A publisher mostly has the same subscribers for one message after the other. Their frames are
//! then encoded once, into one buffer, and each connection hands that buffer to its kernel when the
//! batch goes out: a message costs the same for one subscriber and for a thousand until then. What
//! a kernel does not take is copied to the connection's own queue.
//!
//! Whoever looks at a pipe must find on its connection what was written to it. So everything but
//! the next message to the same pipes begins with [`PipeTable::spread`].

use super::{Kind, Pipe, PipeTable};
use crate::connection::tx::{BATCH, COPY_LIMIT};
use crate::pattern::PipeId;
use crate::wire::frame::{self, Framing, MAX_HEADER};

/// Messages that go out pipe by pipe after the pipes turned out not to be fit for a batch.
const REFUSED: u32 = 15;

/// See the module.
#[derive(Default)]
pub(super) struct Fan {
    /// Who gets what is in `bytes`.
    members: Vec<PipeId>,
    /// Encoded frames, each a whole message.
    bytes: Vec<u8>,
    messages: usize,
    /// Messages that every member has room for beyond these. 0: `members` must be looked at anew.
    room: usize,
    /// The number that the pattern gave to the pipes it named last.
    set: u64,
    /// Messages to go before these pipes are looked at again.
    refused: u32,
}

impl Fan {
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
    fn clear(&mut self) {
        self.bytes.clear();
        self.messages = 0;
        self.room = 0;
    }

    /// Gives back memory that only traffic needs.
    pub(super) fn trim(&mut self) {
        if !self.is_pending() {
            *self = Fan { set: self.set, ..Fan::default() };
        }
    }
}

impl PipeTable {
    /// See [`PipeSet::write_to_all`](crate::pattern::PipeSet::write_to_all).
    #[inline]
    pub(super) fn fan_out(&mut self, ids: &[PipeId], set: u64, bytes: &[u8]) -> bool {
        if self.fan.set != set {
            // The pipes of one message may well not be those of the next.
            self.spread();
            self.fan.set = set;
            self.fan.refused = 0;
            return false;
        }
        if bytes.len() > COPY_LIMIT || self.hasty || self.fan.room == 0 && !self.arm(ids) {
            return false;
        }
        let fan = &mut self.fan;
        let mut header = [0; MAX_HEADER];
        let header_len = frame::encode_header(Framing::V2, bytes.len(), false, false, &mut header);
        fan.bytes.extend_from_slice(&header[..header_len]);
        fan.bytes.extend_from_slice(bytes);
        fan.messages += 1;
        fan.room -= 1;
        true
    }

    /// Looks whether all these pipes can send from one batch, and how far. What is held back in
    /// one goes out first.
    fn arm(&mut self, ids: &[PipeId]) -> bool {
        if self.fan.is_pending() {
            self.flush_fan();
            if self.fan.room > 0 {
                return true;
            }
        }
        if self.fan.refused > 0 {
            self.fan.refused -= 1;
            return false;
        }
        let room = ids.iter().map(|&id| self.fan_room(id)).min().unwrap_or(0);
        if room == 0 {
            self.fan.refused = REFUSED;
            return false;
        }
        self.fan.members.clear();
        self.fan.members.extend_from_slice(ids);
        self.fan.room = room;
        true
    }

    /// How many messages there is room for, if they may come from a common batch.
    fn fan_room(&self, id: PipeId) -> usize {
        match self.pipes.get(id as usize) {
            Some(Some(pipe)) if !(pipe.in_message() || pipe.ending || pipe.lingering) => {
                match &pipe.kind {
                    Kind::Wire(wire) => wire.room_for_encoded(),
                    Kind::Inproc(_) => 0,
                }
            }
            _ => 0,
        }
    }

    /// Hands the batch to the kernel for each of its members.
    pub(super) fn flush_fan(&mut self) {
        let members = std::mem::take(&mut self.fan.members);
        let bytes = std::mem::take(&mut self.fan.bytes);
        let messages = self.fan.messages;
        self.fan.clear();
        let mut room = usize::MAX;
        for &id in &members {
            let Some(Some(Pipe { kind: Kind::Wire(wire), .. })) = self.pipes.get_mut(id as usize)
            else {
                room = 0;
                continue;
            };
            let result = wire.send_encoded(&bytes, messages);
            self.flushed(id, result);
            room = room.min(self.fan_room(id));
        }
        self.fan.members = members;
        self.fan.bytes = bytes;
        self.fan.clear();
        self.fan.room = room;
    }

    /// Gives the batch to the queues of its members, so that each pipe has what was written to it;
    /// before the next one they are looked at anew.
    #[inline]
    pub(super) fn spread(&mut self) {
        // What is done to a pipe now may need the room there was.
        self.fan.room = 0;
        if self.fan.is_pending() {
            self.spread_all();
        }
    }

    #[cold]
    fn spread_all(&mut self) {
        let members = std::mem::take(&mut self.fan.members);
        let bytes = std::mem::take(&mut self.fan.bytes);
        let messages = self.fan.messages;
        self.fan.clear();
        for &id in &members {
            let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { continue };
            let Kind::Wire(wire) = &mut pipe.kind else { continue };
            wire.put_encoded(&bytes, messages);
            self.written(id);
        }
        self.fan.members = members;
        self.fan.bytes = bytes;
        self.fan.clear();
    }

    /// Pipes have changed: who is in the batch must be looked at anew. Nothing may be in it.
    pub(super) fn disarm_fan(&mut self) {
        debug_assert!(!self.fan.is_pending());
        self.fan.room = 0;
        self.fan.refused = 0;
    }
}
