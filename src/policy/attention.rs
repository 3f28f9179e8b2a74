//! Who looks after what the kernel has for a socket: threads of the application, or the I/O thread.
//!
//! An application that receives all the time reads from the kernel itself, and nobody is woken for it.
//! One that goes away must not leave anything unread: PINGs want answers. So the I/O thread ticks for a
//! socket that an application attends, and takes over when there was no activity for a while. What must
//! hold: *a socket that is attended has its ticks* ([`Attention::needs_watch`]), *and the last tick has
//! handed it over.*

use super::TICKS_PER_US;
use std::time::{Duration, Instant};

/// An application that looked at a socket this recently will look again soon; ticks.
const RECENT: u64 = 1000 * TICKS_PER_US;
/// What was in the kernel this recently has been received; ticks.
const LATELY: u64 = 200 * TICKS_PER_US;
/// An application that left its connections alone for this long is away.
const AWAY: Duration = Duration::from_millis(1);
/// The same for one that only seemed to be away, again and again: it had to wait for a processor. A
/// peer's first PING may wait for so long, and peers with ZMQ_HEARTBEAT_IVL 20 exist.
const PATIENCE: Duration = Duration::from_millis(8);
/// An application that is back this soon was not away.
const BRIEFLY: Duration = Duration::from_millis(64);
/// Messages received from connections known to be readable before the others are looked at.
const LOOK_AROUND: u32 = 64;
/// As many messages received in short order show that the application is back.
const BACK: u32 = 8;
/// The same as [`LOOK_AROUND`] in reads for long messages, which take longer.
const LONG_READS_BETWEEN: u32 = 8;

/// Who looks after a socket, and what was seen of the application.
#[derive(Debug)]
pub(crate) struct Attention {
    /// A thread of the application does; the I/O thread does not.
    attended: bool,
    /// The I/O thread ticks for the socket.
    watched: bool,
    /// Moves whenever the application looked after it.
    activity: u32,
    seen_activity: u32,
    seen_at: Option<Instant>,
    /// How long without activity means that the application is away.
    patience: Duration,
    /// When the I/O thread took over from an application that seemed to be away.
    left_at: Option<Instant>,
    /// When the application last looked at the kernel, in ticks.
    last_look: u64,
    /// Messages received since.
    unlooked: u32,
    /// Reads for long messages when all connections were looked at last.
    unlooked_from: u32,
}

/// What a tick finds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Reads of the application from its connections.
    pub(crate) reads: u32,
    /// Threads of the application sleep until something comes.
    pub(crate) sleepers: bool,
    /// A peer waits for answers to its PINGs.
    pub(crate) pinged: bool,
}

/// What the I/O thread does after a tick.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// No more ticks: somebody looks after the socket who needs none.
    Rest,
    /// Another tick later.
    Tick,
    /// It looks after the socket from now on: the application seems to be away.
    TakeOver(Instant),
}

impl Attention {
    pub(crate) fn new() -> Attention {
        Attention {
            attended: false,
            watched: false,
            activity: 0,
            seen_activity: 0,
            seen_at: None,
            patience: AWAY,
            left_at: None,
            last_look: 0,
            unlooked: 0,
            unlooked_from: 0,
        }
    }

    /// Whether the application looks after the socket.
    #[inline]
    pub(crate) fn is_attended(&self) -> bool {
        self.attended
    }

    /// Whether the I/O thread ticks for the socket.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.watched
    }

    /// Whether somebody has to take over should the application go away, and nobody would notice.
    #[inline]
    pub(crate) fn needs_watch(&self, is_dirty: bool) -> bool {
        !self.watched && (self.attended || is_dirty)
    }

    /// The I/O thread begins to tick for the socket.
    pub(crate) fn begin_watch(&mut self) {
        self.seen_at = None;
    }

    /// Whether it ticks from now on. True if that is new.
    pub(crate) fn set_watched(&mut self, watched: bool) -> bool {
        std::mem::replace(&mut self.watched, watched) != watched
    }

    /// The application looks at the kernel. True if it does so often.
    pub(crate) fn look(&mut self, now: u64) -> bool {
        let recently = now.wrapping_sub(self.last_look) < RECENT;
        self.last_look = now;
        self.unlooked = 0;
        recently
    }

    /// When it did last.
    #[inline]
    pub(crate) fn last_look(&self) -> u64 {
        self.last_look
    }

    /// It finds nothing. Whether it has received anything since it looked; a second time it has not.
    pub(crate) fn found_nothing(&mut self) -> bool {
        std::mem::take(&mut self.unlooked) > 0
    }

    /// Whether a look at that time would find nothing new now.
    pub(crate) fn was_lately(looked: u64, now: u64) -> bool {
        now.wrapping_sub(looked) < LATELY
    }

    /// The application received a message; it has read so often for long ones. True if that is a reason
    /// to call [`Attention::looks_around`].
    #[inline]
    pub(crate) fn received(&mut self, long_reads: u32) -> bool {
        self.unlooked += 1;
        self.unlooked.is_multiple_of(BACK) || long_reads != self.unlooked_from
    }

    /// It receives what the I/O thread has read for it. Whether at such a pace that it is back.
    pub(crate) fn is_back(&mut self, now: u64) -> bool {
        let quick = now.wrapping_sub(self.last_look) < RECENT * u64::from(BACK);
        self.last_look = now;
        quick
    }

    /// Whether it is time to look at connections that are not known to be readable: a busy peer must
    /// not hide the others.
    pub(crate) fn looks_around(&mut self, long_reads: u32) -> bool {
        let long = long_reads.wrapping_sub(self.unlooked_from) >= LONG_READS_BETWEEN;
        if self.unlooked < LOOK_AROUND && !long {
            return false;
        }
        self.unlooked = 0;
        self.unlooked_from = long_reads;
        true
    }

    /// The application was here, which counts as a look after the socket.
    #[inline]
    pub(crate) fn note_activity(&mut self) {
        self.activity = self.activity.wrapping_add(1);
    }

    /// The application looks after the socket from now on, and did not before.
    pub(crate) fn attended(&mut self, now: impl FnOnce() -> Instant) {
        debug_assert!(!self.attended);
        self.attended = true;
        if let Some(at) = self.left_at.take() {
            let briefly = now().saturating_duration_since(at) < BRIEFLY;
            self.patience = if briefly { (self.patience * 4).min(PATIENCE) } else { AWAY };
        }
    }

    /// The I/O thread looks after it from now on.
    pub(crate) fn unattended(&mut self) {
        self.attended = false;
    }

    /// The same, because the application seems to be away.
    pub(crate) fn took_over(&mut self, now: Instant) {
        self.left_at = Some(now);
    }

    /// How long without activity means that the application is away. With a peer that sends PINGs
    /// there is no time to find out whether it only waits for a processor.
    fn patience(&self, pinged: bool) -> Duration {
        if pinged { AWAY } else { self.patience }
    }

    /// A tick of the I/O thread.
    pub(crate) fn tick(&mut self, seen: Seen, now: impl FnOnce() -> Instant) -> Next {
        if !self.attended {
            return Next::Rest;
        }
        let activity = self.activity.wrapping_add(seen.reads);
        if seen.sleepers {
            // A thread of the application waits for the kernel: nothing to do for us, but it will be
            // back soon if it was a moment ago.
            let moved = activity != std::mem::replace(&mut self.seen_activity, activity);
            self.seen_at = None;
            return if moved { Next::Tick } else { Next::Rest };
        }
        let now = now();
        match self.seen_at {
            Some(at) if activity == self.seen_activity => {
                let patient = now.saturating_duration_since(at) < self.patience(seen.pinged);
                if patient { Next::Tick } else { Next::TakeOver(now) }
            }
            _ => {
                self.seen_activity = activity;
                self.seen_at = Some(now);
                Next::Tick
            }
        }
    }
}

#[cfg(test)]
mod tests;
