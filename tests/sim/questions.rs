//! Questions and answers: everybody gets the answer to what was asked.

use crate::api::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zmq::sys::sim::{self, Choice, world};

pub(crate) fn ask(
    mut choice: Choice,
    socket: Socket,
    kind: i32,
    relaxed: bool,
    rounds: u64,
    longest: u64,
    done: &AtomicU64,
) {
    for round in 0..rounds {
        pause(&mut choice, longest);
        let mut question = round.to_le_bytes().to_vec();
        for _ in 0..if relaxed { choice.below(3) } else { 0 } {
            // It does not wait for the answer.
            let asked = socket.send(b"what nobody wants to know", 0);
            check(asked.is_ok(), || format!("zmq_send: {asked:?}"));
            pause(&mut choice, longest);
        }
        question.resize(8 + choice.any_size(3000) as usize, choice.below(256) as u8);
        let asked = if kind == ZMQ_DEALER {
            socket.send(b"", ZMQ_SNDMORE).and_then(|()| socket.send(&question, 0))
        } else {
            socket.send(&question, 0)
        };
        check(asked.is_ok(), || format!("zmq_send: {asked:?}"));
        if choice.once_in(3) {
            let there = socket.poll(ZMQ_POLLIN as i16, -1);
            check(there == Ok(true), || format!("zmq_poll: {there:?}"));
        }
        let mut parts = socket.recv_all(0).unwrap_or_default();
        if kind == ZMQ_DEALER {
            check(!parts.is_empty() && parts.remove(0).is_empty(), || "no delimiter".to_owned());
        }
        check(parts == [question], || format!("another answer in round {round}"));
        done.fetch_add(1, Ordering::SeqCst);
    }
    socket.close();
}

pub(crate) fn answer(mut choice: Choice, socket: Socket, longest: u64) {
    // How often it has found nothing. In the end it waits, and is quiet.
    let mut nothing = 0;
    loop {
        if choice.once_in(3) {
            let time = choice.of(&[-1, 1, 1000]);
            let _ = socket.poll(ZMQ_POLLIN as i16, if nothing < 3 { time } else { -1 });
        }
        match socket.recv_all(if choice.once_in(3) && nothing < 3 { ZMQ_DONTWAIT } else { 0 }) {
            Ok(parts) => {
                nothing = 0;
                pause(&mut choice, longest);
                for (at, part) in parts.iter().enumerate() {
                    let flags = if at + 1 < parts.len() { ZMQ_SNDMORE } else { 0 };
                    let sent = socket.send(part, flags);
                    check(sent.is_ok(), || format!("an answer: {sent:?}"));
                }
            }
            Err(libc::EAGAIN) => {
                nothing += 1;
                sim::sleep(std::time::Duration::from_micros(choice.any_size(2000)));
            }
            Err(error) => {
                check(error == ETERM, || format!("zmq_recv: {error}"));
                return socket.close();
            }
        }
    }
}

pub(crate) fn run(choice: &mut Choice) {
    let endpoint = endpoint(choice, 1);
    run_at(choice, &endpoint);
}

pub(crate) fn run_at(choice: &mut Choice, endpoint: &str) {
    let context = Context::new();
    let server = context.socket(choice.of(&[ZMQ_REP, ZMQ_ROUTER]));
    eprintln!("questions: {endpoint}");
    let longest = choice.of(&[1, 1000, 100_000, 20_000_000]);
    let rounds = choice.of(&[1, 5, 40]);
    let clients = choice.between(1, 4);
    let late = choice.once_in(3);
    if !late {
        server.bind(endpoint);
    }
    let done = Arc::new(AtomicU64::new(0));
    let mut askers = Vec::new();
    for _ in 0..clients {
        let kind = choice.of(&[ZMQ_REQ, ZMQ_DEALER]);
        let socket = context.socket(kind);
        let relaxed = kind == ZMQ_REQ && choice.once_in(2);
        if relaxed {
            socket.set(ZMQ_REQ_RELAXED, 1);
            socket.set(ZMQ_REQ_CORRELATE, 1);
        }
        socket.connect(endpoint);
        let (own, done) = (Choice::new(choice.number()), done.clone());
        let body = move || ask(own, socket, kind, relaxed, rounds, longest, &done);
        askers.push(sim::spawn("asks", body));
    }
    pause(choice, longest);
    if late {
        server.bind(endpoint);
    }
    let own = Choice::new(choice.number());
    let server = sim::spawn("answers", move || answer(own, server, longest));
    let progress = || done.load(Ordering::SeqCst);
    wait_until("answers", progress, || progress() == clients * rounds);
    askers.into_iter().for_each(sim::Spawned::join);
    let made = world::with(|world, _| world.kernel.connections).unwrap();
    let inside = endpoint.starts_with("inproc");
    check(inside || made == clients || failed().0 != 0, || {
        format!("{made} connections for {clients} clients")
    });
    context.term();
    server.join();
}
