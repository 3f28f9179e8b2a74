//! The sending side of a connection over WebSocket. The queue has frames as any other; on their way to the
//! kernel they are made messages, a batch at a time. What the kernel has taken of a batch counts as sent,
//! whole frames at a time: what is left of it when the connection is lost goes to the next one.

use crate::transport::Link;
use crate::util::buffer::Buffer;
use crate::wire::zws::{Content, Encoder};
use std::collections::VecDeque;

/// What stands between the frames and the kernel.
pub(super) struct Carried {
    pub(super) encoder: Encoder,
    /// What messages are written to.
    pub(super) link: Link,
    content: Content,
    /// Messages that the kernel has not taken, from `sent` on.
    pub(super) messages: Buffer,
    sent: usize,
    /// Places in `messages` up to which all comes of a frame, or of a piece of one, and as how many bytes of the queue
    /// that counts.
    pub(super) marks: VecDeque<(usize, usize)>,
}

impl Carried {
    pub(super) fn new(encoder: Encoder, content: Content, link: Link) -> Carried {
        let (messages, marks) = (Buffer::new(), VecDeque::new());
        Carried { encoder, link, content, messages, sent: 0, marks }
    }

    pub(super) fn unsent(&self) -> &[u8] {
        self.messages.get(self.sent..).unwrap_or_default()
    }

    /// The kernel has taken so many octets: bytes of the queue that are through.
    pub(super) fn advance(&mut self, octets: usize) -> usize {
        self.sent += octets;
        let mut through = 0;
        while let Some(&(end, bytes)) = self.marks.front()
            && end <= self.sent
        {
            through += bytes;
            self.marks.pop_front();
        }
        if self.unsent().is_empty() {
            debug_assert!(self.marks.is_empty(), "all that is sent counts");
            self.messages.clear();
            self.sent = 0;
        }
        through
    }

    /// Whether a frame that comes next would be one to the peer.
    pub(super) fn is_between_frames(&self) -> bool {
        self.unsent().is_empty() && self.encoder.is_between_frames()
    }

    /// Whether what it carries is not for another connection.
    pub(super) fn is_plain(&self) -> bool {
        self.content == Content::Plain
    }

    pub(super) fn is_grown(&self) -> bool {
        self.messages.capacity() > 0 || self.link.is_grown()
    }

    /// Gives memory back.
    pub(super) fn shrink(&mut self) {
        if self.unsent().is_empty() {
            self.messages = Buffer::new();
            self.marks = VecDeque::new();
        }
        self.link.shrink();
    }
}
