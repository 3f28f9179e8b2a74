//! What is told of a peer.

use super::layout::{UNKNOWN, peer, socket};
use super::record::{Record, small};
use super::region::{self, Kind, Place};
use super::sockets::SocketStats;
use crate::sys::shared;
use std::sync::Arc;
use std::time::Duration;

/// The record of a peer, for as long as an endpoint, an attempt, a connection or a pipe has it.
#[derive(Debug, Clone)]
pub struct PeerStats {
    record: Record,
    held: Option<Arc<Held>>,
}

#[derive(Debug)]
struct Held {
    /// Gone when this is dropped.
    place: Option<Place>,
    owner: SocketStats,
}

impl Drop for Held {
    /// What was counted is the socket's from now on.
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        if !place.is_shown() || !place.is_ours() || !self.owner.is_ours() {
            return;
        }
        let counted = place.record;
        self.owner.record().change(|sum| {
            for (from, to) in [
                (peer::MESSAGES_OUT, socket::MESSAGES_OUT),
                (peer::BYTES_OUT, socket::BYTES_OUT),
                (peer::MESSAGES_IN, socket::MESSAGES_IN),
                (peer::BYTES_IN, socket::BYTES_IN),
                (peer::DROPPED_FULL, socket::DROPPED_FULL),
            ] {
                sum.add(to, counted.get(from));
            }
            drop(place);
        });
    }
}

/// What two sides have agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// ZMQ_MECHANISM; -1: none.
    pub mechanism: i32,
    /// The version of ZMTP; 0, 0: none.
    pub version: (u8, u8),
    /// ZMQ_TYPE of the peer; -1: it did not say.
    pub peer_type: i32,
}

/// What [`PeerStats::state`] is told: numbers of [`peer::STATES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// A name is looked up.
    Resolving = 1,
    /// The system connects.
    Connecting,
    /// A handshake is going on.
    Handshaking,
    /// Messages can go.
    Ready,
    /// Between two attempts.
    Waiting,
    /// The application is done with it, and there is something to send.
    Lingering,
    /// It is gone, and there is something to receive.
    Gone,
    /// Nobody has bound the name.
    Unbound,
    /// A handshake failed, and there will be no further attempt.
    GivenUp,
}

/// How somebody became a peer: numbers of [`peer::DIRECTIONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// We connected.
    Connected = 1,
    /// It came to us.
    Accepted,
    /// Datagrams, to or from whoever is there.
    Datagrams,
}

impl PeerStats {
    /// Of a new peer of that socket.
    #[must_use]
    pub fn of(socket: &SocketStats) -> PeerStats {
        let Some(id) = socket.id() else { return PeerStats::nobodys(*socket.record()) };
        match region::claim(Kind::Peer(id), Some(Record::nobodys(id))) {
            Some(place) => PeerStats::new(place, socket.clone()),
            None => PeerStats::nobodys(*socket.record()),
        }
    }

    fn new(place: Place, owner: SocketStats) -> PeerStats {
        let record = place.record;
        record.set_byte(peer::MECHANISM, UNKNOWN);
        record.set_byte(peer::PEER_MECHANISM, UNKNOWN);
        record.set_byte(peer::PEER_TYPE, UNKNOWN);
        PeerStats { record, held: Some(Arc::new(Held { place: Some(place), owner })) }
    }

    /// One that nobody looks at.
    #[must_use]
    pub fn nobodys(record: Record) -> PeerStats {
        PeerStats { record, held: None }
    }

    /// Messages were put in its queue, with so many bytes together.
    #[inline(always)]
    pub fn sent(&self, messages: usize, bytes: usize) {
        self.record.add(peer::MESSAGES_OUT, messages as u64);
        self.record.add(peer::BYTES_OUT, bytes as u64);
    }

    /// A part was taken that it has sent, the last one of a message or not.
    #[inline(always)]
    pub fn received(&self, more: bool, bytes: usize) {
        self.record.add(peer::MESSAGES_IN, u64::from(!more));
        self.record.add(peer::BYTES_IN, bytes as u64);
    }

    /// Such a part does not count.
    pub fn not_received(&self, more: bool, bytes: usize) {
        self.record.add(peer::MESSAGES_IN, u64::from(!more).wrapping_neg());
        self.record.add(peer::BYTES_IN, (bytes as u64).wrapping_neg());
    }

    /// So many messages wait to be sent.
    #[inline(always)]
    pub fn waiting(&self, unsent: usize) {
        let sent = self.record.get(peer::MESSAGES_OUT);
        self.record.set(peer::LEFT, sent.wrapping_sub(unsent as u64));
    }

    /// A message that waited waits no more: a newer one has its place (ZMQ_CONFLATE).
    #[cold]
    pub fn passed_over(&self) {
        self.record.add(peer::LEFT, 1);
    }

    /// The system has been asked to take what waits, and so many messages are left.
    #[cold]
    pub fn stalls(&self, unsent: usize) {
        self.waiting(unsent);
        self.record.raise(peer::DEEPEST_OUT, unsent);
        if self.record.get(peer::STALLED_SINCE) == 0 {
            self.record.set(peer::STALLED_SINCE, region::time());
        }
    }

    /// It has taken all there is.
    #[inline(always)]
    pub fn flows(&self) {
        self.waiting(0);
        self.record.set(peer::STALLED_SINCE, 0);
    }

    /// So many messages wait to be received.
    #[inline]
    pub fn came(&self, unread: usize) {
        let received = self.record.get(peer::MESSAGES_IN);
        self.record.set(peer::CAME, received.wrapping_add(unread as u64));
        self.record.raise(peer::DEEPEST_IN, unread);
    }

    /// Something of it was read at this time.
    #[inline(always)]
    pub fn heard(&self, at: u64) {
        self.record.set(peer::HEARD_AT, at);
    }

    /// Its queue is full, with so many messages.
    #[cold]
    pub fn is_full(&self, unsent: usize) {
        self.record.raise(peer::DEEPEST_OUT, unsent);
        if self.record.get(peer::FULL_SINCE) == 0 {
            self.record.set(peer::FULL_SINCE, region::time());
        }
    }

    /// There is room again.
    pub fn has_room(&self) {
        self.record.set(peer::FULL_SINCE, 0);
    }

    /// A message was dropped because its queue was full.
    #[cold]
    pub fn dropped(&self) {
        self.record.add(peer::DROPPED_FULL, 1);
    }

    /// Who it is.
    pub fn describe(&self, way: Way, endpoint: &str, address: &str) {
        self.record.change(|record| {
            record.set_byte(peer::DIRECTION, way as u8);
            let whole = record.write(peer::ENDPOINT, endpoint);
            let whole = record.write(peer::ADDRESS, address) && whole;
            record.set_byte(peer::CUT, u8::from(!whole));
        });
    }

    /// High-water marks, 0 for none.
    pub fn limits(&self, out: usize, into: usize) {
        let number = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        self.record.set_word(peer::LIMIT_OUT, number(out));
        self.record.set_word(peer::LIMIT_IN, number(into));
    }

    /// The other end is a socket of the process, in whose record is the same number.
    pub fn link(&self, number: u64) {
        self.record.set(peer::LINK, number);
        self.record.set_word(peer::PEER_PID, shared::process_number());
    }

    /// What is going on.
    pub fn state(&self, state: State) {
        self.record.set(peer::STATE_SINCE, region::time());
        self.record.set_word(peer::STATE, state as u32);
    }

    /// The next attempt comes after this time, as the last one failed, or the connection was lost.
    pub fn waits(&self, after: Duration) {
        let after = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        self.record.set(peer::RETRY_AT, region::time().saturating_add(after));
        self.state(State::Waiting);
    }

    /// An attempt failed for this reason (errno).
    pub fn attempt_failed(&self, errno: i32) {
        self.record.count(peer::ATTEMPTS);
        self.lost(errno);
    }

    /// A connection was lost for this reason (errno).
    pub fn lost(&self, errno: i32) {
        self.record.set_word(peer::ERROR, errno.unsigned_abs());
        self.record.set(peer::ERROR_AT, region::time());
    }

    /// A handshake failed: a number of [`FAILURES`](super::layout::FAILURES), what goes with it, and the mechanisms of both sides
    /// (-1: unknown). What comes of it is told of the socket, too.
    pub fn refused(&self, failure: u32, detail: u32, mechanisms: (i32, i32), address: &str) {
        self.record.set_byte(peer::MECHANISM, small(mechanisms.0));
        self.record.set_byte(peer::PEER_MECHANISM, small(mechanisms.1));
        self.record.set_word(peer::FAILURE, failure);
        self.record.set_word(peer::FAILURE_DETAIL, detail);
        self.record.set(peer::FAILURE_AT, region::time());
        if let Some(held) = &self.held {
            held.owner.refuses(failure, detail, mechanisms, address);
        }
    }

    /// There is a connection, the first one or `again`.
    pub fn established(&self, again: bool, agreed: Agreed, address: &str, pid: u32) {
        self.record.change(|record| {
            record.set_byte(peer::MECHANISM, small(agreed.mechanism));
            record.set_byte(peer::PEER_MECHANISM, small(agreed.mechanism));
            record.set_byte(peer::ZMTP_MAJOR, agreed.version.0);
            record.set_byte(peer::ZMTP_MINOR, agreed.version.1);
            record.set_byte(peer::PEER_TYPE, small(agreed.peer_type));
            record.set_word(peer::PEER_PID, pid);
            record.set_word(peer::ATTEMPTS, 0);
            record.set(peer::RETRY_AT, 0);
            if !record.write(peer::ADDRESS, address) {
                record.set_byte(peer::CUT, 1);
            }
            if again {
                record.count(peer::RECONNECTS);
            }
        });
        self.state(State::Ready);
    }
}
