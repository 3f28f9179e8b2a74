//! Bytes of a connection that messages of WebSocket carry: they are made frames before they come to the
//! buffer, or to where a long body belongs.

use crate::connection::buffers::BufferPool;
use crate::error::{Error, Result};
use crate::msg::RxBuffer;
use crate::transport::Link;
use crate::wire::zws::Decoder;
use std::os::fd::BorrowedFd;

/// Reads from the kernel in one call. A peer may send much of which no frame comes for long.
const READS: usize = 4;

/// Why nothing comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// There is no memory to read on with, of ours or of the kernel's. The stream goes on once there is.
    Starved,
    /// How the stream ends, what the peer did wrong, or that there is nothing now.
    Stream(Error),
}

/// What stands between the kernel and the frames.
pub(super) struct Carried {
    decoder: Decoder,
    /// What messages are read from.
    link: Link,
    /// Octets of the peer that have not been used, from `at` on.
    octets: Option<RxBuffer>,
    at: usize,
    /// How the stream went on behind those: that it ended, or an error.
    then: Option<Result<()>>,
    /// The kernel may have more.
    more: bool,
    /// Octets that were used and of which nothing has come yet.
    silent: usize,
}

impl Carried {
    pub(super) fn new(decoder: Decoder, link: Link) -> Carried {
        Carried { decoder, link, octets: None, at: 0, then: None, more: true, silent: 0 }
    }

    /// Whether something could come without the kernel saying that there is more.
    pub(super) fn has_more(&self) -> bool {
        self.more || self.octets.is_some() || self.then.is_some() || self.decoder.holds_output()
    }

    /// Octets at most that have come and stand in between as long as no more comes, so that the kernel is given fewer
    /// than the frames still need.
    pub(super) fn most_held(&self) -> usize {
        self.link.most_held()
    }

    /// As recv(2) into `room` bytes, of frames. It comes back with less only if the kernel has no more,
    /// or [`Carried::has_more`] says so.
    ///
    /// # Safety
    /// `to` must be valid for `room` bytes.
    pub(super) unsafe fn recv(
        &mut self,
        fd: BorrowedFd<'_>,
        (to, room): (*mut u8, usize),
        pool: &mut BufferPool,
    ) -> std::result::Result<usize, Stop> {
        let mut written = 0;
        for _ in 0..READS {
            // SAFETY: valid by contract, and `written` is at most `room`.
            match unsafe { self.decode(to.add(written), room - written, pool) } {
                Ok(count) => written += count,
                Err(error) if written == 0 => return Err(Stop::Stream(error)),
                Err(_) => return Ok(written),
            }
            if written == room || self.octets.is_some() || self.then.is_some() {
                break;
            }
            match self.read(fd, pool) {
                Some(true) => {}
                Some(false) => break,
                None if written == 0 => return Err(Stop::Starved),
                // What is written goes first, and the kernel still has what it had.
                None => break,
            }
        }
        if written > 0 {
            return Ok(written);
        }
        match self.then {
            Some(Ok(())) => Ok(0),
            Some(Err(error)) => Err(Stop::Stream(error)),
            None => Err(Stop::Stream(Error::Again)),
        }
    }

    /// Octets of the peer of which no frame has come, since this was asked last.
    pub(super) fn take_silent(&mut self) -> usize {
        std::mem::take(&mut self.silent)
    }

    /// Makes frames of what is here.
    ///
    /// # Safety
    /// `to` must be valid for `room` bytes.
    unsafe fn decode(&mut self, to: *mut u8, room: usize, pool: &mut BufferPool) -> Result<usize> {
        let octets = self.octets.as_ref().and_then(|octets| octets.filled().get(self.at..));
        let octets = octets.unwrap_or_default();
        if octets.is_empty() && !self.decoder.holds_output() {
            return Ok(0);
        }
        // No frame has more than twice the octets of its message; what is left over is for the next time.
        let room = if self.decoder.holds_output() { room } else { room.min(2 * octets.len()) };
        // SAFETY: valid by contract, and now bytes with a value.
        let out = unsafe {
            to.write_bytes(0, room);
            std::slice::from_raw_parts_mut(to, room)
        };
        let step = self.decoder.decode(octets, out)?;
        self.at += step.used;
        self.silent = if step.written > 0 { 0 } else { self.silent + step.used };
        if step.used == octets.len()
            && let Some(buffer) = self.octets.take()
        {
            pool.give(buffer);
            self.at = 0;
        }
        Ok(step.written)
    }

    /// Reads once from the kernel: whether something came. `None`: there is no memory for it, and nothing has happened.
    fn read(&mut self, fd: BorrowedFd<'_>, pool: &mut BufferPool) -> Option<bool> {
        let Ok(mut buffer) = pool.take() else {
            self.more = true;
            return None;
        };
        self.more = false;
        let (to, room) = buffer.spare();
        // SAFETY: valid until the buffer is used again.
        let result = unsafe { self.link.recv_raw(fd, to, room) };
        match result {
            Ok(0) => self.then = Some(Ok(())),
            Ok(count) => {
                // SAFETY: the kernel wrote as many bytes there.
                unsafe { buffer.advance(count) };
                // A read that was not filled has emptied the kernel's queue.
                self.more = self.link.has_more(count == room);
                self.octets = Some(buffer);
                self.at = 0;
                return Some(true);
            }
            Err(Error::Again) => {}
            Err(Error::Interrupted) => {
                // There was something, of which nothing has come.
                self.more = true;
                self.silent += room;
            }
            Err(Error::NoMemory) => {
                self.more = true;
                pool.give(buffer);
                return None;
            }
            Err(error) => self.then = Some(Err(error)),
        }
        pool.give(buffer);
        Some(false)
    }
}
