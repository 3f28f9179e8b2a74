//! Random numbers: secret ones, and those that need not be.

use super::fd::OwnedFd;
use super::{clock, raw, unnamed};
use crate::error::{Error, Result};
use crate::sync::atomic::Ordering;
use crate::sync::statics::AtomicU64;
use std::os::fd::{AsRawFd, FromRawFd};

/// Fills `out` from the system's random source, as good as it has. There need be no /dev where
/// getrandom(2) is allowed, and no getrandom(2) where there is /dev.
///
/// # Errors
/// Whatever the system's random source says.
pub fn fill(out: &mut [u8]) -> Result<()> {
    if system_call(out, 0).is_ok() { Ok(()) } else { read_device(out) }
}

/// An arbitrary number, different each time; nothing depends on nobody guessing it.
pub fn u64() -> u64 {
    let mut bytes = [0; 8];
    if system_call(&mut bytes, libc::GRND_NONBLOCK).is_ok() {
        return u64::from_ne_bytes(bytes);
    }
    // The time, where this is, and how often it was asked.
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let asked = ASKED.fetch_add(1, Ordering::Relaxed);
    let here = (&raw const bytes).addr() as u64;
    // SAFETY: no pointers, and never fails.
    let process = unsafe { libc::getpid() } as u64;
    spread(clock::ticks() ^ spread(here ^ spread(process << 32 ^ asked)))
}

/// The same in 32 bits.
pub fn u32() -> u32 {
    (u64() >> 32) as u32
}

/// Every bit of the input changes half of the result's (the end of MurmurHash3).
fn spread(value: u64) -> u64 {
    let value = (value ^ value >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let value = (value ^ value >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    value ^ value >> 33
}

fn system_call(out: &mut [u8], flags: libc::c_uint) -> Result<()> {
    fill_by(out, |rest| {
        // SAFETY: as many writable bytes as the length says.
        unsafe { unnamed::getrandom(rest.as_mut_ptr().cast(), rest.len(), flags) }
    })
}

#[cold]
fn read_device(out: &mut [u8]) -> Result<()> {
    // SAFETY: a zero-terminated path.
    let fd = unsafe { raw::open(c"/dev/urandom".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC) };
    if fd < 0 {
        return Err(Error::last());
    }
    // SAFETY: a descriptor that was just opened for us.
    let device = unsafe { OwnedFd::from_raw_fd(fd) };
    fill_by(out, |rest| {
        // SAFETY: as many writable bytes as the length says.
        unsafe { raw::read(device.as_raw_fd(), rest.as_mut_ptr().cast(), rest.len()) }
    })
}

fn fill_by(mut out: &mut [u8], mut read: impl FnMut(&mut [u8]) -> isize) -> Result<()> {
    while !out.is_empty() {
        match usize::try_from(read(out)) {
            Ok(0) => return Err(Error::Os(libc::EIO)),
            Ok(count) => out = out.get_mut(count..).unwrap_or_default(),
            Err(_) => match Error::last() {
                Error::Interrupted => {}
                error => return Err(error),
            },
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sources_fill_all_of_it() {
        for source in [fill, read_device] {
            let mut bytes = [0u8; 300];
            assert_eq!(source(&mut bytes), Ok(()));
            assert!(bytes.chunks(30).all(|chunk| chunk.iter().any(|&byte| byte != 0)));
        }
    }

    #[test]
    fn numbers_differ() {
        let numbers: std::collections::BTreeSet<u64> = (0..1000).map(|_| u64()).collect();
        assert_eq!(numbers.len(), 1000);
        let spreads: std::collections::BTreeSet<u64> = (0..1000).map(spread).collect();
        assert_eq!(spreads.len(), 1000);
    }
}
