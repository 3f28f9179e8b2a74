//! From the queue to the kernel, and what is done with memory that is not needed any more.

use super::TxQueue;
use super::chunk::{BATCH, Counted};
use crate::error::{Error, Result};
use crate::sys::net;
use std::io::IoSlice;
use std::os::fd::BorrowedFd;

/// Chunks handed to the kernel in one call.
const GATHER: usize = 16;

/// An idle connection keeps no more buffer than this.
const IDLE_CAPACITY: usize = 512;

/// Buffers of sent chunks kept for later ones while there is traffic.
pub(super) const SPARES: usize = 16;

impl TxQueue {
    /// Hands the encoded frames of whole messages to the kernel, and appends what it does not
    /// take; behind what waits already. True if nothing is left to send.
    ///
    /// # Errors
    /// As [`TxQueue::flush`].
    pub fn send_encoded(
        &mut self,
        fd: BorrowedFd<'_>,
        frames: &[u8],
        messages: usize,
    ) -> Result<bool> {
        let mut sent = 0;
        let ready = self.bytes == 0 && !self.blocked && !self.unusual;
        if ready && frames.len() <= self.most {
            match net::send_vectored(fd, &[IoSlice::new(frames)]) {
                Ok(count) if count == frames.len() => return Ok(true),
                Ok(count) => {
                    sent = count;
                    self.blocked = true;
                }
                Err(Error::Again) => self.blocked = true,
                Err(Error::Interrupted) => {}
                Err(error) => self.lose(error),
            }
        }
        self.push_encoded(frames, messages, sent)?;
        if self.blocked { Ok(false) } else { self.flush(fd) }
    }

    /// Hands the queue to the kernel until it is empty or the kernel takes no more, which may be for
    /// ever ([`TxQueue::lost`]). True if it is empty.
    ///
    /// # Errors
    /// [`Error::Protocol`]: the encoder's keys are used up.
    pub fn flush(&mut self, fd: BorrowedFd<'_>) -> Result<bool> {
        if self.unusual {
            return if self.exhausted { Err(Error::Protocol) } else { self.flush_carried(fd) };
        }
        while self.bytes > 0 && self.lost.is_none() {
            let mut vectors = [IoSlice::new(&[]); GATHER];
            let mut count = 0;
            let mut wanted = 0;
            for chunk in self.chunks.iter().skip(self.done).take(GATHER / 2) {
                let split = chunk.bytes.len();
                if chunk.sent < split {
                    let end = split.min(chunk.sent + (self.most - wanted));
                    vectors[count] = IoSlice::new(&chunk.bytes[chunk.sent..end]);
                    wanted += end - chunk.sent;
                    count += 1;
                    if end < split {
                        break;
                    }
                }
                if let Some(body) = &chunk.body {
                    let rest = &body.data()[chunk.sent.saturating_sub(split)..];
                    vectors[count] = IoSlice::new(rest);
                    wanted += rest.len();
                    count += 1;
                }
                if wanted >= self.most {
                    break;
                }
            }
            let tried = net::send_vectored(fd, &vectors[..count]);
            if !self.handed_over(tried, wanted, |sent| sent) {
                return Ok(false);
            }
        }
        Ok(self.bytes == 0)
    }

    /// What came of handing over so many bytes, which stand for as many of the queue as `of_queue` says. False if
    /// it is to be tried again later: when there is room, or memory.
    #[inline(always)]
    pub(super) fn handed_over(
        &mut self,
        tried: Result<usize>,
        wanted: usize,
        of_queue: impl FnOnce(usize) -> usize,
    ) -> bool {
        match tried {
            Ok(sent) => {
                self.advance(of_queue(sent));
                if sent == wanted {
                    return true;
                }
                self.blocked = true;
            }
            Err(Error::Again) => self.blocked = true,
            Err(Error::NoMemory) => self.starve(),
            Err(Error::Interrupted) => return true,
            Err(error) => {
                self.lose(error);
                return true;
            }
        }
        false
    }

    #[inline(always)]
    pub(super) fn advance(&mut self, mut sent: usize) {
        self.bytes -= sent;
        self.answers = self.answers.saturating_sub(sent);
        self.pings = self.pings.saturating_sub(sent);
        while sent > 0 {
            let chunk = &mut self.chunks[self.done];
            let step = sent.min(chunk.len() - chunk.sent);
            chunk.sent += step;
            sent -= step;
            if chunk.sent == chunk.len() {
                self.messages -= chunk.messages;
                chunk.messages = 0;
                self.done += 1;
            }
        }
        self.release_done();
    }

    /// Frees chunks that no unfinished message needs, keeping one small buffer.
    fn release_done(&mut self) {
        let keep = if self.done == self.chunks.len() {
            if self.mid_message { return } else { self.done }
        } else {
            let mut first = self.done;
            while first > 0 && !self.chunks[first].starts_message {
                first -= 1;
            }
            first
        };
        if keep == 0 {
            return;
        }
        if keep == self.chunks.len() {
            // All sent: the last chunk becomes the empty first one.
            self.borrowed = false;
            self.drop_chunks(keep - 1);
            let chunk = &mut self.chunks[0];
            chunk.body = None;
            chunk.room = None;
            chunk.sent = 0;
            chunk.messages = 0;
            chunk.counted = Counted::default();
            chunk.starts_message = true;
            chunk.control = false;
            chunk.clear.bytes.clear();
            chunk.clear.body = None;
            chunk.bytes.clear();
        } else {
            self.drop_chunks(keep);
        }
        self.done -= keep;
        self.done = self.done.min(self.chunks.len());
    }

    /// Drops the first `count` chunks and keeps their buffers, if they are large.
    fn drop_chunks(&mut self, count: usize) {
        for chunk in self.chunks.drain(..count) {
            let mut bytes = chunk.bytes;
            if bytes.capacity() >= BATCH / 2 && self.spares.len() < SPARES {
                bytes.clear();
                self.spares.push(bytes);
            }
        }
    }

    /// Whether there is memory that an idle connection does not need.
    #[inline]
    pub fn is_grown(&self) -> bool {
        !self.spares.is_empty()
            || self.carried.as_ref().is_some_and(|carried| carried.is_grown())
            || self.chunks.front().is_some_and(|c| c.bytes.capacity() > IDLE_CAPACITY)
    }

    /// Gives back memory that a burst left behind. Called when the connection has been quiet.
    pub fn shrink(&mut self) {
        self.spares = Vec::new();
        if let Some(carried) = &mut self.carried {
            carried.shrink();
        }
        if self.bytes == 0 {
            if let Some(chunk) = self.chunks.front_mut() {
                chunk.bytes.shrink_to(IDLE_CAPACITY);
                chunk.clear.bytes.shrink_to(IDLE_CAPACITY);
            }
            self.chunks.shrink_to(1);
        }
    }
}
