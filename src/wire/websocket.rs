//! Frames of WebSocket (RFC 6455, "Data Framing"): their headers, their masks, and which may follow
//! which. What is in them is [`zws`](super::zws)'s.

use std::fmt;

/// The longest header: two octets, eight of length, four of the mask.
pub const MAX_HEADER: usize = 14;

/// The longest payload of a control frame (RFC 6455, section 5.5).
pub const MAX_CONTROL: usize = 125;

/// What changes the octets of a payload: a new one for each frame that a client sends.
pub type Mask = [u8; 4];

/// What a frame is (RFC 6455, section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// More of the message before.
    Continuation,
    /// A message in UTF-8.
    Text,
    /// A message.
    Binary,
    /// The last frame of whoever sends it.
    Close,
    /// To be answered.
    Ping,
    /// The answer, or a sign of life.
    Pong,
}

impl Opcode {
    /// From its four bits.
    pub const fn new(bits: u8) -> Option<Opcode> {
        Some(match bits {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return None,
        })
    }

    /// Its four bits.
    pub const fn bits(self) -> u8 {
        match self {
            Opcode::Continuation => 0,
            Opcode::Text => 1,
            Opcode::Binary => 2,
            Opcode::Close => 8,
            Opcode::Ping => 9,
            Opcode::Pong => 10,
        }
    }

    /// Whether it may come between the fragments of a message.
    pub const fn is_control(self) -> bool {
        self.bits() >= 8
    }
}

/// What no peer may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebSocketError {
    /// A bit that only extensions use, and none was agreed on.
    Reserved,
    /// An opcode without a meaning.
    Opcode,
    /// A client's frame without a mask, or a server's with one (RFC 6455, section 5.1).
    Mask,
    /// A control frame in fragments, or one above 125 octets.
    Control,
    /// A length that would have fitted a shorter form, or above 2^63-1.
    Length,
    /// More of a message that has not begun, or another message before its end.
    Fragment,
    /// A message that is none of ZWS: text, without flags, or with flags that mean nothing.
    Content,
    /// A message in fragments that is longer than the limit.
    TooLarge,
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            WebSocketError::Reserved => "reserved bits are set",
            WebSocketError::Opcode => "an unknown opcode",
            WebSocketError::Mask => "masked as the other side would, or not at all",
            WebSocketError::Control => "a control frame in fragments, or too long",
            WebSocketError::Length => "a length in the wrong form",
            WebSocketError::Fragment => "fragments out of order",
            WebSocketError::Content => "not a message of ZWS 2.0",
            WebSocketError::TooLarge => "a message above the size limit",
        })
    }
}

impl std::error::Error for WebSocketError {}

impl From<WebSocketError> for crate::error::Error {
    fn from(error: WebSocketError) -> Self {
        match error {
            WebSocketError::TooLarge => crate::error::Error::MessageTooLong,
            _ => crate::error::Error::Protocol,
        }
    }
}

/// A parsed frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The last frame of its message.
    pub last: bool,
    /// What it is.
    pub opcode: Opcode,
    /// How its payload is masked.
    pub mask: Option<Mask>,
    /// Octets of the header itself.
    pub header_len: usize,
    /// Octets of the payload, at most 2^63-1. Not a promise that they will ever come.
    pub payload_len: u64,
}

/// Reads the header at the start of `bytes`; `None` if more bytes are needed to tell. `masked` says
/// whether the peer is a client, whose frames have to be.
///
/// # Errors
/// A [`WebSocketError`]: the connection is beyond repair then.
pub fn parse_header(bytes: &[u8], masked: bool) -> Result<Option<Header>, WebSocketError> {
    let Some((&first, rest)) = bytes.split_first() else { return Ok(None) };
    if first & 0x70 != 0 {
        return Err(WebSocketError::Reserved);
    }
    let opcode = Opcode::new(first & 0x0f).ok_or(WebSocketError::Opcode)?;
    let last = first & 0x80 != 0;
    let Some((&second, rest)) = rest.split_first() else { return Ok(None) };
    if (second & 0x80 != 0) != masked {
        return Err(WebSocketError::Mask);
    }
    let short = second & 0x7f;
    if opcode.is_control() && (!last || usize::from(short) > MAX_CONTROL) {
        return Err(WebSocketError::Control);
    }
    let (payload_len, rest) = match short {
        126 => {
            let Some((len, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (u64::from(u16::from_be_bytes(*len)), rest)
        }
        127 => {
            let Some((len, rest)) = rest.split_first_chunk() else { return Ok(None) };
            (u64::from_be_bytes(*len), rest)
        }
        _ => (u64::from(short), rest),
    };
    // "The minimal number of bytes MUST be used to encode the length" (RFC 6455, section 5.2).
    let shortest = match short {
        126 => 126,
        127 => 1 << 16,
        _ => 0,
    };
    if payload_len < shortest || payload_len > i64::MAX as u64 {
        return Err(WebSocketError::Length);
    }
    let (mask, rest) = match rest.split_first_chunk() {
        _ if !masked => (None, rest),
        Some((mask, rest)) => (Some(*mask), rest),
        None => return Ok(None),
    };
    let header_len = bytes.len() - rest.len();
    Ok(Some(Header { last, opcode, mask, header_len, payload_len }))
}

/// Writes the header of a frame that is a whole message, or a control frame, and returns its length.
pub fn encode_header(
    opcode: Opcode,
    payload_len: u64,
    mask: Option<Mask>,
    out: &mut [u8; MAX_HEADER],
) -> usize {
    let masked = if mask.is_some() { 0x80 } else { 0 };
    out[0] = 0x80 | opcode.bits();
    let len = match payload_len {
        0..=125 => {
            out[1] = masked | payload_len as u8;
            2
        }
        126..=0xffff => {
            out[1] = masked | 126;
            out[2..4].copy_from_slice(&(payload_len as u16).to_be_bytes());
            4
        }
        _ => {
            out[1] = masked | 127;
            out[2..10].copy_from_slice(&payload_len.to_be_bytes());
            10
        }
    };
    let Some(mask) = mask else { return len };
    out[len..len + 4].copy_from_slice(&mask);
    len + 4
}

/// Puts the mask on, or takes it off. `at` octets of the payload came before.
pub fn apply_mask(bytes: &mut [u8], mask: Option<Mask>, at: usize) {
    let Some(mut mask) = mask else { return };
    mask.rotate_left(at % 4);
    let word = u32::from_ne_bytes(mask);
    let wide = u64::from(word) | u64::from(word) << 32;
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    rest.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
}
