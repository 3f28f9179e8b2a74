//! Sending, receiving, and waiting for either.

use super::core::{Core, KICK};
use super::{Guard, Socket, spin};
use crate::error::{Error, Result};
use crate::msg::{Msg, Over, Sink, Slot};
use crate::pattern::{Pattern, PipeId};
use crate::sys::epoll::NO_EVENT;
use crate::sys::futex::Woken;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

/// A wait longer than this means little traffic: the I/O thread is told of its turn by a change of
/// its set, not by ticking.
const LONG_WAIT: Duration = Duration::from_millis(4);

/// Messages of this length are better sent later than copied now.
const WORTH_WAITING: usize = 32 * 1024;
/// The longest that a message which could be copied waits instead.
const CATCH_UP: Duration = Duration::from_millis(1);
/// The same where the receiver has to wait for a processor.
const CATCH_UP_IN_CROWD: Duration = Duration::from_millis(4);

/// When a call must give up waiting.
#[derive(Clone, Copy)]
struct Deadline {
    /// Milliseconds; negative: never, zero: at once.
    milliseconds: i32,
    at: Option<Instant>,
}

impl Deadline {
    fn new(milliseconds: i32) -> Deadline {
        Deadline { milliseconds, at: None }
    }

    /// The time left; `None` for ever. The clock starts with the first call, so that calls that
    /// need not wait do not read it.
    fn left(&mut self) -> Result<Option<Duration>> {
        let Ok(milliseconds) = u64::try_from(self.milliseconds) else {
            return Ok(None);
        };
        let now = Instant::now();
        let at = *self.at.get_or_insert(now + Duration::from_millis(milliseconds));
        let left = at.saturating_duration_since(now);
        if left.is_zero() { Err(Error::Again) } else { Ok(Some(left)) }
    }
}

impl Core {
    fn receive_now(&mut self, with_metadata: bool) -> Result<Msg> {
        loop {
            self.pipes.with_metadata = with_metadata;
            let result = self.pattern.recv(&mut self.pipes);
            self.pipes.with_metadata = true;
            // What was found out meanwhile (the end of a connection, say) may be what the caller
            // waits for.
            if !self.pump() || !matches!(result, Err(Error::Again)) {
                return result;
            }
        }
    }

    pub(super) fn send_now(&mut self, msg: &mut Msg) -> Result<()> {
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
        self.pipes.patient = will_wait;
        let long_reads = self.pipes.long_reads();
        match self.receive_now(with_metadata) {
            Err(Error::Again) => {}
            other => {
                // Whoever reads all the time never finds nothing, and is there all the same.
                self.activity = self.activity.wrapping_add(1);
                self.look_around();
                return other;
            }
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
        self.receive_now(with_metadata)
    }

    pub(super) fn send(&mut self, msg: &mut Msg, will_wait: bool) -> Result<()> {
        self.process_mail();
        self.pipes.hasty = !will_wait && !self.pattern.drops();
        let result = self.send_now(msg);
        if result != Err(Error::Again) {
            return result;
        }
        self.look_for_room(will_wait);
        let result = self.send_now(msg);
        if result != Err(Error::Again) {
            // Who looked may go away now.
            self.ensure_watched();
        }
        result
    }

    /// Sends a message of one part, if it can go straight from `bytes`; see
    /// [`Pattern::send_bytes`].
    #[inline(always)]
    fn send_bytes(&mut self, bytes: &[u8], keep: bool, will_wait: bool) -> bool {
        self.process_mail();
        self.pipes.hasty = !will_wait && !self.pattern.drops();
        let sent = self.pattern.send_bytes(&mut self.pipes, bytes, keep);
        if sent {
            self.after_send();
            self.tell_others();
        }
        sent
    }

    /// Receives a part of a message, if it can go straight to `to`; see
    /// [`Pattern::recv_into`].
    #[inline(always)]
    fn receive_into<S: Sink + ?Sized>(&mut self, to: &mut S, dont_wait: bool) -> Option<usize> {
        self.process_mail();
        self.pipes.patient = !dont_wait && self.options.rcvtimeo != 0;
        let part = self.pattern.recv_into(&mut self.pipes, to)?;
        self.receive_more = part.more;
        if !part.more {
            self.look_around();
        }
        self.ensure_watched();
        self.tell_others();
        Some(part.len)
    }

    /// Does something for a caller that will wait for what it has lent.
    fn lending(&mut self, call: impl FnOnce(&mut Core)) {
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
    fn flush_lent(&mut self) {
        self.lending(Core::flush_held);
        self.pump();
    }

    /// Looks at the kernel on behalf of a caller that found no room.
    pub(super) fn look_for_room(&mut self, will_wait: bool) {
        self.look(will_wait);
        self.poll_set();
        self.flush_held();
        self.pipes.hasty &= !will_wait;
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
        let mut core = self.enter()?;
        let timeout = if dont_wait { 0 } else { core.options.sndtimeo };
        if !more && core.send_bytes(msg.data(), !msg.is_better_copied(), timeout != 0) {
            drop(core);
            // Not under the lock: what frees the body may be the application's.
            drop(msg.take());
            return Ok(());
        }
        let lends = msg.is_borrowed() && msg.len() >= WORTH_WAITING && timeout != 0;
        if lends {
            core = self.let_kernel_catch_up(core)?;
        }
        msg.set_more(more);
        match core.send(msg, timeout != 0) {
            Ok(()) if lends && !more => self.after_lending(core),
            Ok(()) => {
                // Nothing of a message leaves before its last part; raw sockets know no parts.
                if !more || core.pattern.is_raw() {
                    core.after_send();
                }
                core.tell_others();
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
    #[inline]
    pub fn receive_into(
        &'static self,
        to: &mut [MaybeUninit<u8>],
        dont_wait: bool,
    ) -> Result<usize> {
        if let Some(len) = self.enter()?.receive_into(to, dont_wait) {
            return Ok(len);
        }
        let msg = self.receive_part(dont_wait, false)?;
        let fits = msg.len().min(to.len());
        // SAFETY: both are valid for `fits` bytes and not the same memory.
        unsafe { std::ptr::copy_nonoverlapping(msg.data().as_ptr(), to.as_mut_ptr().cast(), fits) };
        Ok(msg.len())
    }

    /// A long message of the caller's would have to be copied, because the kernel takes no more for
    /// now: waits for a moment until it does, unless such waits have been in vain lately. Copies
    /// are also what makes a queue so large that none of it is in the cache when its turn comes.
    fn let_kernel_catch_up(&'static self, mut core: Guard) -> Result<Guard> {
        if core.pattern.drops()
            || !core.pipes.only_connection_is_blocked()
            || !core.catching_up.pays()
        {
            return Ok(core);
        }
        self.catch_up(core)
    }

    /// After a long message of the caller's: what the kernel has not taken of it is copied, if
    /// waiting for the kernel does not help.
    fn after_lending(&'static self, mut core: Guard) -> Result<()> {
        let generation = core.key.generation;
        core.lending(Core::after_send);
        if core.pipes.only_connection_is_lent() && core.catching_up.pays() {
            core = match self.catch_up(core) {
                Ok(core) => core,
                // The message is sent, whatever else happened.
                Err(_) => match self.lock_for_reactor(generation) {
                    Some(core) => core,
                    None => return Ok(()),
                },
            };
        }
        core.pipes.own_lent();
        core.pump();
        core.tell_others();
        self.finish_if_done(core);
        Ok(())
    }

    /// Waits until the kernel has taken all that the only connection has for it, but not for long.
    fn catch_up(&'static self, mut core: Guard) -> Result<Guard> {
        let generation = core.key.generation;
        let patience = if spin::is_crowded() { CATCH_UP_IN_CROWD } else { CATCH_UP };
        let until = Instant::now() + patience;
        let mut looking = core.spin_out.begin(false);
        while core.pipes.only_connection_is_blocked() {
            core.ensure_watched();
            core.tell_others();
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            if looking.is_some() {
                core = self.look_for_room(core, &mut looking, Core::flush_lent)?;
                continue;
            }
            core = match self.wait(core, Some(left)) {
                // That the wait was interrupted is nothing to the caller, who need not wait.
                Err(Error::Interrupted) => self.enter_again(generation)?,
                other => other?,
            };
            core.flush_lent();
            looking = core.spin_out.begin(false);
        }
        self.after_wait(&mut core);
        let caught_up = !core.pipes.only_connection_is_blocked();
        core.catching_up.learn(caught_up);
        if !caught_up {
            // We do not look after the rest, so the I/O thread has to.
            core.unattend();
        }
        Ok(core)
    }

    /// One look of a caller that waits for the kernel to take more of what its only connection has
    /// for it. A piece that it took begins another wait; in vain for too long, `looking` ends.
    fn look_for_room(
        &'static self,
        core: Guard,
        looking: &mut Option<spin::Looking>,
        flush: fn(&mut Core),
    ) -> Result<Guard> {
        let Some(look) = looking else { return Ok(core) };
        let generation = core.key.generation;
        drop(core);
        let go_on = look.pause();
        let mut core = self.enter_again(generation)?;
        let before = core.pipes.only_connection_owes();
        core.pipes.expect_room_on_only_connection();
        flush(&mut core);
        if core.pipes.only_connection_owes() < before {
            core.spin_out.end(look, true, false);
            *looking = core.spin_out.begin(false);
        } else if !go_on {
            core.spin_out.end(look, false, false);
            *looking = None;
        }
        Ok(core)
    }

    #[cold]
    fn send_waiting(
        &'static self,
        mut core: Guard,
        msg: &mut Msg,
        mut deadline: Deadline,
    ) -> Result<()> {
        let mut looking =
            if core.pipes.connections() == 1 { core.spin_out.begin(false) } else { None };
        loop {
            let left = deadline.left();
            core.ensure_watched();
            core.tell_others();
            let left = left?;
            if looking.is_some() {
                core = self.look_for_room(core, &mut looking, Core::flush_on_look)?;
            } else {
                core = self.wait(core, left)?;
                core.flush_on_look();
                looking =
                    if core.pipes.connections() == 1 { core.spin_out.begin(false) } else { None };
            }
            core.process_mail();
            core.pump();
            match core.send_now(msg) {
                Ok(()) => {
                    core.after_send();
                    self.after_wait(&mut core);
                    return Ok(());
                }
                Err(Error::Again) => {}
                Err(error) => return Err(error),
            }
        }
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
        if self.has_lanes()
            && let Some(mut over) = Over::new(msg)
            && self.receive_straight(&mut over).is_some()
        {
            over.finish();
            return Ok(());
        }
        self.receive_msg_anyhow(msg, dont_wait)
    }

    #[inline(never)]
    fn receive_msg_anyhow(&'static self, msg: &mut Msg, dont_wait: bool) -> Result<()> {
        // Not under the lock: what frees the body may be the application's.
        let foreign = if msg.is_ours() { None } else { Some(msg.take()) };
        let result = self.receive_slot(msg, dont_wait);
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
                core.tell_others();
                Ok(msg)
            }
            Err(Error::Again) => self.receive_waiting(core, Deadline::new(timeout), with_metadata),
            Err(error) => Err(error),
        }
    }

    #[cold]
    fn receive_waiting(
        &'static self,
        mut core: Guard,
        mut deadline: Deadline,
        with_metadata: bool,
    ) -> Result<Msg> {
        let generation = core.key.generation;
        // Whether news can only come from other threads of the process.
        let local = core.pipes.connections() == 0;
        let mut looking = if deadline.milliseconds == 0 { None } else { core.spin.begin(local) };
        loop {
            let left = deadline.left();
            if left.is_err() {
                core.ensure_watched();
            }
            core.tell_others();
            let left = left?;
            let mut give_up = false;
            if let Some(look) = &mut looking {
                drop(core);
                give_up = !look.wait(|| self.has_mail());
                core = self.enter_again(generation)?;
            } else {
                core = self.wait(core, left)?;
            }
            // Others had the lock meanwhile, so sleeping before another look would miss what they
            // left for us.
            let long_reads = core.pipes.long_reads();
            match core.receive(true, with_metadata) {
                Ok(msg) => {
                    if let Some(look) = &looking {
                        let more = local && core.pipes.has_more();
                        core.spin.end(look, true, more);
                    }
                    core.receive_more = msg.more();
                    self.after_wait(&mut core);
                    return Ok(msg);
                }
                Err(Error::Again) if core.pipes.long_reads() != long_reads => {
                    // A piece of a long body: the next one is another wait.
                    if let Some(look) = &looking {
                        core.spin.end(look, true, false);
                    }
                    looking = core.spin.begin(local);
                    continue;
                }
                Err(Error::Again) => {}
                Err(error) => return Err(error),
            }
            if give_up && let Some(look) = looking.take() {
                core.spin.end(&look, false, false);
            }
        }
    }

    /// At the end of a call that waited.
    fn after_wait(&'static self, core: &mut Core) {
        if std::mem::take(&mut core.rested) && !core.watched && !core.pipes.is_dirty() {
            // Little traffic: no ticking, the I/O thread wakes up for the next message, or we
            // come back first and take the set again.
            core.unattend();
        }
        core.ensure_watched();
        // Whoever waits behind us takes our place, or what we left.
        core.changed |= self.signal.sleepers() > 0;
        core.tell_others();
    }

    /// Sleeps until something happens to the socket or the time is over.
    fn wait(&'static self, mut core: Guard, timeout: Option<Duration>) -> Result<Guard> {
        let generation = core.key.generation;
        core.attend();
        let set =
            if core.led || core.pipes.connections() == 0 { None } else { core.pipes.set.clone() };
        let kick = set.as_ref().and(core.kick.clone());
        if set.is_some() {
            core.led = true;
            self.signal.with_kick();
        }
        let ticket = self.signal.enter();
        let mut events = [NO_EVENT; 64];
        // Announced: from here on whoever stops the context, or leaves mail, wakes us.
        let slept = if core.context.is_stopped() {
            Err(Error::Terminated)
        } else if self.has_mail() {
            Ok(0)
        } else {
            drop(core);
            let began = Instant::now();
            let slept = match &set {
                Some(set) => set.wait(&mut events, timeout),
                None => self.signal.sleep(ticket, timeout).map(|_: Woken| 0),
            };
            drop(kick);
            let long = began.elapsed() > LONG_WAIT;
            self.signal.leave();
            if set.is_some() {
                self.signal.without_kick();
            }
            core = self.enter_again(generation)?;
            core.rested = long;
            return Self::woken(core, set.is_some(), slept, &events);
        };
        self.signal.leave();
        if set.is_some() {
            self.signal.without_kick();
        }
        Self::woken(core, set.is_some(), slept, &events)
    }

    fn woken(
        mut core: Guard,
        led: bool,
        slept: Result<usize>,
        events: &[crate::sys::epoll::Event],
    ) -> Result<Guard> {
        if led {
            core.led = false;
            let count = *slept.as_ref().unwrap_or(&0);
            for event in &events[..count] {
                if event.u64 != KICK {
                    core.pipes.on_ready(event.u64 as PipeId, event.events);
                }
            }
            core.pump();
        }
        match slept {
            Ok(_) => Ok(core),
            Err(error) => {
                core.ensure_watched();
                core.changed = true;
                core.tell_others();
                Err(error)
            }
        }
    }
}
