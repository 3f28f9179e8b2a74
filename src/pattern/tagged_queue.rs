//! A fair queue that puts the routing id of its sender in front of each message, as ROUTER and
//! STREAM do (RFC 28: "SHALL prefix each incoming message with the identity of the peer").

use super::fair_queue::FairQueue;
use super::routing::Routing;
use super::{PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::Msg;

/// Fair queueing with a routing id before each message.
#[derive(Debug, Default)]
pub(crate) struct TaggedQueue {
    pub(crate) queue: FairQueue,
    /// The id to deliver next.
    id: Option<Msg>,
    /// The first frame of the message, to deliver after the id.
    frame: Option<Msg>,
    /// Where `frame` came from.
    from: PipeId,
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

    pub(crate) fn detach(&mut self, id: PipeId) {
        self.drop_headless(id);
        self.queue.detach(id);
    }

    pub(crate) fn disconnected<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        let was_reading = self.queue.reading() == Some(id);
        self.queue.disconnected(pipes, id);
        if was_reading && !self.queue.more() {
            self.drop_headless(id);
        }
    }

    /// A prefetched message that lost its rest is not delivered at all.
    fn drop_headless(&mut self, id: PipeId) {
        if self.from == id && self.id.is_some() && self.frame.as_ref().is_some_and(Msg::more) {
            self.id = None;
            self.frame = None;
        }
    }

    /// Lines up an id and a frame of our own making. Only between messages.
    pub(crate) fn inject(&mut self, id: Msg, frame: Msg) {
        debug_assert!(!self.in_message());
        self.id = Some(id);
        self.frame = Some(frame);
        self.from = PipeId::MAX;
    }

    /// Gets the next message ready. Messages whose first frame is not `wanted` are dropped.
    #[inline]
    pub(crate) fn fetch<P: PipeSet>(
        &mut self,
        pipes: &mut P,
        routing: &mut Routing,
        wanted: impl Fn(&Msg) -> bool,
    ) -> bool {
        if self.in_message() {
            return true;
        }
        while let Some((pipe, mut frame)) = self.queue.recv(pipes) {
            let id = if wanted(&frame) { routing.share_frame(pipe) } else { None };
            let Some(mut id) = id else {
                self.queue.skip_rest(pipes);
                continue;
            };
            pipes.complete(pipe, &mut frame);
            id.set_metadata(frame.metadata().cloned());
            self.id = Some(id);
            self.frame = Some(frame);
            self.from = pipe;
            return true;
        }
        false
    }

    /// The next frame: the id, then the frames of the message.
    #[inline]
    pub(crate) fn recv<P: PipeSet>(
        &mut self,
        pipes: &mut P,
        routing: &mut Routing,
        wanted: impl Fn(&Msg) -> bool,
    ) -> Result<Msg> {
        if self.id.is_none() {
            if let Some(frame) = self.frame.take() {
                return Ok(frame);
            }
            if self.queue.more()
                && let Some(frame) = self.queue.recv_rest(pipes)
            {
                return Ok(frame);
            }
            if !self.fetch(pipes, routing, wanted) {
                return Err(Error::Again);
            }
        }
        self.id.take().ok_or(Error::Again)
    }
}
