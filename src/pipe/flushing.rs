//! What goes to connections: pipes with something that is not flushed, and flushing them.

use super::PipeTable;
use super::pipe::{CLEAN, Kind, Pipe, PipeEvent};
use super::places::WATCH;
use crate::connection::Connection;
use crate::error::Result;
use crate::pattern::PipeId;
use crate::sys::epoll;

impl PipeTable {
    pub(super) fn mark_dirty(&mut self, id: PipeId) {
        if let Some(Some(pipe)) = self.pipes.get_mut(id as usize) {
            pipe.mark_dirty(id, &mut self.dirty);
        }
    }

    /// Takes a pipe out of `dirty`. False if it was not there.
    pub(super) fn clean(&mut self, id: PipeId) -> bool {
        let Some(pipe) = self.get(id) else { return false };
        let at = std::mem::replace(&mut pipe.dirty, CLEAN) as usize;
        if at >= self.dirty.len() {
            return false;
        }
        self.dirty.swap_remove(at);
        if let Some(&moved) = self.dirty.get(at)
            && let Some(pipe) = self.get(moved)
        {
            pipe.dirty = at as u32;
        }
        true
    }

    /// How many connections have something to flush.
    #[inline]
    pub fn dirty_count(&self) -> usize {
        self.dirty.len() + self.batch.pending_count()
    }

    /// Whether anything waits to be flushed.
    #[inline]
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || self.batch.is_pending()
    }

    /// Whether something waits that is worth flushing even if more is to come.
    #[inline]
    pub fn is_urgent(&self) -> bool {
        !self.urgent.is_empty() || self.batch.is_full()
    }

    /// Flushes what is worth it: everything if `all`, otherwise only full batches, and answers to
    /// peers of which nothing more is here. Bodies that belong to the caller of a running send call
    /// are flushed, or copied, in any case.
    #[inline]
    pub fn flush(&mut self, all: bool) {
        if self.batch.is_pending() && (all || self.batch.is_full()) {
            self.flush_batch();
        }
        if all {
            self.flush_all();
        } else if !self.urgent.is_empty() {
            self.flush_urgent();
        }
    }

    fn flush_all(&mut self) {
        self.urgent.clear();
        // Who waits longest comes first.
        let mut dirty = std::mem::take(&mut self.dirty);
        for &id in &dirty {
            if let Some(pipe) = self.get(id) {
                pipe.dirty = CLEAN;
            }
        }
        for id in dirty.drain(..) {
            self.flush_one(id);
        }
        if self.dirty.is_empty() {
            self.dirty = dirty;
        }
    }

    fn flush_urgent(&mut self) {
        while let Some(id) = self.urgent.pop() {
            if self.clean(id) {
                self.flush_one(id);
            }
        }
    }

    /// Something was put on the connection of a pipe.
    #[inline(always)]
    pub(super) fn written(&mut self, id: PipeId) {
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return };
        let Kind::Wire(wire) = &pipe.kind else { return };
        if wire.connection.is_none() {
            return;
        }
        if std::mem::take(&mut pipe.awaited) || wire.is_urgent() {
            self.urgent.push(id);
        }
        pipe.mark_dirty(id, &mut self.dirty);
    }

    pub(super) fn flush_one(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get_mut(id as usize).and_then(Option::as_mut) else { return };
        let wire = match &mut pipe.kind {
            Kind::Wire(wire) => wire,
            Kind::Inproc(_) => return,
            Kind::Datagram(_) => return self.flush_datagrams(id),
        };
        let result = wire.flush(self.lent);
        self.flushed(id, result);
    }

    /// Whether a pipe has room once what we hold back has gone out.
    #[cold]
    pub(super) fn has_room_after_flush(&mut self, id: PipeId) -> bool {
        let Some(wire) = self.get(id).and_then(Pipe::wire) else { return false };
        let result = wire.flush(false);
        let room = wire.has_room();
        self.flushed(id, result);
        room
    }

    /// The connection of a pipe was flushed: whether it is empty now.
    pub(super) fn flushed(&mut self, id: PipeId, result: Result<bool>) {
        let Some(pipe) = self.pipes.get_mut(id as usize).and_then(Option::as_mut) else { return };
        let Kind::Wire(wire) = &mut pipe.kind else { return };
        let Some(connection) = &mut wire.connection else { return };
        if !pipe.grown && connection.tx.is_grown() {
            pipe.grown = true;
            self.grown.push(id);
        }
        if let Some(error) = connection.tx.lost_lately() {
            self.events.push_back(PipeEvent::Deaf(id, error));
        }
        if connection.tx.is_starved() {
            self.pool.hunger.begin();
            if self.pool.hunger.becomes_known() {
                self.events.push_back(PipeEvent::Starved);
            }
        }
        match result {
            Ok(false) if connection.tx.lost().is_some() => {}
            Ok(empty) => {
                if empty == connection.watches_out || connection.tx.ends_pause() {
                    connection.watches_out = !empty;
                    let watch = if empty { WATCH } else { WATCH | epoll::OUT };
                    for set in [&self.set, &self.descriptor].into_iter().flatten() {
                        // Fails only if the descriptor is not in the set, which cannot be.
                        let _ = set.modify(connection.fd(), watch, u64::from(id));
                    }
                }
                if pipe.lingering {
                    let known = wire.connection.as_ref().is_some_and(Connection::says_farewell);
                    if !known && wire.is_drained() {
                        self.events.push_back(PipeEvent::Finished(id));
                    }
                } else if pipe.wants_write && wire.has_resumed() {
                    pipe.resumes();
                    self.events.push_back(PipeEvent::Writable(id));
                }
            }
            Err(error) => self.events.push_back(PipeEvent::Lost(id, error)),
        }
    }

    /// Counts anew what fills the pipes; those found full may have room now. Unless `all`, only
    /// where the last time was a moment ago.
    pub fn settle(&mut self, all: bool) {
        for id in 0..self.pipes.len() as PipeId {
            let Some(pipe) = self.get(id) else { continue };
            let waits = pipe.wants_write;
            let Some(wire) = pipe.wire().filter(|w| all || w.is_to_settle()) else { continue };
            wire.settle();
            if waits && wire.has_resumed() {
                pipe.resumes();
                self.events.push_back(PipeEvent::Writable(id));
            }
        }
    }

    /// Something was queued on a pipe's connection directly.
    pub fn touch(&mut self, id: PipeId) {
        self.mark_dirty(id);
    }

    /// Whether anything waits to be flushed that the kernel may take.
    pub fn has_flushable(&mut self) -> bool {
        if self.batch.is_pending() {
            return true;
        }
        (0..self.dirty.len()).any(|at| {
            let id = self.dirty[at];
            self.get(id).and_then(Pipe::connection).is_some_and(|c| !c.tx.blocked())
                || self.datagrams(id).is_some_and(|end| end.owes())
        })
    }
}
