//! A peer made of system calls, which can be killed at any byte: ZMTP 3.1 with NULL (RFC 37).

use crate::api::*;
use std::mem::offset_of;
use zmq::sys::sim::{Choice, libc, world};

/// An endpoint as the kernel has it.
#[derive(Clone)]
pub(crate) struct Name(Vec<u8>);

impl Name {
    pub(crate) fn tcp(port: u16) -> Name {
        let mut name = vec![libc::AF_INET as u8, 0];
        name.extend(port.to_be_bytes());
        name.extend([127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        Name(name)
    }

    pub(crate) fn ipc(path: &str) -> Name {
        let mut name = vec![0; offset_of!(libc::sockaddr_un, sun_path)];
        name[0] = libc::AF_UNIX as u8;
        name.extend(path.bytes());
        name.push(0);
        Name(name)
    }

    fn with<T>(&self, call: impl FnOnce(*const libc::sockaddr, u32) -> T) -> T {
        call(self.0.as_ptr().cast(), self.0.len() as u32)
    }

    fn socket(&self) -> i32 {
        // SAFETY: numbers.
        let made = || told(unsafe { libc::socket(i32::from(self.0[0]), libc::SOCK_STREAM, 0) });
        let made = insist(made);
        check(made.is_ok(), || format!("socket: {made:?}"));
        made.unwrap_or(-1)
    }

    /// Listens there.
    pub(crate) fn listen(&self) -> Raw {
        let fd = self.socket();
        // SAFETY: a name as long as told.
        let bind = || told(self.with(|name, length| unsafe { libc::bind(fd, name, length) }));
        let bound = insist(bind);
        // SAFETY: numbers.
        let listens = insist(|| told(unsafe { libc::listen(fd, 10) }));
        check(bound.is_ok() && listens.is_ok(), || format!("listen: {bound:?} {listens:?}"));
        Raw { fd }
    }

    /// Connects, if anybody is there.
    pub(crate) fn connect(&self) -> Option<Raw> {
        let raw = Raw { fd: self.socket() };
        // SAFETY: a name as long as told.
        let rc = self.with(|name, length| unsafe { libc::connect(raw.fd, name, length) });
        // A signal does not end it.
        if rc < 0 && ![libc::EINPROGRESS, libc::EINTR].contains(&errno()) {
            return None;
        }
        raw.wait(libc::POLLOUT, -1);
        Some(raw)
    }
}

/// A descriptor of a peer.
pub(crate) struct Raw {
    fd: i32,
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: ours.
        unsafe { libc::close(self.fd) };
    }
}

impl Raw {
    /// Waits for events; false if it took too long.
    fn wait(&self, events: i16, milliseconds: i32) -> bool {
        let mut one = libc::pollfd { fd: self.fd, events, revents: 0 };
        // SAFETY: one.
        let ready = again(|| told(unsafe { libc::poll(&raw mut one, 1, milliseconds) }));
        check(ready.is_ok(), || format!("poll: {ready:?}"));
        ready.is_ok_and(|ready| ready > 0)
    }

    /// The next who connects, if it does in time.
    pub(crate) fn accept(&self, milliseconds: i32) -> Option<Raw> {
        while self.wait(libc::POLLIN, milliseconds) {
            let mut name = [0u8; 128];
            let mut length = name.len() as u32;
            let place = name.as_mut_ptr().cast();
            // SAFETY: room as told.
            let fd = unsafe { libc::accept4(self.fd, place, &raw mut length, 0) };
            if fd >= 0 {
                return Some(Raw { fd });
            }
            check(failed().0 != 0, || format!("accept: {}", errno()));
        }
        None
    }

    /// Sends all of it, in pieces. False if the other end has gone.
    pub(crate) fn send(&self, choice: &mut Choice, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            pause(choice, 100_000);
            let count = 1 + choice.any_size(bytes.len() as u64 - 1) as usize;
            // SAFETY: as long as told.
            let sent = unsafe { libc::send(self.fd, bytes.as_ptr().cast(), count, 0) };
            match usize::try_from(sent) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(_) if errno() == libc::EAGAIN => drop(self.wait(libc::POLLOUT, -1)),
                Err(_) if errno() == libc::EINTR => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// The same, as fast as the other end takes it.
    pub(crate) fn send_whole(&self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            // SAFETY: as long as told.
            let sent = unsafe { libc::send(self.fd, bytes.as_ptr().cast(), bytes.len(), 0) };
            match usize::try_from(sent) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(_) if errno() == libc::EAGAIN => drop(self.wait(libc::POLLOUT, -1)),
                Err(_) if errno() == libc::EINTR => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Receives so many bytes at most, none at the end of the connection, or if nothing comes in time.
    pub(crate) fn recv(&self, most: usize, milliseconds: i32) -> Vec<u8> {
        let mut bytes = vec![0; most];
        loop {
            // SAFETY: room as told.
            let got = unsafe { libc::recv(self.fd, bytes.as_mut_ptr().cast(), most, 0) };
            match usize::try_from(got) {
                Ok(got) => {
                    bytes.truncate(got);
                    return bytes;
                }
                Err(_) if errno() == libc::EAGAIN && self.wait(libc::POLLIN, milliseconds) => {}
                Err(_) if errno() == libc::EINTR => {}
                Err(_) => return Vec::new(),
            }
        }
    }

    /// Exactly so many bytes, unless the connection ends before.
    fn recv_exactly(&self, count: usize) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            let more = self.recv(count - bytes.len(), -1);
            if more.is_empty() {
                return None;
            }
            bytes.extend(more);
        }
        Some(bytes)
    }

    /// Is killed. How much had come that it has not read.
    pub(crate) fn kill(self) -> usize {
        // Nothing comes in between.
        let unread = world::with(|world, _| {
            let unread = world.kernel.queued(self.fd, libc::FIONREAD);
            let _ = world.kernel.close(self.fd);
            unread
        });
        std::mem::forget(self);
        unread.and_then(Result::ok).unwrap_or_default()
    }

    /// The end of the connection is a reset.
    pub(crate) fn will_reset(&self) {
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        let size = size_of_val(&linger) as u32;
        let (level, name) = (libc::SOL_SOCKET, libc::SO_LINGER);
        let linger = (&raw const linger).cast();
        // SAFETY: as long as told.
        let set = || told(unsafe { libc::setsockopt(self.fd, level, name, linger, size) });
        let set = insist(set);
        check(set.is_ok(), || format!("setsockopt: {set:?}"));
    }

    /// Greets, says what it is, and hears the same from its peer.
    pub(crate) fn shake(&self, choice: &mut Choice, kind: &str) -> bool {
        let mut greeting = vec![0u8; 64];
        greeting[..12].copy_from_slice(&[0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1]);
        greeting[12..16].copy_from_slice(b"NULL");
        let mut ready = b"\x05READY\x0bSocket-Type".to_vec();
        ready.extend((kind.len() as u32).to_be_bytes());
        ready.extend(kind.bytes());
        let mut bytes = greeting;
        bytes.extend([4, ready.len() as u8]);
        bytes.extend(ready);
        if !self.send(choice, &bytes) || self.recv_exactly(64).is_none() {
            return false;
        }
        let head = self.recv_exactly(2);
        let length = head.map(|head| usize::from(head[1]));
        length.is_some_and(|length| self.recv_exactly(length).is_some())
    }
}

/// A frame with this body.
pub(crate) fn frame(body: &[u8], more: bool) -> Vec<u8> {
    let more = u8::from(more);
    let mut bytes = match u8::try_from(body.len()) {
        Ok(length) => vec![more, length],
        Err(_) => [vec![more | 2], (body.len() as u64).to_be_bytes().to_vec()].concat(),
    };
    bytes.extend(body);
    bytes
}

/// Takes whole messages out of what was received. What is left of it is the beginning of the next.
pub(crate) fn cut_messages(bytes: &[u8]) -> (Vec<Vec<Vec<u8>>>, usize) {
    let (mut messages, mut parts) = (Vec::new(), Vec::new());
    let (mut at, mut whole) = (0, 0);
    while let Some(&[flags, short]) = bytes.get(at..at + 2) {
        let (head, length) = if flags & 2 == 0 {
            (2, usize::from(short))
        } else {
            let Some(long) = bytes.get(at + 1..).and_then(|rest| rest.first_chunk()) else { break };
            (9, u64::from_be_bytes(*long) as usize)
        };
        let Some(body) = bytes.get(at + head..at + head + length) else { break };
        at += head + length;
        if flags & 4 != 0 {
            world::note("a command", i64::from(flags), 0);
            continue;
        }
        parts.push(body.to_vec());
        if flags & 1 == 0 {
            messages.push(std::mem::take(&mut parts));
            whole = at;
        }
    }
    (messages, bytes.len() - whole)
}
