//! Deadlines of an I/O thread.

use super::Key;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

#[derive(PartialEq, Eq)]
struct Entry {
    deadline: Instant,
    sequence: u64,
    key: (u32, u32),
    token: u64,
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.deadline, self.sequence).cmp(&(other.deadline, other.sequence))
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// A heap of deadlines. Deadlines at the same time come out in the order they went in.
#[derive(Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    sequence: u64,
    /// When the thread wakes up by itself, if it sleeps.
    asleep_until: Option<Instant>,
}

impl Timers {
    /// Adds a deadline; true if the thread sleeps beyond it and must be woken.
    pub(super) fn add(&mut self, deadline: Instant, key: Key, token: u64) -> bool {
        self.sequence += 1;
        let entry =
            Entry { deadline, sequence: self.sequence, key: (key.index, key.generation), token };
        self.heap.push(Reverse(entry));
        let earlier = self.asleep_until.is_none_or(|until| deadline < until);
        if earlier {
            self.asleep_until = Some(deadline);
        }
        earlier
    }

    /// The next deadline, remembered as the time the thread will wake up at.
    pub(super) fn sleep_until(&mut self) -> Option<Instant> {
        self.asleep_until = self.heap.peek().map(|e| e.0.deadline);
        self.asleep_until
    }

    /// Takes out one deadline that has passed.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Key, u64)> {
        if self.heap.peek()?.0.deadline > now {
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        if self.heap.len() * 4 < self.heap.capacity() {
            self.heap.shrink_to(self.heap.len() * 2);
        }
        Some((Key { index: entry.key.0, generation: entry.key.1 }, entry.token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn deadlines_come_in_order_and_wake_only_if_earlier() {
        let mut timers = Timers::default();
        let now = Instant::now();
        let key = |index| Key { index, generation: 0 };
        assert!(timers.add(now + Duration::from_secs(2), key(2), 0));
        assert_eq!(timers.sleep_until(), Some(now + Duration::from_secs(2)));
        assert!(!timers.add(now + Duration::from_secs(3), key(3), 0));
        assert!(timers.add(now + Duration::from_secs(1), key(1), 0));
        let later = now + Duration::from_secs(10);
        let order: Vec<u32> =
            std::iter::from_fn(|| timers.pop_due(later)).map(|(k, _)| k.index).collect();
        assert_eq!(order, [1, 2, 3]);
        assert!(timers.pop_due(later).is_none());
    }
}
