//! Peers are killed at any byte. What they had said as a whole arrives and nothing else; what is said
//! to them is lost at most as far as the kernel had taken it, and never comes twice.

use crate::api::*;
use crate::cuts::{named, send_message};
use crate::raw::{Name, Raw, cut_messages, frame};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use zmq::sys::sim::{self, Choice};

/// Behind all others.
const LAST: u32 = u32::MAX;

/// No message has fewer bytes.
const SHORTEST: u64 = 18;

/// A message as frames.
fn encoded(choice: &mut Choice, sender: u32, number: u32, largest: u64) -> Vec<u8> {
    let parts = choice.of(&[1, 1, 2, 4]);
    let mut bytes = Vec::new();
    for part in 0..parts {
        let words = [sender, number, part, parts];
        let mut body: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        body.resize(16 + choice.any_size(largest) as usize, number as u8);
        bytes.extend(frame(&body, part + 1 < parts));
    }
    bytes
}

/// A guest that says some messages as a whole, begins another, and is killed. How many it said.
fn dies_talking(choice: &mut Choice, name: &Name, sender: u32, largest: u64, resets: bool) -> u64 {
    let Some(guest) = name.connect() else { return 0 };
    if !guest.shake(choice, "PUSH") {
        return 0;
    }
    let count = choice.of(&[0, 1, 5, 20]);
    let mut bytes = Vec::new();
    for number in 0..count {
        bytes.extend(encoded(choice, sender, number, largest));
    }
    let begun = encoded(choice, sender, count, largest);
    let kept = choice.below(begun.len() as u64) as usize;
    bytes.extend(&begun[..kept]);
    let sent = guest.send(choice, &bytes);
    check(sent, || "the host has hung up".to_owned());
    pause(choice, 1_000_000);
    if resets {
        guest.will_reset();
    }
    u64::from(count)
}

/// A host hears guests that are killed.
fn talkers(choice: &mut Choice, name: &Name, endpoint: &str) {
    let context = Context::new();
    let host = context.socket(ZMQ_PULL);
    host.set(ZMQ_RCVHWM, choice.of(&[1, 10, 1000]));
    if endpoint.starts_with("ipc") && choice.once_in(2) {
        // It notices by what it sends itself who is dead. (Over TCP what a guest has not read resets.)
        host.set(ZMQ_HEARTBEAT_IVL, choice.of(&[1, 10]));
        host.set(ZMQ_HEARTBEAT_TIMEOUT, 100_000);
    }
    host.bind(endpoint);
    let largest = choice.of(&[10, 1000, 100_000]);
    let longest = choice.of(&[100, 100_000, 5_000_000]);
    let resets = choice.once_in(3);
    let [said, heard] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
    let mut guests = Vec::new();
    for guest in 0..choice.between(1, 3) as u32 {
        let (mut own, name, said) = (Choice::new(choice.number()), name.clone(), said.clone());
        guests.push(sim::spawn("dies", move || {
            for life in 0..own.between(1, 3) as u32 {
                let count = dies_talking(&mut own, &name, guest * 10 + life, largest, resets);
                said.fetch_add(count, Ordering::SeqCst);
            }
        }));
    }
    let (mut own, counter) = (Choice::new(choice.number()), heard.clone());
    let listener = sim::spawn("host", move || {
        let mut next = [0; 40];
        loop {
            pause(&mut own, longest);
            match host.recv_all(0) {
                Ok(parts) => {
                    let (sender, number) = named(&parts);
                    let next = &mut next[sender as usize];
                    check(number == *next, || format!("{number} of {sender} instead of {next}"));
                    *next += 1;
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                Err(error) => {
                    check(error == ETERM, || format!("zmq_recv: {error}"));
                    return host.close();
                }
            }
        }
    });
    guests.into_iter().for_each(sim::Spawned::join);
    let said = said.load(Ordering::SeqCst);
    let progress = || heard.load(Ordering::SeqCst);
    // Over TCP a reset may throw away what the kernel has.
    if !(resets && endpoint.starts_with("tcp")) {
        wait_until("what guests said", progress, || progress() >= said);
    }
    check_idle();
    check(progress() <= said, || format!("{} of {said} messages", progress()));
    context.shutdown();
    listener.join();
    context.term();
}

/// Messages to a peer that is killed again and again.
struct Talk {
    socket: Socket,
    messages: u32,
    largest: u64,
    longest: u64,
    /// How many are sent; `LAST` once the last word may be.
    sent: Arc<AtomicU64>,
}

impl Talk {
    fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    fn begin_sender(&self, choice: &mut Choice) -> sim::Spawned {
        let (mut own, sent) = (Choice::new(choice.number()), self.sent.clone());
        let &Talk { socket, messages, largest, longest, .. } = self;
        sim::spawn("sender", move || {
            for number in 0..messages {
                pause(&mut own, longest);
                send_message(&mut own, socket, 0, number, largest);
                sent.fetch_add(1, Ordering::SeqCst);
            }
            while sent.load(Ordering::SeqCst) < u64::from(LAST) {
                sim::sleep(Duration::from_millis(20));
            }
            send_message(&mut own, socket, 0, LAST, largest);
            socket.close();
        })
    }

    /// What a peer hears that is killed after so many bytes, or before.
    fn hears_some(&self, choice: &mut Choice, peer: &Raw, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < most {
            pause(choice, self.longest);
            let size = 1 + choice.any_size(70_000) as usize;
            let came = peer.recv(size.min(most - bytes.len()), 50);
            if came.is_empty() {
                break;
            }
            bytes.extend(came);
        }
        bytes
    }

    /// What the last of them hears, who has the last word said when there is nothing else.
    fn hears_the_rest(&self, choice: &mut Choice, peer: &Raw) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            pause(choice, self.longest);
            let came = peer.recv(1 + choice.any_size(70_000) as usize, 2000);
            if came.is_empty() {
                if self.sent() >= u64::from(LAST) {
                    return bytes;
                }
                // All is over but for the last word.
                if self.sent() >= u64::from(self.messages) {
                    self.sent.store(u64::from(LAST), Ordering::SeqCst);
                }
            }
            bytes.extend(came);
        }
    }
}

/// What became of the messages to a peer in all its lives.
#[derive(Default)]
struct Ledger {
    /// The message that comes next, or a later one.
    next: u64,
    /// Messages that were never heard.
    lost: u64,
    /// What the kernel had taken of them at most, in bytes.
    taken: u64,
}

impl Ledger {
    /// A life has ended in which these bytes came, and so many were not read.
    fn enter(&mut self, bytes: &[u8], unread: usize, unix: bool) {
        let (heard, rest) = cut_messages(bytes);
        for parts in &heard {
            let (_, number) = named(parts);
            let next = self.next;
            check(u64::from(number) >= next, || format!("{number} where {next} comes next"));
            if number != LAST {
                self.lost += u64::from(number) - next;
            }
            self.next = u64::from(number) + 1;
        }
        let (lost, taken) = (self.lost, self.taken);
        check(!unix || lost * SHORTEST <= taken, || format!("{lost} lost of {taken} bytes"));
        self.taken += (rest + unread) as u64;
    }
}

/// A peer that hears and is killed, again and again.
fn listeners(choice: &mut Choice, name: &Name, endpoint: &str) {
    let unix = endpoint.starts_with("ipc");
    let context = Context::new();
    let socket = context.socket(choice.of(&[ZMQ_PUSH, ZMQ_DEALER]));
    let kind = if socket.get(ZMQ_TYPE) == ZMQ_PUSH { "PULL" } else { "DEALER" };
    socket.set(ZMQ_SNDHWM, choice.of(&[1, 10, 1000]));
    socket.set(ZMQ_RECONNECT_IVL, choice.of(&[1, 20]));
    let largest = choice.of(&[10, 1000, 100_000]);
    let longest = choice.of(&[100, 100_000, 5_000_000]);
    let messages = choice.of(&[5, 30, 100]);
    let lives = choice.below(5);
    let listener = name.listen();
    socket.connect(endpoint);
    let talk = Talk { socket, messages, largest, longest, sent: Arc::default() };
    let sender = talk.begin_sender(choice);
    let mut ledger = Ledger::default();
    let mut life = 0;
    while ledger.next <= u64::from(LAST) {
        let last = life >= lives;
        life += 1;
        let Some(peer) = listener.accept(-1) else { return check(false, || "accept".to_owned()) };
        if !last && choice.once_in(4) {
            // Killed before anything was said.
            continue;
        }
        if !peer.shake(choice, kind) {
            check(!last || failed().0 != 0, || "the last did not shake hands".to_owned());
            continue;
        }
        let most = choice.any_size(100_000) as usize;
        let bytes = if last {
            talk.hears_the_rest(choice, &peer)
        } else {
            talk.hears_some(choice, &peer, most)
        };
        if choice.once_in(3) {
            peer.will_reset();
        }
        ledger.enter(&bytes, peer.kill(), unix);
        check(!last || ledger.next == u64::from(LAST) + 1, || {
            format!("the last is {}", ledger.next)
        });
    }
    sender.join();
    drop(listener);
    context.term();
}

pub(crate) fn run(choice: &mut Choice) {
    let unix = choice.once_in(2);
    let (name, endpoint) = if unix {
        (Name::ipc("/made-up/1"), "ipc:///made-up/1")
    } else {
        (Name::tcp(5001), "tcp://127.0.0.1:5001")
    };
    let talk = choice.once_in(2);
    eprintln!("kills: {endpoint}, they {}", if talk { "talk" } else { "listen" });
    if talk { talkers(choice, &name, endpoint) } else { listeners(choice, &name, endpoint) }
}
