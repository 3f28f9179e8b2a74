//! What a pattern may do with the pipes of its socket: [`PipeSet`] for [`PipeTable`].

use super::PipeTable;
use super::pipe::{Kind, Pipe, PipeEvent};
use crate::error::{Error, Result};
use crate::msg::{Msg, Sink};
use crate::pattern::{Loss, Part, PipeId, PipeSet};
use crate::stats::debug;
use crate::stats::layout::socket;
use crate::sys::clock::ticks;
use crate::sys::prefetch::prefetch;
use crate::util::budget::Budget;

impl PipeSet for PipeTable {
    #[cold]
    fn lost(&mut self, loss: Loss) {
        match loss {
            Loss::Full(id) => {
                let pipe = self.pipes.get_mut(id as usize).and_then(Option::as_mut);
                // One that has ended takes nothing, full or not.
                let Some(pipe) = pipe.filter(|pipe| !pipe.ending && !pipe.lingering) else {
                    return;
                };
                pipe.stats().dropped();
                if debug::is_on()
                    && let Some(count) = pipe.drops.another(ticks())
                {
                    self.events.push_back(PipeEvent::Dropped(id, count));
                }
            }
            Loss::NoPeer => self.stats.dropped_without_peer(!self.had_peer),
            Loss::Unknown => self.stats.count(socket::DROPPED_UNKNOWN),
            Loss::FilteredOut => self.stats.count(socket::FILTERED_OUT),
            Loss::FilteredIn => self.stats.count(socket::FILTERED_IN),
        }
    }

    fn uncounted(&mut self, id: PipeId, frame: &Msg) {
        self.uncount(id, frame);
    }

    fn asked_for(&mut self, topics: usize) {
        self.stats.subscriptions(topics);
    }

    #[inline]
    fn check_read(&mut self, id: PipeId) -> bool {
        let Some(pipe) = self.get(id) else { return false };
        if pipe.next.is_some() {
            return true;
        }
        let here = match &mut pipe.kind {
            Kind::Inproc(end) => !pipe.lingering && end.reader.has_frame(),
            Kind::Wire(_) => self.stands_ready(id),
            Kind::Datagram(end) => !pipe.lingering && end.has_frame(),
        };
        if here {
            return true;
        }
        let Some(msg) = self.pull(id, true) else { return false };
        self.uncount(id, &msg);
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return false };
        match &mut pipe.kind {
            // A newer one that comes before it is read takes its place.
            Kind::Wire(wire) if wire.conflates() => {
                wire.inject(msg);
                pipe.note_holding(true, &mut self.holding);
            }
            _ => pipe.next = Some(msg),
        }
        true
    }

    #[inline]
    fn read(&mut self, id: PipeId) -> Option<Msg> {
        let pipe = self.get(id)?;
        if let Some(msg) = pipe.next.take() {
            pipe.stats().received(msg.more(), msg.len());
            return Some(msg);
        }
        self.pull(id, self.with_metadata)
    }

    #[inline]
    fn complete(&self, id: PipeId, frame: &mut Msg) {
        if frame.metadata().is_none()
            && let Some(Some(Pipe { kind: Kind::Wire(wire), .. })) = self.pipes.get(id as usize)
            && let Some(connection) = &wire.connection
        {
            frame.set_metadata(Some(connection.metadata.clone()));
        }
    }

    #[inline]
    fn check_write(&mut self, id: PipeId) -> bool {
        self.spread();
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return false };
        if pipe.in_message() {
            return true;
        }
        if pipe.ending || pipe.lingering {
            return false;
        }
        let room = match &mut pipe.kind {
            Kind::Wire(wire) if self.sends_at_once => wire.has_room_at_once(),
            Kind::Wire(wire) => {
                wire.has_room() || wire.owes_bytes() && self.has_room_after_flush(id)
            }
            Kind::Inproc(end) => !end.writer.reader_gone() && end.writer.has_room(),
            Kind::Datagram(_) => self.has_room_for_datagram(id),
        };
        if !room && let Some(Some(pipe)) = self.pipes.get_mut(id as usize) {
            let unsent = pipe.unsent();
            pipe.stats().is_full(unsent);
            if !std::mem::replace(&mut pipe.wants_write, true)
                && let Kind::Wire(wire) = &mut pipe.kind
            {
                wire.found_full();
            }
        }
        room
    }

    fn is_gone(&self, id: PipeId) -> bool {
        let pipe = self.pipes.get(id as usize).and_then(Option::as_ref);
        pipe.is_none_or(|pipe| {
            let unheard = pipe.inproc().is_some_and(|end| end.writer.reader_gone());
            pipe.ending || pipe.lingering || unheard
        })
    }

    #[inline]
    fn write(&mut self, id: PipeId, msg: &mut Msg) -> Result<()> {
        self.spread();
        let pipe = self.pipes.get_mut(id as usize).and_then(Option::as_mut);
        let Some(pipe) = pipe.filter(|pipe| !pipe.ending && !pipe.lingering) else {
            drop(msg.take());
            return Ok(());
        };
        let wire = match &mut pipe.kind {
            Kind::Wire(wire) => wire,
            Kind::Inproc(end) => return end.write(msg, &mut self.arena),
            Kind::Datagram(_) => return self.write_datagram(id, msg),
        };
        if msg.more() {
            return pipe.parts.add(msg, wire, &mut self.arena);
        }
        pipe.parts.finish(msg, wire)?;
        self.written(id);
        Ok(())
    }

    #[inline(always)]
    fn read_into<S: Sink + ?Sized>(&mut self, id: PipeId, to: &mut S) -> Option<Part> {
        let alone = self.pipes.len() == 1;
        let pipe = self.pipes.get_mut(id as usize)?.as_mut()?;
        if pipe.next.is_some() || pipe.lingering {
            return None;
        }
        let wire = match &mut pipe.kind {
            Kind::Wire(wire) => wire,
            Kind::Inproc(end) => {
                let mut read = end.read_into(to);
                if read.is_none() && self.waits_to_receive && alone && end.reader.linger() {
                    read = end.read_into(to);
                }
                pipe.reading = read.is_some_and(|part| part.more);
                return read;
            }
            Kind::Datagram(_) => return None,
        };
        let (len, more) = wire.take_into(to, &mut self.pool)?;
        wire.stats.received(more, len);
        let holds = wire.holds_data();
        pipe.reading = more;
        pipe.note_holding(holds, &mut self.holding);
        Some(Part { len, more })
    }

    #[inline]
    fn promise(&mut self, id: PipeId) {
        if let Some(Some(pipe)) = self.pipes.get_mut(id as usize) {
            pipe.reading = true;
        }
    }

    #[inline]
    fn spend(&mut self, bytes: usize) -> bool {
        self.pool.budget.spend(bytes);
        !self.pool.budget.is_spent()
    }

    fn with_budget(&mut self, frames: u32, call: impl FnOnce(&mut PipeTable)) {
        let before = std::mem::replace(&mut self.pool.budget, Budget::of_frames(frames));
        call(self);
        self.pool.budget = before;
    }

    /// Each pipe is one step nearer the next time: the pipe itself, its connection, its bytes.
    #[inline]
    fn expect_reads(&self, [next, second, third]: [PipeId; 3]) {
        if let Some(pipe) = self.pipes.get(third as usize) {
            let lines = std::ptr::from_ref(pipe).cast::<[u8; 64]>();
            (0..size_of::<Option<Pipe>>().div_ceil(64))
                .for_each(|line| prefetch(lines.wrapping_add(line)));
        }
        if let Some(Some(Pipe { kind: Kind::Wire(wire), .. })) = self.pipes.get(second as usize) {
            wire.expect_read();
        }
        if let Some(Some(Pipe { kind: Kind::Wire(wire), .. })) = self.pipes.get(next as usize)
            && let Some(connection) = &wire.connection
        {
            connection.rx.expect_read();
        }
    }

    #[inline(always)]
    fn stands_ready(&mut self, id: PipeId) -> bool {
        let alone = self.pipes.len() == 1;
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return false };
        if pipe.next.is_some() || pipe.lingering {
            return false;
        }
        match &mut pipe.kind {
            Kind::Wire(wire) => wire.stands_ready() || self.prime(id),
            Kind::Inproc(end) if end.reader.conflates() => false,
            Kind::Inproc(end) => {
                if self.waits_to_receive && alone {
                    end.reader.linger();
                }
                end.reader.has_frame()
            }
            Kind::Datagram(_) => false,
        }
    }

    #[inline(always)]
    fn write_bytes(&mut self, id: PipeId, bytes: &[u8], keep: bool) -> bool {
        self.spread();
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return false };
        if pipe.ending || pipe.lingering {
            return false;
        }
        if pipe.in_message() {
            // The last part of a message that had room when it began.
            let wire = match &mut pipe.kind {
                Kind::Wire(wire) => wire,
                Kind::Inproc(end) => return !keep && end.finish_with(bytes),
                Kind::Datagram(_) => return false,
            };
            let put = pipe.parts.finish_with(bytes, wire);
            if put {
                self.written(id);
            }
            return put;
        }
        let wire = match &mut pipe.kind {
            Kind::Wire(wire) => wire,
            Kind::Inproc(end) => return !keep && end.write_bytes(bytes),
            Kind::Datagram(_) => return false,
        };
        if !wire.put_bytes(bytes, self.sends_at_once) {
            return false;
        }
        if std::mem::take(&mut pipe.awaited) || wire.is_urgent() {
            self.urgent.push(id);
        }
        pipe.mark_dirty(id, &mut self.dirty);
        true
    }

    #[inline]
    fn write_to_all<const N: usize>(
        &mut self,
        ids: &[PipeId],
        set: u64,
        parts: [&[u8]; N],
    ) -> bool {
        self.add_to_batch(ids, set, parts)
    }

    fn owed(&mut self, id: PipeId) -> usize {
        self.get(id).and_then(Pipe::wire).map_or(0, |wire| wire.unsent_bytes())
    }

    fn give_up(&mut self, id: PipeId) {
        self.events.push_back(PipeEvent::Lost(id, Error::Os(libc::ENOBUFS)));
    }

    fn write_exempt(&mut self, id: PipeId, msg: Msg) {
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return };
        if pipe.ending || pipe.lingering {
            return;
        }
        let mut msg = msg;
        match &mut pipe.kind {
            Kind::Wire(wire) => {
                if let Some(connection) = &mut wire.connection {
                    let result = connection.push_subscription(msg);
                    self.mark_dirty(id);
                    if let Err(error) = result {
                        // The next connection is told of all subscriptions.
                        self.events.push_back(PipeEvent::Lost(id, error));
                    }
                }
            }
            Kind::Inproc(end) => {
                debug_assert!(!end.writer.in_message(), "a subscription inside a message");
                if end.write_uncounted(&mut msg, &mut self.arena).is_err() {
                    self.end(id);
                }
            }
            // Nobody is told anything.
            Kind::Datagram(_) => {}
        }
    }

    fn rollback(&mut self, id: PipeId) {
        if let Some(pipe) = self.get(id) {
            pipe.parts.clear();
            match &mut pipe.kind {
                Kind::Inproc(end) => end.rollback(),
                Kind::Datagram(end) => end.rollback(),
                Kind::Wire(_) => {}
            }
        }
    }

    fn close(&mut self, id: PipeId) {
        let Some(pipe) = self.get(id) else { return };
        pipe.lingering = true;
        pipe.parts.clear();
        pipe.next = None;
        self.events.push_back(PipeEvent::Finished(id));
        self.clean(id);
        self.flush_one(id);
    }

    fn peer_routing_id(&self, id: PipeId) -> &[u8] {
        let Some(Some(pipe)) = self.pipes.get(id as usize) else { return &[] };
        match &pipe.kind {
            Kind::Wire(wire) => {
                wire.connection.as_ref().map_or(&[], |c| c.peer_routing_id.as_slice())
            }
            Kind::Inproc(end) => end.peer_routing_id(),
            Kind::Datagram(_) => &[],
        }
    }

    fn assigned_routing_id(&self, id: PipeId) -> Option<&[u8]> {
        self.pipes.get(id as usize)?.as_ref()?.assigned_routing_id.as_deref()
    }

    fn is_connected(&self, id: PipeId) -> bool {
        let Some(Some(pipe)) = self.pipes.get(id as usize) else { return false };
        match &pipe.kind {
            Kind::Wire(wire) => wire.connection.is_some(),
            // What is written waits for whoever binds the name.
            Kind::Inproc(_) => true,
            Kind::Datagram(_) => true,
        }
    }

    fn hears_all(&self, id: PipeId) -> bool {
        let pipe = self.pipes.get(id as usize).and_then(Option::as_ref);
        matches!(pipe, Some(Pipe { kind: Kind::Datagram(end), .. }) if end.hears_all())
    }
}
