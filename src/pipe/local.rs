//! Pipes between two sockets of one context: a [`ring`] in each direction.
//!
//! Each end belongs to its socket and is used under that socket's lock. The other socket's lock is
//! never taken: what it must know goes through its [`Mailbox`].
//!
//! The binding side's end is made by the connecting side and on its way for a while: it waits for a
//! `bind`, or in the binder's mailbox. Nobody can be told what happens meanwhile, so whoever
//! [owns](super::PipeTable::own_inproc) an end at last looks at all of its state.

use super::ring::{self, Reader, Writer};
use crate::error::Result;
use crate::msg::{Arena, Msg, Sink};
use crate::pattern::{Part, PipeId};
use crate::stats::{PeerStats, Record};
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use crate::sync::once::OnceLock;
use crate::sync::statics::AtomicU64;
use std::sync::Arc;

/// News for a socket from the other end of one of its inproc pipes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// The pipe.
    pub pipe: PipeId,
    /// Tells it from earlier ones with its number, see [`Pipe::serial`](super::Pipe::serial).
    pub serial: u32,
    /// What happened.
    pub change: Change,
}

/// What the other end of an inproc pipe did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// There is something to read on the pipe.
    Readable,
    /// There is room to write on the pipe.
    Writable,
    /// The other end is closed. What it wrote before can still be read.
    Closed,
    /// The name is bound: whose pipe this is is known now.
    Known,
}

/// How the other end reaches a socket. Never blocks on the socket.
pub trait Mailbox: Sync {
    /// Delivers `news` to the socket's incarnation `generation`; drops it if that is gone.
    fn post(&self, generation: u32, news: News);
}

/// Where the other end reaches this one.
#[derive(Clone, Copy)]
pub struct Owner {
    /// The socket.
    pub mailbox: &'static dyn Mailbox,
    /// Its incarnation.
    pub generation: u32,
}

/// A pipe of a socket, for the other end.
#[derive(Clone, Copy)]
struct Address {
    owner: Owner,
    pipe: PipeId,
    serial: u32,
}

#[derive(Default)]
struct Side {
    /// None while the end is on its way to its socket.
    address: OnceLock<Address>,
    /// ZMQ_SNDHWM and ZMQ_RCVHWM of the socket at this end.
    send_limit: AtomicU32,
    receive_limit: AtomicU32,
    /// ZMQ_ROUTING_ID of that socket.
    routing_id: OnceLock<Vec<u8>>,
    /// Whether it is known which socket that is, and so what it brings.
    present: AtomicBool,
}

impl Side {
    fn of(config: Option<&InprocConfig>) -> Side {
        let side = Side::default();
        if let Some(config) = config {
            side.bring(config);
        }
        side
    }

    fn bring(&self, config: &InprocConfig) {
        // A side has one socket in its life.
        let _ = self.routing_id.set(config.routing_id.clone());
        self.set_limits(config.send_limit, config.receive_limit);
    }

    fn set_limits(&self, send: u32, receive: u32) {
        self.send_limit.store(send, Ordering::SeqCst);
        self.receive_limit.store(receive, Ordering::SeqCst);
        self.present.store(true, Ordering::SeqCst);
    }
}

/// One end of an inproc pipe.
pub struct InprocEnd {
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    sides: Arc<[Side; 2]>,
    side: usize,
    /// There was an event that says that the other end's socket is known.
    pub(super) met: bool,
    /// A number that both ends have, and nobody else.
    link: u64,
    /// Bytes of the parts written of a message that goes on.
    begun: usize,
    /// What others can see of the other end.
    pub(super) stats: PeerStats,
}

/// What one socket brings into an inproc pipe.
#[derive(Debug, Clone, Default)]
pub struct InprocConfig {
    /// ZMQ_SNDHWM.
    pub send_limit: u32,
    /// ZMQ_RCVHWM.
    pub receive_limit: u32,
    /// ZMQ_ROUTING_ID.
    pub routing_id: Vec<u8>,
    /// ZMQ_CONFLATE, where the socket type has it.
    pub conflate: bool,
    /// ZMQ_HELLO_MSG, where the socket type has it. Who connects to a bound name need not wait until the
    /// binder says it.
    pub hello: Vec<u8>,
}

/// The limit of one direction: the sum of both ends, unlimited if either is (COMPAT, "Queues").
fn sum(a: u32, b: u32) -> u32 {
    if a == 0 || b == 0 { 0 } else { a.saturating_add(b) }
}

/// The limit of the direction from `writer` to `reader`.
fn limit(writer: &Side, reader: &Side) -> u32 {
    let send = writer.send_limit.load(Ordering::SeqCst);
    let receive = reader.receive_limit.load(Ordering::SeqCst);
    match (writer.present.load(Ordering::SeqCst), reader.present.load(Ordering::SeqCst)) {
        (true, true) => sum(send, receive),
        (true, false) => send,
        (false, _) => receive,
    }
}

/// Both ends of a new pipe: the connecting side's, and the binding side's. Without a `binder` (not
/// bound yet) only the connecting side's limits count until [`InprocEnd::bring`]. ZMQ_CONFLATE of the
/// connecting side is what counts, and for both directions, as with libzmq.
pub fn pair(connecter: &InprocConfig, binder: Option<&InprocConfig>) -> (InprocEnd, InprocEnd) {
    let sides = Arc::new([Side::of(Some(connecter)), Side::of(binder)]);
    let (up_writer, up_reader) = ring::queue(limit(&sides[0], &sides[1]), connecter.conflate);
    let (down_writer, down_reader) = ring::queue(limit(&sides[1], &sides[0]), connecter.conflate);
    static LINKS: AtomicU64 = AtomicU64::new(1);
    let link = LINKS.fetch_add(1, Ordering::Relaxed);
    let end = |writer, reader, sides, side| {
        let stats = PeerStats::nobodys(Record::nobodys(0));
        InprocEnd { writer, reader, sides, side, met: false, link, begun: 0, stats }
    };
    let connecting = end(up_writer, down_reader, sides.clone(), 0);
    (connecting, end(down_writer, up_reader, sides, 1))
}

impl InprocEnd {
    /// Says which pipe of which socket this end is. News come from then on; what happened before
    /// must be looked for afterwards.
    pub(super) fn own(&self, owner: Owner, pipe: PipeId, serial: u32) {
        // An end is owned once in its life.
        let _ = self.sides[self.side].address.set(Address { owner, pipe, serial });
        // Either we see what the other end did, or it sees whom to tell, see `tell_peer`.
        fence(Ordering::SeqCst);
    }

    /// Says what this end's socket brings, when a pipe that waited for its `bind` gets it.
    pub fn bring(&self, config: &InprocConfig) {
        self.sides[self.side].bring(config);
        self.set_limits(config.send_limit, config.receive_limit);
        self.tell_peer(Change::Known);
    }

    /// Whether it is known whose the other end is, or will be: its routing id is.
    pub(super) fn peer_is_known(&self) -> bool {
        self.sides[1 - self.side].present.load(Ordering::SeqCst)
    }

    /// Writes a message of one part before the end has an owner.
    ///
    /// # Errors
    /// [`Error::NoMemory`](crate::error::Error::NoMemory).
    pub fn write_first(&mut self, bytes: &[u8]) -> Result<()> {
        self.writer.push(&mut Msg::copy_from(bytes)?)?;
        self.publish();
        Ok(())
    }

    /// Whether something was written to this end.
    pub fn has_written(&self) -> bool {
        self.writer.has_published()
    }

    /// ZMQ_ROUTING_ID of the socket at the other end; empty as long as that is not known.
    pub fn peer_routing_id(&self) -> &[u8] {
        self.sides[1 - self.side].routing_id.get().map_or(&[], Vec::as_slice)
    }

    /// The socket's high-water marks have changed.
    pub fn set_limits(&self, send: u32, receive: u32) {
        self.sides[self.side].set_limits(send, receive);
        let (out, into) = self.limits();
        self.writer.set_high_water_mark(out);
        self.reader.set_high_water_mark(into);
        self.stats.limits(out as usize, into as usize);
    }

    /// How many messages there is room for to the other end, and from there.
    pub(super) fn limits(&self) -> (u32, u32) {
        let (mine, theirs) = (&self.sides[self.side], &self.sides[1 - self.side]);
        (limit(mine, theirs), limit(theirs, mine))
    }

    /// What others can see of the other end, as one socket of the process sees it: the other one says the same number.
    pub(super) fn tell(&mut self, stats: PeerStats) {
        let (out, into) = self.limits();
        stats.limits(out as usize, into as usize);
        stats.link(self.link);
        self.stats = stats;
    }

    /// The next frame.
    #[inline]
    pub(super) fn read(&mut self) -> Option<Msg> {
        let Some((msg, wake)) = self.reader.pop() else {
            if self.reader.acknowledge() {
                self.tell_peer(Change::Writable);
            }
            return None;
        };
        if wake {
            self.tell_peer(Change::Writable);
        }
        Some(msg)
    }

    /// See [`PipeSet::read_into`](crate::pattern::PipeSet::read_into).
    #[inline(always)]
    pub(super) fn read_into<S: Sink + ?Sized>(&mut self, to: &mut S) -> Option<Part> {
        let (part, wake) = self.reader.pop_into(to)?;
        self.stats.received(part.more, part.len);
        if wake {
            self.tell_peer(Change::Writable);
        }
        Some(part)
    }

    /// Writes a message of one part, if there is room and the body is short. Only for the end of a
    /// [straight](super::PipeTable::straight_out) pipe, and where barriers
    /// [are free](crate::sync::asymmetric::is_free).
    #[inline(always)]
    pub fn write_straight(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.writer.most() || !self.writer.has_room() {
            return false;
        }
        let pushed = self.writer.push_bytes_alone(bytes);
        if pushed {
            self.stats.sent(1, bytes.len());
            self.publish_freely();
        }
        pushed
    }

    /// The same with a message that owns its body, which is empty afterwards.
    #[inline(always)]
    pub fn write_msg_straight(&mut self, msg: &mut Msg) -> bool {
        if !self.writer.has_room() {
            return false;
        }
        let bytes = msg.len();
        let pushed = self.writer.push_alone(msg);
        if pushed {
            self.stats.sent(1, bytes);
            self.publish_freely();
        }
        pushed
    }

    /// Reads a message of one part, if one stands ready. Only for the end of a
    /// [straight](super::PipeTable::straight_in) pipe.
    #[inline(always)]
    pub fn read_straight<S: Sink + ?Sized>(&mut self, to: &mut S) -> Option<usize> {
        let (len, wake) = self.reader.pop_alone(to)?;
        self.stats.received(false, len);
        if wake {
            self.tell_peer(Change::Writable);
        }
        Some(len)
    }

    /// See [`PipeSet::write_bytes`](crate::pattern::PipeSet::write_bytes).
    #[inline(always)]
    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.writer.most()
            || self.writer.conflates()
            || self.writer.reader_gone()
            || !self.writer.has_room()
        {
            return false;
        }
        let pushed = self.push_last(bytes);
        if pushed {
            self.stats.sent(1, bytes.len());
        }
        pushed
    }

    /// Writes the last part of a message that has begun, if that takes no more than a copy.
    pub(super) fn finish_with(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.writer.most() || self.writer.conflates() || self.writer.reader_gone()
        {
            return false;
        }
        let pushed = self.push_last(bytes);
        if pushed {
            self.count_last(bytes.len());
        }
        pushed
    }

    /// The last part of a message was written.
    fn count_last(&mut self, bytes: usize) {
        self.stats.sent(1, std::mem::take(&mut self.begun) + bytes);
    }

    /// Takes back what was written of a message that goes on.
    pub(super) fn rollback(&mut self) {
        self.begun = 0;
        self.writer.rollback();
    }

    #[inline(always)]
    fn push_last(&mut self, bytes: &[u8]) -> bool {
        let pushed = self.writer.push_bytes(bytes, 0);
        if pushed {
            self.publish();
        }
        pushed
    }

    /// Writes a frame; the reader sees a message when it is whole. `msg` is empty afterwards.
    ///
    /// # Errors
    /// [`Error::NoMemory`](crate::error::Error::NoMemory); nothing has happened then.
    #[inline]
    pub(super) fn write(&mut self, msg: &mut Msg, arena: &mut Arena) -> Result<()> {
        let bytes = msg.len();
        if self.put(msg, arena)? {
            self.begun += bytes;
        } else {
            self.count_last(bytes);
        }
        Ok(())
    }

    /// Writes what is no message of the application's, and is not counted as one.
    ///
    /// # Errors
    /// As [`InprocEnd::write`].
    #[cold]
    pub(super) fn write_uncounted(&mut self, msg: &mut Msg, arena: &mut Arena) -> Result<()> {
        self.put(msg, arena).map(drop)
    }

    /// Writes a frame; whether its message goes on.
    #[inline(always)]
    fn put(&mut self, msg: &mut Msg, arena: &mut Arena) -> Result<bool> {
        if !self.writer.copies(msg) {
            msg.make_owned_in(arena)?;
        }
        let more = msg.more();
        if self.writer.push(msg)? {
            self.stats.passed_over();
        }
        if !more {
            self.publish();
        }
        Ok(more)
    }

    #[inline(always)]
    fn publish(&mut self) {
        if self.writer.publish() {
            self.tell_peer(Change::Readable);
        }
    }

    #[inline(always)]
    fn publish_freely(&mut self) {
        if self.writer.publish_freely() {
            self.tell_peer(Change::Readable);
        }
    }

    /// If nobody owns the other end yet, who will be its owner finds out.
    #[cold]
    fn tell_peer(&self, change: Change) {
        fence(Ordering::SeqCst);
        if let Some(&Address { owner, pipe, serial }) = self.sides[1 - self.side].address.get() {
            owner.mailbox.post(owner.generation, News { pipe, serial, change });
        }
    }

    /// Whether the other end has a socket (false: it is on its way there).
    fn peer_is_there(&self) -> bool {
        self.sides[1 - self.side].address.get().is_some()
    }

    /// Whether nobody would miss the other end if we closed this one: it has no socket yet, and there
    /// is nothing in it for whoever gets it.
    pub fn is_alone(&self) -> bool {
        !self.peer_is_there() && !self.writer.has_published()
    }
}

impl Drop for InprocEnd {
    fn drop(&mut self) {
        self.writer.close();
        self.reader.close();
        self.tell_peer(Change::Closed);
    }
}
