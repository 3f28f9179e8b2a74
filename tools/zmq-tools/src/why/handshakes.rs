//! Handshakes that fail, by the numbers of docs/stats.md.

use super::{Finding, Gravity, Place, count, time};
use crate::stats::Failure;

/// What failed longer ago, and did not again, is over.
const OVER: f64 = 300.0;

/// Which side of a connection this is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Connects,
    Accepts,
}

/// What happened between this socket and `who`.
fn what(failure: &Failure, side: Side, who: &str) -> String {
    let mechanism = if failure.ours.is_empty() { "NULL" } else { &failure.ours };
    let curve = mechanism == "CURVE";
    match (failure.code, side) {
        (3, _) => {
            let theirs = if failure.theirs.is_empty() { "another one" } else { &failure.theirs };
            format!("and {who} have different mechanisms: {mechanism} here, {theirs} there")
        }
        (8 | 9, Side::Accepts) if curve => {
            format!(
                "was asked with a wrong key by {who}: the server key it has is not that of this socket"
            )
        }
        (8 | 9, Side::Connects) if curve => format!(
            "has a wrong server key for {who}: what is set as ZMQ_CURVE_SERVERKEY is not the key of that server"
        ),
        (10, _) => {
            let status = match failure.detail {
                0 => String::new(),
                status => format!(" with status {status}"),
            };
            format!(
                "was refused by {who}{status} ({mechanism}, ZAP): its key or password is not accepted there"
            )
        }
        (11, _) => format!("refused {who}: the ZAP handler said {} ({mechanism})", failure.detail),
        (13, _) => format!(
            "cannot let {who} in: there is no ZAP handler at inproc://zeromq.zap.01 ({mechanism})"
        ),
        (15, Side::Connects) if curve => format!(
            "was hung up on by {who} in the handshake (CURVE): most often the key set as ZMQ_CURVE_SERVERKEY is not that \
             server's"
        ),
        _ => format!("failed in the handshake with {who} ({mechanism}): {}", failure.text),
    }
}

/// How often it happened, and when.
fn often(failure: &Failure, times: u32) -> String {
    match times {
        0 | 1 => format!(", {} ago", time(failure.ago)),
        many => format!("; {}, the last {} ago", count(u64::from(many), "time"), time(failure.ago)),
    }
}

/// What is told of a peer is told of its socket, too, where the last one is counted with those before.
fn is_the_same(socket: &Failure, peer: &Failure) -> bool {
    socket.code == peer.code && (socket.ago - peer.ago).abs() < 0.01
}

/// Of endpoints that connect.
pub(super) fn of_peers(place: &Place<'_>) -> Vec<Finding> {
    // Who is ready has had a better one since.
    let failed = place.socket.peers.iter().filter(|peer| !peer.is_ready());
    let findings = failed.filter_map(|peer| {
        let failure = peer.failure.as_ref().filter(|failure| failure.ago < OVER)?;
        let side = if peer.direction == "accepted" { Side::Accepts } else { Side::Connects };
        let who = if side == Side::Connects { peer.endpoint.clone() } else { peer.name() };
        let counted = place.socket.failure.as_ref().filter(|counted| is_the_same(counted, failure));
        let times = match place.socket.connected {
            1 => counted.map_or(1, |counted| counted.count),
            // Those of others are among them.
            _ => 1,
        };
        let end = if peer.state == "given up" { "; it does not try again" } else { "" };
        let text = what(failure, side, &who) + &often(failure, times) + end;
        Some(place.finding(Gravity::Refused, f64::from(times), &text))
    });
    findings.collect()
}

/// Of connections that came to one that is bound: those have no record after that.
pub(super) fn of_those_that_came(place: &Place<'_>) -> Vec<Finding> {
    // A program that ends while it shakes hands is nothing to worry about.
    let socket = place.socket;
    let of_a_peer = |all: &Failure| {
        socket.peers.iter().any(|p| p.failure.as_ref().is_some_and(|f| is_the_same(all, f)))
    };
    let failure = socket.failure.as_ref().filter(|f| f.ago < OVER && f.code != 15);
    // To a socket that is not bound nobody comes.
    let failure = failure.filter(|failure| socket.bound > 0 && !of_a_peer(failure));
    let findings = failure.map(|failure| {
        let who = if failure.address.is_empty() { "a peer" } else { &failure.address };
        let text = what(failure, Side::Accepts, who) + &often(failure, failure.count);
        place.finding(Gravity::Refused, f64::from(failure.count), &text)
    });
    findings.into_iter().collect()
}
