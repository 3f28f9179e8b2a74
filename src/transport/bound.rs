//! Sockets of the system that listen.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, RawFd};

use super::temporary::TemporaryDirectory;
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::sync::PerProcess;
use crate::sync::mutex::Mutex;
use crate::sys::fd::OwnedFd;
use crate::sys::net::{self, SockAddr};

/// A socket that listens, and where.
#[derive(Debug)]
pub(super) struct Bound {
    socket: Socket,
    /// Without wildcards.
    pub(super) at: SockAddr,
    /// Removed after the socket closed, as fields are dropped in order.
    _directory: Option<TemporaryDirectory>,
}

/// Where the descriptor comes from.
#[derive(Debug)]
enum Socket {
    Made(OwnedFd),
    Adopted(AdoptedFd),
}

/// Why nobody can listen there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BindError {
    /// As zmq_bind(3) says.
    pub error: Error,
    /// The socket that had been made, and is closed again.
    pub closed: Option<RawFd>,
}

impl From<Error> for BindError {
    fn from(error: Error) -> BindError {
        BindError { error, closed: None }
    }
}

pub(super) type BindResult = std::result::Result<Bound, BindError>;

impl Bound {
    /// A new socket that listens at this address of the system, once it is prepared. With it goes
    /// the directory that was made for it.
    pub(super) fn listen(
        at: &SockAddr,
        options: &SocketOptions,
        directory: Option<TemporaryDirectory>,
        prepare: impl FnOnce(BorrowedFd<'_>) -> Result<()>,
    ) -> BindResult {
        Bound::listen_if(at, options, directory, |fd| {
            prepare(fd)?;
            net::bind(fd, at)
        })
    }

    /// A new socket like those of this address, which listens where the system has put it.
    pub(super) fn listen_anywhere(like: &SockAddr, options: &SocketOptions) -> BindResult {
        Bound::listen_if(like, options, None, |_| Ok(()))
    }

    fn listen_if(
        like: &SockAddr,
        options: &SocketOptions,
        directory: Option<TemporaryDirectory>,
        bind: impl FnOnce(BorrowedFd<'_>) -> Result<()>,
    ) -> BindResult {
        let fd = net::stream_socket(like)?;
        bind(fd.as_fd())
            .and_then(|()| net::listen(fd.as_fd(), options.backlog))
            .map_err(|error| BindError { error, closed: Some(fd.as_raw_fd()) })?;
        let at = net::local_address(fd.as_fd())?;
        Ok(Bound { socket: Socket::Made(fd), at, _directory: directory })
    }

    /// The caller's descriptor, which must be listening already (ZMQ_USE_FD).
    pub(super) fn adopt(raw: RawFd) -> BindResult {
        let socket = Socket::Adopted(AdoptedFd::new(raw)?);
        let at = net::local_address(socket.as_fd())?;
        Ok(Bound { socket, at, _directory: None })
    }

    /// Whether the descriptor came through ZMQ_USE_FD.
    pub(super) fn is_adopted(&self) -> bool {
        matches!(self.socket, Socket::Adopted(_))
    }
}

impl AsFd for Bound {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Made(fd) => fd.as_fd(),
            Socket::Adopted(adopted) => adopted.fd.as_fd(),
        }
    }
}

/// Descriptors that came through ZMQ_USE_FD and are ours now. A second bind with the same one
/// must not close it twice (libzmq aborts there).
static ADOPTED: PerProcess<Mutex<Vec<RawFd>>> = PerProcess::new(Mutex::new(Vec::new()));

/// A descriptor the caller gave away; its number stands in [`ADOPTED`].
#[derive(Debug)]
struct AdoptedFd {
    fd: ManuallyDrop<OwnedFd>,
}

impl AdoptedFd {
    /// Takes over a socket that listens already; any other descriptor stays the caller's.
    fn new(raw: RawFd) -> Result<AdoptedFd> {
        if raw < 0 {
            return Err(Error::Invalid);
        }
        let mut list = ADOPTED.get().lock();
        if list.contains(&raw) {
            return Err(Error::AddressInUse);
        }
        // SAFETY: not -1. It is the caller's promise that it is open; if not, the system calls
        // below say so and nothing else is done with it.
        let borrowed = unsafe { BorrowedFd::borrow_raw(raw) };
        if net::get_option(borrowed, libc::SOL_SOCKET, libc::SO_ACCEPTCONN)? == 0 {
            return Err(Error::Invalid);
        }
        net::make_nonblocking(borrowed)?;
        list.push(raw);
        // SAFETY: open, as the calls above found, given away by the caller through
        // zmq_setsockopt(ZMQ_USE_FD), and no other AdoptedFd has it.
        let fd = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(raw) });
        Ok(AdoptedFd { fd })
    }
}

impl Drop for AdoptedFd {
    /// Closes while the list is locked: whoever gets the same number next finds it free.
    fn drop(&mut self) {
        let mut list = ADOPTED.get().lock();
        list.retain(|raw| *raw != self.fd.as_raw_fd());
        // SAFETY: dropped here only, and not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.fd) };
    }
}
