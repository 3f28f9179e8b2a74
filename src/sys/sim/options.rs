//! Options of sockets, and how full their queues are.

use super::kernel::Kernel;
use super::objects::{Errno, Stage};

impl Kernel {
    /// setsockopt(2).
    pub fn set_option(
        &mut self,
        fd: i32,
        level: i32,
        name: i32,
        value: &[u8],
    ) -> Result<(), Errno> {
        if self.post(fd).is_some() {
            return self.set_datagram_option(fd, level, name, value);
        }
        let id = self.sock_id(fd)?;
        let sock = self.sock(fd)?;
        let number = value.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
        match (level, name) {
            (::libc::SOL_SOCKET, ::libc::SO_LINGER) => {
                let time = value.last_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
                sock.aborts = number != 0 && time == 0;
            }
            (::libc::SOL_SOCKET, ::libc::SO_RCVLOWAT) => {
                sock.low_water = number.max(1) as usize;
                if sock.input.len() >= sock.low_water || sock.ended {
                    self.tell(id, ::libc::EPOLLIN as u32);
                }
            }
            _ => drop(sock.options.insert((level, name), number)),
        }
        Ok(())
    }

    /// getsockopt(2) of a number.
    pub fn option(&mut self, fd: i32, level: i32, name: i32) -> Result<i32, Errno> {
        if let Some(value) = self.datagram_option(fd, level, name) {
            return Ok(value);
        }
        let sock = self.sock(fd)?;
        if level != ::libc::SOL_SOCKET {
            return Ok(sock.options.get(&(level, name)).copied().unwrap_or(0));
        }
        Ok(match name {
            ::libc::SO_ERROR => std::mem::take(&mut sock.error),
            ::libc::SO_DOMAIN => sock.family,
            ::libc::SO_TYPE => ::libc::SOCK_STREAM,
            ::libc::SO_ACCEPTCONN => i32::from(sock.stage == Stage::Listening),
            ::libc::SO_RCVLOWAT => sock.low_water as i32,
            _ => sock.options.get(&(level, name)).copied().unwrap_or(0),
        })
    }

    /// ioctl(2) of what asks how full a queue is.
    pub fn queued(&mut self, fd: i32, request: ::libc::Ioctl) -> Result<usize, Errno> {
        if let Some(count) = self.datagrams_queued(fd, request) {
            return Ok(count);
        }
        let sock = self.sock(fd)?;
        let (unix, peer) = (sock.is_unix(), sock.peer);
        match request {
            request if request == ::libc::FIONREAD => Ok(sock.input.len()),
            request if request == ::libc::TIOCOUTQ => {
                let on_way = sock.on_way;
                let unread = self.socks.get(&peer).map_or(0, |peer| peer.input.len());
                Ok(if unix { unread } else { on_way })
            }
            _ if unix => Err(::libc::EINVAL),
            _ => Ok(0),
        }
    }
}
