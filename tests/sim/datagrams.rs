//! Datagrams: what the kernel has put into the queue of a socket is received, once, whole and in order; what it has
//! thrown away, or refused, is all that may be missing.

use crate::api::*;
use crate::messages::{Message, numbered, numbers};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zmq::sys::sim::{self, Choice, world};

const GROUPS: [&str; 3] = ["a", "longer", ""];

/// How often the kernel put this datagram into a queue.
fn came(bytes: &[u8]) -> u64 {
    world::with(|world, _| world.kernel.came(bytes)).unwrap_or_default()
}

/// Waits until no queue of the kernel has anything, and nothing more is received.
fn wait_until_read(received: &AtomicU64) {
    let unread = || world::with(|world, _| world.kernel.unread_datagrams()).unwrap_or_default();
    let before = std::cell::Cell::new((u64::MAX, 0));
    wait_until(
        "datagrams that are read",
        || received.load(Ordering::SeqCst),
        || {
            let now = (received.load(Ordering::SeqCst), unread());
            let still = now == before.get() && now.1 == 0;
            before.set(now);
            still
        },
    );
}

/// Everything that is sent, and what was received of it, by the number of the receiver.
#[derive(Default)]
struct Books {
    /// As it is on the wire, with its group.
    sent: Mutex<Vec<(Vec<u8>, usize)>>,
    received: Mutex<Vec<BTreeMap<(u32, u32), u64>>>,
    count: AtomicU64,
}

#[derive(Clone)]
struct Plan {
    endpoints: Vec<String>,
    /// Receivers of each endpoint.
    receivers: usize,
    radios: usize,
    joined: [bool; 3],
    messages: u32,
    largest: u64,
    pause: u64,
    /// Limits of RADIO and DISH.
    limits: [i32; 2],
    /// RADIO waits instead of dropping.
    nodrop: bool,
    /// The network loses some.
    loses: bool,
    threads: u64,
}

fn plan(choice: &mut Choice) -> Plan {
    let group = choice.once_in(2);
    let endpoints = if group {
        let way = choice.of(&["127.0.0.1;", "lo;"]);
        vec![format!("udp://{way}239.0.0.1:5001")]
    } else {
        (0..choice.between(1, 3)).map(|at| format!("udp://127.0.0.1:{}", 5001 + at)).collect()
    };
    Plan {
        receivers: if group { choice.between(1, 3) as usize } else { 1 },
        endpoints,
        radios: choice.between(1, 3) as usize,
        joined: [(); 3].map(|()| choice.once_in(2)),
        messages: choice.of(&[1, 10, 60, 200]),
        largest: choice.of(&[8, 300, 9000, 60_000]),
        pause: choice.of(&[1, 1000, 100_000, 3_000_000]),
        limits: [(); 2].map(|()| choice.of(&[0, 1, 10, 1000])),
        nodrop: choice.once_in(2),
        loses: choice.once_in(3),
        threads: choice.between(1, 2),
    }
}

fn radio(mut choice: Choice, socket: Socket, name: u32, plan: &Plan, books: &Books) {
    for number in 0..plan.messages {
        pause(&mut choice, plan.pause);
        let group = choice.below(3) as usize;
        let bytes = numbered(&mut choice, name, number, plan.largest);
        let mut message = Message::new(&bytes).with_group(GROUPS[group]);
        let sent = if choice.once_in(4) {
            message.send(socket, ZMQ_DONTWAIT)
        } else {
            message.send(socket, 0)
        };
        if sent == Err(libc::EAGAIN) && plan.nodrop {
            continue;
        }
        check(sent.is_ok(), || format!("zmq_msg_send: {sent:?}"));
        let text = GROUPS[group].as_bytes();
        let wire = [&[text.len() as u8], text, &bytes].concat();
        books.sent.lock().unwrap().push((wire, group));
    }
    pause(&mut choice, plan.pause);
    socket.close();
}

fn dish(mut choice: Choice, socket: Socket, at: usize, plan: &Plan, books: &Books) {
    let mut last = [-1i64; 4];
    loop {
        pause(&mut choice, plan.pause);
        if choice.once_in(4) {
            let _ = socket.poll(ZMQ_POLLIN as i16, choice.of(&[-1, 0, 10]));
        }
        let mut message = match Message::recv(socket, 0) {
            Ok(message) => message,
            Err(error) => return check(error == ETERM, || format!("zmq_msg_recv: {error}")),
        };
        let group = message.group();
        let known = GROUPS.iter().position(|known| **known == group);
        check(known.is_some_and(|at| plan.joined[at]), || format!("group {group:?}"));
        let (name, number) = numbers(message.data());
        let last = &mut last[name as usize];
        check(plan.loses || i64::from(number) > *last, || {
            format!("{number} of {name} behind {last}")
        });
        *last = i64::from(number);
        *books.received.lock().unwrap()[at].entry((name, number)).or_default() += 1;
        books.count.fetch_add(1, Ordering::SeqCst);
    }
}

/// The kernel says what came; that and nothing else must have been received.
fn balance(plan: &Plan, books: &Books) {
    let receivers = (plan.receivers * plan.endpoints.len()) as u64;
    let received = books.received.lock().unwrap();
    let sent = books.sent.lock().unwrap();
    let mut arrived = 0;
    for (wire, group) in sent.iter() {
        let numbers = numbers(&wire[1 + GROUPS[*group].len()..]);
        let heard: u64 = received.iter().filter_map(|one| one.get(&numbers)).sum();
        let came = came(wire);
        arrived += came;
        check(heard == if plan.joined[*group] { came } else { 0 }, || {
            format!("{numbers:?} of {:?} came {came} times, {heard} were heard", GROUPS[*group])
        });
        check(came <= receivers, || format!("{numbers:?} came {came} times"));
    }
    let twice = received.iter().flat_map(|one| one.iter()).find(|(_, count)| **count > 1);
    check(twice.is_none(), || format!("{twice:?} more than once"));
    let lost = world::with(|world, _| world.kernel.datagrams_read_and_lost().1).unwrap_or(0);
    let wanted = sent.len() as u64 * receivers;
    check(arrived + lost <= wanted, || format!("{arrived} and {lost} of {wanted}"));
    // A RADIO that may drop does so when the kernel takes nothing.
    if (plan.nodrop || plan.limits[0] == 0) && failed().1 == 0 {
        check(arrived + lost == wanted, || format!("{arrived} and {lost} of only {wanted}"));
    }
}

fn groups(choice: &mut Choice) {
    let plan = plan(choice);
    eprintln!("datagrams: {} to {:?} x {}", plan.radios, plan.endpoints, plan.receivers);
    may_lose();
    if plan.loses {
        world::with(|world, _| world.kernel.lose_datagrams());
    }
    let context = Context::new();
    let books = Arc::new(Books::default());
    let mut dishes = Vec::new();
    let mut listeners = Vec::new();
    for endpoint in &plan.endpoints {
        for _ in 0..plan.receivers {
            let socket = context.socket(ZMQ_DISH);
            socket.set(ZMQ_RCVHWM, plan.limits[1]);
            let join = |group: &str| {
                let done = socket.join(group);
                check(done == Ok(()), || format!("zmq_join: {done:?}"));
            };
            let mine = GROUPS.iter().zip(plan.joined).filter(|(_, joined)| *joined);
            mine.for_each(|(group, _)| join(group));
            socket.bind(endpoint);
            books.received.lock().unwrap().push(BTreeMap::new());
            dishes.push(socket);
        }
    }
    for (at, socket) in dishes.iter().enumerate() {
        for _ in 0..plan.threads {
            let (own, plan, books) = (Choice::new(choice.number()), plan.clone(), books.clone());
            let socket = *socket;
            listeners.push(sim::spawn("dish", move || dish(own, socket, at, &plan, &books)));
        }
    }
    let mut speakers = Vec::new();
    for name in 0..plan.radios as u32 {
        let socket = context.socket(ZMQ_RADIO);
        socket.set(ZMQ_SNDHWM, plan.limits[0]);
        socket.set(ZMQ_XPUB_NODROP, i32::from(plan.nodrop));
        plan.endpoints.iter().for_each(|endpoint| socket.connect(endpoint));
        let (own, plan, books) = (Choice::new(choice.number()), plan.clone(), books.clone());
        speakers.push(sim::spawn("radio", move || radio(own, socket, name, &plan, &books)));
    }
    speakers.into_iter().for_each(sim::Spawned::join);
    // What was said before a socket was closed leaves.
    sim::sleep(Duration::from_secs(1));
    wait_until_read(&books.count);
    check_idle();
    wait_until_read(&books.count);
    balance(&plan, &books);
    context.shutdown();
    listeners.into_iter().for_each(sim::Spawned::join);
    dishes.into_iter().for_each(Socket::close);
    context.term();
}

/// How often each message was heard.
type Heard = Mutex<BTreeMap<Vec<u8>, u64>>;

/// One of some that talk to each other by address.
struct Node {
    socket: Socket,
    port: u32,
}

fn talks(mut choice: Choice, me: &Node, ports: &[u32], said: &Mutex<Vec<Vec<u8>>>, longest: u64) {
    let largest = choice.of(&[8, 300, 9000, 60_000]);
    for number in 0..choice.of(&[1, 10, 60]) {
        pause(&mut choice, longest);
        let to = choice.of(ports);
        // With the zero at its end that libzmq has, or without.
        let end = if choice.once_in(2) { "\0" } else { "" };
        let address = format!("127.0.0.1:{to}{end}");
        let bytes = numbered(&mut choice, me.port, number, largest);
        let sent = me.socket.send(address.as_bytes(), ZMQ_SNDMORE);
        let sent = sent.and_then(|()| me.socket.send(&bytes, 0));
        check(sent.is_ok(), || format!("zmq_send: {sent:?}"));
        said.lock().unwrap().push(bytes);
    }
}

fn hears(mut choice: Choice, socket: Socket, heard: &Heard, count: &AtomicU64, longest: u64) {
    loop {
        pause(&mut choice, longest);
        let parts = match socket.recv_all(0) {
            Ok(parts) => parts,
            Err(error) => return check(error == ETERM, || format!("zmq_recv: {error}")),
        };
        check(parts.len() == 2, || format!("{} parts", parts.len()));
        let (from, _) = numbers(&parts[1]);
        let right = parts[0] == format!("127.0.0.1:{from}\0").into_bytes();
        check(right, || format!("from {:?} instead of {from}", parts[0]));
        *heard.lock().unwrap().entry(parts[1].clone()).or_default() += 1;
        count.fetch_add(1, Ordering::SeqCst);
    }
}

/// DGRAM sockets, of which each sends to all.
fn nodes(choice: &mut Choice) {
    eprintln!("datagrams by address");
    may_lose();
    let loses = choice.once_in(3);
    if loses {
        world::with(|world, _| world.kernel.lose_datagrams());
    }
    let context = Context::new();
    let longest = choice.of(&[1, 1000, 100_000, 3_000_000]);
    let ports: Vec<u32> = (0..choice.between(1, 4) as u32).map(|at| 5001 + at).collect();
    let mut nodes = Vec::new();
    for port in &ports {
        let socket = context.socket(ZMQ_DGRAM);
        socket.set(ZMQ_SNDHWM, choice.of(&[0, 1, 10]));
        socket.set(ZMQ_RCVHWM, choice.of(&[0, 1, 10]));
        socket.bind(&format!("udp://127.0.0.1:{port}"));
        nodes.push(Node { socket, port: *port });
    }
    let (nodes, said) = (Arc::new(nodes), Arc::new(Mutex::new(Vec::new())));
    let heard = Arc::new(Heard::default());
    let count = Arc::new(AtomicU64::new(0));
    let (mut listeners, mut speakers) = (Vec::new(), Vec::new());
    for at in 0..nodes.len() {
        let (own, nodes_, said) = (Choice::new(choice.number()), nodes.clone(), said.clone());
        let ports_ = ports.clone();
        let body = move || talks(own, &nodes_[at], &ports_, &said, longest);
        speakers.push(sim::spawn("talks", body));
        let (own, nodes) = (Choice::new(choice.number()), nodes.clone());
        let (heard, count) = (heard.clone(), count.clone());
        let body = move || hears(own, nodes[at].socket, &heard, &count, longest);
        listeners.push(sim::spawn("hears", body));
    }
    speakers.into_iter().for_each(sim::Spawned::join);
    sim::sleep(Duration::from_secs(1));
    wait_until_read(&count);
    check_idle();
    wait_until_read(&count);
    let (heard, said) = (heard.lock().unwrap().clone(), said.lock().unwrap().clone());
    let mut arrived = 0;
    for bytes in &said {
        let (came, heard) = (came(bytes), heard.get(bytes).copied().unwrap_or(0));
        check(came == heard && came <= 1, || format!("came {came} times, heard {heard} times"));
        arrived += came;
    }
    let lost = world::with(|world, _| world.kernel.datagrams_read_and_lost().1).unwrap_or(0);
    let all = said.len() as u64;
    check(arrived + lost == all || failed().1 != 0, || format!("{arrived} and {lost} of {all}"));
    context.shutdown();
    listeners.into_iter().for_each(sim::Spawned::join);
    nodes.iter().for_each(|node| node.socket.close());
    context.term();
}

/// Sockets for datagrams come and go, bind, unbind, connect and disconnect, while others send.
fn come_and_go(choice: &mut Choice) {
    eprintln!("datagrams, who come and go");
    may_lose();
    let context = Context::new();
    let ended = Arc::new(AtomicBool::new(false));
    let longest = choice.of(&[1, 1000, 100_000]);
    let mut threads = Vec::new();
    for kind in [ZMQ_RADIO, ZMQ_DISH, ZMQ_DGRAM, choice.of(&[ZMQ_RADIO, ZMQ_DISH])] {
        let (mut own, ended) = (Choice::new(choice.number()), ended.clone());
        threads.push(sim::spawn("comes", move || {
            for _ in 0..own.between(1, 8) {
                let Some(socket) = context.socket_before_end(kind) else { return };
                one_life(&mut own, socket, kind, longest, &ended);
                socket.close();
            }
        }));
    }
    let ends = choice.once_in(2);
    if ends {
        sim::sleep(Duration::from_nanos(choice.any_size(20_000_000)));
        ended.store(true, Ordering::SeqCst);
        context.shutdown();
    }
    threads.into_iter().for_each(sim::Spawned::join);
    context.term();
}

fn one_life(choice: &mut Choice, socket: Socket, kind: i32, longest: u64, ended: &AtomicBool) {
    let bears = |error: i32| {
        let over = ended.load(Ordering::SeqCst) && error == ETERM;
        over || [libc::EAGAIN, libc::EADDRINUSE, libc::ENOENT].contains(&error) || passes(error)
    };
    let endpoints =
        ["udp://127.0.0.1:5001", "udp://127.0.0.1:5002", "udp://127.0.0.1;239.0.0.1:5001"];
    for _ in 0..choice.between(1, 12) {
        pause(choice, longest);
        let endpoint = choice.of(&endpoints);
        let done = match choice.below(6) {
            0 | 1 => socket.attach(endpoint, kind != ZMQ_RADIO),
            2 => socket.detach(endpoint, kind != ZMQ_RADIO),
            3 => socket.poll(ZMQ_POLLIN as i16, choice.of(&[0, 1])).map(drop),
            _ if kind == ZMQ_RADIO => {
                let bytes = vec![1; choice.any_size(2000) as usize];
                Message::new(&bytes).with_group("a").send(socket, ZMQ_DONTWAIT)
            }
            _ if kind == ZMQ_DISH => {
                let joined = if choice.once_in(2) { socket.join("a") } else { socket.leave("a") };
                let heard = Message::recv(socket, ZMQ_DONTWAIT).map(drop);
                if joined == Err(libc::EINVAL) { heard } else { joined.and(heard) }
            }
            _ => {
                let more = ZMQ_SNDMORE | ZMQ_DONTWAIT;
                let first = socket.send(b"127.0.0.1:5001", more);
                let sent = first.and_then(|()| socket.send(b"something", ZMQ_DONTWAIT));
                let _ = socket.recv_all(ZMQ_DONTWAIT);
                sent
            }
        };
        let error = done.err().unwrap_or(libc::EAGAIN);
        check(bears(error) || failed().0 != 0, || format!("{kind}, {endpoint}: {error}"));
    }
}

pub(crate) fn run(choice: &mut Choice) {
    match choice.below(6) {
        0..=2 => groups(choice),
        3 | 4 => nodes(choice),
        _ => come_and_go(choice),
    }
}
