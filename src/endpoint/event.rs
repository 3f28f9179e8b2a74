//! What a socket monitor is told (zmq_socket_monitor(3)).

use crate::error::Error;
use crate::wire::{HandshakeError, MonitorEvent};
use std::os::fd::RawFd;

/// One event, with its value. The endpoint goes beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// This descriptor is connected.
    Connected(RawFd),
    /// The system goes on connecting.
    ConnectDelayed,
    /// The next attempt comes after so many milliseconds.
    ConnectRetried(i32),
    /// This descriptor listens.
    Listening(RawFd),
    /// Nobody can listen there.
    BindFailed(Error),
    /// A peer was let in.
    Accepted(RawFd),
    /// A peer was not.
    AcceptFailed(Error),
    /// A descriptor was closed that was no connection yet, or listened. -1: there was none.
    Closed(RawFd),
    /// A connection ended.
    Disconnected(RawFd),
    /// The monitor ends.
    MonitorStopped,
    /// A handshake failed with this `errno`.
    HandshakeFailedNoDetail(i32),
    /// A connection is established.
    HandshakeSucceeded,
    /// The peer broke the protocol: a `ZMQ_PROTOCOL_ERROR_*`.
    HandshakeFailedProtocol(u32),
    /// The ZAP handler said no with this status.
    HandshakeFailedAuth(u16),
    /// So many messages wait in a pipe to be sent, and so many to be received.
    PipesStats(u64, u64),
}

impl Event {
    /// The number of [`Event::PipesStats`].
    pub const PIPES_STATS: u64 = 0x1_0000;

    /// Why a peer was refused, if monitors hear of that.
    pub fn of_failure(error: &HandshakeError) -> Option<Event> {
        match error.monitor_event() {
            MonitorEvent::Quiet => None,
            MonitorEvent::NoDetail(errno) => Some(Event::HandshakeFailedNoDetail(errno)),
            MonitorEvent::Protocol(code) => Some(Event::HandshakeFailedProtocol(code)),
            MonitorEvent::Auth(status) => Some(Event::HandshakeFailedAuth(status)),
        }
    }

    /// Its number in `zmq.h`.
    pub fn number(self) -> u64 {
        match self {
            Event::Connected(_) => 0x0001,
            Event::ConnectDelayed => 0x0002,
            Event::ConnectRetried(_) => 0x0004,
            Event::Listening(_) => 0x0008,
            Event::BindFailed(_) => 0x0010,
            Event::Accepted(_) => 0x0020,
            Event::AcceptFailed(_) => 0x0040,
            Event::Closed(_) => 0x0080,
            Event::Disconnected(_) => 0x0200,
            Event::MonitorStopped => 0x0400,
            Event::HandshakeFailedNoDetail(_) => 0x0800,
            Event::HandshakeSucceeded => 0x1000,
            Event::HandshakeFailedProtocol(_) => 0x2000,
            Event::HandshakeFailedAuth(_) => 0x4000,
            Event::PipesStats(..) => Event::PIPES_STATS,
        }
    }

    /// Its value as the manual page has it, of which version 1 has 32 bits. Of two, the first.
    pub fn value(self) -> u64 {
        match self {
            Event::Connected(fd)
            | Event::Listening(fd)
            | Event::Accepted(fd)
            | Event::Closed(fd)
            | Event::Disconnected(fd) => fd as u64,
            Event::ConnectDelayed => libc::EINPROGRESS as u64,
            Event::ConnectRetried(milliseconds) => milliseconds as u64,
            Event::BindFailed(error) | Event::AcceptFailed(error) => error.errno() as u64,
            Event::HandshakeFailedNoDetail(errno) => errno as u64,
            Event::HandshakeFailedProtocol(code) => u64::from(code),
            Event::HandshakeFailedAuth(status) => u64::from(status),
            Event::PipesStats(sending, _) => sending,
            Event::MonitorStopped | Event::HandshakeSucceeded => 0,
        }
    }

    /// The other one of two values.
    pub fn second_value(self) -> Option<u64> {
        match self {
            Event::PipesStats(_, receiving) => Some(receiving),
            _ => None,
        }
    }
}
