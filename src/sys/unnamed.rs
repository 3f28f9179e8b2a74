//! System calls that the C library has no names for, or may not have.

use std::ptr;

/// membarrier(2).
///
/// # Safety
/// None needed: it takes numbers only and touches no memory of ours.
#[cfg(not(loom))]
pub(super) unsafe fn membarrier(command: libc::c_int) -> libc::c_int {
    // SAFETY: no pointers.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) as libc::c_int }
}

/// epoll_pwait2(2).
///
/// # Safety
/// There is room for so many events; the time lives during the call.
pub(super) unsafe fn epoll_pwait2(
    set: libc::c_int,
    events: *mut libc::epoll_event,
    room: libc::c_int,
    time: *const libc::timespec,
) -> libc::c_long {
    let mask = ptr::null::<libc::sigset_t>();
    // SAFETY: the caller's.
    unsafe { libc::syscall(libc::SYS_epoll_pwait2, set, events, room, time, mask, 0usize) }
}

/// getrandom(2). Not by the C library's name, which programs linked statically may not have.
///
/// # Safety
/// As many writable bytes as the length says.
pub(super) unsafe fn getrandom(buffer: *mut u8, length: usize, flags: libc::c_uint) -> isize {
    // SAFETY: the caller's.
    unsafe { libc::syscall(libc::SYS_getrandom, buffer, length, flags) as isize }
}
