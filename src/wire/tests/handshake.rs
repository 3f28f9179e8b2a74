use super::*;
use crate::security::{PlainClient, PlainServer};
use crate::wire::{Framing, ZapReply};

/// What libzmq 4.3.4 announces, and 4.3.6 with drafts: READY without Identity except for these three.
fn recorded_ready(socket_type: SocketType, routing_id: &[u8]) -> Vec<u8> {
    let recorded: &[u8] = match socket_type {
        SocketType::Pair => b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PAIR",
        SocketType::Pub => b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03PUB",
        SocketType::Sub => b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB",
        SocketType::Req if routing_id.is_empty() => {
            b"\x04\x26\x05READY\x0bSocket-Type\0\0\0\x03REQ\x08Identity\0\0\0\0"
        }
        SocketType::Req => {
            b"\x04\x29\x05READY\x0bSocket-Type\0\0\0\x03REQ\x08Identity\0\0\0\x03abc"
        }
        SocketType::Rep => b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03REP",
        SocketType::Dealer if routing_id.is_empty() => {
            b"\x04\x29\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0"
        }
        SocketType::Dealer => {
            b"\x04\x2c\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\x03abc"
        }
        SocketType::Router if routing_id.is_empty() => {
            b"\x04\x29\x05READY\x0bSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\0"
        }
        SocketType::Router => {
            b"\x04\x2c\x05READY\x0bSocket-Type\0\0\0\x06ROUTER\x08Identity\0\0\0\x03abc"
        }
        SocketType::Pull => b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PULL",
        SocketType::Push => b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PUSH",
        SocketType::XPub => b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04XPUB",
        SocketType::XSub => b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04XSUB",
        SocketType::Server => b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06SERVER",
        SocketType::Client => b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06CLIENT",
        SocketType::Radio => b"\x04\x1b\x05READY\x0bSocket-Type\0\0\0\x05RADIO",
        SocketType::Dish => b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04DISH",
        SocketType::Gather => b"\x04\x1c\x05READY\x0bSocket-Type\0\0\0\x06GATHER",
        SocketType::Scatter => b"\x04\x1d\x05READY\x0bSocket-Type\0\0\0\x07SCATTER",
        SocketType::Peer => b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04PEER",
        SocketType::Channel => b"\x04\x1d\x05READY\x0bSocket-Type\0\0\0\x07CHANNEL",
        SocketType::Stream | SocketType::Dgram => b"",
    };
    recorded.to_vec()
}

fn zmtp_types() -> impl Iterator<Item = SocketType> {
    SocketType::ALL.into_iter().filter(|t| !matches!(t, SocketType::Stream | SocketType::Dgram))
}

#[test]
fn we_send_what_libzmq_sends_when_libzmq_sends_it() {
    for socket_type in zmtp_types() {
        for routing_id in [&b""[..], b"abc"] {
            let mut ours = null(socket_type, routing_id);
            let mut sent = vec![(0, std::mem::take(ours.output()))];
            for (i, byte) in greeting((3, 1), b"NULL").iter().enumerate() {
                assert_eq!(ours.input(&[*byte]), Ok(1));
                if !ours.output().is_empty() {
                    sent.push((i + 1, std::mem::take(ours.output())));
                }
            }
            let mut signature = SIGNATURE.to_vec();
            signature[8] = routing_id.len() as u8 + 1;
            let expected = [
                (0, signature),
                (10, vec![3]),
                (11, greeting((3, 1), b"NULL")[11..].to_vec()),
                (64, recorded_ready(socket_type, routing_id)),
            ];
            assert_eq!(sent, expected);
        }
    }
}

/// Carries bytes between two handshakes in pieces until nothing moves, and returns what each did
/// not take.
fn carry(
    a: &mut Handshake,
    b: &mut Handshake,
    random: &mut Random,
    most: usize,
) -> Result<(), HandshakeError> {
    let (mut to_a, mut to_b) = (Vec::new(), Vec::new());
    loop {
        to_b.append(a.output());
        to_a.append(b.output());
        if to_a.is_empty() && to_b.is_empty() {
            return Ok(());
        }
        let now = (1 + random.below(most)).min(to_b.len());
        let used = b.input(&to_b[..now])?;
        to_b.drain(..used);
        let now = (1 + random.below(most)).min(to_a.len());
        let used = a.input(&to_a[..now])?;
        to_a.drain(..used);
    }
}

#[test]
fn every_legal_pair_agrees_and_every_other_fails() {
    let mut random = Random::new(7);
    for one in zmtp_types() {
        for other in zmtp_types() {
            for most in [1, 40, 500] {
                let (mut a, mut b) = (null(one, b"A"), null(other, b"B"));
                let result = carry(&mut a, &mut b, &mut random, most);
                if !one.accepts(other) {
                    let error = HandshakeError::InvalidMetadata { reported: false };
                    assert_eq!(result, Err(error));
                    continue;
                }
                result.unwrap();
                let (a, b) = (a.outcome().unwrap(), b.outcome().unwrap());
                assert_eq!((a.version, a.framing), ((3, 1), Framing::V2));
                assert_eq!(a.peer_socket_type, Some(other));
                assert_eq!(b.peer_socket_type, Some(one));
                let named =
                    matches!(one, SocketType::Req | SocketType::Dealer | SocketType::Router);
                assert_eq!(b.peer_routing_id, if named { &b"A"[..] } else { b"" });
                assert!(a.transform.is_none() && !a.subscribe_all);
            }
        }
    }
}

/// Feeds a recorded peer in random pieces with traffic glued behind it; none of that is taken.
fn against(
    socket_type: SocketType,
    routing_id: &[u8],
    peer: &[u8],
) -> Result<(Established, Vec<u8>), HandshakeError> {
    let mut random = Random::new(99);
    let mut result = None;
    for most in [1, 2, 9, 30, 4000] {
        let mut ours = null(socket_type, routing_id);
        let bytes = [peer, b"\x02\0x\0\x01y"].concat();
        let taken = feed(&mut ours, &bytes, || 1 + random.below(most))?;
        assert_eq!(taken, peer.len());
        assert_eq!(ours.input(b"traffic"), Ok(0));
        let outcome = ours.outcome().expect("established");
        assert!(ours.outcome().is_none());
        result = Some((outcome, std::mem::take(ours.output())));
    }
    Ok(result.unwrap())
}

#[test]
fn zmtp_3_peers_of_every_minor() {
    for (version, agreed) in [
        ((3, 0), (3, 0)),
        ((3, 1), (3, 1)),
        ((3, 7), (3, 1)),
        ((4, 0), (3, 1)),
        ((255, 255), (3, 1)),
    ] {
        let peer = [greeting(version, b"NULL"), ready(b"PUB", b"")].concat();
        let (outcome, _) = against(SocketType::Sub, b"", &peer).unwrap();
        assert_eq!(outcome.version, agreed);
        assert_eq!(outcome.subscribes_by_command(), agreed == (3, 1));
        assert!(outcome.heartbeats());
        assert_eq!(outcome.peer_socket_type, Some(SocketType::Pub));
        assert_eq!(outcome.properties, [(b"Socket-Type".to_vec(), b"PUB".to_vec())]);
    }
}

#[test]
fn padding_of_the_signature_means_nothing() {
    let mut peer = [greeting((3, 1), b"NULL"), ready(b"DEALER", b"")].concat();
    peer[1..9].copy_from_slice(b"\xffjunk!\x80\x01");
    peer[9] = 0x01;
    assert_eq!(against(SocketType::Router, b"", &peer).unwrap().0.version, (3, 1));
}

#[test]
fn unversioned_peers() {
    // The peer's identity frame; our signature turns out to be the header of ours, as recorded
    // from libzmq 4.3.4.
    for (frame, peer_id) in [
        (&b"\x01\0"[..], &b""[..]),
        (b"\x04\0ABC", b"ABC"),
        (b"\x04\x01ABC", b"ABC"),
        (b"\x03\0\0A", b"\0A"),
        (b"\xff\0\0\0\0\0\0\0\x01\0", b""),
        (b"\xff\0\0\0\0\0\0\0\x04\0ABC", b"ABC"),
    ] {
        let (outcome, sent) = against(SocketType::Router, b"abcd", frame).unwrap();
        assert_eq!((outcome.version, outcome.framing), ((1, 0), Framing::V1));
        assert_eq!(outcome.peer_routing_id, peer_id);
        assert_eq!(outcome.peer_socket_type, None);
        assert!(!outcome.subscribes_by_command() && !outcome.heartbeats());
        assert_eq!(sent, b"\xff\0\0\0\0\0\0\0\x05\x7fabcd");
    }
    let longest = [&b"\xff\0\0\0\0\0\0\x01\0\0"[..], &[7; 255]].concat();
    assert_eq!(against(SocketType::Router, b"", &longest).unwrap().0.peer_routing_id, [7; 255]);
    for (socket_type, all) in
        [(SocketType::Pub, true), (SocketType::XPub, true), (SocketType::Sub, false)]
    {
        assert_eq!(against(socket_type, b"", b"\x01\0").unwrap().0.subscribe_all, all);
    }
}

#[test]
fn zmtp_2_peers() {
    for (revision, framing, version) in
        [(0, Framing::V1, (1, 0)), (1, Framing::V2, (2, 0)), (2, Framing::V2, (2, 0))]
    {
        let v1 = framing == Framing::V1;
        let mut peer = SIGNATURE.to_vec();
        peer.extend([revision, SocketType::Dealer as u8]);
        peer.extend_from_slice(if v1 { b"\x04\0XYZ" } else { b"\0\x03XYZ" });
        let (outcome, sent) = against(SocketType::Router, b"abcd", &peer).unwrap();
        assert_eq!((outcome.version, outcome.framing), (version, framing));
        assert_eq!(outcome.peer_routing_id, b"XYZ");
        assert_eq!(outcome.peer_socket_type, Some(SocketType::Dealer));
        assert!(!outcome.subscribe_all);
        let mut expected = b"\xff\0\0\0\0\0\0\0\x05\x7f\x03\x06".to_vec();
        expected.extend_from_slice(if v1 { b"\x05\0abcd" } else { b"\0\x04abcd" });
        assert_eq!(sent, expected);
    }
    // XPUB has a number of its own, and unknown types of the peer are not refused.
    let peer = [SIGNATURE, b"\x01\x63\0\0"].concat();
    let (outcome, sent) = against(SocketType::XPub, b"", &peer).unwrap();
    assert_eq!(outcome.peer_socket_type, None);
    assert_eq!(sent, b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x09\0\0");
}

/// No side waits for the other: whatever an old peer needs to go on, it has before we need more.
#[test]
fn old_peers_that_wait_are_not_kept_waiting() {
    let mut ours = null(SocketType::Dealer, b"");
    assert_eq!(ours.output().len(), 10);
    assert_eq!(ours.input(b"\x01"), Ok(1));
    // A ZMTP 1.0 peer is known by its first octet.
    assert_eq!(ours.output().len(), 10);
    let mut ours = null(SocketType::Dealer, b"");
    assert_eq!(ours.input(SIGNATURE), Ok(10));
    assert_eq!(ours.output().len(), 11);
    assert_eq!(ours.input(b"\x01"), Ok(1));
    assert_eq!(ours.output().len(), 14);
}

#[test]
fn long_routing_ids_fit_the_signature() {
    let id = [b'i'; 255];
    let mut ours = null(SocketType::Dealer, &id);
    assert_eq!(ours.output(), b"\xff\0\0\0\0\0\0\x01\0\x7f");
    let peer = [greeting((3, 1), b"NULL"), ready(b"ROUTER", b"")].concat();
    run(&mut ours, &peer).unwrap();
    let mut router = null(SocketType::Router, b"");
    let sent = std::mem::take(ours.output());
    assert_eq!(run(&mut router, &sent).unwrap().peer_routing_id, id);
}

#[test]
fn names_of_properties_have_no_case_and_the_last_identity_counts() {
    let more = [
        property(b"IDENTITY", b"first"),
        property(b"identity", b"second"),
        property(b"X-foo", b"bar"),
    ]
    .concat();
    let peer = [greeting((3, 1), b"NULL"), ready(b"REQ", &more)].concat();
    let (outcome, _) = against(SocketType::Router, b"", &peer).unwrap();
    assert_eq!(outcome.peer_routing_id, b"second");
    assert_eq!(outcome.properties.len(), 4);
    // A peer that does not tell its type is let in, as libzmq does.
    let peer = [greeting((3, 1), b"NULL"), frame(b"\x05READY")].concat();
    assert_eq!(against(SocketType::Router, b"", &peer).unwrap().0.peer_socket_type, None);
}

#[test]
fn ready_may_use_the_long_form_or_lack_the_command_flag() {
    let body = [b"\x05READY".to_vec(), property(b"Socket-Type", b"DEALER")].concat();
    let len = (body.len() as u64).to_be_bytes();
    for header in [[&b"\x06"[..], &len].concat(), vec![0, body.len() as u8]] {
        let peer = [greeting((3, 1), b"NULL"), header, body.clone()].concat();
        against(SocketType::Router, b"", &peer).unwrap();
    }
}

#[test]
fn our_extra_properties_arrive() {
    let mut config = HandshakeConfig::new(SocketType::Push, Vec::new(), Box::new(Null::new(false)));
    config.properties = vec![(b"X-key".to_vec(), b"value".to_vec())];
    let mut a = Handshake::new(config);
    let mut b = null(SocketType::Pull, b"");
    carry(&mut a, &mut b, &mut Random::new(3), 50).unwrap();
    let found = b.outcome().unwrap().properties;
    assert!(found.contains(&(b"X-key".to_vec(), b"value".to_vec())));
}

fn ok_reply(user_id: &[u8]) -> ZapReply {
    ZapReply { status: 200, user_id: Some(user_id.to_vec()), metadata: property(b"X-zap", b"1") }
}

#[test]
fn plain_with_a_handler_that_takes_its_time() {
    for most in [1, 20, 300] {
        let mut random = Random::new(most as u64);
        let mut client = Handshake::new(HandshakeConfig::new(
            SocketType::Dealer,
            b"me".to_vec(),
            Box::new(PlainClient::new(b"user", b"pass")),
        ));
        let mut server = Handshake::new(HandshakeConfig::new(
            SocketType::Router,
            Vec::new(),
            Box::new(PlainServer::new()),
        ));
        carry(&mut client, &mut server, &mut random, most).unwrap();
        assert!(server.waiting_for_zap());
        let request = server.zap_request().unwrap();
        assert_eq!(request.mechanism, b"PLAIN");
        assert_eq!(*request.credentials, [b"user", b"pass"]);
        assert_eq!(server.zap_request(), None);
        assert_eq!(server.input(b"early"), Ok(0));
        assert!(server.output().is_empty());
        server.zap_reply(Ok(ok_reply(b"joe"))).unwrap();
        assert_eq!(server.output(), b"\x04\x08\x07WELCOME");
        carry(&mut client, &mut server, &mut random, most).unwrap();
        let (client, server) = (client.outcome().unwrap(), server.outcome().unwrap());
        assert_eq!(client.peer_socket_type, Some(SocketType::Router));
        assert_eq!(server.peer_routing_id, b"me");
        assert_eq!(server.properties[0], (b"User-Id".to_vec(), b"joe".to_vec()));
        assert_eq!(server.properties[1], (b"X-zap".to_vec(), b"1".to_vec()));
    }
}

#[test]
fn null_asks_the_handler_before_it_says_ready() {
    let start = || {
        let null = Box::new(Null::new(true));
        let mut ours = Handshake::new(HandshakeConfig::new(SocketType::Router, Vec::new(), null));
        let peer = [greeting((3, 1), b"NULL"), ready(b"DEALER", b"")].concat();
        assert_eq!(ours.zap_request(), None);
        assert_eq!(ours.input(&peer), Ok(64));
        let request = ours.zap_request().unwrap();
        assert_eq!((request.mechanism, request.credentials.len()), (&b"NULL"[..], 0));
        ours.output().clear();
        (ours, peer)
    };
    let unasked = ZapReply { status: 200, user_id: None, metadata: Vec::new() };
    for (reply, has_user_id) in [(ok_reply(b""), true), (unasked, false)] {
        let (mut ours, peer) = start();
        ours.zap_reply(Ok(reply)).unwrap();
        assert_eq!(*ours.output(), recorded_ready(SocketType::Router, b""));
        assert_eq!(ours.input(&peer[64..]), Ok(peer.len() - 64));
        let properties = ours.outcome().unwrap().properties;
        assert_eq!(properties.contains(&(b"User-Id".to_vec(), Vec::new())), has_user_id);
    }

    for (status, sent) in [(300, &b""[..]), (400, b"\x04\x0a\x05ERROR\x03400")] {
        let (mut ours, peer) = start();
        let reply = ZapReply { status, user_id: Some(Vec::new()), metadata: Vec::new() };
        assert_eq!(ours.zap_reply(Ok(reply)), Err(HandshakeError::Refused(status)));
        assert_eq!(ours.output(), sent);
        assert_eq!(ours.input(&peer[64..]), Err(HandshakeError::Refused(status)));
        // A server that connects asks its handler about the next one that listens there.
        assert!(HandshakeError::Refused(status).may_pass());
        assert!(ours.outcome().is_none());
    }
    let (mut ours, _) = start();
    let gone = HandshakeError::NoZapHandler;
    assert_eq!(ours.zap_reply(Err(gone.clone())), Err(gone));
}

#[test]
fn without_a_greeting_the_mechanism_or_the_routing_ids_come_first() {
    let config = |socket_type, mechanism: Box<dyn crate::wire::Mechanism>| {
        HandshakeConfig::new(socket_type, b"me".to_vec(), mechanism)
    };
    // As libzmq 4.3.6 does after ZWS2.0/NULL.
    let null = config(SocketType::Sub, Box::new(Null::new(false)));
    let mut sub = Handshake::without_greeting(null, true);
    assert_eq!(std::mem::take(sub.output()), b"\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB");
    let theirs = b"\x04\x1a\x05READY\x0bSocket-Type\0\0\0\x04XPUB\0\x01x";
    assert_eq!(sub.input(theirs), Ok(theirs.len() - 3));
    let agreed = sub.outcome().unwrap();
    assert_eq!((agreed.version, agreed.framing), ((3, 0), Framing::V2));
    assert!(!agreed.subscribes_by_command());
    // ... and after ZWS2.0.
    let null = config(SocketType::Router, Box::new(Null::new(false)));
    let mut router = Handshake::without_greeting(null, false);
    assert_eq!(std::mem::take(router.output()), b"\0\x02me");
    assert_eq!(router.input(b"\0\x03you\0\x01x"), Ok(5));
    let agreed = router.outcome().unwrap();
    assert_eq!((agreed.peer_routing_id, agreed.peer_socket_type), (b"you".to_vec(), None));
    // A PLAIN server has nothing to say before its client.
    let plain = config(SocketType::Rep, Box::<PlainServer>::default());
    let mut server = Handshake::without_greeting(plain, true);
    assert!(server.output().is_empty());
    assert_eq!(server.input(&frame(b"\x05HELLO\x01u\x01p")), Ok(12));
    assert!(server.waiting_for_zap());
}
