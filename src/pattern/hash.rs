//! Hashing of what peers choose (routing ids, topics): fast, and seeded so that no peer can aim
//! at collisions.

use crate::sys;
use std::hash::{BuildHasher, Hasher};

/// An odd constant with no pattern to its bits (the golden ratio).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A number that differs from call to call and from process to process.
pub(crate) fn random() -> u64 {
    sys::random::u64()
}

/// Both halves of a long product: every bit of the input reaches every bit of the result.
#[inline]
pub(crate) fn mix(value: u64, seed: u64) -> u64 {
    let wide = u128::from(value ^ seed) * u128::from(SPREAD ^ seed.rotate_left(32) | 1);
    (wide as u64) ^ ((wide >> 64) as u64)
}

/// Makes [`SeededHasher`]s of one seed.
#[derive(Debug, Clone)]
pub(crate) struct Seeded(u64);

impl Default for Seeded {
    fn default() -> Self {
        Seeded(random())
    }
}

impl BuildHasher for Seeded {
    type Hasher = SeededHasher;

    #[inline]
    fn build_hasher(&self) -> SeededHasher {
        SeededHasher { state: self.0, seed: self.0 }
    }
}

/// Eight bytes at a time through [`mix`].
pub(crate) struct SeededHasher {
    state: u64,
    seed: u64,
}

impl Hasher for SeededHasher {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.state = mix(self.state.rotate_left(5) ^ word, self.seed);
    }

    #[inline]
    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }
}
