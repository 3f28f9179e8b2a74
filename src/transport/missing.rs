//! A transport of libzmq that this library does not have. It is known all the same: a socket that it could never carry is
//! told so (zmq_pgm(7)).

use super::row::Transport;
use crate::error::Error;

pub(super) static NORM: Transport = Transport {
    scheme: "norm",
    carries: |socket_type| socket_type.info().multicasts,
    check: |_| Err(Error::UnknownProtocol.into()),
    ..Transport::PLAIN
};
