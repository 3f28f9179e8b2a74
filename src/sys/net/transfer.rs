//! Bytes in and out of a connection, and how many are on the way.

#[cfg(sim)]
use crate::sys::sim::libc;
use std::ffi::c_int;
use std::io::IoSlice;
use std::mem::{MaybeUninit, zeroed};
use std::os::fd::{AsRawFd, BorrowedFd};

use super::retry;
use crate::error::{Error, Result};
use crate::sys::raw;

/// Reads what has arrived. 0 is the end of the stream (or an empty buffer), `Err(Again)` means
/// nothing now.
pub fn recv(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<usize> {
    // SAFETY: the buffer is exclusively ours and as long as told.
    unsafe { recv_raw(fd, buffer.as_mut_ptr(), buffer.len()) }
}

/// Like [`recv`], into memory that holds nothing yet. The first bytes, as many as the result
/// says, are initialised then.
pub fn recv_uninit(fd: BorrowedFd<'_>, buffer: &mut [MaybeUninit<u8>]) -> Result<usize> {
    // SAFETY: the buffer is exclusively ours and as long as told; the kernel only writes to it.
    unsafe { recv_raw(fd, buffer.as_mut_ptr().cast(), buffer.len()) }
}

/// Like [`recv`], for a buffer known by its address.
///
/// # Safety
/// `buffer` must be writable for `length` bytes and not be accessed meanwhile.
pub unsafe fn recv_raw(fd: BorrowedFd<'_>, buffer: *mut u8, length: usize) -> Result<usize> {
    // SAFETY: the caller's promise.
    retry(|| unsafe { raw::recv(fd.as_raw_fd(), buffer.cast(), length, libc::MSG_DONTWAIT) })
}

/// Like [`recv_raw`], for two buffers, filled one after the other.
///
/// # Safety
/// As [`recv_raw`], for both.
pub unsafe fn recv_raw_vectored(
    fd: BorrowedFd<'_>,
    buffers: [(*mut u8, usize); 2],
) -> Result<usize> {
    let mut pieces =
        buffers.map(|(base, length)| libc::iovec { iov_base: base.cast(), iov_len: length });
    // SAFETY: msghdr is plain data for which all zeros is a value.
    let mut message: libc::msghdr = unsafe { zeroed() };
    message.msg_iov = pieces.as_mut_ptr();
    message.msg_iovlen = pieces.len() as _;
    // SAFETY: the header describes pieces that are writable, by the caller's promise.
    retry(|| unsafe { raw::recvmsg(fd.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) })
}

/// Writes as much as the system takes now, at least a byte. `Err(Again)`: nothing now. A peer
/// that is gone is `EPIPE` or `ECONNRESET`, never a signal.
pub fn send(fd: BorrowedFd<'_>, data: &[u8]) -> Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the data is readable and as long as told.
    retry(|| unsafe { raw::send(fd.as_raw_fd(), data.as_ptr().cast(), data.len(), flags) })
}

/// Like [`send`] for several pieces at once. Only the first 1024 (IOV_MAX) are looked at.
pub fn send_vectored(fd: BorrowedFd<'_>, pieces: &[IoSlice<'_>]) -> Result<usize> {
    // Describing pieces costs more than a short message's bytes do.
    if let [only] = pieces {
        return send(fd, only);
    }
    let count = pieces.len().min(libc::UIO_MAXIOV as usize);
    // SAFETY: msghdr is plain data for which all zeros is a value.
    let mut message: libc::msghdr = unsafe { zeroed() };
    // IoSlice promises the layout of iovec; sendmsg only reads through the pointer.
    message.msg_iov = pieces.as_ptr().cast_mut().cast();
    message.msg_iovlen = count as _;
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: the header describes `count` readable pieces that outlive the call.
    retry(|| unsafe { raw::sendmsg(fd.as_raw_fd(), &raw const message, flags) })
}

/// Bytes written to a TCP connection that the peer has not acknowledged (tcp(7), SIOCOUTQ).
pub fn unacknowledged(fd: BorrowedFd<'_>) -> Result<usize> {
    queue_len(fd, libc::TIOCOUTQ)
}

/// Those of them that are not sent yet. No other kind of connection knows of any.
pub fn not_sent(fd: BorrowedFd<'_>) -> Result<usize> {
    const SIOCOUTQNSD: libc::Ioctl = 0x894b;
    queue_len(fd, SIOCOUTQNSD)
}

/// Bytes that have come and are not read.
pub fn unread(fd: BorrowedFd<'_>) -> Result<usize> {
    queue_len(fd, libc::FIONREAD)
}

fn queue_len(fd: BorrowedFd<'_>, request: libc::Ioctl) -> Result<usize> {
    let mut bytes: c_int = 0;
    // SAFETY: all of these requests write an int.
    let rc = unsafe { libc::ioctl(fd.as_raw_fd(), request, &raw mut bytes) };
    if rc == -1 { Err(Error::last()) } else { Ok(usize::try_from(bytes).unwrap_or(0)) }
}

/// Says that nothing more will be written, behind what is.
pub fn shut_down_writing(fd: BorrowedFd<'_>) -> Result<()> {
    // SAFETY: no memory is involved.
    let rc = unsafe { libc::shutdown(fd.as_raw_fd(), libc::SHUT_WR) };
    if rc == -1 { Err(Error::last()) } else { Ok(()) }
}
