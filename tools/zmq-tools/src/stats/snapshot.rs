//! What was seen at one moment: numbers and texts, without addresses, clocks or anything else of the process it is of. It is
//! what all views show, what `zmqtop record` writes, and what the rules of `zmqtop why` judge.

use serde::{Deserialize, Serialize};

/// What all processes showed at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Seconds since 1970.
    pub time: f64,
    /// The same moment by a clock that only goes forward, in seconds from some other one: for rates.
    pub clock: f64,
    /// By their numbers.
    pub processes: Vec<Process>,
    /// How many processes could not be looked into at all: whether they use libzmq is not known.
    pub unreadable: u32,
}

/// One process that uses libzmq.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Process {
    /// As the reader's system calls it.
    pub pid: u32,
    /// Its program's name.
    pub name: String,
    /// When it began, as field 22 of /proc/PID/stat: together with `pid` it is nobody else's.
    pub start: u64,
    /// What its library calls itself.
    pub library: String,
    /// Why something, or everything, is not shown. A sentence without a full stop.
    pub note: Option<String>,
    /// Sockets and peers for which there was no room.
    pub hidden_sockets: u32,
    /// Peers for which there was no room.
    pub hidden_peers: u32,
    /// In the order in which they were made.
    pub sockets: Vec<Socket>,
}

/// Messages, and the bytes of all their parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Count {
    /// Whole messages.
    pub messages: u64,
    /// Bytes of all parts.
    pub bytes: u64,
}

/// Why a handshake failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// The number of docs/stats.md.
    pub code: u32,
    /// What it is in words.
    pub text: String,
    /// A status code or another number, where there is one.
    pub detail: u32,
    /// Seconds ago.
    pub ago: f64,
    /// The mechanism of this side: `NULL`, `CURVE`; empty: not known.
    pub ours: String,
    /// The mechanism the peer announced.
    pub theirs: String,
    /// The peer's address.
    pub address: String,
    /// How many handshakes have failed.
    pub count: u32,
}

/// One socket. All sums are those of the socket and of all its peers, those that are gone as well.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Socket {
    /// Nobody else's in this process.
    pub id: u64,
    /// `PUB`, `SUB`, ...
    pub kind: String,
    /// Which context of the process.
    pub context: u32,
    /// The thread that made it.
    pub thread: u32,
    /// Age in seconds.
    pub age: f64,
    /// zmq_close(3) has been called.
    pub closing: bool,
    /// Its context is being terminated.
    pub terminating: bool,
    /// ZMQ_LINGER in milliseconds, once it is closing; -1: for ever.
    pub linger: i32,
    /// Endpoints that are bound.
    pub bound: u32,
    /// Endpoints that are connected.
    pub connected: u32,
    /// The last endpoint.
    pub endpoint: String,
    /// Whether sums are exact: they are not while peers come and go all the time.
    pub settled: bool,
    /// What was sent.
    pub sent: Count,
    /// What was received.
    pub received: Count,
    /// Dropped at full queues.
    pub dropped_full: u64,
    /// The part of those whose peers are gone.
    pub dropped_full_gone: u64,
    /// Dropped for want of any peer.
    pub dropped_no_peer: u64,
    /// The part of those before the first peer came.
    pub dropped_before: u64,
    /// Dropped because no peer has that routing id.
    pub dropped_unknown: u64,
    /// Sent, and nobody had subscribed to it.
    pub filtered_out: u64,
    /// Received, and not subscribed to.
    pub filtered_in: u64,
    /// Calls that got EAGAIN when sending.
    pub again_out: u64,
    /// Calls that got EAGAIN when receiving.
    pub again_in: u64,
    /// Seconds that calls have waited to send.
    pub blocked_out: f64,
    /// Seconds that calls have waited to receive.
    pub blocked_in: f64,
    /// For how many seconds one has waited to send, if one does now.
    pub blocked_out_for: Option<f64>,
    /// For how many seconds one has waited to receive, if one does now.
    pub blocked_in_for: Option<f64>,
    /// Topics or groups.
    pub subscriptions: u32,
    /// The last handshake that failed, of a connection that came.
    pub failure: Option<Failure>,
    /// Endpoints that connect, and connections that came.
    pub peers: Vec<Peer>,
}

/// What waits one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Queue {
    /// Messages that wait.
    pub length: u64,
    /// How many may; 0: no limit.
    pub limit: u32,
    /// Most that have.
    pub deepest: u32,
}

/// An error of the system.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// As in errno.h.
    pub errno: u32,
    /// The system's words for it.
    pub text: String,
    /// Seconds ago.
    pub ago: f64,
}

/// One peer of a socket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Peer {
    /// Nobody else's in this process.
    pub id: u64,
    /// `ready`, `waiting to retry`, ...: docs/stats.md.
    pub state: String,
    /// For how many seconds it has been so.
    pub state_for: f64,
    /// `connected`, `accepted` or `datagrams`.
    pub direction: String,
    /// What was bound or connected.
    pub endpoint: String,
    /// Where the peer is.
    pub address: String,
    /// The peer's process, if it is known.
    pub pid: Option<u32>,
    /// Within the process: the same number at the other end.
    pub link: u64,
    /// The mechanism of this side.
    pub mechanism: String,
    /// The mechanism the peer announced.
    pub peer_mechanism: String,
    /// As in `3.1`; empty: not known.
    pub zmtp: String,
    /// The peer's socket type; empty: not known.
    pub peer_kind: String,
    /// Connections before this one.
    pub reconnects: u32,
    /// Attempts that failed since.
    pub attempts: u32,
    /// Seconds until the next attempt.
    pub retry_in: Option<f64>,
    /// What was sent to it.
    pub sent: Count,
    /// What was received from it.
    pub received: Count,
    /// What was dropped at its full queue.
    pub dropped_full: u64,
    /// What waits to be sent.
    pub queue_out: Queue,
    /// What waits to be received.
    pub queue_in: Queue,
    /// For how many seconds the queue to it has been full.
    pub full_for: Option<f64>,
    /// For how many seconds the system has taken nothing for it.
    pub stalled_for: Option<f64>,
    /// How many seconds ago it was heard.
    pub heard_ago: Option<f64>,
    /// The last attempt that failed, or how the last connection was lost.
    pub problem: Option<Problem>,
    /// The last handshake that failed.
    pub failure: Option<Failure>,
}

/// Socket types by their numbers in zmq.h.
const KINDS: [&str; 21] = [
    "PAIR", "PUB", "SUB", "REQ", "REP", "DEALER", "ROUTER", "PULL", "PUSH", "XPUB", "XSUB",
    "STREAM", "SERVER", "CLIENT", "RADIO", "DISH", "GATHER", "SCATTER", "DGRAM", "PEER", "CHANNEL",
];

/// The name of a socket type.
pub fn kind_name(number: u32) -> String {
    let known = usize::try_from(number).ok().and_then(|number| KINDS.get(number));
    known.map_or_else(|| format!("TYPE {number}"), |name| (*name).to_owned())
}

impl Peer {
    /// Who it is, in as few words as say it.
    pub fn name(&self) -> String {
        if self.direction == "connected" && !self.endpoint.is_empty() {
            return self.endpoint.clone();
        }
        // Of an ipc peer there is no more than its process, of one of inproc nothing.
        let address = self.address.split_once("://").map_or(self.address.as_str(), |(_, at)| at);
        match self.pid {
            _ if address.contains(':') => address.to_owned(),
            Some(pid) => format!("process {pid}"),
            None if self.link != 0 => format!("a peer in the process at {}", self.endpoint),
            None if address.is_empty() => format!("a peer at {}", self.endpoint),
            None => address.to_owned(),
        }
    }

    /// Whether the queue to it takes no message: one that was full does not until a part of it is gone.
    pub fn is_full(&self) -> bool {
        let Queue { length, limit, .. } = self.queue_out;
        self.full_for.is_some() || limit != 0 && length >= u64::from(limit)
    }

    /// Whether messages can be passed now.
    pub fn is_ready(&self) -> bool {
        self.state == "ready" || self.direction == "datagrams"
    }
}

impl Socket {
    /// Whose queue is fullest, of those to peers or of those from them.
    pub fn fullest(&self, of: impl Fn(&Peer) -> Queue) -> Queue {
        // Without a limit none is full.
        let share =
            |q: &Queue| q.length as f64 / f64::from(if q.limit == 0 { u32::MAX } else { q.limit });
        let all = self.peers.iter().map(of);
        all.max_by(|a, b| share(a).total_cmp(&share(b))).unwrap_or_default()
    }

    /// All that it has dropped.
    pub fn dropped(&self) -> u64 {
        let kinds = [self.dropped_full, self.dropped_no_peer, self.dropped_unknown];
        kinds.iter().fold(0, |sum, n| sum.saturating_add(*n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_those_of_zmq_h() {
        assert_eq!(kind_name(0), "PAIR");
        assert_eq!(kind_name(11), "STREAM");
        assert_eq!(kind_name(20), "CHANNEL");
        assert_eq!(kind_name(21), "TYPE 21");
        assert_eq!(kind_name(u32::MAX), "TYPE 4294967295");
    }

    #[test]
    fn a_snapshot_is_read_as_it_was_written_and_what_is_new_or_missing_does_no_harm() {
        let peer = Peer { state: "ready".to_owned(), full_for: Some(1.5), ..Peer::default() };
        let socket = Socket { id: u64::MAX, peers: vec![peer], ..Socket::default() };
        let process = Process { sockets: vec![socket], ..Process::default() };
        let snapshot = Snapshot { processes: vec![process], ..Snapshot::default() };
        let text = serde_json::to_string(&snapshot).unwrap();
        assert_eq!(serde_json::from_str::<Snapshot>(&text).unwrap(), snapshot);
        let other = r#"{"processes": [{"pid": 7, "something": "new"}]}"#;
        assert_eq!(serde_json::from_str::<Snapshot>(other).unwrap().processes[0].pid, 7);
    }

    #[test]
    fn peers_have_names() {
        let name = |direction: &str, address: &str, pid| {
            let [direction, address, endpoint] =
                [direction, address, "ipc:///a"].map(str::to_owned);
            Peer { direction, address, endpoint, pid, ..Peer::default() }.name()
        };
        assert_eq!(name("connected", "127.0.0.1", None), "ipc:///a");
        assert_eq!(name("accepted", "tcp://10.0.0.7:1", Some(7)), "10.0.0.7:1");
        assert_eq!(name("accepted", "", Some(7)), "process 7");
        assert_eq!(name("accepted", "", None), "a peer at ipc:///a");
    }

    #[test]
    fn the_fullest_queue_is_the_one_nearest_its_limit() {
        let queue = |length, limit| Queue { length, limit, deepest: 0 };
        let of = |q| Peer { queue_out: q, ..Peer::default() };
        let peers = [queue(500, 1000), queue(9, 10), queue(5000, 0)].map(of).to_vec();
        let socket = Socket { peers, ..Socket::default() };
        assert_eq!(socket.fullest(|p| p.queue_out), queue(9, 10));
        assert_eq!(Socket::default().fullest(|p| p.queue_in), Queue::default());
    }
}
