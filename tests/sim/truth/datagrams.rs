//! Of the scripts what has to do with datagrams: names that are shared or taken, groups, lengths, who gets what.

use super::{Kind, Name, Outcome, Pair, QUIET, Script, bound_to, inet_at, outcome};
use crate::api::check;
use std::mem::zeroed;
use zmq::sys::sim::libc as model;

/// What a script knows of them.
#[derive(Default)]
pub(super) struct Names {
    /// Ports that sockets have or had, in both kernels.
    ports: Vec<[u16; 2]>,
}

/// Datagrams of one call, at most.
const MOST: usize = 4;

const LOCAL: [u8; 4] = [127, 0, 0, 1];

/// Of this process alone: the real kernel has groups of others, too.
fn group(number: u64) -> [u8; 4] {
    let [low, high, ..] = std::process::id().to_le_bytes();
    [239, high, low, number as u8]
}

fn slots(bytes: &mut [[u8; 600]; MOST], length: usize) -> [libc::iovec; MOST] {
    bytes.each_mut().map(|slot| libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: length })
}

/// With a name of its own for each.
fn list(pieces: &mut [libc::iovec; MOST], names: &mut [Name; MOST]) -> [libc::mmsghdr; MOST] {
    // SAFETY: plain data.
    let mut list: [libc::mmsghdr; MOST] = unsafe { zeroed() };
    for ((entry, piece), name) in list.iter_mut().zip(pieces).zip(names) {
        entry.msg_hdr.msg_iov = piece;
        entry.msg_hdr.msg_iovlen = 1;
        entry.msg_hdr.msg_name = (&raw mut name.0).cast();
        entry.msg_hdr.msg_namelen = name.1;
    }
    list
}

/// Reads all there is: how many of 5000 bytes.
fn drain(pair: Pair, made_up: bool) -> u64 {
    let mut room = vec![0u8; 5000];
    let mut whole = 0;
    loop {
        let place = room.as_mut_ptr().cast();
        // SAFETY: as much room as told.
        let got = unsafe {
            if made_up {
                model::recv(pair.model, place, 5000, QUIET)
            } else {
                libc::recv(pair.real, place, 5000, QUIET)
            }
        };
        if got < 0 {
            return whole;
        }
        whole += u64::from(got == 5000);
    }
}

impl Script {
    /// Host and port as both kernels have them, and what is the same of them.
    fn name_of(&mut self, pair: Pair) -> (Outcome, Outcome) {
        let [real, made_up] = [false, true].map(|made_up| {
            let (host, port) = bound_to(if made_up { pair.model } else { pair.real }, made_up);
            let known = |ports: &[u16; 2]| ports[usize::from(made_up)] == port;
            let at = self.posts.ports.iter().position(known).map_or(-1, |at| at as i64);
            Outcome(if port == 0 { -2 } else { at }, 0, host.map(u64::from).to_vec())
        });
        (real, made_up)
    }

    /// The system has chosen a port.
    fn note_port(&mut self, pair: Pair) {
        let ports = [bound_to(pair.real, false).1, bound_to(pair.model, true).1];
        check((ports[0] == 0) == (ports[1] == 0), || format!("{pair:?} has {ports:?}"));
        if ports[0] != 0 && !self.posts.ports.contains(&ports) {
            self.posts.ports.push(ports);
        }
    }

    fn set_both(&mut self, pair: Pair, level: i32, name: i32, value: &[u8]) {
        let (place, length) = (value.as_ptr().cast(), value.len() as u32);
        let set = both!(fd = pair, setsockopt(fd, level, name, place, length));
        self.agree(&format!("option {level}/{name} of {pair:?} is {value:?}"), set);
    }

    fn new_post(&mut self) {
        let type_ = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let nobody = Pair { real: 0, model: 0, kind: Kind::Udp };
        let made = both!(_fd = nobody, socket(libc::AF_INET, type_, 0));
        let pair = self.add(Kind::Udp, made);
        self.set_both(pair, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &LOCAL);
        if self.choice.once_in(2) {
            self.set_both(pair, libc::SOL_SOCKET, libc::SO_REUSEADDR, &1i32.to_ne_bytes());
        }
        if !self.choice.once_in(4) {
            self.bind_post(pair);
        }
    }

    fn bind_post(&mut self, pair: Pair) {
        let host = match self.choice.below(4) {
            0 | 1 => LOCAL,
            2 => [0; 4],
            _ => group(self.choice.below(2)),
        };
        let new = self.posts.ports.is_empty() || self.choice.once_in(2);
        let count = self.posts.ports.len();
        let ports = if new {
            [0, 7000 + count as u16]
        } else {
            let known = self.posts.ports.clone();
            self.choice.of(&known)
        };
        let names = ports.map(|port| inet_at(host, port));
        // SAFETY: names that live during the calls.
        let results = unsafe {
            let real = libc::bind(pair.real, (&raw const names[0].0).cast(), names[0].1);
            let real = outcome(real);
            let model = model::bind(pair.model, (&raw const names[1].0).cast(), names[1].1);
            (real, outcome(model))
        };
        self.agree(&format!("bind {pair:?} to {host:?}, {ports:?}"), results);
        self.note_port(pair);
        let names = self.name_of(pair);
        self.agree(&format!("name of {pair:?}"), names);
    }

    fn join_post(&mut self, pair: Pair) {
        let group = match self.choice.below(5) {
            0 => LOCAL,
            _ => group(self.choice.below(2)),
        };
        let mut request = [0; 12];
        request[..4].copy_from_slice(&group);
        request[4..8].copy_from_slice(&LOCAL);
        self.set_both(pair, libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, &request);
    }

    fn send_post(&mut self, pair: Pair) {
        let count = self.choice.between(1, MOST as u64) as usize;
        let length = self.choice.any_size(600) as usize;
        let host = match self.choice.below(3) {
            0 => group(self.choice.below(2)),
            _ => LOCAL,
        };
        let known = self.posts.ports.clone();
        let ports = match self.choice.below(8) {
            0 => [0, 0],
            _ if known.is_empty() => [0, 0],
            _ => self.choice.of(&known),
        };
        let first = self.choice.below(200) as u8;
        let mut bytes = [[0u8; 600]; MOST];
        for (at, slot) in bytes.iter_mut().enumerate() {
            slot.fill(first.wrapping_add(at as u8));
        }
        let mut pieces = slots(&mut bytes, length);
        if self.choice.once_in(20) {
            // Longer than any can be: it is looked at first.
            pieces[0].iov_len = 65_508;
            let long = vec![7u8; 65_508];
            pieces[0].iov_base = long.as_ptr().cast_mut().cast();
            return self.send_list(pair, &mut pieces, host, ports, count);
        }
        self.send_list(pair, &mut pieces, host, ports, count);
    }

    fn send_list(
        &mut self,
        pair: Pair,
        pieces: &mut [libc::iovec; MOST],
        host: [u8; 4],
        ports: [u16; 2],
        count: usize,
    ) {
        let mut names = ports.map(|port| [inet_at(host, port); MOST]);
        // SAFETY: as many entries as told, of bytes and names that live during the calls.
        let mut results = unsafe {
            let [real, made_up] = &mut names;
            let mut told = list(pieces, real);
            let sent = libc::sendmmsg(pair.real, told.as_mut_ptr(), count as u32, QUIET as _);
            let mut real = outcome(i64::from(sent));
            real.2 = told[..sent.max(0) as usize].iter().map(|e| u64::from(e.msg_len)).collect();
            let mut told = list(pieces, made_up);
            let sent = model::sendmmsg(pair.model, told.as_mut_ptr(), count as u32, QUIET);
            let mut made_up = outcome(sent as i64);
            made_up.2 = told[..sent.max(0) as usize].iter().map(|e| u64::from(e.msg_len)).collect();
            (real, made_up)
        };
        if results.0.1 == libc::ENETUNREACH {
            // Where there is no route to a group.
            results.0 = results.1.clone();
        }
        self.agree(&format!("{pair:?} sends {count} to {host:?}, {ports:?}"), results);
        self.note_port(pair);
        let names = self.name_of(pair);
        self.agree(&format!("name of {pair:?}"), names);
    }

    fn recv_post(&mut self, pair: Pair) {
        let count = self.choice.between(1, MOST as u64) as u32;
        let length = self.choice.of(&[600, 600, 100, 10, 0]);
        let ports = self.posts.ports.clone();
        let [real, made_up] = [false, true].map(|made_up| {
            let mut bytes = [[0u8; 600]; MOST];
            let mut pieces = slots(&mut bytes, length);
            let mut names = [inet_at([0; 4], 0); MOST];
            let mut told = list(&mut pieces, &mut names);
            let place = told.as_mut_ptr();
            let none = std::ptr::null_mut();
            // SAFETY: as many entries as told, of room for bytes and names that lives during the calls.
            let got = unsafe {
                if made_up {
                    model::recvmmsg(pair.model, place, count, QUIET) as i64
                } else {
                    i64::from(libc::recvmmsg(pair.real, place, count, QUIET as _, none))
                }
            };
            let mut result = outcome(got);
            for at in 0..got.max(0) as usize {
                let (length, flags) = (told[at].msg_len, told[at].msg_hdr.msg_flags);
                let (host, port) = super::host_and_port(&names[at]);
                let known = |ports: &[u16; 2]| ports[usize::from(made_up)] == port;
                let from = ports.iter().position(known).map_or(u64::MAX, |at| at as u64);
                result.2.extend([u64::from(length), flags as u64, from]);
                result.2.extend(host.map(u64::from));
                result.2.extend(bytes[at][..length as usize].iter().map(|byte| u64::from(*byte)));
            }
            result
        });
        self.agree(&format!("{pair:?} receives {count} up to {length}"), (real, made_up));
    }

    /// More than there is room for: some are lost, in both kernels, and nobody is told.
    fn flood_post(&mut self, pair: Pair) {
        let (host, port) = bound_to(pair.real, false);
        let ports = [port, bound_to(pair.model, true).1];
        if host != LOCAL || port == 0 {
            return;
        }
        let long = vec![3u8; 5000];
        for _ in 0..100 {
            let piece = libc::iovec { iov_base: long.as_ptr().cast_mut().cast(), iov_len: 5000 };
            self.send_list(pair, &mut [piece; MOST], host, ports, MOST);
        }
        zmq::sys::sim::sleep(std::time::Duration::from_millis(5));
        // Of two with the same name the other may get them.
        let all: Vec<Pair> = self.pairs.iter().filter(|p| p.kind == Kind::Udp).copied().collect();
        for pair in all {
            let came = [false, true].map(|made_up| drain(pair, made_up));
            let same = (came[0] == 0) == (came[1] == 0);
            check(same && came.iter().all(|came| *came < 400), || {
                format!("{came:?} of 400 have come to {pair:?}")
            });
        }
    }

    /// What makes no sense.
    fn misuse_post(&mut self, pair: Pair) {
        let byte = [1u8];
        let from = byte.as_ptr().cast();
        let sent = both!(fd = pair, send(fd, from, 1, QUIET));
        self.agree(&format!("send to nobody by {pair:?}"), sent);
        let listens = both!(fd = pair, listen(fd, 1));
        self.agree(&format!("listen {pair:?}"), listens);
        let shut = both!(fd = pair, shutdown(fd, libc::SHUT_WR));
        self.agree(&format!("shutdown {pair:?}"), shut);
        self.error_of(pair);
    }

    /// One step of a script.
    pub(super) fn step_with_datagrams(&mut self) {
        let Some(pair) = self.pick(&[Kind::Udp]).filter(|_| !self.choice.once_in(6)) else {
            if self.pairs.len() < 12 {
                self.new_post();
            }
            return;
        };
        match self.choice.below(14) {
            0 => self.bind_post(pair),
            1 | 2 => self.join_post(pair),
            3..=7 => self.send_post(pair),
            8 => self.misuse_post(pair),
            9 if self.choice.once_in(4) => self.flood_post(pair),
            _ => self.recv_post(pair),
        }
    }
}
