//! Option values as they come through `zmq_setsockopt`: raw bytes in native order.

use crate::error::{Error, Result};

/// An `int`.
pub(crate) fn int(value: &[u8]) -> Result<i32> {
    value.try_into().map(i32::from_ne_bytes).map_err(|_| Error::Invalid)
}

/// An `int` used as a switch. libzmq takes every number but the negative ones.
pub(crate) fn switch(value: &[u8]) -> Result<bool> {
    match int(value)? {
        number if number < 0 => Err(Error::Invalid),
        number => Ok(number != 0),
    }
}

/// Sets a switch from an option value.
pub(crate) fn set_switch(target: &mut bool, value: &[u8]) -> Option<Result<()>> {
    Some(switch(value).map(|on| *target = on))
}

/// Of what ZMQ_ROUTER_NOTIFY is to tell: who connects (1), who goes (2).
pub(crate) fn notify(value: &[u8]) -> Result<i32> {
    int(value).ok().filter(|notify| (0..=3).contains(notify)).ok_or(Error::Invalid)
}

/// What `getsockopt` returns for a number.
pub(crate) fn from_int(number: i32) -> Option<Result<Vec<u8>>> {
    Some(Ok(number.to_ne_bytes().to_vec()))
}

/// What `getsockopt` returns for a count.
pub(crate) fn from_count(count: usize) -> Option<Result<Vec<u8>>> {
    from_int(i32::try_from(count).unwrap_or(i32::MAX))
}
