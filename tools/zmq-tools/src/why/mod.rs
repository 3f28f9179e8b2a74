//! What does not work, in sentences: rules, each of which looks at a socket in two snapshots about a second apart and knows
//! nothing else. Whoever has a question has mostly one of these.

mod connections;
mod ending;
mod handshakes;
mod queues;
mod subscriptions;
#[cfg(test)]
mod tests;

use crate::stats::{Peer, Process, Snapshot, Socket};
use crate::words::count;

/// How bad something is: what stands further down is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// It may be meant so.
    Odd,
    /// It waits for somebody else.
    Waits,
    /// Something was lost once.
    Lost,
    /// It cannot do what it is there for.
    Useless,
    /// There is no connection.
    Apart,
    /// There will be none before somebody changes something.
    Refused,
    /// Something is being lost.
    Losing,
    /// The program does not go on.
    Stuck,
}

/// A sentence.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How bad it is.
    pub gravity: Gravity,
    /// Of several that are as bad, how much there is of it.
    pub weight: f64,
    /// The sentence, with a full stop.
    pub text: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a rule looks at.
struct Place<'a> {
    /// How long something has to last before it is told: a factor.
    patience: f64,
    process: &'a Process,
    socket: &'a Socket,
    /// The same socket before, if it was there.
    before: Option<&'a Socket>,
    /// All of now.
    all: &'a Snapshot,
}

impl Place<'_> {
    /// Who it is, for a sentence.
    fn name(&self) -> String {
        name(self.process, self.socket)
    }

    fn finding(&self, gravity: Gravity, weight: f64, what: &str) -> Finding {
        Finding { gravity, weight, text: format!("{} {what}.", self.name()) }
    }

    /// Whether it has lasted for as long as it takes to be a question.
    fn is_long(&self, seconds: f64, usual: f64) -> bool {
        seconds >= usual * self.patience
    }

    fn peer_before(&self, peer: &Peer) -> Option<&Peer> {
        self.before?.peers.iter().find(|before| before.id == peer.id)
    }

    /// Whether something of the socket was so before, too: what is over in a moment is nobody's question.
    fn lasts(&self, is_so: impl Fn(&Socket) -> bool) -> bool {
        is_so(self.socket) && self.before.is_some_and(is_so)
    }
}

fn name(process: &Process, socket: &Socket) -> String {
    let at =
        if socket.endpoint.is_empty() { String::new() } else { format!(" at {}", socket.endpoint) };
    format!("{}[{}]: {} {}{at}", process.name, process.pid, socket.kind, socket.id)
}

/// A time as one says it.
fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => "less than a second".to_owned(),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.0} h", s / 3600.0),
    }
}

type Rule = fn(&Place<'_>) -> Vec<Finding>;

const RULES: [Rule; 14] = [
    queues::dropped_at_full_queues,
    queues::blocked,
    queues::not_received,
    queues::unknown_ids,
    queues::waits_for_an_answer,
    subscriptions::nothing_subscribed,
    subscriptions::nobody_there,
    subscriptions::nobody_wants_it,
    connections::cannot_connect,
    connections::both_connect,
    connections::nowhere,
    handshakes::of_peers,
    handshakes::of_those_that_came,
    ending::termination,
];

/// What does not work, worst first. `patience` is 1 for what people usually find long, and more or less for more or less.
pub fn judge(then: &Snapshot, now: &Snapshot, patience: f64) -> Vec<Finding> {
    let mut found = Vec::new();
    for process in &now.processes {
        let is_it = |p: &&Process| p.pid == process.pid && p.start == process.start;
        let before = then.processes.iter().find(is_it);
        for socket in &process.sockets {
            let before = before.and_then(|p| p.sockets.iter().find(|s| s.id == socket.id));
            let place = Place { patience, process, socket, before, all: now };
            found.extend(RULES.iter().flat_map(|rule| rule(&place)));
        }
    }
    found.sort_by(|a, b| b.gravity.cmp(&a.gravity).then(b.weight.total_cmp(&a.weight)));
    found
}
