//! A set of repeating timers (zmq_timers(3)). It has no clock: callers say what time it is, as a
//! duration since a moment they chose.

use super::{Unseeded, reserve};
use crate::error::{Error, Result};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Names a timer within its set; never used twice.
pub type TimerId = i32;

struct Timer<T> {
    due: Duration,
    interval: Duration,
    action: T,
}

/// Repeating timers with an action each.
pub struct Timers<T> {
    last_id: TimerId,
    timers: HashMap<TimerId, Timer<T>, Unseeded>,
    /// Every timer by the time it is due; equal times in the order of their ids.
    queue: BTreeSet<(Duration, TimerId)>,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Timers { last_id: 0, timers: HashMap::default(), queue: BTreeSet::new() }
    }
}

impl<T: Clone> Timers<T> {
    /// Adds a timer that is due every `interval`, for the first time one interval from `now`.
    ///
    /// # Errors
    /// [`Error::NoMemory`] once all 2^31 - 1 ids were used, and while memory is short.
    pub fn add(&mut self, now: Duration, interval: Duration, action: T) -> Result<TimerId> {
        reserve::ready()?;
        let id = self.last_id.checked_add(1).ok_or(Error::NoMemory)?;
        self.last_id = id;
        let due = now.saturating_add(interval);
        self.timers.insert(id, Timer { due, interval, action });
        self.queue.insert((due, id));
        Ok(id)
    }

    /// Removes a timer.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is none with this id.
    pub fn cancel(&mut self, id: TimerId) -> Result<()> {
        let timer = self.timers.remove(&id).ok_or(Error::Invalid)?;
        self.queue.remove(&(timer.due, id));
        Ok(())
    }

    /// Changes the interval; the timer is next due one new interval from `now`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is none with this id.
    pub fn set_interval(&mut self, now: Duration, id: TimerId, interval: Duration) -> Result<()> {
        self.timers.get_mut(&id).ok_or(Error::Invalid)?.interval = interval;
        self.restart(now, id)
    }

    /// Starts the interval of a timer anew, from `now`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if there is none with this id.
    pub fn restart(&mut self, now: Duration, id: TimerId) -> Result<()> {
        let timer = self.timers.get_mut(&id).ok_or(Error::Invalid)?;
        self.queue.remove(&(timer.due, id));
        timer.due = now.saturating_add(timer.interval);
        self.queue.insert((timer.due, id));
        Ok(())
    }

    /// How long until the next timer is due; `None` without timers.
    pub fn timeout(&self, now: Duration) -> Option<Duration> {
        self.queue.first().map(|(due, _)| due.saturating_sub(now))
    }

    /// The timers that are due, in the order they are to run.
    pub fn due(&self, now: Duration) -> Vec<TimerId> {
        self.queue.iter().take_while(|(due, _)| *due <= now).map(|&(_, id)| id).collect()
    }

    /// If this timer (still) exists and is due, restarts it and says what is to be done.
    pub fn fire(&mut self, now: Duration, id: TimerId) -> Option<T> {
        let timer = self.timers.get(&id).filter(|timer| timer.due <= now)?;
        let action = timer.action.clone();
        self.restart(now, id).ok()?;
        Some(action)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn run(timers: &mut Timers<&'static str>, now: Duration) -> Vec<&'static str> {
        timers.due(now).into_iter().filter_map(|id| timers.fire(now, id)).collect()
    }

    #[test]
    fn timers_repeat_in_order() {
        let mut timers = Timers::default();
        assert_eq!(timers.timeout(ms(0)), None);
        assert_eq!(timers.add(ms(0), ms(100), "a"), Ok(1));
        assert_eq!(timers.add(ms(0), ms(50), "b"), Ok(2));
        assert_eq!(timers.timeout(ms(20)), Some(ms(30)));
        assert!(run(&mut timers, ms(49)).is_empty());
        assert_eq!(run(&mut timers, ms(100)), ["b", "a"]);
        assert_eq!(timers.timeout(ms(100)), Some(ms(50)), "late timers do not catch up");
        assert_eq!(timers.timeout(ms(500)), Some(ms(0)));
    }

    #[test]
    fn cancelled_timers_are_unknown() {
        let mut timers = Timers::default();
        let id = timers.add(ms(0), ms(10), "a").unwrap();
        assert_eq!(timers.cancel(id), Ok(()));
        assert_eq!(timers.cancel(id), Err(Error::Invalid));
        assert_eq!(timers.restart(ms(0), id), Err(Error::Invalid));
        assert_eq!(timers.set_interval(ms(0), id, ms(1)), Err(Error::Invalid));
        assert_eq!(timers.add(ms(0), ms(10), "b"), Ok(2), "ids are not used again");
    }

    #[test]
    fn intervals_start_again() {
        let mut timers = Timers::default();
        let id = timers.add(ms(0), ms(10), "a").unwrap();
        timers.restart(ms(9), id).unwrap();
        assert!(run(&mut timers, ms(18)).is_empty());
        timers.set_interval(ms(18), id, ms(30)).unwrap();
        assert_eq!(timers.timeout(ms(18)), Some(ms(30)));
        assert_eq!(run(&mut timers, ms(48)), ["a"]);
    }

    #[test]
    fn a_zero_interval_runs_once_per_round_and_a_huge_one_never() {
        let mut timers = Timers::default();
        timers.add(ms(0), ms(0), "often").unwrap();
        timers.add(ms(5), ms(u64::MAX), "never").unwrap();
        assert_eq!(run(&mut timers, ms(7)), ["often"]);
        assert_eq!(run(&mut timers, ms(7)), ["often"]);
    }

    #[test]
    fn a_timer_stopped_by_an_earlier_one_does_not_run() {
        let mut timers = Timers::default();
        timers.add(ms(0), ms(1), "a").unwrap();
        let other = timers.add(ms(0), ms(1), "b").unwrap();
        let round = timers.due(ms(1));
        assert_eq!(timers.fire(ms(1), round[0]), Some("a"));
        timers.cancel(other).unwrap();
        assert_eq!(timers.fire(ms(1), round[1]), None);
    }
}
