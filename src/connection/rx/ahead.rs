//! What was received before the application asked for it.
//!
//! Reading ahead for an application that is away, [`Rx::gather`] leaves messages in the buffers
//! they came in and only counts them, for the high-water mark. What does not stand there as the
//! application may take it (commands, encrypted frames, long bodies, errors) is cut, with all in
//! front of it, into a queue of frames.

use super::stretches::{Count, Stretch};
use super::{Arrived, BUFFER, BufferPool, DIRECT, Flags, Front, Incoming, MOST_PARTS, Rx};
use crate::error::{Error, Result};
use crate::msg::{Msg, RxBuffer};
use crate::util::{memory, reserve};
use crate::wire::frame;
use std::os::fd::BorrowedFd;

/// The part of a message that may stand in a buffer without the rest.
const MOST_OPEN: usize = BUFFER / 4;

impl Rx {
    /// Whole messages gathered.
    pub fn gathered(&self) -> usize {
        self.whole + self.ahead.messages + self.counted().messages
    }

    /// Frames of whole messages that were cut.
    pub fn frames(&self) -> usize {
        self.frames.len()
    }

    /// Puts a message of one part in front of all that is still in buffers, and behind the whole
    /// messages that were cut from them: the connect and disconnect notes of ZMQ_STREAM, and
    /// subscriptions, also those that came as a command between the parts of a message.
    pub fn inject(&mut self, msg: Msg) {
        debug_assert!(!msg.more());
        self.whole += 1;
        self.frames.push_back(msg);
    }

    /// Counts what is in the buffers until that, with the messages gathered before, makes `limit`
    /// (0: no limit). A command on the way is returned at once; call again.
    ///
    /// # Errors
    /// As [`Rx::next`].
    pub fn gather(&mut self, limit: usize, pool: &mut BufferPool) -> Result<Option<Msg>> {
        let counted = self.may_stand() && self.count(limit);
        if counted && self.on_last(|rx| rx.count(limit)) {
            return Ok(None);
        }
        self.cut_ahead(limit, pool)
    }

    /// Whether the next frames may wait where they are.
    fn may_stand(&self) -> bool {
        self.decoder.is_none()
            && !self.raw
            && self.arrived.is_none()
            && self.body.is_none()
            && self.front != Front::Open
    }

    /// Counts messages in the current buffer. False if a frame there needs more than its time.
    fn count(&mut self, limit: usize) -> bool {
        let Some(buffer) = &self.buffer else { return true };
        let mut count = self.ahead.count;
        if count.from != self.at {
            // The application took some of them.
            count = Count { from: self.at, to: self.at, messages: 0 };
        }
        let others = self.whole + self.ahead.messages;
        // Where the next frame begins, which may be one in the middle of a message.
        let mut at = count.to;
        let mut plain = true;
        while limit == 0 || others + count.messages < limit {
            let Some(bytes) = buffer.filled().get(at..) else { break };
            let header = match frame::parse_header(self.framing, bytes) {
                Ok(Some(header)) => header,
                Ok(None) => break,
                Err(_) => {
                    plain = false;
                    break;
                }
            };
            if header.flags.command() || header.body_len > self.longest() {
                plain = false;
                break;
            }
            if header.frame_len() > bytes.len() as u64 {
                plain = header.body_len <= DIRECT as u64;
                break;
            }
            at += header.frame_len() as usize;
            if !header.flags.more() {
                count.messages += 1;
                count.to = at;
            }
        }
        plain &= buffer.filled().len() - count.to <= MOST_OPEN || self.is_full(limit, count);
        self.ahead.count = count;
        plain
    }

    fn is_full(&self, limit: usize, count: Count) -> bool {
        limit != 0 && self.whole + self.ahead.messages + count.messages >= limit
    }

    /// [`Rx::fill`] behind what waits for the application.
    ///
    /// # Errors
    /// As [`Rx::fill`].
    pub fn fill_behind(&mut self, fd: BorrowedFd<'_>, pool: &mut BufferPool) -> Result<usize> {
        if self.may_stand() && self.error.is_none() {
            if self.begin_another(pool).is_err() {
                self.starve(pool);
                return Ok(0);
            }
            self.on_last(|rx| rx.fill(fd, pool))
        } else {
            self.fill(fd, pool)
        }
    }

    /// The last buffer, and what is known of it.
    fn last(&mut self) -> Option<(&mut RxBuffer, Count)> {
        let current = self.counted();
        match self.ahead.behind.back_mut() {
            Some(last) => Some((&mut last.buffer, last.count)),
            None => self.buffer.as_mut().map(|buffer| (buffer, current)),
        }
    }

    /// If the last buffer is used up and whole messages are in it, the rest of it goes to another.
    fn begin_another(&mut self, pool: &mut BufferPool) -> Result<()> {
        let used_up = |(buffer, count): (&mut RxBuffer, Count)| {
            buffer.spare().1 < BUFFER / 4 && count.messages > 0
        };
        if !self.last().is_some_and(used_up) {
            return Ok(());
        }
        memory::try_room(&mut self.ahead.behind, 1)?;
        let mut another = pool.take()?;
        let Some((buffer, count)) = self.last() else { return Ok(()) };
        another.append(buffer.filled().get(count.to..).unwrap_or_default());
        buffer.truncate(count.to);
        let stretch = Stretch { buffer: another, at: 0, count: Count::default() };
        self.ahead.behind.push_back(stretch);
        Ok(())
    }

    /// Does something with the last buffer in the place of the one that frames are taken from.
    fn on_last<R>(&mut self, act: impl FnOnce(&mut Rx) -> R) -> R {
        let Some(last) = self.ahead.behind.pop_back() else { return act(self) };
        let first = self.take_current();
        // Out of sight, so that the last one has no follower when it is empty.
        let between = std::mem::take(&mut self.ahead.behind);
        self.set_current(last);
        let result = act(self);
        self.ahead.behind = between;
        if let Some(last) = self.take_current() {
            self.ahead.behind.push_back(last);
        }
        if let Some(first) = first {
            self.set_current(first);
        }
        result
    }

    /// What is known of the current buffer.
    fn counted(&self) -> Count {
        let count = self.ahead.count;
        if count.from == self.at { count } else { Count::default() }
    }

    fn take_current(&mut self) -> Option<Stretch> {
        let buffer = self.buffer.take()?;
        let count = self.counted();
        self.ahead.forget_count();
        self.ahead.messages += count.messages;
        Some(Stretch { buffer, at: std::mem::take(&mut self.at), count })
    }

    fn set_current(&mut self, stretch: Stretch) {
        self.ahead.messages -= stretch.count.messages;
        self.ahead.count = stretch.count;
        self.at = stretch.at;
        self.buffer = Some(stretch.buffer);
    }

    /// Goes on with the next buffer, if there is one, after the last frame of one was taken.
    #[inline]
    pub(super) fn next_buffer(&mut self) {
        if let Some(next) = self.ahead.behind.pop_front() {
            self.set_current(next);
        }
    }

    /// Cuts frames until `limit` messages are gathered (0: no limit) or bytes are missing. A
    /// command on the way is returned at once; call again.
    ///
    /// # Errors
    /// As [`Rx::next`].
    pub fn cut_ahead(&mut self, limit: usize, pool: &mut BufferPool) -> Result<Option<Msg>> {
        // The rest of a message that is being read out comes first, so it stays in front.
        while limit == 0 || self.whole < limit {
            match self.frame(pool)? {
                None => return Ok(None),
                Some(Incoming::Part(msg)) => {
                    if !self.keep(msg, pool) {
                        return Ok(None);
                    }
                }
                Some(Incoming::Command(body)) => return Ok(Some(body)),
            }
        }
        Ok(None)
    }

    /// Keeps a part until the last one of its message is there, too. False if there is no memory for
    /// that: it comes next again.
    fn keep(&mut self, msg: Msg, pool: &mut BufferPool) -> bool {
        let more = msg.more();
        let place = if more { memory::reserve_one(&mut self.open) } else { self.make_place() };
        if place.is_err() {
            self.come_again(msg, Flags::new(more, false), pool);
            return false;
        }
        if more {
            self.open.push(msg);
            self.front = Front::Open;
            return true;
        }
        self.frames.extend(self.open.drain(..));
        self.open.shrink_to(16);
        self.frames.push_back(msg);
        self.whole += 1;
        self.front = Front::Message;
        true
    }

    /// Makes sure of a place for one message more, with the parts that are open.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn make_place(&mut self) -> Result<()> {
        let wanted = self.open.len() + 1;
        if self.frames.capacity() - self.frames.len() >= wanted {
            return Ok(());
        }
        reserve::ready()?;
        memory::try_room(&mut self.frames, wanted)
    }

    /// There is no memory for what this frame asks for: it comes next again.
    pub fn come_again(&mut self, msg: Msg, flags: Flags, pool: &mut BufferPool) {
        debug_assert!(self.arrived.is_none(), "it has just been taken");
        self.arrived = Some(Arrived::Decrypted(msg, flags));
        self.starve(pool);
    }

    fn pop_gathered(&mut self) -> Option<Msg> {
        let msg = self.frames.pop_front()?;
        if !msg.more() {
            self.whole -= 1;
            if self.frames.is_empty() {
                self.frames.shrink_to(16);
            }
        }
        Some(msg)
    }

    /// Cuts frames until a message is whole; a command on the way is returned at once.
    pub(super) fn gather_one(&mut self, pool: &mut BufferPool) -> Result<Option<Incoming>> {
        loop {
            if let Some(msg) = self.pop_gathered() {
                return Ok(Some(Incoming::Part(msg)));
            }
            match self.frame(pool)? {
                None => return Ok(None),
                Some(Incoming::Part(msg)) if self.open.is_empty() && !msg.more() => {
                    return Ok(Some(Incoming::Part(msg)));
                }
                Some(Incoming::Part(msg)) => {
                    if !self.keep(msg, pool) {
                        return Ok(None);
                    }
                }
                command => return Ok(command),
            }
        }
    }

    /// The next frame that is here as a whole, decrypted if need be.
    fn frame(&mut self, pool: &mut BufferPool) -> Result<Option<Incoming>> {
        self.accepted_frame(pool).or_else(|error| self.stop(error, pool))
    }

    fn accepted_frame(&mut self, pool: &mut BufferPool) -> Result<Option<Incoming>> {
        let (mut msg, flags) = match self.arrived.take() {
            Some(Arrived::Raw(msg, flags)) => self.decrypted(msg, flags)?,
            Some(Arrived::Decrypted(msg, flags)) => (msg, flags),
            None => match self.peek(pool)? {
                Some(header) => self.cut(header, pool)?,
                None => return Ok(None),
            },
        };
        if flags.command() {
            return Ok(Some(Incoming::Command(msg)));
        }
        // A peer that never ends its message must not fill our memory with its parts.
        if flags.more() && self.open.len() >= MOST_PARTS {
            return Err(Error::MessageTooLong);
        }
        msg.set_more(flags.more());
        Ok(Some(Incoming::Part(msg)))
    }

    /// The frame inside, if frames are encrypted.
    fn decrypted(&mut self, mut msg: Msg, flags: Flags) -> Result<(Msg, Flags)> {
        let Some(decoder) = &mut self.decoder else { return Ok((msg, flags)) };
        // The flags outside are not authentic and say nothing.
        let (inner, place) = decoder.decode(msg.data_mut()).map_err(|error| {
            self.failure = Some(error);
            Error::Protocol
        })?;
        if place.len() as u64 > self.longest_inside {
            return Err(Error::MessageTooLong);
        }
        msg.narrow(place);
        Ok((msg, inner))
    }

    /// Drops the parts of a message that will never be whole: the connection is closed.
    pub fn drop_incomplete(&mut self) {
        self.open = Vec::new();
        self.front = Front::Message;
        self.body = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Framing;
    use crate::wire::frame::append_frame;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    const MESSAGES: usize = 10_000;

    fn read_ahead(rx: &mut Rx, from: &UnixStream, limit: usize, pool: &mut BufferPool) {
        rx.set_ready(false);
        loop {
            assert!(rx.gather(limit, pool).expect("all is well").is_none());
            if rx.gathered() == limit || !rx.ready() {
                return;
            }
            rx.fill_behind(from.as_fd(), pool).expect("readable");
        }
    }

    #[test]
    fn messages_are_counted_and_stay_in_their_buffers() {
        let (mut writer, reader) = UnixStream::pair().expect("a pair");
        reader.set_nonblocking(true).expect("not blocking");
        let body = |number: usize| [&number.to_le_bytes()[..], &[7; 60][..number % 60]].concat();
        let writing = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            for number in 0..MESSAGES {
                append_frame(&mut bytes, Flags::new(number % 10 == 0, false), &body(number));
            }
            writer.write_all(&bytes).expect("the reader reads");
            writer
        });
        let mut pool = BufferPool::default();
        let mut rx = Rx::new(Framing::V2, false, u64::MAX);
        // Each tenth is a part of what comes next.
        let messages = MESSAGES - MESSAGES / 10;
        let mut taken = 0;
        for limit in [1, 100, 3000, messages] {
            while rx.gathered() < limit.min(messages - taken * 9 / 10) {
                read_ahead(&mut rx, &reader, limit, &mut pool);
                assert!(rx.gathered() <= limit);
                assert!(rx.frames.is_empty() && rx.stands_ready() || rx.gathered() == 0);
            }
            for _ in 0..limit.min(50) / 10 * 10 {
                let mut msg = Msg::new();
                let frame = rx.take_into(&mut msg, &mut pool).expect("it was counted");
                assert_eq!((msg.data(), frame.1), (&body(taken)[..], taken.is_multiple_of(10)));
                taken += 1;
            }
        }
        while taken < MESSAGES {
            let mut msg = Msg::new();
            rx.take_into(&mut msg, &mut pool).expect("it was counted");
            assert_eq!(msg.data(), body(taken));
            taken += 1;
        }
        assert!(!rx.holds_data() && rx.gathered() == 0 && rx.ahead.messages == 0);
        drop(writing.join());
    }
}
