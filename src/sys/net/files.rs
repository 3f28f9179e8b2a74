//! Files and directories that sockets of the Unix domain leave.

#[cfg(sim)]
use crate::sys::sim::libc;
use std::ffi::{CString, c_char};

use super::check;
use crate::error::{Error, Result};
use crate::sys::cancel::Shielded;

/// mkdtemp(3): makes a directory only we can enter; the last six bytes of `template` are `X`.
pub fn make_temporary_directory(template: &[u8]) -> Result<Vec<u8>> {
    let mut path = CString::new(template).map_err(|_| Error::Invalid)?.into_bytes_with_nul();
    let _here = Shielded::begin();
    // SAFETY: the template ends with a NUL and is ours to change.
    if unsafe { libc::mkdtemp(path.as_mut_ptr().cast::<c_char>()) }.is_null() {
        return Err(Error::last());
    }
    path.pop();
    Ok(path)
}

/// unlink(2), which takes away a name but never a directory.
pub fn unlink(path: &[u8]) -> Result<()> {
    let path = CString::new(path).map_err(|_| Error::Invalid)?;
    // SAFETY: the path ends with a NUL.
    check(unsafe { libc::unlink(path.as_ptr()) }).map(drop)
}

/// rmdir(2).
pub fn remove_directory(path: &[u8]) -> Result<()> {
    let path = CString::new(path).map_err(|_| Error::Invalid)?;
    // SAFETY: the path ends with a NUL.
    check(unsafe { libc::rmdir(path.as_ptr()) }).map(drop)
}
