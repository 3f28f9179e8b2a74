//! What happened between two snapshots, a second.

use crate::stats::{Peer, Process, Snapshot, Socket};
use std::collections::HashMap;

/// Of one socket or peer, a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rate {
    pub(super) sent: f64,
    pub(super) received: f64,
    pub(super) sent_bytes: f64,
    pub(super) received_bytes: f64,
    pub(super) dropped: f64,
}

/// Whose counts they are: process, its beginning, and the id of socket or peer.
type Key = (u32, u64, u64);

/// Counts that only grow.
#[derive(Clone, Copy, Debug, Default)]
struct Counts([u64; 5]);

/// Rates since an earlier snapshot.
#[derive(Default)]
pub(super) struct Rates {
    seconds: f64,
    earlier: HashMap<Key, Counts>,
}

impl Counts {
    fn of_socket(socket: &Socket) -> Counts {
        let (sent, received) = (socket.sent, socket.received);
        Counts([sent.messages, received.messages, sent.bytes, received.bytes, socket.dropped()])
    }

    fn of_peer(peer: &Peer) -> Counts {
        let (sent, received) = (peer.sent, peer.received);
        Counts([sent.messages, received.messages, sent.bytes, received.bytes, peer.dropped_full])
    }
}

impl Rates {
    /// What `later` will be compared with.
    pub(super) fn between(earlier: &Snapshot, later: &Snapshot) -> Rates {
        let mut rates = Rates { seconds: later.clock - earlier.clock, earlier: HashMap::new() };
        for process in &earlier.processes {
            let key = |id| (process.pid, process.start, id);
            for socket in process.sockets.iter().filter(|socket| socket.settled) {
                rates.earlier.insert(key(socket.id), Counts::of_socket(socket));
                for peer in &socket.peers {
                    rates.earlier.insert(key(peer.id), Counts::of_peer(peer));
                }
            }
        }
        rates
    }

    fn of(&self, key: Key, now: Counts, age: f64) -> Rate {
        // Whoever was not there before has begun with nothing; of others nothing is known.
        let before = match self.earlier.get(&key) {
            Some(counts) => *counts,
            None if age <= self.seconds => Counts::default(),
            None => now,
        };
        if self.seconds <= 0.0 || !self.seconds.is_finite() {
            return Rate::default();
        }
        let per_second = |at: usize| {
            let (now, before) = (now.0.get(at), before.0.get(at));
            let grown =
                now.copied().unwrap_or_default().checked_sub(before.copied().unwrap_or_default());
            // Less than before is somebody else's.
            grown.map_or(0.0, |grown| grown as f64 / self.seconds)
        };
        Rate {
            sent: per_second(0),
            received: per_second(1),
            sent_bytes: per_second(2),
            received_bytes: per_second(3),
            dropped: per_second(4),
        }
    }

    pub(super) fn of_socket(&self, process: &Process, socket: &Socket) -> Rate {
        if !socket.settled {
            return Rate::default();
        }
        self.of((process.pid, process.start, socket.id), Counts::of_socket(socket), socket.age)
    }

    pub(super) fn of_peer(&self, process: &Process, peer: &Peer) -> Rate {
        self.of((process.pid, process.start, peer.id), Counts::of_peer(peer), f64::INFINITY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Count;

    fn snapshot(clock: f64, id: u64, messages: u64, age: f64) -> Snapshot {
        let socket = Socket {
            id,
            age,
            settled: true,
            sent: Count { messages, bytes: 0 },
            ..Socket::default()
        };
        let process = Process { pid: 7, sockets: vec![socket], ..Process::default() };
        Snapshot { clock, processes: vec![process], ..Snapshot::default() }
    }

    fn sent(earlier: &Snapshot, later: &Snapshot) -> f64 {
        let process = &later.processes[0];
        Rates::between(earlier, later).of_socket(process, &process.sockets[0]).sent
    }

    #[test]
    fn rates_are_those_of_the_same_socket() {
        let first = snapshot(10.0, 1, 100, 5.0);
        assert_eq!(sent(&first, &snapshot(12.0, 1, 300, 7.0)), 100.0);
        // Another one, with a number that was not there before: all it has is new.
        assert_eq!(sent(&first, &snapshot(12.0, 2, 300, 1.0)), 150.0);
        // One that was there, and was not seen.
        assert_eq!(sent(&first, &snapshot(12.0, 2, 300, 9.0)), 0.0);
        // Less than before, and no time at all.
        assert_eq!(sent(&first, &snapshot(12.0, 1, 50, 7.0)), 0.0);
        assert_eq!(sent(&first, &snapshot(10.0, 1, 300, 5.0)), 0.0);
        assert_eq!(sent(&first, &snapshot(f64::NAN, 1, 300, 5.0)), 0.0);
    }

    #[test]
    fn another_process_of_the_same_number_is_another() {
        let mut later = snapshot(12.0, 1, 300, 9.0);
        later.processes[0].start = 1;
        assert_eq!(sent(&snapshot(10.0, 1, 100, 5.0), &later), 0.0);
    }
}
