#![allow(clippy::unwrap_used, clippy::expect_used)]

mod carried;
mod encrypted;

use super::*;
use crate::connection::tx::Waiting;
use crate::util::budget::Budget;
use crate::util::buffer::Buffer;
use crate::wire::frame::{self, Flags};
use crate::wire::mechanism::{Decoder, Encoder};
use crate::wire::{HandshakeError, Malformed};
use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
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

const OVERHEAD: usize = 5;
const MARK: &[u8] = b"ABCD";

/// Stands for a mechanism: turns every octet over.
struct Toy;

impl Encoder for Toy {
    fn overhead(&self) -> usize {
        OVERHEAD
    }

    fn encode(
        &mut self,
        flags: Flags,
        body: &[u8],
        out: &mut Buffer,
    ) -> std::result::Result<(), HandshakeError> {
        out.extend_from_slice(MARK);
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
        if body.len() < OVERHEAD || !body.starts_with(MARK) {
            return Err(HandshakeError::MalformedCommand(Malformed::Message));
        }
        let flags = Flags::new(body[4] & 1 != 0, body[4] & 4 != 0);
        body[OVERHEAD..].iter_mut().for_each(|octet| *octet = !*octet);
        Ok((flags, OVERHEAD..body.len()))
    }
}

fn connection(fd: impl Into<OwnedFd>, encrypted: bool) -> Connection {
    let metadata = Metadata::default();
    let mut made =
        Connection::bare(fd.into(), Framing::V2, false, u64::MAX, metadata, Ends::default());
    if encrypted {
        made.tx.encrypt(Box::new(Toy));
        made.rx.decrypt(Box::new(Toy));
    }
    made
}

fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (one, listener.accept().unwrap().0)
}

fn body(number: usize, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 251 + at * 7 + number) as u8).collect()
}

/// Lengths around every limit that there is, in an order that has runs of long ones.
fn lengths(numbers: &mut Numbers, count: usize) -> Vec<usize> {
    const SOME: [usize; 14] = [
        0, 1, 40, 255, 256, 5000, 16_384, 16_385, 40_000, 65_527, 65_536, 70_000, 300_000,
        1_200_000,
    ];
    let mut all = Vec::new();
    while all.len() < count {
        let len = SOME[numbers.below(SOME.len())];
        let times = 1 + numbers.below(4);
        let between = numbers.below(3);
        for _ in 0..times {
            all.push(len);
            all.extend((0..between).map(|_| 20));
        }
    }
    all
}

/// Reads like an application that does whatever it likes, and is away now and then, until as many
/// messages came.
fn read_all(reader: &mut Connection, expected: &[(Vec<u8>, bool)], numbers: &mut Numbers) {
    let mut pool = BufferPool::default();
    let mut buffer = vec![MaybeUninit::<u8>::uninit(); 2_000_000];
    let mut expected = expected.iter().enumerate();
    let mut next = expected.next();
    let mut idle = 0;
    while let Some((number, (wanted, more))) = next {
        if numbers.below(8) == 0 {
            reader.rx.set_ready(false);
            let limit = [0, 1, 5, 1000][numbers.below(4)];
            reader.gather(limit, &mut pool).unwrap();
        }
        let mut msg = Msg::new();
        let room = [0, 100, 50_000, 2_000_000][numbers.below(4)];
        let way = numbers.below(3);
        let (taken, bytes) = match way {
            0 => (reader.take_into(&mut buffer[..room], &mut pool), None),
            1 => (reader.take_into(&mut msg, &mut pool), Some(msg.data())),
            _ => (None, None),
        };
        if let Some((len, goes_on)) = taken {
            assert_eq!((len, goes_on), (wanted.len(), *more), "message {number}");
            let bytes = bytes.map(<[u8]>::to_vec).unwrap_or_else(|| {
                // SAFETY: `take_into` filled as much.
                buffer[..len.min(room)].iter().map(|octet| unsafe { octet.assume_init() }).collect()
            });
            assert!(wanted.starts_with(&bytes), "message {number} is another one");
            next = expected.next();
            continue;
        }
        match reader.receive(&mut pool, false).unwrap() {
            Some(msg) => {
                assert!(
                    msg.data() == wanted,
                    "message {number}: {} for {}",
                    msg.len(),
                    wanted.len()
                );
                assert_eq!(msg.more(), *more, "message {number}");
                next = expected.next();
                idle = 0;
            }
            None => {
                idle += 1;
                assert!(idle < 10_000, "message {number} does not come");
                wait_for(reader.fd(), libc::POLLIN);
                reader.rx.set_ready(false);
            }
        }
    }
    assert!(reader.receive(&mut pool, false).unwrap().is_none());
}

fn wait_for(fd: RawFd, events: libc::c_short) {
    let mut item = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: one item.
    unsafe { libc::poll(&raw mut item, 1, 5) };
}

/// Sends messages of all lengths, in pieces up to `most` bytes, and reads them at the same time.
fn exchange<S: Write + Into<OwnedFd> + Send>(mut writer: S, reader: S, seed: u64, most: usize) {
    let numbers = &mut Numbers(seed);
    let mut bytes = Vec::new();
    let mut expected: Vec<(Vec<u8>, bool)> = Vec::new();
    let all = lengths(numbers, 60);
    for (number, len) in all.iter().enumerate() {
        let more = numbers.below(4) == 0 && number + 1 < all.len();
        let body = body(number, *len);
        frame::append_frame(&mut bytes, Flags::new(more, false), &body);
        expected.push((body, more));
    }
    let mut cuts = Numbers(seed + 1);
    let mut reader = connection(reader, false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at((1 + cuts.below(most)).min(rest.len()));
                writer.write_all(piece).unwrap();
                rest = behind;
            }
        });
        read_all(&mut reader, &expected, numbers);
    });
    drop(writer);
    wait_for(reader.fd(), libc::POLLIN);
    reader.rx.set_ready(true);
    let end = reader.receive(&mut BufferPool::default(), false);
    assert!(matches!(end, Err(Error::Os(libc::ECONNRESET))));
}

#[test]
fn frames_arrive_as_they_were_sent_however_they_are_read() {
    for (seed, most) in [3_000, 70_000, 900_000, 20_000_000].into_iter().enumerate() {
        let seed = seed as u64 * 100;
        let (one, other) = tcp_pair();
        exchange(one, other, seed, most);
        let (one, other) = UnixStream::pair().unwrap();
        exchange(one, other, seed + 10, most);
    }
}

/// Everything that is here, for a reader that is away.
fn gather(reader: &mut Connection, pool: &mut BufferPool) -> Result<()> {
    reader.rx.set_ready(false);
    pool.budget = Budget::TURN;
    reader.gather(0, pool).map(drop)
}

#[test]
fn a_ping_between_messages_read_ahead_is_answered_once() {
    let (mut peer, own) = UnixStream::pair().unwrap();
    let mut reader = connection(own, false);
    let mut pool = BufferPool::default();
    let mut bytes = Vec::new();
    for number in 0..20 {
        frame::append_frame(&mut bytes, Flags::NONE, &body(number, 64));
        if number == 9 {
            let mut ping = Vec::new();
            command::append_ping(&mut ping, 0, b"here");
            frame::append_frame(&mut bytes, Flags::COMMAND, &ping);
        }
    }
    peer.write_all(&bytes).unwrap();
    gather(&mut reader, &mut pool).unwrap();
    assert_eq!(reader.rx.gathered(), 20);
    for number in 0..20 {
        let msg = reader.receive(&mut pool, false).unwrap().unwrap();
        assert_eq!(msg.data(), body(number, 64), "message {number}");
    }
    assert!(reader.flush().unwrap());
    let mut pong = [0; 100];
    let len = peer.read(&mut pong).unwrap();
    let mut wanted = Vec::new();
    command::append_pong(&mut wanted, b"here");
    assert_eq!(&pong[2..len], wanted);
}

/// Numbers of the PONGs among these frames, and how many messages there are. What is cut off stays.
fn pongs(bytes: &mut Vec<u8>, numbers: &mut Vec<u32>) -> usize {
    let (mut at, mut messages) = (0, 0);
    while let Ok(Some(header)) = frame::parse_header(Framing::V2, &bytes[at..]) {
        let end = at + header.frame_len() as usize;
        let Some(body) = bytes.get(at + header.header_len..end) else { break };
        match command::strip(body, b"PONG") {
            Some(context) if header.flags.command() => {
                numbers.push(u32::from_be_bytes(context.try_into().unwrap()));
            }
            _ => messages += 1,
        }
        at = end;
    }
    bytes.drain(..at);
    messages
}

/// So many PINGs, each with another number, and a message.
fn many_pings(count: usize, number: &mut u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..count {
        *number += 1;
        let mut ping = Vec::new();
        command::append_ping(&mut ping, 0, &number.to_be_bytes());
        frame::append_frame(&mut bytes, Flags::COMMAND, &ping);
    }
    frame::append_frame(&mut bytes, Flags::NONE, b"behind them");
    bytes
}

/// The peer reads until nothing is queued any more.
fn deliver_all(connection: &mut Connection, peer: &mut UnixStream, got: &mut Vec<u8>) {
    let mut empty = false;
    while !empty {
        connection.tx.unblock();
        empty = connection.flush().unwrap();
        let mut piece = vec![0; 1 << 20];
        while let Ok(count) = peer.read(&mut piece) {
            got.extend_from_slice(&piece[..count]);
        }
    }
}

#[test]
fn answers_to_a_peer_that_takes_none_are_bounded_and_the_newest_comes_at_last() {
    for seed in 0..5 {
        let (mut peer, own) = UnixStream::pair().unwrap();
        peer.set_nonblocking(true).unwrap();
        let mut reader = connection(own, false);
        let mut pool = BufferPool::default();
        let mut numbers = Numbers(seed);
        let (mut pings, mut said, mut heard) = (0_u32, 0, 0);
        let (mut got, mut answered, mut taken) = (Vec::new(), Vec::new(), 0);
        for round in 0..250 {
            peer.write_all(&many_pings(numbers.below(2000), &mut pings)).unwrap();
            gather(&mut reader, &mut pool).unwrap();
            // Whatever waits, messages behind a PING are received.
            while reader.receive(&mut pool, true).unwrap().is_some() {
                heard += 1;
            }
            assert_eq!(heard, round + 1);
            if numbers.below(3) == 0 {
                let mut msg = Msg::copy_from(&[7; 300]).unwrap();
                reader.tx.push(&mut msg).unwrap();
                said += 1;
            }
            if numbers.below(4) == 0 {
                // The kernel may have room, or seem to.
                reader.tx.unblock();
            }
            if numbers.below(4) == 0 {
                let mut published = Vec::new();
                frame::append_frame(&mut published, Flags::NONE, &[8; 200]);
                reader.send_encoded(&published, 1).unwrap();
                said += 1;
            } else {
                reader.flush().unwrap();
            }
            assert!(!reader.answers.are_late() || reader.tx.bytes() > 0, "somebody flushes");
            let most = tx::BATCH + 200 + said * 310;
            assert!(reader.tx.bytes() <= most, "{} bytes queued", reader.tx.bytes());
            let mut piece = vec![0; numbers.below(30_000)];
            if round % 100 > 75
                && let Ok(count) = peer.read(&mut piece)
            {
                got.extend_from_slice(&piece[..count]);
                taken += pongs(&mut got, &mut answered);
            }
        }
        deliver_all(&mut reader, &mut peer, &mut got);
        taken += pongs(&mut got, &mut answered);
        assert_eq!((taken, got.len()), (said, 0));
        assert!(answered.is_sorted_by(|a, b| a < b), "in the order of the PINGs");
        assert_eq!(answered.last(), Some(&pings), "the newest is answered");
        assert!(answered.len() > 1000, "{} of {pings}", answered.len());
    }
}

#[test]
fn a_ping_goes_out_behind_what_the_kernel_does_not_take_once() {
    let (mut peer, own) = UnixStream::pair().unwrap();
    let mut connection = connection(own, false);
    connection.heartbeats = true;
    while !connection.tx.blocked() {
        connection.tx.push(&mut Msg::copy_from(&[b'x'; 10_000]).unwrap()).unwrap();
        connection.flush().unwrap();
    }
    (0..3).for_each(|_| assert!(connection.push_ping(clock::now()).is_ok()));
    peer.set_nonblocking(true).unwrap();
    let mut all = Vec::new();
    while !connection.flush().unwrap() {
        let _ = peer.read_to_end(&mut all);
    }
    let _ = connection.push_ping(clock::now());
    connection.flush().unwrap();
    let _ = peer.read_to_end(&mut all);
    // Of three that found the kernel full one; it had gone before the last.
    assert_eq!(all.windows(5).filter(|bytes| bytes == b"\x04PING").count(), 2);
}

#[test]
fn of_messages_read_ahead_only_the_newest_need_be_kept() {
    let (mut peer, own) = UnixStream::pair().unwrap();
    let mut reader = connection(own, false);
    let mut pool = BufferPool::default();
    for number in 0..300 {
        let mut bytes = Vec::new();
        frame::append_frame(&mut bytes, Flags::NONE, &body(number, 300));
        peer.write_all(&bytes).unwrap();
        if number % 100 == 99 {
            gather(&mut reader, &mut pool).unwrap();
            reader.keep_newest(&mut pool).unwrap();
        }
    }
    let msg = reader.receive(&mut pool, true).unwrap().unwrap();
    assert_eq!(msg.data(), body(299, 300));
    assert!(reader.receive(&mut pool, true).unwrap().is_none());
}

#[test]
fn what_came_before_nonsense_or_the_end_is_delivered() {
    for nonsense in [&[0xff_u8][..], b""] {
        let (mut peer, own) = UnixStream::pair().unwrap();
        let mut reader = connection(own, false);
        let mut pool = BufferPool::default();
        let mut bytes = Vec::new();
        for number in 0..20 {
            frame::append_frame(&mut bytes, Flags::new(number % 2 == 1, false), &body(number, 64));
        }
        bytes.extend_from_slice(nonsense);
        peer.write_all(&bytes).unwrap();
        drop(peer);
        reader.rx.set_ready(true);
        reader.gather(0, &mut pool).unwrap_err();
        reader.rx.end();
        let _ = reader.cut_all(&mut pool);
        reader.rx.drop_incomplete();
        for number in 0..19 {
            let msg = reader.receive(&mut pool, true).unwrap().unwrap();
            assert_eq!(msg.data(), body(number, 64), "frame {number}");
        }
        // The last one is a part of a message of which the rest never came.
        assert!(!matches!(reader.receive(&mut pool, true), Ok(Some(_))));
    }
}

#[test]
fn a_long_body_is_read_without_what_stands_behind_it() {
    let (mut writer, reader) = UnixStream::pair().unwrap();
    let mut reader = connection(reader, false);
    let mut pool = BufferPool::default();
    let mut buffer = vec![MaybeUninit::<u8>::uninit(); 100_000];
    let long = body(7, 70_000);
    let mut reads = Vec::new();
    for _ in 0..5 {
        let mut frame = Vec::new();
        frame::append_frame(&mut frame, Flags::NONE, &long);
        writer.write_all(&frame).unwrap();
        writer.write_all(&frame[..9]).unwrap();
        reader.rx.set_ready(false);
        let before = pool.reads;
        let len = reader.take_into(&mut buffer[..], &mut pool);
        match len {
            Some(taken) => assert_eq!(taken, (long.len(), false)),
            None => {
                let msg = reader.receive(&mut pool, false).unwrap().unwrap();
                assert!(msg.data() == long);
            }
        }
        reads.push(pool.reads - before);
        // The header of a frame that comes the next time.
        writer.write_all(&long).unwrap();
        reader.rx.set_ready(false);
        let before = pool.reads;
        assert_eq!(reader.take_into(&mut buffer[..], &mut pool), Some((long.len(), false)));
        reads.push(pool.reads - before);
    }
    // Once both ends of a gap have been seen a message takes one read, or two if its header does not
    // come with the message before it.
    assert!(reads[2..].chunks(2).all(|two| two[0] <= 2 && two[1] == 1), "{reads:?}");
}

/// What comes over the next connection.
fn send_again(mut writer: Connection, theirs: UnixStream, waiting: &mut Waiting) -> Vec<Msg> {
    let mut reader = connection(theirs, false);
    let (mut pool, mut received) = (BufferPool::default(), Vec::new());
    writer.tx.look_whether_full(waiting);
    loop {
        writer.tx.unblock();
        writer.tx.refill(waiting).unwrap();
        let empty = writer.flush().unwrap() && waiting.is_empty();
        reader.rx.set_ready(false);
        while let Some(mut msg) = reader.receive(&mut pool, false).unwrap() {
            msg.unpin();
            received.push(msg);
        }
        if empty {
            assert_eq!((waiting.messages(), waiting.bytes(), writer.tx.messages()), (0, 0, 0));
            return received;
        }
    }
}

/// What the peer has received whole, and what the queue gives back after the connection is lost that was
/// given so many messages at once.
fn lose(encrypted: bool, client: bool, len: usize, together: usize) -> (usize, Vec<Msg>) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut writer = connection(ours, encrypted);
    if client {
        writer.carry(carried::websocket(true));
    }
    for number in 0..300 {
        let bytes = body(number, len + number % 3);
        // SAFETY: `make_owned` below replaces it.
        let mut msg = unsafe { Msg::borrowed(&bytes) };
        msg.set_more(number % 5 == 1);
        if msg.more() || number % 5 == 2 || !writer.tx.push_bytes(&bytes) {
            if msg.more() {
                msg.make_owned().unwrap();
            }
            writer.tx.push(&mut msg).unwrap();
        }
        if number % 7 == 0 {
            writer.tx.push_command(Msg::copy_from(b"\x04PING\0\0").unwrap()).unwrap();
            writer.push_ping(clock::now()).unwrap();
        }
        let flushes = number % together == together - 1 && !writer.tx.blocked();
        let empty = flushes && writer.flush().unwrap();
        if !empty && writer.tx.borrowed() {
            writer.tx.make_owned();
        }
    }
    assert!(writer.tx.blocked());
    // A message that never ended is not sent again, nor does it take others with it.
    for number in 0..3 {
        let mut begun = Msg::copy_from(&body(number, len)).unwrap();
        begun.set_more(true);
        writer.tx.push(&mut begun).unwrap();
    }
    let mut waiting = Waiting::default();
    writer.tx.give_back(&mut waiting);
    drop(writer);
    let (again, theirs_again) = UnixStream::pair().unwrap();
    let unsent = send_again(connection(again, false), theirs_again, &mut waiting);
    let mut bytes = Vec::new();
    theirs.read_to_end(&mut bytes).unwrap();
    if client {
        bytes = carried::frames_of(&bytes);
    }
    let (mut at, mut whole) = (0, 0);
    while let Ok(Some(header)) = frame::parse_header(Framing::V2, &bytes[at..]) {
        let end = at + header.frame_len() as usize;
        let Some(frame) = bytes.get_mut(at + header.header_len..end) else { break };
        let control = frame.first() == Some(&0) && header.flags.command();
        let flags = if encrypted && !control { Toy.decode(frame).unwrap().0 } else { header.flags };
        whole += usize::from(!flags.command());
        at = end;
    }
    (whole, unsent)
}

#[test]
fn what_was_not_sent_as_a_whole_is_sent_again() {
    for (encrypted, client, together) in [
        (false, false, 1),
        (false, false, 50),
        (true, false, 1),
        (true, false, 50),
        (false, true, 1),
        (false, true, 50),
        (true, true, 50),
    ] {
        for len in [3, 50, 900, 8190, 30_000] {
            let len = if len < 8000 { len + 4000 } else { len };
            let (whole, unsent) = lose(encrypted, client, len, together);
            assert!(whole > 0 && whole < 300, "{whole} of {len} bytes");
            // A message of two parts comes back as a whole.
            let first = if whole % 5 == 2 { whole - 1 } else { whole };
            assert_eq!(unsent.len(), 300 - first, "{len} bytes, {whole} sent");
            for (number, msg) in (first..).zip(&unsent) {
                assert!(msg.data() == body(number, len + number % 3), "message {number}");
                assert_eq!(msg.more(), number % 5 == 1, "message {number}");
            }
        }
    }
}
