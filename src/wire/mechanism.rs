//! What the handshake needs from a security mechanism. The mechanisms are in `crate::security`.

use std::ops::Range;

use zeroize::Zeroizing;

use super::command;
use super::error::HandshakeError;
use super::frame::Flags;
use super::metadata::PeerMetadata;
use crate::util::buffer::Buffer;

/// Where a mechanism stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Commands are still to be exchanged.
    Handshaking,
    /// Nothing goes on before [`Mechanism::zap_accepted`]: a ZAP handler is deciding (RFC 27).
    WaitingForZap,
    /// Nothing goes on before [`Mechanism::work_done`]: something is to be done that takes as long as
    /// others like, and [`Mechanism::work`] is what.
    Working,
    /// Both sides are content: messages may flow.
    Ready,
}

/// Something that may take as long as others like, to be done where nobody else has to wait for it.
pub type Work = Box<dyn FnOnce() + Send>;

/// A question to the ZAP handler: the part of it that the mechanism knows (RFC 27, "Message
/// Format"). Domain, address and routing id are known to the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZapRequest {
    /// NULL, PLAIN, CURVE, GSSAPI.
    pub mechanism: &'static [u8],
    /// The frames after the mechanism, overwritten when they are dropped.
    pub credentials: Zeroizing<Vec<Vec<u8>>>,
}

/// The answer of a ZAP handler.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZapReply {
    /// 200, 300, 400 or 500.
    pub status: u16,
    /// Who the peer is, for User-Id, even if that is nobody in particular (empty). `None`: there was
    /// no handler to say so.
    pub user_id: Option<Vec<u8>>,
    /// An encoded property list.
    pub metadata: Vec<u8>,
}

/// One side of a security handshake. The handshake frames its commands, asks the ZAP handler when it
/// wants to, and never calls it again once it is `Ready` or gave an error.
pub trait Mechanism: Send {
    /// The name in the greeting: at most 20 octets.
    fn name(&self) -> &'static [u8];

    /// The as-server octet of our greeting.
    fn as_server(&self) -> bool {
        false
    }

    /// Whether peers of ZMTP 1.0 and 2.0, which have no security, are welcome.
    fn allows_old_versions(&self) -> bool {
        false
    }

    /// Where the mechanism stands now.
    fn status(&self) -> Status;

    /// Appends the body of the command it is our turn to send, if any, and tells whether it did.
    /// `metadata` are the properties that we announce. Called until it says no: when the greetings
    /// are exchanged, after each command of the peer and after the ZAP reply.
    ///
    /// # Errors
    /// Whatever ends the handshake.
    fn next_command(&mut self, metadata: &[u8], out: &mut Vec<u8>) -> Result<bool, HandshakeError>;

    /// Takes a command of the peer. Properties go to `peer`, which checks them.
    ///
    /// # Errors
    /// Whatever ends the handshake.
    fn process_command(
        &mut self,
        body: &[u8],
        peer: &mut PeerMetadata,
    ) -> Result<(), HandshakeError>;

    /// The question for the ZAP handler, once, while `WaitingForZap`.
    fn zap_request(&mut self) -> Option<ZapRequest> {
        None
    }

    /// Appends the body of the command that tells the peer why it is refused (RFC 37, "Error
    /// Handling").
    fn append_error(&self, reason: &[u8], out: &mut Vec<u8>) {
        command::append_error(out, reason);
    }

    /// The ZAP handler said 200. (On other answers the handshake ends without the mechanism.)
    fn zap_accepted(&mut self) {}

    /// What is to be done, once, while `Working`. Whoever takes it owes [`Mechanism::work_done`], whatever
    /// comes of it.
    fn work(&mut self) -> Option<Work> {
        None
    }

    /// The work has been done, or nobody can do it.
    ///
    /// # Errors
    /// Whatever ends the handshake.
    fn work_done(&mut self) -> Result<(), HandshakeError> {
        Ok(())
    }

    /// After `Ready`: what encrypts messages from now on; `None` for mechanisms in clear text.
    fn session(&mut self) -> Option<Session> {
        None
    }
}

/// The two directions of an encrypted connection, independent so that one thread may send while
/// another receives.
pub struct Session {
    /// Turns frames into commands.
    pub encoder: Box<dyn Encoder>,
    /// Turns commands into frames.
    pub decoder: Box<dyn Decoder>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Session")
    }
}

/// Encrypts what we send.
pub trait Encoder: Send {
    /// Octets that the body of the command has more than the frame's body.
    fn overhead(&self) -> usize;

    /// Appends the body of the command that carries this frame, `body.len() + overhead()` octets.
    /// The caller writes the header in front, and has made room.
    ///
    /// # Errors
    /// When the keys are used up; the connection ends.
    fn encode(&mut self, flags: Flags, body: &[u8], out: &mut Buffer)
    -> Result<(), HandshakeError>;
}

/// Decrypts what a peer sends.
pub trait Decoder: Send {
    /// Decrypts the body of a frame in place: the flags of the frame inside, and where in `body` its
    /// contents are now.
    ///
    /// # Errors
    /// Not a MESSAGE, a bad nonce, a box that does not open; the connection ends.
    fn decode(&mut self, body: &mut [u8]) -> Result<(Flags, Range<usize>), HandshakeError>;
}
