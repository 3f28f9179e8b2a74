//! The memory that others can see, and whose its records are.

use super::layout::{self, HEADER_SIZE, RECORD_SIZE, RECORDS, header, record};
use super::record::Record;
use crate::sync::mutex::Mutex;
use crate::sync::outside::{AtomicU64, Ordering, fence};
use crate::sync::per_process::PerProcess;
use crate::sys::clock;
use crate::sys::shared::{self, Shared};
use crate::sys::thread;
use std::ptr::NonNull;

/// Records that memory is asked for at a time.
const STEP: usize = 32;

/// What a record is claimed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Socket,
    /// Of the socket with this id.
    Peer(u64),
}

/// A place that somebody has, in the memory or outside, where it is only counted.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) record: Record,
    pub(super) id: u64,
    kind: Kind,
    at: Option<usize>,
    /// Whose process.
    process: u64,
}

#[derive(Default)]
struct Region {
    made: bool,
    memory: Option<Shared>,
    taken: Taken,
    /// So many records may be touched.
    backed: usize,
    used: usize,
    ids: u64,
    hidden_sockets: u32,
    hidden_peers: u32,
}

/// Which records somebody has.
struct Taken([u64; RECORDS.div_ceil(64)]);

impl Default for Taken {
    fn default() -> Taken {
        Taken([0; RECORDS.div_ceil(64)])
    }
}

impl Taken {
    /// The first that nobody has.
    fn first_free(&self) -> Option<usize> {
        let (at, word) = self.0.iter().enumerate().find(|(_, word)| **word != u64::MAX)?;
        let number = at * 64 + word.trailing_ones() as usize;
        (number < RECORDS).then_some(number)
    }

    fn set(&mut self, number: usize, taken: bool) {
        if let Some(word) = self.0.get_mut(number / 64) {
            let bit = 1 << (number % 64);
            *word = if taken { *word | bit } else { *word & !bit };
        }
    }
}

#[derive(Default)]
struct Everybodys(Mutex<Region>);

static REGION: PerProcess<Everybodys> = PerProcess::new(Everybodys(Mutex::new(Region {
    made: false,
    memory: None,
    taken: Taken([0; RECORDS.div_ceil(64)]),
    backed: 0,
    used: 0,
    ids: 0,
    hidden_sockets: 0,
    hidden_peers: 0,
})));

/// Whether the program may be looked into.
fn is_wanted() -> bool {
    let off = std::env::var_os("ZMQ_STATS").is_some_and(|value| value == "0");
    !off && !shared::is_privileged()
}

impl Region {
    fn make(&mut self) {
        self.made = true;
        if !is_wanted() {
            return;
        }
        let first = HEADER_SIZE + STEP * RECORD_SIZE;
        let Some(memory) = Shared::make(c"zmq-stats", layout::SIZE, first) else { return };
        self.backed = STEP;
        self.memory = Some(memory);
        let Some(head) = self.header() else { return };
        head.set_word(header::VERSION, layout::VERSION);
        head.set_word(header::REVISION, layout::REVISION);
        head.set_word(header::HEADER_SIZE, HEADER_SIZE as u32);
        head.set_word(header::RECORD_SIZE, RECORD_SIZE as u32);
        head.set_word(header::RECORDS, RECORDS as u32);
        head.set_word(header::PID, shared::process_number());
        head.set(header::START_TIME, shared::start_time());
        head.write(header::LIBRARY, concat!("zmq-oxide ", env!("CARGO_PKG_VERSION")));
        let (ticks, monotonic) = clock::both();
        head.set(header::MADE_TICKS, ticks);
        head.set(header::MADE_MONOTONIC, monotonic);
        head.set(header::SEEN_TICKS, ticks);
        head.set(header::SEEN_MONOTONIC, monotonic);
        fence(Ordering::Release);
        head.write(header::MAGIC, "ZMQSTATS");
    }

    /// The header, written as records are.
    fn header(&self) -> Option<Record> {
        // SAFETY: there, longer than a record, and for ever.
        self.memory.as_ref().map(|memory| unsafe { Record::at(memory.address()) })
    }

    fn record(&self, number: usize) -> Option<Record> {
        let base: NonNull<u8> = self.memory.as_ref()?.address();
        let offset = HEADER_SIZE + number * RECORD_SIZE;
        // SAFETY: inside the memory, as `number` is below `RECORDS`, and there for ever.
        (number < RECORDS).then(|| unsafe { Record::at(base.add(offset)) })
    }

    /// Compares the clocks: who reads knows better then what the library's times mean.
    fn compare_clocks(&self) {
        let Some(head) = self.header() else { return };
        let (ticks, monotonic) = clock::both();
        COMPARED.store(ticks, Ordering::Relaxed);
        let sequence = header::CLOCK_SEQUENCE;
        head.count(sequence);
        fence(Ordering::Release);
        head.set(header::SEEN_TICKS, ticks);
        head.set(header::SEEN_MONOTONIC, monotonic);
        fence(Ordering::Release);
        head.count(sequence);
    }

    /// A record for somebody, if there is one left.
    fn take(&mut self, kind: Kind, id: u64) -> Option<(usize, Record)> {
        let number = self.taken.first_free()?;
        if number >= self.backed {
            let step = STEP.min(RECORDS - self.backed);
            let offset = HEADER_SIZE + self.backed * RECORD_SIZE;
            if !self.memory.as_ref()?.back(offset, step * RECORD_SIZE) {
                return None;
            }
            self.backed += step;
        }
        let place = self.record(number)?;
        self.taken.set(number, true);
        if number >= self.used {
            self.used = number + 1;
            self.header()?.set_word(header::USED, self.used as u32);
        }
        place.change(|place| {
            place.clear();
            place.set(record::ID, id);
            place.set(record::SINCE, clock::ticks());
            match kind {
                Kind::Socket => place.set_word(record::KIND, record::SOCKET),
                Kind::Peer(owner) => {
                    place.set(record::OWNER, owner);
                    place.set_word(record::KIND, record::PEER);
                }
            }
        });
        Some((number, place))
    }

    fn count_hidden(&mut self, kind: Kind, change: i32) {
        let (count, field) = match kind {
            Kind::Socket => (&mut self.hidden_sockets, header::HIDDEN_SOCKETS),
            Kind::Peer(_) => (&mut self.hidden_peers, header::HIDDEN_PEERS),
        };
        *count = count.wrapping_add_signed(change);
        let count = *count;
        if let Some(head) = self.header() {
            head.set_word(field, count);
        }
    }
}

/// When the clocks were last compared, by the library's.
static COMPARED: AtomicU64 = AtomicU64::new(0);

/// Nanoseconds after which they are compared once more.
#[cfg(not(any(sim, loom)))]
const PAUSE: u64 = 1_000_000_000;

/// The time, as it stands in records. Who reads translates it by the straight line between two comparisons, so
/// one is never far from it: a program may make all its sockets in a moment and run for a year.
pub(super) fn time() -> u64 {
    let now = clock::ticks();
    // Neither in models nor in a made-up world is there anybody to read it.
    #[cfg(not(any(sim, loom)))]
    if now.saturating_sub(COMPARED.load(Ordering::Relaxed)) >= PAUSE {
        compare();
    }
    now
}

#[cfg(not(any(sim, loom)))]
#[cold]
fn compare() {
    let region = REGION.get().0.lock();
    match &region.memory {
        Some(_) => region.compare_clocks(),
        // Nobody asks: not again before long.
        None => COMPARED.store(clock::ticks(), Ordering::Relaxed),
    }
}

/// A place for somebody; `None` if nobody can look into this process. Who finds no record has `otherwise`.
pub(super) fn claim(kind: Kind, otherwise: Option<Record>) -> Option<Place> {
    let mut region = REGION.get().0.lock();
    if !region.made {
        region.make();
    }
    region.memory.as_ref()?;
    region.ids += 1;
    let id = region.ids;
    let process = thread::process_generation();
    let place = match region.take(kind, id) {
        Some((number, record)) => Place { record, id, kind, at: Some(number), process },
        None => {
            region.count_hidden(kind, 1);
            let record = otherwise.unwrap_or_else(|| Record::nobodys(id));
            Place { record, id, kind, at: None, process }
        }
    };
    region.compare_clocks();
    Some(place)
}

impl Place {
    /// Whether others can see it.
    pub(super) fn is_shown(&self) -> bool {
        self.at.is_some()
    }

    /// Whether a fork has not made it the parent's.
    pub(super) fn is_ours(&self) -> bool {
        self.process == thread::process_generation()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.is_ours() {
            return;
        }
        let mut region = REGION.get().0.lock();
        match self.at {
            Some(number) => {
                self.record.change(Record::clear);
                region.taken.set(number, false);
            }
            None => region.count_hidden(self.kind, -1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_record_is_taken_once_and_the_first_free_one_comes_next() {
        let mut taken = Taken::default();
        for number in 0..RECORDS {
            assert_eq!(taken.first_free(), Some(number));
            taken.set(number, true);
        }
        assert_eq!(taken.first_free(), None);
        for number in [1000, 63, 64, RECORDS - 1] {
            taken.set(number, false);
            assert_eq!(taken.first_free(), Some(number));
            taken.set(number, true);
        }
    }

    #[cfg(not(any(sim, loom)))]
    #[test]
    fn a_time_is_never_far_from_where_the_clocks_were_compared() {
        let place = claim(Kind::Socket, None).expect("memory");
        let head = REGION.get().0.lock().header().expect("a header");
        head.set(header::SEEN_TICKS, 1);
        // Other tests of the process may do it first.
        COMPARED.store(0, Ordering::Relaxed);
        let now = time();
        let seen = head.get(header::SEEN_TICKS);
        assert!(seen.abs_diff(now) < PAUSE, "{seen} {now}");
        let monotonic = head.get(header::SEEN_MONOTONIC);
        assert!(clock::both().1.abs_diff(monotonic) < PAUSE);
        drop(place);
    }
}
