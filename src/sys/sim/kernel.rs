//! The kernel: what descriptors stand for, and what is on its way between them.

use super::choice::Choice;
use super::objects::{Errno, File, Flight, Held, Posts, Sock};
use std::collections::{BTreeMap, BTreeSet};

/// The first number that a descriptor can have. The real process has none so high.
pub const FIRST_FD: i32 = 1000;
/// How many there can be.
const MOST_FDS: i32 = 1000;

/// All that a kernel knows.
pub struct Kernel {
    /// The numbers of the world's threads, by those that pthread_create(3) gave.
    pub threads: BTreeMap<::libc::pthread_t, usize>,
    pub(super) files: BTreeMap<i32, File>,
    /// The epoll sets that a descriptor is in.
    pub(super) watchers: BTreeMap<i32, Vec<i32>>,
    pub(super) socks: BTreeMap<u64, Sock>,
    pub(super) last_sock: u64,
    pub(super) posts: Posts,
    /// Ports of connections that are over, by the socket that closed first.
    pub(super) held: BTreeMap<u64, Held>,
    /// Files that Unix domain sockets were bound to.
    pub(super) paths: BTreeSet<Vec<u8>>,
    /// What is on its way over the network, by when it arrives.
    pub(super) flights: BTreeMap<(u64, u64), Flight>,
    pub(super) last_flight: u64,
    pub(super) next_port: u16,
    /// Its own, so that what it chooses does not depend on who looks how often.
    pub(super) choice: Choice,
    /// How long something is on its way at most, in nanoseconds.
    pub(super) latency: u64,
    /// Bytes that a connection's receiver has room for.
    pub(super) rooms: [usize; 3],
    /// It takes all that it has room for.
    pub(super) plain: bool,
    pub(super) now: u64,
    pub(super) directories: u64,
    /// How many connections were ever made.
    pub connections: u64,
}

impl Kernel {
    pub(super) fn new(choice: &mut Choice) -> Kernel {
        let rooms = [
            [64, 100, 300],
            [64, 1000, 10_000],
            [4096, 65_536, 200_000],
            [65_536, 200_000, 1_000_000],
        ];
        Kernel {
            threads: BTreeMap::new(),
            files: BTreeMap::new(),
            watchers: BTreeMap::new(),
            socks: BTreeMap::new(),
            last_sock: 0,
            posts: Posts::default(),
            held: BTreeMap::new(),
            paths: BTreeSet::new(),
            flights: BTreeMap::new(),
            last_flight: 0,
            next_port: 40_000,
            latency: choice.of(&[1000, 20_000, 300_000]),
            rooms: choice.of(&rooms),
            choice: Choice::new(choice.number()),
            plain: false,
            now: 0,
            directories: 0,
            connections: 0,
        }
    }

    /// From now on it has much room, and does at once what it can: then it can be compared.
    pub fn be_plain(&mut self) {
        (self.rooms, self.plain) = ([1 << 17; 3], true);
    }

    /// How many descriptors are open.
    pub fn open_files(&self) -> usize {
        self.files.len()
    }

    pub(super) fn new_fd(&mut self, file: File) -> Result<i32, Errno> {
        let free = (FIRST_FD..FIRST_FD + MOST_FDS).find(|fd| !self.files.contains_key(fd));
        let fd = free.ok_or(::libc::EMFILE)?;
        self.files.insert(fd, file);
        Ok(fd)
    }

    /// close(2).
    pub fn close(&mut self, fd: i32) -> Result<(), Errno> {
        let file = self.files.remove(&fd).ok_or(::libc::EBADF)?;
        for set in self.watchers.remove(&fd).unwrap_or_default() {
            if let Some(File::Set(set)) = self.files.get_mut(&set) {
                set.forget(fd);
            }
        }
        match file {
            File::Event(_) => {}
            File::Set(set) => {
                for watched in set.watched() {
                    if let Some(sets) = self.watchers.get_mut(&watched) {
                        sets.retain(|&other| other != fd);
                    }
                }
            }
            File::Socket(id) => self.close_sock(id),
            File::Datagrams(id) => self.close_datagrams(id),
        }
        Ok(())
    }

    /// Prints what is open.
    pub fn describe(&self) {
        for (fd, file) in &self.files {
            match file {
                File::Event(count) => eprintln!("fd {fd}: eventfd {count}"),
                File::Set(set) => eprintln!("fd {fd}: {set:?}"),
                File::Socket(id) => eprintln!("fd {fd}: socket {id} {:?}", self.socks.get(id)),
                File::Datagrams(id) => eprintln!("fd {fd}: {:?}", self.posts.of(*id)),
            }
        }
        for ((at, _), flight) in &self.flights {
            eprintln!("at {at}: {flight:?}");
        }
    }
}
