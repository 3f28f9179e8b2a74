//! What comes out of a pipe is whole messages, whatever the peer sends and whenever the connection
//! ends.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::{NO_ENDPOINT, PipeEvent, PipeTable, Wire};
use crate::connection::rx::BufferPool;
use crate::connection::{Connection, Ends};
use crate::msg::{Metadata, Msg};
use crate::util::budget::Budget;
use crate::util::buffer::Buffer;
use crate::wire::frame::{Flags, append_frame_as};
use crate::wire::mechanism::{Decoder, Encoder, Session};
use crate::wire::tests::Random;
use crate::wire::{Established, Framing, HandshakeError, Malformed, command};
use std::io::Write;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::unix::net::UnixStream;

type Message = Vec<Vec<u8>>;

/// ZMQ_MAXMSGSIZE here.
const LONGEST: usize = 30_000;

/// Stands for a mechanism: the flags of a frame in front of its body.
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
    ) -> Result<(), HandshakeError> {
        out.extend_from_slice(&[flags.octet()]);
        out.extend_from_slice(body);
        Ok(())
    }
}

impl Decoder for Toy {
    fn decode(&mut self, body: &mut [u8]) -> Result<(Flags, Range<usize>), HandshakeError> {
        match body.first() {
            Some(&octet) if octet & !5 == 0 => {
                Ok((Flags::new(octet & 1 != 0, octet & 4 != 0), 1..body.len()))
            }
            _ => Err(HandshakeError::MalformedCommand(Malformed::Message)),
        }
    }
}

/// What a peer sends, and what of that a reader is to get.
struct Conversation {
    framing: Framing,
    encrypted: bool,
    bytes: Vec<u8>,
    messages: Vec<Message>,
    /// Something came that no peer may send: nothing behind it counts.
    faulty: bool,
}

impl Conversation {
    fn new(random: &mut Random) -> Conversation {
        let framing = if random.below(5) == 0 { Framing::V1 } else { Framing::V2 };
        let encrypted = framing == Framing::V2 && random.below(4) == 0;
        let (bytes, messages) = (Vec::new(), Vec::new());
        let mut made = Conversation { framing, encrypted, bytes, messages, faulty: false };
        let fault = random.below(30);
        let mut frames = 0;
        for _ in 0..1 + random.below(12) {
            let mut parts = Vec::new();
            let count = if random.below(2) == 0 { 1 } else { 1 + random.below(5) };
            while parts.len() < count {
                while random.below(6) == 0 {
                    made.add_command(random);
                }
                frames += 1;
                if frames == fault {
                    made.add_fault(random);
                }
                let len = match random.below(12) {
                    0 => LONGEST - random.below(2),
                    1 => 16_383 + random.below(3),
                    2 | 3 => 250 + random.below(12),
                    _ => random.below(50),
                };
                let body: Vec<u8> = (0..len).map(|at| (at + frames) as u8).collect();
                made.add(Flags::new(parts.len() + 1 < count, false), &body);
                parts.push(body);
            }
            made.expect(parts);
        }
        if random.below(3) == 0 {
            made.bytes.truncate(made.bytes.len() - 1 - random.below(made.bytes.len().min(20)));
            made.messages.truncate(made.whole());
        }
        made
    }

    fn expect(&mut self, message: Message) {
        if !self.faulty {
            self.messages.push(message);
        }
    }

    fn add(&mut self, flags: Flags, body: &[u8]) {
        if self.encrypted {
            let body = [&[flags.octet()], body].concat();
            append_frame_as(self.framing, &mut self.bytes, Flags::NONE, &body);
        } else {
            append_frame_as(self.framing, &mut self.bytes, flags, body);
        }
    }

    /// A command that is all right; a subscription comes in front of the message it stands in.
    fn add_command(&mut self, random: &mut Random) {
        if self.framing == Framing::V1 {
            return;
        }
        let mut body = Vec::new();
        match random.below(3) {
            0 => command::append_ping(&mut body, 0, b"x"),
            1 => body.extend_from_slice(b"\x03NEWdata"),
            _ => {
                body.extend_from_slice(b"\x09SUBSCRIBEtopic");
                self.expect(vec![b"\x01topic".to_vec()]);
            }
        }
        self.add(Flags::COMMAND, &body);
    }

    /// Something that no peer may send.
    fn add_fault(&mut self, random: &mut Random) {
        self.faulty = true;
        if self.framing == Framing::V1 {
            return self.bytes.push(0);
        }
        match random.below(5) {
            0 => self.add(Flags::COMMAND, b"\x05PING"),
            1 => self.add(Flags::COMMAND, b"\x04PING"),
            2 => self.add(Flags::MORE, &vec![1; LONGEST + 1]),
            3 => self.add(Flags::NONE, &vec![1; LONGEST + 1]),
            _ if self.encrypted => self.bytes.extend_from_slice(b"\0\x02\x08x"),
            _ => self.bytes.push(8),
        }
    }

    /// How many messages are whole in `bytes`, of which the end was cut off.
    fn whole(&self) -> usize {
        let (mut rest, mut count) = (&self.bytes[..], 0);
        while let Ok(Some(header)) = crate::wire::frame::parse_header(self.framing, rest)
            && header.frame_len() <= rest.len() as u64
        {
            let body = &rest[header.header_len..header.frame_len() as usize];
            rest = &rest[header.frame_len() as usize..];
            let (flags, body) = if self.encrypted {
                (Flags::new(body[0] & 1 != 0, body[0] & 4 != 0), &body[1..])
            } else {
                (header.flags, body)
            };
            if flags.command() {
                count += usize::from(body.starts_with(b"\x09SUB"));
            } else {
                count += usize::from(!flags.more());
            }
        }
        count
    }

    fn connection(&self, fd: UnixStream) -> Connection {
        let transform =
            self.encrypted.then(|| Session { encoder: Box::new(Toy), decoder: Box::new(Toy) });
        let established = Established {
            framing: self.framing,
            version: (3, 1),
            peer_socket_type: None,
            peer_routing_id: Vec::new(),
            properties: Vec::new(),
            transform,
            subscribe_all: false,
        };
        fd.set_nonblocking(true).unwrap();
        let metadata = Metadata::default();
        let longest = LONGEST as u64;
        Connection::new(fd.into(), established, longest, Vec::new(), metadata, Ends::default())
    }
}

/// Reads a pipe in every way that there is.
struct Reader {
    wire: Wire,
    pool: BufferPool,
    messages: Vec<Message>,
    /// The parts read of a message that goes on.
    open: Message,
}

impl Reader {
    fn take(&mut self, body: &[u8], more: bool) {
        self.open.push(body.to_vec());
        if !more {
            self.messages.push(std::mem::take(&mut self.open));
        }
    }

    fn take_into(&mut self, random: &mut Random) -> bool {
        if random.below(2) == 0 {
            let mut msg = Msg::new();
            let Some((len, more)) = self.wire.take_into(&mut msg, &mut self.pool) else {
                return false;
            };
            assert_eq!((len, more), (msg.len(), msg.more()));
            self.take(msg.data(), more);
        } else {
            let mut place = [MaybeUninit::uninit(); LONGEST];
            let Some((len, more)) = self.wire.take_into(&mut place[..], &mut self.pool) else {
                return false;
            };
            // SAFETY: as many octets were written.
            let body: Vec<u8> =
                place[..len].iter().map(|octet| unsafe { octet.assume_init() }).collect();
            self.take(&body, more);
        }
        true
    }

    /// The next part, if there is one. What follows a part with MORE is there.
    fn read(&mut self) -> bool {
        self.pool.budget = Budget::TURN;
        let (msg, error) = self.wire.read(&mut self.pool);
        if let Some(msg) = &msg {
            self.take(msg.data(), msg.more());
        } else {
            assert!(self.open.is_empty(), "the rest of a message is missing");
        }
        if error.is_some() {
            self.lose();
        }
        msg.is_some()
    }

    fn gather(&mut self, random: &mut Random) {
        let limit = random.below(6);
        if let Some(connection) = &mut self.wire.connection
            && connection.gather(limit, &mut self.pool).is_err()
        {
            self.lose();
        }
    }

    fn lose(&mut self) {
        self.wire.detach(&mut self.pool, false);
    }
}

#[test]
fn whole_messages_come_out_whatever_goes_in() {
    let mut random = Random::new(0x7042);
    for round in 0..6000 {
        let conversation = Conversation::new(&mut random);
        let (mut writer, reader) = UnixStream::pair().unwrap();
        let mut wire = Wire::new(0, 0, false);
        wire.attach(conversation.connection(reader));
        let (pool, messages, open) = (BufferPool::default(), Vec::new(), Vec::new());
        let mut reader = Reader { wire, pool, messages, open };
        let (mut rest, mut cut) = (&conversation.bytes[..], false);
        while !rest.is_empty() && reader.wire.connection.is_some() {
            let most = if random.below(2) == 0 { 20 } else { 40_000 };
            let (now, later) = rest.split_at(rest.len().min(1 + random.below(most)));
            writer.write_all(now).unwrap();
            rest = later;
            if let Some(connection) = &mut reader.wire.connection {
                connection.rx.set_ready(false);
            }
            for _ in 0..random.below(8) {
                match random.below(40) {
                    0..=12 => drop(reader.take_into(&mut random)),
                    13..=22 => drop(reader.read()),
                    23..=38 => reader.gather(&mut random),
                    _ if random.below(20) == 0 => {
                        cut = true;
                        reader.lose();
                    }
                    _ => {}
                }
            }
        }
        drop(writer);
        if let Some(connection) = &mut reader.wire.connection {
            connection.rx.set_ready(true);
        }
        while reader.take_into(&mut random) || reader.read() || reader.wire.connection.is_some() {}
        assert!(reader.open.is_empty());
        let expected = &conversation.messages[..];
        let shapes = |messages: &[Message]| -> Vec<Vec<usize>> {
            messages.iter().map(|parts| parts.iter().map(Vec::len).collect()).collect()
        };
        assert!(
            expected.starts_with(&reader.messages),
            "conversation {round}: sent {:?}, read {:?}",
            shapes(expected),
            shapes(&reader.messages)
        );
        assert!(cut || reader.messages.len() == expected.len(), "conversation {round}");
    }
}

#[test]
fn what_happened_to_a_pipe_that_is_gone_is_not_the_next_ones() {
    let mut table = PipeTable::new();
    let new = |table: &mut PipeTable| table.add_wire(Wire::new(0, 0, false), NO_ENDPOINT);
    let (one, two) = (new(&mut table), new(&mut table));
    for id in [one, two, one] {
        table.events.push_back(PipeEvent::Finished(id));
    }
    assert_eq!(table.next_event(), Some(PipeEvent::Finished(one)));
    table.events.push_back(PipeEvent::Starved);
    table.remove(one);
    assert_eq!(new(&mut table), one);
    table.events.push_back(PipeEvent::Writable(one));
    let left = [PipeEvent::Finished(two), PipeEvent::Starved, PipeEvent::Writable(one)];
    assert_eq!(table.take_events(), left);
    table.remove(two);
    table.events.push_back(PipeEvent::Finished(two));
    assert!(!table.events.is_empty() && table.next_event().is_none());
    table.events.push_back(PipeEvent::Finished(one));
    table.events.clear();
    table.events.push_back(PipeEvent::Readable(one));
    assert_eq!(table.take_events(), [PipeEvent::Readable(one)]);
}
