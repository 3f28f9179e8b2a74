//! Calls that fail now and then, although nothing is wrong: a signal came, or the kernel was short of
//! something.

use super::choice::Choice;
use super::objects::Errno;
use ::libc::{
    EACCES, EADDRINUSE, EADDRNOTAVAIL, EAGAIN, ECONNABORTED, ECONNREFUSED, ECONNRESET, EINTR,
    EMFILE, ENETUNREACH, ENFILE, ENOBUFS, ENOENT, ENOMEM, ENOSPC, ENOTCONN, EPERM, EPIPE,
    ETIMEDOUT,
};

/// What each call may say at any moment, and the caller lose nothing by it but the call. No EAGAIN of
/// a socket: it would be a lie that no event follows. (`tests-c/t_faults.c` has the same for real calls.)
const FAILURES: [(&str, &[Errno]); 25] = [
    ("socket", &[EMFILE, ENFILE, ENOBUFS]),
    ("bind", &[EADDRINUSE, ENOMEM]),
    ("listen", &[EADDRINUSE]),
    ("accept", &[EMFILE, ENFILE, ENOBUFS, ECONNABORTED, EINTR, EPERM]),
    ("connect", &[ENOBUFS, EADDRNOTAVAIL, ECONNREFUSED, ENETUNREACH, EINTR]),
    ("epoll_create", &[EMFILE, ENOMEM]),
    ("eventfd", &[EMFILE, ENFILE, ENOMEM]),
    ("epoll_wait", &[EINTR]),
    ("ioctl", &[ENOMEM]),
    ("getsockname", &[ENOBUFS]),
    ("recv", &[EINTR]),
    ("recvmsg", &[EINTR]),
    ("send", &[EINTR]),
    ("sendmsg", &[EINTR]),
    ("sendmmsg", &[EINTR]),
    ("recvmmsg", &[EINTR, ECONNREFUSED, ENOMEM]),
    ("ppoll", &[EINTR, ENOMEM]),
    ("futex wait", &[EINTR, EAGAIN]),
    ("pthread_create", &[EAGAIN]),
    ("getrandom", &[EINTR]),
    ("membarrier", &[EPERM]),
    ("unlink", &[EACCES, ENOENT]),
    ("mkdtemp", &[EACCES, ENOSPC]),
    ("setsockopt", &[ENOBUFS, ENOMEM]),
    ("epoll_ctl add", &[ENOMEM, ENOSPC]),
];

/// The name of memory.
pub(super) const MEMORY: &str = "memory";

/// After these a connection may be given up, with what is on its way there.
const LOSSES: [(&str, &[Errno]); 9] = [
    ("getsockopt", &[ENOBUFS]),
    ("getpeername", &[ENOTCONN, ENOBUFS]),
    ("recv", &[ECONNRESET, ENOMEM, ETIMEDOUT]),
    ("recvmsg", &[ECONNRESET, ENOMEM]),
    ("send", &[EPIPE, ECONNRESET, ENOBUFS, ENOMEM]),
    ("sendmsg", &[EPIPE, ECONNRESET, ENOBUFS, ENOMEM]),
    ("shutdown", &[ENOTCONN, ENOBUFS]),
    // One datagram.
    ("sendmmsg", &[EPERM, ENOBUFS, ENETUNREACH]),
    // No call: who would begin something new asks for it (`util/reserve.rs`). A connection that is being made may be
    // given up, with what a faster peer has said.
    (MEMORY, &[ENOMEM]),
];

/// Which calls fail.
pub struct Faults {
    choice: Choice,
    /// One in so many does, of those that may.
    one_in: u64,
    /// So many will: everybody comes through in the end.
    left: u64,
    /// The seed wants connections to be lost, too, where the scenario bears that.
    loses: bool,
    may_lose: bool,
    /// Memory is short now and then, where the scenario bears that.
    memory: bool,
    /// How many did.
    pub failed: u64,
    /// How many connections may have been lost.
    pub lost: u64,
}

impl Faults {
    /// In two of three worlds no call fails.
    pub(super) fn new(choice: &mut Choice) -> Faults {
        let fails = choice.once_in(3);
        Faults {
            one_in: choice.of(&[3, 20, 100, 500]),
            left: if fails { choice.of(&[1, 5, 30, 200]) } else { 0 },
            loses: choice.once_in(2),
            may_lose: false,
            memory: false,
            failed: 0,
            lost: 0,
            choice: Choice::new(choice.number()),
        }
    }

    /// From now on connections may be lost, if the seed says so.
    pub fn may_lose(&mut self) {
        self.may_lose = true;
    }

    /// From now on memory is short now and then, too, where connections may be lost.
    pub fn memory_may_be_short(&mut self) {
        self.memory = true;
    }

    /// From now on no call fails.
    pub fn end(&mut self) {
        self.left = 0;
    }

    /// The error of a call that fails.
    pub(super) fn of(&mut self, call: &str) -> Option<Errno> {
        if self.left == 0 || call == MEMORY && !self.memory {
            return None;
        }
        let named = |(name, _): &&(&str, &'static [Errno])| *name == call;
        let loss = LOSSES.iter().find(named).filter(|_| self.may_lose && self.loses);
        let harmless = FAILURES.iter().find(named);
        let loses = loss.is_some() && (harmless.is_none() || self.choice.once_in(2));
        let (_, errors) = if loses { loss? } else { harmless? };
        if !self.choice.once_in(self.one_in) {
            return None;
        }
        self.left -= 1;
        self.failed += 1;
        self.lost += u64::from(loses);
        Some(self.choice.of(errors))
    }
}
