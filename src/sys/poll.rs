//! poll(2).

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
    let spec = timeout.map(|t| libc::timespec {
        tv_sec: t.as_secs().min(1 << 30) as libc::time_t,
        tv_nsec: t.subsec_nanos() as libc::c_long,
    });
    let time = spec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the descriptors, the time and the mask live during the call.
    let count = unsafe {
        libc::ppoll(
            descriptors.as_mut_ptr(),
            descriptors.len() as libc::nfds_t,
            time,
            mask.map_or(std::ptr::null(), std::ptr::from_ref),
        )
    };
    if count < 0 { Err(Error::last()) } else { Ok(count as usize) }
}
