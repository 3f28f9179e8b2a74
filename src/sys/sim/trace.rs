//! What happened, for whoever has to understand a failure.

use std::collections::VecDeque;

/// The last events of so many are kept.
const KEPT: usize = 200;

/// Something that happened.
#[derive(Debug, Clone, Copy)]
struct Event {
    at: u64,
    thread: usize,
    what: &'static str,
    numbers: [i64; 2],
}

impl Event {
    fn print(&self, began: u64) {
        let Event { at, thread, what, numbers: [a, b] } = self;
        let microseconds = (at - began) as f64 / 1000.0;
        eprintln!("{microseconds:14.3} us  thread {thread:2}  {what:16} {a:8} {b:8}");
    }
}

/// The last events, and a number that tells all of them from those of any other run.
#[derive(Debug, Default)]
pub(super) struct Trace {
    last: VecDeque<Event>,
    digest: u64,
    count: u64,
    /// Everything is printed as it happens.
    aloud: bool,
}

impl Trace {
    pub(super) fn add(&mut self, at: u64, thread: usize, what: &'static str, numbers: [i64; 2]) {
        let mut mix = |value: u64| {
            self.digest = (self.digest ^ value).wrapping_mul(0x100_0000_01b3).rotate_left(23);
        };
        what.bytes().for_each(|byte| mix(u64::from(byte)));
        [at, thread as u64, numbers[0] as u64, numbers[1] as u64].into_iter().for_each(mix);
        self.count += 1;
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        let event = Event { at, thread, what, numbers };
        if self.aloud {
            event.print(1_000_000_000_000);
        }
        self.last.push_back(event);
    }

    /// From now on everything is printed as it happens.
    pub(super) fn speak(&mut self) {
        self.aloud = true;
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn print(&self, began: u64) {
        self.last.iter().for_each(|event| event.print(began));
    }
}
