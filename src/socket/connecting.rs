//! Connecting, again and again, until there is a connection to open.

use super::core::Core;
use super::driver::{self, Timer, timer_token};
use super::endpoints::Kind;
use super::monitor::event;
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::options::numbers::value::RECONNECT_STOP_CONN_REFUSED;
use crate::pattern::PipeId;
use crate::sync::mutex::Mutex;
use crate::sys::{clock, epoll, helpers, random};
use crate::transport::{Connecting, Route, Step, Stream, Way};
use crate::util::reserve;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a name means, once that is known.
type Answer = Mutex<Option<Result<Vec<Way>>>>;

/// A peer we connect to, again and again.
pub(super) struct Connecter {
    route: Route,
    /// Options as they were at `connect`.
    pub(super) options: Arc<SocketOptions>,
    pub(super) pipe: Option<PipeId>,
    /// The last interval between attempts, in milliseconds.
    interval: Option<i32>,
    /// The answer to the look-up under way. Whoever looks it up does so only as long as this is here.
    looked_up: Option<Arc<Answer>>,
    /// Addresses left to try in this round.
    candidates: std::vec::IntoIter<Way>,
    pub(super) connecting: Option<Connecting>,
    /// When `connecting` has taken too long.
    deadline: Option<Instant>,
    /// The peer will have nothing to do with us: there is no further attempt.
    refused: bool,
}

impl Connecter {
    pub(super) fn new(route: Route, options: Arc<SocketOptions>) -> Connecter {
        Connecter {
            route,
            options,
            pipe: None,
            interval: None,
            looked_up: None,
            candidates: Vec::new().into_iter(),
            connecting: None,
            deadline: None,
            refused: false,
        }
    }

    /// Whether ZMQ_RECONNECT_IVL wants that. The manual says -1 if not; libzmq takes 0 for the same.
    fn reconnects(&self) -> bool {
        self.options.reconnect_ivl > 0
    }

    /// Whether it is one without a pipe: a pipe is made with the next connection, or never.
    pub(super) fn lives_without_pipe(&self) -> bool {
        self.refused || self.options.immediate
    }

    /// What monitor events call it: the endpoint, or the proxy on the way there, as in libzmq.
    fn name(&self) -> String {
        self.route.first().to_string()
    }
}

/// Which events of the descriptor bring the next step.
fn watch(step: Step) -> u32 {
    if step == Step::Listening { epoll::IN } else { epoll::OUT }
}

/// The earlier of a deadline and one that is `milliseconds` away, unless that is 0.
fn sooner(deadline: Option<Instant>, milliseconds: i32) -> Option<Instant> {
    let Ok(wait @ 1..) = u64::try_from(milliseconds) else { return deadline };
    let at = clock::now() + Duration::from_millis(wait);
    Some(deadline.map_or(at, |deadline| deadline.min(at)))
}

impl Core {
    /// Starts a round of attempts to connect.
    pub(super) fn begin_connect(&mut self, number: u32) {
        let Some(connecter) = self.connecter(number) else { return };
        if connecter.route.first().needs_dns() {
            if let Err(error) = self.look_up(number) {
                self.attempt_failed(number, error);
            }
            return;
        }
        let found = connecter.route.first().resolve(&connecter.options);
        self.connect_to(number, found);
    }

    /// Has a name looked up where nobody else has to wait for it: a name server may take its time.
    /// The helper knows nothing of the socket. The answer is for the I/O thread, if either is still
    /// there when it comes.
    fn look_up(&mut self, number: u32) -> Result<()> {
        let (io, key) = (Arc::downgrade(&self.io()?), self.key);
        let Some(endpoint) = self.endpoint(number) else { return Ok(()) };
        let token = timer_token(Timer::LookedUp, number, endpoint.serial);
        let Kind::Connecter(connecter) = &mut endpoint.kind else { return Ok(()) };
        let (first, options) = (connecter.route.first().clone(), connecter.options.clone());
        let answer = Arc::new(Answer::new(None));
        let asked = Arc::downgrade(&answer);
        connecter.looked_up = Some(answer);
        helpers::run(move || {
            if asked.strong_count() == 0 {
                return;
            }
            let found = first.resolve(&options);
            if let (Some(answer), Some(io)) = (asked.upgrade(), io.upgrade()) {
                *answer.lock() = Some(found);
                io.set_timer(clock::now(), key, token);
            }
        })
    }

    /// A name has been looked up.
    pub(super) fn hear_names(&mut self, number: u32) {
        let Some(connecter) = self.connecter(number) else { return };
        let found = connecter.looked_up.as_ref().and_then(|answer| answer.lock().take());
        if let Some(found) = found {
            connecter.looked_up = None;
            self.connect_to(number, found);
        }
    }

    /// The addresses of a name are known, or that there are none.
    fn connect_to(&mut self, number: u32, found: Result<Vec<Way>>) {
        match (self.connecter(number), found) {
            (Some(connecter), Ok(addresses)) => {
                connecter.candidates = addresses.into_iter();
                self.connect_next(number);
            }
            (Some(_), Err(error)) => self.attempt_failed(number, error),
            (None, _) => {}
        }
    }

    /// Tries the next address of a round.
    fn connect_next(&mut self, number: u32) {
        if let Err(error) = reserve::ready() {
            return self.attempt_failed(number, error);
        }
        let Some(connecter) = self.connecter(number) else { return };
        let name = connecter.name();
        let (mut failed, mut why) = (-1, Error::Invalid);
        for address in connecter.candidates.by_ref() {
            let started = connecter.route.start(&address, &connecter.options);
            let Ok(mut connecting) = started else { continue };
            let step = match connecting.first_step() {
                Ok(step) => step,
                Err(error) => {
                    (failed, why) = (connecting.as_fd().as_raw_fd(), error);
                    continue;
                }
            };
            if step == Step::Made {
                self.connected(number, connecting.finish());
                return;
            }
            let fd = connecting.as_fd().as_raw_fd();
            connecter.connecting = Some(connecting);
            connecter.deadline = None;
            if step == Step::Connecting {
                self.report(event::CONNECT_DELAYED, i64::from(libc::EINPROGRESS), &name);
            }
            let Ok(io) = self.io() else { return };
            if io.add(fd, watch(step), self.key, driver::connecting(number)).is_err() {
                self.drop_connecting(number);
                self.attempt_failed(number, Error::NoMemory);
                return;
            }
            self.limit_connecting(number, |options| options.connect_timeout);
            self.limit_dialogue(number, step);
            return;
        }
        self.report(event::CLOSED, i64::from(failed), &name);
        self.attempt_failed(number, why);
    }

    /// A connecting descriptor is ready.
    pub(super) fn connecting_ready(&mut self, number: u32) {
        let Some(connecting) = self.connecter(number).and_then(|c| c.connecting.as_mut()) else {
            return;
        };
        let fd = connecting.as_fd().as_raw_fd();
        match connecting.advance() {
            Ok(Step::Made) => {
                let made = self.drop_connecting(number).map(Connecting::finish);
                if let Some(stream) = made {
                    self.connected(number, stream);
                }
            }
            Ok(step) => {
                let key = self.key;
                if let Ok(io) = self.io() {
                    let _ = io.modify(fd, watch(step), key, driver::connecting(number));
                }
                self.limit_dialogue(number, step);
            }
            Err(error) => self.connecting_failed(number, error),
        }
    }

    /// The deadline of a connecting descriptor may have passed.
    pub(super) fn connecting_overdue(&mut self, number: u32) {
        let Some(connecter) = self.connecter(number) else { return };
        // Deadlines of earlier attempts come up, too.
        let due = connecter.deadline.is_some_and(|deadline| deadline <= clock::now());
        if due && connecter.connecting.is_some() {
            self.connecting_failed(number, Error::Os(libc::ETIMEDOUT));
        }
    }

    fn connecting_failed(&mut self, number: u32, why: Error) {
        let Some(connecting) = self.drop_connecting(number) else { return };
        let fd = connecting.as_fd().as_raw_fd();
        drop(connecting);
        let Some(connecter) = self.connecter(number) else { return };
        if connecter.candidates.len() > 0 {
            self.connect_next(number);
        } else {
            let name = connecter.name();
            self.report(event::CLOSED, i64::from(fd), &name);
            self.attempt_failed(number, why);
        }
    }

    /// The endpoint ends while it connects.
    pub(super) fn stop_connecting(&mut self, number: u32) {
        if let Some(connecting) = self.drop_connecting(number) {
            let fd = connecting.as_fd().as_raw_fd();
            drop(connecting);
            let name = self.connecter(number).map(|c| c.name()).unwrap_or_default();
            self.report(event::CLOSED, i64::from(fd), &name);
        }
    }

    /// Takes a connecting descriptor from the endpoint and the reactor.
    fn drop_connecting(&mut self, number: u32) -> Option<Connecting> {
        let connecting = self.connecter(number)?.connecting.take()?;
        if let Ok(io) = self.io() {
            let _ = io.remove(connecting.as_fd().as_raw_fd());
        }
        Some(connecting)
    }

    /// The dialogue with a proxy, which has begun if it is its step, is a handshake, too
    /// (ZMQ_HANDSHAKE_IVL).
    fn limit_dialogue(&mut self, number: u32, step: Step) {
        if step != Step::Connecting {
            self.limit_connecting(number, |options| options.handshake_ivl);
        }
    }

    /// The attempt shall not take longer from now on than an option says, in milliseconds.
    fn limit_connecting(&mut self, number: u32, limit: fn(&SocketOptions) -> i32) {
        let Some(endpoint) = self.endpoint(number) else { return };
        let serial = endpoint.serial;
        let Kind::Connecter(connecter) = &mut endpoint.kind else { return };
        let deadline = sooner(connecter.deadline, limit(&connecter.options));
        if deadline != connecter.deadline {
            connecter.deadline = deadline;
            if let Some(at) = deadline {
                self.set_timer(at, Timer::ConnectTimeout, number, serial);
            }
        }
    }

    fn connected(&mut self, number: u32, stream: Stream) {
        let Some(connecter) = self.connecter(number) else { return };
        connecter.candidates = Vec::new().into_iter();
        let name = connecter.name();
        self.report(event::CONNECTED, i64::from(stream.as_fd().as_raw_fd()), &name);
        self.open(number, stream, true, name);
    }

    /// A connection was lost, or could not be set up: whoever connects does so again after a while, or
    /// never. A listener goes on as it is, and the peer may come again.
    pub(super) fn retry_later(&mut self, number: u32) {
        match self.connecter(number).map(|c| c.reconnects()) {
            Some(true) => self.schedule_attempt(number),
            Some(false) => self.give_up(number),
            None => {}
        }
    }

    /// There was no connection yet. If there is to be no second attempt the endpoint stays all the
    /// same, and what is sent waits, as in libzmq; unless nobody listens there and the application
    /// wants it to end then (ZMQ_RECONNECT_STOP).
    fn attempt_failed(&mut self, number: u32, why: Error) {
        if why == Error::ConnectionRefused && self.stops_if(number, RECONNECT_STOP_CONN_REFUSED) {
            self.give_up(number);
        } else if self.connecter(number).is_some_and(|c| c.reconnects()) {
            self.schedule_attempt(number);
        }
    }

    /// Whether ZMQ_RECONNECT_STOP says that the endpoint does not connect again after this.
    pub(super) fn stops_if(&mut self, number: u32, condition: i32) -> bool {
        self.connecter(number).is_some_and(|c| c.options.reconnect_stop & condition != 0)
    }

    fn schedule_attempt(&mut self, number: u32) {
        let Some(endpoint) = self.endpoint(number) else { return };
        let serial = endpoint.serial;
        let Kind::Connecter(connecter) = &mut endpoint.kind else { return };
        let name = connecter.name();
        let base = connecter.options.reconnect_ivl;
        let most = connecter.options.reconnect_ivl_max;
        let interval = match connecter.interval {
            Some(last) if most > base => last.saturating_mul(2).min(most),
            _ => base,
        };
        connecter.interval = Some(interval);
        // Jitter keeps clients that lost the same server from coming back at once.
        let mut wait = interval.saturating_add((random::u32() % interval.max(1) as u32) as i32);
        if most > base {
            wait = wait.min(most.max(interval));
        }
        self.report(event::CONNECT_RETRIED, i64::from(wait), &name);
        let at = clock::now() + Duration::from_millis(wait as u64);
        self.set_timer(at, Timer::Reconnect, number, serial);
    }

    /// A connecter does not connect again. The endpoint is gone, and may be connected anew; what
    /// its pipe has not sent never will be.
    pub(super) fn give_up(&mut self, number: u32) {
        for id in self.pipes.of_endpoint(number) {
            self.remove_pipe(id);
        }
        self.forget_endpoint(number);
    }

    /// The peer will have nothing to do with us. The endpoint stays until it is disconnected, but not
    /// its pipe, as in libzmq: what is sent would never go anywhere, and other peers can have it.
    pub(super) fn stay_refused(&mut self, number: u32) {
        let closing = self.closing || self.endpoint(number).is_some_and(|e| e.is_closing());
        match self.connecter(number) {
            Some(connecter) if !closing => connecter.refused = true,
            _ => return self.give_up(number),
        }
        for id in self.pipes.of_endpoint(number) {
            self.close_pipe_when_read(id);
        }
    }

    /// Whether the peer of this endpoint will have nothing to do with us: what its pipe has not sent
    /// need not linger, because it never will be.
    pub(super) fn is_refused(&mut self, number: u32) -> bool {
        self.connecter(number).is_some_and(|connecter| connecter.refused)
    }

    /// A handshake succeeded: the next loss begins with the shortest interval again.
    pub(super) fn reset_interval(&mut self, number: u32) {
        if let Some(connecter) = self.connecter(number) {
            connecter.interval = None;
        }
    }
}
