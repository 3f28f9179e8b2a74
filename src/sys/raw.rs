//! System calls whose functions in the C library are cancellation points (pthreads(7)), asked of the
//! kernel itself: see `cancel.rs`. They cost less, too: where there are several threads those functions
//! tell the C library before and after that they may be cancelled.
//!
//! They look as in the C library: in a made-up world those of `sim/libc.rs` stand for them. Results are the system's, -1 and
//! `errno` on failure. `tests/layering.rs` looks for the names of the
//! others.

use libc::{
    SYS_accept, SYS_accept4, SYS_close, SYS_connect, SYS_ppoll, SYS_read, SYS_recvfrom,
    SYS_recvmsg, SYS_sendmsg, SYS_sendto, c_int, c_void, syscall,
};
use std::ptr;

/// `_NSIG / 8`: the size of the kernel's signal sets.
#[cfg(not(any(target_arch = "mips", target_arch = "mips64")))]
pub(super) const SIGNALS: usize = 8;
#[cfg(any(target_arch = "mips", target_arch = "mips64"))]
pub(super) const SIGNALS: usize = 16;

/// close(2). It may be closed already.
///
/// # Safety
/// Whoever closes a descriptor owns it.
pub(super) unsafe fn close(fd: c_int) -> c_int {
    // SAFETY: passed on.
    unsafe { syscall(SYS_close, fd) as c_int }
}

/// # Safety
/// As read(2): `length` writable bytes.
pub(super) unsafe fn read(fd: c_int, to: *mut c_void, length: usize) -> isize {
    // SAFETY: passed on.
    unsafe { syscall(SYS_read, fd, to, length) as isize }
}

/// # Safety
/// As write(2): `length` readable bytes.
pub(super) unsafe fn write(fd: c_int, from: *const c_void, length: usize) -> isize {
    // SAFETY: passed on.
    unsafe { syscall(libc::SYS_write, fd, from, length) as isize }
}

/// # Safety
/// As recv(2): `length` writable bytes.
pub(super) unsafe fn recv(fd: c_int, to: *mut c_void, length: usize, flags: c_int) -> isize {
    let nothing = ptr::null_mut::<c_void>();
    // SAFETY: passed on.
    unsafe { syscall(SYS_recvfrom, fd, to, length, flags, nothing, nothing) as isize }
}

/// # Safety
/// As recvmsg(2).
pub(super) unsafe fn recvmsg(fd: c_int, message: *mut libc::msghdr, flags: c_int) -> isize {
    // SAFETY: passed on.
    unsafe { syscall(SYS_recvmsg, fd, message, flags) as isize }
}

/// # Safety
/// As send(2): `length` readable bytes.
pub(super) unsafe fn send(fd: c_int, from: *const c_void, length: usize, flags: c_int) -> isize {
    let nothing = ptr::null::<c_void>();
    // SAFETY: passed on.
    unsafe { syscall(SYS_sendto, fd, from, length, flags, nothing, 0usize) as isize }
}

/// # Safety
/// As sendmsg(2).
pub(super) unsafe fn sendmsg(fd: c_int, message: *const libc::msghdr, flags: c_int) -> isize {
    // SAFETY: passed on.
    unsafe { syscall(SYS_sendmsg, fd, message, flags) as isize }
}

/// # Safety
/// As sendmmsg(2).
pub(super) unsafe fn sendmmsg(
    fd: c_int,
    list: *mut libc::mmsghdr,
    count: libc::c_uint,
    flags: c_int,
) -> isize {
    // SAFETY: passed on.
    unsafe { syscall(libc::SYS_sendmmsg, fd, list, count, flags) as isize }
}

/// # Safety
/// As recvmmsg(2), without a time limit.
pub(super) unsafe fn recvmmsg(
    fd: c_int,
    list: *mut libc::mmsghdr,
    count: libc::c_uint,
    flags: c_int,
) -> isize {
    let for_ever = ptr::null_mut::<libc::timespec>();
    // SAFETY: passed on.
    unsafe { syscall(libc::SYS_recvmmsg, fd, list, count, flags, for_ever) as isize }
}

/// # Safety
/// As connect(2).
pub(super) unsafe fn connect(
    fd: c_int,
    address: *const libc::sockaddr,
    length: libc::socklen_t,
) -> c_int {
    // SAFETY: passed on.
    unsafe { syscall(SYS_connect, fd, address, length) as c_int }
}

/// # Safety
/// As accept4(2).
pub(super) unsafe fn accept4(
    fd: c_int,
    address: *mut libc::sockaddr,
    length: *mut libc::socklen_t,
    flags: c_int,
) -> c_int {
    // SAFETY: passed on.
    unsafe { syscall(SYS_accept4, fd, address, length, flags) as c_int }
}

/// # Safety
/// As accept(2).
pub(super) unsafe fn accept(
    fd: c_int,
    address: *mut libc::sockaddr,
    length: *mut libc::socklen_t,
) -> c_int {
    // SAFETY: passed on.
    unsafe { syscall(SYS_accept, fd, address, length) as c_int }
}

/// # Safety
/// As ppoll(2), but that `time` is what is left afterwards.
pub(super) unsafe fn ppoll(
    list: *mut libc::pollfd,
    length: libc::nfds_t,
    time: *mut libc::timespec,
    mask: *const libc::sigset_t,
) -> c_int {
    // SAFETY: passed on.
    unsafe { syscall(SYS_ppoll, list, length, time, mask, SIGNALS) as c_int }
}

/// # Safety
/// As poll(2).
pub(super) unsafe fn poll(list: *mut libc::pollfd, length: libc::nfds_t, time: c_int) -> c_int {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: passed on.
    return unsafe { syscall(libc::SYS_poll, list, length, time) as c_int };
    #[cfg(not(target_arch = "x86_64"))]
    {
        // Newer machines have ppoll(2) only.
        let mut spec = libc::timespec {
            tv_sec: (time / 1000) as libc::time_t,
            tv_nsec: (time % 1000 * 1_000_000) as libc::c_long,
        };
        let spec = if time < 0 { ptr::null_mut() } else { &raw mut spec };
        // SAFETY: passed on; the time outlives the call.
        unsafe { ppoll(list, length, spec, ptr::null()) }
    }
}

/// # Safety
/// As epoll_wait(2).
pub(super) unsafe fn epoll_wait(
    fd: c_int,
    list: *mut libc::epoll_event,
    room: c_int,
    time: c_int,
) -> c_int {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: passed on.
    return unsafe { syscall(libc::SYS_epoll_wait, fd, list, room, time) as c_int };
    #[cfg(not(target_arch = "x86_64"))]
    {
        let mask = ptr::null::<libc::sigset_t>();
        // SAFETY: passed on.
        unsafe { syscall(libc::SYS_epoll_pwait, fd, list, room, time, mask, SIGNALS) as c_int }
    }
}

/// nanosleep(2), as short as a signal makes it.
pub(super) fn nanosleep(mut time: libc::timespec) {
    // SAFETY: the time outlives the call.
    unsafe { syscall(libc::SYS_nanosleep, &raw mut time, ptr::null_mut::<libc::timespec>()) };
}

/// openat(2) of a path that begins with a slash.
///
/// # Safety
/// As open(2).
pub(super) unsafe fn open(path: *const libc::c_char, flags: c_int) -> c_int {
    // SAFETY: passed on.
    unsafe { syscall(libc::SYS_openat, libc::AT_FDCWD, path, flags) as c_int }
}
