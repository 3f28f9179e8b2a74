//! MESSAGE commands, in both directions (RFC 26, "The MESSAGE Command").

use std::ops::Range;

use super::boxes::{Key, MAC_LEN, SHORT_LEN, short_nonce};
use super::commands::Counter;
use crate::util::buffer::Buffer;
use crate::wire::command::split;
use crate::wire::mechanism::{Decoder, Encoder, Session};
use crate::wire::{Flags, HandshakeError, Malformed};

const NAME: &[u8; 8] = b"\x07MESSAGE";
const FROM_CLIENT: &[u8; 16] = b"CurveZMQMESSAGEC";
const FROM_SERVER: &[u8; 16] = b"CurveZMQMESSAGES";

/// Octets before the box: name and nonce.
const HEAD_LEN: usize = NAME.len() + SHORT_LEN;
/// Octets of a MESSAGE that are not the frame's body: head, MAC, flags.
const OVERHEAD: usize = HEAD_LEN + MAC_LEN + 1;

const MORE: u8 = 1;
const COMMAND: u8 = 2;

/// The two halves of an established connection. `sent` and `received` are the nonces that the
/// handshake used up.
pub(super) fn session(key: &Key, client: bool, sent: Counter, received: Counter) -> Session {
    let (ours, theirs) =
        if client { (FROM_CLIENT, FROM_SERVER) } else { (FROM_SERVER, FROM_CLIENT) };
    Session {
        encoder: Box::new(CurveEncoder { key: key.clone(), prefix: ours, sent }),
        decoder: Box::new(CurveDecoder { key: key.clone(), prefix: theirs, received }),
    }
}

/// Encrypts frames into MESSAGE commands.
struct CurveEncoder {
    key: Key,
    prefix: &'static [u8; 16],
    sent: Counter,
}

impl std::fmt::Debug for CurveEncoder {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CurveEncoder").field("sent", &self.sent).finish_non_exhaustive()
    }
}

impl Encoder for CurveEncoder {
    fn overhead(&self) -> usize {
        OVERHEAD
    }

    fn encode(
        &mut self,
        flags: Flags,
        body: &[u8],
        out: &mut Buffer,
    ) -> Result<(), HandshakeError> {
        let number = self.sent.next()?;
        let mut start = [0; OVERHEAD];
        let (name, rest) = start.split_at_mut(NAME.len());
        name.copy_from_slice(NAME);
        let (nonce, rest) = rest.split_at_mut(SHORT_LEN);
        nonce.copy_from_slice(&number.to_be_bytes());
        if let Some(octet) = rest.last_mut() {
            *octet =
                if flags.more() { MORE } else { 0 } | if flags.command() { COMMAND } else { 0 };
        }
        let at = out.len() + HEAD_LEN;
        out.extend_from_slice(&start);
        out.extend_from_slice(body);
        self.key.seal(&short_nonce(self.prefix, number), out, at)
    }
}

/// Decrypts MESSAGE commands into frames.
struct CurveDecoder {
    key: Key,
    prefix: &'static [u8; 16],
    received: Counter,
}

impl std::fmt::Debug for CurveDecoder {
    /// Without the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CurveDecoder").field("received", &self.received).finish_non_exhaustive()
    }
}

impl Decoder for CurveDecoder {
    fn decode(&mut self, body: &mut [u8]) -> Result<(Flags, Range<usize>), HandshakeError> {
        let len = body.len();
        if len < OVERHEAD || !body.starts_with(NAME) {
            return Err(misfit(body));
        }
        let (_, rest) = body.split_at_mut(NAME.len());
        let Some((number, boxed)) = rest.split_first_chunk_mut::<SHORT_LEN>() else {
            return Err(HandshakeError::MalformedCommand(Malformed::Message));
        };
        let number = u64::from_be_bytes(*number);
        // Before the box is opened, so that a replay costs us nothing.
        self.received.accept(number)?;
        let text = self.key.open(&short_nonce(self.prefix, number), boxed)?;
        // RFC 26 reserves the other bits; libzmq does not look at them, nor at MORE on commands.
        let octet = text.first().copied().unwrap_or_default();
        let command = octet & COMMAND != 0;
        Ok((Flags::new(octet & MORE != 0 && !command, command), OVERHEAD..len))
    }
}

/// What a body that cannot be a MESSAGE is, in the order in which libzmq looks.
#[cold]
fn misfit(body: &[u8]) -> HandshakeError {
    match split(body) {
        None => HandshakeError::MalformedCommand(Malformed::Unspecified),
        Some(_) if !body.starts_with(NAME) => HandshakeError::UnexpectedCommand,
        Some(_) => HandshakeError::MalformedCommand(Malformed::Message),
    }
}
