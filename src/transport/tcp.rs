//! zmq_tcp(7). An address is `host:port`, for connecting also `source:port;host:port`.

mod address;

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use super::bound::{BindError, BindResult, Bound};
use super::row::{Started, Transport, Way};
use super::socks::Destination;
use super::tune;
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::sys::net::{self, SockAddr};
pub(super) use address::TcpAddress;

/// The row of the table.
pub(super) static TRANSPORT: Transport = ROW;

/// It is that of every transport over TCP, but for what those say.
pub(super) const ROW: Transport = Transport {
    scheme: "tcp",
    listen,
    resolve_binding,
    admit,
    check_connect: |text| TcpAddress::new(text).check_connect(),
    needs_dns: |text| TcpAddress::new(text).needs_dns(),
    resolve: |text, options| TcpAddress::new(text).resolve_connect(options.ipv6),
    through_proxy: Some(through_proxy),
    start,
    inspect,
    // From now on what was sent counts, also when we close first. A connection whose last words would be
    // thrown away is none.
    made: |fd| net::abort_on_close(fd, false),
    endpoint: |address| address.to_inet().map(endpoint),
    is_specific,
    peer_address: |_, peer| peer.to_inet().map(|peer| net::host_text(&peer)).unwrap_or_default(),
    ..Transport::PLAIN
};

pub(super) fn listen(text: &str, options: &SocketOptions) -> BindResult {
    let tcp = TcpAddress::new(text);
    match listen_at(tcp.resolve_bind(options.ipv6)?, options) {
        // IPv6 is wished for but the system has none.
        Err(BindError { error: Error::Os(libc::EAFNOSUPPORT), .. }) if options.ipv6 => {
            listen_at(tcp.resolve_bind(false)?, options)
        }
        result => result,
    }
}

fn listen_at(at: SocketAddr, options: &SocketOptions) -> BindResult {
    Bound::listen(&at.into(), options, None, |fd| {
        tune::prepare(fd, at.is_ipv6(), options)?;
        net::set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)
    })
}

/// `tcp://*:5555` and the like, if they name a port.
pub(super) fn resolve_binding(text: &str, ipv6: bool) -> Option<SockAddr> {
    let at = TcpAddress::new(text).resolve_bind(ipv6).ok()?;
    (at.port() != 0).then(|| at.into())
}

fn admit(fd: BorrowedFd<'_>, peer: &SockAddr, options: &SocketOptions) -> bool {
    let welcome = peer.to_inet().is_some_and(|peer| passes_filters(peer, options));
    if welcome {
        tune::accepted(fd, options);
    } else {
        // No connection of ours: nothing of it stays on the port.
        let _ = net::abort_on_close(fd, true);
    }
    welcome
}

/// ZMQ_TCP_ACCEPT_FILTER: no filters let everybody in.
fn passes_filters(peer: SocketAddr, options: &SocketOptions) -> bool {
    let filters = &options.accept.networks;
    filters.is_empty() || filters.iter().any(|filter| filter.contains(peer.ip()))
}

/// The proxy, reached from the source that the endpoint names.
pub(super) fn through_proxy(text: &str, options: &SocketOptions) -> Result<(String, Destination)> {
    let peer = TcpAddress::new(text);
    let proxy = String::from_utf8_lossy(&options.socks_proxy);
    Ok((TcpAddress::new(&proxy).or_source_of(&peer), peer.destination()?))
}

fn start(to: &Way, options: &SocketOptions) -> Result<Started> {
    let mut target = to.target.to_inet().ok_or(Error::Invalid)?;
    let mut source = to.source.and_then(|source| source.to_inet());
    let fd = match net::stream_socket(&to.target) {
        // A system without IPv6 knows no IPv6 form of IPv4 addresses either.
        Err(Error::Os(libc::EAFNOSUPPORT)) if unmapped(target) != target => {
            (target, source) = (unmapped(target), source.map(unmapped));
            net::stream_socket(&target.into())?
        }
        made => made?,
    };
    let connected = connect(fd.as_fd(), target, source, options);
    Ok((fd, connected))
}

fn connect(
    fd: BorrowedFd<'_>,
    target: SocketAddr,
    source: Option<SocketAddr>,
    options: &SocketOptions,
) -> Result<bool> {
    tune::prepare(fd, target.is_ipv6(), options)?;
    tune::tcp(fd, options);
    // Refused, it leaves TIME_WAIT behind if it comes to nothing.
    let _ = net::abort_on_close(fd, true);
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
    // Even if it is connected already: [`super::Stream::finish_connect`] looks to what.
    Ok(false)
}

/// TCP lets a socket connect to itself: when nobody listens at a local port that the system
/// then picks as our own. That is no peer; it counts as refused.
fn inspect(fd: BorrowedFd<'_>, peer: &SockAddr) -> Result<()> {
    if let Some(inet) = peer.to_inet()
        && net::local_address(fd)?.to_inet() == Some(inet)
    {
        return Err(Error::ConnectionRefused);
    }
    Ok(())
}

/// An address as libzmq writes it in ZMQ_LAST_ENDPOINT.
fn endpoint(inet: SocketAddr) -> String {
    format!("tcp://{}", authority(inet))
}

/// Its host and port.
pub(super) fn authority(inet: SocketAddr) -> String {
    let host = net::host_text(&inet);
    match inet.is_ipv6() {
        true => format!("[{host}]:{}", inet.port()),
        false => format!("{host}:{}", inet.port()),
    }
}

fn is_specific(address: &SockAddr) -> bool {
    address.to_inet().is_none_or(|inet| inet.is_ipv4() && !inet.ip().is_unspecified())
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
