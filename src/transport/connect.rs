//! Making connections without waiting for them.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use super::socks::{Destination, Dialogue};
use super::{Address, SocketAddrAny, Stream, TcpAddress, tune};
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
    /// Only tcp goes through a proxy. `Invalid`: no proxy could be asked for this address, for
    /// want of a port or because the name has more than 255 bytes.
    ///
    /// Nothing is found out about the proxy yet, not even whether that is an address at all.
    pub fn new(address: Address, options: &SocketOptions) -> Result<Route> {
        match address {
            Address::Tcp(peer) if !options.socks_proxy.is_empty() => {
                let proxy = TcpAddress::new(&String::from_utf8_lossy(&options.socks_proxy));
                let destination = Some(peer.destination()?);
                Ok(Route { first: Address::Tcp(proxy.or_source_of(&peer)), destination })
            }
            first => Ok(Route { first, destination: None }),
        }
    }

    /// Where to connect to: the endpoint or the proxy. Monitor events name it.
    pub fn first(&self) -> &Address {
        &self.first
    }

    /// Starts to connect to what [`Address::resolve`] found for [`Route::first`]. Fails only for
    /// want of a socket: if that cannot connect, [`Connecting::first_step`] tells.
    pub fn start(&self, to: &SocketAddrAny, options: &SocketOptions) -> Result<Connecting> {
        let (fd, connected) = start_connect(to, options)?;
        let dialogue = self.destination.as_ref().map(|peer| Dialogue::new(peer, options));
        Ok(Connecting { fd, peer: None, connected, dialogue })
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
            self.peer = Some(finish_connect(self.fd.as_fd())?);
            self.connected = Ok(true);
        }
        self.converse()
    }

    /// The connection, made.
    pub fn finish(self) -> Stream {
        if self.peer.is_some_and(|peer| peer.to_inet().is_some()) {
            // From now on what was sent counts, also when we close first.
            net::abort_on_close(self.fd.as_fd(), false);
        }
        Stream::new(self.fd, self.peer, None)
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

/// A socket, and what connecting it gave: whether it is connected already. Only without a socket
/// it fails itself.
fn start_connect(to: &SocketAddrAny, options: &SocketOptions) -> Result<(OwnedFd, Result<bool>)> {
    match to {
        SocketAddrAny::Unix(name) => {
            let address = SockAddr::unix(name)?;
            let fd = net::stream_socket(&address)?;
            let connected = net::connect(fd.as_fd(), &address);
            Ok((fd, connected))
        }
        SocketAddrAny::Inet { target, source } => match net::stream_socket(&(*target).into()) {
            // A system without IPv6 knows no IPv6 form of IPv4 addresses either.
            Err(Error::Os(libc::EAFNOSUPPORT)) if unmapped(*target) != *target => {
                let target = unmapped(*target);
                let fd = net::stream_socket(&target.into())?;
                let connected = connect_tcp(fd.as_fd(), target, source.map(unmapped), options);
                Ok((fd, connected))
            }
            made => {
                let fd = made?;
                let connected = connect_tcp(fd.as_fd(), *target, *source, options);
                Ok((fd, connected))
            }
        },
    }
}

fn connect_tcp(
    fd: BorrowedFd<'_>,
    target: SocketAddr,
    source: Option<SocketAddr>,
    options: &SocketOptions,
) -> Result<bool> {
    tune::prepare(fd, target.is_ipv6(), options)?;
    tune::tcp(fd, options);
    net::abort_on_close(fd, true);
    if let Some(source) = source {
        net::set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        if source.port() == 0 {
            // The port is chosen when connecting, so that it need be unique per peer only
            // (ip(7)). Older systems choose here.
            let option = libc::IP_BIND_ADDRESS_NO_PORT;
            let _ = net::set_option(fd, libc::IPPROTO_IP, option, 1);
        }
        net::bind(fd, &SockAddr::from(source))?;
    }
    net::connect(fd, &SockAddr::from(target))?;
    // Even if it is connected already: [`Connecting::advance`] looks to what.
    Ok(false)
}

/// How a connect ended, for a descriptor that became writable: the peer.
///
/// TCP lets a socket connect to itself: when nobody listens at a local port that the system
/// then picks as our own. That is no peer; it counts as refused.
fn finish_connect(fd: BorrowedFd<'_>) -> Result<SockAddr> {
    net::take_error(fd)?;
    let peer = net::peer_address(fd).map_err(|error| match error {
        Error::Os(libc::ENOTCONN) => Error::ConnectionRefused,
        error => error,
    })?;
    if let Some(inet) = peer.to_inet()
        && net::local_address(fd)?.to_inet() == Some(inet)
    {
        return Err(Error::ConnectionRefused);
    }
    Ok(peer)
}

/// `::ffff:a.b.c.d` as the IPv4 address it means.
pub(super) fn unmapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(v4.into(), address.port()),
            None => address,
        },
        IpAddr::V4(_) => address,
    }
}
