//! Option values as they come through `zmq_setsockopt`: raw bytes in native order.

use crate::error::{Error, Result};

/// Numbers of the options that socket patterns know (`zmq.h`).
pub(crate) mod option {
    pub(crate) const ROUTING_ID: i32 = 5;
    pub(crate) const SUBSCRIBE: i32 = 6;
    pub(crate) const UNSUBSCRIBE: i32 = 7;
    pub(crate) const ROUTER_MANDATORY: i32 = 33;
    pub(crate) const XPUB_VERBOSE: i32 = 40;
    pub(crate) const ROUTER_RAW: i32 = 41;
    pub(crate) const PROBE_ROUTER: i32 = 51;
    pub(crate) const REQ_CORRELATE: i32 = 52;
    pub(crate) const REQ_RELAXED: i32 = 53;
    pub(crate) const ROUTER_HANDOVER: i32 = 56;
    pub(crate) const XPUB_NODROP: i32 = 69;
    pub(crate) const XPUB_MANUAL: i32 = 71;
    pub(crate) const XPUB_WELCOME_MSG: i32 = 72;
    pub(crate) const STREAM_NOTIFY: i32 = 73;
    pub(crate) const INVERT_MATCHING: i32 = 74;
    pub(crate) const XPUB_VERBOSER: i32 = 78;
    pub(crate) const ROUTER_NOTIFY: i32 = 97;
    pub(crate) const XPUB_MANUAL_LAST_VALUE: i32 = 98;
    pub(crate) const ONLY_FIRST_SUBSCRIBE: i32 = 108;
    pub(crate) const XSUB_VERBOSE_UNSUBSCRIBE: i32 = 115;
    pub(crate) const TOPICS_COUNT: i32 = 116;
}

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

/// What `getsockopt` returns for a number.
pub(crate) fn from_int(number: i32) -> Option<Result<Vec<u8>>> {
    Some(Ok(number.to_ne_bytes().to_vec()))
}

/// What `getsockopt` returns for a count.
pub(crate) fn from_count(count: usize) -> Option<Result<Vec<u8>>> {
    from_int(i32::try_from(count).unwrap_or(i32::MAX))
}
