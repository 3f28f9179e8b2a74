//! A peer we connect to, again and again.

use crate::connection::Ends;
use crate::error::Result;
use crate::options::SocketOptions;
use crate::stats::PeerStats;
use crate::sync::mutex::Mutex;
use crate::sys::random;
use crate::transport::{Route, Way};
use std::sync::Arc;

/// What a name means, once that is known.
pub(super) type Answer = Mutex<Option<Result<Vec<Way>>>>;

/// A peer we connect to, again and again.
pub struct Connecter {
    pub(super) route: Route,
    /// Options as they were at `connect`.
    pub options: Arc<SocketOptions>,
    /// The number of its pipe.
    pub pipe: Option<u32>,
    /// The last interval between attempts, in milliseconds.
    interval: Option<i32>,
    /// The answer to the look-up under way. Whoever looks it up does so only as long as this is here.
    pub(super) looked_up: Option<Arc<Answer>>,
    /// Addresses left to try in this round.
    pub(super) candidates: std::vec::IntoIter<Way>,
    /// The number of the attempt under way. There is one at a time.
    pub(super) attempt: Option<u32>,
    /// The peer will have nothing to do with us: there is no further attempt.
    pub(super) refused: bool,
    /// Between two attempts.
    pub(super) waits: bool,
    /// The application has disconnected, and wants no attempt after the next one that fails, or loses its
    /// connection (ZMQ_RECONNECT_STOP).
    pub(super) stops: bool,
    /// What others can see of the peer.
    pub stats: PeerStats,
    /// There has been a connection.
    pub(super) connected: bool,
}

impl Connecter {
    pub(super) fn new(route: Route, options: Arc<SocketOptions>, stats: PeerStats) -> Connecter {
        Connecter {
            route,
            options,
            pipe: None,
            interval: None,
            looked_up: None,
            candidates: Vec::new().into_iter(),
            attempt: None,
            refused: false,
            waits: false,
            stops: false,
            stats,
            connected: false,
        }
    }

    /// Whether ZMQ_RECONNECT_IVL wants that. The manual says -1 if not; libzmq takes 0 for the same.
    pub(super) fn reconnects(&self) -> bool {
        self.options.reconnect_ivl > 0 && !self.stops
    }

    /// Whether it is one without a pipe: a pipe is made with the next connection, or never.
    pub fn lives_without_pipe(&self) -> bool {
        self.refused || self.options.immediate
    }

    /// What monitor events call it: the endpoint, or the proxy on the way there, as in libzmq.
    pub fn ends(&self) -> Ends {
        Ends::connecting(self.route.first().to_string())
    }

    /// Milliseconds until the next attempt.
    pub(super) fn next_interval(&mut self) -> i32 {
        let base = self.options.reconnect_ivl;
        let most = self.options.reconnect_ivl_max;
        let interval = match self.interval {
            Some(last) if most > base => last.saturating_mul(2).min(most),
            _ => base,
        };
        self.interval = Some(interval);
        // Jitter keeps clients that lost the same server from coming back at once.
        let wait = interval.saturating_add((random::u32() % interval.max(1) as u32) as i32);
        if most > base { wait.min(most.max(interval)) } else { wait }
    }

    /// There is a connection: the next loss begins with the shortest interval again.
    pub(super) fn reset_interval(&mut self) {
        self.interval = None;
    }
}
