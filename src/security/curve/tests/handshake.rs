use super::*;
use crate::security::{Null, PlainClient, PlainServer};
use crate::util::buffer::Buffer;
use crate::wire::{Flags, Framing};

fn both_ways(client: Established, server: Established) {
    let (mut client, mut server) = (client.transform.unwrap(), server.transform.unwrap());
    for _ in 0..2 {
        let mut body = Buffer::new();
        client.encoder.encode(Flags::MORE, b"hello", &mut body).unwrap();
        let (flags, range) = server.decoder.decode(&mut body).unwrap();
        assert_eq!((flags, &body[range]), (Flags::MORE, &b"hello"[..]));
        std::mem::swap(&mut client, &mut server);
    }
}

#[test]
fn pairs_agree_however_the_bytes_are_cut() {
    let mut random = Random(11);
    for most in [1, 7, 64, 200, 5000] {
        let mut a = handshake(SocketType::Dealer, client());
        let mut b = handshake(SocketType::Router, server(false));
        carry(&mut a, &mut b, || if most == 1 { 1 } else { 1 + random.below(most) }).unwrap();
        let (a, b) = established(&mut a, &mut b);
        assert_eq!((a.version, a.framing), ((3, 1), Framing::V2));
        assert_eq!(a.peer_socket_type, Some(SocketType::Router));
        assert_eq!(b.peer_socket_type, Some(SocketType::Dealer));
        assert_eq!(b.peer_routing_id, b"me");
        both_ways(a, b);
    }
}

#[test]
fn the_commands_have_the_sizes_of_the_rfc() {
    let (mut client, mut server) = (client(), server(false));
    assert!(server.as_server() && !client.as_server());
    assert!(!client.allows_old_versions() && !server.allows_old_versions());
    assert_eq!(next(&mut server, b""), None);
    let hello = next(&mut client, b"").unwrap();
    assert_eq!((hello.len(), &hello[..8]), (200, &b"\x05HELLO\x01\x00"[..]));
    assert_eq!((&hello[8..80], &hello[112..120]), (&[0; 72][..], &1u64.to_be_bytes()[..]));
    assert_eq!(next(&mut client, b""), None);
    process(&mut server, &hello).unwrap();
    let welcome = next(&mut server, b"").unwrap();
    assert_eq!((welcome.len(), &welcome[..8]), (168, &b"\x07WELCOME"[..]));
    assert_eq!(next(&mut server, b""), None);
    process(&mut client, &welcome).unwrap();
    let initiate = next(&mut client, b"").unwrap();
    assert_eq!((initiate.len(), &initiate[..9]), (257, &b"\x08INITIATE"[..]));
    assert_eq!(&initiate[105..113], 2u64.to_be_bytes());
    process(&mut server, &initiate).unwrap();
    assert!(server.session().is_none());
    let ready = next(&mut server, b"").unwrap();
    assert_eq!((ready.len(), &ready[..6]), (30, &b"\x05READY"[..]));
    assert!(client.session().is_none());
    process(&mut client, &ready).unwrap();
    assert_eq!(next(&mut client, b""), None);
    // A second session would use the nonces of the first again.
    assert!(client.session().is_some() && client.session().is_none());
    assert!(server.session().is_some() && server.session().is_none());
}

#[test]
fn transient_keys_differ_each_time() {
    let (one, other) = (next(&mut client(), b"").unwrap(), next(&mut client(), b"").unwrap());
    assert_ne!(one[80..112], other[80..112]);
    let welcome = |hello: &[u8]| {
        let mut server = server(false);
        process(&mut server, hello).unwrap();
        next(&mut server, b"").unwrap()
    };
    assert_ne!(welcome(&one)[8..24], welcome(&one)[8..24]);
}

#[test]
fn nothing_shows_a_key() {
    let secret = [0xab; 32];
    let (client, server) = (
        CurveClient::new(&public_of(&SERVER), &public_of(&secret), &secret),
        CurveServer::new(&secret, true),
    );
    let (session, _) = sessions();
    let text = format!("{client:?} {server:?} {session:?}");
    assert!(!text.contains("171") && !text.to_lowercase().contains("ab, ab"), "{text}");
}

#[test]
fn the_zap_handler_judges_the_permanent_key() {
    for most in [1, 50, 3000] {
        let mut random = Random(most as u64);
        let mut a = handshake(SocketType::Dealer, client());
        let mut b = handshake(SocketType::Router, server(true));
        carry(&mut a, &mut b, || 1 + random.below(most)).unwrap();
        let question = b.zap_request().unwrap();
        assert_eq!(question.mechanism, b"CURVE");
        assert_eq!(*question.credentials, [public_of(&CLIENT).to_vec()]);
        assert!(b.zap_request().is_none() && b.waiting_for_zap());
        assert!(b.output().is_empty() && b.outcome().is_none());
        let reply = ZapReply { status: 200, user_id: Some(b"joe".to_vec()), metadata: Vec::new() };
        b.zap_reply(Ok(reply)).unwrap();
        carry(&mut a, &mut b, || 1 + random.below(most)).unwrap();
        let (a, b) = established(&mut a, &mut b);
        assert_eq!(b.properties[0], (b"User-Id".to_vec(), b"joe".to_vec()));
        both_ways(a, b);
    }
}

#[test]
fn the_zap_handler_can_refuse() {
    for status in [300, 400, 500] {
        let mut a = handshake(SocketType::Dealer, client());
        let mut b = handshake(SocketType::Router, server(true));
        carry(&mut a, &mut b, || 100).unwrap();
        assert!(b.zap_request().is_some());
        let reply = ZapReply { status, user_id: Some(Vec::new()), metadata: Vec::new() };
        assert_eq!(b.zap_reply(Ok(reply)), Err(HandshakeError::Refused(status)));
        let sent = std::mem::take(b.output());
        if status == 300 {
            assert!(sent.is_empty());
        } else {
            let reason = status.to_string().into_bytes();
            assert_eq!(a.input(&sent), Err(HandshakeError::PeerError(reason)));
        }
        assert!(a.outcome().is_none() && b.outcome().is_none());
    }
}

#[test]
fn nobody_gets_in_without_the_right_keys() {
    // A client that expects another server.
    let other = CurveClient::new(&public_of(&[9; 32]), &public_of(&CLIENT), &CLIENT);
    let mut a = handshake(SocketType::Dealer, other);
    let mut b = handshake(SocketType::Router, server(false));
    assert_eq!(carry(&mut a, &mut b, || 64), Err(HandshakeError::Cryptographic));
    // A client that claims somebody else's key.
    let thief = CurveClient::new(&public_of(&SERVER), &public_of(&[8; 32]), &CLIENT);
    let mut a = handshake(SocketType::Dealer, thief);
    let mut b = handshake(SocketType::Router, server(true));
    assert_eq!(carry(&mut a, &mut b, || 64), Err(HandshakeError::Cryptographic));
    assert!(b.zap_request().is_none());
    // A server key with which there are no secrets.
    let mut lost = CurveClient::new(&[0; 32], &public_of(&CLIENT), &CLIENT);
    let result = lost.next_command(b"", &mut Vec::new());
    assert_eq!(result, Err(HandshakeError::Cryptographic));
}

#[test]
fn there_is_no_way_down() {
    let mismatch = Err(HandshakeError::MechanismMismatch);
    let mut others: [Handshake; 3] = [
        handshake(SocketType::Dealer, Null::new(false)),
        handshake(SocketType::Dealer, PlainClient::new(b"user", b"pass")),
        handshake(SocketType::Dealer, PlainServer::new()),
    ];
    for other in &mut others {
        let mut ours = handshake(SocketType::Router, server(false));
        assert_eq!(carry(other, &mut ours, || 80), mismatch);
        let mut ours = handshake(SocketType::Router, client());
        let greeting = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let rest = [&greeting[..], &[0; 32]].concat();
        assert_eq!(ours.input(&rest).map(|_| ()), mismatch);
    }
    let old: [&[u8]; 4] = [
        b"\x01\0",
        b"\xff\0\0\0\0\0\0\0\x01\x7f\0\x05",
        b"\xff\0\0\0\0\0\0\0\x01\x7f\x01\x05\0\0",
        b"\xff\0\0\0\0\0\0\0\x01\x7f\x02\x05\0\0",
    ];
    for bytes in old {
        let mut ours = handshake(SocketType::Router, server(false));
        assert_eq!(ours.input(bytes), Err(HandshakeError::OldVersion));
        let mut ours = handshake(SocketType::Router, client());
        assert_eq!(ours.input(bytes), Err(HandshakeError::OldVersion));
    }
}

#[test]
fn two_of_a_kind_do_not_talk() {
    let mut a = handshake(SocketType::Dealer, client());
    let mut b = handshake(SocketType::Router, client());
    assert_eq!(carry(&mut a, &mut b, || 500), Err(HandshakeError::UnexpectedCommand));
    let mut a = handshake(SocketType::Dealer, server(false));
    let mut b = handshake(SocketType::Router, server(false));
    carry(&mut a, &mut b, || 500).unwrap();
    assert!(a.outcome().is_none() && b.outcome().is_none());
}
