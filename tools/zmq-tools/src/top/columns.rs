//! The table: a line for a socket, or for a socket and each of its peers.

use super::rates::{Rate, Rates};
use super::units::{duration, short, unless_zero};
use crate::stats::{Peer, Process, Queue, Snapshot, Socket};
use crate::words::count;
use clap::ValueEnum;

/// What lines are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Sort {
    /// Messages a second, both ways together
    #[default]
    Rate,
    /// Bytes a second, both ways together
    Bytes,
    /// How full the fullest queue is
    Queue,
    /// Messages dropped
    Dropped,
    /// How long a call has been waiting
    Blocked,
    /// Number of peers
    Peers,
    /// Process and socket
    Pid,
}

impl Sort {
    pub(super) const ALL: [Sort; 7] = [
        Sort::Rate,
        Sort::Bytes,
        Sort::Queue,
        Sort::Dropped,
        Sort::Blocked,
        Sort::Peers,
        Sort::Pid,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Sort::Rate => "rate",
            Sort::Bytes => "bytes",
            Sort::Queue => "queue",
            Sort::Dropped => "dropped",
            Sort::Blocked => "blocked",
            Sort::Peers => "peers",
            Sort::Pid => "pid",
        }
    }

    /// The one so many further on.
    pub(super) fn step(self, by: isize) -> Sort {
        let at = Sort::ALL.iter().position(|sort| *sort == self).unwrap_or_default();
        let many = Sort::ALL.len() as isize;
        let next = (at as isize + by).rem_euclid(many) as usize;
        Sort::ALL.get(next).copied().unwrap_or_default()
    }
}

/// How the table is shown.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct View {
    pub(super) sort: Sort,
    pub(super) reverse: bool,
    /// A line for each peer, too.
    pub(super) peers: bool,
    /// Bytes instead of messages.
    pub(super) bytes: bool,
}

/// A column's title, its width, and whether it stands at the right.
pub(super) const COLUMNS: [(&str, usize, bool); 11] = [
    ("PID", 7, true),
    ("PROGRAM", 15, false),
    ("SOCKET", 11, false),
    ("PEERS", 5, true),
    ("OUT/s", 6, true),
    ("IN/s", 6, true),
    ("QUEUE OUT", 11, true),
    ("QUEUE IN", 11, true),
    ("DROPPED", 7, true),
    ("WAITS", 6, true),
    ("ENDPOINT", 40, false),
];

/// How a line is to be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Usual,
    /// Something is lost, full or broken.
    Bad,
    /// It does nothing.
    Quiet,
    /// It belongs to the line above.
    Peer,
}

/// A line.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) cells: [String; COLUMNS.len()],
    pub(super) mood: Mood,
}

/// `5/1000`; nothing if none waits.
fn queue(queue: Queue) -> String {
    match (queue.length, queue.limit) {
        (0, _) => "-".to_owned(),
        (length, 0) => short(length as f64),
        (length, limit) => format!("{}/{}", short(length as f64), short(f64::from(limit))),
    }
}

/// How full it is.
fn share(queue: Queue) -> f64 {
    if queue.limit == 0 { 0.0 } else { queue.length as f64 / f64::from(queue.limit) }
}

fn waits(socket: &Socket) -> String {
    match (socket.blocked_out_for, socket.blocked_in_for) {
        // Who waits for messages is idle, who waits to send is stuck.
        (Some(out), _) => format!("{}>", duration(out)),
        (None, Some(received)) => duration(received),
        _ => "-".to_owned(),
    }
}

/// The process of a line, its socket, and what happens there.
struct Line<'a> {
    process: &'a Process,
    socket: &'a Socket,
    rate: Rate,
}

impl Line<'_> {
    /// What it is sorted by: the largest first, but for processes.
    fn weight(&self, sort: Sort) -> f64 {
        let (socket, rate) = (self.socket, &self.rate);
        match sort {
            Sort::Rate => rate.sent + rate.received,
            Sort::Bytes => rate.sent_bytes + rate.received_bytes,
            Sort::Queue => {
                share(socket.fullest(|p| p.queue_out)).max(share(socket.fullest(|p| p.queue_in)))
            }
            Sort::Dropped => socket.dropped() as f64,
            Sort::Blocked => {
                // To be stuck is worse than to wait.
                socket.blocked_out_for.map_or(0.0, |s| s + 1e9)
                    + socket.blocked_in_for.unwrap_or_default()
            }
            Sort::Peers => socket.peers.len() as f64,
            Sort::Pid => 0.0,
        }
    }

    fn mood(&self) -> Mood {
        let socket = self.socket;
        let bad = self.rate.dropped > 0.0
            || socket.blocked_out_for.is_some_and(|s| s >= 1.0)
            || socket.peers.iter().any(Peer::is_full);
        if bad {
            Mood::Bad
        } else if self.rate.sent + self.rate.received == 0.0 {
            Mood::Quiet
        } else {
            Mood::Usual
        }
    }

    fn row(&self, view: &View) -> Row {
        let (process, socket, rate) = (self.process, self.socket, &self.rate);
        let [sent, received] = if view.bytes {
            [rate.sent_bytes, rate.received_bytes]
        } else {
            [rate.sent, rate.received]
        };
        let ready = socket.peers.iter().filter(|peer| peer.is_ready()).count();
        let all = socket.peers.len();
        let peers = if ready == all { format!("{all}") } else { format!("{ready}/{all}") };
        // What is not exact says so.
        let about = if socket.settled { "" } else { "~" };
        let closing = if socket.closing { "closed, lingers: " } else { "" };
        Row {
            cells: [
                process.pid.to_string(),
                process.name.clone(),
                format!("{} {}", socket.kind, socket.id),
                peers,
                format!("{about}{}", unless_zero(sent)),
                format!("{about}{}", unless_zero(received)),
                queue(socket.fullest(|p| p.queue_out)),
                queue(socket.fullest(|p| p.queue_in)),
                unless_zero(socket.dropped() as f64),
                waits(socket),
                format!("{closing}{}", socket.endpoint),
            ],
            mood: self.mood(),
        }
    }
}

fn peer_row(rate: Rate, peer: &Peer, view: &View) -> Row {
    let [sent, received] = if view.bytes {
        [rate.sent_bytes, rate.received_bytes]
    } else {
        [rate.sent, rate.received]
    };
    let state = match (&peer.problem, peer.is_ready()) {
        (_, true) => peer.zmtp_and_mechanism(),
        (Some(problem), false) => format!("{}: {}", peer.state, problem.text),
        (None, false) => peer.state.clone(),
    };
    Row {
        cells: [
            String::new(),
            String::new(),
            format!("  {}", if peer.peer_kind.is_empty() { "-" } else { &peer.peer_kind }),
            String::new(),
            unless_zero(sent),
            unless_zero(received),
            queue(peer.queue_out),
            queue(peer.queue_in),
            unless_zero(peer.dropped_full as f64),
            peer.full_for.map_or_else(|| "-".to_owned(), |full| format!("{}>", duration(full))),
            format!("  {} ({state})", peer.name()),
        ],
        mood: if peer.is_full() || peer.problem.is_some() && !peer.is_ready() {
            Mood::Bad
        } else {
            Mood::Peer
        },
    }
}

impl Peer {
    /// `ZMTP 3.1, CURVE`.
    fn zmtp_and_mechanism(&self) -> String {
        let zmtp = if self.zmtp.is_empty() { String::new() } else { format!("ZMTP {}", self.zmtp) };
        match (zmtp.is_empty(), self.mechanism.is_empty()) {
            (true, _) => self.state.clone(),
            (false, true) => zmtp,
            (false, false) => format!("{zmtp}, {}", self.mechanism),
        }
    }
}

/// All lines.
pub(super) fn rows(snapshot: &Snapshot, rates: &Rates, view: &View) -> Vec<Row> {
    let mut lines: Vec<Line<'_>> = Vec::new();
    for process in &snapshot.processes {
        let rate = |socket| rates.of_socket(process, socket);
        lines.extend(process.sockets.iter().map(|socket| Line {
            process,
            socket,
            rate: rate(socket),
        }));
    }
    let sort = view.sort;
    lines.sort_by(|a, b| b.weight(sort).total_cmp(&a.weight(sort)));
    if view.reverse {
        lines.reverse();
    }
    let mut rows = Vec::new();
    for line in lines {
        rows.push(line.row(view));
        if view.peers {
            let rate = |peer| rates.of_peer(line.process, peer);
            rows.extend(line.socket.peers.iter().map(|peer| peer_row(rate(peer), peer, view)));
        }
    }
    rows
}

/// Who a process is, in a note.
fn who(process: &Process) -> String {
    if process.name.is_empty() {
        process.pid.to_string()
    } else {
        format!("{} ({})", process.pid, process.name)
    }
}

/// What a table does not show. Processes of which there is the same to say share a sentence.
pub(super) fn notes(snapshot: &Snapshot) -> Vec<String> {
    let mut notes: Vec<(String, Vec<String>)> = Vec::new();
    for process in &snapshot.processes {
        let hidden = process.hidden_sockets > 0 || process.hidden_peers > 0;
        let hidden = hidden.then(|| {
            format!(
                "{} and {} more, for which its statistics have no room",
                count(u64::from(process.hidden_sockets), "socket"),
                count(u64::from(process.hidden_peers), "peer"),
            )
        });
        for note in process.note.iter().chain(&hidden) {
            match notes.iter_mut().find(|(text, _)| text == note) {
                Some((_, all)) => all.push(who(process)),
                None => notes.push((note.clone(), vec![who(process)])),
            }
        }
    }
    notes.into_iter().map(|(text, all)| format!("{}: {text}", all.join(", "))).collect()
}

/// The first lines: how much of everything there is.
pub(super) fn summary(snapshot: &Snapshot, rates: &Rates) -> String {
    let shown: Vec<&Process> =
        snapshot.processes.iter().filter(|process| !process.sockets.is_empty()).collect();
    let (mut sockets, mut peers, mut total) = (0, 0, Rate::default());
    for process in &shown {
        sockets += process.sockets.len();
        for socket in &process.sockets {
            peers += socket.peers.len();
            let rate = rates.of_socket(process, socket);
            total.sent += rate.sent;
            total.received += rate.received;
            total.sent_bytes += rate.sent_bytes;
            total.received_bytes += rate.received_bytes;
            total.dropped += rate.dropped;
        }
    }
    format!(
        "{}, {}, {}; {} messages/s out, {} in, {} dropped; {} and {} bytes/s",
        count(shown.len() as u64, "process"),
        count(sockets as u64, "socket"),
        count(peers as u64, "peer"),
        short(total.sent),
        short(total.received),
        short(total.dropped),
        short(total.sent_bytes),
        short(total.received_bytes),
    )
}

/// What stands below the table about processes that cannot be seen.
pub(super) fn unreadable(snapshot: &Snapshot) -> Option<String> {
    (snapshot.unreadable > 0).then(|| {
        format!(
            "{} of other users, or not dumpable, could not be looked into",
            count(u64::from(snapshot.unreadable), "process")
        )
    })
}

/// A cell in its column, cut with a mark if it is too long.
pub(super) fn fit(text: &str, width: usize, right: bool) -> String {
    let length = text.chars().count();
    if length > width {
        let kept: String = text.chars().take(width.saturating_sub(1)).collect();
        return format!("{kept}…");
    }
    let blanks = " ".repeat(width - length);
    if right { format!("{blanks}{text}") } else { format!("{text}{blanks}") }
}

/// The table as text, for scripts and eyes.
pub(super) fn text(snapshot: &Snapshot, rates: &Rates, view: &View) -> String {
    let (rows, notes) = (rows(snapshot, rates, view), notes(snapshot));
    let titles = COLUMNS.map(|(title, _, _)| title.to_owned());
    let mut out = format!("{}\n\n", summary(snapshot, rates));
    for cells in std::iter::once(&titles).chain(rows.iter().map(|row| &row.cells)) {
        let last = COLUMNS.len() - 1;
        let columns = cells.iter().zip(COLUMNS).enumerate();
        let fitted = columns.map(|(at, (cell, (_, width, right)))| {
            // Nothing stands behind the last one.
            if at == last { cell.clone() } else { fit(cell, width, right) }
        });
        out.push_str(fitted.collect::<Vec<_>>().join(" ").trim_end());
        out.push('\n');
    }
    for note in notes.iter().chain(&unreadable(snapshot)) {
        out.push_str(&format!("\n{note}"));
    }
    out.push_str(if notes.is_empty() && snapshot.unreadable == 0 { "" } else { "\n" });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Count;

    fn socket(id: u64, messages: u64, length: u64) -> Socket {
        let queue_out = Queue { length, limit: 1000, deepest: 0 };
        let peer = Peer { state: "ready".to_owned(), queue_out, ..Peer::default() };
        Socket {
            id,
            kind: "PUSH".to_owned(),
            settled: true,
            age: 100.0,
            sent: Count { messages, bytes: 0 },
            endpoint: format!("tcp://127.0.0.1:{id}"),
            peers: vec![peer],
            ..Socket::default()
        }
    }

    fn at(clock: f64, sockets: Vec<Socket>) -> Snapshot {
        let process = Process { pid: 7, name: "broker".to_owned(), sockets, ..Process::default() };
        Snapshot { clock, processes: vec![process], ..Snapshot::default() }
    }

    #[test]
    fn the_busiest_is_first_and_other_orders_are_others() {
        let then = at(0.0, vec![socket(1, 0, 0), socket(2, 0, 0)]);
        let now = at(1.0, vec![socket(1, 10, 1000), socket(2, 1500, 0)]);
        let rates = Rates::between(&then, &now);
        let first = |view: View| rows(&now, &rates, &view)[0].cells[2].clone();
        assert_eq!(first(View::default()), "PUSH 2");
        assert_eq!(first(View { reverse: true, ..View::default() }), "PUSH 1");
        assert_eq!(first(View { sort: Sort::Queue, ..View::default() }), "PUSH 1");
        let table = text(&now, &rates, &View::default());
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[0].starts_with("1 process, 2 sockets, 2 peers; 1510 messages/s out"));
        assert!(lines[3].contains(" 1500 ") && lines[3].ends_with("tcp://127.0.0.1:2"), "{table}");
        assert!(lines[4].contains("1000/1000"), "{table}");
        let rows = rows(&now, &rates, &View { peers: true, ..View::default() });
        assert_eq!(
            rows.iter().map(|row| row.mood).collect::<Vec<_>>(),
            [Mood::Usual, Mood::Peer, Mood::Bad, Mood::Bad]
        );
    }

    #[test]
    fn what_is_not_shown_is_said() {
        let mut now = at(1.0, Vec::new());
        now.processes[0].note = Some("statistics are off (ZMQ_STATS=0)".to_owned());
        now.processes[0].hidden_peers = 3;
        now.unreadable = 2;
        let table = text(&now, &Rates::default(), &View::default());
        now.processes.push(Process { pid: 8, ..now.processes[0].clone() });
        let table = format!("{table}{}", text(&now, &Rates::default(), &View::default()));
        for said in [
            "7 (broker), 8 (broker): statistics are off",
            "7 (broker): statistics are off",
            "3 peers more",
            "2 processes of other users",
        ] {
            assert!(table.contains(said), "{table}");
        }
    }

    #[test]
    fn cells_fit() {
        assert_eq!(fit("abc", 5, true), "  abc");
        assert_eq!(fit("abc", 5, false), "abc  ");
        assert_eq!(fit("abcdef", 5, false), "abcd…");
        assert_eq!(fit("ééé", 3, false), "ééé");
        let mut seen = Vec::new();
        let mut sort = Sort::Rate;
        for _ in Sort::ALL {
            seen.push(sort);
            sort = sort.step(1);
        }
        assert_eq!((sort, seen), (Sort::Rate, Sort::ALL.to_vec()));
        assert_eq!(Sort::Rate.step(-1), Sort::Pid);
    }
}
