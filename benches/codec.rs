//! Frames and the two sides of a connection: what encoding and decoding cost without a kernel
//! (`wire::frame`, `Rx` over bytes that are there) and with one (`TxQueue` and `Rx` over a pair of
//! Unix sockets).

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on panics")]
#![allow(missing_docs, reason = "criterion's macros document nothing")]

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;
use zmq::connection::rx::{BufferPool, Incoming, Rx};
use zmq::connection::tx::TxQueue;
use zmq::msg::Msg;
use zmq::wire::frame::{self, Flags, Framing, MAX_HEADER};

/// Bodies: inside the message, a slice of the read buffer, a long header.
const SIZES: [usize; 3] = [16, 64, 1024];
/// Bytes in flight at once; less than the kernel's queue of a Unix socket takes.
const BURST_BYTES: usize = 32 * 1024;
const NO_LIMIT: u64 = i64::MAX as u64;

/// How many messages of this size make a burst.
fn burst(size: usize) -> usize {
    BURST_BYTES / (size + MAX_HEADER)
}

/// A burst of messages of `parts` frames each, as it stands on the wire.
fn encoded(size: usize, messages: usize, parts: usize) -> Vec<u8> {
    let body = vec![0x5a; size];
    let mut bytes = Vec::new();
    for _ in 0..messages {
        for part in 1..=parts {
            frame::append_frame(&mut bytes, Flags::new(part < parts, false), &body);
        }
    }
    bytes
}

fn headers(c: &mut Criterion) {
    let mut group = c.benchmark_group("codec/header");
    group.throughput(Throughput::Elements(1));
    for size in SIZES {
        group.bench_function(BenchmarkId::new("encode", size), |b| {
            let mut out = [0; MAX_HEADER];
            b.iter(|| {
                let size = black_box(size);
                black_box(frame::encode_header(Framing::V2, size, false, false, &mut out));
                black_box(&out);
            });
        });
        let bytes = encoded(size, 1, 1);
        group.bench_function(BenchmarkId::new("parse", size), |b| {
            b.iter(|| frame::parse_header(Framing::V2, black_box(&bytes)).unwrap());
        });
    }
    group.finish();
}

/// Finding the ends of all messages in a buffer.
fn scan(c: &mut Criterion) {
    let mut group = c.benchmark_group("codec/scan");
    for parts in [1, 4] {
        let messages = burst(64) / parts;
        let bytes = encoded(64, messages, parts);
        group.throughput(Throughput::Elements(messages as u64));
        group.bench_function(BenchmarkId::new("parts", parts), |b| {
            b.iter(|| {
                let mut rest = black_box(&bytes[..]);
                while frame::holds_message(Framing::V2, rest, u64::MAX) {
                    let mut more = true;
                    while more && let Ok(Some(header)) = frame::parse_header(Framing::V2, rest) {
                        more = header.flags.more();
                        rest = &rest[header.frame_len() as usize..];
                    }
                }
                assert!(rest.is_empty());
            });
        });
    }
    group.finish();
}

/// `TxQueue`: a burst of messages encoded, handed to the kernel and read away.
fn tx(c: &mut Criterion) {
    let mut group = c.benchmark_group("codec/tx");
    for size in SIZES {
        let count = burst(size);
        let body = vec![0x5a; size];
        let (ours, mut theirs) = pair();
        let mut sink = vec![0; BURST_BYTES * 2];
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::new("push_flush", size), |b| {
            let mut queue = TxQueue::new(Framing::V2, false);
            b.iter(|| {
                for _ in 0..count {
                    queue.push(&mut Msg::copy_from(&body).unwrap()).unwrap();
                }
                let mut left = queue.bytes();
                assert!(queue.flush(ours.as_fd()).unwrap());
                while left > 0 {
                    left -= theirs.read(&mut sink).unwrap();
                }
            });
        });
    }
    // What a single message costs that finds an empty queue: one system call to send it.
    let body = [0x5a; 64];
    let (ours, mut theirs) = pair();
    let mut sink = [0; 256];
    group.throughput(Throughput::Elements(1));
    group.bench_function("push_flush_one/64", |b| {
        let mut queue = TxQueue::new(Framing::V2, false);
        b.iter(|| {
            queue.push(&mut Msg::copy_from(&body).unwrap()).unwrap();
            assert!(queue.flush(ours.as_fd()).unwrap());
            assert_eq!(theirs.read(&mut sink).unwrap(), 66);
        });
    });
    group.finish();
}

/// `Rx` over bytes that were received before: cutting frames alone.
fn rx_decode(c: &mut Criterion) {
    let mut group = c.benchmark_group("codec/rx_decode");
    for (size, parts) in [(16, 1), (64, 1), (1024, 1), (64, 4)] {
        let messages = burst(size) / parts;
        let bytes = encoded(size, messages, parts);
        let (mut early, mut pool) = (BufferPool::default(), BufferPool::default());
        group.throughput(Throughput::Elements(messages as u64));
        group.bench_function(BenchmarkId::new(format!("{parts}_parts"), size), |b| {
            let loaded = || {
                let mut rx = Rx::new(Framing::V2, false, NO_LIMIT);
                rx.preload(bytes.clone());
                assert!(rx.read_early(&mut early));
                rx
            };
            let decode = |mut rx: Rx| {
                assert_eq!(read_all(&mut rx, &mut pool), messages * parts);
                rx
            };
            b.iter_batched(loaded, decode, BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// `Rx` over a socket: a burst written, read in large pieces and decoded.
fn rx_fill(c: &mut Criterion) {
    let mut group = c.benchmark_group("codec/rx_fill");
    for size in SIZES {
        let count = burst(size);
        let bytes = encoded(size, count, 1);
        let (ours, mut theirs) = pair();
        let mut pool = BufferPool::default();
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            let mut rx = Rx::new(Framing::V2, false, NO_LIMIT);
            b.iter(|| {
                theirs.write_all(&bytes).unwrap();
                let mut frames = 0;
                while frames < count {
                    rx.set_ready(false);
                    assert!(rx.fill(ours.as_fd(), &mut pool).unwrap() > 0);
                    frames += read_all(&mut rx, &mut pool);
                }
            });
        });
    }
    group.finish();
}

/// Everything that can be read now; returns how many frames that was.
fn read_all(rx: &mut Rx, pool: &mut BufferPool) -> usize {
    let mut frames = 0;
    while let Some(incoming) = rx.next(pool).unwrap() {
        match incoming {
            Incoming::Part(msg) | Incoming::Command(msg) => black_box(msg),
        };
        frames += 1;
    }
    frames
}

fn pair() -> (UnixStream, UnixStream) {
    let pair = UnixStream::pair().unwrap();
    pair.0.set_nonblocking(true).unwrap();
    pair
}

fn configured() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
}

criterion_group! {
    name = benches;
    config = configured();
    targets = headers, scan, tx, rx_decode, rx_fill
}
criterion_main!(benches);
