//! Descriptors that are ours until somebody closes them under us.

use super::raw;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, RawFd};

/// A descriptor that is closed when it is dropped, as std's is. std's ends the process (where it checks
/// itself) if the descriptor is closed already; but programs close descriptors that are not theirs.
#[derive(Debug)]
pub struct OwnedFd(ManuallyDrop<std::os::fd::OwnedFd>);

impl Drop for OwnedFd {
    fn drop(&mut self) {
        // Not used afterwards. It may be closed already, and nothing is done then.
        // SAFETY: ours.
        unsafe { raw::close(self.0.as_raw_fd()) };
    }
}

impl FromRawFd for OwnedFd {
    unsafe fn from_raw_fd(fd: RawFd) -> OwnedFd {
        // SAFETY: by contract open, and nobody else's.
        OwnedFd(ManuallyDrop::new(unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) }))
    }
}

impl From<std::os::fd::OwnedFd> for OwnedFd {
    fn from(fd: std::os::fd::OwnedFd) -> OwnedFd {
        OwnedFd(ManuallyDrop::new(fd))
    }
}

impl AsRawFd for OwnedFd {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for OwnedFd {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl From<std::net::TcpStream> for OwnedFd {
        fn from(stream: std::net::TcpStream) -> OwnedFd {
            std::os::fd::OwnedFd::from(stream).into()
        }
    }

    impl From<std::os::unix::net::UnixStream> for OwnedFd {
        fn from(stream: std::os::unix::net::UnixStream) -> OwnedFd {
            std::os::fd::OwnedFd::from(stream).into()
        }
    }

    #[test]
    fn closed_under_us_is_closed() {
        let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        // Far from the numbers that other tests get meanwhile.
        // SAFETY: no pointers.
        let fd = unsafe { libc::fcntl(ours.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 900) };
        assert!(fd >= 900);
        // SAFETY: just made.
        let owned = unsafe { OwnedFd::from_raw_fd(fd) };
        // SAFETY: what programs do that this is about.
        assert_eq!(unsafe { libc::close(fd) }, 0);
        drop(owned);
        drop(OwnedFd::from(ours));
    }
}
