//! When memory that malloc(3) keeps goes back to the system.
//!
//! What a thousand connections or a hundred thousand subscriptions took is free once they are gone,
//! and malloc keeps it: it gives back only what lies at the end. malloc_trim(3) gives back the rest,
//! and holds up whoever allocates meanwhile. So it is called when there is much to be had, in a pause.

use crate::sync::statics::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How long nothing must have happened.
const PAUSE: Duration = Duration::from_millis(300);
/// Between looks, at least: each is three system calls.
const BETWEEN: Duration = Duration::from_millis(500);
/// So many bytes more than last time are worth it, or an eighth of all if that is more.
const WORTH: u64 = 2 << 20;
/// Looks between tries in vain, at most, as a power of two.
const MOST_SKIPPED: u32 = 6;

/// When to look at how much memory there is.
#[derive(Debug, Default)]
pub(super) struct Tidy {
    /// When something happened last, if nobody has looked since.
    active: Option<Instant>,
    looked: Option<Instant>,
}

impl Tidy {
    /// Something happens.
    pub(super) fn note(&mut self, now: Instant) {
        self.active = Some(now);
    }

    /// When to look, unless something happens before; `None` if nothing has since the last time.
    pub(super) fn at(&self) -> Option<Instant> {
        let at = self.active? + PAUSE;
        Some(self.looked.map_or(at, |looked| at.max(looked + BETWEEN)))
    }

    /// Whether to look now.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.at().is_some_and(|at| at <= now);
        if due {
            (self.active, self.looked) = (None, Some(now));
        }
        due
    }
}

/// What is known of the memory of the process.
struct Known {
    /// The least it had in memory at a look, in bytes; 0 before the first.
    least: AtomicU64,
    /// Times in a row that hardly anything was to be had: the application uses it.
    failures: AtomicU32,
    /// Looks to go by before the next try.
    skip: AtomicU32,
}

impl Known {
    const fn new() -> Known {
        Known { least: AtomicU64::new(0), failures: AtomicU32::new(0), skip: AtomicU32::new(0) }
    }

    /// Takes note of how much there is before anything happens, once: later contexts begin in a program
    /// that is busy, and what grew is seen in the next pause.
    fn begin(&self, resident: impl Fn() -> Option<u64>) {
        if self.least.load(Relaxed) == 0
            && let Some(now) = resident()
        {
            self.least.store(now, Relaxed);
        }
    }

    /// Looks, and gives back what is worth it. Of several threads that do so at a time one may look in
    /// vain; the next look is right.
    fn tidy(&self, resident: impl Fn() -> Option<u64>, trim: impl FnOnce()) {
        let Some(before) = resident() else { return };
        let least = self.least.load(Relaxed);
        if least == 0 || before < least {
            self.least.store(before, Relaxed);
        }
        if least == 0 || before < least + WORTH.max(least / 8) {
            return;
        }
        let skip = self.skip.load(Relaxed);
        if skip > 0 {
            return self.skip.store(skip - 1, Relaxed);
        }
        trim();
        let after = resident().unwrap_or(before);
        if before.saturating_sub(after) >= WORTH / 2 {
            self.failures.store(0, Relaxed);
        } else {
            let failures = self.failures.load(Relaxed);
            self.failures.store(failures.saturating_add(1), Relaxed);
            self.skip.store((1 << failures.saturating_sub(1).min(MOST_SKIPPED)) - 1, Relaxed);
        }
    }
}

static KNOWN: Known = Known::new();

/// A thread begins that will look. `resident` as below.
pub(super) fn begin(resident: impl Fn() -> Option<u64>) {
    KNOWN.begin(resident);
}

/// Looks, and gives back what is worth it. `resident` says how many bytes the process has in memory.
pub(super) fn tidy(resident: impl Fn() -> Option<u64>, trim: impl FnOnce()) {
    KNOWN.tidy(resident, trim);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn there_is_one_look_in_each_pause() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut tidy = Tidy::default();
        assert!(!tidy.is_due(at(0)) && tidy.at().is_none());
        for ms in (0..=2000).step_by(100) {
            tidy.note(at(ms));
            assert!(!tidy.is_due(at(ms + 99)));
        }
        assert_eq!(tidy.at(), Some(at(2300)));
        assert!(!tidy.is_due(at(2299)));
        assert!(tidy.is_due(at(2300)));
        // Whoever is idle is left alone.
        assert_eq!(tidy.at(), None);
        tidy.note(at(2301));
        assert_eq!(tidy.at(), Some(at(2800)));
        assert!(!tidy.is_due(at(2799)) && tidy.is_due(at(2800)) && !tidy.is_due(at(9999)));
    }

    #[test]
    fn memory_is_given_back_when_there_is_more_than_before() {
        let known = Known::new();
        let trims = Cell::new(0);
        let mb = 1 << 20;
        let look = |before: u64, after: u64| {
            let resident = Cell::new(before * mb);
            let trim = || {
                trims.set(trims.get() + 1);
                resident.set(after * mb);
            };
            known.tidy(|| Some(resident.get()), trim);
            trims.get()
        };
        // The first look only finds out what there is, and so do those of further threads.
        assert_eq!(look(50, 0), 0);
        known.begin(|| unreachable!());
        assert_eq!(look(56, 0), 0);
        assert_eq!(look(58, 51), 1);
        assert_eq!(look(58, 51), 2);
        // Growth is counted from the least there was.
        assert_eq!(look(30, 0), 2);
        assert_eq!(look(34, 30), 3);
        // In a pause in the middle nothing is to be had, and afterwards there is.
        assert_eq!(look(60, 60), 4);
        assert_eq!(look(55, 31), 5);
        // What the application uses is tried for less and less often.
        for _ in 0..1000 {
            look(100, 100);
        }
        assert!((15..30).contains(&trims.get()), "{}", trims.get());
        let tried = trims.get();
        (0..64).for_each(|_| _ = look(100, 30));
        assert!(trims.get() > tried);
        known.tidy(|| None, || unreachable!());
    }

    #[test]
    fn much_memory_has_to_grow_much() {
        let known = Known::new();
        let mb = 1 << 20;
        known.tidy(|| Some(800 * mb), || unreachable!());
        known.tidy(|| Some(899 * mb), || unreachable!());
        let trimmed = Cell::new(false);
        known.tidy(|| Some(900 * mb), || trimmed.set(true));
        assert!(trimmed.get());
    }
}
