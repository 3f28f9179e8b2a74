//! Sockets: zmq_socket(3), zmq_bind(3), zmq_send(3) and their kin.

use super::constants::{ZMQ_PAIR, ZMQ_POLLOUT};
use super::ffi::{
    bytes, cancellation_point, fail, guard, message_mut, room, slice, slice_mut, string,
};
use super::types::zmq_msg_t;
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::socket::Socket;
use crate::sync::heap;
use libc::iovec;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use zeroize::Zeroizing;

/// The longest body that is copied on the straight way through a socket.
const STRAIGHT_LIMIT: usize = crate::pipe::ring::BYTES_LIMIT;

const DONTWAIT: c_int = 1;
const SNDMORE: c_int = 2;

/// The size of a message as C gets it: sizes beyond `int` are reported as its largest value.
fn size(length: usize) -> c_int {
    c_int::try_from(length).unwrap_or(c_int::MAX)
}

/// # Safety
/// As for [`Socket::from_handle`].
#[inline]
pub(super) unsafe fn socket(handle: *mut c_void) -> Result<&'static Socket> {
    // SAFETY: passed on.
    unsafe { Socket::from_handle(handle) }
}

/// The endpoint named by a C string; `EINVAL` for null and for what is not text.
///
/// # Safety
/// As for [`string`].
pub(super) unsafe fn endpoint<'a>(text: *const c_char) -> Result<&'a str> {
    // SAFETY: passed on.
    let bytes = unsafe { string(text) }.map_err(|_| Error::Invalid)?;
    std::str::from_utf8(bytes).map_err(|_| Error::Invalid)
}

/// Closes a socket. Messages not sent yet linger as ZMQ_LINGER says. `ENOTSOCK` (zmq_close(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_close(s: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    guard(|| unsafe { socket(s)? }.close().map(|()| 0))
}

/// Sets a socket option. `EINVAL`, `ETERM`, `ENOTSOCK` (zmq_setsockopt(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_setsockopt(
    s: *mut c_void,
    option: c_int,
    optval: *const c_void,
    optvallen: usize,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise.
        let socket = unsafe { socket(s)? };
        let value = if optval.is_null() {
            if optvallen != 0 {
                return Err(Error::Invalid);
            }
            None
        } else {
            // SAFETY: the caller gives `optvallen` readable bytes. What no object can have is no
            // value of any option.
            Some(unsafe { bytes(optval, optvallen) }.map_err(|_| Error::Invalid)?)
        };
        socket.set_option(option, value).map(|()| 0)
    })
}

/// Reads a socket option. `optvallen` is the size of the buffer, and afterwards of the value.
/// `EINVAL`, `ETERM`, `ENOTSOCK` (zmq_getsockopt(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_getsockopt(
    s: *mut c_void,
    option: c_int,
    optval: *mut c_void,
    optvallen: *mut usize,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise.
        let socket = unsafe { socket(s)? };
        if optval.is_null() || optvallen.is_null() {
            return Err(Error::Fault);
        }
        // SAFETY: not null; the caller gives a size and a buffer of that size.
        unsafe {
            let capacity = ptr::read_unaligned(optvallen);
            let to = slice_mut(optval.cast::<u8>(), capacity).map_err(|_| Error::Invalid)?;
            // It may be a password.
            let value = Zeroizing::new(socket.get_option(option, capacity)?);
            let (start, rest) = to.split_at_mut_checked(value.len()).ok_or(Error::Invalid)?;
            start.copy_from_slice(&value);
            // A caller with a larger integer than the option's reads the right value.
            rest.fill(0);
            ptr::write_unaligned(optvallen, value.len());
        }
        Ok(0)
    })
}

/// Accepts peers at an endpoint. `EINVAL`, `EPROTONOSUPPORT`, `ENOCOMPATPROTO`, `EADDRINUSE`,
/// `EADDRNOTAVAIL`, `ENODEV`, `ETERM`, `ENOTSOCK` (zmq_bind(3)), or what the system said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_bind(s: *mut c_void, addr: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    guard(|| unsafe { socket(s)?.bind(endpoint(addr)?) }.map(|()| 0))
}

/// Connects to an endpoint, which need not be there yet. `EINVAL`, `EPROTONOSUPPORT`,
/// `ENOCOMPATPROTO`, `ETERM`, `ENOTSOCK` (zmq_connect(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_connect(s: *mut c_void, addr: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    guard(|| unsafe { socket(s)?.connect(endpoint(addr)?) }.map(|()| 0))
}

/// Ends what `zmq_bind` began. `ENOENT` if the endpoint is not bound (zmq_unbind(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_unbind(s: *mut c_void, addr: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    guard(|| unsafe { socket(s)?.remove_endpoint(endpoint(addr)?) }.map(|()| 0))
}

/// Ends what `zmq_connect` began. `ENOENT` if the endpoint is not connected (zmq_disconnect(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_disconnect(s: *mut c_void, addr: *const c_char) -> c_int {
    // SAFETY: the caller's promise.
    guard(|| unsafe { socket(s)?.remove_endpoint(endpoint(addr)?) }.map(|()| 0))
}

/// Sends a copy of a buffer as one part of a message. Returns the number of bytes. `EAGAIN` with
/// ZMQ_DONTWAIT or after ZMQ_SNDTIMEO, `ENOTSUP`, `EINVAL`, `EFSM`, `EHOSTUNREACH`, `EINTR`, `ETERM`,
/// `ENOTSOCK`, `ENOMEM` (zmq_send(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_send(
    s: *mut c_void,
    buf: *const c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    // Two functions, of which the one does not have the registers of the other to save.
    // SAFETY: the caller's promise.
    match unsafe { socket(s) } {
        // SAFETY: as above.
        Ok(socket) if socket.has_straight_way() => unsafe {
            send_straight(socket, buf, len, flags)
        },
        // SAFETY: as above.
        Ok(socket) => unsafe { send_anyhow(socket, buf, len, flags) },
        Err(error) => fail(error),
    }
}

/// # Safety
/// As for `zmq_send`.
#[inline(never)]
unsafe extern "C-unwind" fn send_straight(
    socket: &'static Socket,
    buf: *const c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    // Nothing here panics.
    if len.wrapping_sub(1) < STRAIGHT_LIMIT
        && flags & SNDMORE == 0
        // SAFETY: the caller's buffer stays valid during this call.
        && let Ok(bytes) = unsafe { bytes(buf, len) }
        && socket.send_straight(bytes)
    {
        return len as c_int;
    }
    // SAFETY: passed on.
    unsafe { send_anyhow(socket, buf, len, flags) }
}

/// # Safety
/// As for `zmq_send`.
#[inline(never)]
unsafe extern "C-unwind" fn send_anyhow(
    socket: &'static Socket,
    buf: *const c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    // SAFETY: nothing to put in order, here and in whoever calls this.
    unsafe { cancellation_point() };
    guard(|| {
        let (more, dont_wait) = (flags & SNDMORE != 0, flags & DONTWAIT != 0);
        // SAFETY: the caller's buffer stays valid during this call.
        socket.send_bytes(unsafe { bytes(buf, len)? }, more, dont_wait)?;
        Ok(size(len))
    })
}

/// Sends a buffer that never changes and is never freed, without copying it. Errors are those of
/// `zmq_send` (zmq_send_const(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_send_const(
    s: *mut c_void,
    buf: *const c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    // SAFETY: nothing to put in order, here and in whoever calls this.
    unsafe { cancellation_point() };
    guard(|| {
        // SAFETY: the caller's promise.
        let socket = unsafe { socket(s)? };
        // SAFETY: valid for ever by the caller's promise.
        let mut msg = unsafe {
            bytes(buf, len)?;
            Msg::foreign(buf.cast_mut().cast(), len, None)
        };
        socket.send(&mut msg, flags & SNDMORE != 0, flags & DONTWAIT != 0)?;
        Ok(size(len))
    })
}

/// Receives a part of a message into a buffer. Returns its size in bytes, which may be more than
/// fitted. `EAGAIN` with ZMQ_DONTWAIT or after ZMQ_RCVTIMEO, `ENOTSUP`, `EFSM`, `EINTR`, `ETERM`,
/// `ENOTSOCK` (zmq_recv(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_recv(
    s: *mut c_void,
    buf: *mut c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    match unsafe { socket(s) } {
        // SAFETY: as above.
        Ok(socket) if socket.has_straight_way() => unsafe {
            receive_straight(socket, buf, len, flags)
        },
        // SAFETY: as above.
        Ok(socket) => unsafe { receive_anyhow(socket, buf, len, flags) },
        Err(error) => fail(error),
    }
}

/// # Safety
/// As for `zmq_recv`.
#[inline(never)]
unsafe extern "C-unwind" fn receive_straight(
    socket: &'static Socket,
    buf: *mut c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    // Nothing here panics.
    // SAFETY: the caller gives `len` writable bytes, initialised or not.
    if let Ok(to) = unsafe { room(buf, len) }
        && let Some(received) = socket.receive_straight(to)
    {
        return received as c_int;
    }
    // SAFETY: passed on.
    unsafe { receive_anyhow(socket, buf, len, flags) }
}

/// # Safety
/// As for `zmq_recv`.
#[inline(never)]
unsafe extern "C-unwind" fn receive_anyhow(
    socket: &'static Socket,
    buf: *mut c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    // SAFETY: nothing to put in order, here and in whoever calls this.
    unsafe { cancellation_point() };
    guard(|| {
        // SAFETY: the caller gives `len` writable bytes, initialised or not. An empty message needs no
        // buffer.
        let to = unsafe { room(buf, len) }.unwrap_or(&mut []);
        let received = socket.receive_into(to, flags & DONTWAIT != 0)?;
        if buf.is_null() && len != 0 && received != 0 {
            return Err(Error::Fault);
        }
        Ok(size(received))
    })
}

/// Sends a message, which is empty afterwards. Returns the number of bytes. After an error it is as
/// before: those of `zmq_send`, and `EFAULT` if it is none (zmq_msg_send(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_msg_send(
    msg: *mut zmq_msg_t,
    s: *mut c_void,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's promise.
    let found = unsafe { (socket(s), message_mut(msg)) };
    if flags & SNDMORE == 0
        && let (Ok(socket), Ok(msg)) = found
        && socket.has_straight_way()
    {
        let length = msg.len();
        if socket.send_msg_straight(msg) {
            return size(length);
        }
    }
    // SAFETY: passed on.
    unsafe { msg_send_anyhow(msg, s, flags) }
}

/// # Safety
/// As for `zmq_msg_send`.
#[inline(never)]
unsafe extern "C-unwind" fn msg_send_anyhow(
    msg: *mut zmq_msg_t,
    s: *mut c_void,
    flags: c_int,
) -> c_int {
    // SAFETY: nothing to put in order, here and in whoever calls this.
    unsafe { cancellation_point() };
    guard(|| {
        // SAFETY: the caller's promise.
        let (socket, msg) = unsafe { (socket(s)?, message_mut(msg)?) };
        let length = msg.len();
        let more = flags & SNDMORE != 0;
        match socket.send(msg, more, flags & DONTWAIT != 0) {
            Ok(()) => Ok(size(length)),
            Err(error) => {
                // The message stays with the caller, as the part it was to be.
                if error != Error::Terminated && error != Error::NotSocket {
                    msg.set_more(more);
                }
                Err(error)
            }
        }
    })
}

/// Receives a part of a message. What `msg` held is freed, also if nothing came; only a socket that
/// cannot receive now (`ENOTSUP`, `EFSM`, `ENOTSOCK`) leaves it. Returns the number of bytes
/// (zmq_msg_recv(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_msg_recv(
    msg: *mut zmq_msg_t,
    s: *mut c_void,
    flags: c_int,
) -> c_int {
    // SAFETY: nothing to put in order, here and in whoever calls this.
    unsafe { cancellation_point() };
    guard(|| {
        // SAFETY: the caller's promise.
        let (socket, msg) = unsafe { (socket(s)?, message_mut(msg)?) };
        match socket.receive_msg(msg, flags & DONTWAIT != 0) {
            Ok(()) => {
                msg.unpin();
                Ok(size(msg.len()))
            }
            Err(error) => {
                use Error::{Again, Cancelled, Interrupted, Terminated};
                if matches!(error, Again | Interrupted | Cancelled | Terminated) {
                    *msg = Msg::new();
                }
                Err(error)
            }
        }
    })
}

/// Deprecated: `zmq_msg_send`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_sendmsg(
    s: *mut c_void,
    msg: *mut zmq_msg_t,
    flags: c_int,
) -> c_int {
    // SAFETY: passed on.
    unsafe { zmq_msg_send(msg, s, flags) }
}

/// Deprecated: `zmq_msg_recv`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_recvmsg(
    s: *mut c_void,
    msg: *mut zmq_msg_t,
    flags: c_int,
) -> c_int {
    // SAFETY: passed on.
    unsafe { zmq_msg_recv(msg, s, flags) }
}

/// Sends each buffer: with ZMQ_SNDMORE as the parts of one message, without as messages. Returns
/// the size of the last one in bytes. `EINVAL` for none, else as `zmq_send`: those before are sent.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_sendiov(
    s: *mut c_void,
    iov: *mut iovec,
    count: usize,
    flags: c_int,
) -> c_int {
    // SAFETY: nothing to put in order, here and in whoever calls this.
    unsafe { cancellation_point() };
    guard(|| {
        // SAFETY: the caller's promise.
        let socket = unsafe { socket(s)? };
        if count == 0 || iov.is_null() {
            return Err(Error::Invalid);
        }
        // SAFETY: the caller gives `count` vectors, aligned or not.
        unsafe { slice(iov.cast::<[u8; size_of::<iovec>()]>(), count)? };
        let mut sent = 0;
        for at in 0..count {
            // SAFETY: the caller gives `count` vectors of readable bytes.
            let mut msg = unsafe {
                let vector = ptr::read_unaligned(iov.add(at));
                Msg::borrowed(bytes(vector.iov_base, vector.iov_len)?)
            };
            sent = msg.len();
            // Without ZMQ_SNDMORE each buffer is a message of its own, as in libzmq.
            let more = at + 1 < count && flags & SNDMORE != 0;
            socket.send(&mut msg, more, flags & DONTWAIT != 0)?;
        }
        Ok(size(sent))
    })
}

/// Receives the parts of a message, at most `*count`, into buffers made with malloc, which the
/// caller frees. `*count` is how many there were, also after an error. Returns that number. `EINVAL`
/// without room for one, `ENOMEM`, else as `zmq_recv`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_recviov(
    s: *mut c_void,
    iov: *mut iovec,
    count: *mut usize,
    flags: c_int,
) -> c_int {
    // SAFETY: nothing to put in order, here and in whoever calls this.
    unsafe { cancellation_point() };
    guard(|| {
        // SAFETY: the caller's promise.
        let socket = unsafe { socket(s)? };
        if count.is_null() || iov.is_null() {
            return Err(Error::Invalid);
        }
        // SAFETY: not null; the caller gives `*count` vectors.
        let room = unsafe { ptr::read_unaligned(count) };
        if room == 0 {
            return Err(Error::Invalid);
        }
        // SAFETY: as above.
        unsafe { ptr::write_unaligned(count, 0) };
        let mut parts = 0;
        while parts < room {
            let msg = socket.receive(flags & DONTWAIT != 0)?;
            let more = msg.more();
            // SAFETY: `parts` is below the number of vectors; the new block is large enough.
            unsafe {
                let block = heap::malloc(msg.len().max(1));
                if block.is_null() {
                    return Err(Error::NoMemory);
                }
                ptr::copy_nonoverlapping(msg.data().as_ptr(), block.cast::<u8>(), msg.len());
                let vector = iovec { iov_base: block, iov_len: msg.len() };
                ptr::write_unaligned(iov.add(parts), vector);
                parts += 1;
                ptr::write_unaligned(count, parts);
            }
            if !more {
                break;
            }
        }
        Ok(size(parts))
    })
}

/// Reports events of a socket to an inproc endpoint; null ends that. `EINVAL`, `EPROTONOSUPPORT` for
/// other transports, `EADDRINUSE`, `ETERM`, `ENOTSOCK` (zmq_socket_monitor(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_monitor(
    s: *mut c_void,
    addr: *const c_char,
    events: c_int,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise.
        let socket = unsafe { socket(s)? };
        // SAFETY: as above.
        let name = if addr.is_null() { None } else { Some(unsafe { endpoint(addr)? }) };
        socket.monitor(name, events as u64, 1, ZMQ_PAIR).map(|()| 0)
    })
}

/// Draft: the same, of more events, in another version of the protocol, and to a ZMQ_PAIR, ZMQ_PUB or
/// ZMQ_PUSH. `EINVAL` for other types, and for events that version 1 has not
/// (zmq_socket_monitor_versioned(3)).
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_monitor_versioned(
    s_: *mut c_void,
    addr_: *const c_char,
    events_: u64,
    event_version_: c_int,
    type_: c_int,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise.
        let socket = unsafe { socket(s_)? };
        // SAFETY: as above.
        let name = if addr_.is_null() { None } else { Some(unsafe { endpoint(addr_)? }) };
        socket.monitor(name, events_, event_version_, type_).map(|()| 0)
    })
}

/// Draft: reports how many messages wait in each pipe of a socket (ZMQ_EVENT_PIPES_STATS). `EINVAL` if
/// no monitor wants to know, `EAGAIN` if there is no pipe.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_monitor_pipes_stats(s: *mut c_void) -> c_int {
    // SAFETY: the caller's promise.
    guard(|| unsafe { socket(s)? }.monitor_pipes().map(|()| 0))
}

/// Draft: ZMQ_POLLOUT if a message to this peer of a ZMQ_ROUTER could be sent at once, 0 if it could not.
/// `EHOSTUNREACH` if there is no such peer, `ENOTSUP` of other types.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_get_peer_state(
    s: *mut c_void,
    routing_id: *const c_void,
    routing_id_size: usize,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise.
        let socket = unsafe { socket(s)? };
        // SAFETY: as above. Nobody has an empty name, which null stands for.
        let peer = unsafe { bytes(routing_id, routing_id_size) }.unwrap_or_default();
        socket.has_room_for(peer).map(|room| if room { c_int::from(ZMQ_POLLOUT) } else { 0 })
    })
}
