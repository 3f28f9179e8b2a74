//! I/O threads: the fallback that drives connections when no thread of the application does.
//!
//! The reactor knows descriptors, deadlines and [`Handler`]s, nothing about sockets. A handler
//! is found by its index when something happens, and is told its generation, so an event that
//! comes late for something already gone is ignored.

mod key;
mod reclaiming;
mod tidy;
mod timers;

pub use key::{Key, LISTENERS, MAX_INDEX};

use crate::error::{Error, Result};
use crate::msg::{Keeper, Reclaimer, Taken};
use crate::policy::rounds::{Pace, Rounds, TICK_LATER};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use crate::sync::mutex::Mutex;
use crate::sync::pause;
use crate::sys::cancel::Cancel;
use crate::sys::epoll::{self, Epoll, Event, NO_EVENT};
use crate::sys::eventfd::EventFd;
use crate::sys::thread::{self, Thread, ThreadOptions};
use crate::sys::{clock, futex, memory};
use key::{WAKER, is_late, pack, unpack};
use reclaiming::Reclaiming;
use std::os::fd::{AsRawFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tidy::Tidy;
use timers::Timers;

/// What the reactor calls. Runs on an I/O thread.
pub trait Handler: Sync {
    /// A descriptor added with `token` is ready (flags of [`epoll`]).
    fn on_event(&self, generation: u32, token: u32, events: u32);
    /// A deadline set with `token` has passed.
    fn on_timer(&self, generation: u32, token: u64);
    /// Called again and again, some time apart, after [`IoThread::watch`].
    fn on_tick(&self, generation: u32) -> Tick;
    /// A call above panicked; the handler must fail what it was working on.
    fn on_panic(&self, generation: u32);
}

/// What a handler wants after a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tick {
    /// Nothing more.
    Done,
    /// Another tick very soon: something waits to be flushed.
    Soon,
    /// Another tick some time later.
    Later,
}

/// How a handler is found by its index.
pub type Resolver = fn(u32) -> Option<&'static dyn Handler>;

/// Bytes of stack of an I/O thread.
const STACK: usize = 512 * 1024;

const OFF: u8 = 0;
const SLOW: u8 = 1;
const FAST: u8 = 2;

struct Shared {
    epoll: Epoll,
    waker: EventFd,
    /// The waker is written and not yet drained.
    woken: AtomicBool,
    stop: AtomicBool,
    /// The set is none any more: somebody has closed its descriptor. The thread sleeps on `calls`.
    blind: AtomicBool,
    calls: AtomicU32,
    timers: Mutex<Timers>,
    watched: Mutex<Vec<Key>>,
    /// How often the thread looks at `watched` by itself: [`OFF`], [`SLOW`] or [`FAST`].
    pace: AtomicU8,
    resolver: Resolver,
    load: AtomicU32,
    /// How long the last round of ticks took, and the pause after it, in microseconds.
    lag: AtomicU64,
    reclaimer: &'static Reclaimer,
}

/// One I/O thread.
pub struct IoThread {
    shared: Arc<Shared>,
    thread: Mutex<Option<Thread>>,
}

impl IoThread {
    /// Starts a thread.
    ///
    /// # Errors
    /// `EMFILE`, `EAGAIN` and what else epoll, eventfd and clone say.
    pub fn start(name: &str, options: ThreadOptions, resolver: Resolver) -> Result<IoThread> {
        let shared = Arc::new(Shared {
            epoll: Epoll::new()?,
            waker: EventFd::new()?,
            woken: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            blind: AtomicBool::new(false),
            calls: AtomicU32::new(0),
            timers: Mutex::new(Timers::new(clock::now())),
            watched: Mutex::new(Vec::new()),
            pace: AtomicU8::new(OFF),
            resolver,
            load: AtomicU32::new(0),
            lag: AtomicU64::new(0),
            reclaimer: Reclaimer::open()?,
        });
        let of_thread = shared.clone();
        let name = thread::name(&options, name);
        let added = shared.epoll.add(shared.waker.as_raw_fd(), epoll::IN, WAKER);
        let started = added.and_then(|()| {
            thread::spawn(STACK, move || {
                thread::apply(&name, &options);
                of_thread.run();
            })
        });
        match started {
            Ok(thread) => {
                shared.reclaimer.set_keeper(shared.clone());
                Ok(IoThread { shared, thread: Mutex::new(Some(thread)) })
            }
            Err(error) => {
                shared.reclaimer.close();
                Err(error)
            }
        }
    }

    /// Where memory of the application goes that this thread is to give back.
    pub fn reclaimer(&self) -> &'static Reclaimer {
        self.shared.reclaimer
    }

    /// Watches a descriptor for `key`. Level-triggered unless `events` says otherwise.
    ///
    /// # Errors
    /// Whatever epoll_ctl(2) says.
    pub fn add(&self, fd: RawFd, events: u32, key: Key, token: u32) -> Result<()> {
        self.shared.epoll.add(fd, events, pack(key, token))
    }

    /// Changes what a descriptor is watched for.
    ///
    /// # Errors
    /// Whatever epoll_ctl(2) says.
    pub fn modify(&self, fd: RawFd, events: u32, key: Key, token: u32) -> Result<()> {
        self.shared.epoll.modify(fd, events, pack(key, token))
    }

    /// Stops watching a descriptor.
    ///
    /// # Errors
    /// Whatever epoll_ctl(2) says.
    pub fn remove(&self, fd: RawFd) -> Result<()> {
        self.shared.epoll.remove(fd)
    }

    /// Calls [`Handler::on_timer`] at `deadline`, or a hundredth of the time later. There is one
    /// deadline for each `key` and `token`: setting it again moves it. One that is due may come
    /// all the same, so handlers ignore what they no longer want.
    pub fn set_timer(&self, deadline: Instant, key: Key, token: u64) {
        if self.shared.timers.lock().set(clock::now(), deadline, key, token) {
            self.wake();
        }
    }

    /// Takes that back.
    pub fn clear_timer(&self, key: Key, token: u64) {
        self.shared.timers.lock().clear(key, token);
    }

    /// Ticks for `key` until its handler says [`Tick::Done`].
    pub fn watch(&self, key: Key) {
        self.shared.watched.lock().push(key);
        self.quicken(SLOW);
    }

    /// Makes the next tick come soon: a watched handler has something to flush.
    #[inline]
    pub fn hurry(&self) {
        self.quicken(FAST);
    }

    #[inline]
    fn quicken(&self, pace: u8) {
        if self.shared.pace.load(Ordering::SeqCst) < pace
            && self.shared.pace.fetch_max(pace, Ordering::SeqCst) < pace
        {
            self.wake();
        }
    }

    fn wake(&self) {
        self.shared.wake();
    }

    /// Whether the thread can be woken through its descriptors. Not if somebody has closed them, even
    /// if their numbers are something else now: the kernel knows which waker is in the set.
    pub fn is_whole(&self) -> bool {
        self.shared.epoll.modify(self.shared.waker.as_raw_fd(), epoll::IN, WAKER).is_ok()
    }

    /// How far one tick of a handler was from the next lately, in microseconds, if there are so many
    /// that it was not what the handler asked for.
    pub fn lag(&self) -> u64 {
        self.shared.lag.load(Ordering::Relaxed)
    }

    /// Counts sockets and connections that chose this thread, to spread them evenly.
    pub fn load(&self) -> u32 {
        self.shared.load.load(Ordering::Relaxed)
    }

    /// One more user.
    pub fn add_load(&self) {
        self.shared.load.fetch_add(1, Ordering::Relaxed);
    }

    /// One user less.
    pub fn remove_load(&self) {
        self.shared.load.fetch_sub(1, Ordering::Relaxed);
    }

    /// Ends the thread, which first gives back what memory of the application is left, and waits for it.
    /// One that sleeps and cannot be woken is left behind, asleep; the caller gives back what is left.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        let hears = self.is_whole() || self.shared.blind.load(Ordering::SeqCst);
        let thread = self.thread.lock().take();
        if hears {
            self.wake();
            if let Some(thread) = thread {
                thread.join();
                self.shared.reclaimer.close();
            }
        } else {
            // The numbers of its descriptors may be somebody else's by now, whenever it wakes up. It may
            // look at what is its own then, so nobody else gets that.
            std::mem::forget(self.shared.clone());
            self.shared.reclaimer.reclaim_all(&mut Taken::new(), || true);
        }
    }
}

impl Keeper for Shared {
    fn wake(&self) {
        if !self.woken.swap(true, Ordering::SeqCst) {
            if !self.blind.load(Ordering::SeqCst) {
                self.waker.signal();
            }
            // It may have become blind meanwhile.
            if self.blind.load(Ordering::SeqCst) {
                self.calls.fetch_add(1, Ordering::SeqCst);
                futex::wake_all(&self.calls);
            }
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut events = [NO_EVENT; 256];
        let mut rounds = Rounds::new(clock::now());
        let mut reclaiming = Reclaiming::new(clock::now());
        let mut tidy = Tidy::default();
        tidy::begin(memory::resident);
        let process = thread::process_generation();
        // What a handler calls may fork, and so may what gives memory back. The child's copy of this
        // thread, its only one, must not drive the parent's connections, nor give the memory back again.
        let is_ours = || thread::process_generation() == process;
        while !self.stop.load(Ordering::SeqCst) && is_ours() {
            let count = self.sleep(&mut events, &rounds, &reclaiming, tidy.at());
            for late in [false, true] {
                let those = events[..count].iter().filter(|event| is_late(event.u64) == late);
                those.for_each(|event| self.dispatch(*event));
            }
            let now = clock::now();
            self.run_timers(now);
            if count > 0 {
                tidy.note(now);
            }
            if self.next_round(&rounds).is_some_and(|at| at <= now) {
                tidy.note(now);
                self.run_ticks(&mut rounds, now);
            }
            reclaiming.round(self.reclaimer, now, is_ours);
            if tidy.is_due(now) {
                tidy::tidy(memory::resident, memory::trim);
            }
        }
        reclaiming.finish(self.reclaimer, is_ours);
    }

    /// Sleeps until something is to be done, or until `other`. Returns how many events there are.
    fn sleep(
        &self,
        events: &mut [Event],
        rounds: &Rounds,
        reclaiming: &Reclaiming,
        other: Option<Instant>,
    ) -> usize {
        if self.blind.load(Ordering::SeqCst) {
            self.sleep_blind(rounds, reclaiming);
            return 0;
        }
        match self.epoll.wait(events, self.timeout(rounds, reclaiming, other)) {
            Ok(count) => count,
            Err(Error::Interrupted) => 0,
            Err(_) => {
                // Without its set there are still deadlines, and an end.
                self.blind.store(true, Ordering::SeqCst);
                0
            }
        }
    }

    #[cold]
    fn sleep_blind(&self, rounds: &Rounds, reclaiming: &Reclaiming) {
        let calls = self.calls.load(Ordering::SeqCst);
        // What was left for us before this is seen below; who leaves more moves `calls`.
        self.woken.store(false, Ordering::SeqCst);
        let time = self.timeout(rounds, reclaiming, None);
        if !self.stop.load(Ordering::SeqCst)
            && futex::wait(&self.calls, calls, time, Cancel::Waits)
                .is_err_and(|e| e != Error::Interrupted)
        {
            pause::sleep(time.unwrap_or(TICK_LATER).min(TICK_LATER));
        }
    }

    /// When every watched handler has its next tick; `None` if there is none.
    fn next_round(&self, rounds: &Rounds) -> Option<Instant> {
        rounds.next(match self.pace.load(Ordering::SeqCst) {
            OFF => Pace::Off,
            SLOW => Pace::Slow,
            _ => Pace::Fast,
        })
    }

    fn timeout(
        &self,
        rounds: &Rounds,
        reclaiming: &Reclaiming,
        other: Option<Instant>,
    ) -> Option<Duration> {
        let round = self.next_round(rounds);
        let timer = self.timers.lock().sleep_until();
        let memory = reclaiming.due(self.reclaimer);
        let at = [round, timer, memory, other].into_iter().flatten().min();
        at.map(|at| at.saturating_duration_since(clock::now()))
    }

    fn dispatch(&self, event: Event) {
        if event.u64 == WAKER {
            self.waker.drain();
            self.woken.store(false, Ordering::SeqCst);
            return;
        }
        let (key, token) = unpack(event.u64);
        self.call(key, |handler| handler.on_event(key.generation, token, event.events));
    }

    /// Calls a handler and keeps a panic of it away from the thread.
    fn call<R>(&self, key: Key, call: impl FnOnce(&'static dyn Handler) -> R) -> Option<R> {
        let handler = (self.resolver)(key.index)?;
        match catch_unwind(AssertUnwindSafe(|| call(handler))) {
            Ok(result) => Some(result),
            Err(_) => {
                let failed = || handler.on_panic(key.generation);
                // If even that panics, the socket stays as it is; the thread must live.
                let _ = catch_unwind(AssertUnwindSafe(failed));
                None
            }
        }
    }

    fn run_timers(&self, now: Instant) {
        loop {
            let due = self.timers.lock().pop_due(now);
            let Some((key, token)) = due else { break };
            self.call(key, |handler| handler.on_timer(key.generation, token));
        }
    }

    /// Ticks every watched handler once and settles how often to do so.
    fn run_ticks(&self, rounds: &mut Rounds, began: Instant) {
        let mut watched = std::mem::take(&mut *self.watched.lock());
        let mut soon = false;
        watched.retain(|&key| {
            let tick = self.call(key, |handler| handler.on_tick(key.generation));
            soon |= tick == Some(Tick::Soon);
            matches!(tick, Some(Tick::Soon | Tick::Later))
        });
        let lag = rounds.ended(began, clock::now(), soon);
        self.lag.store(lag, Ordering::Relaxed);
        let mut all = self.watched.lock();
        all.append(&mut watched);
        // Under the lock, so that `watch` either is seen here or sees this.
        if all.is_empty() {
            self.pace.store(OFF, Ordering::SeqCst);
        } else if rounds.is_calm() {
            // Who became dirty meanwhile calls `hurry` after it, and then sees this.
            self.pace.store(SLOW, Ordering::SeqCst);
        }
    }
}
