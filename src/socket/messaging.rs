//! Sending and receiving.

use super::core::Core;
use super::waiting::Deadline;
use super::{Guard, Socket};
use crate::error::{Error, Result};
use crate::msg::{Msg, Over, Reclaimer, Sink, Slot};
use crate::pattern::Pattern;
use crate::stats::layout::socket;
use std::mem::MaybeUninit;

/// Messages of this length are better sent later than copied now.
const WORTH_WAITING: usize = 32 * 1024;

impl Core {
    fn receive_now(&mut self, with_metadata: bool) -> Result<Msg> {
        loop {
            self.pipes.with_metadata = with_metadata;
            let result = self.pattern.recv(&mut self.pipes);
            self.pipes.with_metadata = true;
            if let Ok(msg) = &result {
                self.pipes.refund(msg.len());
            }
            // What was found out meanwhile (the end of a connection, say) may be what the caller
            // waits for.
            if !self.pump() || !matches!(result, Err(Error::Again)) {
                return result;
            }
        }
    }

    pub(super) fn send_now(&mut self, msg: &mut Msg) -> Result<()> {
        debug_assert!(msg.is_safe_to_drop(), "what is dropped here would call the application");
        loop {
            let result = self.pattern.send(&mut self.pipes, msg);
            if !self.pump() || result != Err(Error::Again) {
                return result;
            }
        }
    }

    /// Receives without waiting, looking at the kernel if there is nothing here.
    pub(super) fn receive(&mut self, will_wait: bool, with_metadata: bool) -> Result<Msg> {
        self.process_mail();
        self.pipes.waits_to_receive = will_wait;
        let long_reads = self.pipes.long_reads();
        match self.receive_now(with_metadata) {
            Err(Error::Again) => {}
            other => {
                // Whoever reads all the time never finds nothing, and is there all the same.
                self.has_received();
                self.look_around();
                return other;
            }
        }
        if !will_wait && self.wakers.descriptor.is_some() {
            self.hush();
            return self.receive_now(with_metadata);
        }
        if !will_wait && self.has_just_looked() {
            return Err(Error::Again);
        }
        // A piece of a long body came, and the rest is still to come: the kernel has no more now.
        if will_wait && self.pipes.connections() == 1 && self.pipes.long_reads() != long_reads {
            self.flush_on_look();
            self.attend();
            self.pump();
            return Err(Error::Again);
        }
        self.look(will_wait);
        let result = self.receive_now(with_metadata);
        // Threads that sleep on the set may not see that something came, when we have read it all
        // before they woke up; there may be more than the one message.
        self.wakers.changed |= result.is_ok() && self.face.signal.sleepers() > 0;
        result
    }

    pub(super) fn send(&mut self, msg: &mut Msg, will_wait: bool) -> Result<()> {
        self.process_mail();
        self.pipes.sends_at_once = !will_wait && !self.pattern.drops();
        let result = self.send_now(msg);
        if result != Err(Error::Again) {
            return result;
        }
        self.look_for_room(will_wait);
        let result = self.send_now(msg);
        if result != Err(Error::Again) {
            // Who looked may go away now.
            self.ensure_watched();
        } else if !will_wait {
            // Who tries again and again for room does not read.
            self.read_ahead();
        }
        result
    }

    /// For a receive that will not wait and found nothing: the program will wait for ZMQ_FD, although
    /// it may never read ZMQ_EVENTS. Makes the descriptor quiet and then takes all news there are, so
    /// that the caller's next look finds what came before, and the descriptor tells of what comes after.
    /// (Not for a send: room for one that does not wait may come with time alone, of which nothing tells;
    /// the descriptor stays readable, as libzmq's does.)
    #[cold]
    fn hush(&mut self) {
        self.quiet_descriptor();
        self.process_mail();
        self.flush_on_look();
        self.poll_set();
        self.pump();
    }

    /// Sends a message of one part, if it can go straight from `bytes`; see
    /// [`Pattern::send_bytes`].
    #[inline(always)]
    fn send_bytes(&mut self, bytes: &[u8], keep: bool, will_wait: bool) -> bool {
        self.process_mail();
        self.pipes.sends_at_once = !will_wait && !self.pattern.drops();
        let sent = self.pattern.send_bytes(&mut self.pipes, bytes, keep);
        if sent {
            self.after_send();
        }
        sent
    }

    /// Receives a part of a message, if it can go straight to `to`; see
    /// [`Pattern::recv_into`].
    #[inline(always)]
    fn receive_into<S: Sink + ?Sized>(&mut self, to: &mut S, dont_wait: bool) -> Option<usize> {
        self.process_mail();
        self.pipes.waits_to_receive = !dont_wait && self.options.rcvtimeo != 0;
        let part = self.pattern.recv_into(&mut self.pipes, to)?;
        self.receive_more = part.more;
        if !part.more {
            self.look_around();
        }
        self.ensure_watched();
        Some(part.len)
    }

    /// Does something for a caller that will wait for what it has lent.
    pub(super) fn lending(&mut self, call: impl FnOnce(&mut Core)) {
        /// Also after a panic: the next caller may not wait.
        struct Over<'a>(&'a mut Core);
        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.pipes.lent = false;
            }
        }
        self.pipes.lent = !self.pattern.drops();
        call(Over(self).0);
    }

    /// Hands over what waits, for a caller that waits for what it has lent.
    pub(super) fn flush_lent(&mut self) {
        self.lending(Core::flush_held);
        self.pump();
    }

    /// Looks at the kernel on behalf of a caller that found no room.
    pub(super) fn look_for_room(&mut self, will_wait: bool) {
        self.look(will_wait);
        self.poll_set();
        self.flush_held();
        self.pipes.sends_at_once &= !will_wait;
        self.pipes.settle(will_wait);
        self.pump();
    }
}

impl Socket {
    /// Sends one part of a message (zmq_msg_send(3)). On success `msg` is empty afterwards, on an
    /// error it is unchanged.
    ///
    /// # Errors
    /// As zmq_msg_send(3).
    #[inline]
    pub fn send(&'static self, msg: &mut Msg, more: bool, dont_wait: bool) -> Result<()> {
        let core = self.enter()?;
        if msg.is_ours() {
            self.send_entered(core, msg, more, dont_wait)
        } else {
            self.send_lent(core, msg, more, dont_wait)
        }
    }

    /// Of a message over memory of the application: that does not come back in this call.
    #[cold]
    fn send_lent(
        &'static self,
        core: Guard,
        msg: &mut Msg,
        more: bool,
        dont_wait: bool,
    ) -> Result<()> {
        /// What could not be sent stays the application's, also after a panic.
        struct Custody<'a>(&'a mut Msg);
        impl Drop for Custody<'_> {
            fn drop(&mut self) {
                self.0.hand_back();
            }
        }
        let reclaimer = self.reclaimer();
        msg.hand_over(reclaimer);
        let held = Custody(msg);
        self.send_entered(core, held.0, more, dont_wait)?;
        reclaimer.into_iter().for_each(Reclaimer::keep_pace);
        Ok(())
    }

    #[inline]
    fn send_entered(
        &'static self,
        mut core: Guard,
        msg: &mut Msg,
        more: bool,
        dont_wait: bool,
    ) -> Result<()> {
        let timeout = if dont_wait { 0 } else { core.options.sndtimeo };
        if !more && core.send_bytes(msg.data(), !msg.is_better_copied(), timeout != 0) {
            drop(core);
            drop(msg.take());
            return Ok(());
        }
        let lends = msg.is_borrowed() && msg.len() >= WORTH_WAITING && timeout != 0;
        if lends {
            core = self.let_kernel_catch_up(core)?;
        }
        msg.set_more(more);
        match core.send(msg, timeout != 0) {
            Ok(()) if lends && !more => {
                self.after_lending(core);
                Ok(())
            }
            Ok(()) => {
                // Nothing of a message leaves before its last part; raw sockets know no parts.
                if !more || core.pattern.is_raw() {
                    core.after_send();
                }
                Ok(())
            }
            Err(Error::Again) => {
                let result = self.send_waiting(core, msg, Deadline::new(timeout));
                if result.is_err() {
                    msg.set_more(false);
                }
                result
            }
            Err(error) => {
                msg.set_more(false);
                Err(error)
            }
        }
    }

    /// Sends a part of a message (zmq_send(3)). `bytes` are not used after the call.
    ///
    /// # Errors
    /// As zmq_send(3).
    #[inline]
    pub fn send_bytes(&'static self, bytes: &[u8], more: bool, dont_wait: bool) -> Result<()> {
        if !more && !bytes.is_empty() {
            let mut core = self.enter()?;
            let waits = !dont_wait && core.options.sndtimeo != 0;
            if core.send_bytes(bytes, false, waits) {
                return Ok(());
            }
        }
        // SAFETY: valid during the call, and pipes keep nothing of it.
        let mut msg = unsafe { Msg::borrowed(bytes) };
        self.send(&mut msg, more, dont_wait)
    }

    /// Receives one part of a message into a buffer (zmq_recv(3)). Returns the size of the part,
    /// of which what fits was written.
    ///
    /// # Errors
    /// As zmq_recv(3).
    #[inline(always)]
    pub fn receive_into(
        &'static self,
        to: &mut [MaybeUninit<u8>],
        dont_wait: bool,
    ) -> Result<usize> {
        if let Some(len) = self.enter()?.receive_into(to, dont_wait) {
            return Ok(len);
        }
        // Without the lock, which it takes.
        self.receive_and_copy(to, dont_wait)
    }

    /// Of what cannot go straight to the buffer, or has not come yet.
    #[inline(always)]
    fn receive_and_copy(
        &'static self,
        to: &mut [MaybeUninit<u8>],
        dont_wait: bool,
    ) -> Result<usize> {
        let mut msg = self.receive_part(dont_wait, false)?;
        msg.hand_back();
        let fits = msg.len().min(to.len());
        // SAFETY: both are valid for `fits` bytes and not the same memory.
        unsafe { std::ptr::copy_nonoverlapping(msg.data().as_ptr(), to.as_mut_ptr().cast(), fits) };
        Ok(msg.len())
    }

    /// Receives one part of a message.
    ///
    /// # Errors
    /// As zmq_msg_recv(3).
    #[inline]
    pub fn receive(&'static self, dont_wait: bool) -> Result<Msg> {
        let mut msg = Msg::new();
        self.receive_msg(&mut msg, dont_wait)?;
        Ok(msg)
    }

    /// Receives one part of a message in the place of another (zmq_msg_recv(3)). On an error `msg`
    /// is unchanged.
    ///
    /// # Errors
    /// As zmq_msg_recv(3).
    #[inline]
    pub fn receive_msg(&'static self, msg: &mut Msg, dont_wait: bool) -> Result<()> {
        if self.has_straight_way()
            && let Some(mut over) = Over::new(msg)
            && self.receive_straight(&mut over).is_some()
        {
            over.finish();
            msg.hand_back();
            return Ok(());
        }
        self.receive_msg_anyhow(msg, dont_wait)
    }

    #[inline(never)]
    fn receive_msg_anyhow(&'static self, msg: &mut Msg, dont_wait: bool) -> Result<()> {
        // Not under the lock: what frees the body may be the application's.
        let foreign = if msg.is_ours() { None } else { Some(msg.take()) };
        let result = self.receive_slot(msg, dont_wait);
        msg.hand_back();
        if result.is_err()
            && let Some(foreign) = foreign
        {
            *msg = foreign;
        }
        result
    }

    #[inline(always)]
    fn receive_slot(&'static self, msg: &mut Msg, dont_wait: bool) -> Result<()> {
        let mut slot = Slot::new(msg);
        let result = match self.enter() {
            Ok(mut core) => match core.receive_into(&mut slot, dont_wait) {
                Some(_) => return Ok(()),
                None => {
                    drop(core);
                    self.receive_part(dont_wait, true)
                }
            },
            Err(error) => Err(error),
        };
        match result {
            Ok(msg) => {
                slot.take_message(msg);
                Ok(())
            }
            Err(error) => {
                slot.restore();
                Err(error)
            }
        }
    }

    /// `with_metadata`: with the properties of the connection the message came from.
    #[inline]
    fn receive_part(&'static self, dont_wait: bool, with_metadata: bool) -> Result<Msg> {
        let mut core = self.enter()?;
        let timeout = if dont_wait { 0 } else { core.options.rcvtimeo };
        match core.receive(timeout != 0, with_metadata) {
            Ok(msg) => {
                core.receive_more = msg.more();
                core.ensure_watched();
                Ok(msg)
            }
            Err(Error::Again) if timeout != 0 => {
                self.receive_waiting(core, Deadline::new(timeout), with_metadata)
            }
            Err(error) => {
                if error == Error::Again {
                    core.stats.count(socket::AGAIN_IN);
                }
                core.ensure_watched();
                Err(error)
            }
        }
    }
}
