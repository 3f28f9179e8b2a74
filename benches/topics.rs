//! Subscriptions: what a topic costs to subscribe to and a message to match, among thousands.
//!
//! The trie itself is private to `pattern`; it is reached as the engine reaches it, through PUB
//! and SUB over pipes that cost next to nothing.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]
#![allow(missing_docs, reason = "criterion's macros document nothing")]

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;
use zmq::msg::Msg;
use zmq::pattern::{Attach, Pattern, PipeId, PipeSet, Pub, Sub};

/// What a search costs may grow with the depth of the tree and with what the cache cannot hold, no more.
const TOPICS: [usize; 5] = [1, 100, 10_000, 200_000, 1_000_000];
const PIPE: PipeId = 0;

/// One pipe: what is to be read from it, and how often it was written to.
#[derive(Default)]
struct OnePipe {
    inbound: VecDeque<Msg>,
    written: usize,
}

impl PipeSet for OnePipe {
    fn check_read(&mut self, _: PipeId) -> bool {
        !self.inbound.is_empty()
    }
    fn read(&mut self, _: PipeId) -> Option<Msg> {
        self.inbound.pop_front()
    }
    fn check_write(&mut self, _: PipeId) -> bool {
        true
    }
    fn write(&mut self, _: PipeId, msg: &mut Msg) -> zmq::error::Result<()> {
        black_box(msg.take());
        self.written += 1;
        Ok(())
    }
    fn owed(&mut self, _id: PipeId) -> usize {
        0
    }

    fn give_up(&mut self, _id: PipeId) {}

    fn write_exempt(&mut self, _: PipeId, msg: Msg) {
        black_box(msg);
    }
    fn rollback(&mut self, _: PipeId) {}
    fn close(&mut self, _: PipeId) {}
    fn peer_routing_id(&self, _: PipeId) -> &[u8] {
        &[]
    }
    fn assigned_routing_id(&self, _: PipeId) -> Option<&[u8]> {
        None
    }
    fn is_connected(&self, _: PipeId) -> bool {
        true
    }
}

/// Topics as programs use them: a few branches at the top, many leaves, long common prefixes.
fn topic(number: usize) -> Vec<u8> {
    format!("market/{}/instrument/{number}", number % 997).into_bytes()
}

fn subscription(kind: u8, number: usize) -> Msg {
    let mut body = vec![kind];
    body.extend(topic(number));
    Msg::copy_from(&body).unwrap()
}

/// Messages in an order that no cache foresees; `known` of them match a subscription.
fn messages(topics: usize, known: bool) -> Vec<Msg> {
    let mut state = 12_345_u32;
    (0..10_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = (state >> 8) as usize % topics;
            let mut body = topic(number);
            if !known {
                // Like a topic up to the last number.
                let at = body.iter().rposition(|&byte| byte == b'/').unwrap();
                body.insert(at + 1, b'x');
            }
            Msg::copy_from(&body).unwrap()
        })
        .collect()
}

fn attached<T: Pattern>(mut pattern: T, pipes: &mut OnePipe) -> T {
    pattern.attach(pipes, PIPE, Attach::default());
    pattern.connected(pipes, PIPE);
    pattern
}

/// A publisher with a subscriber that has asked for nothing yet, and all it is going to say.
fn before(kind: u8, topics: usize) -> (Pub, OnePipe) {
    let mut pipes = OnePipe::default();
    let publisher = attached(Pub::default(), &mut pipes);
    pipes.inbound = (0..topics).map(|number| subscription(kind, number)).collect();
    (publisher, pipes)
}

fn subscribed(topics: usize) -> (Pub, OnePipe) {
    let (mut publisher, mut pipes) = before(1, topics);
    publisher.read_activated(&mut pipes, PIPE);
    (publisher, pipes)
}

/// All topics from none, and back to none.
fn subscribe(c: &mut Criterion) {
    let mut group = c.benchmark_group("topics/subscribe_all");
    for topics in TOPICS {
        group.throughput(Throughput::Elements(topics as u64));
        group.bench_function(BenchmarkId::from_parameter(topics), |b| {
            let listen = |(mut publisher, mut pipes): (Pub, OnePipe)| {
                publisher.read_activated(&mut pipes, PIPE);
                (publisher, pipes)
            };
            b.iter_batched(|| before(1, topics), listen, BatchSize::PerIteration);
        });
    }
    group.finish();

    let mut group = c.benchmark_group("topics/cancel_all");
    for topics in TOPICS {
        group.throughput(Throughput::Elements(topics as u64));
        group.bench_function(BenchmarkId::from_parameter(topics), |b| {
            let full = || {
                let (publisher, mut pipes) = subscribed(topics);
                pipes.inbound = (0..topics).map(|number| subscription(0, number)).collect();
                (publisher, pipes)
            };
            let listen = |(mut publisher, mut pipes): (Pub, OnePipe)| {
                publisher.read_activated(&mut pipes, PIPE);
                (publisher, pipes)
            };
            b.iter_batched(full, listen, BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// A publisher looks for the subscribers of a message.
fn publish(c: &mut Criterion) {
    let mut group = c.benchmark_group("topics/publish");
    group.throughput(Throughput::Elements(1));
    for topics in TOPICS {
        let (mut publisher, mut pipes) = subscribed(topics);
        for (name, known) in [("match", true), ("no_match", false)] {
            let mut messages = messages(topics, known);
            let mut next = 0;
            pipes.written = 0;
            group.bench_function(BenchmarkId::new(name, topics), |b| {
                b.iter(|| {
                    let mut msg = messages[next].share().unwrap();
                    next = (next + 1) % messages.len();
                    publisher.send(&mut pipes, &mut msg).unwrap();
                });
            });
            assert_eq!(pipes.written > 0, known, "the messages match as meant");
        }
    }
    group.finish();
}

/// A subscriber filters what it receives.
fn filter(c: &mut Criterion) {
    /// `ZMQ_SUBSCRIBE` of `zmq.h`.
    const SUBSCRIBE: i32 = 6;
    let mut group = c.benchmark_group("topics/filter");
    group.throughput(Throughput::Elements(1));
    for topics in TOPICS {
        let mut pipes = OnePipe::default();
        let mut subscriber = attached(Sub::default(), &mut pipes);
        for number in 0..topics {
            subscriber.set_option(&mut pipes, SUBSCRIBE, &topic(number)).unwrap().unwrap();
        }
        let mut messages = messages(topics, true);
        let mut next = 0;
        group.bench_function(BenchmarkId::new("match", topics), |b| {
            b.iter(|| {
                pipes.inbound.push_back(messages[next].share().unwrap());
                next = (next + 1) % messages.len();
                subscriber.read_activated(&mut pipes, PIPE);
                black_box(subscriber.recv(&mut pipes).unwrap());
            });
        });
    }
    group.finish();
}

fn configured() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(10)
}

criterion_group! {
    name = benches;
    config = configured();
    targets = subscribe, publish, filter
}
criterion_main!(benches);
