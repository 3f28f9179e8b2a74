//! What zmqcat can be told.

use super::format::Format;
use crate::zmq::{Kind, Way};
use clap::{ArgGroup, Parser};
use std::ffi::CString;
use std::path::PathBuf;
use std::time::Duration;

const AFTER: &str = "\
Input, by format:
  ascii       a line is a message of one part
  quoted      a line of strings in double quotes, each a part; \\n, \\\" and \\x00 as in C
  raw         all there is, as one message
  json        a line is a string, an array of strings, or {\"parts\": [...]} with \"group\" or
              \"routing_id\"; bytes that are not UTF-8 are {\"base64\": \"...\"}
  msgpack     the same, one value after the other

Types that send and receive do both at once. When their input ends they go on until --count messages have come or --timeout has \
passed without one; without either they end. REP, ROUTER and others answer with --echo.

Exit status: 0 done; 1 time ran out first (nothing came, or nobody took it); 2 wrong usage; 3 anything else.

Examples:
  zmqcat sub -c tcp://10.0.0.7:5556 -s weather.       print what is published below weather.
  zmqcat req -c tcp://localhost:5555 -d Hello -t 2    ask once, and wait two seconds at most
  zmqcat rep -b 'tcp://*:5555' --echo                 give back every request
  tail -f log | zmqcat push -b ipc:///tmp/log         a line, a message
  zmqcat pull -b 'tcp://*:5557' -f json | jq .parts
  zmqcat sub -c tcp://10.0.0.7:5556 --curve-server-key server.pub --curve-key me

It loads the libzmq.so.5 that the dynamic linker finds; LD_LIBRARY_PATH chooses another one.";

/// Sends standard input as messages, and prints messages, over a ZeroMQ socket of any type.
#[derive(Clone, Debug, Parser)]
#[command(name = "zmqcat", after_help = AFTER, disable_version_flag = true, max_term_width = 120)]
#[command(group = ArgGroup::new("where").args(["bind", "connect"]).required(true).multiple(true))]
pub struct Args {
    /// Type of the socket
    #[arg(value_name = "TYPE", value_enum, ignore_case = true)]
    pub kind: Kind,
    /// Binds to this endpoint; may be given several times
    #[arg(short, long, value_name = "ENDPOINT", value_parser = c_text)]
    pub bind: Vec<CString>,
    /// Connects to this endpoint; may be given several times
    #[arg(short, long, value_name = "ENDPOINT", value_parser = c_text)]
    pub connect: Vec<CString>,
    /// Of SUB and XSUB: subscribes to what begins so; may be given several times. Without: to everything
    #[arg(short, long, value_name = "TOPIC")]
    pub subscribe: Vec<String>,
    /// Of DISH: joins this group, may be given several times. Of RADIO: the group of what is sent
    #[arg(short, long, value_name = "GROUP", value_parser = c_text)]
    pub group: Vec<CString>,
    /// Sends this instead of standard input; several are the parts of one message
    #[arg(short, long, value_name = "TEXT")]
    pub data: Vec<String>,
    /// Sends this file's bytes instead of standard input, as one message
    #[arg(short = 'F', long, value_name = "FILE", conflicts_with = "data")]
    pub file: Option<PathBuf>,
    /// Gives every message back to whoever sent it, instead of sending input
    #[arg(short, long, conflicts_with_all = ["data", "file"])]
    pub echo: bool,
    /// How messages are written on standard output, and read from standard input
    #[arg(short, long, value_enum, default_value_t = Format::Ascii)]
    pub format: Format,
    /// How messages are read from standard input, if not as they are written
    #[arg(short = 'I', long, value_enum, value_name = "FORMAT", hide_possible_values = true)]
    pub input_format: Option<Format>,
    /// Ends after so many messages: received, or sent by types that only send
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Sends --data or --file again and again, with so many seconds between
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub interval: Option<Duration>,
    /// Waits so many seconds before the first message is sent: for subscribers to come
    #[arg(short = 'D', long, value_name = "SECONDS", value_parser = seconds)]
    pub delay: Option<Duration>,
    /// Gives up (exit status 1) if a message cannot be sent, or none comes, for so many seconds
    #[arg(short, long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
    /// How long to wait at the end for what is sent to leave. Without: --timeout, or as long as it takes
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub linger: Option<Duration>,
    /// High-water mark of both directions, in messages; 0 is none
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    pub hwm: Option<i32>,
    /// Refuses longer messages of peers
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(i64).range(0..))]
    pub max_size: Option<i64>,
    /// The name by which a ROUTER knows this socket
    #[arg(long, value_name = "NAME")]
    pub routing_id: Option<String>,
    /// Names and wildcards may stand for addresses of IPv6
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// CURVE: this file has the own secret key. A client without one makes a pair for itself
    #[arg(long, value_name = "FILE")]
    pub curve_key: Option<PathBuf>,
    /// CURVE: this file has the server's public key, and this side is the client
    #[arg(long, value_name = "FILE", conflicts_with = "curve_server")]
    pub curve_server_key: Option<PathBuf>,
    /// CURVE: this side is the server, with the key of --curve-key
    #[arg(long, requires = "curve_key")]
    pub curve_server: bool,
    /// Says on standard error what it does
    #[arg(short, long)]
    pub verbose: bool,
}

fn c_text(text: &str) -> Result<CString, String> {
    CString::new(text).map_err(|_| "has a zero byte".to_owned())
}

/// A number of seconds as an int of milliseconds can say it.
fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    if (0.0..=2_000_000.0).contains(&number) {
        Ok(Duration::from_secs_f64(number))
    } else {
        Err("from 0 to 2000000".to_owned())
    }
}

impl Args {
    /// What the parser cannot see: what goes together with the type.
    pub fn check(&self) -> Result<(), String> {
        let way = self.kind.way();
        let echoes =
            matches!(way, Way::Answer | Way::Both) && !matches!(self.kind, Kind::Xpub | Kind::Xsub);
        let one_part_only = !self.kind.has_parts() && self.data.len() > 1;
        let wrong = if !self.subscribe.is_empty() && !self.kind.subscribes() {
            "--subscribe is for SUB and XSUB"
        } else if !self.group.is_empty() && !matches!(self.kind, Kind::Radio | Kind::Dish) {
            "--group is for RADIO and DISH"
        } else if self.kind == Kind::Dish && self.group.is_empty() {
            "a DISH needs a --group"
        } else if self.kind == Kind::Radio && self.group.len() > 1 {
            "a RADIO has one --group"
        } else if way == Way::In && (!self.data.is_empty() || self.file.is_some()) {
            "this type sends nothing"
        } else if self.echo && !echoes {
            "--echo is for types that receive before they send"
        } else if self.interval.is_some() && !self.repeats() {
            "--interval is for --data and --file"
        } else if one_part_only {
            "messages of this type have one part"
        } else {
            return Ok(());
        };
        Err(wrong.to_owned())
    }

    /// Whether what is sent comes from the command line.
    pub fn repeats(&self) -> bool {
        !self.data.is_empty() || self.file.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Args, String> {
        let args = Args::try_parse_from(line.split(' ')).map_err(|e| e.to_string())?;
        args.check().map(|()| args)
    }

    #[test]
    fn usage_is_checked_before_anything_happens() {
        assert!(parse("zmqcat PUB -b tcp://*:5555 -d hello -i 0.5 -n 3").is_ok());
        assert!(parse("zmqcat dish -b tcp://*:5555 -g a -g b").is_ok());
        for wrong in [
            "zmqcat pub",
            "zmqcat pair -b inproc://a -s topic",
            "zmqcat pull -c tcp://a:1 -d hello",
            "zmqcat pull -c tcp://a:1 -t -1",
            "zmqcat pull -c tcp://a:1 -t nan",
            "zmqcat pull -c tcp://a:1 -n 0",
            "zmqcat push -c tcp://a:1 --echo",
            "zmqcat push -c tcp://a:1 -i 1",
            "zmqcat dish -c tcp://a:1",
            "zmqcat client -c tcp://a:1 -d a -d b",
            "zmqcat rep -b tcp://*:1 --curve-server",
            "zmqcat teapot -b tcp://*:1",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn help_is_whole() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
