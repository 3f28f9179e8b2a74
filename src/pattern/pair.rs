//! PAIR: exactly one peer (RFC 31). Those that come while it has one wait, connected as with libzmq,
//! which forgets them; here the first of them is the next peer.

use super::{Attach, Part, Pattern, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::{Msg, Sink};
use crate::util::line::Line;
use std::collections::VecDeque;

/// "SHALL connect to at most one PAIR socket at any one time."
#[derive(Debug, Default)]
pub struct Pair {
    pipe: Option<PipeId>,
    /// Whose turn comes when that one is gone, and whether we connected to it. None within the process,
    /// where nobody connects again and again: there a second peer is refused.
    waiting: Line<bool>,
    /// In the middle of a message to the peer.
    sending: bool,
    /// In the middle of a message from the peer, or one that is gone.
    reading: bool,
    /// The rest of it, if that peer is gone.
    rest: VecDeque<Msg>,
    /// The peer left in the middle of a message to it: swallow the rest.
    dropping: bool,
}

impl Pattern for Pair {
    fn attach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId, how: Attach) {
        if self.pipe.is_none() {
            self.pipe = Some(id);
        } else if how.within_process {
            pipes.close(id);
        } else {
            self.waiting.push(id, how.locally_initiated);
        }
    }

    fn before_detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        let mut more = self.reading() == Some(id);
        while more && let Some(part) = pipes.read(id) {
            more = part.more();
            self.rest.push_back(part);
        }
    }

    fn detach<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        if self.pipe == Some(id) {
            self.dropping |= self.sending;
            self.sending = false;
            self.reading = !self.rest.is_empty();
            self.pipe = self.waiting.pop();
        } else {
            self.waiting.remove(id);
        }
    }

    /// Who came to us, and goes before it had its turn, leaves nothing behind. One that we connected to
    /// comes back.
    fn hung_up<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        if self.waiting.get(id) == Some(&false) {
            pipes.close(id);
        }
    }

    fn read_activated<P: PipeSet>(&mut self, _pipes: &mut P, _id: PipeId) {}

    #[inline]
    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        let more = msg.more();
        if self.dropping {
            self.dropping = more;
            drop(msg.take());
            return Ok(());
        }
        match self.pipe {
            Some(id) if pipes.check_write(id) => {
                pipes.write(id, msg)?;
                self.sending = more;
                Ok(())
            }
            _ => Err(Error::Again),
        }
    }

    #[inline]
    fn recv<P: PipeSet>(&mut self, pipes: &mut P) -> Result<Msg> {
        let msg = match self.rest.pop_front() {
            Some(part) => part,
            None => self.pipe.and_then(|id| pipes.read(id)).ok_or(Error::Again)?,
        };
        self.reading = msg.more();
        Ok(msg)
    }

    #[inline]
    fn recv_into<P: PipeSet, S: Sink + ?Sized>(
        &mut self,
        pipes: &mut P,
        to: &mut S,
    ) -> Option<Part> {
        let id = self.pipe?;
        if !self.rest.is_empty() {
            return None;
        }
        let part = pipes.read_into(id, to)?;
        self.reading = part.more;
        Some(part)
    }

    #[inline]
    fn send_bytes<P: PipeSet>(&mut self, pipes: &mut P, bytes: &[u8], keep: bool) -> bool {
        !self.dropping
            && !self.sending
            && self.pipe.is_some_and(|id| pipes.write_bytes(id, bytes, keep))
    }

    fn sends_straight_to(&self) -> Option<PipeId> {
        if self.sending || self.dropping { None } else { self.pipe }
    }

    fn receives_straight_from(&self) -> Option<PipeId> {
        if self.reading { None } else { self.pipe }
    }

    #[inline]
    fn has_in<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        !self.rest.is_empty() || self.pipe.is_some_and(|id| pipes.check_read(id))
    }

    #[inline]
    fn has_out<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        self.dropping || self.pipe.is_some_and(|id| pipes.check_write(id))
    }

    fn reading(&self) -> Option<PipeId> {
        if self.reading && self.rest.is_empty() { self.pipe } else { None }
    }
}
