//! Deadlines of an I/O thread.

use super::Key;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// A deadline may come late by this part of the time until then, so that many of them come
/// together: the thousand handshakes of a minute ago must not wake an idle process one by one.
const SLACK: u32 = 128;

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
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    /// Deadlines are moved to multiples of something since then.
    origin: Instant,
    sequence: u64,
    /// When the thread wakes up by itself, if it sleeps.
    asleep_until: Option<Instant>,
}

impl Timers {
    pub(super) fn new(origin: Instant) -> Timers {
        Timers { heap: BinaryHeap::new(), origin, sequence: 0, asleep_until: None }
    }

    /// The deadline, or a little later: the next multiple of a power of two of microseconds.
    fn round_up(&self, now: Instant, deadline: Instant) -> Instant {
        let slack = deadline.saturating_duration_since(now) / SLACK;
        let Some(bits) = u64::try_from(slack.as_micros()).unwrap_or(u64::MAX).checked_ilog2()
        else {
            return deadline;
        };
        let unit = Duration::from_micros(1 << bits).as_nanos();
        let past = deadline.saturating_duration_since(self.origin).as_nanos() % unit;
        let missing = u64::try_from((unit - past) % unit).unwrap_or(0);
        deadline.checked_add(Duration::from_nanos(missing)).unwrap_or(deadline)
    }

    /// Adds a deadline; true if the thread sleeps beyond it and must be woken.
    pub(super) fn add(&mut self, now: Instant, deadline: Instant, key: Key, token: u64) -> bool {
        let deadline = self.round_up(now, deadline);
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

    fn key(index: u32) -> Key {
        Key { index, generation: 0 }
    }

    #[test]
    fn deadlines_come_in_order_and_wake_only_if_earlier() {
        let now = Instant::now();
        let mut timers = Timers::new(now);
        assert!(timers.add(now, now + Duration::from_secs(2), key(2), 0));
        assert!(timers.sleep_until() >= Some(now + Duration::from_secs(2)));
        assert!(!timers.add(now, now + Duration::from_secs(3), key(3), 0));
        assert!(timers.add(now, now + Duration::from_secs(1), key(1), 0));
        let later = now + Duration::from_secs(10);
        let order: Vec<u32> =
            std::iter::from_fn(|| timers.pop_due(later)).map(|(k, _)| k.index).collect();
        assert_eq!(order, [1, 2, 3]);
        assert!(timers.pop_due(later).is_none());
    }

    #[test]
    fn deadlines_are_a_little_late_and_never_early() {
        let origin = Instant::now();
        let timers = Timers::new(origin);
        let now = origin + Duration::from_nanos(123_456_789_123);
        for micros in [0, 1, 127, 128, 1000, 99_999, 30_000_000, 86_400_000_000] {
            let deadline = now + Duration::from_micros(micros);
            let late = timers.round_up(now, deadline).duration_since(deadline);
            assert!(late <= Duration::from_micros(micros) / SLACK, "{micros}: {late:?}");
        }
    }

    #[test]
    fn many_deadlines_far_away_come_together() {
        let origin = Instant::now();
        let mut timers = Timers::new(origin);
        for i in 0..1000 {
            let now = origin + Duration::from_micros(100) * i;
            timers.add(now, now + Duration::from_secs(30), key(i), 0);
        }
        let mut wakes = 0;
        while let Some(at) = timers.sleep_until() {
            wakes += 1;
            while timers.pop_due(at).is_some() {}
        }
        assert!(wakes <= 2, "{wakes}");
    }
}
