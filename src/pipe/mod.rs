//! Pipes: what a pattern reads from and writes to. Behind each is either a connection or the other
//! end of an inproc pipe.
//!
//! [`PipeTable`] holds all pipes of one socket and is used under the socket's lock. What happens to
//! pipes is collected as [`PipeEvent`]s, which the socket hands to the pattern and to itself.

pub mod datagram;
mod datagrams;
mod ending;
mod events;
mod flushing;
mod groups;
mod lists;
pub mod local;
mod meeting;
mod only;
mod parts;
#[allow(clippy::module_inception, reason = "what else is one pipe called")]
mod pipe;
mod places;
mod publishing;
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
use crate::msg::Arena;
use crate::pattern::PipeId;
use crate::stats::SocketStats;
use crate::sys::epoll::Epoll;
use crate::sys::net::Slots;
use datagram::DatagramEnd;
use events::Events;
use groups::Groups;
use lists::{Reported, Unread};
use pipe::Kind;
pub use pipe::{Pipe, PipeEvent, Rest};
pub use remote::Wire;
use shared_batch::SharedBatch;
use std::sync::Arc;

/// All pipes of a socket.
pub struct PipeTable {
    pipes: Vec<Option<Pipe>>,
    free: Vec<PipeId>,
    /// What happened.
    pub events: Events,
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
    /// Where datagrams are received.
    slots: Slots,
    /// Small bodies on their way to other sockets of the process.
    arena: Arena,
    /// Established connections.
    connections: usize,
    /// Those that have a place in the sets already, while their handshake goes on.
    reserved: usize,
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
    pub sends_at_once: bool,
    /// Whether the running call would rather wait than fail.
    pub waits_to_receive: bool,
    /// Whether bodies that belong to the caller of the running send call may stay in a queue: it
    /// will not return before they are sent, or copied by [`PipeTable::own_lent`].
    pub lent: bool,
    /// What others can see of the socket.
    pub stats: SocketStats,
    /// There has been a peer.
    had_peer: bool,
    serial: u32,
}

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
            events: Events::default(),
            unread: Unread::default(),
            dirty: Vec::new(),
            urgent: Vec::new(),
            reported: Reported::new(),
            pinged: false,
            batch: SharedBatch::default(),
            grown: Vec::new(),
            pool: BufferPool::default(),
            slots: Slots::default(),
            arena: Arena::default(),
            connections: 0,
            reserved: 0,
            groups: Groups::default(),
            inprocs: 0,
            had_inproc: false,
            set: None,
            descriptor: None,
            holding: 0,
            with_metadata: true,
            sends_at_once: false,
            waits_to_receive: false,
            lent: false,
            stats: SocketStats::nobodys(0),
            had_peer: false,
            serial: 0,
        }
    }

    /// Makes sure of a place for one pipe more. Of all that grows with the number of pipes it is the longest
    /// list by far; what the others need is there in a shortage, too (`util::reserve`), and so is what this
    /// one needs for once: who has shaken hands is not sent away for that.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn make_place(&mut self) -> Result<()> {
        if self.free.is_empty() {
            self.pipes.try_reserve(1).map_err(|_| Error::NoMemory)?;
        }
        Ok(())
    }

    fn insert(&mut self, mut pipe: Pipe) -> PipeId {
        self.serial = self.serial.wrapping_add(1);
        self.had_peer = true;
        pipe.serial = self.serial;
        pipe.first_event = self.events.next_number();
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

    /// What happened next to a pipe that is there, or to them all.
    pub fn next_event(&mut self) -> Option<PipeEvent> {
        loop {
            let (number, event) = self.events.pop()?;
            let Some(id) = event.pipe() else { return Some(event) };
            let pipe = self.pipes.get(id as usize).and_then(Option::as_ref);
            if pipe.is_some_and(|pipe| pipe.first_event <= number) {
                return Some(event);
            }
        }
    }

    /// All that happened, for tests.
    #[cfg(test)]
    pub(super) fn take_events(&mut self) -> Vec<PipeEvent> {
        std::iter::from_fn(|| self.next_event()).collect()
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
                self.unread.pipes.remove(id);
            }
            self.free.push(id);
            self.leave_group(pipe.endpoint, pipe.place);
        }
        if self.is_empty() {
            self.pipes = Vec::new();
            self.free = Vec::new();
            self.pool.clear();
            self.batch.trim();
        }
    }

    /// The handshake of a pipe's connection is over: what waited is queued on it. Its place in the
    /// sets is there, see [`PipeTable::reserve`].
    pub fn connect(&mut self, id: PipeId, connection: Connection) {
        let watched = self.take_place(connection.fd(), id);
        let Some(pipe) = self.get(id) else { return };
        let Some(wire) = pipe.wire() else { return };
        wire.attach(connection);
        pipe.wants_read = false;
        self.note_reported(id);
        self.disarm_batch();
        self.connections += 1;
        self.events.push_back(PipeEvent::Readable(id));
        self.mark_dirty(id);
        if let Err(error) = watched {
            self.events.push_back(PipeEvent::Lost(id, error));
        }
    }

    /// Closes a pipe's connection. Whole messages that came before stay readable; what the kernel
    /// did not take completely waits for the next connection.
    pub fn drop_connection(&mut self, id: PipeId) {
        let resend = self.get(id).is_some_and(|p| !p.lingering || p.endpoint != NO_ENDPOINT);
        self.disarm_batch();
        let Some(pipe) = self.pipes.get_mut(id as usize).and_then(Option::as_mut) else { return };
        let wire = match &mut pipe.kind {
            Kind::Wire(wire) => wire,
            Kind::Inproc(_) => return,
            Kind::Datagram(end) => {
                let watches = end.watches(0);
                return self.drop_datagrams(watches.into_iter().map(|(fd, _)| fd));
            }
        };
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
        self.slots = Slots::default();
        self.pipes.iter_mut().flatten().filter_map(Pipe::datagrams).for_each(DatagramEnd::trim);
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
