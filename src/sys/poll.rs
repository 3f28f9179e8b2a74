//! poll(2).

use super::newer::Newer;
use super::signals;
use crate::error::{Error, Result};
use std::time::Duration;

/// A descriptor and what is asked and said about it.
pub type PollFd = libc::pollfd;

/// Waits until something is true of the descriptors; `None` waits for ever. Returns of how many.
///
/// # Errors
/// [`Error::Interrupted`] after a signal.
pub fn poll(descriptors: &mut [PollFd], timeout: Option<Duration>) -> Result<usize> {
    poll_with(descriptors, timeout, None)
}

/// The same with another signal mask meanwhile: what it lets in interrupts the sleep, also if it came
/// before.
///
/// # Errors
/// [`Error::Interrupted`] after a signal.
pub fn poll_with(
    descriptors: &mut [PollFd],
    timeout: Option<Duration>,
    mask: Option<&libc::sigset_t>,
) -> Result<usize> {
    static PPOLL: Newer = Newer::new();
    let list = descriptors.as_mut_ptr();
    let length = descriptors.len() as libc::nfds_t;
    let own = [Error::Interrupted, Error::NoMemory];
    PPOLL.call(
        &own,
        || exactly(list, length, timeout, mask),
        || in_milliseconds(list, length, timeout, mask),
    )
}

fn exactly(
    list: *mut PollFd,
    length: libc::nfds_t,
    timeout: Option<Duration>,
    mask: Option<&libc::sigset_t>,
) -> Result<usize> {
    let spec = timeout.map(|t| libc::timespec {
        tv_sec: t.as_secs().min(1 << 30) as libc::time_t,
        tv_nsec: t.subsec_nanos() as libc::c_long,
    });
    let time = spec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    let mask = mask.map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the descriptors, as many as `length` says, the time and the mask live during the call.
    let count = unsafe { libc::ppoll(list, length, time, mask) };
    if count < 0 { Err(Error::last()) } else { Ok(count as usize) }
}

/// What comes just before it sleeps is not noticed.
fn in_milliseconds(
    list: *mut PollFd,
    length: libc::nfds_t,
    timeout: Option<Duration>,
    mask: Option<&libc::sigset_t>,
) -> Result<usize> {
    let held = mask.map(signals::let_in);
    // SAFETY: as above.
    let count = unsafe { libc::poll(list, length, milliseconds(timeout)) };
    let result = if count < 0 { Err(Error::last()) } else { Ok(count as usize) };
    drop(held);
    result
}

/// Rounded up, so that a short wait is not a busy loop; -1 waits for ever.
pub(super) fn milliseconds(timeout: Option<Duration>) -> i32 {
    timeout.map_or(-1, |t| i32::try_from(t.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX))
}
