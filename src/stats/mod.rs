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
