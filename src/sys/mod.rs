//! The operating system: thin, safe wrappers that return [`Error`](crate::error::Error).

pub mod clock;
pub mod epoll;
pub mod eventfd;
pub mod futex;
pub mod net;
pub mod poll;
pub mod random;
pub mod thread;
