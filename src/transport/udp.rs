//! zmq_udp(7). An address is `host:port`, with `interface;` before it if it is a multicast group and the system
//! shall not choose the interface. There are no connections: RADIO sends to an address, DISH receives at one, DGRAM does
//! both.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::AsFd;

use super::row::{DatagramSocket, Medium, Transport};
use super::tcp::{TcpAddress, unmapped};
use super::tune;
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::sys::fd::OwnedFd;
use crate::sys::net::{self, Interface};
use crate::types::{Datagrams, SocketType};

/// The row of the table.
pub(super) static TRANSPORT: Transport = Transport {
    scheme: "udp",
    carries: |socket_type| socket_type.info().datagrams.is_some(),
    needs_dns: |text| TcpAddress::new(split(text).1).needs_dns(),
    open_datagrams: Some(open),
    ..Transport::PLAIN
};

/// The interface, if one is named, and what stands behind it.
fn split(text: &str) -> (Option<&str>, &str) {
    match text.split_once(';') {
        Some((interface, address)) => (Some(interface), address),
        None => (None, text),
    }
}

/// By its name, or its address. `NoDevice`: there is none.
fn interface(name: Option<&str>) -> Result<Interface> {
    let Some(name) = name else { return Ok(Interface::Any) };
    if let Some(index) = net::interface_index(name) {
        return Ok(Interface::Index(index));
    }
    name.parse().map(Interface::Address).map_err(|_| Error::NoDevice)
}

/// zmq_udp(7): "we can only bind the DISH socket type", "we can only connect the RADIO socket type"; DGRAM is bound.
fn open(
    text: &str,
    socket_type: SocketType,
    binds: bool,
    options: &SocketOptions,
) -> Result<DatagramSocket> {
    let kind = socket_type.info().datagrams.ok_or(Error::IncompatibleProtocol)?;
    if binds == (kind == Datagrams::Sent) {
        return Err(Error::IncompatibleProtocol);
    }
    let (name, address) = split(text);
    let interface = interface(name)?;
    let address = TcpAddress::new(address);
    if binds {
        listen(unmapped(address.resolve_bind(options.ipv6)?), interface, kind, options)
    } else {
        address.check_connect()?;
        let ways = address.resolve_connect(options.ipv6)?;
        let to = ways.first().and_then(|way| way.target.to_inet()).ok_or(Error::Invalid)?;
        reach(unmapped(to), interface, kind, options)
    }
}

fn listen(
    at: SocketAddr,
    on: Interface,
    kind: Datagrams,
    options: &SocketOptions,
) -> Result<DatagramSocket> {
    let fd = net::datagram_socket(&at.into())?;
    tune::prepare(fd.as_fd(), at.is_ipv6(), options)?;
    // Several sockets get what is sent to a group, if all of them say both (socket(7)); libzmq's do.
    net::set_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if at.ip().is_multicast() {
        net::set_option(fd.as_fd(), libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    }
    net::bind(fd.as_fd(), &place(at, on).into())?;
    if at.ip().is_multicast() {
        net::join_group(fd.as_fd(), at.ip(), on)?;
    }
    let port = net::local_address(fd.as_fd())?.to_inet().map_or(at.port(), |at| at.port());
    let at = SocketAddr::new(at.ip(), port);
    send_to_groups(&fd, at, on, options)?;
    Ok(DatagramSocket { medium: Medium::Datagrams(fd, kind, None), endpoint: endpoint(at) })
}

/// A group's own address: what is sent to other groups is nobody's here, whoever has joined them. But those of IPv6 that
/// belong to an interface, or what hangs at it, are no address without one (RFC 4007).
fn place(at: SocketAddr, on: Interface) -> SocketAddr {
    match (at, on) {
        (SocketAddr::V6(group), Interface::Index(index)) if group.ip().is_multicast() => {
            SocketAddrV6::new(*group.ip(), group.port(), 0, index).into()
        }
        (SocketAddr::V6(group), _)
            if [0xff01, 0xff02].contains(&(group.ip().segments()[0] & 0xff0f)) =>
        {
            SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), group.port())
        }
        _ => at,
    }
}

fn reach(
    to: SocketAddr,
    on: Interface,
    kind: Datagrams,
    options: &SocketOptions,
) -> Result<DatagramSocket> {
    let fd = net::datagram_socket(&to.into())?;
    tune::prepare(fd.as_fd(), to.is_ipv6(), options)?;
    send_to_groups(&fd, to, on, options)?;
    let medium = Medium::Datagrams(fd, kind, Some(to.into()));
    Ok(DatagramSocket { medium, endpoint: endpoint(to) })
}

/// ZMQ_MULTICAST_HOPS, ZMQ_MULTICAST_LOOP, and the interface.
fn send_to_groups(fd: &OwnedFd, like: SocketAddr, on: Interface, o: &SocketOptions) -> Result<()> {
    net::send_to_groups(fd.as_fd(), like.is_ipv6(), on, o.multicast_hops, o.multicast_loop)
}

fn endpoint(at: SocketAddr) -> String {
    match at.ip() {
        IpAddr::V4(ip) => format!("udp://{ip}:{}", at.port()),
        IpAddr::V6(_) => format!("udp://[{}]:{}", net::host_text(&at), at.port()),
    }
}

/// What an address means, and that it means the same when it is read again. Nothing is opened, or looked up.
#[cfg(any(test, fuzzing))]
pub(super) fn is_understood(text: &str, ipv6: bool) -> bool {
    let (name, address) = split(text);
    let address = TcpAddress::new(address);
    if interface(name).is_err() || address.needs_dns() {
        return false;
    }
    let Ok(at) = address.resolve_bind(ipv6).map(unmapped) else { return false };
    let (placed, written) = (place(at, Interface::Any), endpoint(at));
    assert_eq!(placed.port(), at.port());
    let again = written.strip_prefix("udp://").map(TcpAddress::new);
    assert_eq!(
        again.and_then(|again| again.resolve_bind(at.is_ipv6()).ok().map(unmapped)),
        Some(at)
    );
    true
}
