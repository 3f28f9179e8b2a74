//! The end of a connection: each side of it may end before the other.
//!
//! That nothing can be sent any more is learned by whoever sends, perhaps before anybody has read what the
//! peer said just before it went. Such a connection is *deaf*: nothing is written to it, and it is read on
//! until its other side has ended, which the set reports as for any other. Then it is lost, and only then
//! who connects does so again. A peer that is still there is told at once that it hears no more from us
//! (shutdown(2), SHUT_WR), and ends its side. Somebody else ends it where nobody may come to that:
//!
//! - its pipe is closed: nobody reads what comes;
//! - heartbeats, where they are asked for: the answers to our PINGs do not come;
//! - who connects has it looked at each second ([`Timer::Silence`]). A peer that only reads no more
//!   (shutdown(2), SHUT_RD, which Unix domain sockets tell the other side) keeps us from connecting again
//!   as long as it speaks, as with libzmq, and unlike there no longer: a second of silence ends it. An
//!   application that does not read what has come has ten seconds for each step: it may be a connection that
//!   has ended altogether, of which the end stands behind what waits for the application. libzmq never connects
//!   again then.
//!
//! A peer that came to us keeps nobody waiting, and may go on speaking after any time.

use super::core::Core;
use crate::endpoint::token::Timer;
use crate::endpoint::{Event, failure};
use crate::error::Error;
use crate::msg::Msg;
use crate::pattern::{Pattern, PipeId};
use crate::pipe::PipeEvent;
use crate::stats::debug;
use crate::sys::clock;
use crate::wire::HandshakeError;
use std::time::Duration;

/// How often a connection is looked at that can only be read.
const LOOK: Duration = Duration::from_secs(1);

impl Core {
    /// Whether a pipe of this endpoint waits for another connection when its own is lost.
    fn keeps_pipe(&mut self, endpoint: u32) -> bool {
        self.endpoints.connecter(endpoint).is_some_and(|c| !c.options.immediate)
    }

    /// See [`PipeEvent::Deaf`].
    pub(super) fn peer_is_deaf(&mut self, id: PipeId, error: Error) {
        let Some(endpoint) = self.pipes.get(id).map(|pipe| pipe.endpoint) else { return };
        let ends = !self.keeps_pipe(endpoint);
        if !self.pipes.read_on(id, ends) {
            self.connection_lost(id, error);
        } else if self.endpoints.connecter(endpoint).is_some() {
            self.look_for_silence(id);
        }
    }

    /// Has a deaf connection looked at in a while.
    fn look_for_silence(&mut self, id: PipeId) {
        let Some(connection) = self.pipes.get(id).and_then(|pipe| pipe.connection()) else {
            return;
        };
        if connection.is_silent() {
            let error = connection.tx.lost().unwrap_or(Error::Os(libc::EPIPE));
            self.pipes.events.push_back(PipeEvent::Lost(id, error));
            self.pump();
            return;
        }
        let serial = connection.serial;
        self.set_timer(clock::now() + LOOK, Timer::Silence, id, serial);
    }

    /// Time to look at a deaf connection.
    pub(super) fn silence_due(&mut self, id: PipeId, serial: u32) {
        if self.live_connection(id, serial).is_some() {
            self.look_for_silence(id);
        }
    }

    /// The connection of a pipe goes.
    pub(super) fn clear_silence_timer(&mut self, id: PipeId) {
        let connection = self.pipes.get(id).and_then(|pipe| pipe.connection());
        if let Some(connection) = connection.filter(|connection| connection.tx.lost().is_some()) {
            let serial = connection.serial;
            self.clear_timer(Timer::Silence, id, serial);
        }
    }

    /// Messages for a peer were dropped, see [`PipeEvent::Dropped`].
    pub(super) fn say_dropped(&mut self, id: PipeId, count: u64) {
        let Some(pipe) = self.pipes.get(id) else { return };
        let endpoint = pipe.endpoint;
        let peer = pipe.connection().map(|connection| connection.ends.remote.clone());
        let what = if count == 1 { "message was" } else { "messages were" };
        let to = peer.map(|peer| format!(" to {peer}")).unwrap_or_default();
        self.say(endpoint, format_args!("{count} {what} dropped: the queue{to} is full"));
    }

    /// A connection was lost: for this reason of the peer's, or this error, or it has ended in order.
    fn say_lost(
        &self,
        endpoint: u32,
        peer: &str,
        failure: Option<&HandshakeError>,
        error: Option<Error>,
    ) {
        if !debug::is_on() {
            return;
        }
        let why = match (failure, error) {
            (Some(failure), _) => failure::words(failure::of(failure).0).to_owned(),
            (None, Some(error)) => debug::error(error.errno()),
            (None, None) => "the peer has closed it".to_owned(),
        };
        self.say(endpoint, format_args!("connection with {peer} lost: {why}"));
    }

    /// Tells whoever wants to know (ZMQ_DEBUG) what happens to an endpoint.
    fn say(&self, endpoint: u32, what: std::fmt::Arguments<'_>) {
        let name = self.endpoints.get(endpoint).map_or("", |endpoint| endpoint.name());
        debug::say(self.socket_type.info().name, self.key.index, name, what);
    }

    /// A connection died, see [`PipeEvent::Lost`].
    pub(super) fn connection_lost(&mut self, id: PipeId, error: Error) {
        self.pipes.read_last(id);
        if !self.pipes.can_lose(id, error) {
            return;
        }
        let Some(pipe) = self.pipes.get(id) else { return };
        let endpoint = pipe.endpoint;
        let lingering = pipe.is_lingering();
        let Some(connection) = pipe.connection() else { return };
        let (fd, ends) = (connection.fd(), connection.ends.clone());
        let ended = connection.rx.ended();
        let failure = connection.rx.failure();
        let traffic = self.endpoints.traffic(endpoint);
        connection.stats.lost(if ended { 0 } else { error.errno() });
        if let Some(failure) = &failure {
            let (number, detail) = failure::of(failure);
            connection.stats.refused(number, detail, (-1, -1), &ends.remote);
        }
        self.say_lost(
            endpoint,
            &ends.remote,
            failure.as_ref(),
            if ended { None } else { Some(error) },
        );
        if let Some(failure) = failure {
            if let Some(event) = Event::of_failure(&failure) {
                self.report(event, &ends);
            }
        } else if traffic.raw {
            // To libzmq's monitors a connection without handshake never gets beyond it.
            let errno = if ended { libc::EPIPE } else { error.errno() };
            self.report(Event::HandshakeFailedNoDetail(errno), &ends);
        }
        self.clear_heartbeat_timer(id);
        self.clear_silence_timer(id);
        self.pipes.drop_connection(id);
        self.report(Event::Disconnected(fd), &ends);
        if traffic.notes
            && let Some(wire) = self.pipes.get(id).and_then(|p| p.wire())
        {
            wire.inject(Msg::new());
        }
        if self.keeps_pipe(endpoint) {
            if !lingering {
                self.note_hiccup(id, endpoint);
                self.pattern.disconnected(&mut self.pipes, id);
                self.pipes.events.push_back(PipeEvent::Readable(id));
            } else if self.pipes.is_drained(id) {
                self.pipes.events.push_back(PipeEvent::Finished(id));
                return;
            }
        } else {
            if let Some(connecter) = self.endpoints.connecter(endpoint) {
                connecter.pipe = None;
            }
            self.pipes.end(id);
        }
        self.retry_later(endpoint);
    }
}
