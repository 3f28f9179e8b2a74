//! What goes from one end of a connection to the other.
//!
//! Over TCP it is on its way for a while, and the end that has gone answers what still comes with a
//! reset. Unix domain sockets hand over at once.

use super::kernel::Kernel;
use super::objects::{Errno, Flight, Stage};

const IN: u32 = ::libc::EPOLLIN as u32;
const OUT: u32 = ::libc::EPOLLOUT as u32;

/// As poll(2) has it: not just any room, so that nobody is woken for next to nothing.
fn is_ample(free: usize, room: usize) -> bool {
    free * 3 >= room && free > 0
}

impl Kernel {
    /// Something happened to a socket.
    pub(super) fn tell(&mut self, id: u64, events: u32) {
        if let Some(fd) = self.socks.get(&id).and_then(|sock| sock.fd) {
            self.notify(fd, events);
        }
    }

    /// Sends something off; it arrives behind what was sent off by the same socket before.
    pub(super) fn send_off(&mut self, from: u64, flight: Flight) {
        let time = self.choice.any_size(self.latency);
        self.send_off_later(from, time, flight);
    }

    pub(super) fn send_off_later(&mut self, from: u64, time: u64, flight: Flight) {
        let mut at = self.now + time;
        if let Some(sock) = self.socks.get_mut(&from) {
            at = at.max(sock.arrives);
            sock.arrives = at;
        }
        self.last_flight += 1;
        self.flights.insert((at, self.last_flight), flight);
    }

    /// When something arrives next.
    pub(super) fn next_arrival(&self) -> Option<u64> {
        self.flights.keys().next().map(|(at, _)| *at)
    }

    /// It is this late now.
    pub(super) fn arrive(&mut self, now: u64) {
        self.now = now;
        while self.next_arrival().is_some_and(|at| at <= now) {
            match self.flights.pop_first() {
                Some((_, Flight::Knock(id))) => self.knock(id),
                Some((_, Flight::Bytes { to, from, bytes })) => self.bytes_come(to, from, &bytes),
                Some((_, Flight::End { to })) => self.end_comes(to),
                Some((_, Flight::Reset { to })) => self.reset_comes(to),
                Some((_, Flight::Datagram { to, from, name, bytes })) => {
                    self.datagram_comes(&to, from, name, bytes);
                }
                None => {}
            }
        }
    }

    fn bytes_come(&mut self, to: u64, from: u64, bytes: &[u8]) {
        if let Some(from) = self.socks.get_mut(&from) {
            from.on_way -= bytes.len();
        }
        match self.socks.get_mut(&to) {
            Some(sock) if sock.stage == Stage::Connected => {
                sock.input.extend(bytes);
                if sock.input.len() >= sock.low_water {
                    self.tell(to, IN);
                }
            }
            // Nobody is there any more.
            _ => {
                self.held.remove(&to);
                self.send_off(to, Flight::Reset { to: from });
            }
        }
    }

    fn end_comes(&mut self, to: u64) {
        let Some(sock) = self.socks.get_mut(&to) else {
            if self.held.contains_key(&to) {
                self.hold_port(to);
            }
            return;
        };
        sock.ended = true;
        if sock.shut && sock.first {
            self.hold_port(to);
        }
        self.tell(to, 0);
    }

    fn reset_comes(&mut self, to: u64) {
        self.held.remove(&to);
        let Some(sock) = self.socks.get(&to) else { return };
        match (sock.ended, sock.shut) {
            // There is no connection any more.
            (true, true) => {}
            (true, false) => self.fail(to, ::libc::EPIPE),
            (false, _) => self.fail(to, ::libc::ECONNRESET),
        }
    }

    /// A connection, or an attempt at one, comes to nothing.
    pub(super) fn fail(&mut self, id: u64, error: Errno) {
        if let Some(sock) = self.socks.get_mut(&id)
            && matches!(sock.stage, Stage::Connecting | Stage::Connected)
        {
            (sock.stage, sock.error) = (Stage::Dead, error);
            self.tell(id, 0);
        }
    }

    /// How many bytes a socket can send now.
    fn free(&self, id: u64) -> (usize, usize) {
        let Some(sock) = self.socks.get(&id) else { return (0, 0) };
        let peer = self.socks.get(&sock.peer);
        let (used, room) = peer.map_or((0, sock.room), |peer| (peer.input.len(), peer.room));
        (room.saturating_sub(used + sock.on_way), room)
    }

    pub(super) fn sock_events(&mut self, id: u64) -> u32 {
        let (free, room) = self.free(id);
        let Some(sock) = self.socks.get_mut(&id) else { return 0 };
        let hung_up = (::libc::EPOLLHUP | ::libc::EPOLLRDHUP) as u32;
        let failed = if sock.error == 0 { 0 } else { ::libc::EPOLLERR as u32 };
        match sock.stage {
            Stage::New => OUT | ::libc::EPOLLHUP as u32,
            Stage::Listening => u32::from(!sock.waiting.is_empty()) * IN,
            Stage::Connecting => 0,
            Stage::Dead => IN | OUT | hung_up | failed,
            Stage::Connected => {
                let mut events = failed;
                if sock.input.len() >= sock.low_water.max(1) {
                    events |= IN;
                }
                if sock.ended {
                    events |= IN | ::libc::EPOLLRDHUP as u32;
                }
                if sock.ended && sock.shut {
                    events |= ::libc::EPOLLHUP as u32;
                }
                if sock.shut || is_ample(free, room) {
                    events |= OUT;
                } else {
                    sock.wants_room = true;
                }
                events
            }
        }
    }

    /// send(2).
    pub fn send(&mut self, fd: i32, bytes: &[u8]) -> Result<usize, Errno> {
        if self.post(fd).is_some() {
            return Err(self.send_nowhere(fd));
        }
        let id = self.sock_id(fd)?;
        let (free, _) = self.free(id);
        let peer = self.sock(fd)?.peer;
        let gone = !self.socks.contains_key(&peer);
        let sock = self.sock(fd)?;
        if sock.error != 0 && !sock.is_unix() {
            return Err(std::mem::take(&mut sock.error));
        }
        match sock.stage {
            Stage::Connecting => return Err(::libc::EAGAIN),
            Stage::Connected if !(sock.shut || gone && sock.is_unix()) => {}
            Stage::New => return Err(::libc::ENOTCONN),
            _ => return Err(::libc::EPIPE),
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        if free == 0 {
            sock.wants_room = true;
            return Err(::libc::EAGAIN);
        }
        let mut count = bytes.len().min(free);
        let (to, unix) = (sock.peer, sock.is_unix());
        if !self.plain && self.choice.once_in(8) {
            count = self.choice.between(1, count as u64) as usize;
        }
        let sock = self.sock(fd)?;
        sock.wants_room |= count < bytes.len();
        let bytes = &bytes[..count];
        if unix {
            if let Some(peer) = self.socks.get_mut(&to) {
                peer.input.extend(bytes);
            }
            self.tell(to, IN);
        } else {
            sock.on_way += count;
            self.send_off(id, Flight::Bytes { to, from: id, bytes: bytes.to_vec() });
        }
        Ok(count)
    }

    /// recv(2).
    pub fn recv(&mut self, fd: i32, most: usize) -> Result<Vec<u8>, Errno> {
        if self.post(fd).is_some() {
            return self.recv_datagram(fd, most).map(|(bytes, ..)| bytes);
        }
        let sock = self.sock(fd)?;
        if sock.input.is_empty() || most == 0 {
            return match sock.stage {
                // The end that came before the reset.
                Stage::Dead if sock.ended && !sock.is_unix() => Ok(Vec::new()),
                _ if sock.error != 0 => Err(std::mem::take(&mut sock.error)),
                _ if most == 0 => Ok(Vec::new()),
                Stage::Dead => Ok(Vec::new()),
                Stage::Connected if sock.ended => Ok(Vec::new()),
                Stage::New | Stage::Listening if sock.is_unix() => Err(::libc::EINVAL),
                Stage::New | Stage::Listening => Err(::libc::ENOTCONN),
                _ => Err(::libc::EAGAIN),
            };
        }
        let count = most.min(sock.input.len());
        let bytes = sock.input.drain(..count).collect();
        let peer = sock.peer;
        self.make_room(peer);
        Ok(bytes)
    }

    /// The other end has read something.
    fn make_room(&mut self, id: u64) {
        let (free, room) = self.free(id);
        if let Some(sock) = self.socks.get_mut(&id)
            && sock.wants_room
            && is_ample(free, room)
        {
            sock.wants_room = false;
            self.tell(id, OUT);
        }
    }

    /// shutdown(2) of the sending side.
    pub fn shut(&mut self, fd: i32) -> Result<(), Errno> {
        if let Some(error) = self.shut_datagrams(fd) {
            return Err(error);
        }
        let id = self.sock_id(fd)?;
        let sock = self.sock(fd)?;
        let unix = sock.is_unix();
        if sock.stage != Stage::Connected || !unix && sock.shut && sock.ended {
            // Whoever waits is woken all the same.
            self.tell(id, 0);
            return if unix { Ok(()) } else { Err(::libc::ENOTCONN) };
        }
        let (to, again) = (sock.peer, std::mem::replace(&mut sock.shut, true));
        sock.first |= !sock.ended;
        if unix {
            // The peer hears it each time.
            self.end_comes(to);
        } else if !again {
            self.send_off(id, Flight::End { to });
        }
        self.tell(id, 0);
        Ok(())
    }

    /// The last descriptor of a socket is closed.
    pub(super) fn close_sock(&mut self, id: u64) {
        let Some(sock) = self.socks.get(&id) else { return };
        let (to, unix) = (sock.peer, sock.is_unix());
        let resets = !sock.input.is_empty() || sock.aborts;
        let (stage, shut, ended) = (sock.stage, sock.shut, sock.ended);
        let resets = resets && (unix || !(shut && sock.ended));
        for waiting in sock.waiting.clone() {
            // Nobody has accepted them, nor will.
            if let Some(sock) = self.socks.get_mut(&waiting) {
                sock.aborts = true;
            }
            self.close_sock(waiting);
        }
        if stage == Stage::Connected && unix {
            let error = if resets { ::libc::ECONNRESET } else { 0 };
            self.fail(to, error);
        } else if stage == Stage::Connected && resets {
            self.lose_some(id);
            self.send_off(id, Flight::Reset { to });
        } else if stage == Stage::Connected && !(shut && ended) {
            if !shut {
                self.send_off(id, Flight::End { to });
            }
            if !ended {
                self.hold_port(id);
            }
        }
        self.socks.remove(&id);
    }

    /// Somebody between them cuts one of the connections: both ends get a reset.
    pub fn cut(&mut self) {
        let socks = self.socks.iter().filter(|(_, sock)| sock.stage == Stage::Connected);
        let ids: Vec<u64> = socks.map(|(id, _)| *id).collect();
        if ids.is_empty() {
            return;
        }
        let id = self.choice.of(&ids);
        let peer = self.socks.get(&id).map_or(0, |sock| sock.peer);
        for end in [id, peer] {
            self.lose_some(end);
            self.fail(end, ::libc::ECONNRESET);
        }
    }

    /// A reset throws away what has not left yet.
    fn lose_some(&mut self, id: u64) {
        let sent = |flight: &Flight| matches!(flight, Flight::Bytes { from, .. } if *from == id);
        let flights = self.flights.iter().filter(|(_, flight)| sent(flight));
        let mine: Vec<_> = flights.map(|(at, _)| *at).collect();
        let kept = self.choice.below(mine.len() as u64 + 1) as usize;
        mine.iter().skip(kept).for_each(|at| drop(self.flights.remove(at)));
    }
}
