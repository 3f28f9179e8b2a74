//! Peers send more that nobody wants than a turn may cost. Whatever the program does with its socket, a PING
//! behind all that is answered.

use crate::api::*;
use crate::pulse::lives;
use crate::raw::{Name, Raw, frame};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use zmq::sys::sim::{self, Choice, world};

/// Made-up milliseconds in which an answer comes.
const PATIENCE: i32 = 3000;

/// Waits for the PONG with this number (RFC 37, "The PING and PONG commands"); what else comes is left.
fn is_answered(guest: &Raw, heard: &mut Vec<u8>, number: u32) -> bool {
    let pong = [b"\x04\x09\x04PONG".as_slice(), &number.to_be_bytes()].concat();
    loop {
        if let Some(at) = heard.windows(pong.len()).position(|bytes| bytes == pong) {
            heard.drain(..at + pong.len());
            return true;
        }
        let more = guest.recv(4000, PATIENCE);
        if more.is_empty() {
            return false;
        }
        heard.extend(more);
    }
}

/// A guest that sends things, a PING behind them, and waits for the answer, again and again.
fn floods(choice: &mut Choice, name: &Name, kind: &str, until: u64) {
    let guest = loop {
        if let Some(guest) = name.connect()
            && guest.shake(choice, kind)
        {
            break guest;
        }
        check(failed().0 != 0, || "no handshake".to_owned());
    };
    let mut heard = Vec::new();
    let mut number = 0;
    while world::age() < until {
        let mut bytes = Vec::new();
        let pieces = choice.of(&[0, 1, 5, 50, 300]);
        let wanted = choice.of(&[0, 1, 3, 20]);
        let nonsense = vec![b'x'; choice.of(&[0, 1, 100])];
        for piece in 0..pieces + wanted {
            // Those wanted come first, last or anywhere.
            if piece < wanted && number % 2 == 0 || choice.below(pieces + wanted) < wanted {
                bytes.extend(frame(b"hello", false));
            } else {
                bytes.extend([4, 4 + nonsense.len() as u8, 3]);
                bytes.extend(b"FOO");
                bytes.extend(&nonsense);
            }
        }
        number += 1;
        bytes.extend(b"\x04\x0b\x04PING\0\0");
        bytes.extend(u32::to_be_bytes(number));
        // All of it at once, or with pauses at any byte.
        let sent =
            if choice.once_in(2) { guest.send_whole(&bytes) } else { guest.send(choice, &bytes) };
        check(sent, || "the host has hung up".to_owned());
        check(is_answered(&guest, &mut heard, number), || format!("PING {number} is not answered"));
        sim::sleep(Duration::from_micros(choice.any_size(100_000)));
    }
}

pub(crate) fn run(choice: &mut Choice) {
    let context = Context::new();
    let tcp = choice.once_in(2);
    let endpoint = if tcp { "tcp://127.0.0.1:5001" } else { "ipc:///made-up/1" };
    let name = if tcp { Name::tcp(5001) } else { Name::ipc("/made-up/1") };
    let (kind, peer) = choice.of(&[(ZMQ_PULL, "PUSH"), (ZMQ_DEALER, "DEALER"), (ZMQ_PAIR, "PAIR")]);
    eprintln!("floods of {peer}, {endpoint}");
    let host = context.socket(kind);
    host.set(ZMQ_LINGER, 0);
    // Who reads no further, because the program does not receive, hears no PING.
    host.set(ZMQ_RCVHWM, 0);
    host.bind(endpoint);
    let until = 300_000_000;
    let mut threads = Vec::new();
    for _ in 0..if kind == ZMQ_PAIR { 1 } else { choice.between(1, 2) } {
        let (mut own, name) = (Choice::new(choice.number()), name.clone());
        threads.push(sim::spawn("floods", move || floods(&mut own, &name, peer, until)));
    }
    for _ in 0..choice.between(1, 2) {
        let (own, received) = (Choice::new(choice.number()), Arc::new(AtomicU64::new(0)));
        threads.push(sim::spawn("lives", move || lives(own, host, until, &received)));
    }
    threads.into_iter().for_each(sim::Spawned::join);
    host.close();
    context.term();
}
