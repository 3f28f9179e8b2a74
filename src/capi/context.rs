//! Contexts: zmq_ctx_new(3) and its kin.

use super::ffi::{bytes, guard, reference, slice_mut};
use super::handles::Slots;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::socket;
use crate::util::reserve;
use std::ffi::{c_int, c_void};
use std::sync::Arc;

static CONTEXTS: Slots<Context> = Slots::new(0x7a6d_7102);

/// The context of a handle; `EFAULT` if it is no live one.
///
/// # Safety
/// As for [`Slots::get`].
unsafe fn context(handle: *mut c_void) -> Result<Arc<Context>> {
    // SAFETY: passed on.
    unsafe { CONTEXTS.get(handle) }
}

/// Creates a context. Its threads start with its first socket. Null and `EMFILE` or `ENOMEM` on
/// failure (zmq_ctx_new(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_new() -> *mut c_void {
    guard(|| {
        reserve::ready()?;
        CONTEXTS.add(Context::new())
    })
}

/// Ends a context: waits until its sockets are closed and lingering is over. `EFAULT`, and `EINTR`
/// after a signal; call it again then (zmq_ctx_term(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_ctx_term(context_: *mut c_void) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise.
        let context = unsafe { context(context_)? };
        context.stop();
        // In a forked child: the sockets of its own.
        socket::wake_all(&context);
        socket::end_lost(&context);
        context.finish()?;
        // SAFETY: as above.
        if unsafe { CONTEXTS.remove(context_, &context) } {
            drop(context);
            socket::poll::forget();
        }
        Ok(0)
    })
}

/// Makes blocked and later calls on the sockets of a context fail with `ETERM`. They still have to
/// be closed (zmq_ctx_shutdown(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_shutdown(context_: *mut c_void) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise.
        let context = unsafe { context(context_)? };
        context.stop();
        socket::wake_all(&context);
        Ok(0)
    })
}

/// Sets a context option. `EINVAL` for unknown options and values out of range (zmq_ctx_set(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_set(context_: *mut c_void, option: c_int, optval: c_int) -> c_int {
    // SAFETY: the caller's promise.
    guard(|| unsafe { context(context_)? }.set(option, optval).map(|()| 0))
}

/// Reads a context option, or gives -1 and `EINVAL` (zmq_ctx_get(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_get(context_: *mut c_void, option: c_int) -> c_int {
    // SAFETY: the caller's promise.
    guard(|| unsafe { context(context_)? }.get(option))
}

/// Draft: `zmq_ctx_set` with an option that may be a text, `optvallen` bytes at `optval`. `EINVAL` also
/// for a size that the option cannot have (zmq_ctx_set_ext(3)).
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_set_ext(
    context_: *mut c_void,
    option: c_int,
    optval: *const c_void,
    optvallen: usize,
) -> c_int {
    // SAFETY: the caller's promise.
    guard(|| unsafe { context(context_)?.set_bytes(option, bytes(optval, optvallen)?) }.map(|()| 0))
}

/// Draft: reads an option into a buffer of `*optvallen` bytes. What follows the value there is cleared.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_get_ext(
    context_: *mut c_void,
    option: c_int,
    optval: *mut c_void,
    optvallen: *mut usize,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise.
        let context = unsafe { context(context_)? };
        // SAFETY: the caller gives a size and a buffer of that size.
        let to = unsafe { slice_mut(optval.cast::<u8>(), *reference(optvallen)?)? };
        let value = context.get_bytes(option, to.len())?;
        let (start, rest) = to.split_at_mut_checked(value.len()).ok_or(Error::Invalid)?;
        start.copy_from_slice(&value);
        rest.fill(0);
        Ok(0)
    })
}

/// Deprecated: `zmq_ctx_new` with a number of I/O threads (zmq_init(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_init(io_threads: c_int) -> *mut c_void {
    guard(|| {
        if io_threads < 0 {
            return Err(Error::Invalid);
        }
        // SAFETY: no pointers.
        let made = unsafe { zmq_ctx_new() };
        // SAFETY: made just now.
        unsafe { context(made)? }.set(crate::context::option::IO_THREADS, io_threads)?;
        Ok(made)
    })
}

/// Deprecated: `zmq_ctx_term`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_term(context_: *mut c_void) -> c_int {
    // SAFETY: passed on.
    unsafe { zmq_ctx_term(context_) }
}

/// Deprecated: `zmq_ctx_term`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_ctx_destroy(context_: *mut c_void) -> c_int {
    // SAFETY: passed on.
    unsafe { zmq_ctx_term(context_) }
}

/// Creates a socket of a context. Null and `EINVAL`, `EFAULT`, `EMFILE` or `ETERM` on failure
/// (zmq_socket(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_socket(context_: *mut c_void, type_: c_int) -> *mut c_void {
    guard(|| {
        // SAFETY: the caller's promise.
        let context = unsafe { context(context_)? };
        let socket_type = crate::types::SocketType::from_number(type_).ok_or(Error::Invalid)?;
        Ok(socket::Socket::open(&context, socket_type)?.handle())
    })
}
