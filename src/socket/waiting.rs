//! Waiting until a socket has something to receive, or room to send.
//!
//! Events of the socket's set are taken under its lock and nowhere else, and who takes them tells the
//! others. One of the threads that wait sleeps until the set has some ([`Leader`]); what it has to put
//! in order when it stops waiting, for whatever reason, is what a [`Waiter`] does when it is dropped.

use super::core::Core;
use super::{Guard, Socket, looking};
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::pattern::Pattern;
use crate::policy::looking as policy;
use crate::stats::Direction;
use crate::stats::layout::socket;
use crate::sync::signal::Leader;
use crate::sys::cancel::Cancel;
use crate::sys::clock;
use crate::sys::poll::{PollFd, poll_with};
use crate::sys::signals::Held;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// Somebody has closed the descriptor that the call would wait for: nothing will ever be told of it.
pub(super) const CLOSED: Error = Error::Os(libc::EBADF);

/// When a call must give up waiting.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    /// Milliseconds; negative: never, zero: at once.
    milliseconds: i32,
    at: Option<Instant>,
}

impl Deadline {
    pub(super) fn new(milliseconds: i32) -> Deadline {
        Deadline { milliseconds, at: None }
    }

    /// The time left; `None` for ever. The clock starts with the first call, so that calls that
    /// need not wait do not read it.
    fn left(&mut self) -> Result<Option<Duration>> {
        let Ok(milliseconds) = u64::try_from(self.milliseconds) else {
            return Ok(None);
        };
        let now = clock::now();
        let at = *self.at.get_or_insert(now + Duration::from_millis(milliseconds));
        let left = at.saturating_duration_since(now);
        if left.is_zero() { Err(Error::Again) } else { Ok(Some(left)) }
    }
}

/// A call that waits for a socket. It puts in order what it leaves behind with its last look at the
/// socket, or when it is dropped, by an error or a panic: then without the socket's lock.
pub(super) struct Waiter {
    socket: &'static Socket,
    generation: u32,
    /// Where it sleeps, if that is on the set.
    seat: Option<Leader<'static>>,
    /// Signals that came while it looked, which it lets in when it sleeps.
    signals: Option<Held>,
    /// The last sleep was a long one.
    rested: bool,
    /// There may be memory of the caller's in a queue, which has to be copied before the call ends.
    lends: bool,
    /// It waits for a few milliseconds at most: peers can wait for so long, too.
    brief: bool,
    left: bool,
    /// Whether the call sends or receives.
    direction: Direction,
    /// Since when it has slept.
    blocked: Option<u64>,
}

impl Waiter {
    pub(super) fn new(socket: &'static Socket, core: &Core, direction: Direction) -> Waiter {
        let generation = core.key.generation;
        let (seat, signals) = (None, None);
        let (rested, lends, brief, left) = (false, false, false, false);
        let blocked = None;
        Waiter { socket, generation, seat, signals, rested, lends, brief, left, direction, blocked }
    }

    /// For a call that waits for the kernel to take more, and may have lent what it sends.
    fn of_sender(socket: &'static Socket, core: &Core, lends: bool) -> Waiter {
        let mut waiter = Waiter::new(socket, core, Direction::Out);
        (waiter.lends, waiter.brief) = (lends, true);
        waiter
    }

    /// Signals that were held while it looked are held until it sleeps. Those of a second look are
    /// held within those of the first.
    fn hold(&mut self, signals: Option<Held>) {
        if self.signals.is_none() {
            self.signals = signals;
        }
    }

    /// Sleeps until something happens to the socket or the time is over.
    ///
    /// # Errors
    /// [`Error::Interrupted`] after a signal, and [`Error::Cancelled`]; [`Error::Terminated`],
    /// [`Error::NotSocket`].
    fn wait(&mut self, mut core: Guard, timeout: Option<Duration>) -> Result<Guard> {
        core.attend();
        if !self.brief && core.read_ahead() {
            // It may be what the caller waits for.
            return Ok(core);
        }
        let set = if core.pipes.connections() == 0 { None } else { core.pipes.set.clone() };
        // As long as it sleeps, what is written to wake it must not go away.
        let kick = core.wakers.kick.clone();
        let mut sleeper = self.socket.signal.enter();
        if set.is_some() && self.seat.is_none() {
            self.seat = self.socket.signal.lead();
        }
        let set = set.filter(|_| self.seat.is_some());
        if let (Some(_), Some(seat)) = (&set, &self.seat) {
            sleeper.move_to_set(seat);
        }
        // Announced: from here on whoever stops the context, or leaves mail, wakes us.
        core.see_context()?;
        if self.socket.has_mail() || sleeper.is_told() {
            drop(sleeper);
            return self.another_turn(core);
        }
        if self.blocked.is_none() {
            self.blocked = Some(core.begins_to_block(self.direction));
        }
        drop(core);
        let began = clock::ticks();
        // A short wait is for what is done already, and not the caller's to hear of.
        let cancel = if self.brief { Cancel::Waits } else { Cancel::Acts };
        let slept = match &set {
            // The events stay in the set until we have the lock.
            Some(set) => {
                let mask = self.signals.as_ref().map(Held::mask);
                poll_with(&mut [readable(set.as_raw_fd())], timeout, mask, cancel).map(drop)
            }
            None => {
                let let_in = self.signals.take().map_or(Ok(()), Held::let_in);
                let_in.and_then(|()| sleeper.sleep(timeout, cancel).map(drop))
            }
        };
        self.rested = policy::is_long(Duration::from_nanos(clock::ticks().saturating_sub(began)));
        drop((sleeper, kick));
        slept?;
        let mut core = self.socket.enter_again(self.generation)?;
        if set.is_some() && !core.poll_set() {
            return Err(CLOSED);
        }
        Ok(core)
    }

    /// If the last turn has left something unread, begins another one at once; others who want the
    /// lock have theirs first.
    ///
    /// # Errors
    /// [`Error::Terminated`], [`Error::NotSocket`].
    fn another_turn(&self, core: Guard) -> Result<Guard> {
        if !core.pipes.has_unread() {
            return Ok(core);
        }
        self.socket.let_others(core);
        self.socket.enter_again(self.generation)
    }

    /// Puts in order what it leaves behind, at the end of the call.
    fn leave(&mut self, core: &mut Core) {
        self.left = true;
        if let Some(since) = self.blocked.take() {
            core.blocks_no_more(self.direction, since);
        }
        if self.lends {
            core.pipes.own_lent();
            core.pump();
        }
        if self.rested && !core.closing && !core.attention.is_watched() && !core.pipes.is_dirty() {
            // Little traffic: no ticking, the I/O thread wakes up for the next message, or we
            // come back first and take the set again.
            core.hand_over();
        }
        core.ensure_watched();
        // Whoever waits behind us takes our place, or what we left.
        core.wakers.changed |= self.socket.signal.sleepers() > 0;
        if let Some(seat) = self.seat.take() {
            // Tells them as well.
            core.wakers.changed = core.pipes.has_unread();
            drop(seat);
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if self.left {
            return;
        }
        // The socket may be closed, and linger.
        if let Some(mut core) = self.socket.lock_for_reactor(self.generation) {
            self.leave(&mut core);
            self.socket.finish_if_done(core);
        }
    }
}

impl Core {
    /// A call begins to sleep; when that was.
    fn begins_to_block(&mut self, direction: Direction) -> u64 {
        let count = &mut self.wakers.blocked[direction as usize];
        *count += 1;
        self.stats.blocks(direction, *count == 1)
    }

    /// It sleeps no more, and ends.
    fn blocks_no_more(&mut self, direction: Direction, since: u64) {
        let count = &mut self.wakers.blocked[direction as usize];
        *count = count.saturating_sub(1);
        self.stats.goes_on(direction, since, *count == 0);
    }
}

fn readable(fd: i32) -> PollFd {
    PollFd { fd, events: libc::POLLIN, revents: 0 }
}

impl Socket {
    /// A long message of the caller's would have to be copied, because the kernel takes no more for
    /// now: waits for a moment until it does, unless such waits have been in vain lately. Copies
    /// are also what makes a queue so large that none of it is in the cache when its turn comes.
    pub(super) fn let_kernel_catch_up(&'static self, mut core: Guard) -> Result<Guard> {
        if core.pattern.drops()
            || !core.pipes.only_connection_is_blocked()
            || !core.waits.catching_up.pays()
        {
            return Ok(core);
        }
        let mut waiter = Waiter::of_sender(self, &core, false);
        let mut result = self.catch_up(core, &mut waiter);
        if let Ok(core) = &mut result {
            waiter.leave(core);
        }
        result
    }

    /// After a long message of the caller's, which was just sent: what the kernel has not taken of it
    /// is copied, if waiting for the kernel does not help.
    pub(super) fn after_lending(&'static self, core: Guard) {
        let mut waiter = Waiter::of_sender(self, &core, true);
        // The message is sent, whatever else happens.
        let _ = self.hand_over_lent(core, &mut waiter);
    }

    fn hand_over_lent(&'static self, mut core: Guard, waiter: &mut Waiter) -> Result<()> {
        core.lending(Core::after_send);
        if core.pipes.only_connection_is_lent() && core.waits.catching_up.pays() {
            drop(self.catch_up(core, waiter)?);
        }
        Ok(())
    }

    /// Waits until the kernel has taken all that the only connection has for it, but not for long.
    fn catch_up(&'static self, mut core: Guard, waiter: &mut Waiter) -> Result<Guard> {
        let patience = policy::catch_up(looking::is_crowded());
        let until = clock::now() + patience;
        let mut looking = looking::begin(&mut core.waits.send, false);
        while core.pipes.only_connection_is_blocked() {
            core.ensure_watched();
            let left = until.saturating_duration_since(clock::now());
            if left.is_zero() {
                break;
            }
            if looking.is_some() {
                core = self.look_for_room(core, waiter, &mut looking, Core::flush_lent)?;
                continue;
            }
            core = match waiter.wait(core, Some(left)) {
                // That the wait was interrupted is nothing to the caller, who need not wait.
                Err(Error::Interrupted) => self.enter_again(waiter.generation)?,
                other => other?,
            };
            core.flush_lent();
            looking = looking::begin(&mut core.waits.send, false);
        }
        let caught_up = !core.pipes.only_connection_is_blocked();
        core.waits.catching_up.learn(caught_up);
        if !caught_up {
            // We do not look after the rest, so the I/O thread has to.
            core.hand_over();
        }
        Ok(core)
    }

    /// One look of a caller that waits for the kernel to take more of what its only connection has
    /// for it. A piece that it took begins another wait; in vain for too long, `looking` ends.
    fn look_for_room(
        &'static self,
        core: Guard,
        waiter: &mut Waiter,
        looking: &mut Option<looking::Looking>,
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
            looking::end(&mut core.waits.send, look, true, false);
            *looking = looking::begin(&mut core.waits.send, false);
        } else if !go_on {
            looking::end(&mut core.waits.send, look, false, false);
            waiter.hold(looking.take().and_then(looking::Looking::give_up));
        }
        Ok(core)
    }

    /// Sends one part of a message when there is room for it.
    #[cold]
    pub(super) fn send_waiting(
        &'static self,
        core: Guard,
        msg: &mut Msg,
        deadline: Deadline,
    ) -> Result<()> {
        let mut waiter = Waiter::new(self, &core, Direction::Out);
        self.send_when_ready(core, &mut waiter, msg, deadline)
    }

    fn send_when_ready(
        &'static self,
        mut core: Guard,
        waiter: &mut Waiter,
        msg: &mut Msg,
        mut deadline: Deadline,
    ) -> Result<()> {
        let begin = |core: &mut Core| {
            if core.pipes.connections() == 1 {
                looking::begin(&mut core.waits.send, false)
            } else {
                None
            }
        };
        let mut looking = begin(&mut core);
        loop {
            core.ensure_watched();
            let left = deadline.left().inspect_err(|_| core.stats.count(socket::AGAIN_OUT))?;
            if core.pipes.has_unread() {
                core = waiter.another_turn(core)?;
                core.flush_on_look();
            } else if looking.is_some() {
                core = self.look_for_room(core, waiter, &mut looking, Core::flush_on_look)?;
            } else {
                core = waiter.wait(core, left)?;
                core.flush_on_look();
                looking = begin(&mut core);
            }
            core.process_mail();
            core.pump();
            match core.send_now(msg) {
                Ok(()) => {
                    core.after_send();
                    waiter.leave(&mut core);
                    return Ok(());
                }
                Err(Error::Again) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Receives one part of a message when there is one.
    #[cold]
    pub(super) fn receive_waiting(
        &'static self,
        core: Guard,
        deadline: Deadline,
        with_metadata: bool,
    ) -> Result<Msg> {
        let mut waiter = Waiter::new(self, &core, Direction::In);
        self.receive_when_ready(core, &mut waiter, deadline, with_metadata)
    }

    fn receive_when_ready(
        &'static self,
        mut core: Guard,
        waiter: &mut Waiter,
        mut deadline: Deadline,
        with_metadata: bool,
    ) -> Result<Msg> {
        // Whether news can only come from other threads of the process.
        let local = core.pipes.connections() == 0;
        let mut looking = looking::begin(&mut core.waits.receive, local);
        loop {
            let left = deadline.left().inspect_err(|_| core.stats.count(socket::AGAIN_IN))?;
            let mut give_up = false;
            if core.pipes.has_unread() {
                core = waiter.another_turn(core)?;
            } else if let Some(look) = &mut looking {
                drop(core);
                give_up = !look.wait(|| self.has_mail());
                core = self.enter_again(waiter.generation)?;
            } else {
                core = waiter.wait(core, left)?;
            }
            // Others had the lock meanwhile, so sleeping before another look would miss what they
            // left for us.
            let long_reads = core.pipes.long_reads();
            match core.receive(true, with_metadata) {
                Ok(msg) => {
                    if let Some(look) = &looking {
                        let more = local && core.pipes.has_more();
                        looking::end(&mut core.waits.receive, look, true, more);
                    }
                    core.receive_more = msg.more();
                    waiter.leave(&mut core);
                    return Ok(msg);
                }
                Err(Error::Again) if core.pipes.long_reads() != long_reads => {
                    // A piece of a long body: the next one is another wait.
                    if let Some(look) = &looking {
                        looking::end(&mut core.waits.receive, look, true, false);
                    }
                    looking = looking::begin(&mut core.waits.receive, local);
                    continue;
                }
                Err(Error::Again) => {}
                Err(error) => return Err(error),
            }
            if give_up && let Some(look) = looking.take() {
                looking::end(&mut core.waits.receive, &look, false, false);
                waiter.hold(look.give_up());
            }
        }
    }
}
