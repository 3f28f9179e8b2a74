//! What is to be known of a transport: a row of the table.

use std::os::fd::{AsFd, BorrowedFd};

use super::bound::BindResult;
use super::dialogue::Dialogue;
use super::link::Terms;
use super::socks::Destination;
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::sys::fd::OwnedFd;
use crate::sys::net::{self, SockAddr};
use crate::sys::network::Network;
use crate::types::{Datagrams, SocketType};

/// Why an endpoint is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressError {
    /// It is not written as one, or is of no transport for such a socket.
    Malformed(Error),
    /// It is well formed, but no socket can have this name: monitors are told of a bind to it, and
    /// nothing is connected there.
    Nobodys(Error),
}

impl From<Error> for AddressError {
    fn from(error: Error) -> AddressError {
        AddressError::Malformed(error)
    }
}

impl From<AddressError> for Error {
    fn from(error: AddressError) -> Error {
        match error {
            AddressError::Malformed(error) | AddressError::Nobodys(error) => error,
        }
    }
}

/// One way to a peer, as [`super::Address::resolve`] found it.
#[derive(Debug, Clone)]
pub struct Way {
    /// Where to.
    pub target: SockAddr,
    /// The address of ours to come from; a port of 0 is any.
    pub source: Option<SockAddr>,
}

/// What a request of HTTP asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpTarget {
    /// As it stands in Host.
    pub host: String,
    /// With its slash.
    pub path: String,
}

/// The proxy as an address of its transport, and what to ask it for.
type ThroughProxy = fn(&str, &SocketOptions) -> Result<(String, Destination)>;

/// What messages are sent to where there are no connections.
#[derive(Debug)]
pub enum Medium {
    /// A socket for datagrams, which does not block; what it is for, and where all goes that is sent.
    Datagrams(OwnedFd, Datagrams, Option<SockAddr>),
    /// A multicast group.
    Packets(Box<dyn Network>),
}

/// A bind or connect without connections.
#[derive(Debug)]
pub struct DatagramSocket {
    /// What it uses.
    pub medium: Medium,
    /// The endpoint as ZMQ_LAST_ENDPOINT gives it, without wildcards (libzmq: as it was given, without `udp://`).
    pub endpoint: String,
}

/// Of an address, for a socket of this type, which binds or connects.
type OpenDatagrams = fn(&str, SocketType, bool, &SocketOptions) -> Result<DatagramSocket>;

/// A socket, and what connecting it gave: whether it is connected already.
pub(super) type Started = (OwnedFd, Result<bool>);

/// One transport. Functions that take a text are given what stands behind `://`; none but `resolve`
/// may block. Rows begin with [`Transport::PLAIN`] and say what differs.
pub struct Transport {
    /// What stands before `://`.
    pub(super) scheme: &'static str,
    /// Which types of sockets could use it.
    pub(super) carries: fn(SocketType) -> bool,
    /// What an address has to look like.
    pub(super) check: fn(&str) -> std::result::Result<(), AddressError>,
    /// How libzmq writes one that `check` lets pass, in what monitors are told, too, where that is neither
    /// as it is given nor what the system makes of it. It need be no address.
    pub(super) canonical: fn(&str) -> Option<String>,
    /// Names are the context's, and nobody listens or connects through the system.
    pub(super) within_process: bool,
    /// Libraries exist without it: whether this one has it, as zmq_has(3) says.
    pub(super) optional: Option<fn() -> bool>,
    /// The system tells which process is at the other end of a connection.
    pub(super) knows_process: bool,
    /// libzmq's monitors are told the end of a socket that could not be bound by the endpoint's name.
    pub(super) names_what_fails: bool,

    /// Makes a socket that listens, with the errors of zmq_bind(3).
    pub(super) listen: fn(&str, &SocketOptions) -> BindResult,
    /// What a wildcard or an alias would be bound to, if that is known before.
    pub(super) resolve_binding: fn(&str, ipv6: bool) -> Option<SockAddr>,
    /// Lets a connection from this peer in and tunes it, or not.
    pub(super) admit: fn(BorrowedFd<'_>, &SockAddr, &SocketOptions) -> bool,

    /// What `zmq_connect` insists on at once.
    pub(super) check_connect: fn(&str) -> Result<()>,
    /// Whether to resolve it is to ask a name service.
    pub(super) needs_dns: fn(&str) -> bool,
    /// The ways there, the best first, at least one.
    pub(super) resolve: fn(&str, &SocketOptions) -> Result<Vec<Way>>,
    /// With ZMQ_SOCKS_PROXY, if that is for this transport.
    pub(super) through_proxy: Option<ThroughProxy>,
    /// Begins to connect. Fails itself only without a socket.
    pub(super) start: fn(&Way, &SocketOptions) -> Result<Started>,
    /// Looks at whom a socket has been connected to.
    pub(super) inspect: fn(BorrowedFd<'_>, &SockAddr) -> Result<()>,
    /// What is said to the peer before ZMTP, the first one first, at our end of a connection of the endpoint with this name;
    /// `ours`: we have connected.
    pub(super) greet: fn(ours: bool, endpoint: &str, &SocketOptions) -> Vec<Box<dyn Dialogue>>,
    /// What is between the descriptor and all that is said to the peer, at our end of a connection of this address; `ours`:
    /// we connect. Fails if the options say what makes no sense.
    pub(super) terms: fn(ours: bool, &str, &SocketOptions) -> Result<Terms>,
    /// What a peer at this address is asked for that speaks WebSocket behind all that, if messages of
    /// WebSocket carry what is said.
    pub(super) websocket: Option<fn(&str) -> HttpTarget>,
    /// A connection that we made is a stream from now on, unless this fails.
    pub(super) made: fn(BorrowedFd<'_>) -> Result<()>,
    /// Makes a socket for datagrams, where there are no connections. It blocks if the address needs a look-up.
    pub(super) open_datagrams: Option<OpenDatagrams>,

    /// An address of the system as an endpoint, if it is one of this transport.
    pub(super) endpoint: fn(&SockAddr) -> Option<String>,
    /// What an address says that is none of the system's: it stands behind what `endpoint` writes.
    pub(super) behind: fn(&str) -> &str,
    /// Whether every connection that is accepted there has this same local address.
    pub(super) is_specific: fn(&SockAddr) -> bool,
    /// The `Peer-Address` property (zmq_msg_gets(3)), empty if the connection is gone.
    pub(super) peer_address: fn(BorrowedFd<'_>, &SockAddr) -> String,
}

impl Transport {
    /// A transport that nobody listens at or connects to, has no names to look up, lets everybody in
    /// and has nothing to tune.
    pub(super) const PLAIN: Transport = Transport {
        scheme: "",
        carries: |socket_type| !socket_type.info().only_datagrams,
        check: |_| Ok(()),
        canonical: |_| None,
        within_process: false,
        optional: None,
        knows_process: false,
        names_what_fails: false,
        listen: |_, _| Err(Error::Invalid.into()),
        resolve_binding: |_, _| None,
        admit: |_, _, _| true,
        check_connect: |_| Ok(()),
        needs_dns: |_| false,
        resolve: |_, _| Err(Error::Invalid),
        through_proxy: None,
        start,
        inspect: |_, _| Ok(()),
        greet: |_, _, _| Vec::new(),
        terms: |_, _, _| Ok(Terms::Plain),
        websocket: None,
        made: |_| Ok(()),
        open_datagrams: None,
        endpoint: |_| None,
        behind: |_| "",
        is_specific: |_| true,
        peer_address: |_, _| String::new(),
    };
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.scheme)
    }
}

/// Connects a new socket, without ado.
fn start(to: &Way, _options: &SocketOptions) -> Result<Started> {
    let fd = net::stream_socket(&to.target)?;
    let connected = net::connect(fd.as_fd(), &to.target);
    Ok((fd, connected))
}
