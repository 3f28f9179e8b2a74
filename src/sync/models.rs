//! loom models of [`Signal`]: whoever waits the way its callers do is woken for every change. A
//! lost wake-up is a deadlock, which loom finds.

#![allow(clippy::unwrap_used, reason = "a model that cannot go on panics")]

use super::Signal;
use super::atomic::{AtomicUsize, Ordering};
use super::model::check;
use crate::sys::eventfd::EventFd;
use loom::sync::Arc as LoomArc;
use loom::thread::{self, JoinHandle};
use std::sync::Arc;

/// A signal, and something to wait for: a count of changes. Relaxed, so that what a waiter sees of
/// it is what the signal makes visible, and nothing else.
struct Waited {
    signal: Signal,
    changes: AtomicUsize,
}

impl Waited {
    fn new() -> LoomArc<Waited> {
        LoomArc::new(Waited { signal: Signal::new(), changes: AtomicUsize::new(0) })
    }

    fn change(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
        self.signal.notify();
    }

    fn changed(&self, wanted: usize) -> bool {
        self.changes.load(Ordering::Relaxed) >= wanted
    }

    /// As `Waiter::wait` without connections.
    fn wait_on_futex(&self, wanted: usize) {
        loop {
            let sleeper = self.signal.enter();
            if self.changed(wanted) {
                return;
            }
            sleeper.sleep(None, crate::sys::cancel::Cancel::Waits).unwrap();
        }
    }

    /// As `Waiter::wait` with connections: `set` stands for the epoll set and the eventfd in it.
    fn wait_on_set(&self, set: &EventFd, wanted: usize) {
        let mut seat = None;
        loop {
            let mut sleeper = self.signal.enter();
            if seat.is_none() {
                seat = self.signal.lead();
            }
            if let Some(seat) = &seat {
                sleeper.move_to_set(seat);
            }
            if self.changed(wanted) {
                return;
            }
            if sleeper.is_told() {
                continue;
            }
            match &seat {
                Some(_) => {
                    set.wait_until_readable();
                    set.drain();
                }
                None => drop(sleeper.sleep(None, crate::sys::cancel::Cancel::Waits).unwrap()),
            }
        }
    }

    /// As `zmq_poll`.
    fn wait_in_poll(&self, waker: &Arc<EventFd>, wanted: usize) {
        waker.drain();
        self.signal.observe(waker);
        while !self.changed(wanted) {
            waker.wait_until_readable();
            waker.drain();
        }
        self.signal.unobserve(waker);
    }
}

fn spawn(waited: &LoomArc<Waited>, body: impl FnOnce(&Waited) + 'static) -> JoinHandle<()> {
    let waited = waited.clone();
    thread::spawn(move || body(&waited))
}

fn join(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

fn event_fd() -> Arc<EventFd> {
    Arc::new(EventFd::new().unwrap())
}

#[test]
fn a_sleeper_on_the_futex_sees_every_change() {
    check(3, || {
        let waited = Waited::new();
        let waiter = spawn(&waited, |w| {
            w.wait_on_futex(1);
            w.wait_on_futex(2);
        });
        waited.change();
        waited.change();
        join([waiter]);
        assert_eq!(waited.signal.sleepers(), 0);
    });
}

#[test]
fn every_sleeper_sees_the_change() {
    check(2, || {
        let waited = Waited::new();
        let waiters = [1, 2].map(|_| spawn(&waited, |w| w.wait_on_futex(1)));
        waited.change();
        join(waiters);
        assert_eq!(waited.signal.sleepers(), 0);
    });
}

#[test]
fn two_notifiers_wake_one_sleeper() {
    check(2, || {
        let waited = Waited::new();
        let notifiers = [1, 2].map(|_| spawn(&waited, Waited::change));
        waited.wait_on_futex(2);
        join(notifiers);
    });
}

#[test]
fn the_sleeper_on_the_set_is_kicked() {
    check(3, || {
        let waited = Waited::new();
        let kick = event_fd();
        waited.signal.set_kick(Some(kick.clone()));
        let waiter = spawn(&waited, move |w| w.wait_on_set(&kick, 2));
        waited.change();
        waited.change();
        join([waiter]);
    });
}

#[test]
fn the_sleeper_on_the_set_is_kicked_beside_one_on_the_futex() {
    check(2, || {
        let waited = Waited::new();
        let kick = event_fd();
        waited.signal.set_kick(Some(kick.clone()));
        let leader = spawn(&waited, move |w| w.wait_on_set(&kick, 1));
        let follower = spawn(&waited, |w| w.wait_on_futex(1));
        waited.change();
        join([leader, follower]);
    });
}

#[test]
fn whoever_leaves_the_set_makes_room_for_another() {
    check(3, || {
        let waited = Waited::new();
        let set = event_fd();
        waited.signal.set_kick(Some(set.clone()));
        // Its time is over, or its call fails, before or after it has the place on the set.
        let leaver = spawn(&waited, |w| {
            let sleeper = w.signal.enter();
            let seat = w.signal.lead();
            drop((sleeper, seat));
        });
        let of_waiter = set.clone();
        let waiter = spawn(&waited, move |w| w.wait_on_set(&of_waiter, 1));
        // What the kernel reports: nobody notifies.
        waited.changes.fetch_add(1, Ordering::Relaxed);
        set.signal();
        join([leaver, waiter]);
        assert_eq!(waited.signal.sleepers(), 0);
    });
}

#[test]
fn two_that_wait_on_the_set_both_see_what_one_of_them_takes() {
    check(2, || {
        let waited = Waited::new();
        let set = event_fd();
        waited.signal.set_kick(Some(set.clone()));
        let waiters = [1, 2].map(|_| {
            let set = set.clone();
            spawn(&waited, move |w| w.wait_on_set(&set, 1))
        });
        waited.changes.fetch_add(1, Ordering::Relaxed);
        set.signal();
        join(waiters);
    });
}

#[test]
fn poll_sees_every_change() {
    check(3, || {
        let waited = Waited::new();
        let poller = spawn(&waited, |w| {
            let waker = event_fd();
            w.wait_in_poll(&waker, 1);
            w.wait_in_poll(&waker, 2);
        });
        waited.change();
        waited.change();
        join([poller]);
        assert_eq!(waited.signal.sleepers(), 0);
    });
}

#[test]
fn poll_sees_the_change_while_another_thread_leaves_poll() {
    check(2, || {
        let waited = Waited::new();
        let poller = spawn(&waited, |w| w.wait_in_poll(&event_fd(), 1));
        let other = spawn(&waited, |w| {
            let waker = event_fd();
            w.signal.observe(&waker);
            w.signal.unobserve(&waker);
        });
        waited.change();
        join([poller, other]);
    });
}

#[test]
fn the_descriptor_tells_of_every_change() {
    check(3, || {
        let waited = Waited::new();
        let news = event_fd();
        waited.signal.set_descriptor(Some(news.clone()));
        // As whoever waits for ZMQ_FD must do: after each time, look at ZMQ_EVENTS.
        let application = spawn(&waited, move |w| {
            loop {
                news.wait_until_readable();
                w.signal.quiet_descriptor();
                if w.changed(2) {
                    return;
                }
            }
        });
        for _ in 0..2 {
            waited.changes.fetch_add(1, Ordering::Relaxed);
            waited.signal.notify_descriptor();
        }
        join([application]);
    });
}
