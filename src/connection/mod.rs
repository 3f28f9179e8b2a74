//! One established connection: the place where wire, security and transport meet.
//!
//! A connection does no waiting. Whoever holds the lock of its socket may drive it: a thread of
//! the application in the middle of a call, or the I/O thread.

mod answer;
mod buffers;
mod ends;
mod farewell;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod heartbeat;
mod pace;
pub mod rx;
pub mod tx;
mod websocket;

use crate::error::{Error, Result};
use crate::msg::{Metadata, Msg, Sink};
use crate::policy::silence::Silence;
use crate::stats::{PeerStats, Record};
use crate::sys::clock;
use crate::sys::fd::OwnedFd;
use crate::sys::net;
use crate::sys::prefetch::prefetch;
use crate::transport::Link;
use crate::wire::command::{self, Command};
use crate::wire::frame::Flags;
use crate::wire::websocket::Opcode;
use crate::wire::zws::{self, Content, Decoder, Encoder};
use crate::wire::{Established, Framing};
use answer::Answers;
pub use ends::Ends;
use farewell::Farewell;
pub use heartbeat::{Heartbeat, Pulse};
use rx::{BufferPool, Incoming, Rx, Straight};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tx::TxQueue;

/// Bytes after which [`Connection::receive`] reads no more for one frame.
const RECEIVE_BYTES: usize = 1 << 20;

/// What became of a command.
enum Obeyed {
    Done,
    /// It is a message for the pattern.
    Message(Msg),
    /// It comes again, when there is memory.
    Later,
}

/// What stands between a connection and the kernel where messages of WebSocket carry what is said.
pub struct WebSocket {
    /// For what we send.
    pub encoder: Encoder,
    /// For what the peer sends.
    pub decoder: Decoder,
    /// What is in the messages.
    pub content: Content,
    /// What they are written to and read from.
    pub link: Link,
}

/// What an established connection carries besides bytes.
pub struct Connection {
    fd: OwnedFd,
    /// The sending side.
    pub tx: TxQueue,
    /// The receiving side.
    pub rx: Rx,
    /// Peers from ZMTP 3.1 on take subscriptions as commands.
    subscribe_commands: bool,
    /// The peer may be one that subscribes. Of others such a command is as good as unknown.
    subscribes: bool,
    /// The peer is one that joins groups.
    joins: bool,
    heartbeats: bool,
    /// Messages of WebSocket carry what is said.
    websocket: bool,
    /// ... and neither side has closed that.
    open_websocket: bool,
    /// Properties that go with each message to the application.
    pub metadata: Arc<Metadata>,
    /// The routing id the peer announced.
    pub peer_routing_id: Vec<u8>,
    /// When PINGs are due, and what the peer has to do in time.
    pub pulse: Pulse,
    /// A PING was answered: the answer waits to be sent, and the timer may have to be set.
    pub answered: bool,
    answers: Answers,
    /// Counts reads that brought bytes, so that a timer sees whether the peer is alive.
    pub heard: u64,
    /// What monitor events of this connection name.
    pub ends: Ends,
    /// Tells this connection from others, for timers.
    pub serial: u32,
    /// Whether the socket's set watches for room to write.
    pub watches_out: bool,
    /// We are done, and see to it that the peer gets what was sent.
    farewell: Option<Box<Farewell>>,
    silence: Silence,
    /// What others can see of the peer.
    pub stats: PeerStats,
}

impl Connection {
    /// A connection whose handshake is over. `rest` are bytes that came behind the handshake.
    pub fn new(
        fd: OwnedFd,
        established: Established,
        max_size: u64,
        rest: Vec<u8>,
        metadata: Metadata,
        ends: Ends,
    ) -> Connection {
        let framing = established.framing;
        let mut connection = Connection::bare(fd, framing, false, max_size, metadata, ends);
        connection.subscribe_commands = established.subscribes_by_command();
        connection.subscribes =
            established.peer_socket_type.is_none_or(|peer| peer.info().subscribes);
        connection.joins = established.peer_socket_type.is_some_and(|peer| peer.info().joins);
        connection.heartbeats = established.heartbeats();
        connection.peer_routing_id = established.peer_routing_id;
        if let Some(session) = established.transform {
            connection.tx.encrypt(session.encoder);
            connection.rx.decrypt(session.decoder);
        }
        connection.rx.preload(rest);
        connection
    }

    /// A connection without ZMTP: bytes as they are (ZMQ_STREAM, ZMQ_ROUTER_RAW).
    pub fn raw(fd: OwnedFd, metadata: Metadata, ends: Ends) -> Connection {
        Connection::bare(fd, Framing::V2, true, u64::MAX, metadata, ends)
    }

    /// A connection over WebSocket without ZMTP: messages as they are (ZMQ_STREAM).
    pub fn messages(fd: OwnedFd, max_size: u64, metadata: Metadata, ends: Ends) -> Connection {
        Connection::bare(fd, Framing::V2, false, max_size, metadata, ends)
    }

    fn bare(
        fd: OwnedFd,
        framing: Framing,
        raw: bool,
        max_size: u64,
        metadata: Metadata,
        ends: Ends,
    ) -> Connection {
        Connection {
            fd,
            tx: TxQueue::new(framing, raw),
            rx: Rx::new(framing, raw, max_size),
            subscribe_commands: false,
            subscribes: false,
            joins: false,
            heartbeats: false,
            websocket: false,
            open_websocket: false,
            metadata: Arc::new(metadata),
            peer_routing_id: Vec::new(),
            pulse: Pulse::new(Heartbeat::default()),
            answered: false,
            answers: Answers::default(),
            heard: 0,
            ends,
            serial: 0,
            watches_out: false,
            farewell: None,
            silence: Silence::default(),
            stats: PeerStats::nobodys(Record::nobodys(0)),
        }
    }

    /// The descriptor.
    #[inline]
    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Has what [`Connection::take_into`] looks at brought into the cache. There need not be a
    /// connection: to find that out would be to wait for the cache.
    #[inline]
    pub fn expect_read(place: &Option<Connection>) {
        let connection = std::ptr::from_ref(place).cast::<u8>();
        let rx = connection.wrapping_add(std::mem::offset_of!(Connection, rx));
        (0..rx::FRONT.div_ceil(64)).for_each(|line| prefetch(rx.wrapping_add(line * 64)));
        prefetch(rx.wrapping_add(rx::FRONT));
    }

    /// Hands waiting frames to the kernel; true if none are left, see [`TxQueue::flush`].
    ///
    /// # Errors
    /// [`Error::Protocol`], [`Error::NoMemory`]: the connection cannot go on.
    #[inline]
    pub fn flush(&mut self) -> Result<bool> {
        let empty = self.tx.flush(self.fd.as_fd())?;
        if self.answers.are_late() { self.answer_late(empty) } else { Ok(empty) }
    }

    #[cold]
    fn answer_late(&mut self, empty: bool) -> Result<bool> {
        self.answers.after_flush(&mut self.tx, self.fd.as_fd(), empty)
    }

    /// Hands encoded frames to the kernel, see [`TxQueue::send_encoded`].
    ///
    /// # Errors
    /// As [`Connection::flush`].
    pub fn send_encoded(&mut self, frames: &[u8], messages: usize) -> Result<bool> {
        let empty = self.tx.send_encoded(self.fd.as_fd(), frames, messages)?;
        if self.answers.are_late() { self.answer_late(empty) } else { Ok(empty) }
    }

    /// Queues a (un)subscription, a message `1 topic` or `0 topic`, as the peer wants it; the same marked
    /// as a command is about a group, and there is no other way to tell a peer of those (RFC 48).
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    pub fn push_subscription(&mut self, msg: Msg) -> Result<()> {
        let translated = match msg.is_command() {
            true => command::membership_to_command(msg.data()),
            false if self.subscribe_commands => command::subscription_to_command(msg.data()),
            false => None,
        };
        let Some((name, topic)) = translated else { return self.tx.push_control(msg) };
        let mut body = Msg::with_size(name.len() + topic.len())?;
        let (first, rest) = body.data_mut().split_at_mut(name.len());
        first.copy_from_slice(name);
        rest.copy_from_slice(topic);
        self.tx.push_command(body)
    }

    /// The next frame of a whole message, reading from the kernel if it may have bytes, unless the
    /// caller is `frugal`. `None` also if the turn's budget is spent on commands, or on a message
    /// that goes on and on.
    ///
    /// # Errors
    /// The connection is dead ([`Error::Os`] with `ECONNRESET` stands for an orderly end).
    #[inline]
    pub fn receive(&mut self, pool: &mut BufferPool, frugal: bool) -> Result<Option<Msg>> {
        let mut bytes = 0;
        loop {
            match self.rx.next(pool)? {
                Some(Incoming::Part(msg)) => return Ok(Some(msg)),
                Some(Incoming::Command(body)) => {
                    if let ControlFlow::Break(msg) = self.receive_command(body, pool)? {
                        return Ok(msg);
                    }
                }
                None => {
                    if frugal || !self.may_read()? {
                        return Ok(None);
                    }
                    if bytes >= RECEIVE_BYTES {
                        pool.budget.exhaust();
                        return Ok(None);
                    }
                    let count = self.read_once(pool)?;
                    bytes += count;
                    // Something may come at once even if nothing did now.
                    if count == 0 && !self.rx.ended() && !self.rx.ready() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// A command, which may be all that [`Connection::receive`] returns for.
    #[inline(never)]
    fn receive_command(
        &mut self,
        body: Msg,
        pool: &mut BufferPool,
    ) -> Result<ControlFlow<Option<Msg>>> {
        let len = body.len();
        match self.obey(body, pool)? {
            Obeyed::Message(msg) => return Ok(ControlFlow::Break(Some(msg))),
            Obeyed::Done => {}
            Obeyed::Later => return Ok(ControlFlow::Break(None)),
        }
        pool.budget.spend(len);
        Ok(if pool.budget.is_spent() {
            ControlFlow::Break(None)
        } else {
            ControlFlow::Continue(())
        })
    }

    /// Gives the next frame straight to `to` if it stands ready, see [`Rx::take_into`], or is a long
    /// message of one part of which the beginning is here and the rest in the kernel; its length,
    /// and whether its message goes on.
    #[inline]
    pub fn take_into<S: Sink + ?Sized>(
        &mut self,
        to: &mut S,
        pool: &mut BufferPool,
    ) -> Option<(usize, bool)> {
        let taken = self.rx.take_into(to, pool);
        if taken.is_some() { taken } else { self.read_into(to, pool) }
    }

    #[cold]
    fn read_into<S: Sink + ?Sized>(
        &mut self,
        to: &mut S,
        pool: &mut BufferPool,
    ) -> Option<(usize, bool)> {
        match self.rx.read_into(to, self.fd.as_fd(), pool) {
            Straight::Not => None,
            Straight::Part => {
                self.heard_something(pool);
                None
            }
            Straight::Whole(len) => {
                self.heard_something(pool);
                Some((len, false))
            }
        }
    }

    /// Reads and cuts ahead of the application until `limit` messages wait (0: no limit) or the
    /// kernel has no more, or the turn's budget is spent: others want theirs. For a socket
    /// nobody of the application looks after at the moment. True if `limit` was reached, or
    /// nothing is left to be read.
    ///
    /// # Errors
    /// As [`Connection::receive`].
    pub fn gather(&mut self, limit: usize, pool: &mut BufferPool) -> Result<bool> {
        loop {
            while let Some(body) = self.rx.gather(limit, pool)? {
                pool.budget.spend(body.len());
                match self.obey(body, pool)? {
                    Obeyed::Message(msg) => self.rx.inject(msg),
                    Obeyed::Done => {}
                    Obeyed::Later => return Ok(true),
                }
                if pool.budget.is_spent() {
                    return Ok(false);
                }
            }
            let full = limit != 0 && self.rx.gathered() >= limit;
            if full || !self.may_read()? {
                return Ok(true);
            }
            if pool.budget.is_spent() {
                return Ok(false);
            }
            let count = self.rx.fill_behind(self.fd.as_fd(), pool)?;
            self.heard(count, pool);
            pool.budget.spend_bytes(count);
        }
    }

    /// Drops all messages read ahead but the newest (ZMQ_CONFLATE).
    ///
    /// # Errors
    /// As [`Connection::receive`].
    pub fn keep_newest(&mut self, pool: &mut BufferPool) -> Result<()> {
        for _ in 1..self.rx.gathered() {
            while self.receive(pool, true)?.is_some_and(|part| part.more()) {}
        }
        Ok(())
    }

    /// Cuts all that has been received: the connection is closed. How many frames that makes, behind
    /// those of a message that is being read; `None` without memory for them.
    pub fn cut_all(&mut self, pool: &mut BufferPool) -> Option<usize> {
        self.rx.end();
        self.rx.feed();
        if !self.rx.read_early(pool) {
            return None;
        }
        // What is wrong with bytes behind the last whole message does not matter any more.
        while let Ok(Some(body)) = self.rx.cut_ahead(0, pool) {
            match self.obey(body, pool) {
                Ok(Obeyed::Message(msg)) => self.rx.inject(msg),
                Ok(Obeyed::Done) => {}
                Ok(Obeyed::Later) => return None,
                Err(_) => break,
            }
        }
        (!self.rx.is_starved()).then(|| self.rx.frames())
    }

    /// One read if it may bring something; false if there is nothing for now.
    ///
    /// # Errors
    /// As [`Connection::receive`].
    pub fn read_more(&mut self, pool: &mut BufferPool) -> Result<bool> {
        if !self.may_read()? {
            return Ok(false);
        }
        // Something may come at once even if nothing did now.
        Ok(self.read_once(pool)? > 0 || self.rx.ended() || self.rx.ready())
    }

    #[inline]
    fn may_read(&mut self) -> Result<bool> {
        if self.rx.ended() { self.may_read_at_end() } else { Ok(self.rx.ready()) }
    }

    /// What waits for memory comes before the end.
    #[cold]
    fn may_read_at_end(&mut self) -> Result<bool> {
        if self.rx.is_starved() { Ok(self.rx.ready()) } else { Err(self.rx.why_ended()) }
    }

    fn read_once(&mut self, pool: &mut BufferPool) -> Result<usize> {
        let count = self.rx.fill(self.fd.as_fd(), pool)?;
        self.heard(count, pool);
        Ok(count)
    }

    fn heard(&mut self, bytes: usize, pool: &BufferPool) {
        if bytes > 0 {
            self.heard_something(pool);
        }
    }

    fn heard_something(&mut self, pool: &BufferPool) {
        self.heard += 1;
        self.stats.heard(pool.heard_at);
    }

    /// After the last byte was handed over: how soon to look again whether the peer has what was
    /// sent, in a way that closing the connection leaves it alone. `None` if it may be closed.
    pub fn say_farewell(&mut self) -> Option<Duration> {
        if self.farewell.is_none() {
            self.close_websocket();
            self.farewell = Some(Box::new(Farewell::begin(self.fd.as_fd())?));
        }
        self.farewell.as_mut()?.go_on(self.fd.as_fd())
    }

    /// Whether [`Connection::say_farewell`] has begun.
    pub fn says_farewell(&self) -> bool {
        self.farewell.is_some()
    }

    /// Drops what the peer says; true if there may be more.
    ///
    /// # Errors
    /// As [`Connection::receive`].
    pub fn discard(&mut self, pool: &mut BufferPool) -> Result<bool> {
        match farewell::discard(self.fd.as_fd()) {
            Ok(dropped) => {
                self.heard(dropped.bytes, pool);
                pool.budget.spend_bytes(dropped.bytes);
                Ok(dropped.more)
            }
            Err(error) => {
                self.rx.end();
                Err(error)
            }
        }
    }

    /// No read into the buffer asks for more than `reads` from now on, and no more than `writes` is
    /// collected for a write, where those are given.
    pub fn limit_batches(&mut self, reads: Option<usize>, writes: Option<usize>) {
        if let Some(most) = reads {
            self.rx.limit_reads(most);
        }
        if let Some(most) = writes {
            self.tx.limit_writes(most);
        }
    }

    /// Begins with PINGs, if the peer's version has them.
    pub fn begin_heartbeats(&mut self, settings: Heartbeat, now: Instant) {
        self.pulse = Pulse::new(settings);
        if self.heartbeats {
            self.pulse.begin(now);
        }
    }

    /// Queues a PING, unless one waits there already. It does so if the kernel takes nothing at the
    /// moment, too: a peer that takes what there is for it, and is not asked, has nothing to say.
    /// [`Connection::ping_flushed`] follows, and hears whether there is a new one.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; then nothing follows.
    pub fn push_ping(&mut self, now: Instant) -> Result<bool> {
        // Peers before ZMTP 3.0 would take it for a message.
        if !self.heartbeats || self.tx.owed_to_ping() > 0 {
            return Ok(false);
        }
        let mut body = Vec::with_capacity(8);
        if self.websocket {
            // libzmq's heartbeats are WebSocket's there, which have no time to live.
            zws::control_command(Opcode::Ping, &[], &mut body);
        } else {
            command::append_ping(&mut body, self.pulse.ttl(), &[]);
        }
        let pushed = self.tx.push_ping(&body);
        if pushed.is_err() {
            self.pulse.postpone_ping(now);
        }
        pushed.map(|()| true)
    }

    /// The kernel has taken what it would, maybe all of the last PING: an answer is waited for.
    pub fn ping_flushed(&mut self, now: Instant, new: bool) {
        if self.heartbeats {
            let owed = self.tx.owed_to_ping();
            self.pulse.ping_sent(now, self.heard, owed, new || owed == 0);
        }
    }

    /// For a peer that has been silent for too long: whether it took what stands before our PING.
    pub fn put_off_ping(&mut self, now: Instant) {
        self.pulse.put_off(now, self.tx.owed_to_ping());
    }

    /// Whether the kernel has bytes of the peer that we do not read, because too much waits for the
    /// application already: then it has not been silent.
    pub fn has_unread(&self) -> bool {
        net::unread(self.fd.as_fd()).is_ok_and(|bytes| bytes > 0)
    }

    /// Acts on a command of the peer, once there is memory for what it asks for.
    fn obey(&mut self, body: Msg, pool: &mut BufferPool) -> Result<Obeyed> {
        match self.command(&body) {
            Ok(None) => Ok(Obeyed::Done),
            Ok(Some(msg)) => Ok(Obeyed::Message(msg)),
            Err(Error::NoMemory) => {
                self.rx.come_again(body, Flags::new(false, true), pool);
                Ok(Obeyed::Later)
            }
            Err(error) => Err(error),
        }
    }

    /// A subscription, or what the peer joins or leaves, comes back as the message patterns expect, for which there
    /// is a place.
    ///
    /// # Errors
    /// [`Error::NoMemory`]: to be called again.
    fn command(&mut self, body: &Msg) -> Result<Option<Msg>> {
        if self.websocket
            && let Some((opcode, payload)) = zws::as_control(body.data())
        {
            return self.control(opcode, payload);
        }
        let Ok(parsed) = command::parse(body.data()) else {
            return Err(self.rx.refuse(Error::Protocol));
        };
        let subscription = command::command_to_subscription(&parsed).filter(|_| self.subscribes);
        let membership = command::command_to_membership(&parsed).filter(|_| self.joins);
        if let Some((what, topic)) = subscription.or(membership) {
            self.rx.make_place()?;
            let mut msg = Msg::with_size(1 + topic.len())?;
            if let Some((first, rest)) = msg.data_mut().split_first_mut() {
                *first = what;
                rest.copy_from_slice(topic);
            }
            if membership.is_some() {
                msg.set_command();
            }
            return Ok(Some(msg));
        }
        if let Command::Ping { ttl, context } = parsed {
            let ttl = Duration::from_millis(u64::from(ttl) * 100);
            self.pulse.ping_came(ttl, clock::now(), self.heard);
            self.answered = true;
            self.answers.answer(&mut self.tx, self.fd.as_fd(), answer::pong(context)?)?;
        }
        // Anything else a later version may send is ignored, as RFC 37 asks.
        Ok(None)
    }

    /// Tells the peer, if it is still there, that it hears no more from us: what could not be sent goes to
    /// its next connection.
    pub fn fall_silent(&self) {
        // Where this is refused nobody is there to be told.
        let _ = net::shut_down_writing(self.fd.as_fd());
    }

    /// To be asked at intervals: whether nothing happens any more to a connection that can only be read.
    pub fn is_silent(&mut self) -> bool {
        let (heard, gathered, unread) = (self.heard, self.rx.gathered(), self.has_unread());
        self.silence.look(heard, gathered, unread)
    }
}

#[cfg(test)]
mod tests;
