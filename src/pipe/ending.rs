//! Pipes that end, or only live to send what is left.

use super::pipe::{Kind, Pipe, PipeEvent, Rest};
use super::places::WATCH;
use super::{NO_ENDPOINT, PipeTable};
use crate::pattern::{PipeId, PipeSet};
use crate::stats::State;
use crate::sys::epoll;

/// Turns' worth of input that a pipe keeps, at most, when its endpoint ends.
const DIVIDED: usize = 32;

impl PipeTable {
    /// The peer is gone for good: the pipe ends when what came before has been read.
    pub fn end(&mut self, id: PipeId) {
        let found = self.check_read(id);
        let Some(pipe) = self.get(id) else { return };
        pipe.ending = true;
        pipe.parts.clear();
        if !found && !pipe.unread && pipe.farewell.is_none() {
            self.events.push_back(PipeEvent::Finished(id));
        } else {
            if std::mem::take(&mut pipe.wants_read) {
                self.events.push_back(PipeEvent::Readable(id));
            }
            self.events.push_back(PipeEvent::HungUp(id));
            if let Some(pipe) = self.get(id) {
                pipe.stats().state(State::Gone);
            }
        }
    }

    /// The pipe ends when what has come before has been read, which is whatever the kernel has, too, up to
    /// the receive high-water mark. What there is to send is another pipe's from now on, which the
    /// pattern does not know. `None`, and it is one pipe as before, if there is nothing to read.
    pub fn divide(&mut self, id: PipeId) -> Option<PipeId> {
        for _ in 0..DIVIDED {
            self.begin_turn();
            self.gather(id);
            if !self.get(id)?.connection().is_some_and(|connection| connection.rx.ready()) {
                break;
            }
        }
        self.disarm_batch();
        let pipe = self.get(id).filter(|pipe| !pipe.lingering)?;
        // What ZMQ_EVENTS or zmq_poll has looked at has been taken from the connection already.
        if pipe.next.is_none() && !pipe.wire()?.holds_data() {
            return None;
        }
        let was_dirty = self.clean(id);
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return None };
        let Kind::Wire(wire) = &mut pipe.kind else { return None };
        let mut sender =
            Pipe::new(Kind::Wire(Box::new(wire.divide(&mut self.pool))), pipe.endpoint);
        let (endpoint, place) = (pipe.endpoint, pipe.place);
        pipe.endpoint = NO_ENDPOINT;
        // It is we who leave.
        pipe.farewell = None;
        sender.wants_read = false;
        sender.grown = std::mem::take(&mut pipe.grown);
        let grown = sender.grown;
        self.leave_group(endpoint, place);
        self.end(id);
        let sender = self.insert(sender);
        if grown {
            self.grown.push(sender);
        }
        if was_dirty {
            self.mark_dirty(sender);
        }
        // What the set says of the connection is about that one.
        self.rearm(sender);
        Some(sender)
    }

    /// Takes the pipe away from the pattern, and says what it must live on for. Unless `may_take_time`,
    /// the peer need not have got what the kernel has taken.
    pub fn let_go(&mut self, id: PipeId, may_take_time: bool) -> Rest {
        let Some(pipe) = self.get(id) else { return Rest::Nothing };
        pipe.lingering = true;
        pipe.stats().state(State::Lingering);
        pipe.parts.clear();
        pipe.next = None;
        let wire = match &mut pipe.kind {
            Kind::Wire(wire) => wire,
            Kind::Inproc(_) => return Rest::Nothing,
            Kind::Datagram(end) => {
                if end.finish() {
                    return Rest::Nothing;
                }
                // The set tells when the kernel takes more.
                self.flush_datagrams(id);
                return Rest::Sending;
            }
        };
        wire.backlog.clear();
        if pipe.ending {
            return Rest::Nothing;
        }
        let lost = wire.connection.as_ref().and_then(|connection| connection.tx.lost());
        let rest = match (wire.unsent(), &mut wire.connection) {
            (0, Some(connection)) if may_take_time && lost.is_none() => {
                connection.say_farewell().map_or(Rest::Nothing, Rest::Arriving)
            }
            (0, _) => Rest::Nothing,
            _ => Rest::Sending,
        };
        if let Some(error) = lost {
            // It was only there to be read.
            self.events.push_back(PipeEvent::Lost(id, error));
        } else if rest == Rest::Sending {
            // Nobody reads any more what has come, and a peer that waits for it reads nothing.
            self.discard(id);
        }
        rest
    }

    /// Drops what came for a pipe that the pattern has let go.
    pub(super) fn discard(&mut self, id: PipeId) {
        if self.pool.budget.is_spent() {
            return self.rearm(id);
        }
        let Some(pipe) = self.pipes.get_mut(id as usize).and_then(Option::as_mut) else { return };
        let Some(connection) = pipe.connection() else { return };
        if connection.says_farewell() {
            match connection.say_farewell() {
                None => self.events.push_back(PipeEvent::Finished(id)),
                Some(_) => self.rearm(id),
            }
            return;
        }
        match connection.discard(&mut self.pool) {
            Ok(false) => {}
            Ok(true) => self.rearm(id),
            Err(error) => self.events.push_back(PipeEvent::Lost(id, error)),
        }
    }

    /// Others have their turn; changing the entry in the set makes what the kernel has an event again.
    fn rearm(&mut self, id: PipeId) {
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return };
        let Some(connection) = pipe.connection() else { return };
        let watch = if connection.watches_out { WATCH | epoll::OUT } else { WATCH };
        let fd = connection.fd();
        if let Some(set) = &self.set {
            let _ = set.modify(fd, watch, u64::from(id));
        }
    }

    /// Whether a lingering pipe has sent everything.
    pub fn is_drained(&mut self, id: PipeId) -> bool {
        self.get(id).is_none_or(|pipe| match &mut pipe.kind {
            Kind::Wire(wire) => wire.is_drained(),
            Kind::Inproc(_) => true,
            Kind::Datagram(end) => end.is_drained(),
        })
    }

    /// Whether the peer was a socket of this process and has gone, and something of it is unread.
    pub fn ends_within_process(&mut self, id: PipeId) -> bool {
        self.get(id).is_some_and(|pipe| pipe.ending && pipe.inproc().is_some())
    }
}
