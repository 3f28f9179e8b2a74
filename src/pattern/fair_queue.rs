//! Fair queueing: incoming messages are taken from the pipes in turn, one message each (RFC 28,
//! RFC 29 and RFC 30: "SHALL receive incoming messages from its peers using a fair-queuing
//! strategy").

use super::ring::Ring;
use super::{Part, PipeId, PipeSet};
use crate::msg::{Msg, Sink};

/// Takes one message from each readable pipe in turn.
#[derive(Debug, Default)]
pub(crate) struct FairQueue {
    pipes: Ring,
    /// In the middle of a message from the current pipe.
    more: bool,
}

impl FairQueue {
    pub(crate) fn attach(&mut self, id: PipeId) {
        self.pipes.insert(id);
    }

    pub(crate) fn detach(&mut self, id: PipeId) {
        if self.reading() == Some(id) {
            self.more = false;
        }
        self.pipes.remove(id);
    }

    pub(crate) fn activate(&mut self, id: PipeId) {
        self.pipes.activate(id);
    }

    /// The peer is gone; if the rest of a message went with it, the next read starts a new one.
    pub(crate) fn disconnected<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        if self.reading() == Some(id) && !pipes.check_read(id) {
            self.more = false;
            self.pipes.deactivate_current();
        }
    }

    /// Whether the next frame continues the message of the last one.
    #[inline]
    pub(crate) fn more(&self) -> bool {
        self.more
    }

    /// The pipe whose message was read in part.
    pub(crate) fn reading(&self) -> Option<PipeId> {
        if self.more { self.pipes.current() } else { None }
    }

    /// The next frame and where it came from.
    #[inline]
    pub(crate) fn recv<P: PipeSet>(&mut self, pipes: &mut P) -> Option<(PipeId, Msg)> {
        while let Some(id) = self.pipes.current() {
            if let Some(msg) = pipes.read(id) {
                self.more = msg.more();
                if !self.more {
                    self.pipes.advance();
                }
                return Some((id, msg));
            }
            self.more = false;
            self.pipes.deactivate_current();
        }
        None
    }

    /// The next frame straight into `to`, if it is ready; see [`PipeSet::read_into`].
    #[inline(always)]
    pub(crate) fn recv_into<P: PipeSet, S: Sink + ?Sized>(
        &mut self,
        pipes: &mut P,
        to: &mut S,
    ) -> Option<Part> {
        let part = pipes.read_into(self.pipes.current()?, to)?;
        self.more = part.more;
        if !part.more {
            if let Some(next) = self.pipes.next_of_many() {
                pipes.expect_reads(next);
            }
            self.pipes.advance();
        }
        Some(part)
    }

    /// The pipe of the next message, if no other is ready.
    #[inline]
    pub(crate) fn only(&self) -> Option<PipeId> {
        if self.more { None } else { self.pipes.only() }
    }

    /// The pipe whose message comes next, if that stands ready; see [`PipeSet::stands_ready`].
    #[inline]
    pub(crate) fn ready<P: PipeSet>(&self, pipes: &mut P) -> Option<PipeId> {
        self.pipes.current().filter(|&id| pipes.stands_ready(id))
    }

    /// What comes next is the rest of a message: the caller put a frame of its own in front.
    #[inline]
    pub(crate) fn begin(&mut self) {
        self.more = true;
    }

    /// Reads and drops what is left of a message that was read in part.
    pub(crate) fn skip_rest<P: PipeSet>(&mut self, pipes: &mut P) {
        while self.more {
            if self.recv_rest(pipes).is_none() {
                break;
            }
        }
    }

    /// The next frame of the message that was read in part, `None` if there is none or the rest
    /// of it was lost.
    pub(crate) fn recv_rest<P: PipeSet>(&mut self, pipes: &mut P) -> Option<Msg> {
        let id = self.reading()?;
        let msg = pipes.read(id);
        self.more = msg.as_ref().is_some_and(Msg::more);
        if !self.more {
            self.pipes.advance();
        }
        msg
    }

    /// Whether there is a frame to read.
    #[inline]
    pub(crate) fn has_in<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        if self.more {
            return true;
        }
        while let Some(id) = self.pipes.current() {
            if pipes.check_read(id) {
                return true;
            }
            self.pipes.deactivate_current();
        }
        false
    }
}
