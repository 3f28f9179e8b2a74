//! Runs the library in made-up worlds, one for each seed (docs/design/simulation.md).
//!
//! `SEEDS=n` many beginning with `FIRST`, or `SEED=n` alone with all that it says; `SCENARIO=name` for
//! one kind only, `TWICE=1` compares two runs of each seed. Without `--cfg sim` there is nothing to run.

#![allow(clippy::unwrap_used, reason = "a run that cannot go on panics")]

#[cfg(sim)]
mod answers;
#[cfg(sim)]
mod api;
#[cfg(sim)]
mod certificates;
#[cfg(sim)]
mod churn;
#[cfg(sim)]
mod contexts;
#[cfg(sim)]
mod cuts;
#[cfg(sim)]
mod datagrams;
#[cfg(sim)]
mod devices;
#[cfg(sim)]
mod floods;
#[cfg(sim)]
mod flow;
#[cfg(sim)]
mod groups;
#[cfg(sim)]
mod guests;
#[cfg(sim)]
mod kills;
#[cfg(sim)]
mod memory;
#[cfg(sim)]
mod messages;
#[cfg(sim)]
mod pulse;
#[cfg(sim)]
mod questions;
#[cfg(sim)]
mod raw;
#[cfg(sim)]
mod run;
#[cfg(sim)]
mod secrets;
#[cfg(sim)]
mod successors;
#[cfg(sim)]
mod truth;
#[cfg(sim)]
mod waiters;
#[cfg(sim)]
mod watchers;

#[cfg(sim)]
#[global_allocator]
static HEAP: zmq::sys::sim::Heap = zmq::sys::sim::Heap;

#[cfg(sim)]
fn main() {
    run::main();
}

#[cfg(not(sim))]
fn main() {}
