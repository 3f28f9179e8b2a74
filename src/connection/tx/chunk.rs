//! Pieces of a queue of frames.

use crate::error::Result;
use crate::msg::Msg;
use crate::util::buffer::{self, Buffer};
use crate::wire::frame::{self, Framing, MAX_HEADER};

/// Bytes after which a chunk is closed, and a burst is worth a system call.
pub const BATCH: usize = buffer::BLOCK;

/// The longest body that is copied into a chunk.
pub const COPY_LIMIT: usize = 8 * 1024;

/// No more chunks are handed to the kernel in one call if they have this many bytes: it seldom takes more.
pub(super) const GATHER_BYTES: usize = 256 * 1024;

/// Bytes that a connection has of what waits, at most, if no message is longer: what one call hands
/// to the kernel.
pub(super) const WINDOW: usize = GATHER_BYTES;

/// Frames one behind the other, the last of which may have its body apart.
pub(super) struct Chunk {
    pub(super) bytes: Buffer,
    /// A large body that follows `bytes`.
    pub(super) body: Option<Msg>,
    /// Room for a copy of the large body, which belongs to the caller of the running send call: that
    /// there is memory has to be known before the message is accepted.
    pub(super) room: Option<Msg>,
    /// How much of `bytes` and `body` is done with: the kernel has taken it, or, in a queue of
    /// messages that wait, a connection that encodes them otherwise.
    pub(super) sent: usize,
    /// Messages that end in this chunk, behind what is done with; of what the kernel has taken of it they are
    /// counted off only up to `counted`.
    pub(super) messages: usize,
    pub(super) counted: Counted,
    /// Whether a message begins with the first byte.
    pub(super) starts_message: bool,
    /// Messages that are for this connection only.
    pub(super) control: bool,
    /// If `bytes` are encrypted: the same frames as they would be otherwise.
    pub(super) clear: Clear,
}

/// A place between two frames: of those before it, the messages do not count any more.
#[derive(Default)]
pub(super) struct Counted {
    /// In the frames in clear.
    pub(super) at: usize,
    /// In those that are sent.
    pub(super) sent: usize,
}

/// Frames in clear, the last of which may have its body apart.
#[derive(Default)]
pub(super) struct Clear {
    pub(super) bytes: Buffer,
    pub(super) body: Option<Msg>,
}

impl Chunk {
    /// An empty one in this memory.
    pub(super) fn new(bytes: Buffer, starts_message: bool) -> Chunk {
        Chunk {
            bytes,
            body: None,
            room: None,
            sent: 0,
            messages: 0,
            counted: Counted::default(),
            starts_message,
            control: false,
            clear: Clear::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.body.as_ref().map_or(0, Msg::len)
    }

    /// Whether nothing more fits behind it, whatever its size.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.body.is_some() || self.clear.body.is_some() || self.control
    }

    /// Whether so many bytes may come behind it.
    #[inline]
    pub(super) fn takes(&self, more: usize) -> bool {
        !self.is_closed() && self.bytes.len() + more <= BATCH
    }

    /// Copies a body that is the caller's.
    pub(super) fn make_owned(&mut self) {
        let mut bodies = self.body.iter_mut().chain(&mut self.clear.body);
        if let (Some(mut copy), Some(body)) = (self.room.take(), bodies.next()) {
            copy.data_mut().copy_from_slice(body.data());
            *body = copy;
        }
    }

    /// Makes room for so many bytes more.
    #[inline]
    pub(super) fn reserve(&mut self, more: usize) -> Result<()> {
        self.bytes.reserve(more)
    }

    /// Appends a frame; its body may stay apart, and `msg` is empty then.
    ///
    /// # Errors
    /// [`NoMemory`](crate::error::Error::NoMemory); nothing has happened then.
    pub(super) fn append(&mut self, header: &[u8], msg: &mut Msg, apart: bool) -> Result<()> {
        self.reserve(header.len() + if apart { 0 } else { msg.len() })?;
        self.bytes.extend_from_slice(header);
        if apart {
            self.body = Some(msg.take());
        } else {
            self.bytes.extend_from_slice(msg.data());
        }
        Ok(())
    }

    /// The frame at this place of `bytes`, if one begins there.
    #[inline]
    pub(super) fn frame_at(&self, framing: Framing, at: usize) -> Option<Place> {
        Place::of(&self.bytes, framing, at)
    }

    /// The same in clear, if `bytes` are encrypted.
    pub(super) fn clear_frame_at(&self, framing: Framing, at: usize, enc: bool) -> Option<Place> {
        Place::of(if enc { &self.clear.bytes } else { &self.bytes }, framing, at)
    }

    /// The body of a frame of this chunk, to be put elsewhere.
    ///
    /// # Errors
    /// [`NoMemory`](crate::error::Error::NoMemory).
    pub(super) fn body_at(&mut self, place: &Place) -> Result<Msg> {
        let mut msg = if place.apart {
            self.body.as_mut().map_or(Ok(Msg::new()), Msg::share)?
        } else {
            let bytes = self.bytes.get(place.start..place.next).unwrap_or_default();
            // SAFETY: used while the chunk stays as it is: it is copied, or encrypted.
            unsafe { Msg::borrowed(bytes) }
        };
        msg.set_more(place.more);
        Ok(msg)
    }
}

/// A frame in the bytes of a chunk.
pub(super) struct Place {
    /// Where its body begins, unless that is apart.
    pub(super) start: usize,
    /// Bytes of its body.
    pub(super) len: usize,
    /// The body is the one that ends the chunk.
    pub(super) apart: bool,
    /// Where the next frame begins.
    pub(super) next: usize,
    pub(super) more: bool,
    pub(super) command: bool,
}

impl Place {
    fn of(bytes: &Buffer, framing: Framing, at: usize) -> Option<Place> {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        let header = frame::parse_header(framing, rest).ok()??;
        let (start, len) = (at + header.header_len, header.body_len as usize);
        let end = start.saturating_add(len);
        let apart = end > bytes.len();
        let next = if apart { bytes.len() } else { end };
        let (more, command) = (header.flags.more(), header.flags.command());
        Some(Place { start, len, apart, next, more, command })
    }

    /// Bytes of the frame on a connection that adds `overhead` to each body, if it encrypts.
    pub(super) fn sent_as(&self, at: usize, framing: Framing, overhead: Option<usize>) -> usize {
        let Some(overhead) = overhead else { return self.start - at + self.len };
        let len = self.len.saturating_add(overhead);
        let mut header = [0; MAX_HEADER];
        frame::encode_header(framing, len, false, false, &mut header) + len
    }
}
