//! The one error type of the library and its translation to `errno`.

use std::ffi::c_int;
use std::fmt;

/// Base of the error numbers that ZeroMQ adds to those of POSIX (`ZMQ_HAUSNUMERO`).
pub const HAUSNUMERO: c_int = 156_384_712;
/// The operation does not fit the state of the socket (`EFSM`).
pub const EFSM: c_int = HAUSNUMERO + 51;
/// The transport is not compatible with the socket type (`ENOCOMPATPROTO`).
pub const ENOCOMPATPROTO: c_int = HAUSNUMERO + 52;
/// The context was terminated (`ETERM`).
pub const ETERM: c_int = HAUSNUMERO + 53;
/// No I/O thread is available (`EMTHREAD`).
pub const EMTHREAD: c_int = HAUSNUMERO + 54;

/// Everything that can go wrong below the C boundary. One variant is one `errno`, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// `EAGAIN`: nothing to receive, or nobody to send to, now.
    Again,
    /// `EINTR`: a signal arrived while the call was blocked.
    Interrupted,
    /// The thread was cancelled while the call slept (`sys/cancel.rs`). No program sees it: the thread
    /// ends where the call would return.
    Cancelled,
    /// `EFSM`: not in this state of the socket.
    State,
    /// `ETERM`: the context is terminated or shut down.
    Terminated,
    /// `EMTHREAD`: the context has no I/O thread.
    NoIoThread,
    /// `ENOCOMPATPROTO`: this transport cannot carry this socket type.
    IncompatibleProtocol,
    /// `EPROTONOSUPPORT`: unknown transport.
    UnknownProtocol,
    /// `ENOTSOCK`: the handle is closed or never was a socket.
    NotSocket,
    /// `EFAULT`: a null or invalid pointer, context or message.
    Fault,
    /// `EINVAL`: an argument is out of range.
    Invalid,
    /// `ENOTSUP`: the socket type has no such operation.
    NotSupported,
    /// `EHOSTUNREACH`: no route to the named peer.
    HostUnreachable,
    /// `ENOENT`: no such endpoint.
    NotFound,
    /// `EADDRINUSE`.
    AddressInUse,
    /// `EADDRNOTAVAIL`.
    AddressNotAvailable,
    /// `ECONNREFUSED`.
    ConnectionRefused,
    /// `ENODEV`: no such network interface.
    NoDevice,
    /// `ENAMETOOLONG`: an ipc path is longer than the system allows.
    NameTooLong,
    /// `EMFILE`: no more sockets or descriptors.
    TooManyFiles,
    /// `ENOMEM`.
    NoMemory,
    /// `EPROTO`: the peer broke the protocol.
    Protocol,
    /// `EMSGSIZE`: a message above its limit.
    MessageTooLong,
    /// Any other error number the system gave us.
    Os(c_int),
}

impl Error {
    /// The error number a C program sees in `errno`.
    pub const fn errno(self) -> c_int {
        match self {
            Error::Again => libc::EAGAIN,
            Error::Interrupted | Error::Cancelled => libc::EINTR,
            Error::State => EFSM,
            Error::Terminated => ETERM,
            Error::NoIoThread => EMTHREAD,
            Error::IncompatibleProtocol => ENOCOMPATPROTO,
            Error::UnknownProtocol => libc::EPROTONOSUPPORT,
            Error::NotSocket => libc::ENOTSOCK,
            Error::Fault => libc::EFAULT,
            Error::Invalid => libc::EINVAL,
            Error::NotSupported => libc::ENOTSUP,
            Error::HostUnreachable => libc::EHOSTUNREACH,
            Error::NotFound => libc::ENOENT,
            Error::AddressInUse => libc::EADDRINUSE,
            Error::AddressNotAvailable => libc::EADDRNOTAVAIL,
            Error::ConnectionRefused => libc::ECONNREFUSED,
            Error::NoDevice => libc::ENODEV,
            Error::NameTooLong => libc::ENAMETOOLONG,
            Error::TooManyFiles => libc::EMFILE,
            Error::NoMemory => libc::ENOMEM,
            Error::Protocol => libc::EPROTO,
            Error::MessageTooLong => libc::EMSGSIZE,
            Error::Os(number) => number,
        }
    }

    /// The error for a number the system gave us.
    pub const fn from_errno(number: c_int) -> Error {
        match number {
            libc::EAGAIN => Error::Again,
            libc::EINTR => Error::Interrupted,
            libc::EFAULT => Error::Fault,
            libc::EINVAL => Error::Invalid,
            libc::ENOTSUP => Error::NotSupported,
            libc::EHOSTUNREACH => Error::HostUnreachable,
            libc::ENOENT => Error::NotFound,
            libc::EADDRINUSE => Error::AddressInUse,
            libc::EADDRNOTAVAIL => Error::AddressNotAvailable,
            libc::ECONNREFUSED => Error::ConnectionRefused,
            libc::ENODEV => Error::NoDevice,
            libc::ENAMETOOLONG => Error::NameTooLong,
            libc::EMFILE => Error::TooManyFiles,
            libc::ENOMEM => Error::NoMemory,
            libc::EPROTO => Error::Protocol,
            libc::EMSGSIZE => Error::MessageTooLong,
            other => Error::Os(other),
        }
    }

    /// The error of the system call that failed last on this thread.
    pub fn last() -> Error {
        Error::from_errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?} (errno {})", self.errno())
    }
}

impl std::error::Error for Error {}

/// What fallible functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;
