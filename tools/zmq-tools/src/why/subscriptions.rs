//! What is published and what is asked for.

use super::{Finding, Gravity, Place, count};

/// A program may subscribe a moment after it has made its socket.
const YOUNG: f64 = 1.0;

fn publishes(kind: &str) -> bool {
    matches!(kind, "PUB" | "XPUB" | "RADIO")
}

/// A SUB that gets nothing, whatever is published.
pub(super) fn nothing_subscribed(place: &Place<'_>) -> Vec<Finding> {
    let socket = place.socket;
    if socket.closing || socket.subscriptions > 0 || !place.is_long(socket.age, YOUNG) {
        return Vec::new();
    }
    let what = match socket.kind.as_str() {
        "SUB" => "has no subscription, so that nothing comes (ZMQ_SUBSCRIBE)",
        "DISH" => "has joined no group, so that nothing comes (zmq_join)",
        _ => return Vec::new(),
    };
    vec![place.finding(Gravity::Useless, socket.age, what)]
}

/// What was sent while nobody was there.
pub(super) fn nobody_there(place: &Place<'_>) -> Vec<Finding> {
    let socket = place.socket;
    let mut found = Vec::new();
    let nobody_came = socket.peers.is_empty() && socket.sent.messages == 0;
    let (early, all) = (socket.dropped_before, socket.dropped_no_peer);
    let what = if publishes(&socket.kind) { "subscriber" } else { "peer" };
    let sent = if publishes(&socket.kind) { "published" } else { "sent" };
    if early > 0 && nobody_came && early == all {
        let text = format!("{sent} {}, and no {what} has come yet", count(early, "message"));
        found.push(place.finding(Gravity::Losing, early as f64, &text));
        return found;
    }
    if early > 0 {
        let text = format!("{sent} {} before the first {what} came", count(early, "message"));
        found.push(place.finding(Gravity::Lost, early as f64, &text));
    }
    let later = all.saturating_sub(early);
    if later > 0 {
        let text = format!("{sent} {} while it had no {what}", count(later, "message"));
        found.push(place.finding(Gravity::Lost, later as f64, &text));
    }
    found
}

/// What is published, and asked for by nobody who is there.
pub(super) fn nobody_wants_it(place: &Place<'_>) -> Vec<Finding> {
    let socket = place.socket;
    let ready = socket.peers.iter().filter(|peer| peer.is_ready()).count();
    let wanted = socket.sent.messages > 0 || socket.dropped_full > 0;
    if !publishes(&socket.kind) || socket.filtered_out == 0 || wanted || ready == 0 {
        return Vec::new();
    }
    let (whom, have) = match ready {
        1 => ("its subscriber".to_owned(), "has"),
        many => (format!("any of its {many} subscribers"), "have"),
    };
    let has = match socket.subscriptions {
        0 => format!("which {have} subscribed to nothing"),
        n => format!("which {have} {} to other topics", count(u64::from(n), "subscription")),
    };
    let messages = count(socket.filtered_out, "message");
    let text = format!("published {messages}, and none of them for {whom}, {has}");
    vec![place.finding(Gravity::Useless, socket.filtered_out as f64, &text)]
}
