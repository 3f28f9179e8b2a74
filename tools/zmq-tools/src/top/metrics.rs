//! A snapshot as OpenMetrics (RFC-like text of version 1.0.0, which Prometheus reads).

use crate::stats::{Peer, Process, Snapshot, Socket};
use std::fmt::Write;

/// Labels, each a name and a value.
type Labels<'a> = [(&'a str, &'a str)];

/// The text that is made.
#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# TYPE {name} {kind}\n# HELP {name} {help}");
    }

    fn sample(&mut self, name: &str, labels: &Labels<'_>, value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            self.0.push(if at == 0 { '{' } else { ',' });
            let _ = write!(self.0, "{label}=\"{}\"", escaped(value));
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

/// As between quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Each socket with its process.
fn sockets(snapshot: &Snapshot) -> impl Iterator<Item = (&Process, &Socket)> {
    snapshot.processes.iter().flat_map(|process| process.sockets.iter().map(move |s| (process, s)))
}

/// The labels of a socket.
struct Of {
    pid: String,
    program: String,
    socket: String,
    kind: String,
    endpoint: String,
}

impl Of {
    fn new(process: &Process, socket: &Socket) -> Of {
        Of {
            pid: process.pid.to_string(),
            program: process.name.clone(),
            socket: socket.id.to_string(),
            kind: socket.kind.clone(),
            endpoint: socket.endpoint.clone(),
        }
    }

    fn with<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let own = [
            ("pid", self.pid.as_str()),
            ("program", &self.program),
            ("socket", &self.socket),
            ("type", &self.kind),
            ("endpoint", &self.endpoint),
        ];
        own.iter().chain(more).copied().collect()
    }
}

/// Counters of sockets that have a value for each of some labels.
type Values = fn(&Socket) -> Vec<(&'static str, f64)>;

const COUNTERS: [(&str, &str, &str, Values); 5] = [
    ("zmq_socket_messages", "direction", "Whole messages sent and received.", |s| {
        vec![("out", s.sent.messages as f64), ("in", s.received.messages as f64)]
    }),
    ("zmq_socket_bytes", "direction", "Bytes of all their parts.", |s| {
        vec![("out", s.sent.bytes as f64), ("in", s.received.bytes as f64)]
    }),
    ("zmq_socket_dropped", "reason", "Messages sent and dropped, or received and dropped.", |s| {
        vec![
            ("full", s.dropped_full as f64),
            ("no_peer", s.dropped_no_peer as f64),
            ("unknown_id", s.dropped_unknown as f64),
            ("filtered_out", s.filtered_out as f64),
            ("filtered_in", s.filtered_in as f64),
        ]
    }),
    ("zmq_socket_again", "direction", "Calls that would have had to wait: EAGAIN.", |s| {
        vec![("out", s.again_out as f64), ("in", s.again_in as f64)]
    }),
    ("zmq_socket_blocked_seconds", "direction", "Time that calls have waited.", |s| {
        vec![
            ("out", s.blocked_out + s.blocked_out_for.unwrap_or_default()),
            ("in", s.blocked_in + s.blocked_in_for.unwrap_or_default()),
        ]
    }),
];

type PeerValue = (&'static str, &'static str, &'static str, fn(&Peer) -> f64);

const GAUGES: [PeerValue; 5] = [
    ("zmq_peer_ready", "gauge", "Whether messages can be passed: 1 or 0.", |p| {
        f64::from(u8::from(p.is_ready()))
    }),
    ("zmq_peer_queue_out_messages", "gauge", "Messages that wait to be sent.", |p| {
        p.queue_out.length as f64
    }),
    ("zmq_peer_queue_out_limit_messages", "gauge", "How many may wait; 0 is no limit.", |p| {
        f64::from(p.queue_out.limit)
    }),
    ("zmq_peer_queue_in_messages", "gauge", "Messages that wait to be received.", |p| {
        p.queue_in.length as f64
    }),
    ("zmq_peer_dropped", "counter", "Messages dropped at its full queue.", |p| {
        p.dropped_full as f64
    }),
];

/// The whole answer to a request.
pub(super) fn text(snapshot: &Snapshot) -> String {
    let mut text = Text::default();
    text.family("zmq_processes", "gauge", "Processes that show statistics.");
    let shown = snapshot.processes.iter().filter(|p| !p.library.is_empty()).count();
    text.sample("zmq_processes", &[], shown);
    text.family("zmq_processes_unreadable", "gauge", "Processes that could not be looked into.");
    text.sample("zmq_processes_unreadable", &[], snapshot.unreadable);
    for (name, label, help, values) in COUNTERS {
        text.family(name, "counter", help);
        // A sum that is not exact might go back, which counters do not.
        for (process, socket) in sockets(snapshot).filter(|(_, socket)| socket.settled) {
            let of = Of::new(process, socket);
            for (value, number) in values(socket) {
                text.sample(&format!("{name}_total"), &of.with(&[(label, value)]), number);
            }
        }
    }
    text.family("zmq_socket_subscriptions", "gauge", "Topics or groups.");
    for (process, socket) in sockets(snapshot) {
        let of = Of::new(process, socket);
        text.sample("zmq_socket_subscriptions", &of.with(&[]), socket.subscriptions);
    }
    for (name, kind, help, value) in GAUGES {
        text.family(name, kind, help);
        let suffix = if kind == "counter" { "_total" } else { "" };
        for (process, socket) in sockets(snapshot) {
            let of = Of::new(process, socket);
            for peer in &socket.peers {
                let (id, who) = (peer.id.to_string(), peer.name());
                let labels = of.with(&[("peer", &id), ("address", &who)]);
                text.sample(&format!("{name}{suffix}"), &labels, value(peer));
            }
        }
    }
    text.0.push_str("# EOF\n");
    text.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_a_page_of_metrics() {
        let peer = Peer { id: 2, address: "a\"\\\n".to_owned(), ..Peer::default() };
        let mut socket = Socket {
            id: 1,
            kind: "PUB".to_owned(),
            settled: true,
            dropped_full: 5,
            peers: vec![peer],
            ..Socket::default()
        };
        let page = |socket: &Socket| {
            let process = Process { pid: 7, sockets: vec![socket.clone()], ..Process::default() };
            text(&Snapshot { processes: vec![process], ..Snapshot::default() })
        };
        let full = page(&socket);
        let labels = "pid=\"7\",program=\"\",socket=\"1\",type=\"PUB\",endpoint=\"\"";
        for line in [
            "# TYPE zmq_socket_dropped counter".to_owned(),
            format!("zmq_socket_dropped_total{{{labels},reason=\"full\"}} 5"),
            format!("zmq_peer_ready{{{labels},peer=\"2\",address=\"a\\\"\\\\\\n\"}} 0"),
            "zmq_processes_unreadable 0".to_owned(),
        ] {
            assert!(full.lines().any(|l| l == line), "{line}\n{full}");
        }
        assert!(full.ends_with("# EOF\n"));
        // No name has two families, and no sample comes before its family.
        let mut families: Vec<&str> =
            full.lines().filter_map(|l| l.strip_prefix("# TYPE ")).collect();
        let all = families.len();
        families.dedup();
        assert_eq!(families.len(), all);
        socket.settled = false;
        assert!(!page(&socket).contains("zmq_socket_dropped_total{"));
    }
}
