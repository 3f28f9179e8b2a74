//! What was learnt, and what follows from it.
//!
//! Speed comes from decisions: to hold a message back or to hand it over, to look again before sleeping,
//! to leave the kernel to the I/O thread. They are made here, and nowhere else. Pure: the time and the
//! facts come in, a decision goes out, and what was learnt is kept in a small struct. Who reads clocks,
//! makes system calls and keeps what several threads share is the caller. So each decision can be tested
//! with a made-up clock, over random sequences and over recorded ones.
//!
//! | file | decides |
//! | --- | --- |
//! | `habit` | whether to try something again that may pay: the one learner |
//! | `batching` | hold back or hand over now, and who looks after what is held back |
//! | `row` | whether a thread sends in haste over several sockets |
//! | `attention` | who looks after the kernel for a socket: the application or the I/O thread |
//! | `looking` | look again before sleeping, and for how long |
//! | `lingering` | how long the reader of a queue within the process waits for its writer |
//! | `mark` | when a caller that does not wait meets the high-water mark |
//! | `silence` | how long to wait for the end of a connection that can only be read |
//! | `rounds` | how often the I/O thread ticks, and whom its ticks pass by |
//!
//! Constants stand at the head of each file, with their unit (a *tick* is a nanosecond of
//! [`crate::sys::clock::ticks`]) and what they were measured by; how to measure again is in
//! docs/design/policy.md.

#![forbid(unsafe_code)]

pub(crate) mod attention;
pub(crate) mod batching;
pub(crate) mod habit;
pub(crate) mod lingering;
pub(crate) mod looking;
pub(crate) mod mark;
pub(crate) mod rounds;
pub(crate) mod row;
pub(crate) mod silence;

/// Ticks in a microsecond: a tick is a nanosecond, on every machine.
pub const TICKS_PER_US: u64 = 1000;
