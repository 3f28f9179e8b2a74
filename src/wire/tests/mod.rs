//! Tests without sockets: byte strings recorded from libzmq 4.3.4, in-memory pairs, hostile bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod command;
mod frame;
mod fuzz;
mod handshake;
mod hostile;
mod websocket;

use super::frame::{Flags, append_frame};
use super::metadata::append_property;
use super::{Established, Handshake, HandshakeConfig, HandshakeError};
use crate::security::Null;
use crate::types::SocketType;

/// A fixed sequence of numbers (xorshift64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

pub(crate) const SIGNATURE: &[u8] = b"\xff\0\0\0\0\0\0\0\x01\x7f";

/// A ZMTP 3 greeting as libzmq writes it.
pub(crate) fn greeting(version: (u8, u8), mechanism: &[u8]) -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    out.extend([version.0, version.1]);
    out.extend_from_slice(mechanism);
    out.resize(64, 0);
    out
}

/// A command frame with this body.
pub(crate) fn frame(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_frame(&mut out, Flags::COMMAND, body);
    out
}

pub(crate) fn property(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_property(&mut out, name, value);
    out
}

/// A READY frame with this socket type and more properties.
pub(crate) fn ready(socket_type: &[u8], more: &[u8]) -> Vec<u8> {
    let mut body = b"\x05READY".to_vec();
    body.extend(property(b"Socket-Type", socket_type));
    body.extend_from_slice(more);
    frame(&body)
}

pub(crate) fn null(socket_type: SocketType, routing_id: &[u8]) -> Handshake {
    Handshake::new(HandshakeConfig::new(
        socket_type,
        routing_id.to_vec(),
        Box::new(Null::new(false)),
    ))
}

/// Gives all the bytes to a handshake, in pieces that `piece` chooses, offering again what was not
/// taken, and returns how many were taken.
pub(crate) fn feed(
    handshake: &mut Handshake,
    bytes: &[u8],
    mut piece: impl FnMut() -> usize,
) -> Result<usize, HandshakeError> {
    let mut taken = 0;
    let mut offered = 0;
    while offered < bytes.len() {
        offered = (offered + piece().max(1)).min(bytes.len());
        let used = handshake.input(&bytes[taken..offered])?;
        assert!(used <= offered - taken);
        taken += used;
    }
    Ok(taken)
}

/// Feeds byte by byte and gives the outcome.
pub(crate) fn run(handshake: &mut Handshake, bytes: &[u8]) -> Result<Established, HandshakeError> {
    feed(handshake, bytes, || 1)?;
    Ok(handshake.outcome().expect("the handshake is over"))
}
