//! One process's memory `zmq-stats`, read as docs/stats.md says. Nothing in it is trusted: sizes are compared with the file,
//! texts are cleaned, and what changes while it is read is read again, or left out.

use super::layout::{self, header, peer, record, socket};
use super::snapshot::{Count, Failure, Peer, Problem, Queue, Socket, kind_name};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// More than this is none of this library's making.
const LARGEST: u64 = 16 << 20;

/// And more records than this: each costs whoever reads them more than it costs a process to make them up.
const MOST_RECORDS: u64 = 1 << 14;

/// How often what has changed is read again.
const ATTEMPTS: usize = 5;

/// What a region says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Region {
    /// The process it is of, as that calls itself.
    pub pid: u32,
    /// When that began; 0: it does not say.
    pub start: u64,
    /// What the library calls itself.
    pub library: String,
    /// Whether the library says more than this reader knows.
    pub later: bool,
    /// Sockets without a place.
    pub hidden_sockets: u32,
    /// Peers without a place.
    pub hidden_peers: u32,
    /// The sockets.
    pub sockets: Vec<Socket>,
}

/// Why there is nothing to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is being made.
    NotReady,
    /// Of a version that this reader does not know.
    Version(u32),
    /// Sizes that cannot be.
    Nonsense,
    /// Reading it failed.
    Io(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::NotReady => f.write_str("its statistics are not ready"),
            Fault::Version(version) => {
                let ours = layout::VERSION;
                write!(
                    f,
                    "its library has statistics of version {version}, and this is a reader of version {ours}"
                )
            }
            Fault::Nonsense => f.write_str("its statistics make no sense"),
            Fault::Io(text) => write!(f, "its statistics cannot be read: {text}"),
        }
    }
}

/// Where bytes come from: a file, or a test's.
pub trait Source {
    /// How many there are.
    fn size(&self) -> std::io::Result<u64>;
    /// Reads as many as there is room for.
    fn read(&self, room: &mut [u8], offset: u64) -> std::io::Result<()>;
}

impl Source for File {
    fn size(&self) -> std::io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&self, room: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.read_exact_at(room, offset)
    }
}

/// Sizes that have been checked.
struct Shape {
    header: usize,
    record: usize,
    used: usize,
}

fn io(error: std::io::Error) -> Fault {
    Fault::Io(error.to_string())
}

/// The header, in which two clocks are compared now and then: both are of one moment, or it is read again.
fn read_steadily(source: &impl Source, bytes: &mut [u8]) -> Result<(), Fault> {
    let mut sequence = [0; 4];
    for _ in 0..ATTEMPTS {
        let field = header::CLOCK_SEQUENCE;
        source.read(&mut sequence, field.offset as u64).map_err(io)?;
        let before = u32::from_le_bytes(sequence);
        source.read(bytes, 0).map_err(io)?;
        source.read(&mut sequence, field.offset as u64).map_err(io)?;
        if before % 2 == 0 && before == u32::from_le_bytes(sequence) {
            break;
        }
    }
    Ok(())
}

/// The header, and sizes that fit.
fn read_header(source: &impl Source) -> Result<(Vec<u8>, Shape), Fault> {
    let size = source.size().map_err(io)?;
    let mut bytes = vec![0; layout::HEADER_SIZE];
    if size < bytes.len() as u64 {
        return Err(Fault::NotReady);
    }
    read_steadily(source, &mut bytes)?;
    if header::MAGIC.of(&bytes) != layout::MAGIC {
        return Err(Fault::NotReady);
    }
    let version = header::VERSION.of(&bytes);
    if version != layout::VERSION {
        return Err(Fault::Version(version));
    }
    let header = u64::from(header::HEADER_SIZE.of(&bytes));
    let record = u64::from(header::RECORD_SIZE.of(&bytes));
    let records = u64::from(header::RECORDS.of(&bytes));
    let used = u64::from(header::USED.of(&bytes));
    // Neither product nor sum can be too large: each factor has 32 bits, and a quotient is compared first.
    let smallest = 64;
    let fits = size <= LARGEST
        && record >= smallest
        && header >= smallest
        && record * records <= LARGEST
        && records <= MOST_RECORDS
        && header + record * records <= size
        && used <= records;
    if !fits {
        return Err(Fault::Nonsense);
    }
    let shape = Shape { header: header as usize, record: record as usize, used: used as usize };
    Ok((bytes, shape))
}

/// The times of one region, by the reader's clock.
struct Times {
    clock: layout::Clock,
    now: u64,
}

impl Times {
    /// Seconds from then until now: negative for what is still to come.
    fn ago(&self, ticks: u64) -> Option<f64> {
        let then = self.clock.monotonic(ticks)?;
        Some((i128::from(self.now) - i128::from(then)) as f64 / 1e9)
    }

    /// For how long it has been so.
    fn for_seconds(&self, ticks: u64) -> Option<f64> {
        self.ago(ticks).map(|seconds| rounded(seconds.max(0.0)))
    }
}

/// To a millisecond: more is not known.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

/// A text of somebody else's: without what a terminal might obey.
pub fn clean(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let seen = |c: char| {
        // Marks that turn the direction of writing lie among these, too.
        let hidden = c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
        if hidden { '.' } else { c }
    };
    text.chars().map(seen).collect()
}

fn mechanism_name(number: u8) -> String {
    match number {
        0 => "NULL".to_owned(),
        1 => "PLAIN".to_owned(),
        2 => "CURVE".to_owned(),
        3 => "GSSAPI".to_owned(),
        layout::UNKNOWN => String::new(),
        other => format!("mechanism {other}"),
    }
}

/// A word of a list that starts at 1.
fn word(list: &[&str], number: u32) -> String {
    let at = usize::try_from(number).ok().and_then(|n| n.checked_sub(1));
    let known = at.and_then(|at| list.get(at));
    known.map_or_else(|| format!("number {number}"), |text| (*text).to_owned())
}

/// Reads a region. `now` is CLOCK_MONOTONIC in nanoseconds.
pub fn read(source: &impl Source, now: u64) -> Result<Region, Fault> {
    let (head, shape) = read_header(source)?;
    let times = Times { clock: layout::Clock::of(&head), now };
    let mut found = Found::default();
    for attempt in 1..=ATTEMPTS {
        if found.look(source, &shape)? || attempt == ATTEMPTS {
            break;
        }
    }
    let mut sockets = found.sockets(&times);
    sockets.sort_by_key(|socket| socket.id);
    Ok(Region {
        pid: header::PID.of(&head),
        start: header::START_TIME.of(&head),
        library: clean(header::LIBRARY.of(&head)),
        later: header::REVISION.of(&head) > layout::REVISION,
        hidden_sockets: header::HIDDEN_SOCKETS.of(&head),
        hidden_peers: header::HIDDEN_PEERS.of(&head),
        sockets,
    })
}

/// Records that did not change while they were read, by their ids.
#[derive(Default)]
struct Found {
    /// Copies of sockets, with those of their peers at the same time.
    settled: HashMap<u64, (Vec<u8>, Vec<Vec<u8>>)>,
    /// The same of those that change all the time, as they were last seen.
    unsettled: HashMap<u64, (Vec<u8>, Vec<Vec<u8>>)>,
}

impl Found {
    /// Reads all records three times: what has the same sequence before and after did not change in between. That of a
    /// socket changes when counts move to it from a peer that goes, so that its sums are right, too. Returns whether all
    /// that is there has been seen.
    fn look(&mut self, source: &impl Source, shape: &Shape) -> Result<bool, Fault> {
        let mut copies = [Vec::new(), Vec::new(), Vec::new()];
        for copy in &mut copies {
            copy.resize(shape.used * shape.record, 0);
            source.read(copy, shape.header as u64).map_err(io)?;
        }
        let [before, between, after] = &copies;
        let mut sockets: HashMap<u64, (Vec<u8>, bool)> = HashMap::new();
        let mut peers: HashMap<u64, (Vec<Vec<u8>>, bool)> = HashMap::new();
        let both = before.chunks_exact(shape.record).zip(after.chunks_exact(shape.record));
        let mut whole = true;
        for (copy, (before, after)) in between.chunks_exact(shape.record).zip(both) {
            let sequence = record::SEQUENCE.of(before);
            let steady = sequence % 2 == 0 && sequence == record::SEQUENCE.of(after);
            match record::KIND.of(copy) {
                record::SOCKET => {
                    whole &= steady;
                    sockets.insert(record::ID.of(copy), (copy.to_vec(), steady));
                }
                record::PEER => {
                    let (list, all) =
                        peers.entry(record::OWNER.of(copy)).or_insert((Vec::new(), true));
                    *all &= steady;
                    whole &= steady;
                    // Half of one tenant and half of another is nobody.
                    if steady {
                        list.push(copy.to_vec());
                    }
                }
                _ => {}
            }
        }
        self.keep(sockets, peers);
        Ok(whole)
    }

    fn keep(
        &mut self,
        sockets: HashMap<u64, (Vec<u8>, bool)>,
        mut peers: HashMap<u64, (Vec<Vec<u8>>, bool)>,
    ) {
        // The last look says which are there.
        self.settled.retain(|id, _| sockets.contains_key(id));
        self.unsettled.retain(|id, _| sockets.contains_key(id));
        for (id, (copy, steady)) in sockets {
            let (list, all) = peers.remove(&id).unwrap_or((Vec::new(), true));
            if steady && all {
                self.unsettled.remove(&id);
                self.settled.insert(id, (copy, list));
            } else if steady && !self.settled.contains_key(&id) {
                self.unsettled.insert(id, (copy, list));
            }
        }
    }

    fn sockets(self, times: &Times) -> Vec<Socket> {
        let settled = self.settled.into_values().map(|found| (found, true));
        let all = settled.chain(self.unsettled.into_values().map(|found| (found, false)));
        let mut sockets: Vec<Socket> = all
            .map(|((copy, peers), settled)| {
                let peers = peers.iter().map(|copy| a_peer(copy, times)).collect();
                a_socket(&copy, peers, settled, times)
            })
            .collect();
        within(&mut sockets);
        sockets
    }
}

/// What waits between two sockets of the process: what one has sent, did not take back for something newer, and the other has
/// not received.
fn within(sockets: &mut [Socket]) {
    let mut ends: HashMap<u64, Vec<(u64, u64, u64)>> = HashMap::new();
    for peer in sockets.iter().flat_map(|socket| &socket.peers).filter(|peer| peer.link != 0) {
        // Until here the queue is what was sent and has not given way.
        let end = (peer.id, peer.queue_out.length, peer.received.messages);
        ends.entry(peer.link).or_default().push(end);
    }
    for peer in sockets.iter_mut().flat_map(|socket| &mut socket.peers) {
        let both = ends.get(&peer.link).map(Vec::as_slice).unwrap_or_default();
        if let Some((_, sent, received)) = both.iter().find(|(id, _, _)| *id != peer.id) {
            peer.queue_out.length = peer.queue_out.length.saturating_sub(*received);
            peer.queue_in.length = sent.saturating_sub(peer.received.messages);
        }
    }
}

fn a_failure(code: u32, detail: u32, at: u64, times: &Times) -> Option<Failure> {
    (code != 0).then(|| Failure {
        code,
        text: word(&layout::FAILURES, code),
        detail,
        ago: times.for_seconds(at).unwrap_or_default(),
        ..Failure::default()
    })
}

fn sum(own: u64, peers: &[Peer], of: impl Fn(&Peer) -> u64) -> u64 {
    peers.iter().fold(own, |sum, peer| sum.saturating_add(of(peer)))
}

fn a_socket(copy: &[u8], mut peers: Vec<Peer>, settled: bool, times: &Times) -> Socket {
    peers.sort_by_key(|peer| peer.id);
    let failure = a_failure(
        socket::FAILURE.of(copy),
        socket::FAILURE_DETAIL.of(copy),
        socket::FAILURE_AT.of(copy),
        times,
    );
    let seconds = |nanoseconds: u64| rounded(nanoseconds as f64 / 1e9);
    Socket {
        id: record::ID.of(copy),
        kind: kind_name(socket::TYPE.of(copy)),
        context: socket::CONTEXT.of(copy),
        thread: socket::THREAD.of(copy),
        age: times.for_seconds(record::SINCE.of(copy)).unwrap_or_default(),
        closing: word(&socket::STATES, socket::STATE.of(copy)) == "closing",
        terminating: socket::TERMINATING.of(copy) != 0,
        linger: socket::LINGER.of(copy).cast_signed(),
        bound: socket::BOUND.of(copy),
        connected: socket::CONNECTED.of(copy),
        endpoint: clean(socket::ENDPOINT.of(copy)),
        settled,
        sent: Count {
            messages: sum(socket::MESSAGES_OUT.of(copy), &peers, |p| p.sent.messages),
            bytes: sum(socket::BYTES_OUT.of(copy), &peers, |p| p.sent.bytes),
        },
        received: Count {
            messages: sum(socket::MESSAGES_IN.of(copy), &peers, |p| p.received.messages),
            bytes: sum(socket::BYTES_IN.of(copy), &peers, |p| p.received.bytes),
        },
        dropped_full: sum(socket::DROPPED_FULL.of(copy), &peers, |p| p.dropped_full),
        dropped_full_gone: socket::DROPPED_FULL.of(copy),
        dropped_no_peer: socket::DROPPED_NO_PEER.of(copy),
        dropped_before: socket::DROPPED_BEFORE.of(copy),
        dropped_unknown: socket::DROPPED_UNKNOWN.of(copy),
        filtered_out: socket::FILTERED_OUT.of(copy),
        filtered_in: socket::FILTERED_IN.of(copy),
        again_out: socket::AGAIN_OUT.of(copy),
        again_in: socket::AGAIN_IN.of(copy),
        blocked_out: seconds(socket::BLOCKED_OUT.of(copy)),
        blocked_in: seconds(socket::BLOCKED_IN.of(copy)),
        blocked_out_for: times.for_seconds(socket::BLOCKED_OUT_SINCE.of(copy)),
        blocked_in_for: times.for_seconds(socket::BLOCKED_IN_SINCE.of(copy)),
        subscriptions: socket::SUBSCRIPTIONS.of(copy),
        failure: failure.map(|failure| Failure {
            ours: mechanism_name(socket::FAILURE_OURS.of(copy)),
            theirs: mechanism_name(socket::FAILURE_THEIRS.of(copy)),
            address: clean(socket::FAILURE_ADDRESS.of(copy)),
            count: socket::FAILURES.of(copy),
            ..failure
        }),
        peers,
    }
}

/// What waits of a peer's to be sent, and to be received.
fn queues(copy: &[u8]) -> (Queue, Queue) {
    // Counters of two moments: what has left was sent before.
    let waits = |all: u64, gone: u64| all.checked_sub(gone).filter(|n| *n < 1 << 48).unwrap_or(0);
    let out = Queue {
        length: waits(peer::MESSAGES_OUT.of(copy), peer::LEFT.of(copy)),
        limit: peer::LIMIT_OUT.of(copy),
        deepest: peer::DEEPEST_OUT.of(copy),
    };
    let received = Queue {
        length: waits(peer::CAME.of(copy), peer::MESSAGES_IN.of(copy)),
        limit: peer::LIMIT_IN.of(copy),
        deepest: peer::DEEPEST_IN.of(copy),
    };
    (out, received)
}

fn a_peer(copy: &[u8], times: &Times) -> Peer {
    let (sent, received) = (peer::MESSAGES_OUT.of(copy), peer::MESSAGES_IN.of(copy));
    let (queue_out, queue_in) = queues(copy);
    let (major, minor) = (peer::ZMTP_MAJOR.of(copy), peer::ZMTP_MINOR.of(copy));
    let mechanism = mechanism_name(peer::MECHANISM.of(copy));
    let theirs = mechanism_name(peer::PEER_MECHANISM.of(copy));
    let address = clean(peer::ADDRESS.of(copy));
    let errno = peer::ERROR.of(copy);
    let failure = a_failure(
        peer::FAILURE.of(copy),
        peer::FAILURE_DETAIL.of(copy),
        peer::FAILURE_AT.of(copy),
        times,
    );
    Peer {
        id: record::ID.of(copy),
        state: word(&peer::STATES, peer::STATE.of(copy)),
        state_for: times.for_seconds(peer::STATE_SINCE.of(copy)).unwrap_or_default(),
        direction: word(&peer::DIRECTIONS, u32::from(peer::DIRECTION.of(copy))),
        endpoint: clean(peer::ENDPOINT.of(copy)),
        pid: Some(peer::PEER_PID.of(copy)).filter(|pid| *pid != 0),
        link: peer::LINK.of(copy),
        zmtp: if major == 0 { String::new() } else { format!("{major}.{minor}") },
        peer_kind: match peer::PEER_TYPE.of(copy) {
            layout::UNKNOWN => String::new(),
            number => kind_name(u32::from(number)),
        },
        reconnects: peer::RECONNECTS.of(copy),
        attempts: peer::ATTEMPTS.of(copy),
        retry_in: times.ago(peer::RETRY_AT.of(copy)).map(|ago| rounded((-ago).max(0.0))),
        sent: Count { messages: sent, bytes: peer::BYTES_OUT.of(copy) },
        received: Count { messages: received, bytes: peer::BYTES_IN.of(copy) },
        dropped_full: peer::DROPPED_FULL.of(copy),
        queue_out,
        queue_in,
        full_for: times.for_seconds(peer::FULL_SINCE.of(copy)),
        stalled_for: times.for_seconds(peer::STALLED_SINCE.of(copy)),
        heard_ago: times.for_seconds(peer::HEARD_AT.of(copy)),
        problem: (errno != 0).then(|| Problem {
            errno,
            text: errno_text(errno),
            ago: times.for_seconds(peer::ERROR_AT.of(copy)).unwrap_or_default(),
        }),
        failure: failure.map(|failure| Failure {
            ours: mechanism.clone(),
            theirs: theirs.clone(),
            address: address.clone(),
            count: 1,
            ..failure
        }),
        mechanism,
        peer_mechanism: theirs,
        address,
    }
}

/// The system's words for a number, without the number behind.
fn errno_text(number: u32) -> String {
    let Ok(number) = i32::try_from(number) else { return format!("error {number}") };
    let text = std::io::Error::from_raw_os_error(number).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
