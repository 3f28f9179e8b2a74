//! zmqtop: see `zmqtop --help`.

use clap::Parser;
use std::process::ExitCode;
use zmq_tools::output::say;
use zmq_tools::top::{self, Args};

fn main() -> ExitCode {
    match top::run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(text) => {
            say(&format!("zmqtop: {text}"));
            ExitCode::from(3)
        }
    }
}
