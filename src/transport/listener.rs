//! Waiting for peers.

use std::os::fd::{AsFd, BorrowedFd};

use super::bound::{BindError, Bound};
use super::link::Terms;
use super::{Address, Stream, Transport, transport_of};
use crate::error::Error;
use crate::options::SocketOptions;
use crate::sys::fd::OwnedFd;
use crate::sys::net;

/// A listening socket of the system. Dropping it closes it; the file of an ipc socket stays, as
/// in libzmq: another process may have bound that path meanwhile. Only what `ipc://*` made up
/// is removed.
#[derive(Debug)]
pub struct Listener {
    bound: Bound,
    transport: &'static Transport,
    endpoint: String,
    /// What was asked for, where monitors know it by that.
    asked: Option<String>,
    /// What stands in names behind an address of the system.
    behind: String,
    /// Whether every connection that is accepted has `endpoint` as its local address.
    specific: bool,
    /// What is between descriptors and what is said to peers.
    terms: Terms,
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

impl Listener {
    /// Starts to listen at an address of the system. Never asks a name service.
    ///
    /// Errors are those of zmq_bind(3). With ZMQ_USE_FD the caller's descriptor, which must be
    /// listening already, becomes the listener's; its own address tells the transport.
    pub fn bind(
        address: &Address,
        options: &SocketOptions,
    ) -> std::result::Result<Listener, BindError> {
        let terms = (address.transport.terms)(false, &address.text, options)?;
        if options.use_fd == -1 {
            let bound = (address.transport.listen)(&address.text, options)?;
            let mut listener = Listener::new(address.transport, bound, &address.text);
            // Where a name has a part that is none of the system's, the rest is told as the system has it.
            let asked = address.canonical().filter(|_| listener.behind.is_empty());
            listener.asked = asked.map(|_| address.to_string());
            listener.terms = terms;
            return Ok(listener);
        }
        let bound = Bound::adopt(options.use_fd)?;
        let asked_for = (address.transport.endpoint)(&bound.at).map(|_| address.transport);
        let transport = asked_for.or_else(|| transport_of(&bound.at)).unwrap_or(address.transport);
        let mut listener = Listener::new(transport, bound, &address.text);
        listener.terms = (transport.terms)(false, &address.text, options)?;
        Ok(listener)
    }

    fn new(transport: &'static Transport, bound: Bound, text: &str) -> Listener {
        let behind = (transport.behind)(text).to_owned();
        let endpoint = (transport.endpoint)(&bound.at).map(|at| at + &behind).unwrap_or_default();
        let specific = (transport.is_specific)(&bound.at);
        Listener { bound, transport, endpoint, asked: None, behind, specific, terms: Terms::Plain }
    }

    /// The endpoint as ZMQ_LAST_ENDPOINT gives it, without wildcards.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// What libzmq's monitors call it.
    pub fn name(&self) -> &str {
        self.asked.as_ref().unwrap_or(&self.endpoint)
    }

    /// Whether the descriptor came through ZMQ_USE_FD.
    pub fn is_adopted(&self) -> bool {
        self.bound.is_adopted()
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
        let local = if self.specific { Some(self.endpoint.clone()) } else { self.named(&fd) };
        Ok(Some(Stream::new(fd, self.transport, Some(peer), local).on(&self.terms)))
    }

    /// Our end of a connection, where the system does not know all of its name.
    fn named(&self, fd: &OwnedFd) -> Option<String> {
        if self.behind.is_empty() {
            return None;
        }
        let at = net::local_address(fd.as_fd()).ok()?;
        (self.transport.endpoint)(&at).map(|at| at + &self.behind)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bound.as_fd()
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
