//! What a fuzzer tries of this layer, and of the handshakes that need it, see `crate::fuzz`.

use super::gssapi::toy;
use super::{CurveClient, CurveServer, Null, PlainClient, PlainServer, zap};
use crate::types::SocketType;
use crate::util::buffer::Buffer;
use crate::util::fuzz::Input;
use crate::util::keys::public_of;
use crate::wire::handshake::MAX_COMMAND;
use crate::wire::metadata::{PeerMetadata, append_property};
use crate::wire::{Flags, Handshake, HandshakeConfig, HandshakeError, Mechanism, ZapReply};

const CLIENT: [u8; 32] = [5; 32];
const SERVER: [u8; 32] = [3; 32];

/// A peer says these bytes to a socket without security.
pub(crate) fn null(bytes: &[u8]) {
    handshake(bytes, |choice| Box::new(Null::new(choice & 1 == 1)));
}

/// ... to a PLAIN server.
pub(crate) fn plain_server(bytes: &[u8]) {
    handshake(bytes, |_| Box::new(PlainServer::new()));
}

/// ... to a PLAIN client.
pub(crate) fn plain_client(bytes: &[u8]) {
    handshake(bytes, |_| Box::new(PlainClient::new(b"user", b"pass")));
}

/// ... to a CURVE server.
pub(crate) fn curve_server(bytes: &[u8]) {
    handshake(bytes, |choice| Box::new(CurveServer::new(&SERVER, choice & 1 == 1)));
}

/// ... to a CURVE client.
pub(crate) fn curve_client(bytes: &[u8]) {
    handshake(bytes, |_| Box::new(client()));
}

/// ... to a GSSAPI server.
pub(crate) fn gssapi_server(bytes: &[u8]) {
    handshake(bytes, |choice| Box::new(toy::server(choice & 1 == 1, choice & 16 == 16)));
}

/// ... to a GSSAPI client.
pub(crate) fn gssapi_client(bytes: &[u8]) {
    handshake(bytes, |choice| Box::new(toy::client(choice & 1 == 1)));
}

fn client() -> CurveClient {
    CurveClient::new(&public_of(&SERVER), &public_of(&CLIENT), &CLIENT)
}

type Properties = Vec<(Vec<u8>, Vec<u8>)>;

/// How a handshake came out.
#[derive(Debug, PartialEq)]
struct Outcome {
    taken: usize,
    said: usize,
    failed: Option<HandshakeError>,
    /// Type, routing id and properties of the peer.
    peer: Option<(Option<SocketType>, Vec<u8>, Properties)>,
}

/// It must not matter in which pieces the bytes come.
fn handshake(bytes: &[u8], mechanism: impl Fn(u8) -> Box<dyn Mechanism>) {
    let mut input = Input::new(bytes);
    let (choice, kind, piece) = (input.byte(), input.below(12), input.byte());
    let bytes = input.rest();
    let run = |piece: usize| {
        let kind = SocketType::ALL[kind];
        let kind = if kind.info().peers.is_empty() { SocketType::Router } else { kind };
        let mut config = HandshakeConfig::new(kind, b"ours".to_vec(), mechanism(choice));
        if choice & 2 != 0 {
            config.max_command = 300;
        }
        converse(&mut Handshake::new(config), bytes, piece, choice)
    };
    assert_eq!(run(usize::MAX), run(1 + usize::from(piece)));
}

fn converse(ours: &mut Handshake, bytes: &[u8], piece: usize, choice: u8) -> Outcome {
    let mut outcome = Outcome { taken: 0, said: 0, failed: None, peer: None };
    let mut offered = 0;
    while offered < bytes.len() && outcome.failed.is_none() {
        offered = offered.saturating_add(piece).min(bytes.len());
        loop {
            let given = &bytes[outcome.taken..offered];
            match ours.input(given) {
                Ok(used) => {
                    assert!(used <= given.len());
                    outcome.taken += used;
                }
                Err(error) => {
                    assert_eq!(ours.input(given), Err(error.clone()), "it stays");
                    let _ = (error.to_string(), error.monitor_event());
                    outcome.failed = Some(error);
                    // How much of the bytes had been taken is nobody's business any more.
                    outcome.taken = 0;
                    break;
                }
            }
            if let Some(work) = ours.work() {
                work();
                if let Err(error) = ours.work_done() {
                    outcome.failed = Some(error);
                    outcome.taken = 0;
                    break;
                }
                continue;
            }
            if ours.zap_request().is_none() {
                break;
            }
            let status = if choice & 12 == 12 { 400 } else { 200 };
            let reply = ZapReply { status, user_id: Some(b"id".to_vec()), metadata: Vec::new() };
            if let Err(error) = ours.zap_reply(Ok(reply)) {
                outcome.failed = Some(error);
                outcome.taken = 0;
                break;
            }
        }
        // What a stranger can have us say is bounded by what it has said.
        assert!(ours.output().len() < 1000 + offered);
    }
    outcome.said = ours.output().len();
    if let Some(made) = ours.outcome() {
        assert!(outcome.failed.is_none() && made.peer_routing_id.len() <= 255);
        let held: usize = made.properties.iter().map(|(n, v)| n.len() + v.len()).sum();
        assert!(held <= MAX_COMMAND + 100);
        outcome.peer = Some((made.peer_socket_type, made.peer_routing_id, made.properties));
    }
    outcome
}

/// Spoils a copy of what somebody said, as the input wants it.
fn spoil(input: &mut Input<'_>, good: &[u8]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..input.below(3) {
        let at = usize::from(input.short()) % (bytes.len() + 1);
        match input.below(5) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, input.byte()),
            2 => {
                let len = input.below(64);
                bytes.extend_from_slice(input.bytes(len));
            }
            3 => bytes.extend_from_within(at..),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << input.below(8);
                }
            }
        }
    }
    bytes
}

fn metadata() -> Vec<u8> {
    let mut out = Vec::new();
    append_property(&mut out, b"Socket-Type", b"DEALER");
    out
}

/// HELLO, WELCOME, INITIATE and READY between two that know each other, somebody in the middle.
pub(crate) fn curve_spoiled(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (mut ours, mut server) = (client(), CurveServer::new(&SERVER, input.byte() & 1 == 1));
    let mut spoiled = false;
    for turn in 0..4 {
        let (from, to): (&mut dyn Mechanism, &mut dyn Mechanism) =
            if turn % 2 == 0 { (&mut ours, &mut server) } else { (&mut server, &mut ours) };
        from.zap_accepted();
        let mut good = Vec::new();
        assert_eq!(from.next_command(&metadata(), &mut good), Ok(true), "turn {turn}");
        let body = spoil(&mut input, &good);
        spoiled |= body != good;
        match to.process_command(&body, &mut PeerMetadata::new(SocketType::Router)) {
            // Changes to the padding of HELLO go unnoticed, and one bit of C' until INITIATE.
            Ok(()) => assert!(body == good || turn == 0 && body.len() == good.len(), "turn {turn}"),
            Err(error) => {
                assert!(spoiled, "turn {turn}: {error}");
                return;
            }
        }
    }
    assert!(ours.session().is_some() && server.session().is_some());
}

/// Messages of an encrypted connection, somebody in the middle.
pub(crate) fn curve_messages(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (mut ours, mut server) = (client(), CurveServer::new(&SERVER, false));
    for turn in 0..4 {
        let (from, to): (&mut dyn Mechanism, &mut dyn Mechanism) =
            if turn % 2 == 0 { (&mut ours, &mut server) } else { (&mut server, &mut ours) };
        let mut body = Vec::new();
        let said = from.next_command(&metadata(), &mut body);
        let heard = to.process_command(&body, &mut PeerMetadata::new(SocketType::Router));
        assert_eq!((said, heard), (Ok(true), Ok(())));
    }
    messages(&mut input, &mut ours, &mut server);
}

/// Messages of a GSSAPI connection, somebody in the middle.
pub(crate) fn gssapi_messages(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (mut ours, mut server) = (toy::client(true), toy::server(true, false));
    for turn in 0..5 {
        let (from, to): (&mut dyn Mechanism, &mut dyn Mechanism) =
            if turn % 2 == 0 { (&mut ours, &mut server) } else { (&mut server, &mut ours) };
        if turn == 0 {
            do_work(from);
        }
        let mut body = Vec::new();
        assert_eq!(from.next_command(&metadata(), &mut body), Ok(true), "turn {turn}");
        let heard = to.process_command(&body, &mut PeerMetadata::new(SocketType::Router));
        assert_eq!(heard, Ok(()), "turn {turn}");
        do_work(to);
    }
    messages(&mut input, &mut ours, &mut server);
}

fn do_work(mechanism: &mut dyn Mechanism) {
    if let Some(work) = mechanism.work() {
        work();
        assert_eq!(mechanism.work_done(), Ok(()));
    }
}

/// What both have to say once they know each other.
fn messages(input: &mut Input<'_>, ours: &mut dyn Mechanism, server: &mut dyn Mechanism) {
    let (Some(mut ours), Some(mut theirs)) = (ours.session(), server.session()) else {
        unreachable!("both are done")
    };
    while !input.is_empty() {
        let flags = Flags::new(input.byte() & 1 == 1, false);
        let len = input.below(200);
        let (body, mut good) = (input.bytes(len), Buffer::new());
        assert_eq!(ours.encoder.encode(flags, body, &mut good), Ok(()));
        assert_eq!(good.len(), body.len() + ours.encoder.overhead());
        let mut bad = spoil(input, &good);
        let same = bad == *good;
        match theirs.decoder.decode(&mut bad) {
            Ok((heard, range)) => assert!(same && heard == flags && bad.get(range) == Some(body)),
            Err(error) => {
                assert!(!same, "{error}");
                return;
            }
        }
    }
}

/// What a ZAP handler answers: lengths, and the frames of it.
pub(crate) fn zap_reply(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut frames: Vec<&[u8]> = Vec::new();
    while !input.is_empty() {
        let len = usize::from(input.byte());
        frames.push(input.bytes(len));
    }
    if let Ok(reply) = zap::reply(&frames, b"1") {
        assert!(matches!(reply.status, 200 | 300 | 400 | 500) && frames.len() == 7);
        let _ = PeerMetadata::new(SocketType::Router)
            .read_zap(reply.user_id.as_deref(), &reply.metadata);
    }
}
