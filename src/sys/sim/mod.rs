//! A made-up world: a kernel, a clock and a scheduler that one number, the seed, decides.
//!
//! With `--cfg sim` the whole library is built against it (docs/design/simulation.md). `libc` here
//! has the functions of the C library that `sys` calls, made of the model; `atomic` has std's atomics,
//! at which the scheduler may let another thread go on. A thread that the world does not know, and
//! every thread before [`world::begin`], goes on unhindered.

pub mod atomic;
mod buffers;
mod choice;
mod datagrams;
mod faults;
mod files;
mod heap;
pub mod kernel;
pub mod libc;
pub mod lock;
mod objects;
mod options;
mod ports;
mod sockets;
mod stores;
mod streams;
mod threads;
mod trace;
pub mod world;

pub use self::libc::memory_is_short;
pub use choice::Choice;
pub use heap::Heap;
pub use threads::{Spawned, end_values as finish, spawn};
pub use world::{World, begin, end, now, place, relax, sleep, yields};
