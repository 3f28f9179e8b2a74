//! Transports: what an endpoint means, who listens there and how to get there.
//!
//! Each has a file and a row of [`TABLE`]: whoever wants to know something about one asks its row.
//! Nothing here knows ZMTP. A [`Listener`] hands out [`Stream`]s, a [`Route`] leads to one;
//! after that a stream is a descriptor for [`crate::sys::net::recv`] and its kin, or for a [`Link`] where TLS is between. The only call
//! that may block is [`Address::resolve`], and only if [`Address::needs_dns`].

mod agreement;
mod bound;
mod connect;
mod dialogue;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod inproc;
mod ipc;
mod link;
mod listener;
mod norm;
mod pgm;
mod row;
mod socks;
mod stream;
mod tcp;
mod temporary;
#[cfg(test)]
mod tests;
mod tipc;
#[cfg(tls)]
mod tls;
mod tune;
mod udp;
mod vsock;
mod ws;
#[cfg(tls)]
mod wss;

use std::fmt;

pub use agreement::Agreement;
pub use bound::BindError;
pub use connect::Route;
pub use dialogue::Dialogue;
pub use link::Link;
pub use listener::{AcceptError, Listener};
pub use row::{AddressError, DatagramSocket, HttpTarget, Medium, Transport, Way};
pub use stream::Stream;

use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::sys::net::SockAddr;
use crate::types::SocketType;

/// Every transport.
static TABLE: &[&Transport] = &[
    &tcp::TRANSPORT,
    &ws::TRANSPORT,
    #[cfg(tls)]
    &wss::TRANSPORT,
    &ipc::TRANSPORT,
    &vsock::TRANSPORT,
    &tipc::TRANSPORT,
    &inproc::TRANSPORT,
    &pgm::PGM,
    &pgm::EPGM,
    &norm::TRANSPORT,
    &udp::TRANSPORT,
];

/// A parsed endpoint, `transport://address`.
#[derive(Clone)]
pub struct Address {
    transport: &'static Transport,
    /// What stands behind `://`, not empty.
    text: String,
}

type Parsed = std::result::Result<Address, AddressError>;

impl Address {
    /// Parses what `zmq_bind` and `zmq_connect` take, without looking anything up.
    ///
    /// `Invalid` without `://` or with nothing before or behind it, `UnknownProtocol` for
    /// transports this library does not have, `NameTooLong` for ipc names above 107 bytes.
    pub fn parse(endpoint: &str) -> Parsed {
        Address::parse_if(endpoint, |_| true)
    }

    /// [`Address::parse`] for a socket of this type: before anything is said about a transport
    /// we do not have, types it could never carry are refused with `IncompatibleProtocol`
    /// (zmq_pgm(7), zmq_udp(7)).
    pub fn parse_for(endpoint: &str, socket_type: SocketType) -> Parsed {
        Address::parse_if(endpoint, |transport| (transport.carries)(socket_type))
    }

    fn parse_if(endpoint: &str, carries: impl FnOnce(&Transport) -> bool) -> Parsed {
        let (transport, text) = named(endpoint, carries)?;
        (transport.check)(text)?;
        Ok(Address { transport, text: text.to_owned() })
    }

    /// What stands behind `://`.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn canonical(&self) -> Option<String> {
        (self.transport.canonical)(&self.text)
    }

    /// Whether it is a name in the process: of the context, not of the system.
    pub fn is_within_process(&self) -> bool {
        self.transport.within_process
    }

    /// Whether monitors are told the end of a socket that could not be bound by this name.
    pub fn names_what_fails(&self) -> bool {
        self.transport.names_what_fails
    }

    /// What `zmq_connect` says at once about an address it will look up later.
    ///
    /// # Errors
    /// Those of `check_connect` of its transport's row.
    pub fn check_connect(&self) -> Result<()> {
        (self.transport.check_connect)(&self.text)
    }

    /// Whether its transport has no connections.
    pub fn is_of_datagrams(&self) -> bool {
        self.transport.open_datagrams.is_some()
    }

    /// What messages are sent to, for who binds or connects. **Blocks** if [`Address::needs_dns`].
    ///
    /// # Errors
    /// As zmq_bind(3) and zmq_connect(3) say; `IncompatibleProtocol` for a type that has no use for it.
    pub fn open_datagrams(
        &self,
        socket_type: SocketType,
        binds: bool,
        options: &SocketOptions,
    ) -> Result<DatagramSocket> {
        match self.transport.open_datagrams.filter(|_| (self.transport.carries)(socket_type)) {
            Some(open) => open(&self.text, socket_type, binds, options),
            None => Err(Error::IncompatibleProtocol),
        }
    }

    /// What `ZMQ_LAST_ENDPOINT` says after a bind to this address, if that needs no lookup and is
    /// not what is written here.
    pub fn resolved_binding(&self, ipv6: bool) -> Option<String> {
        let at = (self.transport.resolve_binding)(&self.text, ipv6)?;
        let endpoint = (self.transport.endpoint)(&at)?;
        Some(endpoint + (self.transport.behind)(&self.text))
    }

    /// Whether [`Address::resolve`] asks the name service, which may take long.
    pub fn needs_dns(&self) -> bool {
        (self.transport.needs_dns)(&self.text)
    }

    /// Every way to connect there, the best first, at least one. **Blocks** if
    /// [`Address::needs_dns`]. `Invalid` for names and ports that mean nothing (now; asking
    /// again later is worthwhile) and for inproc.
    pub fn resolve(&self, options: &SocketOptions) -> Result<Vec<Way>> {
        (self.transport.resolve)(&self.text, options)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Address) -> bool {
        self.transport.scheme == other.transport.scheme && self.text == other.text
    }
}

impl Eq for Address {}

impl fmt::Display for Address {
    /// The endpoint this was parsed from, as libzmq writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.canonical().unwrap_or_else(|| self.text.clone());
        write!(f, "{}://{text}", self.transport.scheme)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The transport that an endpoint names, if it may carry what is asked for, and what stands behind `://`.
fn named(
    endpoint: &str,
    carries: impl FnOnce(&Transport) -> bool,
) -> Result<(&'static Transport, &str)> {
    let (scheme, text) = match endpoint.split_once("://") {
        Some((scheme, text)) if !scheme.is_empty() && !text.is_empty() => (scheme, text),
        _ => return Err(Error::Invalid),
    };
    let named = TABLE.iter().copied().find(|transport| transport.scheme == scheme);
    let transport = named.ok_or(Error::UnknownProtocol)?;
    if carries(transport) { Ok((transport, text)) } else { Err(Error::IncompatibleProtocol) }
}

/// Whether an endpoint names a transport whose names are the context's, of which nothing else is said
/// than whether sockets of this type could ever use it, see [`Address::parse_for`].
///
/// # Errors
/// As there, but for what is wrong with the address.
pub fn is_within_process(endpoint: &str, socket_type: SocketType) -> Result<bool> {
    Ok(named(endpoint, |transport| (transport.carries)(socket_type))?.0.within_process)
}

/// Whether this is a transport that we have, and not every library (zmq_has(3)).
pub fn is_optional(name: &[u8]) -> bool {
    let named = TABLE.iter().find(|transport| transport.scheme.as_bytes() == name);
    named.and_then(|transport| transport.optional).is_some_and(|has| has())
}

/// Whose addresses look like this one of the system's.
fn transport_of(address: &SockAddr) -> Option<&'static Transport> {
    TABLE.iter().copied().find(|transport| (transport.endpoint)(address).is_some())
}
