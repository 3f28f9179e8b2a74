//! What those are told who look at statistics, or want to know in words (ZMQ_DEBUG), of attempts that come to their end.

use super::attempt::Attempt;
use super::endpoints::Endpoints;
use super::failure;
use crate::security;
use crate::stats::{Agreed, debug};

/// What a mechanism is called.
fn mechanism(number: Option<i32>) -> &'static str {
    match number {
        Some(0) => "NULL",
        Some(1) => "PLAIN",
        Some(2) => "CURVE",
        Some(3) => "GSSAPI",
        _ => "one that is not known",
    }
}

impl Endpoints {
    /// Why the handshake of an attempt failed: a number of [`failure`], and what goes with it.
    pub(super) fn note_refusal(&mut self, at: u32, (failure, detail): (u32, u32)) {
        let Some(attempt) = self.attempts.get(at) else { return };
        let ours = self.options(attempt.endpoint).map(|options| options.mechanism);
        let theirs = security::announced(attempt.announced());
        let address = &attempt.ends.remote;
        let numbers = (ours.unwrap_or(-1), theirs.unwrap_or(-1));
        attempt.stats.refused(failure, detail, numbers, address);
        if !debug::is_on() {
            return;
        }
        let words = failure::words(failure);
        let detail = match failure {
            3 => format!(": {} here, {} there", mechanism(ours), mechanism(theirs)),
            10 | 11 if detail != 0 => format!(" (status {detail})"),
            12 => format!(" (0x{detail:08x})"),
            15 => format!(": {}", debug::error(detail as i32)),
            _ => String::new(),
        };
        let who = if attempt.ours { "" } else { address };
        let with = if who.is_empty() { "" } else { " with " };
        let end = attempt.endpoint;
        self.say(end, format_args!("the handshake{with}{who} failed: {words}{detail}"));
    }

    /// There is a connection: with this mechanism, version and type of peer.
    pub(super) fn note_connection(&mut self, attempt: &Attempt, agreed: Agreed) {
        let connecter = self.connecter(attempt.endpoint).filter(|_| attempt.ours);
        let again = connecter.is_some_and(|c| std::mem::replace(&mut c.connected, true));
        let address = if attempt.ours { &attempt.peer } else { &attempt.ends.remote };
        attempt.stats.established(again, agreed, address, attempt.peer_process());
        if !debug::is_on() {
            return;
        }
        let (major, minor) = agreed.version;
        let again = if again { " again" } else { "" };
        let how = match major {
            0 => "without ZMTP".to_owned(),
            _ => format!("ZMTP {major}.{minor}, {}", mechanism(Some(agreed.mechanism))),
        };
        self.say(attempt.endpoint, format_args!("ready{again}, {how}, with {address}"));
    }
}
