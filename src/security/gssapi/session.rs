//! MESSAGE commands, in both directions.

use super::provider::Provider;
use crate::sync::mutex::Mutex;
use crate::util::buffer::Buffer;
use crate::wire::command::{CANCEL, SUBSCRIBE, split};
use crate::wire::mechanism::{Decoder, Encoder, Session};
use crate::wire::{Flags, HandshakeError, Malformed};
use std::ops::Range;
use std::sync::Arc;

const NAME: &[u8; 8] = b"\x07MESSAGE";

/// Octets before the token: name and length.
const HEAD_LEN: usize = NAME.len() + size_of::<u32>();

const MORE: u8 = 1;
const COMMAND: u8 = 2;
/// What libzmq 4.3.6 makes of subscriptions: the topic alone, and one of these.
const SUBSCRIPTION: u8 = 4;
const CANCELLATION: u8 = 8;

/// A context that is set up. Both directions have it: the library wants one call at a time.
#[derive(Clone)]
pub(super) struct Channel(Arc<Mutex<Box<dyn Provider>>>);

impl Channel {
    pub(super) fn new(provider: Box<dyn Provider>) -> Channel {
        Channel(Arc::new(Mutex::new(provider)))
    }

    /// Appends the MESSAGE with this frame. There is room for the text.
    pub(super) fn seal(
        &self,
        flags: u8,
        body: &[u8],
        out: &mut Buffer,
    ) -> Result<(), HandshakeError> {
        let before = out.len();
        out.extend_from_slice(NAME);
        out.extend_from_slice(&[0; size_of::<u32>()]);
        out.extend_from_slice(&[flags]);
        out.extend_from_slice(body);
        self.seal_behind(before, out)
    }

    /// Makes a MESSAGE of the text that stands behind its head.
    fn seal_behind(&self, before: usize, out: &mut Buffer) -> Result<(), HandshakeError> {
        let at = before + HEAD_LEN;
        let sealed = self.0.lock().wrap(out, at);
        let len = out.len() - at;
        let field = out.get_mut(before + NAME.len()..at);
        let (true, Ok(len), Some(field)) = (sealed, u32::try_from(len), field) else {
            return Err(HandshakeError::Cryptographic);
        };
        field.copy_from_slice(&len.to_be_bytes());
        Ok(())
    }

    /// A text as it is.
    #[cfg(test)]
    pub(super) fn seal_text(&self, text: &[u8], out: &mut Buffer) -> Result<(), HandshakeError> {
        let before = out.len();
        out.extend_from_slice(NAME);
        out.extend_from_slice(&[0; size_of::<u32>()]);
        out.extend_from_slice(text);
        self.seal_behind(before, out)
    }

    /// Opens a MESSAGE where it stands: the flags of the frame inside, and how long it is with them, at the
    /// beginning of the body.
    pub(super) fn open(&self, body: &mut [u8]) -> Result<(u8, usize), HandshakeError> {
        check(body)?;
        let len = self.0.lock().unwrap(body, HEAD_LEN).ok_or(HandshakeError::Cryptographic)?;
        // At least the flags.
        match body.first() {
            Some(flags) if len > 0 => Ok((*flags, len)),
            _ => Err(HandshakeError::MalformedCommand(Malformed::Message)),
        }
    }

    /// Both directions of the connection. What is wrapped is so much longer.
    pub(super) fn session(self, overhead: usize) -> Session {
        Session {
            encoder: Box::new(GssapiEncoder { channel: self.clone(), overhead }),
            decoder: Box::new(GssapiDecoder { channel: self }),
        }
    }
}

/// Whether a body is a MESSAGE with a token that ends where the body ends.
fn check(body: &[u8]) -> Result<(), HandshakeError> {
    let Some(rest) = body.strip_prefix(NAME) else {
        return Err(match split(body) {
            None => HandshakeError::MalformedCommand(Malformed::Unspecified),
            Some(_) => HandshakeError::UnexpectedCommand,
        });
    };
    match rest.split_first_chunk() {
        Some((len, token)) if u32::from_be_bytes(*len) as usize == token.len() => Ok(()),
        _ => Err(HandshakeError::MalformedCommand(Malformed::Message)),
    }
}

/// Encrypts frames into MESSAGE commands.
struct GssapiEncoder {
    channel: Channel,
    overhead: usize,
}

impl Encoder for GssapiEncoder {
    fn overhead(&self) -> usize {
        self.overhead
    }

    fn encode(
        &mut self,
        flags: Flags,
        body: &[u8],
        out: &mut Buffer,
    ) -> Result<(), HandshakeError> {
        let before = out.len();
        let octet = if flags.more() { MORE } else { 0 } | if flags.command() { COMMAND } else { 0 };
        self.channel.seal(octet, body, out)?;
        // Encryption types that pad to blocks are of the past, and the frame's header is written already.
        if out.len() - before != body.len() + self.overhead {
            return Err(HandshakeError::Cryptographic);
        }
        Ok(())
    }
}

/// Decrypts MESSAGE commands into frames.
struct GssapiDecoder {
    channel: Channel,
}

impl Decoder for GssapiDecoder {
    fn decode(&mut self, body: &mut [u8]) -> Result<(Flags, Range<usize>), HandshakeError> {
        let (octet, len) = self.channel.open(body)?;
        let command = match octet & (SUBSCRIPTION | CANCELLATION) {
            0 => {
                let command = octet & COMMAND != 0;
                return Ok((Flags::new(octet & MORE != 0 && !command, command), 1..len));
            }
            SUBSCRIPTION => SUBSCRIBE,
            _ => CANCEL,
        };
        // The name that goes with it takes the place of the flags. A token is longer than its text, but who
        // says that it always is?
        let end = command.len() + len - 1;
        if end > body.len() {
            return Err(HandshakeError::MalformedCommand(Malformed::Message));
        }
        body.copy_within(1..len, command.len());
        if let Some(name) = body.get_mut(..command.len()) {
            name.copy_from_slice(command);
        }
        Ok((Flags::new(false, true), 0..end))
    }
}
