//! Regions that a library wrote, and such as none would.

use super::*;
use std::cell::{Cell, RefCell};

/// Reads before those of records.
const HEADER_READS: usize = 3;

/// What happens before a read of that number.
type Meanwhile = Box<dyn Fn(usize, &mut Vec<u8>)>;

/// Bytes as a file, which may change with every read.
struct Made {
    bytes: RefCell<Vec<u8>>,
    reads: Cell<usize>,
    meanwhile: Meanwhile,
}

impl Source for Made {
    fn size(&self) -> std::io::Result<u64> {
        Ok(self.bytes.borrow().len() as u64)
    }

    fn read(&self, room: &mut [u8], offset: u64) -> std::io::Result<()> {
        let read = self.reads.replace(self.reads.get() + 1);
        let mut bytes = self.bytes.borrow_mut();
        (self.meanwhile)(read, &mut bytes);
        let offset = offset as usize;
        let from = bytes.get(offset..offset + room.len());
        room.copy_from_slice(from.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn put32(bytes: &mut [u8], field: layout::Field<u32>, value: u32) {
    put(bytes, field.offset, &value.to_le_bytes());
}

fn put64(bytes: &mut [u8], field: layout::Field<u64>, value: u64) {
    put(bytes, field.offset, &value.to_le_bytes());
}

/// A header and room for four records.
fn empty() -> Vec<u8> {
    let mut bytes = vec![0; layout::HEADER_SIZE + 4 * layout::RECORD_SIZE];
    put(&mut bytes, 0, &layout::MAGIC);
    put32(&mut bytes, header::VERSION, layout::VERSION);
    put32(&mut bytes, header::REVISION, layout::REVISION);
    put32(&mut bytes, header::HEADER_SIZE, layout::HEADER_SIZE as u32);
    put32(&mut bytes, header::RECORD_SIZE, layout::RECORD_SIZE as u32);
    put32(&mut bytes, header::RECORDS, 4);
    put32(&mut bytes, header::PID, 77);
    put(&mut bytes, header::LIBRARY.offset, b"zmq-oxide\x1b[2J");
    bytes
}

fn record(bytes: &mut [u8], place: usize) -> &mut [u8] {
    let at = layout::HEADER_SIZE + place * layout::RECORD_SIZE;
    &mut bytes[at..at + layout::RECORD_SIZE]
}

fn add(bytes: &mut [u8], kind: u32, id: u64, owner: u64) -> usize {
    let place = header::USED.of(bytes) as usize;
    put32(bytes, header::USED, place as u32 + 1);
    let copy = record(bytes, place);
    put32(copy, record::SEQUENCE, 2);
    put32(copy, record::KIND, kind);
    put64(copy, record::ID, id);
    put64(copy, record::OWNER, owner);
    place
}

/// A PUSH with one peer: 10 messages by others before, 5 to this one, of which 2 have left.
fn usual() -> Vec<u8> {
    let mut bytes = empty();
    let at = add(&mut bytes, record::PEER, 2, 1);
    let peer = record(&mut bytes, at);
    put32(peer, peer::STATE, 4);
    put64(peer, peer::MESSAGES_OUT, 5);
    put64(peer, peer::LEFT, 2);
    put32(peer, peer::LIMIT_OUT, 1000);
    put(peer, peer::ADDRESS.offset, b"10.0.0.7:1234");
    let at = add(&mut bytes, record::SOCKET, 1, 0);
    let socket = record(&mut bytes, at);
    put32(socket, socket::TYPE, 8);
    put32(socket, socket::STATE, 1);
    put64(socket, socket::MESSAGES_OUT, 10);
    put32(socket, socket::LINGER, u32::MAX);
    bytes
}

fn made(bytes: Vec<u8>, meanwhile: impl Fn(usize, &mut Vec<u8>) + 'static) -> Made {
    Made { bytes: RefCell::new(bytes), reads: Cell::new(0), meanwhile: Box::new(meanwhile) }
}

fn read_still(bytes: Vec<u8>) -> Result<Region, Fault> {
    read(&made(bytes, |_, _| ()), 0)
}

#[test]
fn a_socket_has_the_sums_of_its_peers() {
    let region = read_still(usual()).unwrap();
    assert_eq!((region.pid, region.later), (77, false));
    assert_eq!(region.library, "zmq-oxide.[2J", "what a terminal might obey is gone");
    let [socket] = region.sockets.as_slice() else { panic!("{region:?}") };
    assert_eq!((socket.kind.as_str(), socket.linger, socket.settled), ("PUSH", -1, true));
    assert_eq!(socket.sent.messages, 15);
    let peer = &socket.peers[0];
    assert_eq!((peer.state.as_str(), peer.name().as_str()), ("ready", "10.0.0.7:1234"));
    assert_eq!(peer.queue_out, Queue { length: 3, limit: 1000, deepest: 0 });
}

#[test]
fn times_are_told_from_now() {
    let mut bytes = usual();
    // Two ticks of the library's clock are a nanosecond.
    for (field, value) in [
        (header::MADE_TICKS, 1000),
        (header::MADE_MONOTONIC, 5_000_000_000),
        (header::SEEN_TICKS, 2_000_001_000),
        (header::SEEN_MONOTONIC, 6_000_000_000),
    ] {
        put64(&mut bytes, field, value);
    }
    put64(record(&mut bytes, 0), peer::FULL_SINCE, 4_000_001_000);
    put64(record(&mut bytes, 0), peer::RETRY_AT, 12_000_001_000);
    let region = read(&made(bytes, |_, _| ()), 9_000_000_000).unwrap();
    let peer = &region.sockets[0].peers[0];
    assert_eq!((peer.full_for, peer.retry_in, peer.heard_ago), (Some(2.0), Some(2.0), None));
}

#[test]
fn clocks_that_are_compared_meanwhile_are_read_again() {
    let mut bytes = usual();
    put64(&mut bytes, header::SEEN_TICKS, 1_000_000_000);
    put64(&mut bytes, header::SEEN_MONOTONIC, 1_000_000_000);
    put64(record(&mut bytes, 0), peer::FULL_SINCE, 11_000_000_000);
    // One of two numbers is there, and the other one when they are looked at again.
    let compares = |read: usize, bytes: &mut Vec<u8>| match read {
        1 => {
            put32(bytes, header::CLOCK_SEQUENCE, 1);
            put64(bytes, header::SEEN_TICKS, 10_000_000_000);
        }
        4 => {
            put32(bytes, header::CLOCK_SEQUENCE, 2);
            put64(bytes, header::SEEN_MONOTONIC, 10_000_000_000);
        }
        _ => {}
    };
    let region = read(&made(bytes, compares), 12_000_000_000).unwrap();
    assert_eq!(region.sockets[0].peers[0].full_for, Some(1.0));
}

#[test]
fn what_gave_way_to_something_newer_waits_no_more() {
    let mut bytes = usual();
    put64(record(&mut bytes, 0), peer::LINK, 9);
    put64(record(&mut bytes, 0), peer::MESSAGES_OUT, 100);
    put64(record(&mut bytes, 0), peer::LEFT, 98);
    add(&mut bytes, record::SOCKET, 3, 0);
    let at = add(&mut bytes, record::PEER, 4, 3);
    put64(record(&mut bytes, at), peer::LINK, 9);
    put64(record(&mut bytes, at), peer::MESSAGES_IN, 1);
    let region = read_still(bytes).unwrap();
    let lengths = |s: &Socket| (s.peers[0].queue_out.length, s.peers[0].queue_in.length);
    assert_eq!(region.sockets.iter().map(lengths).collect::<Vec<_>>(), [(1, 0), (0, 1)]);
}

#[test]
fn between_two_sockets_of_a_process_one_end_tells_what_waits_at_the_other() {
    let mut bytes = usual();
    put64(record(&mut bytes, 0), peer::LINK, 9);
    put64(record(&mut bytes, 0), peer::LEFT, 0);
    add(&mut bytes, record::SOCKET, 3, 0);
    let at = add(&mut bytes, record::PEER, 4, 3);
    put64(record(&mut bytes, at), peer::LINK, 9);
    put64(record(&mut bytes, at), peer::MESSAGES_IN, 4);
    let region = read_still(bytes).unwrap();
    let lengths = |s: &Socket| (s.peers[0].queue_out.length, s.peers[0].queue_in.length);
    assert_eq!(region.sockets.iter().map(lengths).collect::<Vec<_>>(), [(1, 0), (0, 1)]);
}

#[test]
fn counts_that_move_while_they_are_read_are_counted_once() {
    // Between the second and the third read of everything the peer goes, and its counts move to its socket.
    let moves = |read: usize, bytes: &mut Vec<u8>| {
        if read == HEADER_READS + 2 {
            put32(record(bytes, 0), record::SEQUENCE, 4);
            put32(record(bytes, 0), record::KIND, record::FREE);
            put32(record(bytes, 1), record::SEQUENCE, 4);
            put64(record(bytes, 1), socket::MESSAGES_OUT, 15);
        }
    };
    let region = read(&made(usual(), moves), 0).unwrap();
    let socket = &region.sockets[0];
    assert_eq!((socket.sent.messages, socket.settled, socket.peers.len()), (15, true, 0));
}

#[test]
fn what_never_rests_is_shown_as_that() {
    let restless = |read: usize, bytes: &mut Vec<u8>| {
        put32(record(bytes, 0), record::SEQUENCE, 2 * read as u32);
    };
    let region = read(&made(usual(), restless), 0).unwrap();
    let socket = &region.sockets[0];
    assert_eq!((socket.settled, socket.peers.len()), (false, 0));
    // Half written for ever: a process that died in the middle.
    let mut bytes = usual();
    put32(record(&mut bytes, 1), record::SEQUENCE, 3);
    assert!(read_still(bytes).unwrap().sockets.is_empty());
}

#[test]
fn sizes_that_cannot_be_are_refused() {
    let with = |field, value| {
        let mut bytes = usual();
        put32(&mut bytes, field, value);
        read_still(bytes)
    };
    assert_eq!(with(header::VERSION, 2), Err(Fault::Version(2)));
    for (field, value) in [
        (header::HEADER_SIZE, 0),
        (header::HEADER_SIZE, u32::MAX),
        (header::RECORD_SIZE, 0),
        (header::RECORD_SIZE, 63),
        (header::RECORD_SIZE, u32::MAX),
        (header::RECORDS, 5),
        (header::RECORDS, u32::MAX),
        (header::RECORDS, 1),
        (header::USED, 5),
        (header::USED, u32::MAX),
    ] {
        assert_eq!(with(field, value), Err(Fault::Nonsense), "{field:?} {value}");
    }
    // As many as there would be room for, each another socket's.
    let mut many = usual();
    many.resize(LARGEST as usize, 0);
    put32(&mut many, header::RECORD_SIZE, 64);
    put32(&mut many, header::RECORDS, 200_000);
    assert_eq!(read_still(many), Err(Fault::Nonsense));
    assert_eq!(read_still(Vec::new()), Err(Fault::NotReady));
    assert_eq!(read_still(vec![0; 1 << 20]), Err(Fault::NotReady));
}

#[test]
fn a_later_library_and_an_earlier_one_are_read() {
    let mut later = usual();
    put32(&mut later, header::REVISION, layout::REVISION + 1);
    assert!(read_still(later).unwrap().later);
    // Shorter records: what is not there is not known.
    let usual = usual();
    let short = 128;
    let mut earlier = usual[..layout::HEADER_SIZE].to_vec();
    put32(&mut earlier, header::RECORD_SIZE, short as u32);
    for place in 0..2 {
        let at = layout::HEADER_SIZE + place * layout::RECORD_SIZE;
        earlier.extend_from_slice(&usual[at..at + short]);
    }
    earlier.resize(layout::HEADER_SIZE + 4 * short, 0);
    let region = read_still(earlier).unwrap();
    assert_eq!(region.sockets[0].sent.messages, 15);
    assert_eq!(region.sockets[0].peers[0].address, "");
}

#[test]
fn a_file_that_shrinks_while_it_is_read_is_said() {
    let shrinks = |read: usize, bytes: &mut Vec<u8>| {
        if read == HEADER_READS + 1 {
            bytes.truncate(10);
        }
    };
    assert!(matches!(read(&made(usual(), shrinks), 0), Err(Fault::Io(_))));
}

/// A generator of numbers, the same every time.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn whatever_is_in_it_nothing_worse_happens_than_nonsense() {
    let mut state = 0x9E37_79B9_7F4A_7C15;
    for round in 0..3000 {
        let mut bytes = usual();
        let numbers = [0, 1, u64::MAX, 1 << 63, u64::from(u32::MAX), 0xff];
        for _ in 0..1 + round % 40 {
            // Mostly behind what is refused at once.
            let from = if round % 4 == 0 { 8 } else { 28 };
            let at = from + next(&mut state) as usize % (bytes.len() - from - 8);
            let choice = next(&mut state) as usize % 8;
            let value = numbers.get(choice).copied().unwrap_or_else(|| next(&mut state));
            put(&mut bytes, at, &value.to_le_bytes());
        }
        let now = next(&mut state);
        if let Ok(region) = read(&made(bytes, |_, _| ()), now) {
            for socket in &region.sockets {
                let _ = (socket.fullest(|p| p.queue_out), socket.dropped());
                assert!(socket.peers.iter().all(|p| !p.name().contains(char::is_control)));
                assert!(socket.age >= 0.0 && socket.age.is_finite());
            }
        }
    }
}
