use super::*;
use crate::security::curve::boxes::{long_nonce, short_nonce};
use crate::wire::{Malformed, MonitorEvent};

/// A client made by hand, between WELCOME and INITIATE.
struct ByHand {
    public: [u8; 32],
    server: [u8; 32],
    cookie: Vec<u8>,
    shared: Key,
}

/// Seals a copy of `text`.
fn boxed(key: &Key, nonce: &[u8; 24], text: &[u8]) -> Vec<u8> {
    let mut out = vec![0; 16];
    out.extend_from_slice(text);
    key.seal(nonce, &mut out, 0).unwrap();
    out
}

fn hello(secret: &Key, number: u64) -> Vec<u8> {
    let key = secret.agree(&public_of(&SERVER)).unwrap();
    let mut out = b"\x05HELLO\x01\x00".to_vec();
    out.extend([0; 72]);
    out.extend(secret.public());
    out.extend(number.to_be_bytes());
    out.extend(boxed(&key, &short_nonce(b"CurveZMQHELLO---", number), &[0; 64]));
    out
}

fn welcomed(server: &mut CurveServer) -> ByHand {
    let secret = Key::generate().unwrap();
    process(server, &hello(&secret, 5)).unwrap();
    let mut welcome = next(server, b"").unwrap();
    let nonce = long_nonce(b"WELCOME-", welcome[8..24].first_chunk().unwrap());
    let key = secret.agree(&public_of(&SERVER)).unwrap();
    let text = key.open(&nonce, &mut welcome[24..]).unwrap();
    let server = *text.first_chunk().unwrap();
    let shared = secret.agree(&server).unwrap();
    ByHand { public: secret.public(), server, cookie: text[32..].to_vec(), shared }
}

impl ByHand {
    fn initiate(&self, permanent: &[u8; 32], vouched: [[u8; 32]; 2], number: u64) -> Vec<u8> {
        let vouch = boxed(
            &Key::from_bytes(&CLIENT).agree(&self.server).unwrap(),
            &long_nonce(b"VOUCH---", &[7; 16]),
            vouched.as_flattened(),
        );
        let text = [&permanent[..], &[7; 16], &vouch, &socket_type(b"DEALER")].concat();
        self.wrap(number, &text)
    }

    fn wrap(&self, number: u64, text: &[u8]) -> Vec<u8> {
        let sealed = boxed(&self.shared, &short_nonce(b"CurveZMQINITIATE", number), text);
        [&b"\x08INITIATE"[..], &self.cookie, &number.to_be_bytes(), &sealed].concat()
    }
}

#[test]
fn vouches_are_checked() {
    let (permanent, ours) = (public_of(&CLIENT), public_of(&SERVER));
    for case in 0..6 {
        let mut server = server(false);
        let hand = welcomed(&mut server);
        let (initiate, expected) = match case {
            0 => (hand.initiate(&permanent, [hand.public, ours], 6), Ok(())),
            // C' of another connection, or a vouch for another server (libzmq lets that pass).
            1 => (hand.initiate(&permanent, [[1; 32], ours], 6), Err(HandshakeError::KeyExchange)),
            2 => (
                hand.initiate(&permanent, [hand.public, [1; 32]], 6),
                Err(HandshakeError::KeyExchange),
            ),
            // Somebody else's C, and one with which there are no secrets.
            3 => (
                hand.initiate(&public_of(&[9; 32]), [hand.public, ours], 6),
                Err(HandshakeError::Cryptographic),
            ),
            4 => (
                hand.initiate(&[0; 32], [hand.public, ours], 6),
                Err(HandshakeError::Cryptographic),
            ),
            // HELLO was 5 (libzmq lets that pass; RFC 26: SHALL disconnect).
            _ => (
                hand.initiate(&permanent, [hand.public, ours], 5),
                Err(HandshakeError::InvalidSequence),
            ),
        };
        assert_eq!(process(&mut server, &initiate), expected, "case {case}");
    }
}

#[test]
fn cookies_work_once_and_for_their_connection() {
    let (permanent, ours) = (public_of(&CLIENT), public_of(&SERVER));
    let (mut one, mut other) = (server(false), server(false));
    let (hand, _) = (welcomed(&mut one), welcomed(&mut other));
    let initiate = hand.initiate(&permanent, [hand.public, ours], 6);
    assert_eq!(process(&mut other, &initiate), Err(HandshakeError::Cryptographic));
    process(&mut one, &initiate).unwrap();
    assert_eq!(process(&mut one, &initiate), Err(HandshakeError::UnexpectedCommand));
}

#[test]
fn metadata_has_its_limits() {
    let mut many = socket_type(b"DEALER");
    for _ in 0..300 {
        append_property(&mut many, b"X-a", b"");
    }
    let mut cut = socket_type(b"DEALER");
    cut.push(9);
    for metadata in [cut, many, socket_type(b"PUB"), socket_type(b"nonsense")] {
        let (mut ours, mut server) = (client(), server(false));
        process(&mut server, &next(&mut ours, b"").unwrap()).unwrap();
        process(&mut ours, &next(&mut server, b"").unwrap()).unwrap();
        let error = process(&mut server, &next(&mut ours, &metadata).unwrap()).unwrap_err();
        assert_eq!(error.monitor_event(), MonitorEvent::Quiet);

        let (mut ours, mut server) = (client(), super::server(false));
        process(&mut server, &next(&mut ours, b"").unwrap()).unwrap();
        process(&mut ours, &next(&mut server, b"").unwrap()).unwrap();
        process(&mut server, &next(&mut ours, b"").unwrap()).unwrap();
        let error = process(&mut ours, &next(&mut server, &metadata).unwrap()).unwrap_err();
        assert_eq!(error.monitor_event(), MonitorEvent::Protocol(0x1000_0018));
    }
    // More than a handshake takes is refused by its header.
    let mut config = HandshakeConfig::new(SocketType::Dealer, Vec::new(), Box::new(client()));
    config.properties = vec![(b"X-long".to_vec(), vec![b'x'; 70_000])];
    let mut a = Handshake::new(config);
    let mut b = handshake(SocketType::Router, server(false));
    assert!(matches!(carry(&mut a, &mut b, || 5000), Err(HandshakeError::Frame(_))));
}

#[test]
fn servers_refuse_what_libzmq_refuses() {
    let unspecified = HandshakeError::MalformedCommand(Malformed::Unspecified);
    let good = hello(&Key::generate().unwrap(), 0);
    for (body, expected) in [
        (&b""[..], &unspecified),
        (b"\0", &unspecified),
        (b"\x09HELLO", &unspecified),
        (b"\x03HEL", &HandshakeError::UnexpectedCommand),
        (b"\x05HELLX", &HandshakeError::UnexpectedCommand),
        (b"\x05ERROR\x03400", &HandshakeError::UnexpectedCommand),
        (b"\x08INITIATE", &HandshakeError::UnexpectedCommand),
    ] {
        assert_eq!(process(&mut server(false), body), Err(expected.clone()), "{body:?}");
    }
    process(&mut server(false), &good).unwrap();
    let malformed = HandshakeError::MalformedCommand(Malformed::Hello);
    for len in 6..good.len() {
        assert_eq!(process(&mut server(false), &good[..len]), Err(malformed.clone()));
    }
    let long = [&good[..], b"x"].concat();
    assert_eq!(process(&mut server(false), &long), Err(malformed.clone()));
    for (at, value, expected) in [
        (6, 2, &malformed),
        (7, 1, &malformed),
        (90, good[90] ^ 1, &HandshakeError::Cryptographic),
        (119, 9, &HandshakeError::Cryptographic),
        (120, good[120] ^ 1, &HandshakeError::Cryptographic),
        (199, good[199] ^ 0x80, &HandshakeError::Cryptographic),
    ] {
        let mut body = good.clone();
        body[at] = value;
        assert_eq!(process(&mut server(false), &body), Err(expected.clone()), "octet {at}");
    }
    let mut body = good.clone();
    body[80..112].fill(0);
    assert_eq!(process(&mut server(false), &body), Err(HandshakeError::Cryptographic));
}

#[test]
fn servers_refuse_bad_initiates() {
    let malformed = HandshakeError::MalformedCommand(Malformed::Initiate);
    for (body, expected) in [
        (&b"\x08INITIATE"[..], &malformed),
        (&[&b"\x08INITIATE"[..], &[0; 247]].concat(), &malformed),
        (&[&b"\x08INITIATE"[..], &[0; 248]].concat(), &HandshakeError::Cryptographic),
        (b"\x05HELLO", &HandshakeError::UnexpectedCommand),
        (b"\x05ERROR\x03400", &HandshakeError::UnexpectedCommand),
        (b"\x08INITIATX", &HandshakeError::UnexpectedCommand),
    ] {
        let mut server = server(false);
        welcomed(&mut server);
        assert_eq!(process(&mut server, body), Err(expected.clone()), "{body:?}");
    }
    let mut random = Random(77);
    for _ in 0..40 {
        let mut server = server(false);
        let hand = welcomed(&mut server);
        let mut body = hand.initiate(&public_of(&CLIENT), [hand.public, public_of(&SERVER)], 6);
        let at = 9 + random.below(body.len() - 9);
        body[at] ^= 1 << random.below(8);
        assert_eq!(process(&mut server, &body), Err(HandshakeError::Cryptographic), "octet {at}");
    }
}

#[test]
fn clients_refuse_what_libzmq_refuses() {
    let fresh = || {
        let (mut ours, mut server) = (client(), server(false));
        process(&mut server, &next(&mut ours, b"").unwrap()).unwrap();
        let welcome = next(&mut server, b"").unwrap();
        (ours, server, welcome)
    };
    let error = HandshakeError::MalformedCommand(Malformed::Error);
    let refused = HandshakeError::PeerError(b"400".to_vec());
    for (body, expected) in [
        (&b""[..], &HandshakeError::UnexpectedCommand),
        (b"\x07WELCOMX", &HandshakeError::UnexpectedCommand),
        (b"\x07WELCOME", &HandshakeError::Cryptographic),
        (b"\x05ERROR\x03400", &refused),
        (b"\x05ERROR\x09400", &error),
        (b"\x05ERROR", &error),
        // libzmq tries to open this box, with no key at all.
        (b"\x05READY0123456789012345678901234567890", &HandshakeError::UnexpectedCommand),
    ] {
        assert_eq!(process(&mut fresh().0, body), Err(expected.clone()), "{body:?}");
    }
    let (_, _, welcome) = fresh();
    // Meant for another client.
    assert_eq!(process(&mut fresh().0, &welcome), Err(HandshakeError::Cryptographic));
    for at in [8, 23, 24, 100, 167] {
        let (mut ours, _, mut welcome) = fresh();
        welcome[at] ^= 1;
        assert_eq!(process(&mut ours, &welcome), Err(HandshakeError::Cryptographic));
    }
    let ready = HandshakeError::MalformedCommand(Malformed::Ready);
    for (body, expected) in [
        (&b"\x05READY"[..], &ready),
        (b"\x05READY01234567890123456789012", &ready),
        (b"\x05READY012345678901234567890123", &HandshakeError::Cryptographic),
        (b"\x05READX", &HandshakeError::UnexpectedCommand),
        (b"\x05ERROR\x03400", &refused),
    ] {
        let (mut ours, _, welcome) = fresh();
        process(&mut ours, &welcome).unwrap();
        assert!(next(&mut ours, b"").is_some());
        assert_eq!(process(&mut ours, body), Err(expected.clone()), "{body:?}");
    }
}

/// libzmq 4.3.4 aborts the process here.
#[test]
fn a_server_without_secrets_is_refused() {
    let mut ours = client();
    let hello = next(&mut ours, b"").unwrap();
    let key = Key::from_bytes(&SERVER).agree(hello[80..112].first_chunk().unwrap()).unwrap();
    let sealed = boxed(&key, &long_nonce(b"WELCOME-", &[1; 16]), &[0; 128]);
    let welcome = [&b"\x07WELCOME"[..], &[1; 16], &sealed].concat();
    assert_eq!(process(&mut ours, &welcome), Err(HandshakeError::KeyExchange));
}
