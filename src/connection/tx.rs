//! The sending side of a connection: encoded frames that the kernel has not taken yet.
//!
//! Small bodies are copied into chunks of up to 64 KiB, so that a burst of messages leaves in one
//! system call. Large bodies are not copied; the kernel reads them where they are.

use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::sys::net;
use crate::util::memory;
use crate::wire::frame::{self, Flags, Framing, MAX_HEADER};
use crate::wire::mechanism::Encoder;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

/// Bytes after which a chunk is closed, and a burst is worth a system call.
pub const BATCH: usize = 64 * 1024;

/// The longest body that is copied into a chunk.
pub const COPY_LIMIT: usize = 8 * 1024;

/// Chunks handed to the kernel in one call.
const GATHER: usize = 16;

/// No more are if they have this many bytes: it seldom takes more.
const GATHER_BYTES: usize = 256 * 1024;

/// An idle connection keeps no more buffer than this.
const IDLE_CAPACITY: usize = 512;

/// Buffers of sent chunks kept for later ones while there is traffic.
const SPARES: usize = 16;

struct Chunk {
    bytes: Vec<u8>,
    /// A large body that follows `bytes`.
    body: Option<Msg>,
    /// Room for a copy of the large body, which belongs to the caller of the running send call: that
    /// there is memory has to be known before the message is accepted.
    room: Option<Msg>,
    /// How much of `bytes` and `body` the kernel has taken.
    sent: usize,
    /// Messages that end in this chunk.
    messages: usize,
    /// Whether a message begins with the first byte.
    starts_message: bool,
    /// If `bytes` are encrypted: the same frames as they would be otherwise.
    clear: Clear,
}

/// Frames in clear, the last of which may have its body apart.
#[derive(Default)]
struct Clear {
    bytes: Vec<u8>,
    body: Option<Msg>,
}

impl Chunk {
    fn len(&self) -> usize {
        self.bytes.len() + self.body.as_ref().map_or(0, Msg::len)
    }

    /// Whether a large body ends the chunk.
    fn is_closed(&self) -> bool {
        self.body.is_some() || self.clear.body.is_some()
    }

    /// Copies a body that is the caller's.
    fn make_owned(&mut self) {
        let mut bodies = self.body.iter_mut().chain(&mut self.clear.body);
        if let (Some(mut copy), Some(body)) = (self.room.take(), bodies.next()) {
            copy.data_mut().copy_from_slice(body.data());
            *body = copy;
        }
    }

    /// Makes room for so many bytes more.
    #[inline]
    fn reserve(&mut self, more: usize) -> Result<()> {
        if self.bytes.capacity() - self.bytes.len() >= more { Ok(()) } else { self.grow(more) }
    }

    #[cold]
    fn grow(&mut self, more: usize) -> Result<()> {
        let before = self.bytes.len();
        let len = before + more;
        // Doubling ends with twice of what a full batch needs.
        let wanted = if len > BATCH / 2 { len.max(BATCH) } else { len.max(2 * before).max(64) };
        memory::reserve(&mut self.bytes, wanted - before)
    }
}

/// A place behind what is queued, to go back to.
pub struct Mark {
    chunks: usize,
    bytes_of_last: usize,
    clear_of_last: usize,
    last_is_closed: bool,
    bytes: usize,
    borrowed: bool,
    mid_message: bool,
}

/// Frames waiting for the kernel, oldest first.
pub struct TxQueue {
    chunks: VecDeque<Chunk>,
    /// Empty buffers for further chunks.
    spares: Vec<Vec<u8>>,
    /// Chunks at the front that are sent, kept until the message they began is sent as a whole.
    done: usize,
    bytes: usize,
    messages: usize,
    mid_message: bool,
    blocked: bool,
    borrowed: bool,
    framing: Framing,
    raw: bool,
    /// Bodies are not just copied behind a header: `raw`, or encrypted.
    special: bool,
    encoder: Option<Box<dyn Encoder>>,
    /// The encoder's keys are used up: the connection cannot go on.
    exhausted: bool,
}

impl TxQueue {
    /// An empty queue. `raw` writes bodies without frames (ZMQ_STREAM).
    pub fn new(framing: Framing, raw: bool) -> TxQueue {
        TxQueue {
            chunks: VecDeque::new(),
            spares: Vec::new(),
            done: 0,
            bytes: 0,
            messages: 0,
            mid_message: false,
            blocked: false,
            borrowed: false,
            framing,
            raw,
            special: raw,
            encoder: None,
            exhausted: false,
        }
    }

    /// From now on frames are encrypted.
    pub fn encrypt(&mut self, encoder: Box<dyn Encoder>) {
        self.encoder = Some(encoder);
        self.special = true;
    }

    /// Bytes the kernel has not taken.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages the kernel has not taken completely.
    #[inline]
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Whether the kernel refused to take more; cleared by [`TxQueue::unblock`].
    #[inline]
    pub fn blocked(&self) -> bool {
        self.blocked
    }

    /// The descriptor was reported writable.
    pub fn unblock(&mut self) {
        self.blocked = false;
    }

    /// Whether a body in the queue belongs to the caller of the running send call.
    #[inline]
    pub fn borrowed(&self) -> bool {
        self.borrowed
    }

    /// Whether there is enough for a system call, or a body that belongs to the caller of the
    /// running send call.
    #[inline]
    pub fn is_urgent(&self) -> bool {
        self.bytes >= BATCH || self.borrowed
    }

    /// The chunk that takes `room` bytes more, and has memory for them.
    #[inline]
    fn tail(&mut self, room: usize) -> Result<&mut Chunk> {
        let fits = self.chunks.len() > self.done
            && self.chunks.back().is_some_and(|c| !c.is_closed() && c.bytes.len() + room <= BATCH);
        if !fits {
            self.open_chunk()?;
        }
        let last = self.chunks.len() - 1;
        let chunk = &mut self.chunks[last];
        chunk.reserve(room)?;
        Ok(chunk)
    }

    #[cold]
    fn open_chunk(&mut self) -> Result<()> {
        self.chunks.try_reserve(1).map_err(|_| Error::NoMemory)?;
        let starts_message = !self.mid_message;
        let bytes = self.spares.pop().unwrap_or_default();
        self.chunks.push_back(Chunk {
            bytes,
            body: None,
            room: None,
            sent: 0,
            messages: 0,
            starts_message,
            clear: Clear::default(),
        });
        Ok(())
    }

    /// The end of the queue as it is, for a message of several parts that may not get in whole.
    pub fn mark(&self) -> Mark {
        let last = self.chunks.back();
        Mark {
            chunks: self.chunks.len(),
            bytes_of_last: last.map_or(0, |chunk| chunk.bytes.len()),
            clear_of_last: last.map_or(0, |chunk| chunk.clear.bytes.len()),
            last_is_closed: last.is_some_and(Chunk::is_closed),
            bytes: self.bytes,
            borrowed: self.borrowed,
            mid_message: self.mid_message,
        }
    }

    /// Takes back parts of a message that is not whole: all that came behind the mark, of which
    /// nothing has been flushed. Encryption has counted them, which receivers accept.
    pub fn take_back(&mut self, mark: &Mark) {
        self.chunks.truncate(mark.chunks);
        if let Some(last) = self.chunks.back_mut()
            && !mark.last_is_closed
        {
            last.bytes.truncate(mark.bytes_of_last);
            last.clear.bytes.truncate(mark.clear_of_last);
            (last.body, last.clear.body, last.room) = (None, None, None);
        }
        self.bytes = mark.bytes;
        self.borrowed = mark.borrowed;
        self.mid_message = mark.mid_message;
    }

    /// Appends a frame of a message of the application, which is empty afterwards.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    #[inline]
    pub fn push(&mut self, msg: &mut Msg) -> Result<()> {
        let more = msg.more();
        self.append(msg, more, false)?;
        self.mid_message = more && !self.raw;
        if !self.mid_message {
            self.messages += 1;
            if let Some(chunk) = self.chunks.back_mut() {
                chunk.messages += 1;
            }
        }
        Ok(())
    }

    /// Appends a message of one part. False, and nothing has happened, if that takes more than
    /// copying it into a chunk, or memory that there is not.
    #[inline]
    pub fn push_bytes(&mut self, bytes: &[u8]) -> bool {
        if self.mid_message || bytes.len() > COPY_LIMIT {
            return false;
        }
        if self.special {
            return self.push_encrypted_bytes(bytes);
        }
        if self.framing == Framing::V2 && bytes.len() <= frame::SHORT {
            let len = 2 + bytes.len();
            let Ok(chunk) = self.tail(len) else { return false };
            chunk.messages += 1;
            chunk.bytes.extend_from_slice(&frame::short_header(bytes.len() as u8));
            chunk.bytes.extend_from_slice(bytes);
            self.bytes += len;
            self.messages += 1;
            return true;
        }
        self.push_long_bytes(bytes)
    }

    fn push_encrypted_bytes(&mut self, bytes: &[u8]) -> bool {
        if self.raw || self.encoder.is_none() {
            return false;
        }
        if self.encrypt_frame(Flags::NONE, bytes).is_err() {
            return false;
        }
        self.messages += 1;
        if let Some(chunk) = self.chunks.back_mut() {
            chunk.messages += 1;
        }
        true
    }

    fn push_long_bytes(&mut self, bytes: &[u8]) -> bool {
        let mut header = [0u8; MAX_HEADER];
        let header_len = frame::encode_header(self.framing, bytes.len(), false, false, &mut header);
        let Ok(chunk) = self.tail(header_len + bytes.len()) else { return false };
        chunk.messages += 1;
        chunk.bytes.extend_from_slice(&header[..header_len]);
        chunk.bytes.extend_from_slice(bytes);
        self.bytes += header_len + bytes.len();
        self.messages += 1;
        true
    }

    /// Appends encoded frames, each a whole message. Only where [`TxQueue::takes_frames`] says
    /// so; if the kernel has taken the first `sent` bytes already, the queue must be empty.
    ///
    /// # Errors
    /// [`Error::NoMemory`]: the connection cannot go on.
    pub fn push_encoded(&mut self, frames: &[u8], messages: usize, sent: usize) -> Result<()> {
        debug_assert!(sent == 0 || self.bytes == 0);
        let mut gone = 0;
        let mut begins = 0;
        // A frame that was sent in part is kept whole, for another connection.
        while let Ok(Some(header)) = frame::parse_header(self.framing, &frames[begins..]) {
            let end = begins.saturating_add(header.frame_len() as usize);
            if end > sent {
                break;
            }
            begins = end;
            gone += 1;
        }
        let rest = &frames[begins..];
        let chunk = self.tail(rest.len())?;
        chunk.sent += sent - begins;
        chunk.messages += messages - gone;
        chunk.bytes.extend_from_slice(rest);
        self.bytes += frames.len() - sent;
        self.messages += messages - gone;
        Ok(())
    }

    /// Hands encoded frames to the kernel, each a whole message, and appends what it does not
    /// take; behind what waits already. True if nothing is left to send.
    ///
    /// # Errors
    /// As [`TxQueue::flush`].
    pub fn send_encoded(
        &mut self,
        fd: BorrowedFd<'_>,
        frames: &[u8],
        messages: usize,
    ) -> Result<bool> {
        let mut sent = 0;
        if self.bytes == 0 && !self.blocked {
            match net::send_vectored(fd, &[IoSlice::new(frames)]) {
                Ok(count) if count == frames.len() => return Ok(true),
                Ok(count) => {
                    sent = count;
                    self.blocked = true;
                }
                Err(Error::Again) => self.blocked = true,
                Err(Error::Interrupted) => {}
                Err(error) => {
                    self.push_encoded(frames, messages, 0)?;
                    return Err(error);
                }
            }
        }
        self.push_encoded(frames, messages, sent)?;
        if self.blocked { Ok(false) } else { self.flush(fd) }
    }

    /// Whether frames of ZMTP 2.0 may be appended as they are.
    #[inline]
    pub fn takes_frames(&self) -> bool {
        self.framing == Framing::V2 && !self.mid_message && !self.special
    }

    /// Appends a whole message of several parts: the frames of all but the last, as ZMTP 2.0 and later
    /// write them, and the body of the last. False, and nothing has happened, if that takes more than
    /// copying it into a chunk.
    #[inline]
    pub fn push_frames(&mut self, frames: &[u8], last: &[u8]) -> bool {
        if !self.takes_frames() || last.len() > COPY_LIMIT {
            return false;
        }
        let mut header = [0u8; MAX_HEADER];
        let header_len = frame::encode_header(self.framing, last.len(), false, false, &mut header);
        let len = frames.len() + header_len + last.len();
        let Ok(chunk) = self.tail(len) else { return false };
        chunk.messages += 1;
        chunk.bytes.extend_from_slice(frames);
        chunk.bytes.extend_from_slice(&header[..header_len]);
        chunk.bytes.extend_from_slice(last);
        self.bytes += len;
        self.messages += 1;
        true
    }

    /// Appends a ZMTP command with this body (name and data).
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    pub fn push_command(&mut self, mut body: Msg) -> Result<()> {
        self.append(&mut body, false, true)
    }

    /// Appends a single-frame message that high-water marks do not count, and that is not sent
    /// again over another connection (subscriptions are all announced anew there).
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    pub fn push_control(&mut self, mut msg: Msg) -> Result<()> {
        self.append(&mut msg, false, false)
    }

    #[inline]
    fn append(&mut self, msg: &mut Msg, more: bool, command: bool) -> Result<()> {
        if self.encoder.is_some() {
            return self.append_encrypted(msg, more, command);
        }
        let len = msg.len();
        let mut header = [0u8; MAX_HEADER];
        let header_len = if self.raw {
            0
        } else {
            frame::encode_header(self.framing, len, more, command, &mut header)
        };
        if len <= COPY_LIMIT {
            let chunk = self.tail(header_len + len)?;
            chunk.bytes.extend_from_slice(&header[..header_len]);
            chunk.bytes.extend_from_slice(msg.data());
            drop(msg.take());
        } else {
            let borrowed = msg.is_borrowed();
            let room = room_for_copy(msg)?;
            let chunk = self.tail(header_len)?;
            chunk.bytes.extend_from_slice(&header[..header_len]);
            chunk.room = room;
            chunk.body = Some(msg.take());
            self.borrowed |= borrowed;
        }
        self.bytes += header_len + len;
        Ok(())
    }

    fn append_encrypted(&mut self, msg: &mut Msg, more: bool, command: bool) -> Result<()> {
        let long = msg.len() > COPY_LIMIT;
        let room = if long { room_for_copy(msg)? } else { None };
        self.encrypt_frame(Flags::new(more, command), msg.data())?;
        self.borrowed |= long && msg.is_borrowed();
        let msg = msg.take();
        if long && let Some(chunk) = self.chunks.back_mut() {
            chunk.room = room;
            chunk.clear.body = Some(msg);
        }
        Ok(())
    }

    /// Appends a frame as a MESSAGE command of the mechanism, and keeps it in clear as well, a large
    /// body excepted: what is sent again over another connection is encrypted with other keys.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    #[inline]
    fn encrypt_frame(&mut self, flags: Flags, body: &[u8]) -> Result<()> {
        let Some(mut encoder) = self.encoder.take() else { return Ok(()) };
        let result = self.encrypt_with(&mut *encoder, flags, body);
        self.encoder = Some(encoder);
        result
    }

    fn encrypt_with(&mut self, encoder: &mut dyn Encoder, flags: Flags, body: &[u8]) -> Result<()> {
        let (framing, len) = (self.framing, body.len() + encoder.overhead());
        let mut header = [0u8; MAX_HEADER];
        let header_len = frame::encode_header(framing, len, false, false, &mut header);
        let chunk = self.tail(header_len + len)?;
        let kept = if body.len() <= COPY_LIMIT { body } else { &[] };
        let clear = MAX_HEADER + kept.len();
        chunk.clear.bytes.try_reserve(clear).map_err(|_| Error::NoMemory)?;
        let before = chunk.bytes.len();
        chunk.bytes.extend_from_slice(&header[..header_len]);
        if encoder.encode(flags, body, &mut chunk.bytes).is_err() {
            chunk.bytes.truncate(before);
            self.exhausted = true;
        } else {
            let (more, command) = (flags.more(), flags.command());
            let clear_len = frame::encode_header(framing, body.len(), more, command, &mut header);
            chunk.clear.bytes.extend_from_slice(&header[..clear_len]);
            chunk.clear.bytes.extend_from_slice(kept);
            self.bytes += header_len + len;
        }
        Ok(())
    }

    /// Gives the queue its own copies of what belongs to the caller of the running send call.
    pub fn make_owned(&mut self) {
        // Sent chunks that are only kept for a possible resend need their bodies, too.
        self.chunks.iter_mut().for_each(Chunk::make_owned);
        self.borrowed = false;
    }

    /// Hands the queue to the kernel until it is empty or the kernel takes no more. True if it
    /// is empty.
    ///
    /// # Errors
    /// What the kernel says, except that its queue is full.
    pub fn flush(&mut self, fd: BorrowedFd<'_>) -> Result<bool> {
        if self.exhausted {
            return Err(Error::Protocol);
        }
        while self.bytes > 0 {
            let mut vectors = [IoSlice::new(&[]); GATHER];
            let mut count = 0;
            let mut wanted = 0;
            for chunk in self.chunks.iter().skip(self.done).take(GATHER / 2) {
                let split = chunk.bytes.len();
                if chunk.sent < split {
                    vectors[count] = IoSlice::new(&chunk.bytes[chunk.sent..]);
                    wanted += split - chunk.sent;
                    count += 1;
                }
                if let Some(body) = &chunk.body {
                    let rest = &body.data()[chunk.sent.saturating_sub(split)..];
                    vectors[count] = IoSlice::new(rest);
                    wanted += rest.len();
                    count += 1;
                }
                if wanted >= GATHER_BYTES {
                    break;
                }
            }
            match net::send_vectored(fd, &vectors[..count]) {
                Ok(sent) => {
                    self.advance(sent);
                    if sent < wanted {
                        self.blocked = true;
                        return Ok(false);
                    }
                }
                Err(Error::Again) => {
                    self.blocked = true;
                    return Ok(false);
                }
                Err(Error::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn advance(&mut self, mut sent: usize) {
        self.bytes -= sent;
        while sent > 0 {
            let chunk = &mut self.chunks[self.done];
            let step = sent.min(chunk.len() - chunk.sent);
            chunk.sent += step;
            sent -= step;
            if chunk.sent == chunk.len() {
                self.messages -= chunk.messages;
                chunk.messages = 0;
                self.done += 1;
            }
        }
        self.release_done();
    }

    /// Frees chunks that no unfinished message needs, keeping one small buffer.
    fn release_done(&mut self) {
        let keep = if self.done == self.chunks.len() {
            if self.mid_message { return } else { self.done }
        } else {
            let mut first = self.done;
            while first > 0 && !self.chunks[first].starts_message {
                first -= 1;
            }
            first
        };
        if keep == 0 {
            return;
        }
        if keep == self.chunks.len() {
            // All sent: the last chunk becomes the empty first one.
            self.borrowed = false;
            self.drop_chunks(keep - 1);
            let chunk = &mut self.chunks[0];
            chunk.body = None;
            chunk.room = None;
            chunk.sent = 0;
            chunk.messages = 0;
            chunk.starts_message = true;
            chunk.clear.bytes.clear();
            chunk.clear.body = None;
            chunk.bytes.clear();
        } else {
            self.drop_chunks(keep);
        }
        self.done -= keep;
        self.done = self.done.min(self.chunks.len());
    }

    /// Drops the first `count` chunks and keeps their buffers, if they are large.
    fn drop_chunks(&mut self, count: usize) {
        for chunk in self.chunks.drain(..count) {
            let mut bytes = chunk.bytes;
            if bytes.capacity() >= BATCH / 2 && self.spares.len() < SPARES {
                bytes.clear();
                self.spares.push(bytes);
            }
        }
    }

    /// Whether there is memory that an idle connection does not need.
    #[inline]
    pub fn is_grown(&self) -> bool {
        !self.spares.is_empty()
            || self.chunks.front().is_some_and(|c| c.bytes.capacity() > IDLE_CAPACITY)
    }

    /// Gives back memory that a burst left behind. Called when the connection has been quiet.
    pub fn shrink(&mut self) {
        self.spares = Vec::new();
        if self.bytes == 0 {
            if let Some(chunk) = self.chunks.front_mut() {
                chunk.bytes.shrink_to(IDLE_CAPACITY);
                chunk.clear.bytes.shrink_to(IDLE_CAPACITY);
            }
            self.chunks.shrink_to(1);
        }
    }

    /// The frames of all messages that the kernel has not taken completely, for sending them
    /// again over the next connection. Commands are left out: they belong to this connection.
    pub fn take_unsent(&mut self) -> Vec<Msg> {
        let mut unsent = Vec::new();
        if self.raw {
            self.chunks.clear();
            return unsent;
        }
        let mut message: Vec<Msg> = Vec::new();
        let mut any_unsent = false;
        // A message whose first part is gone cannot be sent again.
        let mut whole = false;
        let overhead = self.encoder.as_ref().map(|encoder| encoder.overhead());
        for chunk in std::mem::take(&mut self.chunks) {
            whole |= chunk.starts_message && message.is_empty();
            let sent = chunk.sent;
            for (end, msg) in frames_of(self.framing, &chunk, overhead) {
                any_unsent |= end > sent;
                let more = msg.more();
                message.push(msg);
                if !more {
                    if any_unsent && whole {
                        unsent.append(&mut message);
                    }
                    message.clear();
                    any_unsent = false;
                    whole = true;
                }
            }
        }
        self.done = 0;
        self.bytes = 0;
        self.messages = 0;
        self.mid_message = false;
        self.blocked = false;
        unsent
    }
}

/// Room for a copy of a body that belongs to the caller of the running send call.
fn room_for_copy(msg: &Msg) -> Result<Option<Msg>> {
    msg.is_borrowed().then(|| Msg::with_size(msg.len())).transpose()
}

/// The message frames encoded in a chunk, each with where it ends. `overhead` is what encryption
/// adds to a frame's body, if the chunk is encrypted.
fn frames_of(framing: Framing, chunk: &Chunk, overhead: Option<usize>) -> Vec<(usize, Msg)> {
    let (bytes, last_body) = match overhead {
        None => (&chunk.bytes, &chunk.body),
        Some(_) => (&chunk.clear.bytes, &chunk.clear.body),
    };
    let mut frames = Vec::new();
    let mut at = 0;
    let mut end = 0;
    while let Some(rest) = bytes.get(at..).filter(|r| !r.is_empty()) {
        let Ok(Some(header)) = frame::parse_header(framing, rest) else { break };
        let (start, len) = (at + header.header_len, header.body_len as usize);
        at = start.saturating_add(len);
        end = match overhead {
            None => at,
            Some(overhead) => {
                let len = len.saturating_add(overhead);
                let mut outer = [0u8; MAX_HEADER];
                end + frame::encode_header(framing, len, false, false, &mut outer) + len
            }
        };
        if header.flags.command() {
            continue;
        }
        let body = bytes.get(start..at);
        let body = body.or_else(|| last_body.as_ref().map(Msg::data)).unwrap_or_default();
        // Without memory for a copy the message is sent empty rather than torn.
        let mut msg = Msg::copy_from(body).unwrap_or_default();
        msg.set_more(header.flags.more());
        frames.push((end, msg));
    }
    frames
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

    use super::*;
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn buffers_are_used_again_and_given_back_when_it_is_quiet() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut queue = TxQueue::new(Framing::V2, false);
        let mut received = 0;
        let mut sink = vec![0; 1 << 20];
        for round in 0..3 {
            for _ in 0..1000 {
                assert!(queue.push_bytes(&[7; 1000]));
            }
            let before = queue.spares.len();
            while !queue.flush(ours.as_fd()).unwrap() {
                received += theirs.read(&mut sink).unwrap();
                queue.unblock();
            }
            assert!(queue.is_grown() && queue.spares.len() <= SPARES);
            assert!(round == 0 || queue.spares.len() >= before, "buffers were freed");
        }
        let expected = 3 * 1000 * (1000 + 9);
        while received < expected {
            received += theirs.read(&mut sink).unwrap();
        }
        assert_eq!((received, queue.messages(), queue.bytes()), (expected, 0, 0));
        queue.shrink();
        assert!(!queue.is_grown());
    }
}
