//! Calls of the application that go the straight way, where there is one, see [`super::ways`].

use super::{Place, Socket};
use crate::msg::{Msg, Sink};
use crate::sync::atomic::Ordering;
use crate::sync::biased::OwnersGuard;

impl Socket {
    /// The lock, if this thread is its owner, there are straight ways and no mail.
    #[inline(always)]
    fn enter_straight(&'static self) -> Option<OwnersGuard<'static, Place>> {
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
        let Some(place) = self.enter_straight() else { return false };
        let Some(mut end) = place.straight.send else { return false };
        // SAFETY: valid, see `StraightWays`, and ours under the lock.
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
            let Some(place) = self.enter_straight() else { return false };
            let Some(mut end) = place.straight.send else { return false };
            // SAFETY: valid, see `StraightWays`, and ours under the lock.
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
        let place = self.enter_straight()?;
        let mut end = place.straight.receive?;
        // SAFETY: valid, see `StraightWays`, and ours under the lock.
        unsafe { end.as_mut() }.read_straight(to)
    }
}
