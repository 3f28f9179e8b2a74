//! What a kernel knows of: descriptors, sockets, and what is on its way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// An error number.
pub(super) type Errno = i32;

/// What a descriptor stands for.
#[derive(Debug)]
pub(super) enum File {
    Event(u64),
    Set(Set),
    Socket(u64),
    Datagrams(u64),
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) events: u32,
    pub(super) data: u64,
}

/// An epoll set.
#[derive(Debug, Default)]
pub(super) struct Set {
    pub(super) entries: BTreeMap<i32, Entry>,
    /// Those that may have something to report.
    pub(super) reports: VecDeque<i32>,
}

impl Set {
    pub(super) fn forget(&mut self, fd: i32) {
        self.entries.remove(&fd);
        self.reports.retain(|&other| other != fd);
    }

    pub(super) fn watched(&self) -> Vec<i32> {
        self.entries.keys().copied().collect()
    }
}

/// What a socket is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    New,
    Listening,
    Connecting,
    Connected,
    /// By a reset, or by the other end of a Unix domain socket.
    Dead,
}

/// A socket. It may have no descriptor yet, as long as nobody has accepted it.
#[derive(Debug)]
pub(super) struct Sock {
    pub(super) fd: Option<i32>,
    pub(super) family: i32,
    pub(super) stage: Stage,
    pub(super) peer: u64,
    /// What has come and is not read.
    pub(super) input: VecDeque<u8>,
    /// How much can.
    pub(super) room: usize,
    /// Bytes sent that have not arrived.
    pub(super) on_way: usize,
    /// When the last thing sent arrives.
    pub(super) arrives: u64,
    /// Nothing more will come.
    pub(super) ended: bool,
    /// Nothing more will be sent.
    pub(super) shut: bool,
    /// That was so before the other end said the same.
    pub(super) first: bool,
    /// It has its name from bind(2).
    pub(super) bound: bool,
    pub(super) error: Errno,
    /// Somebody wants to know when there is room again.
    pub(super) wants_room: bool,
    pub(super) low_water: usize,
    pub(super) aborts: bool,
    /// Names as the system calls have them.
    pub(super) local: Vec<u8>,
    pub(super) remote: Vec<u8>,
    pub(super) backlog: usize,
    pub(super) waiting: VecDeque<u64>,
    pub(super) options: BTreeMap<(i32, i32), i32>,
}

/// A port without a descriptor.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) name: Vec<u8>,
    pub(super) reuse: bool,
    pub(super) until: u64,
}

/// A socket for datagrams.
#[derive(Debug)]
pub(super) struct Post {
    pub(super) fd: i32,
    /// Empty as long as it has no name.
    pub(super) local: Vec<u8>,
    /// When it got that: of two with the same name the later one is asked first.
    pub(super) order: u64,
    /// What has come, and from where.
    pub(super) input: VecDeque<(Vec<u8>, Vec<u8>)>,
    /// Bytes unread.
    pub(super) unread: usize,
    /// How many there may be before it takes no more.
    pub(super) room: usize,
    /// Bytes sent that have not arrived, and how many there may be.
    pub(super) on_way: usize,
    pub(super) room_out: usize,
    pub(super) arrives: u64,
    /// Nothing more can be sent.
    pub(super) shut: bool,
    pub(super) groups: BTreeSet<Vec<u8>>,
    pub(super) options: BTreeMap<(i32, i32), i32>,
}

/// What is common to all of them.
#[derive(Debug, Default)]
pub(super) struct Posts {
    pub(super) all: BTreeMap<u64, Post>,
    pub(super) last: u64,
    /// Some get lost on their way, and overtake others.
    pub(super) loses: bool,
    /// How often each was put into a queue, by what is in it.
    pub(super) came: BTreeMap<Vec<u8>, u64>,
    /// How many sockets one was meant for and did not get to; how many were read.
    pub(super) lost: u64,
    pub(super) read: u64,
}

/// What two names must have in common to mean the same: the port, or the path.
pub(super) fn place(name: &[u8]) -> &[u8] {
    let inet = [::libc::AF_INET, ::libc::AF_INET6].map(|family| family as u8);
    match name {
        [family, _, rest @ ..] if inet.contains(family) => rest.get(..2).unwrap_or_default(),
        [_, _, rest @ ..] => rest.strip_suffix(&[0]).unwrap_or(rest),
        _ => &[],
    }
}

impl Sock {
    pub(super) fn is_unix(&self) -> bool {
        self.family == ::libc::AF_UNIX
    }

    pub(super) fn is_at(&self, name: &[u8]) -> bool {
        let unix = name.first() == Some(&(::libc::AF_UNIX as u8));
        self.is_unix() == unix && !self.local.is_empty() && place(&self.local) == place(name)
    }
}

/// Something on its way over the network.
#[derive(Debug)]
pub(super) enum Flight {
    /// A socket wants to connect.
    Knock(u64),
    /// Bytes for a socket, from another.
    Bytes {
        to: u64,
        from: u64,
        bytes: Vec<u8>,
    },
    /// Nothing more will follow.
    End {
        to: u64,
    },
    Reset {
        to: u64,
    },
    /// To this name, from a socket that has that one.
    Datagram {
        to: Vec<u8>,
        from: u64,
        name: Vec<u8>,
        bytes: Vec<u8>,
    },
}
