#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use super::provider::Absent;
use super::{Gssapi, toy};
use crate::types::SocketType;
use crate::util::buffer::Buffer;
use crate::wire::metadata::PeerMetadata;
use crate::wire::{Flags, HandshakeError, Malformed, Mechanism, Session, Status};

const UNEXPECTED: HandshakeError = HandshakeError::UnexpectedCommand;

fn work(mechanism: &mut Gssapi) -> Result<(), HandshakeError> {
    assert_eq!(mechanism.status(), Status::Working);
    mechanism.work().expect("something to do")();
    assert!(mechanism.work().is_none(), "once");
    mechanism.work_done()
}

fn next(mechanism: &mut Gssapi) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    mechanism.next_command(b"\x04Name\0\0\0\x01x", &mut out).unwrap().then_some(out)
}

fn hear(mechanism: &mut Gssapi, body: &[u8]) -> Result<(), HandshakeError> {
    mechanism.process_command(body, &mut PeerMetadata::new(SocketType::Router))
}

/// A client whose first token is said.
fn begun(private: bool) -> Gssapi {
    let mut client = toy::client(private);
    work(&mut client).unwrap();
    assert_eq!(next(&mut client).unwrap(), b"\x08INITIATE\0\0\0\x05hello");
    assert_eq!(next(&mut client), None);
    client
}

/// A server that has answered it.
fn answered(private: bool, zap: bool) -> Gssapi {
    let mut server = toy::server(private, zap);
    assert_eq!((server.status(), next(&mut server)), (Status::Handshaking, None));
    hear(&mut server, b"\x08INITIATE\0\0\0\x05hello").unwrap();
    assert_eq!(next(&mut server), None);
    work(&mut server).unwrap();
    assert_eq!(next(&mut server).unwrap(), b"\x08INITIATE\0\0\0\x07welcome");
    assert_eq!(next(&mut server), None);
    server
}

/// Both of a connection.
fn established(private: bool) -> (Gssapi, Gssapi) {
    let (mut client, mut server) = (begun(private), answered(private, true));
    assert!(!client.as_server() && !server.as_server(), "libzmq's greeting says 0 of both");
    hear(&mut client, b"\x08INITIATE\0\0\0\x07welcome").unwrap();
    work(&mut client).unwrap();
    assert_eq!(next(&mut client).unwrap(), b"", "there is no token left to say");
    assert_eq!(next(&mut client), None);
    assert_eq!(server.zap_request(), None);
    hear(&mut server, b"").unwrap();
    assert_eq!((server.status(), next(&mut server)), (Status::WaitingForZap, None));
    let question = server.zap_request().unwrap();
    assert_eq!(
        (question.mechanism, &**question.credentials),
        (&b"GSSAPI"[..], &[b"somebody@TOYS".to_vec()][..])
    );
    assert_eq!(server.zap_request(), None, "once");
    server.zap_accepted();
    let ready = next(&mut server).unwrap();
    assert_eq!(ready.starts_with(b"\x05READY\x04Name"), !private);
    assert_eq!(ready.starts_with(b"\x07MESSAGE\0\0\0"), private);
    hear(&mut client, &ready).unwrap();
    let ready = next(&mut client).unwrap();
    hear(&mut server, &ready).unwrap();
    assert_eq!((client.status(), server.status()), (Status::Ready, Status::Ready));
    (client, server)
}

#[test]
fn in_clear_the_commands_are_those_that_libzmq_sends() {
    let (mut client, mut server) = established(false);
    assert!(client.session().is_none() && server.session().is_none());
}

fn seal(session: &mut Session, flags: Flags, body: &[u8]) -> Vec<u8> {
    let mut out = Buffer::new();
    out.reserve(body.len() + session.encoder.overhead()).unwrap();
    session.encoder.encode(flags, body, &mut out).unwrap();
    out.to_vec()
}

#[test]
fn frames_are_wrapped_with_their_flags() {
    let (mut client, mut server) = established(true);
    let (mut client, mut server) = (client.session().unwrap(), server.session().unwrap());
    assert_eq!(client.encoder.overhead(), 8 + 4 + toy::OVERHEAD + 1);
    for (flags, body) in [
        (Flags::NONE, &b"hello"[..]),
        (Flags::MORE, b""),
        (Flags::COMMAND, b"\x04PONG"),
        (Flags::NONE, &[9; 70_000]),
    ] {
        let mut sealed = seal(&mut client, flags, body);
        assert_eq!(sealed.len(), body.len() + client.encoder.overhead());
        let (heard, place) = server.decoder.decode(&mut sealed).unwrap();
        assert_eq!((heard, &sealed[place]), (flags, body));
    }
}

/// Of libzmq 4.3.6: a topic, and a flag of its own.
#[test]
fn subscriptions_by_flag_become_commands() {
    let (client, mut server) = established(true);
    let mut session = server.session().unwrap();
    let channel = client.channel_for_tests();
    for (flag, command) in [(4, &b"\x09SUBSCRIBEtopic"[..]), (8, b"\x06CANCELtopic")] {
        let mut out = Buffer::new();
        channel.seal(flag, b"topic", &mut out).unwrap();
        let mut body = out.to_vec();
        let (flags, place) = session.decoder.decode(&mut body).unwrap();
        assert_eq!((flags, &body[place]), (Flags::COMMAND, command));
    }
    let mut out = Buffer::new();
    channel.seal(4, b"", &mut out).unwrap();
    let mut body = out.to_vec();
    let (_, place) = session.decoder.decode(&mut body).unwrap();
    assert_eq!(&body[place], b"\x09SUBSCRIBE");
}

#[test]
fn what_is_no_message_is_refused() {
    let decode = |spoil: fn(&mut Vec<u8>)| {
        let (mut client, mut server) = established(true);
        let mut body = seal(&mut client.session().unwrap(), Flags::NONE, b"hello");
        spoil(&mut body);
        server.session().unwrap().decoder.decode(&mut body).map(|(_, place)| place.len())
    };
    let malformed = Err(HandshakeError::MalformedCommand(Malformed::Message));
    assert_eq!(decode(|_| ()), Ok(5));
    assert_eq!(decode(Vec::clear), Err(HandshakeError::MalformedCommand(Malformed::Unspecified)));
    assert_eq!(decode(|body| body[3] ^= 1), Err(UNEXPECTED));
    assert_eq!(decode(|body| body.truncate(10)), malformed);
    assert_eq!(decode(|body| body.push(0)), malformed, "the length does not fit");
    assert_eq!(decode(|body| body[8] = 0xff), malformed);
    let last = |body: &mut Vec<u8>| *body.last_mut().unwrap() ^= 1;
    assert_eq!(decode(last), Err(HandshakeError::Cryptographic));
    // A text without even its flags.
    let (client, mut server) = established(true);
    let mut empty = Buffer::new();
    client.channel_for_tests().seal_text(b"", &mut empty).unwrap();
    let result = server.session().unwrap().decoder.decode(&mut empty.to_vec());
    assert_eq!(result.map(|(_, place)| place.len()), malformed);
}

#[test]
fn tokens_that_make_no_context_end_the_handshake() {
    let malformed = Err(HandshakeError::MalformedCommand(Malformed::Initiate));
    let server = || toy::server(false, false);
    assert_eq!(hear(&mut server(), b"\x08INITIATE"), malformed);
    assert_eq!(hear(&mut server(), b"\x08INITIATE\0\0\0\x06hello"), malformed);
    assert_eq!(hear(&mut server(), b"\x08INITIATE\xff\xff\xff\xffhello"), malformed);
    for body in [&b""[..], b"\x05READY", b"\x05HELLO", b"\x05ERROR\x03400", b"\x08initiate\0\0\0\0"]
    {
        assert_eq!(hear(&mut server(), body), Err(UNEXPECTED));
    }
    let mut garbage = server();
    hear(&mut garbage, b"\x08INITIATE\0\0\0\x05HELLO").unwrap();
    assert_eq!(work(&mut garbage), Err(HandshakeError::Cryptographic));
    let mut client = begun(false);
    assert_eq!(
        hear(&mut client, b"\x05ERROR\x03400"),
        Err(HandshakeError::PeerError(b"400".to_vec()))
    );
    assert_eq!(hear(&mut begun(false), b"\x05READY"), Err(UNEXPECTED));
}

/// What happens when one side encrypts and the other does not: libzmq's clients say the same.
#[test]
fn the_other_side_has_to_encrypt_as_we_do() {
    for private in [true, false] {
        let (mut client, mut server) = (begun(private), answered(!private, false));
        hear(&mut client, b"\x08INITIATE\0\0\0\x07welcome").unwrap();
        work(&mut client).unwrap();
        next(&mut client).unwrap();
        hear(&mut server, b"").unwrap();
        let ready = next(&mut server).unwrap();
        assert_eq!(hear(&mut client, &ready), Err(UNEXPECTED));
    }
}

/// Nobody came to the work, or there is no library: the next attempt may come out otherwise.
#[test]
fn without_a_context_there_is_no_handshake() {
    let mut client = toy::client(true);
    drop(client.work());
    assert_eq!(client.work_done(), Err(HandshakeError::NoContext));
    let mut client = Gssapi::client(Box::new(Absent), true);
    assert_eq!(work(&mut client), Err(HandshakeError::NoContext));
    assert!(HandshakeError::NoContext.may_pass());
}

/// A helper that comes to it when the attempt is over does nothing.
#[test]
fn nobody_asks_for_whoever_has_gone() {
    let mut client = toy::client(true);
    let work = client.work().unwrap();
    drop(client);
    work();
}
