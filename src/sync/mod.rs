//! What threads share: atomics, and waiting and waking.
//!
//! Every atomic of the library comes from here, and so do the locks, cells and shared pointers of
//! what has a model. Normally these are the types of std themselves, and a mutex of ours. With
//! `--cfg loom` (`make loom`) they are loom's, which try every order of events that the memory
//! model allows instead of the one that happens; the tests named `models` then drive the real
//! [`Signal`], messages and rings through them.

pub mod asymmetric;
pub mod biased;
#[cfg(loom)]
pub mod model;
pub mod mutex;
pub mod pause;
pub mod per_process;
pub mod signal;

pub use biased::BiasedMutex;
pub use per_process::PerProcess;
pub use signal::Signal;

/// Atomics and fences.
#[cfg(not(any(loom, sim)))]
pub mod atomic {
    pub use std::sync::atomic::{
        AtomicBool, AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
        compiler_fence, fence,
    };
}

#[cfg(loom)]
pub use model::atomic;

#[cfg(sim)]
pub use crate::sys::sim::atomic;

/// Atomics in statics. They are never loom's, which belong to one run of one model, so nothing
/// that has a model may depend on them.
pub mod statics {
    #[cfg(sim)]
    pub use crate::sys::sim::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering,
    };
    #[cfg(not(sim))]
    pub use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering};
}

/// Atomics in memory that other processes look into. No thread of ours waits for what stands there, so they
/// are std's in models and in a made-up world, too.
pub mod outside {
    pub use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
}

/// Locks of std whose waiters may be many, and values that are written once.
pub mod once {
    #[cfg(sim)]
    pub use crate::sys::sim::lock::{RwLock, RwLockReadGuard};
    pub use std::sync::{OnceLock, PoisonError};
    #[cfg(not(sim))]
    pub use std::sync::{RwLock, RwLockReadGuard};
}

/// malloc(3) and free(3) of what threads share; a model knows what is allocated.
#[cfg(not(loom))]
pub mod heap {
    #[cfg(sim)]
    pub use crate::sys::sim::libc::{free, malloc, realloc};
    #[cfg(not(sim))]
    pub use libc::{free, malloc, realloc};
}

#[cfg(loom)]
pub use model::heap;

#[cfg(not(loom))]
pub use mutex::Mutex;

#[cfg(sim)]
pub use crate::sys::sim::lock::Arc;

#[cfg(not(any(loom, sim)))]
pub use std::sync::Arc;

#[cfg(loom)]
pub use {loom::sync::Arc, model::Mutex};

#[cfg(all(test, loom))]
mod models;

#[cfg(all(test, not(loom)))]
pub(crate) mod tso;
