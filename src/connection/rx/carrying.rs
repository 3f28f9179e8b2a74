//! Reading from the kernel, or what messages of WebSocket carry.

use super::Rx;
use super::carried::{Carried, Stop};
use crate::connection::buffers::BufferPool;
use crate::error::{Error, Result};
use crate::sys::net;
use crate::transport::Link;
use crate::wire::mechanism::Decoder as Cipher;
use crate::wire::zws::{self, Decoder};
use crate::wire::{Flags, HandshakeError};
use std::ops::Range;
use std::os::fd::BorrowedFd;

impl Rx {
    /// From now on messages of WebSocket carry what comes.
    pub fn carry(&mut self, mut decoder: Decoder, link: Link) {
        decoder.limit(self.max_size);
        if let Some(inner) = self.decoder.take() {
            self.decoder = Some(Box::new(Past(inner)));
        }
        self.carried = Some(Box::new(Carried::new(decoder, link)));
    }

    /// Reads from the kernel, or what is made of that.
    ///
    /// # Safety
    /// `to` must be valid for `room` bytes.
    #[inline]
    pub(super) unsafe fn recv(
        &mut self,
        fd: BorrowedFd<'_>,
        to: *mut u8,
        room: usize,
        pool: &mut BufferPool,
    ) -> Result<usize> {
        if self.carried.is_some() {
            // SAFETY: valid by contract.
            return unsafe { self.recv_carried(fd, to, room, pool) };
        }
        // SAFETY: valid by contract.
        unsafe { net::recv_raw(fd, to, room) }
    }

    /// The same into two places, the second of which comes next.
    ///
    /// # Safety
    /// Both must be valid for as many bytes.
    #[inline]
    pub(super) unsafe fn recv_both(
        &mut self,
        fd: BorrowedFd<'_>,
        places: [(*mut u8, usize); 2],
        pool: &mut BufferPool,
    ) -> Result<usize> {
        if self.carried.is_none() {
            // SAFETY: valid by contract.
            return unsafe { net::recv_raw_vectored(fd, places) };
        }
        let [(to, room), (behind, most)] = places;
        // SAFETY: valid by contract.
        let count = unsafe { self.recv_carried(fd, to, room, pool)? };
        if count < room {
            return Ok(count);
        }
        // SAFETY: valid by contract. What is wrong there the next read tells.
        let more = unsafe { self.recv_carried(fd, behind, most, pool) };
        Ok(count + more.unwrap_or(0))
    }

    #[cold]
    unsafe fn recv_carried(
        &mut self,
        fd: BorrowedFd<'_>,
        to: *mut u8,
        room: usize,
        pool: &mut BufferPool,
    ) -> Result<usize> {
        let Some(carried) = &mut self.carried else { return Err(Error::Again) };
        // SAFETY: valid by contract.
        match unsafe { carried.recv(fd, (to, room), pool) } {
            Ok(count) => Ok(count),
            Err(Stop::Stream(error)) => Err(error),
            Err(Stop::Starved) => {
                self.starve(pool);
                Err(Error::Again)
            }
        }
    }

    /// What a read brought, in octets of the peer if no frame came of them: it has said something.
    #[inline]
    pub(super) fn count_silent(&mut self, count: Result<usize>) -> Result<usize> {
        match &mut self.carried {
            Some(carried) if count == Ok(0) => Ok(carried.take_silent()),
            _ => count,
        }
    }
}

/// Lets commands past a cipher that stand for control frames, which are not encrypted. Nobody can say more with them
/// than with the control frames themselves.
struct Past(Box<dyn Cipher>);

impl Cipher for Past {
    fn decode(
        &mut self,
        body: &mut [u8],
    ) -> std::result::Result<(Flags, Range<usize>), HandshakeError> {
        if zws::as_control(body).is_some() {
            return Ok((Flags::COMMAND, 0..body.len()));
        }
        self.0.decode(body)
    }
}
