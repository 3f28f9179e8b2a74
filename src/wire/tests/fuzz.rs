//! A cheap, deterministic fuzzer: nothing may panic, take more than it was given, or hold more than
//! its limits.

use super::*;
use crate::security::{PlainClient, PlainServer};
use crate::wire::frame::{Framing, holds_message, parse_header};
use crate::wire::handshake::MAX_COMMAND;
use crate::wire::metadata::Properties;
use crate::wire::{Mechanism, ZapReply, command};

fn noise(random: &mut Random, most: usize) -> Vec<u8> {
    let len = random.below(most);
    (0..len).map(|_| random.next() as u8).collect()
}

/// A conversation that starts well, then changed here and there, cut or prolonged.
fn mutated(random: &mut Random) -> Vec<u8> {
    let mut bytes = match random.below(6) {
        0 => noise(random, 200),
        1 => [SIGNATURE, b"\x01\x05\0\x03abc\0\x02hi"].concat(),
        2 => b"\x04\0ABC\x02\0x".to_vec(),
        3 => [&greeting((3, 1), b"NULL")[..], &ready(b"DEALER", &property(b"Identity", b"abc"))]
            .concat(),
        4 => {
            let mut bytes = greeting((3, 0), b"PLAIN");
            bytes.extend(frame(b"\x05HELLO\x04user\x04pass"));
            bytes.extend(frame(b"\x08INITIATE\x0bSocket-Type\0\0\0\x06DEALER"));
            bytes
        }
        _ => {
            let mut bytes = greeting((3, 1), b"PLAIN");
            bytes.extend(frame(b"\x07WELCOME"));
            bytes.extend(ready(b"DEALER", b""));
            bytes
        }
    };
    for _ in 0..random.below(4) {
        let (at, value) = (random.below(bytes.len()), random.next() as u8);
        match random.below(4) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), value),
            2 => bytes.extend(noise(random, 40)),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
        }
    }
    bytes
}

fn mechanism(random: &mut Random) -> Box<dyn Mechanism> {
    match random.below(4) {
        0 => Box::new(Null::new(true)),
        1 => Box::new(PlainServer::new()),
        2 => Box::new(PlainClient::new(b"user", b"pass")),
        _ => Box::new(Null::new(false)),
    }
}

#[test]
fn handshakes_survive_everything() {
    let mut random = Random::new(0x5eed);
    let mut established = 0;
    for _ in 0..20_000 {
        let bytes = mutated(&mut random);
        let config = HandshakeConfig::new(SocketType::Router, Vec::new(), mechanism(&mut random));
        let mut ours = Handshake::new(config);
        let (mut taken, mut offered) = (0, 0);
        while offered < bytes.len() {
            offered = (offered + 1 + random.below(80)).min(bytes.len());
            match ours.input(&bytes[taken..offered]) {
                Ok(used) => {
                    assert!(used <= offered - taken);
                    taken += used;
                }
                Err(error) => {
                    let _ = (error.to_string(), error.monitor_event());
                    break;
                }
            }
            if ours.zap_request().is_some() {
                let status = if random.below(4) == 0 { 400 } else { 200 };
                let metadata = noise(&mut random, 4);
                let _ = ours.zap_reply(Ok(ZapReply { status, user_id: None, metadata }));
            }
            assert!(ours.output().len() < 1000);
        }
        if let Some(outcome) = ours.outcome() {
            established += 1;
            assert!(outcome.peer_routing_id.len() <= 255);
            let held: usize = outcome.properties.iter().map(|(n, v)| n.len() + v.len()).sum();
            assert!(held <= MAX_COMMAND);
        }
    }
    assert!(established > 1000, "the fuzzer also reaches the end: {established}");
}

#[test]
fn codecs_survive_everything() {
    let mut random = Random::new(0xc0dec);
    for _ in 0..20_000 {
        let mut bytes = noise(&mut random, 64);
        // Half of the time something that looks like the beginning of frames.
        if random.below(2) == 0
            && let Some(first) = bytes.first_mut()
        {
            *first &= 7;
        }
        for framing in [Framing::V1, Framing::V2] {
            if let Ok(Some(header)) = parse_header(framing, &bytes) {
                assert!(header.header_len <= bytes.len());
                assert!(header.frame_len() >= header.body_len);
            }
            let longest = holds_message(framing, &bytes, u64::MAX);
            assert!(longest || !holds_message(framing, &bytes, 10));
        }
        let _ = command::parse(&bytes);
        let held: usize =
            Properties::new(&bytes).filter_map(Result::ok).map(|(n, v)| n.len() + v.len()).sum();
        assert!(held <= bytes.len());
    }
}
