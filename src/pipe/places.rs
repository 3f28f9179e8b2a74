//! The epoll sets that a socket's connections are in: its own, and that of whoever waits for ZMQ_FD.

use super::{Pipe, PipeTable};
use crate::error::Result;
use crate::pattern::PipeId;
use crate::sys::epoll::{self, Epoll};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

/// What an established connection is watched for.
pub(super) const WATCH: u32 = epoll::IN | epoll::PEER_CLOSED | epoll::EDGE;

/// No pipe's number: of a connection that is none's yet. All it is reported for is its end, once.
const RESERVED: u64 = PipeId::MAX as u64;

impl PipeTable {
    fn sets(&self) -> impl Iterator<Item = &Arc<Epoll>> {
        [&self.set, &self.descriptor].into_iter().flatten()
    }

    /// Takes a place in the sets for a connection, before its peer is told anything. Later nothing
    /// may fail any more: whoever has shaken hands sends, and what came with a connection that is
    /// closed for want of a place would be lost.
    ///
    /// # Errors
    /// What epoll says, `ENOSPC` or `ENOMEM`, and [`Error::NoMemory`](crate::error::Error::NoMemory); then
    /// it has none.
    pub fn reserve(&mut self, fd: RawFd) -> Result<()> {
        self.make_place()?;
        let added = self.sets().try_for_each(|set| set.add(fd, epoll::EDGE, RESERVED));
        self.reserved += 1;
        if added.is_err() {
            self.release(fd);
        }
        added
    }

    /// Nothing came of that connection.
    pub fn release(&mut self, fd: RawFd) {
        self.reserved -= 1;
        for set in self.sets() {
            // Closing the descriptor takes it out of the set, unless a forked child has it too.
            let _ = set.remove(fd);
        }
    }

    /// The place that was reserved is this pipe's now. What has come meanwhile is reported.
    pub(super) fn take_place(&mut self, fd: RawFd, id: PipeId) -> Result<()> {
        self.reserved = self.reserved.saturating_sub(1);
        self.sets().try_for_each(|set| set.modify(fd, WATCH, u64::from(id)))
    }

    /// From now on what happens to connections makes this set readable, too; `reserved` are those that
    /// have a place already.
    ///
    /// # Errors
    /// What epoll says, `ENOSPC` or `ENOMEM`; then it does not.
    pub fn tell_descriptor(
        &mut self,
        descriptor: Arc<Epoll>,
        mut reserved: impl Iterator<Item = RawFd>,
    ) -> Result<()> {
        for (id, pipe) in self.pipes.iter_mut().enumerate() {
            if let Some(connection) = pipe.as_mut().and_then(Pipe::connection) {
                let watch = if connection.watches_out { WATCH | epoll::OUT } else { WATCH };
                descriptor.add(connection.fd(), watch, id as u64)?;
            }
            if let Some(end) = pipe.as_mut().and_then(Pipe::datagrams) {
                let mut watches = end.watches(WATCH).into_iter();
                watches.try_for_each(|(fd, watch)| descriptor.add(fd, watch, id as u64))?;
            }
        }
        reserved.try_for_each(|fd| descriptor.add(fd, epoll::EDGE, RESERVED))?;
        self.descriptor = Some(descriptor);
        Ok(())
    }

    /// That set is quiet until something new happens to a connection.
    pub fn quiet_descriptor(&self) {
        let places = self.connections + self.reserved;
        let Some(descriptor) = self.descriptor.as_ref().filter(|_| places > 0) else {
            return;
        };
        let mut events = [epoll::NO_EVENT; 64];
        // Each is reported once; what happens meanwhile may go on for ever.
        for _ in 0..=places / events.len() {
            if descriptor.wait(&mut events, Some(Duration::ZERO)) != Ok(events.len()) {
                break;
            }
        }
    }
}
