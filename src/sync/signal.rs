//! How a thread that waits for a socket is told that something happened.
//!
//! A [`Signal`] is an event count: the waiter takes a ticket, looks once more whether there is
//! something to do, and then sleeps unless the count has moved since. Whoever changes something
//! calls [`Signal::notify`], which is one load when nobody waits. Three kinds of sleepers exist:
//! threads on the futex, one thread on the socket's epoll set (woken through the set's eventfd),
//! and threads in `zmq_poll`, which wait for many sockets at once and register an eventfd of
//! their own. A program that waits for `ZMQ_FD` is served by [`Signal::notify_descriptor`].
//!
//! Whoever has the place on the set is a [`Leader`] until its whole call is over, also while it is
//! awake, and those behind it rely on it. However the call ends, an error, a panic and the
//! cancellation of the thread included, the place becomes free and the others are told.

use crate::error::Result;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use crate::sys::cancel::Cancel;
use crate::sys::eventfd::EventFd;
use crate::sys::futex::{self, Woken};
use std::sync::Arc;
use std::time::Duration;

/// An event count with its sleepers.
pub struct Signal {
    epoch: AtomicU32,
    sleepers: AtomicU32,
    /// A thread has the place on the epoll set.
    led: AtomicBool,
    /// It sleeps there, and `kick` must be written for it.
    kicks: AtomicU32,
    others: Mutex<Others>,
    observers: AtomicBool,
    /// The application waits for a descriptor (ZMQ_FD), and has not been told of news since it
    /// last looked.
    descriptor_quiet: AtomicBool,
}

#[derive(Default)]
struct Others {
    kick: Option<Arc<EventFd>>,
    descriptor: Option<Arc<EventFd>>,
    observers: Vec<Arc<EventFd>>,
}

/// A thread that sleeps, or is about to, as long as this lives.
pub struct Sleeper<'a> {
    signal: &'a Signal,
    /// The state of the count when it announced itself.
    ticket: u32,
    on_set: bool,
}

/// The thread whose place is on the epoll set. When it gives the place up, all others are told, so
/// that one of them takes it.
pub struct Leader<'a> {
    signal: &'a Signal,
}

impl Drop for Leader<'_> {
    fn drop(&mut self) {
        // Not a store: whoever asks for the place next must find this, not the last asker's word.
        self.signal.led.swap(false, Ordering::SeqCst);
        self.signal.notify();
    }
}

impl Sleeper<'_> {
    /// This one, who is the leader, will sleep on the set: notifications write to its eventfd.
    pub fn move_to_set(&mut self, _seat: &Leader<'_>) {
        self.on_set = true;
        self.signal.kicks.fetch_add(1, Ordering::SeqCst);
        // Whoever notifies moves the count first and then looks where we sleep, see `wake`.
        fence(Ordering::SeqCst);
    }

    /// Whether a notification came since it announced itself, which may have found it not yet where
    /// it is going to sleep.
    pub fn is_told(&self) -> bool {
        self.signal.epoch.load(Ordering::SeqCst) != self.ticket
    }

    /// Sleeps on the futex until notified.
    ///
    /// # Errors
    /// [`Error::Interrupted`](crate::error::Error::Interrupted) after a signal, and
    /// [`Error::Cancelled`](crate::error::Error::Cancelled).
    pub fn sleep(&self, timeout: Option<Duration>, cancel: Cancel) -> Result<Woken> {
        futex::wait(&self.signal.epoch, self.ticket, timeout, cancel)
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.signal.leave();
        if self.on_set {
            self.signal.kicks.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Signal {
    /// A signal nobody waits for.
    pub fn new() -> Signal {
        Signal {
            epoch: AtomicU32::new(0),
            sleepers: AtomicU32::new(0),
            led: AtomicBool::new(false),
            kicks: AtomicU32::new(0),
            others: Mutex::new(Others { kick: None, descriptor: None, observers: Vec::new() }),
            observers: AtomicBool::new(false),
            descriptor_quiet: AtomicBool::new(false),
        }
    }

    /// The application waits for a descriptor that `news` is a part of; `None`: no longer.
    pub fn set_descriptor(&self, news: Option<Arc<EventFd>>) {
        let mut others = self.others.lock();
        self.descriptor_quiet.store(news.is_some(), Ordering::SeqCst);
        others.descriptor = news;
    }

    /// The descriptor is quiet until the next news. The application must look for everything the
    /// descriptor tells of afterwards, not before.
    pub fn quiet_descriptor(&self) {
        let others = self.others.lock();
        if let Some(news) = &others.descriptor {
            // Whoever tells of news does so under the lock: without any there is nothing to drain.
            if !self.descriptor_quiet.swap(true, Ordering::SeqCst) {
                news.drain();
            }
            // The look that follows must not be done before, see `enter`.
            fence(Ordering::SeqCst);
        }
    }

    /// Like [`Signal::notify`], for changes that no call of the application made: the descriptor
    /// given out as ZMQ_FD becomes readable, too.
    #[inline]
    pub fn notify_descriptor(&self) {
        self.notify();
        if !self.descriptor_quiet.load(Ordering::SeqCst) {
            return;
        }
        let others = self.others.lock();
        if let Some(news) = &others.descriptor
            && self.descriptor_quiet.swap(false, Ordering::SeqCst)
        {
            news.signal();
        }
    }

    /// Announces a sleeper. The caller must look for work once more before it sleeps.
    #[must_use]
    pub fn enter(&self) -> Sleeper<'_> {
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let ticket = self.epoch.load(Ordering::SeqCst);
        // The look for work that follows must not be done before the announcement is visible.
        fence(Ordering::SeqCst);
        Sleeper { signal: self, ticket, on_set: false }
    }

    fn leave(&self) {
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    /// The place on the epoll set, if it is free. Whoever does not get it sleeps on the futex, and
    /// must have announced that before it asks: then it is told when the place becomes free.
    pub fn lead(&self) -> Option<Leader<'_>> {
        if self.led.swap(true, Ordering::SeqCst) { None } else { Some(Leader { signal: self }) }
    }

    /// How many threads sleep, or are about to.
    #[inline]
    pub fn sleepers(&self) -> u32 {
        self.sleepers.load(Ordering::SeqCst)
    }

    /// Tells every sleeper that something changed. Cheap if there is none.
    #[inline]
    pub fn notify(&self) {
        // What changed must be visible before we look for sleepers, see `enter`.
        fence(Ordering::SeqCst);
        if self.sleepers.load(Ordering::Relaxed) != 0 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        // Before we look who sleeps where, see `move_to_set`.
        fence(Ordering::SeqCst);
        futex::wake_all(&self.epoch);
        if self.kicks.load(Ordering::SeqCst) != 0 || self.observers.load(Ordering::SeqCst) {
            let others = self.others.lock();
            if self.kicks.load(Ordering::SeqCst) != 0
                && let Some(kick) = &others.kick
            {
                kick.signal();
            }
            others.observers.iter().for_each(|o| o.signal());
        }
    }

    /// Registers the eventfd that stands in the socket's epoll set.
    pub fn set_kick(&self, kick: Option<Arc<EventFd>>) {
        self.others.lock().kick = kick;
    }

    /// Registers an eventfd that is written at each notification. Counts as a sleeper.
    pub fn observe(&self, observer: &Arc<EventFd>) {
        let mut others = self.others.lock();
        others.observers.push(observer.clone());
        self.observers.store(true, Ordering::SeqCst);
        drop(others);
        // Until `unobserve`.
        std::mem::forget(self.enter());
    }

    /// Takes the eventfd out again.
    pub fn unobserve(&self, observer: &Arc<EventFd>) {
        let mut others = self.others.lock();
        if let Some(at) = others.observers.iter().position(|o| Arc::ptr_eq(o, observer)) {
            others.observers.swap_remove(at);
        }
        self.observers.store(!others.observers.is_empty(), Ordering::SeqCst);
        drop(others);
        self.leave();
    }
}

impl Default for Signal {
    fn default() -> Self {
        Signal::new()
    }
}
