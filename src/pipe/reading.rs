//! What comes from connections: reports of the set, reading ahead, and the way to the pattern.

use super::PipeTable;
use super::pipe::{Kind, Pipe, PipeEvent};
use crate::connection::rx::Hunger;
use crate::error::Error;
use crate::msg::Msg;
use crate::pattern::PipeId;
use crate::sys::epoll;

impl PipeTable {
    /// A descriptor of the socket's set was reported. Reads nothing, unless the peer hung up.
    pub fn on_ready(&mut self, id: PipeId, events: u32) {
        let Some(pipe) = self.get(id) else { return };
        if pipe.datagrams().is_some() {
            return self.on_datagrams(id, events);
        }
        let Some(connection) = pipe.connection() else { return };
        if events & epoll::OUT != 0 {
            connection.tx.unblock();
            self.mark_dirty(id);
        }
        if events & !epoll::OUT == 0 {
            return;
        }
        let hang_up = events & (epoll::PEER_CLOSED | epoll::FAILED) != 0;
        self.expect_bytes(id, hang_up);
        if hang_up {
            self.events.push_back(PipeEvent::HungUp(id));
            self.gather(id);
        }
    }

    /// The pipe's connection may have bytes.
    fn expect_bytes(&mut self, id: PipeId, hang_up: bool) {
        let Some(pipe) = self.get(id) else { return };
        if pipe.lingering {
            return self.discard(id);
        }
        let Some(connection) = pipe.connection() else { return };
        connection.rx.set_ready(hang_up);
        let listed = pipe.reported.is_some();
        if std::mem::take(&mut pipe.wants_read) {
            self.events.push_back(PipeEvent::Readable(id));
        }
        if !listed {
            self.note_reported(id);
        }
    }

    /// For a socket with one connection: look at it without asking the set first. False if it waits for
    /// the kernel to take more, too, which the set tells.
    pub fn expect_bytes_on_only_connection(&mut self) -> bool {
        let Some((id, connection)) = self.only_connection() else { return false };
        if connection.tx.blocked() {
            return false;
        }
        self.expect_bytes(id, false);
        true
    }

    /// Nothing can be sent over a pipe's connection any more ([`PipeEvent::Deaf`]), which whoever sends may
    /// learn before whoever reads. What the peer said is read on until that side has ended, too, which
    /// is an event of its own. With `ends` the pipe ends then, and takes nothing more. False if there
    /// is nobody to read it.
    pub fn read_on(&mut self, id: PipeId, ends: bool) -> bool {
        let Some(pipe) = self.get(id).filter(|pipe| !pipe.lingering) else { return false };
        let Some(connection) = pipe.connection().filter(|connection| !connection.rx.ended()) else {
            return false;
        };
        connection.fall_silent();
        if ends {
            pipe.ending = true;
            pipe.parts.clear();
        }
        // What it said comes before what a peer says that comes back.
        self.events.push_back(PipeEvent::HungUp(id));
        self.expect_bytes(id, true);
        self.gather(id);
        true
    }

    /// A pipe's connection cannot go on for a reason of our own: reads what came before that, up to the
    /// receive high-water mark, although nothing has told of it yet.
    pub fn read_last(&mut self, id: PipeId) {
        let connection = self.get(id).filter(|pipe| !pipe.lingering).and_then(Pipe::connection);
        if connection.is_some_and(|connection| !connection.rx.ended()) {
            self.expect_bytes(id, false);
            self.gather(id);
        }
    }

    /// Reads ahead of the application, up to the receive high-water mark.
    pub fn gather(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get_mut(id as usize).and_then(Option::as_mut) else { return };
        if pipe.lingering {
            return self.discard(id);
        }
        if self.pool.budget.is_spent() {
            return self.leave_unread(id);
        }
        let wire = match &mut pipe.kind {
            Kind::Wire(wire) => wire,
            Kind::Inproc(_) => return,
            Kind::Datagram(_) => return self.gather_datagrams(id),
        };
        let conflate = wire.conflates();
        let limit = if conflate { 0 } else { wire.receive_limit };
        let Some(connection) = &mut wire.connection else { return };
        let heard = connection.heard;
        let mut result = connection.gather(limit, &mut self.pool);
        if conflate && let Err(error) = connection.keep_newest(&mut self.pool) {
            result = result.and(Err(error));
        }
        let answered = connection.answered;
        wire.note_came();
        let Some(connection) = &wire.connection else { return };
        // Who found nothing has seen what was here: the beginning of a message is no news without more.
        let has_news = connection.rx.holds_data()
            && (connection.heard != heard || connection.rx.gathered() > 0);
        let holds = wire.holds_data();
        pipe.note_holding(holds, &mut self.holding);
        if has_news && std::mem::take(&mut pipe.wants_read) {
            self.events.push_back(PipeEvent::Readable(id));
        }
        if answered {
            self.send_answers(id);
        }
        self.tell_starved();
        match result {
            Ok(true) => {}
            Ok(false) => self.cut(id),
            Err(error) => self.events.push_back(PipeEvent::Lost(id, error)),
        }
    }

    /// A connection has found no memory to go on with: somebody has to look again.
    #[inline]
    fn tell_starved(&mut self) {
        if self.pool.hunger.becomes_known() {
            self.events.push_back(PipeEvent::Starved);
        }
    }

    /// Whether a pipe can do without its connection, which ends with this error: there has to be memory
    /// for what came over it. Otherwise it is told again ([`PipeEvent::Lost`]) once there is.
    pub fn can_lose(&mut self, id: PipeId, error: Error) -> bool {
        let Some(pipe) = self.pipes.get_mut(id as usize).and_then(Option::as_mut) else {
            return true;
        };
        let Kind::Wire(wire) = &mut pipe.kind else { return true };
        if pipe.lingering || wire.has_room_for_unread(&mut self.pool) {
            return true;
        }
        if let Some(connection) = &mut wire.connection {
            connection.rx.end_later(error, &mut self.pool);
        }
        self.tell_starved();
        false
    }

    /// There may be memory again for connections that wait for some. Those that find none say so anew.
    pub fn feed(&mut self) {
        self.pool.hunger = Hunger::None;
        for id in 0..self.pipes.len() as PipeId {
            self.feed_datagrams(id);
            let Some(connection) = self.get(id).and_then(Pipe::connection) else { continue };
            let writes = connection.tx.feed();
            let reads = connection.rx.feed();
            if reads && connection.rx.ended() {
                let error = connection.rx.why_ended();
                self.events.push_back(PipeEvent::Lost(id, error));
                continue;
            }
            if reads {
                self.expect_bytes(id, false);
                self.gather(id);
            }
            if writes {
                self.flush_one(id);
            }
        }
    }

    /// PINGs of the peer were answered: the answers leave at once, because a peer waits for them no
    /// longer than it likes, and whoever read the PINGs may be away next.
    #[cold]
    fn send_answers(&mut self, id: PipeId) {
        let Some(connection) = self.get(id).and_then(Pipe::connection) else { return };
        connection.answered = false;
        if connection.pulse.wants_timer(connection.heard) {
            self.events.push_back(PipeEvent::Pinged(id));
        }
        self.pinged = true;
        self.flush_one(id);
    }

    /// Whether a peer has ever sent a PING.
    #[inline]
    pub fn pinged(&self) -> bool {
        self.pinged
    }

    /// Moves with each read from the kernel.
    #[inline]
    pub fn reads(&self) -> u32 {
        self.pool.reads
    }

    /// When the kernel was last read from for anything but a long body, in
    /// [`ticks`](crate::sys::clock::ticks).
    #[inline]
    pub fn read_at(&self) -> u64 {
        self.pool.read_at
    }

    /// Moves with each of those reads for a long body.
    #[inline]
    pub fn long_reads(&self) -> u32 {
        self.pool.long_reads
    }

    /// Reads from the kernel if it may have bytes for this pipe and nothing is here. True if a
    /// message stands ready then.
    pub(super) fn prime(&mut self, id: PipeId) -> bool {
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return false };
        let Kind::Wire(wire) = &mut pipe.kind else { return false };
        match wire.prime(&mut self.pool) {
            Ok(false) => return false,
            Ok(true) => {}
            Err(error) => self.events.push_back(PipeEvent::Lost(id, error)),
        }
        let (holds, ready) = (wire.holds_data(), wire.stands_ready());
        pipe.note_holding(holds, &mut self.holding);
        self.tell_starved();
        ready
    }

    /// What there is behind all that came of a peer that is gone for good.
    #[cold]
    #[inline(never)]
    fn last_of(&mut self, id: PipeId) -> Option<Msg> {
        let last = self.get(id).and_then(|pipe| pipe.farewell.take()).map(|last| *last);
        if last.is_none() {
            self.events.push_back(PipeEvent::Finished(id));
        }
        self.account(id, last.as_ref().map(Msg::len));
        last
    }

    /// A frame that was read is kept for later, or is none of the application's: it does not count as received.
    #[cold]
    pub(super) fn uncount(&self, id: PipeId, frame: &Msg) {
        if let Some(Some(pipe)) = self.pipes.get(id as usize) {
            pipe.stats().not_received(frame.more(), frame.len());
        }
    }

    /// Reads the next frame, from wherever it is.
    #[inline]
    pub(super) fn pull(&mut self, id: PipeId, with_metadata: bool) -> Option<Msg> {
        if self.is_over_for(id) {
            return None;
        }
        let alone = self.pipes.len() == 1;
        let (mut answered, mut len) = (false, 0);
        let pipe = self.pipes.get_mut(id as usize)?.as_mut()?;
        if pipe.lingering {
            return None;
        }
        let msg = match &mut pipe.kind {
            Kind::Wire(wire) => {
                let (mut msg, error) = wire.read(&mut self.pool);
                if let Some(msg) = &mut msg {
                    len = msg.len();
                    wire.stats.received(msg.more(), len);
                    if with_metadata && let Some(connection) = &wire.connection {
                        msg.set_metadata(Some(connection.metadata.clone()));
                    }
                }
                answered = wire.has_answered();
                let holds = wire.holds_data();
                pipe.note_holding(holds, &mut self.holding);
                if let Some(error) = error {
                    self.events.push_back(PipeEvent::Lost(id, error));
                }
                msg
            }
            Kind::Inproc(end) => {
                if self.waits_to_receive && alone {
                    end.reader.linger();
                }
                let msg = end.read();
                if let Some(msg) = &msg {
                    len = msg.len();
                    end.stats.received(msg.more(), len);
                }
                msg
            }
            Kind::Datagram(_) => return self.pull_datagram(id),
        };
        pipe.reading = msg.as_ref().is_some_and(Msg::more);
        if msg.is_some() {
            self.account(id, Some(len));
        } else {
            if self.pool.hunger.becomes_known() {
                self.events.push_back(PipeEvent::Starved);
            }
            pipe.wants_read = true;
            // As long as there is a connection there may be more.
            if pipe.ending && pipe.connection().is_none() {
                return self.last_of(id);
            }
            self.account(id, None);
        }
        if answered {
            self.send_answers(id);
        }
        msg
    }
}
