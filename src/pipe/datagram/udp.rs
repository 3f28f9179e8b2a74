//! Sockets of UDP: each message is a datagram of its own.

use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::sys::fd::OwnedFd;
use crate::sys::net::{self, MOST_DATAGRAMS, Slots, SockAddr};
use crate::types::Datagrams;
use crate::util::memory::try_room;
use crate::wire::datagram;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, RawFd};

/// Datagrams that are read, or errors, before others have their turn.
const GATHERED: usize = 1000;

/// Bytes of sent datagrams that stay before the others are moved to the front.
pub(super) const SLACK: usize = 64 << 10;

/// The socket, and what waits to be sent.
#[derive(Debug)]
pub struct Udp {
    fd: OwnedFd,
    pub(super) kind: Datagrams,
    /// Where all goes, if that is one address.
    pub(super) to: Option<SockAddr>,
    /// The first part of a message, whose second is yet to come.
    pub(super) head: Option<Msg>,
    out: Outbox,
}

/// Datagrams that the kernel has not taken, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    /// Where the first begins.
    pub(super) begin: usize,
    /// How long each is, and where it goes to if not all go to the same address.
    pub(super) sizes: VecDeque<(usize, Option<SocketAddr>)>,
}

impl Outbox {
    /// # Errors
    /// `NoMemory`; nothing has happened then.
    pub(super) fn push(&mut self, pieces: [&[u8]; 3], to: Option<SocketAddr>) -> Result<()> {
        let size = pieces.iter().map(|piece| piece.len()).sum();
        try_room(&mut self.bytes, size)?;
        try_room(&mut self.sizes, 1)?;
        pieces.iter().for_each(|piece| self.bytes.extend_from_slice(piece));
        self.sizes.push_back((size, to));
        Ok(())
    }

    /// The first ones, with where they go to: how many.
    pub(super) fn first<'a>(&'a self, to: &SockAddr, batch: &mut [(&'a [u8], SockAddr)]) -> usize {
        let mut begin = self.begin;
        let mut count = 0;
        for (place, &(size, own)) in batch.iter_mut().zip(&self.sizes) {
            let bytes = self.bytes.get(begin..begin + size).unwrap_or_default();
            *place = (bytes, own.map_or(*to, SockAddr::from));
            begin += size;
            count += 1;
        }
        count
    }

    /// The first ones are gone.
    pub(super) fn pass(&mut self, count: usize) {
        self.begin +=
            self.sizes.drain(..count.min(self.sizes.len())).map(|(size, _)| size).sum::<usize>();
        if self.sizes.is_empty() {
            self.bytes.clear();
            self.begin = 0;
        } else if self.begin >= SLACK {
            self.bytes.drain(..self.begin);
            self.begin = 0;
        }
    }

    /// Gives back what an idle socket does not need.
    fn trim(&mut self) {
        if self.sizes.is_empty() {
            *self = Outbox::default();
        }
    }
}

impl Udp {
    /// Of a socket that does not block.
    pub fn new(fd: OwnedFd, kind: Datagrams, to: Option<SockAddr>) -> Udp {
        Udp { fd, kind, to, head: None, out: Outbox::default() }
    }

    pub(super) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    pub(super) fn unsent(&self) -> usize {
        self.out.sizes.len()
    }

    pub(super) fn trim(&mut self) {
        self.out.trim();
    }

    /// Writes a part; with the second the datagram is whole. One that goes nowhere is dropped, as libzmq does.
    ///
    /// # Errors
    /// `NoMemory`; nothing has happened then.
    pub(super) fn write(&mut self, msg: &mut Msg) -> Result<()> {
        if msg.more() {
            self.head = Some(msg.take());
            return Ok(());
        }
        let head = self.head.as_ref().map_or(&[][..], Msg::data);
        if self.kind == Datagrams::Addressed {
            if let Some(to) = address(head) {
                self.out.push([&[], &[], msg.data()], Some(to))?;
            }
        } else if let Some((length, group)) = datagram::head(head) {
            self.out.push([&length, group, msg.data()], None)?;
        }
        self.head = None;
        drop(msg.take());
        Ok(())
    }

    /// Hands what is written to the kernel. True if that takes no more at the moment.
    pub(super) fn flush(&mut self) -> bool {
        let to = self.to.unwrap_or_else(|| SockAddr::from(SocketAddr::from(([0, 0, 0, 0], 0))));
        while self.unsent() > 0 {
            let mut batch = [(&[][..], to); MOST_DATAGRAMS];
            let count = self.out.first(&to, &mut batch);
            match net::send_datagrams(self.fd.as_fd(), batch.get(..count).unwrap_or_default()) {
                Ok(sent) => self.out.pass(sent),
                Err(Error::Again) => return true,
                // Too long, no way there, a device that is full, or what became of an earlier one.
                Err(_) => self.out.pass(1),
            }
        }
        false
    }

    /// Takes what the kernel has, as many messages as there is room for (0: any number).
    pub(super) fn gather(
        &mut self,
        slots: &mut Slots,
        limit: usize,
        inbox: &mut VecDeque<Msg>,
    ) -> Gathered {
        let (kind, fd) = (self.kind, self.fd.as_fd());
        gather_from(limit, inbox, |room, inbox| {
            slots.receive(fd, room, |bytes, from| take_in(kind, inbox, bytes, from))
        })
    }
}

/// What a look at the kernel has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gathered {
    /// So many datagrams came, whatever ended the look.
    pub(super) came: u64,
    /// Whether there may be more. `NoMemory`: there may, and nothing of it is lost.
    pub(super) more: Result<bool>,
}

/// The same from where `receive` takes it: as many datagrams as it is told.
pub(super) fn gather_from(
    limit: usize,
    inbox: &mut VecDeque<Msg>,
    mut receive: impl FnMut(usize, &mut VecDeque<Msg>) -> Result<usize>,
) -> Gathered {
    let (mut left, mut came) = (GATHERED, 0);
    while left > 0 {
        let room = match limit {
            0 => MOST_DATAGRAMS,
            limit => limit.saturating_sub(inbox.len() / 2).min(MOST_DATAGRAMS),
        };
        if room == 0 {
            break;
        }
        match receive(room, inbox) {
            Ok(count) => {
                left = left.saturating_sub(count);
                came += count as u64;
                if count < room {
                    return Gathered { came, more: Ok(false) };
                }
            }
            Err(Error::Again) => return Gathered { came, more: Ok(false) },
            Err(Error::NoMemory) => return Gathered { came, more: Err(Error::NoMemory) },
            // Of one that was sent, mostly: nobody listens there.
            Err(_) => left -= 1,
        }
    }
    Gathered { came, more: Ok(true) }
}

/// A datagram becomes a message. One that is none, or that there is no memory for, is dropped.
fn take_in(kind: Datagrams, inbox: &mut VecDeque<Msg>, bytes: &[u8], from: &SockAddr) {
    let parts = match kind {
        Datagrams::Addressed => from.to_inet().map(|from| {
            // The zero at its end is part of it, as with libzmq.
            let head = Msg::copy_from(format!("{from}\0").as_bytes());
            (head, Msg::copy_from(bytes))
        }),
        Datagrams::Received => datagram::parse(bytes)
            .map(|(group, body)| (Msg::copy_from(group), Msg::copy_from(body))),
        Datagrams::Sent => None,
    };
    if let Some((Ok(mut head), Ok(body))) = parts
        && try_room(inbox, 2).is_ok()
    {
        head.set_more(true);
        inbox.extend([head, body]);
    }
}

/// Where DGRAM sends something to, in numbers. There may be a zero at its end.
fn address(text: &[u8]) -> Option<SocketAddr> {
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
