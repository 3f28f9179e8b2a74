//! Draft: groups, and peers that have numbers.

use super::ffi::{fail, guard, message, message_mut, string};
use super::socket::{endpoint, socket};
use super::types::zmq_msg_t;
use crate::error::{Error, Result};
use crate::msg::{MAX_GROUP, Msg};
use std::ffi::{c_char, c_int, c_void};
use std::ptr;

/// The name of a group; `EINVAL` for null.
///
/// # Safety
/// As for [`string`].
unsafe fn name<'a>(text: *const c_char) -> Result<&'a [u8]> {
    // SAFETY: passed on.
    unsafe { string(text) }.map_err(|_| Error::Invalid)
}

/// Draft: joins a group: its messages are received from now on. `EINVAL` if the socket has joined that
/// already, or if the name is longer than 255 bytes; `ENOTSUP` if it is no ZMQ_DISH.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_join(s: *mut c_void, group: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    guard(|| unsafe { socket(s)?.join(name(group)?) }.map(|()| 0))
}

/// Draft: leaves a group. `EINVAL` if the socket has not joined it, `ENOTSUP` if it is no ZMQ_DISH.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_leave(s: *mut c_void, group: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    guard(|| unsafe { socket(s)?.leave(name(group)?) }.map(|()| 0))
}

/// Draft: connects a ZMQ_PEER to an endpoint and returns the routing id of the peer there, 0 if that failed
/// (zmq_connect_peer(3)).
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_connect_peer(s: *mut c_void, addr: *const c_char) -> u32 {
    // SAFETY: the caller's promise.
    guard(|| unsafe { socket(s)?.connect_peer(endpoint(addr)?) })
}

/// Draft: ends the connection to a peer. `EHOSTUNREACH` if there is none of this routing id
/// (zmq_disconnect_peer(3)).
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_disconnect_peer(s: *mut c_void, routing_id: u32) -> c_int {
    // SAFETY: the caller's promise.
    guard(|| unsafe { socket(s)? }.disconnect_peer(routing_id).map(|()| 0))
}

/// Draft: says to which peer of a ZMQ_SERVER or ZMQ_PEER the message shall go. `EINVAL` for 0.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_set_routing_id(msg: *mut zmq_msg_t, routing_id: u32) -> c_int {
    guard(|| {
        // SAFETY: C gives a message that nobody else uses.
        let msg = unsafe { message_mut(msg)? };
        if routing_id == 0 {
            return Err(Error::Invalid);
        }
        msg.set_routing_id(routing_id);
        Ok(0)
    })
}

/// Draft: the peer a message of a ZMQ_SERVER or ZMQ_PEER came from; 0 of others.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_routing_id(msg: *mut zmq_msg_t) -> u32 {
    // SAFETY: C gives a message that nobody changes meanwhile.
    guard(|| unsafe { message(msg) }.map(Msg::routing_id))
}

/// Draft: puts a message for a ZMQ_RADIO into a group. Of a longer name the first 255 bytes count.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_set_group(msg: *mut zmq_msg_t, group: *const c_char) -> c_int {
    // SAFETY: C gives a message that nobody else uses, and a zero-terminated string.
    guard(|| unsafe {
        let name = name(group)?;
        message_mut(msg)?.set_group(name.get(..MAX_GROUP).unwrap_or(name)).map(|()| 0)
    })
}

/// Draft: the group of a message, empty if it has none. Valid until the message is changed or closed.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_group(msg: *mut zmq_msg_t) -> *const c_char {
    // SAFETY: C gives a message that nobody changes meanwhile.
    match unsafe { message(msg) } {
        Ok(msg) => msg.group().as_ptr(),
        Err(error) => {
            fail(error);
            ptr::null()
        }
    }
}
