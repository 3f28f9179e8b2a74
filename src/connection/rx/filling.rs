//! Bytes from the kernel: into the buffer, or straight to where a long body belongs.

use super::{Arrived, DIRECT, Front, Rx, Straight};
use crate::connection::buffers::{BUFFER, BufferPool};
use crate::error::{Error, Result};
use crate::msg::{BodyBuilder, Msg, RxBuffer, Sink};
use crate::sys::clock::ticks;
use crate::wire::frame::{self, Framing, Header};
use std::os::fd::BorrowedFd;

impl Rx {
    /// Takes bytes that were received before the connection was established. They come first, as if
    /// the kernel had them.
    pub fn preload(&mut self, bytes: Vec<u8>) {
        debug_assert!(self.buffer.is_none() && bytes.len() <= BUFFER);
        self.early = bytes;
    }

    /// Reads what came behind the handshake.
    #[cold]
    pub(super) fn take_early(&mut self, pool: &mut BufferPool) -> usize {
        let Ok(mut buffer) = pool.take() else {
            self.starve(pool);
            return 0;
        };
        let bytes = std::mem::take(&mut self.early);
        buffer.append(&bytes);
        self.buffer = Some(buffer);
        self.gap.read(bytes.len());
        bytes.len()
    }

    /// From now on no read into the buffer asks for more than this.
    pub fn limit_reads(&mut self, most: usize) {
        self.gap.most = most.max(1);
    }

    /// There is no memory to read on with. Nothing is lost by waiting for some: what the peer says
    /// stays in the kernel. Whoever owns the pool is told, and owes a call of [`Rx::feed`].
    #[cold]
    pub(super) fn starve(&mut self, pool: &mut BufferPool) {
        self.ready = false;
        self.starved = true;
        pool.hunger.begin();
    }

    /// The same for a connection that is read no more. False without memory for it.
    pub fn read_early(&mut self, pool: &mut BufferPool) -> bool {
        self.early.is_empty() || self.take_early(pool) > 0
    }

    /// Whether something waits for memory.
    #[inline]
    pub fn is_starved(&self) -> bool {
        self.starved
    }

    /// The connection ends with this error, once there is memory for what came before.
    pub fn end_later(&mut self, error: Error, pool: &mut BufferPool) {
        self.end();
        self.error = Some(error);
        self.starve(pool);
    }

    /// There may be memory again. Whether that is news for this connection.
    pub fn feed(&mut self) -> bool {
        let starved = std::mem::take(&mut self.starved);
        self.ready |= starved;
        starved
    }

    /// Gives an emptied buffer back.
    #[inline]
    pub(super) fn retire(&mut self, pool: &mut BufferPool) {
        if let Some(buffer) = self.buffer.take() {
            pool.give(buffer);
        }
        self.at = 0;
        self.ahead.forget_count();
        self.next_buffer();
    }

    /// Makes room for at least one read behind what is left in the buffer.
    fn make_room(&mut self, pool: &mut BufferPool) -> Result<()> {
        let Some(buffer) = &mut self.buffer else {
            self.buffer = Some(pool.take()?);
            self.at = 0;
            return Ok(());
        };
        if buffer.spare().1 >= BUFFER / 4 {
            return Ok(());
        }
        self.ahead.forget_count();
        if self.at > 0 && buffer.rewind(self.at) {
            self.at = 0;
            if buffer.spare().1 >= BUFFER / 4 {
                return Ok(());
            }
        }
        // The tail is in use by messages, or many frames wait unread: a fresh buffer.
        let tail = &buffer.filled()[self.at..];
        let mut fresh = RxBuffer::new(BUFFER.max(tail.len() * 2))?;
        fresh.append(tail);
        self.buffer = Some(fresh);
        self.at = 0;
        Ok(())
    }

    /// Reads once from the kernel without waiting. Returns how many bytes came; 0 means none, or
    /// the end of the stream ([`Rx::ended`]).
    ///
    /// # Errors
    /// What the kernel says, except that there is nothing.
    pub fn fill(&mut self, fd: BorrowedFd<'_>, pool: &mut BufferPool) -> Result<usize> {
        if self.error.is_some() || !self.early.is_empty() {
            return self.fill_from_before(pool);
        }
        self.starved = false;
        let count = match self.body {
            Some(_) => self.fill_body(fd, pool),
            None => self.fill_buffer(fd, pool),
        };
        if self.starved {
            return count;
        }
        let count = self.count_silent(count);
        if !self.ready {
            self.pace.settle(fd, self.to_come());
            self.ready = self.pace.may_have_missed();
        }
        count
    }

    /// Bytes of a long body that the kernel will be given, at least.
    #[inline]
    fn to_come(&self) -> usize {
        let Some((body, _)) = &self.body else { return 0 };
        let held = self.carried.as_ref().map_or(0, |carried| carried.most_held());
        body.missing().saturating_sub(held)
    }

    /// What comes before all that the kernel has.
    #[cold]
    fn fill_from_before(&mut self, pool: &mut BufferPool) -> Result<usize> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.starved = false;
        Ok(self.take_early(pool))
    }

    fn fill_buffer(&mut self, fd: BorrowedFd<'_>, pool: &mut BufferPool) -> Result<usize> {
        if self.make_room(pool).is_err() {
            self.starve(pool);
            return Ok(0);
        }
        let Some(buffer) = &mut self.buffer else { return Err(Error::NoMemory) };
        let (to, room) = buffer.spare();
        let room = room.min(self.gap.limit());
        pool.reads = pool.reads.wrapping_add(1);
        pool.read_at = ticks();
        pool.heard_at = pool.read_at;
        // SAFETY: `to` is valid for `room` bytes until the buffer is used again.
        let result = unsafe { self.recv(fd, to, room, pool) };
        let count = self.judge(result, room);
        if let (Ok(count), Some(buffer)) = (count, &mut self.buffer) {
            // SAFETY: the kernel wrote `count` bytes there.
            unsafe { buffer.advance(count) };
            self.gap.read(count);
        }
        self.give_back_if_empty(pool);
        count
    }

    fn fill_body(&mut self, fd: BorrowedFd<'_>, pool: &mut BufferPool) -> Result<usize> {
        let Some((body, _)) = &mut self.body else { return Ok(0) };
        let missing = body.missing();
        let Ok((to, room)) = body.spare() else {
            self.starve(pool);
            return Ok(0);
        };
        // SAFETY: `to` is valid for `room` bytes until the body is used again.
        let count = unsafe { self.read_body(fd, to, room, room == missing, pool)? };
        if let Some((body, _)) = &mut self.body {
            // SAFETY: the kernel wrote as many bytes there.
            unsafe { body.advance(count.min(room)) };
        }
        if count >= missing
            && let Some((body, header)) = self.body.take()
        {
            self.gap.body_ends(count - missing);
            self.arrived = Some(Arrived::Raw(Msg::from_body_builder(body), header.flags));
        }
        Ok(count)
    }

    /// What the result of a read for `room` bytes means. 0: there is nothing, or the end.
    pub(super) fn judge(&mut self, result: Result<usize>, room: usize) -> Result<usize> {
        let count = match result {
            Ok(0) => {
                self.ended = true;
                0
            }
            Ok(count) => count,
            Err(Error::Again) => {
                self.ready = false;
                0
            }
            Err(Error::Interrupted) => 0,
            Err(error) => return Err(error),
        };
        // A read that was not filled has emptied the kernel's queue; the next bytes make an edge.
        // After a hang-up no further edge comes, so the end must be looked for.
        self.ready &= count == room || self.peer_closed;
        // Of what stands between the kernel and us there is no edge either. Who has no memory for it is not ready, and
        // is told when to look again.
        let has_more = self.carried.as_ref().is_some_and(|carried| carried.has_more());
        self.ready |= has_more && !self.starved;
        Ok(count)
    }

    /// Reads a long message of one part, of which the header and perhaps a piece are here, from the
    /// kernel straight to `to`. If not all of it came it goes on as a body of its own.
    #[cold]
    pub fn read_into<S: Sink + ?Sized>(
        &mut self,
        to: &mut S,
        fd: BorrowedFd<'_>,
        pool: &mut BufferPool,
    ) -> Straight {
        let Some((header, len, here)) = self.long_header() else { return Straight::Not };
        let Some(place) = to.place(len) else { return Straight::Not };
        // Where what does not come now goes on: no byte leaves the kernel before there is memory for it.
        let Some(mut body) = BodyBuilder::whole(len) else { return Straight::Not };
        if let Some(buffer) = self.buffer.take() {
            let from = buffer.filled().len() - here;
            // SAFETY: `here` bytes end the buffer, and `place` is valid for `len`, which is more.
            unsafe { std::ptr::copy_nonoverlapping(buffer.filled()[from..].as_ptr(), place, here) };
            pool.give(buffer);
        }
        self.at = 0;
        self.ahead.forget_count();
        self.gap.body_begins(here);
        // SAFETY: as above.
        let read = unsafe { self.read_body(fd, place.add(here), len - here, true, pool) };
        let count = read.unwrap_or_else(|error| {
            self.fail_later(error);
            0
        });
        if here + count >= len {
            self.gap.body_ends(here + count - len);
            return Straight::Whole(len);
        }
        // SAFETY: as many bytes have been written there.
        let part = unsafe { std::slice::from_raw_parts(place, here + count) };
        body.append(part);
        self.body = Some((body, header));
        if count > 0 { Straight::Part } else { Straight::Not }
    }

    /// The header at the front of the buffer, the length of the body and how much of that is here,
    /// if it is a long message of one part that comes next and the rest may be in the kernel.
    fn long_header(&self) -> Option<(Header, usize, usize)> {
        let bytes = self.buffer.as_ref()?.filled().get(self.at..)?;
        let next = self.ready()
            && self.frames.is_empty()
            && self.front == Front::Message
            && self.arrived.is_none()
            && self.decoder.is_none()
            && self.error.is_none()
            && self.framing == Framing::V2
            && !self.raw;
        let plain = bytes.first().is_some_and(|&octet| octet == 2);
        if !(next && plain) {
            return None;
        }
        let header = frame::parse_header(self.framing, bytes).ok().flatten()?;
        let here = bytes.len() - header.header_len;
        let long = header.body_len > DIRECT as u64 && header.body_len > here as u64;
        if !long || header.body_len > self.longest() {
            return None;
        }
        Some((header, usize::try_from(header.body_len).ok()?, here))
    }

    #[inline]
    pub(super) fn give_back_if_empty(&mut self, pool: &mut BufferPool) {
        if self.buffer.as_ref().is_some_and(|b| b.filled().len() == self.at) {
            self.retire(pool);
        }
    }
}
