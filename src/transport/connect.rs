//! Making connections without waiting for them.

use std::os::fd::{AsFd, BorrowedFd};

use super::socks::{Destination, Dialogue};
use super::{Address, Stream, Transport, Way};
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::sys::fd::OwnedFd;
use crate::sys::net::{self, SockAddr};

/// How to get to an endpoint: directly, or through the proxy of ZMQ_SOCKS_PROXY.
#[derive(Debug, Clone)]
pub struct Route {
    first: Address,
    /// What the proxy, if `first` is one, shall connect to.
    destination: Option<Destination>,
}

impl Route {
    /// `Invalid`: no proxy could be asked for this address, for want of a port or because the name
    /// has more than 255 bytes.
    ///
    /// Nothing is found out about the proxy yet, not even whether that is an address at all.
    pub fn new(address: Address, options: &SocketOptions) -> Result<Route> {
        match address.transport.through_proxy {
            Some(ask) if !options.socks_proxy.is_empty() => {
                let (text, destination) = ask(&address.text, options)?;
                let first = Address { text, ..address };
                Ok(Route { first, destination: Some(destination) })
            }
            _ => Ok(Route { first: address, destination: None }),
        }
    }

    /// Where to connect to: the endpoint or the proxy. Monitor events name it.
    pub fn first(&self) -> &Address {
        &self.first
    }

    /// Starts to connect to what [`Address::resolve`] found for [`Route::first`]. Fails only for
    /// want of a socket: if that cannot connect, [`Connecting::first_step`] tells.
    pub fn start(&self, to: &Way, options: &SocketOptions) -> Result<Connecting> {
        let transport = self.first.transport;
        let (fd, connected) = (transport.start)(to, options)?;
        let dialogue = self.destination.as_ref().map(|peer| Dialogue::new(peer, options));
        Ok(Connecting { fd, transport, peer: None, connected, dialogue })
    }
}

/// A connection being made.
///
/// Over TCP it is aborted, not ended, when it is dropped before [`Connecting::finish`], or when the
/// process dies: there is nothing to wait for, and TIME_WAIT would keep our port from whoever wants
/// to listen there. After a connection to itself that is the very port somebody should listen at.
#[derive(Debug)]
pub struct Connecting {
    fd: OwnedFd,
    transport: &'static Transport,
    /// What it is connected to, as far as the system was asked already.
    peer: Option<SockAddr>,
    /// Or why it could not even begin.
    connected: Result<bool>,
    /// With the proxy, if there is one.
    dialogue: Option<Dialogue>,
}

/// How far a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The system connects: it goes on once the descriptor is writable.
    Connecting,
    /// The proxy has to take what we say.
    Speaking,
    /// The proxy has to answer.
    Listening,
    /// [`Connecting::finish`] makes it a stream.
    Made,
}

impl Connecting {
    /// How far it is right after [`Route::start`]. `Err(Again)` is what a Unix domain socket says
    /// whose backlog is full.
    pub fn first_step(&mut self) -> Result<Step> {
        if self.connected? { self.converse() } else { Ok(Step::Connecting) }
    }

    /// Goes on as far as possible, now that the descriptor is ready for the last step.
    pub fn advance(&mut self) -> Result<Step> {
        if !self.connected? {
            self.peer = Some(finish_connect(self.fd.as_fd(), self.transport)?);
            self.connected = Ok(true);
        }
        let step = self.converse()?;
        if step == Step::Made {
            (self.transport.made)(self.fd.as_fd())?;
        }
        Ok(step)
    }

    /// The connection, made.
    pub fn finish(self) -> Stream {
        Stream::new(self.fd, self.transport, self.peer, None)
    }

    /// The dialogue with the proxy. No more is read than the proxy says: what follows is the
    /// peer's.
    fn converse(&mut self) -> Result<Step> {
        let Some(dialogue) = &mut self.dialogue else { return Ok(Step::Made) };
        loop {
            while !dialogue.output().is_empty() {
                match net::send(self.fd.as_fd(), dialogue.output()) {
                    Ok(sent) => {
                        dialogue.output().drain(..sent);
                    }
                    Err(Error::Again) => return Ok(Step::Speaking),
                    Err(error) => return Err(error),
                }
            }
            // A proxy says at most a name of 255 bytes and a port at once.
            let mut buffer = [0; 257];
            let wanted = dialogue.wanted();
            let Some(buffer) = buffer.get_mut(..wanted).filter(|_| wanted > 0) else {
                return Ok(Step::Made);
            };
            match net::recv(self.fd.as_fd(), buffer) {
                Ok(0) => return Err(Error::Os(libc::ECONNRESET)),
                Ok(count) => {
                    dialogue.input(buffer.get(..count).unwrap_or_default())?;
                }
                Err(Error::Again) => return Ok(Step::Listening),
                Err(error) => return Err(error),
            }
        }
    }
}

impl AsFd for Connecting {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// How a connect ended, for a descriptor that became writable: the peer.
fn finish_connect(fd: BorrowedFd<'_>, transport: &Transport) -> Result<SockAddr> {
    net::take_error(fd)?;
    let peer = net::peer_address(fd).map_err(|error| match error {
        Error::Os(libc::ENOTCONN) => Error::ConnectionRefused,
        error => error,
    })?;
    (transport.inspect)(fd, &peer)?;
    Ok(peer)
}
