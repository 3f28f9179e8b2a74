//! Connecting, again and again, until there is a connection.

use super::attempt::{Attempt, Stage};
use super::connecter::{Answer, Connecter};
use super::effect::Effect;
use super::endpoints::{Endpoints, Kind, Traffic};
use super::event::Event;
use super::token::Timer;
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::options::numbers::value::{
    RECONNECT_STOP_AFTER_DISCONNECT, RECONNECT_STOP_CONN_REFUSED,
};
use crate::stats::{self, PeerStats, State, debug};
use crate::sys::{clock, epoll, helpers};
use crate::transport::{Route, Stream, Way};
use crate::util::reserve;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

impl Endpoints {
    /// An endpoint to connect to, by this name; [`Endpoints::begin_connect`] does.
    pub fn add_connecter(
        &mut self,
        name: String,
        route: Route,
        options: &SocketOptions,
        traffic: Traffic,
    ) -> u32 {
        let options = Arc::new(options.clone());
        let stats = PeerStats::of(&self.stats);
        stats.describe(stats::Way::Connected, &name, "");
        let connecter = Connecter::new(route, options.clone(), stats);
        let kind = Kind::Connecter(Box::new(connecter));
        self.last.clone_from(&name);
        self.add(name, kind, options, traffic)
    }

    /// Starts a round of attempts to connect.
    pub fn begin_connect(&mut self, number: u32) {
        let Some(connecter) = self.connecter(number) else { return };
        connecter.waits = false;
        if connecter.route.first().needs_dns() {
            connecter.stats.state(State::Resolving);
            self.say(number, format_args!("looking up its name"));
            if let Err(error) = self.look_up(number) {
                self.no_connection(number, error);
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
        let io = Arc::downgrade(self.io.as_ref().ok_or(Error::NoIoThread)?);
        let key = self.key;
        let Some(endpoint) = self.get_mut(number) else { return Ok(()) };
        let token = Timer::LookedUp.token(number, endpoint.serial);
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
            (Some(_), Err(error)) => self.no_connection(number, error),
            (None, _) => {}
        }
    }

    /// Tries the next address of a round.
    fn connect_next(&mut self, number: u32) {
        if let Err(error) = reserve::ready() {
            return self.no_connection(number, error);
        }
        let Some(connecter) = self.connecter(number) else { return };
        debug_assert!(connecter.attempt.is_none(), "two attempts of one endpoint at a time");
        let (mut failed, mut why) = (-1, Error::Invalid);
        for way in connecter.candidates.by_ref() {
            let Ok((stream, connected)) = connecter.route.start(&way, &connecter.options) else {
                continue;
            };
            match connected {
                Ok(connected) => return self.begin_attempt(number, stream, connected),
                Err(error) => (failed, why) = (stream.as_fd().as_raw_fd(), error),
            }
        }
        let ends = connecter.ends();
        self.report(Event::Closed(failed), &ends);
        self.no_connection(number, why);
    }

    /// The system connects, or has connected already.
    fn begin_attempt(&mut self, number: u32, stream: Stream, connected: bool) {
        let serial = self.next_serial();
        let Some(connecter) = self.connecter(number) else { return };
        let ends = connecter.ends();
        let dialogues = connecter.route.dialogues(&connecter.options);
        let mut attempt = Attempt::connecting(number, serial, stream, dialogues, ends.clone());
        connecter.stats.state(State::Connecting);
        attempt.stats = connecter.stats.clone();
        if connected {
            attempt.stage = Stage::OnTheWay;
        }
        let at = self.attempts.insert(attempt);
        if let Some(connecter) = self.connecter(number) {
            connecter.attempt = Some(at);
        }
        self.limit(at, |options| options.connect_timeout);
        if connected {
            return self.drive(at);
        }
        self.say(number, format_args!("connecting"));
        self.report(Event::ConnectDelayed, &ends);
        if self.watch_attempt(at, epoll::OUT).is_err() {
            self.connecting_failed(at, Error::NoMemory);
        }
    }

    /// An attempt came to nothing before it reached the peer.
    pub(super) fn connecting_failed(&mut self, at: u32, why: Error) {
        let Some(attempt) = self.attempts.get(at) else { return };
        let (number, fd) = (attempt.endpoint, attempt.fd());
        self.drop_attempt(at);
        let Some(connecter) = self.connecter(number) else { return };
        connecter.stats.lost(why.errno());
        if connecter.candidates.len() > 0 {
            self.connect_next(number);
        } else {
            let ends = connecter.ends();
            self.report(Event::Closed(fd), &ends);
            self.no_connection(number, why);
        }
    }

    /// A connection was lost, or could not be set up: whoever connects does so again after a while, or
    /// never. A listener goes on as it is, and the peer may come again.
    pub fn retry_later(&mut self, number: u32) {
        match self.connecter(number).map(|c| c.reconnects()) {
            Some(true) => self.schedule_attempt(number),
            Some(false) => self.effect(Effect::GaveUp(number)),
            None => {}
        }
    }

    /// There was no connection yet. If there is to be no second attempt the endpoint stays all the
    /// same, and what is sent waits, as in libzmq; unless nobody listens there and the application
    /// wants it to end then (ZMQ_RECONNECT_STOP).
    fn no_connection(&mut self, number: u32, why: Error) {
        if let Some(connecter) = self.connecter(number) {
            connecter.stats.attempt_failed(why.errno());
        }
        self.say(number, format_args!("no connection: {}", debug::error(why.errno())));
        let refused = why == Error::ConnectionRefused;
        if refused && self.stops_if(number, RECONNECT_STOP_CONN_REFUSED)
            || self.connecter(number).is_some_and(|c| c.stops)
        {
            self.effect(Effect::GaveUp(number));
        } else if self.connecter(number).is_some_and(|c| c.reconnects()) {
            self.schedule_attempt(number);
        }
    }

    /// Whether ZMQ_RECONNECT_STOP says that the endpoint does not connect again after this.
    pub(super) fn stops_if(&mut self, number: u32, condition: i32) -> bool {
        self.connecter(number).is_some_and(|c| c.options.reconnect_stop & condition != 0)
    }

    fn schedule_attempt(&mut self, number: u32) {
        let Some(endpoint) = self.get_mut(number) else { return };
        let serial = endpoint.serial;
        let Kind::Connecter(connecter) = &mut endpoint.kind else { return };
        connecter.waits = true;
        let (ends, wait) = (connecter.ends(), connecter.next_interval());
        self.report(Event::ConnectRetried(wait), &ends);
        let wait = Duration::from_millis(wait as u64);
        self.say(number, format_args!("the next attempt comes in {} ms", wait.as_millis()));
        if let Some(connecter) = self.connecter(number) {
            connecter.stats.waits(wait);
        }
        self.set_timer(clock::now() + wait, Timer::Reconnect, number, serial);
    }

    /// The peer will have nothing to do with us. The endpoint stays until it is disconnected. False if it is none that
    /// connects, or about to end.
    pub fn refuse(&mut self, number: u32) -> bool {
        let closing = self.get(number).is_some_and(|endpoint| endpoint.is_closing());
        match self.connecter(number) {
            Some(connecter) if !closing => {
                connecter.refused = true;
                connecter.stats.state(State::GivenUp);
                self.say(number, format_args!("there will be no further attempt"));
                true
            }
            _ => false,
        }
    }

    /// Whether the peer of this endpoint will have nothing to do with us: what its pipe has not sent
    /// need not linger, because it never will be.
    pub fn is_refused(&mut self, number: u32) -> bool {
        self.connecter(number).is_some_and(|connecter| connecter.refused)
    }

    /// The application has disconnected the endpoint, which lives on as long as something is to be sent. What
    /// does not connect then never will, if the application wants that.
    pub fn disconnect(&mut self, number: u32) {
        let stops = self.stops_if(number, RECONNECT_STOP_AFTER_DISCONNECT);
        if let Some(connecter) = self.connecter(number) {
            connecter.stops = stops;
        }
    }

    /// An endpoint goes, and what was begun for it.
    pub fn forget(&mut self, number: u32) {
        if let Some(connecter) = self.connecter(number)
            && connecter.stops
            && connecter.waits
        {
            // Who wants no further attempt waits to hear that there is none.
            let ends = connecter.ends();
            self.report(Event::Closed(-1), &ends);
        }
        if let Some(at) = self.connecter(number).and_then(|connecter| connecter.attempt) {
            let stopped = self.attempts.get(at).filter(|a| a.stage != Stage::Greeting);
            let stopped = stopped.map(|attempt| (attempt.fd(), attempt.ends.clone()));
            self.drop_attempt(at);
            if let Some((fd, ends)) = stopped {
                self.report(Event::Closed(fd), &ends);
            }
        }
        self.remove(number);
    }
}
