use crate::types::SocketType;
use crate::wire::command::*;
use crate::wire::error::{HandshakeError, Malformed};
use crate::wire::metadata::*;

fn built(build: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    build(&mut out);
    out
}

#[test]
fn commands_come_back() {
    let ping = built(|out| append_ping(out, 0x0102, b"ctx"));
    assert_eq!(ping, b"\x04PING\x01\x02ctx");
    assert_eq!(parse(&ping), Ok(Command::Ping { ttl: 258, context: b"ctx" }));
    let pong = built(|out| append_pong(out, b"LOL"));
    assert_eq!(pong, b"\x04PONGLOL");
    assert_eq!(parse(&pong), Ok(Command::Pong(b"LOL")));
    let error = built(|out| append_error(out, b"400"));
    assert_eq!(error, b"\x05ERROR\x03400");
    assert_eq!(parse(&error), Ok(Command::Error(b"400")));
    let ready = built(|out| append_ready(out, b"xyz"));
    assert_eq!(parse(&ready), Ok(Command::Ready(b"xyz")));
    assert_eq!(parse(b"\x04JOINgroup"), Ok(Command::Join(b"group")));
    assert_eq!(parse(b"\x05LEAVEgroup"), Ok(Command::Leave(b"group")));
    assert_eq!(parse(b"\x03FOObar"), Ok(Command::Other { name: b"FOO", data: b"bar" }));
    // Names are compared as they are.
    assert!(matches!(parse(b"\x04ping\0\0"), Ok(Command::Other { .. })));
}

#[test]
fn heartbeat_context_is_cut_to_sixteen_octets() {
    // tests/test_heartbeats.cpp of libzmq: a context of 58 octets comes back with 16.
    let mut long = b"\x04PING\0\0".to_vec();
    long.extend([b'z'; 58]);
    assert_eq!(parse(&long), Ok(Command::Ping { ttl: 0, context: &[b'z'; 16] }));
    assert_eq!(built(|out| append_pong(out, &[1; 58])).len(), 5 + 16);
    assert_eq!(built(|out| append_ping(out, 1, &[1; 58])).len(), 7 + 16);
    assert_eq!(parse(b"\x04PING\0\0"), Ok(Command::Ping { ttl: 0, context: b"" }));
}

#[test]
fn malformed_commands_are_errors() {
    let unspecified = Err(HandshakeError::MalformedCommand(Malformed::Unspecified));
    // PING shorter than its header: libzmq 4.3.4 echoes its own memory here.
    for body in [&b""[..], b"\x05READ", b"\xffabc", b"\x04PING", b"\x04PING\0"] {
        assert_eq!(parse(body), unspecified, "{body:?}");
    }
    for body in [&b"\x05ERROR"[..], b"\x05ERROR\x04abc", b"\x05ERROR\xff"] {
        assert_eq!(parse(body), Err(HandshakeError::MalformedCommand(Malformed::Error)));
    }
    assert_eq!(parse(b"\x05ERROR\0"), Ok(Command::Error(b"")));
    assert_eq!(parse(b"\x05ERROR\x01abc"), Ok(Command::Error(b"a")));
    assert_eq!(built(|out| append_error(out, &[b'r'; 999])).len(), 7 + 255);
}

#[test]
fn subscriptions_translate_both_ways() {
    // tests/test_mock_pub_sub.cpp of libzmq.
    let (name, topic) = subscription_to_command(b"\x01A").unwrap();
    assert_eq!([name, topic].concat(), b"\x09SUBSCRIBEA");
    let (name, topic) = subscription_to_command(b"\0").unwrap();
    assert_eq!([name, topic].concat(), b"\x06CANCEL");
    assert_eq!(subscription_to_command(b""), None);
    assert_eq!(subscription_to_command(b"\x02A"), None);
    for message in [&b"\x01topic"[..], b"\0topic", b"\x01", b"\0"] {
        let (name, topic) = subscription_to_command(message).unwrap();
        let body = [name, topic].concat();
        let (first, topic) = command_to_subscription(&parse(&body).unwrap()).unwrap();
        assert_eq!([&[first], topic].concat(), message);
    }
    assert_eq!(command_to_subscription(&Command::Pong(b"")), None);
}

#[test]
fn properties_are_walked() {
    let mut list = Vec::new();
    append_property(&mut list, b"A", b"");
    append_property(&mut list, &[b'n'; 255], &[b'v'; 300]);
    append_property(&mut list, b"", b"left out");
    append_property(&mut list, &[b'n'; 256], b"left out");
    let found: Vec<_> = Properties::new(&list).collect::<Result<_, _>>().unwrap();
    assert_eq!(found, [(&b"A"[..], &b""[..]), (&[b'n'; 255][..], &[b'v'; 300][..])]);
    assert_eq!(Properties::new(b"").count(), 0);
}

#[test]
fn properties_end_at_the_first_error() {
    let good = b"\x01A\0\0\0\x01v";
    for tail in [
        &b"\x03"[..],
        b"\x03ab",
        b"\x03abc\0\0",
        b"\x03abc\0\0\0\x05ab",
        b"\x03abc\x80\0\0\0",
        b"\x03abc\xff\xff\xff\xff",
        b"\0\0\0\0\0",
    ] {
        let list = [&good[..], tail].concat();
        let found: Vec<_> = Properties::new(&list).collect();
        assert_eq!(found, [Ok((&b"A"[..], &b"v"[..])), Err(BadProperty)], "{tail:?}");
        assert!(PeerMetadata::new(SocketType::Pull).read_peer(&list).is_err());
    }
}

#[test]
fn trusted_properties_cannot_come_from_the_peer() {
    let mut list = Vec::new();
    for (name, value) in [("User-Id", "root"), ("peer-address", "1.2.3.4"), ("X-a", "peer")] {
        append_property(&mut list, name.as_bytes(), value.as_bytes());
    }
    let mut zap = Vec::new();
    append_property(&mut zap, b"X-a", b"zap");
    let mut peer = PeerMetadata::new(SocketType::Pull);
    peer.read_peer(&list).unwrap();
    peer.read_zap(Some(b"joe"), &zap).unwrap();
    let own = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    assert_eq!(peer.properties, [own("User-Id", "joe"), own("X-a", "zap"), own("X-a", "peer")]);
    assert_eq!(peer.read_zap(Some(b"joe"), b"\x03"), Err(HandshakeError::Zap(0x2000_0005)));
}
