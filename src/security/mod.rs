//! Security mechanisms as pure state machines ([`crate::wire::Mechanism`]), and the dialogue with the
//! ZAP handler.
#![forbid(unsafe_code)]

pub mod curve;
mod dialogue;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod gssapi;
pub mod null;
pub mod plain;
mod row;
pub mod zap;

#[cfg(test)]
mod tests;

pub use curve::{CurveClient, CurveServer};
pub use gssapi::Gssapi;
pub use null::Null;
pub use plain::{PlainClient, PlainServer};

use crate::options::SocketOptions;
use crate::wire::Mechanism;
use row::Row;

/// Every mechanism.
static TABLE: &[&Row] = &[&null::ROW, &plain::ROW, &curve::ROW, &gssapi::ROW];

/// The mechanism that the options choose.
fn chosen(options: &SocketOptions) -> &'static Row {
    TABLE.iter().copied().find(|row| row.number == options.mechanism).unwrap_or(&null::ROW)
}

/// Whether this is a mechanism that we have here, and not every library (zmq_has(3)).
pub fn is_optional(name: &[u8]) -> bool {
    TABLE.iter().filter_map(|row| row.optional).any(|(of, is_there)| of == name && is_there())
}

/// Our side of a handshake with these options.
pub fn mechanism(options: &SocketOptions) -> Box<dyn Mechanism> {
    (chosen(options).make)(options)
}

/// Whether a server with these options lets nobody in if there is no ZAP handler.
pub fn needs_zap_handler(options: &SocketOptions) -> bool {
    chosen(options).needs_zap_handler || options.zap_enforce_domain
}

/// What ZMQ_MECHANISM would say of a socket with the mechanism that a greeting names so, with zeros behind the name: those of
/// RFC 37, which a peer may have whether or not we do.
pub fn announced(name: &[u8]) -> Option<i32> {
    // Each at its number.
    let known: [&[u8]; 4] = [b"NULL", b"PLAIN", b"CURVE", b"GSSAPI"];
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    known.iter().position(|other| name.get(..end) == Some(*other)).map(|number| number as i32)
}
