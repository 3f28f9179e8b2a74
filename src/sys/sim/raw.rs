//! What `sys/raw.rs` asks the kernel for, made of the model.

#![allow(clippy::missing_safety_doc, reason = "as in `sys/raw.rs`")]

use super::libc::{self, c_char, c_int};

pub(in crate::sys) fn close(fd: c_int) {
    // SAFETY: no pointers.
    unsafe { libc::close(fd) };
}

pub(in crate::sys) unsafe fn read(fd: c_int, to: *mut u8, length: usize) -> isize {
    // SAFETY: passed on.
    unsafe { libc::read(fd, to.cast(), length) }
}

pub(in crate::sys) unsafe fn write(fd: c_int, from: *const u8, length: usize) -> isize {
    // SAFETY: passed on.
    unsafe { libc::write(fd, from.cast(), length) }
}

pub(in crate::sys) unsafe fn recv(fd: c_int, to: *mut u8, length: usize, flags: c_int) -> isize {
    // SAFETY: passed on.
    unsafe { libc::recv(fd, to.cast(), length, flags) }
}

pub(in crate::sys) unsafe fn recvmsg(fd: c_int, message: *mut libc::msghdr, flags: c_int) -> isize {
    // SAFETY: passed on.
    unsafe { libc::recvmsg(fd, message, flags) }
}

pub(in crate::sys) unsafe fn send(
    fd: c_int,
    from: *const u8,
    length: usize,
    flags: c_int,
) -> isize {
    // SAFETY: passed on.
    unsafe { libc::send(fd, from.cast(), length, flags) }
}

pub(in crate::sys) unsafe fn sendmsg(
    fd: c_int,
    message: *const libc::msghdr,
    flags: c_int,
) -> isize {
    // SAFETY: passed on.
    unsafe { libc::sendmsg(fd, message, flags) }
}

pub(in crate::sys) unsafe fn connect(
    fd: c_int,
    address: *const libc::sockaddr,
    length: libc::socklen_t,
) -> c_int {
    // SAFETY: passed on.
    unsafe { libc::connect(fd, address, length) }
}

pub(in crate::sys) unsafe fn accept4(
    fd: c_int,
    address: *mut libc::sockaddr,
    length: *mut libc::socklen_t,
    flags: c_int,
) -> c_int {
    // SAFETY: passed on.
    unsafe { libc::accept4(fd, address, length, flags) }
}

pub(in crate::sys) unsafe fn accept(
    fd: c_int,
    address: *mut libc::sockaddr,
    length: *mut libc::socklen_t,
) -> c_int {
    // SAFETY: passed on.
    unsafe { libc::accept4(fd, address, length, 0) }
}

pub(in crate::sys) unsafe fn ppoll(
    list: *mut libc::pollfd,
    length: libc::nfds_t,
    time: *mut libc::timespec,
    mask: *const libc::sigset_t,
) -> c_int {
    // SAFETY: passed on.
    unsafe { libc::ppoll(list, length, time, mask) }
}

pub(in crate::sys) unsafe fn poll(
    list: *mut libc::pollfd,
    length: libc::nfds_t,
    time: c_int,
) -> c_int {
    // SAFETY: passed on.
    unsafe { libc::poll(list, length, time) }
}

pub(in crate::sys) unsafe fn epoll_wait(
    fd: c_int,
    list: *mut libc::epoll_event,
    room: c_int,
    time: c_int,
) -> c_int {
    // SAFETY: passed on.
    unsafe { libc::epoll_wait(fd, list, room, time) }
}

/// The made-up world has no files.
pub(in crate::sys) unsafe fn open(_path: *const c_char, _flags: c_int) -> c_int {
    // SAFETY: the running thread's own.
    unsafe { *libc::__errno_location() = libc::ENOENT };
    -1
}
