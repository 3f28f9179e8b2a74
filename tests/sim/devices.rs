//! Clients and workers with a proxy between them that is paused, asked, ended and begun again at any
//! moment. Whatever a client has sent arrives once, whole and in order, and the capture socket has it, too.

use crate::api::*;
use crate::cuts::{named, send_message};
use crate::questions::{answer, ask};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zmq::sys::sim::{self, Choice};

/// The sockets of a proxy, and how its user steers it.
#[derive(Clone, Copy)]
struct Device {
    front: Socket,
    back: Socket,
    capture: Option<Socket>,
    control: Option<Socket>,
    /// zmq_device(3) instead of zmq_proxy(3).
    old: bool,
}

impl Device {
    /// Runs until it is told to end, again and again, until all is over or the context ends.
    fn run(self, over: &AtomicBool) {
        loop {
            let result = if let Some(control) = self.control {
                proxy_steerable(self.front, self.back, self.capture, Some(control))
            } else if self.old && self.capture.is_none() {
                device(self.front, self.back)
            } else {
                proxy(self.front, self.back, self.capture)
            };
            match result {
                Ok(()) if self.control.is_some() && !over.load(Ordering::SeqCst) => {}
                Ok(()) => return check(self.control.is_some(), || "a proxy returned 0".to_owned()),
                // It is begun anew.
                Err(error) if passes(error) => {}
                Err(error) => return check(error == ETERM, || format!("a proxy: {error}")),
            }
        }
    }
}

/// Whoever steers.
struct Pilot {
    socket: Socket,
    kind: i32,
}

impl Pilot {
    fn answered(&self) {
        if self.kind == ZMQ_REQ {
            let got = self.socket.recv_all(0);
            check(got == Ok(vec![Vec::new()]), || format!("a command was answered with {got:?}"));
        }
    }

    fn say(&self, command: &str) {
        let sent = self.socket.send(command.as_bytes(), 0);
        check(sent.is_ok(), || format!("{command}: {sent:?}"));
        self.answered();
    }

    /// What went in and out at both sides.
    fn statistics(&self) -> Option<Vec<u64>> {
        if self.kind == ZMQ_PUSH {
            return None;
        }
        let sent = self.socket.send(b"STATISTICS", 0);
        check(sent.is_ok(), || format!("STATISTICS: {sent:?}"));
        let parts = self.socket.recv_all(0).unwrap_or_default();
        let numbers = parts.iter().filter_map(|part| part.as_slice().try_into().ok());
        let numbers: Vec<u64> = numbers.map(u64::from_ne_bytes).collect();
        check(numbers.len() == 8 && parts.len() == 8, || format!("statistics {parts:?}"));
        let even = numbers[..2] == numbers[6..] && numbers[2..4] == numbers[4..6];
        // Of a socket that talks to itself.
        let even = even || numbers[..2] == numbers[2..4] && numbers[4..] == [0; 4];
        check(even, || format!("what goes in does not come out: {numbers:?}"));
        Some(numbers)
    }

    fn steer(&self, choice: &mut Choice, longest: u64, ends: bool) {
        for _ in 0..choice.below(12) {
            pause(choice, longest);
            match choice.below(if ends { 5 } else { 4 }) {
                0 => {
                    self.say("PAUSE");
                    let before = self.statistics();
                    pause(choice, longest);
                    let after = self.statistics();
                    // One that a failing call has ended is begun anew, and does not pause.
                    let same = before == after || failed().0 != 0;
                    check(same, || format!("while it pauses: {before:?} {after:?}"));
                    if choice.once_in(2) {
                        self.say("RESUME");
                    }
                }
                1 => self.say("RESUME"),
                2 => self.say("what it does not know"),
                3 => drop(self.statistics()),
                _ => self.say("TERMINATE"),
            }
        }
        self.say("RESUME");
    }
}

/// What has arrived somewhere.
#[derive(Clone, Default)]
struct Arrived {
    /// Of each taker and client the number of the next message.
    next: Arc<Mutex<BTreeMap<(u32, u32), u32>>>,
    count: Arc<AtomicU64>,
}

impl Arrived {
    fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}

/// Whoever takes messages until the context ends.
struct Taker {
    socket: Socket,
    /// Every message comes by here, in order.
    all: bool,
    /// The first part is a topic.
    topics: bool,
    longest: u64,
    arrived: Arrived,
}

impl Taker {
    fn begin(self, choice: &mut Choice) -> sim::Spawned {
        let own = Choice::new(choice.number());
        sim::spawn("takes", move || self.run(own))
    }

    fn run(self, mut choice: Choice) {
        let number_of_taker = choice.number() as u32;
        loop {
            pause(&mut choice, self.longest);
            match self.socket.recv_all(0) {
                // A subscription on its way to the publishers.
                Ok(parts) if self.topics && parts[0].len() == 2 => continue,
                Ok(mut parts) => {
                    if self.topics {
                        parts.remove(0);
                    }
                    self.take(number_of_taker, &parts);
                }
                Err(error) => {
                    check(error == ETERM, || format!("zmq_recv: {error}"));
                    return self.socket.close();
                }
            }
        }
    }

    fn take(&self, number_of_taker: u32, parts: &[Vec<u8>]) {
        let (client, number) = named(parts);
        let mut arrived = self.arrived.next.lock().unwrap();
        let next = arrived.entry((number_of_taker, client)).or_default();
        let right = if self.all { number == *next } else { number >= *next };
        check(right, || format!("message {number} of {client} instead of {next}"));
        *next = number + 1;
        self.arrived.count.fetch_add(1, Ordering::SeqCst);
    }
}

/// What a seed chose for all.
struct Plan {
    context: Context,
    /// Where clients and workers live, if they are not at home.
    away: Context,
    /// The endpoints of both sides.
    ends: [String; 2],
    longest: u64,
    limits: [i32; 4],
}

impl Plan {
    fn limited(&self, choice: &mut Choice, context: Context, kind: i32) -> Socket {
        let socket = context.socket(kind);
        socket.set(ZMQ_SNDHWM, choice.of(&self.limits));
        socket.set(ZMQ_RCVHWM, choice.of(&self.limits));
        socket
    }

    /// Clients live elsewhere where the transport goes there.
    fn context_for(&self, side: usize) -> Context {
        if self.ends[side].starts_with("inproc") { self.context } else { self.away }
    }

    fn peer(&self, choice: &mut Choice, side: usize, kind: i32) -> Socket {
        let socket = self.limited(choice, self.context_for(side), kind);
        socket.connect(&self.ends[side]);
        socket
    }
}

/// A proxy in the middle, who steers it, and a capture socket's other end.
struct Middle {
    pilot: Option<Pilot>,
    thread: sim::Spawned,
    over: Arc<AtomicBool>,
    device: Device,
    capture: Option<Socket>,
}

fn middle(choice: &mut Choice, plan: &Plan, kinds: [i32; 2], one: bool) -> Middle {
    let context = plan.context;
    let front = plan.limited(choice, context, kinds[0]);
    front.bind(&plan.ends[0]);
    let back = if one { front } else { plan.limited(choice, context, kinds[1]) };
    if !one {
        back.bind(&plan.ends[1]);
    }
    let pair = |choice: &mut Choice, kinds: (i32, i32), name: &str| {
        let (mine, others) = (context.socket(kinds.0), context.socket(kinds.1));
        let limit = choice.of(&plan.limits);
        mine.set(ZMQ_SNDHWM, limit);
        others.set(ZMQ_RCVHWM, limit);
        mine.bind(name);
        others.connect(name);
        (mine, others)
    };
    let captures = choice.once_in(2).then(|| {
        let kinds = choice.of(&[(ZMQ_PUSH, ZMQ_PULL), (ZMQ_PAIR, ZMQ_PAIR)]);
        let name = endpoint(choice, 3);
        pair(choice, kinds, &name)
    });
    let steered = (!choice.once_in(4)).then(|| {
        let kinds = choice.of(&[(ZMQ_PAIR, ZMQ_PAIR), (ZMQ_REP, ZMQ_REQ), (ZMQ_PULL, ZMQ_PUSH)]);
        let name = endpoint(choice, 4);
        let (control, socket) = pair(choice, kinds, &name);
        (control, Pilot { socket, kind: kinds.1 })
    });
    let (capture, captured) = captures.unzip();
    let (control, pilot) = steered.unzip();
    let device = Device { front, back, capture, control, old: choice.once_in(2) };
    let over = Arc::new(AtomicBool::new(false));
    let told = over.clone();
    let thread = sim::spawn("proxy", move || device.run(&told));
    Middle { pilot, thread, over, device, capture: captured }
}

impl Middle {
    /// All has arrived: the proxy ends, as it is told or with its context.
    fn end(self, choice: &mut Choice, plan: &Plan) {
        check_idle();
        self.over.store(true, Ordering::SeqCst);
        match &self.pilot {
            Some(pilot) if choice.once_in(2) => pilot.say("TERMINATE"),
            _ => plan.context.shutdown(),
        }
        self.thread.join();
        plan.context.shutdown();
        let Device { front, back, capture, control, .. } = self.device;
        front.close();
        if back.0 != front.0 {
            back.close();
        }
        let pilot = self.pilot.map(|pilot| pilot.socket);
        [capture, control, pilot].into_iter().flatten().for_each(Socket::close);
    }
}

fn ends_contexts(plan: &Plan) {
    plan.context.term();
    if plan.away != plan.context {
        plan.away.term();
    }
}

/// Messages that go one way: PUSH to PULL, or with topics.
struct Streams<'a> {
    plan: &'a Plan,
    topics: bool,
    /// How many take what comes out.
    workers: u8,
    sent: Arc<AtomicU64>,
    /// What the workers have, and what the capture socket has.
    taken: Arrived,
    captured: Arrived,
}

impl Streams<'_> {
    /// Whoever takes all that comes, in order, or what is left of it by others.
    fn begin_taker(
        &self,
        choice: &mut Choice,
        socket: Socket,
        all: bool,
        arrived: &Arrived,
    ) -> sim::Spawned {
        let (topics, longest, arrived) = (self.topics, self.plan.longest, arrived.clone());
        Taker { socket, all, topics, longest, arrived }.begin(choice)
    }

    fn begin_worker(&self, choice: &mut Choice, number: u8) -> sim::Spawned {
        let kind = if self.topics { ZMQ_SUB } else { ZMQ_PULL };
        let socket = self.plan.peer(choice, 1, kind);
        if self.topics {
            socket.subscribe(&[number]);
        }
        self.begin_taker(choice, socket, self.workers == 1, &self.taken)
    }

    fn begin_client(
        &self,
        choice: &mut Choice,
        client: u32,
        messages: u32,
        largest: u64,
    ) -> sim::Spawned {
        let kind = if self.topics { ZMQ_XPUB } else { ZMQ_PUSH };
        let socket = self.plan.peer(choice, 0, kind);
        let (mut own, sent) = (Choice::new(choice.number()), self.sent.clone());
        let (topics, workers, longest) = (self.topics, self.workers, self.plan.longest);
        sim::spawn("client", move || {
            // All have subscribed before the first message.
            let news = if topics { workers } else { 0 };
            (0..news).for_each(|_| check(socket.recv(0).is_ok(), || "no subscription".to_owned()));
            for number in 0..messages {
                pause(&mut own, longest);
                if topics {
                    let topic = [own.below(u64::from(workers)) as u8];
                    check(socket.send(&topic, ZMQ_SNDMORE).is_ok(), || "a topic".to_owned());
                }
                send_message(&mut own, socket, client, number, largest);
                sent.fetch_add(1, Ordering::SeqCst);
            }
            socket.close();
        })
    }

    /// Waits until so many messages are where they belong.
    fn all_arrive(&self, all: u64, captures: bool) {
        let progress =
            || self.taken.count() + self.captured.count() + self.sent.load(Ordering::SeqCst);
        let captured = if captures { all } else { 0 };
        let done = || self.taken.count() == all && self.captured.count() == captured;
        wait_until("messages", progress, done);
    }
}

fn streams(choice: &mut Choice, plan: &Plan, topics: bool) {
    let inner = if topics { [ZMQ_XSUB, ZMQ_XPUB] } else { [ZMQ_PULL, ZMQ_PUSH] };
    let middle = middle(choice, plan, inner, false);
    let workers = choice.between(1, 3) as u8;
    let (taken, captured) = (Arrived::default(), Arrived::default());
    let streams = Streams { plan, topics, workers, sent: Arc::default(), taken, captured };
    let mut threads = Vec::new();
    for worker in 0..workers {
        threads.push(streams.begin_worker(choice, worker));
    }
    if let Some(capture) = middle.capture {
        threads.push(streams.begin_taker(choice, capture, true, &streams.captured));
    }
    let largest = choice.of(&[10, 1000, 50_000]);
    let messages = choice.of(&[1, 10, 60]);
    let mut clients = Vec::new();
    for client in 0..choice.between(1, 3) as u32 {
        clients.push(streams.begin_client(choice, client, messages, largest));
    }
    if let Some(pilot) = &middle.pilot {
        pilot.steer(choice, plan.longest.max(1_000_000), true);
    }
    streams.all_arrive(clients.len() as u64 * u64::from(messages), middle.capture.is_some());
    clients.into_iter().for_each(sim::Spawned::join);
    middle.end(choice, plan);
    plan.away.shutdown();
    threads.into_iter().for_each(sim::Spawned::join);
}

/// Questions and answers: ROUTER and DEALER, or a REP that talks to itself.
fn questions(choice: &mut Choice, plan: &Plan, one: bool) {
    let middle =
        middle(choice, plan, if one { [ZMQ_REP; 2] } else { [ZMQ_ROUTER, ZMQ_DEALER] }, one);
    let mut threads = Vec::new();
    let longest = plan.longest;
    for _ in 0..if one { 0 } else { choice.between(1, 3) } {
        let kind = choice.of(&[ZMQ_REP, ZMQ_DEALER]);
        let socket = plan.peer(choice, 1, kind);
        let own = Choice::new(choice.number());
        threads.push(sim::spawn("answers", move || answer(own, socket, longest)));
    }
    let captured = Arc::new(AtomicU64::new(0));
    if let Some(capture) = middle.capture {
        let captured = captured.clone();
        threads.push(sim::spawn("captures", move || {
            while capture.recv_all(0).is_ok() {
                captured.fetch_add(1, Ordering::SeqCst);
            }
            capture.close();
        }));
    }
    let done = Arc::new(AtomicU64::new(0));
    let rounds = choice.of(&[1, 5, 20]);
    let mut clients = Vec::new();
    for _ in 0..choice.between(1, 3) {
        let kind = choice.of(&[ZMQ_REQ, ZMQ_DEALER]);
        let socket = plan.peer(choice, 0, kind);
        let (own, done) = (Choice::new(choice.number()), done.clone());
        clients.push(sim::spawn("asks", move || {
            ask(own, socket, kind, false, rounds, longest, &done)
        }));
    }
    if let Some(pilot) = &middle.pilot {
        pilot.steer(choice, longest.max(1_000_000), true);
    }
    let all = clients.len() as u64 * rounds;
    let progress = || done.load(Ordering::SeqCst);
    wait_until("answers", progress, || progress() == all);
    clients.into_iter().for_each(sim::Spawned::join);
    if middle.capture.is_some() {
        // A REP that talks to itself sends what it received.
        let each = if one { 1 } else { 2 };
        let progress = || captured.load(Ordering::SeqCst);
        wait_until("what is captured", progress, || progress() == each * all);
    }
    sim::sleep(Duration::from_millis(100));
    middle.end(choice, plan);
    plan.away.shutdown();
    threads.into_iter().for_each(sim::Spawned::join);
}

pub(crate) fn run(choice: &mut Choice) {
    let context = Context::new();
    let kind = choice.below(5);
    let plan = Plan {
        context,
        away: if choice.once_in(3) { Context::new() } else { context },
        ends: [endpoint(choice, 1), endpoint(choice, 2)],
        longest: choice.of(&[1, 1000, 100_000, 5_000_000]),
        limits: match kind {
            0 | 1 => choice.of(&[[1; 4], [1, 2, 10, 1000], [1000; 4]]),
            // What finds no room is dropped by publishers and by who answers.
            _ => [0; 4],
        },
    };
    eprintln!("devices: {kind}, {:?}", plan.ends);
    match kind {
        0 | 1 => streams(choice, &plan, false),
        2 => streams(choice, &plan, true),
        3 => questions(choice, &plan, false),
        _ => {
            let one = choice.once_in(2);
            questions(choice, &plan, one);
        }
    }
    ends_contexts(&plan);
}
