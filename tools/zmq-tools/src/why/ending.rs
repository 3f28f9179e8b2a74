//! A program that does not end.

use super::{Finding, Gravity, Place, count, time};

fn linger(milliseconds: i32) -> String {
    match milliseconds {
        ..0 => "linger is for ever".to_owned(),
        ms => format!("linger is {}", time(f64::from(ms) / 1000.0)),
    }
}

/// What is still to be sent, and to whom.
fn unsent(place: &Place<'_>) -> Option<(u64, String)> {
    let peers = &place.socket.peers;
    let all = peers.iter().fold(0_u64, |sum, peer| sum.saturating_add(peer.queue_out.length));
    let most = peers.iter().max_by_key(|peer| peer.queue_out.length)?;
    let others = peers.iter().filter(|peer| peer.queue_out.length > 0).count() as u64;
    let whom = if most.endpoint.is_empty() { most.name() } else { most.endpoint.clone() };
    let whom = match others {
        0 => return None,
        1 => format!("{whom} ({})", most.state),
        many => format!("{whom} and {} more", count(many - 1, "peer")),
    };
    Some((all, whom))
}

/// zmq_ctx_term(3) that waits.
pub(super) fn termination(place: &Place<'_>) -> Vec<Finding> {
    let socket = place.socket;
    let is_ending = place.lasts(|s| s.terminating);
    if is_ending && !socket.closing {
        let what = "is not closed: zmq_ctx_term waits for that";
        return vec![place.finding(Gravity::Stuck, socket.age, what)];
    }
    let Some((messages, whom)) = unsent(place).filter(|_| place.lasts(|s| s.closing)) else {
        return Vec::new();
    };
    let messages = count(messages, "message");
    let linger = linger(socket.linger);
    let (gravity, what) = if is_ending {
        let what = format!("is what zmq_ctx_term waits for: {messages} for {whom}, {linger}");
        (Gravity::Stuck, what)
    } else {
        (Gravity::Waits, format!("is closed, and has {messages} for {whom}, {linger}"))
    };
    vec![place.finding(gravity, socket.age, &what)]
}
