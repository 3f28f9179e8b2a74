//! Deadlines of an I/O thread.

use super::key::Key;
use crate::util::Unseeded;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// A deadline may come late by this part of the time until then, so that many of them come
/// together: the thousand handshakes of a minute ago must not wake an idle process one by one.
const SLACK: u32 = 128;

/// When, and after how many others.
type At = (Instant, u64);
/// What a deadline is for.
type Purpose = (Key, u64);

/// Deadlines in their order, one for each purpose: who sets another for the same one has moved it.
/// So nothing that a peer does again and again leaves anything behind here. Deadlines at the same
/// time come out in the order they went in.
pub(super) struct Timers {
    queue: BTreeMap<At, Purpose>,
    of: HashMap<Purpose, At, Unseeded>,
    /// Deadlines are moved to multiples of something since then.
    origin: Instant,
    sequence: u64,
    /// When the thread wakes up by itself, if it sleeps.
    asleep_until: Option<Instant>,
}

impl Timers {
    pub(super) fn new(origin: Instant) -> Timers {
        Timers {
            queue: BTreeMap::new(),
            of: HashMap::default(),
            origin,
            sequence: 0,
            asleep_until: None,
        }
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

    /// Sets the deadline of a purpose; true if the thread sleeps beyond it and must be woken.
    pub(super) fn set(&mut self, now: Instant, deadline: Instant, key: Key, token: u64) -> bool {
        let deadline = self.round_up(now, deadline);
        self.sequence += 1;
        let at = (deadline, self.sequence);
        if let Some(before) = self.of.insert((key, token), at) {
            self.queue.remove(&before);
        }
        self.queue.insert(at, (key, token));
        let earlier = self.asleep_until.is_none_or(|until| deadline < until);
        if earlier {
            self.asleep_until = Some(deadline);
        }
        earlier
    }

    /// Nothing is due for this purpose any more.
    pub(super) fn clear(&mut self, key: Key, token: u64) {
        if let Some(at) = self.of.remove(&(key, token)) {
            self.queue.remove(&at);
            self.shrink();
        }
    }

    /// The next deadline, remembered as the time the thread will wake up at.
    pub(super) fn sleep_until(&mut self) -> Option<Instant> {
        self.asleep_until = self.queue.first_key_value().map(|(at, _)| at.0);
        self.asleep_until
    }

    /// Takes out one deadline that has passed.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(Key, u64)> {
        let first = self.queue.first_entry().filter(|first| first.key().0 <= now)?;
        let purpose = first.remove();
        self.of.remove(&purpose);
        self.shrink();
        Some(purpose)
    }

    fn shrink(&mut self) {
        if self.of.len() * 4 < self.of.capacity() {
            self.of.shrink_to(self.of.len() * 2);
        }
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
        assert!(timers.set(now, now + Duration::from_secs(2), key(2), 0));
        assert!(timers.sleep_until() >= Some(now + Duration::from_secs(2)));
        assert!(!timers.set(now, now + Duration::from_secs(3), key(3), 0));
        assert!(timers.set(now, now + Duration::from_secs(1), key(1), 0));
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
            timers.set(now, now + Duration::from_secs(30), key(i), 0);
        }
        let mut wakes = 0;
        while let Some(at) = timers.sleep_until() {
            wakes += 1;
            while timers.pop_due(at).is_some() {}
        }
        assert!(wakes <= 2, "{wakes}");
    }

    #[test]
    fn a_purpose_has_one_deadline_however_often_it_is_set() {
        let origin = Instant::now();
        let mut timers = Timers::new(origin);
        for i in 0..10_000 {
            // Later and earlier in turns.
            let deadline = origin + Duration::from_millis(1000 + i % 2 * 5000 + i);
            timers.set(origin, deadline, key(1), 7);
            timers.set(origin, deadline, key(2), 7);
            timers.set(origin, deadline, key(1), 8);
        }
        timers.clear(key(2), 7);
        timers.clear(key(3), 7);
        assert_eq!((timers.queue.len(), timers.of.len()), (2, 2));
        let last = origin + Duration::from_millis(6000 + 9999);
        assert!(timers.pop_due(last - Duration::from_millis(1)).is_none(), "the last one counts");
        let late = last + Duration::from_secs(1);
        assert_eq!(timers.pop_due(late), Some((key(1), 7)));
        assert_eq!(timers.pop_due(late), Some((key(1), 8)));
        assert!(timers.pop_due(late).is_none() && timers.of.capacity() < 100);
    }
}
