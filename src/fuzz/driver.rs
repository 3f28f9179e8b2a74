//! Drives the targets with what they begin with, and with changes of it. The n-th input of a seed is
//! always the same; how many there are is a matter of time.
//!
//! - `FUZZ_SEED` (a number) and `FUZZ_MILLIS` (for each target) say from where and for how long,
//! - `FUZZ_TARGET` names one target, and `FUZZ_INPUT` (hexadecimal) its only input,
//! - `FUZZ_CORPUS` is a directory to which the corpora are written, one below it for each target.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::{TARGETS, Target};
use crate::wire::tests::Random;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// The longest input.
const LONGEST: usize = 100_000;
/// As many at least, however slow the machine is.
const FEWEST: usize = 50;

/// Numbers at which something changes.
const EDGES: [u64; 14] = [
    0,
    1,
    2,
    127,
    128,
    254,
    255,
    256,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    i64::MAX as u64,
    1 << 63,
    u64::MAX,
];

const WORDS: [&[u8]; 20] = [
    b"\x05READY",
    b"\x05ERROR",
    b"\x04PING",
    b"\x05HELLO",
    b"\x07WELCOME",
    b"\x08INITIATE",
    b"\x07MESSAGE",
    b"\x09SUBSCRIBE",
    b"\x06CANCEL",
    b"\x0bSocket-Type",
    b"\x08Identity",
    b"NULL",
    b"PLAIN",
    b"CURVE",
    b"://",
    b"*",
    b"[",
    b"]:",
    b";",
    b"%",
];

/// One change.
fn change(random: &mut Random, bytes: &mut Vec<u8>, others: &[Vec<u8>]) {
    let at = random.below(bytes.len() + 1);
    let most = 1 << random.below(8);
    let len = random.below(most).min(bytes.len() - at);
    match random.below(10) {
        0 => bytes.truncate(at),
        1 => drop(bytes.drain(at..at + len)),
        2 => {
            let piece = bytes[at..at + len].to_vec();
            let to = random.below(bytes.len() + 1);
            bytes.splice(to..to, piece);
        }
        3 => bytes.splice(at..at, WORDS[random.below(WORDS.len())].iter().copied()).for_each(drop),
        4 => {
            let other = &others[random.below(others.len())];
            let from = random.below(other.len() + 1);
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        5 | 6 => {
            let edge = EDGES[random.below(EDGES.len())].to_be_bytes();
            let width = [1, 2, 4, 8][random.below(4)];
            for (place, octet) in bytes[at..].iter_mut().zip(&edge[8 - width..]) {
                *place = *octet;
            }
        }
        7 => bytes.insert(at, random.next() as u8),
        _ => {
            if let Some(octet) = bytes.get_mut(at) {
                *octet ^=
                    if random.below(2) == 0 { 1 << random.below(8) } else { random.next() as u8 };
            }
        }
    }
    bytes.truncate(LONGEST);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit)).collect()
}

fn setting<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn fails(target: &Target, bytes: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.run)(bytes))).is_err()
}

/// Leaves out of a failing input what need not be there.
fn shrink(target: &Target, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut len = bytes.len().div_ceil(2);
    let end = Instant::now() + Duration::from_secs(10);
    while len > 0 && Instant::now() < end {
        let mut at = 0;
        while at < bytes.len() && Instant::now() < end {
            let mut without = bytes.clone();
            without.drain(at..(at + len).min(bytes.len()));
            if fails(target, &without) {
                bytes = without;
            } else {
                at += len;
            }
        }
        len /= 2;
    }
    bytes
}

/// Runs one input, and says with which it failed.
fn attempt(target: &Target, bytes: &[u8]) {
    if !fails(target, bytes) {
        return;
    }
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let small = shrink(target, bytes);
    std::panic::set_hook(loud);
    eprintln!("again: FUZZ_TARGET={} FUZZ_INPUT={} make fuzz", target.name, hex(&small));
    (target.run)(&small);
    panic!("{} does not fail every time", target.name);
}

fn drive(target: &Target, seed: u64, time: Duration) -> usize {
    let seeds = (target.seeds)();
    seeds.iter().for_each(|bytes| attempt(target, bytes));
    let mut random = Random::new(seed);
    let start = Instant::now();
    let mut count = 0;
    while count < FEWEST || start.elapsed() < time {
        let mut bytes = seeds[random.below(seeds.len())].clone();
        for _ in 0..1 + random.below(6) {
            change(&mut random, &mut bytes, &seeds);
        }
        attempt(target, &bytes);
        count += 1;
    }
    count
}

#[test]
fn whatever_comes() {
    let only: String = setting("FUZZ_TARGET", String::new());
    let targets = TARGETS.iter().filter(|target| only.is_empty() || target.name == only);
    if let Ok(input) = std::env::var("FUZZ_INPUT") {
        targets.for_each(|target| attempt(target, &unhex(&input)));
        return;
    }
    let (seed, time) = (setting("FUZZ_SEED", 0x5eed), setting("FUZZ_MILLIS", 150));
    for target in targets {
        let count = drive(target, seed, Duration::from_millis(time));
        eprintln!("{}: {count} inputs", target.name);
    }
}

#[test]
fn corpora_are_written_where_they_are_wanted() {
    let Ok(directory) = std::env::var("FUZZ_CORPUS") else { return };
    for target in TARGETS {
        let place = std::path::Path::new(&directory).join(target.name);
        std::fs::create_dir_all(&place).unwrap();
        for (number, bytes) in (target.seeds)().iter().enumerate() {
            std::fs::write(place.join(format!("seed-{number}")), bytes).unwrap();
        }
    }
}

#[test]
fn cargo_fuzz_knows_every_target() {
    let manifest = include_str!("../../fuzz/Cargo.toml");
    let named: Vec<&str> = manifest.lines().filter_map(|l| l.strip_prefix("name = ")).collect();
    let wanted = TARGETS.iter().map(|target| format!("\"{}\"", target.name));
    assert!(named[1..].iter().copied().eq(wanted), "{named:?}");
}
