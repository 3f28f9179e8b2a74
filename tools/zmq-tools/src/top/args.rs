//! What zmqtop can be told.

use super::columns::Sort;
use clap::{Args as ClapArgs, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

const AFTER: &str = "\
Columns:
  SOCKET      type and number; with -p also the types of its peers, and more of them at the end
  PEERS       how many peers, or how many are ready / how many there are
  OUT/s IN/s  whole messages a second, or bytes with -b; ~ if peers come and go too fast
  QUEUE OUT   messages that wait to be sent to the peer with most / how many may (the limit)
  QUEUE IN    messages that have come and wait to be received / how many may
  DROPPED     messages dropped: at full queues, for want of a peer, for unknown routing ids
  WAITS       for how long a call has waited to receive, or (with >) to send
  ENDPOINT    the last one that was bound or connected

What the kernel has taken is in no queue.

Keys: q quit, < > other order, R reverse, p peers, b bytes, w why, space pause, + - faster and slower, arrows scroll (left and \
right: columns), h help.

Any program that uses this libzmq is seen, as it is: its library keeps counts in memory that others may read (docs/stats.md), \
unless it is started with ZMQ_STATS=0. Processes of other users are seen by root.

Exit status: 0 done; 1 of why: it has found something; 2 wrong usage; 3 anything else.";

/// Shows the ZeroMQ sockets of running programs: messages a second, queues, drops, peers, and why something does not work.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "zmqtop",
    after_help = AFTER,
    disable_version_flag = true,
    max_term_width = 120,
    args_conflicts_with_subcommands = true
)]
pub struct Args {
    /// What to do instead of showing a table
    #[command(subcommand)]
    pub task: Option<Task>,
    /// How to show it
    #[command(flatten)]
    pub table: Table,
}

/// How to show it.
#[derive(Clone, Debug, ClapArgs)]
pub struct Table {
    /// Only these processes; without: all
    #[arg(value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pub pids: Vec<u32>,
    /// Seconds between two looks
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    pub delay: Duration,
    /// Prints one table, after one delay, and ends
    #[arg(short = '1', long)]
    pub once: bool,
    /// Prints a line of JSON for each look (with -1: for one, at once), with all that is known
    #[arg(long)]
    pub json: bool,
    /// Serves OpenMetrics at http://127.0.0.1:PORT/metrics, looking once for each request
    #[arg(long, value_name = "PORT", conflicts_with_all = ["once", "json"])]
    pub metrics: Option<u16>,
    /// Order of the lines
    #[arg(short, long, value_enum, default_value_t)]
    pub sort: Sort,
    /// Also shows the peers of each socket
    #[arg(short, long)]
    pub peers: bool,
    /// Counts bytes instead of messages
    #[arg(short, long)]
    pub bytes: bool,
}

/// Other things to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Task {
    /// Says in sentences what does not work, worst first
    #[command(disable_version_flag = true)]
    Why {
        /// Only this process
        #[arg(value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
        pid: Option<u32>,
        /// Tells what has lasted for so many times what is usual: below 1 sooner, above 1 later
        #[arg(long, value_name = "N", default_value = "1", value_parser = patience)]
        patience: f64,
        /// Of the end of a recording instead of now
        #[arg(long, value_name = "FILE", conflicts_with = "pid")]
        from: Option<PathBuf>,
    },
    /// Writes what is seen to a file, a line of JSON for each look, until it is interrupted
    Record {
        /// The file, or - for standard output
        file: PathBuf,
        /// Seconds between two looks
        #[arg(short, long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
        delay: Duration,
        /// Ends after so many looks
        #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        count: Option<u64>,
    },
    /// Shows a recording as if it happened now
    Play {
        /// The file
        file: PathBuf,
        /// So many times as fast
        #[arg(short = 'x', long, value_name = "N", default_value = "1", value_parser = speed)]
        speed: f64,
        /// Prints its last table and ends
        #[arg(short = '1', long)]
        once: bool,
    },
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if (0.05..=100_000.0).contains(&number) {
        Ok(Duration::from_secs_f64(number))
    } else {
        Err("from 0.05 to 100000".to_owned())
    }
}

fn speed(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.01..=1000.0).contains(&number) { Ok(number) } else { Err("from 0.01 to 1000".to_owned()) }
}

fn patience(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1000.0).contains(&number) { Ok(number) } else { Err("from 0 to 1000".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_checked() {
        use clap::CommandFactory;
        Args::command().debug_assert();
        let parse = |line: &str| Args::try_parse_from(line.split(' ')).is_ok();
        for right in [
            "zmqtop",
            "zmqtop 7 8 -1",
            "zmqtop --json -d 0.5",
            "zmqtop why 7",
            "zmqtop why --patience 0.1",
            "zmqtop --metrics 9464",
            "zmqtop record -",
        ] {
            assert!(parse(right), "{right}");
        }
        for wrong in [
            "zmqtop x",
            "zmqtop 0",
            "zmqtop -d 0",
            "zmqtop -d nan",
            "zmqtop --metrics 99999",
            "zmqtop record",
            "zmqtop play a -x 0",
            "zmqtop why --patience -1",
        ] {
            assert!(!parse(wrong), "{wrong}");
        }
    }
}
