//! Pipes that lead to a network without connections. Nobody is connected, and nothing that goes wrong at the other end is
//! heard of; what the system does not take is lost, as anything may be on its way. With UDP each message is a
//! datagram (`udp.rs`), with PGM messages share packets, or need several (`packets.rs`).

mod packets;
#[cfg(test)]
mod tests;
pub(crate) mod udp;

use crate::error::Result;
use crate::msg::Msg;
use crate::stats::{PeerStats, Record};
use crate::sys::epoll;
use crate::sys::net::Slots;
use crate::types::Datagrams;
pub use packets::{Packets, Settings};
use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::time::Instant;
use udp::Gathered;
pub use udp::Udp;

/// What carries messages.
#[derive(Debug)]
pub enum Carrier {
    /// Datagrams.
    Udp(Box<Udp>),
    /// Packets of a multicast protocol.
    Packets(Box<Packets>),
}

/// The network, and what waits on both sides of it.
#[derive(Debug)]
pub struct DatagramEnd {
    carrier: Carrier,
    /// Frames of what came.
    inbox: VecDeque<Msg>,
    /// Moves with what comes.
    pub(super) received: u64,
    /// There may be something to receive.
    pub(super) ready: bool,
    /// Nothing more is taken at the moment: the set tells when, or the time.
    blocked: bool,
    /// The set tells when the kernel takes more.
    pub(super) watches_out: bool,
    /// When the carrier wants to be called, if nobody has been told yet.
    due: Option<Instant>,
    send_limit: usize,
    receive_limit: usize,
    /// Bytes of the parts of a message that goes on.
    begun: usize,
    /// What others can see of it.
    pub(super) stats: PeerStats,
}

impl DatagramEnd {
    /// A limit of 0 is none.
    pub fn new(carrier: Carrier, (send_limit, receive_limit): (usize, usize)) -> DatagramEnd {
        DatagramEnd {
            carrier,
            inbox: VecDeque::new(),
            received: 0,
            ready: false,
            blocked: false,
            watches_out: false,
            due: None,
            send_limit,
            receive_limit,
            begun: 0,
            stats: PeerStats::nobodys(Record::nobodys(0)),
        }
    }

    /// With these statistics.
    #[must_use]
    pub fn with_stats(self, stats: PeerStats) -> DatagramEnd {
        stats.limits(self.send_limit, self.receive_limit);
        DatagramEnd { stats, ..self }
    }

    /// The kernel was asked to take what waits.
    pub(super) fn note_left(&self, empty: bool) {
        if empty {
            self.stats.flows();
        } else {
            self.stats.stalls(self.unsent());
        }
    }

    /// The descriptors to be watched, each for these events (`input`: for what comes).
    pub(super) fn watches(&self, input: u32) -> Vec<(RawFd, u32)> {
        match &self.carrier {
            Carrier::Udp(udp) => vec![(udp.fd(), input | self.out_watch())],
            Carrier::Packets(packets) => {
                let (incoming, out) = packets.descriptors();
                let watches = incoming.iter().map(|&fd| (fd, input));
                watches.chain(out.map(|fd| (fd, epoll::EDGE | self.out_watch()))).collect()
            }
        }
    }

    fn out_watch(&self) -> u32 {
        if self.watches_out { epoll::OUT } else { 0 }
    }

    /// The one of them that tells when the kernel takes more, as it is to be watched now.
    pub(super) fn watch_for_room(&self, input: u32) -> Option<(RawFd, u32)> {
        self.watches(input).pop()
    }

    /// Changes the high-water marks (0: unlimited).
    pub fn set_limits(&mut self, send_limit: usize, receive_limit: usize) {
        (self.send_limit, self.receive_limit) = (send_limit, receive_limit);
        self.stats.limits(send_limit, receive_limit);
    }

    /// Whether a `connect` made it.
    pub fn connects(&self) -> bool {
        match &self.carrier {
            Carrier::Udp(udp) => udp.to.is_some(),
            Carrier::Packets(_) => true,
        }
    }

    fn unsent(&self) -> usize {
        match &self.carrier {
            Carrier::Udp(udp) => udp.unsent(),
            Carrier::Packets(packets) => packets.unsent(),
        }
    }

    fn unread(&self) -> usize {
        match &self.carrier {
            Carrier::Udp(_) => self.inbox.len() / 2,
            Carrier::Packets(packets) => packets.unread(),
        }
    }

    /// How many are to be sent, and to be received.
    pub(super) fn queued(&self) -> (usize, usize) {
        (self.unsent(), self.unread())
    }

    /// Whether all is sent, whatever it is about.
    pub(super) fn hears_all(&self) -> bool {
        match &self.carrier {
            Carrier::Udp(udp) => udp.kind == Datagrams::Sent,
            Carrier::Packets(packets) => packets.sends(),
        }
    }

    pub(super) fn in_message(&self) -> bool {
        match &self.carrier {
            Carrier::Udp(udp) => udp.head.is_some(),
            Carrier::Packets(packets) => packets.in_message(),
        }
    }

    pub(super) fn rollback(&mut self) {
        self.begun = 0;
        match &mut self.carrier {
            Carrier::Udp(udp) => udp.head = None,
            Carrier::Packets(packets) => packets.rollback(),
        }
    }

    pub(super) fn has_frame(&self) -> bool {
        !self.inbox.is_empty()
    }

    /// Here or in the kernel.
    pub(super) fn may_have_frames(&self) -> bool {
        self.ready || self.has_frame()
    }

    pub(super) fn is_drained(&self) -> bool {
        self.unsent() == 0
    }

    /// Whether a message may be written; what the kernel would take does not count.
    pub(super) fn has_room(&self) -> bool {
        self.send_limit == 0 || self.unsent() < self.send_limit
    }

    /// Whether a writer that found no room may go on: half of the limit is free again.
    pub(super) fn has_resumed(&self) -> bool {
        self.send_limit == 0 || self.unsent() + self.send_limit.div_ceil(2) <= self.send_limit
    }

    /// Whether the carrier has to be asked to take something.
    pub(super) fn owes(&self) -> bool {
        !self.blocked && !self.is_drained()
    }

    /// It may take more.
    pub(super) fn unblock(&mut self) {
        self.blocked = false;
    }

    /// Writes a part; with the last the message is whole.
    ///
    /// # Errors
    /// `NoMemory`; nothing has happened then.
    pub(super) fn write(&mut self, msg: &mut Msg) -> Result<()> {
        let (more, bytes, before) = (msg.more(), msg.len(), self.unsent());
        match &mut self.carrier {
            Carrier::Udp(udp) => udp.write(msg)?,
            Carrier::Packets(packets) => packets.write(msg)?,
        }
        self.begun += bytes;
        if !more {
            let bytes = std::mem::take(&mut self.begun);
            // What goes nowhere is not put there.
            if self.unsent() > before {
                self.stats.sent(1, bytes);
            }
        }
        Ok(())
    }

    /// Hands what is written to the network. True if nothing is left.
    pub(super) fn flush(&mut self) -> bool {
        if self.owes() {
            self.blocked = match &mut self.carrier {
                Carrier::Udp(udp) => udp.flush(),
                Carrier::Packets(packets) => {
                    let blocked = packets.flush();
                    self.due = packets.due(self.due);
                    blocked
                }
            };
        }
        self.is_drained()
    }

    /// Hands what is written to the network. True if that has let all of it go.
    pub(super) fn finish(&mut self) -> bool {
        self.flush()
            && match &mut self.carrier {
                Carrier::Udp(_) => true,
                Carrier::Packets(packets) => packets.is_sent(),
            }
    }

    /// Whether what tells of something to receive tells of room, too.
    pub(super) fn hears_of_room(&self) -> bool {
        match &self.carrier {
            Carrier::Udp(_) => false,
            Carrier::Packets(packets) => packets.hears_of_room(),
        }
    }

    /// Whether it is the kernel that takes no more, and not the rate.
    pub(super) fn waits_for_kernel(&self) -> bool {
        let kernels = match &self.carrier {
            Carrier::Udp(_) => true,
            Carrier::Packets(packets) => packets.waits_for_kernel(),
        };
        self.blocked && kernels
    }

    /// Takes what the kernel has, up to the high-water mark, and no more in one go than others can wait for, whatever
    /// comes: `ready` is left then.
    ///
    /// # Errors
    /// `NoMemory`; nothing is lost.
    pub(super) fn gather(&mut self, slots: &mut Slots) -> Result<()> {
        if !self.ready {
            return Ok(());
        }
        let (limit, inbox) = (self.receive_limit, &mut self.inbox);
        let Gathered { came, more } = match &mut self.carrier {
            Carrier::Udp(udp) => udp.gather(slots, limit, inbox),
            Carrier::Packets(packets) => {
                let (came, more) = packets.gather(limit, inbox);
                self.due = packets.due(self.due);
                Gathered { came, more: Ok(more) }
            }
        };
        self.received += came;
        // What was taken may have told of room, and is not told again.
        self.blocked &= !self.hears_of_room();
        self.ready = more?;
        Ok(())
    }

    /// When the carrier wants to be called at the latest; whoever asks sees to it.
    pub(super) fn take_due(&mut self) -> Option<Instant> {
        self.due.take()
    }

    /// That time has come.
    pub(super) fn wake(&mut self) {
        self.ready = true;
        if let Carrier::Packets(packets) = &mut self.carrier {
            packets.wake();
        }
        self.blocked &= self.waits_for_kernel();
    }

    /// The next frame, if it is here.
    pub(super) fn take(&mut self) -> Option<Msg> {
        let frame = self.inbox.pop_front()?;
        if let Carrier::Packets(packets) = &mut self.carrier {
            packets.taken(&frame);
        }
        Some(frame)
    }

    pub(super) fn trim(&mut self) {
        match &mut self.carrier {
            Carrier::Udp(udp) => udp.trim(),
            Carrier::Packets(packets) => packets.trim(),
        }
        if self.inbox.is_empty() {
            self.inbox = VecDeque::new();
        }
    }
}
