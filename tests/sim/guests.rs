//! A host stays, guests come and go. What a guest has sent before it goes arrives, and what is sent
//! when only one guest is left goes to that one.

use crate::api::*;
use crate::messages::any_endpoint;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use zmq::sys::sim::{self, Choice};

const KINDS: [(i32, i32); 3] =
    [(ZMQ_PUSH, ZMQ_PULL), (ZMQ_DEALER, ZMQ_DEALER), (ZMQ_DEALER, ZMQ_ROUTER)];

/// Guests of one thread: each says some things and goes.
fn talkers(
    mut choice: Choice,
    context: Context,
    kind: i32,
    endpoint: &str,
    sent: &Mutex<Vec<u64>>,
) {
    for _ in 0..choice.between(1, 12) {
        let guest = context.socket(kind);
        guest.connect(endpoint);
        pause(&mut choice, 200_000);
        for _ in 0..choice.of(&[0, 1, 1, 2, 5]) {
            let number = choice.number();
            let mut bytes = number.to_le_bytes().to_vec();
            bytes.resize(8 + choice.any_size(2000) as usize, 1);
            let accepted = guest.send(&bytes, 0);
            check(accepted.is_ok(), || format!("zmq_send: {accepted:?}"));
            sent.lock().unwrap().push(number);
        }
        pause(&mut choice, 200_000);
        guest.close();
    }
}

/// The host listens to guests.
fn listening(choice: &mut Choice) {
    let kinds = choice.of(&KINDS);
    let endpoint = endpoint(choice, 1);
    listening_at(choice, kinds, &endpoint);
}

/// The draft types, over each of the transports.
pub(crate) fn run_drafts(choice: &mut Choice) {
    let kinds = choice.of(&[(ZMQ_SCATTER, ZMQ_GATHER), (ZMQ_CLIENT, ZMQ_SERVER)]);
    let endpoint = any_endpoint(choice);
    listening_at(choice, kinds, &endpoint);
}

/// All others there.
pub(crate) fn run_at(choice: &mut Choice, endpoint: &str) {
    let kinds = choice.of(&KINDS);
    listening_at(choice, kinds, endpoint);
}

fn listening_at(choice: &mut Choice, kinds: (i32, i32), endpoint: &str) {
    let context = Context::new();
    eprintln!("guests of {} talk, {endpoint}", kinds.1);
    let host = context.socket(kinds.1);
    let early = choice.once_in(2) || !endpoint.starts_with("inproc");
    if early {
        host.bind(endpoint);
    }
    let sent = Arc::new(Mutex::new(Vec::new()));
    let mut threads = Vec::new();
    for _ in 0..choice.between(1, 4) {
        let (own, sent, endpoint) =
            (Choice::new(choice.number()), sent.clone(), endpoint.to_owned());
        let body = move || talkers(own, context, kinds.0, &endpoint, &sent);
        threads.push(sim::spawn("guests", body));
    }
    if !early {
        pause(choice, 300_000);
        host.bind(endpoint);
    }
    let heard = Arc::new(Mutex::new(Vec::new()));
    let count = Arc::new(AtomicU64::new(0));
    let (list, counter) = (heard.clone(), count.clone());
    let mut own = Choice::new(choice.number());
    let listener = sim::spawn("host", move || {
        loop {
            pause(&mut own, 300_000);
            match host.recv_all(0) {
                Ok(parts) => {
                    let part = parts.last().and_then(|part| part.first_chunk());
                    list.lock().unwrap().push(part.map_or(0, |word| u64::from_le_bytes(*word)));
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                Err(error) => return check(error == ETERM, || format!("zmq_recv: {error}")),
            }
        }
    });
    threads.into_iter().for_each(sim::Spawned::join);
    let all = sent.lock().unwrap().len() as u64;
    let progress = || count.load(Ordering::SeqCst);
    wait_until("what guests said", progress, || progress() >= all);
    check_idle();
    context.shutdown();
    listener.join();
    host.close();
    context.term();
    let (mut sent, mut heard) = (sent.lock().unwrap(), heard.lock().unwrap());
    sent.sort_unstable();
    heard.sort_unstable();
    check(*sent == *heard, || "what was heard is not what was sent".to_owned());
}

/// The host talks to whoever is left in the end.
fn talking(choice: &mut Choice) {
    let context = Context::new();
    let endpoint = format!("inproc://{}", choice.below(3));
    eprintln!("guests leave, {endpoint}");
    let kinds = choice.of(&[(ZMQ_PUSH, ZMQ_PULL), (ZMQ_DEALER, ZMQ_DEALER)]);
    let host = context.socket(kinds.0);
    let early = choice.once_in(2);
    if early {
        host.bind(&endpoint);
    }
    let kind = kinds.1;
    let mut threads = Vec::new();
    for _ in 0..choice.between(1, 3) {
        let (mut own, endpoint) = (Choice::new(choice.number()), endpoint.clone());
        threads.push(sim::spawn("guests", move || {
            for _ in 0..own.between(1, 6) {
                let guest = context.socket(kind);
                guest.connect(&endpoint);
                pause(&mut own, 100_000);
                if kind == ZMQ_DEALER && own.once_in(2) {
                    let _ = guest.send(b"farewell", ZMQ_DONTWAIT);
                }
                guest.close();
            }
        }));
    }
    pause(choice, 300_000);
    if !early {
        host.bind(&endpoint);
    }
    for _ in 0..choice.below(5) {
        // It looks now and then; there is nothing for it.
        let _ = host.poll(ZMQ_POLLOUT as i16, 0);
        pause(choice, 100_000);
    }
    threads.into_iter().for_each(sim::Spawned::join);
    let last = context.socket(kind);
    last.connect(&endpoint);
    for number in 0..choice.between(1, 9) as u8 {
        let sent = host.send(&[number], 0);
        check(sent.is_ok(), || format!("zmq_send: {sent:?}"));
        last.set(ZMQ_RCVTIMEO, 5000);
        let got = last.recv(0);
        check(got == Ok(vec![number]), || format!("instead of message {number}: {got:?}"));
    }
    host.close();
    last.close();
    context.term();
}

pub(crate) fn run(choice: &mut Choice) {
    if choice.once_in(3) { talking(choice) } else { listening(choice) }
}
