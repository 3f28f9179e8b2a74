//! What the I/O thread does for a socket: what its endpoints are for, deadlines, and driving connections while no
//! thread of the application does.

use super::core::Core;
use super::{Guard, Socket, give_way};
use crate::endpoint::token::{Ready, Timer};
use crate::pattern::PipeId;
use crate::policy::attention::{Next, Seen};
use crate::policy::rounds;
use crate::reactor::{Handler, Tick};
use crate::sync::atomic::Ordering;
use crate::sys::clock;
use std::time::{Duration, Instant};

pub(super) fn milliseconds(count: i32) -> Duration {
    Duration::from_millis(u64::try_from(count).unwrap_or(0))
}

/// How soon to look again for memory.
const HUNGRY: Duration = Duration::from_millis(20);

impl Core {
    /// Connections found no memory to read on with; what their peers say waits in the kernel meanwhile.
    pub(super) fn wait_for_memory(&mut self) {
        self.set_timer(clock::now() + HUNGRY, Timer::Memory, 0, 0);
    }

    /// Looks for it again, on the I/O thread. Whoever waits for messages hears of those that came.
    fn memory_due(&mut self) {
        self.pipes.feed();
        self.wakers.changed = true;
    }

    /// Asks for a call of [`Core::timer_due`]; `serial` tells whether it still matters then.
    pub(super) fn set_timer(&mut self, at: Instant, timer: Timer, number: u32, serial: u32) {
        let token = timer.token(number, serial);
        let key = self.key;
        if let Ok(io) = self.io() {
            io.set_timer(at, key, token);
        }
    }

    /// Takes that back. What comes and goes as a peer likes must not leave timers behind.
    pub(super) fn clear_timer(&mut self, timer: Timer, number: u32, serial: u32) {
        if let Some(io) = self.known_io() {
            io.clear_timer(self.key, timer.token(number, serial));
        }
    }

    fn timer_due(&mut self, timer: Timer, number: u32, serial: u32) {
        match timer {
            Timer::Reconnect | Timer::LookedUp | Timer::Worked | Timer::Accept | Timer::Attempt => {
                self.endpoints.timer_due(timer, number, serial);
                self.carry_out();
            }
            Timer::Zap => self.hear_zap(number, serial),
            Timer::Heartbeat => self.heartbeat_due(number, serial),
            Timer::Silence => self.silence_due(number, serial),
            Timer::Memory => self.memory_due(),
            Timer::Network => self.network_due(number, serial),
            Timer::PipeLinger => {
                if self.pipes.get(number).is_some_and(|p| p.serial == serial && p.is_lingering()) {
                    self.remove_pipe(number);
                }
            }
            Timer::Farewell => {
                if self.pipes.get(number).is_some_and(|p| p.serial == serial && p.is_lingering()) {
                    self.pipe_finished(number);
                }
            }
            Timer::SocketLinger => self.end_lingering(),
        }
    }

    /// Of a closed socket: what has not been sent is lost.
    pub(super) fn end_lingering(&mut self) {
        self.pipes.ids().into_iter().for_each(|id| self.remove_pipe(id));
    }

    /// Gives a lingering pipe the time ZMQ_LINGER allows.
    pub(super) fn set_pipe_linger(&mut self, id: PipeId) {
        let linger = self.options.linger;
        let Some(pipe) = self.pipes.get(id) else { return };
        let (serial, limited) = (pipe.serial, std::mem::replace(&mut pipe.limited, true));
        if linger > 0 && !limited {
            self.set_timer(clock::now() + milliseconds(linger), Timer::PipeLinger, id, serial);
        }
    }

    /// Has the farewell of a pipe looked after again.
    pub(super) fn set_farewell_timer(&mut self, id: PipeId, after: Duration) {
        if let Some(serial) = self.pipes.get(id).map(|pipe| pipe.serial) {
            self.set_timer(clock::now() + after, Timer::Farewell, id, serial);
        }
    }

    /// Gives a closed socket the time ZMQ_LINGER allows.
    pub(super) fn set_socket_linger(&mut self) {
        let linger = self.options.linger;
        if linger > 0 {
            self.set_timer(clock::now() + milliseconds(linger), Timer::SocketLinger, 0, 0);
        }
    }

    /// Drives the connections of the set on behalf of an application that is away.
    fn drive_set(&mut self) {
        // What was left last time comes before what is new.
        self.pipes.resume(true);
        self.poll_set_and(true);
        self.settle();
    }
}

impl Socket {
    /// Whether a tick finds the application here, or sees that it has just been, so that nothing
    /// waits for us. To look closer would take the lock away from it.
    fn is_looked_after(&self) -> bool {
        // What is held back waits for us. Only so often even if there is a thread inside: it may be
        // another one, again and again, that does not look after it.
        let passes = self.passed_by.load(Ordering::Relaxed);
        let holds_back = self.holds_back.load(Ordering::Relaxed);
        let here = || self.core.is_locked() || !holds_back && self.core.is_busy(&self.seen);
        let passes = rounds::pass_by(passes, here);
        self.passed_by.store(passes, Ordering::Relaxed);
        passes > 0
    }

    /// After work of the I/O thread on the socket.
    pub(super) fn after_reactor(&'static self, mut core: Guard) {
        core.settle();
        self.after_tick(core);
    }

    /// After work of the I/O thread that leaves to the application what it collects.
    fn after_tick(&'static self, mut core: Guard) {
        core.pump();
        if !core.attention.is_watched() {
            // Nobody comes back for what that wrote.
            core.settle();
        }
        let changed = std::mem::take(&mut core.wakers.changed);
        if changed {
            core.hand_over_unread();
        }
        let awaited = core.pipes.has_unread() && self.core.is_awaited();
        self.finish_if_done(core);
        if changed {
            self.signal.notify_descriptor();
        }
        if awaited {
            give_way();
        }
    }
}

impl Handler for Socket {
    fn on_event(&self, generation: u32, token: u32, events: u32) {
        let Some(socket) = super::find(self.index) else { return };
        let Some(mut core) = socket.lock_for_reactor(generation) else { return };
        match Ready::of_token(token) {
            Ready::Set => core.drive_set(),
            other => {
                core.endpoints.ready(other, events);
                core.carry_out();
            }
        }
        socket.after_reactor(core);
    }

    fn on_timer(&self, generation: u32, token: u64) {
        let Some(socket) = super::find(self.index) else { return };
        let Some(mut core) = socket.lock_for_reactor(generation) else { return };
        if core.key.generation != generation {
            return;
        }
        if let Some((timer, number, serial)) = Timer::of_token(token) {
            core.timer_due(timer, number, serial);
        }
        socket.after_reactor(core);
    }

    fn on_tick(&self, generation: u32) -> Tick {
        let Some(socket) = super::find(self.index) else { return Tick::Done };
        if socket.is_looked_after() {
            return Tick::Later;
        }
        let Some(mut core) = socket.lock_for_reactor(generation) else { return Tick::Done };
        if core.key.generation != generation {
            return Tick::Done;
        }
        let had_to_flush = core.flush_if_left();
        socket.holds_back.store(core.pipes.is_dirty(), Ordering::Relaxed);
        let tick = core.tick(had_to_flush);
        core.set_watched(tick != Tick::Done);
        if !core.attention.is_watched() {
            core.pipes.trim();
        }
        socket.after_tick(core);
        tick
    }

    fn on_panic(&self, generation: u32) {
        let Some(socket) = super::find(self.index) else { return };
        let Some(mut core) = socket.lock_for_reactor(generation) else { return };
        // Whatever was half done is unknown; the pipes are what it can have been done to.
        core.abandon_pipes();
        socket.after_reactor(core);
    }
}

impl Core {
    /// Whether the I/O thread has to keep an eye on the socket.
    fn tick(&mut self, flushed: bool) -> Tick {
        let attended = self.tick_attended();
        // What is sent without a break says nothing about who reads.
        if flushed { Tick::Soon } else { attended }
    }

    /// The same of what is to be read.
    fn tick_attended(&mut self) -> Tick {
        if !self.is_attended() {
            return Tick::Done;
        }
        let seen = Seen {
            reads: self.pipes.reads(),
            sleepers: self.face.signal.sleepers() > 0,
            pinged: self.pipes.pinged(),
        };
        match self.attention.tick(seen, clock::now) {
            Next::Rest => return Tick::Done,
            Next::Tick => return Tick::Later,
            Next::TakeOver(now) => {
                self.unattend();
                self.attention.took_over(now);
            }
        }
        // What the application knew to be readable makes no event any more.
        self.pipes.gather_ready();
        self.drive_set();
        Tick::Done
    }

    /// Ends every connection and pipe after a defect of ours left them in an unknown state.
    fn abandon_pipes(&mut self) {
        self.reset_pumping();
        self.pipes.events.clear();
        for id in self.pipes.ids() {
            self.remove_pipe(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> &'static Socket {
        Box::leak(Box::new(Socket::unused(0)))
    }

    /// Makes the calling thread the owner of the lock, which then takes its turns without anybody's help.
    fn turns(socket: &Socket) {
        (0..100).for_each(|_| drop(socket.core.lock()));
    }

    #[test]
    fn ticks_do_not_pass_by_what_is_held_back() {
        let socket = socket();
        for holds_back in [false, true] {
            socket.holds_back.store(holds_back, Ordering::Relaxed);
            socket.passed_by.store(0, Ordering::Relaxed);
            turns(socket);
            // It has been here since the last tick, and is outside now.
            assert_eq!(socket.is_looked_after(), !holds_back);
            let _inside = socket.core.lock();
            assert!(socket.is_looked_after());
        }
    }
}
