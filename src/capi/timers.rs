//! Timers: `zmq_timers_*`.

use super::ffi::{given_to_c, guard, reference, reference_mut};
use super::types::zmq_timer_fn_ptr;
use crate::error::{Error, Result};
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::mutex::Mutex;
use crate::sys::cancel::foreign_call;
use crate::sys::clock;
use crate::util::timers::Timers;
use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::time::{Duration, Instant};

/// Tells a set of timers from other memory. It is read before anything else is trusted, so it
/// comes first and fits into the smallest thing C may hand us by mistake, a pointer.
const LIVE: u32 = 0x7a74_6d72;
const DEAD: u32 = 0x6465_6164;

#[derive(Clone, Copy)]
struct Action {
    function: unsafe extern "C-unwind" fn(c_int, *mut c_void),
    argument: *mut c_void,
}

#[derive(Default)]
struct State {
    timers: Timers<Action>,
    /// How many calls of `zmq_timers_execute` are under way: a handler may call it again.
    executing: u32,
}

/// What a handle of `zmq_timers_new` points to.
///
/// Handlers run without the lock, so that they may change and even destroy their timers.
#[repr(C)]
struct Handle {
    tag: AtomicU32,
    epoch: Instant,
    state: Mutex<State>,
}

impl Handle {
    /// The timers behind a pointer from C; `EFAULT` if there are none.
    ///
    /// # Safety
    /// A pointer that is not null must be readable for four bytes, and for all of [`Handle`] if
    /// it came from `zmq_timers_new`.
    unsafe fn of<'a>(timers: *mut c_void) -> Result<&'a Handle> {
        if !timers.cast::<Handle>().is_aligned() {
            return Err(Error::Fault);
        }
        // SAFETY: the tag is the first field; only what `zmq_timers_new` made has this one.
        unsafe {
            if reference(timers.cast::<AtomicU32>())?.load(Ordering::Acquire) != LIVE {
                return Err(Error::Fault);
            }
            reference(timers.cast::<Handle>())
        }
    }

    fn now(&self) -> Duration {
        clock::since(self.epoch)
    }
}

/// Milliseconds from C.
fn milliseconds(interval: usize) -> Duration {
    Duration::from_millis(interval as u64)
}

/// Makes a set of timers. Null and `ENOMEM` on failure (zmq_timers(3)).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_new() -> *mut c_void {
    guard(|| {
        given_to_c(Handle {
            tag: AtomicU32::new(LIVE),
            epoch: clock::now(),
            state: Mutex::new(State::default()),
        })
    })
}

/// Ends a set of timers and sets the pointer to it to null. `EFAULT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_destroy(timers_p: *mut *mut c_void) -> c_int {
    guard(|| {
        // SAFETY: C gives the address of its pointer, and a set nobody else uses any more.
        unsafe {
            let timers = reference_mut(timers_p)?;
            let handle = Handle::of(*timers)?;
            let executing = {
                let state = handle.state.lock();
                handle.tag.store(DEAD, Ordering::Release);
                state.executing != 0
            };
            if !executing {
                drop(Box::from_raw(timers.cast::<Handle>()));
            }
            *timers = ptr::null_mut();
        }
        Ok(0)
    })
}

/// Adds a timer that runs `handler` every `interval` milliseconds. Returns its id. `EFAULT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_add(
    timers: *mut c_void,
    interval: usize,
    handler: zmq_timer_fn_ptr,
    arg: *mut c_void,
) -> c_int {
    guard(|| {
        // SAFETY: the contract of zmq_timers_add is that of `of`.
        let handle = unsafe { Handle::of(timers) }?;
        let action = Action { function: handler.ok_or(Error::Fault)?, argument: arg };
        handle.state.lock().timers.add(handle.now(), milliseconds(interval), action)
    })
}

/// Removes a timer. `EFAULT`, `EINVAL` if there is none of this id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_cancel(timers: *mut c_void, timer_id: c_int) -> c_int {
    guard(|| {
        // SAFETY: as in `zmq_timers_add`.
        let handle = unsafe { Handle::of(timers) }?;
        handle.state.lock().timers.cancel(timer_id).map(|()| 0)
    })
}

/// Changes the interval of a timer, in milliseconds from now on. `EFAULT`, `EINVAL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_set_interval(
    timers: *mut c_void,
    timer_id: c_int,
    interval: usize,
) -> c_int {
    guard(|| {
        // SAFETY: as in `zmq_timers_add`.
        let handle = unsafe { Handle::of(timers) }?;
        let mut state = handle.state.lock();
        state.timers.set_interval(handle.now(), timer_id, milliseconds(interval)).map(|()| 0)
    })
}

/// Starts the interval of a timer anew. `EFAULT`, `EINVAL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_reset(timers: *mut c_void, timer_id: c_int) -> c_int {
    guard(|| {
        // SAFETY: as in `zmq_timers_add`.
        let handle = unsafe { Handle::of(timers) }?;
        handle.state.lock().timers.restart(handle.now(), timer_id).map(|()| 0)
    })
}

/// The milliseconds until the next timer is due, rounded up; -1 if there is none, and with `EFAULT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn zmq_timers_timeout(timers: *mut c_void) -> c_long {
    guard(|| {
        // SAFETY: as in `zmq_timers_add`.
        let handle = unsafe { Handle::of(timers) }?;
        let Some(left) = handle.state.lock().timers.timeout(handle.now()) else {
            return Ok(-1);
        };
        // Rounded up, so that a program that sleeps so long finds the timer due.
        let left = left.as_nanos().div_ceil(1_000_000);
        Ok(c_long::try_from(left).unwrap_or(c_long::MAX))
    })
}

/// Runs the handlers of all timers that are due, each once. `EFAULT`.
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn zmq_timers_execute(timers: *mut c_void) -> c_int {
    guard(|| {
        // SAFETY: as in `zmq_timers_add`. `executing` keeps the memory while handlers run, even
        // if one of them destroys the timers; the last execute to leave frees it then.
        unsafe {
            let handle = Handle::of(timers)?;
            let now = handle.now();
            let due = {
                let mut state = handle.state.lock();
                state.executing += 1;
                state.timers.due(now)
            };
            let mut result = Ok(0);
            for id in due {
                if handle.tag.load(Ordering::Acquire) != LIVE {
                    break;
                }
                let action = handle.state.lock().timers.fire(now, id);
                if let Some(action) = action {
                    result = foreign_call(|| (action.function)(id, action.argument)).map(|()| 0);
                    if result.is_err() {
                        break;
                    }
                }
            }
            let orphaned = {
                let mut state = handle.state.lock();
                state.executing -= 1;
                state.executing == 0 && handle.tag.load(Ordering::Acquire) == DEAD
            };
            if orphaned {
                drop(Box::from_raw(timers.cast::<Handle>()));
            }
            result
        }
    })
}
