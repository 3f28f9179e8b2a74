//! The exported `zmq_*` functions: pointers in, errno out, no logic.
//!
//! The contract of each is its man page; a caller that keeps to it keeps to the safety contract
//! too, so the functions have no `# Safety` sections of their own.

#![allow(clippy::missing_safety_doc, reason = "the contract is that of the man page")]
#![allow(non_camel_case_types, reason = "the names are those of zmq.h")]

pub mod constants;
pub(crate) mod ffi;
pub mod lead_stub;
pub mod message;
pub mod timers;
pub mod types;
pub mod util;
