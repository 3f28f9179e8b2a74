//! Contexts: zmq_ctx_new(3) and its kin.

use super::ffi::guard;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::socket;
use crate::sync::PerProcess;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::mutex::Mutex;
use crate::util::{memory, reserve};
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::Arc;

const LIVE: u32 = 0x7a6d_7102;
const DEAD: u32 = 0xdead_7a6e;

/// A slot for a context. Slots are used again, never freed, so that a stale handle is found out.
#[repr(C)]
struct Slot {
    magic: AtomicU32,
    context: PerProcess<Mutex<Option<Arc<Context>>>>,
}

impl Slot {
    fn new() -> Slot {
        Slot { magic: AtomicU32::new(DEAD), context: PerProcess::here(Mutex::new(None)) }
    }

    fn context(&self) -> &Mutex<Option<Arc<Context>>> {
        // SAFETY: the parent's, which only its threads lock; it is one pointer, exchanged at once.
        self.context.get_or(|parents| Mutex::new(unsafe { parents.inherited() }.clone()))
    }
}

static FREE: PerProcess<Mutex<Vec<&'static Slot>>> = PerProcess::new(Mutex::new(Vec::new()));

/// The slot behind a handle; `EFAULT` if it is no live context.
///
/// # Safety
/// As for [`socket::Socket::from_handle`].
unsafe fn slot(handle: *mut c_void) -> Result<&'static Slot> {
    let pointer = handle.cast::<Slot>();
    if pointer.is_null() || !pointer.is_aligned() {
        return Err(Error::Fault);
    }
    // SAFETY: readable by contract; only slots carry LIVE.
    unsafe {
        if (*pointer.cast::<AtomicU32>()).load(Ordering::Acquire) != LIVE {
            return Err(Error::Fault);
        }
        Ok(&*pointer)
    }
}

unsafe fn context(handle: *mut c_void) -> Result<Arc<Context>> {
    // SAFETY: passed on.
    unsafe { slot(handle)? }.context().lock().clone().ok_or(Error::Fault)
}

/// Creates a context. Its threads start with its first socket. Null and `EMFILE` or `ENOMEM` on
/// failure (zmq_ctx_new(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_ctx_new() -> *mut c_void {
    guard(|| {
        reserve::ready()?;
        let free = FREE.get().lock().pop();
        let slot: &'static Slot = free.unwrap_or_else(|| Box::leak(Box::new(Slot::new())));
        *slot.context().lock() = Some(Arc::new(Context::new()));
        slot.magic.store(LIVE, Ordering::SeqCst);
        Ok(ptr::from_ref(slot).cast_mut().cast())
    })
}

/// Ends a context: waits until its sockets are closed and lingering is over. `EFAULT`, and `EINTR`
/// after a signal; call it again then (zmq_ctx_term(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_ctx_term(context_: *mut c_void) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise.
        let slot = unsafe { slot(context_)? };
        // SAFETY: as above.
        let context = unsafe { context(context_)? };
        context.stop();
        // In a forked child: the sockets of its own.
        socket::wake_all(&context);
        socket::end_lost(&context);
        context.finish()?;
        if slot.magic.swap(DEAD, Ordering::SeqCst) == LIVE {
            let ended = slot.context().lock().take();
            drop((context, ended));
            socket::poll::forget();
            // Without memory for the list the slot is lost.
            let _ = memory::push(&mut FREE.get().lock(), slot);
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
