//! Types of `zmq.h`. Those with a shape of their own in C (`zmq_msg_t`, the function types) are
//! written by hand in `cbindgen.toml`; the tests compare sizes and alignments.

use crate::msg::Msg;
use std::ffi::{c_int, c_short, c_void};
use std::mem::{MaybeUninit, align_of, offset_of, size_of};

/// Room for a message.
#[repr(C, align(8))]
pub struct zmq_msg_t {
    _private: [MaybeUninit<u8>; 64],
}

const _: () = assert!(size_of::<zmq_msg_t>() == size_of::<Msg>());
const _: () = assert!(align_of::<zmq_msg_t>() == align_of::<Msg>());

/// Frees the memory of a message made with `zmq_msg_init_data`: data, hint. Or null.
pub type zmq_free_fn_ptr = Option<unsafe extern "C" fn(*mut c_void, *mut c_void)>;

/// What a timer does: its id, and the argument given to `zmq_timers_add`. Or null.
pub type zmq_timer_fn_ptr = Option<unsafe extern "C-unwind" fn(c_int, *mut c_void)>;

/// What a thread does. It may end in `pthread_exit`, which unwinds. Or null.
pub type zmq_thread_fn_ptr = Option<unsafe extern "C-unwind" fn(*mut c_void)>;

/// A file descriptor of the operating system.
pub type zmq_fd_t = c_int;

/// What zmq_poll is to wait for.
#[repr(C)]
pub struct zmq_pollitem_t {
    /// A socket, or null if `fd` is meant.
    pub socket: *mut c_void,
    /// A descriptor of the operating system.
    pub fd: zmq_fd_t,
    /// What to wait for: ZMQ_POLLIN, ZMQ_POLLOUT, ZMQ_POLLERR, ZMQ_POLLPRI.
    pub events: c_short,
    /// What happened.
    pub revents: c_short,
}

/// Draft: what a poller has found of one of the things it waits for.
#[cfg(draft_api)]
#[repr(C)]
pub struct zmq_poller_event_t {
    /// The socket, or null if `fd` is meant.
    pub socket: *mut c_void,
    /// The descriptor, or -1 if `socket` is meant.
    pub fd: zmq_fd_t,
    /// What was given when it was added.
    pub user_data: *mut c_void,
    /// What happened: ZMQ_POLLIN and the like.
    pub events: c_short,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(
    size_of::<zmq_poller_event_t>() == 32
        && offset_of!(zmq_poller_event_t, fd) == 8
        && offset_of!(zmq_poller_event_t, user_data) == 16
        && offset_of!(zmq_poller_event_t, events) == 24
);

#[cfg(target_pointer_width = "64")]
const _: () = assert!(
    size_of::<zmq_pollitem_t>() == 16
        && offset_of!(zmq_pollitem_t, fd) == 8
        && offset_of!(zmq_pollitem_t, events) == 12
        && offset_of!(zmq_pollitem_t, revents) == 14
);
