//! What a fuzzer tries of this layer, see `crate::fuzz`.

use super::context::{zmq_ctx_new, zmq_ctx_set, zmq_ctx_term, zmq_socket};
use super::socket::{zmq_close, zmq_getsockopt, zmq_setsockopt};
use crate::util::fuzz::Input;
use std::ffi::{c_int, c_void};
use std::ptr;

const IO_THREADS: c_int = 1;
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
        let socket = zmq_socket(context, input.below(12) as c_int);
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
