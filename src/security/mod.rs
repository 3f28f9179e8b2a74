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

use crate::wire::HandshakeError;
use crate::wire::command::{error_reason, strip};

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
