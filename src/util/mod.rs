//! Helpers without state of their own: what `zmq_*` utility functions do, minus the pointers.

pub mod capabilities;
pub mod keys;
pub mod memory;
pub mod strerror;
pub mod timers;
pub mod z85;
