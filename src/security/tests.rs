#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::zap::{Context, reply, request};
use super::{PlainClient, PlainServer};
use crate::types::SocketType;
use crate::wire::metadata::PeerMetadata;
use crate::wire::{HandshakeError, Malformed, Mechanism, Status, ZapReply, ZapRequest};

fn next(mechanism: &mut dyn Mechanism) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    mechanism.next_command(b"META", &mut out).unwrap().then_some(out)
}

fn process(mechanism: &mut dyn Mechanism, body: &[u8]) -> Result<(), HandshakeError> {
    mechanism.process_command(body, &mut PeerMetadata::new(SocketType::Router))
}

#[test]
fn plain_client_speaks_as_libzmq_does() {
    let mut client = PlainClient::new(b"user", b"pass");
    assert!(!client.as_server() && !client.allows_old_versions());
    assert_eq!(next(&mut client).unwrap(), b"\x05HELLO\x04user\x04pass");
    assert_eq!(next(&mut client), None);
    process(&mut client, b"\x07WELCOME").unwrap();
    assert_eq!(next(&mut client).unwrap(), b"\x08INITIATEMETA");
    assert_eq!(client.status(), Status::Handshaking);
    process(&mut client, b"\x05READY").unwrap();
    assert_eq!(client.status(), Status::Ready);
    assert!(client.session().is_none());
    let long = PlainClient::new(&[b'u'; 300], &[b'p'; 300]);
    assert_eq!(next(&mut { long }).unwrap().len(), 6 + 2 * 256);
    assert!(!format!("{:?}", PlainClient::new(b"user", b"secret")).contains("secret"));
}

#[test]
fn plain_client_refuses_what_is_not_its_turn() {
    let fresh = || {
        let mut client = PlainClient::new(b"user", b"pass");
        next(&mut client);
        client
    };
    let unexpected = Err(HandshakeError::UnexpectedCommand);
    for body in [&b""[..], b"\x05READY", b"\x07WELCOM", b"\x05HELLO\0\0", b"\x07welcome"] {
        assert_eq!(process(&mut fresh(), body), unexpected);
    }
    assert_eq!(
        process(&mut fresh(), b"\x07WELCOMEx"),
        Err(HandshakeError::MalformedCommand(Malformed::Welcome))
    );
    for error in [&b"\x05ERROR\x03400"[..], b"^RROR\x03400"] {
        let result = process(&mut fresh(), error);
        assert_eq!(result, Err(HandshakeError::PeerError(b"400".to_vec())));
    }
    assert_eq!(
        process(&mut fresh(), b"\x05ERROR\x09400"),
        Err(HandshakeError::MalformedCommand(Malformed::Error))
    );
    let mut client = fresh();
    process(&mut client, b"\x07WELCOME").unwrap();
    next(&mut client);
    assert_eq!(process(&mut client, b"\x07WELCOME"), unexpected);
    assert_eq!(process(&mut client, b"\x05READY\x03"), Err(HandshakeError::INVALID_METADATA));
}

#[test]
fn plain_server_takes_the_handshake_step_by_step() {
    let mut server = PlainServer::new();
    assert!(server.as_server() && !server.allows_old_versions());
    assert_eq!(next(&mut server), None);
    assert_eq!(server.zap_request(), None);
    process(&mut server, b"\x05HELLO\x04user\0").unwrap();
    assert_eq!(server.status(), Status::WaitingForZap);
    assert_eq!(next(&mut server), None);
    let question = server.zap_request().unwrap();
    assert_eq!(*question.credentials, [&b"user"[..], b""]);
    server.zap_accepted();
    assert_eq!(next(&mut server).unwrap(), b"\x07WELCOME");
    assert_eq!(server.status(), Status::Handshaking);
    process(&mut server, b"\x08INITIATE").unwrap();
    assert_eq!(next(&mut server).unwrap(), b"\x05READYMETA");
    assert_eq!(server.status(), Status::Ready);
}

#[test]
fn plain_server_refuses_what_libzmq_refuses() {
    let malformed = Err(HandshakeError::MalformedCommand(Malformed::Hello));
    for body in [
        &b"\x05HELLO"[..],
        b"\x05HELLO\x40user",
        b"\x05HELLO\x04user",
        b"\x05HELLO\x04user\x05pass",
        b"\x05HELLO\x04user\x04passx",
    ] {
        assert_eq!(process(&mut PlainServer::new(), body), malformed);
    }
    let mut error = Vec::new();
    PlainServer::new().append_error(b"400", &mut error);
    assert_eq!(error, b"^RROR\x03400", "as libzmq spells it");
    for body in [&b"\x08INITIATE"[..], b"\x05HELLX\0\0", b"\x05ERROR\x03400", b""] {
        let result = process(&mut PlainServer::new(), body);
        assert_eq!(result, Err(HandshakeError::UnexpectedCommand));
    }
}

#[test]
fn zap_requests_are_those_libzmq_sends() {
    let context =
        Context { request_id: b"1", domain: b"dom", address: b"127.0.0.1", routing_id: b"mine" };
    let null = ZapRequest { mechanism: b"NULL", credentials: Vec::new().into() };
    let expected: [&[u8]; 7] = [b"", b"1.0", b"1", b"dom", b"127.0.0.1", b"mine", b"NULL"];
    assert_eq!(*request(&context, &null), expected);
    let credentials = vec![b"user".to_vec(), b"pass".to_vec()];
    let plain = ZapRequest { mechanism: b"PLAIN", credentials: credentials.into() };
    assert_eq!(request(&context, &plain)[6..], [&b"PLAIN"[..], b"user", b"pass"]);
}

#[test]
fn zap_replies_are_checked() {
    let good: [&[u8]; 7] = [b"", b"1.0", b"1", b"200", b"OK", b"joe", b"meta"];
    let accepted =
        ZapReply { status: 200, user_id: Some(b"joe".to_vec()), metadata: b"meta".to_vec() };
    assert_eq!(reply(&good, b"1"), Ok(accepted));
    for (at, value, code) in [
        (0, &b"x"[..], 0x2000_0000),
        (1, b"1.1", 0x2000_0003),
        (2, b"zz", 0x2000_0002),
        (3, b"600", 0x2000_0004),
        (3, b"", 0x2000_0004),
        (3, b"2000", 0x2000_0004),
    ] {
        let mut bad = good;
        bad[at] = value;
        assert_eq!(reply(&bad, b"1"), Err(HandshakeError::Zap(code)));
    }
    assert_eq!(reply(&good[..6], b"1"), Err(HandshakeError::Zap(0x2000_0001)));
    assert_eq!(reply::<&[u8]>(&[], b"1"), Err(HandshakeError::Zap(0x2000_0001)));
}
