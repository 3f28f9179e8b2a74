//! Fair queueing: incoming messages are taken from the pipes in turn, one message each (RFC 28,
//! RFC 29 and RFC 30: "SHALL receive incoming messages from its peers using a fair-queuing
//! strategy").

use super::ring::Ring;
use super::{Part, PipeId, PipeSet};
use crate::msg::{Msg, Sink};
use crate::util::line::Line;
use std::collections::VecDeque;

/// Takes one message from each readable pipe in turn, but those whose peer has hung up are read to
/// their end first: a peer that comes back is another pipe, and what it sends follows what it sent.
/// Whoever has read a part of a message gets the
/// rest of that one next, whatever happens to its pipe: pipes show whole messages only.
#[derive(Debug, Default)]
pub(crate) struct FairQueue {
    pipes: Ring,
    /// Pipes whose peer has hung up, and which may have something yet: the first one has the turn
    /// until it is empty.
    last_words: Line,
    /// In the middle of a message from the current pipe, or one that is gone.
    more: bool,
    /// The rest of it, if its pipe is gone.
    rest: VecDeque<Msg>,
    /// Where it comes from.
    #[cfg(debug_assertions)]
    from: Option<PipeId>,
}

/// Stands for a pipe that is gone.
const GONE: PipeId = PipeId::MAX;

impl FairQueue {
    pub(crate) fn attach(&mut self, id: PipeId) {
        self.pipes.insert(id);
    }

    /// The pipe will be gone: keeps the rest of the message that is being read from it.
    pub(crate) fn before_detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        if self.reading() != Some(id) {
            return;
        }
        let mut more = true;
        while more && let Some(mut part) = pipes.read(id) {
            more = part.more();
            pipes.complete(id, &mut part);
            self.rest.push_back(part);
        }
    }

    pub(crate) fn detach(&mut self, id: PipeId) {
        let torn = self.reading() == Some(id);
        debug_assert!(!torn, "the rest of a message is gone");
        self.more &= !torn;
        self.pipes.remove(id);
        self.has_said_all(id);
    }

    /// The peer of a pipe will send no more: it is read to its end before others.
    pub(crate) fn hung_up(&mut self, id: PipeId) {
        if self.last_words.push(id, ()) && !self.more {
            self.turn_to_last_words();
        }
    }

    /// There is nothing on the pipe, which is what ends its precedence if it had any.
    fn has_said_all(&mut self, id: PipeId) {
        if !self.last_words.is_empty() {
            self.last_words.remove(id);
            if !self.more {
                self.turn_to_last_words();
            }
        }
    }

    /// The turn goes to the first of those that have hung up. False if there is none with something
    /// to read.
    #[cold]
    fn turn_to_last_words(&mut self) -> bool {
        self.last_words.first().is_some_and(|id| self.pipes.turn_to(id))
    }

    /// A message was read to its end.
    #[inline(always)]
    fn pass_turn(&mut self) {
        if self.last_words.is_empty() || !self.turn_to_last_words() {
            self.pipes.advance();
        }
    }

    /// The pipe whose turn it is turned out to be empty.
    fn pass_over(&mut self, id: PipeId) {
        self.pipes.deactivate_current();
        self.has_said_all(id);
    }

    pub(crate) fn activate(&mut self, id: PipeId) {
        self.pipes.activate(id);
    }

    /// Whether the next frame continues the message of the last one.
    #[inline]
    pub(crate) fn more(&self) -> bool {
        self.more
    }

    /// The pipe whose message was read in part.
    pub(crate) fn reading(&self) -> Option<PipeId> {
        if self.more && self.rest.is_empty() { self.pipes.current() } else { None }
    }

    /// A part came from this pipe.
    #[inline(always)]
    fn note(&mut self, id: PipeId, more: bool) {
        #[cfg(debug_assertions)]
        {
            let from = self.from.filter(|_| self.more);
            debug_assert!(from.is_none_or(|from| from == id), "parts of two messages");
            self.from = Some(id);
        }
        let _ = id;
        self.more = more;
    }

    #[cold]
    fn next_of_rest(&mut self) -> Option<Msg> {
        let part = self.rest.pop_front()?;
        self.more = part.more();
        if !self.more {
            self.turn_to_last_words();
        }
        Some(part)
    }

    /// The next frame and where it came from.
    #[inline]
    pub(crate) fn recv<P: PipeSet>(&mut self, pipes: &mut P) -> Option<(PipeId, Msg)> {
        if !self.rest.is_empty() {
            return self.next_of_rest().map(|part| (GONE, part));
        }
        while let Some(id) = self.pipes.current() {
            if let Some(msg) = pipes.read(id) {
                self.note(id, msg.more());
                if !self.more {
                    self.pass_turn();
                }
                return Some((id, msg));
            }
            debug_assert!(!self.more, "the rest of a message is gone");
            self.more = false;
            self.pass_over(id);
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
        let id = self.pipes.current()?;
        if !self.rest.is_empty() {
            return None;
        }
        let part = pipes.read_into(id, to)?;
        self.note(id, part.more);
        if !part.more {
            if let Some(next) = self.pipes.next_of_many() {
                pipes.expect_reads(next);
            }
            self.pass_turn();
        }
        Some(part)
    }

    /// The pipe of the next message, if no other is ready.
    #[inline]
    pub(crate) fn only(&self) -> Option<PipeId> {
        if self.more { None } else { self.pipes.only() }
    }

    /// The pipe whose message comes next, if that stands ready; see [`PipeSet::stands_ready`].
    #[inline(always)]
    pub(crate) fn ready<P: PipeSet>(&self, pipes: &mut P) -> Option<PipeId> {
        let id = self.pipes.current()?;
        if pipes.stands_ready(id) { Some(id) } else { None }
    }

    /// What comes next is the rest of a message: the caller put a frame of its own in front.
    #[inline]
    pub(crate) fn begin(&mut self) {
        #[cfg(debug_assertions)]
        {
            self.from = self.pipes.current();
        }
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
    #[inline(always)]
    pub(crate) fn recv_rest<P: PipeSet>(&mut self, pipes: &mut P) -> Option<Msg> {
        if !self.rest.is_empty() {
            return self.next_of_rest();
        }
        let id = self.reading()?;
        let msg = pipes.read(id);
        debug_assert!(msg.is_some(), "the rest of a message is gone");
        self.note(id, msg.as_ref().is_some_and(Msg::more));
        if !self.more {
            self.pass_turn();
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
            self.pass_over(id);
        }
        false
    }
}
