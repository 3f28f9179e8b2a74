//! bind, connect, unbind, disconnect: what of an endpoint's life concerns pipes, the pattern and the monitor.
//! The rest is [`crate::endpoint`]'s, whose effects are carried out here.

mod datagrams;
mod notices;

use super::Socket;
use super::core::Core;
use crate::connection::Connection;
use crate::endpoint::{Effect, Event, Kind, Traffic};
use crate::error::{Error, Result};
use crate::pattern::{Pattern, PipeId};
use crate::pipe::{NO_ENDPOINT, Wire};
use crate::stats::PeerStats;
use crate::transport::{Address, AddressError, Route};
use crate::util::reserve;
use std::sync::Arc;

impl Socket {
    /// Makes the socket reachable at `endpoint` (zmq_bind(3)).
    ///
    /// # Errors
    /// As zmq_bind(3).
    pub fn bind(&'static self, endpoint: &str) -> Result<()> {
        if let Some(result) = self.open_datagrams(endpoint, true) {
            return result;
        }
        let mut core = self.enter()?;
        reserve::ready()?;
        core.process_mail();
        let result = core.bind(endpoint);
        core.after_change_of_endpoints();
        result
    }

    /// Connects the socket to `endpoint` (zmq_connect(3)).
    ///
    /// # Errors
    /// As zmq_connect(3).
    pub fn connect(&'static self, endpoint: &str) -> Result<()> {
        if let Some(result) = self.open_datagrams(endpoint, false) {
            return result;
        }
        let mut core = self.enter()?;
        reserve::ready()?;
        core.process_mail();
        let result = core.connect(endpoint);
        core.after_change_of_endpoints();
        result
    }

    /// Takes a `bind` back (zmq_unbind(3)), or a `connect` (zmq_disconnect(3)).
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is no such endpoint.
    pub fn remove_endpoint(&'static self, endpoint: &str) -> Result<()> {
        let mut core = self.enter()?;
        let known = core.endpoints.is_named(endpoint);
        core.process_mail();
        let mut result = core.remove_endpoint(endpoint);
        if known && result == Err(Error::NotFound) {
            // A peer of this process has closed, and the endpoint went with it: the caller could not
            // know, and it is gone as it shall be.
            result = Ok(());
        }
        core.after_change_of_endpoints();
        result
    }
}

impl Core {
    /// After a call that may have changed pipes or endpoints.
    pub(super) fn after_change(&mut self) {
        self.carry_out();
        self.settle();
        self.ensure_watched();
    }

    /// After a call that may have changed what endpoints there are.
    pub(super) fn after_change_of_endpoints(&mut self) {
        self.after_change();
        let (bound, connected) = self.endpoints.counts();
        self.stats.endpoints(bound, connected, &self.endpoints.last);
    }

    /// Does what the endpoints ask for. Whoever calls them does this.
    pub(super) fn carry_out(&mut self) {
        while let Some(effect) = self.endpoints.next_effect() {
            match effect {
                Effect::Report(event, ends) => self.report(event, &ends),
                Effect::Prepare(attempt, fd) => {
                    let place = self.set().and_then(|_| self.pipes.reserve(fd));
                    self.endpoints.greet(attempt, place.is_ok());
                }
                Effect::Release(fd) => self.pipes.release(fd),
                Effect::AskZap(question) => self.ask_zap(&question),
                Effect::ForgetZap(attempt, serial) => self.drop_question(attempt, serial),
                Effect::Established(endpoint, connection) => self.establish(endpoint, *connection),
                Effect::Refused(endpoint) => self.stay_refused(endpoint),
                Effect::GaveUp(endpoint) => self.give_up(endpoint),
            }
        }
    }

    /// What the connections of an endpoint that is made now carry.
    pub(super) fn traffic(&self) -> Traffic {
        Traffic { raw: self.pattern.is_raw(), notes: self.pattern.notifies_raw() }
    }

    fn bind(&mut self, given: &str) -> Result<()> {
        let address = self.endpoints.address_to_bind(given)?;
        if address.is_within_process() {
            return self.bind_inproc(given, address.text());
        }
        self.check_affinity()?;
        let traffic = self.traffic();
        self.endpoints.bind(given, &address, &self.options, traffic)
    }

    pub(super) fn connect(&mut self, given: &str) -> Result<()> {
        let address = Address::parse_for(given, self.socket_type)?;
        if address.is_within_process() {
            return self.connect_inproc(given, address.text());
        }
        let name = address.to_string();
        if self.socket_type.info().connects_once && self.endpoints.is_named(&name) {
            return Ok(());
        }
        address.check_connect()?;
        let route = Route::new(address, &self.options)?;
        self.check_affinity()?;
        self.check_routing_id()?;
        let traffic = self.traffic();
        let number = self.endpoints.add_connecter(name, route, &self.options, traffic);
        let stats = self.endpoints.connecter(number).map(|connecter| connecter.stats.clone());
        if let Some(stats) = stats.filter(|_| !self.options.immediate) {
            let pipe = self.add_pipe(number, stats);
            self.assign_routing_id(pipe);
            if let Some(connecter) = self.endpoints.connecter(number) {
                connecter.pipe = Some(pipe);
            }
            self.attach_pattern(pipe, true);
        }
        self.endpoints.begin_connect(number);
        Ok(())
    }

    /// ZMQ_CONNECT_ROUTING_ID must name no other peer.
    pub(super) fn check_routing_id(&mut self) -> Result<()> {
        let id = &self.options.connect_routing_id;
        if !id.is_empty() && !self.pattern.is_routing_id_free(id) {
            self.options.connect_routing_id.clear();
            return Err(Error::Invalid);
        }
        Ok(())
    }

    fn remove_endpoint(&mut self, name: &str) -> Result<()> {
        let mut found = self.endpoints.named(name);
        if found.is_empty() {
            let parsed = Address::parse_for(name, self.socket_type);
            let address = parsed.map_err(|error| match error {
                AddressError::Nobodys(_) => Error::NotFound,
                AddressError::Malformed(error) => error,
            })?;
            found = self.endpoints.meant_by(&address, self.options.ipv6);
        }
        if found.is_empty() {
            return Err(Error::NotFound);
        }
        // Within the process a socket may have connected to itself: its binding goes first, as in
        // libzmq, and the connections of that name with the next call.
        let binds = |core: &mut Core, number: u32| {
            core.endpoints.get(number).is_some_and(|e| matches!(e.kind, Kind::InprocBinding(_)))
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
            if self.endpoints.get(number).is_some_and(|e| !e.is_closing()) {
                self.close_endpoint(number);
            }
        }
    }

    /// Ends an endpoint. Its pipes linger as ZMQ_LINGER says.
    fn close_endpoint(&mut self, number: u32) {
        let Some(endpoint) = self.endpoints.get(number) else { return };
        let serial = endpoint.serial;
        if let Kind::InprocBinding(name) = &endpoint.kind {
            self.context.registry().lock().unbind(name, self.key);
        }
        let listens = self.endpoints.close_listener(number);
        self.carry_out();
        // What we hold back to collect more is sent as far as the application can tell.
        self.flush_held();
        self.endpoints.begin_closing(number);
        if !self.closing {
            self.endpoints.disconnect(number);
        }
        for id in self.pipes.of_endpoint(number) {
            if listens && !self.closing {
                self.close_pipe_when_read(id);
            } else if self.closing || !self.pipes.ends_within_process(id) {
                self.close_pipe(id);
            }
        }
        self.pump();
        // Gone already if closing the pipes ended it.
        if self.endpoints.get(number).is_some_and(|e| e.serial == serial)
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
                self.wakers.changed = true;
            }
            None => self.close_pipe(id),
        }
    }

    /// Ends a pipe from our side; what was sent lingers.
    fn close_pipe(&mut self, id: PipeId) {
        self.detach_pattern(id);
        let endpoint = self.pipes.get(id).map_or(NO_ENDPOINT, |pipe| pipe.endpoint);
        if self.options.linger == 0 || self.endpoints.is_refused(endpoint) || !self.see_off(id) {
            self.remove_pipe(id);
        }
    }

    pub(super) fn forget_endpoint(&mut self, number: u32) {
        self.endpoints.forget(number);
        self.carry_out();
    }

    /// A pipe is gone; an endpoint that only lived for it goes too.
    pub(super) fn pipe_removed_from_endpoint(&mut self, id: PipeId) {
        let Some(number) = self.pipes.get(id).map(|p| p.endpoint) else { return };
        if let Some(connecter) = self.endpoints.connecter(number)
            && connecter.pipe == Some(id)
        {
            connecter.pipe = None;
        }
        let Some(endpoint) = self.endpoints.get(number) else { return };
        // A connecter whose pipe its pattern closed does not connect again.
        let ends = match &endpoint.kind {
            Kind::Connecter(connecter) => endpoint.is_closing() || !connecter.lives_without_pipe(),
            Kind::InprocConnection(_) => true,
            _ => endpoint.is_closing(),
        };
        if ends && self.pipes.count_of(number) <= 1 {
            self.forget_endpoint(number);
        }
    }

    fn add_pipe(&mut self, endpoint: u32, stats: PeerStats) -> PipeId {
        let fallback = || Arc::new(self.options.clone());
        let options = self.endpoints.options(endpoint).unwrap_or_else(fallback);
        let conflate = self.conflates(&options);
        let (send, receive) = (options.sndhwm.max(0), options.rcvhwm.max(0));
        let wire = Wire::new(send as usize, receive as usize, conflate).with_stats(stats);
        self.pipes.add_wire(wire, endpoint)
    }

    /// The pipe for a connection that is established: the connecter's own, or a new one. The
    /// second value says whether the pattern has to learn of it.
    fn pipe_for(&mut self, endpoint: u32, stats: &PeerStats) -> (PipeId, bool) {
        if let Some(id) = self.endpoints.connecter(endpoint).and_then(|c| c.pipe) {
            return (id, false);
        }
        let id = self.add_pipe(endpoint, stats.clone());
        if let Some(connecter) = self.endpoints.connecter(endpoint) {
            connecter.pipe = Some(id);
        }
        (id, true)
    }

    /// There is a connection: it goes to the set, and a pipe to the pattern.
    fn establish(&mut self, endpoint: u32, mut connection: Connection) {
        if self.pipes.make_place().is_err() {
            // No memory; the peer may try again later.
            self.pipes.release(connection.fd());
            self.report(Event::Disconnected(connection.fd()), &connection.ends);
            self.retry_later(endpoint);
            return;
        }
        // It may be a peer that was here a moment ago, and what it sent then comes first: that it has
        // hung up is seen before it is here again.
        self.poll_set();
        if self.greet(endpoint, &mut connection).is_err() {
            self.retry_later(endpoint);
            return;
        }
        let (id, new) = self.pipe_for(endpoint, &connection.stats);
        let serial = self.endpoints.next_serial();
        connection.serial = serial;
        self.pipes.connect(id, connection);
        if new {
            let connects = self.endpoints.connecter(endpoint).is_some();
            if !connects {
                self.prepare_farewell_of(id, endpoint);
            }
            self.attach_pattern(id, connects);
        }
        if self.pipes.get(id).is_some_and(|p| p.attached) {
            self.pattern.connected(&mut self.pipes, id);
        }
        self.set_heartbeat_timer(id);
        // Bytes that came right behind the handshake make no event any more.
        self.pipes.gather(id);
        self.settle();
        self.wakers.changed = true;
    }

    /// See [`crate::endpoint::Endpoints::retry_later`].
    pub(super) fn retry_later(&mut self, endpoint: u32) {
        self.endpoints.retry_later(endpoint);
        self.carry_out();
    }

    /// A connecter does not connect again. The endpoint is gone, and may be connected anew; what
    /// its pipe has not sent never will be.
    fn give_up(&mut self, number: u32) {
        for id in self.pipes.of_endpoint(number) {
            self.remove_pipe(id);
        }
        self.forget_endpoint(number);
    }

    /// The peer will have nothing to do with us. The endpoint stays until it is disconnected, but not
    /// its pipe, as in libzmq: what is sent would never go anywhere, and other peers can have it.
    fn stay_refused(&mut self, number: u32) {
        if self.closing || !self.endpoints.refuse(number) {
            return self.give_up(number);
        }
        for id in self.pipes.of_endpoint(number) {
            self.close_pipe_when_read(id);
        }
    }
}
