//! Transports: what an endpoint means, who listens there and how to get there.
//!
//! Nothing here knows ZMTP. A [`Listener`] hands out [`Stream`]s, a [`Route`] leads to one;
//! after that a stream is a descriptor for [`crate::sys::net::recv`] and its kin. The only call
//! that may block is [`Address::resolve`], and only if [`Address::needs_dns`].

mod connect;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod ipc;
mod listener;
mod socks;
mod stream;
mod tcp;
#[cfg(test)]
mod tests;
mod tune;

use std::fmt;
use std::net::SocketAddr;

pub use connect::{Connecting, Route, Step};
pub use ipc::IpcAddress;
pub use listener::{AcceptError, BindError, Listener};
pub use stream::Stream;
pub use tcp::TcpAddress;

use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::sys::net::UnixName;
use crate::types::SocketType;

/// A parsed endpoint, `transport://address`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// zmq_tcp(7).
    Tcp(TcpAddress),
    /// zmq_ipc(7).
    Ipc(IpcAddress),
    /// zmq_inproc(7): the name, not empty.
    Inproc(String),
}

/// One way to a peer, as [`Address::resolve`] found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketAddrAny {
    /// TCP.
    Inet {
        /// Where to.
        target: SocketAddr,
        /// The address of ours to come from; port 0 is any.
        source: Option<SocketAddr>,
    },
    /// Unix domain socket.
    Unix(UnixName),
}

impl Address {
    /// Parses what `zmq_bind` and `zmq_connect` take, without looking anything up.
    ///
    /// `Invalid` without `://` or with nothing before or behind it, `UnknownProtocol` for
    /// transports this library does not have, `NameTooLong` for ipc names above 107 bytes.
    pub fn parse(endpoint: &str) -> Result<Address> {
        let (scheme, address) = split(endpoint)?;
        match scheme {
            "tcp" => Ok(Address::Tcp(TcpAddress::new(address))),
            "ipc" => IpcAddress::new(address).map(Address::Ipc),
            "inproc" => Ok(Address::Inproc(address.to_owned())),
            _ => Err(Error::UnknownProtocol),
        }
    }

    /// [`Address::parse`] for a socket of this type: before anything is said about a transport
    /// we do not have, types it could never carry are refused with `IncompatibleProtocol`
    /// (zmq_pgm(7), zmq_udp(7)).
    pub fn parse_for(endpoint: &str, socket_type: SocketType) -> Result<Address> {
        use SocketType::{Pub, Sub, XPub, XSub};
        let (scheme, _) = split(endpoint)?;
        let fits = match scheme {
            "pgm" | "epgm" | "norm" => matches!(socket_type, Pub | Sub | XPub | XSub),
            "udp" => false, // RADIO, DISH and DGRAM, none of them stable
            _ => true,
        };
        if fits { Address::parse(endpoint) } else { Err(Error::IncompatibleProtocol) }
    }

    /// What `zmq_connect` says at once about an address it will look up later.
    pub fn check_connect(&self) -> Result<()> {
        match self {
            Address::Tcp(tcp) => tcp.check_connect(),
            Address::Ipc(_) | Address::Inproc(_) => Ok(()),
        }
    }

    /// What `ZMQ_LAST_ENDPOINT` says after a bind to this tcp address, if that needs no lookup and
    /// names a port.
    pub fn resolved_binding(&self, ipv6: bool) -> Option<String> {
        let Address::Tcp(tcp) = self else { return None };
        let at = tcp.resolve_bind(ipv6).ok().filter(|at| at.port() != 0)?;
        Some(stream::endpoint(&crate::sys::net::SockAddr::from(at)))
    }

    /// Whether [`Address::resolve`] asks the name service, which may take long.
    pub fn needs_dns(&self) -> bool {
        match self {
            Address::Tcp(tcp) => tcp.needs_dns(),
            Address::Ipc(_) | Address::Inproc(_) => false,
        }
    }

    /// Every way to connect there, the best first, at least one. **Blocks** if
    /// [`Address::needs_dns`]. `Invalid` for names and ports that mean nothing (now; asking
    /// again later is worthwhile) and for inproc.
    pub fn resolve(&self, options: &SocketOptions) -> Result<Vec<SocketAddrAny>> {
        match self {
            Address::Tcp(tcp) => tcp.resolve_connect(options.ipv6),
            Address::Ipc(ipc) => Ok(vec![SocketAddrAny::Unix(ipc.name())]),
            Address::Inproc(_) => Err(Error::Invalid),
        }
    }
}

impl fmt::Display for Address {
    /// The endpoint this was parsed from.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(tcp) => write!(f, "tcp://{}", tcp.as_str()),
            Address::Ipc(ipc) => write!(f, "ipc://{}", ipc.as_str()),
            Address::Inproc(name) => write!(f, "inproc://{name}"),
        }
    }
}

/// Transport and address of an endpoint, both not empty.
fn split(endpoint: &str) -> Result<(&str, &str)> {
    match endpoint.split_once("://") {
        Some((scheme, address)) if !scheme.is_empty() && !address.is_empty() => {
            Ok((scheme, address))
        }
        _ => Err(Error::Invalid),
    }
}
