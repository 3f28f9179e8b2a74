//! epoll(7) sets.

use super::fd::OwnedFd;
use super::net::close_on_exec;
use super::newer::{NO_DESCRIPTOR, Newer};
use super::poll::milliseconds;
use super::raw;
#[cfg(sim)]
use super::sim::libc;
use super::unnamed;
use crate::error::{Error, Result};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, RawFd};
use std::time::Duration;

/// Bytes to read, or the end of the stream.
pub const IN: u32 = libc::EPOLLIN as u32;
/// Room to write.
pub const OUT: u32 = libc::EPOLLOUT as u32;
/// Urgent bytes to read.
pub const URGENT: u32 = libc::EPOLLPRI as u32;
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
        static CREATE1: Newer = Newer::new();
        let made = |fd: RawFd| {
            if fd < 0 {
                return Err(Error::last());
            }
            // SAFETY: a descriptor that was just opened for us.
            Ok(unsafe { OwnedFd::from_raw_fd(fd) })
        };
        // SAFETY: no pointers.
        let create1 = || made(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) });
        let create = || {
            // SAFETY: no pointers.
            let fd = made(unsafe { libc::epoll_create(1) })?;
            close_on_exec(fd.as_fd())?;
            Ok(fd)
        };
        CREATE1.call(&NO_DESCRIPTOR, create1, create).map(|fd| Epoll { fd })
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
        let (fd, list) = (self.fd.as_raw_fd(), events.as_mut_ptr());
        let roughly = || wait_in_milliseconds(fd, list, room, timeout);
        match timeout {
            Some(t) if !t.is_zero() => {
                PWAIT2.call(&[Error::Interrupted], || wait_exactly(fd, list, room, t), roughly)
            }
            _ => roughly(),
        }
    }
}

/// Kernels before 5.11 wait in whole milliseconds only.
static PWAIT2: Newer = Newer::new();

fn wait_exactly(fd: RawFd, list: *mut Event, room: i32, time: Duration) -> Result<usize> {
    let spec = libc::timespec {
        tv_sec: time.as_secs().min(1 << 30) as libc::time_t,
        tv_nsec: time.subsec_nanos() as libc::c_long,
    };
    // SAFETY: `list` has room for `room` events; `spec` lives during the call.
    let count = unsafe { unnamed::epoll_pwait2(fd, list, room, &spec) };
    if count < 0 { Err(Error::last()) } else { Ok(count as usize) }
}

fn wait_in_milliseconds(
    fd: RawFd,
    list: *mut Event,
    room: i32,
    timeout: Option<Duration>,
) -> Result<usize> {
    // SAFETY: as above.
    let count = unsafe { raw::epoll_wait(fd, list, room, milliseconds(timeout)) };
    if count < 0 { Err(Error::last()) } else { Ok(count as usize) }
}

impl AsRawFd for Epoll {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}
