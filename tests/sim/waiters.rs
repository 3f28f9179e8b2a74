//! Many threads wait for the same socket; some give up. What comes is taken by somebody, each thread
//! that can go on does, and the end of the context wakes all.

use crate::api::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use zmq::sys::sim::{self, Choice};

/// Waits in one of the ways there are, for some messages or until the context ends.
fn waiter(mut choice: Choice, socket: Socket, messages: u64, received: &AtomicU64) {
    let mut taken = 0;
    while taken < messages {
        let got = if choice.once_in(3) {
            let _ = socket.poll(ZMQ_POLLIN as i16, choice.of(&[-1, 1, 50]));
            socket.recv(ZMQ_DONTWAIT)
        } else {
            socket.recv(0)
        };
        match got {
            Ok(_) => {
                taken += 1;
                received.fetch_add(1, Ordering::SeqCst);
            }
            // Its time is over, or it is somebody else's.
            Err(libc::EAGAIN) if choice.once_in(4) => return,
            Err(libc::EAGAIN) => {}
            Err(error) => {
                check(error == ETERM, || format!("zmq_recv: {error}"));
                return;
            }
        }
    }
}

pub(crate) fn run(choice: &mut Choice) {
    let context = Context::new();
    let pull = context.socket(ZMQ_PULL);
    pull.set(ZMQ_RCVTIMEO, choice.of(&[-1, -1, 1, 20]));
    let pushers = choice.between(1, 3);
    let mut pushes = Vec::new();
    for number in 0..pushers {
        let endpoint = endpoint(choice, number);
        eprintln!("waiters: {endpoint}");
        pull.bind(&endpoint);
        let push = context.socket(ZMQ_PUSH);
        push.connect(&endpoint);
        pushes.push(push);
    }
    let received = Arc::new(AtomicU64::new(0));
    let longest = choice.of(&[1, 10_000, 300_000, 30_000_000]);
    let mut waiters = Vec::new();
    // Those that give up, and one that takes all that is left.
    for _ in 0..choice.between(1, 4) {
        let (own, received) = (Choice::new(choice.number()), received.clone());
        let messages = choice.between(1, 5);
        let body = move || waiter(own, pull, messages, &received);
        waiters.push(sim::spawn("gives up", body));
    }
    let all = received.clone();
    let last = sim::spawn("takes all", move || {
        loop {
            match pull.recv(0) {
                Ok(_) => drop(all.fetch_add(1, Ordering::SeqCst)),
                Err(libc::EAGAIN) => {}
                Err(error) => return check(error == ETERM, || format!("zmq_recv: {error}")),
            }
        }
    });
    let mut sent = 0;
    for _ in 0..choice.of(&[3, 10, 40]) {
        pause(choice, longest);
        for _ in 0..choice.of(&[1, 1, 2, 5]) {
            let push = choice.of(&pushes);
            let ok = push.send(b"message", 0);
            check(ok.is_ok(), || format!("zmq_send: {ok:?}"));
            sent += 1;
        }
    }
    let progress = || received.load(Ordering::SeqCst);
    wait_until("messages", progress, || progress() == sent);
    pushes.into_iter().for_each(Socket::close);
    context.shutdown();
    waiters.into_iter().for_each(sim::Spawned::join);
    last.join();
    pull.close();
    context.term();
}
