//! zmqtop: shows what is seen, as a table that changes, once, as JSON or as metrics; or records it.

mod args;
mod columns;
mod metrics;
mod rates;
mod record;
mod run;
mod screen;
mod server;
mod units;

pub use args::Args;
pub use run::run;
