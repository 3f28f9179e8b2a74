//! Randomness that need not be secret.

use std::hash::{BuildHasher, RandomState};

/// An arbitrary number, different each time.
pub fn u32() -> u32 {
    // RandomState is seeded by the system once per thread and changes with each use.
    RandomState::new().hash_one(0u8) as u32
}
