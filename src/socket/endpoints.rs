//! bind, connect, unbind, disconnect, and the life of a connection up to its handshake.

use super::Socket;
use super::connecting::Connecter;
use super::core::Core;
use super::driver::{self, Timer};
use super::monitor::event;
use crate::connection::opening::Opening;
use crate::context::registry::Binder;
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::pattern::{Pattern, PipeId};
use crate::pipe::local::{self as inproc, InprocEnd};
use crate::pipe::{NO_ENDPOINT, Wire};
use crate::security;
use crate::sys::clock;
use crate::sys::epoll;
use crate::transport::{AcceptError, Address, AddressError, Listener, Route, Stream};
use crate::util::reserve;
use crate::wire::{Handshake, HandshakeConfig};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

/// How long a listener rests when the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What `bind` or `connect` made.
pub(super) struct Endpoint {
    /// As `ZMQ_LAST_ENDPOINT` names it.
    pub(super) resolved: String,
    pub(super) serial: u32,
    pub(super) kind: Kind,
    /// As they were at `bind` or `connect`: later changes are for later endpoints.
    options: Arc<SocketOptions>,
    /// Connections carry bytes instead of ZMTP (STREAM, ZMQ_ROUTER_RAW).
    raw: bool,
    /// ZMQ_STREAM_NOTIFY asks for an empty message at connect and disconnect.
    raw_notes: bool,
    /// Unbound or disconnected: lives until its pipes have sent what is left.
    pub(super) closing: bool,
}

pub(super) enum Kind {
    Listener(Box<Listener>),
    Connecter(Box<Connecter>),
    InprocBinding(String),
    InprocConnection(FarEnd),
}

/// Where a `connect` to a name in the process left the binding side's end.
pub(super) enum FarEnd {
    /// With its socket.
    Owned,
    /// Waits for somebody to bind the name.
    Waits { name: String, number: u64 },
    /// In the mailbox of who has bound it, if not taken out since.
    Sent { to: Binder, number: u64 },
}

impl Endpoint {
    /// Whether it only lives until its pipes have sent what is left.
    pub(super) fn is_closing(&self) -> bool {
        self.closing
    }
}

impl Socket {
    /// Makes the socket reachable at `endpoint` (zmq_bind(3)).
    ///
    /// # Errors
    /// As zmq_bind(3).
    pub fn bind(&'static self, endpoint: &str) -> Result<()> {
        let mut core = self.enter()?;
        reserve::ready()?;
        core.process_mail();
        let result = core.bind(endpoint);
        core.after_change();
        result
    }

    /// Connects the socket to `endpoint` (zmq_connect(3)).
    ///
    /// # Errors
    /// As zmq_connect(3).
    pub fn connect(&'static self, endpoint: &str) -> Result<()> {
        let mut core = self.enter()?;
        reserve::ready()?;
        core.process_mail();
        let result = core.connect(endpoint);
        core.after_change();
        result
    }

    /// Takes a `bind` back (zmq_unbind(3)), or a `connect` (zmq_disconnect(3)).
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such endpoint.
    pub fn remove_endpoint(&'static self, endpoint: &str) -> Result<()> {
        let mut core = self.enter()?;
        let known = !core.endpoints.named(endpoint).is_empty();
        core.process_mail();
        let mut result = core.remove_endpoint(endpoint);
        if known && result == Err(Error::NotFound) {
            // A peer of this process has closed, and the endpoint went with it: the caller could not
            // know, and it is gone as it shall be.
            result = Ok(());
        }
        core.after_change();
        result
    }
}

impl Core {
    /// After a call that may have changed pipes or endpoints.
    pub(super) fn after_change(&mut self) {
        self.settle();
        self.ensure_watched();
    }

    fn binder(&self) -> Binder {
        Binder { index: self.key.index, generation: self.key.generation }
    }

    fn add_endpoint(&mut self, resolved: String, kind: Kind) -> u32 {
        let serial = self.endpoints.next_serial();
        let options = match &kind {
            Kind::Connecter(connecter) => connecter.options.clone(),
            _ => Arc::new(self.options.clone()),
        };
        let (raw, raw_notes) = (self.pattern.is_raw(), self.pattern.notifies_raw());
        let endpoint = Endpoint { resolved, serial, kind, options, raw, raw_notes, closing: false };
        self.endpoints.insert(endpoint)
    }

    pub(super) fn endpoint(&mut self, number: u32) -> Option<&mut Endpoint> {
        self.endpoints.get_mut(number)
    }

    /// The options of a bound or connected endpoint.
    pub(super) fn endpoint_options(&self, number: u32) -> Option<Arc<SocketOptions>> {
        let endpoint = self.endpoints.get(number)?;
        Some(endpoint.options.clone())
    }

    pub(super) fn connecter(&mut self, number: u32) -> Option<&mut Connecter> {
        match &mut self.endpoint(number)?.kind {
            Kind::Connecter(connecter) => Some(connecter),
            _ => None,
        }
    }

    fn bind(&mut self, given: &str) -> Result<()> {
        let address = Address::parse_for(given, self.socket_type).inspect_err(|error| {
            // Of what is wrong with an address monitors are told this only.
            if let AddressError::Nobodys(error) = error {
                self.report_failed_bind(given, *error);
            }
        })?;
        if address.is_within_process() {
            return self.bind_inproc(given, address.text());
        }
        let io = self.check_affinity()?;
        let listener = Listener::bind(&address, &self.options).map_err(|failed| {
            if let Some(fd) = failed.closed {
                let named = address.names_what_fails().then(|| address.to_string());
                self.report(event::CLOSED, i64::from(fd), &named.unwrap_or_default());
            }
            self.report_failed_bind(given, failed.error);
            failed.error
        })?;
        let fd = listener.as_fd().as_raw_fd();
        let resolved = listener.endpoint().to_owned();
        let name = listener.name().to_owned();
        let alias = match listener.is_adopted() {
            true => None,
            false => address.resolved_binding(self.options.ipv6),
        };
        let number = self.add_endpoint(resolved.clone(), Kind::Listener(Box::new(listener)));
        if let Err(error) = io.add(fd, epoll::IN, self.key, driver::listener(number)) {
            self.endpoints.remove(number);
            return Err(error);
        }
        if let Some(alias) = alias {
            self.endpoints.add_name(number, alias);
        }
        self.endpoints.last = resolved;
        self.report(event::LISTENING, i64::from(fd), &name);
        Ok(())
    }

    /// Tells the monitor in libzmq's words: the address without its transport.
    fn report_failed_bind(&mut self, given: &str, error: Error) {
        let address = given.split_once("://").map_or(given, |(_, address)| address);
        self.report(event::BIND_FAILED, i64::from(error.errno()), address);
    }

    fn bind_inproc(&mut self, given: &str, name: &str) -> Result<()> {
        let config = self.inproc_config();
        let context = self.context.clone();
        let mut registry = context.registry().lock();
        if !registry.bind(name, self.binder(), config.clone()) {
            return Err(Error::AddressInUse);
        }
        let waiting = registry.take_waiting(name);
        drop(registry);
        self.add_endpoint(given.to_owned(), Kind::InprocBinding(name.to_owned()));
        given.clone_into(&mut self.endpoints.last);
        for end in waiting {
            end.bring(&config);
            self.attach_inproc(end, NO_ENDPOINT, false);
        }
        Ok(())
    }

    pub(super) fn connect(&mut self, given: &str) -> Result<()> {
        let address = Address::parse_for(given, self.socket_type)?;
        if address.is_within_process() {
            return self.connect_inproc(given, address.text());
        }
        let name = address.to_string();
        if self.socket_type.info().connects_once && !self.endpoints.named(&name).is_empty() {
            return Ok(());
        }
        address.check_connect()?;
        let route = Route::new(address, &self.options)?;
        self.check_affinity()?;
        self.check_routing_id()?;
        let connecter = Connecter::new(route, Arc::new(self.options.clone()));
        let kind = Kind::Connecter(Box::new(connecter));
        self.endpoints.last.clone_from(&name);
        let number = self.add_endpoint(name, kind);
        if !self.options.immediate {
            let pipe = self.add_pipe(number);
            self.assign_routing_id(pipe);
            if let Some(connecter) = self.connecter(number) {
                connecter.pipe = Some(pipe);
            }
            self.attach_pattern(pipe, true);
        }
        self.begin_connect(number);
        Ok(())
    }

    /// ZMQ_CONNECT_ROUTING_ID must name no other peer.
    fn check_routing_id(&mut self) -> Result<()> {
        let id = &self.options.connect_routing_id;
        if !id.is_empty() && !self.pattern.is_routing_id_free(id) {
            self.options.connect_routing_id.clear();
            return Err(Error::Invalid);
        }
        Ok(())
    }

    fn connect_inproc(&mut self, given: &str, name: &str) -> Result<()> {
        self.check_routing_id()?;
        let mine = self.inproc_config();
        let context = self.context.clone();
        let mut registry = context.registry().lock();
        given.clone_into(&mut self.endpoints.last);
        let Some((binder, config)) = registry.find(name).cloned() else {
            let (end, far) = inproc::pair(&mine, None);
            let number = registry.wait(name, far);
            drop(registry);
            let far = FarEnd::Waits { name: name.to_owned(), number };
            let endpoint = self.add_endpoint(given.to_owned(), Kind::InprocConnection(far));
            self.attach_inproc(end, endpoint, true);
            return Ok(());
        };
        drop(registry);
        let (end, far) = inproc::pair(&mine, Some(&config));
        let kind = Kind::InprocConnection(FarEnd::Owned);
        let endpoint = self.add_endpoint(given.to_owned(), kind);
        self.attach_inproc(end, endpoint, true);
        if binder == self.binder() {
            // A socket connected to itself.
            self.attach_inproc(far, NO_ENDPOINT, false);
            return Ok(());
        }
        let there = super::find(binder.index);
        match there.and_then(|socket| socket.send_end(binder.generation, far)) {
            Some(number) => {
                let far = FarEnd::Sent { to: binder, number };
                if let Some(endpoint) = self.endpoint(endpoint) {
                    endpoint.kind = Kind::InprocConnection(far);
                }
            }
            // The binder closed at this very moment: its end is dropped, ours ends.
            None => self.process_mail(),
        }
        Ok(())
    }

    /// Before a pipe is closed: takes the far end back if its socket has not found it yet, and would
    /// find nothing in it. Who comes and goes without a word leaves nothing behind, even if nobody
    /// ever binds the name, or who has bound it never looks.
    pub(super) fn withdraw_far_end(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get(id) else { return };
        if !pipe.inproc().is_some_and(InprocEnd::is_alone) {
            return;
        }
        let number = pipe.endpoint;
        let Some(endpoint) = self.endpoint(number) else { return };
        let Kind::InprocConnection(far) = &mut endpoint.kind else { return };
        // Whatever it was, there is nothing to take back any more. It is dropped with no lock held
        // but ours.
        drop(match std::mem::replace(far, FarEnd::Owned) {
            FarEnd::Owned => None,
            FarEnd::Waits { name, number } => {
                self.context.registry().lock().withdraw(&name, number)
            }
            FarEnd::Sent { to, number } => {
                super::find(to.index).and_then(|socket| socket.withdraw(to.generation, number))
            }
        });
    }

    fn remove_endpoint(&mut self, name: &str) -> Result<()> {
        let mut found = self.endpoints.named(name).to_vec();
        if found.is_empty() {
            let parsed = Address::parse_for(name, self.socket_type);
            let address = parsed.map_err(|error| match error {
                AddressError::Nobodys(_) => Error::NotFound,
                AddressError::Malformed(error) => error,
            })?;
            found = self.endpoints.meant_by(&address, self.options.ipv6).to_vec();
        }
        if found.is_empty() {
            return Err(Error::NotFound);
        }
        // Within the process a socket may have connected to itself: its binding goes first, as in
        // libzmq, and the connections of that name with the next call.
        let binds = |core: &mut Core, number: u32| {
            core.endpoint(number).is_some_and(|e| matches!(e.kind, Kind::InprocBinding(_)))
        };
        if found.iter().any(|&number| binds(self, number)) {
            found.retain(|&number| binds(self, number));
        }
        found.into_iter().for_each(|number| self.close_endpoint(number));
        Ok(())
    }

    /// Ends all endpoints (zmq_close(3)).
    pub(super) fn close_endpoints(&mut self) {
        for number in self.endpoints.numbers() {
            if self.endpoint(number).is_some_and(|e| !e.closing) {
                self.close_endpoint(number);
            }
        }
    }

    /// Ends an endpoint. Its pipes linger as ZMQ_LINGER says.
    fn close_endpoint(&mut self, number: u32) {
        let Some(endpoint) = self.endpoint(number) else { return };
        let serial = endpoint.serial;
        let listens = matches!(endpoint.kind, Kind::Listener(_));
        match &endpoint.kind {
            Kind::Listener(_) => self.close_listener(number),
            Kind::Connecter(_) | Kind::InprocConnection(_) => {}
            Kind::InprocBinding(name) => {
                let name = name.clone();
                self.context.registry().lock().unbind(&name, self.binder());
            }
        }
        // What we hold back to collect more is sent as far as the application can tell.
        self.flush_held();
        self.endpoints.begin_closing(number);
        for id in self.pipes.of_endpoint(number) {
            if listens && !self.closing {
                self.close_pipe_when_read(id);
            } else if self.closing || !self.pipes.ends_within_process(id) {
                self.close_pipe(id);
            }
        }
        self.pump();
        // Gone already if closing the pipes ended it.
        if self.endpoint(number).is_some_and(|e| e.serial == serial)
            && self.pipes.count_of(number) == 0
        {
            self.forget_endpoint(number);
        }
    }

    /// Ends a pipe of a listener. What peers have sent can still be received, as in libzmq (not so after
    /// zmq_disconnect(3)).
    pub(super) fn close_pipe_when_read(&mut self, id: PipeId) {
        // Nobody would read one that the pattern does not know.
        let known = self.pipes.get(id).is_some_and(|pipe| pipe.attached);
        let sender = if known { self.pipes.divide(id) } else { None };
        match sender {
            Some(sender) => {
                self.move_heartbeat_timer(id, sender);
                self.close_pipe(sender);
                self.changed = true;
            }
            None => self.close_pipe(id),
        }
    }

    /// Ends a pipe from our side; what was sent lingers.
    fn close_pipe(&mut self, id: PipeId) {
        self.detach_pattern(id);
        let endpoint = self.pipes.get(id).map_or(NO_ENDPOINT, |pipe| pipe.endpoint);
        if self.options.linger == 0 || self.is_refused(endpoint) || !self.see_off(id) {
            self.remove_pipe(id);
        }
    }

    fn close_listener(&mut self, number: u32) {
        let Some(endpoint) = self.endpoint(number) else { return };
        let gone = Kind::InprocBinding(String::new());
        let Kind::Listener(listener) = std::mem::replace(&mut endpoint.kind, gone) else { return };
        let (fd, name) = (listener.as_fd().as_raw_fd(), listener.name().to_owned());
        // Out of the reactor before it is closed: its number may be used again at once.
        if let Ok(io) = self.io() {
            let _ = io.remove(fd);
        }
        drop(listener);
        self.report(event::CLOSED, i64::from(fd), &name);
        self.drop_openings_of(number);
    }

    fn drop_openings_of(&mut self, number: u32) {
        if self.endpoints.openings.is_empty() {
            return;
        }
        for opening in self.endpoints.openings.numbers() {
            if self.endpoints.openings.get(opening).is_some_and(|o| o.endpoint == number) {
                self.drop_opening(opening);
            }
        }
    }

    pub(super) fn forget_endpoint(&mut self, number: u32) {
        self.stop_connecting(number);
        self.drop_openings_of(number);
        self.endpoints.remove(number);
    }

    /// A pipe is gone; an endpoint that only lived for it goes too.
    pub(super) fn pipe_removed_from_endpoint(&mut self, id: PipeId) {
        let Some(number) = self.pipes.get(id).map(|p| p.endpoint) else { return };
        if let Some(connecter) = self.connecter(number)
            && connecter.pipe == Some(id)
        {
            connecter.pipe = None;
        }
        let Some(endpoint) = self.endpoint(number) else { return };
        // A connecter whose pipe its pattern closed does not connect again.
        let ends = match endpoint.kind {
            Kind::Connecter(ref connecter) => endpoint.closing || !connecter.lives_without_pipe(),
            Kind::InprocConnection(_) => true,
            _ => endpoint.closing,
        };
        if !ends {
            return;
        }
        if self.pipes.count_of(number) <= 1 {
            self.forget_endpoint(number);
        }
    }

    fn add_pipe(&mut self, endpoint: u32) -> PipeId {
        let fallback = || Arc::new(self.options.clone());
        let options = self.endpoint_options(endpoint).unwrap_or_else(fallback);
        let conflate = self.conflates(&options);
        let (send, receive) = (options.sndhwm.max(0), options.rcvhwm.max(0));
        self.pipes.add_wire(Wire::new(send as usize, receive as usize, conflate), endpoint)
    }

    /// A listener is readable. One peer at a time: the reactor comes back for the next when it has looked
    /// at the handshakes of those before.
    pub(super) fn accept(&mut self, number: u32) {
        let Some(endpoint) = self.endpoints.get(number) else { return };
        let Kind::Listener(listener) = &endpoint.kind else { return };
        let name = endpoint.resolved.clone();
        let (fd, serial) = (listener.as_fd().as_raw_fd(), endpoint.serial);
        // A peer costs memory. Without any it waits in the kernel, and so do those behind it.
        let room = reserve::ready().map_err(AcceptError::Exhausted);
        match room.and_then(|()| listener.accept(&endpoint.options)) {
            Ok(None) => {}
            Ok(Some(stream)) => {
                let accepted = i64::from(stream.as_fd().as_raw_fd());
                // Behind a wildcard each connection has the address it came to.
                let local = stream.local_endpoint();
                self.report(event::ACCEPTED, accepted, &local);
                self.open(number, stream, false, local);
            }
            Err(AcceptError::Exhausted(error)) => {
                self.report(event::ACCEPT_FAILED, i64::from(error.errno()), &name);
                // Level-triggered readiness would spin until a descriptor is free.
                if let Ok(io) = self.io() {
                    let _ = io.modify(fd, 0, self.key, driver::listener(number));
                }
                let at = clock::now() + ACCEPT_PAUSE;
                self.set_timer(at, Timer::Accept, number, serial);
            }
            Err(failed) => {
                let error = i64::from(failed.error().errno());
                self.report(event::ACCEPT_FAILED, error, &name);
            }
        }
    }

    /// A listener that rested tries again.
    pub(super) fn resume_accept(&mut self, number: u32) {
        let Some(endpoint) = self.endpoint(number) else { return };
        let Kind::Listener(listener) = &endpoint.kind else { return };
        let fd = listener.as_fd().as_raw_fd();
        if let Ok(io) = self.io() {
            let _ = io.modify(fd, epoll::IN, self.key, driver::listener(number));
        }
    }

    /// Begins the handshake of a new transport connection.
    pub(super) fn open(&mut self, endpoint: u32, stream: Stream, connected: bool, address: String) {
        if self.speaks_raw(endpoint) {
            self.establish_raw(endpoint, stream, address);
            return;
        }
        let Some(options) = self.endpoint_options(endpoint) else { return };
        let routing_id = options.routing_id.clone();
        let mut config =
            HandshakeConfig::new(self.socket_type, routing_id, security::mechanism(&options));
        config.properties.clone_from(&options.metadata);
        let serial = self.endpoints.next_serial();
        let peer = stream.peer_address();
        let opening = Opening::new(
            stream.into_fd(),
            Handshake::new(config),
            endpoint,
            serial,
            connected,
            address,
            peer,
        );
        let fd = opening.fd();
        let number = self.endpoints.openings.insert(opening);
        // What it needs later, too: a peer that has heard from us may send, and what it sends must find
        // its place.
        let has_set = self.set().is_ok();
        let Ok(io) = self.io() else { return };
        if !has_set || io.add(fd, epoll::IN, self.key, driver::opening(number)).is_err() {
            self.drop_opening(number);
            self.retry_later(endpoint);
            return;
        }
        if options.handshake_ivl > 0 {
            let wait = Duration::from_millis(options.handshake_ivl as u64);
            self.set_timer(clock::now() + wait, Timer::Handshake, number, serial);
        }
        self.drive_opening(number);
    }

    /// Whether an endpoint's connections carry bytes instead of ZMTP.
    pub(super) fn speaks_raw(&mut self, endpoint: u32) -> bool {
        self.endpoint(endpoint).is_some_and(|e| e.raw)
    }

    /// Whether an empty message is due when one of them comes or goes.
    pub(super) fn notes_raw(&mut self, endpoint: u32) -> bool {
        self.endpoint(endpoint).is_some_and(|e| e.raw_notes)
    }

    /// Closes a connection whose handshake is not over.
    pub(super) fn drop_opening(&mut self, number: u32) {
        self.drop_question(number);
        if let (Some(opening), Ok(io)) = (self.take_opening(number), self.io()) {
            let _ = io.remove(opening.fd());
        }
    }

    /// A handshake is over.
    pub(super) fn take_opening(&mut self, number: u32) -> Option<Opening> {
        let opening = self.endpoints.openings.remove(number)?;
        self.clear_timer(Timer::Handshake, number, opening.serial);
        Some(opening)
    }

    /// The pipe for a connection that is established: the connecter's own, or a new one. The
    /// second value says whether the pattern has to learn of it.
    pub(super) fn pipe_for(&mut self, endpoint: u32) -> (PipeId, bool) {
        if let Some(id) = self.connecter(endpoint).and_then(|c| c.pipe) {
            return (id, false);
        }
        let id = self.add_pipe(endpoint);
        if let Some(connecter) = self.connecter(endpoint) {
            connecter.pipe = Some(id);
        }
        (id, true)
    }
}
