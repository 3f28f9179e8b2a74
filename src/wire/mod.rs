//! ZMTP 1.0, 2.0, 3.0 and 3.1 (RFC 13, 15, 23, 37), and what carries it over WebSocket (RFC 45; RFC 6455 of
//! the IETF) and PGM, as pure state machines: bytes in, bytes and events out. Nothing here does I/O, reads a
//! clock or allocates on the strength of a length that a peer merely announced.
#![forbid(unsafe_code)]

pub mod command;
pub mod datagram;
pub mod error;
pub mod frame;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod greeting;
pub mod handshake;
pub mod mechanism;
pub mod metadata;
pub mod packets;
pub mod upgrade;
pub mod websocket;
pub mod zws;

#[cfg(test)]
pub(crate) mod tests;

pub use error::{FrameError, HandshakeError, Malformed, MonitorEvent};
pub use frame::{Flags, Framing};
pub use handshake::{Established, Handshake, HandshakeConfig};
pub use mechanism::{Mechanism, Session, Status, Work, ZapReply, ZapRequest};
