//! How many messages the kernel has not taken, to the last one.
//!
//! [`TxQueue::messages`] counts those of a chunk when the kernel has all of it: to look at each frame would
//! cost every message something. Somebody who finds a high-water mark met has to know better, or a
//! chunk of small messages that have left but for the last one keeps a queue full.

use super::TxQueue;
use super::chunk::Chunk;
use crate::wire::frame::Framing;

impl TxQueue {
    /// Sees to it that [`TxQueue::messages`] is exact for now. Looks at each frame once at most.
    #[cold]
    pub fn count_off(&mut self) {
        let overhead = self.encoder.as_ref().map(|encoder| encoder.overhead());
        let framing = self.framing;
        if self.raw {
            // A stream has no messages that begin and end anywhere.
            return;
        }
        if let Some(chunk) = self.chunks.get_mut(self.done) {
            self.messages -= chunk.count_off(framing, overhead);
        }
    }
}

impl Chunk {
    /// Does no longer count the messages that have left; how many those were.
    fn count_off(&mut self, framing: Framing, overhead: Option<usize>) -> usize {
        let mut gone = 0;
        while gone < self.messages
            && let Some(place) = self.clear_frame_at(framing, self.counted.at, overhead.is_some())
        {
            let sent = self.counted.sent + place.sent_as(self.counted.at, framing, overhead);
            if sent > self.sent {
                break;
            }
            (self.counted.at, self.counted.sent) = (place.next, sent);
            gone += usize::from(!place.more && !place.command);
        }
        self.messages -= gone;
        gone
    }
}
