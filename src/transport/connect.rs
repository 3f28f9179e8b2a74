//! Making connections without waiting for them.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{SocketAddrAny, Stream, tune};
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::sys::net::{self, SockAddr};

/// A connection being made.
#[derive(Debug)]
pub struct Connecting {
    /// The socket; once it is writable [`finish_connect`] tells how it ended.
    pub fd: OwnedFd,
    /// If false it is connected already.
    pub in_progress: bool,
}

impl Connecting {
    /// The connection, once it is made.
    pub fn finish(self) -> Result<Stream> {
        if self.in_progress {
            finish_connect(self.fd.as_fd())?;
        }
        Ok(Stream::new(self.fd))
    }
}

/// Starts to connect. `Err(Again)` is what a Unix domain socket says whose backlog is full.
pub fn start_connect(to: &SocketAddrAny, options: &SocketOptions) -> Result<Connecting> {
    match to {
        SocketAddrAny::Unix(name) => {
            let address = SockAddr::unix(name)?;
            let fd = net::stream_socket(&address)?;
            tune::prepare(fd.as_fd(), false, options)?;
            let connected = net::connect(fd.as_fd(), &address)?;
            Ok(Connecting { fd, in_progress: !connected })
        }
        SocketAddrAny::Inet { target, source } => match connect_tcp(*target, *source, options) {
            // A system without IPv6 knows no IPv6 form of IPv4 addresses either.
            Err(Error::Os(libc::EAFNOSUPPORT)) if unmapped(*target) != *target => {
                connect_tcp(unmapped(*target), source.map(unmapped), options)
            }
            result => result,
        },
    }
}

fn connect_tcp(
    target: SocketAddr,
    source: Option<SocketAddr>,
    options: &SocketOptions,
) -> Result<Connecting> {
    let address = SockAddr::from(target);
    let fd = net::stream_socket(&address)?;
    tune::prepare(fd.as_fd(), true, options)?;
    tune::tcp(fd.as_fd(), options);
    if let Some(source) = source {
        net::set_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
        if source.port() == 0 {
            // The port is chosen when connecting, so that it need be unique per peer only
            // (ip(7)). Older systems choose here.
            let option = libc::IP_BIND_ADDRESS_NO_PORT;
            let _ = net::set_option(fd.as_fd(), libc::IPPROTO_IP, option, 1);
        }
        net::bind(fd.as_fd(), &SockAddr::from(source))?;
    }
    let connected = net::connect(fd.as_fd(), &address)?;
    Ok(Connecting { fd, in_progress: !connected })
}

/// How a connect ended, for a descriptor that became writable.
///
/// TCP lets a socket connect to itself: when nobody listens at a local port that the system
/// then picks as our own. That is no peer; it counts as refused.
pub fn finish_connect(fd: BorrowedFd<'_>) -> Result<()> {
    net::take_error(fd)?;
    let peer = net::peer_address(fd).map_err(|error| match error {
        Error::Os(libc::ENOTCONN) => Error::ConnectionRefused,
        error => error,
    })?;
    if let Some(peer) = peer.to_inet()
        && net::local_address(fd)?.to_inet() == Some(peer)
    {
        return Err(Error::ConnectionRefused);
    }
    Ok(())
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
