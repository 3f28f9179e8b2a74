//! Waiting for peers.

use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, RawFd};

use crate::sync::PerProcess;
use crate::sync::mutex::Mutex;
use crate::sys::fd::OwnedFd;

use super::ipc::TemporaryDirectory;
use super::{Address, Stream, Transport, transport_of};
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::sys::net::{self, SockAddr};

/// A listening socket of the system. Dropping it closes it; the file of an ipc socket stays, as
/// in libzmq: another process may have bound that path meanwhile. Only what `ipc://*` made up
/// is removed.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    transport: &'static Transport,
    endpoint: String,
    /// Whether every connection that is accepted has `endpoint` as its local address.
    specific: bool,
    /// Removed after the socket closed, as fields are dropped in order.
    _directory: Option<TemporaryDirectory>,
}

/// Where the descriptor comes from.
#[derive(Debug)]
enum Socket {
    Made(OwnedFd),
    Adopted(AdoptedFd),
}

/// Why nobody was let in although somebody waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptError {
    /// No descriptors or memory: the peer still waits, so pause before asking again.
    Exhausted(Error),
    /// An accept filter turned the peer away. There may be others.
    Refused,
    /// This one connection failed. There may be others.
    Failed(Error),
}

impl AcceptError {
    /// What ZMQ_EVENT_ACCEPT_FAILED reports.
    pub fn error(self) -> Error {
        match self {
            AcceptError::Exhausted(error) | AcceptError::Failed(error) => error,
            AcceptError::Refused => Error::Again, // measured: libzmq reports EAGAIN
        }
    }
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

pub(super) type BindResult = std::result::Result<Listener, BindError>;

impl Listener {
    /// Starts to listen at an address of the system. Never asks a name service.
    ///
    /// Errors are those of zmq_bind(3). With ZMQ_USE_FD the caller's descriptor, which must be
    /// listening already, becomes the listener's; its own address tells the transport.
    pub fn bind(address: &Address, options: &SocketOptions) -> BindResult {
        if options.use_fd == -1 {
            return (address.transport.listen)(&address.text, options);
        }
        let socket = Socket::Adopted(AdoptedFd::new(options.use_fd)?);
        let at = net::local_address(socket.as_fd())?;
        let transport = transport_of(&at).unwrap_or(address.transport);
        Ok(Listener::new(transport, socket, &at, None))
    }

    /// A new socket that listens at this address of the system, once it is prepared. With it goes
    /// the directory that was made for it.
    pub(super) fn listen(
        transport: &'static Transport,
        at: &SockAddr,
        options: &SocketOptions,
        directory: Option<TemporaryDirectory>,
        prepare: impl FnOnce(BorrowedFd<'_>) -> Result<()>,
    ) -> BindResult {
        let fd = net::stream_socket(at)?;
        prepare(fd.as_fd())
            .and_then(|()| net::bind(fd.as_fd(), at))
            .and_then(|()| net::listen(fd.as_fd(), options.backlog))
            .map_err(|error| BindError { error, closed: Some(fd.as_raw_fd()) })?;
        let at = net::local_address(fd.as_fd())?;
        Ok(Listener::new(transport, Socket::Made(fd), &at, directory))
    }

    fn new(
        transport: &'static Transport,
        socket: Socket,
        at: &SockAddr,
        directory: Option<TemporaryDirectory>,
    ) -> Listener {
        let endpoint = (transport.endpoint)(at).unwrap_or_default();
        let specific = (transport.is_specific)(at);
        Listener { socket, transport, endpoint, specific, _directory: directory }
    }

    /// The endpoint as ZMQ_LAST_ENDPOINT gives it, without wildcards.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Whether the descriptor came through ZMQ_USE_FD.
    pub fn is_adopted(&self) -> bool {
        matches!(self.socket, Socket::Adopted(_))
    }

    /// The next peer that waits, if any, let in by the filters and tuned. After an error other
    /// than [`AcceptError::Exhausted`] there may be more peers.
    pub fn accept(
        &self,
        options: &SocketOptions,
    ) -> std::result::Result<Option<Stream>, AcceptError> {
        let (fd, peer) = match net::accept(self.as_fd()) {
            Ok(accepted) => accepted,
            Err(Error::Again) => return Ok(None),
            Err(error) => return Err(classify(error)),
        };
        if !(self.transport.admit)(fd.as_fd(), &peer, options) {
            return Err(AcceptError::Refused);
        }
        let local = self.specific.then(|| self.endpoint.clone());
        Ok(Some(Stream::new(fd, self.transport, Some(peer), local)))
    }
}

impl AsFd for Listener {
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

pub(super) fn classify(error: Error) -> AcceptError {
    match error {
        Error::TooManyFiles
        | Error::NoMemory
        | Error::Os(libc::ENFILE)
        | Error::Os(libc::ENOBUFS) => AcceptError::Exhausted(error),
        _ => AcceptError::Failed(error),
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
