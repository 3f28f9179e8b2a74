//! Security mechanisms as pure state machines ([`crate::wire::Mechanism`]), and the dialogue with the
//! ZAP handler.
#![forbid(unsafe_code)]

pub mod curve;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod null;
pub mod plain;
pub mod zap;

#[cfg(test)]
mod tests;

pub use curve::{CurveClient, CurveServer};
pub use null::Null;
pub use plain::{PlainClient, PlainServer};

use crate::options::SocketOptions;
use crate::wire::command::{error_reason, strip};

use crate::wire::{HandshakeError, Mechanism};

/// What is to be known of a mechanism before there is a connection.
#[derive(Debug)]
struct Row {
    /// What `ZMQ_MECHANISM` says of a socket with it.
    number: i32,
    /// Its name for zmq_has(3), if libraries exist without it.
    optional: Option<&'static [u8]>,
    /// Nobody comes in if there is no ZAP handler, whatever ZMQ_ZAP_ENFORCE_DOMAIN says.
    needs_zap_handler: bool,
    /// Our side of a handshake.
    make: fn(&SocketOptions) -> Box<dyn Mechanism>,
}

/// Every mechanism.
static TABLE: &[&Row] = &[&null::ROW, &plain::ROW, &curve::ROW];

/// The mechanism that the options choose.
fn chosen(options: &SocketOptions) -> &'static Row {
    TABLE.iter().copied().find(|row| row.number == options.mechanism).unwrap_or(&null::ROW)
}

/// Whether this is a mechanism that we have, and not every library (zmq_has(3)).
pub fn is_optional(name: &[u8]) -> bool {
    TABLE.iter().any(|row| row.optional == Some(name))
}

/// Our side of a handshake with these options.
pub fn mechanism(options: &SocketOptions) -> Box<dyn Mechanism> {
    (chosen(options).make)(options)
}

/// Whether a server with these options lets nobody in if there is no ZAP handler.
pub fn needs_zap_handler(options: &SocketOptions) -> bool {
    chosen(options).needs_zap_handler || options.zap_enforce_domain
}

/// What a command that is not the expected one ends the handshake with: the peer's reason if it is an
/// ERROR (RFC 37, "Error Handling": fatal).
fn refusal(body: &[u8]) -> HandshakeError {
    match strip(body, b"ERROR") {
        Some(data) => match error_reason(data) {
            Ok(reason) => HandshakeError::PeerError(reason.to_vec()),
            Err(error) => error,
        },
        None => HandshakeError::UnexpectedCommand,
    }
}

/// A question to the ZAP handler and its answer, seen from a mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Zap {
    /// No question, or a positive answer.
    Clear,
    /// To be asked.
    Ask,
    /// Asked, not answered.
    Asked,
}

impl Zap {
    fn waiting(self) -> bool {
        self != Zap::Clear
    }

    /// True once after `Ask`.
    fn take_question(&mut self) -> bool {
        let ask = *self == Zap::Ask;
        if ask {
            *self = Zap::Asked;
        }
        ask
    }
}
