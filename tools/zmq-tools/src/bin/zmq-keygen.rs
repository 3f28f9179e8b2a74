//! zmq-keygen: see `zmq-keygen --help`.

use clap::Parser;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use zmq_tools::keys::{self, Which};
use zmq_tools::output::{print, say};
use zmq_tools::zmq::Zmq;

/// Makes a CURVE key pair: the secret key in FILE, which only its owner may read, and the public one in FILE.pub, each as 40
/// characters of Z85.
#[derive(Debug, Parser)]
#[command(
    name = "zmq-keygen",
    disable_version_flag = true,
    max_term_width = 120,
    after_help = "\
Examples:
  zmq-keygen server                    makes server and server.pub
  zmq-keygen --public-from server      prints what is in server.pub
  zmqcat rep -b 'tcp://*:5555' --curve-server --curve-key server --echo

Exit status: 0 done; 2 wrong usage; 3 anything else.
It loads the libzmq.so.5 that the dynamic linker finds; LD_LIBRARY_PATH chooses another one."
)]
struct Args {
    /// File of the secret key, or - to print both keys: the public one first
    #[arg(value_name = "FILE", required_unless_present = "public_from")]
    file: Option<PathBuf>,
    /// Prints the public key that belongs to the secret one in this file (or in a certificate of CZMQ)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["file", "force"])]
    public_from: Option<PathBuf>,
    /// Replaces files that are there
    #[arg(short, long)]
    force: bool,
}

fn run(args: &Args) -> Result<(), String> {
    let zmq = Zmq::load()?;
    if let Some(file) = &args.public_from {
        let secret = keys::read(file, Which::Secret)?;
        let public = zmq.public_key(&secret).map_err(|e| e.to_string())?;
        return print(&format!("{public}\n")).map(|_| ());
    }
    let (public, secret) = zmq.key_pair().map_err(|e| format!("no key pair: {e}"))?;
    match args.file.as_deref() {
        Some(file) if file != Path::new("-") => {
            keys::write_pair(file, &public, &secret, args.force)
        }
        _ => print(&format!("{public}\n{secret}\n")).map(|_| ()),
    }
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            say(&format!("zmq-keygen: {text}"));
            ExitCode::from(3)
        }
    }
}
