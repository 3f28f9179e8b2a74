//! The operating system: thin, safe wrappers that return [`Error`](crate::error::Error).

pub mod application;
pub mod cancel;
pub mod clock;
mod dl;
pub mod epoll;
#[cfg(not(loom))]
pub mod eventfd;
pub mod fd;
mod foreign;
#[cfg(not(loom))]
pub mod futex;
pub mod gssapi;
pub mod helpers;
pub mod local;
#[cfg(not(loom))]
pub mod membarrier;
pub mod memory;
pub mod net;
pub mod network;
mod newer;
pub mod norm;
pub mod pages;
pub mod pgm;
pub mod poll;
pub mod prefetch;
pub mod random;
#[cfg(not(sim))]
mod raw;
pub mod shared;
pub mod signals;
#[cfg(sim)]
pub mod sim;
pub mod standard_error;
pub mod thread;
#[cfg(not(sim))]
mod unnamed;
#[cfg(sim)]
use sim::{libc as raw, libc as unnamed};

#[cfg(loom)]
pub use crate::sync::model::{eventfd, futex};
