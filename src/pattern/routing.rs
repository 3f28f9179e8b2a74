//! Routing ids: which pipe leads to the peer of a name (RFC 28, ROUTER: "SHALL consider each
//! connected peer to be identified by an identity").

use super::PipeId;
use super::hash::{Seeded, random};
use crate::msg::Msg;
use std::collections::HashMap;

/// The names of the peers of a ROUTER or STREAM socket.
#[derive(Debug)]
pub(crate) struct Routing {
    by_id: HashMap<Box<[u8]>, PipeId, Seeded>,
    /// The id of each pipe as the frame that goes in front of its messages, with MORE set.
    frames: Vec<Option<Msg>>,
    next: u32,
    /// The pipe found last: answers often follow one another.
    last: PipeId,
}

impl Default for Routing {
    fn default() -> Self {
        Routing { by_id: HashMap::default(), frames: Vec::new(), next: random() as u32, last: 0 }
    }
}

impl Routing {
    /// The pipe to the peer of this name.
    #[inline]
    pub(crate) fn find(&mut self, id: &[u8]) -> Option<PipeId> {
        if self.frame(self.last).is_some_and(|frame| frame.data() == id) {
            return Some(self.last);
        }
        let pipe = self.by_id.get(id).copied()?;
        self.last = pipe;
        Some(pipe)
    }

    /// What is looked for next is probably the name of this pipe.
    #[inline]
    pub(crate) fn expect(&mut self, pipe: PipeId) {
        self.last = pipe;
    }

    /// Whether the name is in use.
    pub(crate) fn contains(&self, id: &[u8]) -> bool {
        self.by_id.contains_key(id)
    }

    /// The frame with the name of a pipe, if it has one.
    #[inline]
    pub(crate) fn frame(&self, pipe: PipeId) -> Option<&Msg> {
        self.frames.get(pipe as usize)?.as_ref()
    }

    /// A copy of the frame with the name of a pipe.
    #[inline]
    pub(crate) fn share_frame(&mut self, pipe: PipeId) -> Option<Msg> {
        self.frames.get_mut(pipe as usize)?.as_mut()?.share().ok()
    }

    /// Names a pipe. False if the name is taken, or there is no memory.
    pub(crate) fn insert(&mut self, pipe: PipeId, id: &[u8]) -> bool {
        if self.by_id.contains_key(id) {
            return false;
        }
        let Ok(mut frame) = Msg::copy_from(id) else { return false };
        frame.set_more(true);
        let slot = pipe as usize;
        if self.frames.len() <= slot {
            self.frames.resize_with(slot + 1, || None);
        }
        self.frames[slot] = Some(frame);
        self.by_id.insert(id.into(), pipe);
        true
    }

    /// Gives a pipe a name of our own: a zero byte, which peers' own names do not begin with,
    /// and a number (zmq_setsockopt(3), ZMQ_ROUTING_ID).
    pub(crate) fn insert_generated(&mut self, pipe: PipeId) -> [u8; 5] {
        loop {
            let [a, b, c, d] = self.next.to_be_bytes();
            let id = [0, a, b, c, d];
            self.next = self.next.wrapping_add(1);
            // A peer may have announced such a name all the same; then the next one is free.
            if self.insert(pipe, &id) {
                return id;
            }
        }
    }

    /// Forgets the name of a pipe.
    pub(crate) fn remove(&mut self, pipe: PipeId) {
        let Some(frame) = self.frames.get_mut(pipe as usize).and_then(Option::take) else { return };
        self.by_id.remove(frame.data());
        if self.by_id.is_empty() {
            self.by_id.shrink_to_fit();
            self.frames = Vec::new();
        }
    }

    /// The pipes with a name.
    pub(crate) fn pipes(&self) -> impl Iterator<Item = PipeId> + '_ {
        self.by_id.values().copied()
    }
}
