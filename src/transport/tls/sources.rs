//! Where rustls has the time and its random numbers from: `sys`, as all of the library. (Keys that are agreed on are
//! ring's own, which asks the C library; how long anything is does not depend on them.)

use crate::sys::{clock, random};
use rustls::crypto::{CryptoProvider, GetRandomFailed, SecureRandom, ring};
use rustls::pki_types::UnixTime;
use rustls::time_provider::TimeProvider;
use std::sync::Arc;

/// ring's cryptography, with random numbers of ours.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider { secure_random: &System, ..ring::default_provider() })
}

/// The time that certificates are judged by.
pub(super) fn time() -> Arc<dyn TimeProvider> {
    Arc::new(System)
}

#[derive(Debug)]
struct System;

impl SecureRandom for System {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), GetRandomFailed> {
        random::fill(buffer).map_err(|_| GetRandomFailed)
    }
}

impl TimeProvider for System {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(clock::wall()))
    }
}
