//! Draft: pollers, zmq_poller(3).

use super::ffi::{cancellation_point, guard, reference_mut, slice_mut};
use super::handles::Slots;
use super::types::{zmq_fd_t, zmq_poller_event_t};
use crate::error::{Error, Result};
use crate::socket::Socket;
use crate::socket::poll::poller::{Found, Poller, Subject};
use std::ffi::{c_int, c_long, c_short, c_void};
use std::ptr;
use std::sync::Arc;

static POLLERS: Slots<Poller> = Slots::new(0x7a6d_7103);

/// # Safety
/// As for [`Slots::get`].
unsafe fn poller(handle: *mut c_void) -> Result<Arc<Poller>> {
    // SAFETY: passed on.
    unsafe { POLLERS.get(handle) }
}

/// # Safety
/// As for [`Socket::from_handle`].
unsafe fn of(socket: *mut c_void) -> Result<Subject> {
    // SAFETY: passed on.
    unsafe { Socket::from_handle(socket) }.map(Subject::of)
}

/// Makes a poller. Any thread may use it, several at once. Null and `ENOMEM` on failure
/// (zmq_poller(3)).
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_new() -> *mut c_void {
    guard(|| POLLERS.add(Poller::default()))
}

/// Ends a poller and sets the pointer to it to null. `EFAULT`.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_destroy(poller_p: *mut *mut c_void) -> c_int {
    guard(|| {
        // SAFETY: C gives the address of its pointer.
        let handle = unsafe { reference_mut(poller_p)? };
        // SAFETY: the caller's promise.
        unsafe {
            let poller = poller(*handle)?;
            POLLERS.remove(*handle, &poller);
            poller.end();
        }
        *handle = ptr::null_mut();
        Ok(0)
    })
}

/// How many sockets and descriptors there are. `EFAULT`.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_size(poller_: *mut c_void) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise.
        let size = unsafe { poller(poller_)? }.size();
        Ok(c_int::try_from(size).unwrap_or(c_int::MAX))
    })
}

/// Adds a socket. `EFAULT`, `ENOTSOCK`, `EINVAL` if it is here already or there are no such events.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_add(
    poller_: *mut c_void,
    socket: *mut c_void,
    user_data: *mut c_void,
    events: c_short,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise.
        unsafe { poller(poller_)?.add(of(socket)?, user_data.expose_provenance(), events) }
            .map(|()| 0)
    })
}

/// Waits for other events of a socket. `EFAULT`, `ENOTSOCK`, `EINVAL` if it is not here or there are no
/// such events.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_modify(
    poller_: *mut c_void,
    socket: *mut c_void,
    events: c_short,
) -> c_int {
    // SAFETY: the caller's promise.
    guard(|| unsafe { poller(poller_)?.modify(of(socket)?, events) }.map(|()| 0))
}

/// Takes a socket out. `EFAULT`, `ENOTSOCK`, `EINVAL` if it is not here.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_remove(poller_: *mut c_void, socket: *mut c_void) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise.
        let poller = unsafe { poller(poller_)? };
        // SAFETY: as above.
        let subject = unsafe { of(socket) }.inspect_err(|_| poller.forget(socket.addr()))?;
        poller.remove(subject).map(|()| 0)
    })
}

/// Adds a descriptor. `EFAULT`, `EBADF`, `EINVAL` if it is here already or there are no such events.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_add_fd(
    poller_: *mut c_void,
    fd: zmq_fd_t,
    user_data: *mut c_void,
    events: c_short,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise.
        let poller = unsafe { poller(poller_)? };
        poller.add(Subject::descriptor(fd)?, user_data.expose_provenance(), events).map(|()| 0)
    })
}

/// Waits for other events of a descriptor. `EFAULT`, `EBADF`, `EINVAL` if it is not here or there are no
/// such events.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_modify_fd(
    poller_: *mut c_void,
    fd: zmq_fd_t,
    events: c_short,
) -> c_int {
    // SAFETY: the caller's promise.
    guard(|| unsafe { poller(poller_)? }.modify(Subject::descriptor(fd)?, events).map(|()| 0))
}

/// Takes a descriptor out. `EFAULT`, `EBADF`, `EINVAL` if it is not here.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_remove_fd(poller_: *mut c_void, fd: zmq_fd_t) -> c_int {
    // SAFETY: the caller's promise.
    guard(|| unsafe { poller(poller_)? }.remove(Subject::descriptor(fd)?).map(|()| 0))
}

/// A descriptor that becomes readable when the poller may have something. `EFAULT`, `EINVAL` if no socket
/// of a type for several threads is here.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_poller_fd(poller_: *mut c_void, fd: *mut zmq_fd_t) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise.
        let descriptor = unsafe { poller(poller_)? }.descriptor()?;
        // SAFETY: as above.
        *unsafe { reference_mut(fd)? } = descriptor;
        Ok(0)
    })
}

/// Waits for `timeout` milliseconds (-1: for ever) until something is true of one of those in the poller,
/// and says of which. `EAGAIN`, `EFAULT`, `EINTR`, `ETERM`, `ENOTSOCK`.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_poller_wait(
    poller_: *mut c_void,
    event: *mut zmq_poller_event_t,
    timeout: c_long,
) -> c_int {
    // SAFETY: passed on.
    let found = unsafe { zmq_poller_wait_all(poller_, event, 1, timeout) };
    if found < 0 {
        // SAFETY: room for one event, or null.
        if let Ok(event) = unsafe { reference_mut(event) } {
            *event = NOTHING;
        }
        return found;
    }
    0
}

/// What is said of nothing.
const NOTHING: zmq_poller_event_t =
    zmq_poller_event_t { socket: ptr::null_mut(), fd: -1, user_data: ptr::null_mut(), events: 0 };

/// The same of as many as there are, but at most `n_events`, behind which stands nothing. Returns how many.
#[cfg(draft_api)]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_poller_wait_all(
    poller_: *mut c_void,
    events: *mut zmq_poller_event_t,
    n_events: c_int,
    timeout: c_long,
) -> c_int {
    // SAFETY: nothing to put in order, here and in whoever calls this.
    unsafe { cancellation_point() };
    guard(|| {
        // SAFETY: the caller's promise.
        let poller = unsafe { poller(poller_)? };
        if events.is_null() {
            return Err(Error::Fault);
        }
        let most = usize::try_from(n_events).map_err(|_| Error::Invalid)?;
        // SAFETY: the caller gives room for so many.
        let to = unsafe { slice_mut(events, most)? };
        let found = poller.wait(timeout, most, |at, found| {
            if let Some(place) = to.get_mut(at) {
                *place = event(found);
            }
        })?;
        // Programs may go through all of them.
        let rest = to.get_mut(found..).unwrap_or_default();
        rest.iter_mut().for_each(|place| *place = NOTHING);
        Ok(c_int::try_from(found).unwrap_or(c_int::MAX))
    })
}

fn event(found: Found) -> zmq_poller_event_t {
    let (socket, fd) = match found.subject {
        Subject::Socket(socket, _) => (socket.handle(), -1),
        Subject::Descriptor(fd) => (ptr::null_mut(), fd),
    };
    let user_data = ptr::with_exposed_provenance_mut(found.user_data);
    zmq_poller_event_t { socket, fd, user_data, events: found.events }
}
