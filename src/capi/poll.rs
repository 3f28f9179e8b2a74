//! Waiting for several sockets, and proxies: zmq_poll(3), zmq_proxy(3).

use super::ffi::{cancellation_point, guard, slice_mut};
use super::types::zmq_pollitem_t;
use crate::error::{Error, Result};
use crate::socket::Socket;
use crate::socket::poll::terms::Terms;
use crate::socket::poll::{self, Item, Source};
use crate::socket::proxy;
use crate::sys::cancel::Cancel;
use crate::sys::poll::poll_with;
use crate::util::memory;
use libc::sigset_t;
use std::ffi::{c_int, c_long, c_short, c_void};
use std::time::Duration;

/// Waits until an item is ready, or for `timeout` milliseconds (-1: for ever). Returns how many
/// are. `EINVAL`, `EFAULT`, `EINTR`, `ETERM`, `ENOTSOCK` (zmq_poll(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_poll(
    items_: *mut zmq_pollitem_t,
    nitems: c_int,
    timeout: c_long,
) -> c_int {
    // SAFETY: passed on.
    unsafe { poll_items(items_, nitems, Terms::plain(timeout)) }
}

/// The same, with other signals held while it waits than before and after, if `sigmask_` is not null:
/// one that came before and is let in now interrupts the wait, too (zmq_ppoll(3)).
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_ppoll(
    items_: *mut zmq_pollitem_t,
    nitems: c_int,
    timeout: c_long,
    sigmask_: *const sigset_t,
) -> c_int {
    // SAFETY: the caller's promise.
    let mask = unsafe { sigmask_.as_ref() };
    // SAFETY: passed on.
    unsafe { poll_items(items_, nitems, Terms { mask, ..Terms::plain(timeout) }) }
}

/// # Safety
/// As for `zmq_poll`.
#[inline(always)]
unsafe fn poll_items(items_: *mut zmq_pollitem_t, nitems: c_int, terms: Terms<'_>) -> c_int {
    // SAFETY: nothing to put in order, here and in whoever calls this.
    unsafe { cancellation_point() };
    guard(|| {
        let count = usize::try_from(nitems).map_err(|_| Error::Invalid)?;
        if count == 0 {
            return pause(terms);
        }
        // SAFETY: the caller gives `count` items.
        let items = unsafe { slice_mut(items_, count)? };
        let mut few = [Item { source: Source::Descriptor(-1), events: 0, ready: 0 }; 8];
        let mut many = Vec::new();
        let list = if count <= few.len() {
            &mut few[..count]
        } else {
            memory::reserve(&mut many, count)?;
            many.resize(count, few[0]);
            &mut many[..]
        };
        for (item, entry) in items.iter().zip(list.iter_mut()) {
            entry.events = item.events;
            entry.source = if item.socket.is_null() {
                Source::Descriptor(item.fd)
            } else {
                // SAFETY: the caller's promise.
                Source::Socket(unsafe { Socket::from_handle(item.socket)? })
            };
        }
        let found = poll::wait(list, terms);
        // Also if the wait was cut short: there are programs, those of the guide among them, that
        // look at `revents` whatever the result. What a signal or the end of the context interrupts
        // had found nothing.
        for (item, entry) in items.iter_mut().zip(list.iter()) {
            item.revents = entry.ready as c_short;
        }
        Ok(c_int::try_from(found?).unwrap_or(c_int::MAX))
    })
}

/// No items: sleep.
fn pause(terms: Terms<'_>) -> Result<c_int> {
    if terms.timeout != 0 || terms.mask.is_some() {
        let time = u64::try_from(terms.timeout).ok().map(Duration::from_millis);
        poll_with(&mut [], time, terms.mask, Cancel::Acts)?;
    }
    Ok(0)
}

unsafe fn run(
    frontend: *mut c_void,
    backend: *mut c_void,
    capture: *mut c_void,
    control: *mut c_void,
) -> Result<c_int> {
    if frontend.is_null() || backend.is_null() {
        return Err(Error::Fault);
    }
    // SAFETY: the caller's promise.
    unsafe {
        let optional = |handle: *mut c_void| {
            if handle.is_null() { Ok(None) } else { Socket::from_handle(handle).map(Some) }
        };
        let frontend = Socket::from_handle(frontend)?;
        let backend = Socket::from_handle(backend)?;
        proxy::run(frontend, backend, optional(capture)?, optional(control)?)?;
    }
    Ok(0)
}

/// Passes messages between two sockets, and copies to `capture` if it is not null, until the
/// context ends: -1 and `ETERM` (zmq_proxy(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_proxy(
    frontend: *mut c_void,
    backend: *mut c_void,
    capture: *mut c_void,
) -> c_int {
    // SAFETY: passed on.
    guard(|| unsafe { run(frontend, backend, capture, std::ptr::null_mut()) })
}

/// `zmq_proxy`, with a socket that takes PAUSE, RESUME, TERMINATE and STATISTICS. Returns 0 after
/// TERMINATE (zmq_proxy_steerable(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_proxy_steerable(
    frontend: *mut c_void,
    backend: *mut c_void,
    capture: *mut c_void,
    control: *mut c_void,
) -> c_int {
    // SAFETY: passed on.
    guard(|| unsafe { run(frontend, backend, capture, control) })
}

/// Deprecated: `zmq_proxy` without capture. The type (ZMQ_QUEUE, ZMQ_FORWARDER, ZMQ_STREAMER) says
/// nothing that the sockets do not say.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_device(
    type_: c_int,
    frontend: *mut c_void,
    backend: *mut c_void,
) -> c_int {
    let _ = type_;
    // SAFETY: passed on.
    guard(|| unsafe { run(frontend, backend, std::ptr::null_mut(), std::ptr::null_mut()) })
}
