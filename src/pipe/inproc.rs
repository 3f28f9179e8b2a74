//! Pipes between two sockets of one context: a [`ring`](super::ring) in each direction.
//!
//! Each end belongs to its socket and is used under that socket's lock. The other socket's lock is
//! never taken: what it must know goes through its [`Mailbox`].

use super::ring::{self, BYTES_LIMIT, Reader, Writer};
use super::{Kind, PipeTable};
use crate::msg::{Arena, Msg, Sink};
use crate::pattern::{Part, PipeId};
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use std::sync::{Arc, OnceLock};

/// News for a socket from the other end of one of its inproc pipes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// There is something to read on the pipe.
    Readable(PipeId),
    /// There is room to write on the pipe.
    Writable(PipeId),
    /// The other end is closed. What it wrote before can still be read.
    Closed(PipeId),
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

#[derive(Default)]
struct Side {
    owner: OnceLock<Owner>,
    id: AtomicU32,
    /// ZMQ_SNDHWM and ZMQ_RCVHWM of the socket at this end.
    send_limit: AtomicU32,
    receive_limit: AtomicU32,
    /// Whether this end's limits count yet: it has a socket.
    present: AtomicBool,
}

impl Side {
    fn of(config: Option<&InprocConfig>) -> Side {
        let side = Side::default();
        if let Some(config) = config {
            side.set_limits(config.send_limit, config.receive_limit);
        }
        side
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
    /// ZMQ_ROUTING_ID of the socket at the other end.
    pub peer_routing_id: Vec<u8>,
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
/// bound yet) only the connecting side's limits count until [`InprocEnd::set_limits`].
pub fn pair(connecter: &InprocConfig, binder: Option<&InprocConfig>) -> (InprocEnd, InprocEnd) {
    let sides = Arc::new([Side::of(Some(connecter)), Side::of(binder)]);
    let (up_writer, up_reader) = ring::queue(limit(&sides[0], &sides[1]), connecter.conflate);
    let conflate_down = binder.map_or(connecter.conflate, |b| b.conflate);
    let (down_writer, down_reader) = ring::queue(limit(&sides[1], &sides[0]), conflate_down);
    let connecting = InprocEnd {
        writer: up_writer,
        reader: down_reader,
        sides: sides.clone(),
        side: 0,
        peer_routing_id: binder.map(|b| b.routing_id.clone()).unwrap_or_default(),
    };
    let binding = InprocEnd {
        writer: down_writer,
        reader: up_reader,
        sides,
        side: 1,
        peer_routing_id: connecter.routing_id.clone(),
    };
    (connecting, binding)
}

impl InprocEnd {
    /// Says which pipe of which socket this end is. News come from then on; what happened before
    /// must be looked for afterwards.
    pub fn own(&self, owner: Owner, id: PipeId) {
        self.sides[self.side].id.store(id, Ordering::SeqCst);
        // An end is owned once in its life.
        let _ = self.sides[self.side].owner.set(owner);
        fence(Ordering::SeqCst);
    }

    /// Says what this end's socket brings: when a pipe that waited for its `bind` gets it, and when
    /// the socket's high-water marks change.
    pub fn set_limits(&self, send: u32, receive: u32) {
        let (mine, theirs) = (&self.sides[self.side], &self.sides[1 - self.side]);
        mine.set_limits(send, receive);
        self.writer.set_high_water_mark(limit(mine, theirs));
        self.reader.set_high_water_mark(limit(theirs, mine));
    }

    /// The next frame.
    #[inline]
    pub(super) fn read(&mut self) -> Option<Msg> {
        let Some((msg, wake)) = self.reader.pop() else {
            if self.reader.acknowledge() {
                self.tell_peer(News::Writable);
            }
            return None;
        };
        if wake {
            self.tell_peer(News::Writable);
        }
        Some(msg)
    }

    /// See [`PipeSet::read_into`](crate::pattern::PipeSet::read_into).
    #[inline(always)]
    pub(super) fn read_into<S: Sink + ?Sized>(&mut self, to: &mut S) -> Option<Part> {
        let (part, wake) = self.reader.pop_into(to)?;
        if wake {
            self.tell_peer(News::Writable);
        }
        Some(part)
    }

    /// Writes a message of one part, if there is room and the body is short. Only for the end of a
    /// [straight](super::PipeTable::straight_out) pipe, and where barriers
    /// [are free](crate::sync::asymmetric::is_free).
    #[inline(always)]
    pub fn write_straight(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > BYTES_LIMIT || !self.writer.has_room() {
            return false;
        }
        self.writer.push_bytes_alone(bytes);
        self.publish_freely();
        true
    }

    /// The same with a message that owns its body, which is empty afterwards.
    #[inline(always)]
    pub fn write_msg_straight(&mut self, msg: &mut Msg) -> bool {
        if !self.writer.has_room() {
            return false;
        }
        self.writer.push_alone(msg);
        self.publish_freely();
        true
    }

    /// Reads a message of one part, if one stands ready. Only for the end of a
    /// [straight](super::PipeTable::straight_in) pipe.
    #[inline(always)]
    pub fn read_straight<S: Sink + ?Sized>(&mut self, to: &mut S) -> Option<usize> {
        let (len, wake) = self.reader.pop_alone(to)?;
        if wake {
            self.tell_peer(News::Writable);
        }
        Some(len)
    }

    /// See [`PipeSet::write_bytes`](crate::pattern::PipeSet::write_bytes).
    #[inline(always)]
    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > BYTES_LIMIT
            || self.writer.conflates()
            || self.writer.reader_gone()
            || !self.writer.has_room()
        {
            return false;
        }
        self.writer.push_bytes(bytes, 0);
        self.publish();
        true
    }

    /// Writes the last part of a message that has begun, if that takes no more than a copy.
    pub(super) fn finish_with(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > BYTES_LIMIT || self.writer.conflates() || self.writer.reader_gone() {
            return false;
        }
        self.writer.push_bytes(bytes, 0);
        self.publish();
        true
    }

    /// Writes a frame; the reader sees a message when it is whole.
    #[inline]
    pub(super) fn write(&mut self, mut msg: Msg, arena: &mut Arena) {
        // Without memory the frame is lost; its MORE flag must not be.
        if !self.writer.copies(&msg) && msg.make_owned_in(arena).is_err() {
            let more = msg.more();
            msg = Msg::new();
            msg.set_more(more);
        }
        let more = msg.more();
        self.writer.push(msg);
        if !more {
            self.publish();
        }
    }

    #[inline(always)]
    fn publish(&mut self) {
        if self.writer.publish() {
            self.tell_peer(News::Readable);
        }
    }

    #[inline(always)]
    fn publish_freely(&mut self) {
        if self.writer.publish_freely() {
            self.tell_peer(News::Readable);
        }
    }

    #[cold]
    fn tell_peer(&self, news: fn(PipeId) -> News) {
        let peer = &self.sides[1 - self.side];
        if let Some(owner) = peer.owner.get() {
            owner.mailbox.post(owner.generation, news(peer.id.load(Ordering::SeqCst)));
        }
    }

    /// Whether the other end has a socket (false: it waits for a `bind`).
    pub fn peer_is_there(&self) -> bool {
        self.sides[1 - self.side].owner.get().is_some()
    }
}

impl PipeTable {
    /// Whether there are pipes to other sockets of the process.
    pub fn has_inproc(&mut self) -> bool {
        self.had_inproc = self.inprocs != 0;
        self.had_inproc
    }

    /// From now on until another comes, [`PipeTable::may_have_inproc`] says no.
    pub fn forget_inproc(&mut self) {
        self.had_inproc = false;
    }

    /// Whether there may be some, or were when [`PipeTable::has_inproc`] was asked last.
    #[inline]
    pub fn may_have_inproc(&self) -> bool {
        self.had_inproc
    }

    /// The end of a pipe to another socket, if there is nothing to consider before writing to it but
    /// whether there is room.
    pub fn straight_out(&mut self, id: PipeId) -> Option<&mut InprocEnd> {
        let pipe = self.get(id).filter(|p| !p.ending && !p.lingering)?;
        let Kind::Inproc(end) = &mut pipe.kind else { return None };
        (!end.writer.conflates() && !end.writer.in_message()).then_some(end)
    }

    /// The end of a pipe from another socket, if what stands in its queue comes next.
    pub fn straight_in(&mut self, id: PipeId) -> Option<&mut InprocEnd> {
        let conflate = self.conflate;
        let pipe = self.get(id).filter(|p| !conflate && !p.lingering && p.next.is_none())?;
        let Kind::Inproc(end) = &mut pipe.kind else { return None };
        Some(end)
    }
}

impl Drop for InprocEnd {
    fn drop(&mut self) {
        self.writer.close();
        self.reader.close();
        self.tell_peer(News::Closed);
    }
}
