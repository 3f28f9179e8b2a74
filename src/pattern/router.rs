//! ROUTER: messages to and from named peers (RFC 28).

use super::dealer::probe_router;
use super::routing::Routing;
use super::tagged_queue::TaggedQueue;
use super::value::{self, set_switch};
use super::{Attach, Loss, Part, Pattern, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::{Msg, Sink};
use crate::options::numbers::option;
use crate::options::numbers::value::{NOTIFY_CONNECT, NOTIFY_DISCONNECT};
use crate::util::line::Line;
use std::collections::VecDeque;

/// Once this much of notices waits for an application that does not receive, peers come without one; in
/// bytes. As for subscriptions to an XPUB.
const NOTICES_MAX: usize = if cfg!(test) { 64 << 10 } else { 64 << 20 };

fn notice_weight(id: &Msg) -> usize {
    size_of::<Msg>() + id.len()
}

/// "SHALL consider each connected peer to be identified by an identity", "SHALL prefix each
/// incoming message with the identity of the originating peer", "SHALL remove the first frame of
/// each outgoing message and use it as identity of the peer", "SHALL either drop messages or
/// return an error when no such peer is connected".
#[derive(Debug, Default)]
pub struct Router {
    incoming: TaggedQueue,
    routing: Routing,
    out: Outgoing,
    /// Lost its name to another peer while its message was being read; to close after that.
    superseded: Option<PipeId>,
    /// Ids whose peers came or went (ZMQ_ROUTER_NOTIFY).
    notices: VecDeque<Msg>,
    /// What they take, about.
    notice_bytes: usize,
    /// Pipes whose peer is there, as far as the application was told.
    announced: Line,
    mandatory: bool,
    handover: bool,
    probe: bool,
    raw: bool,
    notify: i32,
}

/// The message being sent.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// The routing id was taken off; what comes now is the message.
    pub(crate) in_message: bool,
    /// Where it goes, nowhere if it is to be dropped.
    pub(crate) to: Option<PipeId>,
}

impl Outgoing {
    pub(crate) fn detach(&mut self, id: PipeId) {
        if self.to == Some(id) {
            self.to = None;
        }
    }
}

impl Router {
    /// Finds the peer's name and lets its messages in. A peer whose name is taken stays
    /// nameless: nothing of it is delivered.
    fn identify<P: PipeSet>(&mut self, pipes: &mut P, pipe: PipeId) {
        if self.routing.frame(pipe).is_some() {
            // Its first name stays, whatever it announces when it connects again.
            return;
        }
        let assigned = pipes.assigned_routing_id(pipe).is_some();
        let known = match pipes.assigned_routing_id(pipe) {
            Some(id) => Some(id),
            None if self.raw => None,
            None => Some(pipes.peer_routing_id(pipe)),
        };
        match known {
            None | Some([]) => {
                self.routing.insert_generated(pipe);
            }
            Some(id) => {
                let owner = self.routing.find(id);
                if let Some(owner) = owner {
                    if !self.handover || assigned || self.raw {
                        return;
                    }
                    self.routing.remove(owner);
                }
                if !self.routing.insert(pipe, id) {
                    return;
                }
                if let Some(owner) = owner {
                    self.supersede(pipes, owner);
                }
            }
        }
        self.incoming.queue.attach(pipe);
    }

    /// Ends a peer whose name went to another (ZMQ_ROUTER_HANDOVER).
    fn supersede<P: PipeSet>(&mut self, pipes: &mut P, owner: PipeId) {
        self.announced.remove(owner);
        if self.out.to == Some(owner) {
            pipes.rollback(owner);
            self.out.to = None;
        }
        if self.incoming.reading() == Some(owner) {
            self.superseded = Some(owner);
        } else {
            self.incoming.detach(owner);
            pipes.close(owner);
        }
    }

    /// Tells of a peer that came, and of its end in time. Of neither, if the application has not received for
    /// as long as it takes peers to fill so much memory by coming and going.
    fn announce(&mut self, pipe: PipeId) {
        if self.announced.contains(pipe) || self.notice_bytes > NOTICES_MAX {
            return;
        }
        if let Some(id) = self.routing.share_frame(pipe) {
            if self.notify & NOTIFY_CONNECT != 0 {
                self.notice(id);
            }
            if self.notify != 0 {
                self.announced.push(pipe, ());
            }
        }
    }

    fn announce_end(&mut self, pipe: PipeId) {
        if self.announced.remove(pipe).is_some()
            && self.notify & NOTIFY_DISCONNECT != 0
            && let Some(id) = self.routing.share_frame(pipe)
        {
            self.notice(id);
        }
    }

    fn notice(&mut self, id: Msg) {
        self.notice_bytes += notice_weight(&id);
        self.notices.push_back(id);
    }

    /// What has to wait until no message is read in part.
    #[cold]
    fn between_messages<P: PipeSet>(&mut self, pipes: &mut P) {
        if self.incoming.in_message() {
            return;
        }
        if let Some(pipe) = self.superseded.take() {
            self.incoming.detach(pipe);
            pipes.close(pipe);
        }
        if let Some(id) = self.notices.pop_front() {
            self.notice_bytes -= notice_weight(&id);
            self.incoming.inject(id, Msg::new());
        }
    }

    #[inline]
    fn has_chores(&self) -> bool {
        self.superseded.is_some() || !self.notices.is_empty()
    }

    /// Takes the routing id and decides where the message goes.
    #[inline]
    fn route<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        // An id with nothing after it is no message.
        if msg.more() {
            self.out.to = match self.routing.find(msg.data()) {
                Some(pipe) if pipes.check_write(pipe) => Some(pipe),
                Some(pipe) if self.mandatory && !pipes.is_gone(pipe) => return Err(Error::Again),
                _ if self.mandatory => return Err(Error::HostUnreachable),
                found => {
                    pipes.lost(found.map_or(Loss::Unknown, Loss::Full));
                    None
                }
            };
            self.out.in_message = true;
        }
        drop(msg.take());
        Ok(())
    }
}

impl Pattern for Router {
    fn attach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId, how: Attach) {
        // An empty message is nothing where plain bytes go, but it is one to a socket of this process.
        if self.probe && (!self.raw || how.within_process) {
            probe_router(pipes, id);
        }
        if self.raw || pipes.assigned_routing_id(id).is_some() {
            // "That connection is immediately ready for data transfer with the given routing id."
            self.identify(pipes, id);
        }
    }

    fn connected<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.identify(pipes, id);
        if self.notify != 0 && !self.raw {
            self.announce(id);
        }
    }

    fn disconnected<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.announce_end(id);
    }

    fn before_detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.incoming.before_detach(pipes, id);
    }

    fn detach<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.announce_end(id);
        if self.superseded == Some(id) {
            self.superseded = None;
        }
        self.out.detach(id);
        self.incoming.detach(id);
        self.routing.remove(id);
    }

    fn hung_up<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.incoming.queue.hung_up(id);
    }

    #[inline]
    fn read_activated<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.incoming.queue.activate(id);
    }

    #[inline]
    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        if !self.out.in_message {
            return self.route(pipes, msg);
        }
        if self.raw {
            // "The ZMQ_SNDMORE flag is ignored when sending data messages" (ZMQ_ROUTER_RAW).
            msg.set_more(false);
        }
        let more = msg.more();
        match self.out.to {
            Some(pipe) if self.raw && msg.is_empty() => {
                self.incoming.before_detach(pipes, pipe);
                self.incoming.detach(pipe);
                self.routing.remove(pipe);
                pipes.close(pipe);
            }
            Some(pipe) => pipes.write(pipe, msg)?,
            None => drop(msg.take()),
        }
        self.out.in_message = more;
        if !self.out.in_message {
            self.out.to = None;
        }
        Ok(())
    }

    #[inline]
    fn recv<P: PipeSet>(&mut self, pipes: &mut P) -> Result<Msg> {
        if self.has_chores() {
            self.between_messages(pipes);
        }
        self.incoming.recv(pipes, &mut self.routing)
    }

    #[inline(always)]
    fn recv_into<P: PipeSet, S: Sink + ?Sized>(
        &mut self,
        pipes: &mut P,
        to: &mut S,
    ) -> Option<Part> {
        if self.has_chores() {
            return None;
        }
        self.incoming.recv_into(pipes, &mut self.routing, to)
    }

    /// The last part of a message whose id was sent.
    #[inline]
    fn send_bytes<P: PipeSet>(&mut self, pipes: &mut P, bytes: &[u8], keep: bool) -> bool {
        if !self.out.in_message || self.raw {
            return false;
        }
        if let Some(pipe) = self.out.to
            && !pipes.write_bytes(pipe, bytes, keep)
        {
            return false;
        }
        self.out = Outgoing::default();
        true
    }

    #[inline]
    fn has_in<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        if self.has_chores() {
            self.between_messages(pipes);
        }
        self.incoming.stands_ready(pipes, &self.routing)
            || self.incoming.fetch(pipes, &mut self.routing)
    }

    /// Without ZMQ_ROUTER_MANDATORY every message is accepted, if only to be dropped.
    #[inline]
    fn has_out<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        !self.mandatory
            || self.out.in_message
            || self.routing.pipes().any(|pipe| pipes.check_write(pipe))
    }

    fn set_option<P: PipeSet>(
        &mut self,
        _pipes: &mut P,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        match option {
            option::ROUTER_MANDATORY => set_switch(&mut self.mandatory, value),
            option::ROUTER_HANDOVER => set_switch(&mut self.handover, value),
            option::PROBE_ROUTER => set_switch(&mut self.probe, value),
            option::ROUTER_RAW => set_switch(&mut self.raw, value),
            option::ROUTER_NOTIFY => Some(value::notify(value).map(|notify| self.notify = notify)),
            _ => None,
        }
    }

    fn get_option(&self, option: i32) -> Option<Result<Vec<u8>>> {
        match option {
            option::ROUTER_NOTIFY => value::from_int(self.notify),
            _ => None,
        }
    }

    fn reading(&self) -> Option<PipeId> {
        self.incoming.reading()
    }

    fn is_routing_id_free(&self, id: &[u8]) -> bool {
        !self.routing.contains(id)
    }

    fn has_room_for<P: PipeSet>(&mut self, pipes: &mut P, peer: &[u8]) -> Result<bool> {
        match self.routing.find(peer) {
            Some(pipe) if !pipes.is_gone(pipe) => Ok(pipes.check_write(pipe)),
            _ => Err(Error::HostUnreachable),
        }
    }

    #[inline]
    fn drops(&self) -> bool {
        !self.mandatory
    }

    #[inline]
    fn is_raw(&self) -> bool {
        self.raw
    }

    fn notifies_raw(&self) -> bool {
        self.raw
    }
}
