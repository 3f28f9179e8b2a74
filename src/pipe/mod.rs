//! Pipes: what a pattern reads from and writes to. Behind each is either a connection or the other
//! end of an inproc pipe.
//!
//! [`PipeTable`] holds all pipes of one socket and is used under the socket's lock. What happens to
//! pipes is collected as [`PipeEvent`]s, which the socket hands to the pattern and to itself.

mod fan;
mod groups;
pub mod inproc;
mod only;
mod parts;
mod reported;
pub mod ring;
mod set;
#[cfg(test)]
mod tests;
mod turn;
mod wire;

use crate::connection::Connection;
use crate::connection::rx::BufferPool;
use crate::error::{Error, Result};
use crate::msg::{Arena, Msg};
use crate::pattern::{PipeId, PipeSet};
use crate::sys::epoll::{self, Epoll};
use fan::Fan;
use groups::Groups;
use inproc::InprocEnd;
use parts::Parts;
use reported::{Listed, Reported};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use turn::Unread;
pub use wire::Wire;

/// Something that happened to a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipeEvent {
    /// It is known now whose the other end of an inproc pipe is.
    Connected(PipeId),
    /// There is something to read on a pipe the pattern found empty.
    Readable(PipeId),
    /// The peer will send no more; there may be something of it yet.
    HungUp(PipeId),
    /// There is room in a pipe the pattern found full.
    Writable(PipeId),
    /// The connection died; the pipe is still there.
    Lost(PipeId, Error),
    /// Nothing can be sent over the connection any more, but what the peer said can be read.
    Deaf(PipeId, Error),
    /// A PING came, and the timer of the connection's heartbeats has to be set.
    Pinged(PipeId),
    /// The pipe has nothing left to give and to take: forget it.
    Finished(PipeId),
    /// Pipes were left for another turn, see [`PipeTable::resume`].
    Unread,
    /// Connections wait for memory to read on with: [`PipeTable::feed`] is due in a while.
    Starved,
}

impl PipeEvent {
    /// What it happened to, unless it concerns them all.
    fn pipe(self) -> Option<PipeId> {
        match self {
            PipeEvent::Connected(id)
            | PipeEvent::Readable(id)
            | PipeEvent::HungUp(id)
            | PipeEvent::Writable(id)
            | PipeEvent::Lost(id, _)
            | PipeEvent::Deaf(id, _)
            | PipeEvent::Pinged(id)
            | PipeEvent::Finished(id) => Some(id),
            PipeEvent::Unread | PipeEvent::Starved => None,
        }
    }
}

enum Kind {
    Wire(Box<Wire>),
    Inproc(InprocEnd),
}

/// What a pipe has to do that the pattern has let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    Nothing,
    /// There are messages that the kernel has not taken.
    Sending,
    /// What the kernel has taken could be lost yet; how soon to look again.
    Arriving(Duration),
}

/// The place of a pipe in `PipeTable::dirty` that is not there.
const CLEAN: u32 = u32::MAX;

/// One pipe.
pub struct Pipe {
    kind: Kind,
    /// Parts of an unfinished message, for a connection.
    parts: Parts,
    /// A frame read ahead by `check_read`.
    next: Option<Msg>,
    /// The pattern found the pipe empty and waits for `Readable`.
    wants_read: bool,
    /// In the middle of a message, the rest of which has to be read whatever it costs.
    reading: bool,
    /// Something was left in it for another turn.
    unread: bool,
    /// When it last spent the budget of a turn, in turns that ended so; 0: never.
    spent: u64,
    /// The pattern found the pipe full and waits for `Writable`.
    wants_write: bool,
    /// Its place in `PipeTable::dirty`, or [`CLEAN`].
    dirty: u32,
    /// The application has received all that came. Probably the peer waits for what is written next.
    awaited: bool,
    /// Counted in `PipeTable::holding`.
    holds: bool,
    /// In `PipeTable::grown`.
    grown: bool,
    /// In `PipeTable::reported`.
    reported: Option<Listed>,
    /// The peer is gone for good; the pipe ends when what it sent has been read.
    ending: bool,
    /// The pattern does not know the pipe any more; it only lives to send what is left.
    lingering: bool,
    /// The pattern knows the pipe.
    pub attached: bool,
    /// The time that ZMQ_LINGER allows it is running.
    pub limited: bool,
    /// The name given with ZMQ_CONNECT_ROUTING_ID.
    pub assigned_routing_id: Option<Vec<u8>>,
    /// Number of the endpoint the pipe belongs to, in its socket.
    pub endpoint: u32,
    /// Its place among the pipes of that.
    place: u32,
    /// Tells this pipe from earlier ones with its number, for timers.
    pub serial: u32,
}

impl Pipe {
    fn new(kind: Kind, endpoint: u32) -> Pipe {
        Pipe {
            kind,
            parts: Parts::default(),
            next: None,
            wants_read: true,
            reading: false,
            unread: false,
            spent: 0,
            wants_write: false,
            dirty: CLEAN,
            awaited: false,
            holds: false,
            grown: false,
            reported: None,
            ending: false,
            lingering: false,
            attached: false,
            limited: false,
            assigned_routing_id: None,
            endpoint,
            place: 0,
            serial: 0,
        }
    }

    /// The wire side, if the pipe is not an inproc one.
    pub fn wire(&mut self) -> Option<&mut Wire> {
        match &mut self.kind {
            Kind::Wire(wire) => Some(wire),
            Kind::Inproc(_) => None,
        }
    }

    /// The connection, if there is one now.
    pub fn connection(&mut self) -> Option<&mut Connection> {
        self.wire()?.connection.as_mut()
    }

    /// The inproc end, if it is one.
    pub fn inproc(&self) -> Option<&InprocEnd> {
        match &self.kind {
            Kind::Wire(_) => None,
            Kind::Inproc(end) => Some(end),
        }
    }

    /// Whether the last frame written was one of a message that goes on.
    #[inline]
    fn in_message(&self) -> bool {
        match &self.kind {
            Kind::Wire(_) => !self.parts.is_empty(),
            Kind::Inproc(end) => end.writer.in_message(),
        }
    }

    #[inline]
    fn mark_dirty(&mut self, id: PipeId, dirty: &mut Vec<PipeId>) {
        if self.dirty == CLEAN {
            self.dirty = dirty.len() as u32;
            dirty.push(id);
        }
    }

    /// Says whether there is something to read, as far as is known; `holding` counts such pipes.
    #[inline]
    fn note_holding(&mut self, holds: bool, holding: &mut usize) {
        if holds != self.holds {
            self.holds = holds;
            self.awaited = !holds;
            *holding = if holds { *holding + 1 } else { *holding - 1 };
        }
    }

    /// Whether the peer is gone for good.
    pub fn is_ending(&self) -> bool {
        self.ending
    }

    /// Whether the pipe only lives to send what is left.
    pub fn is_lingering(&self) -> bool {
        self.lingering
    }
}

/// All pipes of a socket.
pub struct PipeTable {
    pipes: Vec<Option<Pipe>>,
    free: Vec<PipeId>,
    /// What happened, oldest first.
    pub events: VecDeque<PipeEvent>,
    /// What there has to be another turn for.
    unread: Unread,
    /// Pipes whose connection has something to flush.
    dirty: Vec<PipeId>,
    /// Those of them that had better be flushed now; pipes that are not dirty any more, too.
    urgent: Vec<PipeId>,
    /// Pipes whose connection may have bytes that nobody has read, among others. The kernel does not
    /// report them again: whoever stops looking, or sleeps without having read, reads ahead there.
    reported: Reported,
    /// A peer has sent a PING: some connection waits for answers no longer than it likes.
    pinged: bool,
    /// What several connections are to send alike.
    fan: Fan,
    /// Pipes whose connection has memory for sending that an idle one does not need.
    grown: Vec<PipeId>,
    pool: BufferPool,
    /// Small bodies on their way to other sockets of the process.
    arena: Arena,
    /// Established connections.
    connections: usize,
    /// The pipes of each endpoint.
    groups: Groups,
    /// Pipes to other sockets of the process.
    inprocs: usize,
    /// There were some when [`PipeTable::has_inproc`] was asked last, or came since.
    had_inproc: bool,
    /// Descriptors of established connections, watched for the socket.
    pub set: Option<Arc<Epoll>>,
    /// The same again for whoever waits for ZMQ_FD, which is this. Not a set with the other one in it:
    /// sets can be nested five deep, and event loops want as many of these levels as there are left.
    descriptor: Option<Arc<Epoll>>,
    /// Pipes with something to read, as far as is known without asking the kernel.
    holding: usize,
    /// Whether frames that are read get the properties of their connection: the running `zmq_recv`
    /// has no use for them. Frames that are kept for later always do.
    pub with_metadata: bool,
    /// Whether the running call would rather fail than wait, see [`Wire::has_room_at_once`].
    pub hasty: bool,
    /// Whether the running call would rather wait than fail.
    pub patient: bool,
    /// Whether bodies that belong to the caller of the running send call may stay in a queue: it
    /// will not return before they are sent, or copied by [`PipeTable::own_lent`].
    pub lent: bool,
    serial: u32,
}

/// Turns' worth of input that a pipe keeps, at most, when its endpoint ends.
const DIVIDED: usize = 32;

/// What an established connection is watched for.
const WATCH: u32 = epoll::IN | epoll::PEER_CLOSED | epoll::EDGE;

impl Default for PipeTable {
    fn default() -> Self {
        PipeTable::new()
    }
}

impl PipeTable {
    /// No pipes.
    pub fn new() -> PipeTable {
        PipeTable {
            pipes: Vec::new(),
            free: Vec::new(),
            events: VecDeque::new(),
            unread: Unread::default(),
            dirty: Vec::new(),
            urgent: Vec::new(),
            reported: Reported::new(),
            pinged: false,
            fan: Fan::default(),
            grown: Vec::new(),
            pool: BufferPool::default(),
            arena: Arena::default(),
            connections: 0,
            groups: Groups::default(),
            inprocs: 0,
            had_inproc: false,
            set: None,
            descriptor: None,
            holding: 0,
            with_metadata: true,
            hasty: false,
            patient: false,
            lent: false,
            serial: 0,
        }
    }

    fn insert(&mut self, mut pipe: Pipe) -> PipeId {
        self.serial = self.serial.wrapping_add(1);
        pipe.serial = self.serial;
        let id = self.free.pop().unwrap_or(self.pipes.len() as PipeId);
        if pipe.endpoint != NO_ENDPOINT {
            pipe.place = self.groups.join(pipe.endpoint, id);
        }
        match self.pipes.get_mut(id as usize) {
            Some(free) => *free = Some(pipe),
            None => self.pipes.push(Some(pipe)),
        }
        id
    }

    /// A pipe with this place is none of its endpoint's any more.
    fn leave_group(&mut self, endpoint: u32, place: u32) {
        if let Some(other) = self.groups.leave(endpoint, place)
            && let Some(Some(pipe)) = self.pipes.get_mut(other as usize)
        {
            pipe.place = place;
        }
    }

    /// The pipes of an endpoint.
    pub fn of_endpoint(&self, endpoint: u32) -> Vec<PipeId> {
        let mut ids = self.groups.of(endpoint).to_vec();
        ids.sort_unstable();
        ids
    }

    /// A new pipe for a connection that exists or will be made.
    pub fn add_wire(&mut self, wire: Wire, endpoint: u32) -> PipeId {
        self.insert(Pipe::new(Kind::Wire(Box::new(wire)), endpoint))
    }

    /// The pipe with this number.
    pub fn get(&mut self, id: PipeId) -> Option<&mut Pipe> {
        self.spread();
        self.pipes.get_mut(id as usize)?.as_mut()
    }

    /// Whether there are no pipes at all.
    pub fn is_empty(&self) -> bool {
        self.free.len() == self.pipes.len()
    }

    /// How many pipes an endpoint has.
    pub fn count_of(&self, endpoint: u32) -> u32 {
        self.groups.of(endpoint).len() as u32
    }

    /// The numbers of all pipes.
    pub fn ids(&self) -> Vec<PipeId> {
        let used = self.pipes.iter().enumerate().filter(|(_, p)| p.is_some());
        used.map(|(id, _)| id as PipeId).collect()
    }

    /// How many established connections there are.
    #[inline]
    pub fn connections(&self) -> usize {
        self.connections
    }

    /// Takes a pipe out. Its connection, if any, is closed.
    pub fn remove(&mut self, id: PipeId) {
        self.drop_connection(id);
        self.clean(id);
        self.forget_reported(id);
        if let Some(pipe) = self.pipes.get_mut(id as usize).and_then(Option::take) {
            self.holding -= usize::from(pipe.holds);
            self.inprocs -= usize::from(matches!(pipe.kind, Kind::Inproc(_)));
            if pipe.unread {
                self.unread.forget(id);
            }
            self.free.push(id);
            self.leave_group(pipe.endpoint, pipe.place);
        }
        self.events.retain(|event| event.pipe() != Some(id));
        if self.is_empty() {
            self.pipes = Vec::new();
            self.free = Vec::new();
            self.pool.clear();
            self.fan.trim();
        }
    }

    /// The handshake of a pipe's connection is over: what waited is queued on it.
    ///
    /// # Errors
    /// What epoll says, `ENOSPC` or `ENOMEM`; the connection is closed then.
    pub fn connect(&mut self, id: PipeId, connection: Connection) -> Result<()> {
        for set in [&self.set, &self.descriptor].into_iter().flatten() {
            set.add(connection.fd(), WATCH, u64::from(id))?;
        }
        let Some(pipe) = self.get(id) else { return Ok(()) };
        let Some(wire) = pipe.wire() else { return Ok(()) };
        let result = wire.attach(connection);
        pipe.wants_read = false;
        self.note_reported(id);
        self.disarm_fan();
        self.connections += 1;
        self.events.push_back(PipeEvent::Readable(id));
        self.mark_dirty(id);
        if let Err(error) = result {
            self.events.push_back(PipeEvent::Lost(id, error));
        }
        Ok(())
    }

    /// From now on what happens to connections makes this set readable, too.
    ///
    /// # Errors
    /// What epoll says, `ENOSPC` or `ENOMEM`; then it does not.
    pub fn tell_descriptor(&mut self, descriptor: Arc<Epoll>) -> Result<()> {
        for (id, pipe) in self.pipes.iter_mut().enumerate() {
            if let Some(connection) = pipe.as_mut().and_then(Pipe::connection) {
                let watch = if connection.watches_out { WATCH | epoll::OUT } else { WATCH };
                descriptor.add(connection.fd(), watch, id as u64)?;
            }
        }
        self.descriptor = Some(descriptor);
        Ok(())
    }

    /// That set is quiet until something new happens to a connection.
    pub fn quiet_descriptor(&self) {
        let Some(descriptor) = self.descriptor.as_ref().filter(|_| self.connections > 0) else {
            return;
        };
        let mut events = [epoll::NO_EVENT; 64];
        // Each is reported once; what happens meanwhile may go on for ever.
        for _ in 0..=self.connections / events.len() {
            if descriptor.wait(&mut events, Some(Duration::ZERO)) != Ok(events.len()) {
                break;
            }
        }
    }

    /// Closes a pipe's connection. Whole messages that came before stay readable; what the kernel
    /// did not take completely waits for the next connection.
    pub fn drop_connection(&mut self, id: PipeId) {
        let resend = self.get(id).is_some_and(|p| !p.lingering || p.endpoint != NO_ENDPOINT);
        self.disarm_fan();
        let Some(pipe) = self.pipes.get_mut(id as usize).and_then(Option::as_mut) else { return };
        let Kind::Wire(wire) = &mut pipe.kind else { return };
        if let Some(connection) = wire.detach(&mut self.pool, resend) {
            for set in [&self.set, &self.descriptor].into_iter().flatten() {
                // Closing the descriptor takes it out of the set, unless a forked child has it too.
                let _ = set.remove(connection.fd());
            }
            self.connections -= 1;
        }
    }

    /// The peer is gone for good: the pipe ends when what came before has been read.
    pub fn end(&mut self, id: PipeId) {
        let found = self.check_read(id);
        let Some(pipe) = self.get(id) else { return };
        pipe.ending = true;
        pipe.parts.clear();
        if !found && !pipe.unread {
            self.events.push_back(PipeEvent::Finished(id));
        } else {
            if std::mem::take(&mut pipe.wants_read) {
                self.events.push_back(PipeEvent::Readable(id));
            }
            self.events.push_back(PipeEvent::HungUp(id));
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
        self.disarm_fan();
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

    /// Takes the pipe away from the pattern, and says what it must live on for. Unless `patient`,
    /// the peer need not have got what the kernel has taken.
    pub fn let_go(&mut self, id: PipeId, patient: bool) -> Rest {
        let Some(pipe) = self.get(id) else { return Rest::Nothing };
        pipe.lingering = true;
        pipe.parts.clear();
        pipe.next = None;
        let Kind::Wire(wire) = &mut pipe.kind else { return Rest::Nothing };
        wire.backlog.clear();
        if pipe.ending {
            return Rest::Nothing;
        }
        let lost = wire.connection.as_ref().and_then(|connection| connection.tx.lost());
        let rest = match (wire.unsent(), &mut wire.connection) {
            (0, Some(connection)) if patient && lost.is_none() => {
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
    fn discard(&mut self, id: PipeId) {
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
        self.get(id).and_then(Pipe::wire).is_none_or(|wire| wire.is_drained())
    }

    /// Whether the peer was a socket of this process and has gone, and something of it is unread.
    pub fn ends_within_process(&mut self, id: PipeId) -> bool {
        self.get(id).is_some_and(|pipe| pipe.ending && pipe.inproc().is_some())
    }

    fn mark_dirty(&mut self, id: PipeId) {
        if let Some(Some(pipe)) = self.pipes.get_mut(id as usize) {
            pipe.mark_dirty(id, &mut self.dirty);
        }
    }

    /// Takes a pipe out of `dirty`. False if it was not there.
    fn clean(&mut self, id: PipeId) -> bool {
        let Some(pipe) = self.get(id) else { return false };
        let at = std::mem::replace(&mut pipe.dirty, CLEAN) as usize;
        if at >= self.dirty.len() {
            return false;
        }
        self.dirty.swap_remove(at);
        if let Some(&moved) = self.dirty.get(at)
            && let Some(pipe) = self.get(moved)
        {
            pipe.dirty = at as u32;
        }
        true
    }

    /// Whether something waits to be read, as far as is known without asking the kernel.
    #[inline]
    pub fn has_input(&self) -> bool {
        self.holding > 0
    }

    /// The same for pipes to other sockets of the process, too, if it takes no search.
    pub fn has_more(&self) -> bool {
        let only = match self.pipes.as_slice() {
            [Some(Pipe { kind: Kind::Inproc(end), .. })] => Some(end),
            _ => None,
        };
        self.has_input() || only.is_some_and(|end| end.reader.knows_more())
    }

    /// Whether every connection has something to be read, as far as is known without asking the
    /// kernel: there is no other to look for.
    #[inline]
    pub fn all_have_input(&self) -> bool {
        self.holding >= self.connections
    }

    /// Whether all pipes lead to connections, none to another socket of the process.
    pub fn are_wires(&self) -> bool {
        self.pipes.iter().flatten().all(|pipe| matches!(pipe.kind, Kind::Wire(_)))
    }

    /// How many connections have something to flush.
    #[inline]
    pub fn dirty_count(&self) -> usize {
        self.dirty.len() + self.fan.pending_count()
    }

    /// Whether anything waits to be flushed.
    #[inline]
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || self.fan.is_pending()
    }

    /// Whether something waits that is worth flushing even if more is to come.
    #[inline]
    pub fn is_urgent(&self) -> bool {
        !self.urgent.is_empty() || self.fan.is_full()
    }

    /// Flushes what is worth it: everything if `all`, otherwise only full batches, and answers to
    /// peers of which nothing more is here. Bodies that belong to the caller of a running send call
    /// are flushed, or copied, in any case.
    #[inline]
    pub fn flush(&mut self, all: bool) {
        if self.fan.is_pending() && (all || self.fan.is_full()) {
            self.flush_fan();
        }
        if all {
            self.flush_all();
        } else if !self.urgent.is_empty() {
            self.flush_urgent();
        }
    }

    fn flush_all(&mut self) {
        self.urgent.clear();
        // Who waits longest comes first.
        let mut dirty = std::mem::take(&mut self.dirty);
        for &id in &dirty {
            if let Some(pipe) = self.get(id) {
                pipe.dirty = CLEAN;
            }
        }
        for id in dirty.drain(..) {
            self.flush_one(id);
        }
        if self.dirty.is_empty() {
            self.dirty = dirty;
        }
    }

    fn flush_urgent(&mut self) {
        while let Some(id) = self.urgent.pop() {
            if self.clean(id) {
                self.flush_one(id);
            }
        }
    }

    /// Something was put on the connection of a pipe.
    #[inline]
    fn written(&mut self, id: PipeId) {
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return };
        let Kind::Wire(wire) = &pipe.kind else { return };
        if wire.connection.is_none() {
            return;
        }
        if std::mem::take(&mut pipe.awaited) || wire.is_urgent() {
            self.urgent.push(id);
        }
        pipe.mark_dirty(id, &mut self.dirty);
    }

    fn flush_one(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get_mut(id as usize).and_then(Option::as_mut) else { return };
        let Kind::Wire(wire) = &mut pipe.kind else { return };
        let result = wire.flush(self.lent);
        self.flushed(id, result);
    }

    /// Whether a pipe has room once what we hold back has gone out.
    #[cold]
    fn has_room_after_flush(&mut self, id: PipeId) -> bool {
        let Some(wire) = self.get(id).and_then(Pipe::wire) else { return false };
        let result = wire.flush(false);
        let room = wire.has_room();
        self.flushed(id, result);
        room
    }

    /// The connection of a pipe was flushed: whether it is empty now.
    fn flushed(&mut self, id: PipeId, result: Result<bool>) {
        let Some(pipe) = self.pipes.get_mut(id as usize).and_then(Option::as_mut) else { return };
        let Kind::Wire(wire) = &mut pipe.kind else { return };
        let Some(connection) = &mut wire.connection else { return };
        if !pipe.grown && connection.tx.is_grown() {
            pipe.grown = true;
            self.grown.push(id);
        }
        if let Some(error) = connection.tx.lost_lately() {
            self.events.push_back(PipeEvent::Deaf(id, error));
        }
        match result {
            Ok(false) if connection.tx.lost().is_some() => {}
            Ok(empty) => {
                if empty == connection.watches_out || connection.tx.ends_pause() {
                    connection.watches_out = !empty;
                    let watch = if empty { WATCH } else { WATCH | epoll::OUT };
                    for set in [&self.set, &self.descriptor].into_iter().flatten() {
                        // Fails only if the descriptor is not in the set, which cannot be.
                        let _ = set.modify(connection.fd(), watch, u64::from(id));
                    }
                }
                if pipe.lingering {
                    let known = wire.connection.as_ref().is_some_and(Connection::says_farewell);
                    if !known && wire.is_drained() {
                        self.events.push_back(PipeEvent::Finished(id));
                    }
                } else if pipe.wants_write && wire.has_resumed() {
                    pipe.wants_write = false;
                    self.events.push_back(PipeEvent::Writable(id));
                }
            }
            Err(error) => self.events.push_back(PipeEvent::Lost(id, error)),
        }
    }

    /// A descriptor of the socket's set was reported. Reads nothing, unless the peer hung up.
    pub fn on_ready(&mut self, id: PipeId, events: u32) {
        let Some(pipe) = self.get(id) else { return };
        let Some(connection) = pipe.connection() else { return };
        if events & epoll::OUT != 0 {
            connection.tx.unblock();
            self.mark_dirty(id);
        }
        if events & !epoll::OUT == 0 {
            return;
        }
        let hang_up = events & (epoll::PEER_CLOSED | epoll::FAILED) != 0;
        self.expect_bytes(id, hang_up);
        if hang_up {
            self.events.push_back(PipeEvent::HungUp(id));
            self.gather(id);
        }
    }

    /// The pipe's connection may have bytes.
    fn expect_bytes(&mut self, id: PipeId, hang_up: bool) {
        let Some(pipe) = self.get(id) else { return };
        if pipe.lingering {
            return self.discard(id);
        }
        let Some(connection) = pipe.connection() else { return };
        connection.rx.set_ready(hang_up);
        let listed = pipe.reported.is_some();
        if std::mem::take(&mut pipe.wants_read) {
            self.events.push_back(PipeEvent::Readable(id));
        }
        if !listed {
            self.note_reported(id);
        }
    }

    /// For a socket with one connection: look at it without asking the set first. False if it waits for
    /// the kernel to take more, too, which the set tells.
    pub fn expect_bytes_on_only_connection(&mut self) -> bool {
        let Some((id, connection)) = self.only_connection() else { return false };
        if connection.tx.blocked() {
            return false;
        }
        self.expect_bytes(id, false);
        true
    }

    /// Nothing can be sent over a pipe's connection any more ([`PipeEvent::Deaf`]), which whoever sends may
    /// learn before whoever reads. What the peer said is read on until that side has ended, too, which
    /// is an event of its own. With `ends` the pipe ends then, and takes nothing more. False if there
    /// is nobody to read it.
    pub fn read_on(&mut self, id: PipeId, ends: bool) -> bool {
        let Some(pipe) = self.get(id).filter(|pipe| !pipe.lingering) else { return false };
        if pipe.connection().is_none_or(|connection| connection.rx.ended()) {
            return false;
        }
        if ends {
            pipe.ending = true;
            pipe.parts.clear();
        }
        // What it said comes before what a peer says that comes back.
        self.events.push_back(PipeEvent::HungUp(id));
        self.expect_bytes(id, true);
        self.gather(id);
        true
    }

    /// A pipe's connection cannot go on for a reason of our own: reads what came before that, up to the
    /// receive high-water mark, although nothing has told of it yet.
    pub fn read_last(&mut self, id: PipeId) {
        let connection = self.get(id).filter(|pipe| !pipe.lingering).and_then(Pipe::connection);
        if connection.is_some_and(|connection| !connection.rx.ended()) {
            self.expect_bytes(id, false);
            self.gather(id);
        }
    }

    /// Reads ahead of the application, up to the receive high-water mark.
    pub fn gather(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get_mut(id as usize).and_then(Option::as_mut) else { return };
        if pipe.lingering {
            return self.discard(id);
        }
        if self.pool.budget.is_spent() {
            return self.leave_unread(id);
        }
        let Kind::Wire(wire) = &mut pipe.kind else { return };
        let conflate = wire.conflates();
        let limit = if conflate { 0 } else { wire.receive_limit };
        let Some(connection) = &mut wire.connection else { return };
        let heard = connection.heard;
        let mut result = connection.gather(limit, &mut self.pool);
        if conflate && let Err(error) = connection.keep_newest(&mut self.pool) {
            result = result.and(Err(error));
        }
        let answered = connection.answered;
        // Who found nothing has seen what was here: the beginning of a message is no news without more.
        let has_news = connection.rx.holds_data()
            && (connection.heard != heard || connection.rx.gathered() > 0);
        let holds = wire.holds_data();
        pipe.note_holding(holds, &mut self.holding);
        if has_news && std::mem::take(&mut pipe.wants_read) {
            self.events.push_back(PipeEvent::Readable(id));
        }
        if answered {
            self.send_answers(id);
        }
        self.tell_starved();
        match result {
            Ok(true) => {}
            Ok(false) => self.cut(id),
            Err(error) => self.events.push_back(PipeEvent::Lost(id, error)),
        }
    }

    /// A connection has found no memory to read on with: somebody has to look again.
    #[inline]
    fn tell_starved(&mut self) {
        if std::mem::take(&mut self.pool.starved) {
            self.events.push_back(PipeEvent::Starved);
        }
    }

    /// There may be memory again for connections that wait for some. Those that find none say so anew.
    pub fn feed(&mut self) {
        for id in 0..self.pipes.len() as PipeId {
            let connection = self.get(id).and_then(Pipe::connection);
            if connection.is_some_and(|connection| connection.rx.feed()) {
                self.expect_bytes(id, false);
                self.gather(id);
            }
        }
    }

    /// PINGs of the peer were answered: the answers leave at once, because a peer waits for them no
    /// longer than it likes, and whoever read the PINGs may be away next.
    #[cold]
    fn send_answers(&mut self, id: PipeId) {
        let Some(connection) = self.get(id).and_then(Pipe::connection) else { return };
        connection.answered = false;
        if connection.pulse.wants_timer(connection.heard) {
            self.events.push_back(PipeEvent::Pinged(id));
        }
        self.pinged = true;
        self.flush_one(id);
    }

    /// Whether a peer has ever sent a PING.
    #[inline]
    pub fn pinged(&self) -> bool {
        self.pinged
    }

    /// Moves with each read from the kernel.
    #[inline]
    pub fn reads(&self) -> u32 {
        self.pool.reads
    }

    /// When the kernel was last read from for anything but a long body, in
    /// [`ticks`](crate::sys::clock::ticks).
    #[inline]
    pub fn read_at(&self) -> u64 {
        self.pool.read_at
    }

    /// Moves with each of those reads for a long body.
    #[inline]
    pub fn long_reads(&self) -> u32 {
        self.pool.long_reads
    }

    /// The socket is quiet: gives back memory that only traffic needs.
    pub fn trim(&mut self) {
        self.pool.trim();
        self.fan.trim();
        for id in std::mem::take(&mut self.grown) {
            if let Some(pipe) = self.get(id)
                && std::mem::take(&mut pipe.grown)
                && let Some(connection) = pipe.connection()
            {
                connection.tx.shrink();
            }
        }
    }

    /// Counts anew what fills the pipes; those found full may have room now. Unless `all`, only
    /// where the last time was a moment ago.
    pub fn settle(&mut self, all: bool) {
        for id in 0..self.pipes.len() as PipeId {
            let Some(pipe) = self.get(id) else { continue };
            let waits = pipe.wants_write;
            let Some(wire) = pipe.wire().filter(|w| all || w.is_to_settle()) else { continue };
            wire.settle();
            if waits && wire.has_resumed() {
                pipe.wants_write = false;
                self.events.push_back(PipeEvent::Writable(id));
            }
        }
    }

    /// Something was queued on a pipe's connection directly.
    pub fn touch(&mut self, id: PipeId) {
        self.mark_dirty(id);
    }

    /// Whether anything waits to be flushed that the kernel may take.
    pub fn has_flushable(&mut self) -> bool {
        if self.fan.is_pending() {
            return true;
        }
        (0..self.dirty.len()).any(|at| {
            let id = self.dirty[at];
            self.get(id).and_then(Pipe::connection).is_some_and(|c| !c.tx.blocked())
        })
    }

    /// Reads from the kernel if it may have bytes for this pipe and nothing is here. True if a
    /// message stands ready then.
    fn prime(&mut self, id: PipeId) -> bool {
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return false };
        let Kind::Wire(wire) = &mut pipe.kind else { return false };
        match wire.prime(&mut self.pool) {
            Ok(false) => return false,
            Ok(true) => {}
            Err(error) => self.events.push_back(PipeEvent::Lost(id, error)),
        }
        let (holds, ready) = (wire.holds_data(), wire.stands_ready());
        pipe.note_holding(holds, &mut self.holding);
        self.tell_starved();
        ready
    }

    /// Reads the next frame, from wherever it is.
    #[inline]
    fn pull(&mut self, id: PipeId, with_metadata: bool) -> Option<Msg> {
        if self.is_over_for(id) {
            return None;
        }
        let alone = self.pipes.len() == 1;
        let mut answered = false;
        let pipe = self.pipes.get_mut(id as usize)?.as_mut()?;
        if pipe.lingering {
            return None;
        }
        let msg = match &mut pipe.kind {
            Kind::Wire(wire) => {
                let (mut msg, error) = wire.read(&mut self.pool);
                if with_metadata && let (Some(msg), Some(connection)) = (&mut msg, &wire.connection)
                {
                    msg.set_metadata(Some(connection.metadata.clone()));
                }
                answered = wire.has_answered();
                let holds = wire.holds_data();
                pipe.note_holding(holds, &mut self.holding);
                if let Some(error) = error {
                    self.events.push_back(PipeEvent::Lost(id, error));
                }
                msg
            }
            Kind::Inproc(end) => {
                if self.patient && alone {
                    end.reader.linger();
                }
                end.read()
            }
        };
        pipe.reading = msg.as_ref().is_some_and(Msg::more);
        if msg.is_none() {
            if std::mem::take(&mut self.pool.starved) {
                self.events.push_back(PipeEvent::Starved);
            }
            pipe.wants_read = true;
            // As long as there is a connection there may be more.
            if pipe.ending && pipe.connection().is_none() {
                self.events.push_back(PipeEvent::Finished(id));
            }
        }
        self.account(id, msg.as_ref().map(Msg::len));
        if answered {
            self.send_answers(id);
        }
        msg
    }
}

/// The number of no endpoint.
pub const NO_ENDPOINT: u32 = u32::MAX;
