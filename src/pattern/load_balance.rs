//! Load balancing: outgoing messages go round the pipes that have room (RFC 28, DEALER; RFC 30,
//! PUSH: "SHALL send outgoing messages to its peers using a round-robin strategy").

use super::ring::Ring;
use super::{PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::Msg;

/// Sends each message to the next pipe with room.
#[derive(Debug, Default)]
pub(crate) struct LoadBalance {
    pipes: Ring,
    /// In the middle of a message to the current pipe.
    more: bool,
    /// The pipe died in the middle of a message: swallow the rest of it.
    dropping: bool,
}

impl LoadBalance {
    pub(crate) fn attach(&mut self, id: PipeId) {
        self.pipes.insert(id);
    }

    pub(crate) fn detach(&mut self, id: PipeId) {
        if self.more && self.pipes.current() == Some(id) {
            self.more = false;
            self.dropping = true;
        }
        self.pipes.remove(id);
    }

    pub(crate) fn activate(&mut self, id: PipeId) {
        self.pipes.activate(id);
    }

    /// Sends one frame; says to which pipe, or `None` if it belonged to a message that is lost.
    ///
    /// # Errors
    /// [`Error::Again`] if no pipe has room, [`Error::NoMemory`]; `msg` is unchanged then.
    #[inline]
    pub(crate) fn send<P: PipeSet>(
        &mut self,
        pipes: &mut P,
        msg: &mut Msg,
    ) -> Result<Option<PipeId>> {
        let more = msg.more();
        if self.dropping {
            self.dropping = more;
            drop(msg.take());
            return Ok(None);
        }
        while let Some(id) = self.pipes.current() {
            if pipes.check_write(id) {
                pipes.write(id, msg)?;
                self.more = more;
                if !more {
                    self.pipes.advance();
                }
                return Ok(Some(id));
            }
            self.pipes.deactivate_current();
            if self.more {
                // Half a message is worth nothing to anybody.
                pipes.rollback(id);
                self.more = false;
                self.dropping = more;
                drop(msg.take());
                return Ok(None);
            }
        }
        Err(Error::Again)
    }

    /// Takes back what was sent of a message that has begun.
    pub(crate) fn take_back<P: PipeSet>(&mut self, pipes: &mut P) {
        if std::mem::take(&mut self.more)
            && let Some(id) = self.pipes.current()
        {
            pipes.rollback(id);
        }
    }

    /// Sends a message of one part, or the last part of one, straight from `bytes`, see
    /// [`PipeSet::write_bytes`].
    #[inline(always)]
    pub(crate) fn send_bytes<P: PipeSet>(
        &mut self,
        pipes: &mut P,
        bytes: &[u8],
        keep: bool,
    ) -> bool {
        if self.dropping {
            return false;
        }
        let sent = self.pipes.current().is_some_and(|id| pipes.write_bytes(id, bytes, keep));
        if sent {
            self.more = false;
            self.pipes.advance();
        }
        sent
    }

    /// The pipe for the next message, if no other is ready.
    #[inline]
    pub(crate) fn only(&self) -> Option<PipeId> {
        if self.more || self.dropping { None } else { self.pipes.only() }
    }

    /// Whether a frame would be accepted now.
    #[inline]
    pub(crate) fn has_out<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        if self.more || self.dropping {
            return true;
        }
        while let Some(id) = self.pipes.current() {
            if pipes.check_write(id) {
                return true;
            }
            self.pipes.deactivate_current();
        }
        false
    }
}
