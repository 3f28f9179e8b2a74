//! zmqcat: what netcat is to TCP. Sends what it reads, prints what it receives, over any socket type.

mod args;
mod format;
mod input;
mod quoted;
mod run;
mod source;
mod value;

pub use args::Args;
pub use run::{Outcome, run};
