//! eventfd(2) without a kernel, and how poll(2) and epoll(7) wait for one.

use crate::error::Result;
use loom::sync::{Condvar, Mutex, MutexGuard};
use std::os::fd::{AsRawFd, RawFd};

#[derive(Debug, Default)]
struct State {
    readable: bool,
    /// Written since the last [`EventFd::wait_for_edge`].
    edge: bool,
}

/// An event counter.
#[derive(Debug, Default)]
pub struct EventFd {
    state: Mutex<State>,
    written: Condvar,
}

impl EventFd {
    /// A new counter at zero.
    ///
    /// # Errors
    /// None, in a model.
    pub fn new() -> Result<EventFd> {
        Ok(EventFd::default())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Makes the descriptor readable; an edge for whoever watches edges.
    pub fn signal(&self) {
        *self.lock() = State { readable: true, edge: true };
        self.written.notify_all();
    }

    /// Makes the descriptor quiet again.
    pub fn drain(&self) -> bool {
        self.lock().readable = false;
        true
    }

    /// What poll(2) does: sleeps until the descriptor is readable.
    pub fn wait_until_readable(&self) {
        let mut state = self.lock();
        while !state.readable {
            state = self.written.wait(state).unwrap();
        }
    }

    /// What epoll_wait(2) does with `EPOLLET`: sleeps until the descriptor was written since the
    /// last time.
    pub fn wait_for_edge(&self) {
        let mut state = self.lock();
        while !std::mem::take(&mut state.edge) {
            state = self.written.wait(state).unwrap();
        }
    }
}

impl AsRawFd for EventFd {
    /// No descriptor: models do not get as far as the kernel.
    fn as_raw_fd(&self) -> RawFd {
        -1
    }
}
