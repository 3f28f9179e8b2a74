//! The side of a pipe that leads to a connection, or will when there is one.

use crate::connection::Connection;
use crate::connection::rx::BufferPool;
use crate::connection::tx::{COPY_LIMIT, Waiting};
use crate::error::{Error, Result};
use crate::msg::{Msg, Sink};
use crate::policy::mark::Mark;
use crate::stats::{PeerStats, Record};
use crate::sys::clock::ticks;
use crate::sys::prefetch::prefetch;
use crate::util::budget::Budget;
use crate::util::memory::try_room;
use std::collections::VecDeque;

/// Queues that outlive the connections under them.
pub struct Wire {
    pub(super) connection: Option<Connection>,
    /// Messages that wait for a connection, or for it to take more.
    waiting: Waiting,
    /// Frames of whole messages that came over a connection now closed.
    pub(super) backlog: VecDeque<Msg>,
    /// ZMQ_SNDHWM, or [`Mark::NONE`], with ZMQ_CONFLATE, too.
    send_limit: usize,
    /// ZMQ_RCVHWM; 0: unlimited.
    pub(super) receive_limit: usize,
    /// ZMQ_CONFLATE of the endpoint.
    conflate: bool,
    /// What counts against ZMQ_SNDHWM for a caller that does not wait, and when those who wait may go on.
    mark: Mark,
    /// What others can see of the peer.
    pub(super) stats: PeerStats,
}

/// Parts of messages passed over in one go for a newer one (ZMQ_CONFLATE).
const CONFLATED: usize = 10_000;

/// Bytes handed to the kernel of what waits before others may have the socket's lock.
const FLUSH_MOST: usize = 4 << 20;

impl Wire {
    /// Without a connection yet. The limits are as for [`Wire::set_limits`].
    pub fn new(send_limit: usize, receive_limit: usize, conflate: bool) -> Wire {
        let mut wire = Wire {
            connection: None,
            waiting: Waiting::default(),
            backlog: VecDeque::new(),
            send_limit: Mark::NONE,
            receive_limit,
            conflate,
            mark: Mark::default(),
            stats: PeerStats::nobodys(Record::nobodys(0)),
        };
        wire.set_limits(send_limit, receive_limit);
        wire
    }

    /// With these statistics of the peer.
    #[must_use]
    pub fn with_stats(self, stats: PeerStats) -> Wire {
        let limit = if self.send_limit == Mark::NONE { 0 } else { self.send_limit };
        stats.limits(limit, self.receive_limit);
        Wire { stats, ..self }
    }

    /// Whether only the newest message is kept (ZMQ_CONFLATE).
    #[inline]
    pub(super) fn conflates(&self) -> bool {
        self.conflate
    }

    /// Changes the high-water marks (0: unlimited).
    pub fn set_limits(&mut self, send_limit: usize, receive_limit: usize) {
        let without = send_limit == 0 || self.conflate;
        self.send_limit = if without { Mark::NONE } else { send_limit };
        self.receive_limit = receive_limit;
        self.stats.limits(send_limit, receive_limit);
    }

    /// Messages that the kernel has not taken completely, or some more, see [`Wire::unsent_exactly`].
    #[inline]
    pub fn unsent(&self) -> usize {
        self.waiting.messages() + self.connection.as_ref().map_or(0, |c| c.tx.messages())
    }

    /// The same, counted to the last one.
    pub fn unsent_exactly(&mut self) -> usize {
        if let Some(connection) = &mut self.connection
            && connection.tx.messages() > 0
        {
            connection.tx.count_off();
        }
        self.unsent()
    }

    /// How many messages fill the queue to the high-water mark.
    pub(super) fn filled(&mut self) -> usize {
        let unsent = self.unsent_exactly();
        self.mark.filled(unsent, self.send_limit)
    }

    /// Whole messages that came and are still here.
    pub(super) fn unread(&self) -> usize {
        let kept = self.backlog.iter().filter(|part| !part.more()).count();
        kept + self.connection.as_ref().map_or(0, |c| c.rx.gathered())
    }

    pub(super) fn is_drained(&self) -> bool {
        self.waiting.is_empty() && self.connection.as_ref().is_none_or(|c| c.tx.bytes() == 0)
    }

    #[inline]
    pub(super) fn has_room(&mut self) -> bool {
        let free = match &self.connection {
            Some(c) => {
                !c.tx.blocked() && self.waiting.messages() + c.tx.messages() < self.send_limit
            }
            None => self.waiting.messages() < self.send_limit,
        };
        free || self.has_room_exactly()
    }

    /// What the kernel takes counts no more at once; where it takes no more it counts as with libzmq.
    #[cold]
    #[inline(never)]
    fn has_room_exactly(&mut self) -> bool {
        let limit = self.send_limit;
        if limit == Mark::NONE {
            return true;
        }
        let unsent = self.unsent_exactly();
        unsent < limit && (!self.is_blocked() || self.mark.has_room(unsent, limit))
    }

    #[inline]
    fn is_blocked(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.tx.blocked())
    }

    /// Like [`Wire::has_room`], for a caller that would rather fail than wait (ZMQ_DONTWAIT), see
    /// [`Mark`]; polling settles the count at once.
    #[inline]
    pub(super) fn has_room_at_once(&mut self) -> bool {
        if self.mark.is_below(self.send_limit) {
            return self.has_room();
        }
        if !self.is_to_settle() {
            return false;
        }
        self.settle();
        self.has_room()
    }

    pub(super) fn is_to_settle(&self) -> bool {
        self.mark.is_to_settle(ticks())
    }

    /// From now on only what the kernel has not taken counts.
    pub(super) fn settle(&mut self) {
        let unsent = self.unsent_exactly();
        self.mark.settle(unsent, ticks());
    }

    /// A writer found no room, and waits for some.
    pub(super) fn found_full(&mut self) {
        let unsent = self.unsent_exactly();
        self.mark.found_full(unsent, self.send_limit);
    }

    /// Whether a writer that found no room may go on.
    pub(super) fn has_resumed(&mut self) -> bool {
        let unsent = self.unsent_exactly();
        self.mark.has_resumed(unsent, self.send_limit)
    }

    #[inline]
    pub(super) fn holds_data(&self) -> bool {
        let more = |c: &Connection| c.rx.holds_data() || c.rx.ready();
        !self.backlog.is_empty() || self.connection.as_ref().is_some_and(more)
    }

    /// Whether reading found a PING, the answer to which has to be sent.
    #[inline]
    pub(super) fn has_answered(&self) -> bool {
        self.connection.as_ref().is_some_and(|c| c.answered)
    }

    /// Puts a frame behind what came over connections now closed.
    pub fn inject(&mut self, msg: Msg) {
        self.backlog.push_back(msg);
    }

    /// Whether something is queued that the kernel may take.
    #[inline]
    pub(super) fn owes_bytes(&self) -> bool {
        let owes = |c: &Connection| c.tx.bytes() > 0 || !self.waiting.is_empty();
        self.connection.as_ref().is_some_and(|c| owes(c) && !c.tx.blocked())
    }

    /// Bytes that the kernel has not taken.
    pub(super) fn unsent_bytes(&self) -> usize {
        self.waiting.bytes() + self.connection.as_ref().map_or(0, |c| c.tx.bytes())
    }

    /// Gives the pipe a connection, which takes what waits for one when it is flushed.
    pub(super) fn attach(&mut self, mut connection: Connection) {
        connection.tx.look_whether_full(&self.waiting);
        connection.stats = self.stats.clone();
        self.connection = Some(connection);
        let unsent = self.unsent_exactly();
        self.stats.waiting(unsent);
    }

    /// Takes the connection away. Whole messages that came stay in `backlog`; with `resend`, those that
    /// were not sent completely wait for the next one.
    pub(super) fn detach(&mut self, pool: &mut BufferPool, resend: bool) -> Option<Connection> {
        self.keep_unread(pool);
        let mut connection = self.connection.take()?;
        if resend {
            connection.tx.give_back(&mut self.waiting);
        } else {
            self.waiting.clear();
        }
        self.stats.flows();
        let unsent = self.unsent_exactly();
        self.stats.waiting(unsent);
        self.note_came();
        Some(connection)
    }

    /// What has come and is unread is counted.
    pub(super) fn note_came(&self) {
        self.stats.came(self.unread());
    }

    /// Whether there is memory for what came over the connection, of which nothing more is read.
    pub(super) fn has_room_for_unread(&mut self, pool: &mut BufferPool) -> bool {
        let Some(connection) = &mut self.connection else { return true };
        // All of it is here, and no more than was let in.
        let budget = std::mem::replace(&mut pool.budget, Budget::of_frames(u32::MAX));
        let frames = connection.cut_all(pool);
        pool.budget = budget;
        // One more may follow that says that the peer is gone.
        frames.is_some_and(|frames| try_room(&mut self.backlog, frames + 1).is_ok())
    }

    /// Whole messages that came go to `backlog`, with the properties of who sent them. Nothing more is
    /// read from the connection. Who cannot do without any asks [`Wire::has_room_for_unread`] first.
    fn keep_unread(&mut self, pool: &mut BufferPool) {
        self.has_room_for_unread(pool);
        let Some(connection) = &mut self.connection else { return };
        let budget = std::mem::replace(&mut pool.budget, Budget::of_frames(u32::MAX));
        connection.rx.drop_incomplete();
        while self.backlog.len() < self.backlog.capacity()
            && let Ok(Some(mut msg)) = connection.receive(pool, true)
        {
            msg.set_metadata(Some(connection.metadata.clone()));
            self.backlog.push_back(msg);
        }
        pool.budget = budget;
    }

    /// Takes the connection and what it has yet to send away; what came stays.
    pub(super) fn divide(&mut self, pool: &mut BufferPool) -> Wire {
        self.keep_unread(pool);
        let mut sender = Wire::new(self.send_limit, self.receive_limit, self.conflate);
        sender.connection = self.connection.take();
        sender.waiting = std::mem::take(&mut self.waiting);
        // To those who look it is one peer, of which each has its part.
        sender.stats = self.stats.clone();
        sender
    }

    /// Queues a frame, which is empty afterwards.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    #[inline]
    pub(super) fn put(&mut self, msg: &mut Msg) -> Result<()> {
        let last = usize::from(!msg.more());
        match &mut self.connection {
            // A message on its way cannot be taken back; what waits behind it can.
            Some(c) if c.tx.takes_messages() && (!self.conflate || c.tx.messages() == 0) => {
                c.tx.push(msg)?;
            }
            connection => {
                let mut tx = connection.as_mut().map(|c| &mut c.tx);
                if self.conflate {
                    let mut newest = Waiting::default();
                    newest.push(msg, None)?;
                    self.waiting = newest;
                } else {
                    self.waiting.push(msg, tx.as_deref_mut())?;
                }
                if let Some(tx) = tx {
                    tx.look_whether_full(&self.waiting);
                }
            }
        }
        self.mark.add(last);
        Ok(())
    }

    /// Queues a message: these parts, which stay as they are, and the last one, which is empty
    /// afterwards.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    pub(super) fn put_parts(&mut self, parts: &mut [Msg], last: &mut Msg) -> Result<()> {
        let mark = self.connection.as_ref().map(|connection| connection.tx.mark());
        let waiting_mark = self.waiting.mark();
        let put_all = || {
            for part in parts {
                self.put(&mut part.share()?)?;
            }
            self.put(last)
        };
        let result = put_all();
        if result.is_err() {
            if let (Some(connection), Some(mark)) = (&mut self.connection, &mark) {
                connection.tx.take_back(mark);
            }
            if self.conflate {
                self.waiting.clear();
            } else {
                self.waiting.take_back(&waiting_mark);
            }
        }
        result
    }

    /// Hands what is queued to the kernel; true if nothing is left. What belongs to the caller of
    /// a send call and is left is copied, unless that caller waits for it (`lent`).
    pub(super) fn flush(&mut self, lent: bool) -> Result<bool> {
        let before = self.unsent_bytes();
        let Some(connection) = &mut self.connection else { return Ok(true) };
        let mut empty = false;
        while !connection.tx.blocked() {
            // With ZMQ_CONFLATE the newest may go once the one before is sent.
            if (!self.conflate || connection.tx.messages() == 0)
                && connection.tx.refill(&mut self.waiting).is_err()
                && connection.tx.bytes() == 0
            {
                connection.tx.starve();
                return Ok(false);
            }
            empty = connection.flush()?;
            if !empty || self.waiting.is_empty() {
                break;
            }
            let left = self.waiting.bytes();
            if before.saturating_sub(left) >= FLUSH_MOST {
                // Others wait for the socket's lock; the kernel says at once that it takes more.
                connection.tx.pause();
                break;
            }
            empty = false;
        }
        empty &= self.waiting.is_empty();
        connection.tx.look_whether_full(&self.waiting);
        if !empty && !lent && connection.tx.borrowed() {
            connection.tx.make_owned();
        }
        self.note_left(empty);
        Ok(empty)
    }

    /// The kernel was asked to take what waits; whether it took all of it.
    #[inline(always)]
    fn note_left(&mut self, empty: bool) {
        if empty {
            self.stats.flows();
        } else {
            let unsent = self.unsent_exactly();
            self.stats.stalls(unsent);
        }
    }

    /// Queues a message of one part straight from `bytes`, if there is room and a connection to
    /// put it on.
    #[inline(always)]
    pub(super) fn put_bytes(&mut self, bytes: &[u8], at_once: bool) -> bool {
        let room = if at_once { self.has_room_at_once() } else { self.has_room() };
        if self.conflate || !room {
            return false;
        }
        let sent = self.connection.as_mut().is_some_and(|c| c.tx.push_bytes(bytes));
        if !sent {
            return self.put_bytes_behind(bytes);
        }
        self.mark.add(1);
        self.stats.sent(1, bytes.len());
        true
    }

    /// The same where others wait that come first.
    #[cold]
    fn put_bytes_behind(&mut self, bytes: &[u8]) -> bool {
        let put = bytes.len() <= COPY_LIMIT && self.put_frames_behind(&[], 0, Some(bytes));
        self.mark.add(usize::from(put));
        if put {
            self.stats.sent(1, bytes.len());
        }
        put
    }

    /// Queues whole messages as frames behind others that wait. False if nobody does, or without
    /// memory; nothing has happened then.
    fn put_frames_behind(&mut self, frames: &[u8], messages: usize, last: Option<&[u8]>) -> bool {
        let Some(connection) = self.connection.as_mut().filter(|c| !c.tx.takes_messages()) else {
            return false;
        };
        let messages = messages + usize::from(last.is_some());
        let put = self.waiting.push_frames(frames, messages, last, &mut connection.tx);
        connection.tx.look_whether_full(&self.waiting);
        put
    }

    /// Whether something queued is worth handing to the kernel even if more is to come.
    #[inline]
    pub(super) fn is_urgent(&self) -> bool {
        self.connection.as_ref().is_some_and(|c| c.tx.is_urgent())
    }

    /// How many messages there is room for, if they may come as encoded frames.
    pub(super) fn room_for_encoded(&mut self) -> usize {
        let takes = self.connection.as_ref().is_some_and(|connection| connection.tx.takes_frames());
        if !takes || self.conflate || !self.has_room() {
            return 0;
        }
        self.send_limit.saturating_sub(self.unsent())
    }

    /// Queues the encoded frames of whole messages.
    ///
    /// # Errors
    /// [`Error::NoMemory`]: the connection cannot go on.
    pub(super) fn put_encoded(&mut self, frames: &[u8], messages: usize) -> Result<()> {
        self.mark.add(messages);
        match &mut self.connection {
            None => Ok(()),
            Some(c) if c.tx.takes_messages() => c.tx.push_encoded(frames, messages, 0),
            Some(_) => {
                let put = self.put_frames_behind(frames, messages, None);
                if put { Ok(()) } else { Err(Error::NoMemory) }
            }
        }
    }

    /// Hands encoded frames to the kernel, behind what is queued; true if nothing is left.
    pub(super) fn send_encoded(&mut self, frames: &[u8], messages: usize) -> Result<bool> {
        match &mut self.connection {
            Some(c) if c.tx.takes_messages() => {
                self.mark.add(messages);
                let empty = c.send_encoded(frames, messages)?;
                self.note_left(empty && self.waiting.is_empty());
                Ok(empty)
            }
            _ => {
                self.put_encoded(frames, messages)?;
                self.flush(false)
            }
        }
    }

    /// Whether the parts of a message may wait for the last one as frames, for [`Wire::put_frames`].
    #[inline]
    pub(super) fn takes_frames(&self) -> bool {
        !self.conflate && self.connection.as_ref().is_some_and(|c| c.tx.takes_frames())
    }

    /// Queues a message: the frames of all parts but the last, and the body of the last. False, and
    /// nothing has happened, if the connection is not, or not any more, one that takes them.
    #[inline]
    pub(super) fn put_frames(&mut self, frames: &[u8], last: &[u8]) -> bool {
        let put = !self.conflate
            && self.connection.as_mut().is_some_and(|c| c.tx.push_frames(frames, last));
        let put = put
            || self.takes_frames()
                && last.len() <= COPY_LIMIT
                && self.put_frames_behind(frames, 0, Some(last));
        self.mark.add(usize::from(put));
        put
    }

    /// Whether a message stands ready for [`Wire::take_into`].
    #[inline]
    pub(super) fn stands_ready(&self) -> bool {
        !self.conflate
            && self.backlog.is_empty()
            && self.connection.as_ref().is_some_and(|c| c.rx.stands_ready())
    }

    /// Has what [`Wire::take_into`] looks at brought into the cache.
    #[inline]
    pub(super) fn expect_read(&self) {
        prefetch(std::ptr::from_ref(&self.backlog));
        Connection::expect_read(&self.connection);
    }

    /// Reads from the kernel if that may have bytes and nothing is here. False if it was not tried.
    ///
    /// # Errors
    /// Why the connection died.
    #[inline]
    pub(super) fn prime(&mut self, pool: &mut BufferPool) -> Result<bool> {
        match &mut self.connection {
            Some(connection)
                if !self.conflate && self.backlog.is_empty() && connection.rx.wants_bytes() =>
            {
                connection.read_more(pool)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The next frame straight into `to`, if it stands ready; its length, and whether its message
    /// goes on.
    #[inline(always)]
    pub(super) fn take_into<S: Sink + ?Sized>(
        &mut self,
        to: &mut S,
        pool: &mut BufferPool,
    ) -> Option<(usize, bool)> {
        if self.conflate || !self.backlog.is_empty() {
            return None;
        }
        let connection = self.connection.as_mut()?;
        let taken = connection.take_into(to, pool)?;
        to.came_from(&connection.metadata);
        Some(taken)
    }

    /// The next frame, and why the connection died if it did.
    #[inline]
    pub(super) fn read(&mut self, pool: &mut BufferPool) -> (Option<Msg>, Option<Error>) {
        let conflate = self.conflate;
        let mut newest = None;
        if conflate {
            newest = self.backlog.drain(..).next_back();
        } else if let Some(msg) = self.backlog.pop_front() {
            return (Some(msg), None);
        }
        let Some(connection) = &mut self.connection else {
            return (newest, None);
        };
        let mut passed = 0;
        loop {
            match connection.receive(pool, false) {
                Ok(Some(msg)) if conflate => {
                    passed += 1;
                    // "In particular, only one part of it is kept": the last one.
                    if !msg.more() {
                        newest = Some(msg);
                        if passed >= CONFLATED {
                            return (newest, None);
                        }
                    }
                }
                Ok(msg) => return (msg.or(newest), None),
                Err(error) => return (newest, Some(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
