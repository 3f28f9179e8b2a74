//! poll(2).

use super::cancel::{self, Cancel};
use super::newer::Newer;
use super::raw;
use super::signals::{self, Held};
#[cfg(sim)]
use super::sim::libc;
use crate::error::{Error, Result};
use std::time::Duration;

/// A descriptor and what is asked and said about it.
pub type PollFd = libc::pollfd;

/// Signals that are held.
pub type SignalMask = libc::sigset_t;

/// Waits until something is true of the descriptors; `None` waits for ever. Returns of how many.
///
/// # Errors
/// [`Error::Interrupted`] after a signal.
pub fn poll(descriptors: &mut [PollFd], timeout: Option<Duration>) -> Result<usize> {
    poll_with(descriptors, timeout, None, Cancel::Waits)
}

/// The same with another signal mask meanwhile: what it lets in interrupts the sleep, also if it came
/// before.
///
/// # Errors
/// [`Error::Interrupted`] after a signal, and [`Error::Cancelled`].
pub fn poll_with(
    descriptors: &mut [PollFd],
    timeout: Option<Duration>,
    mask: Option<&SignalMask>,
    cancel: Cancel,
) -> Result<usize> {
    static PPOLL: Newer = Newer::new();
    let list = descriptors.as_mut_ptr();
    let length = descriptors.len() as libc::nfds_t;
    let own = [Error::Interrupted, Error::NoMemory, Error::Cancelled];
    PPOLL.call(
        &own,
        || exactly(list, length, timeout, mask, cancel),
        || in_milliseconds(list, length, timeout, mask, cancel),
    )
}

fn exactly(
    list: *mut PollFd,
    length: libc::nfds_t,
    timeout: Option<Duration>,
    mask: Option<&SignalMask>,
    cancel: Cancel,
) -> Result<usize> {
    let mut spec = timeout.map(|t| libc::timespec {
        tv_sec: t.as_secs().min(1 << 30) as libc::time_t,
        tv_nsec: t.subsec_nanos() as libc::c_long,
    });
    let time = spec.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut);
    let mask = mask.map_or(std::ptr::null(), std::ptr::from_ref);
    cancel::sleep(cancel, || {
        // SAFETY: the descriptors, as many as `length` says, the time and the mask live during the call.
        unsafe { raw::ppoll(list, length, time, mask) as isize }
    })
}

/// What comes just before it sleeps is not noticed.
fn in_milliseconds(
    list: *mut PollFd,
    length: libc::nfds_t,
    timeout: Option<Duration>,
    mask: Option<&SignalMask>,
    cancel: Cancel,
) -> Result<usize> {
    let held = mask.map(signals::let_in);
    let time = milliseconds(timeout);
    let result = cancel::sleep(cancel, || {
        // SAFETY: as above.
        unsafe { raw::poll(list, length, time) as isize }
    });
    drop(held);
    result
}

impl Held {
    /// For a sleep that takes no mask: lets in what has come. What comes from now on until the thread
    /// sleeps is not noticed.
    ///
    /// # Errors
    /// [`Error::Interrupted`] if a handler has run.
    pub fn let_in(self) -> Result<()> {
        poll_with(&mut [], Some(Duration::ZERO), Some(self.mask()), Cancel::Waits).map(drop)
    }
}

/// Rounded up, so that a short wait is not a busy loop; -1 waits for ever.
pub(super) fn milliseconds(timeout: Option<Duration>) -> i32 {
    timeout.map_or(-1, |t| i32::try_from(t.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX))
}
