//! Connections are cut at any moment. What is received was sent, is whole, comes once and in order;
//! and once nothing is cut any more all is well again.

use crate::api::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use zmq::sys::sim::{self, Choice, world};

const KINDS: [(i32, i32); 3] =
    [(ZMQ_PUSH, ZMQ_PULL), (ZMQ_DEALER, ZMQ_DEALER), (ZMQ_DEALER, ZMQ_ROUTER)];

/// Behind all others.
const LAST: u32 = u32::MAX;

/// Sends a message that says in each part whose it is and which.
pub(crate) fn send_message(
    choice: &mut Choice,
    socket: Socket,
    sender: u32,
    number: u32,
    largest: u64,
) {
    let parts = choice.of(&[1, 1, 2, 4]);
    for part in 0..parts {
        let words = [sender, number, part, parts];
        let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.resize(16 + choice.any_size(largest) as usize, number as u8);
        let flags = if part + 1 < parts { ZMQ_SNDMORE } else { 0 };
        let sent = socket.send(&bytes, flags);
        check(sent.is_ok(), || format!("zmq_send: {sent:?}"));
    }
}

/// A message of one part.
pub(crate) fn numbered(sender: u32, number: u32, more: usize) -> Vec<u8> {
    let words = [sender, number, 0, 1];
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.resize(16 + more, number as u8);
    bytes
}

/// The sender and the number of a message that is whole.
pub(crate) fn named(parts: &[Vec<u8>]) -> (u32, u32) {
    let words = |part: &Vec<u8>| {
        let mut words = part.chunks_exact(4).map(|w| u32::from_le_bytes([w[0], w[1], w[2], w[3]]));
        [(); 4].map(|()| words.next().unwrap_or(77))
    };
    let [sender, number, ..] = parts.first().map_or([77; 4], words);
    for (at, part) in parts.iter().enumerate() {
        let right = words(part) == [sender, number, at as u32, parts.len() as u32];
        let whole = part.len() >= 16 && part[16..].iter().all(|byte| *byte == number as u8);
        check(right && whole, || format!("part {at} of {} is {:?}", parts.len(), words(part)));
    }
    (sender, number)
}

/// Receives until each sender has said its last.
fn receiver(mut choice: Choice, host: Socket, router: bool, senders: usize, moved: &AtomicU64) {
    let mut next = vec![0; senders];
    while next.contains(&0) || next.iter().any(|next| *next != u64::from(LAST) + 1) {
        pause(&mut choice, 1_000_000);
        if choice.once_in(4) {
            let _ = host.poll(ZMQ_POLLIN as i16, -1);
        }
        let Ok(mut parts) = host.recv_all(0) else { return check(false, || "zmq_recv".to_owned()) };
        if router {
            parts.remove(0);
        }
        let (sender, number) = named(&parts);
        let next = &mut next[sender as usize];
        check(u64::from(number) >= *next, || {
            format!("message {number} of {sender} where {next} may come next")
        });
        *next = u64::from(number) + 1;
        moved.fetch_add(1, Ordering::SeqCst);
    }
    host.close();
}

pub(crate) fn run(choice: &mut Choice) {
    let endpoint = choice.of(&["tcp://127.0.0.1:5001", "ipc:///made-up/1"]);
    run_at(choice, endpoint);
}

pub(crate) fn run_at(choice: &mut Choice, endpoint: &str) {
    may_lose();
    let context = Context::new();
    let kinds = choice.of(&KINDS);
    eprintln!("cuts: {} to {}, {endpoint}", kinds.0, kinds.1);
    let host = context.socket(kinds.1);
    host.set(ZMQ_RCVHWM, choice.of(&[1, 10, 1000]));
    host.bind(endpoint);
    let senders = choice.between(1, 3) as usize;
    let over = Arc::new(AtomicBool::new(false));
    let moved = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicU64::new(0));
    let largest = choice.of(&[10, 1000, 100_000]);
    let longest = choice.of(&[100, 100_000, 5_000_000]);
    let mut threads = Vec::new();
    for sender in 0..senders as u32 {
        let socket = context.socket(kinds.0);
        socket.set(ZMQ_SNDHWM, choice.of(&[1, 10, 1000]));
        socket.set(ZMQ_RECONNECT_IVL, choice.of(&[1, 20]));
        socket.connect(endpoint);
        let mut own = Choice::new(choice.number());
        let messages = choice.of(&[5, 30, 100]);
        let (over, moved, done) = (over.clone(), moved.clone(), done.clone());
        threads.push(sim::spawn("sender", move || {
            for number in 0..messages {
                pause(&mut own, longest);
                send_message(&mut own, socket, sender, number, largest);
                moved.fetch_add(1, Ordering::SeqCst);
            }
            done.fetch_add(1, Ordering::SeqCst);
            while !over.load(Ordering::SeqCst) {
                sim::sleep(Duration::from_millis(20));
            }
            send_message(&mut own, socket, sender, LAST, largest);
            socket.close();
        }));
    }
    let (own, router, progress) =
        (Choice::new(choice.number()), kinds.1 == ZMQ_ROUTER, moved.clone());
    threads.push(sim::spawn("receiver", move || receiver(own, host, router, senders, &progress)));
    for _ in 0..choice.between(1, 12) {
        sim::sleep(Duration::from_nanos(choice.any_size(20_000_000)));
        world::with(|world, _| world.kernel.cut());
    }
    let progress = || moved.load(Ordering::SeqCst);
    wait_until("senders", progress, || done.load(Ordering::SeqCst) == senders as u64);
    no_more_failures();
    // Whoever does not know yet that the connection is gone would lose its last words.
    sim::sleep(Duration::from_secs(2));
    over.store(true, Ordering::SeqCst);
    threads.into_iter().for_each(sim::Spawned::join);
    context.term();
}
