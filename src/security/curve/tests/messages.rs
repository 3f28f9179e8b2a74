use super::*;
use crate::security::curve::boxes::short_nonce;
use crate::security::curve::commands::Counter;
use crate::security::curve::session::session;
use crate::util::buffer::Buffer;
use crate::wire::{Flags, Malformed};

const ALL: [Flags; 3] = [Flags::NONE, Flags::MORE, Flags::COMMAND];

fn encode(session: &mut Session, flags: Flags, body: &[u8]) -> Vec<u8> {
    let mut out = Buffer::new();
    session.encoder.encode(flags, body, &mut out).unwrap();
    out.to_vec()
}

fn buffer(bytes: &[u8]) -> Buffer {
    let mut buffer = Buffer::new();
    buffer.extend_from_slice(bytes);
    buffer
}

#[test]
fn messages_of_every_size_and_kind_go_both_ways() {
    let (mut one, mut other) = sessions();
    let lengths = (0..200).chain([1023, 1024, 1025, 4096, 65_535, 65_536, 65_537, 1 << 20]);
    for len in lengths {
        let body: Vec<u8> = (0..len).map(|i| (i * 7 + len) as u8).collect();
        for flags in ALL {
            for _ in 0..2 {
                let mut out = buffer(b"before");
                one.encoder.encode(flags, &body, &mut out).unwrap();
                assert_eq!(out.len(), 6 + body.len() + one.encoder.overhead());
                assert_eq!(&out[..14], b"before\x07MESSAGE");
                let (found, range) = other.decoder.decode(&mut out[6..]).unwrap();
                assert_eq!(found, flags);
                assert!(out[6..][range] == body, "{len}");
                std::mem::swap(&mut one, &mut other);
            }
        }
    }
}

#[test]
fn encoding_does_not_allocate_in_a_roomy_buffer() {
    let (mut one, _) = sessions();
    let mut out = Buffer::new();
    out.reserve(3 * (64 + one.encoder.overhead())).unwrap();
    let (start, capacity) = (out.as_ptr(), out.capacity());
    for _ in 0..3 {
        one.encoder.encode(Flags::NONE, &[1; 64], &mut out).unwrap();
    }
    assert_eq!((out.as_ptr(), out.capacity()), (start, capacity));
}

/// The boxes of libsodium 1.0.18: a digest (FNV-1a) over them, around all the lengths where the
/// vector code of either library changes its ways.
#[test]
fn boxes_are_those_of_libsodium() {
    let one = Key::from_bytes(&std::array::from_fn(|i| (i * 7 + 1) as u8));
    let other = Key::from_bytes(&std::array::from_fn(|i| (i * 11 + 3) as u8));
    let key = one.agree(&other.public()).unwrap();
    assert_eq!(key.bytes()[..8], [0x1d, 0xf4, 0xf3, 0x6b, 0x37, 0xf3, 0x29, 0x62]);
    assert_eq!(key.bytes(), other.agree(&one.public()).unwrap().bytes());
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    for len in (0..1400usize).chain([4095, 4096, 4097, 16384, 65535, 65536, 65537]) {
        let mut out = vec![0; 16];
        out.extend((0..len).map(|i| (i * 31 + len) as u8));
        let nonce = short_nonce(b"CurveZMQMESSAGEC", len as u64);
        key.seal(&nonce, &mut out, 0).unwrap();
        for byte in &out {
            digest = (digest ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
        let text = key.open(&nonce, &mut out).unwrap();
        assert!(text.iter().enumerate().all(|(i, b)| *b == (i * 31 + len) as u8));
    }
    assert_eq!(digest, 0x724f_2224_f5e4_35ce);
}

#[test]
fn numbers_only_go_up() {
    let (mut one, mut other) = sessions();
    let all: Vec<Vec<u8>> = (0..4).map(|i| encode(&mut one, Flags::NONE, &[i; 10])).collect();
    let sequence = Err(HandshakeError::InvalidSequence);
    other.decoder.decode(&mut all[1].clone()).unwrap();
    assert_eq!(other.decoder.decode(&mut all[1].clone()), sequence);
    assert_eq!(other.decoder.decode(&mut all[0].clone()), sequence);
    // Gaps are fine.
    other.decoder.decode(&mut all[3].clone()).unwrap();
    assert_eq!(other.decoder.decode(&mut all[2].clone()), sequence);
    // Those of the handshake are taken, too: INITIATE was 2, READY was 1.
    for (number, expected) in
        [(2u64, HandshakeError::InvalidSequence), (3, HandshakeError::Cryptographic)]
    {
        let (mut one, mut other) = sessions();
        let mut body = encode(&mut one, Flags::NONE, b"");
        assert_eq!(body[8..16], 3u64.to_be_bytes());
        body[8..16].copy_from_slice(&number.to_be_bytes());
        body[20] ^= 1;
        assert_eq!(other.decoder.decode(&mut body), Err(expected));
        let mut body = encode(&mut other, Flags::NONE, b"");
        assert_eq!(body[8..16], 2u64.to_be_bytes());
        body[8..16].copy_from_slice(&1u64.to_be_bytes());
        assert_eq!(one.decoder.decode(&mut body), sequence);
    }
}

#[test]
fn numbers_end() {
    let key = Key::generate().unwrap();
    let mut ours = session(&key, true, Counter(u64::MAX - 1), Counter::default());
    let mut theirs = session(&key, false, Counter::default(), Counter(u64::MAX - 1));
    let mut body = encode(&mut ours, Flags::NONE, b"last");
    assert!(theirs.decoder.decode(&mut body).is_ok());
    let mut out = buffer(b"kept");
    let result = ours.encoder.encode(Flags::NONE, b"one too many", &mut out);
    assert_eq!((result, &out[..]), (Err(HandshakeError::InvalidSequence), &b"kept"[..]));
    assert_eq!(theirs.decoder.decode(&mut body), Err(HandshakeError::InvalidSequence));
}

#[test]
fn what_was_touched_does_not_open() {
    let key = Key::generate().unwrap();
    let fresh = |client| session(&key, client, Counter::default(), Counter::default());
    for len in [0, 1, 30, 100] {
        let clean = encode(&mut fresh(true), Flags::NONE, &vec![7; len]);
        fresh(false).decoder.decode(&mut clean.clone()).unwrap();
        // From the nonce on; the flips leave it above zero.
        for at in 8..clean.len() {
            let mut body = clean.clone();
            body[at] ^= 1 << (at % 8);
            let result = fresh(false).decoder.decode(&mut body);
            assert_eq!(result, Err(HandshakeError::Cryptographic), "octet {at}");
        }
    }
}

#[test]
fn the_directions_do_not_mix() {
    let (mut one, _) = sessions();
    let mut body = encode(&mut one, Flags::NONE, b"to myself");
    assert_eq!(one.decoder.decode(&mut body), Err(HandshakeError::Cryptographic));
    // Nor do connections.
    let (mut one, _) = sessions();
    let (_, mut other) = sessions();
    let mut body = encode(&mut one, Flags::NONE, b"to somebody else");
    assert_eq!(other.decoder.decode(&mut body), Err(HandshakeError::Cryptographic));
}

#[test]
fn what_is_no_message_is_refused() {
    let message = HandshakeError::MalformedCommand(Malformed::Message);
    let unspecified = HandshakeError::MalformedCommand(Malformed::Unspecified);
    let unexpected = HandshakeError::UnexpectedCommand;
    let long = [&b"\x07MESSAGX"[..], &[0; 60]].concat();
    for (body, expected) in [
        (&b""[..], &unspecified),
        (b"hello", &unspecified),
        (b"\x07MESSAG", &unspecified),
        (b"\0", &unexpected),
        (b"\x04PING\0\0", &unexpected),
        (b"\x05ERROR\x03400", &unexpected),
        (&long, &unexpected),
        (b"\x07MESSAGE", &message),
        (b"\x07MESSAGE\0\0\0\0\0\0\0\x09", &message),
        (b"\x07MESSAGE\0\0\0\0\0\0\0\x090123456789abcdef", &message),
    ] {
        let (_, mut other) = sessions();
        let result = other.decoder.decode(&mut body.to_vec());
        assert_eq!(result, Err(expected.clone()), "{body:?}");
    }
    for len in 0..60 {
        let (mut one, mut other) = sessions();
        let mut body = encode(&mut one, Flags::NONE, &[1; 27]);
        let expected = match len {
            0..8 => &unspecified,
            8..33 => &message,
            _ => &HandshakeError::Cryptographic,
        };
        assert_eq!(other.decoder.decode(&mut body[..len]), Err(expected.clone()), "{len}");
    }
}

#[test]
fn flags_inside_are_those_of_libzmq() {
    for (octet, expected) in [
        (0, Flags::NONE),
        (1, Flags::MORE),
        (2, Flags::COMMAND),
        (3, Flags::COMMAND),
        (0xf0, Flags::NONE),
        (0xfd, Flags::MORE),
    ] {
        let key = Key::generate().unwrap();
        let mut theirs = session(&key, false, Counter::default(), Counter::default());
        let mut body = b"\x07MESSAGE\0\0\0\0\0\0\0\x05".to_vec();
        body.extend([0; 16]);
        body.extend([octet, b'x']);
        key.seal(&short_nonce(b"CurveZMQMESSAGEC", 5), &mut body, 16).unwrap();
        let (flags, range) = theirs.decoder.decode(&mut body).unwrap();
        assert_eq!((flags, &body[range]), (expected, &b"x"[..]), "{octet}");
    }
}
