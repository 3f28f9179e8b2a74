//! PLAIN and CURVE, and ZAP handlers that are slow, answer wrongly, or end in the middle. Nothing gets
//! through from or to a guest that is refused; one that is let in loses nothing, however often it is
//! put off.

use crate::api::*;
use crate::cuts::{named, numbered};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zmq::sys::sim::{self, Choice};

/// What becomes of a guest.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    /// Let in.
    Welcome,
    /// Put off so many times, then let in.
    Later(u32),
    /// The handler says no.
    Refused,
    /// The handler says what means nothing (RFC 27), in one of some ways.
    Nonsense(u64),
    /// It speaks another mechanism.
    Foreign,
    /// It takes the host for another, by its key or by its certificate.
    Mistaken,
}

impl Fate {
    fn is_good(self) -> bool {
        matches!(self, Fate::Welcome | Fate::Later(_))
    }
}

const NULL: u8 = 0;
const PLAIN: u8 = 1;
const CURVE: u8 = 2;

/// What the handler knows: what becomes of whom, by user name or public key.
type Guests = Mutex<BTreeMap<Vec<u8>, Fate>>;

fn nonsense(how: u64, id: &[u8]) -> Vec<Vec<u8>> {
    let mut reply: Vec<Vec<u8>> =
        [b"1.0", id, b"200", b"OK", b"user", b""].map(<[u8]>::to_vec).to_vec();
    match how {
        0 => reply[0] = b"2.0".to_vec(),
        1 => reply[1] = b"another".to_vec(),
        2 => reply[2] = b"20".to_vec(),
        3 => reply[2] = b"abc".to_vec(),
        4 => reply.truncate(5),
        5 => reply.push(Vec::new()),
        6 => reply[5] = vec![9, b'x'],
        7 => reply = vec![Vec::new()],
        _ => reply[2] = b"500".to_vec(),
    }
    reply
}

/// Answers until it has answered so often, or the context ends. True if that was it.
fn handler(choice: &mut Choice, context: Context, slow: u64, most: u64, guests: &Guests) -> bool {
    let Some(socket) = context.socket_before_end(ZMQ_REP) else { return true };
    socket.set(ZMQ_LINGER, 0);
    let bound = again(|| socket.attach("inproc://zeromq.zap.01", true));
    if let Err(error) = bound {
        check(error == ETERM, || format!("zmq_bind: {error}"));
        socket.close();
        return true;
    }
    for _ in 0..most {
        let request = match socket.recv_all(0) {
            Ok(request) => request,
            Err(error) => {
                check(error == ETERM, || format!("zmq_recv: {error}"));
                socket.close();
                return true;
            }
        };
        check(request.len() >= 6 && request[0] == b"1.0", || format!("a request {request:?}"));
        pause(choice, slow);
        let who = request.get(6).cloned().unwrap_or_default();
        let fate = {
            let mut guests = guests.lock().unwrap();
            let fate = guests.get(&who).copied().unwrap_or(Fate::Refused);
            if let Fate::Later(times) = fate {
                let next = if times > 1 { Fate::Later(times - 1) } else { Fate::Welcome };
                guests.insert(who, next);
            }
            fate
        };
        let plain = |status: &[u8]| {
            [b"1.0", request[1].as_slice(), status, b"as you see", b"user", b""]
                .map(<[u8]>::to_vec)
                .to_vec()
        };
        let reply = match fate {
            // Whoever is mistaken does not get so far, but by a mistake of ours.
            Fate::Welcome | Fate::Mistaken => plain(b"200"),
            Fate::Later(_) => plain(b"300"),
            Fate::Nonsense(how) => nonsense(how, &request[1]),
            _ => plain(b"400"),
        };
        for (at, part) in reply.iter().enumerate() {
            let flags = if at + 1 < reply.len() { ZMQ_SNDMORE } else { 0 };
            let sent = socket.send(part, flags);
            check(sent.is_ok() || sent == Err(ETERM), || format!("an answer: {sent:?}"));
        }
    }
    socket.close();
    false
}

/// What a seed chose for all.
struct Plan {
    mechanism: u8,
    handled: bool,
    /// Whether there is TLS below.
    certified: bool,
    server_keys: [String; 2],
}

fn fate(choice: &mut Choice, plan: &Plan) -> Fate {
    if plan.certified && choice.once_in(5) {
        return Fate::Mistaken;
    }
    let good = choice.once_in(2) || plan.mechanism == NULL;
    match (good, plan.handled) {
        (true, true) if plan.mechanism != NULL && choice.once_in(3) => {
            Fate::Later(choice.between(1, 3) as u32)
        }
        (true, _) => Fate::Welcome,
        (_, true) if choice.once_in(3) => Fate::Refused,
        (_, true) if choice.once_in(2) => Fate::Nonsense(choice.below(9)),
        _ if plan.mechanism == CURVE && choice.once_in(2) => Fate::Mistaken,
        _ => Fate::Foreign,
    }
}

/// Says who the guest is.
fn introduce(socket: Socket, plan: &Plan, fate: Fate, number: u32, guests: &Guests) {
    let foreign = fate == Fate::Foreign;
    let name = format!("guest {number}");
    if plan.certified && fate == Fate::Mistaken {
        socket.set_bytes(ZMQ_WSS_HOSTNAME, b"elsewhere");
    }
    match plan.mechanism {
        PLAIN if !foreign => {
            socket.set_bytes(ZMQ_PLAIN_USERNAME, name.as_bytes());
            socket.set_bytes(ZMQ_PLAIN_PASSWORD, b"sesame");
            guests.lock().unwrap().insert(name.into_bytes(), fate);
        }
        CURVE if !foreign => {
            let [public, secret] = key_pair();
            let mistaken = fate == Fate::Mistaken;
            let server = if mistaken { key_pair()[0].clone() } else { plan.server_keys[0].clone() };
            socket.set_bytes(ZMQ_CURVE_SERVERKEY, server.as_bytes());
            socket.set_bytes(ZMQ_CURVE_PUBLICKEY, public.as_bytes());
            socket.set_bytes(ZMQ_CURVE_SECRETKEY, secret.as_bytes());
            let mut key = vec![0; 40];
            let read = socket.get_bytes(ZMQ_CURVE_PUBLICKEY, &mut key[..32]);
            key.truncate(read);
            guests.lock().unwrap().insert(key, fate);
        }
        CURVE if number.is_multiple_of(2) => {
            socket.set_bytes(ZMQ_PLAIN_USERNAME, name.as_bytes());
            socket.set_bytes(ZMQ_PLAIN_PASSWORD, b"sesame");
        }
        _ => drop(guests.lock().unwrap().insert(Vec::new(), Fate::Welcome)),
    }
}

fn host_socket(choice: &mut Choice, context: Context, plan: &Plan, kind: i32) -> Socket {
    let host = context.socket(kind);
    match plan.mechanism {
        PLAIN => host.set(ZMQ_PLAIN_SERVER, 1),
        CURVE => {
            host.set(ZMQ_CURVE_SERVER, 1);
            host.set_bytes(ZMQ_CURVE_SECRETKEY, plan.server_keys[1].as_bytes());
        }
        _ => host.set_bytes(ZMQ_ZAP_DOMAIN, b"home"),
    }
    if plan.handled {
        host.set_bytes(ZMQ_ZAP_DOMAIN, b"home");
        // Nobody is let in between two handlers.
        host.set(ZMQ_ZAP_ENFORCE_DOMAIN, 1);
    }
    host.set(ZMQ_HANDSHAKE_IVL, 300);
    host.set(ZMQ_RCVHWM, choice.of(&[1, 1000]));
    host.set(ZMQ_LINGER, 0);
    host
}

/// Takes what comes until the context ends, and says how much of whom.
fn taker(socket: Socket, expected: &[bool], count: &AtomicU64) {
    let mut next = vec![0; expected.len()];
    loop {
        match socket.recv_all(0) {
            Ok(mut parts) => {
                parts.drain(..parts.len() - 1);
                let (name, number) = named(&parts);
                check(expected[name as usize], || format!("message {number} of {name}, refused"));
                let next = &mut next[name as usize];
                check(number == *next, || format!("{number} of {name} instead of {next}"));
                *next += 1;
                count.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => {
                check(error == ETERM, || format!("zmq_recv: {error}"));
                return socket.close();
            }
        }
    }
}

/// A guest that the host talks to: of several each hears a part.
fn lenient(socket: Socket, expected: bool, count: &AtomicU64) {
    let mut next = 0;
    loop {
        match socket.recv_all(0) {
            Ok(parts) => {
                let (_, number) = named(&parts);
                check(expected, || format!("message {number} to who is refused"));
                check(number >= next, || format!("{number} behind {next}"));
                next = number + 1;
                count.fetch_add(1, Ordering::SeqCst);
            }
            Err(error) => {
                check(error == ETERM, || format!("zmq_recv: {error}"));
                return socket.close();
            }
        }
    }
}

/// One handler after the other, of which the last stays.
fn begin_handlers(
    choice: &mut Choice,
    context: Context,
    slow: u64,
    guests: &Arc<Guests>,
) -> sim::Spawned {
    let (mut own, guests) = (Choice::new(choice.number()), guests.clone());
    sim::spawn("handlers", move || {
        for _ in 0..own.below(4) {
            let most = own.below(4);
            if handler(&mut own, context, slow, most, &guests) {
                return;
            }
            pause(&mut own, 100_000_000);
        }
        handler(&mut own, context, slow, u64::MAX, &guests);
    })
}

/// A host, and guests of which some are let in.
struct Party {
    context: Context,
    endpoint: String,
    plan: Plan,
    guests: Arc<Guests>,
    host: Socket,
    /// Messages go from the host to the guests, not the other way.
    talks: bool,
    fates: Vec<Fate>,
    /// How many the host says, or each guest.
    messages: u32,
    largest: u64,
    taken: Arc<AtomicU64>,
}

impl Party {
    fn begin_guest(&self, choice: &mut Choice, number: u32, fate: Fate) -> sim::Spawned {
        let socket = self.context.socket(if self.talks { ZMQ_PULL } else { ZMQ_PUSH });
        socket.set(ZMQ_LINGER, 0);
        socket.set(ZMQ_RECONNECT_IVL, choice.of(&[20, 100]));
        socket.set(ZMQ_HANDSHAKE_IVL, 300);
        introduce(socket, &self.plan, fate, number, &self.guests);
        let (mut own, taken) = (Choice::new(choice.number()), self.taken.clone());
        let (talks, messages, largest) = (self.talks, self.messages, self.largest);
        socket.connect(&self.endpoint);
        sim::spawn("guest", move || {
            if talks {
                return lenient(socket, fate.is_good(), &taken);
            }
            for at in 0..messages {
                pause(&mut own, 1_000_000);
                let data = numbered(number, at, own.any_size(largest) as usize);
                let sent = socket.send(&data, 0);
                check(sent.is_ok() || sent == Err(ETERM), || format!("zmq_send: {sent:?}"));
            }
            // It stays until the end.
            let end = socket.poll(0, -1);
            check(end == Err(ETERM), || format!("zmq_poll: {end:?}"));
            socket.close();
        })
    }

    /// Hears what is said to the host.
    fn begin_listener(&self) -> sim::Spawned {
        let good: Vec<bool> = self.fates.iter().map(|fate| fate.is_good()).collect();
        let (host, taken) = (self.host, self.taken.clone());
        sim::spawn("host", move || taker(host, &good, &taken))
    }

    /// How many guests are let in.
    fn let_in(&self) -> u64 {
        self.fates.iter().filter(|fate| fate.is_good()).count() as u64
    }

    /// The host says all that it has to say, if somebody hears it.
    fn talk(&self, choice: &mut Choice) {
        for at in 0..if self.let_in() > 0 { self.messages } else { 0 } {
            pause(choice, 1_000_000);
            let data = numbered(0, at, choice.any_size(self.largest) as usize);
            let sent = self.host.send(&data, 0);
            check(sent.is_ok(), || format!("zmq_send: {sent:?}"));
        }
    }

    /// Those who are let in lose nothing, and nothing else arrives.
    fn all_arrives(&self, choice: &mut Choice) {
        let times = if self.talks { self.let_in().min(1) } else { self.let_in() };
        let all = times * u64::from(self.messages);
        let progress = || self.taken.load(Ordering::SeqCst);
        wait_until("messages", progress, || progress() >= all);
        sim::sleep(Duration::from_secs(1));
        check(progress() == all, || format!("{} of {all} messages", progress()));
        if self.talks && choice.once_in(2) && self.let_in() == 0 {
            let sent = self.host.send(b"for nobody", ZMQ_DONTWAIT);
            check(sent == Err(libc::EAGAIN), || format!("a message for nobody: {sent:?}"));
        }
    }

    /// From the first guest to the end of the context; some threads are there already.
    fn run(&self, choice: &mut Choice, mut threads: Vec<sim::Spawned>) {
        for (number, &fate) in self.fates.iter().enumerate() {
            threads.push(self.begin_guest(choice, number as u32, fate));
        }
        if self.talks {
            self.talk(choice);
        } else {
            threads.push(self.begin_listener());
        }
        self.all_arrives(choice);
        self.context.shutdown();
        threads.into_iter().for_each(sim::Spawned::join);
        if self.talks {
            self.host.close();
        }
        self.context.term();
    }
}

pub(crate) fn run(choice: &mut Choice) {
    let endpoint = choice.of(&["tcp://127.0.0.1:5001", "ipc:///made-up/1"]);
    run_at(choice, endpoint);
}

pub(crate) fn run_at(choice: &mut Choice, endpoint: &str) {
    let context = Context::new();
    let mechanism = choice.of(&[NULL, PLAIN, PLAIN, CURVE, CURVE]);
    // Without a handler PLAIN lets nobody in, here.
    let handled = mechanism != CURVE || choice.once_in(2);
    let certified = endpoint.starts_with("wss:");
    let plan = Plan { mechanism, handled, certified, server_keys: key_pair() };
    let guests: Arc<Guests> = Arc::default();
    let slow = choice.of(&[1, 100_000, 20_000_000]);
    let mut threads = Vec::new();
    if handled {
        threads.push(begin_handlers(choice, context, slow, &guests));
    }
    let talks = choice.once_in(3);
    let host = host_socket(choice, context, &plan, if talks { ZMQ_PUSH } else { ZMQ_PULL });
    host.bind(endpoint);
    let count = choice.between(1, 4);
    let fates: Vec<Fate> = (0..count).map(|_| fate(choice, &plan)).collect();
    eprintln!("secrets: {mechanism} {endpoint}, {handled}, host talks: {talks}, {fates:?}");
    let messages = choice.of(&[1, 5, 40]);
    let largest = choice.of(&[10, 3000, 40_000]);
    let (taken, endpoint) = (Arc::default(), endpoint.to_owned());
    let party =
        Party { context, endpoint, plan, guests, host, talks, fates, messages, largest, taken };
    party.run(choice, threads);
}
