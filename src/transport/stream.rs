//! A connected socket.

use std::os::fd::{AsFd, BorrowedFd};

use super::Transport;
use super::dialogue::Dialogue;
use super::link::{Link, Terms};
use super::row::HttpTarget;
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::sys::fd::OwnedFd;
use crate::sys::net::{self, SockAddr};

/// A connection through the system: non-blocking and tuned. Read and write it with
/// [`net::recv`], [`net::send`] and [`net::send_vectored`].
///
/// One that we make over TCP is aborted, not ended, when it is dropped before [`Stream::reached`], or when
/// the process dies: there is nothing to wait for, and TIME_WAIT would keep our port from whoever wants
/// to listen there. After a connection to itself that is the very port somebody should listen at.
#[derive(Debug)]
pub struct Stream {
    fd: OwnedFd,
    transport: &'static Transport,
    /// The peer's address, if it is known.
    peer: Option<SockAddr>,
    /// Our end as an endpoint, if that is known.
    local: Option<String>,
    /// What is between the descriptor and what is said to the peer.
    terms: Terms,
}

impl Stream {
    /// What is not known of both ends the system is asked for.
    pub(super) fn new(
        fd: OwnedFd,
        transport: &'static Transport,
        peer: Option<SockAddr>,
        local: Option<String>,
    ) -> Stream {
        Stream { fd, transport, peer, local, terms: Terms::Plain }
    }

    /// The same with this between the descriptor and what is said to the peer.
    pub(super) fn on(self, terms: &Terms) -> Stream {
        Stream { terms: terms.clone(), ..self }
    }

    /// What is between the descriptor and all that is said to the peer from now on.
    ///
    /// # Errors
    /// There is no memory, or no random numbers.
    pub fn link(&self) -> Result<Link> {
        self.terms.begin()
    }

    /// How a connect ended, now that the descriptor is writable.
    ///
    /// # Errors
    /// Why there is no connection.
    pub fn finish_connect(&mut self) -> Result<()> {
        net::take_error(self.as_fd())?;
        let peer = net::peer_address(self.as_fd()).map_err(|error| match error {
            Error::Os(libc::ENOTCONN) => Error::ConnectionRefused,
            error => error,
        })?;
        (self.transport.inspect)(self.as_fd(), &peer)?;
        self.peer = Some(peer);
        Ok(())
    }

    /// Whom we speak to is the peer from now on.
    ///
    /// # Errors
    /// The connection would throw away its last words, and is none.
    pub fn reached(&self) -> Result<()> {
        (self.transport.made)(self.as_fd())
    }

    /// What is said to the peer before ZMTP, see [`Transport`].
    pub fn greetings(
        &self,
        ours: bool,
        endpoint: &str,
        options: &SocketOptions,
    ) -> Vec<Box<dyn Dialogue>> {
        (self.transport.greet)(ours, endpoint, options)
    }

    /// What to ask the peer for, at our end of a connection of the endpoint with this name, if messages of
    /// WebSocket carry what is said.
    pub fn websocket(&self, endpoint: &str) -> Option<HttpTarget> {
        let ask = self.transport.websocket?;
        Some(ask(endpoint.split_once("://").map_or(endpoint, |(_, text)| text)))
    }

    fn endpoint(&self, address: &SockAddr) -> String {
        (self.transport.endpoint)(address).unwrap_or_default()
    }

    fn peer(&self) -> Result<SockAddr> {
        self.peer.map_or_else(|| net::peer_address(self.as_fd()), Ok)
    }

    /// Our end as an endpoint, empty if the connection is gone. A monitor calls an accepted
    /// connection by this name.
    pub fn local_endpoint(&self) -> String {
        self.local.clone().unwrap_or_else(|| {
            net::local_address(self.as_fd())
                .map(|address| self.endpoint(&address))
                .unwrap_or_default()
        })
    }

    /// The peer's end as an endpoint, empty if the connection is gone.
    pub fn remote_endpoint(&self) -> String {
        self.peer().map(|address| self.endpoint(&address)).unwrap_or_default()
    }

    /// The `Peer-Address` property (zmq_msg_gets(3)): the peer's IP address, or
    /// `localhost:uid:gid:pid` for ipc. Empty if the connection is gone.
    pub fn peer_address(&self) -> String {
        self.peer()
            .map(|address| (self.transport.peer_address)(self.as_fd(), &address))
            .unwrap_or_default()
    }

    /// The process of the peer, where there are sockets for that; 0: unknown.
    pub fn peer_process(&self) -> u32 {
        if self.transport.knows_process {
            net::peer_credentials(self.as_fd()).map_or(0, |peer| peer.pid.unsigned_abs())
        } else {
            0
        }
    }

    /// Gives the descriptor away.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
