//! What client and server know of the commands: their sizes and their nonces.

use crate::wire::HandshakeError;

/// Octets of a HELLO (RFC 26, "The HELLO Command").
pub(super) const HELLO_LEN: usize = 200;
/// Octets of a WELCOME (RFC 26, "The WELCOME Command").
pub(super) const WELCOME_LEN: usize = 168;
/// The fewest octets of an INITIATE (RFC 26, "The INITIATE Command").
pub(super) const MIN_INITIATE_LEN: usize = 257;
/// The fewest octets of a READY: RFC 26 says 30, which is its fields without any metadata.
pub(super) const MIN_READY_LEN: usize = 30;
/// Octets of nonce and box that a server remembers nothing but the key of.
pub(super) const COOKIE_LEN: usize = 96;
/// Octets of nonce and box by which a client proves that C is its key.
pub(super) const VOUCH_LEN: usize = 96;
/// The only version of CurveZMQ, in a HELLO.
pub(super) const VERSION: [u8; 2] = [1, 0];
/// Octets of a HELLO that make it longer than the answer.
pub(super) const PADDING_LEN: usize = 72;

/// The short nonces of one sender: "an incrementing integer, and unique to each command within a
/// connection" (RFC 26, "The HELLO Command").
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counter(pub(super) u64);

impl Counter {
    /// The next one to send; the first is 1.
    #[inline]
    pub(super) fn next(&mut self) -> Result<u64, HandshakeError> {
        // "SHALL NOT send more than 2^64-1 commands in one connection".
        self.0 = self.0.checked_add(1).ok_or(HandshakeError::InvalidSequence)?;
        Ok(self.0)
    }

    /// Accepts what a peer sent if it is above everything before.
    #[inline]
    pub(super) fn accept(&mut self, nonce: u64) -> Result<(), HandshakeError> {
        if nonce <= self.0 {
            return Err(HandshakeError::InvalidSequence);
        }
        self.0 = nonce;
        Ok(())
    }
}
