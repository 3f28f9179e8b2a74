//! Receive buffers that the connections of a socket take turns with.

use crate::error::Result;
use crate::msg::RxBuffer;
use crate::sys::clock::ticks;
use crate::util::budget::Budget;
use std::collections::VecDeque;

/// What one read asks the kernel for.
pub(super) const BUFFER: usize = 64 * 1024;

/// Buffers kept while connections are busy: reading from many in turn needs one for each.
const KEPT: usize = 32;

/// Buffers kept when they are not.
const KEPT_IDLE: usize = 2;

/// Buffers waiting for use by any connection of a socket.
pub struct BufferPool {
    /// Some may still be in use by messages cut from them; those given longest ago come first.
    free: VecDeque<RxBuffer>,
    /// Moves with each read from the kernel.
    pub reads: u32,
    /// Those of them that brought a piece of a long body. One that found nothing is none: whoever waits
    /// for the next piece would take it for one, and never sleep.
    pub long_reads: u32,
    /// When the last of the others was, in [`ticks`].
    pub read_at: u64,
    /// When the last of all that brought something was, in the same.
    pub heard_at: u64,
    /// What may be read in this turn that the application gets nothing of.
    pub budget: Budget,
    /// Whether some connection has no memory to go on with.
    pub hunger: Hunger,
}

/// What is known of connections without memory to read on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hunger {
    /// There are none.
    None,
    /// There are, and nobody was told yet.
    New,
    /// Somebody is bound to call [`Rx::feed`](super::rx::Rx::feed), and
    /// [`TxQueue::feed`](super::tx::TxQueue::feed).
    Known,
}

impl Hunger {
    /// Some connection found no memory.
    #[cold]
    pub fn begin(&mut self) {
        if *self == Hunger::None {
            *self = Hunger::New;
        }
    }

    /// Whether it is new. Whoever hears that is bound to see to it that somebody looks again.
    #[inline]
    pub fn becomes_known(&mut self) -> bool {
        let new = *self == Hunger::New;
        if new {
            *self = Hunger::Known;
        }
        new
    }
}

impl Default for BufferPool {
    fn default() -> BufferPool {
        BufferPool {
            free: VecDeque::new(),
            reads: 0,
            long_reads: 0,
            read_at: 0,
            heard_at: 0,
            budget: Budget::TURN,
            hunger: Hunger::None,
        }
    }
}

impl BufferPool {
    pub(super) fn take(&mut self) -> Result<RxBuffer> {
        // The last one given is the likeliest to be in the cache, the first one to be free.
        let found = self.free.pop_back().and_then(|last| self.unused(last));
        let found = found.or_else(|| self.free.pop_front().and_then(|first| self.unused(first)));
        found.map_or_else(|| RxBuffer::new(BUFFER), Ok)
    }

    /// The buffer, empty, unless messages still use it.
    fn unused(&mut self, mut buffer: RxBuffer) -> Option<RxBuffer> {
        if buffer.clear() {
            Some(buffer)
        } else {
            self.free.push_back(buffer);
            None
        }
    }

    pub(super) fn give(&mut self, buffer: RxBuffer) {
        if self.free.len() < KEPT && buffer.capacity() == BUFFER {
            self.free.push_back(buffer);
        }
    }

    /// A read for a long body brought so many bytes.
    pub(super) fn note_long_read(&mut self, count: &Result<usize>) {
        self.long_reads = self.long_reads.wrapping_add(u32::from(matches!(count, Ok(1..))));
        self.heard_at = ticks();
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
