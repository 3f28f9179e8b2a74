//! epoll(7) sets.

use crate::error::{Error, Result};
use crate::sync::atomic::Ordering;
use crate::sync::statics::AtomicBool;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

/// Bytes to read, or the end of the stream.
pub const IN: u32 = libc::EPOLLIN as u32;
/// Room to write.
pub const OUT: u32 = libc::EPOLLOUT as u32;
/// Report changes only.
pub const EDGE: u32 = libc::EPOLLET as u32;
/// The peer has closed its side.
pub const PEER_CLOSED: u32 = libc::EPOLLRDHUP as u32;
/// Errors and hang-ups, always reported.
pub const FAILED: u32 = (libc::EPOLLERR | libc::EPOLLHUP) as u32;

/// An event: what happened, and the number given when the descriptor was added.
pub type Event = libc::epoll_event;

/// An event that says nothing, to fill arrays with.
pub const NO_EVENT: Event = Event { events: 0, u64: 0 };

/// A set of descriptors that can be waited on together.
#[derive(Debug)]
pub struct Epoll {
    fd: OwnedFd,
}

impl Epoll {
    /// A new, empty set.
    ///
    /// # Errors
    /// Whatever epoll_create1(2) says, `EMFILE` above all.
    pub fn new() -> Result<Epoll> {
        // SAFETY: no pointers.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(Error::last());
        }
        // SAFETY: a descriptor that was just opened for us.
        Ok(Epoll { fd: unsafe { OwnedFd::from_raw_fd(fd) } })
    }

    fn control(&self, operation: i32, fd: RawFd, events: u32, data: u64) -> Result<()> {
        let mut event = Event { events, u64: data };
        // SAFETY: `event` lives during the call.
        let rc = unsafe { libc::epoll_ctl(self.fd.as_raw_fd(), operation, fd, &mut event) };
        if rc < 0 { Err(Error::last()) } else { Ok(()) }
    }

    /// Adds a descriptor.
    ///
    /// # Errors
    /// Whatever epoll_ctl(2) says.
    pub fn add(&self, fd: RawFd, events: u32, data: u64) -> Result<()> {
        self.control(libc::EPOLL_CTL_ADD, fd, events, data)
    }

    /// Changes what is watched for.
    ///
    /// # Errors
    /// Whatever epoll_ctl(2) says.
    pub fn modify(&self, fd: RawFd, events: u32, data: u64) -> Result<()> {
        self.control(libc::EPOLL_CTL_MOD, fd, events, data)
    }

    /// Takes a descriptor out.
    ///
    /// # Errors
    /// Whatever epoll_ctl(2) says.
    pub fn remove(&self, fd: RawFd) -> Result<()> {
        self.control(libc::EPOLL_CTL_DEL, fd, 0, 0)
    }

    /// Waits for events; `None` waits for ever. Returns how many were stored.
    ///
    /// # Errors
    /// [`Error::Interrupted`] after a signal.
    pub fn wait(&self, events: &mut [Event], timeout: Option<Duration>) -> Result<usize> {
        let room = i32::try_from(events.len()).unwrap_or(i32::MAX);
        let fd = self.fd.as_raw_fd();
        let count = match timeout {
            Some(t) if !t.is_zero() && !NO_PWAIT2.load(Ordering::Relaxed) => {
                let spec = libc::timespec {
                    tv_sec: t.as_secs().min(1 << 30) as libc::time_t,
                    tv_nsec: t.subsec_nanos() as libc::c_long,
                };
                // SAFETY: `events` has room for `room` entries; `spec` lives during the call.
                let count = unsafe {
                    libc::syscall(
                        libc::SYS_epoll_pwait2,
                        fd,
                        events.as_mut_ptr(),
                        room,
                        &spec,
                        ptr::null::<libc::sigset_t>(),
                        0usize,
                    )
                };
                if count < 0 && Error::last() == Error::Os(libc::ENOSYS) {
                    NO_PWAIT2.store(true, Ordering::Relaxed);
                    return self.wait(events, timeout);
                }
                count as i32
            }
            _ => {
                // Rounded up, so that a short wait is not a busy loop.
                let ms = timeout.map_or(-1, |t| {
                    i32::try_from(t.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX)
                });
                // SAFETY: as above.
                unsafe { libc::epoll_wait(fd, events.as_mut_ptr(), room, ms) }
            }
        };
        if count < 0 { Err(Error::last()) } else { Ok(count as usize) }
    }
}

/// Set once on kernels before 5.11, which wait in whole milliseconds only.
static NO_PWAIT2: AtomicBool = AtomicBool::new(false);

impl AsRawFd for Epoll {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
