//! Placeholders for the functions of contexts, sockets, poll and proxy: signatures only.

use super::ffi::fail;
use super::types::{zmq_msg_t, zmq_pollitem_t};
use crate::error::Error;
use libc::iovec;
use std::ffi::{c_char, c_int, c_long, c_void};

/// Makes a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_new() -> *mut c_void {
    fail(Error::NotSupported);
    std::ptr::null_mut()
}

/// Ends a context: waits until its sockets are closed and lingering is over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_term(context: *mut c_void) -> c_int {
    let _ = (context,);
    fail(Error::NotSupported)
}

/// Makes blocked and later calls on the sockets of a context fail with ETERM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_shutdown(context: *mut c_void) -> c_int {
    let _ = (context,);
    fail(Error::NotSupported)
}

/// Sets a context option.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_set(context: *mut c_void, option: c_int, optval: c_int) -> c_int {
    let _ = (context, option, optval);
    fail(Error::NotSupported)
}

/// Reads a context option.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_get(context: *mut c_void, option: c_int) -> c_int {
    let _ = (context, option);
    fail(Error::NotSupported)
}

/// Deprecated: zmq_ctx_new with a number of I/O threads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_init(io_threads: c_int) -> *mut c_void {
    let _ = (io_threads,);
    fail(Error::NotSupported);
    std::ptr::null_mut()
}

/// Deprecated: zmq_ctx_term.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_term(context: *mut c_void) -> c_int {
    let _ = (context,);
    fail(Error::NotSupported)
}

/// Deprecated: zmq_ctx_term.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_destroy(context: *mut c_void) -> c_int {
    let _ = (context,);
    fail(Error::NotSupported)
}

/// Makes a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket(context: *mut c_void, type_: c_int) -> *mut c_void {
    let _ = (context, type_);
    fail(Error::NotSupported);
    std::ptr::null_mut()
}

/// Closes a socket.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_close(s: *mut c_void) -> c_int {
    let _ = (s,);
    fail(Error::NotSupported)
}

/// Sets a socket option.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_setsockopt(
    s: *mut c_void,
    option: c_int,
    optval: *const c_void,
    optvallen: usize,
) -> c_int {
    let _ = (s, option, optval, optvallen);
    fail(Error::NotSupported)
}

/// Reads a socket option.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_getsockopt(
    s: *mut c_void,
    option: c_int,
    optval: *mut c_void,
    optvallen: *mut usize,
) -> c_int {
    let _ = (s, option, optval, optvallen);
    fail(Error::NotSupported)
}

/// Accepts peers at an endpoint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_bind(s: *mut c_void, addr: *const c_char) -> c_int {
    let _ = (s, addr);
    fail(Error::NotSupported)
}

/// Connects to an endpoint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_connect(s: *mut c_void, addr: *const c_char) -> c_int {
    let _ = (s, addr);
    fail(Error::NotSupported)
}

/// Ends zmq_bind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_unbind(s: *mut c_void, addr: *const c_char) -> c_int {
    let _ = (s, addr);
    fail(Error::NotSupported)
}

/// Ends zmq_connect.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_disconnect(s: *mut c_void, addr: *const c_char) -> c_int {
    let _ = (s, addr);
    fail(Error::NotSupported)
}

/// Sends a copy of a buffer. Returns the number of bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_send(
    s: *mut c_void,
    buf: *const c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    let _ = (s, buf, len, flags);
    fail(Error::NotSupported)
}

/// Sends a buffer that never changes and is never freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_send_const(
    s: *mut c_void,
    buf: *const c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    let _ = (s, buf, len, flags);
    fail(Error::NotSupported)
}

/// Receives into a buffer. Returns the size of the message, which may be more than was written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_recv(
    s: *mut c_void,
    buf: *mut c_void,
    len: usize,
    flags: c_int,
) -> c_int {
    let _ = (s, buf, len, flags);
    fail(Error::NotSupported)
}

/// Reports events of a socket to an inproc endpoint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket_monitor(
    s: *mut c_void,
    addr: *const c_char,
    events: c_int,
) -> c_int {
    let _ = (s, addr, events);
    fail(Error::NotSupported)
}

/// Sends a message, which is empty afterwards. Returns the number of bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_send(msg: *mut zmq_msg_t, s: *mut c_void, flags: c_int) -> c_int {
    let _ = (msg, s, flags);
    fail(Error::NotSupported)
}

/// Receives a message. Returns the number of bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_recv(msg: *mut zmq_msg_t, s: *mut c_void, flags: c_int) -> c_int {
    let _ = (msg, s, flags);
    fail(Error::NotSupported)
}

/// Waits for events on sockets and descriptors.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poll(
    items: *mut zmq_pollitem_t,
    nitems: c_int,
    timeout: c_long,
) -> c_int {
    let _ = (items, nitems, timeout);
    fail(Error::NotSupported)
}

/// Passes messages between two sockets until the context ends.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_proxy(
    frontend: *mut c_void,
    backend: *mut c_void,
    capture: *mut c_void,
) -> c_int {
    let _ = (frontend, backend, capture);
    fail(Error::NotSupported)
}

/// zmq_proxy, with a socket that takes PAUSE, RESUME, TERMINATE and STATISTICS.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_proxy_steerable(
    frontend: *mut c_void,
    backend: *mut c_void,
    capture: *mut c_void,
    control: *mut c_void,
) -> c_int {
    let _ = (frontend, backend, capture, control);
    fail(Error::NotSupported)
}

/// Deprecated: zmq_proxy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_device(
    type_: c_int,
    frontend: *mut c_void,
    backend: *mut c_void,
) -> c_int {
    let _ = (type_, frontend, backend);
    fail(Error::NotSupported)
}

/// Deprecated: zmq_msg_send.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_sendmsg(s: *mut c_void, msg: *mut zmq_msg_t, flags: c_int) -> c_int {
    let _ = (s, msg, flags);
    fail(Error::NotSupported)
}

/// Deprecated: zmq_msg_recv.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_recvmsg(s: *mut c_void, msg: *mut zmq_msg_t, flags: c_int) -> c_int {
    let _ = (s, msg, flags);
    fail(Error::NotSupported)
}

/// Sends each buffer as a part of one message.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_sendiov(
    s: *mut c_void,
    iov: *mut iovec,
    count: usize,
    flags: c_int,
) -> c_int {
    let _ = (s, iov, count, flags);
    fail(Error::NotSupported)
}

/// Receives the parts of a message into buffers the caller frees.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_recviov(
    s: *mut c_void,
    iov: *mut iovec,
    count: *mut usize,
    flags: c_int,
) -> c_int {
    let _ = (s, iov, count, flags);
    fail(Error::NotSupported)
}
