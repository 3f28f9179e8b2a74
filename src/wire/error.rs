//! What can be wrong with the bytes of a peer, and what a socket monitor says about it.

use std::fmt;

/// A frame header that no peer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// One of the flag bits 7 to 3 is set (RFC 37, "Framing": MUST be zero).
    ReservedFlags,
    /// A command frame that announces more frames (RFC 37: SHALL be zero on command frames).
    CommandWithMore,
    /// A ZMTP 1.0 frame of length zero, which does not even hold its flags (RFC 13).
    ZeroLength,
    /// A length above 2^63-1 octets.
    LengthOverflow,
    /// A body above the limit that the caller gave (ZMQ_MAXMSGSIZE, or the address space).
    TooLarge,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FrameError::ReservedFlags => "reserved frame flags are set",
            FrameError::CommandWithMore => "a command frame announces more frames",
            FrameError::ZeroLength => "a ZMTP 1.0 frame of length zero",
            FrameError::LengthOverflow => "a frame longer than 2^63-1 octets",
            FrameError::TooLarge => "a frame above the size limit",
        })
    }
}

impl std::error::Error for FrameError {}

impl From<FrameError> for crate::error::Error {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::TooLarge => crate::error::Error::MessageTooLong,
            _ => crate::error::Error::Protocol,
        }
    }
}

/// Which command could not be taken apart; one `ZMQ_PROTOCOL_ERROR_ZMTP_MALFORMED_COMMAND_*` each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "each variant is the command of that name")]
pub enum Malformed {
    Unspecified,
    Message,
    Hello,
    Initiate,
    Error,
    Ready,
    Welcome,
}

/// Why a handshake failed. The connection is closed; what is in the output may still be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandshakeError {
    /// A frame that the framing does not allow, or one above our limit.
    Frame(FrameError),
    /// The peer speaks ZMTP 1.0 or 2.0 and our security forbids it (RFC 37, "Detecting ZMTP 1.0
    /// and 2.0 Peers": MUST immediately close the connection).
    OldVersion,
    /// The peer announced another security mechanism than ours.
    MechanismMismatch,
    /// A command (or message) that has no place here.
    UnexpectedCommand,
    /// A command of the right name whose contents do not parse.
    MalformedCommand(Malformed),
    /// Properties that do not parse, an illegal routing id, or a socket type we cannot talk to.
    InvalidMetadata {
        /// Whether monitors hear about it, see [`HandshakeError::monitor_event`].
        reported: bool,
    },
    /// A nonce that repeats or goes back (CURVE).
    InvalidSequence,
    /// The key exchange failed (CURVE).
    KeyExchange,
    /// A box that does not open (CURVE).
    Cryptographic,
    /// The peer refused us with an ERROR command; this is its reason, at most 255 octets.
    PeerError(Vec<u8>),
    /// The ZAP handler refused the peer with this status: 300, 400 or 500 (RFC 27).
    Refused(u16),
    /// The ZAP handler's reply is not one; the value is one of `ZMQ_PROTOCOL_ERROR_ZAP_*`.
    Zap(u32),
    /// Our side has no security context to offer, or none yet: no credentials, no ticket, no KDC (GSSAPI).
    NoContext,
    /// The mechanism needs a ZAP handler and there is none; the value is the `errno` reported.
    NoZapHandler,
}

/// What a socket monitor is told about a failed handshake, besides ZMQ_EVENT_DISCONNECTED
/// (zmq_socket_monitor(3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MonitorEvent {
    /// Nothing: libzmq closes such connections without a word.
    Quiet,
    /// ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL with this `errno`.
    NoDetail(i32),
    /// ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL with this `ZMQ_PROTOCOL_ERROR_*`.
    Protocol(u32),
    /// ZMQ_EVENT_HANDSHAKE_FAILED_AUTH with this ZAP status code.
    Auth(u16),
}

impl HandshakeError {
    /// Metadata that a peer of a mechanism with monitor events got wrong.
    pub const INVALID_METADATA: HandshakeError = HandshakeError::InvalidMetadata { reported: true };

    /// The `ZMQ_PROTOCOL_ERROR_*` of zmq.h that describes this error best.
    pub fn protocol_error_code(&self) -> u32 {
        match self {
            HandshakeError::UnexpectedCommand => 0x1000_0001,
            HandshakeError::InvalidSequence => 0x1000_0002,
            HandshakeError::KeyExchange => 0x1000_0003,
            HandshakeError::MalformedCommand(which) => match which {
                Malformed::Unspecified => 0x1000_0011,
                Malformed::Message => 0x1000_0012,
                Malformed::Hello => 0x1000_0013,
                Malformed::Initiate => 0x1000_0014,
                Malformed::Error => 0x1000_0015,
                Malformed::Ready => 0x1000_0016,
                Malformed::Welcome => 0x1000_0017,
            },
            HandshakeError::InvalidMetadata { .. } => 0x1000_0018,
            HandshakeError::Cryptographic => 0x1100_0001,
            HandshakeError::MechanismMismatch => 0x1100_0002,
            HandshakeError::Zap(code) => *code,
            HandshakeError::Frame(_)
            | HandshakeError::OldVersion
            | HandshakeError::PeerError(_)
            | HandshakeError::Refused(_)
            | HandshakeError::NoContext
            | HandshakeError::NoZapHandler => 0x1000_0000,
        }
    }

    /// Whether the next attempt may come out otherwise: we were refused in free text, or had nothing to offer, or our
    /// ZAP handler refused who listens there now (RFC 27). Else libzmq does not try again.
    pub fn may_pass(&self) -> bool {
        match self {
            HandshakeError::PeerError(_) => self.monitor_event() == MonitorEvent::Quiet,
            HandshakeError::NoContext | HandshakeError::Refused(_) => true,
            _ => false,
        }
    }

    /// What libzmq 4.3.4 tells its monitors, as measured: bad frames, old versions, the metadata of
    /// a NULL peer and free-text ERROR reasons close the connection without a failure event.
    pub fn monitor_event(&self) -> MonitorEvent {
        match self {
            HandshakeError::Frame(_)
            | HandshakeError::OldVersion
            | HandshakeError::InvalidMetadata { reported: false } => MonitorEvent::Quiet,
            HandshakeError::PeerError(reason) => match reason.as_slice() {
                b"300" => MonitorEvent::Auth(300),
                b"400" => MonitorEvent::Auth(400),
                b"500" => MonitorEvent::Auth(500),
                _ => MonitorEvent::Quiet,
            },
            HandshakeError::Refused(status) => MonitorEvent::Auth(*status),
            HandshakeError::NoContext => MonitorEvent::NoDetail(libc::EACCES),
            HandshakeError::NoZapHandler => MonitorEvent::NoDetail(libc::EFAULT),
            other => MonitorEvent::Protocol(other.protocol_error_code()),
        }
    }
}

impl From<FrameError> for HandshakeError {
    fn from(error: FrameError) -> Self {
        HandshakeError::Frame(error)
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::Frame(error) => error.fmt(f),
            HandshakeError::PeerError(reason) => {
                write!(f, "refused by the peer: {}", String::from_utf8_lossy(reason))
            }
            HandshakeError::Refused(status) => write!(f, "refused by the ZAP handler: {status}"),
            other => write!(f, "{other:?} (0x{:08x})", other.protocol_error_code()),
        }
    }
}

impl std::error::Error for HandshakeError {}
