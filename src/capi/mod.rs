//! The exported `zmq_*` functions: pointers in, errno out, no logic.
//!
//! The contract of each is its man page; a caller that keeps to it keeps to the safety contract
//! too, so the functions have no `# Safety` sections of their own.

#![allow(clippy::missing_safety_doc, reason = "the contract is that of the man page")]
#![allow(non_camel_case_types, reason = "the names are those of zmq.h")]

pub mod constants;
pub mod context;
pub mod draft;
pub(crate) mod ffi;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod handles;
pub mod message;
pub mod poll;
pub mod poller;
pub mod socket;
pub mod timers;
pub mod types;
pub mod util;
