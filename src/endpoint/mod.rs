//! Endpoints: bind, connect, and a connection's way up to the end of its handshake.
//!
//! [`Endpoints`] has all of one socket and is used under the socket's lock. It knows descriptors and deadlines, and
//! neither pipes nor sockets: what has to be done with those it leaves as [`Effect`]s, which the socket carries out
//! after every call ([`Endpoints::next_effect`]), in their order.
//!
//! docs/design/connections.md tells how a dialogue is added.

mod attempt;
mod carrier;
mod connecter;
mod connecting;
mod effect;
mod endpoints;
mod event;
pub mod failure;
mod greeting;
mod listening;
mod names;
mod telling;
#[cfg(test)]
mod tests;
pub mod token;

pub use effect::{Effect, Question};
pub use endpoints::{Endpoint, Endpoints, FarEnd, Kind, Traffic};
pub use event::Event;
