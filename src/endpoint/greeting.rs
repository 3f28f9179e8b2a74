//! What becomes of attempts: their descriptors are ready, their time is over, a ZAP handler answers.

use super::attempt::{Attempt, Progress, Stage};
use super::effect::{Effect, Question};
use super::endpoints::Endpoints;
use super::event::Event;
use super::failure;
use super::token::{Ready, Timer};
use crate::connection::{Connection, Heartbeat};
use crate::error::{Error, Result};
use crate::msg::{Metadata, Msg};
use crate::options::SocketOptions;
use crate::options::numbers::value::RECONNECT_STOP_HANDSHAKE_FAILED;
use crate::reactor::{IoThread, Key};
use crate::security;
use crate::stats::{Agreed, State};
use crate::sys::{clock, epoll, helpers};
use crate::wire::{Established, HandshakeConfig, HandshakeError, ZapReply};
use std::sync::{Arc, Weak};
use std::time::Duration;
use zeroize::Zeroizing;

/// Tells an I/O thread, if it is still there, that a helper is done: also if it panicked, or if nobody came to it.
struct Done {
    io: Weak<IoThread>,
    key: Key,
    token: u64,
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(io) = self.io.upgrade() {
            io.set_timer(clock::now(), self.key, self.token);
        }
    }
}

impl Endpoints {
    /// The time has come for something that was asked for with this number and serial.
    pub fn timer_due(&mut self, timer: Timer, number: u32, serial: u32) {
        if timer == Timer::Worked {
            self.hear_of_work(number, serial);
        } else if timer == Timer::Attempt {
            let attempt = self.attempts.get(number);
            // Deadlines of earlier stages come up, too.
            let due = |a: &Attempt| a.deadline.is_some_and(|deadline| deadline <= clock::now());
            match attempt.filter(|a| a.serial == serial && due(a)).map(|a| a.stage) {
                None => {}
                // libzmq's monitors tell the errno of the last read, which had nothing.
                Some(Stage::Greeting) => self.greeting_closed(number, Error::Again),
                Some(_) => self.connecting_failed(number, Error::Os(libc::ETIMEDOUT)),
            }
        } else if self.get(number).is_some_and(|endpoint| endpoint.serial == serial) {
            match timer {
                Timer::Reconnect => self.begin_connect(number),
                Timer::LookedUp => self.hear_names(number),
                Timer::Accept => self.resume_accept(number),
                _ => {}
            }
        }
    }

    /// A descriptor is ready.
    pub fn ready(&mut self, what: Ready, events: u32) {
        let (number, connecting) = match what {
            Ready::Set => return,
            Ready::Listener(number) => return self.accept(number),
            Ready::Connecting(number) => (number, true),
            Ready::Greeting(number) => (number, false),
        };
        let Some(attempt) = self.attempts.get_mut(number) else { return };
        if connecting != (attempt.stage == Stage::Connecting) {
            // Not this attempt's.
        } else if attempt.is_waiting() && events & (epoll::FAILED | epoll::PEER_CLOSED) != 0 {
            // Nothing is read while the ZAP handler or a helper is at it, but a peer that left is not kept.
            self.greeting_closed(number, Error::Os(libc::EPIPE));
        } else {
            self.drive(number);
        }
    }

    /// Goes on with an attempt.
    pub(super) fn drive(&mut self, at: u32) {
        let Some(attempt) = self.attempts.get_mut(at) else { return };
        match attempt.drive() {
            Progress::Waiting(events) => {
                if attempt.stage == Stage::OnTheWay {
                    // The dialogue with a proxy is a handshake, too (ZMQ_HANDSHAKE_IVL).
                    self.limit(at, |options| options.handshake_ivl);
                }
                if self.watch_attempt(at, events).is_err() {
                    self.attempt_failed(at, Error::NoMemory);
                }
            }
            Progress::Reached => {
                let (fd, ends) = (attempt.fd(), attempt.ends.clone());
                let endpoint = attempt.endpoint;
                if let Some(connecter) = self.connecter(endpoint) {
                    connecter.candidates = Vec::new().into_iter();
                }
                self.say(endpoint, format_args!("connected; the handshake begins"));
                self.report(Event::Connected(fd), &ends);
                self.reached(at);
            }
            Progress::WaitingForZap => self.ask_zap(at),
            Progress::Working => self.have_done(at),
            Progress::Established(Some(established), rest) => {
                self.established(at, *established, rest);
            }
            Progress::Established(None, rest) => self.established_raw(at, rest),
            Progress::Failed(error) => self.greeting_failed(at, &error),
            Progress::Closed(error) => self.attempt_failed(at, error),
        }
    }

    /// The peer is here, and will be spoken to as soon as what it says can find its place.
    pub(super) fn reached(&mut self, at: u32) {
        let Some(endpoint) = self.attempts.get(at).and_then(|a| self.get(a.endpoint)) else {
            return;
        };
        let (options, resolved) = (endpoint.options.clone(), endpoint.resolved.clone());
        let config = (!endpoint.traffic.raw).then(|| {
            let routing_id = options.routing_id.clone();
            let mechanism = security::mechanism(&options);
            let mut config = HandshakeConfig::new(self.socket_type, routing_id, mechanism);
            config.properties.clone_from(&options.metadata);
            config
        });
        let Some(attempt) = self.attempts.get_mut(at) else { return };
        if let Err(error) = attempt.begin_greeting(&resolved, &options, config) {
            return self.greeting_closed(at, error);
        }
        attempt.stats.state(State::Handshaking);
        let fd = attempt.fd();
        self.effect(Effect::Prepare(at, fd));
    }

    /// Begins to speak to the peer of an attempt, if there is a place for what it says: after
    /// [`Effect::Prepare`].
    pub fn greet(&mut self, at: u32, has_place: bool) {
        let Some(attempt) = self.attempts.get_mut(at) else { return };
        attempt.has_place = has_place;
        let (endpoint, serial) = (attempt.endpoint, attempt.serial);
        let (fd, ends) = (attempt.fd(), attempt.ends.clone());
        if attempt.deadline.take().is_some() {
            self.clear_timer(Timer::Attempt, at, serial);
        }
        if !has_place || self.watch_attempt(at, epoll::IN).is_err() {
            self.drop_attempt(at);
            self.report(Event::Disconnected(fd), &ends);
            self.retry_later(endpoint);
            return;
        }
        self.limit(at, |options| options.handshake_ivl);
        self.drive(at);
    }

    /// An attempt shall not take longer from now on than an option says, in milliseconds, unless that is 0.
    pub(super) fn limit(&mut self, at: u32, limit: fn(&SocketOptions) -> i32) {
        let Some(attempt) = self.attempts.get(at) else { return };
        let Some(options) = self.options(attempt.endpoint) else { return };
        let Ok(wait @ 1..) = u64::try_from(limit(&options)) else { return };
        let deadline = clock::now() + Duration::from_millis(wait);
        let Some(attempt) = self.attempts.get_mut(at) else { return };
        if attempt.deadline.is_none_or(|earlier| deadline < earlier) {
            attempt.deadline = Some(deadline);
            let serial = attempt.serial;
            self.set_timer(deadline, Timer::Attempt, at, serial);
        }
    }

    /// Has the descriptor of an attempt watched for this from now on.
    ///
    /// # Errors
    /// Whatever epoll_ctl(2) says.
    pub(super) fn watch_attempt(&mut self, at: u32, events: u32) -> Result<()> {
        let Some(attempt) = self.attempts.get_mut(at) else { return Ok(()) };
        let wanted = (events, attempt.stage);
        let (fd, before) = (attempt.fd(), attempt.watched.replace(wanted));
        if before == Some(wanted) {
            return Ok(());
        }
        let connects = attempt.stage == Stage::Connecting;
        let what = if connects { Ready::Connecting(at) } else { Ready::Greeting(at) };
        self.watch(fd, events, what, before.is_none())
    }

    /// An attempt is over: takes it out.
    fn take_attempt(&mut self, at: u32) -> Option<Attempt> {
        let attempt = self.attempts.remove(at)?;
        if attempt.deadline.is_some() {
            self.clear_timer(Timer::Attempt, at, attempt.serial);
        }
        if attempt.watched.is_some() {
            self.unwatch(attempt.fd());
        }
        if let Some(connecter) = self.connecter(attempt.endpoint)
            && connecter.attempt == Some(at)
        {
            connecter.attempt = None;
        }
        Some(attempt)
    }

    /// Ends an attempt, whatever it was doing.
    pub(super) fn drop_attempt(&mut self, at: u32) {
        let Some(mut attempt) = self.take_attempt(at) else { return };
        if attempt.waits_for_zap() {
            self.effect(Effect::ForgetZap(at, attempt.serial));
        }
        if attempt.has_place {
            self.effect(Effect::Release(attempt.fd()));
        }
    }

    /// The transport of an attempt failed.
    fn attempt_failed(&mut self, at: u32, error: Error) {
        match self.attempts.get(at).map(|attempt| attempt.stage) {
            Some(Stage::Greeting) => self.greeting_closed(at, error),
            _ => self.connecting_failed(at, error),
        }
    }

    /// The peer was refused, or refuses us.
    fn greeting_failed(&mut self, at: u32, error: &HandshakeError) {
        let Some(attempt) = self.attempts.get(at) else { return };
        let (ends, endpoint, fd) = (attempt.ends.clone(), attempt.endpoint, attempt.fd());
        self.note_refusal(at, failure::of(error));
        if let Some(event) = Event::of_failure(error) {
            self.report(event, &ends);
        }
        self.drop_attempt(at);
        self.report(Event::Disconnected(fd), &ends);
        if self.connecter(endpoint).is_none() {
            return;
        }
        if error.may_pass() && !self.stops_if(endpoint, RECONNECT_STOP_HANDSHAKE_FAILED) {
            self.retry_later(endpoint);
        } else {
            // A peer we do not understand, or that refuses us, will not change its mind: like
            // libzmq we do not try again. (One that hangs up, with or without a word, is tried.)
            self.effect(Effect::Refused(endpoint));
        }
    }

    /// A connection ended before its handshake.
    fn greeting_closed(&mut self, at: u32, error: Error) {
        let Some(attempt) = self.attempts.get(at) else { return };
        let (ends, endpoint, fd) = (attempt.ends.clone(), attempt.endpoint, attempt.fd());
        self.note_refusal(at, failure::of_end(error));
        self.report(Event::HandshakeFailedNoDetail(error.errno()), &ends);
        self.drop_attempt(at);
        self.report(Event::Disconnected(fd), &ends);
        if self.stops_if(endpoint, RECONNECT_STOP_HANDSHAKE_FAILED) {
            self.effect(Effect::Refused(endpoint));
        } else {
            self.retry_later(endpoint);
        }
    }

    /// A handshake stands still until the ZAP handler has spoken.
    fn ask_zap(&mut self, at: u32) {
        let Some(attempt) = self.attempts.get_mut(at) else { return };
        let (endpoint, serial) = (attempt.endpoint, attempt.serial);
        // Asked already if there is no question; bytes of the peer wait in the kernel meanwhile.
        let Some(request) = attempt.handshake().and_then(|handshake| handshake.zap_request())
        else {
            return;
        };
        let peer = attempt.peer.clone();
        let _ = self.watch_attempt(at, epoll::PEER_CLOSED);
        let question = Question { attempt: at, serial, endpoint, peer, request };
        self.effect(Effect::AskZap(Box::new(question)));
    }

    /// What the ZAP handler says of the peer of an attempt, or why it says nothing.
    pub fn hear_zap(
        &mut self,
        at: u32,
        serial: u32,
        reply: std::result::Result<ZapReply, HandshakeError>,
    ) {
        let attempt = self.attempts.get_mut(at).filter(|attempt| attempt.serial == serial);
        let Some(attempt) = attempt else { return };
        let Some(handshake) = attempt.handshake() else { return };
        if let Err(error) = handshake.zap_reply(reply) {
            attempt.say_goodbye();
            self.greeting_failed(at, &error);
            return;
        }
        let _ = self.watch_attempt(at, epoll::IN);
        self.drive(at);
    }

    /// A handshake stands still until something is done that takes as long as others like: a helper does it, who
    /// knows nothing of the socket. That it is done is for the I/O thread, if either is still there then.
    fn have_done(&mut self, at: u32) {
        let io = self.io.as_ref().map_or_else(Weak::new, Arc::downgrade);
        let key = self.key;
        let Some(attempt) = self.attempts.get_mut(at) else { return };
        let serial = attempt.serial;
        // Being done already if there is none; bytes of the peer wait in the kernel meanwhile.
        let Some(work) = attempt.handshake().and_then(|handshake| handshake.work()) else { return };
        let _ = self.watch_attempt(at, epoll::PEER_CLOSED);
        let done = Done { io, key, token: Timer::Worked.token(at, serial) };
        let begun = helpers::run(move || {
            let _tells = done;
            work();
        });
        if begun.is_err() {
            self.hear_of_work(at, serial);
        }
    }

    /// A helper has done what a handshake has waited for, or there is none to do it.
    fn hear_of_work(&mut self, at: u32, serial: u32) {
        let attempt = self.attempts.get_mut(at).filter(|attempt| attempt.serial == serial);
        let Some(attempt) = attempt else { return };
        let Some(handshake) = attempt.handshake() else { return };
        if let Err(error) = handshake.work_done() {
            attempt.say_goodbye();
            self.greeting_failed(at, &error);
            return;
        }
        let _ = self.watch_attempt(at, epoll::IN);
        self.drive(at);
    }

    /// A handshake succeeded.
    fn established(&mut self, at: u32, established: Established, mut rest: Zeroizing<Vec<u8>>) {
        let Some(attempt) = self.take_attempt(at) else { return };
        let (endpoint, ours, ends) = (attempt.endpoint, attempt.ours, attempt.ends.clone());
        let mut metadata = Metadata::default();
        // First what we know ourselves: nothing a peer announces takes its place.
        metadata.add(b"__fd", attempt.fd().to_string().as_bytes());
        metadata.add(b"Peer-Address", attempt.peer.as_bytes());
        for (name, value) in &established.properties {
            metadata.add(name, value);
        }
        if !established.peer_routing_id.is_empty() {
            // That of an old version is no property yet.
            metadata.add(b"Identity", &established.peer_routing_id);
        }
        let Some(options) = self.options(endpoint) else {
            return self.effect(Effect::Release(attempt.fd()));
        };
        let limit = u64::try_from(options.maxmsgsize).unwrap_or(u64::MAX);
        let subscribe_all = established.subscribe_all;
        let peer_type = established.peer_socket_type.map_or(-1, |peer| peer as i32);
        let (mechanism, version) = (options.mechanism, established.version);
        self.note_connection(&attempt, Agreed { mechanism, version, peer_type });
        let stats = attempt.stats.clone();
        let (fd, websocket) = attempt.into_parts();
        let rest = std::mem::take(&mut *rest);
        let mut connection = Connection::new(fd, established, limit, rest, metadata, ends.clone());
        connection.stats = stats;
        if let Some(websocket) = websocket {
            connection.carry(websocket);
        }
        connection.begin_heartbeats(Heartbeat::of(&options), clock::now());
        if subscribe_all && let Ok(all) = Msg::copy_from(&[1]) {
            connection.rx.inject(all);
        }
        self.report(Event::HandshakeSucceeded, &ends);
        if ours && let Some(connecter) = self.connecter(endpoint) {
            connecter.reset_interval();
        }
        self.effect(Effect::Established(endpoint, Box::new(connection)));
    }

    /// There is a connection that carries bytes as they are.
    fn established_raw(&mut self, at: u32, mut rest: Zeroizing<Vec<u8>>) {
        let Some(attempt) = self.take_attempt(at) else { return };
        let (endpoint, ends) = (attempt.endpoint, attempt.ends.clone());
        let mut metadata = Metadata::default();
        metadata.add(b"Peer-Address", attempt.peer.as_bytes());
        metadata.add(b"__fd", attempt.fd().to_string().as_bytes());
        self.note_connection(&attempt, Agreed { mechanism: -1, version: (0, 0), peer_type: -1 });
        let stats = attempt.stats.clone();
        let (fd, websocket) = attempt.into_parts();
        let mut connection = if let Some(websocket) = websocket {
            let Some(options) = self.options(endpoint) else { return };
            let limit = u64::try_from(options.maxmsgsize).unwrap_or(u64::MAX);
            let mut connection = Connection::messages(fd, limit, metadata, ends);
            connection.carry(websocket);
            connection
        } else {
            Connection::raw(fd, metadata, ends)
        };
        connection.stats = stats;
        if self.traffic(endpoint).notes {
            connection.rx.inject(Msg::new());
        }
        connection.rx.preload(std::mem::take(&mut *rest));
        if let Some(connecter) = self.connecter(endpoint) {
            connecter.reset_interval();
        }
        self.effect(Effect::Established(endpoint, Box::new(connection)));
    }
}
