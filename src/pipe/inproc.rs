//! Pipes between two sockets of one context: a [`ring`](super::ring) in each direction.
//!
//! Each end belongs to its socket and is used under that socket's lock. The other socket's lock is
//! never taken: what it must know goes through its [`Mailbox`].

use super::ring::{self, Reader, Writer};
use crate::pattern::PipeId;
use std::sync::atomic::{AtomicU32, Ordering, fence};
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

/// Both ends of a new pipe: the connecting side's, and the binding side's. Without a `binder` (not
/// bound yet) only the connecting side's limits count until [`InprocEnd::set_limits`].
pub fn pair(connecter: &InprocConfig, binder: Option<&InprocConfig>) -> (InprocEnd, InprocEnd) {
    let (up, down) = limits(connecter, binder);
    let (up_writer, up_reader) = ring::queue(up, connecter.conflate);
    let conflate_down = binder.map_or(connecter.conflate, |b| b.conflate);
    let (down_writer, down_reader) = ring::queue(down, conflate_down);
    let sides = Arc::new([Side::default(), Side::default()]);
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

fn limits(connecter: &InprocConfig, binder: Option<&InprocConfig>) -> (u32, u32) {
    match binder {
        None => (connecter.send_limit, connecter.receive_limit),
        Some(binder) => (
            sum(connecter.send_limit, binder.receive_limit),
            sum(binder.send_limit, connecter.receive_limit),
        ),
    }
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

    /// Called on the binding side's end when a pipe that waited for its `bind` gets it.
    pub fn set_limits(&self, connecter: &InprocConfig, binder: &InprocConfig) {
        let (up, down) = limits(connecter, Some(binder));
        self.reader.set_high_water_mark(up);
        self.writer.set_high_water_mark(down);
    }

    pub(super) fn tell_peer(&self, news: fn(PipeId) -> News) {
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

impl Drop for InprocEnd {
    fn drop(&mut self) {
        self.writer.close();
        self.reader.close();
        self.tell_peer(News::Closed);
    }
}
