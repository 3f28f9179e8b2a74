//! futex(2): sleeping on a word of memory until another thread changes it.

use super::cancel::{self, Cancel};
#[cfg(sim)]
use super::sim::libc;
use crate::error::{Error, Result};
use crate::sync::atomic::AtomicU32;
use std::ptr;
use std::time::Duration;

/// How a wait ended, if not by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// Woken up, or the word had changed already, or for no reason.
    Maybe,
    /// The time is over.
    TimedOut,
}

/// Longest single wait. Waits always carry a timeout, because only then does the kernel return
/// `EINTR` after a handler installed with `SA_RESTART`, as poll(2) does and programs expect.
const LONGEST: Duration = Duration::from_secs(1 << 30);

/// Sleeps while `word` is `expected`.
///
/// # Errors
/// [`Error::Interrupted`] after a signal, and [`Error::Cancelled`].
pub fn wait(
    word: &AtomicU32,
    expected: u32,
    timeout: Option<Duration>,
    cancel: Cancel,
) -> Result<Woken> {
    let time = timeout.unwrap_or(LONGEST).min(LONGEST);
    let spec = libc::timespec {
        tv_sec: time.as_secs() as libc::time_t,
        tv_nsec: time.subsec_nanos() as libc::c_long,
    };
    let (word, spec) = (word.as_ptr(), &spec);
    let slept = cancel::sleep(cancel, || {
        #[cfg(sim)]
        // SAFETY: the word and the time live during the call.
        return unsafe { libc::futex(word, libc::FUTEX_WAIT, expected, spec) } as isize;
        #[cfg(not(sim))]
        // SAFETY: the word and the time live during the call.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                word,
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                expected,
                spec,
                ptr::null::<u32>(),
                0u32,
            ) as isize
        }
    });
    match slept {
        Ok(_) | Err(Error::Again) => Ok(Woken::Maybe),
        Err(Error::Os(libc::ETIMEDOUT)) => Ok(Woken::TimedOut),
        Err(error) => Err(error),
    }
}

/// Wakes everyone who sleeps on `word`.
pub fn wake_all(word: &AtomicU32) {
    wake(word, i32::MAX);
}

/// Wakes one of those who sleep on `word`.
pub fn wake_one(word: &AtomicU32) {
    wake(word, 1);
}

fn wake(word: &AtomicU32, most: i32) {
    #[cfg(sim)]
    // SAFETY: as below.
    unsafe {
        libc::futex(word.as_ptr(), libc::FUTEX_WAKE, most as u32, ptr::null())
    };
    #[cfg(not(sim))]
    // SAFETY: no memory but the address of the word is used.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
            most,
        );
    }
}
