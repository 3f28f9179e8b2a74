//! RADIO and DISH (RFC 48) over connections: once a DISH is known to have joined, it gets every message of its
//! groups from every RADIO once and in order, and none of others.

use crate::api::*;
use crate::messages::{Message, any_endpoint, numbered, numbers};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use zmq::sys::sim::{self, Choice};

const GROUPS: [&str; 4] = ["a", "bb", "a group with a rather long name", ""];

/// Nobody counts on its messages.
const NOISE: &str = "noise";

/// Says who is there already.
const PROBE: u32 = u32::MAX;

struct Dish {
    socket: Socket,
    /// Which of the groups it has joined.
    joined: [bool; 4],
    /// By RADIO and group: whether a probe has come.
    met: Mutex<Vec<[bool; 4]>>,
    /// By RADIO: the numbers of its messages.
    came: Mutex<Vec<Vec<(usize, u32)>>>,
    threads: u64,
}

impl Dish {
    fn has_met(&self) -> bool {
        let met = self.met.lock().unwrap();
        met.iter().all(|met| (0..4).all(|at| met[at] || !self.joined[at]))
    }

    fn enter(&self, message: &mut Message, last: &mut [i64]) {
        let group = message.group();
        let (radio, number) = numbers(message.data());
        if group == NOISE {
            return;
        }
        let at = GROUPS.iter().position(|known| **known == group);
        check(at.is_some_and(|at| self.joined[at]), || format!("a message of group {group:?}"));
        let at = at.unwrap_or(0);
        if number == PROBE {
            self.met.lock().unwrap()[radio as usize][at] = true;
            return;
        }
        let last = &mut last[radio as usize];
        check(i64::from(number) > *last, || format!("{number} of {radio} behind {last}"));
        *last = i64::from(number);
        self.came.lock().unwrap()[radio as usize].push((at, number));
    }
}

fn listener(mut choice: Choice, dish: &Dish, longest: u64, moved: &AtomicU64) {
    let mut last = [-1; 4];
    loop {
        pause(&mut choice, longest);
        if choice.once_in(4) {
            let _ = dish.socket.poll(ZMQ_POLLIN as i16, -1);
        }
        match Message::recv(dish.socket, 0) {
            Ok(mut message) => dish.enter(&mut message, &mut last),
            Err(error) => return check(error == ETERM, || format!("zmq_msg_recv: {error}")),
        }
        moved.fetch_add(1, Ordering::SeqCst);
    }
}

/// Joins and leaves a group again and again.
fn fickle(mut choice: Choice, socket: Socket, longest: u64) {
    for _ in 0..choice.between(1, 20) {
        let joined = socket.join(NOISE);
        check(joined == Ok(()), || format!("zmq_join: {joined:?}"));
        check(socket.join(NOISE) == Err(libc::EINVAL), || "zmq_join twice".to_owned());
        pause(&mut choice, longest);
        let left = socket.leave(NOISE);
        check(left == Ok(()), || format!("zmq_leave: {left:?}"));
    }
}

fn say(socket: Socket, group: &str, bytes: &[u8]) {
    let sent = Message::new(bytes).with_group(group).send(socket, 0);
    check(sent.is_ok(), || format!("zmq_msg_send: {sent:?}"));
}

/// What one RADIO says: the groups of its messages.
fn speaker(
    choice: &mut Choice,
    socket: Socket,
    radio: u32,
    dishes: &[Dish],
    longest: u64,
) -> Vec<usize> {
    let probe = numbered(choice, radio, PROBE, 10);
    let mut rounds = 0;
    while !dishes.iter().all(Dish::has_met) {
        GROUPS.iter().for_each(|group| say(socket, group, &probe));
        sim::sleep(Duration::from_millis(20));
        rounds += 1;
        check(rounds < 2000, || "they never meet".to_owned());
    }
    let largest = choice.of(&[8, 300, 40_000]);
    let mut said = Vec::new();
    for number in 0..choice.of(&[1, 10, 60]) {
        pause(choice, longest);
        let group = choice.below(4) as usize;
        let bytes = numbered(choice, radio, number, largest);
        say(socket, GROUPS[group], &bytes);
        said.push(group);
        if choice.once_in(3) {
            say(socket, NOISE, &bytes);
        }
    }
    said
}

fn new_dish(choice: &mut Choice, context: Context, radios: usize) -> Dish {
    let socket = context.socket(ZMQ_DISH);
    socket.set(ZMQ_RCVHWM, 0);
    let joined = [(); 4].map(|()| choice.once_in(2));
    for (group, _) in GROUPS.iter().zip(joined).filter(|(_, joined)| *joined) {
        let done = socket.join(group);
        check(done == Ok(()), || format!("zmq_join {group:?}: {done:?}"));
    }
    let met = Mutex::new(vec![[false; 4]; radios]);
    let came = Mutex::new(vec![Vec::new(); radios]);
    Dish { socket, joined, met, came, threads: choice.between(1, 2) }
}

/// They come one after the other. RADIOs first, or DISHes.
fn attach(
    choice: &mut Choice,
    (dishes, sources): (&[Dish], &[Socket]),
    endpoint: &str,
    radios_bind: bool,
    longest: u64,
) {
    let mut all: Vec<(Socket, bool)> = dishes.iter().map(|dish| (dish.socket, false)).collect();
    all.extend(sources.iter().map(|source| (*source, true)));
    if choice.once_in(2) {
        all.reverse();
    }
    for (socket, is_radio) in all {
        if is_radio == radios_bind {
            socket.bind(endpoint)
        } else {
            socket.connect(endpoint)
        }
        pause(choice, longest);
    }
}

/// Those that listen until the context ends, and those that do not.
fn begin(
    choice: &mut Choice,
    dishes: &Arc<Vec<Dish>>,
    longest: u64,
    moved: &Arc<AtomicU64>,
) -> [Vec<sim::Spawned>; 2] {
    let [mut listeners, mut others] = [Vec::new(), Vec::new()];
    for at in 0..dishes.len() {
        for _ in 0..dishes[at].threads {
            let (own, dishes, moved) =
                (Choice::new(choice.number()), dishes.clone(), moved.clone());
            let body = move || listener(own, &dishes[at], longest, &moved);
            listeners.push(sim::spawn("dish", body));
        }
        if choice.once_in(2) {
            let (own, socket) = (Choice::new(choice.number()), dishes[at].socket);
            others.push(sim::spawn("fickle", move || fickle(own, socket, longest)));
        }
    }
    [listeners, others]
}

/// What a DISH is to get of a RADIO that has said this.
fn wanted(dish: &Dish, said: &[usize]) -> Vec<(usize, u32)> {
    let words = said.iter().enumerate().filter(|(_, at)| dish.joined[**at]);
    words.map(|(number, at)| (*at, number as u32)).collect()
}

pub(crate) fn run(choice: &mut Choice) {
    let endpoint = any_endpoint(choice);
    let radios_bind = choice.once_in(2);
    let several = choice.between(1, 3) as usize;
    let (radios, dishes) = if radios_bind { (1, several) } else { (several, 1) };
    eprintln!("groups: {radios} to {dishes}, {endpoint}");
    let longest = choice.of(&[1, 1000, 100_000, 3_000_000]);
    let context = Context::new();
    let dishes: Vec<Dish> = (0..dishes).map(|_| new_dish(choice, context, radios)).collect();
    let sources: Vec<Socket> = (0..radios).map(|_| context.socket(ZMQ_RADIO)).collect();
    for source in &sources {
        source.set(ZMQ_SNDHWM, 0);
    }
    attach(choice, (&dishes, &sources), &endpoint, radios_bind, longest);
    let (dishes, moved) = (Arc::new(dishes), Arc::new(AtomicU64::new(0)));
    let [listeners, mut others] = begin(choice, &dishes, longest, &moved);
    let said = Arc::new(Mutex::new(vec![Vec::new(); radios]));
    for (radio, source) in sources.into_iter().enumerate() {
        let mut own = Choice::new(choice.number());
        let (dishes, said) = (dishes.clone(), said.clone());
        others.push(sim::spawn("radio", move || {
            let words = speaker(&mut own, source, radio as u32, &dishes, longest);
            said.lock().unwrap()[radio] = words;
            source.close();
        }));
    }
    others.into_iter().for_each(sim::Spawned::join);
    let said = said.lock().unwrap().clone();
    let arrived = |dish: &Dish| {
        let came = dish.came.lock().unwrap();
        came.iter().zip(&said).all(|(came, said)| came.len() >= wanted(dish, said).len())
    };
    let progress = || moved.load(Ordering::SeqCst);
    wait_until("messages of groups", progress, || dishes.iter().all(arrived));
    // Who connects to a RADIO that has gone tries again and again.
    if !radios_bind || endpoint.starts_with("inproc") {
        check_idle();
    }
    context.shutdown();
    listeners.into_iter().for_each(sim::Spawned::join);
    for dish in dishes.iter() {
        for (came, said) in dish.came.lock().unwrap().iter_mut().zip(&said) {
            came.sort_unstable_by_key(|(_, number)| *number);
            let wanted = wanted(dish, said);
            check(*came == wanted, || format!("{came:?} instead of {wanted:?}"));
        }
        dish.socket.close();
    }
    context.term();
}
