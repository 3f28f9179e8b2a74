//! zmq-oxide: a drop-in `libzmq.so.5`, written in Rust.

pub mod capi;
pub mod error;
pub mod msg;
pub mod options;
pub mod pattern;
pub mod sys;
pub mod transport;
pub mod types;
pub mod util;
