//! What the handshakes of several mechanisms have in common.

use crate::wire::HandshakeError;
use crate::wire::command::{error_reason, strip};

/// What a command that is not the expected one ends the handshake with: the peer's reason if it is an
/// ERROR (RFC 37, "Error Handling": fatal).
pub(super) fn refusal(body: &[u8]) -> HandshakeError {
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
pub(super) enum Zap {
    /// No question, or a positive answer.
    Clear,
    /// To be asked.
    Ask,
    /// Asked, not answered.
    Asked,
}

impl Zap {
    pub(super) fn waiting(self) -> bool {
        self != Zap::Clear
    }

    /// True once after `Ask`.
    pub(super) fn take_question(&mut self) -> bool {
        let ask = *self == Zap::Ask;
        if ask {
            *self = Zap::Asked;
        }
        ask
    }
}
