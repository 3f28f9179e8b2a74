//! The pipes of a socket with the ready ones in front: what fair queueing and load balancing
//! both turn round and round.

use super::PipeId;

/// Marks a number that is not in the ring.
const ABSENT: u32 = u32::MAX;

/// So many pipes are more than a cache holds what belongs to.
const MANY: usize = 64;

/// Pipes in two groups, ready ones first, and a cursor into the ready ones. Every operation
/// takes constant time.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    order: Vec<PipeId>,
    /// Where in `order` a pipe stands, indexed by its number.
    place: Vec<u32>,
    ready: usize,
    cursor: usize,
}

impl Ring {
    /// Adds a pipe, ready.
    pub(crate) fn insert(&mut self, id: PipeId) {
        if self.index_of(id).is_some() {
            return self.activate(id);
        }
        let slot = id as usize;
        if self.place.len() <= slot {
            self.place.resize(slot + 1, ABSENT);
        }
        self.place[slot] = self.order.len() as u32;
        self.order.push(id);
        self.activate(id);
    }

    /// Forgets a pipe. The cursor stays on its pipe unless that is the one.
    pub(crate) fn remove(&mut self, id: PipeId) {
        let Some(mut at) = self.index_of(id) else { return };
        if at < self.ready {
            at = self.make_unready(at);
        }
        let last = self.order.len() - 1;
        self.swap(at, last);
        self.order.pop();
        self.place[id as usize] = ABSENT;
        if self.order.is_empty() {
            *self = Ring::default();
        }
    }

    /// Says that a pipe is ready again; nothing happens if it is not in the ring.
    #[inline]
    pub(crate) fn activate(&mut self, id: PipeId) {
        if let Some(at) = self.index_of(id)
            && at >= self.ready
        {
            self.swap(at, self.ready);
            self.ready += 1;
        }
    }

    /// The ready pipe whose turn it is.
    #[inline]
    pub(crate) fn current(&self) -> Option<PipeId> {
        if self.ready == 0 { None } else { self.order.get(self.cursor).copied() }
    }

    /// Whose turn comes after the current one's, if there are very many.
    #[inline]
    pub(crate) fn next_of_many(&self) -> Option<[PipeId; 3]> {
        if self.ready < MANY {
            return None;
        }
        let next = self.order.get(self.cursor + 1..self.cursor + 4)?;
        next.try_into().ok()
    }

    /// The ready pipe, if there is one only.
    #[inline]
    pub(crate) fn only(&self) -> Option<PipeId> {
        if self.ready == 1 { self.current() } else { None }
    }

    /// Gives the turn to this pipe. False if it is not ready.
    pub(crate) fn turn_to(&mut self, id: PipeId) -> bool {
        let at = self.index_of(id).filter(|&at| at < self.ready);
        self.cursor = at.unwrap_or(self.cursor);
        at.is_some()
    }

    /// Passes the turn on.
    #[inline]
    pub(crate) fn advance(&mut self) {
        self.cursor += 1;
        if self.cursor >= self.ready {
            self.cursor = 0;
        }
    }

    /// The current pipe is not ready any more; the turn passes on.
    #[inline]
    pub(crate) fn deactivate_current(&mut self) {
        if self.ready != 0 {
            self.make_unready(self.cursor);
        }
    }

    /// Every pipe, ready or not.
    pub(crate) fn all(&self) -> &[PipeId] {
        &self.order
    }

    fn index_of(&self, id: PipeId) -> Option<usize> {
        match self.place.get(id as usize) {
            Some(&at) if at != ABSENT => Some(at as usize),
            _ => None,
        }
    }

    /// Moves the ready pipe at `at` behind the ready ones and returns its new place.
    fn make_unready(&mut self, at: usize) -> usize {
        self.ready -= 1;
        let end = self.ready;
        self.swap(at, end);
        if self.cursor == end && at != end {
            // The pipe under the cursor filled the gap.
            self.cursor = at;
        } else if self.cursor >= end {
            self.cursor = 0;
        }
        end
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.order.swap(a, b);
        self.place[self.order[a] as usize] = a as u32;
        self.place[self.order[b] as usize] = b as u32;
    }
}
