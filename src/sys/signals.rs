//! Signals that come while a call is awake although it waits.
//!
//! A blocking call returns `EINTR` after a signal handler has run (zmq_recv(3)). One that looks again
//! for a while before it sleeps would not notice a handler that runs in between, and then sleep on.
//! So signals are held while it looks; the call that sleeps lets them in with a mask of its own, as
//! ppoll(2) was made for.

#[cfg(not(sim))]
use super::raw;
#[cfg(sim)]
use super::sim::libc;

/// Signals that a fault of the running thread raises: they are never held.
const FAULTS: [i32; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGSYS,
    libc::SIGABRT,
];

/// The thread's signals wait as long as this lives.
pub struct Held {
    /// What was let in before.
    before: libc::sigset_t,
}

impl Held {
    /// Holds the signals of the running thread.
    pub fn begin() -> Held {
        // SAFETY: plain sets that live during the calls.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&mut all);
            FAULTS.iter().for_each(|&signal| {
                libc::sigdelset(&mut all, signal);
            });
            libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut before);
            Held { before }
        }
    }

    /// The mask for a call that sleeps.
    pub fn mask(&self) -> &libc::sigset_t {
        &self.before
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // SAFETY: the set is what the thread's mask was.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut()) };
    }
}

/// Calls, and whatever SIGPIPE that raises in the running thread reaches nobody. There is a way to say that to send(2) but not to
/// write(2).
#[cfg(not(sim))]
pub(super) fn without_sigpipe<T>(call: impl FnOnce() -> T) -> T {
    // SAFETY: plain sets that live during the calls, and a time of nothing at all, however long its fields are. The
    // kernel itself is asked for what waits, as the C library's function is a cancellation point.
    unsafe {
        let mut pipe: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut pipe);
        libc::sigaddset(&mut pipe, libc::SIGPIPE);
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, &pipe, &mut before);
        let waits = || {
            let mut waiting: libc::sigset_t = std::mem::zeroed();
            libc::sigpending(&mut waiting);
            libc::sigismember(&waiting, libc::SIGPIPE) == 1
        };
        let waited = waits();
        let result = call();
        if !waited && waits() {
            let (no_time, nobody) = ([0_i64; 2], std::ptr::null_mut::<libc::siginfo_t>());
            let wait = libc::SYS_rt_sigtimedwait;
            libc::syscall(wait, &raw const pipe, nobody, no_time.as_ptr(), raw::SIGNALS);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        result
    }
}

/// Changes the running thread's mask as long as the result lives.
pub(super) fn let_in(mask: &libc::sigset_t) -> Held {
    // SAFETY: plain sets that live during the call.
    unsafe {
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_SETMASK, mask, &mut before);
        Held { before }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::error::Error;
    use crate::sync::atomic::{AtomicU32, Ordering};
    use crate::sys::cancel::Cancel;
    use crate::sys::poll;
    use std::time::Duration;

    static HANDLED: AtomicU32 = AtomicU32::new(0);

    extern "C" fn handler(_signal: i32) {
        HANDLED.fetch_add(1, Ordering::SeqCst);
    }

    #[test]
    fn what_came_while_held_interrupts_the_sleep() {
        let handle: extern "C" fn(i32) = handler;
        // SAFETY: a handler that only counts, for a signal nobody else uses here, sent to this thread.
        unsafe { libc::signal(libc::SIGRTMIN(), handle as libc::sighandler_t) };
        // SAFETY: as above.
        let raise = || unsafe { libc::pthread_kill(libc::pthread_self(), libc::SIGRTMIN()) };
        let held = Held::begin();
        raise();
        assert_eq!(HANDLED.load(Ordering::SeqCst), 0);
        let slept = poll::poll_with(
            &mut [],
            Some(Duration::from_secs(20)),
            Some(held.mask()),
            Cancel::Waits,
        );
        assert_eq!((slept, HANDLED.load(Ordering::SeqCst)), (Err(Error::Interrupted), 1));
        raise();
        assert_eq!((held.let_in(), HANDLED.load(Ordering::SeqCst)), (Err(Error::Interrupted), 2));
        let held = Held::begin();
        assert_eq!(held.let_in(), Ok(()));
        raise();
        assert_eq!(HANDLED.load(Ordering::SeqCst), 3, "let in again");
        drop(Held::begin());
        raise();
        assert_eq!(HANDLED.load(Ordering::SeqCst), 4);
    }
}
