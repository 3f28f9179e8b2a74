//! Calls of the operating system.

pub mod net;
