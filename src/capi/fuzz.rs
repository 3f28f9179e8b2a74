//! What a fuzzer tries of this layer, see `crate::fuzz`.

use super::context::{zmq_ctx_new, zmq_ctx_set, zmq_ctx_term, zmq_socket};
use super::poller::{
    zmq_poller_add, zmq_poller_add_fd, zmq_poller_destroy, zmq_poller_fd, zmq_poller_modify,
    zmq_poller_modify_fd, zmq_poller_new, zmq_poller_remove, zmq_poller_remove_fd, zmq_poller_size,
    zmq_poller_wait, zmq_poller_wait_all,
};
use super::socket::{zmq_close, zmq_getsockopt, zmq_setsockopt};
use super::types::zmq_poller_event_t;
use crate::util::fuzz::Input;
use std::ffi::{c_int, c_void};
use std::ptr;

const IO_THREADS: c_int = 1;
/// Socket types, the draft ones among them.
const TYPES: usize = 21;
/// More than there are.
const OPTIONS: c_int = 128;
/// Stands behind every buffer that the library may write to.
const CANARY: u8 = 0xa5;

/// zmq_setsockopt(3) and zmq_getsockopt(3) with any number, bytes and length, on a socket of any type.
pub(crate) fn options(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    // Nothing is bound or connected, so that there need be no thread.
    // SAFETY: each handle is used between its making and its end.
    unsafe {
        let context = zmq_ctx_new();
        assert_eq!(zmq_ctx_set(context, IO_THREADS, 0), 0);
        let socket = zmq_socket(context, input.below(TYPES) as c_int);
        assert!(!socket.is_null());
        while !input.is_empty() {
            step(socket, &mut input);
        }
        assert_eq!(zmq_close(socket), 0);
        assert_eq!(zmq_ctx_term(context), 0);
    }
}

/// One call.
fn step(socket: *mut c_void, input: &mut Input<'_>) {
    let what = input.below(8);
    let option = match input.byte() {
        255 => i32::from_be_bytes([input.byte(), input.byte(), input.byte(), input.byte()]),
        number => c_int::from(number) % OPTIONS,
    };
    match what {
        0..=3 => {
            let len = match input.byte() {
                255 => usize::from(input.short()) % 5000,
                len => usize::from(len) % 64,
            };
            let value = input.bytes(len);
            refused_or_done(socket, option, value.as_ptr().cast(), value.len(), what == 3);
        }
        4 => refused_or_done(socket, option, ptr::null(), input.below(2), true),
        5 => {
            // What no object can have: nothing of it may be read.
            let len = usize::MAX - usize::from(input.short());
            refused_or_done(socket, option, ptr::from_ref(&CANARY).cast(), len, true);
        }
        _ => {
            get(socket, option, usize::from(input.short()) % 600);
        }
    }
}

/// A call that fails changes nothing that can be read: of this option, or of `all`.
fn refused_or_done(
    socket: *mut c_void,
    option: c_int,
    value: *const c_void,
    len: usize,
    all: bool,
) {
    let range = if all { 0..OPTIONS } else { option..option.saturating_add(1) };
    let read = || range.clone().map(|option| value_of(socket, option)).collect::<Vec<_>>();
    let before = read();
    // SAFETY: a socket, and as many bytes, or none.
    if unsafe { zmq_setsockopt(socket, option, value, len) } != 0 {
        assert_eq!(read(), before, "option {option}");
    }
}

fn value_of(socket: *mut c_void, option: c_int) -> Option<Vec<u8>> {
    [4, 8, 32, 41, 300].into_iter().find_map(|size| get(socket, option, size))
}

/// Nothing is written behind the buffer, and no more is said to be there.
fn get(socket: *mut c_void, option: c_int, capacity: usize) -> Option<Vec<u8>> {
    let mut buffer = vec![CANARY; capacity + 16];
    let mut len = capacity;
    let to = buffer.as_mut_ptr().cast();
    // SAFETY: a socket, and a buffer of more than that size.
    let result = unsafe { zmq_getsockopt(socket, option, to, &raw mut len) };
    assert!(buffer[capacity..].iter().all(|octet| *octet == CANARY), "option {option}");
    assert!(len <= capacity && (result == 0 || len == capacity), "option {option}");
    buffer.truncate(len);
    (result == 0).then_some(buffer)
}

/// zmq_poller(3): calls in any order, with sockets, descriptors, and what is neither.
pub(crate) fn pollers(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    // SAFETY: each handle is used between its making and its end, but for those that are nobody's and refused.
    unsafe {
        let context = zmq_ctx_new();
        assert_eq!(zmq_ctx_set(context, IO_THREADS, 0), 0);
        let mut subjects = vec![(ptr::null_mut(), -1), (context, -1), (ptr::null_mut(), -7)];
        for _ in 0..3 {
            subjects.push((zmq_socket(context, input.below(TYPES) as c_int), -1));
        }
        // Of the poller itself, too; see below.
        let mut poller = zmq_poller_new();
        assert!(!poller.is_null());
        let mut ends = [-1; 2];
        assert_eq!(libc::pipe(ends.as_mut_ptr()), 0);
        subjects.extend(ends.map(|end| (ptr::null_mut(), end)));
        let mut known = vec![false; subjects.len()];
        while !input.is_empty() {
            let at = input.below(subjects.len());
            poller_step(poller, subjects[at], at, &mut known, &mut input);
            let size = known.iter().filter(|known| **known).count();
            assert_eq!(zmq_poller_size(poller), size as c_int);
        }
        assert_eq!(zmq_poller_destroy(&raw mut poller), 0);
        assert!(poller.is_null() && zmq_poller_destroy(&raw mut poller) == -1);
        assert!(ends.iter().all(|end| libc::close(*end) == 0));
        subjects[3..6].iter().for_each(|(socket, _)| assert_eq!(zmq_close(*socket), 0));
        assert_eq!(zmq_ctx_term(context), 0);
    }
}

/// One call. What is known of a subject decides whether it is refused.
unsafe fn poller_step(
    poller: *mut c_void,
    (socket, fd): (*mut c_void, c_int),
    at: usize,
    known: &mut [bool],
    input: &mut Input<'_>,
) {
    let events = i16::from(input.byte()) - 100 * i16::from(input.byte() == 255);
    let is_one = at >= 3;
    // ZMQ_POLLIN, ZMQ_POLLOUT, ZMQ_POLLERR, ZMQ_POLLPRI.
    let fits = events & !15 == 0;
    let data = ptr::without_provenance_mut(at);
    let is_fd = at == 2 || at > 5;
    // SAFETY: a poller; what is neither a socket nor a descriptor is refused.
    unsafe {
        match input.below(8) {
            0..=2 => {
                let done = if is_fd {
                    zmq_poller_add_fd(poller, fd, data, events)
                } else {
                    zmq_poller_add(poller, socket, data, events)
                };
                assert_eq!(done == 0, is_one && fits && !known[at], "{at} {events}");
                known[at] |= done == 0;
            }
            3 => {
                let done = if is_fd {
                    zmq_poller_modify_fd(poller, fd, events)
                } else {
                    zmq_poller_modify(poller, socket, events)
                };
                assert_eq!(done == 0, is_one && fits && known[at], "{at} {events}");
            }
            4 => {
                let done = if is_fd {
                    zmq_poller_remove_fd(poller, fd)
                } else {
                    zmq_poller_remove(poller, socket)
                };
                assert_eq!(done == 0, is_one && known[at], "{at}");
                known[at] &= done != 0;
            }
            which => poller_look(poller, which, known, input),
        }
    }
}

/// One call that asks the poller.
///
/// # Safety
/// `poller` is one.
unsafe fn poller_look(poller: *mut c_void, which: usize, known: &[bool], input: &mut Input<'_>) {
    // SAFETY: a poller, as the caller says.
    unsafe {
        match which {
            5 => {
                let mut fd = -2;
                let done = zmq_poller_fd(poller, &raw mut fd);
                assert_eq!(done == 0, fd >= 0);
            }
            6 => {
                let mut one = std::mem::zeroed::<zmq_poller_event_t>();
                let done = zmq_poller_wait(poller, &raw mut one, 0);
                assert!(done == -1 || known[one.user_data.addr()]);
            }
            _ => {
                let mut all: [zmq_poller_event_t; 4] = std::mem::zeroed();
                let most = input.below(5) as c_int - 1;
                let done = zmq_poller_wait_all(poller, all.as_mut_ptr(), most, 0);
                assert!(done <= most.max(-1), "{done} of {most}");
                let found = &all[..done.max(0) as usize];
                assert!(found.iter().all(|one| known[one.user_data.addr()] && one.events != 0));
            }
        }
    }
}
