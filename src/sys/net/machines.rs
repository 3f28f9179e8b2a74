//! Virtual machines (vsock(7)).

#[cfg(sim)]
use crate::sys::sim::libc;
use std::ffi::c_int;
use std::os::fd::{AsRawFd, FromRawFd};

use super::check;
use crate::error::Result;
use crate::sys::fd::OwnedFd;
use crate::sys::raw;

/// The number of the machine that we run on (vsock(7), `IOCTL_VM_SOCKETS_GET_LOCAL_CID`).
///
/// # Errors
/// What the system says of /dev/vsock: it has none, or we may not look.
pub fn local_machine() -> Result<u32> {
    const GET_LOCAL_CID: libc::Ioctl = 0x7b9;
    // SAFETY: a zero-terminated path.
    let fd = check(unsafe { raw::open(c"/dev/vsock".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) })?;
    // SAFETY: a descriptor that was just opened for us.
    let device = unsafe { OwnedFd::from_raw_fd(fd) };
    let mut machine: c_int = 0;
    // SAFETY: this request writes a number of 32 bits.
    check(unsafe { libc::ioctl(device.as_raw_fd(), GET_LOCAL_CID, &raw mut machine) })?;
    Ok(machine.cast_unsigned())
}
