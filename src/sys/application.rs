//! Threads of the application's own, which it has through libzmq's utilities.

#[cfg(sim)]
use super::sim::libc;
use crate::error::{Error, Result};
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;

/// A thread that [`start`] made.
pub struct Thread(libc::pthread_t);

/// What a new thread has to do.
struct Start {
    function: unsafe extern "C-unwind" fn(*mut c_void),
    argument: *mut c_void,
}

/// The first function of a thread. Nothing here needs dropping once `function` runs, because it
/// may end the thread with `pthread_exit`, which unwinds this frame.
unsafe extern "C-unwind" fn run_thread(start: *mut c_void) -> *mut c_void {
    // SAFETY: `start` hands over a boxed Start, and C a function for its argument.
    unsafe {
        let Start { function, argument } = *Box::from_raw(start.cast::<Start>());
        libc::pthread_setname_np(libc::pthread_self(), c"ZMQapp".as_ptr());
        function(argument);
    }
    ptr::null_mut()
}

/// Makes a thread that calls `function`, with every signal blocked as in libzmq's threads.
///
/// # Errors
/// `EAGAIN`, and what else pthread_create(3) says.
///
/// # Safety
/// `function` may be called with `argument` by another thread.
pub unsafe fn start(
    function: unsafe extern "C-unwind" fn(*mut c_void),
    argument: *mut c_void,
) -> Result<Thread> {
    let start = Box::into_raw(Box::new(Start { function, argument }));
    // SAFETY: `start` is a boxed Start that the thread takes over.
    let made = unsafe { spawn(start) };
    if made.is_err() {
        // SAFETY: no thread took it over.
        drop(unsafe { Box::from_raw(start) });
    }
    made.map(Thread)
}

unsafe fn spawn(start: *mut Start) -> Result<libc::pthread_t> {
    let mut thread = MaybeUninit::uninit();
    let mut all = MaybeUninit::uninit();
    let mut before = MaybeUninit::uninit();
    // SAFETY: run_thread has the ABI pthread_create calls; that it may be unwound by pthread_exit
    // is what its own type says and libc's cannot. The other arguments are local and outlive
    // their calls. A new thread inherits the mask of its creator.
    unsafe {
        let run = std::mem::transmute::<
            unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void,
            extern "C" fn(*mut c_void) -> *mut c_void,
        >(run_thread);
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
        let rc = libc::pthread_create(thread.as_mut_ptr(), ptr::null(), run, start.cast());
        libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
        if rc == 0 { Ok(thread.assume_init()) } else { Err(Error::from_errno(rc)) }
    }
}

impl Thread {
    /// What pthreads(7) knows it by.
    pub fn id(&self) -> libc::pthread_t {
        self.0
    }
}
