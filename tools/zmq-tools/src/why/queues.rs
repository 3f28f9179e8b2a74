//! Queues that are full, and whoever waits because of that.

use super::{Finding, Gravity, Place, count, time};
use crate::stats::{Peer, Queue};

/// Who waits for no longer is not stuck.
const STUCK: f64 = 1.0;

/// An answer may take this long.
const ANSWER: f64 = 10.0;

fn full(peer: &Peer) -> String {
    let limit = peer.queue_out.limit;
    let since = peer.full_for.map_or_else(String::new, |full| format!(" for {}", time(full)));
    let stalled = match peer.stalled_for {
        Some(stalled) if stalled >= 1.0 => format!("; it has taken nothing for {}", time(stalled)),
        _ => String::new(),
    };
    if peer.full_for.is_some() {
        format!("whose queue of {limit} has been full{since}{stalled}")
    } else {
        format!("whose queue of {limit} was full{stalled}")
    }
}

/// A subscriber that is slower than its publisher.
pub(super) fn dropped_at_full_queues(place: &Place<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for peer in place.socket.peers.iter().filter(|peer| peer.dropped_full > 0) {
        let before = place.peer_before(peer).map_or(0, |before| before.dropped_full);
        let grows = place.before.is_some() && peer.dropped_full > before;
        let gravity =
            if grows || peer.full_for.is_some() { Gravity::Losing } else { Gravity::Lost };
        let messages = count(peer.dropped_full, "message");
        let what = format!("dropped {messages} for {}, {}", peer.name(), full(peer));
        found.push(place.finding(gravity, peer.dropped_full as f64, &what));
    }
    let gone = place.socket.dropped_full_gone;
    if gone > 0 {
        let what =
            format!("dropped {} at full queues of peers that are gone", count(gone, "message"));
        found.push(place.finding(Gravity::Lost, gone as f64, &what));
    }
    found
}

/// Why nobody takes a message.
fn obstacle(place: &Place<'_>) -> String {
    let socket = place.socket;
    let full: Vec<&Peer> = socket.peers.iter().filter(|peer| peer.is_full()).collect();
    match (socket.peers.as_slice(), full.as_slice()) {
        ([], _) if socket.bound == 0 && socket.connected == 0 => {
            "it is neither bound nor connected".to_owned()
        }
        ([], _) => "it has no peer".to_owned(),
        (_, [one]) => {
            let state = if one.is_ready() { String::new() } else { format!(" ({})", one.state) };
            format!("the queue of {} for {}{state} is full", one.queue_out.limit, one.name())
        }
        (all, full) if full.len() == all.len() => {
            format!("the queues of all its {} peers are full", all.len())
        }
        (all, _) if all.iter().all(|peer| !peer.is_ready()) => {
            let states: Vec<String> =
                all.iter().take(2).map(|p| format!("{} is {}", p.name(), p.state)).collect();
            format!("no peer is ready ({})", states.join(", "))
        }
        _ => "no peer takes a message".to_owned(),
    }
}

/// A call that waits to send.
pub(super) fn blocked(place: &Place<'_>) -> Vec<Finding> {
    let waits = place.socket.blocked_out_for.filter(|waits| place.is_long(*waits, STUCK));
    let finding = waits.map(|waits| {
        let what = format!("has been blocked in sending for {}: {}", time(waits), obstacle(place));
        place.finding(Gravity::Stuck, waits, &what)
    });
    finding.into_iter().collect()
}

/// A program that does not fetch what has come.
pub(super) fn not_received(place: &Place<'_>) -> Vec<Finding> {
    // Who waits to receive does fetch.
    let socket = place.socket;
    if socket.closing || socket.blocked_in_for.is_some() {
        return Vec::new();
    }
    let is_full = |queue: Queue| queue.limit != 0 && queue.length >= u64::from(queue.limit);
    let full = socket.peers.iter().filter(|peer| is_full(peer.queue_in));
    let findings = full.map(|peer| {
        let Queue { length, limit, .. } = peer.queue_in;
        let what = format!(
            "does not receive what comes from {} as fast as it comes: {} wait, of {limit} that may",
            peer.name(),
            count(length, "message")
        );
        place.finding(Gravity::Waits, length as f64, &what)
    });
    findings.collect()
}

/// Messages for nobody.
pub(super) fn unknown_ids(place: &Place<'_>) -> Vec<Finding> {
    let dropped = place.socket.dropped_unknown;
    if dropped == 0 {
        return Vec::new();
    }
    let grows = place.before.is_some_and(|before| before.dropped_unknown < dropped);
    let what = if place.socket.kind == "REP" {
        format!("dropped {}: whoever had asked was gone", count(dropped, "answer"))
    } else {
        let messages = count(dropped, "message");
        format!("dropped {messages} for routing ids that no peer of it has")
    };
    let gravity = if grows { Gravity::Losing } else { Gravity::Lost };
    vec![place.finding(gravity, dropped as f64, &what)]
}

/// A question without an answer.
pub(super) fn waits_for_an_answer(place: &Place<'_>) -> Vec<Finding> {
    let waits = place.socket.blocked_in_for.filter(|waits| place.is_long(*waits, ANSWER));
    let Some(waits) = waits.filter(|_| place.socket.kind == "REQ") else { return Vec::new() };
    let what = format!("has been waiting for an answer for {}", time(waits));
    vec![place.finding(Gravity::Waits, waits, &what)]
}
