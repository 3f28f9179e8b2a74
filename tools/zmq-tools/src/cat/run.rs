//! zmqcat at work.

use super::args::Args;
use super::source::{Next, Source};
use crate::keys::{self, Which};
use crate::output::say;
use crate::zmq::{Error, Kind, Message, Socket, Way, Zmq, option};
use std::io::{BufWriter, ErrorKind, StdoutLock, Write};
use std::time::{Duration, Instant};

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As asked.
    Done,
    /// Time ran out before.
    TimedOut,
}

/// Does what was asked. The text of an error is for the user.
pub fn run(args: &Args) -> Result<Outcome, String> {
    let zmq = Zmq::load()?;
    if args.verbose {
        say(&format!("zmqcat: libzmq {}", zmq.version()));
    }
    let socket = zmq.open(args.kind).map_err(|e| match e.number {
        libc::EINVAL if args.kind.is_draft() => "this libzmq has no such socket type".to_owned(),
        _ => e.to_string(),
    })?;
    set_options(args, &socket).map_err(|e| e.to_string())?;
    set_curve(args, &zmq, &socket)?;
    let peer = attach(args, &socket)?;
    subscribe(args, &socket).map_err(|e| e.to_string())?;
    let mut cat = Cat {
        args,
        socket,
        peer,
        source: Source::new(args)?,
        due: Instant::now() + args.delay.unwrap_or(Duration::ZERO),
        received: 0,
        sent: 0,
        out: BufWriter::new(std::io::stdout().lock()),
    };
    let ended = match args.kind.way() {
        Way::Out => cat.send_all(),
        Way::In => cat.receive_all(),
        Way::Ask => cat.ask_all(),
        Way::Answer => cat.answer_all(),
        Way::Both => cat.both(),
    };
    match ended {
        Ok(outcome) => Ok(outcome),
        Err(End::TimedOut) => Ok(Outcome::TimedOut),
        Err(End::NobodyReads) => Ok(Outcome::Done),
        Err(End::Failed(text)) => Err(text),
    }
}

/// As an int of milliseconds; none is for ever.
fn milliseconds(time: Option<Duration>) -> i32 {
    time.map_or(-1, |t| i32::try_from(t.as_millis()).unwrap_or(i32::MAX))
}

fn set_options(args: &Args, socket: &Socket) -> Result<(), Error> {
    socket.set(option::SNDTIMEO, milliseconds(args.timeout))?;
    socket.set(option::RCVTIMEO, milliseconds(args.timeout))?;
    socket.set(option::LINGER, milliseconds(args.linger.or(args.timeout)))?;
    if args.kind.way() == Way::Out {
        // What is sent has somebody to go to: otherwise sending waits, and --timeout says so. Types that receive learn that
        // from what does not come; libzmq would drop what they have not yet received when the peer goes.
        socket.set(option::IMMEDIATE, 1)?;
    }
    if args.kind == Kind::Router {
        socket.set(option::ROUTER_MANDATORY, 1)?;
    }
    if args.ipv6 {
        socket.set(option::IPV6, 1)?;
    }
    if let Some(hwm) = args.hwm {
        socket.set(option::SNDHWM, hwm)?;
        socket.set(option::RCVHWM, hwm)?;
    }
    if let Some(size) = args.max_size {
        socket.set_long(option::MAXMSGSIZE, size)?;
    }
    if let Some(name) = &args.routing_id {
        socket.set_bytes(option::ROUTING_ID, name.as_bytes())?;
    }
    Ok(())
}

fn set_curve(args: &Args, zmq: &Zmq, socket: &Socket) -> Result<(), String> {
    let own = args.curve_key.as_deref();
    if let Some(file) = own.filter(|file| keys::is_open_to_others(file)) {
        say(&format!("zmqcat: {}: others may read this secret key (chmod 600)", file.display()));
    }
    let secret = own.map(|file| keys::read(file, Which::Secret)).transpose()?;
    // Keys in Z85 are texts, with a zero at their end.
    let set = |number: i32, key: &str| {
        socket.set_bytes(number, format!("{key}\0").as_bytes()).map_err(|e| format!("CURVE: {e}"))
    };
    if args.curve_server {
        socket.set(option::CURVE_SERVER, 1).map_err(|e| format!("CURVE: {e}"))?;
        return set(option::CURVE_SECRETKEY, &secret.unwrap_or_default());
    }
    let Some(server) = &args.curve_server_key else {
        return match own {
            Some(_) => Err("--curve-key needs --curve-server or --curve-server-key".to_owned()),
            None => Ok(()),
        };
    };
    let server = keys::read(server, Which::Public)?;
    let (public, secret) = match secret {
        Some(secret) => (zmq.public_key(&secret).map_err(|e| format!("CURVE: {e}"))?, secret),
        None => zmq.key_pair().map_err(|e| format!("CURVE: {e}"))?,
    };
    set(option::CURVE_SERVERKEY, &server)?;
    set(option::CURVE_PUBLICKEY, &public)?;
    set(option::CURVE_SECRETKEY, &secret)
}

/// What went wrong with an endpoint.
fn of_endpoint(error: &Error) -> String {
    match error.number {
        libc::EINVAL => {
            "not an endpoint (those are tcp://HOST:PORT, ipc://PATH, ...: zmq_connect(3))"
                .to_owned()
        }
        _ => error.text.clone(),
    }
}

/// Binds and connects. Of a PEER the last peer it connected to.
fn attach(args: &Args, socket: &Socket) -> Result<Option<u32>, String> {
    for endpoint in &args.bind {
        let name = endpoint.to_string_lossy();
        let bound =
            socket.bind(endpoint).map_err(|e| format!("bind to {name}: {}", of_endpoint(&e)))?;
        if args.verbose {
            say(&format!("zmqcat: bound to {bound}"));
        }
    }
    let mut peer = None;
    for endpoint in &args.connect {
        let name = endpoint.to_string_lossy();
        let connected = if args.kind == Kind::Peer {
            socket.connect_peer(endpoint).map(|id| peer = Some(id))
        } else {
            socket.connect(endpoint)
        };
        connected.map_err(|e| format!("connect to {name}: {}", of_endpoint(&e)))?;
    }
    Ok(peer)
}

fn subscribe(args: &Args, socket: &Socket) -> Result<(), Error> {
    let all = [String::new()];
    let topics = if args.subscribe.is_empty() { &all[..] } else { &args.subscribe };
    for topic in topics.iter().filter(|_| args.kind.subscribes()) {
        if args.kind == Kind::Xsub {
            // A subscription is a message of a one and the topic.
            let wish = [&[1], topic.as_bytes()].concat();
            socket.send(&Message::of(wish))?;
        } else {
            socket.set_bytes(option::SUBSCRIBE, topic.as_bytes())?;
        }
    }
    for group in args.group.iter().filter(|_| args.kind == Kind::Dish) {
        socket.join(group)?;
    }
    Ok(())
}

/// Why it does not go on.
enum End {
    TimedOut,
    /// Of what is printed: as for every program before a `head` that has enough.
    NobodyReads,
    Failed(String),
}

impl From<Error> for End {
    fn from(error: Error) -> End {
        if error.is_timeout() { End::TimedOut } else { End::Failed(error.text) }
    }
}

impl From<String> for End {
    fn from(text: String) -> End {
        End::Failed(text)
    }
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> End {
        match error.kind() {
            ErrorKind::BrokenPipe => End::NobodyReads,
            _ => End::Failed(format!("standard output: {error}")),
        }
    }
}

struct Cat<'a> {
    args: &'a Args,
    socket: Socket,
    peer: Option<u32>,
    source: Source,
    /// When the next message may be sent.
    due: Instant,
    received: u64,
    sent: u64,
    out: BufWriter<StdoutLock<'static>>,
}

impl Cat<'_> {
    fn is_enough(&self, number: u64) -> bool {
        self.args.count.is_some_and(|count| number >= count)
    }

    /// What a draft type has to be told beside the parts.
    fn complete(&self, message: &mut Message) -> Result<(), String> {
        if self.args.kind == Kind::Radio && message.group.is_none() {
            let group = self.args.group.first().ok_or("a RADIO needs a --group")?;
            message.group = Some(group.to_string_lossy().into_owned());
        }
        if self.args.kind.has_routing_ids() && message.routing_id.is_none() {
            message.routing_id = self.peer;
        }
        if message.parts.len() > 1 && !self.args.kind.has_parts() {
            return Err("messages of this type have one part".to_owned());
        }
        Ok(())
    }

    fn print(&mut self, message: &Message) -> Result<(), End> {
        self.received += 1;
        Ok(self.out.write_all(&self.args.format.write(message))?)
    }

    /// What comes next, which is printed. Whoever reads that has all of it before this waits.
    fn receive(&mut self) -> Result<Message, End> {
        let message = match self.socket.try_receive() {
            Err(e) if e.is_timeout() => {
                self.out.flush()?;
                self.socket.receive()?
            }
            other => other?,
        };
        self.print(&message)?;
        Ok(message)
    }

    fn done(&mut self) -> Result<Outcome, End> {
        self.out.flush()?;
        Ok(Outcome::Done)
    }

    fn send_all(&mut self) -> Result<Outcome, End> {
        while !self.is_enough(self.sent) {
            let Some(mut message) = self.source.wait(&mut self.due)? else { break };
            self.complete(&mut message)?;
            self.socket.send(&message)?;
            self.sent += 1;
        }
        Ok(Outcome::Done)
    }

    fn receive_all(&mut self) -> Result<Outcome, End> {
        while !self.is_enough(self.received) {
            match self.receive() {
                // Of no number that was asked for, some are all.
                Err(End::TimedOut) if self.args.count.is_none() && self.received > 0 => break,
                other => other?,
            };
        }
        self.done()
    }

    fn ask_all(&mut self) -> Result<Outcome, End> {
        while !self.is_enough(self.received) {
            self.out.flush()?;
            let Some(message) = self.source.wait(&mut self.due)? else { break };
            self.socket.send(&message)?;
            self.receive()?;
        }
        self.done()
    }

    fn answer_all(&mut self) -> Result<Outcome, End> {
        while !self.is_enough(self.received) {
            let question = match self.receive() {
                Err(End::TimedOut) if self.args.count.is_none() && self.received > 0 => break,
                other => other?,
            };
            self.out.flush()?;
            self.source.received(question);
            let Some(answer) = self.source.wait(&mut self.due)? else { break };
            self.socket.send(&answer)?;
        }
        self.done()
    }

    /// Both directions at once: neither waits for the other.
    fn both(&mut self) -> Result<Outcome, End> {
        let mut pending: Option<Message> = None;
        let mut quiet_since = Instant::now();
        loop {
            let mut moved = self.receive_some(pending.is_some())?;
            if self.is_enough(self.received) {
                return self.done();
            }
            let mut wait = None;
            let mut descriptor = None;
            if pending.is_none() {
                match self.source.next(&mut self.due)? {
                    Next::Message(mut message) => {
                        self.complete(&mut message)?;
                        pending = Some(message);
                    }
                    Next::At(due) => wait = Some(due.saturating_duration_since(Instant::now())),
                    Next::Later => descriptor = self.source.descriptor(),
                    Next::End if self.args.count.is_none() && self.args.timeout.is_none() => {
                        return self.done();
                    }
                    Next::End => {}
                }
            }
            if let Some(message) = pending.take() {
                if self.send_now(&message)? {
                    moved = true;
                } else {
                    pending = Some(message);
                }
            }
            if moved {
                quiet_since = Instant::now();
                continue;
            }
            self.out.flush()?;
            wait = match self.args.timeout.map(|t| t.saturating_sub(quiet_since.elapsed())) {
                Some(Duration::ZERO) if wait.is_none() => return self.quiet(pending.is_some()),
                left => wait.or(left),
            };
            let ready = self.socket.wait(pending.is_some(), descriptor, wait)?;
            if ready.descriptor {
                self.source.read()?;
            }
        }
    }

    /// Nothing has happened for --timeout.
    fn quiet(&mut self, unsent: bool) -> Result<Outcome, End> {
        if unsent || self.args.count.is_some() || self.received == 0 {
            self.out.flush()?;
            return Err(End::TimedOut);
        }
        self.done()
    }

    /// Receives what is there, but an echo at a time.
    fn receive_some(&mut self, unsent: bool) -> Result<bool, End> {
        let echoes = matches!(self.source, Source::Echo(_));
        let mut some = false;
        while !self.is_enough(self.received) && !(echoes && (unsent || some)) {
            let message = match self.socket.try_receive() {
                Err(e) if e.is_timeout() => break,
                other => other?,
            };
            some = true;
            self.print(&message)?;
            // To a STREAM's peer, nothing is the end of its connection.
            let is_notice = self.args.kind == Kind::Stream
                && message.parts.last().is_some_and(|part| part.is_empty());
            if echoes && !is_notice {
                self.echo(message)?;
            }
        }
        Ok(some)
    }

    /// The last echo of --count leaves, too.
    fn echo(&mut self, message: Message) -> Result<(), End> {
        if self.is_enough(self.received) {
            self.socket.send(&message).or_else(forgive_gone)?;
        } else {
            self.source.received(message);
        }
        Ok(())
    }

    fn send_now(&mut self, message: &Message) -> Result<bool, End> {
        let echoes = matches!(self.source, Source::Echo(_));
        match self.socket.try_send(message) {
            Err(e) if e.is_timeout() => Ok(false),
            Err(e) if echoes => forgive_gone(e).map(|()| true).map_err(End::from),
            Err(e) => Err(End::from(e)),
            Ok(()) => {
                self.sent += 1;
                Ok(true)
            }
        }
    }
}

/// Whoever asked may be gone before the answer.
fn forgive_gone(error: Error) -> Result<(), Error> {
    if error.number == libc::EHOSTUNREACH { Ok(()) } else { Err(error) }
}
