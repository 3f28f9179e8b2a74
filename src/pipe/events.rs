//! What happened to pipes, until the socket takes it.

use super::pipe::PipeEvent;
use std::collections::VecDeque;

/// Events, oldest first. Each has a number, and a pipe knows [its first](super::Pipe): so what happened to one that is gone is
/// no news of the next with its number, and a pipe that goes need not look for its own among all of them.
#[derive(Default)]
pub struct Events {
    list: VecDeque<PipeEvent>,
    /// The number of the first in `list`.
    taken: u64,
}

impl Events {
    /// Something happened.
    #[inline]
    pub fn push_back(&mut self, event: PipeEvent) {
        self.list.push_back(event);
    }

    /// Whether there are none. There may be some of pipes that are gone.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The number of the next one that happens.
    pub(super) fn next_number(&self) -> u64 {
        self.taken + self.list.len() as u64
    }

    /// Takes the oldest, with its number.
    pub(super) fn pop(&mut self) -> Option<(u64, PipeEvent)> {
        let event = self.list.pop_front()?;
        self.taken += 1;
        Some((self.taken - 1, event))
    }

    /// Forgets them all.
    pub fn clear(&mut self) {
        self.taken = self.next_number();
        self.list.clear();
    }
}
