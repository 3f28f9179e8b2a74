//! Several contexts, whose sockets many threads share, and which end at any moment, in any thread.
//! What is said within the process stays in its context; what was accepted before a context ended
//! arrives in the others; who is left goes on as if nothing had happened.

use crate::api::*;
use crate::churn::last_words;
use crate::cuts::{named, numbered};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use zmq::sys::sim::{self, Choice};

/// A socket of several threads. The last of them closes it.
struct Shared {
    socket: Socket,
    /// Whether it has endpoints within the process only.
    inside: bool,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.socket.close();
    }
}

const KINDS: [i32; 8] =
    [ZMQ_PUSH, ZMQ_PULL, ZMQ_PAIR, ZMQ_DEALER, ZMQ_ROUTER, ZMQ_XPUB, ZMQ_XSUB, ZMQ_REP];

/// What a call may say, whatever else happens.
const ERRORS: [i32; 8] = [
    ETERM,
    libc::EAGAIN,
    libc::ENOTSUP,
    libc::EADDRINUSE,
    libc::ECONNREFUSED,
    libc::ENOENT,
    libc::EHOSTUNREACH,
    // EFSM
    156_384_763,
];

fn expected<T>(what: &str, result: Result<T, i32>) -> Option<T> {
    let known = |error: i32| ERRORS.contains(&error) || passes(error);
    result.map_err(|error| check(known(error), || format!("{what}: error {error}"))).ok()
}

/// One thing that a program may do with a socket.
fn does_something(choice: &mut Choice, shared: &Shared, context: u8) {
    let socket = shared.socket;
    let name = if shared.inside {
        format!("inproc://{}", choice.below(2))
    } else if choice.once_in(2) {
        format!("tcp://127.0.0.1:{}", 5000 + choice.below(2))
    } else {
        format!("ipc:///made-up/{}", choice.below(2))
    };
    let wait = if choice.once_in(2) { ZMQ_DONTWAIT } else { 0 };
    match choice.below(9) {
        0 => drop(expected("bind", socket.attach(&name, true))),
        1 | 2 => drop(expected("connect", socket.attach(&name, false))),
        3 => drop(expected("detach", socket.detach(&name, choice.once_in(2)))),
        4 | 5 => {
            let size = 1 + choice.any_size(3000) as usize;
            let _ = expected("send", socket.send(&vec![context; size], wait));
        }
        6 => drop(expected("poll", socket.poll(3, choice.below(3) as i64))),
        _ => {
            let Some(part) = expected("recv", socket.recv(wait)) else { return };
            // An id or a subscription of a peer begins with 0 or 1.
            let own = part.first().is_none_or(|byte| *byte < 2 || *byte == context);
            check(own || !shared.inside, || "a message of another context".to_owned());
        }
    }
}

/// A thread of a context: shares sockets, makes new ones, and leaves them to others.
/// Its own socket keeps the context until it ends.
fn dweller(
    mut choice: Choice,
    context: Context,
    own: &Shared,
    number: u8,
    list: &Mutex<Vec<Arc<Shared>>>,
) {
    let mut mine = Vec::new();
    for _ in 0..choice.between(1, 40) {
        pause(&mut choice, 1_000_000);
        if mine.is_empty() || choice.once_in(6) {
            let found = {
                let list = list.lock().unwrap();
                let at = choice.below(list.len() as u64 + 2) as usize;
                list.get(at).cloned()
            };
            let shared = match found {
                Some(shared) => shared,
                None => {
                    // Also while the context ends.
                    let kind = choice.of(&KINDS);
                    let Some(socket) = context.socket_before_end(kind) else { break };
                    socket.try_set(ZMQ_LINGER, choice.of(&[0, 10]));
                    socket.try_set(ZMQ_SNDTIMEO, choice.of(&[0, 1, 20]));
                    socket.try_set(ZMQ_RCVTIMEO, choice.of(&[0, 1, 20]));
                    socket.try_set(ZMQ_SNDHWM, choice.of(&[1, 1000]));
                    let shared = Arc::new(Shared { socket, inside: choice.once_in(2) });
                    list.lock().unwrap().push(shared.clone());
                    shared
                }
            };
            mine.push(shared);
        }
        let shared = &mine[choice.below(mine.len() as u64) as usize];
        does_something(&mut choice, shared, number);
        if choice.once_in(10) {
            does_something(&mut choice, own, number);
        } else if choice.once_in(8) {
            mine.swap_remove(choice.below(mine.len() as u64) as usize);
        }
    }
    // Never under the lock, which others wait for with their turn.
    let left = std::mem::take(&mut *list.lock().unwrap());
    drop(left);
}

/// Sends to another context until its own ends. How much was accepted.
fn speaker(mut choice: Choice, socket: Socket, name: u32, longest: u64) -> u64 {
    let mut accepted = 0;
    for number in 0..choice.of(&[1, 10, 100]) {
        pause(&mut choice, longest);
        let data = numbered(name, number, choice.any_size(2000) as usize);
        match socket.send(&data, 0) {
            Ok(()) => accepted += 1,
            Err(error) => {
                check(error == ETERM, || format!("zmq_send: {error}"));
                break;
            }
        }
    }
    socket.close();
    accepted
}

/// Threads of a context that share its sockets.
fn dwellers(choice: &mut Choice, context: Context, number: u8) -> Vec<sim::Spawned> {
    let list = Arc::new(Mutex::new(Vec::new()));
    let count = choice.between(0, 3);
    let begin = |_| {
        let (own, list) = (Choice::new(choice.number()), list.clone());
        let anchor = Shared { socket: context.socket(choice.of(&KINDS)), inside: true };
        anchor.socket.set(ZMQ_LINGER, 0);
        anchor.socket.set(ZMQ_SNDTIMEO, 1);
        anchor.socket.set(ZMQ_RCVTIMEO, 1);
        sim::spawn("dwells", move || dweller(own, context, &anchor, number, &list))
    };
    (0..count).map(begin).collect()
}

/// A socket of the context that stays. The others talk to it until they end.
struct Host {
    socket: Socket,
    endpoint: &'static str,
    /// The longest pause of who talks and who hears.
    longest: u64,
    /// How many messages were accepted of all who talk, and how many have arrived.
    accepted: Arc<AtomicU64>,
    heard: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl Host {
    fn new(choice: &mut Choice, context: Context) -> Host {
        let socket = context.socket(ZMQ_PULL);
        let endpoint = choice.of(&["tcp://127.0.0.1:7000", "ipc:///made-up/host"]);
        socket.set(ZMQ_RCVHWM, choice.of(&[1, 1000]));
        socket.bind(endpoint);
        let longest = choice.of(&[1, 100_000, 3_000_000]);
        let [accepted, heard] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
        Host { socket, endpoint, longest, accepted, heard, over: Arc::default() }
    }

    /// Somebody in another context who talks to it.
    fn begin_speaker(&self, choice: &mut Choice, context: Context, name: u32) -> sim::Spawned {
        let socket = context.socket(ZMQ_PUSH);
        socket.set(ZMQ_SNDHWM, choice.of(&[1, 1000]));
        socket.connect(self.endpoint);
        let (own, longest) = (Choice::new(choice.number()), self.longest);
        let accepted = self.accepted.clone();
        sim::spawn("speaks", move || {
            let all = speaker(own, socket, name, longest);
            accepted.fetch_add(all, Ordering::SeqCst);
        })
    }

    /// Hears what each says in order, until all is over.
    fn begin_listener(&self, choice: &mut Choice) -> sim::Spawned {
        let (mut own, socket, longest) = (Choice::new(choice.number()), self.socket, self.longest);
        let (heard, over) = (self.heard.clone(), self.over.clone());
        sim::spawn("host", move || {
            let mut next = [0; 4];
            while !over.load(Ordering::SeqCst) {
                pause(&mut own, longest);
                match socket.recv_all(0) {
                    Ok(parts) => {
                        let (name, number) = named(&parts);
                        let next = &mut next[name as usize];
                        check(number == *next, || format!("{number} of {name} instead of {next}"));
                        *next += 1;
                        heard.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(error) => return check(error == ETERM, || format!("zmq_recv: {error}")),
                }
            }
        })
    }

    /// Nobody talks any more: what was accepted arrives, and no more.
    fn hears_the_rest(&self) {
        let accepted = self.accepted.load(Ordering::SeqCst);
        let heard = || self.heard.load(Ordering::SeqCst);
        wait_until("what was accepted", heard, || heard() >= accepted);
        check(heard() == accepted, || format!("{} of {accepted} messages", heard()));
        self.over.store(true, Ordering::SeqCst);
    }
}

/// The context ends some time, whatever its threads do.
fn begin_end(choice: &mut Choice, context: Context) -> sim::Spawned {
    let mut own = Choice::new(choice.number());
    sim::spawn("ends a context", move || {
        sim::sleep(std::time::Duration::from_nanos(own.any_size(40_000_000)));
        if own.once_in(3) {
            context.shutdown();
            pause(&mut own, 1_000_000);
        }
        context.term();
    })
}

pub(crate) fn run(choice: &mut Choice) {
    let count = choice.between(2, 3) as usize;
    let contexts: Vec<Context> = (0..count).map(|_| Context::new()).collect();
    eprintln!("contexts: {count}");
    // The first stays, the others end.
    let stays = contexts[0];
    let host = Host::new(choice, stays);
    let mut threads = Vec::new();
    for (number, &context) in contexts.iter().enumerate() {
        threads.extend(dwellers(choice, context, number as u8 + 10));
        if context != stays {
            threads.push(host.begin_speaker(choice, context, number as u32));
        }
    }
    let listener = host.begin_listener(choice);
    let ends: Vec<_> = contexts[1..].iter().map(|context| begin_end(choice, *context)).collect();
    ends.into_iter().for_each(sim::Spawned::join);
    threads.into_iter().for_each(sim::Spawned::join);
    host.hears_the_rest();
    let other = Context::new();
    last_words(choice, [stays, other], "tcp://127.0.0.1:7777");
    other.term();
    stays.shutdown();
    listener.join();
    host.socket.close();
    stays.term();
}
