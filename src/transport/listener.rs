//! Waiting for peers.

use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, RawFd};

use crate::sync::PerProcess;
use crate::sync::mutex::Mutex;
use crate::sys::fd::OwnedFd;

use super::ipc::{IpcAddress, TemporaryDirectory};
use super::stream::endpoint;
use super::{Address, Stream, TcpAddress, tune};
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::sys::net::{self, SockAddr, UnixName};

/// A listening socket of tcp or ipc. Dropping it closes it; the file of an ipc socket stays, as
/// in libzmq: another process may have bound that path meanwhile. Only what `ipc://*` made up
/// is removed.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
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

type BindResult = std::result::Result<Listener, BindError>;

impl Listener {
    /// Starts to listen at a tcp or ipc address. Never asks a name service.
    ///
    /// Errors are those of zmq_bind(3). With ZMQ_USE_FD the caller's descriptor, which must be
    /// listening already, becomes the listener's and the address only tells the transport.
    pub fn bind(address: &Address, options: &SocketOptions) -> BindResult {
        match address {
            _ if options.use_fd != -1 => {
                Ok(Listener::new(Socket::Adopted(AdoptedFd::new(options.use_fd)?), None)?)
            }
            Address::Tcp(tcp) => Listener::bind_tcp(tcp, options),
            Address::Ipc(ipc) => Listener::bind_ipc(ipc, options),
            Address::Inproc(_) => Err(Error::Invalid.into()),
        }
    }

    fn bind_tcp(tcp: &TcpAddress, options: &SocketOptions) -> BindResult {
        match listen_tcp(tcp.resolve_bind(options.ipv6)?, options) {
            // IPv6 is wished for but the system has none.
            Err(BindError { error: Error::Os(libc::EAFNOSUPPORT), .. }) if options.ipv6 => {
                listen_tcp(tcp.resolve_bind(false)?, options)
            }
            result => result,
        }
    }

    fn bind_ipc(ipc: &IpcAddress, options: &SocketOptions) -> BindResult {
        let directory = match ipc.is_wildcard() {
            true => Some(TemporaryDirectory::new()?),
            false => None,
        };
        let name = directory.as_ref().map_or_else(|| ipc.name(), TemporaryDirectory::socket);
        let address = SockAddr::unix(&name)?;
        if let UnixName::Path(path) = &name {
            // "Any existing binding to the same endpoint shall be overridden" (zmq_ipc(7)). If
            // there is nothing or something that cannot be removed, bind will tell.
            let _ = net::unlink(path);
        }
        let fd = net::stream_socket(&address)?;
        net::bind(fd.as_fd(), &address)
            .and_then(|()| net::listen(fd.as_fd(), options.backlog))
            .map_err(|error| BindError { error, closed: Some(fd.as_raw_fd()) })?;
        Ok(Listener::new(Socket::Made(fd), directory)?)
    }

    fn new(socket: Socket, directory: Option<TemporaryDirectory>) -> Result<Listener> {
        let address = net::local_address(socket.as_fd())?;
        let specific = match address.to_inet() {
            Some(inet) => inet.is_ipv4() && !inet.ip().is_unspecified(),
            None => true,
        };
        Ok(Listener { socket, endpoint: endpoint(&address), specific, _directory: directory })
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
        let inet = peer.to_inet();
        let welcome = match inet {
            Some(address) => passes_tcp_filters(address, options),
            None => passes_ipc_filters(fd.as_fd(), options),
        };
        if !welcome {
            // No connection of ours: nothing of it stays on the port.
            if inet.is_some() {
                net::abort_on_close(fd.as_fd(), true);
            }
            return Err(AcceptError::Refused);
        }
        if inet.is_some() {
            tune::accepted(fd.as_fd(), options);
        }
        let local = self.specific.then(|| self.endpoint.clone());
        Ok(Some(Stream::new(fd, Some(peer), local)))
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

fn listen_tcp(at: SocketAddr, options: &SocketOptions) -> BindResult {
    let address = SockAddr::from(at);
    let fd = net::stream_socket(&address)?;
    tune::prepare(fd.as_fd(), at.is_ipv6(), options)
        .and_then(|()| net::set_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1))
        .and_then(|()| net::bind(fd.as_fd(), &address))
        .and_then(|()| net::listen(fd.as_fd(), options.backlog))
        .map_err(|error| BindError { error, closed: Some(fd.as_raw_fd()) })?;
    Ok(Listener::new(Socket::Made(fd), None)?)
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

/// ZMQ_TCP_ACCEPT_FILTER: no filters let everybody in.
fn passes_tcp_filters(peer: SocketAddr, options: &SocketOptions) -> bool {
    let filters = &options.tcp_accept_filters;
    filters.is_empty() || filters.iter().any(|filter| filter.contains(peer.ip()))
}

/// ZMQ_IPC_FILTER_UID, _GID and _PID: one that matches is enough. A group also matches users
/// that are listed in it, whatever group their process runs as.
fn passes_ipc_filters(fd: BorrowedFd<'_>, options: &SocketOptions) -> bool {
    let uids = &options.ipc_uid_accept_filters;
    let gids = &options.ipc_gid_accept_filters;
    let pids = &options.ipc_pid_accept_filters;
    if uids.is_empty() && gids.is_empty() && pids.is_empty() {
        return true;
    }
    let Ok(peer) = net::peer_credentials(fd) else { return false };
    uids.contains(&peer.uid)
        || gids.contains(&peer.gid)
        || pids.contains(&peer.pid)
        || gids.iter().any(|gid| net::user_is_member(peer.uid, *gid))
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
