//! Transports of libzmq that this library does not have. They are known all the same: a socket that
//! none of them could ever carry is told so (zmq_pgm(7), zmq_udp(7)).

use super::row::Transport;
use crate::error::Error;
use crate::types::SocketType;

const MISSING: Transport =
    Transport { check: |_| Err(Error::UnknownProtocol.into()), ..Transport::PLAIN };

fn multicasts(socket_type: SocketType) -> bool {
    socket_type.info().multicasts
}

pub(super) static PGM: Transport = Transport { scheme: "pgm", carries: multicasts, ..MISSING };
pub(super) static EPGM: Transport = Transport { scheme: "epgm", carries: multicasts, ..MISSING };
pub(super) static NORM: Transport = Transport { scheme: "norm", carries: multicasts, ..MISSING };
