//! The receiving side of a connection: bytes from the kernel, frames to the socket.
//!
//! Bytes are read in large pieces and frames are cut from them only when somebody asks for a
//! message, so a burst costs one system call and no queue. The I/O thread reads ahead for an
//! application that is away, see [`ahead`].

mod ahead;

use super::buffers::BUFFER;
pub use super::buffers::BufferPool;
use super::pace::Pace;
use crate::error::{Error, Result};
use crate::msg::{BodyBuilder, Msg, RxBuffer, Sink};
use crate::sys::clock::ticks;
use crate::sys::net;
use crate::sys::prefetch::prefetch;
use crate::wire::HandshakeError;
use crate::wire::frame::{self, Flags, Framing, Header};
use crate::wire::mechanism::Decoder;
use ahead::Ahead;
use std::collections::VecDeque;
use std::mem::offset_of;
use std::ops::Range;
use std::os::fd::BorrowedFd;

/// No frame is longer: more than the address space of a process can hold.
const LONGEST: u64 = 1 << 46;

/// The most parts a message may have of which the last has not come.
const MOST_PARTS: usize = 1 << 20;

/// What encryption may add to a frame, beyond the largest message allowed.
const ENVELOPE: u64 = 64;

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
#[derive(Default)]
struct Gap {
    /// Bytes read since the end of the last long body.
    since: usize,
    /// As many stood between the last two; 0 if that is not known, or more than a buffer holds.
    expected: usize,
}

impl Gap {
    /// The most that the next read shall bring.
    #[inline]
    fn limit(&self) -> usize {
        if self.since < self.expected { self.expected - self.since } else { usize::MAX }
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
    /// There was no memory to read on with.
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
            front: Front::Message,
            ready: true,
            peer_closed: false,
            ended: false,
            starved: false,
        }
    }

    /// From now on frames are encrypted.
    pub fn decrypt(&mut self, decoder: Box<dyn Decoder>) {
        self.decoder = Some(decoder);
        self.longest_inside = self.max_size;
        self.max_size = self.max_size.saturating_add(ENVELOPE);
    }

    /// Why the peer's encryption was refused, if it was.
    pub fn failure(&mut self) -> Option<HandshakeError> {
        self.failure.take()
    }

    /// Takes bytes that were received before the connection was established.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn preload(&mut self, bytes: &[u8]) -> Result<()> {
        if !bytes.is_empty() {
            let mut buffer = RxBuffer::new(BUFFER.max(bytes.len()))?;
            buffer.append(bytes);
            self.buffer = Some(buffer);
            self.gap.read(bytes.len());
        }
        Ok(())
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

    /// There is no memory to read on with. Nothing is lost by waiting for some: what the peer says
    /// stays in the kernel. Whoever owns the pool is told, and owes a call of [`Rx::feed`].
    #[cold]
    fn starve(&mut self, pool: &mut BufferPool) {
        self.ready = false;
        self.starved = true;
        pool.starved = true;
    }

    /// There may be memory again. Whether that is news for this connection.
    pub fn feed(&mut self) -> bool {
        let starved = std::mem::take(&mut self.starved);
        self.ready |= starved;
        starved
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
    /// [`Error::Protocol`], [`Error::MessageTooLong`], [`Error::NoMemory`]: the connection must
    /// be closed.
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
            Err(error) => return Err(self.refuse(error)),
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

    /// The peer broke the protocol: nothing behind that counts. Messages in front of it do.
    #[cold]
    pub fn refuse(&mut self, error: Error) -> Error {
        self.end();
        self.arrived = None;
        self.open = Vec::new();
        self.front = Front::Message;
        self.buffer = None;
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
    #[inline]
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

    /// [`Rx::take_into`] where frames are encrypted: messages of one part only.
    fn take_encrypted<S: Sink + ?Sized>(
        &mut self,
        to: &mut S,
        pool: &mut BufferPool,
    ) -> Option<usize> {
        let plain = self.frames.is_empty()
            && self.arrived.is_none()
            && self.framing == Framing::V2
            && !self.raw
            && self.front == Front::Message;
        let buffer = self.buffer.as_ref().filter(|_| plain)?;
        let bytes = buffer.filled().get(self.at..)?;
        // Anything but a frame without flags is for the careful path.
        let header = match bytes.first()? {
            0 | 2 => frame::parse_header(self.framing, bytes).ok().flatten()?,
            _ => return None,
        };
        if header.body_len > self.longest() {
            return None;
        }
        self.decrypt_into(header, to, pool)
    }

    /// [`Rx::take_encrypted`] for a frame with this header.
    fn decrypt_into<S: Sink + ?Sized>(
        &mut self,
        header: Header,
        to: &mut S,
        pool: &mut BufferPool,
    ) -> Option<usize> {
        let here = self.buffer.as_ref()?.filled().len() - self.at;
        if header.frame_len() > here as u64 {
            return None;
        }
        let (flags, place) = match self.decrypt_here(header) {
            Ok(decrypted) => decrypted,
            Err(error) => {
                let error = self.refuse(error);
                self.fail_later(error);
                return None;
            }
        };
        let body = self.buffer.as_ref()?.filled().get(place)?;
        let len = body.len();
        let taken = flags == Flags::NONE && to.take(body, false);
        if !taken {
            match Msg::copy_from(body) {
                Ok(msg) => self.arrived = Some(Arrived::Decrypted(msg, flags)),
                Err(error) => self.fail_later(error),
            }
        }
        self.pass(header, pool);
        taken.then_some(len)
    }

    /// Decrypts the frame at the front of the buffer, which is here as a whole, in place: the flags
    /// of the frame inside, and where in the buffer its body is.
    #[inline]
    fn decrypt_here(&mut self, header: Header) -> Result<(Flags, Range<usize>)> {
        let start = self.at + header.header_len;
        let end = start.saturating_add(header.body_len as usize);
        let (Some(buffer), Some(decoder)) = (&mut self.buffer, &mut self.decoder) else {
            return Err(Error::Protocol);
        };
        // No message refers to the buffer: what is cut from it while there is a decoder is copied.
        let Some(frame) = buffer.filled_mut().and_then(|bytes| bytes.get_mut(start..end)) else {
            return Err(Error::Protocol);
        };
        // The flags outside are not authentic and say nothing.
        match decoder.decode(frame) {
            Ok((_, place)) if place.len() as u64 > self.longest_inside => {
                Err(Error::MessageTooLong)
            }
            Ok((flags, place)) => Ok((flags, start + place.start..start + place.end)),
            Err(error) => {
                self.failure = Some(error);
                Err(Error::Protocol)
            }
        }
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
            let Ok(body) = BodyBuilder::new(body_len, &bytes[header.header_len..]) else {
                self.starve(pool);
                return Ok(None);
            };
            self.gap.body_begins(here);
            self.body = Some((body, header));
            self.at = buffer.filled().len();
            self.retire(pool);
        }
        Ok(None)
    }

    /// The frame at the front of the buffer, decrypted if need be.
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
        self.at += header.frame_len() as usize;
        self.give_back_if_empty(pool);
    }

    /// Gives an emptied buffer back.
    #[inline]
    fn retire(&mut self, pool: &mut BufferPool) {
        if let Some(buffer) = self.buffer.take() {
            pool.give(buffer);
        }
        self.at = 0;
        self.ahead.forget_count();
        self.next_buffer();
    }

    /// Makes room for at least one read behind what is left in the buffer.
    fn make_room(&mut self, pool: &mut BufferPool) -> Result<()> {
        let Some(buffer) = &mut self.buffer else {
            self.buffer = Some(pool.take()?);
            self.at = 0;
            return Ok(());
        };
        if buffer.spare().1 >= BUFFER / 4 {
            return Ok(());
        }
        self.ahead.forget_count();
        if self.at > 0 && buffer.rewind(self.at) {
            self.at = 0;
            if buffer.spare().1 >= BUFFER / 4 {
                return Ok(());
            }
        }
        // The tail is in use by messages, or many frames wait unread: a fresh buffer.
        let tail = &buffer.filled()[self.at..];
        let mut fresh = RxBuffer::new(BUFFER.max(tail.len() * 2))?;
        fresh.append(tail);
        self.buffer = Some(fresh);
        self.at = 0;
        Ok(())
    }

    /// Reads once from the kernel without waiting. Returns how many bytes came; 0 means none, or
    /// the end of the stream ([`Rx::ended`]).
    ///
    /// # Errors
    /// What the kernel says, except that there is nothing.
    pub fn fill(&mut self, fd: BorrowedFd<'_>, pool: &mut BufferPool) -> Result<usize> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.starved = false;
        let count = match self.body {
            Some(_) => self.fill_body(fd, pool),
            None => self.fill_buffer(fd, pool),
        };
        if self.starved {
            return count;
        }
        if !self.ready {
            self.pace.settle(fd, self.body.as_ref().map_or(0, |(body, _)| body.missing()));
            self.ready = self.pace.may_have_missed();
        }
        count
    }

    fn fill_buffer(&mut self, fd: BorrowedFd<'_>, pool: &mut BufferPool) -> Result<usize> {
        if self.make_room(pool).is_err() {
            self.starve(pool);
            return Ok(0);
        }
        let Some(buffer) = &mut self.buffer else { return Err(Error::NoMemory) };
        let (to, room) = buffer.spare();
        let room = room.min(self.gap.limit());
        pool.reads = pool.reads.wrapping_add(1);
        pool.read_at = ticks();
        // SAFETY: `to` is valid for `room` bytes until the buffer is used again.
        let result = unsafe { net::recv_raw(fd, to, room) };
        let count = self.judge(result, room);
        if let (Ok(count), Some(buffer)) = (count, &mut self.buffer) {
            // SAFETY: the kernel wrote `count` bytes there.
            unsafe { buffer.advance(count) };
            self.gap.read(count);
        }
        self.give_back_if_empty(pool);
        count
    }

    fn fill_body(&mut self, fd: BorrowedFd<'_>, pool: &mut BufferPool) -> Result<usize> {
        let Some((body, _)) = &mut self.body else { return Ok(0) };
        let missing = body.missing();
        let (to, room) = body.spare()?;
        // SAFETY: `to` is valid for `room` bytes until the body is used again.
        let count = unsafe { self.read_body(fd, to, room, room == missing, pool)? };
        if let Some((body, _)) = &mut self.body {
            // SAFETY: the kernel wrote as many bytes there.
            unsafe { body.advance(count.min(room)) };
        }
        if count >= missing
            && let Some((body, header)) = self.body.take()
        {
            self.gap.body_ends(count - missing);
            self.arrived = Some(Arrived::Raw(Msg::from_body_builder(body), header.flags));
        }
        Ok(count)
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
            let result = unsafe { net::recv_raw(fd, to, room) };
            let count = self.judge(result, room);
            pool.note_long_read(&count);
            return count;
        };
        let (behind, most) = buffer.spare();
        // The gap begins at the end of the body.
        let most = if self.gap.expected == 0 { most } else { most.min(self.gap.expected) };
        // SAFETY: `to` is valid by contract, `behind` until the buffer is used again.
        let result = unsafe { net::recv_raw_vectored(fd, [(to, room), (behind, most)]) };
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

    /// What the result of a read for `room` bytes means. 0: there is nothing, or the end.
    fn judge(&mut self, result: Result<usize>, room: usize) -> Result<usize> {
        let count = match result {
            Ok(0) => {
                self.ended = true;
                0
            }
            Ok(count) => count,
            Err(Error::Again) => {
                self.ready = false;
                0
            }
            Err(Error::Interrupted) => 0,
            Err(error) => return Err(error),
        };
        // A read that was not filled has emptied the kernel's queue; the next bytes make an edge.
        // After a hang-up no further edge comes, so the end must be looked for.
        self.ready &= count == room || self.peer_closed;
        Ok(count)
    }

    /// Reads a long message of one part, of which the header and perhaps a piece are here, from the
    /// kernel straight to `to`. If not all of it came it goes on as a body of its own.
    #[cold]
    pub fn read_into<S: Sink + ?Sized>(
        &mut self,
        to: &mut S,
        fd: BorrowedFd<'_>,
        pool: &mut BufferPool,
    ) -> Straight {
        let Some((header, len, here)) = self.long_header() else { return Straight::Not };
        let Some(place) = to.place(len) else { return Straight::Not };
        if let Some(buffer) = self.buffer.take() {
            let from = buffer.filled().len() - here;
            // SAFETY: `here` bytes end the buffer, and `place` is valid for `len`, which is more.
            unsafe { std::ptr::copy_nonoverlapping(buffer.filled()[from..].as_ptr(), place, here) };
            pool.give(buffer);
        }
        self.at = 0;
        self.ahead.forget_count();
        self.gap.body_begins(here);
        // SAFETY: as above.
        let read = unsafe { self.read_body(fd, place.add(here), len - here, true, pool) };
        let count = read.unwrap_or_else(|error| {
            self.fail_later(error);
            0
        });
        if here + count >= len {
            self.gap.body_ends(here + count - len);
            return Straight::Whole(len);
        }
        // SAFETY: as many bytes have been written there.
        let part = unsafe { std::slice::from_raw_parts(place, here + count) };
        match BodyBuilder::new(len, part) {
            Ok(body) => self.body = Some((body, header)),
            Err(error) => self.fail_later(error),
        }
        if count > 0 { Straight::Part } else { Straight::Not }
    }

    /// The header at the front of the buffer, the length of the body and how much of that is here,
    /// if it is a long message of one part that comes next and the rest may be in the kernel.
    fn long_header(&self) -> Option<(Header, usize, usize)> {
        let bytes = self.buffer.as_ref()?.filled().get(self.at..)?;
        let next = self.ready()
            && self.frames.is_empty()
            && self.front == Front::Message
            && self.arrived.is_none()
            && self.decoder.is_none()
            && self.error.is_none()
            && self.framing == Framing::V2
            && !self.raw;
        let plain = bytes.first().is_some_and(|&octet| octet == 2);
        if !(next && plain) {
            return None;
        }
        let header = frame::parse_header(self.framing, bytes).ok().flatten()?;
        let here = bytes.len() - header.header_len;
        let long = header.body_len > DIRECT as u64 && header.body_len > here as u64;
        if !long || header.body_len > self.longest() {
            return None;
        }
        Some((header, usize::try_from(header.body_len).ok()?, here))
    }

    /// The next read fails with this error.
    fn fail_later(&mut self, error: Error) {
        self.error = Some(error);
        self.ready = true;
    }

    #[inline]
    fn give_back_if_empty(&mut self, pool: &mut BufferPool) {
        if self.buffer.as_ref().is_some_and(|b| b.filled().len() == self.at) {
            self.retire(pool);
        }
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
        rx.preload(&bytes).expect("memory");
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
