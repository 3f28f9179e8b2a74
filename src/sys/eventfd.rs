//! eventfd(2): a descriptor that one thread makes readable to wake another.

use super::fd::OwnedFd;
use super::net::make_nonblocking;
use super::newer::{NO_DESCRIPTOR, Newer};
use super::raw;
#[cfg(sim)]
use super::sim::libc;
use crate::error::{Error, Result};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, RawFd};

/// A non-blocking event counter, or a pipe in its place.
#[derive(Debug)]
pub struct EventFd {
    fd: OwnedFd,
    /// The end of the pipe to write to.
    input: Option<OwnedFd>,
}

static EVENTFD2: Newer = Newer::new();

fn eventfd() -> Result<EventFd> {
    // SAFETY: no pointers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(Error::last());
    }
    // SAFETY: a descriptor that was just opened for us.
    Ok(EventFd { fd: unsafe { OwnedFd::from_raw_fd(fd) }, input: None })
}

fn pipe() -> Result<EventFd> {
    let mut ends = [-1; 2];
    // SAFETY: room for two descriptors.
    if unsafe { libc::pipe(ends.as_mut_ptr()) } < 0 {
        return Err(Error::last());
    }
    // SAFETY: descriptors that were just opened for us.
    let [fd, input] = ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) });
    make_nonblocking(fd.as_fd())?;
    make_nonblocking(input.as_fd())?;
    Ok(EventFd { fd, input: Some(input) })
}

impl EventFd {
    /// A new counter at zero.
    ///
    /// # Errors
    /// Whatever eventfd(2) says, `EMFILE` above all.
    pub fn new() -> Result<EventFd> {
        EVENTFD2.call(&NO_DESCRIPTOR, eventfd, pipe)
    }

    /// Makes the descriptor readable; an edge for whoever watches edges.
    pub fn signal(&self) {
        let one = 1u64;
        let fd = self.input.as_ref().unwrap_or(&self.fd).as_raw_fd();
        // SAFETY: eight readable bytes. It can only fail when the counter is about to overflow, or the
        // pipe is full, and then the descriptor is readable already.
        unsafe { raw::write(fd, (&raw const one).cast(), 8) };
    }

    /// Makes the descriptor quiet again. False if it is not ours any more: somebody has closed it, and
    /// perhaps opened something else.
    pub fn drain(&self) -> bool {
        if self.input.is_some() {
            return self.drain_pipe();
        }
        let mut count = 0u64;
        // SAFETY: eight writable bytes. EAGAIN means it was quiet already.
        let read = unsafe { raw::read(self.fd.as_raw_fd(), (&raw mut count).cast(), 8) };
        read == 8 || read < 0 && Error::last() == Error::Again
    }

    #[cold]
    fn drain_pipe(&self) -> bool {
        let mut bytes = [0u8; 512];
        let size = bytes.len();
        let mut read = || {
            // SAFETY: as many writable bytes as `size` says.
            unsafe { raw::read(self.fd.as_raw_fd(), bytes.as_mut_ptr().cast(), size) }
        };
        loop {
            match read() {
                0 => return false,
                ..0 => return Error::last() == Error::Again,
                count if count < size as isize => return true,
                _ => {}
            }
        }
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::poll::{PollFd, poll};
    use std::time::Duration;

    #[test]
    fn counter_and_pipe_are_readable_until_drained() {
        for made in [eventfd(), pipe()] {
            let made = made.unwrap();
            let readable = || {
                let mut list = [PollFd { fd: made.as_raw_fd(), events: libc::POLLIN, revents: 0 }];
                poll(&mut list, Some(Duration::ZERO)) == Ok(1)
            };
            assert!(!readable());
            for times in [1, 3, 64, 65, 100_000] {
                (0..times).for_each(|_| made.signal());
                assert!(readable(), "{times}");
                assert!(made.drain() && made.drain());
                assert!(!readable(), "{times}");
            }
        }
    }
}
