//! Socket options of the system that follow from those of the ZeroMQ socket.

use std::os::fd::BorrowedFd;

use crate::error::Result;
use crate::options::SocketOptions;
use crate::sys::net;

/// To be done with a TCP socket before bind or connect. Only ZMQ_BINDTODEVICE can fail, as in
/// libzmq: an unknown interface is ENODEV. The rest are wishes the system may decline.
///
/// Unix domain sockets keep what the system gives them, as with libzmq.
pub(super) fn prepare(fd: BorrowedFd<'_>, v6: bool, options: &SocketOptions) -> Result<()> {
    if options.sndbuf >= 0 {
        let _ = net::set_option(fd, libc::SOL_SOCKET, libc::SO_SNDBUF, options.sndbuf);
    }
    if options.rcvbuf >= 0 {
        let _ = net::set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUF, options.rcvbuf);
    }
    if v6 {
        // An IPv6 socket talks to IPv4 peers too.
        let _ = net::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 0);
    }
    if !options.bindtodevice.is_empty() {
        let device = options.bindtodevice.as_slice();
        net::set_option_bytes(fd, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, device)?;
    }
    type_of_service(fd, options);
    if options.draft.busy_poll != 0 {
        let _ = net::set_option(fd, libc::SOL_SOCKET, libc::SO_BUSY_POLL, options.draft.busy_poll);
    }
    Ok(())
}

/// A connection may have it from its listener, but not if that came through ZMQ_USE_FD.
fn type_of_service(fd: BorrowedFd<'_>, options: &SocketOptions) {
    if options.tos != 0 {
        let _ = net::set_option(fd, libc::IPPROTO_IP, libc::IP_TOS, options.tos);
        let _ = net::set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, options.tos);
    }
    // The type of service sets it, too.
    if options.draft.priority != 0 {
        let _ = net::set_option(fd, libc::SOL_SOCKET, libc::SO_PRIORITY, options.draft.priority);
    }
}

/// To be done with every TCP connection that was accepted.
pub(super) fn accepted(fd: BorrowedFd<'_>, options: &SocketOptions) {
    tcp(fd, options);
    type_of_service(fd, options);
}

/// The most that the kernel takes without having sent it: all of it is lost with the connection, and what is
/// behind it is not (docs/design/loss.md). About as much as it takes of libzmq's smaller writes, so that a
/// high-water mark is met no sooner.
const NOT_SENT: i32 = 11 << 18;

/// To be done with every TCP connection. A connection that is already dead again refuses; the
/// next read tells.
pub(super) fn tcp(fd: BorrowedFd<'_>, options: &SocketOptions) {
    let _ = net::set_option(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, 1);
    if options.sndbuf < 0 {
        let _ = net::set_option(fd, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, NOT_SENT);
    }
    if options.tcp_keepalive != -1 {
        let _ = net::set_option(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, options.tcp_keepalive);
        let details = [
            (libc::TCP_KEEPCNT, options.tcp_keepalive_cnt),
            (libc::TCP_KEEPIDLE, options.tcp_keepalive_idle),
            (libc::TCP_KEEPINTVL, options.tcp_keepalive_intvl),
        ];
        for (name, value) in details {
            if value != -1 {
                let _ = net::set_option(fd, libc::IPPROTO_TCP, name, value);
            }
        }
    }
    if options.tcp_maxrt > 0 {
        // Milliseconds here and there (tcp(7), "TCP_USER_TIMEOUT").
        let _ = net::set_option(fd, libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, options.tcp_maxrt);
    }
}
