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
    let spec = timeout.map(|t| libc::timespec {
        tv_sec: t.as_secs().min(1 << 30) as libc::time_t,
        tv_nsec: t.subsec_nanos() as libc::c_long,
    });
    let time = spec.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
    // SAFETY: the descriptors and the time live during the call.
    let count = unsafe {
        libc::ppoll(
            descriptors.as_mut_ptr(),
            descriptors.len() as libc::nfds_t,
            time,
            std::ptr::null(),
        )
    };
    if count < 0 { Err(Error::last()) } else { Ok(count as usize) }
}
