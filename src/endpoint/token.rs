//! What a socket gives the reactor to be called back with: a kind and a number. Those of its pipes are here, too: one
//! number means one thing.

use crate::reactor;

/// The reactor's token for a socket's set.
pub const SET: u32 = 0;
const LISTENER: u32 = reactor::LISTENERS >> KIND_SHIFT;
const CONNECTING: u32 = 2;
const GREETING: u32 = 3;
const KIND_SHIFT: u32 = 24;
const NUMBER: u32 = (1 << KIND_SHIFT) - 1;

/// Which descriptor of a socket is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// The set of its connections.
    Set,
    /// The listener of this endpoint.
    Listener(u32),
    /// That of this attempt, which the system connects. Apart from those that come later: one of an attempt that is
    /// over must not be taken for that of another one with its number.
    Connecting(u32),
    /// That of this attempt, on which a dialogue is going on.
    Greeting(u32),
}

impl Ready {
    /// For the reactor.
    pub fn token(self) -> u32 {
        match self {
            Ready::Set => SET,
            Ready::Listener(number) => LISTENER << KIND_SHIFT | number,
            Ready::Connecting(number) => CONNECTING << KIND_SHIFT | number,
            Ready::Greeting(number) => GREETING << KIND_SHIFT | number,
        }
    }

    /// What the reactor gives back.
    pub fn of_token(token: u32) -> Ready {
        let number = token & NUMBER;
        match token >> KIND_SHIFT {
            SET => Ready::Set,
            LISTENER => Ready::Listener(number),
            CONNECTING => Ready::Connecting(number),
            _ => Ready::Greeting(number),
        }
    }
}

/// What a deadline is for. Its number is that of an endpoint, attempt or pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The next attempt of an endpoint.
    Reconnect,
    /// A name has been looked up.
    LookedUp,
    /// A helper has done what a handshake waits for.
    Worked,
    /// A listener has rested.
    Accept,
    /// An attempt has taken too long.
    Attempt,
    /// News from a ZAP handler for an attempt.
    Zap,
    /// A PING of a pipe's connection, or the answer to one.
    Heartbeat,
    /// The time that ZMQ_LINGER allows a pipe.
    PipeLinger,
    /// The same of the socket.
    SocketLinger,
    /// Has a peer got what was sent to it?
    Farewell,
    /// Does a peer that takes nothing still say something?
    Silence,
    /// Is there memory again to read on with?
    Memory,
    /// What a pipe without connection sends to wants to be called.
    Network,
}

const TIMERS: [Timer; 13] = [
    Timer::Reconnect,
    Timer::LookedUp,
    Timer::Worked,
    Timer::Accept,
    Timer::Attempt,
    Timer::Zap,
    Timer::Heartbeat,
    Timer::PipeLinger,
    Timer::SocketLinger,
    Timer::Farewell,
    Timer::Silence,
    Timer::Memory,
    Timer::Network,
];

impl Timer {
    /// What the reactor gives back when the deadline has passed.
    pub fn token(self, number: u32, serial: u32) -> u64 {
        (self as u64) << 56 | u64::from(number & NUMBER) << 32 | u64::from(serial)
    }

    /// The deadline, its number and its serial.
    pub fn of_token(token: u64) -> Option<(Timer, u32, u32)> {
        let timer = TIMERS.get((token >> 56) as usize)?;
        Some((*timer, (token >> 32) as u32 & NUMBER, token as u32))
    }
}
