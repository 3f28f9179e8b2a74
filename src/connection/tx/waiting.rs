//! Messages that wait: for a connection, or for the one there is to take more.
//!
//! They stand in chunks as they do in a [`TxQueue`], as frames of ZMTP 2.0 and later in clear, and
//! outlive connections. A connection gets a window of them and gives back of it what it did not send:
//! nothing that is done at once, under the lock of the socket, grows with what waits.

use super::TxQueue;
use super::chunk::{BATCH, COPY_LIMIT, Chunk, Counted, Place, WINDOW};
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::util::memory::try_room;
use crate::wire::frame::{self, Framing, MAX_HEADER};
use std::collections::VecDeque;

/// Chunks in a piece: a list in one piece would be copied as it grows.
const PIECE: usize = 128;

/// See the module.
#[derive(Default)]
pub struct Waiting {
    /// None is empty.
    pieces: VecDeque<VecDeque<Chunk>>,
    messages: usize,
    bytes: usize,
    mid_message: bool,
}

/// A place behind what waits, to go back to.
pub struct WaitingMark {
    chunks: (usize, usize),
    bytes_of_last: usize,
    last_is_closed: bool,
    bytes: usize,
    mid_message: bool,
}

impl Waiting {
    /// Whole messages.
    #[inline]
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Bytes of all frames.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Waiting::default();
    }

    fn front(&self) -> Option<&Chunk> {
        self.pieces.front()?.front()
    }

    fn front_mut(&mut self) -> Option<&mut Chunk> {
        self.pieces.front_mut()?.front_mut()
    }

    fn pop(&mut self) -> Option<Chunk> {
        let piece = self.pieces.front_mut()?;
        let chunk = piece.pop_front();
        if piece.is_empty() {
            self.pieces.pop_front();
        }
        chunk
    }

    fn back_mut(&mut self) -> Option<&mut Chunk> {
        self.pieces.back_mut()?.back_mut()
    }

    /// The chunk that takes so many bytes more, and has memory for them; `spares` are buffers for
    /// new ones.
    fn tail(&mut self, room: usize, spares: Option<&mut TxQueue>) -> Result<&mut Chunk> {
        if !self.back_mut().is_some_and(|chunk| chunk.takes(room)) {
            self.open_chunk(room, spares)?;
        }
        // Just made sure of.
        let chunk = self.back_mut().ok_or(Error::NoMemory)?;
        chunk.reserve(room)?;
        Ok(chunk)
    }

    #[cold]
    fn open_chunk(&mut self, room: usize, spares: Option<&mut TxQueue>) -> Result<()> {
        if self.pieces.back().is_none_or(|piece| piece.len() >= PIECE) {
            try_room(&mut self.pieces, 1)?;
            let mut piece = VecDeque::new();
            try_room(&mut piece, 1)?;
            self.pieces.push_back(piece);
        }
        let piece = self.pieces.back_mut().ok_or(Error::NoMemory)?;
        let spare = spares.and_then(|queue| queue.spares.pop()).unwrap_or_default();
        let mut chunk = Chunk::new(spare, !self.mid_message);
        // Behind one that became full this will, too.
        let room = if piece.back().is_some_and(|last| last.body.is_none()) { BATCH } else { room };
        let made = try_room(piece, 1).and_then(|()| chunk.reserve(room));
        if made.is_ok() {
            piece.push_back(chunk);
        } else if piece.is_empty() {
            self.pieces.pop_back();
        }
        made
    }

    /// The end of the queue as it is, for a message of several parts that may not get in whole.
    pub fn mark(&mut self) -> WaitingMark {
        let chunks = (self.pieces.len(), self.pieces.back().map_or(0, VecDeque::len));
        let (bytes, mid_message) = (self.bytes, self.mid_message);
        let last = self.back_mut();
        WaitingMark {
            chunks,
            bytes_of_last: last.as_ref().map_or(0, |chunk| chunk.bytes.len()),
            last_is_closed: last.is_some_and(|chunk| chunk.is_closed()),
            bytes,
            mid_message,
        }
    }

    /// Takes back what came behind the mark, parts of a message that is not whole.
    pub fn take_back(&mut self, mark: &WaitingMark) {
        let (pieces, chunks) = mark.chunks;
        self.pieces.truncate(pieces);
        if let Some(piece) = self.pieces.back_mut() {
            piece.truncate(chunks);
        }
        if let Some(last) = self.back_mut()
            && !mark.last_is_closed
        {
            last.bytes.truncate(mark.bytes_of_last);
            last.body = None;
        }
        self.bytes = mark.bytes;
        self.mid_message = mark.mid_message;
    }

    /// Appends a frame of a message of the application, which is empty afterwards.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    pub fn push(&mut self, msg: &mut Msg, spares: Option<&mut TxQueue>) -> Result<()> {
        let (len, more) = (msg.len(), msg.more());
        // Memory of the application is its own as long as it waits.
        let apart = len > COPY_LIMIT || len > 0 && !msg.is_ours();
        if apart {
            msg.make_owned()?;
            // Whoever encodes it otherwise needs the body twice.
            msg.make_shareable()?;
        }
        let mut header = [0; MAX_HEADER];
        let header_len = frame::encode_header(Framing::V2, len, more, false, &mut header);
        let chunk = self.tail(header_len + if apart { 0 } else { len }, spares)?;
        chunk.append(&header[..header_len], msg, apart)?;
        drop(msg.take());
        chunk.messages += usize::from(!more);
        self.messages += usize::from(!more);
        self.bytes += header_len + len;
        self.mid_message = more;
        Ok(())
    }

    /// Appends whole messages: the frames of all parts but the last, and the body of the last, if
    /// there is one. False, and nothing has happened, without memory.
    pub fn push_frames(
        &mut self,
        frames: &[u8],
        messages: usize,
        last: Option<&[u8]>,
        spares: &mut TxQueue,
    ) -> bool {
        let mut header = [0; MAX_HEADER];
        let header_len = last.map_or(0, |last| {
            frame::encode_header(Framing::V2, last.len(), false, false, &mut header)
        });
        let last = last.unwrap_or_default();
        let len = frames.len() + header_len + last.len();
        let Ok(chunk) = self.tail(len, Some(spares)) else { return false };
        chunk.bytes.extend_from_slice(frames);
        chunk.bytes.extend_from_slice(&header[..header_len]);
        chunk.bytes.extend_from_slice(last);
        chunk.messages += messages;
        self.messages += messages;
        self.bytes += len;
        true
    }

    /// Puts whole messages in front of the others.
    fn give_back(&mut self, chunks: VecDeque<Chunk>) {
        if chunks.is_empty() {
            return;
        }
        self.messages += chunks.iter().map(|chunk| chunk.messages).sum::<usize>();
        self.bytes += chunks.iter().map(Chunk::len).sum::<usize>();
        self.pieces.push_front(chunks);
    }
}

impl TxQueue {
    /// Takes of what waits as much as the kernel may take at once, whole messages always.
    ///
    /// # Errors
    /// [`Error::NoMemory`]: what it did not get waits still, see [`TxQueue::starve`].
    #[inline]
    pub fn refill(&mut self, waiting: &mut Waiting) -> Result<()> {
        if self.detour { self.refill_from(waiting) } else { Ok(()) }
    }

    /// There is no memory for what comes next, and nothing in the queue of which the kernel would say that
    /// it has taken it. Whoever flushes is told, and owes a call of [`TxQueue::feed`] and another flush.
    #[cold]
    pub fn starve(&mut self) {
        self.starved = true;
    }

    /// Whether something waits for memory.
    #[inline]
    pub fn is_starved(&self) -> bool {
        self.starved
    }

    /// There may be memory again. Whether that is news for this queue.
    pub fn feed(&mut self) -> bool {
        std::mem::take(&mut self.starved)
    }

    #[cold]
    fn refill_from(&mut self, waiting: &mut Waiting) -> Result<()> {
        let mut result = Ok(());
        while result.is_ok() && self.bytes < WINDOW && !waiting.is_empty() {
            result = if self.takes_frames() {
                self.move_message(waiting)
            } else {
                self.encode_message(waiting)
            };
        }
        self.look_whether_full(waiting);
        result
    }

    /// Decides where the next message goes to.
    pub fn look_whether_full(&mut self, waiting: &Waiting) {
        self.detour = !waiting.is_empty() || self.bytes >= WINDOW;
    }

    /// Takes chunks as they are, up to the end of a message.
    fn move_message(&mut self, waiting: &mut Waiting) -> Result<()> {
        loop {
            try_room(&mut self.chunks, 1)?;
            let Some(chunk) = waiting.pop() else { return Ok(()) };
            let len = chunk.len() - chunk.sent;
            self.bytes += len;
            self.messages += chunk.messages;
            waiting.bytes -= len;
            waiting.messages -= chunk.messages;
            self.chunks.push_back(chunk);
            if waiting.front().is_none_or(|next| next.starts_message) {
                return Ok(());
            }
        }
    }

    /// Takes a message in the form that this connection has.
    fn encode_message(&mut self, waiting: &mut Waiting) -> Result<()> {
        let mark = self.mark();
        let (mut piece, mut index, mut bytes) = (0, 0, 0);
        let mut at = waiting.front().map_or(0, |chunk| chunk.sent);
        let end = loop {
            let Some(chunk) = waiting.pieces.get_mut(piece).and_then(|p| p.get_mut(index)) else {
                break at;
            };
            let Some(place) = chunk.frame_at(Framing::V2, at) else {
                // The message goes on in the next chunk.
                (index, at) = (index + 1, 0);
                if waiting.pieces.get(piece).is_none_or(|p| index >= p.len()) {
                    (piece, index) = (piece + 1, 0);
                }
                continue;
            };
            let pushed = chunk.body_at(&place).and_then(|mut msg| self.push(&mut msg));
            if let Err(error) = pushed {
                self.take_back(&mark);
                return Err(error);
            }
            bytes += place.start - at + place.len;
            at = place.next;
            if !place.more {
                break at;
            }
        };
        for _ in 0..waiting.pieces.iter().take(piece).map(VecDeque::len).sum::<usize>() + index {
            waiting.pop();
        }
        waiting.bytes -= bytes.min(waiting.bytes);
        waiting.messages = waiting.messages.saturating_sub(1);
        if let Some(chunk) = waiting.front_mut() {
            chunk.messages = chunk.messages.saturating_sub(1);
            chunk.sent = end;
            chunk.counted = Counted { at: end, sent: end };
            if chunk.sent >= chunk.bytes.len() {
                waiting.pop();
            }
        }
        Ok(())
    }

    /// The connection is lost: gives the messages back that the kernel has not taken completely, to
    /// be sent again over the next one, in front of those that wait. Commands are left out: they
    /// belong to this connection.
    pub fn give_back(&mut self, waiting: &mut Waiting) {
        self.make_owned();
        let mut chunks = std::mem::take(&mut self.chunks);
        (self.done, self.bytes, self.messages) = (0, 0, 0);
        (self.mid_message, self.blocked) = (false, false);
        if self.raw || self.carried.as_ref().is_some_and(|carried| carried.is_plain()) {
            return waiting.clear();
        }
        let overhead = self.encoder.as_ref().map(|encoder| encoder.overhead());
        Unsent { chunks: &mut chunks, framing: self.framing, overhead }.keep();
        chunks.retain(|chunk| chunk.len() > 0);
        waiting.give_back(chunks);
        self.look_whether_full(waiting);
    }
}

/// Chunks of a lost connection, to be made again what waits.
struct Unsent<'a> {
    chunks: &'a mut VecDeque<Chunk>,
    framing: Framing,
    overhead: Option<usize>,
}

/// The message that is looked at.
struct Begun {
    /// Where its frames begin among those kept: a chunk, and a place in its bytes.
    from: (usize, usize),
    /// Whether its first part is there.
    whole: bool,
    /// Whether any of it is unsent.
    unsent: bool,
    /// Whether there are more parts of it.
    more: bool,
}

impl Unsent<'_> {
    /// Leaves the frames of unsent messages, in place, which takes no memory.
    fn keep(&mut self) {
        let mut begun = Begun { from: (0, 0), whole: false, unsent: false, more: false };
        for index in 0..self.chunks.len() {
            self.keep_of(index, &mut begun);
        }
        if begun.more {
            self.forget(begun.from, self.chunks.len());
        }
    }

    fn keep_of(&mut self, index: usize, begun: &mut Begun) {
        let Some(chunk) = self.chunks.get_mut(index) else { return };
        let sent = std::mem::take(&mut chunk.sent);
        chunk.counted = Counted::default();
        if self.overhead.is_some() {
            let clear = std::mem::take(&mut chunk.clear);
            (chunk.bytes, chunk.body) = (clear.bytes, clear.body);
        }
        chunk.messages = 0;
        if std::mem::take(&mut chunk.control) {
            chunk.bytes.clear();
            chunk.body = None;
        }
        begun.whole |= chunk.starts_message && !begun.more;
        chunk.starts_message = !begun.more;
        let (mut at, mut kept, mut end, mut keeps_body) = (0, 0, 0, false);
        while let Some(chunk) = self.chunks.get_mut(index)
            && let Some(place) = chunk.frame_at(self.framing, at)
        {
            end += place.sent_as(at, self.framing, self.overhead);
            at = place.next;
            if place.command {
                continue;
            }
            if !begun.more {
                begun.from = (index, kept);
            }
            begun.unsent |= end > sent;
            kept += keep_frame(chunk, &place, kept);
            keeps_body |= place.apart;
            begun.more = place.more;
            if !place.more {
                if begun.unsent && begun.whole {
                    chunk.messages += 1;
                } else {
                    self.forget(begun.from, index);
                    (kept, keeps_body) = (0, false);
                    if begun.from.0 == index {
                        kept = begun.from.1;
                    } else if let Some(chunk) = self.chunks.get_mut(index) {
                        chunk.starts_message = true;
                    }
                }
                (begun.unsent, begun.whole) = (false, true);
            }
        }
        if let Some(chunk) = self.chunks.get_mut(index) {
            chunk.bytes.truncate(kept);
            if !keeps_body {
                chunk.body = None;
            }
        }
    }

    /// Takes what was kept from there on away, in all chunks before `end`.
    fn forget(&mut self, (first, at): (usize, usize), end: usize) {
        for index in first..end {
            if let Some(chunk) = self.chunks.get_mut(index) {
                chunk.bytes.truncate(if index == first { at } else { 0 });
                chunk.body = None;
            }
        }
    }
}

/// Moves a frame to the front part of its chunk, with the header that it has while it waits. Bytes of
/// it there. No header of ZMTP 1.0 is shorter.
fn keep_frame(chunk: &mut Chunk, place: &Place, to: usize) -> usize {
    let mut header = [0; MAX_HEADER];
    let header_len = frame::encode_header(Framing::V2, place.len, place.more, false, &mut header);
    if !place.apart {
        chunk.bytes.copy_within(place.start..place.next, to + header_len);
    }
    chunk.bytes[to..to + header_len].copy_from_slice(&header[..header_len]);
    header_len + if place.apart { 0 } else { place.len }
}
