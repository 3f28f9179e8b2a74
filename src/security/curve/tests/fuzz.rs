//! A cheap, deterministic fuzzer: whatever comes, nothing panics and nobody gets in.

use super::*;
use crate::security::curve::commands::Counter;
use crate::security::curve::session::session;
use crate::util::buffer::Buffer;
use crate::wire::Flags;
use crate::wire::frame::append_frame;

/// Spoils a copy of `bytes`: changed, cut, prolonged, or doubled.
fn spoil(random: &mut Random, bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..1 + random.below(3) {
        let (at, value) = (random.below(bytes.len()), random.next() as u8);
        match random.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, value),
            2 => bytes.extend((0..random.below(40)).map(|i| value ^ i as u8)),
            3 => bytes.extend_from_within(at..),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (value % 8);
                }
            }
        }
    }
    bytes
}

#[test]
fn spoiled_commands_lead_nowhere() {
    let mut random = Random(0x5eed);
    let metadata = socket_type(b"DEALER");
    let mut refused = 0;
    for round in 0..300 {
        let (mut ours, mut server) = (client(), server(round % 2 == 0));
        // Which of HELLO, WELCOME, INITIATE, READY is spoiled.
        let bad = random.below(4);
        let mut refusal = None;
        for turn in 0..4 {
            let (from, to): (&mut dyn Mechanism, &mut dyn Mechanism) =
                if turn % 2 == 0 { (&mut ours, &mut server) } else { (&mut server, &mut ours) };
            from.zap_accepted();
            let good = next(from, &metadata).unwrap();
            let body = if turn == bad { spoil(&mut random, &good) } else { good.clone() };
            if let Err(error) = process(to, &body) {
                let _ = (error.to_string(), error.monitor_event());
                refusal = Some(error);
                break;
            }
            // Only changes to the padding go unnoticed.
            assert!(body == good || turn == 0 && body.len() == 200, "turn {turn}");
        }
        refused += usize::from(refusal.is_some());
    }
    assert!(refused > 200, "{refused}");
}

#[test]
fn noise_in_frames_leads_nowhere() {
    let mut random = Random(0xf4a3e);
    let names: [&[u8]; 7] = [
        b"\x05HELLO",
        b"\x07WELCOME",
        b"\x08INITIATE",
        b"\x05READY",
        b"\x07MESSAGE",
        b"\x05ERROR",
        b"",
    ];
    for round in 0..400 {
        let mut ours = if round % 2 == 0 {
            handshake(SocketType::Router, server(true))
        } else {
            handshake(SocketType::Router, client())
        };
        let mut bytes = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01CURVE".to_vec();
        bytes.resize(64, 0);
        for _ in 0..3 {
            let mut body = names[random.below(names.len())].to_vec();
            let sizes = [0, 20, 160, 194, 251, 600];
            let len = sizes[random.below(sizes.len())];
            body.extend((0..len).map(|_| random.next() as u8));
            append_frame(&mut bytes, Flags::COMMAND, &body);
        }
        let (mut taken, mut offered) = (0, 0);
        while offered < bytes.len() {
            offered = (offered + 1 + random.below(200)).min(bytes.len());
            match ours.input(&bytes[taken..offered]) {
                Ok(used) => taken += used,
                Err(_) => break,
            }
        }
        assert!(ours.zap_request().is_none() && ours.outcome().is_none());
    }
}

#[test]
fn spoiled_messages_lead_nowhere() {
    let mut random = Random(0xc0dec);
    let key = Key::generate().unwrap();
    for _ in 0..5000 {
        let body: Vec<u8> = (0..random.below(120)).map(|_| random.next() as u8).collect();
        let mut good = Buffer::new();
        let mut ours = session(&key, true, Counter::default(), Counter::default());
        ours.encoder.encode(Flags::NONE, &body, &mut good).unwrap();
        let mut bad = spoil(&mut random, &good);
        let same = bad == *good;
        let mut theirs = session(&key, false, Counter::default(), Counter::default());
        assert_eq!(theirs.decoder.decode(&mut bad).is_ok(), same);
    }
}
