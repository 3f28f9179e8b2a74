//! What the I/O thread does for a socket: handshakes, deadlines, and driving connections while no
//! thread of the application does.

use super::core::Core;
use super::heartbeat;
use super::monitor::event;
use super::{Guard, Socket, give_way};
use crate::connection::Connection;
use crate::connection::opening::Progress;
use crate::error::Error;
use crate::msg::{Metadata, Msg};
use crate::options::numbers::value::RECONNECT_STOP_HANDSHAKE_FAILED;
use crate::pattern::{Pattern, PipeId};
use crate::policy::attention::{Next, Seen};
use crate::policy::rounds;
use crate::reactor::{self, Handler, Tick};
use crate::sync::atomic::Ordering;
use crate::sys::clock;
use crate::sys::epoll;
use crate::sys::fd::OwnedFd;
use crate::transport::Stream;
use crate::wire::{Established, HandshakeError, MonitorEvent};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

/// The reactor's token for a socket's set; others are a kind and a number.
pub(super) const SET: u32 = 0;
const LISTENER: u32 = reactor::LISTENERS >> KIND_SHIFT;
const CONNECTING: u32 = 2;
const OPENING: u32 = 3;
const KIND_SHIFT: u32 = 24;
const NUMBER: u32 = (1 << KIND_SHIFT) - 1;

pub(super) fn listener(number: u32) -> u32 {
    LISTENER << KIND_SHIFT | number
}

pub(super) fn connecting(number: u32) -> u32 {
    CONNECTING << KIND_SHIFT | number
}

pub(super) fn opening(number: u32) -> u32 {
    OPENING << KIND_SHIFT | number
}

/// What a deadline is for. Its number is that of an endpoint, handshake or pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Timer {
    Reconnect,
    /// A name has been looked up.
    LookedUp,
    ConnectTimeout,
    Accept,
    Handshake,
    Heartbeat,
    PipeLinger,
    SocketLinger,
    /// Has a peer got what was sent to it?
    Farewell,
    /// News from a ZAP handler for a handshake.
    Zap,
    /// Does a peer that takes nothing still say something?
    Silence,
    /// Is there memory again to read on with?
    Memory,
}

const TIMERS: [Timer; 12] = [
    Timer::Reconnect,
    Timer::LookedUp,
    Timer::ConnectTimeout,
    Timer::Accept,
    Timer::Handshake,
    Timer::Heartbeat,
    Timer::PipeLinger,
    Timer::SocketLinger,
    Timer::Farewell,
    Timer::Zap,
    Timer::Silence,
    Timer::Memory,
];

/// What the reactor gives back when a deadline has passed.
pub(super) fn timer_token(timer: Timer, number: u32, serial: u32) -> u64 {
    (timer as u64) << 56 | u64::from(number & NUMBER) << 32 | u64::from(serial)
}

pub(super) fn milliseconds(count: i32) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}

/// How soon to look again for memory.
const HUNGRY: Duration = Duration::from_millis(20);

impl Core {
    /// Connections found no memory to read on with; what their peers say waits in the kernel meanwhile.
    pub(super) fn wait_for_memory(&mut self) {
        self.set_timer(clock::now() + HUNGRY, Timer::Memory, 0, 0);
    }

    /// Looks for it again, on the I/O thread. Whoever waits for messages hears of those that came.
    fn memory_due(&mut self) {
        self.pipes.feed();
        self.changed = true;
    }

    /// Asks for a call of [`Core::timer_due`]; `serial` tells whether it still matters then.
    pub(super) fn set_timer(&mut self, at: Instant, timer: Timer, number: u32, serial: u32) {
        let token = timer_token(timer, number, serial);
        let key = self.key;
        if let Ok(io) = self.io() {
            io.set_timer(at, key, token);
        }
    }

    /// Takes that back. What comes and goes as a peer likes must not leave timers behind.
    pub(super) fn clear_timer(&mut self, timer: Timer, number: u32, serial: u32) {
        if let Some(io) = self.known_io() {
            io.clear_timer(self.key, timer_token(timer, number, serial));
        }
    }

    fn timer_due(&mut self, timer: Timer, number: u32, serial: u32) {
        match timer {
            Timer::Reconnect | Timer::LookedUp | Timer::ConnectTimeout | Timer::Accept => {
                if self.endpoint(number).is_none_or(|e| e.serial != serial) {
                    return;
                }
                match timer {
                    Timer::Reconnect => self.begin_connect(number),
                    Timer::LookedUp => self.hear_names(number),
                    Timer::ConnectTimeout => self.connecting_overdue(number),
                    _ => self.resume_accept(number),
                }
            }
            Timer::Handshake => {
                let place = self.endpoints.openings.get(number);
                if place.is_some_and(|o| o.serial == serial) {
                    // libzmq's monitors tell the errno of the last read, which had nothing.
                    self.opening_closed(number, Error::Again);
                }
            }
            Timer::Zap => self.hear_zap(number, serial),
            Timer::Heartbeat => self.heartbeat_due(number, serial),
            Timer::Silence => self.silence_due(number, serial),
            Timer::Memory => self.memory_due(),
            Timer::PipeLinger => {
                if self.pipes.get(number).is_some_and(|p| p.serial == serial && p.is_lingering()) {
                    self.remove_pipe(number);
                }
            }
            Timer::Farewell => {
                if self.pipes.get(number).is_some_and(|p| p.serial == serial && p.is_lingering()) {
                    self.pipe_finished(number);
                }
            }
            Timer::SocketLinger => self.end_lingering(),
        }
    }

    /// Of a closed socket: what has not been sent is lost.
    pub(super) fn end_lingering(&mut self) {
        self.pipes.ids().into_iter().for_each(|id| self.remove_pipe(id));
    }

    /// Gives a lingering pipe the time ZMQ_LINGER allows.
    pub(super) fn set_pipe_linger(&mut self, id: PipeId) {
        let linger = self.options.linger;
        let Some(pipe) = self.pipes.get(id) else { return };
        let (serial, limited) = (pipe.serial, std::mem::replace(&mut pipe.limited, true));
        if linger > 0 && !limited {
            self.set_timer(clock::now() + milliseconds(linger), Timer::PipeLinger, id, serial);
        }
    }

    /// Has the farewell of a pipe looked after again.
    pub(super) fn set_farewell_timer(&mut self, id: PipeId, after: Duration) {
        if let Some(serial) = self.pipes.get(id).map(|pipe| pipe.serial) {
            self.set_timer(clock::now() + after, Timer::Farewell, id, serial);
        }
    }

    /// Gives a closed socket the time ZMQ_LINGER allows.
    pub(super) fn set_socket_linger(&mut self) {
        let linger = self.options.linger;
        if linger > 0 {
            self.set_timer(clock::now() + milliseconds(linger), Timer::SocketLinger, 0, 0);
        }
    }

    /// A descriptor with a handshake is ready.
    fn opening_ready(&mut self, number: u32, events: u32) {
        let place = self.endpoints.openings.get_mut(number);
        let waiting = place.is_some_and(|o| o.handshake().waiting_for_zap());
        if waiting && events & (epoll::FAILED | epoll::PEER_CLOSED) != 0 {
            // Nothing is read while the ZAP handler thinks, but a peer that left is not kept.
            self.opening_closed(number, Error::Os(libc::EPIPE));
        } else {
            self.drive_opening(number);
        }
    }

    /// Goes on with a handshake.
    pub(super) fn drive_opening(&mut self, number: u32) {
        let key = self.key;
        let Some(opening) = self.endpoints.openings.get_mut(number) else {
            return;
        };
        match opening.drive() {
            Progress::Waiting(wants_out) => {
                if wants_out != opening.watches_out {
                    opening.watches_out = wants_out;
                    let watch = if wants_out { epoll::IN | epoll::OUT } else { epoll::IN };
                    let fd = opening.fd();
                    if let Ok(io) = self.io() {
                        let _ = io.modify(fd, watch, key, self::opening(number));
                    }
                }
            }
            Progress::WaitingForZap => self.ask_zap(number),
            Progress::Established(established, rest) => {
                self.opening_done(number, *established, &rest);
            }
            Progress::Failed(error) => self.opening_failed(number, &error),
            Progress::Closed(error) => self.opening_closed(number, error),
        }
    }

    pub(super) fn opening_failed(&mut self, number: u32, error: &HandshakeError) {
        let Some(opening) = self.endpoints.openings.get(number) else {
            return;
        };
        let (address, endpoint, fd) =
            (opening.address.clone(), opening.endpoint, i64::from(opening.fd()));
        self.report_failure(error, &address);
        self.drop_opening(number);
        self.report(event::DISCONNECTED, fd, &address);
        if self.connecter(endpoint).is_none() {
            return;
        }
        let free_text = matches!(error, HandshakeError::PeerError(_))
            && error.monitor_event() == MonitorEvent::Quiet;
        if free_text && !self.stops_if(endpoint, RECONNECT_STOP_HANDSHAKE_FAILED) {
            self.retry_later(endpoint);
        } else {
            // A peer we do not understand, or that refuses us, will not change its mind: like
            // libzmq we do not try again. (One that hangs up, with or without a word, is tried.)
            self.stay_refused(endpoint);
        }
    }

    /// Tells the monitor why a peer was refused.
    pub(super) fn report_failure(&mut self, error: &HandshakeError, address: &str) {
        match error.monitor_event() {
            MonitorEvent::Quiet => {}
            MonitorEvent::NoDetail(errno) => {
                self.report(event::HANDSHAKE_FAILED_NO_DETAIL, i64::from(errno), address);
            }
            MonitorEvent::Protocol(code) => {
                self.report(event::HANDSHAKE_FAILED_PROTOCOL, i64::from(code), address);
            }
            MonitorEvent::Auth(status) => {
                self.report(event::HANDSHAKE_FAILED_AUTH, i64::from(status), address);
            }
        }
    }

    fn opening_closed(&mut self, number: u32, error: Error) {
        let Some(opening) = self.endpoints.openings.get(number) else {
            return;
        };
        let (address, endpoint, fd) =
            (opening.address.clone(), opening.endpoint, i64::from(opening.fd()));
        self.report(event::HANDSHAKE_FAILED_NO_DETAIL, i64::from(error.errno()), &address);
        self.drop_opening(number);
        self.report(event::DISCONNECTED, fd, &address);
        if self.stops_if(endpoint, RECONNECT_STOP_HANDSHAKE_FAILED) {
            self.stay_refused(endpoint);
        } else {
            self.retry_later(endpoint);
        }
    }

    /// A handshake succeeded: the connection goes to the set, and a pipe to the pattern.
    fn opening_done(&mut self, number: u32, established: Established, rest: &[u8]) {
        let Some(opening) = self.take_opening(number) else { return };
        if let Ok(io) = self.io() {
            let _ = io.remove(opening.fd());
        }
        let (endpoint, connected) = (opening.endpoint, opening.connected);
        let (address, peer) = (opening.address.clone(), opening.peer.clone());
        let mut metadata = Metadata::default();
        // First what we know ourselves: nothing a peer announces takes its place.
        metadata.add(b"__fd", opening.fd().to_string().as_bytes());
        metadata.add(b"Peer-Address", peer.as_bytes());
        for (name, value) in &established.properties {
            metadata.add(name, value);
        }
        if !established.peer_routing_id.is_empty() {
            // That of an old version is no property yet.
            metadata.add(b"Identity", &established.peer_routing_id);
        }
        let Some(options) = self.endpoint_options(endpoint) else { return };
        let limit = u64::try_from(options.maxmsgsize).unwrap_or(u64::MAX);
        let fd = opening.into_fd();
        let subscribe_all = established.subscribe_all;
        let made = Connection::new(fd, established, limit, rest, metadata, address.clone());
        let Ok(mut connection) = made else {
            self.retry_later(endpoint);
            return;
        };
        connection.begin_heartbeats(heartbeat::settings(&options), clock::now());
        if subscribe_all && let Ok(all) = Msg::copy_from(&[1]) {
            connection.rx.inject(all);
        }
        self.report(event::HANDSHAKE_SUCCEEDED, 0, &address);
        if connected {
            self.reset_interval(endpoint);
        }
        self.establish(endpoint, connection);
    }

    /// A connection without handshake.
    pub(super) fn establish_raw(&mut self, endpoint: u32, stream: Stream, address: String) {
        let mut metadata = Metadata::default();
        metadata.add(b"Peer-Address", stream.peer_address().as_bytes());
        let fd: OwnedFd = stream.into_fd();
        metadata.add(b"__fd", fd.as_fd().as_raw_fd().to_string().as_bytes());
        let mut connection = Connection::raw(fd, metadata, address);
        if self.notes_raw(endpoint) {
            connection.rx.inject(Msg::new());
        }
        self.reset_interval(endpoint);
        self.establish(endpoint, connection);
    }

    fn establish(&mut self, endpoint: u32, mut connection: Connection) {
        if self.set().is_err() {
            // No descriptor left for a set; the peer may try again later.
            self.retry_later(endpoint);
            return;
        }
        // It may be a peer that was here a moment ago, and what it sent then comes first: that it has
        // hung up is seen before it is here again.
        self.poll_set();
        let (id, new) = self.pipe_for(endpoint);
        let serial = self.endpoints.next_serial();
        connection.serial = serial;
        let (fd, address) = (i64::from(connection.fd()), connection.address.clone());
        if self.pipes.connect(id, connection).is_err() {
            self.report(event::DISCONNECTED, fd, &address);
            if new {
                self.remove_pipe(id);
            }
            self.retry_later(endpoint);
            return;
        }
        if new {
            let connects = self.connecter(endpoint).is_some();
            self.attach_pattern(id, connects);
        }
        if self.pipes.get(id).is_some_and(|p| p.attached) {
            self.pattern.connected(&mut self.pipes, id);
        }
        self.set_heartbeat_timer(id);
        // Bytes that came right behind the handshake make no event any more.
        self.pipes.gather(id);
        self.settle();
        self.changed = true;
    }

    /// Drives the connections of the set on behalf of an application that is away.
    fn drive_set(&mut self) {
        // What was left last time comes before what is new.
        self.pipes.resume(true);
        self.poll_set_and(true);
        self.settle();
    }
}

impl Socket {
    /// Whether a tick finds the application here, or sees that it has just been, so that nothing
    /// waits for us. To look closer would take the lock away from it.
    fn is_looked_after(&self) -> bool {
        // What is held back waits for us. Only so often even if there is a thread inside: it may be
        // another one, again and again, that does not look after it.
        let passes = self.passed_by.load(Ordering::Relaxed);
        let holds_back = self.holds_back.load(Ordering::Relaxed);
        let here = || self.core.is_locked() || !holds_back && self.core.is_busy(&self.seen);
        let passes = rounds::pass_by(passes, here);
        self.passed_by.store(passes, Ordering::Relaxed);
        passes > 0
    }

    /// After work of the I/O thread on the socket.
    pub(super) fn after_reactor(&'static self, mut core: Guard) {
        core.settle();
        self.after_tick(core);
    }

    /// After work of the I/O thread that leaves to the application what it collects.
    fn after_tick(&'static self, mut core: Guard) {
        core.pump();
        if !core.attention.is_watched() {
            // Nobody comes back for what that wrote.
            core.settle();
        }
        let changed = std::mem::take(&mut core.changed);
        if changed {
            core.hand_over_unread();
        }
        let awaited = core.pipes.has_unread() && self.core.is_awaited();
        self.finish_if_done(core);
        if changed {
            self.signal.notify_descriptor();
        }
        if awaited {
            give_way();
        }
    }
}

impl Handler for Socket {
    fn on_event(&self, generation: u32, token: u32, events: u32) {
        let Some(socket) = super::find(self.index) else { return };
        let Some(mut core) = socket.lock_for_reactor(generation) else { return };
        let number = token & NUMBER;
        match token >> KIND_SHIFT {
            SET => core.drive_set(),
            LISTENER => core.accept(number),
            CONNECTING => core.connecting_ready(number),
            _ => core.opening_ready(number, events),
        }
        socket.after_reactor(core);
    }

    fn on_timer(&self, generation: u32, token: u64) {
        let Some(socket) = super::find(self.index) else { return };
        let Some(mut core) = socket.lock_for_reactor(generation) else { return };
        if core.key.generation != generation {
            return;
        }
        let number = (token >> 32) as u32 & NUMBER;
        if let Some(timer) = TIMERS.get((token >> 56) as usize) {
            core.timer_due(*timer, number, token as u32);
        }
        socket.after_reactor(core);
    }

    fn on_tick(&self, generation: u32) -> Tick {
        let Some(socket) = super::find(self.index) else { return Tick::Done };
        if socket.is_looked_after() {
            return Tick::Later;
        }
        let Some(mut core) = socket.lock_for_reactor(generation) else { return Tick::Done };
        if core.key.generation != generation {
            return Tick::Done;
        }
        let had_to_flush = core.flush_if_left();
        socket.holds_back.store(core.pipes.is_dirty(), Ordering::Relaxed);
        let tick = core.tick(had_to_flush);
        core.set_watched(tick != Tick::Done);
        if !core.attention.is_watched() {
            core.pipes.trim();
        }
        socket.after_tick(core);
        tick
    }

    fn on_panic(&self, generation: u32) {
        let Some(socket) = super::find(self.index) else { return };
        let Some(mut core) = socket.lock_for_reactor(generation) else { return };
        // Whatever was half done is unknown; the pipes are what it can have been done to.
        core.abandon_pipes();
        socket.after_reactor(core);
    }
}

impl Core {
    /// Whether the I/O thread has to keep an eye on the socket.
    fn tick(&mut self, flushed: bool) -> Tick {
        let attended = self.tick_attended();
        // What is sent without a break says nothing about who reads.
        if flushed { Tick::Soon } else { attended }
    }

    /// The same of what is to be read.
    fn tick_attended(&mut self) -> Tick {
        if !self.is_attended() {
            return Tick::Done;
        }
        let seen = Seen {
            reads: self.pipes.reads(),
            sleepers: self.socket.signal.sleepers() > 0,
            pinged: self.pipes.pinged(),
        };
        match self.attention.tick(seen, clock::now) {
            Next::Rest => return Tick::Done,
            Next::Tick => return Tick::Later,
            Next::TakeOver(now) => {
                self.unattend();
                self.attention.took_over(now);
            }
        }
        // What the application knew to be readable makes no event any more.
        self.pipes.gather_ready();
        self.drive_set();
        Tick::Done
    }

    /// Ends every connection and pipe after a defect of ours left them in an unknown state.
    fn abandon_pipes(&mut self) {
        self.reset_pumping();
        self.pipes.events.clear();
        for id in self.pipes.ids() {
            self.remove_pipe(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> &'static Socket {
        Box::leak(Box::new(Socket::unused(0)))
    }

    /// Makes the calling thread the owner of the lock, which then takes its turns without anybody's help.
    fn turns(socket: &Socket) {
        (0..100).for_each(|_| drop(socket.core.lock()));
    }

    #[test]
    fn ticks_do_not_pass_by_what_is_held_back() {
        let socket = socket();
        for holds_back in [false, true] {
            socket.holds_back.store(holds_back, Ordering::Relaxed);
            socket.passed_by.store(0, Ordering::Relaxed);
            turns(socket);
            // It has been here since the last tick, and is outside now.
            assert_eq!(socket.is_looked_after(), !holds_back);
            let _inside = socket.core.lock();
            assert!(socket.is_looked_after());
        }
    }
}
