//! Texts of the error numbers that are ZeroMQ's own (zmq_strerror(3)).

use crate::error::{EFSM, EMTHREAD, ENOCOMPATPROTO, ETERM};
use std::ffi::{CStr, c_int};

/// libzmq's text for `number`, `None` where it says what the system says.
///
/// Programs compare these texts, so they are what libzmq returns; it has its own words for one
/// number of the system, `EHOSTUNREACH`.
pub fn own_text(number: c_int) -> Option<&'static CStr> {
    match number {
        EFSM => Some(c"Operation cannot be accomplished in current state"),
        ENOCOMPATPROTO => Some(c"The protocol is not compatible with the socket type"),
        ETERM => Some(c"Context was terminated"),
        EMTHREAD => Some(c"No thread available"),
        libc::EHOSTUNREACH => Some(c"Host unreachable"),
        _ => None,
    }
}
