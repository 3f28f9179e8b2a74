//! Helpers without state of their own: what `zmq_*` utility functions do, minus the pointers.

pub mod blocks;
pub mod budget;
pub mod buffer;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod keys;
pub mod line;
pub mod memory;
pub mod pieces;
pub mod reserve;
pub mod slab;
pub mod strerror;
pub mod timers;
pub mod z85;

/// Hashing for tables whose keys no peer chooses. std's own seeds need the system's random source,
/// without which it panics.
pub type Unseeded = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;
