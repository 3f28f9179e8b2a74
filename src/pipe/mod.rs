//! Pipes: what a pattern reads from and writes to. Behind each is either a connection or the other
//! end of an inproc pipe.
//!
//! [`PipeTable`] holds all pipes of one socket and is used under the socket's lock. What happens to
//! pipes is collected as [`PipeEvent`]s, which the socket hands to the pattern and to itself.

mod ending;
mod flushing;
mod groups;
pub mod local;
mod only;
mod parts;
mod reading;
mod remote;
mod reported;
pub mod ring;
mod set;
mod shared_batch;
#[cfg(test)]
mod tests;
mod turn;

use crate::connection::Connection;
use crate::connection::rx::BufferPool;
use crate::error::{Error, Result};
use crate::msg::{Arena, Msg};
use crate::pattern::PipeId;
use crate::sys::epoll::{self, Epoll};
use groups::Groups;
use local::InprocEnd;
use parts::Parts;
pub use remote::Wire;
use reported::{Listed, Reported};
use shared_batch::SharedBatch;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use turn::Unread;

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
    batch: SharedBatch,
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
            batch: SharedBatch::default(),
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
            self.batch.trim();
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
        self.disarm_batch();
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
        self.disarm_batch();
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

    /// The socket is quiet: gives back memory that only traffic needs.
    pub fn trim(&mut self) {
        self.pool.trim();
        self.batch.trim();
        for id in std::mem::take(&mut self.grown) {
            if let Some(pipe) = self.get(id)
                && std::mem::take(&mut pipe.grown)
                && let Some(connection) = pipe.connection()
            {
                connection.tx.shrink();
            }
        }
    }
}

/// The number of no endpoint.
pub const NO_ENDPOINT: u32 = u32::MAX;
