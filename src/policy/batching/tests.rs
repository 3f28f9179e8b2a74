//! Random bursts, pauses, ticks, reads and losses under a made-up clock: whatever a socket holds
//! back is looked after, and so a pause is followed by delivery.

use super::super::rounds;
use super::*;

const US: u64 = TICKS_PER_US;
/// Between the I/O thread's ticks.
const TICK_SOON: u64 = rounds::TICK_SOON.as_micros() as u64 * US;
const TICK_LATER: u64 = rounds::TICK_LATER.as_micros() as u64 * US;
/// Bytes after which a connection's queue is worth a system call.
const BATCH: u64 = 64 * 1024;
/// A pause after which nothing may be left: two slow ticks, and what is not quiet yet.
const BOUND: u64 = 2 * TICK_LATER + 2 * HOLD_MOST;

/// Random numbers that are the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// A socket with some connections, and the I/O thread.
struct World {
    batching: Batching,
    now: u64,
    /// Bytes held back on each connection.
    held: Vec<u64>,
    /// When the oldest message that is held back was sent.
    oldest: Option<u64>,
    last_look: u64,
    has_input: bool,
    in_turn: bool,
    watched: bool,
    soon: bool,
    next_tick: u64,
    /// What a flush of one connection takes.
    cost: u64,
    system_calls: u64,
    ticks: u64,
    /// Sends that looked at the clock.
    looks: std::cell::Cell<u64>,
}

impl World {
    fn new(connections: usize) -> World {
        World {
            batching: Batching::new(),
            now: 1_000_000_000,
            held: vec![0; connections],
            oldest: None,
            last_look: 0,
            has_input: false,
            in_turn: false,
            watched: false,
            soon: false,
            next_tick: 0,
            cost: US,
            system_calls: 0,
            ticks: 0,
            looks: std::cell::Cell::new(0),
        }
    }

    fn flush_one(&mut self, at: usize) {
        if std::mem::take(&mut self.held[at]) > 0 {
            self.now += self.cost;
            self.system_calls += 1;
        }
        if self.held.iter().all(|&bytes| bytes == 0) {
            self.oldest = None;
        }
    }

    fn write(&mut self, at: usize, bytes: u64) {
        self.held[at] += bytes;
        self.oldest.get_or_insert(self.now);
    }

    /// Every call ends like this.
    fn leave(&mut self) {
        leave(self);
        assert!(self.watched || self.dirty_count() == 0);
    }

    fn send(&mut self, at: usize, bytes: u64) {
        self.write(at, bytes);
        sent(self);
        self.leave();
    }

    fn look(&mut self) {
        flush_all(self);
        self.batching.looked();
        self.last_look = self.now;
        self.leave();
    }

    /// The application does something else, and the I/O thread its duty.
    fn pass(&mut self, time: u64) {
        let until = self.now + time;
        while self.watched && self.next_tick <= until {
            self.now = self.now.max(self.next_tick);
            self.ticks += 1;
            if flush_if_left(self) {
                let pause = if self.soon { TICK_SOON } else { TICK_LATER };
                self.next_tick = self.now + pause;
            } else {
                self.watched = false;
                self.soon = false;
            }
            self.leave();
        }
        self.now = self.now.max(until);
    }
}

impl Outbox for World {
    fn facts(&self) -> Facts {
        self.looks.set(self.looks.get() + 1);
        Facts {
            now: self.now,
            dirty: self.dirty_count(),
            has_input: self.has_input,
            last_look: self.last_look,
        }
    }

    fn now(&self) -> u64 {
        self.now
    }

    fn in_turn(&self, _now: u64) -> Option<u64> {
        self.in_turn.then_some(0)
    }

    fn dirty_count(&self) -> usize {
        self.held.iter().filter(|&&bytes| bytes > 0).count()
    }

    fn is_dirty(&self) -> bool {
        self.dirty_count() > 0
    }

    fn has_flushable(&mut self) -> bool {
        self.is_dirty()
    }

    fn is_urgent(&self) -> bool {
        self.held.iter().any(|&bytes| bytes >= BATCH)
    }

    fn flush(&mut self, all: bool) {
        for at in 0..self.held.len() {
            if all || self.held[at] >= BATCH {
                self.flush_one(at);
            }
        }
    }

    fn is_watched(&self) -> bool {
        self.watched
    }

    fn watch(&mut self, soon: bool) {
        let pause = if soon { TICK_SOON } else { TICK_LATER };
        let at = self.now + pause;
        self.next_tick = if self.watched { self.next_tick.min(at) } else { at };
        self.watched = true;
        self.soon |= soon;
    }

    fn batching(&mut self) -> &mut Batching {
        &mut self.batching
    }
}

#[test]
fn whatever_happens_a_pause_is_followed_by_delivery() {
    for seed in 1..=300 {
        let mut random = Random(u64::wrapping_mul(seed, 0x9e37_79b9_7f4a_7c15));
        let connections = 1 + random.below(3) as usize * random.below(40) as usize;
        let mut world = World::new(connections);
        world.cost = [US / 2, 3 * US, 40 * US][random.below(3) as usize];
        for _ in 0..60 {
            let gap = [US / 20, US / 2, 3 * US, 20 * US, 300 * US][random.below(5) as usize];
            let size = [2, 66, 1027, 30_000][random.below(4) as usize];
            let first = random.below(connections as u64) as usize;
            let over_all = random.below(3) == 0;
            for n in 0..random.below(300) as usize {
                world.send(if over_all { (first + n) % connections } else { first }, size);
                world.pass(gap);
            }
            match random.below(8) {
                0 => world.look(),
                // A connection is lost with what it held back; nobody tells the policy.
                1 => {
                    world.held[first] = 0;
                    if !world.is_dirty() {
                        world.oldest = None;
                    }
                }
                // An answer to a PING is written while the application receives.
                2 => {
                    world.write(first, 9);
                    world.leave();
                }
                // The I/O thread flushes on the way of something else.
                3 => {
                    flush_all(&mut world);
                    world.leave();
                }
                4 => world.has_input = !world.has_input,
                5 => world.in_turn = !world.in_turn,
                _ => {}
            }
            world.pass([0, US, 60 * US, TICK_LATER, BOUND][random.below(5) as usize]);
            if random.below(4) == 0 {
                let began = world.now;
                world.pass(BOUND);
                assert_eq!(world.oldest, None, "seed {seed}: left since {began}");
            }
        }
    }
}

#[test]
fn a_single_message_after_a_burst_that_ended_with_a_full_batch_leaves_at_once() {
    for burst in 1..400 {
        let mut world = World::new(1);
        for _ in 0..burst {
            world.send(0, 1027);
            world.pass(US / 3);
        }
        world.pass(25_000 * US);
        assert_eq!(world.oldest, None, "burst of {burst}");
        world.send(0, 6);
        let left = world.oldest;
        world.pass(BOUND);
        assert_eq!(world.oldest, None, "after a burst of {burst}");
        assert_eq!(left, None, "after a burst of {burst}: it was quiet");
    }
}

#[test]
fn a_rush_costs_few_system_calls_and_looks_at_the_clock() {
    let mut world = World::new(1);
    for _ in 0..100_000 {
        world.send(0, 66);
        world.pass(US / 20);
    }
    // 66 bytes each in batches of 64 KiB are 101; held back for 50 us they are as many.
    assert!(world.system_calls < 250, "{}", world.system_calls);
    assert!(world.looks.get() < 100_000 / 7, "{}", world.looks.get());
}

#[test]
fn an_idle_socket_makes_no_tick() {
    let mut world = World::new(2);
    for _ in 0..100 {
        world.send(0, 66);
        world.send(1, 66);
    }
    world.pass(BOUND);
    let ticks = world.ticks;
    world.pass(1_000_000 * US);
    assert_eq!(world.ticks, ticks);
}

#[test]
fn decisions_are_those_on_record() {
    let mut digest = 0u64;
    for seed in 1..=20u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let connections = 1 + random.below(3) as usize * random.below(40) as usize;
        let mut world = World::new(connections);
        world.cost = [US / 2, 3 * US, 40 * US][random.below(3) as usize];
        for _ in 0..20_000 {
            let at = random.below(connections as u64) as usize;
            match random.below(64) {
                0 => world.look(),
                1 => world.has_input = !world.has_input,
                2 => world.in_turn = !world.in_turn,
                3 => {
                    flush_all(&mut world);
                    world.leave();
                }
                4 => world.pass([60 * US, TICK_LATER, BOUND][random.below(3) as usize]),
                _ => world.send(at, [2, 66, 1027, 30_000][random.below(4) as usize]),
            }
            let pace = [US / 20, US / 2, 3 * US, 20 * US][random.below(4) as usize];
            world.pass(pace);
            let held = world.held.iter().sum::<u64>();
            for value in [world.system_calls, world.ticks, world.looks.get(), world.now, held] {
                digest = (digest ^ value).wrapping_mul(0x100_0000_01b3).rotate_left(23);
            }
        }
    }
    // Recorded before this was a layer of its own. Whoever changes a decision measures, and records anew.
    assert_eq!(digest, 0xaa21_bac4_1ab6_00bb);
}
