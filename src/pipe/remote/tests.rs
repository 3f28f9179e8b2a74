//! A pipe that loses its connections.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use super::*;
use crate::connection::Ends;
use crate::msg::{Arena, Metadata};
use crate::pipe::parts::Parts;
use crate::util::buffer::Buffer;
use crate::wire::frame::Flags;
use crate::wire::mechanism::{Decoder, Encoder, Session};
use crate::wire::{Established, Framing, HandshakeError};
use std::ops::Range;
use std::os::unix::net::UnixStream;

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// Stands for a mechanism: turns every octet over.
struct Toy;

impl Encoder for Toy {
    fn overhead(&self) -> usize {
        1
    }

    fn encode(
        &mut self,
        flags: Flags,
        body: &[u8],
        out: &mut Buffer,
    ) -> std::result::Result<(), HandshakeError> {
        out.extend_from_slice(&[flags.octet()]);
        body.iter().for_each(|octet| out.extend_from_slice(&[!octet]));
        Ok(())
    }
}

impl Decoder for Toy {
    fn decode(
        &mut self,
        body: &mut [u8],
    ) -> std::result::Result<(Flags, Range<usize>), HandshakeError> {
        let octet = body.first().copied().unwrap();
        body[1..].iter_mut().for_each(|octet| *octet = !*octet);
        Ok((Flags::new(octet & 1 != 0, octet & 4 != 0), 1..body.len()))
    }
}

/// Ways in which a peer may want its frames.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Plain,
    Old,
    Encrypted,
}

fn connection(fd: UnixStream, way: Way) -> Connection {
    let established = Established {
        framing: if way == Way::Old { Framing::V1 } else { Framing::V2 },
        version: if way == Way::Old { (1, 0) } else { (3, 0) },
        peer_socket_type: None,
        peer_routing_id: Vec::new(),
        properties: Vec::new(),
        transform: (way == Way::Encrypted)
            .then(|| Session { encoder: Box::new(Toy), decoder: Box::new(Toy) }),
        subscribe_all: false,
    };
    fd.set_nonblocking(true).unwrap();
    let (metadata, ends) = (Metadata::default(), Ends::default());
    Connection::new(fd.into(), established, u64::MAX, Vec::new(), metadata, ends)
}

/// A pipe, its peer of the moment, and what all peers have received.
struct Bench {
    wire: Wire,
    parts: Parts,
    peer: Option<Connection>,
    pool: BufferPool,
    received: Vec<Vec<Vec<u8>>>,
    sent: u32,
}

/// The parts of a message.
fn message(number: u32) -> Vec<Vec<u8>> {
    let numbers = &mut Numbers(u64::from(number));
    let count = [1, 1, 1, 1, 2, 3, 6][numbers.below(7)];
    let part = |part: usize| {
        let most = [1, 60, 260, 2000, 9000, 30_000, 200_000][numbers.below(7)];
        let mut body = vec![part as u8; numbers.below(most)];
        body.extend_from_slice(&number.to_le_bytes());
        body
    };
    (0..count).map(part).collect()
}

impl Bench {
    fn send(&mut self) {
        let parts = message(self.sent);
        self.sent += 1;
        let (last, first) = parts.split_last().unwrap();
        if first.is_empty() && self.wire.put_bytes(last, false) {
            return;
        }
        for part in first {
            let mut part = Msg::copy_from(part).unwrap();
            part.set_more(true);
            self.parts.add(&mut part, &self.wire, &mut Arena::default()).unwrap();
        }
        // SAFETY: the pipe has a copy before the bytes are gone.
        let mut last = unsafe { Msg::borrowed(last) };
        self.parts.finish(&mut last, &mut self.wire).unwrap();
        if self.wire.connection.as_ref().is_some_and(|c| c.tx.is_urgent() || c.tx.borrowed()) {
            self.flush();
        }
    }

    fn flush(&mut self) {
        self.wire.flush(false).unwrap();
        let unsent = self.wire.unsent();
        if let Some(connection) = &self.wire.connection {
            assert!(connection.tx.bytes() < (256 << 10) + 6 * 230_000, "no more than a window");
            assert!(!connection.tx.borrowed());
        }
        assert!(unsent <= self.sent as usize);
    }

    /// The peer reads for a while.
    fn read(&mut self, times: usize) {
        let Some(peer) = &mut self.peer else { return };
        for _ in 0..times {
            peer.rx.set_ready(false);
            while let Ok(Some(msg)) = peer.receive(&mut self.pool, false) {
                let more = msg.more();
                self.received.last_mut().unwrap().push(msg.data().to_vec());
                if !more {
                    self.received.push(Vec::new());
                }
            }
        }
        if let Some(connection) = &mut self.wire.connection {
            connection.tx.unblock();
        }
    }

    /// What the peer has read, when it has read all that the kernel has, and what is unsent are all there is.
    fn check_count(&mut self) {
        self.read(3);
        let read = self.received.len() - 1;
        assert_eq!(read + self.wire.unsent_exactly(), self.sent as usize, "messages are missing");
    }

    fn connect(&mut self, way: Way) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        self.wire.attach(connection(ours, way));
        self.peer = Some(connection(theirs, way));
    }

    /// The connection is lost; what the kernel has taken is read.
    fn lose(&mut self) {
        drop(self.wire.detach(&mut self.pool, true));
        self.read(3);
        self.peer = None;
        // A message that was cut comes again.
        if let Some(last) = self.received.last_mut() {
            last.clear();
        }
    }
}

#[test]
fn every_message_arrives_once_and_in_order_whatever_connections_do() {
    for seed in 0..12 {
        let numbers = &mut Numbers(seed);
        let mut bench = Bench {
            wire: Wire::new(0, 0, false),
            parts: Parts::default(),
            peer: None,
            pool: BufferPool::default(),
            received: vec![Vec::new()],
            sent: 0,
        };
        for _ in 0..600 {
            match numbers.below(100) {
                0..=69 => (0..numbers.below(4)).for_each(|_| bench.send()),
                70..=77 => bench.flush(),
                78..=79 => {
                    bench.flush();
                    bench.check_count();
                }
                80..=89 => bench.read(1),
                90..=94 => {
                    if let Some(connection) = &mut bench.wire.connection {
                        let _ = connection.push_ping(std::time::Instant::now());
                    }
                }
                _ if bench.peer.is_some() => bench.lose(),
                way => bench.connect([Way::Plain, Way::Old, Way::Encrypted][way % 3]),
            }
        }
        if bench.peer.is_none() {
            bench.connect(Way::Plain);
        }
        while bench.wire.unsent() > 0 {
            bench.read(1);
            bench.flush();
        }
        bench.read(3);
        assert_eq!(bench.wire.unsent_bytes(), 0);
        assert!(bench.received.pop().unwrap().is_empty());
        assert_eq!(bench.received.len(), bench.sent as usize, "seed {seed}");
        for (number, got) in bench.received.iter().enumerate() {
            assert!(*got == message(number as u32), "seed {seed}, message {number}");
        }
    }
}

#[test]
fn a_connection_lost_gives_back_no_more_than_a_window() {
    let mut wire = Wire::new(0, 0, false);
    let mut pool = BufferPool::default();
    for number in 0..100_000_u32 {
        let mut msg = Msg::copy_from(&number.to_le_bytes()).unwrap();
        wire.put(&mut msg).unwrap();
    }
    for way in [Way::Plain, Way::Encrypted, Way::Old, Way::Plain] {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        wire.attach(connection(ours, way));
        assert!(wire.connection.as_ref().unwrap().tx.bytes() < 400 << 10);
        drop(wire.detach(&mut pool, true));
        assert_eq!(wire.unsent(), 100_000);
    }
}

#[test]
fn a_burst_that_does_not_wait_meets_the_limit_although_the_kernel_takes_all() {
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let mut wire = Wire::new(3, 0, false);
    wire.connection = Some(connection(ours, Way::Plain));
    // Where the thread had to leave the processor meanwhile it may have begun anew.
    for _ in 0..1000 {
        let began = ticks();
        wire.settle();
        for _ in 0..3 {
            assert!(wire.put_bytes(b"m", true));
            assert!(wire.flush(false).unwrap());
        }
        let refused = !wire.put_bytes(b"m", true);
        if ticks().wrapping_sub(began) < crate::policy::mark::SETTLE {
            assert!(refused);
            // Whoever may wait need not.
            assert!(wire.put_bytes(b"m", false));
            return;
        }
        assert!(wire.flush(false).unwrap());
    }
}

#[test]
fn a_queue_is_filled_again_to_the_last_message_that_left_room() {
    for way in [Way::Plain, Way::Old, Way::Encrypted] {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(500, 0, false);
        wire.connection = Some(connection(ours, way));
        let mut peer = connection(theirs, way);
        let mut pool = BufferPool::default();
        // A chunk has tens of these, and the kernel takes a part of one at a time.
        let (body, mut sent, mut read) = ([7; 1000], 0, 0);
        for room in [0, 1, 10, 99, 300] {
            for _ in 0..room {
                peer.rx.set_ready(false);
                read += usize::from(peer.receive(&mut pool, false).unwrap().is_some());
            }
            if let Some(connection) = &mut wire.connection {
                connection.tx.unblock();
            }
            wire.flush(false).unwrap();
            while wire.put_bytes(&body, false) {
                sent += 1;
                wire.flush(false).unwrap();
            }
            assert_eq!(wire.filled(), 500);
        }
        loop {
            peer.rx.set_ready(false);
            match peer.receive(&mut pool, false).unwrap() {
                Some(_) => read += 1,
                None => break,
            }
        }
        // The kernel has taken some that do not make another half.
        assert_eq!(sent, read + wire.unsent_exactly(), "{way:?}");
        assert_eq!(sent, 500 + read / 250 * 250, "{way:?}");
    }
}
