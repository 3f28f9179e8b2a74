//! A fair queue that puts the routing id of its sender in front of each message, as ROUTER and
//! STREAM do (RFC 28: "SHALL prefix each incoming message with the identity of the peer").

use super::fair_queue::FairQueue;
use super::routing::Routing;
use super::{Part, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::{Msg, Sink};

/// Fair queueing with a routing id before each message.
#[derive(Debug, Default)]
pub(crate) struct TaggedQueue {
    pub(crate) queue: FairQueue,
    /// The id to deliver next.
    id: Option<Msg>,
    /// The first frame of the message, to deliver after the id.
    frame: Option<Msg>,
}

impl TaggedQueue {
    /// The pipe whose message was delivered in part.
    pub(crate) fn reading(&self) -> Option<PipeId> {
        self.queue.reading()
    }

    /// Whether a message was delivered in part.
    pub(crate) fn in_message(&self) -> bool {
        self.frame.is_some() || self.queue.more()
    }

    /// The pipe will be gone: keeps what belongs to an id already delivered, or lined up.
    pub(crate) fn before_detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.queue.before_detach(pipes, id);
    }

    pub(crate) fn detach(&mut self, id: PipeId) {
        self.queue.detach(id);
    }

    /// Lines up an id and a frame of our own making. Only between messages.
    pub(crate) fn inject(&mut self, id: Msg, frame: Msg) {
        debug_assert!(!self.in_message());
        self.id = Some(id);
        self.frame = Some(frame);
    }

    /// Gets the next message ready.
    #[inline]
    pub(crate) fn fetch<P: PipeSet>(&mut self, pipes: &mut P, routing: &mut Routing) -> bool {
        if self.in_message() {
            return true;
        }
        while let Some((pipe, mut frame)) = self.queue.recv(pipes) {
            let Some(mut id) = routing.share_frame(pipe) else {
                self.queue.skip_rest(pipes);
                continue;
            };
            pipes.complete(pipe, &mut frame);
            id.set_metadata(frame.metadata().cloned());
            self.id = Some(id);
            self.frame = Some(frame);
            return true;
        }
        false
    }

    /// Whether the next message stands ready, so that [`TaggedQueue::recv_into`] will deliver its id.
    #[inline]
    pub(crate) fn stands_ready<P: PipeSet>(&self, pipes: &mut P, routing: &Routing) -> bool {
        !self.in_message() && self.queue.ready(pipes).is_some_and(|id| routing.frame(id).is_some())
    }

    /// The next frame straight into `to`: the id of a message that stands ready, or a part of it.
    /// `None`: use [`TaggedQueue::recv`], nothing has happened.
    #[inline(always)]
    pub(crate) fn recv_into<P: PipeSet, S: Sink + ?Sized>(
        &mut self,
        pipes: &mut P,
        routing: &mut Routing,
        to: &mut S,
    ) -> Option<Part> {
        if self.frame.is_some() {
            return None;
        }
        if self.queue.more() {
            return self.queue.recv_into(pipes, to);
        }
        let pipe = self.queue.ready(pipes)?;
        let len = if S::TAKES_MESSAGES {
            let mut id = routing.share_frame(pipe)?;
            pipes.complete(pipe, &mut id);
            let len = id.len();
            to.take_message(id);
            len
        } else {
            let id = routing.frame(pipe)?.data();
            if !to.take(id, true) {
                return None;
            }
            id.len()
        };
        routing.expect(pipe);
        pipes.promise(pipe);
        self.queue.begin();
        Some(Part { len, more: true })
    }

    /// The next frame: the id, then the frames of the message.
    #[inline]
    pub(crate) fn recv<P: PipeSet>(&mut self, pipes: &mut P, routing: &mut Routing) -> Result<Msg> {
        if self.id.is_none() {
            if let Some(frame) = self.frame.take() {
                return Ok(frame);
            }
            if self.queue.more()
                && let Some(frame) = self.queue.recv_rest(pipes)
            {
                return Ok(frame);
            }
            if !self.fetch(pipes, routing) {
                return Err(Error::Again);
            }
        }
        self.id.take().ok_or(Error::Again)
    }
}
