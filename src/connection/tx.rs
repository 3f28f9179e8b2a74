//! The sending side of a connection: encoded frames that the kernel has not taken yet.
//!
//! Small bodies are copied into chunks of up to 64 KiB, so that a burst of messages leaves in one
//! system call. Large bodies are not copied; the kernel reads them where they are.

mod carried;
mod carrying;
mod chunk;
mod counting;
mod flushing;
#[cfg(test)]
mod tests;
mod waiting;

use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::util::buffer::Buffer;
use crate::util::memory::try_room;
use crate::wire::frame::{self, Flags, Framing, MAX_HEADER};
use crate::wire::mechanism::Encoder;
use carried::Carried;
pub use chunk::{BATCH, COPY_LIMIT};
use chunk::{Chunk, GATHER_BYTES, WINDOW};
use std::collections::VecDeque;
pub use waiting::Waiting;

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
    spares: Vec<Buffer>,
    /// Chunks at the front that are sent, kept until the message they began is sent as a whole.
    done: usize,
    bytes: usize,
    /// What is collected for one call of the kernel's, but for bodies that stand apart.
    most: usize,
    messages: usize,
    mid_message: bool,
    /// Bytes up to the end of the last answer to the peer; 0 if none is left.
    answers: usize,
    /// The same of the last PING of ours.
    pings: usize,
    blocked: bool,
    paused: bool,
    /// Why the kernel will never take anything again.
    lost: Option<Error>,
    /// That has yet to be told.
    lost_is_news: bool,
    /// What comes next has to wait behind others, or for this queue to be shorter.
    detour: bool,
    borrowed: bool,
    framing: Framing,
    raw: bool,
    /// Bodies are not just copied behind a header: `raw`, or encrypted.
    special: bool,
    encoder: Option<Box<dyn Encoder>>,
    /// The encoder's keys are used up: the connection cannot go on.
    exhausted: bool,
    starved: bool,
    /// What makes messages of WebSocket of the frames, if those carry them.
    carried: Option<Box<Carried>>,
    /// There is more to flushing than handing over what is here: `exhausted`, or `carried`.
    unusual: bool,
}

impl TxQueue {
    /// An empty queue. `raw` writes bodies without frames (ZMQ_STREAM).
    pub fn new(framing: Framing, raw: bool) -> TxQueue {
        TxQueue {
            chunks: VecDeque::new(),
            spares: Vec::new(),
            done: 0,
            bytes: 0,
            most: GATHER_BYTES,
            messages: 0,
            mid_message: false,
            answers: 0,
            pings: 0,
            blocked: false,
            paused: false,
            lost: None,
            lost_is_news: false,
            detour: false,
            borrowed: false,
            framing,
            raw,
            special: raw,
            encoder: None,
            exhausted: false,
            starved: false,
            carried: None,
            unusual: false,
        }
    }

    /// From now on no more than this is collected for one call of the kernel's (ZMQ_OUT_BATCH_SIZE).
    pub fn limit_writes(&mut self, most: usize) {
        self.most = most.max(1);
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

    /// Messages the kernel has not taken completely. Some of those that it has may count, up to a chunk of
    /// them, see [`TxQueue::count_off`].
    #[inline]
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Whether the kernel refused to take more; cleared by [`TxQueue::unblock`].
    #[inline]
    pub fn blocked(&self) -> bool {
        self.blocked
    }

    /// The kernel would take more, but not in this call. Whoever watches the descriptor hears of it.
    pub fn pause(&mut self) {
        self.blocked = true;
        self.paused = true;
    }

    /// Whether [`TxQueue::pause`] was called since this was asked last: the set has to report anew
    /// what is true already.
    pub fn ends_pause(&mut self) -> bool {
        std::mem::take(&mut self.paused)
    }

    /// The descriptor was reported writable.
    pub fn unblock(&mut self) {
        self.blocked = self.lost.is_some();
    }

    /// Why the kernel will never take anything again, if that is so: the peer is gone, or reads no
    /// more. What it has said may be unread yet, so that is no end of the connection; what is queued
    /// stays, as for a kernel that has no room, until [`TxQueue::give_back`].
    #[inline]
    pub fn lost(&self) -> Option<Error> {
        self.lost
    }

    /// The same, once.
    #[inline]
    pub fn lost_lately(&mut self) -> Option<Error> {
        self.lost.filter(|_| std::mem::take(&mut self.lost_is_news))
    }

    #[cold]
    fn lose(&mut self, error: Error) {
        self.lost = Some(error);
        self.lost_is_news = true;
        self.blocked = true;
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
            && self.chunks.back().is_some_and(|chunk| chunk.takes(room));
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
        try_room(&mut self.chunks, 1)?;
        let bytes = self.spares.pop().unwrap_or_default();
        self.chunks.push_back(Chunk::new(bytes, !self.mid_message));
        self.detour |= self.bytes >= WINDOW;
        Ok(())
    }

    /// Whether a message may be appended, or has begun: otherwise it has to wait.
    #[inline]
    pub fn takes_messages(&self) -> bool {
        !self.detour || self.mid_message
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
        debug_assert!(self.answers <= self.bytes, "no answer among the parts of a message");
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
        debug_assert!(!self.mid_message);
        if self.detour || bytes.len() > COPY_LIMIT {
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

    /// Appends the encoded frames of whole messages. Only where [`TxQueue::takes_frames`] says
    /// so; if the kernel has taken the first `sent` bytes already, the queue must be empty.
    ///
    /// # Errors
    /// [`Error::NoMemory`]: the connection cannot go on.
    pub fn push_encoded(&mut self, frames: &[u8], messages: usize, sent: usize) -> Result<()> {
        debug_assert!(sent == 0 || self.bytes == 0);
        let (mut gone, mut begins, mut end) = (0, 0, 0_usize);
        // A message that was sent in part is kept whole, for another connection.
        while end < sent
            && let Ok(Some(header)) = frame::parse_header(self.framing, &frames[end..])
        {
            end = end.saturating_add(header.frame_len() as usize);
            if end <= sent && !header.flags.more() {
                begins = end;
                gone += 1;
            }
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
        if self.detour || !self.takes_frames() || last.len() > COPY_LIMIT {
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

    /// Appends a command that answers one of the peer's, see [`TxQueue::owes_answer`].
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    pub fn push_answer(&mut self, body: &[u8]) -> Result<()> {
        self.push_command_of(body)?;
        self.answers = self.bytes;
        Ok(())
    }

    /// Appends a PING, see [`TxQueue::owed_to_ping`].
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    pub fn push_ping(&mut self, body: &[u8]) -> Result<()> {
        self.push_command_of(body)?;
        self.pings = self.bytes;
        Ok(())
    }

    /// How many bytes the kernel has to take until it has the last PING as a whole.
    pub fn owed_to_ping(&self) -> usize {
        self.pings
    }

    /// Whether the kernel has not taken the last answer as a whole.
    #[inline]
    pub fn owes_answer(&self) -> bool {
        self.answers > 0
    }

    /// Appends a single-frame message that high-water marks do not count, and that is not sent
    /// again over another connection (subscriptions are all announced anew there).
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    pub fn push_control(&mut self, mut msg: Msg) -> Result<()> {
        match self.chunks.back_mut() {
            Some(last) if last.control || last.len() == 0 => last.control = false,
            _ => self.open_chunk()?,
        }
        let first = self.chunks.len() - 1;
        let result = self.append(&mut msg, false, false);
        self.chunks.range_mut(first..).for_each(|chunk| chunk.control = true);
        result
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
        let long = len > COPY_LIMIT;
        let borrowed = long && msg.is_borrowed();
        let room = if long { room_for_copy(msg)? } else { None };
        let chunk = self.tail(header_len + if long { 0 } else { len })?;
        chunk.append(&header[..header_len], msg, long)?;
        if long {
            chunk.room = room;
        }
        drop(msg.take());
        self.borrowed |= borrowed;
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
        chunk.clear.bytes.reserve(clear)?;
        let before = chunk.bytes.len();
        chunk.bytes.extend_from_slice(&header[..header_len]);
        if encoder.encode(flags, body, &mut chunk.bytes).is_err() {
            chunk.bytes.truncate(before);
            (self.exhausted, self.unusual) = (true, true);
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
}

/// Room for a copy of a body that belongs to the caller of the running send call.
fn room_for_copy(msg: &Msg) -> Result<Option<Msg>> {
    msg.is_borrowed().then(|| Msg::with_size(msg.len())).transpose()
}
