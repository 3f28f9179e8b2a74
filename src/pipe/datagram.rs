//! Pipes that lead to a socket for datagrams: what is written leaves as one datagram for each message, and each that
//! comes is a message, of two parts: a group, or an address, and the body. Nobody is connected, and nothing that
//! goes wrong at the other end is heard of; a datagram that the system does not take is lost, as any may be.

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
const SLACK: usize = 64 << 10;

/// The socket, and what waits on both sides of it.
#[derive(Debug)]
pub struct DatagramEnd {
    fd: OwnedFd,
    kind: Datagrams,
    /// Where all goes, if that is one address.
    to: Option<SockAddr>,
    /// Frames of what came.
    inbox: VecDeque<Msg>,
    /// The first part of a message, whose second is yet to come.
    head: Option<Msg>,
    out: Outbox,
    /// Moves with what comes.
    pub(super) received: u64,
    /// The kernel may have something.
    pub(super) ready: bool,
    /// The kernel takes nothing at the moment: the set tells when it does.
    blocked: bool,
    /// The set tells when it takes more.
    pub(super) watches_out: bool,
    send_limit: usize,
    receive_limit: usize,
}

/// Datagrams that the kernel has not taken, one behind the other.
#[derive(Debug, Default)]
struct Outbox {
    bytes: Vec<u8>,
    /// Where the first begins.
    begin: usize,
    /// How long each is, and where it goes to if not all go to the same address.
    sizes: VecDeque<(usize, Option<SocketAddr>)>,
}

impl Outbox {
    /// # Errors
    /// `NoMemory`; nothing has happened then.
    fn push(&mut self, pieces: [&[u8]; 3], to: Option<SocketAddr>) -> Result<()> {
        let size = pieces.iter().map(|piece| piece.len()).sum();
        try_room(&mut self.bytes, size)?;
        try_room(&mut self.sizes, 1)?;
        pieces.iter().for_each(|piece| self.bytes.extend_from_slice(piece));
        self.sizes.push_back((size, to));
        Ok(())
    }

    /// The first ones, with where they go to: how many.
    fn first<'a>(&'a self, to: &SockAddr, batch: &mut [(&'a [u8], SockAddr)]) -> usize {
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
    fn pass(&mut self, count: usize) {
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

impl DatagramEnd {
    /// Of a socket that does not block. A limit of 0 is none.
    pub fn new(
        fd: OwnedFd,
        kind: Datagrams,
        to: Option<SockAddr>,
        (send_limit, receive_limit): (usize, usize),
    ) -> DatagramEnd {
        DatagramEnd {
            fd,
            kind,
            to,
            inbox: VecDeque::new(),
            head: None,
            out: Outbox::default(),
            received: 0,
            ready: false,
            blocked: false,
            watches_out: false,
            send_limit,
            receive_limit,
        }
    }

    pub(super) fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Changes the high-water marks (0: unlimited).
    pub fn set_limits(&mut self, send_limit: usize, receive_limit: usize) {
        (self.send_limit, self.receive_limit) = (send_limit, receive_limit);
    }

    /// Whether a `connect` made it.
    pub fn connects(&self) -> bool {
        self.to.is_some()
    }

    /// How many are to be sent, and to be received.
    pub(super) fn queued(&self) -> (usize, usize) {
        (self.out.sizes.len(), self.inbox.len() / 2)
    }

    /// Whether all is sent, whatever its group.
    pub(super) fn hears_all(&self) -> bool {
        self.kind == Datagrams::Sent
    }

    pub(super) fn in_message(&self) -> bool {
        self.head.is_some()
    }

    pub(super) fn rollback(&mut self) {
        self.head = None;
    }

    pub(super) fn has_frame(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Here or in the kernel.
    pub(super) fn may_have_frames(&self) -> bool {
        self.ready || self.has_frame()
    }

    pub(super) fn is_drained(&self) -> bool {
        self.out.sizes.is_empty()
    }

    /// Whether a message may be written; what the kernel would take does not count.
    pub(super) fn has_room(&self) -> bool {
        self.send_limit == 0 || self.out.sizes.len() < self.send_limit
    }

    /// Whether a writer that found no room may go on: half of the limit is free again.
    pub(super) fn has_resumed(&self) -> bool {
        self.send_limit == 0
            || self.out.sizes.len() + self.send_limit.div_ceil(2) <= self.send_limit
    }

    /// Whether the kernel has to be asked to take something.
    pub(super) fn owes(&self) -> bool {
        !self.blocked && !self.is_drained()
    }

    pub(super) fn unblock(&mut self) {
        self.blocked = false;
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

    /// Hands what is written to the kernel. True if nothing is left.
    pub(super) fn flush(&mut self) -> bool {
        let to = self.to.unwrap_or_else(|| SockAddr::from(SocketAddr::from(([0, 0, 0, 0], 0))));
        while self.owes() {
            let mut batch = [(&[][..], to); MOST_DATAGRAMS];
            let count = self.out.first(&to, &mut batch);
            match net::send_datagrams(self.fd.as_fd(), batch.get(..count).unwrap_or_default()) {
                Ok(sent) => self.out.pass(sent),
                Err(Error::Again) => self.blocked = true,
                // Too long, no way there, a device that is full, or what became of an earlier one.
                Err(_) => self.out.pass(1),
            }
        }
        self.is_drained()
    }

    /// Takes what the kernel has, up to the high-water mark, and no more in one go than others can wait for, whatever
    /// comes: `ready` is left then.
    ///
    /// # Errors
    /// `NoMemory`; nothing is lost.
    pub(super) fn gather(&mut self, slots: &mut Slots) -> Result<()> {
        let mut left = GATHERED;
        while self.ready && left > 0 {
            let room = match self.receive_limit {
                0 => MOST_DATAGRAMS,
                limit => limit.saturating_sub(self.inbox.len() / 2).min(MOST_DATAGRAMS),
            };
            if room == 0 {
                return Ok(());
            }
            let DatagramEnd { fd, kind, inbox, .. } = self;
            match slots.receive(fd.as_fd(), room, |bytes, from| take_in(*kind, inbox, bytes, from))
            {
                Ok(count) => {
                    left = left.saturating_sub(count);
                    self.received += count as u64;
                    self.ready = count == room;
                }
                Err(Error::Again) => self.ready = false,
                Err(Error::NoMemory) => return Err(Error::NoMemory),
                // Of one that was sent, mostly: nobody listens there.
                Err(_) => left -= 1,
            }
        }
        Ok(())
    }

    /// The next frame, if it is here.
    pub(super) fn take(&mut self) -> Option<Msg> {
        self.inbox.pop_front()
    }

    pub(super) fn trim(&mut self) {
        self.out.trim();
        if self.inbox.is_empty() {
            self.inbox = VecDeque::new();
        }
    }
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

#[cfg(test)]
mod tests;
