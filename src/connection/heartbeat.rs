//! Heartbeats of one connection (RFC 37, "PING"; ZMQ_HEARTBEAT_IVL, _TIMEOUT and _TTL of
//! zmq_setsockopt(3)): when a PING is due, and when a peer has been silent for too long.
//!
//! Pure: what time it is and how much has been heard are told. Each limit keeps a mark of its own
//! of how much had been heard when it began, so that no PING moves the limit of another.

use crate::options::SocketOptions;
use std::time::{Duration, Instant};

/// The settings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Heartbeat {
    /// Between our PINGs; zero: we send none.
    pub interval: Duration,
    /// How long without any bytes after a PING before we give the peer up; zero: for ever.
    pub timeout: Duration,
    /// What we ask the peer to do if it hears nothing from us, in milliseconds.
    pub ttl: u32,
}

impl Heartbeat {
    /// What ZMQ_HEARTBEAT_IVL, _TIMEOUT and _TTL ask for.
    pub fn of(options: &SocketOptions) -> Heartbeat {
        let milliseconds = |count: i32| Duration::from_millis(u64::try_from(count).unwrap_or(0));
        let timeout = options.heartbeat_timeout;
        Heartbeat {
            interval: milliseconds(options.heartbeat_ivl),
            timeout: milliseconds(if timeout < 0 { options.heartbeat_ivl } else { timeout }),
            ttl: u32::try_from(options.heartbeat_ttl).unwrap_or(0),
        }
    }
}

/// A time until which anything has to be heard.
#[derive(Debug, Clone, Copy)]
struct Limit {
    until: Instant,
    /// How much had been heard when it began.
    heard: u64,
    /// How many bytes of ours the kernel had still to take then, up to the end of the PING.
    owed: usize,
}

/// What is due on a connection, and when.
#[derive(Debug)]
pub struct Pulse {
    settings: Heartbeat,
    /// Time for our next PING.
    ping_at: Option<Instant>,
    /// For an answer to a PING of ours; the oldest without one counts.
    answer: Option<Limit>,
    /// For anything behind the last PING of the peer, whose time to live it is.
    life: Option<Limit>,
    /// When the only timer of the connection goes off.
    timer: Option<Instant>,
}

impl Pulse {
    /// Nothing is due before [`Pulse::begin`], or the peer's first PING.
    pub fn new(settings: Heartbeat) -> Pulse {
        Pulse { settings, ping_at: None, answer: None, life: None, timer: None }
    }

    /// What our PINGs tell the peer, in tenths of a second.
    pub fn ttl(&self) -> u16 {
        u16::try_from(self.settings.ttl / 100).unwrap_or(u16::MAX)
    }

    /// The connection is there.
    pub fn begin(&mut self, now: Instant) {
        if !self.settings.interval.is_zero() {
            self.ping_at = Some(now + self.settings.interval);
        }
    }

    /// Whether it is time for a PING.
    pub fn wants_ping(&self, now: Instant) -> bool {
        self.ping_at.is_some_and(|at| at <= now)
    }

    /// The next PING is another interval away.
    pub fn postpone_ping(&mut self, now: Instant) {
        self.ping_at = Some(now + self.settings.interval);
    }

    /// A PING goes out, or waits for the kernel to take what `owed` counts. `left` if the one before it
    /// does not wait any more.
    pub fn ping_sent(&mut self, now: Instant, heard: u64, owed: usize, left: bool) {
        self.postpone_ping(now);
        if self.settings.timeout.is_zero() {
            return;
        }
        let until = now + self.settings.timeout;
        match &mut self.answer {
            Some(limit) if limit.heard == heard => {
                // Since its limit began, nobody knows when.
                if left && limit.owed > 0 {
                    *limit = Limit { until, heard, owed: 0 };
                }
            }
            _ => self.answer = Some(Limit { until, heard, owed }),
        }
    }

    /// The peer may have been busy with what stands before our PING: a limit that is over begins again
    /// if the kernel has taken some of that meanwhile. The last time is when the PING has left.
    pub fn put_off(&mut self, now: Instant, owed: usize) {
        if let Some(limit) = &mut self.answer
            && limit.until <= now
            && owed < limit.owed
        {
            limit.until = now + self.settings.timeout;
            limit.owed = owed;
        }
    }

    /// A PING of the peer came, which asks us to give it up if nothing comes for so long; zero: it
    /// does not.
    pub fn ping_came(&mut self, ttl: Duration, now: Instant, heard: u64) {
        self.life = (!ttl.is_zero()).then(|| Limit { until: now + ttl, heard, owed: 0 });
    }

    /// Whether the peer has been silent for longer than a limit allows.
    pub fn is_overdue(&self, now: Instant, heard: u64) -> bool {
        let limits = [self.answer, self.life];
        limits.iter().flatten().any(|limit| limit.heard == heard && limit.until <= now)
    }

    /// The timer went off: there is none.
    pub fn timer_fired(&mut self) {
        self.timer = None;
    }

    /// Whether it will.
    pub fn has_timer(&self) -> bool {
        self.timer.is_some()
    }

    /// When the timer has to go off, if that is sooner than it would; it is taken as set to that.
    pub fn set_timer(&mut self, heard: u64) -> Option<Instant> {
        let next = self.next(heard)?;
        let sooner = self.timer.is_none_or(|at| next < at);
        sooner.then(|| *self.timer.insert(next))
    }

    /// Whether the timer has to be set.
    pub fn wants_timer(&self, heard: u64) -> bool {
        self.next(heard).is_some_and(|next| self.timer.is_none_or(|at| next < at))
    }

    fn next(&self, heard: u64) -> Option<Instant> {
        let limits = [self.answer, self.life];
        let limits = limits.into_iter().flatten().filter(|limit| limit.heard == heard);
        limits.map(|limit| limit.until).chain(self.ping_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection and a clock that is made up, in milliseconds.
    struct World {
        origin: Instant,
        pulse: Pulse,
        heard: u64,
        /// When the timer goes off.
        timer: Option<Instant>,
        /// How often it was set.
        set: u32,
        pings: Vec<u64>,
        dead: Option<u64>,
        /// What the kernel has to take until it has the last PING, and what stands before the next.
        owed: usize,
        queued: usize,
    }

    impl World {
        fn new(interval: u64, timeout: u64) -> World {
            let ms = Duration::from_millis;
            let settings = Heartbeat { interval: ms(interval), timeout: ms(timeout), ttl: 0 };
            let origin = Instant::now();
            let mut pulse = Pulse::new(settings);
            pulse.begin(origin);
            let (pings, dead) = (Vec::new(), None);
            let (heard, timer, set, owed, queued) = (0, None, 0, 0, 0);
            let mut world = World { origin, pulse, heard, timer, set, pings, dead, owed, queued };
            world.set_timer();
            world
        }

        fn at(&self, time: u64) -> Instant {
            self.origin + Duration::from_millis(time)
        }

        fn set_timer(&mut self) {
            assert_eq!(
                self.pulse.wants_timer(self.heard),
                self.pulse.next(self.heard).is_some_and(|n| self.timer.is_none_or(|at| n < at))
            );
            if let Some(at) = self.pulse.set_timer(self.heard) {
                self.timer = Some(at);
                self.set += 1;
            }
        }

        /// What a socket does when the timer goes off.
        fn pass(&mut self, time: u64) {
            let now = self.at(time);
            if self.timer.is_none_or(|at| at > now) || self.dead.is_some() {
                return;
            }
            self.timer = None;
            self.pulse.timer_fired();
            self.pulse.put_off(now, self.owed);
            if self.pulse.is_overdue(now, self.heard) {
                self.dead = Some(time);
                return;
            }
            if self.pulse.wants_ping(now) {
                self.pings.push(time);
                let new = self.owed == 0;
                if new {
                    self.owed = self.queued;
                }
                self.pulse.ping_sent(now, self.heard, self.owed, new || self.owed == 0);
            }
            self.set_timer();
        }

        fn hear(&mut self) {
            self.heard += 1;
        }

        fn hear_ping(&mut self, time: u64, ttl: u64) {
            self.hear();
            self.pulse.ping_came(Duration::from_millis(ttl), self.at(time), self.heard);
            self.set_timer();
        }
    }

    #[test]
    fn a_peer_that_answers_stays_whatever_it_pings_itself() {
        // Answers after 60 ms, PINGs of its own in between, with and without a time to live.
        for (interval, timeout, theirs, ttl) in
            [(50, 500, 70, 1000), (1000, 3000, 100, 0), (20, 20, 10, 100), (200, 200, 200, 1000)]
        {
            let mut world = World::new(interval, timeout);
            let mut answers = Vec::new();
            for time in 1..20_000 {
                let sent = world.pings.len();
                world.pass(time);
                if world.pings.len() > sent {
                    answers.push(time + 60.min(timeout / 2));
                }
                if answers.contains(&time) {
                    world.hear();
                }
                if time % theirs == 0 {
                    world.hear_ping(time, ttl);
                }
            }
            assert_eq!(world.dead, None, "interval {interval}, timeout {timeout}, ttl {ttl}");
            let expected = 19_999 / interval;
            assert!(world.pings.len() as u64 >= expected - 1, "{} PINGs", world.pings.len());
        }
    }

    #[test]
    fn silence_is_counted_from_the_first_ping_without_an_answer() {
        let mut world = World::new(50, 500);
        for time in 1..2000 {
            world.pass(time);
            if time <= 120 {
                world.hear();
            }
        }
        assert_eq!((world.pings[..3].to_vec(), world.dead), (vec![50, 100, 150], Some(650)));
    }

    #[test]
    fn a_peer_that_takes_what_stands_before_a_ping_is_not_given_up() {
        // 2 s for what is queued, and no byte comes before that.
        let mut world = World::new(50, 300);
        world.queued = 2000;
        for time in 1..2070 {
            world.pass(time);
            world.owed = world.owed.saturating_sub(1);
        }
        assert_eq!((world.pings[0], world.dead), (50, None));
        // The PING has left, and there is no answer.
        world.queued = 0;
        (2070..4000).for_each(|time| world.pass(time));
        assert!(world.dead.is_some_and(|at| (2350..=2450).contains(&at)), "{:?}", world.dead);
        // Nothing is taken any more.
        let mut world = World::new(50, 300);
        world.queued = 2000;
        for time in 1..4000 {
            world.pass(time);
            world.owed = world.owed.saturating_sub(usize::from(time < 500));
        }
        assert!(world.dead.is_some_and(|at| (500..=1000).contains(&at)), "{:?}", world.dead);
    }

    #[test]
    fn a_time_to_live_ends_with_the_next_bytes_or_the_peer() {
        let mut world = World::new(0, 0);
        world.hear_ping(10, 300);
        (10..200).for_each(|time| world.pass(time));
        world.hear();
        // As libzmq does: what comes behind a PING ends its time to live.
        (200..5000).for_each(|time| world.pass(time));
        assert_eq!(world.dead, None);
        world.hear_ping(5000, 300);
        world.hear_ping(5200, 300);
        (5200..9000).for_each(|time| world.pass(time));
        assert_eq!(world.dead, Some(5500), "each PING begins anew");
        let mut world = World::new(0, 0);
        world.hear_ping(0, 300);
        world.hear_ping(100, 0);
        (100..5000).for_each(|time| world.pass(time));
        assert_eq!(world.dead, None, "the last PING counts");
    }

    #[test]
    fn a_ping_of_ours_does_not_prolong_the_peers_time_to_live() {
        let mut world = World::new(20, 0);
        world.hear_ping(5, 100);
        (5..1000).for_each(|time| world.pass(time));
        assert_eq!(world.dead, Some(105));
    }

    #[test]
    fn pings_leave_no_timers_behind() {
        let mut world = World::new(0, 0);
        for time in 0..100_000 {
            world.pass(time);
            world.hear_ping(time, 1000);
        }
        assert!(world.set <= 101, "set {} times in 100 s", world.set);
        assert_eq!(world.dead, None);
    }
}
