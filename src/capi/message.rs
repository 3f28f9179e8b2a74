//! Messages: `zmq_msg_*`, but for sending and receiving.

use super::constants::{ZMQ_MORE, ZMQ_SHARED, ZMQ_SRCFD};
use super::ffi::{bytes, fail, guard, message, message_mut, place, string};
use super::types::{zmq_free_fn_ptr, zmq_msg_t};
use crate::error::{Error, Result};
use crate::msg::{ForeignFree, Msg};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

/// The property under which a connection records its descriptor, as libzmq does.
const FD_PROPERTY: &[u8] = b"__fd";

/// Puts what was made at `place`, or marks it as no message if that failed.
unsafe fn store(place: *mut Msg, made: Result<Msg>) -> Result<c_int> {
    // SAFETY: the caller vouches for 64 writable, aligned bytes; what they held is not a message.
    unsafe {
        match made {
            Ok(msg) => place.write(msg),
            Err(error) => {
                place.cast::<u8>().write_bytes(0, size_of::<Msg>());
                return Err(error);
            }
        }
    }
    Ok(0)
}

/// Makes an empty message (zmq_msg_init(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init(msg: *mut zmq_msg_t) -> c_int {
    match place(msg) {
        Ok(place) => {
            // SAFETY: C gives 64 writable bytes, checked for alignment.
            unsafe { place.write(Msg::new()) };
            0
        }
        Err(error) => fail(error),
    }
}

/// Makes a message of `size` bytes. `ENOMEM` (zmq_msg_init_size(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_size(msg: *mut zmq_msg_t, size: usize) -> c_int {
    // SAFETY: C gives 64 writable bytes, checked for alignment.
    guard(|| unsafe { store(place(msg)?, Msg::with_size(size)) })
}

/// Draft: makes a message of a copy of `size` bytes. `EFAULT`, `ENOMEM` (zmq_msg_init_buffer(3)).
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_buffer(
    msg: *mut zmq_msg_t,
    buf: *const c_void,
    size: usize,
) -> c_int {
    // SAFETY: C gives 64 writable bytes, checked for alignment, and `size` readable ones.
    guard(|| unsafe { store(place(msg)?, bytes(buf, size).and_then(Msg::copy_from)) })
}

/// Makes a message over `size` bytes of the application's, given back through `free_fn`. `EFAULT`
/// (zmq_msg_init_data(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_init_data(
    msg: *mut zmq_msg_t,
    data: *mut c_void,
    size: usize,
    free_fn: zmq_free_fn_ptr,
    hint: *mut c_void,
) -> c_int {
    guard(|| {
        let place = place(msg)?;
        // SAFETY: not looked at here.
        unsafe { bytes(data, size)? };
        let free = free_fn.map(|function| ForeignFree { function, hint });
        // SAFETY: C keeps `data` valid until it is freed, and gives room for a message.
        unsafe { Msg::write_foreign(place, data.cast(), size, free) };
        Ok(0)
    })
}

/// Ends a message. `EFAULT` if it is none (zmq_msg_close(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_close(msg: *mut zmq_msg_t) -> c_int {
    guard(|| {
        // SAFETY: only a live message is closed, and C does not use it from elsewhere.
        unsafe { Msg::close(message_mut(msg)?) };
        Ok(0)
    })
}

/// Moves the content of `src` to `dest`; what `dest` held is freed, `src` is empty afterwards.
/// `EFAULT` (zmq_msg_move(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_move(dest: *mut zmq_msg_t, src: *mut zmq_msg_t) -> c_int {
    // SAFETY: both are live messages; each reference ends before the next is made, so they may
    // be the same (which libzmq empties).
    guard(|| unsafe {
        message(dest)?;
        let content = message_mut(src)?.take();
        if ptr::eq(dest, src) {
            return Ok(0);
        }
        *message_mut(dest)? = content;
        Ok(0)
    })
}

/// Makes `dest` a copy of `src`; what `dest` held is freed. Long content is shared. `EFAULT`,
/// `ENOMEM` (zmq_msg_copy(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_copy(dest: *mut zmq_msg_t, src: *mut zmq_msg_t) -> c_int {
    // SAFETY: as in `zmq_msg_move`; a message copied to itself stays what it is.
    guard(|| unsafe {
        message(dest)?;
        let src = message_mut(src)?;
        let copy = src.share()?;
        *message_mut(dest)? = copy;
        Ok(0)
    })
}

/// The address of the content, valid until the message is changed or closed. Null and `EFAULT` if it
/// is none (zmq_msg_data(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_data(msg: *mut zmq_msg_t) -> *mut c_void {
    // SAFETY: C gives a message that nobody else uses.
    match unsafe { message_mut(msg) } {
        Ok(msg) => msg.as_mut_ptr().cast(),
        Err(error) => {
            fail(error);
            ptr::null_mut()
        }
    }
}

/// The number of bytes of the content; 0 and `EFAULT` of what is no message (zmq_msg_size(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_size(msg: *const zmq_msg_t) -> usize {
    // SAFETY: C gives a message that nobody changes meanwhile.
    match unsafe { message(msg) } {
        Ok(msg) => msg.len(),
        Err(error) => {
            fail(error);
            0
        }
    }
}

/// 1 if another part of the same message follows, else 0 (zmq_msg_more(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_more(msg: *const zmq_msg_t) -> c_int {
    match place(msg.cast_mut()) {
        // Also of a message that was closed: programs close a part before they ask whether it
        // was the last.
        // SAFETY: C gives 64 readable bytes.
        Ok(place) => c_int::from(unsafe { Msg::more_at(place) }),
        Err(error) => {
            fail(error);
            0
        }
    }
}

/// The value of a property: ZMQ_MORE, ZMQ_SHARED, ZMQ_SRCFD. `EINVAL` for others, and without a
/// value (zmq_msg_get(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_get(msg: *const zmq_msg_t, property: c_int) -> c_int {
    guard(|| {
        let place = place(msg.cast_mut())?;
        match property {
            // SAFETY: C gives 64 readable bytes.
            ZMQ_MORE => Ok(c_int::from(unsafe { Msg::more_at(place) })),
            // SAFETY: as above; a closed message shares nothing.
            ZMQ_SHARED => Ok(c_int::from(unsafe { message(msg) }.is_ok_and(Msg::shared))),
            // SAFETY: as above.
            ZMQ_SRCFD => unsafe { property_of(msg, FD_PROPERTY) }
                .and_then(|value| value.to_str().ok()?.parse().ok())
                .ok_or(Error::Invalid),
            _ => Err(Error::Invalid),
        }
    })
}

/// Sets a property. There is none that can be set: `EINVAL` (zmq_msg_set(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_set(msg: *mut zmq_msg_t, property: c_int, value: c_int) -> c_int {
    let _ = (msg, property, value);
    fail(Error::Invalid)
}

/// The value of a property of the connection the message came from, as long as the message lives.
/// Null and `EINVAL` if it is unknown (zmq_msg_gets(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_msg_gets(
    msg: *const zmq_msg_t,
    property: *const c_char,
) -> *const c_char {
    guard(|| {
        // SAFETY: C gives a zero-terminated name and 64 readable bytes; libzmq answers EINVAL
        // where either is missing.
        unsafe {
            let name = string(property).map_err(|_| Error::Invalid)?;
            property_of(msg, name).map(CStr::as_ptr).ok_or(Error::Invalid)
        }
    })
}

/// A property of the connection the message came from.
unsafe fn property_of<'a>(msg: *const zmq_msg_t, name: &[u8]) -> Option<&'a CStr> {
    // SAFETY: by contract of the callers.
    let metadata = unsafe { message::<'a>(msg) }.ok()?.metadata()?;
    // zmq_msg_gets(3): "Identity is a deprecated alias for Routing-Id".
    let alias = match name {
        b"Routing-Id" => Some(&b"Identity"[..]),
        b"Identity" => Some(&b"Routing-Id"[..]),
        _ => None,
    };
    metadata.get(name).or_else(|| metadata.get(alias?))
}
