//! RFC 6455 and RFC 45: the upgrade, frames, messages; octets recorded from libzmq 4.3.6 with drafts.

use super::Random;
use crate::util::buffer::Buffer;
use crate::wire::frame::{Flags, append_frame};
use crate::wire::upgrade::{Agreed, MAX_HEAD, Offer, Upgrade, UpgradeError};
use crate::wire::websocket::{Opcode, WebSocketError};
use crate::wire::zws::{Content, Decoder, Encoder, GROWTH, Masks, control_command};

const KEY: &[u8; 16] = b"the sample nonce";

fn null() -> Offer {
    Offer::Zws { mechanism: b"NULL", old: true }
}

fn plain() -> Offer {
    Offer::Zws { mechanism: b"PLAIN", old: false }
}

/// A request as libzmq 4.3.6 sends it, with the key of RFC 6455, section 1.3.
fn request(protocols: &str) -> String {
    format!(
        "GET /zq HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {protocols}\r\n\
         Sec-WebSocket-Version: 13\r\n\r\n"
    )
}

fn serve(offer: Offer, bytes: &[u8]) -> (Result<Option<Agreed>, UpgradeError>, String) {
    let mut server = Upgrade::server(offer);
    let result = server.input(bytes).map(|_| server.agreed());
    (result, String::from_utf8(std::mem::take(server.output())).unwrap())
}

#[test]
fn a_server_answers_as_libzmq_does() {
    let (agreed, answer) = serve(null(), request("ZWS2.0/NULL,ZWS2.0").as_bytes());
    assert_eq!(agreed, Ok(Some(Agreed::Mechanism)));
    assert_eq!(
        answer,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: ZWS2.0/NULL\r\n\r\n"
    );
}

#[test]
fn the_first_sub_protocol_of_the_client_counts_that_we_know() {
    let judge = |offer: Offer, protocols: &str| serve(offer, request(protocols).as_bytes()).0;
    assert_eq!(judge(null(), "ZWS2.0"), Ok(Some(Agreed::NoMechanism)));
    assert_eq!(judge(null(), "foo, ZWS2.0 , ZWS2.0/NULL"), Ok(Some(Agreed::NoMechanism)));
    assert_eq!(
        judge(null(), "foo\r\nSec-WebSocket-Protocol: ZWS2.0"),
        Ok(Some(Agreed::NoMechanism))
    );
    assert_eq!(judge(plain(), "ZWS2.0, ZWS2.0/PLAIN"), Ok(Some(Agreed::Mechanism)));
    for (offer, protocols) in [
        (null(), "ZWS2.0/PLAIN"),
        (null(), "zws2.0"),
        (null(), "ZWS2.0x"),
        (plain(), "ZWS2.0"),
        (null(), ""),
    ] {
        assert_eq!(judge(offer, protocols), Err(UpgradeError::Protocol), "{protocols}");
    }
    let (agreed, answer) = serve(Offer::Any, request("chat, other").as_bytes());
    assert_eq!(agreed, Ok(Some(Agreed::Plain)));
    assert!(answer.contains("Sec-WebSocket-Protocol: chat\r\n"));
}

#[test]
fn requests_for_something_else_are_refused_in_words() {
    let good = request("ZWS2.0");
    for (from, to, why) in [
        ("GET", "POST", UpgradeError::NoUpgrade),
        ("HTTP/1.1", "HTTP/1.0", UpgradeError::NoUpgrade),
        ("Upgrade: websocket", "Upgrade: h2c", UpgradeError::NoUpgrade),
        ("Connection: Upgrade", "Connection: close", UpgradeError::NoUpgrade),
        ("Key: dGhl", "Key: ", UpgradeError::NoUpgrade),
        ("Version: 13", "Version: 8", UpgradeError::Version),
        ("Version: 13", "Versions: 13", UpgradeError::Version),
        ("GET ", "\u{ff}\0\0\0\0", UpgradeError::Malformed),
    ] {
        let (result, answer) = serve(null(), good.replace(from, to).as_bytes());
        assert_eq!(result, Err(why), "{to}");
        let status = if why == UpgradeError::Version { "HTTP/1.1 426 " } else { "HTTP/1.1 400 " };
        assert!(answer.starts_with(status), "{answer}");
        assert!(answer.contains("Connection: close\r\n") && answer.ends_with("\r\n\r\n"));
    }
    assert!(serve(null(), good.replace("13", "8").as_bytes()).1.contains("Version: 13\r\n"));
}

#[test]
fn a_head_is_held_up_to_its_limit() {
    let with = |len: usize| request(&format!("ZWS2.0\r\nX: {}", "x".repeat(len)));
    let room = MAX_HEAD - with(0).len();
    assert_eq!(serve(null(), with(room).as_bytes()).0, Ok(Some(Agreed::NoMechanism)));
    assert_eq!(serve(null(), with(room + 1).as_bytes()).0, Err(UpgradeError::Malformed));
    // Who never ends is not waited for.
    let mut server = Upgrade::server(null());
    let mut taken = 0;
    let error = loop {
        match server.input(b"GET /very/long/path/") {
            Ok(used) => taken += used,
            Err(error) => break error,
        }
    };
    assert_eq!(error, UpgradeError::Malformed);
    assert!(taken < MAX_HEAD);
    // Nor are more headers than anybody has.
    assert!(serve(null(), with(0).replace("X: ", &"X: a\r\n".repeat(101)).as_bytes()).0.is_err());
}

#[test]
fn what_is_glued_to_an_upgrade_stays_with_the_caller() {
    let text = request("ZWS2.0");
    let glued = [text.as_bytes(), b"\x82\x81GET \r\n\r\n"].concat();
    for piece in [1, 2, 3, 100, 1000] {
        let mut server = Upgrade::server(null());
        let mut taken = 0;
        while server.agreed().is_none() {
            let end = glued.len().min(taken + piece);
            taken += server.input(&glued[taken..end]).unwrap();
        }
        assert_eq!(taken, text.len());
        assert_eq!(server.input(&glued[taken..]), Ok(0));
    }
}

#[test]
fn a_client_asks_and_believes_only_its_answer() {
    let mut client = Upgrade::client("host:8080", "/a b\r\n", null(), KEY);
    let asked = String::from_utf8(std::mem::take(client.output())).unwrap();
    assert!(asked.starts_with("GET /a%20b%0D%0A HTTP/1.1\r\nHost: host:8080\r\n"), "{asked}");
    assert!(asked.contains("\r\nSec-WebSocket-Protocol: ZWS2.0/NULL,ZWS2.0\r\n"));
    assert!(asked.contains("\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
    let answer = |offer: Offer, text: &str| {
        let mut client = Upgrade::client("host", "/", offer, KEY);
        client.input(text.as_bytes()).map(|_| client.agreed())
    };
    let good = serve(null(), request("ZWS2.0/NULL").as_bytes()).1;
    assert_eq!(answer(null(), &good), Ok(Some(Agreed::Mechanism)));
    assert_eq!(answer(null(), &good.replace("/NULL", "")), Ok(Some(Agreed::NoMechanism)));
    let unnamed = good.replace("Sec-WebSocket-Protocol: ZWS2.0/NULL\r\n", "");
    assert_eq!(answer(Offer::Any, &unnamed), Ok(Some(Agreed::Plain)));
    for (offer, text, why) in [
        (null(), unnamed.as_str(), UpgradeError::Protocol),
        (Offer::Any, &good, UpgradeError::Protocol),
        (plain(), &good, UpgradeError::Protocol),
        (null(), &good.replace("s3pP", "s3pp"), UpgradeError::Answer),
        (
            null(),
            &good.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x\r\n\r\n"),
            UpgradeError::Answer,
        ),
        (null(), &good.replace("101", "200"), UpgradeError::NoUpgrade),
        (null(), "HTTP/1.1 400 Bad Request\r\n\r\n", UpgradeError::NoUpgrade),
        (null(), "\x01\0\0", UpgradeError::Malformed),
    ] {
        assert_eq!(answer(offer, text), Err(why), "{text}");
    }
}

fn decode(decoder: &mut Decoder, input: &[u8]) -> Result<Vec<u8>, WebSocketError> {
    let mut out = vec![0; 1 << 20];
    let step = decoder.decode(input, &mut out)?;
    assert_eq!(step.used, input.len());
    out.truncate(step.written);
    Ok(out)
}

fn encode(encoder: &mut Encoder, frames: &[u8]) -> Vec<u8> {
    let mut out = Buffer::new();
    out.reserve(frames.len() * GROWTH + 100).unwrap();
    let mut at = 0;
    while at < frames.len() {
        at += encoder.encode(&frames[at..], usize::MAX, &mut out).unwrap();
    }
    out.to_vec()
}

fn frames(of: &[(Flags, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    of.iter().for_each(|(flags, body)| append_frame(&mut out, *flags, body));
    out
}

/// Masks whose octets can be foreseen.
fn masks() -> Masks {
    Masks::new(|out| {
        out.iter_mut().zip((1..=255_u8).cycle()).for_each(|(byte, n)| *byte = n.wrapping_mul(37));
        Ok(())
    })
}

#[test]
fn a_server_writes_what_libzmq_writes() {
    let mut server = Encoder::new(Content::Zws, None);
    let sent = frames(&[
        (Flags::COMMAND, b"\x05READY\x0bSocket-Type\0\0\0\x03REP"),
        (Flags::MORE, b""),
        (Flags::NONE, b"world"),
    ]);
    assert_eq!(
        encode(&mut server, &sent),
        b"\x82\x1a\x02\x05READY\x0bSocket-Type\0\0\0\x03REP\x82\x01\x01\x82\x06\0world"
    );
    // Nothing is too short for who has room for no more.
    let (mut out, short) = (Buffer::new(), frames(&[(Flags::NONE, b"q")]));
    out.reserve(100).unwrap();
    assert_eq!(server.encode(&short, short.len(), &mut out), Ok(3));
    assert_eq!(*out, *b"\x82\x02\0q");
    let long = encode(&mut server, &frames(&[(Flags::NONE, &[b'y'; 200])]));
    assert_eq!(long[..5], *b"\x82~\0\xc9\0");
    let longer = encode(&mut server, &frames(&[(Flags::NONE, &[b'y'; 70_000])]));
    assert_eq!(longer[..11], *b"\x82\x7f\0\0\0\0\0\x01\x11q\0");
}

#[test]
fn a_client_of_libzmq_is_understood() {
    let mut server = Decoder::new(Content::Zws, true, 0);
    let ready = b"\x82\x9a\xa4C\xa8X\xa6F\xfa\x1d\xe5\x07\xf1S\xf7,\xcb3\xc17\x85\x0c\xdd3\xcdX\xa4C\xab\x0b\xf1\x01";
    let subscription = b"\x82\x83gc\x84^gb\xc5";
    let got = decode(&mut server, &[&ready[..], subscription].concat()).unwrap();
    assert_eq!(
        got,
        frames(&[
            (Flags::COMMAND, b"\x05READY\x0bSocket-Type\0\0\0\x03SUB"),
            (Flags::NONE, b"\x01A")
        ])
    );
    // Heartbeats of libzmq.
    assert_eq!(
        decode(&mut server, b"\x89\x80\xba\x95\xf8t").unwrap(),
        frames(&[(Flags::COMMAND, b"\0\x09")])
    );
}

#[test]
fn all_lengths_arrive_in_both_directions_and_in_any_pieces() {
    let mut random = Random::new(5);
    for content in [Content::Zws, Content::Plain] {
        for to_server in [true, false] {
            let mut encoder = Encoder::new(content, to_server.then(masks));
            let mut decoder = Decoder::new(content, to_server, 0);
            let mut control = Vec::new();
            control_command(Opcode::Ping, b"are you there?", &mut control);
            let more = if content == Content::Zws { Flags::MORE } else { Flags::NONE };
            let mut all = frames(&[(Flags::COMMAND, &control)]);
            for len in (usize::from(content == Content::Plain)..300)
                .chain([65_534, 65_535, 65_536, 200_000])
            {
                let body: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
                all.extend(frames(&[(more, &body), (Flags::NONE, &body)]));
            }
            let (mut sent, mut at) = (Buffer::new(), 0);
            while at < all.len() {
                let most = 11 + random.below(2000);
                sent.reserve(most + GROWTH).unwrap();
                let used = encoder.encode(&all[at..], most, &mut sent).unwrap();
                assert!(used <= most && used > 0);
                at += used;
            }
            let (mut got, mut at, mut out) = (Vec::new(), 0, vec![0; 3000]);
            while at < sent.len() || decoder.holds_output() {
                let end = sent.len().min(at + random.below(2000));
                let room = random.below(3000);
                let step = decoder.decode(&sent[at..end], &mut out[..room]).unwrap();
                at += step.used;
                got.extend_from_slice(&out[..step.written]);
            }
            assert!(got == all, "{content:?} to server: {to_server}");
        }
    }
}

#[test]
fn fragments_are_put_together_and_control_frames_come_first() {
    let mut client = Decoder::new(Content::Zws, false, 5);
    let got = decode(&mut client, b"\x02\x03\0ab\x89\x01?\x00\x00\x80\x02cd\x02\x00\x80\x02\x01x")
        .unwrap();
    assert_eq!(
        got,
        frames(&[(Flags::COMMAND, b"\0\x09?"), (Flags::NONE, b"abcd"), (Flags::MORE, b"x")])
    );
    // The octet of flags does not count.
    assert_eq!(
        decode(&mut client, b"\x02\x03\0ab\x80\x03cde").unwrap(),
        frames(&[(Flags::NONE, b"abcde")])
    );
    let too_long = client.decode(b"\x02\x03\0ab\x80\x04cdef", &mut [0; 100]);
    assert_eq!(too_long, Err(WebSocketError::TooLarge));
    // A length that lies costs nothing.
    let mut client = Decoder::new(Content::Zws, false, u64::MAX);
    assert_eq!(
        decode(&mut client, b"\x02\x7f\x7f\xff\xff\xff\xff\xff\xff\xff\0abc"),
        Ok(Vec::new())
    );
}

#[test]
fn what_no_peer_may_send_is_refused_behind_what_came_before() {
    for (wrong, why) in [
        (&b"\xc2\x01\0"[..], WebSocketError::Reserved),
        (b"\x83\x01\0", WebSocketError::Opcode),
        (b"\x82\x81\0\0\0\0\0", WebSocketError::Mask),
        (b"\x09\x00", WebSocketError::Control),
        (b"\x89\x7e\0\x7e", WebSocketError::Control),
        (b"\x82\x7e\0\x7d", WebSocketError::Length),
        (b"\x82\x7f\0\0\0\0\0\0\xff\xff", WebSocketError::Length),
        (b"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", WebSocketError::Length),
        (b"\x80\x01x", WebSocketError::Fragment),
        (b"\x02\x01\0\x82\x01\0", WebSocketError::Fragment),
        (b"\x81\x02\0x", WebSocketError::Content),
        (b"\x82\x00", WebSocketError::Content),
        (b"\x82\x02\x03x", WebSocketError::Content),
        (b"\x82\x02\x04x", WebSocketError::Content),
        (b"\x82\x01\x02", WebSocketError::Content),
        // Commands without a name are ours.
        (b"\x82\x03\x02\0\x09", WebSocketError::Content),
        (b"\x02\x01\x02\x80\x02\0\x09", WebSocketError::Content),
        (b"\x02\x00\x80\x00", WebSocketError::Content),
    ] {
        let mut client = Decoder::new(Content::Zws, false, 1000);
        let mut out = [0; 100];
        let step = client.decode(&[b"\x82\x03\0ok", wrong].concat(), &mut out).unwrap();
        assert_eq!(out[..step.written], frames(&[(Flags::NONE, b"ok")]));
        assert!(client.holds_output());
        assert_eq!(client.decode(b"", &mut out), Err(why), "{wrong:?}");
        assert_eq!(client.decode(b"\x82\x03\0ok", &mut out), Err(why));
    }
    let unmasked = Decoder::new(Content::Zws, true, 0).decode(b"\x82\x01\0", &mut [0; 9]);
    assert_eq!(unmasked, Err(WebSocketError::Mask));
}

#[test]
fn behind_a_close_frame_nothing_counts() {
    let mut client = Decoder::new(Content::Plain, false, 1000);
    let got = decode(&mut client, b"\x81\x02hi\x88\x02\x03\xe8\x82\x04late\xff\xff").unwrap();
    assert_eq!(got, frames(&[(Flags::NONE, b"hi"), (Flags::COMMAND, b"\0\x08\x03\xe8")]));
}

#[test]
fn no_two_frames_of_a_client_have_the_same_mask() {
    let mut client = Encoder::new(Content::Zws, Some(Masks::new(crate::sys::random::fill)));
    let sent = encode(&mut client, &frames(&[(Flags::NONE, &[][..]); 200]));
    let masks: std::collections::HashSet<_> =
        sent.chunks(7).map(|frame| frame[2..6].to_vec()).collect();
    assert!(masks.len() > 190, "{}", masks.len());
}
