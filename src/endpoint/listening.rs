//! Who listens: bind, and letting peers in.

use super::attempt::Attempt;
use super::endpoints::{Endpoints, Kind, Traffic};
use super::event::Event;
use super::token::{Ready, Timer};
use crate::connection::Ends;
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::stats::{PeerStats, Way, debug};
use crate::sys::{clock, epoll};
use crate::transport::{AcceptError, Address, AddressError, Listener};
use crate::util::reserve;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

/// How long a listener rests when the process has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

impl Endpoints {
    /// What `bind` is asked for.
    ///
    /// # Errors
    /// As zmq_bind(3) of what is no address.
    pub fn address_to_bind(&mut self, given: &str) -> Result<Address> {
        let address = Address::parse_for(given, self.socket_type).inspect_err(|error| {
            // Of what is wrong with an address monitors are told this only.
            if let AddressError::Nobodys(error) = error {
                self.report_failed_bind(given, *error);
            }
        })?;
        Ok(address)
    }

    /// Listens at an address of the system, written so.
    ///
    /// # Errors
    /// As zmq_bind(3).
    pub fn bind(
        &mut self,
        given: &str,
        address: &Address,
        options: &SocketOptions,
        traffic: Traffic,
    ) -> Result<()> {
        let listener = Listener::bind(address, options).map_err(|failed| {
            if let Some(fd) = failed.closed {
                let named = address.names_what_fails().then(|| address.to_string());
                self.report(Event::Closed(fd), &Ends::bound(named.unwrap_or_default()));
            }
            self.report_failed_bind(given, failed.error);
            failed.error
        })?;
        let fd = listener.as_fd().as_raw_fd();
        let resolved = listener.endpoint().to_owned();
        let ends = Ends::bound(listener.name().to_owned());
        let alias = match listener.is_adopted() {
            true => None,
            false => address.resolved_binding(options.ipv6),
        };
        let options = Arc::new(options.clone());
        let kind = Kind::Listener(Box::new(listener));
        let number = self.add(resolved.clone(), kind, options, traffic);
        if let Err(error) = self.watch(fd, epoll::IN, Ready::Listener(number), true) {
            self.remove(number);
            return Err(error);
        }
        if let Some(alias) = alias {
            self.add_name(number, alias);
        }
        self.last = resolved;
        self.say(number, format_args!("listening"));
        self.report(Event::Listening(fd), &ends);
        Ok(())
    }

    /// Tells the monitor in libzmq's words: the address without its transport.
    fn report_failed_bind(&mut self, given: &str, error: Error) {
        self.say_of(given, format_args!("cannot listen: {}", debug::error(error.errno())));
        let address = given.split_once("://").map_or(given, |(_, address)| address);
        self.report(Event::BindFailed(error), &Ends::bound(address.to_owned()));
    }

    /// Nobody listens there any more, and who is not in yet stays outside. The endpoint remains. False if it is
    /// no listener.
    pub fn close_listener(&mut self, number: u32) -> bool {
        let Some(endpoint) = self.get_mut(number) else { return false };
        if !matches!(endpoint.kind, Kind::Listener(_)) {
            return false;
        }
        let gone = Kind::InprocBinding(String::new());
        let Kind::Listener(listener) = std::mem::replace(&mut endpoint.kind, gone) else {
            return false;
        };
        let fd = listener.as_fd().as_raw_fd();
        let ends = Ends::bound(listener.name().to_owned());
        self.unwatch(fd);
        drop(listener);
        self.say(number, format_args!("listens no more"));
        self.report(Event::Closed(fd), &ends);
        for attempt in self.attempts.numbers() {
            if self.attempts.get(attempt).is_some_and(|a| a.endpoint == number) {
                self.drop_attempt(attempt);
            }
        }
        true
    }

    /// A listener is readable. One peer at a time: the reactor comes back for the next when it has looked
    /// at the handshakes of those before.
    pub fn accept(&mut self, number: u32) {
        let Some(endpoint) = self.get(number) else { return };
        let Kind::Listener(listener) = &endpoint.kind else { return };
        let name = Ends::bound(endpoint.resolved.clone());
        let (fd, serial) = (listener.as_fd().as_raw_fd(), endpoint.serial);
        // A peer costs memory. Without any it waits in the kernel, and so do those behind it.
        let room = reserve::ready().map_err(AcceptError::Exhausted);
        match room.and_then(|()| listener.accept(&endpoint.options)) {
            Ok(None) => {}
            Ok(Some(stream)) => {
                let accepted = stream.as_fd().as_raw_fd();
                // Behind a wildcard each connection has the address it came to.
                let mut ends = Ends::bound(stream.local_endpoint());
                ends.remote = stream.remote_endpoint();
                self.say(number, format_args!("{} came", ends.remote));
                self.report(Event::Accepted(accepted), &ends);
                let serial = self.next_serial();
                let stats = PeerStats::of(&self.stats);
                stats.describe(Way::Accepted, &name.local, &ends.remote);
                let mut attempt = Attempt::accepted(number, serial, stream, ends);
                attempt.stats = stats;
                let attempt = self.attempts.insert(attempt);
                self.reached(attempt);
            }
            Err(AcceptError::Exhausted(error)) => {
                let why = debug::error(error.errno());
                self.say(number, format_args!("a peer has to wait: {why}"));
                self.report(Event::AcceptFailed(error), &name);
                // Level-triggered readiness would spin until a descriptor is free.
                let _ = self.watch(fd, 0, Ready::Listener(number), false);
                self.set_timer(clock::now() + ACCEPT_PAUSE, Timer::Accept, number, serial);
            }
            Err(failed) => {
                let why = debug::error(failed.error().errno());
                self.say(number, format_args!("a peer was not let in: {why}"));
                self.report(Event::AcceptFailed(failed.error()), &name);
            }
        }
    }

    /// A listener that rested tries again.
    pub(super) fn resume_accept(&mut self, number: u32) {
        let Some(endpoint) = self.get(number) else { return };
        let Kind::Listener(listener) = &endpoint.kind else { return };
        let _ = self.watch(listener.as_fd().as_raw_fd(), epoll::IN, Ready::Listener(number), false);
    }
}
