//! Sockets: their names, listening, connecting and accepting.

use super::kernel::Kernel;
use super::objects::{Errno, File, Flight, Sock, Stage, place};
use std::collections::{BTreeMap, VecDeque};

impl Kernel {
    fn new_sock(&mut self, family: i32) -> u64 {
        self.last_sock += 1;
        let room = self.choice.of(&self.rooms);
        let sock = Sock {
            fd: None,
            family,
            stage: Stage::New,
            peer: 0,
            input: VecDeque::new(),
            room,
            on_way: 0,
            arrives: 0,
            ended: false,
            shut: false,
            first: false,
            bound: false,
            error: 0,
            wants_room: false,
            low_water: 1,
            aborts: false,
            local: Vec::new(),
            remote: Vec::new(),
            backlog: 0,
            waiting: VecDeque::new(),
            options: BTreeMap::new(),
        };
        self.socks.insert(self.last_sock, sock);
        self.last_sock
    }

    /// The socket behind a descriptor.
    pub(super) fn sock_id(&self, fd: i32) -> Result<u64, Errno> {
        match self.files.get(&fd) {
            Some(File::Socket(id)) => Ok(*id),
            Some(File::Datagrams(_)) => Err(::libc::EOPNOTSUPP),
            Some(_) => Err(::libc::ENOTSOCK),
            None => Err(::libc::EBADF),
        }
    }

    pub(super) fn sock(&mut self, fd: i32) -> Result<&mut Sock, Errno> {
        let id = self.sock_id(fd)?;
        self.socks.get_mut(&id).ok_or(::libc::EBADF)
    }

    /// socket(2).
    pub fn socket(&mut self, family: i32, kind: i32) -> Result<i32, Errno> {
        if kind & 0xf == ::libc::SOCK_DGRAM {
            return self.datagram_socket(family);
        }
        let id = self.new_sock(family);
        let made = self.new_fd(File::Socket(id));
        match made {
            Ok(fd) => self.socks.get_mut(&id).into_iter().for_each(|sock| sock.fd = Some(fd)),
            Err(_) => drop(self.socks.remove(&id)),
        }
        made
    }

    /// bind(2).
    pub fn bind(&mut self, fd: i32, name: &[u8]) -> Result<(), Errno> {
        if self.post(fd).is_some() {
            return self.bind_datagrams(fd, name);
        }
        let id = self.sock_id(fd)?;
        let mut name = name.to_vec();
        let unix = self.sock(fd)?.is_unix();
        if !self.sock(fd)?.local.is_empty() {
            return Err(::libc::EINVAL);
        }
        let path = place(&name).to_vec();
        let is_file = unix && path.first().is_some_and(|first| *first != 0);
        if !unix && path == [0, 0] {
            self.next_port += 1;
            name[2..4].copy_from_slice(&self.next_port.to_be_bytes());
        } else if !unix {
            if self.is_taken(id, &name) {
                return Err(::libc::EADDRINUSE);
            }
        } else {
            let used = |(other, sock): (&u64, &Sock)| {
                *other != id && sock.stage == Stage::Listening && sock.is_at(&name)
            };
            if is_file && !self.paths.insert(path) || !is_file && self.socks.iter().any(used) {
                return Err(::libc::EADDRINUSE);
            }
        }
        let sock = self.sock(fd)?;
        (sock.local, sock.bound) = (name, true);
        Ok(())
    }

    /// unlink(2).
    pub fn unlink(&mut self, path: &[u8]) -> Result<(), Errno> {
        if self.paths.remove(path) { Ok(()) } else { Err(::libc::ENOENT) }
    }

    /// listen(2).
    pub fn listen(&mut self, fd: i32, backlog: usize) -> Result<(), Errno> {
        let id = self.sock_id(fd)?;
        let name = self.sock(fd)?.local.clone();
        if !self.sock(fd)?.is_unix() && !name.is_empty() && self.is_taken(id, &name) {
            return Err(::libc::EADDRINUSE);
        }
        let sock = self.sock(fd)?;
        (sock.stage, sock.backlog) = (Stage::Listening, backlog);
        Ok(())
    }

    fn listener(&self, name: &[u8]) -> Option<u64> {
        let path = place(name);
        let is_file = self.socks.values().any(|sock| sock.is_unix() && sock.is_at(name))
            && path.first().is_some_and(|first| *first != 0);
        if is_file && !self.paths.contains(path) {
            return None;
        }
        let mut listening = self.socks.iter().filter(|(_, sock)| sock.stage == Stage::Listening);
        listening.find(|(_, sock)| sock.is_at(name)).map(|(id, _)| *id)
    }

    /// connect(2).
    pub fn connect(&mut self, fd: i32, name: &[u8]) -> Result<(), Errno> {
        let id = self.sock_id(fd)?;
        let sock = self.sock(fd)?;
        match sock.stage {
            Stage::New => sock.remote = name.to_vec(),
            Stage::Connecting => return Err(::libc::EALREADY),
            _ => return Err(::libc::EISCONN),
        }
        if sock.is_unix() {
            let listener = self.listener(name).ok_or(::libc::ECONNREFUSED)?;
            if self.is_crowded(listener) {
                return Err(::libc::EAGAIN);
            }
            self.join_up(id, listener);
            return Ok(());
        }
        sock.stage = Stage::Connecting;
        let mut local = name.to_vec();
        self.next_port += 1;
        local[2..4].copy_from_slice(&self.next_port.to_be_bytes());
        if self.sock(fd)?.local.is_empty() {
            self.sock(fd)?.local = local;
        }
        self.send_off(id, Flight::Knock(id));
        Err(::libc::EINPROGRESS)
    }

    fn is_crowded(&self, listener: u64) -> bool {
        self.socks.get(&listener).is_some_and(|sock| sock.waiting.len() > sock.backlog)
    }

    /// A connection attempt gets to where it goes to.
    pub(super) fn knock(&mut self, id: u64) {
        let Some(sock) = self.socks.get(&id) else { return };
        match self.listener(&sock.remote) {
            None => {
                self.fail(id, ::libc::ECONNREFUSED);
            }
            Some(listener) if self.is_crowded(listener) => {
                // TCP asks again.
                self.send_off_later(id, 1_000_000_000, Flight::Knock(id));
            }
            Some(listener) => {
                self.join_up(id, listener);
                self.tell(id, ::libc::EPOLLOUT as u32);
            }
        }
    }

    /// Two ends of a connection, of which the other waits to be accepted.
    fn join_up(&mut self, id: u64, listener: u64) {
        let Some(host) = self.socks.get(&listener) else { return };
        let (family, local) = (host.family, host.local.clone());
        let option = (::libc::SOL_SOCKET, ::libc::SO_REUSEADDR);
        let inherits = host.options.get(&option).copied();
        self.connections += 1;
        let far = self.new_sock(family);
        let Some(near) = self.socks.get_mut(&id) else { return };
        (near.stage, near.peer) = (Stage::Connected, far);
        let remote = near.local.clone();
        if let Some(far) = self.socks.get_mut(&far) {
            (far.stage, far.peer, far.local, far.remote) = (Stage::Connected, id, local, remote);
            far.options.extend(inherits.map(|value| (option, value)));
        }
        if let Some(listener) = self.socks.get_mut(&listener) {
            listener.waiting.push_back(far);
        }
        self.tell(listener, ::libc::EPOLLIN as u32);
    }

    /// accept(2): the descriptor, and the name of the peer.
    pub fn accept(&mut self, fd: i32) -> Result<(i32, Vec<u8>), Errno> {
        let sock = self.sock(fd)?;
        if sock.stage != Stage::Listening {
            return Err(::libc::EINVAL);
        }
        let id = *sock.waiting.front().ok_or(::libc::EAGAIN)?;
        let new = self.new_fd(File::Socket(id))?;
        self.sock(fd)?.waiting.pop_front();
        let sock = self.socks.get_mut(&id).ok_or(::libc::ECONNABORTED)?;
        sock.fd = Some(new);
        Ok((new, sock.remote.clone()))
    }

    /// Who waits to be accepted first is given up; the error that accept(2) has then.
    pub(super) fn give_up_waiting(&mut self, fd: i32) -> Errno {
        match self.sock(fd).ok().and_then(|sock| sock.waiting.pop_front()) {
            Some(id) => {
                self.socks.get_mut(&id).into_iter().for_each(|sock| sock.aborts = true);
                self.close_sock(id);
                ::libc::ECONNABORTED
            }
            None => ::libc::EAGAIN,
        }
    }

    /// getsockname(2).
    pub fn local_name(&mut self, fd: i32) -> Result<Vec<u8>, Errno> {
        if let Some(name) = self.datagrams_name(fd) {
            return Ok(name);
        }
        let sock = self.sock(fd)?;
        if sock.local.is_empty() {
            return Ok((sock.family as u16).to_ne_bytes().to_vec());
        }
        Ok(sock.local.clone())
    }

    /// getpeername(2).
    pub fn remote_name(&mut self, fd: i32) -> Result<Vec<u8>, Errno> {
        if self.post(fd).is_some() {
            return Err(::libc::ENOTCONN);
        }
        let sock = self.sock(fd)?;
        match sock.stage {
            Stage::Connected | Stage::Dead if sock.remote.is_empty() => {
                Ok((sock.family as u16).to_ne_bytes().to_vec())
            }
            Stage::Connected => Ok(sock.remote.clone()),
            _ => Err(::libc::ENOTCONN),
        }
    }
}
