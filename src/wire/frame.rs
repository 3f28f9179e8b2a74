//! Frame headers: the bytes in front of every body (RFC 13 "The Framing Layer", RFC 37 "Framing").
//!
//! This is the hot path of the library. Short frames are decided with one comparison, nothing
//! allocates, and nothing is read beyond the slice given.

use super::error::FrameError;

/// How frames are written on one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// ZMTP 1.0: length (which counts the flags octet), flags, body.
    V1,
    /// ZMTP 2.0 and 3.x: flags, length in one or eight octets, body.
    V2,
}

/// The longest header: that of a long ZMTP 1.0 frame (0xff, 8 octets of length, flags).
pub const MAX_HEADER: usize = 10;

/// The longest body a frame may announce (RFC 37: 0 to 2^63-1 octets).
pub const MAX_BODY: u64 = i64::MAX as u64;

const LONG: u8 = 2;

/// The flags of a frame that have a meaning above the framing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u8);

impl Flags {
    /// The last, or only, frame of a message.
    pub const NONE: Flags = Flags(0);
    /// More frames of the same message follow.
    pub const MORE: Flags = Flags(1);
    /// A command, not a message.
    pub const COMMAND: Flags = Flags(4);

    /// Flags from their two bits.
    #[inline]
    pub const fn new(more: bool, command: bool) -> Flags {
        Flags(more as u8 | (command as u8) << 2)
    }

    /// Whether more frames of the same message follow.
    #[inline]
    pub const fn more(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether the frame is a command.
    #[inline]
    pub const fn command(self) -> bool {
        self.0 & 4 != 0
    }

    /// The octet of ZMTP 2.0 and later, for a short frame.
    #[inline]
    pub const fn octet(self) -> u8 {
        self.0
    }
}

/// A parsed frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// MORE and COMMAND.
    pub flags: Flags,
    /// Octets of the header itself: 2, 9 or 10.
    pub header_len: usize,
    /// Octets of the body, at most [`MAX_BODY`]. Not a promise that they will ever come.
    pub body_len: u64,
}

impl Header {
    /// Header and body together. Cannot overflow: the body is at most 2^63-1.
    #[inline]
    pub const fn frame_len(&self) -> u64 {
        self.header_len as u64 + self.body_len
    }

    /// The body's length as a size in memory, if it is within `max` octets (ZMQ_MAXMSGSIZE;
    /// negative: no limit).
    ///
    /// # Errors
    /// [`FrameError::TooLarge`] above the limit, or above what this machine can address.
    #[inline]
    pub fn checked_len(&self, max: i64) -> Result<usize, FrameError> {
        match u64::try_from(max) {
            Ok(max) if self.body_len > max => Err(FrameError::TooLarge),
            _ => usize::try_from(self.body_len).map_err(|_| FrameError::TooLarge),
        }
    }
}

/// Writes the header of a frame with a body of `body_len` octets and returns its length.
/// ZMTP 1.0 has no commands; there `command` is ignored.
#[inline]
pub fn encode_header(
    framing: Framing,
    body_len: usize,
    more: bool,
    command: bool,
    out: &mut [u8; MAX_HEADER],
) -> usize {
    match framing {
        Framing::V2 => {
            let flags = Flags::new(more, command).octet();
            if body_len <= 255 {
                out[0] = flags;
                out[1] = body_len as u8;
                2
            } else {
                out[0] = flags | LONG;
                out[1..9].copy_from_slice(&(body_len as u64).to_be_bytes());
                9
            }
        }
        Framing::V1 => {
            // The length counts the flags octet, and 255 announces the long form (RFC 13).
            let len = body_len as u64 + 1;
            if len < 255 {
                out[0] = len as u8;
                out[1] = more as u8;
                2
            } else {
                out[0] = 0xff;
                out[1..9].copy_from_slice(&len.to_be_bytes());
                out[9] = more as u8;
                10
            }
        }
    }
}

/// The longest body of a frame with a header of two octets (RFC 23, "short-size").
pub const SHORT: usize = 255;

/// The ZMTP 2.0 header of a message of one part with a short body.
#[inline]
pub fn short_header(body_len: u8) -> [u8; 2] {
    [0, body_len]
}

/// The body at the start of `bytes`, if it is that of a message of one part with a short body in a
/// ZMTP 2.0 frame, and all here.
#[inline]
pub fn short_body(bytes: &[u8]) -> Option<&[u8]> {
    match *bytes {
        [0, len, ref rest @ ..] => rest.get(..usize::from(len)),
        _ => None,
    }
}

/// Reads the header at the start of `bytes`; `None` if more bytes are needed to tell.
///
/// # Errors
/// A [`FrameError`] other than `TooLarge`; the connection is beyond repair then.
#[inline]
pub fn parse_header(framing: Framing, bytes: &[u8]) -> Result<Option<Header>, FrameError> {
    match framing {
        Framing::V2 => match *bytes {
            // A short frame of a message: no other bit than MORE is set.
            [flags @ 0..=1, len, ..] => {
                Ok(Some(Header { flags: Flags(flags), header_len: 2, body_len: u64::from(len) }))
            }
            _ => parse_v2(bytes),
        },
        Framing::V1 => parse_v1(bytes),
    }
}

/// Long frames, commands, errors.
fn parse_v2(bytes: &[u8]) -> Result<Option<Header>, FrameError> {
    let Some((&octet, rest)) = bytes.split_first() else { return Ok(None) };
    if octet & !7 != 0 {
        return Err(FrameError::ReservedFlags);
    }
    let flags = Flags(octet & !LONG);
    if flags.command() && flags.more() {
        return Err(FrameError::CommandWithMore);
    }
    if octet & LONG == 0 {
        return Ok(rest.first().map(|&len| Header {
            flags,
            header_len: 2,
            body_len: u64::from(len),
        }));
    }
    let Some(len) = rest.first_chunk::<8>() else { return Ok(None) };
    let body_len = u64::from_be_bytes(*len);
    if body_len > MAX_BODY {
        return Err(FrameError::LengthOverflow);
    }
    Ok(Some(Header { flags, header_len: 9, body_len }))
}

/// ZMTP 1.0. Flag bits other than MORE are not looked at: RFC 13 only says that they SHOULD be
/// zero, and libzmq takes them.
fn parse_v1(bytes: &[u8]) -> Result<Option<Header>, FrameError> {
    let (len, flags, header_len) = match *bytes {
        [] => return Ok(None),
        [0, ..] => return Err(FrameError::ZeroLength),
        [0xff, a, b, c, d, e, f, g, h, ref rest @ ..] => {
            let len = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
            // Judged before the flags arrive, there may be none to come.
            if len == 0 {
                return Err(FrameError::ZeroLength);
            }
            if len > MAX_BODY {
                return Err(FrameError::LengthOverflow);
            }
            let Some(&flags) = rest.first() else { return Ok(None) };
            (len, flags, 10)
        }
        [0xff, ..] => return Ok(None),
        [len, flags, ..] => (u64::from(len), flags, 2),
        [_] => return Ok(None),
    };
    Ok(Some(Header { flags: Flags(flags & 1), header_len, body_len: len - 1 }))
}

/// Whether `bytes` begin with a whole message about which nothing is left to be decided: every frame
/// up to the first without MORE is there, is a part and no command, and has `most` octets at most.
///
/// A command between the parts of a message is not in the grammar of RFC 37, but libzmq answers a
/// PING there; whether such a message is whole shows when the command has been acted on.
#[inline]
pub fn holds_message(framing: Framing, mut bytes: &[u8], most: u64) -> bool {
    while let Ok(Some(header)) = parse_header(framing, bytes) {
        let len = usize::try_from(header.frame_len());
        let Some(rest) = len.ok().and_then(|len| bytes.get(len..)) else { return false };
        if header.flags.command() || header.body_len > most {
            return false;
        }
        if !header.flags.more() {
            return true;
        }
        bytes = rest;
    }
    false
}

/// Appends a frame of ZMTP 2.0 or later.
pub fn append_frame(out: &mut Vec<u8>, flags: Flags, body: &[u8]) {
    append_frame_as(Framing::V2, out, flags, body);
}

/// Appends a frame in either framing.
pub fn append_frame_as(framing: Framing, out: &mut Vec<u8>, flags: Flags, body: &[u8]) {
    let mut header = [0; MAX_HEADER];
    let len = encode_header(framing, body.len(), flags.more(), flags.command(), &mut header);
    out.reserve(len + body.len());
    out.extend(header.iter().take(len));
    out.extend_from_slice(body);
}
