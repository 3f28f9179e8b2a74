//! Deadlines of networks without connections: a multicast protocol asks for what is missing, and says how far it is.

use super::core::Core;
use crate::endpoint::token::Timer;
use crate::pattern::PipeId;
use std::time::Instant;

impl Core {
    /// The I/O thread calls the network of a pipe then.
    pub(super) fn set_network_timer(&mut self, id: PipeId, at: Instant) {
        if let Some(serial) = self.pipes.get(id).map(|pipe| pipe.serial) {
            self.set_timer(at, Timer::Network, id, serial);
        }
    }

    /// The pipe goes.
    pub(super) fn clear_network_timer(&mut self, id: PipeId) {
        if let Some(pipe) = self.pipes.get(id)
            && pipe.datagrams().is_some()
        {
            let serial = pipe.serial;
            self.clear_timer(Timer::Network, id, serial);
        }
    }

    /// It is time. Whoever waits for messages hears of those that came.
    pub(super) fn network_due(&mut self, id: PipeId, serial: u32) {
        if self.pipes.get(id).is_some_and(|pipe| pipe.serial == serial) {
            self.pipes.wake_datagrams(id);
            self.wakers.changed |= self.pipes.has_input();
        }
    }
}
