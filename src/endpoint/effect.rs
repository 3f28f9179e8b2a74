//! What the endpoints ask their socket to do.

use super::event::Event;
use crate::connection::{Connection, Ends};
use crate::wire::ZapRequest;
use std::os::fd::RawFd;

/// One thing to do. Whatever comes of it goes back in by a call.
pub enum Effect {
    /// Tell the monitor, of the endpoint or connection with these ends.
    Report(Event, Ends),
    /// A dialogue with a peer is about to begin over a descriptor, and what the peer may say soon must find its place,
    /// which is to be taken now: [`Endpoints::greet`](super::Endpoints::greet) says whether there is one.
    Prepare(u32, RawFd),
    /// Nothing came of it, and the place is free again. The descriptor may be closed.
    Release(RawFd),
    /// Ask the ZAP handler about the peer of an attempt:
    /// [`Endpoints::hear_zap`](super::Endpoints::hear_zap).
    AskZap(Box<Question>),
    /// An attempt is over before the answer came: its number and its serial.
    ForgetZap(u32, u32),
    /// This endpoint has a connection, and that its place.
    Established(u32, Box<Connection>),
    /// The peer of this endpoint will have nothing to do with us. There is no further attempt, and what its pipe has not
    /// sent never will be.
    Refused(u32),
    /// There is no further attempt, and the endpoint ends.
    GaveUp(u32),
}

/// For the ZAP handler (RFC 27).
pub struct Question {
    /// Whose peer it is about.
    pub attempt: u32,
    /// Of the attempt.
    pub serial: u32,
    /// The endpoint, whose options go with the question.
    pub endpoint: u32,
    /// Peer-Address.
    pub peer: String,
    /// What the mechanism knows of the peer.
    pub request: ZapRequest,
}
