//! Sockets, addresses and names: the system calls the transports are made of.
//!
//! Every descriptor made here is non-blocking and close-on-exec. No call here raises SIGPIPE.
//! Errors are what the system says, unless a function names others.

mod address;
mod datagrams;
mod files;
mod machines;
mod names;
mod tipc;
mod transfer;
mod users;

pub use address::{MAX_UNIX_PATH, SockAddr, UnixName};
pub use datagrams::{
    Interface, MOST_DATAGRAMS, Slots, datagram_socket, join_group, send_datagrams, send_to_groups,
};
pub use files::{make_temporary_directory, remove_directory, unlink};
pub use machines::local_machine;
pub use names::{Lookup, host_text, interface_addresses, interface_index, resolve};
pub use tipc::TipcName;
pub use transfer::{
    not_sent, recv, recv_raw, recv_raw_vectored, recv_uninit, send, send_vectored,
    shut_down_writing, unacknowledged, unread,
};
pub use users::user_is_member;

#[cfg(sim)]
use super::sim::libc;
use std::ffi::c_int;
use std::mem::size_of;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd};

use super::fd::OwnedFd;
use super::newer::Newer;
use super::raw;
use crate::error::{Error, Result};

/// 0 or more is the result, -1 stands for `errno`.
fn check(result: c_int) -> Result<c_int> {
    if result < 0 { Err(Error::last()) } else { Ok(result) }
}

/// Repeats a call that a signal interrupted. Only for calls that do not block.
fn retry(mut call: impl FnMut() -> isize) -> Result<usize> {
    loop {
        match usize::try_from(call()) {
            Ok(length) => return Ok(length),
            Err(_) => match Error::last() {
                Error::Interrupted => {}
                error => return Err(error),
            },
        }
    }
}

/// A new stream socket for addresses like this one.
pub fn stream_socket(like: &SockAddr) -> Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers are involved.
    let fd = check(unsafe { libc::socket(like.family(), kind, 0) })?;
    // SAFETY: the descriptor was just made and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// bind(2).
pub fn bind(fd: BorrowedFd<'_>, address: &SockAddr) -> Result<()> {
    // SAFETY: the address is initialised and of the length told.
    check(unsafe { libc::bind(fd.as_raw_fd(), address.as_ptr(), address.length) }).map(drop)
}

/// listen(2).
pub fn listen(fd: BorrowedFd<'_>, backlog: i32) -> Result<()> {
    // SAFETY: no pointers are involved.
    check(unsafe { libc::listen(fd.as_raw_fd(), backlog) }).map(drop)
}

/// connect(2) without waiting: true if connected, false if that is still under way.
pub fn connect(fd: BorrowedFd<'_>, address: &SockAddr) -> Result<bool> {
    // SAFETY: the address is initialised and of the length told.
    match check(unsafe { raw::connect(fd.as_raw_fd(), address.as_ptr(), address.length) }) {
        Ok(_) => Ok(true),
        // An interrupted connect goes on in the background (connect(2)).
        Err(Error::Os(libc::EINPROGRESS) | Error::Interrupted) => Ok(false),
        Err(error) => Err(error),
    }
}

/// accept(2) with the address of the peer. `Err(Again)`: nobody waits.
pub fn accept(fd: BorrowedFd<'_>) -> Result<(OwnedFd, SockAddr)> {
    static ACCEPT4: Newer = Newer::new();
    let own = [
        Error::Again,
        Error::Interrupted,
        Error::Os(libc::ECONNABORTED),
        Error::Os(libc::ENOBUFS),
        Error::NoMemory,
        Error::TooManyFiles,
        Error::Os(libc::ENFILE),
    ];
    let made = |(new, peer): (c_int, SockAddr)| {
        // SAFETY: the descriptor was just made and nobody else has it.
        check(new).map(|new| (unsafe { OwnedFd::from_raw_fd(new) }, peer))
    };
    let accept4 = || {
        let mut peer = SockAddr::empty();
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let (address, length) = (&raw mut peer.storage, &raw mut peer.length);
        // SAFETY: the storage is as large as the length says, and both outlive the call.
        let new = unsafe { raw::accept4(fd.as_raw_fd(), address.cast(), length, flags) };
        made((new, peer))
    };
    let accept = || {
        let mut peer = SockAddr::empty();
        let (address, length) = (&raw mut peer.storage, &raw mut peer.length);
        // SAFETY: as above.
        let new = unsafe { raw::accept(fd.as_raw_fd(), address.cast(), length) };
        let (new, peer) = made((new, peer))?;
        make_nonblocking(new.as_fd())?;
        Ok((new, peer))
    };
    ACCEPT4.call(&own, accept4, accept)
}

/// getsockname(2).
pub fn local_address(fd: BorrowedFd<'_>) -> Result<SockAddr> {
    let mut address = SockAddr::empty();
    // SAFETY: the storage is as large as the length says, and both outlive the call.
    check(unsafe {
        libc::getsockname(
            fd.as_raw_fd(),
            (&raw mut address.storage).cast(),
            &raw mut address.length,
        )
    })?;
    Ok(address)
}

/// getpeername(2).
pub fn peer_address(fd: BorrowedFd<'_>) -> Result<SockAddr> {
    let mut address = SockAddr::empty();
    // SAFETY: the storage is as large as the length says, and both outlive the call.
    check(unsafe {
        libc::getpeername(
            fd.as_raw_fd(),
            (&raw mut address.storage).cast(),
            &raw mut address.length,
        )
    })?;
    Ok(address)
}

/// setsockopt(2) with an `int`.
pub fn set_option(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: c_int) -> Result<()> {
    set_option_bytes(fd, level, name, &value.to_ne_bytes())
}

/// setsockopt(2).
pub fn set_option_bytes(fd: BorrowedFd<'_>, level: c_int, name: c_int, value: &[u8]) -> Result<()> {
    let length = libc::socklen_t::try_from(value.len()).map_err(|_| Error::Invalid)?;
    // SAFETY: the value is as long as told.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, value.as_ptr().cast(), length) })
        .map(drop)
}

/// Whether closing a TCP socket shall abort its connection: what was not sent is thrown away, the
/// peer gets a reset, and nothing of it stays in TIME_WAIT (SO_LINGER of 0 seconds, socket(7)).
///
/// # Errors
/// What setsockopt(2) says. It is as it was then.
pub fn abort_on_close(fd: BorrowedFd<'_>, abort: bool) -> Result<()> {
    let linger = libc::linger { l_onoff: c_int::from(abort), l_linger: 0 };
    // SAFETY: the value is as long as told, and outlives the call.
    check(unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        )
    })
    .map(drop)
}

/// getsockopt(2) of a plain-data `T`, which `initial` fills as far as the system does not.
fn get_option_as<T: Copy>(fd: BorrowedFd<'_>, level: c_int, name: c_int, initial: T) -> Result<T> {
    let mut value = initial;
    let mut length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the value is as large as the length says, and every caller's T is integers only.
    check(unsafe {
        libc::getsockopt(fd.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut length)
    })?;
    Ok(value)
}

/// getsockopt(2) of an `int`.
pub fn get_option(fd: BorrowedFd<'_>, level: c_int, name: c_int) -> Result<c_int> {
    get_option_as(fd, level, name, 0)
}

/// The error a connect that ended in the background left (SO_ERROR), which is then forgotten.
pub fn take_error(fd: BorrowedFd<'_>) -> Result<()> {
    match get_option(fd, libc::SOL_SOCKET, libc::SO_ERROR)? {
        0 => Ok(()),
        number => Err(Error::from_errno(number)),
    }
}

/// Makes a descriptor of the caller's non-blocking and close-on-exec.
pub fn make_nonblocking(fd: BorrowedFd<'_>) -> Result<()> {
    let raw = fd.as_raw_fd();
    // SAFETY: no pointers are involved.
    let flags = check(unsafe { libc::fcntl(raw, libc::F_GETFL, 0) })?;
    // SAFETY: as above.
    check(unsafe { libc::fcntl(raw, libc::F_SETFL, flags | libc::O_NONBLOCK) })?;
    close_on_exec(fd)
}

/// Keeps a descriptor out of programs that the process becomes.
pub(super) fn close_on_exec(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no pointers are involved.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) }).map(drop)
}

/// Who connected over a Unix domain socket (SO_PEERCRED).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the definitions")]
pub struct Credentials {
    pub pid: i32,
    pub uid: u32,
    pub gid: u32,
}

/// The credentials of the peer of a Unix domain socket.
pub fn peer_credentials(fd: BorrowedFd<'_>) -> Result<Credentials> {
    let none = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let c = get_option_as(fd, libc::SOL_SOCKET, libc::SO_PEERCRED, none)?;
    Ok(Credentials { pid: c.pid, uid: c.uid, gid: c.gid })
}
