//! A connected socket.

use std::os::fd::{AsFd, BorrowedFd};

use super::Transport;
use crate::error::Result;
use crate::sys::fd::OwnedFd;
use crate::sys::net::{self, SockAddr};

/// A connection through the system: non-blocking and tuned. Read and write it with
/// [`net::recv`], [`net::send`] and [`net::send_vectored`].
#[derive(Debug)]
pub struct Stream {
    fd: OwnedFd,
    transport: &'static Transport,
    /// The peer's address, if it is known.
    peer: Option<SockAddr>,
    /// Our end as an endpoint, if that is known.
    local: Option<String>,
}

impl Stream {
    /// What is not known of both ends the system is asked for.
    pub(super) fn new(
        fd: OwnedFd,
        transport: &'static Transport,
        peer: Option<SockAddr>,
        local: Option<String>,
    ) -> Stream {
        Stream { fd, transport, peer, local }
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
