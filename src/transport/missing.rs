//! Transports of libzmq that this library does not have. They are known all the same: a socket that
//! none of them could ever carry is told so (zmq_pgm(7), zmq_udp(7)).

use super::Transport;
use crate::error::Error;
use crate::types::SocketType;

const MISSING: Transport =
    Transport { check: |_| Err(Error::UnknownProtocol.into()), ..Transport::PLAIN };

/// Multicast carries what is published.
fn is_published(socket_type: SocketType) -> bool {
    use SocketType::{Pub, Sub, XPub, XSub};
    matches!(socket_type, Pub | Sub | XPub | XSub)
}

pub(super) static PGM: Transport = Transport { scheme: "pgm", carries: is_published, ..MISSING };
pub(super) static EPGM: Transport = Transport { scheme: "epgm", carries: is_published, ..MISSING };
pub(super) static NORM: Transport = Transport { scheme: "norm", carries: is_published, ..MISSING };
/// Of RADIO, DISH and DGRAM, none of which is stable.
pub(super) static UDP: Transport = Transport { scheme: "udp", carries: |_| false, ..MISSING };
