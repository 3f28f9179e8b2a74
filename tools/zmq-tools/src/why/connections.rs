//! Connections that do not come about.

use super::{Finding, Gravity, Place, count, name, time};
use crate::stats::{Peer, Socket};

/// What is over within this time is no question.
const PATIENCE: f64 = 3.0;

/// A program may bind a moment after it has made its socket.
const YOUNG: f64 = 5.0;

fn connects(peer: &Peer) -> bool {
    peer.direction == "connected" && !peer.is_ready()
}

/// An endpoint where nobody is.
pub(super) fn cannot_connect(place: &Place<'_>) -> Vec<Finding> {
    let trying = place.socket.peers.iter().filter(|peer| connects(peer));
    trying.filter_map(|peer| cannot(place, peer)).collect()
}

fn cannot(place: &Place<'_>, peer: &Peer) -> Option<Finding> {
    let endpoint = &peer.endpoint;
    let lasts = place.is_long(peer.state_for, PATIENCE);
    let what = match (peer.state.as_str(), &peer.problem) {
        ("waiting for bind", _) if place.is_long(peer.state_for, 1.0) => {
            format!("is connected to {endpoint}, which nobody has bound")
        }
        // A handshake that failed has a sentence of its own.
        (_, Some(problem)) if peer.attempts > 0 && peer.failure.is_none() => {
            let again = match peer.retry_in {
                Some(retry) if retry >= 1.0 => format!("; it tries again in {}", time(retry)),
                _ => "; it tries again at once".to_owned(),
            };
            let times = count(u64::from(peer.attempts), "time");
            format!("cannot connect to {endpoint}: {}, {times}{again}", problem.text)
        }
        ("resolving", _) if lasts => {
            format!("waits for the address of {endpoint} for {}", time(peer.state_for))
        }
        ("connecting", _) if lasts => {
            format!("has had no answer of {endpoint} for {}", time(peer.state_for))
        }
        ("handshaking", _) if lasts => format!(
            "has a connection to {endpoint}, and has waited for the end of the handshake for {}: it may be no socket of \
             ZeroMQ, or its ZAP handler does not answer",
            time(peer.state_for)
        ),
        _ => return None,
    };
    Some(place.finding(Gravity::Apart, f64::from(peer.attempts), &what))
}

/// Which types talk to which (RFC 28 to 31 and the drafts).
fn fit(one: &str, other: &str) -> bool {
    let pairs = [
        ("REQ", "REP"),
        ("REQ", "ROUTER"),
        ("DEALER", "REP"),
        ("DEALER", "ROUTER"),
        ("DEALER", "DEALER"),
        ("ROUTER", "ROUTER"),
        ("PUB", "SUB"),
        ("PUB", "XSUB"),
        ("XPUB", "SUB"),
        ("XPUB", "XSUB"),
        ("PUSH", "PULL"),
        ("PAIR", "PAIR"),
        ("CLIENT", "SERVER"),
        ("RADIO", "DISH"),
        ("SCATTER", "GATHER"),
        ("PEER", "PEER"),
        ("CHANNEL", "CHANNEL"),
    ];
    pairs.iter().any(|(a, b)| (*a, *b) == (one, other) || (*b, *a) == (one, other))
}

/// Two names of one place.
fn place_of(endpoint: &str) -> String {
    endpoint.replace("://localhost:", "://127.0.0.1:")
}

fn waits_for(socket: &Socket, endpoint: &str) -> bool {
    socket.peers.iter().any(|peer| connects(peer) && place_of(&peer.endpoint) == endpoint)
}

/// Two that belong together, and neither listens.
pub(super) fn both_connect(place: &Place<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let own = (place.process.pid, place.socket.id);
    let trying = place.socket.peers.iter().filter(|peer| connects(peer) && peer.problem.is_some());
    for peer in trying {
        let endpoint = place_of(&peer.endpoint);
        for process in &place.all.processes {
            for socket in &process.sockets {
                // Each two once, in the words of the first.
                let is_later = (process.pid, socket.id) > own;
                if is_later && fit(&place.socket.kind, &socket.kind) && waits_for(socket, &endpoint)
                {
                    let other = name(process, socket);
                    let what = format!(
                        "and {other} both connect to {}, and neither is bound: one of them has to be",
                        peer.endpoint
                    );
                    found.push(place.finding(Gravity::Refused, 0.0, &what));
                }
            }
        }
    }
    found
}

/// A socket that leads nowhere.
pub(super) fn nowhere(place: &Place<'_>) -> Vec<Finding> {
    let socket = place.socket;
    let used = socket.bound > 0 || socket.connected > 0 || !socket.peers.is_empty();
    if used || socket.closing || !place.is_long(socket.age, YOUNG) {
        return Vec::new();
    }
    let what = format!("is {} old, and is neither bound nor connected", time(socket.age));
    vec![place.finding(Gravity::Odd, socket.age, &what)]
}
