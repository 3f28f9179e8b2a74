//! Turns: what was left unread because a turn's [`Budget`] was spent.
//!
//! A turn begins whenever somebody takes the socket's lock. Once its budget is spent every pipe seems
//! to be empty, so that all loops over input end by themselves, whatever pattern they are in; only the
//! rest of a message that was begun can still be read. Each pipe that had something is noted here, and
//! [`PipeEvent::Unread`] says so: the socket sees to it that there is another turn, which begins with
//! [`PipeTable::resume`].

use super::PipeTable;
use super::pipe::{Kind, Pipe, PipeEvent};
use crate::pattern::PipeId;
use crate::util::budget::Budget;

impl PipeTable {
    /// Somebody has taken the socket's lock.
    #[inline(always)]
    pub fn begin_turn(&mut self) {
        self.pool.budget = Budget::TURN;
    }

    /// Whether there has to be another turn.
    #[inline]
    pub fn has_unread(&self) -> bool {
        !self.unread.pipes.is_empty()
    }

    /// Pipes that something was left in have their turn, those first that have not spent a budget for
    /// the longest time; with `gather`, it is read ahead of the application.
    pub fn resume(&mut self, gather: bool) {
        if self.unread.pipes.is_empty() {
            return;
        }
        let mut unread: Vec<PipeId> = std::mem::take(&mut self.unread.pipes).iter().collect();
        unread.sort_by_key(|&id| self.get(id).map(|pipe| pipe.spent));
        for id in unread {
            let Some(pipe) = self.get(id) else { continue };
            pipe.unread = false;
            let hung_up = pipe.connection().is_some_and(|c| c.rx.peer_closed());
            if !pipe.lingering && std::mem::take(&mut pipe.wants_read) {
                self.events.push_back(PipeEvent::Readable(id));
            }
            if gather || hung_up {
                self.gather(id);
            }
        }
    }

    /// Something is left in a pipe for another turn.
    #[cold]
    pub(super) fn leave_unread(&mut self, id: PipeId) {
        let Some(pipe) = self.get(id) else { return };
        if std::mem::replace(&mut pipe.unread, true) {
            return;
        }
        if self.unread.pipes.is_empty() {
            self.events.push_back(PipeEvent::Unread);
        }
        self.unread.pipes.push(id, ());
    }

    /// The same of one that has spent this turn's budget.
    #[cold]
    pub(super) fn cut(&mut self, id: PipeId) {
        self.unread.turns += 1;
        let turns = self.unread.turns;
        if let Some(pipe) = self.get(id) {
            pipe.spent = turns;
        }
        self.leave_unread(id);
    }

    /// Whether the pipe has to seem empty because the turn's budget is spent.
    #[inline]
    pub(super) fn is_over_for(&mut self, id: PipeId) -> bool {
        self.pool.budget.is_spent() && self.passes_over(id)
    }

    #[cold]
    fn passes_over(&mut self, id: PipeId) -> bool {
        let Some(pipe) = self.get(id) else { return false };
        if pipe.reading || !pipe.may_hold_data() {
            return false;
        }
        pipe.wants_read = true;
        self.leave_unread(id);
        true
    }

    /// A frame was read from a pipe, or there was none because the turn's budget is spent.
    #[inline]
    pub(super) fn account(&mut self, id: PipeId, frame: Option<usize>) {
        match frame {
            Some(bytes) => self.pool.budget.spend(bytes),
            None if self.pool.budget.is_spent() => self.may_be_cut(id),
            None => {}
        }
    }

    #[cold]
    fn may_be_cut(&mut self, id: PipeId) {
        if self.get(id).is_some_and(|pipe| pipe.may_hold_data()) {
            self.cut(id);
        }
    }

    /// The application got a frame of so many bytes.
    #[inline]
    pub fn refund(&mut self, bytes: usize) {
        self.pool.budget.refund(bytes);
    }
}

impl Pipe {
    fn may_hold_data(&mut self) -> bool {
        match &mut self.kind {
            Kind::Wire(wire) => wire.holds_data(),
            Kind::Inproc(end) => end.reader.has_frame(),
            Kind::Datagram(end) => end.may_have_frames(),
        }
    }
}

#[cfg(test)]
mod tests;
