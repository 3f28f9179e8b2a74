//! One pipe, whatever is behind it.

use super::datagram::DatagramEnd;
use super::lists::Listed;
use super::local::InprocEnd;
use super::parts::Parts;
use super::remote::Wire;
use crate::connection::Connection;
use crate::error::Error;
use crate::msg::Msg;
use crate::pattern::PipeId;
use crate::stats::PeerStats;
use crate::stats::debug::Drops;
use std::time::{Duration, Instant};

/// Something that happened to a pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PipeEvent {
    /// It is known now whose the other end of an inproc pipe is.
    Connected(PipeId),
    /// There is something to read on a pipe the pattern found empty.
    Readable(PipeId),
    /// The peer will send no more; there may be something of it yet.
    HungUp(PipeId),
    /// There is room in a pipe the pattern found full.
    Writable(PipeId),
    /// The connection died; the pipe is still there.
    Lost(PipeId, Error),
    /// Nothing can be sent over the connection any more, but what the peer said can be read.
    Deaf(PipeId, Error),
    /// A PING came, and the timer of the connection's heartbeats has to be set.
    Pinged(PipeId),
    /// The network of a pipe wants a call at this time, at the latest: [`super::PipeTable::wake_datagrams`].
    Due(PipeId, Instant),
    /// The pipe has nothing left to give and to take: forget it.
    Finished(PipeId),
    /// So many messages for its peer were dropped, and somebody wants to know (ZMQ_DEBUG).
    Dropped(PipeId, u64),
    /// Pipes were left for another turn, see `PipeTable::resume`.
    Unread,
    /// Connections wait for memory to read on with: `PipeTable::feed` is due in a while.
    Starved,
}

impl PipeEvent {
    /// What it happened to, unless it concerns them all.
    pub(super) fn pipe(self) -> Option<PipeId> {
        match self {
            PipeEvent::Connected(id)
            | PipeEvent::Readable(id)
            | PipeEvent::HungUp(id)
            | PipeEvent::Writable(id)
            | PipeEvent::Lost(id, _)
            | PipeEvent::Deaf(id, _)
            | PipeEvent::Pinged(id)
            | PipeEvent::Due(id, _)
            | PipeEvent::Dropped(id, _)
            | PipeEvent::Finished(id) => Some(id),
            PipeEvent::Unread | PipeEvent::Starved => None,
        }
    }
}

/// What is behind a pipe. With a number of its own, which each message looks at: otherwise it would be one of the
/// values that a byte in an [`InprocEnd`] cannot have, and be calculated each time.
#[repr(u8)]
pub(super) enum Kind {
    Wire(Box<Wire>),
    Inproc(InprocEnd),
    Datagram(Box<DatagramEnd>),
}

/// What a pipe has to do that the pattern has let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    Nothing,
    /// There are messages that the kernel has not taken.
    Sending,
    /// What the kernel has taken could be lost yet; how soon to look again.
    Arriving(Duration),
}

/// The place of a pipe in `PipeTable::dirty` that is not there.
pub(super) const CLEAN: u32 = u32::MAX;

/// One pipe.
pub struct Pipe {
    pub(super) kind: Kind,
    /// Parts of an unfinished message, for a connection.
    pub(super) parts: Parts,
    /// A frame read ahead by `check_read`.
    pub(super) next: Option<Msg>,
    /// The last frame there is to read, when the peer is gone for good (ZMQ_DISCONNECT_MSG).
    pub(super) farewell: Option<Box<Msg>>,
    /// The pattern found the pipe empty and waits for `Readable`.
    pub(super) wants_read: bool,
    /// In the middle of a message, the rest of which has to be read whatever it costs.
    pub(super) reading: bool,
    /// Something was left in it for another turn.
    pub(super) unread: bool,
    /// When it last spent the budget of a turn, in turns that ended so; 0: never.
    pub(super) spent: u64,
    /// The pattern found the pipe full and waits for `Writable`.
    pub(super) wants_write: bool,
    /// Its place in `PipeTable::dirty`, or [`CLEAN`].
    pub(super) dirty: u32,
    /// The application has received all that came. Probably the peer waits for what is written next.
    pub(super) awaited: bool,
    /// Counted in `PipeTable::holding`.
    pub(super) holds: bool,
    /// In `PipeTable::grown`.
    pub(super) grown: bool,
    /// In `PipeTable::reported`.
    pub(super) reported: Option<Listed>,
    /// The peer is gone for good; the pipe ends when what it sent has been read.
    pub(super) ending: bool,
    /// The pattern does not know the pipe any more; it only lives to send what is left.
    pub(super) lingering: bool,
    /// What was said of messages dropped for it.
    pub drops: Drops,
    /// The pattern knows the pipe.
    pub attached: bool,
    /// The time that ZMQ_LINGER allows it is running.
    pub limited: bool,
    /// The name given with ZMQ_CONNECT_ROUTING_ID.
    pub assigned_routing_id: Option<Vec<u8>>,
    /// Number of the endpoint the pipe belongs to, in its socket.
    pub endpoint: u32,
    /// Its place among the pipes of that.
    pub(super) place: u32,
    /// The number of the first [event](super::events) that can be its own.
    pub(super) first_event: u64,
    /// Tells this pipe from earlier ones with its number, for timers.
    pub serial: u32,
}

impl Pipe {
    pub(super) fn new(kind: Kind, endpoint: u32) -> Pipe {
        Pipe {
            kind,
            parts: Parts::default(),
            next: None,
            farewell: None,
            wants_read: true,
            reading: false,
            unread: false,
            spent: 0,
            wants_write: false,
            dirty: CLEAN,
            awaited: false,
            holds: false,
            grown: false,
            reported: None,
            ending: false,
            lingering: false,
            drops: Drops::default(),
            attached: false,
            limited: false,
            assigned_routing_id: None,
            endpoint,
            place: 0,
            first_event: 0,
            serial: 0,
        }
    }

    /// When the peer goes, and is not sent away, this is read last.
    pub fn set_farewell(&mut self, last: Msg) {
        self.farewell = Some(Box::new(last));
    }

    /// The wire side, if the pipe is not an inproc one.
    pub fn wire(&mut self) -> Option<&mut Wire> {
        match &mut self.kind {
            Kind::Wire(wire) => Some(wire),
            Kind::Inproc(_) | Kind::Datagram(_) => None,
        }
    }

    /// How many messages fill the queue of those to be sent, and wait to be received. Where the peer is a socket of this process the
    /// former may count some that it has just taken.
    pub fn queued(&mut self) -> (usize, usize) {
        let (sending, receiving) = match &mut self.kind {
            Kind::Wire(wire) => (wire.filled(), wire.unread()),
            Kind::Inproc(end) => (end.writer.under_way(), end.reader.unread()),
            Kind::Datagram(end) => end.queued(),
        };
        // A message in parts counts until its last one is taken out.
        let ahead = self.next.as_ref().is_some_and(|frame| !frame.more());
        (sending, receiving + usize::from(ahead))
    }

    /// What others can see of the peer.
    pub fn stats(&self) -> &PeerStats {
        match &self.kind {
            Kind::Wire(wire) => &wire.stats,
            Kind::Inproc(end) => &end.stats,
            Kind::Datagram(end) => &end.stats,
        }
    }

    /// How many messages wait to be sent.
    pub(super) fn unsent(&self) -> usize {
        match &self.kind {
            Kind::Wire(wire) => wire.unsent(),
            Kind::Inproc(end) => end.writer.under_way(),
            Kind::Datagram(end) => end.queued().0,
        }
    }

    /// There is room in it that the pattern waited for.
    pub(super) fn resumes(&mut self) {
        self.wants_write = false;
        self.stats().has_room();
    }

    /// The connection, if there is one now.
    pub fn connection(&mut self) -> Option<&mut Connection> {
        self.wire()?.connection.as_mut()
    }

    /// The inproc end, if it is one.
    pub fn inproc(&self) -> Option<&InprocEnd> {
        match &self.kind {
            Kind::Wire(_) | Kind::Datagram(_) => None,
            Kind::Inproc(end) => Some(end),
        }
    }

    /// The socket for datagrams, if it is one.
    pub fn datagrams(&mut self) -> Option<&mut DatagramEnd> {
        match &mut self.kind {
            Kind::Datagram(end) => Some(end),
            Kind::Wire(_) | Kind::Inproc(_) => None,
        }
    }

    /// Whether the last frame written was one of a message that goes on.
    #[inline(always)]
    pub(super) fn in_message(&self) -> bool {
        match &self.kind {
            Kind::Wire(_) => !self.parts.is_empty(),
            Kind::Inproc(end) => end.writer.in_message(),
            Kind::Datagram(end) => end.in_message(),
        }
    }

    #[inline]
    pub(super) fn mark_dirty(&mut self, id: PipeId, dirty: &mut Vec<PipeId>) {
        if self.dirty == CLEAN {
            self.dirty = dirty.len() as u32;
            dirty.push(id);
        }
    }

    /// Says whether there is something to read, as far as is known; `holding` counts such pipes.
    #[inline]
    pub(super) fn note_holding(&mut self, holds: bool, holding: &mut usize) {
        if holds != self.holds {
            self.holds = holds;
            self.awaited = !holds;
            *holding = if holds { *holding + 1 } else { *holding - 1 };
        }
    }

    /// Whether the peer is gone for good.
    pub fn is_ending(&self) -> bool {
        self.ending
    }

    /// Whether the pipe only lives to send what is left.
    pub fn is_lingering(&self) -> bool {
        self.lingering
    }
}
