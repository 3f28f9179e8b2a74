//! Who watches sockets: event loops over ZMQ_FD and ZMQ_EVENTS, or zmq_poll(3) over many sockets and
//! a descriptor, and monitors that are read slowly, late or never.

use crate::api::*;
use crate::cuts::{named, numbered};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zmq::capi::types::zmq_pollitem_t;
use zmq::sys::sim::{self, Choice, world};

const IN: i16 = ZMQ_POLLIN as i16;
const OUT: i16 = ZMQ_POLLOUT as i16;

/// A socket of an event loop.
struct Driven {
    socket: Socket,
    /// Who it is in what it sends.
    name: u32,
    next: u32,
    /// How many messages it sends.
    count: u32,
    receives: bool,
    router: bool,
    /// Of each peer the number that comes next, or a later one.
    heard: BTreeMap<u32, u32>,
}

/// How a program waits.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// For ZMQ_FD; then it does what ZMQ_EVENTS says until that says nothing more.
    Descriptor,
    /// For ZMQ_FD; then it receives until there is nothing, and never asks for ZMQ_EVENTS.
    Blind,
    /// With zmq_poll(3).
    Poll,
}

/// What all event loops have in common.
#[derive(Clone)]
struct Common {
    /// What makes them end.
    over: i32,
    received: Arc<AtomicU64>,
    sent: Arc<AtomicU64>,
    longest: u64,
    largest: u64,
}

struct Loop {
    choice: Choice,
    way: Way,
    sockets: Vec<Driven>,
    common: Common,
}

impl Driven {
    fn receive(&mut self, received: &AtomicU64) -> bool {
        match self.socket.recv_all(ZMQ_DONTWAIT) {
            Ok(mut parts) => {
                if self.router {
                    parts.remove(0);
                }
                let (name, number) = named(&parts);
                let next = self.heard.entry(name).or_default();
                check(number >= *next, || format!("{number} of {name} behind {next}"));
                *next = number + 1;
                received.fetch_add(1, Ordering::SeqCst);
                true
            }
            Err(error) => {
                check(error == libc::EAGAIN, || format!("zmq_recv: {error}"));
                false
            }
        }
    }

    fn send(&mut self, choice: &mut Choice, largest: u64, sent: &AtomicU64) -> bool {
        let bytes = numbered(self.name, self.next, choice.any_size(largest) as usize);
        match self.socket.send(&bytes, ZMQ_DONTWAIT) {
            Ok(()) => {
                self.next += 1;
                sent.fetch_add(1, Ordering::SeqCst);
                true
            }
            Err(error) => {
                check(error == libc::EAGAIN, || format!("zmq_send: {error}"));
                false
            }
        }
    }

    fn sends(&self) -> bool {
        self.next < self.count
    }
}

impl Loop {
    /// Does what can be done, until there is nothing.
    fn drive(&mut self, at: usize) {
        let (driven, choice) = (&mut self.sockets[at], &mut self.choice);
        let common = &self.common;
        if self.way == Way::Blind {
            return while driven.receive(&common.received) {};
        }
        loop {
            pause(choice, common.longest);
            let events = driven.socket.get(ZMQ_EVENTS) as i16;
            let mut did = false;
            if events & IN != 0 && driven.receives {
                check(driven.receive(&common.received), || "ZMQ_POLLIN and nothing".to_owned());
                did = true;
            }
            if events & OUT != 0 && driven.sends() {
                // What it has just received may have been what made room; the other way round not.
                did |= driven.send(choice, common.largest, &common.sent);
            }
            if !did || self.way == Way::Poll && choice.once_in(2) {
                return;
            }
        }
    }

    /// Waits for news. True if all is over.
    fn wait(&mut self) -> bool {
        let event = |driven: &Driven| if driven.sends() { IN | OUT } else { IN };
        let item = |driven: &Driven| match self.way {
            Way::Poll => {
                let (socket, events) = (driven.socket.0, event(driven));
                zmq_pollitem_t { socket, fd: 0, events, revents: 0 }
            }
            _ => {
                let (socket, fd) = (std::ptr::null_mut(), driven.socket.get(ZMQ_FD));
                zmq_pollitem_t { socket, fd, events: IN, revents: 0 }
            }
        };
        let mut items: Vec<_> = self.sockets.iter().map(item).collect();
        let (socket, fd) = (std::ptr::null_mut(), self.common.over);
        items.push(zmq_pollitem_t { socket, fd, events: IN, revents: 0 });
        let ready = poll_all(&mut items, -1);
        check(ready.is_ok_and(|ready| ready > 0), || format!("zmq_poll: {ready:?}"));
        items.last().is_some_and(|item| item.revents != 0)
    }

    fn run(mut self) {
        loop {
            for at in 0..self.sockets.len() {
                self.drive(at);
            }
            if self.wait() {
                break;
            }
        }
        self.sockets.iter().for_each(|driven| driven.socket.close());
    }
}

const KINDS: [(i32, i32); 4] = [
    (ZMQ_PUSH, ZMQ_PULL),
    (ZMQ_PAIR, ZMQ_PAIR),
    (ZMQ_DEALER, ZMQ_ROUTER),
    (ZMQ_DEALER, ZMQ_DEALER),
];

/// A host and its guests, all of which event loops drive.
struct Household {
    context: Context,
    number: u64,
    /// What guests are, and what the host is.
    kinds: (i32, i32),
    endpoint: String,
    /// How many each sends that can.
    messages: u32,
}

impl Household {
    /// The host, who is number 0, or a guest.
    fn member(&self, choice: &mut Choice, member: u64) -> Driven {
        let is_host = member == 0;
        let kind = if is_host { self.kinds.1 } else { self.kinds.0 };
        let socket = self.context.socket(kind);
        socket.set(ZMQ_SNDHWM, choice.of(&[1, 2, 1000]));
        socket.set(ZMQ_RCVHWM, choice.of(&[1, 2, 1000]));
        if is_host {
            socket.bind(&self.endpoint)
        } else {
            socket.connect(&self.endpoint)
        }
        let sends = !is_host || matches!(kind, ZMQ_PAIR | ZMQ_DEALER);
        let count = if sends { self.messages } else { 0 };
        let (receives, router) = (kind != ZMQ_PUSH, kind == ZMQ_ROUTER);
        let name = (self.number * 10 + member) as u32;
        Driven { socket, name, next: 0, count, receives, router, heard: BTreeMap::new() }
    }
}

/// The sockets of some households.
fn all_sockets(choice: &mut Choice, context: Context) -> Vec<Driven> {
    let kinds = choice.of(&KINDS);
    let messages = choice.of(&[1, 5, 30]);
    let mut sockets = Vec::new();
    for number in 0..choice.between(1, 3) {
        let endpoint = endpoint(choice, number);
        eprintln!("watchers: {} to {}, {endpoint}", kinds.0, kinds.1);
        let household = Household { context, number, kinds, endpoint, messages };
        let guests = if kinds.0 == ZMQ_PAIR { 1 } else { choice.between(1, 3) };
        sockets.extend((0..=guests).map(|member| household.member(choice, member)));
    }
    sockets
}

/// A thread that drives some sockets in one of the ways that suit them.
fn begin_loop(choice: &mut Choice, sockets: Vec<Driven>, common: &Common) -> sim::Spawned {
    let blind = sockets.iter().all(|driven| driven.receives && !driven.sends());
    let way = match choice.below(3) {
        0 if blind => Way::Blind,
        1 => Way::Poll,
        _ => Way::Descriptor,
    };
    let choice = Choice::new(choice.number());
    let one = Loop { choice, way, sockets, common: common.clone() };
    // SAFETY: a socket may be used by another thread from now on.
    let one = Moved(one);
    sim::spawn("loop", move || one.take().run())
}

/// Event loops: all that can be sent is, and arrives.
fn loops(choice: &mut Choice) {
    let context = Context::new();
    let mut sockets = all_sockets(choice, context);
    let all: u64 = sockets.iter().map(|driven| u64::from(driven.count)).sum();
    // SAFETY: a counter.
    let over = insist(|| told(unsafe { sim::libc::eventfd(0, 0) })).unwrap_or(-1);
    let [received, sent] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
    let longest = choice.of(&[1, 10_000, 1_000_000]);
    let largest = choice.of(&[10, 1000, 30_000]);
    let common = Common { over, received, sent, longest, largest };
    let mut threads = Vec::new();
    while !sockets.is_empty() {
        let first = choice.below(sockets.len() as u64) as usize;
        threads.push(begin_loop(choice, sockets.split_off(first), &common));
    }
    let received = || common.received.load(Ordering::SeqCst);
    let progress = || received() + common.sent.load(Ordering::SeqCst);
    wait_until("messages", progress, || received() == all);
    check_idle();
    let one = 1u64;
    // SAFETY: a number.
    unsafe { sim::libc::write(over, (&raw const one).cast(), 8) };
    threads.into_iter().for_each(sim::Spawned::join);
    // SAFETY: the counter.
    unsafe { sim::libc::close(over) };
    context.term();
}

/// What goes to another thread.
struct Moved<T>(T);

// SAFETY: of sockets, which any thread may use.
unsafe impl<T> Send for Moved<T> {}

impl<T> Moved<T> {
    fn take(self) -> T {
        self.0
    }
}

/// What a monitor has said so far.
#[derive(Default, Debug)]
struct Story {
    /// Connections that are made, by descriptor.
    open: BTreeMap<i32, u32>,
    /// Connections whose handshake has no end yet.
    shaking: i32,
    listening: BTreeMap<i32, u32>,
    /// The last event about connecting.
    last: i32,
    stopped: bool,
}

impl Story {
    /// The next event; `whole` if none before was lost.
    fn hear(&mut self, event: i32, value: i32, binds: bool, whole: bool) {
        let wrong = |text: &str| world::wrong(&format!("{text}: event {event:#x} of {value}"));
        check(!self.stopped, || format!("event {event:#x} after the last"));
        match event {
            ZMQ_EVENT_LISTENING => *self.listening.entry(value).or_default() += 1,
            ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_CONNECTED => {
                check((event == ZMQ_EVENT_ACCEPTED) == binds, || format!("event {event:#x}"));
                if whole && self.open.contains_key(&value) {
                    wrong("a connection with a descriptor that another has");
                }
                self.open.insert(value, 1);
                self.shaking += 1;
            }
            ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL => {
                self.shaking -= 1;
                if whole && self.shaking < 0 {
                    wrong("the end of a handshake that did not begin");
                }
            }
            ZMQ_EVENT_DISCONNECTED => {
                if whole && self.open.remove(&value).is_none() {
                    wrong("the end of a connection that is none");
                }
            }
            ZMQ_EVENT_CLOSED if binds => {
                // One that could not listen has an end, too.
                let had = self.listening.remove(&value).is_some() || failed().0 != 0;
                if whole && !had {
                    wrong("the end of a listener that is none");
                }
            }
            ZMQ_EVENT_BIND_FAILED | ZMQ_EVENT_ACCEPT_FAILED => {
                let why = failed().0 != 0;
                check(binds && why, || format!("event {event:#x} of {value}"));
            }
            ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CLOSED | ZMQ_EVENT_CONNECT_RETRIED => {
                check(!binds, || format!("event {event:#x} where nobody connects"));
                // zmq_socket_monitor(3): tried again is what has failed, or was lost.
                let failed = [ZMQ_EVENT_CLOSED, ZMQ_EVENT_DISCONNECTED];
                if whole && event == ZMQ_EVENT_CONNECT_RETRIED && !failed.contains(&self.last) {
                    wrong(&format!("tried again after {:#x}", self.last));
                }
            }
            ZMQ_EVENT_MONITOR_STOPPED => self.stopped = true,
            _ => wrong("an unexpected event"),
        }
        self.last = event;
    }
}

/// Reads a monitor until it stops.
fn reader(mut choice: Choice, context: Context, name: &str, binds: bool, slow: u64, early: bool) {
    let mut story = Story::default();
    let make = |choice: &mut Choice| {
        let socket = context.socket(ZMQ_PAIR);
        socket.set(ZMQ_RCVHWM, if early { 1000 } else { choice.of(&[1, 2, 1000]) });
        socket.set(ZMQ_RCVTIMEO, 20_000);
        socket.try_connect(name).then_some(socket).or_else(|| {
            socket.close();
            None
        })
    };
    let Some(mut socket) = make(&mut choice) else { return };
    while !story.stopped {
        pause(&mut choice, slow);
        if !early && choice.once_in(5) {
            // Another comes in its place.
            socket.close();
            let Some(next) = make(&mut choice) else { return };
            socket = next;
        }
        let parts = match socket.recv_all(0) {
            Ok(parts) => parts,
            // What did not come in time is lost, the last word, too.
            Err(libc::EAGAIN) if !early => break,
            Err(error) => return check(error == ETERM, || format!("a monitor says: {error}")),
        };
        let sizes: Vec<_> = parts.iter().map(Vec::len).collect();
        check(parts.len() == 2 && sizes[0] == 6, || format!("an event of {sizes:?} bytes"));
        let event = i32::from(u16::from_ne_bytes([parts[0][0], parts[0][1]]));
        let value = i32::from_ne_bytes([parts[0][2], parts[0][3], parts[0][4], parts[0][5]]);
        story.hear(event, value, binds, early);
    }
    socket.close();
}

/// Whoever has sockets monitored, and those who read what is told.
#[derive(Clone)]
struct Observatory {
    context: Context,
    /// The longest pause of a reader.
    slow: u64,
    readers: Arc<Mutex<Vec<sim::Spawned>>>,
    /// How many monitors there have been.
    number: Arc<AtomicU64>,
}

impl Observatory {
    /// Monitors a socket, with a reader who is there before the first event, one who is not, or none.
    fn watch(&self, choice: &mut Choice, socket: Socket, binds: bool) {
        let name = format!("inproc://monitor-{}", self.number.fetch_add(1, Ordering::SeqCst));
        socket.monitor(Some(&name));
        let how = choice.below(3);
        if how == 0 {
            return;
        }
        let (own, context, slow) = (Choice::new(choice.number()), self.context, self.slow);
        let early = how == 1;
        let ready = Arc::new(AtomicBool::new(false));
        let told = ready.clone();
        let thread = sim::spawn("reads a monitor", move || {
            told.store(true, Ordering::SeqCst);
            reader(own, context, &name, binds, slow, early);
        });
        while early && !ready.load(Ordering::SeqCst) {
            sim::sleep(Duration::from_micros(100));
        }
        if early {
            // It is connected when it sleeps.
            sim::sleep(Duration::from_millis(200));
        }
        self.readers.lock().unwrap().push(thread);
    }

    /// A guest comes, says something and goes.
    fn watched_guest(&self, choice: &mut Choice, endpoint: &str) {
        let guest = self.context.socket(ZMQ_PUSH);
        guest.set(ZMQ_RECONNECT_IVL, choice.of(&[1, 10]));
        guest.set(ZMQ_LINGER, choice.of(&[0, 50]));
        self.watch(choice, guest, false);
        guest.connect(endpoint);
        for _ in 0..choice.below(5) {
            pause(choice, 5_000_000);
            let _ = guest.send(b"message", ZMQ_DONTWAIT);
        }
        if choice.once_in(4) {
            guest.monitor(None);
        }
        guest.close();
    }

    fn begin_guests(&self, choice: &mut Choice, endpoint: &'static str) -> sim::Spawned {
        let (mut own, observatory) = (Choice::new(choice.number()), self.clone());
        sim::spawn("guests", move || {
            for _ in 0..own.between(1, 4) {
                observatory.watched_guest(&mut own, endpoint);
            }
        })
    }

    /// Waits for all readers: the sockets are closed.
    fn join(&self) {
        let readers = std::mem::take(&mut *self.readers.lock().unwrap());
        readers.into_iter().for_each(sim::Spawned::join);
    }
}

/// Guests come and go, connections are cut, and all are monitored.
fn monitors(choice: &mut Choice) {
    let context = Context::new();
    let tcp = choice.once_in(2);
    let endpoint = if tcp { "tcp://127.0.0.1:5001" } else { "ipc:///made-up/1" };
    eprintln!("watchers: monitors of {endpoint}");
    let slow = choice.of(&[1, 100_000, 50_000_000]);
    let (readers, number) = (Arc::default(), Arc::default());
    let observatory = Observatory { context, slow, readers, number };
    let host = context.socket(ZMQ_PULL);
    observatory.watch(choice, host, true);
    host.bind(endpoint);
    let mut guests = Vec::new();
    for _ in 0..choice.between(1, 3) {
        guests.push(observatory.begin_guests(choice, endpoint));
    }
    for _ in 0..choice.below(10) {
        pause(choice, 20_000_000);
        world::with(|world, _| world.kernel.cut());
        while host.recv(ZMQ_DONTWAIT).is_ok() {}
    }
    guests.into_iter().for_each(sim::Spawned::join);
    if choice.once_in(3) {
        host.monitor(None);
    }
    host.close();
    observatory.join();
    context.term();
}

pub(crate) fn run(choice: &mut Choice) {
    if choice.once_in(3) { monitors(choice) } else { loops(choice) }
}
