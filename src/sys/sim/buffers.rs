//! Store buffers, as processors of x86 have them: others see a store a little later than the thread
//! that made it, which may meanwhile have loaded what they are about to change.
//!
//! Stores become visible in their order. Whatever is locked, a full fence or a call into the kernel comes
//! after all of them; membarrier(2), and taking memory away, after those of every thread.

use super::choice::Choice;
use std::collections::VecDeque;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

/// How many stores are under way, of all threads: without any there is nothing to look for.
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
/// Whether there are buffers at all.
static THERE: AtomicBool = AtomicBool::new(false);

/// A store that others do not see yet.
#[derive(Debug)]
struct Store {
    address: usize,
    size: usize,
    value: u64,
    /// When they do at the latest.
    until: u64,
}

impl Store {
    fn is_in(&self, address: usize, size: usize) -> bool {
        self.address < address + size && address < self.address + self.size
    }

    fn become_visible(&self) {
        let order = Ordering::Relaxed;
        // SAFETY: an atomic of this size, which is there still: see `freed` and the places of stacks.
        unsafe {
            match self.size {
                1 => AtomicU8::from_ptr(self.address as *mut u8).store(self.value as u8, order),
                2 => AtomicU16::from_ptr(self.address as *mut u16).store(self.value as u16, order),
                4 => AtomicU32::from_ptr(self.address as *mut u32).store(self.value as u32, order),
                _ => AtomicU64::from_ptr(self.address as *mut u64).store(self.value, order),
            }
        }
    }
}

/// The buffers of all threads.
#[derive(Debug)]
pub(super) struct Buffers {
    choice: Choice,
    /// How many stores one has room for; 0: there are none.
    room: usize,
    /// How long a store stays at most, in nanoseconds.
    longest: u64,
    of: Vec<VecDeque<Store>>,
    /// When the first of all stores has to be visible.
    pub(super) first: u64,
}

impl Buffers {
    /// In two of three worlds there are none.
    pub(super) fn new(choice: &mut Choice) -> Buffers {
        let room = choice.of(&[0, 0, 0, 0, 2, 50]);
        THERE.store(room != 0, Ordering::Relaxed);
        Buffers {
            room,
            longest: choice.of(&[200, 2000, 20_000]),
            choice: Choice::new(choice.number()),
            of: Vec::new(),
            first: u64::MAX,
        }
    }

    pub(super) fn put(&mut self, me: usize, now: u64, address: usize, size: usize, value: u64) {
        if self.of.len() <= me {
            self.of.resize_with(me + 1, VecDeque::new);
        }
        let after = now + self.choice.any_size(self.longest);
        let stores = &mut self.of[me];
        if stores.len() == self.room {
            stores.pop_front().iter().for_each(Store::become_visible);
            UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
        }
        let until = stores.back().map_or(after, |last| after.max(last.until));
        stores.push_back(Store { address, size, value, until });
        self.first = self.first.min(until);
        UNDER_WAY.fetch_add(1, Ordering::Relaxed);
    }

    /// What a thread loads from where it has stored.
    pub(super) fn own(&self, me: usize, address: usize) -> Option<u64> {
        let mut stores = self.of.get(me)?.iter().rev();
        stores.find(|store| store.address == address).map(|store| store.value)
    }

    pub(super) fn drain(&mut self, me: usize) {
        let Some(stores) = self.of.get_mut(me) else { return };
        UNDER_WAY.fetch_sub(stores.len(), Ordering::Relaxed);
        stores.drain(..).for_each(|store| store.become_visible());
    }

    pub(super) fn drain_all(&mut self) {
        (0..self.of.len()).for_each(|thread| self.drain(thread));
        self.first = u64::MAX;
    }

    /// What has been under way for long enough.
    pub(super) fn pass(&mut self, now: u64) {
        for stores in &mut self.of {
            while stores.front().is_some_and(|store| store.until <= now) {
                stores.pop_front().iter().for_each(Store::become_visible);
                UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let firsts = self.of.iter().filter_map(|stores| stores.front());
        self.first = firsts.map(|store| store.until).min().unwrap_or(u64::MAX);
    }

    /// Somebody has this memory for himself, so that all stores to it were long ago.
    pub(super) fn settle(&mut self, address: usize, size: usize) {
        for thread in 0..self.of.len() {
            if self.of[thread].iter().any(|store| store.is_in(address, size)) {
                self.drain(thread);
            }
        }
    }
}

/// Whether stores may be visible later in this world.
#[inline]
pub(super) fn are_there() -> bool {
    THERE.load(Ordering::Relaxed)
}

/// Whether any store is not visible yet.
#[inline]
pub(super) fn are_under_way() -> bool {
    UNDER_WAY.load(Ordering::Relaxed) != 0
}
