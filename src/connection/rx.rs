//! The receiving side of a connection: bytes from the kernel, frames to the socket.
//!
//! Bytes are read in large pieces and frames are cut from them only when somebody asks for a
//! message, so a burst costs one system call and no queue. When the I/O thread reads for an
//! application that is away, [`Rx::gather`] cuts up to the high-water mark and stops there.

use crate::error::{Error, Result};
use crate::msg::{BodyBuilder, Msg, RxBuffer, Sink};
use crate::sys::net;
use crate::wire::HandshakeError;
use crate::wire::frame::{self, Flags, Framing, Header, Scan};
use crate::wire::mechanism::Decoder;
use std::collections::VecDeque;
use std::os::fd::BorrowedFd;

/// No frame is longer: more than the address space of a process can hold.
const LONGEST: u64 = 1 << 46;

/// The most parts a message may have of which the last has not come.
const MOST_PARTS: usize = 1 << 20;

/// What encryption may add to a frame, beyond the largest message allowed.
const ENVELOPE: u64 = 64;

/// What one read asks the kernel for.
const BUFFER: usize = 64 * 1024;

/// Frames longer than this are read into their own allocation.
const DIRECT: usize = 16 * 1024;

/// The largest piece of a byte stream delivered as one message (ZMQ_STREAM).
const RAW_PIECE: usize = 8192;

/// Buffers kept while connections are busy: reading from many in turn needs one for each.
const KEPT: usize = 32;

/// Buffers kept when they are not.
const KEPT_IDLE: usize = 2;

/// Buffers waiting for use by any connection of a socket.
#[derive(Default)]
pub struct BufferPool {
    /// Some may still be in use by messages cut from them; those given longest ago come first.
    free: VecDeque<RxBuffer>,
}

impl BufferPool {
    fn take(&mut self) -> Result<RxBuffer> {
        // The last one given is the likeliest to be in the cache, the first one to be free.
        let found = self.free.pop_back().and_then(|last| self.unused(last));
        let found = found.or_else(|| self.free.pop_front().and_then(|first| self.unused(first)));
        found.map_or_else(|| RxBuffer::new(BUFFER), Ok)
    }

    /// The buffer, empty, unless messages still use it.
    fn unused(&mut self, mut buffer: RxBuffer) -> Option<RxBuffer> {
        let filled = buffer.filled().len();
        if buffer.rewind(filled) {
            Some(buffer)
        } else {
            self.free.push_back(buffer);
            None
        }
    }

    fn give(&mut self, buffer: RxBuffer) {
        if self.free.len() < KEPT && buffer.capacity() == BUFFER {
            self.free.push_back(buffer);
        }
    }

    /// Gives back what only a busy socket needs.
    pub fn trim(&mut self) {
        if self.free.len() > KEPT_IDLE {
            self.free.truncate(KEPT_IDLE);
            self.free.shrink_to_fit();
        }
    }

    /// Gives all memory back.
    pub fn clear(&mut self) {
        self.free.clear();
    }
}

/// A frame as it came: a part of a message, or a command.
pub enum Incoming {
    /// A part of a message of the application.
    Part(Msg),
    /// The body of a ZMTP command.
    Command(Msg),
}

/// Received bytes and frames not yet handed out.
pub struct Rx {
    framing: Framing,
    raw: bool,
    max_size: u64,
    buffer: Option<RxBuffer>,
    at: usize,
    body: Option<(BodyBuilder, Header)>,
    /// A long frame that is complete and comes next.
    arrived: Option<(Msg, Flags)>,
    decoder: Option<Box<dyn Decoder>>,
    /// Why decrypting failed.
    failure: Option<HandshakeError>,
    frames: VecDeque<Msg>,
    /// Whole messages in `frames`.
    whole: usize,
    /// Parts of a message of which the last has not come.
    open_parts: usize,
    /// The rest of the message being read out is completely in the buffer.
    rest_in_buffer: bool,
    /// The kernel may have more bytes for us.
    ready: bool,
    /// The kernel reported that the peer hung up.
    peer_closed: bool,
    /// Nothing more will come.
    ended: bool,
}

impl Rx {
    /// An empty receiving side. Frames above `max_size` bytes are an error.
    pub fn new(framing: Framing, raw: bool, max_size: u64) -> Rx {
        Rx {
            framing,
            raw,
            max_size,
            buffer: None,
            at: 0,
            body: None,
            arrived: None,
            decoder: None,
            failure: None,
            frames: VecDeque::new(),
            whole: 0,
            open_parts: 0,
            rest_in_buffer: false,
            ready: true,
            peer_closed: false,
            ended: false,
        }
    }

    /// From now on frames are encrypted.
    pub fn decrypt(&mut self, decoder: Box<dyn Decoder>) {
        self.decoder = Some(decoder);
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

    /// Whether the stream has ended. What was received before can still be read.
    #[inline]
    pub fn ended(&self) -> bool {
        self.ended
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

    /// Whole messages gathered.
    pub fn gathered(&self) -> usize {
        self.whole
    }

    /// Puts a message behind what was gathered (the connect and disconnect notes of ZMQ_STREAM).
    pub fn inject(&mut self, msg: Msg) {
        self.whole += usize::from(!msg.more());
        self.frames.push_back(msg);
    }

    /// The next frame of a whole message, or a command, from what was received already.
    ///
    /// # Errors
    /// [`Error::Protocol`], [`Error::MessageTooLong`], [`Error::NoMemory`]: the connection must
    /// be closed.
    #[inline]
    pub fn next(&mut self, pool: &mut BufferPool) -> Result<Option<Incoming>> {
        if !self.frames.is_empty() || self.arrived.is_some() || self.decoder.is_some() {
            return self.gather_one(pool);
        }
        let Some(header) = self.peek(pool)? else {
            return Ok(None);
        };
        let flags = header.flags;
        if flags.more() && !self.rest_in_buffer {
            let buffer = self.buffer.as_ref().map_or(&[][..], |b| &b.filled()[self.at..]);
            let scan = frame::scan_message(self.framing, buffer);
            if !matches!(scan, Ok(Scan::Whole { .. })) {
                return self.gather_one(pool);
            }
            self.rest_in_buffer = true;
        }
        self.rest_in_buffer &= flags.more() || flags.command();
        let mut msg = self.cut(header, pool)?;
        if flags.command() {
            return Ok(Some(Incoming::Command(msg)));
        }
        msg.set_more(flags.more());
        Ok(Some(Incoming::Part(msg)))
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
            && !self.raw;
        let buffer = self.buffer.as_ref().filter(|_| plain)?;
        let bytes = buffer.filled().get(self.at..)?;
        let more = match bytes.first()? {
            0 | 2 => false,
            1 | 3 => true,
            _ => return None,
        };
        let header = frame::parse_header(self.framing, bytes).ok().flatten()?;
        if header.body_len > self.max_size.min(LONGEST) {
            return None;
        }
        if more && !self.rest_in_buffer {
            let Ok(Scan::Whole { .. }) = frame::scan_message(self.framing, bytes) else {
                return None;
            };
        } else if header.frame_len() > bytes.len() as u64 {
            return None;
        }
        Some((header, bytes))
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
        let (header, bytes) = self.standing()?;
        let len = header.body_len as usize;
        let end = header.header_len + len;
        let last = end == bytes.len();
        if !to.take(bytes.get(header.header_len..end)?, header.flags.more()) {
            return None;
        }
        self.at += end;
        self.rest_in_buffer = header.flags.more();
        if last {
            self.retire(pool);
        }
        Some((len, header.flags.more()))
    }

    fn pop_gathered(&mut self) -> Option<Msg> {
        if self.whole == 0 {
            return None;
        }
        let msg = self.frames.pop_front()?;
        if !msg.more() {
            self.whole -= 1;
            if self.frames.is_empty() {
                self.frames.shrink_to(16);
            }
        }
        Some(msg)
    }

    /// Cuts frames until a message is whole; a command on the way is returned at once.
    fn gather_one(&mut self, pool: &mut BufferPool) -> Result<Option<Incoming>> {
        loop {
            if let Some(msg) = self.pop_gathered() {
                return Ok(Some(Incoming::Part(msg)));
            }
            match self.frame(pool)? {
                None => return Ok(None),
                Some(Incoming::Part(msg)) if self.frames.is_empty() && !msg.more() => {
                    return Ok(Some(Incoming::Part(msg)));
                }
                Some(Incoming::Part(msg)) => self.inject(msg),
                command => return Ok(command),
            }
        }
    }

    /// Cuts frames until `limit` messages are gathered (0: no limit) or bytes are missing. A
    /// command on the way is returned at once; call again.
    ///
    /// # Errors
    /// As [`Rx::next`].
    pub fn gather(&mut self, limit: usize, pool: &mut BufferPool) -> Result<Option<Msg>> {
        // A message that is being read out stays in front of what is gathered behind it only if
        // its rest is gathered, too; the order of frames takes care of that.
        while limit == 0 || self.whole < limit {
            match self.frame(pool)? {
                None => return Ok(None),
                Some(Incoming::Part(msg)) => {
                    self.rest_in_buffer = false;
                    self.inject(msg);
                }
                Some(Incoming::Command(body)) => return Ok(Some(body)),
            }
        }
        Ok(None)
    }

    /// The next frame that is here as a whole, decrypted if need be.
    fn frame(&mut self, pool: &mut BufferPool) -> Result<Option<Incoming>> {
        let (mut msg, mut flags) = match self.arrived.take() {
            Some(arrived) => arrived,
            None => match self.peek(pool)? {
                Some(header) => (self.cut(header, pool)?, header.flags),
                None => return Ok(None),
            },
        };
        if let Some(decoder) = &mut self.decoder {
            // The flags outside are not authentic and say nothing.
            let (inner, place) = decoder.decode(msg.data_mut()).map_err(|error| {
                self.failure = Some(error);
                Error::Protocol
            })?;
            msg.narrow(place);
            flags = inner;
        }
        if flags.command() {
            return Ok(Some(Incoming::Command(msg)));
        }
        // A peer that never ends its message must not fill our memory with its parts.
        self.open_parts = if flags.more() { self.open_parts + 1 } else { 0 };
        if self.open_parts > MOST_PARTS {
            return Err(Error::MessageTooLong);
        }
        msg.set_more(flags.more());
        Ok(Some(Incoming::Part(msg)))
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
        if header.body_len > self.max_size.min(LONGEST) {
            return Err(Error::MessageTooLong);
        }
        let body_len = usize::try_from(header.body_len).map_err(|_| Error::MessageTooLong)?;
        let here = bytes.len() - header.header_len;
        if here >= body_len {
            return Ok(Some(header));
        }
        if body_len > DIRECT {
            let body = BodyBuilder::new(body_len, &bytes[header.header_len..])?;
            self.body = Some((body, header));
            self.at = buffer.filled().len();
            self.retire(pool);
        }
        Ok(None)
    }

    #[inline]
    fn cut(&mut self, header: Header, pool: &mut BufferPool) -> Result<Msg> {
        let Some(buffer) = &self.buffer else {
            return Ok(Msg::new());
        };
        let len = header.body_len as usize;
        let start = self.at + header.header_len;
        // A buffer's bytes may be shared, so what is decrypted in place needs a copy.
        let msg = match self.decoder {
            None => Msg::slice_of(buffer, start, len),
            Some(_) => Msg::copy_from(&buffer.filled()[start..start + len])?,
        };
        self.at = start + len;
        if self.at == buffer.filled().len() {
            self.retire(pool);
        }
        Ok(msg)
    }

    /// Gives an emptied buffer back.
    fn retire(&mut self, pool: &mut BufferPool) {
        if let Some(buffer) = self.buffer.take() {
            pool.give(buffer);
        }
        self.at = 0;
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
        let (to, room) = match &mut self.body {
            Some((body, _)) => body.spare()?,
            None => {
                self.make_room(pool)?;
                match &mut self.buffer {
                    Some(buffer) => buffer.spare(),
                    None => return Err(Error::NoMemory),
                }
            }
        };
        // SAFETY: `to` is valid for `room` bytes until the body or buffer is used again.
        let result = unsafe { net::recv_raw(fd, to, room) };
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
            Err(error) => {
                self.give_back_if_empty(pool);
                return Err(error);
            }
        };
        // A read that was not filled has emptied the kernel's queue; the next bytes make an edge.
        // After a hang-up no further edge comes, so the end must be looked for.
        self.ready &= count == room || self.peer_closed;
        match &mut self.body {
            Some((body, _)) => {
                // SAFETY: the kernel wrote `count` bytes there.
                unsafe { body.advance(count) };
                if body.missing() == 0 {
                    self.finish_body();
                }
            }
            None => {
                if let Some(buffer) = &mut self.buffer {
                    // SAFETY: the kernel wrote `count` bytes there.
                    unsafe { buffer.advance(count) };
                }
                self.give_back_if_empty(pool);
            }
        }
        Ok(count)
    }

    fn finish_body(&mut self) {
        if let Some((body, header)) = self.body.take() {
            self.arrived = Some((Msg::from_body_builder(body), header.flags));
        }
    }

    fn give_back_if_empty(&mut self, pool: &mut BufferPool) {
        if self.buffer.as_ref().is_some_and(|b| b.filled().len() == self.at) {
            self.retire(pool);
        }
    }

    /// Drops the parts of a message that will never be whole.
    pub fn drop_incomplete(&mut self) {
        let keep = self.frames.iter().rposition(|m| !m.more()).map_or(0, |last| last + 1);
        self.frames.truncate(keep);
        self.body = None;
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
