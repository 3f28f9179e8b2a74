//! Buffers with messages that were read ahead, and how many stand there.

use crate::msg::RxBuffer;
use std::collections::VecDeque;

/// Messages left where they were received.
#[derive(Default)]
pub(super) struct Ahead {
    /// Buffers behind the one that frames are taken from. All but the last end with a message.
    pub(super) behind: VecDeque<Stretch>,
    /// Messages in those.
    pub(super) messages: usize,
    /// Those in the buffer that frames are taken from.
    pub(super) count: Count,
}

/// A buffer that waits for its turn.
pub(super) struct Stretch {
    pub(super) buffer: RxBuffer,
    pub(super) at: usize,
    pub(super) count: Count,
}

/// Whole messages between two places of a buffer.
#[derive(Clone, Copy)]
pub(super) struct Count {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) messages: usize,
}

impl Default for Count {
    fn default() -> Count {
        Count { from: usize::MAX, to: usize::MAX, messages: 0 }
    }
}

impl Ahead {
    /// The buffer that frames are taken from is, or will be, another one.
    #[inline]
    pub(super) fn forget_count(&mut self) {
        self.count.from = usize::MAX;
    }

    /// None of it counts.
    pub(super) fn forget(&mut self) {
        *self = Ahead::default();
    }
}
