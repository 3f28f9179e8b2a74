//! Heartbeats of a socket's connections: what [`Pulse`](crate::connection::Pulse) says is due.

use super::core::Core;
use crate::connection::Connection;
use crate::endpoint::token::Timer;
use crate::error::Error;
use crate::pattern::PipeId;
use crate::pipe::PipeEvent;
use crate::sys::clock;
use crate::sys::epoll;
use std::time::Instant;

impl Core {
    pub(super) fn live_connection(&mut self, id: PipeId, serial: u32) -> Option<&mut Connection> {
        self.pipes.get(id)?.connection().filter(|c| c.serial == serial)
    }

    /// Sees to it that the timer of a connection goes off when something is due.
    pub(super) fn set_heartbeat_timer(&mut self, id: PipeId) {
        let Some(connection) = self.pipes.get(id).and_then(|p| p.connection()) else { return };
        let serial = connection.serial;
        if let Some(at) = connection.pulse.set_timer(connection.heard) {
            self.set_timer(at, Timer::Heartbeat, id, serial);
        }
    }

    /// The connection of a pipe goes.
    pub(super) fn clear_heartbeat_timer(&mut self, id: PipeId) {
        if let Some(connection) = self.pipes.get(id).and_then(|p| p.connection())
            && connection.pulse.has_timer()
        {
            let serial = connection.serial;
            self.clear_timer(Timer::Heartbeat, id, serial);
        }
    }

    /// The connection of a pipe is another pipe's now.
    pub(super) fn move_heartbeat_timer(&mut self, from: PipeId, to: PipeId) {
        if let Some(connection) = self.pipes.get(to).and_then(|p| p.connection())
            && connection.pulse.has_timer()
        {
            let serial = connection.serial;
            connection.pulse.timer_fired();
            self.clear_timer(Timer::Heartbeat, from, serial);
            self.set_heartbeat_timer(to);
        }
    }

    /// Time for a PING, or something should have been heard by now.
    pub(super) fn heartbeat_due(&mut self, id: PipeId, serial: u32) {
        let now = clock::now();
        let Some(connection) = self.live_connection(id, serial) else { return };
        connection.pulse.timer_fired();
        if connection.says_farewell() {
            // It has limits of its own, and we can say nothing any more.
            return;
        }
        if connection.pulse.is_overdue(now, connection.heard) {
            // What the application has not read yet counts.
            self.pipes.on_ready(id, epoll::IN);
            self.pipes.gather(id);
        }
        let Some(connection) = self.live_connection(id, serial) else { return };
        connection.put_off_ping(now);
        if connection.pulse.is_overdue(now, connection.heard) {
            if !connection.has_unread() {
                let error = Error::Os(libc::ETIMEDOUT);
                self.pipes.events.push_back(PipeEvent::Lost(id, error));
                self.pump();
                return;
            }
            connection.heard += 1;
        }
        if connection.pulse.wants_ping(now) {
            self.ping(id, serial, now);
        }
        self.set_heartbeat_timer(id);
        self.pump();
    }

    fn ping(&mut self, id: PipeId, serial: u32, now: Instant) {
        // That the kernel takes more may be news that nobody has looked at yet.
        self.pipes.on_ready(id, epoll::OUT);
        self.flush_held();
        let Some(connection) = self.live_connection(id, serial) else { return };
        let new = connection.push_ping(now);
        self.pipes.touch(id);
        self.flush_held();
        if let (Ok(new), Some(connection)) = (new, self.live_connection(id, serial)) {
            connection.ping_flushed(now, new);
        }
    }
}
