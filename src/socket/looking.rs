//! Looking again before sleeping, as [`crate::policy::looking`] decides: what a process has for all its
//! threads, the clock, and the processor that is offered to others.

use crate::policy::looking::{Crowd, Look, Wait, Waits, Yielded, most_looking};
use crate::sync::PerProcess;
use crate::sync::atomic::Ordering::Relaxed;
use crate::sync::pause;
use crate::sync::statics::AtomicU64;
use crate::sys::clock::{processors, ticks};
use crate::sys::signals::Held;

/// Threads of the process that are looking, more or less.
static LOOKING: PerProcess<AtomicU64> = PerProcess::new(AtomicU64::new(0));

static EVERYONE: Everyone = Everyone::new();

/// The [`Crowd`] of a process. Threads change it without care for each other: they all find out the
/// same.
struct Everyone {
    level: AtomicU64,
    calm: AtomicU64,
    until: AtomicU64,
}

impl Everyone {
    const fn new() -> Everyone {
        Everyone { level: AtomicU64::new(0), calm: AtomicU64::new(0), until: AtomicU64::new(0) }
    }

    fn is_crowded(&self, now: u64) -> bool {
        Crowd::is_here(self.until.load(Relaxed), now)
    }

    fn change(&self, change: impl FnOnce(&mut Crowd)) {
        let (level, calm) = (self.level.load(Relaxed), self.calm.load(Relaxed));
        let before = Crowd { level, calm, until: self.until.load(Relaxed) };
        let mut crowd = before;
        change(&mut crowd);
        self.calm.store(crowd.calm, Relaxed);
        // Only what is new: others may have found out something else meanwhile.
        if crowd.level != before.level {
            self.level.store(crowd.level, Relaxed);
        }
        if crowd.until != before.until {
            self.until.store(crowd.until, Relaxed);
        }
    }
}

/// Whether the machine has other work to do, as far as is known.
pub(super) fn is_crowded() -> bool {
    EVERYONE.is_crowded(ticks())
}

/// One wait that begins with looking again, counted as long as it lives.
pub(super) struct Looking {
    /// Where it is counted.
    everyone: &'static AtomicU64,
    look: Look,
    /// Signals wait from the first yield on, for the sleep that may follow. To watch for news takes no
    /// longer than a few system calls would, and does without.
    signals: Option<Held>,
}

/// Whether this wait should begin with looking again; `local`: news come from other threads of
/// this process.
pub(super) fn begin(waits: &mut Waits, local: bool) -> Option<Looking> {
    let everyone = LOOKING.get();
    if everyone.load(Relaxed) >= most_looking(processors()) {
        return None;
    }
    let now = ticks();
    let others_run = local && processors() > 1;
    let crowded = EVERYONE.is_crowded(now);
    let look = waits.begin(Wait { now, local, others_run, crowded })?;
    everyone.fetch_add(1, Relaxed);
    Some(Looking { everyone, look, signals: None })
}

/// Learns what came of it, see [`Waits::end`].
pub(super) fn end(waits: &mut Waits, looking: &Looking, found: bool, more: bool) {
    if let Some(at) = waits.end(&looking.look, found, more) {
        EVERYONE.change(|crowd| crowd.grow(at));
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.everyone.fetch_sub(1, Relaxed);
    }
}

impl Looking {
    /// Gives up looking: what signals there are is for the sleep that follows to find out.
    pub(super) fn give_up(mut self) -> Option<Held> {
        self.signals.take()
    }

    /// Waits for a moment: for `news`, which another thread of this process gives, without a system
    /// call; then by letting others run. False if it is time to sleep.
    pub(super) fn wait(&mut self, news: impl Fn() -> bool) -> bool {
        let found = self.look.glance_until(ticks).is_some_and(|until| glance(until, news));
        if self.look.glanced(found) { self.pause() } else { found }
    }

    /// Lets others run for a moment; false if it is time to sleep.
    pub(super) fn pause(&mut self) -> bool {
        self.signals.get_or_insert_with(Held::begin);
        let before = ticks();
        pause::yield_now();
        let after = ticks();
        let Yielded { go_on, soon } = self.look.yielded(before, after);
        if soon {
            EVERYONE.change(Crowd::calm_down);
        }
        go_on
    }
}

fn glance(until: u64, news: impl Fn() -> bool) -> bool {
    while ticks() < until {
        for _ in 0..8 {
            if news() {
                return true;
            }
            pause::spin_loop();
        }
    }
    false
}
