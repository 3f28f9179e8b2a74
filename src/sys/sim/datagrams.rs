//! Sockets for datagrams (udp(7)), with IPv4: queues that are full sooner or later, groups, and what is lost.
//!
//! There is one network interface, so that a group is joined on it whichever is named, and what is sent to a group
//! comes back whatever IP_MULTICAST_LOOP says, as on `lo`. A datagram sent to nobody is gone without a word.

use super::kernel::Kernel;
use super::objects::{Errno, File, Flight, Post, Posts, place};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const IN: u32 = ::libc::EPOLLIN as u32;
const OUT: u32 = ::libc::EPOLLOUT as u32;

/// The longest that fits into a packet with its headers.
const LONGEST: usize = 65_507;

/// What a name of IPv4 is long: `struct sockaddr_in`.
const NAME: usize = 16;

impl Posts {
    pub(super) fn of(&self, id: u64) -> Option<&Post> {
        self.all.get(&id)
    }
}

fn host(name: &[u8]) -> &[u8] {
    name.get(4..8).unwrap_or_default()
}

fn is_any(name: &[u8]) -> bool {
    host(name) == [0; 4]
}

fn is_group(host: &[u8]) -> bool {
    host.first().is_some_and(|first| first & 0xf0 == 0xe0)
}

impl Post {
    fn has(&self, option: i32) -> bool {
        self.options.get(&(::libc::SOL_SOCKET, option)).is_some_and(|value| *value != 0)
    }

    fn is_writable(&self) -> bool {
        self.on_way * 2 < self.room_out
    }

    /// Whether both may not have the names that they have or want.
    fn conflicts(&self, other: &Post, name: &[u8]) -> bool {
        let meet = is_any(name) || is_any(&other.local) || host(name) == host(&other.local);
        let both = |option| self.has(option) && other.has(option);
        !other.local.is_empty()
            && place(&other.local) == place(name)
            && meet
            && !both(::libc::SO_REUSEADDR)
            && !both(::libc::SO_REUSEPORT)
    }

    /// Whether it gets what is sent to this address: the better it fits the more.
    fn fits(&self, to: &[u8]) -> Option<(bool, u64)> {
        let exact = host(&self.local) == host(to);
        let fits = place(&self.local) == place(to) && (exact || is_any(&self.local));
        (fits && !self.local.is_empty()).then_some((exact, self.order))
    }
}

impl Kernel {
    pub(super) fn datagram_socket(&mut self, family: i32) -> Result<i32, Errno> {
        if family != ::libc::AF_INET {
            return Err(::libc::EAFNOSUPPORT);
        }
        self.posts.last += 1;
        let id = self.posts.last;
        let fd = self.new_fd(File::Datagrams(id))?;
        let (room, room_out) = if self.plain {
            (1 << 17, usize::MAX)
        } else {
            (self.choice.of(&[1000, 20_000, 1 << 20]), self.choice.of(&[200, 5000, 1 << 20]))
        };
        let post = Post {
            fd,
            local: Vec::new(),
            order: 0,
            input: VecDeque::new(),
            unread: 0,
            room,
            on_way: 0,
            room_out,
            arrives: 0,
            shut: false,
            groups: BTreeSet::new(),
            options: BTreeMap::new(),
        };
        self.posts.all.insert(id, post);
        Ok(fd)
    }

    /// The socket for datagrams behind a descriptor, if it is one.
    pub(super) fn post(&mut self, fd: i32) -> Option<&mut Post> {
        let Some(File::Datagrams(id)) = self.files.get(&fd) else { return None };
        self.posts.all.get_mut(id)
    }

    fn post_id(&self, fd: i32) -> Result<u64, Errno> {
        match self.files.get(&fd) {
            Some(File::Datagrams(id)) => Ok(*id),
            Some(_) => Err(::libc::ENOTSOCK),
            None => Err(::libc::EBADF),
        }
    }

    pub(super) fn bind_datagrams(&mut self, fd: i32, name: &[u8]) -> Result<(), Errno> {
        let id = self.post_id(fd)?;
        let mut name = name.get(..NAME).ok_or(::libc::EINVAL)?.to_vec();
        let mine = self.posts.all.get(&id).ok_or(::libc::EBADF)?;
        if !mine.local.is_empty() {
            return Err(::libc::EINVAL);
        }
        if place(&name) == [0, 0] {
            self.next_port += 1;
            name[2..4].copy_from_slice(&self.next_port.to_be_bytes());
        } else if self.posts.all.values().any(|other| mine.conflicts(other, &name)) {
            return Err(::libc::EADDRINUSE);
        }
        self.name_post(id, name);
        Ok(())
    }

    fn name_post(&mut self, id: u64, name: Vec<u8>) {
        self.posts.last += 1;
        let order = self.posts.last;
        if let Some(post) = self.posts.all.get_mut(&id) {
            (post.local, post.order) = (name, order);
        }
    }

    /// Whoever sends has a name.
    fn name_by_itself(&mut self, id: u64) {
        if self.posts.all.get(&id).is_some_and(|post| post.local.is_empty()) {
            self.next_port += 1;
            let mut local = vec![0; NAME];
            local[..2].copy_from_slice(&(::libc::AF_INET as u16).to_ne_bytes());
            local[2..4].copy_from_slice(&self.next_port.to_be_bytes());
            self.name_post(id, local);
        }
    }

    /// send(2) without saying where to.
    pub(super) fn send_nowhere(&mut self, fd: i32) -> Errno {
        self.send_datagram(fd, &[], &[]).err().unwrap_or(::libc::EDESTADDRREQ)
    }

    /// shutdown(2), which says that nobody is connected and does it all the same.
    pub(super) fn shut_datagrams(&mut self, fd: i32) -> Option<Errno> {
        self.post(fd)?.shut = true;
        Some(::libc::ENOTCONN)
    }

    pub(super) fn datagram_events(&self, id: u64) -> u32 {
        let Some(post) = self.posts.all.get(&id) else { return 0 };
        (u32::from(!post.input.is_empty()) * IN) | (u32::from(post.is_writable()) * OUT)
    }

    /// sendto(2).
    pub(super) fn send_datagram(
        &mut self,
        fd: i32,
        bytes: &[u8],
        to: &[u8],
    ) -> Result<usize, Errno> {
        let id = self.post_id(fd)?;
        self.name_by_itself(id);
        let to = to.get(..NAME).ok_or(::libc::EDESTADDRREQ)?;
        if place(to) == [0, 0] {
            return Err(::libc::EINVAL);
        }
        if bytes.len() > LONGEST {
            return Err(::libc::EMSGSIZE);
        }
        let loses = self.posts.loses;
        let flies = self.choice.any_size(self.latency);
        let post = self.posts.all.get_mut(&id).ok_or(::libc::EBADF)?;
        if post.shut {
            return Err(::libc::EPIPE);
        }
        if post.on_way >= post.room_out {
            return Err(::libc::EAGAIN);
        }
        post.on_way += bytes.len();
        let mut name = post.local.clone();
        if is_any(&name) || is_group(host(&name)) {
            name[4..8].copy_from_slice(&[127, 0, 0, 1]);
        }
        let mut at = self.now + flies;
        if !loses {
            at = at.max(post.arrives);
            post.arrives = at;
        }
        self.last_flight += 1;
        let (to, bytes, count) = (to.to_vec(), bytes.to_vec(), bytes.len());
        let flight = Flight::Datagram { to, from: id, name, bytes };
        self.flights.insert((at, self.last_flight), flight);
        Ok(count)
    }

    /// A datagram gets to where it goes to.
    pub(super) fn datagram_comes(&mut self, to: &[u8], from: u64, name: Vec<u8>, bytes: Vec<u8>) {
        if let Some(sender) = self.posts.all.get_mut(&from) {
            let before = sender.is_writable();
            sender.on_way -= bytes.len();
            let (fd, now) = (sender.fd, sender.is_writable());
            if now && !before {
                self.notify(fd, OUT);
            }
        }
        let is_lost = self.posts.loses && self.choice.once_in(6);
        let (group, all) = (is_group(host(to)), &self.posts.all);
        let joined = all.values().any(|post| post.groups.contains(host(to)));
        let mut fit: Vec<_> =
            all.iter().filter_map(|(id, post)| Some((post.fits(to)?, *id))).collect();
        fit.sort_unstable();
        if group && !joined {
            fit.clear();
        } else if !group {
            fit.drain(..fit.len().saturating_sub(1));
        }
        for (_, id) in &fit {
            if is_lost || !self.enqueue(*id, &name, &bytes) {
                self.posts.lost += 1;
            }
        }
        if fit.is_empty() {
            self.posts.lost += 1;
        }
    }

    /// False if there is no room.
    fn enqueue(&mut self, id: u64, from: &[u8], bytes: &[u8]) -> bool {
        let Some(post) = self.posts.all.get_mut(&id) else { return false };
        if post.unread >= post.room {
            return false;
        }
        let first = post.input.is_empty();
        post.unread += bytes.len() + 100;
        post.input.push_back((bytes.to_vec(), from.to_vec()));
        let fd = post.fd;
        *self.posts.came.entry(bytes.to_vec()).or_default() += 1;
        // Newer kernels wake nobody for one that comes behind others.
        if first {
            self.notify(fd, IN);
        }
        true
    }

    /// recvfrom(2): what there was room for, from where it is, and whether it was longer.
    pub(super) fn recv_datagram(
        &mut self,
        fd: i32,
        most: usize,
    ) -> Result<(Vec<u8>, Vec<u8>, bool), Errno> {
        let id = self.post_id(fd)?;
        let post = self.posts.all.get_mut(&id).ok_or(::libc::EBADF)?;
        let (mut bytes, from) = post.input.pop_front().ok_or(::libc::EAGAIN)?;
        post.unread -= bytes.len() + 100;
        self.posts.read += 1;
        // The rest of it is lost.
        let cut = bytes.len() > most;
        bytes.truncate(most);
        Ok((bytes, from, cut))
    }

    /// How many can be taken with one call: a signal may come.
    pub(super) fn few(&mut self, count: usize) -> usize {
        if !self.plain && count > 1 && self.choice.once_in(8) {
            self.choice.between(1, count as u64) as usize
        } else {
            count
        }
    }

    pub(super) fn datagram_option(&mut self, fd: i32, level: i32, name: i32) -> Option<i32> {
        let post = self.post(fd)?;
        Some(match (level, name) {
            (::libc::SOL_SOCKET, ::libc::SO_DOMAIN) => ::libc::AF_INET,
            (::libc::SOL_SOCKET, ::libc::SO_TYPE) => ::libc::SOCK_DGRAM,
            _ => post.options.get(&(level, name)).copied().unwrap_or(0),
        })
    }

    pub(super) fn set_datagram_option(
        &mut self,
        fd: i32,
        level: i32,
        name: i32,
        value: &[u8],
    ) -> Result<(), Errno> {
        let id = self.post_id(fd)?;
        let post = self.posts.all.get_mut(&id).ok_or(::libc::EBADF)?;
        if (level, name) == (::libc::IPPROTO_IP, ::libc::IP_ADD_MEMBERSHIP) {
            let group = value.get(..4).filter(|group| is_group(group)).ok_or(::libc::EINVAL)?;
            let new = post.groups.insert(group.to_vec());
            return if new { Ok(()) } else { Err(::libc::EADDRINUSE) };
        }
        let number = value.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
        post.options.insert((level, name), number);
        Ok(())
    }

    pub(super) fn datagrams_queued(&mut self, fd: i32, request: ::libc::Ioctl) -> Option<usize> {
        let post = self.post(fd)?;
        Some(match request {
            request if request == ::libc::FIONREAD => {
                post.input.front().map_or(0, |(bytes, _)| bytes.len())
            }
            _ => post.on_way,
        })
    }

    pub(super) fn datagrams_name(&mut self, fd: i32) -> Option<Vec<u8>> {
        let post = self.post(fd)?;
        let mut none = vec![0; NAME];
        none[..2].copy_from_slice(&(::libc::AF_INET as u16).to_ne_bytes());
        Some(if post.local.is_empty() { none } else { post.local.clone() })
    }

    pub(super) fn close_datagrams(&mut self, id: u64) {
        self.posts.all.remove(&id);
    }

    /// From now on datagrams get lost on their way, and overtake others.
    pub fn lose_datagrams(&mut self) {
        self.posts.loses = true;
    }

    /// How often a datagram with this in it was put into the queue of a socket.
    pub fn came(&self, bytes: &[u8]) -> u64 {
        self.posts.came.get(bytes).copied().unwrap_or(0)
    }

    /// How many datagrams are in queues.
    pub fn unread_datagrams(&self) -> usize {
        self.posts.all.values().map(|post| post.input.len()).sum()
    }

    /// How many were read, and how many sockets did not get one that was meant for them, or was for nobody.
    pub fn datagrams_read_and_lost(&self) -> (u64, u64) {
        (self.posts.read, self.posts.lost)
    }
}
