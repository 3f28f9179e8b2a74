//! TLS over a descriptor, by rustls: records in, what they say out, and the other way round.
//!
//! rustls has buffers of its own, so there are three places where bytes can be besides the kernel, and each counts: what came and
//! is no record yet (`input`), what records said that nobody has asked for (rustls), and records that the
//! kernel has not taken (`records`). Whoever sends hears that something is sent once all of the record
//! that says it is the kernel's: no peer can read less than a record.

mod config;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub(super) mod idle;
mod sources;
mod verify;

pub(super) use config::Config;

use super::agreement::Agreement;
use crate::error::{Error, Result};
use crate::sys::net;
use crate::util::buffer::Buffer;
use crate::util::memory::try_room;
use crate::util::reserve;
use idle::INPUT;
use rustls::{ClientConnection, Connection, ServerConnection};
use std::collections::VecDeque;
use std::io::{self, BufRead, Write};
use std::os::fd::BorrowedFd;

/// What one record of ours says, at most. TLS allows twice as much (RFC 8446, section 5.1), but libzmq takes 8192 bytes at a
/// time, forgets what gnutls has beyond, and stands still if nothing follows.
const RECORD: usize = 1 << 13;

/// What a record has around that, at most: TLS 1.2 allows 2048 octets, no cipher of rustls needs 64.
const AROUND: usize = 64;

/// The longest record that there can be (RFC 5246, section 6.2.3), with its header.
pub(super) const LONGEST_RECORD: usize = (1 << 14) + 2048 + 5;

/// Reads from the kernel in one call. A peer may send much that says nothing.
const READS: usize = 4;

/// One connection's TLS.
pub(super) struct Session {
    tls: Connection,
    /// What came, from `at` to `end`, and is not read yet: a buffer is here for that only (`idle.rs`).
    input: Buffer,
    at: usize,
    end: usize,
    /// The kernel may have more.
    more: bool,
    /// How it goes on behind all that: it has ended, or failed.
    then: Option<Result<()>>,
    /// What the kernel has not taken, from `sent` on.
    records: Buffer,
    sent: usize,
    /// Where in `records` ends one that says something of ours, and how many bytes.
    marks: VecDeque<(usize, usize)>,
}

impl Session {
    /// Begins one.
    ///
    /// # Errors
    /// [`Error::NoMemory`], or there are no random numbers.
    pub(super) fn new(config: &Config) -> Result<Session> {
        reserve::ready()?;
        let mut tls: Connection = match config {
            Config::Server(config) => ServerConnection::new(config.clone()).map_err(broken)?.into(),
            Config::Client(config, name) => {
                ClientConnection::new(config.clone(), name.clone()).map_err(broken)?.into()
            }
        };
        tls.set_buffer_limit(None);
        Ok(Session {
            tls,
            input: Buffer::new(),
            at: 0,
            end: 0,
            more: true,
            then: None,
            records: Buffer::new(),
            sent: 0,
            marks: VecDeque::new(),
        })
    }

    /// Goes on with the handshake.
    ///
    /// # Errors
    /// There is no connection: the peer makes no sense, is not whom we wanted, or has gone.
    pub(super) fn agree(&mut self, fd: BorrowedFd<'_>) -> Result<Agreement> {
        let mut reads = 0;
        loop {
            if !self.marks.is_empty() {
                // They have. What is under way since then is for `send` to go on with, and to count.
                return Ok(Agreement::Reached);
            }
            self.take_records()?;
            let pushed = self.push(fd);
            if pushed == Err(Error::Again) {
                return Ok(Agreement::Speaks);
            }
            if !self.tls.is_handshaking() {
                return Ok(Agreement::Reached);
            }
            match self.then {
                Some(Ok(())) => return Err(Error::Os(libc::EPIPE)),
                Some(Err(error)) => return Err(error),
                // The last read may have ended it, or have left us something to say.
                None if reads == READS => return Ok(Agreement::Hears),
                None => {}
            }
            match self.read(fd) {
                Ok(()) => reads += 1,
                // What could not be said nobody answers.
                Err(Error::Again) => return pushed.map(|()| Agreement::Hears),
                Err(error) => return Err(error),
            }
        }
    }

    /// Says this, of which the first part may be under way already; how much of it the kernel has got.
    /// What it has not got has to come again, with whatever follows.
    ///
    /// # Errors
    /// `Again`: none, for now. `NoMemory`: the same. Or the connection is lost.
    pub(super) fn send(&mut self, fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize> {
        self.take_records()?;
        if self.marks.is_empty() {
            self.seal(bytes)?;
        }
        let mut through = 0;
        loop {
            match self.push_once(fd) {
                Ok((count, false)) => through += count,
                Ok((count, true)) => return Ok(through + count),
                Err(_) if through > 0 => return Ok(through),
                Err(error) => return Err(error),
            }
        }
    }

    /// Makes records of this.
    fn seal(&mut self, bytes: &[u8]) -> Result<()> {
        reserve::ready()?;
        let pieces = bytes.chunks(RECORD);
        try_room(&mut self.marks, pieces.len())?;
        self.records.reserve(bytes.len() + pieces.len() * AROUND)?;
        for piece in pieces {
            let before = self.records.len();
            self.tls.writer().write_all(piece).map_err(broken)?;
            // There is room.
            self.take_records().map_err(broken)?;
            // With TLS 1.2 there is no key after the one that is used up: rustls takes all, and says good-bye.
            if self.records.len() - before <= piece.len() {
                return Err(Error::Protocol);
            }
            self.marks.push_back((self.records.len(), piece.len()));
        }
        Ok(())
    }

    /// Fetches the records that rustls has made.
    fn take_records(&mut self) -> Result<()> {
        while self.tls.wants_write() {
            let mut to = Records(&mut self.records);
            self.tls.write_tls(&mut to).map_err(|_| Error::NoMemory)?;
        }
        Ok(())
    }

    /// Hands the records to the kernel, where none says anything of ours: nobody would hear that it is through.
    fn push(&mut self, fd: BorrowedFd<'_>) -> Result<()> {
        debug_assert!(self.marks.is_empty(), "what is through has to count");
        while !self.push_once(fd)?.1 {}
        Ok(())
    }

    /// Does that once: how many bytes are through, and whether nothing is left.
    fn push_once(&mut self, fd: BorrowedFd<'_>) -> Result<(usize, bool)> {
        let unsent = self.records.get(self.sent..).unwrap_or_default();
        if !unsent.is_empty() {
            match net::send(fd, unsent) {
                Ok(sent) => self.sent += sent,
                Err(Error::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
        let mut through = 0;
        while let Some(&(end, bytes)) = self.marks.front()
            && end <= self.sent
        {
            through += bytes;
            self.marks.pop_front();
        }
        let empty = self.sent == self.records.len();
        if empty {
            self.records.clear();
            self.sent = 0;
        }
        Ok((through, empty))
    }

    /// As recv(2) into `room` bytes. It comes back with less only if the kernel has no more, or
    /// [`Session::has_more`] says so.
    ///
    /// # Safety
    /// `to` must be valid for `room` bytes.
    pub(super) unsafe fn recv(
        &mut self,
        fd: BorrowedFd<'_>,
        (to, room): (*mut u8, usize),
    ) -> Result<usize> {
        let mut written = 0;
        for _ in 0..READS {
            // SAFETY: valid by contract, and `written` is at most `room`.
            written += unsafe { self.take(to.add(written), room - written) };
            if written == room || self.then.is_some() {
                break;
            }
            match self.read(fd) {
                Ok(()) => {}
                Err(Error::Again) => break,
                Err(error) if written == 0 => return Err(error),
                Err(_) => {
                    // What has been told of is still to be looked for, and is not told again.
                    self.more = true;
                    break;
                }
            }
        }
        // SAFETY: as above.
        written += unsafe { self.take(to.add(written), room - written) };
        match self.then {
            _ if written > 0 => Ok(written),
            Some(Ok(())) => Ok(0),
            Some(Err(error)) => Err(error),
            None if self.more || self.at < self.end => Err(Error::Interrupted),
            None => Err(Error::Again),
        }
    }

    /// Whether something could come without the kernel saying that there is more.
    pub(super) fn has_more(&mut self) -> bool {
        self.more || self.at < self.end || self.then.is_some() || self.holds_text()
    }

    fn holds_text(&mut self) -> bool {
        self.tls.reader().fill_buf().is_ok_and(|text| !text.is_empty())
    }

    /// Takes what records have said.
    ///
    /// # Safety
    /// `to` must be valid for `room` bytes.
    unsafe fn take(&mut self, to: *mut u8, room: usize) -> usize {
        let (mut reader, mut taken) = (self.tls.reader(), 0);
        while taken < room
            && let Ok(text) = reader.fill_buf()
            && !text.is_empty()
        {
            let count = text.len().min(room - taken);
            // SAFETY: `to` has room for so many behind those that were taken.
            unsafe { to.add(taken).copy_from_nonoverlapping(text.as_ptr(), count) };
            reader.consume(count);
            taken += count;
        }
        taken
    }

    /// Has rustls read some of what came, from the kernel if nothing is here. What the records have said so far is taken.
    ///
    /// # Errors
    /// `Again`: there is nothing. `NoMemory`: nothing has happened, and there may be something.
    fn read(&mut self, fd: BorrowedFd<'_>) -> Result<()> {
        // rustls has no way to say that there is no memory.
        let here = reserve::ready().and_then(|()| match self.at == self.end {
            true => self.fill(fd),
            false => Ok(()),
        });
        if here == Err(Error::NoMemory) {
            // The kernel, or we, and the library's own memory or the kernel's: nothing will say so once more.
            self.more = true;
        }
        here?;
        while self.then.is_none() && self.at < self.end && !self.holds_text() {
            let mut octets = self.input.get(self.at..self.end).unwrap_or_default();
            let before = octets.len();
            let read = self.tls.read_tls(&mut octets);
            self.at += before - octets.len();
            let judged = match read {
                Ok(_) => self.tls.process_new_packets().map_err(|_| Error::Protocol),
                Err(_) => Err(Error::Protocol),
            };
            match judged {
                Ok(state) if state.peer_has_closed() => self.then = Some(Ok(())),
                Ok(_) => {}
                Err(error) => {
                    self.then = Some(Err(error));
                    // The peer is told why, if that costs no waiting, and it may be in the middle of nothing.
                    if self.marks.is_empty() {
                        let _ = self.take_records().and_then(|()| self.push(fd));
                    }
                }
            }
        }
        if self.at == self.end || self.then.is_some() {
            (self.at, self.end) = (0, 0);
            idle::give(std::mem::take(&mut self.input));
        }
        Ok(())
    }

    /// Reads once from the kernel.
    fn fill(&mut self, fd: BorrowedFd<'_>) -> Result<()> {
        self.input = idle::take()?;
        self.more = false;
        match net::recv(fd, &mut self.input) {
            // Whoever goes without a word (RFC 8446, section 6.1) has cut off no message: those have lengths of their own.
            Ok(0) => self.then = Some(Ok(())),
            Ok(count) => (self.at, self.end, self.more) = (0, count, count == INPUT),
            Err(Error::Interrupted) => self.more = true,
            Err(error @ (Error::Again | Error::NoMemory)) => {
                idle::give(std::mem::take(&mut self.input));
                return Err(error);
            }
            Err(error) => self.then = Some(Err(error)),
        }
        Ok(())
    }

    /// Says that nothing more comes (close_notify), if all before is said.
    pub(super) fn close(&mut self, fd: BorrowedFd<'_>) {
        if self.records.is_empty() && !self.tls.is_handshaking() {
            self.tls.send_close_notify();
            // Whether it arrives is not waited for.
            let _ = self.take_records().and_then(|()| self.push(fd));
        }
    }

    /// Whether it has a buffer for what comes.
    #[cfg(test)]
    pub(super) fn holds_input(&self) -> bool {
        self.input.capacity() > 0
    }

    /// Whether there is memory that an idle connection does not need.
    pub(super) fn is_grown(&self) -> bool {
        self.records.capacity() > 0
    }

    /// Gives it back.
    pub(super) fn shrink(&mut self) {
        if self.records.is_empty() {
            (self.records, self.marks) = (Buffer::new(), VecDeque::new());
        }
    }
}

/// Where rustls writes to.
struct Records<'a>(&'a mut Buffer);

impl Write for Records<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.reserve(octets.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        self.0.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What can only be our own fault, or the end of the numbers of a key.
fn broken<E>(_: E) -> Error {
    Error::Protocol
}
