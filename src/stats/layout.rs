//! The layout of the memory `zmq-stats`, as docs/stats.md tells it: a header, and records of one size, each of a
//! socket or of one of its peers.
//!
//! The one place that knows an offset. The library writes by it and never reads back what it decides by; whoever
//! looks into a process (tools/zmq-tools) includes this file, so it uses nothing but core. Only ever added to:
//! a field keeps its place and its meaning, what is new goes where zeros were and gets a `REVISION`.

use core::marker::PhantomData;

/// The name of the memory in /proc/PID/fd: a link to `/memfd:zmq-stats (deleted)`.
pub const NAME: &str = "zmq-stats";

/// What the memory begins with.
pub const MAGIC: [u8; 8] = *b"ZMQSTATS";

/// Rises if something changes its place or its meaning: a reader knows one and leaves others alone.
pub const VERSION: u32 = 1;

/// Rises with every field that is added: a reader takes those of a later one for unknown.
pub const REVISION: u32 = 1;

/// Bytes before the first record.
pub const HEADER_SIZE: usize = 4096;

/// Bytes from one record to the next.
pub const RECORD_SIZE: usize = 512;

/// Bytes of all of it.
pub const SIZE: usize = 1 << 20;

/// How many records there are.
pub const RECORDS: usize = (SIZE - HEADER_SIZE) / RECORD_SIZE;

/// Where a value stands: little-endian, and aligned to its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<T> {
    /// From the beginning of the header or of the record.
    pub offset: usize,
    holds: PhantomData<T>,
}

impl<T> Field<T> {
    const fn at(offset: usize) -> Field<T> {
        Field { offset, holds: PhantomData }
    }
}

/// The bytes from an offset on, zeros for those that are not there.
fn bytes_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    let mut value = [0; N];
    let there = bytes.get(offset..).unwrap_or_default();
    value.iter_mut().zip(there).for_each(|(to, from)| *to = *from);
    value
}

impl Field<u8> {
    /// Its value in a copy of the header or the record.
    pub fn of(self, bytes: &[u8]) -> u8 {
        u8::from_le_bytes(bytes_at(bytes, self.offset))
    }
}

impl Field<u32> {
    /// Its value in a copy of the header or the record.
    pub fn of(self, bytes: &[u8]) -> u32 {
        u32::from_le_bytes(bytes_at(bytes, self.offset))
    }
}

impl Field<u64> {
    /// Its value in a copy of the header or the record.
    pub fn of(self, bytes: &[u8]) -> u64 {
        u64::from_le_bytes(bytes_at(bytes, self.offset))
    }
}

impl<const N: usize> Field<[u8; N]> {
    /// How long its text can be.
    pub const ROOM: usize = N;

    /// The text that stands there, which ends before the first zero. Whose it is need not be UTF-8.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        let end = bytes.len().min(self.offset + N);
        let text = bytes.get(self.offset..end).unwrap_or_default();
        text.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}

/// Fields with their offsets, and a list of them all.
macro_rules! fields {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty = $offset:literal;)*) => {
        use super::Field;
        $($(#[doc = $doc])* pub const $name: Field<$type> = Field::at($offset);)*
        /// Name, offset and size of each, in the order of their places.
        pub const ALL: &[(&str, usize, usize)] =
            &[$((stringify!($name), $offset, size_of::<$type>())),*];
    };
}

/// The header.
pub mod header {
    fields! {
        /// [`MAGIC`](super::MAGIC), written last when the memory is made: without it there is nothing to read yet.
        MAGIC: [u8; 8] = 0;
        /// [`VERSION`](super::VERSION).
        VERSION: u32 = 8;
        /// [`REVISION`](super::REVISION).
        REVISION: u32 = 12;
        /// [`HEADER_SIZE`](super::HEADER_SIZE).
        HEADER_SIZE: u32 = 16;
        /// [`RECORD_SIZE`](super::RECORD_SIZE).
        RECORD_SIZE: u32 = 20;
        /// How many records there is room for.
        RECORDS: u32 = 24;
        /// No record from this one on was ever used.
        USED: u32 = 28;
        /// The process, as it calls itself: another one that has the descriptor is a child of it.
        PID: u32 = 32;
        /// Sockets that found no place, and are there.
        HIDDEN_SOCKETS: u32 = 36;
        /// When the process began, as field 22 of /proc/PID/stat says; 0: unknown.
        START_TIME: u64 = 40;
        /// Peers that found no place, and are there.
        HIDDEN_PEERS: u32 = 48;
        /// Sequence of the pair below.
        CLOCK_SEQUENCE: u32 = 52;
        /// What the library's clock said when the memory was made.
        MADE_TICKS: u64 = 56;
        /// CLOCK_MONOTONIC at that moment, in nanoseconds.
        MADE_MONOTONIC: u64 = 64;
        /// What the library's clock said when it was last compared.
        SEEN_TICKS: u64 = 72;
        /// CLOCK_MONOTONIC at that moment, in nanoseconds.
        SEEN_MONOTONIC: u64 = 80;
        /// Which library this is.
        LIBRARY: [u8; 32] = 96;
    }
}

/// What each record begins with.
pub mod record {
    fields! {
        /// Odd while the record gets another tenant, or its texts are written.
        SEQUENCE: u32 = 0;
        /// Whose it is: [`FREE`], [`SOCKET`] or [`PEER`].
        KIND: u32 = 4;
        /// Which tenant of all that the process has had, from 1.
        ID: u64 = 8;
        /// Of a peer: the id of its socket.
        OWNER: u64 = 16;
        /// When the tenant came.
        SINCE: u64 = 24;
    }

    /// Nobody's.
    pub const FREE: u32 = 0;
    /// A socket's.
    pub const SOCKET: u32 = 1;
    /// A peer's.
    pub const PEER: u32 = 2;
}

/// A socket, behind what [`record`] has.
pub mod socket {
    fields! {
        /// ZMQ_TYPE.
        TYPE: u32 = 32;
        /// Of [`STATES`].
        STATE: u32 = 36;
        /// Which context of the process, from 1.
        CONTEXT: u32 = 40;
        /// The thread that made it, as gettid(2) says.
        THREAD: u32 = 44;
        /// ZMQ_LINGER in milliseconds as an i32, from zmq_close(3) on.
        LINGER: u32 = 48;
        /// Whether its context is being terminated (1).
        TERMINATING: u32 = 52;
        /// Endpoints that are bound.
        BOUND: u32 = 56;
        /// Endpoints that are connected.
        CONNECTED: u32 = 60;
        /// Messages sent to peers that have no record any more.
        MESSAGES_OUT: u64 = 64;
        /// Bytes of those.
        BYTES_OUT: u64 = 72;
        /// Messages received from peers that have no record any more.
        MESSAGES_IN: u64 = 80;
        /// Bytes of those.
        BYTES_IN: u64 = 88;
        /// Messages dropped at full queues of peers that have no record any more.
        DROPPED_FULL: u64 = 96;
        /// Messages that were sent and dropped because there was no peer at all.
        DROPPED_NO_PEER: u64 = 104;
        /// Messages that were sent and dropped because no peer has this routing id, or who asked is gone.
        DROPPED_UNKNOWN: u64 = 112;
        /// Messages that were sent and dropped because none of the peers has subscribed to them.
        FILTERED_OUT: u64 = 120;
        /// Messages that came and were dropped because the socket has not subscribed to them.
        FILTERED_IN: u64 = 128;
        /// Calls that would have had to wait to send: EAGAIN.
        AGAIN_OUT: u64 = 136;
        /// Calls that would have had to wait to receive: EAGAIN.
        AGAIN_IN: u64 = 144;
        /// Time that calls have waited to send, together.
        BLOCKED_OUT: u64 = 152;
        /// Time that calls have waited to receive, together.
        BLOCKED_IN: u64 = 160;
        /// Since when a call waits to send; 0: none does.
        BLOCKED_OUT_SINCE: u64 = 168;
        /// Since when a call waits to receive; 0: none does.
        BLOCKED_IN_SINCE: u64 = 176;
        /// Topics or groups: those it asks for, or those its peers ask it for.
        SUBSCRIPTIONS: u32 = 184;
        /// Of [`FAILURES`](super::FAILURES): why the last handshake failed.
        FAILURE: u32 = 188;
        /// What goes with that.
        FAILURE_DETAIL: u32 = 192;
        /// Handshakes that failed.
        FAILURES: u32 = 196;
        /// When the last one did.
        FAILURE_AT: u64 = 200;
        /// ZMQ_MECHANISM of this side then.
        FAILURE_OURS: u8 = 208;
        /// That which the peer announced, or [`UNKNOWN`](super::UNKNOWN).
        FAILURE_THEIRS: u8 = 209;
        /// Messages that were sent and dropped before the first peer came, among those without one.
        DROPPED_BEFORE: u64 = 216;
        /// ZMQ_LAST_ENDPOINT.
        ENDPOINT: [u8; 128] = 256;
        /// The address of the peer of that handshake.
        FAILURE_ADDRESS: [u8; 64] = 384;
    }

    /// What [`STATE`] means, from 1.
    pub const STATES: [&str; 2] = ["open", "closing"];
}

/// One peer of a socket, behind what [`record`] has: an endpoint that connects, whether or not it has a connection,
/// or a connection of one that is bound.
pub mod peer {
    fields! {
        /// Of [`STATES`].
        STATE: u32 = 32;
        /// Of [`DIRECTIONS`].
        DIRECTION: u8 = 36;
        /// ZMQ_MECHANISM of this side, or [`UNKNOWN`](super::UNKNOWN).
        MECHANISM: u8 = 37;
        /// That which the peer announced, or [`UNKNOWN`](super::UNKNOWN).
        PEER_MECHANISM: u8 = 38;
        /// The version of ZMTP: the first number; 0: none.
        ZMTP_MAJOR: u8 = 39;
        /// The second one.
        ZMTP_MINOR: u8 = 40;
        /// ZMQ_TYPE of the peer, or [`UNKNOWN`](super::UNKNOWN).
        PEER_TYPE: u8 = 41;
        /// Whether the endpoint or the address is longer than its room (1).
        CUT: u8 = 42;
        /// The peer's process, where the system tells; 0: unknown.
        PEER_PID: u32 = 44;
        /// Connections that were there before this one.
        RECONNECTS: u32 = 48;
        /// Attempts at a connection that failed since the last one.
        ATTEMPTS: u32 = 52;
        /// Within the process: the same number at the other end, nobody else's. 0: another process's.
        LINK: u64 = 56;
        /// Messages sent to it.
        MESSAGES_OUT: u64 = 64;
        /// Bytes of those, of all parts.
        BYTES_OUT: u64 = 72;
        /// Messages received from it.
        MESSAGES_IN: u64 = 80;
        /// Bytes of those, of all parts.
        BYTES_IN: u64 = 88;
        /// Messages that were sent and dropped because its queue was full.
        DROPPED_FULL: u64 = 96;
        /// Messages of those sent that wait no more: `MESSAGES_OUT - LEFT` is the queue. Within the process only
        /// those that gave way to newer ones (ZMQ_CONFLATE).
        LEFT: u64 = 104;
        /// Messages that have come, of which `CAME - MESSAGES_IN` wait to be received.
        CAME: u64 = 112;
        /// When something of it was last read.
        HEARD_AT: u64 = 120;
        /// How many messages may wait to be sent; 0: no limit.
        LIMIT_OUT: u32 = 128;
        /// How many may wait to be received; 0: no limit.
        LIMIT_IN: u32 = 132;
        /// Most that have waited to be sent.
        DEEPEST_OUT: u32 = 136;
        /// Most that have waited to be received.
        DEEPEST_IN: u32 = 140;
        /// Since when the queue to it is full; 0: it is not.
        FULL_SINCE: u64 = 144;
        /// Since when the system takes nothing more for it; 0: it does.
        STALLED_SINCE: u64 = 152;
        /// When the state became what it is.
        STATE_SINCE: u64 = 160;
        /// When the next attempt comes, while it waits to retry.
        RETRY_AT: u64 = 168;
        /// Errno of the last attempt that failed or of the last connection that was lost; 0: none, or an orderly end.
        ERROR: u32 = 176;
        /// Of [`FAILURES`](super::FAILURES): why the last handshake failed.
        FAILURE: u32 = 180;
        /// When that error was.
        ERROR_AT: u64 = 184;
        /// When that handshake failed.
        FAILURE_AT: u64 = 192;
        /// What goes with that.
        FAILURE_DETAIL: u32 = 200;
        /// What was given to zmq_bind(3) or zmq_connect(3), with the port the system chose.
        ENDPOINT: [u8; 128] = 256;
        /// The peer's address.
        ADDRESS: [u8; 64] = 384;
    }

    /// What [`STATE`] means, from 1.
    pub const STATES: [&str; 9] = [
        "resolving",
        "connecting",
        "handshaking",
        "ready",
        "waiting to retry",
        // The application has closed or disconnected; there are messages to send.
        "lingering",
        // The peer is gone; there are messages to receive.
        "gone",
        // Nobody has bound this name of the process yet.
        "waiting for bind",
        // A handshake failed, and there will be no further attempt.
        "given up",
    ];

    /// What [`DIRECTION`] means, from 1.
    pub const DIRECTIONS: [&str; 3] = ["connected", "accepted", "datagrams"];
}

/// What is not known of a peer.
pub const UNKNOWN: u8 = 255;

/// Why a handshake failed, from 1; what the detail is stands in brackets.
pub const FAILURES: [&str; 16] = [
    "a frame that no peer may send",
    "the peer speaks a version of ZMTP that has no security",
    "the peer has another security mechanism",
    "a command that has no place there",
    "a command that makes no sense",
    "properties that make no sense, or a socket type that cannot be talked to",
    "a nonce that goes back",
    "the exchange of keys failed",
    "a box that does not open: a wrong key",
    // [status code of ZAP, or 0]
    "refused by the peer",
    // [status code]
    "refused by the ZAP handler",
    // [ZMQ_PROTOCOL_ERROR_ZAP_*]
    "the ZAP handler's reply makes no sense",
    "no ZAP handler",
    "it took too long",
    // [errno]
    "the peer closed the connection",
    "no security context (GSSAPI)",
];

/// What a time of the library's clock is by CLOCK_MONOTONIC, in nanoseconds. Its own clock is the processor's
/// counter, which costs next to nothing to read, and which it compares with the system's now and then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    made: (u64, u64),
    seen: (u64, u64),
}

/// Ticks, which are nanoseconds but for a thousandth: a fifth of a second.
const CLOSE: u64 = 200_000_000;

impl Clock {
    /// That of a copy of the header, in which `CLOCK_SEQUENCE` was even and did not change meanwhile.
    pub fn of(bytes: &[u8]) -> Clock {
        Clock {
            made: (header::MADE_TICKS.of(bytes), header::MADE_MONOTONIC.of(bytes)),
            seen: (header::SEEN_TICKS.of(bytes), header::SEEN_MONOTONIC.of(bytes)),
        }
    }

    /// CLOCK_MONOTONIC at that time; `None` for 0, which is no time.
    pub fn monotonic(&self, ticks: u64) -> Option<u64> {
        if ticks == 0 {
            return None;
        }
        let ((first, start), (second, then)) = (self.made, self.seen);
        let (counted, passed) = (second.saturating_sub(first), then.saturating_sub(start));
        let (base, at_base) = if ticks < second { (first, start) } else { (second, then) };
        let since = i128::from(ticks) - i128::from(base);
        // Of two comparisons that are close the difference is how long they took.
        let scaled = if counted < CLOSE || passed == 0 {
            since
        } else {
            since.saturating_mul(i128::from(passed)) / i128::from(counted)
        };
        let at = (i128::from(at_base) + scaled).clamp(0, i128::from(u64::MAX));
        Some(at as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_do_not_share_a_byte_and_are_aligned() {
        let records = [socket::ALL, peer::ALL].map(|own| [record::ALL, own].concat());
        let [sockets, peers] = records;
        for (all, size) in
            [(header::ALL.to_vec(), HEADER_SIZE), (sockets, RECORD_SIZE), (peers, RECORD_SIZE)]
        {
            let mut end = 0;
            for (name, offset, length) in all {
                assert!(offset >= end, "{name} begins before the one before it ends");
                let aligned = length > 8 || offset % length == 0;
                assert!(aligned, "{name} is not aligned");
                end = offset + length;
            }
            assert!(end <= size);
        }
        assert_eq!(HEADER_SIZE + RECORDS * RECORD_SIZE, SIZE);
    }

    #[test]
    fn what_is_not_there_is_zero() {
        let bytes = [1u8; 10];
        assert_eq!(header::VERSION.of(&bytes), 0x0101);
        assert_eq!(peer::MESSAGES_OUT.of(&bytes), 0);
        assert_eq!(peer::ENDPOINT.of(&bytes), b"");
        assert_eq!(header::MAGIC.of(b"ZMQS\0ATS"), b"ZMQS");
        assert_eq!(header::MAGIC.of(b"ZMQSTATS!"), b"ZMQSTATS");
    }

    #[test]
    fn times_are_the_systems_wherever_the_two_were_compared() {
        const S: u64 = 1_000_000_000;
        let clock = Clock { made: (S, 500 * S), seen: (3 * S, 500 * S + 22 * S / 10) };
        assert_eq!(clock.monotonic(0), None);
        assert_eq!(clock.monotonic(S), Some(500 * S));
        assert_eq!(clock.monotonic(3 * S), Some(500 * S + 22 * S / 10));
        assert_eq!(clock.monotonic(5 * S), Some(500 * S + 44 * S / 10));
        assert_eq!(clock.monotonic(S / 2), Some(500 * S - 55 * S / 100));
        // Two comparisons within microseconds, of which each took a while, say nothing of a day.
        for (counted, passed) in [(0, 0), (5000, 4600), (5000, 900_000)] {
            let once = Clock { made: (S, 500 * S), seen: (S + counted, 500 * S + passed) };
            let later = once.monotonic(86_400 * S).expect("a time");
            assert!(later.abs_diff((86_400 + 499) * S) < S / 1000, "{later}");
        }
        for (made, seen) in [((u64::MAX, 0), (0, u64::MAX)), ((0, 0), (S, u64::MAX))] {
            let wild = Clock { made, seen };
            assert!(wild.monotonic(7).is_some() && wild.monotonic(u64::MAX).is_some());
        }
    }

    #[test]
    fn the_reader_of_the_c_tests_has_the_same_numbers() {
        let text = include_str!("../../tests-c/stats.h");
        let list = text.split("/* the header */").nth(1).expect("numbers");
        let list = list.split("/* the end */").next().expect("their end");
        let mut count = 0;
        for pair in list.split(['{', ',', '\n']).filter(|pair| pair.contains('=')) {
            let (name, offset) = pair.split_once('=').expect("a pair");
            let (whose, name) = name.trim().split_once('_').expect("whose it is");
            let all = match whose {
                "HEADER" => header::ALL,
                "RECORD" => record::ALL,
                "SOCKET" => socket::ALL,
                "PEER" => peer::ALL,
                other => panic!("nobody's: {other}"),
            };
            let found = all.iter().find(|(other, ..)| *other == name);
            let found = found.map(|(_, offset, _)| offset.to_string());
            assert_eq!(found.as_deref(), Some(offset.trim()), "{whose}_{name}");
            count += 1;
        }
        assert!(count > 60);
    }

    #[test]
    fn the_page_that_tells_of_it_names_every_field() {
        let page = include_str!("../../docs/stats.md");
        for all in [header::ALL, record::ALL, socket::ALL, peer::ALL] {
            for (name, offset, size) in all {
                let row = format!("| {offset} | {size} | `{}` |", name.to_lowercase());
                assert!(page.contains(&row), "docs/stats.md has no row {row}");
            }
        }
        for words in FAILURES.iter().chain(&peer::STATES).chain(&peer::DIRECTIONS) {
            assert!(page.contains(words), "docs/stats.md does not say {words:?}");
        }
    }
}
