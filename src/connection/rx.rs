//! The receiving side of a connection: bytes from the kernel, frames to the socket.
//!
//! Bytes are read in large pieces and frames are cut from them only when somebody asks for a
//! message, so a burst costs one system call and no queue. The I/O thread reads ahead for an
//! application that is away, see [`ahead`].

mod ahead;
mod carried;
mod carrying;
mod encrypted;
mod filling;
mod stretches;

use super::buffers::BUFFER;
pub use super::buffers::{BufferPool, Hunger};
use super::pace::Pace;
use crate::error::{Error, Result};
use crate::msg::{BodyBuilder, Msg, RxBuffer, Sink};
use crate::sys::prefetch::prefetch;
use crate::wire::HandshakeError;
use crate::wire::frame::{self, Flags, Framing, Header};
use crate::wire::mechanism::Decoder;
use carried::Carried;
use std::collections::VecDeque;
use std::mem::offset_of;
use std::ops::Range;
use std::os::fd::BorrowedFd;
use stretches::Ahead;

/// No frame is longer: more than the address space of a process can hold.
const LONGEST: u64 = 1 << 46;

/// The most parts a message may have of which the last has not come.
const MOST_PARTS: usize = 1 << 20;

/// What encryption may add to a frame, beyond the largest message allowed.
const ENVELOPE: u64 = 128;

/// Frames longer than this are read into their own allocation.
const DIRECT: usize = 16 * 1024;

/// The largest piece of a byte stream delivered as one message (ZMQ_STREAM).
const RAW_PIECE: usize = 8192;

/// A frame as it came: a part of a message, or a command.
pub enum Incoming {
    /// A part of a message of the application.
    Part(Msg),
    /// The body of a ZMTP command.
    Command(Msg),
}

/// A frame with a body of its own.
enum Arrived {
    /// As it came.
    Raw(Msg, Flags),
    /// What the decoder made of it.
    Decrypted(Msg, Flags),
}

/// How far [`Rx::read_into`] came.
pub enum Straight {
    /// Nothing was read.
    Not,
    /// A part of the message was read.
    Part,
    /// The whole message was read; its length.
    Whole(usize),
}

/// What stands between long bodies: reads should end where the next one begins, so that all of it
/// is read into its final place.
struct Gap {
    /// Bytes read since the end of the last long body.
    since: usize,
    /// As many stood between the last two; 0 if that is not known, or more than a buffer holds.
    expected: usize,
    /// No read asks for more (ZMQ_IN_BATCH_SIZE).
    most: usize,
}

impl Default for Gap {
    fn default() -> Gap {
        Gap { since: 0, expected: 0, most: usize::MAX }
    }
}

impl Gap {
    /// The most that the next read shall bring.
    #[inline]
    fn limit(&self) -> usize {
        if self.since < self.expected {
            self.most.min(self.expected - self.since)
        } else {
            self.most
        }
    }

    #[inline]
    fn read(&mut self, count: usize) {
        self.since = self.since.saturating_add(count);
    }

    /// A long body begins, of which `here` bytes have been read already.
    fn body_begins(&mut self, here: usize) {
        let gap = self.since.saturating_sub(here);
        self.expected = if gap <= BUFFER { gap } else { 0 };
    }

    /// A long body is complete, and `behind` bytes that follow it have been read.
    fn body_ends(&mut self, behind: usize) {
        self.since = behind;
    }
}

/// What comes next of what has not been cut into frames. The first part of a message is handed out
/// only when every frame up to its last has been accepted, so there is no fourth case.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Front {
    /// A message, or a command.
    Message,
    /// The rest of a message that is being read out, all of it in the buffer.
    Rest,
    /// What follows the parts in [`Rx::open`].
    Open,
}

/// Where in [`Rx`] ends what taking a message looks at, but for a first octet there.
pub(super) const FRONT: usize = offset_of!(Rx, arrived);

/// Received bytes and frames not yet handed out. What taking a message from the buffer has to look
/// at comes first, in two lines of the cache: with thousands of connections each costs its time.
#[repr(C)]
pub struct Rx {
    /// The one that frames are taken from.
    buffer: Option<RxBuffer>,
    at: usize,
    max_size: u64,
    decoder: Option<Box<dyn Decoder>>,
    framing: Framing,
    raw: bool,
    front: Front,
    /// The kernel may have more bytes for us.
    ready: bool,
    /// The kernel reported that the peer hung up.
    peer_closed: bool,
    /// Nothing more will come.
    ended: bool,
    /// There was no memory to read on with, see [`Rx::starve`].
    starved: bool,
    /// Whole messages cut ahead of the reader; of the first one, parts may have been read.
    frames: VecDeque<Msg>,
    /// A frame that is complete and comes next, by itself.
    arrived: Option<Arrived>,
    ahead: Ahead,
    /// A long frame under way. There is no buffer then: nothing behind the frame is here.
    body: Option<(BodyBuilder, Header)>,
    gap: Gap,
    pace: Pace,
    /// An error of the kernel's that is still to be told.
    error: Option<Error>,
    /// ZMQ_MAXMSGSIZE where frames are encrypted: what is inside counts, and `max_size` only keeps
    /// larger ones from being received.
    longest_inside: u64,
    /// Why decrypting failed.
    failure: Option<HandshakeError>,
    /// Whole messages in `frames`.
    whole: usize,
    /// Parts of a message of which the last has not come, or has not been cut yet.
    open: Vec<Msg>,
    /// What came behind the handshake, until there is a buffer for it.
    early: Vec<u8>,
    /// The frame that comes next is decrypted already, in its place: its flags, and where its body is,
    /// from [`Rx::at`] on.
    opened: Option<(Flags, Range<usize>)>,
    /// What makes frames of messages of WebSocket, if those carry them.
    carried: Option<Box<Carried>>,
}

impl Rx {
    /// An empty receiving side. Frames above `max_size` bytes are an error.
    pub fn new(framing: Framing, raw: bool, max_size: u64) -> Rx {
        Rx {
            framing,
            raw,
            max_size,
            longest_inside: max_size,
            buffer: None,
            at: 0,
            ahead: Ahead::default(),
            body: None,
            gap: Gap::default(),
            pace: Pace::new(),
            error: None,
            arrived: None,
            decoder: None,
            failure: None,
            frames: VecDeque::new(),
            whole: 0,
            open: Vec::new(),
            early: Vec::new(),
            opened: None,
            carried: None,
            front: Front::Message,
            ready: true,
            peer_closed: false,
            ended: false,
            starved: false,
        }
    }

    /// Why the peer's encryption was refused, if it was.
    pub fn failure(&mut self) -> Option<HandshakeError> {
        self.failure.take()
    }

    /// Whether the kernel may have bytes.
    #[inline]
    pub fn ready(&self) -> bool {
        self.ready && !self.ended
    }

    /// The descriptor was reported readable; `hang_up` says that the peer closed its side.
    #[inline]
    pub fn set_ready(&mut self, hang_up: bool) {
        self.ready = true;
        self.peer_closed |= hang_up;
    }

    /// Whether the peer was reported to have hung up.
    pub fn peer_closed(&self) -> bool {
        self.peer_closed
    }

    /// Whether the stream has ended. What was received before can still be read.
    #[inline]
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// What the connection died of.
    #[cold]
    pub fn why_ended(&mut self) -> Error {
        self.error.take().unwrap_or(Error::Os(libc::ECONNRESET))
    }

    /// Nothing more comes: the connection is closed.
    pub fn end(&mut self) {
        self.ended = true;
        self.body = None;
    }

    /// Whether received bytes or frames wait here for a reader.
    #[inline]
    pub fn holds_data(&self) -> bool {
        self.buffer.is_some() || !self.frames.is_empty() || self.arrived.is_some()
    }

    /// The next frame of a whole message, or a command, from what was received already.
    ///
    /// # Errors
    /// [`Error::Protocol`], [`Error::MessageTooLong`]: the connection must be closed.
    #[inline]
    pub fn next(&mut self, pool: &mut BufferPool) -> Result<Option<Incoming>> {
        if !self.frames.is_empty()
            || self.arrived.is_some()
            || self.decoder.is_some()
            || self.front == Front::Open
        {
            return self.gather_one(pool);
        }
        let header = match self.peek(pool) {
            Ok(Some(header)) => header,
            Ok(None) => {
                debug_assert!(self.front == Front::Message, "the rest of a message is here");
                return Ok(None);
            }
            Err(error) => return self.stop(error, pool),
        };
        let flags = header.flags;
        if flags.more() && self.front == Front::Message && !self.is_message_here() {
            return self.gather_one(pool);
        }
        self.front = if flags.more() { Front::Rest } else { Front::Message };
        let (mut msg, _) = self.cut(header, pool)?;
        if flags.command() {
            return Ok(Some(Incoming::Command(msg)));
        }
        msg.set_more(flags.more());
        Ok(Some(Incoming::Part(msg)))
    }

    /// Whether all of the message that begins in the buffer is there and may be handed out.
    fn is_message_here(&self) -> bool {
        let bytes = self.buffer.as_ref().and_then(|b| b.filled().get(self.at..));
        bytes.is_some_and(|bytes| frame::holds_message(self.framing, bytes, self.longest()))
    }

    /// The longest body that is accepted.
    #[inline]
    fn longest(&self) -> u64 {
        self.max_size.min(LONGEST)
    }

    /// Nothing comes for now: there is no memory to go on with, or the peer broke the protocol.
    #[cold]
    fn stop<T>(&mut self, error: Error, pool: &mut BufferPool) -> Result<Option<T>> {
        if error == Error::NoMemory {
            self.starve(pool);
            return Ok(None);
        }
        Err(self.refuse(error))
    }

    /// The peer broke the protocol: nothing behind that counts. Messages in front of it do.
    #[cold]
    pub fn refuse(&mut self, error: Error) -> Error {
        self.end();
        self.arrived = None;
        self.open = Vec::new();
        self.front = Front::Message;
        self.buffer = None;
        self.opened = None;
        self.at = 0;
        self.ahead.forget();
        error
    }

    /// The next frame of a message, if all of the message is in the buffer and nothing is ahead of
    /// it: its header, and what stands in the buffer from there. Anything else is for the careful
    /// path, commands and errors among it.
    #[inline]
    fn standing(&self) -> Option<(Header, &[u8])> {
        let plain = self.frames.is_empty()
            && self.arrived.is_none()
            && self.decoder.is_none()
            && self.framing == Framing::V2
            && !self.raw
            && self.front != Front::Open;
        let buffer = self.buffer.as_ref().filter(|_| plain)?;
        let bytes = buffer.filled().get(self.at..)?;
        if let Some(body) = frame::short_body(bytes)
            && body.len() as u64 <= self.max_size
        {
            let header = Header { flags: Flags::NONE, header_len: 2, body_len: body.len() as u64 };
            return Some((header, bytes));
        }
        let more = match bytes.first()? {
            0 | 2 => false,
            1 | 3 => true,
            _ => return None,
        };
        if more && self.front == Front::Message {
            if !frame::holds_message(self.framing, bytes, self.longest()) {
                return None;
            }
            return frame::parse_header(self.framing, bytes).ok().flatten().map(|h| (h, bytes));
        }
        let header = frame::parse_header(self.framing, bytes).ok().flatten()?;
        if header.body_len > self.longest() || header.frame_len() > bytes.len() as u64 {
            return None;
        }
        Some((header, bytes))
    }

    /// Has the bytes of the next message brought into the cache.
    #[inline]
    pub fn expect_read(&self) {
        if let Some(buffer) = &self.buffer
            && let Some(bytes) = buffer.filled().get(self.at..)
        {
            prefetch(bytes.as_ptr());
            prefetch(bytes.as_ptr().wrapping_add(64));
        }
    }

    /// Whether the kernel may have bytes, and nothing is here that stands before them.
    #[inline]
    pub fn wants_bytes(&self) -> bool {
        self.ready() && !self.holds_data() && self.body.is_none()
    }

    /// Whether the next message stands ready as a whole for [`Rx::take_into`].
    #[inline]
    pub fn stands_ready(&self) -> bool {
        self.standing().is_some()
    }

    /// Gives the next frame straight to `to`, if all of its message is here and nothing is ahead of
    /// it; its length, and whether the message goes on.
    #[inline(always)]
    pub fn take_into<S: Sink + ?Sized>(
        &mut self,
        to: &mut S,
        pool: &mut BufferPool,
    ) -> Option<(usize, bool)> {
        if self.decoder.is_some() {
            return self.take_encrypted(to, pool).map(|len| (len, false));
        }
        let (header, bytes) = self.standing()?;
        let end = header.header_len + header.body_len as usize;
        let last = end == bytes.len();
        if !to.take(bytes.get(header.header_len..end)?, header.flags.more()) {
            return None;
        }
        self.at += end;
        self.front = if header.flags.more() { Front::Rest } else { Front::Message };
        if last {
            self.retire(pool);
        }
        Some((header.body_len as usize, header.flags.more()))
    }

    /// The header of the next frame if the frame is here as a whole.
    #[inline]
    fn peek(&mut self, pool: &mut BufferPool) -> Result<Option<Header>> {
        let Some(buffer) = &self.buffer else {
            return Ok(None);
        };
        let bytes = &buffer.filled()[self.at..];
        if bytes.is_empty() {
            self.retire(pool);
            return Ok(None);
        }
        if self.raw {
            let body_len = bytes.len().min(RAW_PIECE) as u64;
            return Ok(Some(Header { flags: Flags::NONE, header_len: 0, body_len }));
        }
        let Some(header) = frame::parse_header(self.framing, bytes).map_err(|_| Error::Protocol)?
        else {
            return Ok(None);
        };
        if header.body_len > self.longest() {
            return Err(Error::MessageTooLong);
        }
        let body_len = usize::try_from(header.body_len).map_err(|_| Error::MessageTooLong)?;
        let here = bytes.len() - header.header_len;
        if here >= body_len {
            return Ok(Some(header));
        }
        if body_len > DIRECT {
            let body = BodyBuilder::new(body_len, &bytes[header.header_len..])?;
            self.gap.body_begins(here);
            self.body = Some((body, header));
            self.at = buffer.filled().len();
            self.retire(pool);
        }
        Ok(None)
    }

    /// The frame at the front of the buffer, decrypted if need be.
    ///
    /// # Errors
    /// [`Error::NoMemory`]: it is still there.
    #[inline]
    fn cut(&mut self, header: Header, pool: &mut BufferPool) -> Result<(Msg, Flags)> {
        let (flags, place) = if self.decoder.is_some() {
            self.decrypt_here(header)?
        } else {
            let start = self.at + header.header_len;
            (header.flags, start..start + header.body_len as usize)
        };
        let Some(buffer) = &self.buffer else {
            return Ok((Msg::new(), flags));
        };
        let msg = if self.decoder.is_some() {
            Msg::copy_from(&buffer.filled()[place])?
        } else {
            Msg::slice_of(buffer, place.start, place.len())
        };
        self.pass(header, pool);
        Ok((msg, flags))
    }

    /// The frame at the front of the buffer is done with.
    #[inline]
    fn pass(&mut self, header: Header, pool: &mut BufferPool) {
        self.opened = None;
        self.at += header.frame_len() as usize;
        self.give_back_if_empty(pool);
    }

    /// Reads once into a body, and, if `room` is `all` that it needs, what follows it into the
    /// buffer, of which there is none before. The result counts both.
    ///
    /// # Safety
    /// `to` must be valid for `room` bytes.
    unsafe fn read_body(
        &mut self,
        fd: BorrowedFd<'_>,
        to: *mut u8,
        room: usize,
        all: bool,
        pool: &mut BufferPool,
    ) -> Result<usize> {
        pool.reads = pool.reads.wrapping_add(1);
        // Without memory for what follows, that can wait.
        let behind = if all { pool.take().ok() } else { None };
        let Some(mut buffer) = behind else {
            // SAFETY: valid by contract.
            let result = unsafe { self.recv(fd, to, room, pool) };
            let count = self.judge(result, room);
            pool.note_long_read(&count);
            return count;
        };
        let (behind, most) = buffer.spare();
        // The gap begins at the end of the body.
        let most = if self.gap.expected == 0 { most } else { most.min(self.gap.expected) };
        // SAFETY: `to` is valid by contract, `behind` until the buffer is used again.
        let result = unsafe { self.recv_both(fd, [(to, room), (behind, most)], pool) };
        let count = self.judge(result, room.saturating_add(most));
        pool.note_long_read(&count);
        match count {
            Ok(count) if count > room => {
                // SAFETY: the kernel wrote what did not fit the body there.
                unsafe { buffer.advance(count - room) };
                self.buffer = Some(buffer);
                self.at = 0;
            }
            _ => pool.give(buffer),
        }
        count
    }

    /// The next read fails with this error.
    fn fail_later(&mut self, error: Error) {
        self.error = Some(error);
        self.ready = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_messages_are_taken_where_they_stand() {
        let mut bytes = Vec::new();
        for (flags, body) in [(0, &b"one"[..]), (1, b"a"), (1, &[9; 50]), (0, b""), (1, b"half")] {
            bytes.extend_from_slice(&[flags, body.len() as u8]);
            bytes.extend_from_slice(body);
        }
        let mut pool = BufferPool::default();
        let mut rx = Rx::new(Framing::V2, false, u64::MAX);
        rx.preload(bytes);
        rx.take_early(&mut pool);
        let mut taken = Vec::new();
        while rx.stands_ready() {
            let mut msg = Msg::new();
            let (len, more) = rx.take_into(&mut msg, &mut pool).expect("it stands ready");
            assert_eq!((len, more), (msg.len(), msg.more()));
            taken.push((msg.data().to_vec(), more));
        }
        let parts = [(&b"one"[..], false), (b"a", true), (&[9; 50], true), (b"", false)];
        assert_eq!(taken, parts.map(|(body, more)| (body.to_vec(), more)));
        // The rest of this one has not come, so nothing of it is given out.
        assert!(rx.take_into(&mut Msg::new(), &mut pool).is_none());
        assert!(matches!(rx.next(&mut pool), Ok(None)));
    }
}
