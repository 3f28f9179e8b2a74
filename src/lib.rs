//! zmq-oxide: a drop-in `libzmq.so.5`, written in Rust. ARCHITECTURE.md tells how it hangs together.

pub mod capi;
pub mod connection;
pub mod context;
pub mod endpoint;
pub mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod msg;
pub mod options;
pub mod pattern;
pub mod pipe;
mod policy;
pub mod reactor;
pub mod security;
pub mod socket;
pub mod stats;
pub mod sync;
pub mod sys;
pub mod transport;
pub mod types;
pub mod util;
pub mod wire;

#[cfg(all(feature = "reserve", not(loom)))]
#[global_allocator]
static ALLOCATOR: util::reserve::Allocator = util::reserve::Allocator;
