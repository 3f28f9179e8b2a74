//! What is told of a socket.

use super::layout::{Field, UNKNOWN, socket};
use super::record::{Record, small};
use super::region::{self, Kind, Place};
use crate::sys::shared;
use std::sync::Arc;

/// The record of a socket, for as long as it or one of its peers is there.
#[derive(Debug, Clone)]
pub struct SocketStats {
    record: Record,
    held: Option<Arc<Place>>,
}

/// Whether a call sends or receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It sends.
    Out,
    /// It receives.
    In,
}

impl SocketStats {
    /// Of a new socket.
    #[must_use]
    pub fn new(socket_type: i32, context: u32) -> SocketStats {
        let Some(place) = region::claim(Kind::Socket, None) else {
            return SocketStats::nobodys(u64::from(context) + socket_type as u64);
        };
        let record = place.record;
        record.set_word(socket::TYPE, socket_type as u32);
        record.set_word(socket::CONTEXT, context);
        record.set_word(socket::THREAD, shared::thread_number());
        record.set_word(socket::STATE, 1);
        SocketStats { record, held: Some(Arc::new(place)) }
    }

    /// One that nobody looks at.
    #[must_use]
    pub fn nobodys(number: u64) -> SocketStats {
        SocketStats { record: Record::nobodys(number), held: None }
    }

    /// Which tenant of all it is, if there is a place for it.
    pub(super) fn id(&self) -> Option<u64> {
        self.held.as_ref().map(|place| place.id)
    }

    /// Its record.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    pub(super) fn is_ours(&self) -> bool {
        self.held.as_ref().is_some_and(|place| place.is_ours())
    }

    /// Counts something.
    #[inline]
    pub fn count(&self, field: Field<u64>) {
        self.record.add(field, 1);
    }

    /// How many endpoints there are, and what the last one is called.
    pub fn endpoints(&self, bound: usize, connected: usize, last: &str) {
        self.record.change(|record| {
            record.set_word(socket::BOUND, bound as u32);
            record.set_word(socket::CONNECTED, connected as u32);
            record.write(socket::ENDPOINT, last);
        });
    }

    /// zmq_close(3), with this ZMQ_LINGER.
    pub fn closes(&self, linger: i32) {
        self.record.set_word(socket::STATE, 2);
        self.record.set_word(socket::LINGER, linger as u32);
    }

    /// Its context is being terminated.
    pub fn terminates(&self) {
        self.record.set_word(socket::TERMINATING, 1);
    }

    /// How many topics or groups are asked for.
    pub fn subscriptions(&self, count: usize) {
        self.record.set_word(socket::SUBSCRIPTIONS, u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// A message that was sent went to nobody, as there is no peer. Those before the first peer of all, whether or not it
    /// has come, are told apart.
    pub fn dropped_without_peer(&self, before_the_first: bool) {
        self.count(socket::DROPPED_NO_PEER);
        if before_the_first {
            self.count(socket::DROPPED_BEFORE);
        }
    }

    /// A call begins to wait; when that was.
    pub fn blocks(&self, direction: Direction, first: bool) -> u64 {
        let now = region::time();
        if first {
            self.record.set(since(direction), now);
        }
        now
    }

    /// A call waits no more.
    pub fn goes_on(&self, direction: Direction, since_then: u64, last: bool) {
        let field = match direction {
            Direction::Out => socket::BLOCKED_OUT,
            Direction::In => socket::BLOCKED_IN,
        };
        self.record.add(field, region::time().saturating_sub(since_then));
        if last {
            self.record.set(since(direction), 0);
        }
    }

    /// A handshake with somebody at this address failed.
    pub(super) fn refuses(&self, failure: u32, detail: u32, mechanisms: (i32, i32), address: &str) {
        self.record.change(|record| {
            record.set_word(socket::FAILURE, failure);
            record.set_word(socket::FAILURE_DETAIL, detail);
            record.count(socket::FAILURES);
            record.set(socket::FAILURE_AT, region::time());
            record.set_byte(socket::FAILURE_OURS, small(mechanisms.0));
            record.set_byte(socket::FAILURE_THEIRS, small(mechanisms.1));
            record.write(socket::FAILURE_ADDRESS, address);
        });
        debug_assert!(small(-1) == UNKNOWN);
    }
}

fn since(direction: Direction) -> Field<u64> {
    match direction {
        Direction::Out => socket::BLOCKED_OUT_SINCE,
        Direction::In => socket::BLOCKED_IN_SINCE,
    }
}
