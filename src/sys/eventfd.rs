//! eventfd(2): a descriptor that one thread makes readable to wake another.

use crate::error::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// A non-blocking event counter.
#[derive(Debug)]
pub struct EventFd {
    fd: OwnedFd,
}

impl EventFd {
    /// A new counter at zero.
    ///
    /// # Errors
    /// Whatever eventfd(2) says, `EMFILE` above all.
    pub fn new() -> Result<EventFd> {
        // SAFETY: no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(Error::last());
        }
        // SAFETY: a descriptor that was just opened for us.
        Ok(EventFd { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    /// Makes the descriptor readable; an edge for whoever watches edges.
    pub fn signal(&self) {
        let one = 1u64;
        // SAFETY: eight readable bytes. It can only fail when the counter is about to overflow,
        // and then the descriptor is readable already.
        unsafe { libc::write(self.fd.as_raw_fd(), (&raw const one).cast(), 8) };
    }

    /// Makes the descriptor quiet again.
    pub fn drain(&self) {
        let mut count = 0u64;
        // SAFETY: eight writable bytes. EAGAIN means it was quiet already.
        unsafe { libc::read(self.fd.as_raw_fd(), (&raw mut count).cast(), 8) };
    }
}

impl AsRawFd for EventFd {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
