//! The straight way through a socket.
//!
//! A socket whose next message can only go to, or come from, one other socket of the process needs
//! next to nothing of what a call otherwise has to look at. Whoever leaves the lock the ordinary
//! way says in [`Lanes`] whether that is so; whatever may change it takes the lock the ordinary
//! way, or leaves mail. The calls of the application look there first, and take the ordinary way
//! for all the rest.

use super::core::Core;
use super::{Place, Socket};
use crate::msg::{Msg, Sink};
use crate::pattern::Pattern;
use crate::pipe::local::InprocEnd;
use crate::sync::asymmetric;
use crate::sync::atomic::Ordering;
use crate::sync::biased::OwnersGuard;
use std::ptr::NonNull;

/// The ends of the pipes that the next message goes to and comes from, if nothing else has to be
/// looked at. They are valid until the lock is next taken the ordinary way.
#[derive(Clone, Copy, Default)]
pub(super) struct Lanes {
    send: Option<NonNull<InprocEnd>>,
    receive: Option<NonNull<InprocEnd>>,
}

// SAFETY: the ends belong to the core beside it, under the same lock.
unsafe impl Send for Lanes {}

impl Lanes {
    /// Whether there is one.
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.send.is_some() || self.receive.is_some()
    }
}

impl Core {
    /// Where the straight ways lead now. The socket knows then whether there are any.
    #[inline(never)]
    pub(super) fn set_lanes(&mut self) -> Lanes {
        let lanes = if !self.socket_type.info().goes_straight {
            // Nor will there be any: no need to ask again.
            self.pipes.forget_inproc();
            Lanes::default()
        } else if self.pipes.has_inproc() {
            self.lanes()
        } else {
            Lanes::default()
        };
        self.socket.has_lanes.store(lanes.any(), Ordering::Relaxed);
        lanes
    }

    fn lanes(&mut self) -> Lanes {
        let send = self.pattern.sends_straight_to();
        let receive = self.pattern.receives_straight_from();
        if send.is_none() && receive.is_none()
            || self.closing
            || self.changed
            || self.receive_more
            || self.pipes.connections() != 0
            || !asymmetric::is_free()
            || !self.pipes.events.is_empty()
            || self.context.is_stopped()
        {
            return Lanes::default();
        }
        Lanes {
            send: send.and_then(|id| self.pipes.straight_out(id)).map(NonNull::from),
            receive: receive.and_then(|id| self.pipes.straight_in(id)).map(NonNull::from),
        }
    }
}

impl Socket {
    /// Whether there seems to be a straight way.
    #[inline(always)]
    pub fn has_lanes(&self) -> bool {
        self.has_lanes.load(Ordering::Relaxed)
    }

    /// The lock, if this thread is its owner, there are lanes and no mail.
    #[inline(always)]
    fn enter_lane(&'static self) -> Option<OwnersGuard<'static, Place>> {
        // Who stops the context leaves mail, too. In a forked child the lock may be held by a thread
        // that only the parent has.
        if self.has_mail.load(Ordering::Relaxed) || self.is_inherited() {
            return None;
        }
        let place = self.core.lock_as_owner()?;
        self.touch();
        Some(place)
    }

    /// Sends a message of one part; false: nothing has happened.
    #[inline(always)]
    pub fn send_straight(&'static self, bytes: &[u8]) -> bool {
        let Some(place) = self.enter_lane() else { return false };
        let Some(mut end) = place.lanes.send else { return false };
        // SAFETY: valid, see `Lanes`, and ours under the lock.
        unsafe { end.as_mut() }.write_straight(bytes)
    }

    /// Sends a message of one part and leaves it empty; false: nothing has happened.
    #[inline(always)]
    pub fn send_msg_straight(&'static self, msg: &mut Msg) -> bool {
        if msg.is_borrowed() || msg.flags() != 0 {
            return false;
        }
        let copies = msg.is_better_copied();
        {
            let Some(place) = self.enter_lane() else { return false };
            let Some(mut end) = place.lanes.send else { return false };
            // SAFETY: valid, see `Lanes`, and ours under the lock.
            let end = unsafe { end.as_mut() };
            if !copies {
                msg.hand_over(self.reclaimer());
                let sent = end.write_msg_straight(msg);
                // It is empty now, or still the application's.
                msg.hand_back();
                return sent;
            }
            if !end.write_straight(msg.data()) {
                return false;
            }
        }
        // Not under the lock.
        drop(msg.take());
        true
    }

    /// Receives a message of one part, if one stands ready; `None`: nothing has happened.
    #[inline(always)]
    pub fn receive_straight<S: Sink + ?Sized>(&'static self, to: &mut S) -> Option<usize> {
        let place = self.enter_lane()?;
        let mut end = place.lanes.receive?;
        // SAFETY: valid, see `Lanes`, and ours under the lock.
        unsafe { end.as_mut() }.read_straight(to)
    }
}
