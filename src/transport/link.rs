//! What a connection reads and writes: a descriptor, or TLS over one.

use super::agreement::Agreement;
#[cfg(tls)]
use super::tls::{Config, LONGEST_RECORD, Session};
use crate::error::Result;
#[cfg(tls)]
use crate::sync::mutex::Mutex;
use crate::sys::net;
use std::os::fd::BorrowedFd;
#[cfg(tls)]
use std::sync::Arc;

/// How the links of an endpoint begin.
#[derive(Clone, Default)]
pub(super) enum Terms {
    /// Nothing is between a connection and its descriptor.
    #[default]
    Plain,
    /// TLS is.
    #[cfg(tls)]
    Tls(Config),
}

impl Terms {
    /// Begins with one.
    ///
    /// # Errors
    /// There is no memory, or no random numbers.
    pub(super) fn begin(&self) -> Result<Link> {
        match self {
            Terms::Plain => Ok(Link::default()),
            #[cfg(tls)]
            Terms::Tls(config) => {
                Ok(Link { tls: Some(Arc::new(Mutex::new(Session::new(config)?))) })
            }
        }
    }
}

impl std::fmt::Debug for Terms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Terms::Plain => "Plain",
            #[cfg(tls)]
            Terms::Tls(_) => "Tls",
        })
    }
}

/// What stands between a connection and its descriptor. The two directions of a connection have one each, which are
/// the same: whoever uses them has the lock of the socket, so nobody waits for the lock in here.
#[derive(Clone, Default)]
pub struct Link {
    #[cfg(tls)]
    tls: Option<Arc<Mutex<Session>>>,
}

impl Link {
    /// Goes on with what has to be agreed on before anything can be said.
    ///
    /// # Errors
    /// There will be no agreement.
    pub fn agree(&self, fd: BorrowedFd<'_>) -> Result<Agreement> {
        #[cfg(tls)]
        if let Some(tls) = &self.tls {
            return tls.lock().agree(fd);
        }
        let _ = fd;
        Ok(Agreement::Reached)
    }

    /// As [`net::send`]; but what was not taken has to come again, with whatever follows.
    ///
    /// # Errors
    /// As there, and [`Error::NoMemory`](crate::error::Error::NoMemory).
    pub fn send(&self, fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize> {
        #[cfg(tls)]
        if let Some(tls) = &self.tls {
            return tls.lock().send(fd, bytes);
        }
        net::send(fd, bytes)
    }

    /// As [`net::recv`].
    ///
    /// # Errors
    /// As [`Link::recv_raw`].
    pub fn recv(&self, fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
        // SAFETY: the buffer is exclusively ours and as long as told.
        unsafe { self.recv_raw(fd, buffer.as_mut_ptr(), buffer.len()) }
    }

    /// As [`net::recv_raw`]; but less than asked for does not mean that there is no more, see [`Link::has_more`].
    ///
    /// # Errors
    /// As there, and [`Error::NoMemory`](crate::error::Error::NoMemory). `Interrupted`: nothing yet, and more may be here.
    ///
    /// # Safety
    /// As there.
    pub unsafe fn recv_raw(&self, fd: BorrowedFd<'_>, to: *mut u8, room: usize) -> Result<usize> {
        #[cfg(tls)]
        if let Some(tls) = &self.tls {
            // SAFETY: the caller's promise.
            return unsafe { tls.lock().recv(fd, (to, room)) };
        }
        // SAFETY: the caller's promise.
        unsafe { net::recv_raw(fd, to, room) }
    }

    /// Whether more may be here after a read that was `filled`, or not, without the kernel saying so.
    pub fn has_more(&self, filled: bool) -> bool {
        #[cfg(tls)]
        if let Some(tls) = &self.tls {
            return tls.lock().has_more();
        }
        filled
    }

    /// Octets at most that have come and of which nothing can be read as long as no more comes.
    pub fn most_held(&self) -> usize {
        #[cfg(tls)]
        if self.tls.is_some() {
            return LONGEST_RECORD;
        }
        0
    }

    /// Says that nothing more comes, where there is a way to, and nothing stands before it.
    pub fn close(&self, fd: BorrowedFd<'_>) {
        #[cfg(tls)]
        if let Some(tls) = &self.tls {
            tls.lock().close(fd);
        }
        let _ = fd;
    }

    /// Whether there is memory that an idle connection does not need.
    pub fn is_grown(&self) -> bool {
        #[cfg(tls)]
        if let Some(tls) = &self.tls {
            return tls.lock().is_grown();
        }
        false
    }

    /// Gives it back.
    pub fn shrink(&self) {
        #[cfg(tls)]
        if let Some(tls) = &self.tls {
            tls.lock().shrink();
        }
    }
}

#[cfg(all(test, tls))]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
impl Link {
    /// Two ends with TLS, a client's and a server's, of a connection with these descriptors.
    pub(crate) fn protected(ends: [BorrowedFd<'_>; 2]) -> [Link; 2] {
        let links = super::tls::fuzz::configs().map(|config| Terms::Tls(config).begin().unwrap());
        while [0, 1].map(|n| links[n].agree(ends[n]).unwrap()) != [Agreement::Reached; 2] {}
        links
    }
}
