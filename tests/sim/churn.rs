//! Peers come and go at any moment. Nothing hangs, nothing is left, and who is there at last talks.

use crate::api::*;
use crate::messages::any_endpoint;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use zmq::sys::sim::{self, Choice};

const KINDS: [(i32, i32); 5] = [
    (ZMQ_PUSH, ZMQ_PULL),
    (ZMQ_PAIR, ZMQ_PAIR),
    (ZMQ_DEALER, ZMQ_ROUTER),
    (ZMQ_DEALER, ZMQ_DEALER),
    (ZMQ_XPUB, ZMQ_XSUB),
];

const DRAFTS: [(i32, i32); 5] = [
    (ZMQ_SCATTER, ZMQ_GATHER),
    (ZMQ_CHANNEL, ZMQ_CHANNEL),
    (ZMQ_CLIENT, ZMQ_SERVER),
    (ZMQ_RADIO, ZMQ_DISH),
    (ZMQ_PEER, ZMQ_PEER),
];

fn made(choice: &mut Choice, context: Context, kind: i32) -> Option<Socket> {
    let socket = context.try_socket(kind)?;
    socket.try_set(ZMQ_LINGER, choice.of(&[0, 0, 5, 100]));
    socket.try_set(ZMQ_SNDHWM, choice.of(&[1, 3, 1000]));
    socket.try_set(ZMQ_RCVHWM, choice.of(&[1, 3, 1000]));
    socket.try_set(ZMQ_SNDTIMEO, choice.of(&[0, 1, 20]));
    socket.try_set(ZMQ_RCVTIMEO, choice.of(&[0, 1, 20]));
    socket.try_set(ZMQ_RECONNECT_IVL, choice.of(&[1, 10]));
    Some(socket)
}

/// A thread that opens and closes sockets of one end.
fn comes_and_goes(mut choice: Choice, context: Context, kind: i32, binds: bool, endpoint: &str) {
    for _ in 0..choice.between(1, 6) {
        let Some(socket) = made(&mut choice, context, kind) else { return };
        let attached = if binds { socket.try_bind(endpoint) } else { socket.try_connect(endpoint) };
        for _ in 0..choice.below(12) {
            pause(&mut choice, 3_000_000);
            let size = choice.any_size(5000) as usize;
            let _ = match choice.below(3) {
                0 => socket.recv_all(0).map(drop),
                1 => socket.send(&vec![7; size], 0),
                _ => socket.send(&vec![7; size], ZMQ_DONTWAIT),
            };
        }
        let _ = attached;
        socket.close();
        pause(&mut choice, 3_000_000);
    }
}

/// Two new sockets at the end of it all: what one sends the other gets.
pub(crate) fn last_words(choice: &mut Choice, contexts: [Context; 2], endpoint: &str) {
    let (push, pull) = (contexts[0].socket(ZMQ_PUSH), contexts[1].socket(ZMQ_PULL));
    let connect_first = choice.once_in(2);
    if connect_first {
        push.connect(endpoint);
    }
    pull.bind(endpoint);
    if !connect_first {
        push.connect(endpoint);
    }
    let sent = push.send(b"still here", 0);
    check(sent.is_ok(), || format!("zmq_send: {sent:?}"));
    let got = pull.recv(0);
    check(got.as_deref() == Ok(b"still here"), || format!("zmq_recv: {got:?}"));
    push.close();
    pull.close();
}

pub(crate) fn run(choice: &mut Choice) {
    let kinds = choice.of(&KINDS);
    let endpoint = endpoint(choice, 1);
    run_with(choice, kinds, &endpoint);
}

/// The draft types, over each of the transports.
pub(crate) fn run_drafts(choice: &mut Choice) {
    let kinds = choice.of(&DRAFTS);
    let endpoint = any_endpoint(choice);
    run_with(choice, kinds, &endpoint);
}

/// All others there.
pub(crate) fn run_at(choice: &mut Choice, endpoint: &str) {
    let kinds = choice.of(&KINDS);
    run_with(choice, kinds, endpoint);
}

/// Where sockets were bound a moment ago somebody else can be, whatever the kernel keeps of their connections.
fn bind_again(context: Context, endpoint: &str) {
    let socket = context.socket(ZMQ_PULL);
    let mut tries = 0;
    // Who lingers has until then.
    while !socket.try_bind(endpoint) {
        tries += 1;
        check(tries < 500, || format!("zmq_bind {endpoint}: {}", errno()));
        sim::sleep(std::time::Duration::from_millis(1));
    }
    socket.close();
}

fn run_with(choice: &mut Choice, kinds: (i32, i32), endpoint: &str) {
    may_lose();
    let context = Context::new();
    eprintln!("churn: {} to {}, {endpoint}", kinds.0, kinds.1);
    let mut threads = Vec::new();
    for number in 0..choice.between(2, 5) {
        let binds = number == 0 || choice.once_in(4);
        let kind = if binds == choice.once_in(2) { kinds.0 } else { kinds.1 };
        let kind = if number == 0 { kinds.1 } else { kind };
        let (own, endpoint) = (Choice::new(choice.number()), endpoint.to_owned());
        let body = move || comes_and_goes(own, context, kind, binds, &endpoint);
        threads.push(sim::spawn("comes and goes", body));
    }
    let ended = Arc::new(AtomicBool::new(false));
    if choice.once_in(3) {
        // The end may come at any moment.
        pause(choice, 20_000_000);
        context.shutdown();
        ended.store(true, Ordering::SeqCst);
    }
    threads.into_iter().for_each(sim::Spawned::join);
    if !ended.load(Ordering::SeqCst) {
        no_more_failures();
        bind_again(context, endpoint);
        let other =
            if endpoint.starts_with("inproc") { "inproc://2" } else { "tcp://127.0.0.1:7777" };
        last_words(choice, [context; 2], other);
    }
    context.term();
}
