//! What a hostile peer sends: one error each, nothing held beyond the limits, and the code that a
//! monitor of libzmq 4.3.4 shows.

use super::*;
use crate::security::{PlainClient, PlainServer};
use crate::wire::handshake::MAX_COMMAND;
use crate::wire::{FrameError, Malformed, Mechanism, MonitorEvent};

const UNEXPECTED: MonitorEvent = MonitorEvent::Protocol(0x1000_0001);

fn fail(mechanism: Box<dyn Mechanism>, bytes: &[u8]) -> HandshakeError {
    let config = HandshakeConfig::new(SocketType::Router, Vec::new(), mechanism);
    let mut ours = Handshake::new(config);
    let mut result = Ok(0);
    let mut at = 0;
    while result.is_ok() && at < bytes.len() {
        result = ours.input(&bytes[at..at + 1]);
        at += 1;
    }
    let error = result.expect_err("a failure");
    assert_eq!(ours.input(b"more"), Err(error.clone()));
    assert!(ours.outcome().is_none());
    error
}

/// The error after a greeting and these bytes.
fn null_fails(bytes: &[u8]) -> HandshakeError {
    let bytes = [&greeting((3, 1), b"NULL"), bytes].concat();
    fail(Box::new(Null::new(false)), &bytes)
}

#[test]
fn commands_out_of_place() {
    for body in [
        &b""[..],
        b"\xffREADY",
        b"\x05HELLO",
        b"\x05ready",
        b"\x06READYx",
        b"\x05READ",
        b"\x04PING\0\0",
        b"\x09SUBSCRIBEabc",
    ] {
        assert_eq!(null_fails(&frame(body)).monitor_event(), UNEXPECTED, "{body:?}");
    }
    assert_eq!(null_fails(b"\0\x01x").monitor_event(), UNEXPECTED);
    assert_eq!(null_fails(b"\x01\x01x").monitor_event(), UNEXPECTED);
    let sneaky = null_fails(b"\x08\x00sneaky\0");
    assert_eq!(sneaky, HandshakeError::Frame(FrameError::ReservedFlags));
    assert_eq!(sneaky.monitor_event(), MonitorEvent::Quiet);
}

#[test]
fn error_commands() {
    for (data, event) in [
        (&b"\x03300"[..], MonitorEvent::Auth(300)),
        (b"\x03400", MonitorEvent::Auth(400)),
        (b"\x03500", MonitorEvent::Auth(500)),
        (b"\x03200", MonitorEvent::Quiet),
        (b"\x03399", MonitorEvent::Quiet),
        (b"\x043000", MonitorEvent::Quiet),
        (b"\x03abc", MonitorEvent::Quiet),
        (b"\0", MonitorEvent::Quiet),
        (b"\x01abc", MonitorEvent::Quiet),
        (b"", MonitorEvent::Protocol(0x1000_0015)),
        (b"\xffabc", MonitorEvent::Protocol(0x1000_0015)),
    ] {
        let body = [b"\x05ERROR", data].concat();
        assert_eq!(null_fails(&frame(&body)).monitor_event(), event, "{data:?}");
    }
    assert_eq!(null_fails(&frame(b"\x05ERROR\x02no")), HandshakeError::PeerError(b"no".to_vec()));
}

#[test]
fn metadata_that_is_none() {
    let mut many = Vec::new();
    for _ in 0..300 {
        many.extend(property(b"X-a", b""));
    }
    for list in [
        property(b"Socket-Type", b"PUB"),
        property(b"Socket-Type", b"REP"),
        property(b"Socket-Type", b"dealer"),
        property(b"Socket-Type", b""),
        property(b"Socket-Type", &[b'X'; 9000]),
        property(b"Identity", &[b'i'; 256]),
        [property(b"Socket-Type", b"DEALER"), property(b"Socket-Type", b"PUB")].concat(),
        b"\x03abc\xff\xff\xff\xff".to_vec(),
        b"\0\0\0\0\0".to_vec(),
        b"\x03".to_vec(),
        many,
    ] {
        let error = null_fails(&frame(&[&b"\x05READY"[..], &list].concat()));
        assert_eq!(error.protocol_error_code(), 0x1000_0018);
        // libzmq closes without an event here.
        assert_eq!(error.monitor_event(), MonitorEvent::Quiet);
    }
}

#[test]
fn lengths_beyond_all_limits() {
    for len in [MAX_COMMAND as u64 + 1, 1 << 33, (1 << 63) - 1] {
        let bytes = [&b"\x06"[..], &len.to_be_bytes()].concat();
        assert_eq!(null_fails(&bytes), HandshakeError::Frame(FrameError::TooLarge));
    }
    for len in [1 << 63, u64::MAX] {
        let bytes = [&b"\x06"[..], &len.to_be_bytes()].concat();
        assert_eq!(null_fails(&bytes), HandshakeError::Frame(FrameError::LengthOverflow));
    }
    // ZMTP 1.0 and 2.0: only a routing id can be that long.
    for len in [257_u64, 1 << 33, (1 << 63) - 1, 1 << 63, u64::MAX - 1, 0] {
        let bytes = [&b"\xff"[..], &len.to_be_bytes(), &[0]].concat();
        let error = fail(Box::new(Null::new(false)), &bytes);
        assert_eq!(error.monitor_event(), MonitorEvent::Quiet);
    }
    for len in [256_u64, 1 << 63] {
        let bytes = [SIGNATURE, b"\x01\x05\x02", &len.to_be_bytes()].concat();
        let error = fail(Box::new(Null::new(false)), &bytes);
        assert_eq!(error.monitor_event(), MonitorEvent::Quiet);
    }
    assert_eq!(
        fail(Box::new(Null::new(false)), b"\0"),
        HandshakeError::Frame(FrameError::ZeroLength)
    );
}

#[test]
fn the_largest_command_is_taken() {
    let mut ours = null(SocketType::Router, b"");
    let start = [&greeting((3, 1), b"NULL")[..], b"\x06", &(MAX_COMMAND as u64).to_be_bytes()];
    assert_eq!(ours.input(&start.concat()), Ok(73));
    let value = vec![b'v'; MAX_COMMAND - 6 - 8];
    let body = [b"\x05READY".to_vec(), property(b"X-a", &value)].concat();
    assert_eq!(body.len(), MAX_COMMAND);
    assert_eq!(ours.input(&body), Ok(MAX_COMMAND));
    assert_eq!(ours.outcome().unwrap().properties[0].1, value);
}

#[test]
fn other_mechanisms_and_noise() {
    for name in [&b"null"[..], b"NULL\0X", b"CURVE", b"PLAIN", b"", b"NULLNULL", b"NUL"] {
        let error = fail(Box::new(Null::new(false)), &greeting((3, 1), name));
        assert_eq!(error, HandshakeError::MechanismMismatch);
        assert_eq!(error.monitor_event(), MonitorEvent::Protocol(0x1100_0002));
    }
    // HTTP looks like the routing id of a ZMTP 1.0 peer and then like frames, as it does to libzmq.
    let mut ours = null(SocketType::Router, b"");
    let request =
        b"GET / HTTP/1.1\r\nHost: localhost:5555\r\nUser-Agent: curl/7.88.1\r\nAccept: */*";
    assert_eq!(ours.input(request), Ok(72));
    assert_eq!(ours.outcome().unwrap().version, (1, 0));
}

#[test]
fn secured_sockets_refuse_old_versions() {
    let secured: [fn() -> Box<dyn Mechanism>; 3] = [
        || Box::new(PlainServer::new()),
        || Box::new(PlainClient::new(b"u", b"p")),
        || Box::new(Null::new(true)),
    ];
    for make in secured {
        for peer in [
            &b"\x01\0"[..],
            b"\xff\0\0\0\0\0\0\0\x01\0",
            b"\xff\0\0\0\0\0\0\0\x01\x7f\0",
            b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x05\0\0",
            b"\xff\0\0\0\0\0\0\0\x01\x7f\x02",
        ] {
            let error = fail(make(), peer);
            assert_eq!(error, HandshakeError::OldVersion);
            assert_eq!(error.monitor_event(), MonitorEvent::Quiet);
        }
    }
    let error = fail(Box::new(PlainServer::new()), &greeting((3, 1), b"NULL"));
    assert_eq!(error, HandshakeError::MechanismMismatch);
}

#[test]
fn codes_are_those_of_the_header() {
    let malformed = HandshakeError::MalformedCommand;
    for (error, code) in [
        (HandshakeError::OldVersion, 0x1000_0000),
        (HandshakeError::UnexpectedCommand, 0x1000_0001),
        (HandshakeError::InvalidSequence, 0x1000_0002),
        (HandshakeError::KeyExchange, 0x1000_0003),
        (malformed(Malformed::Unspecified), 0x1000_0011),
        (malformed(Malformed::Message), 0x1000_0012),
        (malformed(Malformed::Hello), 0x1000_0013),
        (malformed(Malformed::Initiate), 0x1000_0014),
        (malformed(Malformed::Error), 0x1000_0015),
        (malformed(Malformed::Ready), 0x1000_0016),
        (malformed(Malformed::Welcome), 0x1000_0017),
        (HandshakeError::INVALID_METADATA, 0x1000_0018),
        (HandshakeError::Cryptographic, 0x1100_0001),
        (HandshakeError::MechanismMismatch, 0x1100_0002),
        (HandshakeError::Zap(0x2000_0004), 0x2000_0004),
    ] {
        assert_eq!(error.protocol_error_code(), code);
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(HandshakeError::NoZapHandler.monitor_event(), MonitorEvent::NoDetail(14));
}
