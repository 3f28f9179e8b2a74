//! Messages flow from senders to receivers: each arrives once, whole and in order.

use crate::api::*;
use crate::messages::any_endpoint;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use zmq::sys::sim::{self, Choice};

/// What a seed chose for all.
#[derive(Clone)]
struct Plan {
    kinds: (i32, i32),
    endpoint: String,
    senders_bind: bool,
    /// Senders, each with a socket of its own.
    senders: usize,
    receivers: usize,
    /// Threads that use the same receiving socket.
    threads: usize,
    messages: u64,
    largest: u64,
    pause: u64,
    limits: (i32, i32),
    /// Receivers only ever wait without limit.
    patient: bool,
}

/// What has been sent and received.
#[derive(Default)]
struct Books {
    sent: AtomicU64,
    received: AtomicU64,
    /// Each message received: sender and number.
    messages: Mutex<Vec<(u32, u32)>>,
}

const KINDS: [(i32, i32); 5] = [
    (ZMQ_PUSH, ZMQ_PULL),
    (ZMQ_PAIR, ZMQ_PAIR),
    (ZMQ_DEALER, ZMQ_ROUTER),
    (ZMQ_DEALER, ZMQ_DEALER),
    (ZMQ_XPUB, ZMQ_SUB),
];

/// Draft types, whose messages have one part.
const DRAFTS: [(i32, i32); 3] =
    [(ZMQ_SCATTER, ZMQ_GATHER), (ZMQ_CHANNEL, ZMQ_CHANNEL), (ZMQ_CLIENT, ZMQ_SERVER)];

fn plan(choice: &mut Choice, kinds: (i32, i32), endpoint: String) -> Plan {
    let senders_bind = choice.once_in(2);
    let pair = [ZMQ_PAIR, ZMQ_CHANNEL].contains(&kinds.0);
    let one_sender = pair || senders_bind || kinds.0 == ZMQ_XPUB;
    let senders = if one_sender { 1 } else { choice.between(1, 3) as usize };
    let one_receiver = pair || !senders_bind;
    let receivers = if one_receiver { 1 } else { choice.between(1, 3) as usize };
    let threads = if kinds.1 == ZMQ_ROUTER || choice.once_in(2) { 1 } else { 2 };
    let limit = |choice: &mut Choice| choice.of(&[0, 1, 2, 10, 1000]);
    let drops = kinds.0 == ZMQ_XPUB;
    Plan {
        kinds,
        endpoint,
        senders_bind,
        senders,
        receivers,
        threads,
        messages: choice.of(&[1, 3, 10, 30, 200]),
        largest: choice.of(&[8, 30, 100, 1000, 40_000]),
        pause: choice.of(&[1, 1000, 30_000, 2_000_000, 100_000_000]),
        limits: if drops { (0, 0) } else { (limit(choice), limit(choice)) },
        patient: choice.once_in(2),
    }
}

fn attach(socket: Socket, binds: bool, endpoint: &str) {
    if binds { socket.bind(endpoint) } else { socket.connect(endpoint) }
}

fn message(choice: &mut Choice, plan: &Plan, sender: u32, number: u32) -> Vec<u8> {
    let mut bytes = [sender.to_le_bytes(), number.to_le_bytes()].concat();
    let size = 8 + choice.any_size(plan.largest) as usize;
    bytes.resize(size, number as u8);
    bytes
}

fn send(choice: &mut Choice, socket: Socket, data: &[u8], flags: i32) {
    if choice.once_in(3) {
        // What a program does that never waits in a send.
        while let Err(error) = socket.send(data, flags | ZMQ_DONTWAIT) {
            check(error == libc::EAGAIN, || format!("zmq_send: {error}"));
            if choice.once_in(2) {
                let _ = socket.poll(ZMQ_POLLOUT as i16, 50);
            } else {
                sim::sleep(std::time::Duration::from_micros(choice.any_size(2000)));
            }
        }
    } else if let Err(error) = socket.send(data, flags) {
        check(false, || format!("zmq_send: {error}"));
    }
}

fn sender(mut choice: Choice, socket: Socket, plan: &Plan, number: usize, books: &Books) {
    if plan.kinds.0 == ZMQ_XPUB {
        // All have subscribed before the first message.
        for _ in 0..plan.receivers {
            let news = socket.recv(0);
            check(news.is_ok_and(|n| n == [1]), || "no subscription".to_owned());
        }
    }
    for at in 0..plan.messages {
        pause(&mut choice, plan.pause);
        // Of two threads that receive each would have some of the parts.
        let several = plan.threads == 1 && !DRAFTS.contains(&plan.kinds);
        let parts = if several && choice.once_in(4) { choice.between(2, 4) } else { 1 };
        for part in 0..parts {
            let flags = if part + 1 < parts { ZMQ_SNDMORE } else { 0 };
            let data = message(&mut choice, plan, number as u32, at as u32);
            send(&mut choice, socket, &data, flags);
        }
        books.sent.fetch_add(1, Ordering::SeqCst);
    }
    if !choice.once_in(4) {
        pause(&mut choice, plan.pause);
    }
    socket.close();
}

fn receive(choice: &mut Choice, socket: Socket, patient: bool) -> Result<Vec<Vec<u8>>, i32> {
    if patient {
        return socket.recv_all(0);
    }
    match choice.below(3) {
        0 => socket.recv_all(0),
        1 => {
            socket.poll(ZMQ_POLLIN as i16, choice.of(&[-1, 0, 1, 300]))?;
            socket.recv_all(ZMQ_DONTWAIT)
        }
        _ => {
            let time = choice.of(&[-1, 0, 1, 20]);
            // The limit is the socket's; other threads may have another.
            socket.try_set(ZMQ_RCVTIMEO, time);
            socket.recv_all(0)
        }
    }
}

/// What was received, in the order of one thread.
fn receiver(mut choice: Choice, socket: Socket, plan: &Plan, books: &Books) {
    let mut last = [-1i64; 8];
    loop {
        pause(&mut choice, plan.pause);
        let mut parts = match receive(&mut choice, socket, plan.patient) {
            Ok(parts) => parts,
            Err(libc::EAGAIN) => {
                sim::sleep(std::time::Duration::from_micros(choice.any_size(2000)));
                continue;
            }
            Err(error) => {
                check(error == ETERM, || format!("zmq_recv: {error}"));
                return;
            }
        };
        if plan.kinds.1 == ZMQ_ROUTER {
            parts.remove(0);
        }
        let named = |part: &Vec<u8>| {
            let word = |at: usize| part[at..at + 4].try_into().map(u32::from_le_bytes).unwrap();
            (word(0), word(4))
        };
        let (from, number) = named(&parts[0]);
        for part in &parts {
            check(part.len() >= 8 && named(part) == (from, number), || {
                format!("a part of {:?} in message {number} of {from}", named(part))
            });
            let whole = part[8..].iter().all(|byte| *byte == number as u8);
            check(whole, || format!("message {number} of {from} is not what was sent"));
        }
        check(i64::from(number) > last[from as usize], || {
            format!("message {number} of {from} behind {}", last[from as usize])
        });
        last[from as usize] = i64::from(number);
        books.messages.lock().unwrap().push((from, number));
        books.received.fetch_add(1, Ordering::SeqCst);
    }
}

fn make_socket(context: Context, plan: &Plan, receives: bool) -> Socket {
    let socket = context.socket(if receives { plan.kinds.1 } else { plan.kinds.0 });
    socket.set(ZMQ_SNDHWM, plan.limits.0);
    socket.set(ZMQ_RCVHWM, plan.limits.1);
    if plan.kinds.0 == ZMQ_XPUB && !receives {
        // Each subscriber is told of, though they all want the same.
        socket.set(ZMQ_XPUB_VERBOSE, 1);
    }
    if plan.kinds.1 == ZMQ_SUB && receives {
        socket.subscribe(b"");
    }
    socket
}

/// Who takes part, and the sockets of those that receive.
struct Parties<'a> {
    plan: &'a Plan,
    books: &'a Arc<Books>,
    senders: Vec<sim::Spawned>,
    receivers: Vec<sim::Spawned>,
    sockets: Vec<Socket>,
}

impl<'a> Parties<'a> {
    fn new(plan: &'a Plan, books: &'a Arc<Books>) -> Parties<'a> {
        Parties { plan, books, senders: vec![], receivers: vec![], sockets: vec![] }
    }

    /// They come one after the other.
    fn begin(&mut self, choice: &mut Choice, context: Context) {
        let plan = self.plan;
        let mut roles: Vec<bool> = vec![false; plan.senders];
        roles.resize(plan.senders + plan.receivers, true);
        // Who binds may come late.
        if choice.once_in(2) {
            roles.reverse();
        }
        for receives in roles {
            let socket = make_socket(context, plan, receives);
            attach(socket, receives != plan.senders_bind, &plan.endpoint);
            pause(choice, plan.pause);
            if receives {
                self.begin_receivers(choice, socket);
            } else {
                self.begin_sender(choice, socket);
            }
        }
    }

    fn begin_sender(&mut self, choice: &mut Choice, socket: Socket) {
        let own = Choice::new(choice.number());
        let (plan, books) = (self.plan.clone(), self.books.clone());
        let number = self.senders.len();
        let body = move || sender(own, socket, &plan, number, &books);
        self.senders.push(sim::spawn("sender", body));
    }

    fn begin_receivers(&mut self, choice: &mut Choice, socket: Socket) {
        self.sockets.push(socket);
        for _ in 0..self.plan.threads {
            let own = Choice::new(choice.number());
            let (plan, books) = (self.plan.clone(), self.books.clone());
            let body = move || receiver(own, socket, &plan, &books);
            self.receivers.push(sim::spawn("receiver", body));
        }
    }
}

/// Waits until all is received that is not lost with a connection.
fn all_arrives(plan: &Plan, books: &Books) {
    let messages = plan.messages * plan.senders as u64;
    let total = messages * copies(plan);
    let received = || books.received.load(Ordering::SeqCst);
    let progress = || received() + books.sent.load(Ordering::SeqCst);
    let all_sent = || books.sent.load(Ordering::SeqCst) == messages;
    wait_until("messages", progress, || received() >= total || all_sent() && failed().1 != 0);
    if received() < total {
        // What was not lost with a connection that failed comes soon, if it can be made again.
        no_more_failures();
        sim::sleep(std::time::Duration::from_secs(5));
    }
}

pub(crate) fn run(choice: &mut Choice) {
    let kinds = choice.of(&KINDS);
    let endpoint = endpoint(choice, 1);
    run_with(choice, kinds, endpoint);
}

/// The draft types, over each of the transports.
pub(crate) fn run_drafts(choice: &mut Choice) {
    let kinds = choice.of(&DRAFTS);
    let endpoint = any_endpoint(choice);
    run_with(choice, kinds, endpoint);
}

/// All others there.
pub(crate) fn run_at(choice: &mut Choice, endpoint: &str) {
    let kinds = choice.of(&KINDS);
    run_with(choice, kinds, endpoint.to_owned());
}

fn run_with(choice: &mut Choice, kinds: (i32, i32), endpoint: String) {
    let plan = plan(choice, kinds, endpoint);
    eprintln!("flow: {} to {}, {}", plan.kinds.0, plan.kinds.1, plan.endpoint);
    let books = Arc::new(Books::default());
    // Subscriptions would be told of again.
    if plan.kinds.0 != ZMQ_XPUB {
        may_lose();
    }
    let context = Context::new();
    let mut parties = Parties::new(&plan, &books);
    parties.begin(choice, context);
    all_arrives(&plan, &books);
    parties.senders.into_iter().for_each(sim::Spawned::join);
    // Who connects to somebody that has gone tries again and again.
    if plan.patient && (!plan.senders_bind || plan.endpoint.starts_with("inproc")) {
        check_idle();
    }
    context.shutdown();
    parties.receivers.into_iter().for_each(sim::Spawned::join);
    parties.sockets.into_iter().for_each(Socket::close);
    context.term();
    balance(&plan, &books);
}

/// How many get the same message.
fn copies(plan: &Plan) -> u64 {
    if plan.kinds.0 == ZMQ_XPUB { plan.receivers as u64 } else { 1 }
}

fn balance(plan: &Plan, books: &Books) {
    let mut messages = books.messages.lock().unwrap();
    messages.sort_unstable();
    let twice = messages.windows(2).find(|pair| copies(plan) == 1 && pair[0] == pair[1]);
    check(twice.is_none(), || format!("{twice:?} are here twice"));
    if failed().1 != 0 {
        return;
    }
    let mut all = messages.as_slice();
    for sender in 0..plan.senders as u32 {
        for number in 0..plan.messages as u32 {
            for _ in 0..copies(plan) {
                let (first, rest) = all.split_first().unwrap_or((&(99, 0), &[]));
                check(*first == (sender, number), || {
                    format!("message {number} of {sender} is not there once: {first:?}")
                });
                all = rest;
            }
        }
    }
    check(all.is_empty(), || format!("{} messages too many", all.len()));
}
