//! zmqcat: see `zmqcat --help`.

use clap::Parser;
use std::process::ExitCode;
use zmq_tools::cat::{self, Args, Outcome};
use zmq_tools::output::say;

fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(wrong) = args.check() {
        say(&format!("zmqcat: {wrong} (zmqcat --help)"));
        return ExitCode::from(2);
    }
    match cat::run(&args) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::TimedOut) => ExitCode::from(1),
        Err(text) => {
            say(&format!("zmqcat: {text}"));
            ExitCode::from(3)
        }
    }
}
