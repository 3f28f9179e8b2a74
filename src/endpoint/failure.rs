//! Why a handshake failed, as statistics say it: a number of [`FAILURES`] and what goes with it.

use crate::error::Error;
use crate::stats::layout::FAILURES;
use crate::wire::{HandshakeError, MonitorEvent};

/// What was wrong with what the peer said, or what it or the ZAP handler said was wrong with us or it.
#[must_use]
pub fn of(error: &HandshakeError) -> (u32, u32) {
    match error {
        HandshakeError::Frame(_) => (1, 0),
        HandshakeError::OldVersion => (2, 0),
        HandshakeError::MechanismMismatch => (3, 0),
        HandshakeError::UnexpectedCommand => (4, 0),
        HandshakeError::MalformedCommand(_) => (5, 0),
        HandshakeError::InvalidMetadata { .. } => (6, 0),
        HandshakeError::InvalidSequence => (7, 0),
        HandshakeError::KeyExchange => (8, 0),
        HandshakeError::Cryptographic => (9, 0),
        HandshakeError::PeerError(_) => match error.monitor_event() {
            MonitorEvent::Auth(status) => (10, status.into()),
            _ => (10, 0),
        },
        HandshakeError::Refused(status) => (11, (*status).into()),
        HandshakeError::Zap(code) => (12, *code),
        HandshakeError::NoZapHandler => (13, 0),
        HandshakeError::NoContext => (16, 0),
    }
}

/// What that is in words.
#[must_use]
pub fn words(failure: u32) -> &'static str {
    FAILURES.get(failure.saturating_sub(1) as usize).copied().unwrap_or_default()
}

/// The connection ended before its handshake did, for this reason.
pub(super) fn of_end(error: Error) -> (u32, u32) {
    match error {
        // What a deadline that has passed is told as.
        Error::Again => (14, 0),
        error => (15, error.errno().unsigned_abs()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_words() {
        let said = |(failure, detail): (u32, u32)| (words(failure), detail);
        let refused = "refused by the peer";
        for (error, words, detail) in [
            (HandshakeError::MechanismMismatch, "the peer has another security mechanism", 0),
            (HandshakeError::Cryptographic, "a box that does not open: a wrong key", 0),
            (HandshakeError::PeerError(b"400".to_vec()), refused, 400),
            (HandshakeError::PeerError(b"go away".to_vec()), refused, 0),
            (HandshakeError::Refused(300), "refused by the ZAP handler", 300),
            (HandshakeError::NoZapHandler, "no ZAP handler", 0),
        ] {
            assert_eq!(said(of(&error)), (words, detail));
        }
        assert_eq!(said(of_end(Error::Again)), ("it took too long", 0));
        let closed = ("the peer closed the connection", 32);
        assert_eq!(said(of_end(Error::Os(libc::EPIPE))), closed);
    }
}
