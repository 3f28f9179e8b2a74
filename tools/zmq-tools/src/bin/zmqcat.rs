//! zmqcat: see `zmqcat --help`.

use clap::Parser;
use std::process::ExitCode;
use zmq_tools::cat::{self, Args, Outcome};

fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(wrong) = args.check() {
        eprintln!("zmqcat: {wrong} (zmqcat --help)");
        return ExitCode::from(2);
    }
    match cat::run(&args) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::TimedOut) => ExitCode::from(1),
        Err(text) => {
            eprintln!("zmqcat: {text}");
            ExitCode::from(3)
        }
    }
}
