//! What is waited for, and what was found of it.

use crate::socket::Socket;

/// What to wait for.
#[derive(Clone, Copy)]
pub enum Source {
    /// A socket.
    Socket(&'static Socket),
    /// A descriptor.
    Descriptor(i32),
}

/// One thing to wait for, and what is wanted and found of it.
#[derive(Clone, Copy)]
pub struct Item {
    /// What.
    pub source: Source,
    /// POLL_IN and the like.
    pub events: i16,
    /// Those that are true.
    pub ready: i16,
}

/// What a look at a socket has found.
#[derive(Clone, Copy)]
pub(super) struct Looked {
    /// The events that are true.
    pub(super) ready: i16,
    /// The descriptor that is readable when its connections have something, if there ever were any.
    pub(super) set: Option<i32>,
    /// When that was, in the socket's count of touches, and which incarnation it was.
    pub(super) touched: u64,
    pub(super) generation: u32,
}
