//! The patterns over mock pipes. What is expected was seen of libzmq 4.3.4 where the RFC leaves
//! it open.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod bounds;
mod draft;
mod memory;
mod mock;
mod pipeline;
mod pubsub;
mod reqrep;
mod routed;
mod topics;
mod turns;
