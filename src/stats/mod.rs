//! What others can see of the process: docs/stats.md.
//!
//! Each socket and each peer of one has a record, as long as somebody has its [`SocketStats`] or [`PeerStats`]. Whoever
//! changes something has the socket's lock. Without statistics, and where no record is left, counts go to
//! [records that nobody looks at](Record::nobodys). Nothing here is ever read to decide something by.

pub mod debug;
pub mod layout;
mod peers;
mod record;
mod region;
mod sockets;

pub use peers::{Agreed, PeerStats, State, Way};
pub use record::Record;
pub use sockets::{Direction, SocketStats};

use layout::UNKNOWN;

/// A number for what the layout has a byte for.
fn small(value: i32) -> u8 {
    u8::try_from(value).unwrap_or(UNKNOWN)
}
