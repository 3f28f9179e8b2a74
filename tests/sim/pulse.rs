//! Heartbeats: nobody who lives is taken for dead, whatever the program does with its sockets.

use crate::api::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use zmq::sys::sim::{self, Choice, world};

/// What a program does with a socket while time goes by.
pub(crate) fn lives(mut choice: Choice, socket: Socket, until: u64, received: &AtomicU64) {
    let habit = choice.below(8);
    world::note("habit", habit as i64, 0);
    let mut buffer = 0;
    while world::age() < until {
        match habit {
            // It is away for long.
            0 => sim::sleep(Duration::from_millis(choice.below(400))),
            // It looks now and then.
            1 => {
                let _ = socket.poll(ZMQ_POLLIN as i16, 0);
                sim::sleep(Duration::from_micros(choice.any_size(30_000)));
            }
            // It sends now and then.
            2 => {
                let sent = socket.send(&vec![1; choice.any_size(3000) as usize], ZMQ_DONTWAIT);
                buffer += i32::from(sent.is_ok());
                sim::sleep(Duration::from_micros(choice.any_size(60_000)));
            }
            // It waits for what may not come.
            3 => {
                socket.set(ZMQ_RCVTIMEO, choice.below(200) as i32);
                match socket.recv(0) {
                    Ok(_) => drop(received.fetch_add(1, Ordering::SeqCst)),
                    // One that never receives.
                    Err(_) => sim::sleep(Duration::from_micros(choice.any_size(200_000))),
                }
            }
            4 => {
                let there = socket.poll(ZMQ_POLLIN as i16, choice.below(200) as i64);
                if there == Ok(true) {
                    sim::sleep(Duration::from_micros(choice.any_size(100_000)));
                }
            }
            // It looks at what its event loop would.
            5 => {
                socket.get(ZMQ_EVENTS);
                sim::sleep(Duration::from_micros(choice.any_size(100_000)));
            }
            // It sends all it can, and goes away.
            6 => {
                let size = choice.any_size(10_000) as usize;
                while choice.below(20) > 0 && socket.send(&vec![1; size], ZMQ_DONTWAIT).is_ok() {
                    buffer += 1;
                }
                sim::sleep(Duration::from_micros(choice.any_size(200_000)));
            }
            // It receives a little, and goes away.
            _ => {
                if socket.recv(ZMQ_DONTWAIT).is_ok() {
                    received.fetch_add(1, Ordering::SeqCst);
                }
                sim::sleep(Duration::from_micros(choice.any_size(100_000)));
            }
        }
    }
    let _ = buffer;
}

pub(crate) fn run(choice: &mut Choice) {
    let endpoint = if choice.once_in(2) { "tcp://127.0.0.1:5001" } else { "ipc:///made-up/1" };
    run_at(choice, endpoint);
}

pub(crate) fn run_at(choice: &mut Choice, endpoint: &str) {
    let context = Context::new();
    let kinds = choice.of(&[
        (ZMQ_DEALER, ZMQ_DEALER),
        (ZMQ_DEALER, ZMQ_DEALER),
        (ZMQ_PUSH, ZMQ_PULL),
        (ZMQ_PULL, ZMQ_PUSH),
    ]);
    eprintln!("pulse: {} and {}, {endpoint}", kinds.0, kinds.1);
    let received = Arc::new(AtomicU64::new(0));
    let make = |choice: &mut Choice, kind: i32| {
        let socket = context.socket(kind);
        socket.set(ZMQ_SNDHWM, choice.of(&[1, 3, 1000, 1000]));
        socket.set(ZMQ_LINGER, 0);
        // Who reads no further, because the program does not receive, hears no PING.
        socket.set(ZMQ_RCVHWM, 0);
        if choice.once_in(4) {
            return socket;
        }
        let times = [[20, 50, 200], [60, 150, 1000], [0, 300, 1000]];
        let [interval, timeout, ttl] = times.map(|times| choice.of(&times));
        eprintln!("heartbeats {interval} {timeout} {ttl}");
        socket.set(ZMQ_HEARTBEAT_IVL, interval);
        socket.set(ZMQ_HEARTBEAT_TIMEOUT, timeout);
        socket.set(ZMQ_HEARTBEAT_TTL, ttl);
        socket
    };
    let host = make(choice, kinds.0);
    host.bind(endpoint);
    let mut sockets = vec![host];
    for _ in 0..choice.between(1, 3) {
        let guest = make(choice, kinds.1);
        guest.connect(endpoint);
        sockets.push(guest);
    }
    let until = choice.of(&[1, 3]) * 1_000_000_000;
    let mut threads = Vec::new();
    for &socket in &sockets {
        let (own, received) = (Choice::new(choice.number()), received.clone());
        let body = move || lives(own, socket, until, &received);
        threads.push(sim::spawn("lives", body));
    }
    threads.into_iter().for_each(sim::Spawned::join);
    let made = world::with(|world, _| world.kernel.connections).unwrap();
    // One that fails as it is accepted is made again.
    let most = sockets.len() as u64 + failed().0;
    check((sockets.len() as u64..=most).contains(&(made + 1)), || {
        format!("{made} connections were made")
    });
    sockets.into_iter().for_each(Socket::close);
    context.term();
}
