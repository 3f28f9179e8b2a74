//! The endpoints of a socket, by number and by name. There may be many thousands: nothing here walks
//! through all of them, but for what concerns all.

use super::attempt::Attempt;
use super::connecter::Connecter;
use super::effect::Effect;
use super::event::Event;
use super::names::Names;
use super::token::{Ready, Timer};
use crate::connection::Ends;
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::reactor::{IoThread, Key};
use crate::stats::{SocketStats, debug};
use crate::transport::{Address, Listener};
use crate::types::SocketType;
use crate::util::slab::Slab;
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Instant;

/// What `bind` or `connect` made.
pub struct Endpoint {
    /// As `ZMQ_LAST_ENDPOINT` names it.
    pub(super) resolved: String,
    /// Tells it from earlier ones with its number.
    pub serial: u32,
    /// Which of these.
    pub kind: Kind,
    /// As they were at `bind` or `connect`: later changes are for later endpoints.
    pub options: Arc<SocketOptions>,
    /// What its connections carry.
    pub traffic: Traffic,
    closing: bool,
}

/// What connections carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes instead of ZMTP (STREAM, ZMQ_ROUTER_RAW).
    pub raw: bool,
    /// ZMQ_STREAM_NOTIFY asks for an empty message at connect and disconnect.
    pub notes: bool,
}

/// The kinds of endpoints.
pub enum Kind {
    /// Bound, by the system.
    Listener(Box<Listener>),
    /// Connected, through the system.
    Connecter(Box<Connecter>),
    /// Bound to a name of the context.
    InprocBinding(String),
    /// Connected to such a name.
    InprocConnection(FarEnd),
    /// Bound or connected where there are no connections.
    Datagrams,
}

/// Where a `connect` to a name in the process left the binding side's end.
pub enum FarEnd {
    /// With its socket.
    Owned,
    /// Waits for somebody to bind the name.
    Waits {
        /// The name.
        name: String,
        /// Of the end, among those that wait.
        number: u64,
    },
    /// In the mailbox of who has bound it, if not taken out since.
    Sent {
        /// Whose mailbox.
        to: Key,
        /// Of the end, in there.
        number: u64,
    },
}

impl Endpoint {
    /// As `ZMQ_LAST_ENDPOINT` names it.
    pub fn name(&self) -> &str {
        &self.resolved
    }

    /// Whether it is unbound or disconnected, and only lives until its pipes have sent what is left.
    pub fn is_closing(&self) -> bool {
        self.closing
    }
}

/// The endpoints of a socket, and the attempts at connections of theirs.
pub struct Endpoints {
    pub(super) key: Key,
    pub(super) socket_type: SocketType,
    /// Watches descriptors and deadlines; there is one before there is anything to watch.
    pub(super) io: Option<Arc<IoThread>>,
    places: Slab<Endpoint>,
    /// Connections whose handshake is not over.
    pub(super) attempts: Slab<Attempt>,
    /// ZMQ_LAST_ENDPOINT.
    pub last: String,
    /// Of the last endpoint, attempt or connection.
    serial: u32,
    /// Of all but those that are closing.
    names: Names,
    /// Second names of endpoints.
    aliases: BTreeMap<u32, String>,
    effects: VecDeque<Effect>,
    /// See [`Endpoints::counts`].
    counts: (usize, usize),
    /// What others can see of the socket.
    pub stats: SocketStats,
}

impl Endpoints {
    /// None yet.
    pub fn new(key: Key, socket_type: SocketType) -> Endpoints {
        Endpoints {
            key,
            socket_type,
            io: None,
            places: Slab::default(),
            attempts: Slab::default(),
            last: String::new(),
            serial: 0,
            names: Names::default(),
            aliases: BTreeMap::new(),
            effects: VecDeque::new(),
            counts: (0, 0),
            stats: SocketStats::nobodys(0),
        }
    }

    /// The socket has chosen its I/O thread.
    pub fn use_thread(&mut self, io: Arc<IoThread>) {
        self.io = Some(io);
    }

    /// Descriptors of attempts whose peers may speak, see [`Effect::Prepare`].
    pub fn with_place(&self) -> impl Iterator<Item = RawFd> {
        let attempts = self.attempts.numbers().filter_map(|at| self.attempts.get(at));
        attempts.filter(|attempt| attempt.has_place).map(Attempt::fd)
    }

    /// What is to be done next.
    pub fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    /// Tells whoever wants to know (ZMQ_DEBUG) what happens to an endpoint.
    pub(super) fn say(&self, number: u32, what: std::fmt::Arguments<'_>) {
        if debug::is_on() {
            let name = self.get(number).map_or("", Endpoint::name);
            self.say_of(name, what);
        }
    }

    /// The same by its name.
    pub(super) fn say_of(&self, name: &str, what: std::fmt::Arguments<'_>) {
        if debug::is_on() {
            debug::say(self.socket_type.info().name, self.key.index, name, what);
        }
    }

    pub(super) fn report(&mut self, event: Event, ends: &Ends) {
        self.effects.push_back(Effect::Report(event, ends.clone()));
    }

    /// A number no other endpoint, attempt or connection of this socket has, for timers.
    pub fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    /// Adds an endpoint and returns its number.
    pub fn add(
        &mut self,
        resolved: String,
        kind: Kind,
        options: Arc<SocketOptions>,
        traffic: Traffic,
    ) -> u32 {
        let serial = self.next_serial();
        let endpoint = Endpoint { resolved, serial, kind, options, traffic, closing: false };
        let number = self.places.insert(endpoint);
        if let Some(endpoint) = self.places.get(number) {
            self.names.add(&endpoint.resolved, (serial, number));
        }
        if let Some(count) = self.count_of(number) {
            *count += 1;
        }
        number
    }

    /// The endpoint goes by this name, too.
    pub fn add_name(&mut self, number: u32, name: String) {
        if let Some(endpoint) = self.places.get(number)
            && self.names.add(&name, (endpoint.serial, number))
        {
            self.aliases.insert(number, name);
        }
    }

    /// An endpoint.
    pub fn get(&self, number: u32) -> Option<&Endpoint> {
        self.places.get(number)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, number: u32) -> Option<&mut Endpoint> {
        self.places.get_mut(number)
    }

    /// An endpoint that connects through the system.
    pub fn connecter(&mut self, number: u32) -> Option<&mut Connecter> {
        match &mut self.get_mut(number)?.kind {
            Kind::Connecter(connecter) => Some(connecter),
            _ => None,
        }
    }

    /// How many are bound, and how many connected, of those that are not closing.
    pub fn counts(&self) -> (usize, usize) {
        self.counts
    }

    /// The count that an endpoint is in.
    fn count_of(&mut self, number: u32) -> Option<&mut usize> {
        Some(match self.places.get(number)?.kind {
            Kind::Listener(_) | Kind::InprocBinding(_) => &mut self.counts.0,
            _ => &mut self.counts.1,
        })
    }

    /// The options of an endpoint.
    pub fn options(&self, number: u32) -> Option<Arc<SocketOptions>> {
        Some(self.get(number)?.options.clone())
    }

    /// What the connections of an endpoint carry.
    pub fn traffic(&self, number: u32) -> Traffic {
        self.get(number).map_or(Traffic { raw: false, notes: false }, |endpoint| endpoint.traffic)
    }

    /// The endpoints of that name that are not closing, oldest first. A bound one does not go by a wildcard:
    /// two may have been bound to the same.
    pub fn named(&self, name: &str) -> Vec<u32> {
        self.names.of(name)
    }

    /// Whether there are any.
    pub fn is_named(&self, name: &str) -> bool {
        self.names.is_known(name)
    }

    /// The endpoints that an address means which is no name of theirs as it is written.
    pub fn meant_by(&self, address: &Address, ipv6: bool) -> Vec<u32> {
        let found = self.named(&address.to_string());
        if !found.is_empty() {
            return found;
        }
        // `tcp://*:5555` and the like mean what a bind would make of them.
        address.resolved_binding(ipv6).map_or(Vec::new(), |resolved| self.named(&resolved))
    }

    /// All numbers there may be.
    pub fn numbers(&self) -> std::ops::Range<u32> {
        self.places.numbers()
    }

    /// The endpoint only lives on until its pipes have sent what is left: its name is free.
    pub fn begin_closing(&mut self, number: u32) {
        if self.places.get(number).is_some_and(|endpoint| !endpoint.closing)
            && let Some(count) = self.count_of(number)
        {
            *count -= 1;
        }
        let Some(endpoint) = self.places.get_mut(number) else { return };
        endpoint.closing = true;
        let alias = self.aliases.remove(&number);
        for name in std::iter::once(&endpoint.resolved).chain(&alias) {
            self.names.remove(name, (endpoint.serial, number));
        }
    }

    /// The endpoint is gone, and its number free.
    pub fn remove(&mut self, number: u32) {
        self.begin_closing(number);
        self.places.remove(number);
    }

    /// Has a descriptor watched; `new`: it is not yet.
    ///
    /// # Errors
    /// Whatever epoll_ctl(2) says.
    pub(super) fn watch(&self, fd: RawFd, events: u32, what: Ready, new: bool) -> Result<()> {
        let io = self.io.as_ref().ok_or(Error::NoIoThread)?;
        if new {
            io.add(fd, events, self.key, what.token())
        } else {
            io.modify(fd, events, self.key, what.token())
        }
    }

    /// Before a descriptor is closed: its number may be used again at once.
    pub(super) fn unwatch(&self, fd: RawFd) {
        if let Some(io) = &self.io {
            let _ = io.remove(fd);
        }
    }

    pub(super) fn set_timer(&self, at: Instant, timer: Timer, number: u32, serial: u32) {
        if let Some(io) = &self.io {
            io.set_timer(at, self.key, timer.token(number, serial));
        }
    }

    /// Takes that back. What comes and goes as a peer likes must not leave timers behind.
    pub(super) fn clear_timer(&self, timer: Timer, number: u32, serial: u32) {
        if let Some(io) = &self.io {
            io.clear_timer(self.key, timer.token(number, serial));
        }
    }
}
