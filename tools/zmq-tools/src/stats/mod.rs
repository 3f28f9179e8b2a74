//! Looking into processes: finds the memory `zmq-stats` of each, reads it, and makes a [`Snapshot`] of all.

#[path = "../../../../src/stats/layout.rs"]
pub mod layout;
mod process;
mod reader;
pub mod region;
mod snapshot;

pub use reader::Reader;
pub use snapshot::{Count, Failure, Peer, Problem, Process, Queue, Snapshot, Socket, kind_name};
