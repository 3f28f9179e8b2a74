//! The straight ways through a socket.
//!
//! A socket whose next message can only go to, or come from, one other socket of the process needs
//! next to nothing of what a call otherwise has to look at. Whoever leaves the lock the ordinary
//! way says in [`StraightWays`] whether that is so; whatever may change it takes the lock the ordinary
//! way, or leaves mail. The calls of the application look there first, and take the ordinary way
//! for all the rest.

use super::core::Core;
use crate::pattern::Pattern;
use crate::pipe::local::InprocEnd;
use crate::sync::asymmetric;
use crate::sync::atomic::Ordering;
use std::ptr::NonNull;

/// The ends of the pipes that the next message goes to and comes from, if nothing else has to be
/// looked at. They are valid until the lock is next taken the ordinary way.
#[derive(Clone, Copy, Default)]
pub(super) struct StraightWays {
    pub(super) send: Option<NonNull<InprocEnd>>,
    pub(super) receive: Option<NonNull<InprocEnd>>,
}

// SAFETY: the ends belong to the core beside it, under the same lock.
unsafe impl Send for StraightWays {}

impl StraightWays {
    /// Whether there is one.
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.send.is_some() || self.receive.is_some()
    }
}

impl Core {
    /// Where the straight ways lead now. The socket knows then whether there are any.
    #[inline(never)]
    pub(super) fn find_straight_ways(&mut self) -> StraightWays {
        let straight = if !self.socket_type.info().goes_straight {
            // Nor will there be any: no need to ask again.
            self.pipes.forget_inproc();
            StraightWays::default()
        } else if self.pipes.has_inproc() {
            self.straight_ways()
        } else {
            StraightWays::default()
        };
        self.face.has_straight_way.store(straight.any(), Ordering::Relaxed);
        straight
    }

    fn straight_ways(&mut self) -> StraightWays {
        // The next call wants the rest of a message.
        if self.receive_more {
            return StraightWays::default();
        }
        let send = self.pattern.sends_straight_to();
        let receive = self.pattern.receives_straight_from();
        if send.is_none() && receive.is_none()
            || self.closing
            || self.wakers.changed
            || self.pipes.connections() != 0
            || !asymmetric::is_free()
            || !self.pipes.events.is_empty()
            || self.context.is_stopped()
        {
            return StraightWays::default();
        }
        StraightWays {
            send: send.and_then(|id| self.pipes.straight_out(id)).map(NonNull::from),
            receive: receive.and_then(|id| self.pipes.straight_in(id)).map(NonNull::from),
        }
    }
}
