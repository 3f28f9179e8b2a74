//! Cancellation of threads (pthread_cancel(3)).
//!
//! A thread that is cancelled ends where it calls one of the C library's cancellation points
//! (pthreads(7)), and its stack is unwound from there. Frames with something to put in order, or with
//! a catch of panics, are not made for that, and the process would end. So in a call of the
//! application's
//!
//! - nothing below is a cancellation point: what the C library has for one is asked of the kernel
//!   itself (`raw.rs`), or done while cancellation is off ([`Shielded`]);
//! - a call that sleeps can be cancelled while it does ([`sleep`]), and only there. The unwinding is
//!   caught at once and becomes [`Error::Cancelled`], which every frame returns as it returns any
//!   other error, putting in order what is its;
//! - the exported function lets the unwinding go on ([`go_on`]), from a frame that has nothing of
//!   ours below it and nothing to put in order (`extern "C-unwind"`).
//!
//! From the catch on the thread is one that ends, as far as the C library is concerned: it can not be
//! cancelled again, and must not return to the application.

use crate::error::{Error, Result};
use std::ffi::c_int;

/// Whether a call that sleeps may be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// It fails with [`Error::Cancelled`], and so must whoever called it, at once.
    Acts,
    /// Not before the next that may: this one is short, or has nobody above it whom it could tell.
    Waits,
}

const DISABLE: c_int = 1;

// libc does not declare these.
unsafe extern "C-unwind" {
    fn pthread_setcancelstate(state: c_int, before: *mut c_int) -> c_int;
    fn pthread_testcancel();
}

/// The running thread is not cancelled as long as this lives: for calls of the C library that are
/// cancellation points, or may be, and for functions of the application's that have them.
pub struct Shielded {
    before: c_int,
}

impl Shielded {
    /// Until it is dropped, cancellation waits.
    pub fn begin() -> Shielded {
        let mut before = 0;
        // SAFETY: room for the state.
        unsafe { pthread_setcancelstate(DISABLE, &raw mut before) };
        Shielded { before }
    }
}

impl Drop for Shielded {
    fn drop(&mut self) {
        let mut ours = 0;
        // SAFETY: a state that was the thread's, and room for one.
        unsafe { pthread_setcancelstate(self.before, &raw mut ours) };
    }
}

/// The thread ends here if it was cancelled.
///
/// # Safety
/// No frame of ours has anything to put in order, nor a catch of panics: for exported functions.
#[inline]
pub unsafe fn point() {
    // SAFETY: no arguments; what it may unwind is by contract made for that.
    unsafe { pthread_testcancel() };
}

#[cfg(all(target_arch = "x86_64", target_pointer_width = "64", target_env = "gnu", not(sim)))]
mod caught {
    use super::{Error, Result};
    use std::ffi::{c_int, c_void};
    use std::mem::MaybeUninit;

    /// PTHREAD_CANCEL_ASYNCHRONOUS
    const ASYNCHRONOUS: c_int = 1;

    /// `__pthread_unwind_buf_t`, and more: where unwinding stops, and what the C library notes there.
    #[repr(C, align(16))]
    struct Stop([u64; 32]);

    // What <pthread.h> makes pthread_cleanup_push(3) of, where there are no exceptions.
    unsafe extern "C-unwind" {
        fn __sigsetjmp(place: *mut Stop, save_mask: c_int) -> c_int;
        fn __pthread_register_cancel(stop: *mut Stop);
        fn __pthread_unregister_cancel(stop: *mut Stop);
        fn __pthread_unwind_next(stop: *mut Stop) -> !;
        fn pthread_setcanceltype(kind: c_int, before: *mut c_int) -> c_int;
    }

    /// Calls `run` with `argument`. If the thread is cancelled meanwhile, all that is between is
    /// unwound and the result is 1, else it is 0.
    ///
    /// setjmp(3) returns twice, for which only assembler is made. What is live then is in registers
    /// that it keeps.
    ///
    /// # Safety
    /// What runs meanwhile may end after any instruction.
    #[unsafe(naked)]
    unsafe extern "C-unwind" fn catch(
        stop: *mut Stop,
        run: unsafe extern "C-unwind" fn(*mut c_void),
        argument: *mut c_void,
    ) -> c_int {
        std::arch::naked_asm!(
            ".cfi_startproc",
            "push rbx",
            ".cfi_adjust_cfa_offset 8",
            ".cfi_rel_offset rbx, 0",
            "push r12",
            ".cfi_adjust_cfa_offset 8",
            ".cfi_rel_offset r12, 0",
            "push r13",
            ".cfi_adjust_cfa_offset 8",
            ".cfi_rel_offset r13, 0",
            "mov rbx, rdi",
            "mov r12, rsi",
            "mov r13, rdx",
            "xor esi, esi",
            "call {jump}@PLT",
            "test eax, eax",
            "jne 2f",
            "mov rdi, rbx",
            "call {register}@PLT",
            "mov rdi, r13",
            "call r12",
            "xor r12d, r12d",
            "jmp 3f",
            "2:",
            "mov r12d, 1",
            "3:",
            "mov rdi, rbx",
            "call {unregister}@PLT",
            "mov eax, r12d",
            "pop r13",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_restore r13",
            "pop r12",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_restore r12",
            "pop rbx",
            ".cfi_adjust_cfa_offset -8",
            ".cfi_restore rbx",
            "ret",
            ".cfi_endproc",
            jump = sym __sigsetjmp,
            register = sym __pthread_register_cancel,
            unregister = sym __pthread_unregister_cancel,
        );
    }

    struct Call<F> {
        call: F,
        result: isize,
        errno: c_int,
    }

    // Frames from here on have nothing to put in order: what they use is `Copy`.

    unsafe extern "C-unwind" fn asleep<F: Fn() -> isize + Copy>(call: *mut c_void) {
        // SAFETY: `sleep` hands over a call that outlives this.
        let call = unsafe { &mut *call.cast::<Call<F>>() };
        let mut before = 0;
        // SAFETY: room for the kind. The C library sends a thread the signal that wakes it in
        // asynchronous mode only. If it was cancelled before, this acts.
        unsafe { pthread_setcanceltype(ASYNCHRONOUS, &raw mut before) };
        call.result = (call.call)();
        // SAFETY: the address is that of this thread's errno.
        call.errno = unsafe { *libc::__errno_location() };
        // SAFETY: the thread's own kind, and room for ours.
        unsafe { pthread_setcanceltype(before, &raw mut before) };
    }

    pub(super) fn sleep<F: Fn() -> isize + Copy>(call: F) -> Result<usize> {
        let mut stop = MaybeUninit::<Stop>::uninit();
        let mut call = Call { call, result: 0, errno: 0 };
        let argument = (&raw mut call).cast();
        // SAFETY: room for what the C library notes, and a call, that both live until this returns. What
        // runs meanwhile is a system call and what puts its arguments and result in place.
        if unsafe { catch(stop.as_mut_ptr(), asleep::<F>, argument) } != 0 {
            return Err(Error::Cancelled);
        }
        usize::try_from(call.result).map_err(|_| Error::from_errno(call.errno))
    }

    unsafe extern "C-unwind" fn foreign<F: Fn() + Copy>(call: *mut c_void) {
        // SAFETY: `foreign_call` hands over a function that outlives this.
        (unsafe { *call.cast::<F>() })();
    }

    pub(super) fn foreign_call<F: Fn() + Copy>(mut call: F) -> Result<()> {
        let mut stop = MaybeUninit::<Stop>::uninit();
        let argument = (&raw mut call).cast();
        // SAFETY: as in `sleep`; what runs is the application's, and ends as it is made for.
        let ended = unsafe { catch(stop.as_mut_ptr(), foreign::<F>, argument) };
        if ended == 0 { Ok(()) } else { Err(Error::Cancelled) }
    }

    pub(super) unsafe fn go_on() -> ! {
        let mut stop = MaybeUninit::<Stop>::uninit();
        // SAFETY: the first notes where unwinding would have gone on, the other does. What is unwound
        // is made for that, by contract.
        unsafe {
            __pthread_register_cancel(stop.as_mut_ptr());
            __pthread_unwind_next(stop.as_mut_ptr())
        }
    }
}

/// Without a way to catch it, cancellation waits until the call is over.
#[cfg(any(sim, not(all(target_arch = "x86_64", target_pointer_width = "64", target_env = "gnu"))))]
mod caught {
    use super::{Result, Shielded, made};

    pub(super) fn sleep(call: impl Fn() -> isize) -> Result<usize> {
        made(call())
    }

    pub(super) fn foreign_call(call: impl Fn()) -> Result<()> {
        let _here = Shielded::begin();
        call();
        Ok(())
    }

    pub(super) unsafe fn go_on() -> ! {
        unreachable!("nothing says that the thread was cancelled")
    }
}

/// Calls `call`, which sleeps. It may end after any instruction: it is a system call, and no more.
///
/// # Errors
/// Its own, and [`Error::Cancelled`] if the thread was cancelled meanwhile, or before.
pub(super) fn sleep<F: Fn() -> isize + Copy>(cancel: Cancel, call: F) -> Result<usize> {
    match cancel {
        Cancel::Acts => caught::sleep(call),
        Cancel::Waits => made(call()),
    }
}

/// What a system call gave.
fn made(result: isize) -> Result<usize> {
    usize::try_from(result).map_err(|_| Error::last())
}

/// Calls a function of the application's, which the thread may end in: by cancellation, or by
/// pthread_exit(3).
///
/// # Errors
/// [`Error::Cancelled`] if it did.
pub fn foreign_call<F: Fn() + Copy>(call: F) -> Result<()> {
    caught::foreign_call(call)
}

/// Notices that the thread was cancelled, for calls that work for long without sleeping.
///
/// # Errors
/// [`Error::Cancelled`]
pub fn check() -> Result<()> {
    sleep(Cancel::Acts, || 0).map(drop)
}

/// Ends the thread, after [`Error::Cancelled`].
///
/// # Safety
/// As for [`point`].
#[cold]
pub unsafe fn go_on() -> ! {
    // SAFETY: passed on.
    unsafe { caught::go_on() }
}

#[cfg(all(test, not(loom), target_arch = "x86_64", target_env = "gnu"))]
mod tests {
    use super::*;
    use crate::sync::atomic::{AtomicU32, Ordering};
    use crate::sys::poll::poll_with;
    use std::ffi::c_void;
    use std::ptr;
    use std::time::Duration;

    const CANCELED: *mut c_void = ptr::without_provenance_mut(usize::MAX);

    unsafe extern "C-unwind" {
        fn pthread_cancel(thread: libc::pthread_t) -> c_int;
        fn pthread_exit(result: *mut c_void) -> !;
    }

    type Body = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;

    /// What a thread that runs `body` ends with, cancelled as it begins or a little later.
    fn cancelled(body: Body, after: Duration) -> *mut c_void {
        let mut result = ptr::null_mut();
        // SAFETY: a thread that is joined; that it may be unwound is what its own type says.
        unsafe {
            let run = std::mem::transmute::<Body, extern "C" fn(*mut c_void) -> *mut c_void>(body);
            let mut thread = std::mem::zeroed();
            let made = libc::pthread_create(&raw mut thread, ptr::null(), run, ptr::null_mut());
            assert_eq!(made, 0);
            std::thread::sleep(after);
            pthread_cancel(thread);
            assert_eq!(libc::pthread_join(thread, &raw mut result), 0);
        }
        result
    }

    static DROPPED: AtomicU32 = AtomicU32::new(0);

    struct Counts;

    impl Drop for Counts {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn wait() -> Result<usize> {
        let _counts = Counts;
        let before = Shielded::begin();
        let asleep =
            |cancel, time| poll_with(&mut [], Some(Duration::from_millis(time)), None, cancel);
        assert_eq!(asleep(Cancel::Acts, 40), Ok(0), "shielded");
        drop(before);
        assert_eq!(asleep(Cancel::Waits, 5), Ok(0));
        asleep(Cancel::Acts, 20_000)
    }

    unsafe extern "C-unwind" fn waits(_: *mut c_void) -> *mut c_void {
        if wait() != Err(Error::Cancelled) || check().is_err() {
            return ptr::null_mut();
        }
        // SAFETY: nothing here to put in order.
        unsafe { go_on() }
    }

    #[test]
    fn a_sleep_fails_and_the_thread_ends_where_it_goes_on() {
        for (times, after) in [0, 20, 80].into_iter().enumerate() {
            assert_eq!(cancelled(waits, Duration::from_millis(after)), CANCELED);
            assert_eq!(DROPPED.load(Ordering::SeqCst) as usize, times + 1);
        }
    }

    unsafe extern "C-unwind" fn leaves(_: *mut c_void) -> *mut c_void {
        // SAFETY: the result is a number.
        let leave = || unsafe { pthread_exit(ptr::without_provenance_mut(7)) };
        if foreign_call(|| ()).is_err() || foreign_call(leave) != Err(Error::Cancelled) {
            return ptr::null_mut();
        }
        // SAFETY: nothing here to put in order.
        unsafe { go_on() }
    }

    #[test]
    fn a_thread_that_leaves_keeps_its_result() {
        // Cancelled when it has ended.
        assert_eq!(cancelled(leaves, Duration::from_millis(50)).addr(), 7);
    }
}
