//! How long a call that waits for several sockets and descriptors waits, and what ends it.

use crate::sync::Signal;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sys::poll::SignalMask;

/// Moves when what is to be waited for is something else; whoever waits for it meanwhile is told.
#[derive(Default)]
pub struct Changes {
    count: AtomicU64,
    signal: Signal,
}

impl Changes {
    /// Tells those who wait.
    pub(super) fn tell(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
        self.signal.notify();
    }

    /// Where those who wait are told.
    pub(super) fn signal(&self) -> &Signal {
        &self.signal
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}

/// How to wait.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// Milliseconds; negative: for ever.
    pub timeout: i64,
    /// The signals that are held while it waits, if not those that are held anyhow (zmq_ppoll(3)).
    pub mask: Option<&'a SignalMask>,
    /// The wait ends, with nothing found, once there were more than so many.
    pub changes: Option<(&'a Changes, u64)>,
}

impl Terms<'_> {
    /// As zmq_poll(3) does.
    pub const fn plain(timeout: i64) -> Terms<'static> {
        Terms { timeout, mask: None, changes: None }
    }

    /// Whether what is to be waited for has changed.
    pub(super) fn are_over(&self) -> bool {
        self.changes.is_some_and(|(changes, count)| changes.count() != count)
    }
}
