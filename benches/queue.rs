//! The queue of an inproc pipe (`pipe::ring`): what a message costs there, without any socket.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]
#![allow(missing_docs, reason = "criterion's macros document nothing")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::{black_box, spin_loop};
use std::time::{Duration, Instant};
use zmq::msg::Msg;
use zmq::pipe::ring;

/// Kept inside the message, and in a body of its own.
const SIZES: [usize; 2] = [32, 256];
/// Messages in a burst: several blocks of the queue.
const BURST: usize = 500;

/// A message in, the same message out, one after the other.
fn one_by_one(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue/one_by_one");
    group.throughput(Throughput::Elements(1));
    for size in SIZES {
        let body = vec![0x5a; size];
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            let (mut writer, mut reader) = ring::queue(1000, false);
            b.iter(|| {
                assert!(writer.has_room());
                writer.push(&mut Msg::copy_from(&body).unwrap()).unwrap();
                black_box(writer.publish());
                black_box(reader.pop().unwrap());
            });
        });
    }
    group.finish();
}

/// Many messages in, one publication, all out.
fn burst(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue/burst");
    group.throughput(Throughput::Elements(BURST as u64));
    for size in SIZES {
        let body = vec![0x5a; size];
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            let (mut writer, mut reader) = ring::queue(1000, false);
            b.iter(|| {
                for _ in 0..BURST {
                    assert!(writer.has_room());
                    writer.push(&mut Msg::copy_from(&body).unwrap()).unwrap();
                }
                black_box(writer.publish());
                while let Some(msg) = reader.pop() {
                    black_box(msg);
                }
            });
        });
    }
    group.finish();
}

/// One thread writes, one reads. Both look again instead of sleeping and now and then give the
/// core away, so that the figure means something on a machine with a single one, too.
fn across_threads(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue/across_threads");
    group.throughput(Throughput::Elements(1));
    for size in SIZES {
        let body = vec![0x5a; size];
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter_custom(|count| pass(count, &body));
        });
    }
    group.finish();
}

fn pass(count: u64, body: &[u8]) -> Duration {
    let (mut writer, mut reader) = ring::queue(1000, false);
    std::thread::scope(|scope| {
        let start = Instant::now();
        scope.spawn(move || {
            for _ in 0..count {
                wait_until(|| writer.has_room());
                writer.push(&mut Msg::copy_from(body).unwrap()).unwrap();
                black_box(writer.publish());
            }
        });
        for _ in 0..count {
            wait_until(|| reader.has_frame());
            black_box(reader.pop());
        }
        start.elapsed()
    })
}

fn wait_until(mut ready: impl FnMut() -> bool) {
    let mut looks = 0_u32;
    while !ready() {
        looks += 1;
        if looks.is_multiple_of(64) {
            std::thread::yield_now();
        } else {
            spin_loop();
        }
    }
}

fn configured() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30)
}

criterion_group! {
    name = benches;
    config = configured();
    targets = one_by_one, burst, across_threads
}
criterion_main!(benches);
