//! SERVER and PEER answer whoever asks by its number (RFC 41, 51). Who asks and stays gets the answers to
//! its own questions, each once; who has gone is not reached and hinders nobody.

use crate::api::*;
use crate::messages::{Message, any_endpoint, numbered, numbers};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zmq::sys::sim::{self, Choice};

/// What a seed chose for all.
#[derive(Clone)]
struct Plan {
    endpoint: String,
    /// CLIENT and SERVER, or PEER and PEER.
    numbered: bool,
    threads: u64,
    largest: u64,
    pause: u64,
    moved: Arc<AtomicU64>,
}

/// Questions in flight that have no answer.
type Open = Vec<u32>;

/// Answers until its context ends.
fn server(mut choice: Choice, socket: Socket, pause_: u64) {
    loop {
        pause(&mut choice, pause_);
        if choice.once_in(4) {
            let _ = socket.poll(ZMQ_POLLIN as i16, -1);
        }
        let mut question = match Message::recv(socket, 0) {
            Ok(question) => question,
            Err(error) => return check(error == ETERM, || format!("zmq_msg_recv: {error}")),
        };
        let number = question.peer();
        check(number != 0, || "a question from nobody".to_owned());
        let mut answer = Message::new(question.data()).for_peer(number);
        pause(&mut choice, pause_);
        match answer.send(socket, 0) {
            Ok(()) | Err(libc::EHOSTUNREACH) => {}
            Err(error) => return check(error == ETERM, || format!("zmq_msg_send: {error}")),
        }
    }
}

/// A socket that asks, and to whom.
struct Client<'a> {
    plan: &'a Plan,
    socket: Socket,
    peer: u32,
    name: u32,
    open: Open,
    next: u32,
}

impl Client<'_> {
    fn ask(&mut self, choice: &mut Choice) {
        let bytes = numbered(choice, self.name, self.next, self.plan.largest);
        let question = Message::new(&bytes);
        let mut question = if self.plan.numbered { question } else { question.for_peer(self.peer) };
        let sent = question.send(self.socket, 0);
        check(sent.is_ok(), || format!("zmq_msg_send: {sent:?}"));
        self.open.push(self.next);
        self.next += 1;
    }

    fn hear(&mut self, choice: &mut Choice) {
        if choice.once_in(3) {
            let _ = self.socket.poll(ZMQ_POLLIN as i16, choice.of(&[0, 1, 100]));
        }
        let answer = Message::recv(self.socket, 0);
        check(answer.is_ok(), || format!("zmq_msg_recv: {:?}", answer.as_ref().err()));
        let Ok(mut answer) = answer else { return };
        let from = answer.peer();
        check(from == self.peer, || format!("an answer from {from} instead of {}", self.peer));
        let (name, number) = numbers(answer.data());
        let at = self.open.iter().position(|open| *open == number);
        // One thread answers in the order of the questions.
        let right = at.is_some_and(|at| at == 0 || self.plan.threads > 1);
        check(name == self.name && right, || {
            format!("{name} {number} is no answer for {} {:?}", self.name, self.open)
        });
        self.open.remove(at.unwrap_or(0));
        self.plan.moved.fetch_add(1, Ordering::SeqCst);
    }
}

/// Lives of one thread: each asks, and goes with or without its answers.
fn clients(mut choice: Choice, context: Context, name: u32, plan: &Plan) {
    for life in 0..choice.between(1, 5) as u32 {
        let kind = if plan.numbered { ZMQ_CLIENT } else { ZMQ_PEER };
        let socket = context.socket(kind);
        let peer = if plan.numbered {
            socket.connect(&plan.endpoint);
            0
        } else {
            socket.connect_peer(&plan.endpoint)
        };
        let name = name * 100 + life;
        let mut client = Client { plan, socket, peer, name, open: vec![], next: 0 };
        for _ in 0..choice.of(&[0, 1, 3, 20]) {
            pause(&mut choice, plan.pause);
            client.ask(&mut choice);
            while !client.open.is_empty() && choice.once_in(2) {
                client.hear(&mut choice);
            }
        }
        let impatient = choice.once_in(3);
        while !impatient && !client.open.is_empty() {
            client.hear(&mut choice);
        }
        if !plan.numbered && choice.once_in(3) {
            let gone = socket.disconnect_peer(peer);
            check(gone == Ok(()), || format!("zmq_disconnect_peer: {gone:?}"));
            let sent = Message::new(b"").for_peer(peer).send(socket, ZMQ_DONTWAIT);
            check(sent == Err(libc::EHOSTUNREACH), || format!("to who has gone: {sent:?}"));
        }
        socket.close();
    }
}

pub(crate) fn run(choice: &mut Choice) {
    let plan = Plan {
        endpoint: any_endpoint(choice),
        numbered: choice.once_in(2),
        threads: choice.between(1, 3),
        largest: choice.of(&[0, 30, 1000, 40_000]),
        pause: choice.of(&[1, 1000, 300_000, 5_000_000]),
        moved: Arc::default(),
    };
    let kinds = if plan.numbered { "CLIENT and SERVER" } else { "PEER" };
    eprintln!("answers: {kinds}, {}, {} threads", plan.endpoint, plan.threads);
    let context = Context::new();
    let host = context.socket(if plan.numbered { ZMQ_SERVER } else { ZMQ_PEER });
    let limit = choice.of(&[0, 1, 3, 1000]);
    host.set(ZMQ_SNDHWM, limit);
    host.set(ZMQ_RCVHWM, limit);
    host.bind(&plan.endpoint);
    let mut threads = Vec::new();
    for _ in 0..plan.threads {
        let (own, pause) = (Choice::new(choice.number()), plan.pause);
        // With a limit who answers may wait for who asks.
        threads.push(sim::spawn("server", move || server(own, host, pause)));
    }
    let mut guests = Vec::new();
    for name in 0..choice.between(1, 4) as u32 {
        let (own, plan) = (Choice::new(choice.number()), plan.clone());
        guests.push(sim::spawn("clients", move || clients(own, context, name, &plan)));
    }
    guests.into_iter().for_each(sim::Spawned::join);
    check_idle();
    context.shutdown();
    threads.into_iter().for_each(sim::Spawned::join);
    host.close();
    context.term();
}
