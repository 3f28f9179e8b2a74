//! Waiting and waking between threads.

pub mod signal;

pub use signal::Signal;
