//! Connecting, again and again, until there is a connection to open.

use super::Socket;
use super::core::Core;
use super::driver::{self, Timer};
use super::endpoints::Kind;
use super::monitor::event;
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::pattern::PipeId;
use crate::sys::{epoll, random};
use crate::transport::{Address, Connecting, SocketAddrAny, Stream, start_connect};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// A peer we connect to, again and again.
pub(super) struct Connecter {
    address: Address,
    /// Options as they were at `connect`.
    pub(super) options: SocketOptions,
    pub(super) pipe: Option<PipeId>,
    /// The last interval between attempts, in milliseconds.
    interval: Option<i32>,
    /// Addresses left to try in this round.
    candidates: std::vec::IntoIter<SocketAddrAny>,
    pub(super) connecting: Option<OwnedFd>,
}

impl Connecter {
    pub(super) fn new(address: Address, options: SocketOptions) -> Connecter {
        let candidates = Vec::new().into_iter();
        Connecter { address, options, pipe: None, interval: None, candidates, connecting: None }
    }
}

impl Core {
    /// Starts a round of attempts to connect.
    pub(super) fn begin_connect(&mut self, number: u32) {
        let Some(endpoint) = self.endpoint(number) else { return };
        let serial = endpoint.serial;
        let Kind::Connecter(connecter) = &mut endpoint.kind else { return };
        if connecter.address.needs_dns() {
            let (address, options) = (connecter.address.clone(), connecter.options.clone());
            let key = self.key;
            // Names are resolved on a thread of their own: a name server may take its time.
            let spawned = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
                let found = address.resolve(&options);
                if let Some(socket) = super::find(key.index) {
                    socket.resolved(key.generation, number, serial, found);
                }
            });
            if spawned.is_err() {
                self.retry_later(number);
            }
            return;
        }
        let found = connecter.address.resolve(&connecter.options);
        self.connect_to(number, found);
    }

    /// The addresses of a name are known, or that there are none.
    pub(super) fn connect_to(&mut self, number: u32, found: Result<Vec<SocketAddrAny>>) {
        match (self.connecter(number), found) {
            (Some(connecter), Ok(addresses)) => {
                connecter.candidates = addresses.into_iter();
                self.connect_next(number);
            }
            (Some(_), Err(_)) => self.retry_later(number),
            (None, _) => {}
        }
    }

    /// Tries the next address of a round.
    pub(super) fn connect_next(&mut self, number: u32) {
        let Some(endpoint) = self.endpoint(number) else { return };
        let (serial, name) = (endpoint.serial, endpoint.resolved.clone());
        let Kind::Connecter(connecter) = &mut endpoint.kind else { return };
        for address in connecter.candidates.by_ref() {
            let Ok(connecting) = start_connect(&address, &connecter.options) else { continue };
            if !connecting.in_progress {
                if let Ok(stream) = connecting.finish() {
                    self.connected(number, stream);
                    return;
                }
                continue;
            }
            let timeout = connecter.options.connect_timeout;
            let fd = connecting.fd.as_raw_fd();
            connecter.connecting = Some(connecting.fd);
            self.report(event::CONNECT_DELAYED, i64::from(libc::EINPROGRESS), &name);
            let Ok(io) = self.io() else { return };
            if io.add(fd, epoll::OUT, self.key, driver::connecting(number)).is_err() {
                self.retry_later(number);
                return;
            }
            if timeout > 0 {
                let at = Instant::now() + Duration::from_millis(timeout as u64);
                self.set_timer(at, Timer::ConnectTimeout, number, serial);
            }
            return;
        }
        self.report(event::CLOSED, -1, &name);
        self.retry_later(number);
    }

    /// A connecting descriptor is ready, or (`timed_out`) took too long.
    pub(super) fn connecting_ready(&mut self, number: u32, timed_out: bool) {
        let Some(connecter) = self.connecter(number) else { return };
        let Some(fd) = connecter.connecting.take() else { return };
        if let Ok(io) = self.io() {
            let _ = io.remove(fd.as_raw_fd());
        }
        let raw = fd.as_raw_fd();
        let finished = if timed_out {
            Err(Error::Os(libc::ETIMEDOUT))
        } else {
            Connecting { fd, in_progress: true }.finish()
        };
        match finished {
            Ok(stream) => self.connected(number, stream),
            Err(_) => {
                let name = self.endpoint(number).map(|e| e.resolved.clone()).unwrap_or_default();
                let more = self.connecter(number).is_some_and(|c| c.candidates.len() > 0);
                if more {
                    self.connect_next(number);
                } else {
                    self.report(event::CLOSED, i64::from(raw), &name);
                    self.retry_later(number);
                }
            }
        }
    }

    fn connected(&mut self, number: u32, stream: Stream) {
        let Some(endpoint) = self.endpoint(number) else { return };
        let name = endpoint.resolved.clone();
        if let Kind::Connecter(connecter) = &mut endpoint.kind {
            connecter.candidates = Vec::new().into_iter();
        }
        self.report(event::CONNECTED, i64::from(stream.as_fd().as_raw_fd()), &name);
        self.open(number, stream, true, name);
    }

    /// Connects again after a while (ZMQ_RECONNECT_IVL).
    pub(super) fn retry_later(&mut self, number: u32) {
        let Some(endpoint) = self.endpoint(number) else { return };
        let (serial, name) = (endpoint.serial, endpoint.resolved.clone());
        let Kind::Connecter(connecter) = &mut endpoint.kind else { return };
        let base = connecter.options.reconnect_ivl;
        if base < 0 {
            self.give_up(number);
            return;
        }
        let most = connecter.options.reconnect_ivl_max;
        let interval = match connecter.interval {
            Some(last) if most > base => last.saturating_mul(2).min(most),
            _ => base,
        };
        connecter.interval = Some(interval);
        // Jitter keeps clients that lost the same server from coming back at once.
        let mut wait = interval;
        if interval > 0 {
            wait = wait.saturating_add((random::u32() % interval as u32) as i32);
            if most > base {
                wait = wait.min(most.max(interval));
            }
        }
        self.report(event::CONNECT_RETRIED, i64::from(wait), &name);
        let at = Instant::now() + Duration::from_millis(wait.max(0) as u64);
        self.set_timer(at, Timer::Reconnect, number, serial);
    }

    /// A connecter does not connect again. The endpoint is gone, and may be connected anew; what
    /// its pipe has not sent never will be.
    pub(super) fn give_up(&mut self, number: u32) {
        for id in self.pipes.ids() {
            if self.pipes.get(id).is_some_and(|p| p.endpoint == number) {
                self.remove_pipe(id);
            }
        }
        self.forget_endpoint(number);
    }

    /// A handshake succeeded: the next loss begins with the shortest interval again.
    pub(super) fn reset_interval(&mut self, number: u32) {
        if let Some(connecter) = self.connecter(number) {
            connecter.interval = None;
        }
    }
}

impl Socket {
    /// A helper thread has resolved the name of an endpoint.
    fn resolved(
        &'static self,
        generation: u32,
        number: u32,
        serial: u32,
        found: Result<Vec<SocketAddrAny>>,
    ) {
        let Some(mut core) = self.lock_for_reactor(generation) else { return };
        if core.key.generation != generation
            || core.endpoint(number).is_none_or(|e| e.serial != serial)
        {
            return;
        }
        core.connect_to(number, found);
        self.after_reactor(core);
    }
}
