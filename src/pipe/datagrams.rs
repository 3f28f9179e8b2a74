//! Pipes to sockets for datagrams, in the table: looking at them, reading ahead, and flushing.

use super::PipeTable;
use super::datagram::DatagramEnd;
use super::pipe::{Kind, Pipe, PipeEvent};
use super::places::WATCH;
use crate::error::Result;
use crate::msg::Msg;
use crate::pattern::PipeId;
use crate::sys::clock::ticks;
use crate::sys::epoll;
use std::os::fd::RawFd;

impl PipeTable {
    /// A new pipe to a socket for datagrams.
    ///
    /// # Errors
    /// What epoll says, `ENOSPC` or `ENOMEM`.
    pub fn add_datagrams(&mut self, end: DatagramEnd, endpoint: u32) -> Result<PipeId> {
        let watches = end.watches(WATCH);
        let id = self.insert(Pipe::new(Kind::Datagram(Box::new(end)), endpoint));
        self.connections += 1;
        let sets = [self.set.clone(), self.descriptor.clone()];
        let mut sets = sets.iter().flatten();
        let watched = sets.try_for_each(|set| {
            let mut watches = watches.iter();
            watches.try_for_each(|&(fd, watch)| set.add(fd, watch, u64::from(id)))
        });
        if let Err(error) = watched {
            self.remove(id);
            return Err(error);
        }
        self.disarm_batch();
        Ok(id)
    }

    /// The network of a pipe goes; its descriptors are closed with the pipe.
    pub(super) fn drop_datagrams(&mut self, fds: impl Iterator<Item = RawFd>) {
        for fd in fds {
            for set in [&self.set, &self.descriptor].into_iter().flatten() {
                let _ = set.remove(fd);
            }
        }
        self.connections -= 1;
    }

    pub(super) fn datagrams(&mut self, id: PipeId) -> Option<&mut DatagramEnd> {
        self.pipes.get_mut(id as usize)?.as_mut()?.datagrams()
    }

    /// What is written to such a pipe.
    ///
    /// # Errors
    /// As [`DatagramEnd::write`].
    #[cold]
    pub(super) fn write_datagram(&mut self, id: PipeId, msg: &mut Msg) -> Result<()> {
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return Ok(()) };
        let Kind::Datagram(end) = &mut pipe.kind else { return Ok(()) };
        end.write(msg)?;
        if !end.in_message() {
            pipe.mark_dirty(id, &mut self.dirty);
        }
        Ok(())
    }

    /// The set has reported a socket for datagrams.
    pub(super) fn on_datagrams(&mut self, id: PipeId, events: u32) {
        let Some(end) = self.datagrams(id) else { return };
        let room = if end.hears_of_room() { events } else { events & epoll::OUT };
        if room != 0 {
            end.unblock();
            self.mark_dirty(id);
        }
        if events & !epoll::OUT != 0 {
            self.expect_datagrams(id);
        }
    }

    /// The time has come that [`PipeEvent::Due`] told.
    pub fn wake_datagrams(&mut self, id: PipeId) {
        let Some(end) = self.datagrams(id) else { return };
        end.wake();
        if end.owes() {
            self.mark_dirty(id);
        }
        self.expect_datagrams(id);
        self.gather_datagrams(id);
    }

    /// The kernel may have datagrams.
    fn expect_datagrams(&mut self, id: PipeId) {
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return };
        let lingering = pipe.lingering;
        let Some(end) = pipe.datagrams().filter(|_| !lingering) else { return };
        end.ready = true;
        if std::mem::take(&mut pipe.wants_read) {
            self.events.push_back(PipeEvent::Readable(id));
        }
        self.note_reported(id);
    }

    /// Reads ahead of the application, up to the receive high-water mark.
    pub(super) fn gather_datagrams(&mut self, id: PipeId) {
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return };
        let Kind::Datagram(end) = &mut pipe.kind else { return };
        if pipe.lingering || !end.ready {
            return;
        }
        let received = end.received;
        let starved = end.gather(&mut self.slots).is_err();
        end.stats.came(end.queued().1);
        if end.received != received {
            end.stats.heard(ticks());
        }
        let (holds, ready) = (end.has_frame(), end.ready);
        if let Some(at) = end.take_due() {
            self.events.push_back(PipeEvent::Due(id, at));
        }
        if end.owes() {
            pipe.mark_dirty(id, &mut self.dirty);
        }
        self.pool.reads = self.pool.reads.wrapping_add(1);
        self.pool.read_at = ticks();
        pipe.note_holding(holds, &mut self.holding);
        if holds && std::mem::take(&mut pipe.wants_read) {
            self.events.push_back(PipeEvent::Readable(id));
        }
        if starved {
            self.events.push_back(PipeEvent::Starved);
        } else if ready && !holds {
            // Nothing of it was of use, and there is more.
            self.leave_unread(id);
        }
    }

    /// Reads the next frame, from wherever it is.
    #[cold]
    pub(super) fn pull_datagram(&mut self, id: PipeId) -> Option<Msg> {
        if self.datagrams(id).is_some_and(|end| !end.has_frame()) {
            self.gather_datagrams(id);
        }
        let pipe = self.pipes.get_mut(id as usize)?.as_mut()?;
        let Kind::Datagram(end) = &mut pipe.kind else { return None };
        let msg = end.take();
        let holds = end.has_frame();
        if let Some(msg) = &msg {
            end.stats.received(msg.more(), msg.len());
        }
        pipe.note_holding(holds, &mut self.holding);
        pipe.reading = msg.as_ref().is_some_and(Msg::more);
        pipe.wants_read |= msg.is_none();
        self.account(id, msg.as_ref().map(Msg::len));
        msg
    }

    /// Looks again, now that there may be memory.
    pub(super) fn feed_datagrams(&mut self, id: PipeId) {
        if self.datagrams(id).is_some_and(|end| end.ready) {
            self.expect_datagrams(id);
            self.gather_datagrams(id);
        }
    }

    /// Hands what was written to the kernel.
    pub(super) fn flush_datagrams(&mut self, id: PipeId) {
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return };
        let Kind::Datagram(end) = &mut pipe.kind else { return };
        let empty = if pipe.lingering { end.finish() } else { end.flush() };
        end.note_left(end.is_drained());
        let blocked = end.waits_for_kernel();
        if blocked != end.watches_out {
            end.watches_out = blocked;
            let watch = end.watch_for_room(WATCH);
            for set in [&self.set, &self.descriptor].into_iter().flatten() {
                // Fails only if the descriptor is not in the set, which cannot be.
                let _ = watch.map(|(fd, watch)| set.modify(fd, watch, u64::from(id)));
            }
        }
        if let Some(at) = end.take_due() {
            self.events.push_back(PipeEvent::Due(id, at));
        }
        if pipe.lingering {
            if empty {
                self.events.push_back(PipeEvent::Finished(id));
            }
        } else if pipe.wants_write && end.has_resumed() {
            pipe.resumes();
            self.events.push_back(PipeEvent::Writable(id));
        }
    }

    /// Whether there is room, now that the kernel has been asked to take what there was.
    pub(super) fn has_room_for_datagram(&mut self, id: PipeId) -> bool {
        if self.datagrams(id).is_some_and(|end| !end.has_room() && end.owes()) {
            self.flush_datagrams(id);
        }
        self.datagrams(id).is_some_and(|end| end.has_room())
    }
}
