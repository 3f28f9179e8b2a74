//! When what was sent goes to the kernel: a socket as [`crate::policy::batching`] knows it.

use super::core::Core;
use super::row;
use crate::policy::batching::{self, Batching, Facts, Outbox};
use crate::sync::atomic::Ordering;
use crate::sys::clock::{TICKS_PER_US, ticks};

/// How often what happens while everything is flushed is flushed, too.
const SETTLE_ROUNDS: u32 = 4;

impl Core {
    pub(super) fn flush_on_look(&mut self) {
        row::ends();
        self.flush_held();
        self.batching.looked();
    }

    /// Flushes everything.
    pub(super) fn flush_held(&mut self) {
        batching::flush_all(self);
    }

    /// Flushes everything and acts on what happened, and so on, but not for ever: what is left then
    /// is looked after as all that is held back.
    pub(super) fn settle(&mut self) {
        self.pump();
        for _ in 0..SETTLE_ROUNDS {
            if !self.pipes.is_dirty() {
                break;
            }
            self.flush_held();
            self.pump();
        }
    }

    /// See [`batching::leave`].
    #[inline(always)]
    pub(super) fn leave(&mut self) {
        batching::leave(self);
        debug_assert!(
            !self.pipes.has_unread() || self.face.has_mail() || std::thread::panicking(),
            "something is left unread and nobody is bound to look"
        );
    }

    /// After a send: to the kernel at once if the socket was quiet, collected if it is busy.
    #[inline]
    pub(super) fn after_send(&mut self) {
        if !self.pipes.is_dirty() {
            return;
        }
        if let Some(ended) = batching::sent(self) {
            row::handed_over(ended);
        }
        self.pump();
    }

    /// See [`batching::flush_if_left`].
    pub(super) fn flush_if_left(&mut self) -> bool {
        batching::flush_if_left(self)
    }
}

impl Outbox for Core {
    #[inline]
    fn facts(&self) -> Facts {
        let now = ticks();
        Facts {
            now,
            dirty: self.pipes.dirty_count(),
            has_input: self.pipes.has_input(),
            last_look: self.attention.last_look(),
        }
    }

    fn in_turn(&self, now: u64) -> Option<u64> {
        let io = self.io.as_ref().filter(|_| row::sends(now))?;
        Some(io.lag() * TICKS_PER_US)
    }

    fn now(&self) -> u64 {
        ticks()
    }

    #[inline]
    fn dirty_count(&self) -> usize {
        self.pipes.dirty_count()
    }

    #[inline]
    fn is_dirty(&self) -> bool {
        self.pipes.is_dirty()
    }

    fn has_flushable(&mut self) -> bool {
        self.pipes.has_flushable()
    }

    #[inline]
    fn is_urgent(&self) -> bool {
        self.pipes.is_urgent()
    }

    #[inline]
    fn flush(&mut self, all: bool) {
        self.pipes.flush(all);
    }

    #[inline]
    fn is_watched(&self) -> bool {
        self.attention.is_watched()
    }

    fn watch(&mut self, soon: bool) {
        self.ensure_watched();
        self.face.holds_back.store(true, Ordering::Relaxed);
        if soon && let Some(io) = &self.io {
            io.hurry();
        }
    }

    #[inline]
    fn batching(&mut self) -> &mut Batching {
        &mut self.batching
    }
}
