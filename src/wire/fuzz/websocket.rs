//! Connections over WebSocket: how they begin, and what comes over them.
#![allow(clippy::unwrap_used, reason = "what a fuzzer finds panics")]

use crate::util::buffer::Buffer;
use crate::util::fuzz::Input;
use crate::wire::frame::{Flags, Framing, parse_header};
use crate::wire::upgrade::{Agreed, MAX_HEAD, Offer, Upgrade, UpgradeError};
use crate::wire::websocket::{self, MAX_HEADER, WebSocketError, apply_mask};
use crate::wire::zws::{Content, Decoder, Encoder, GROWTH, Masks, as_control, control_command};

/// The most that a message in fragments may have here.
const MOST: u64 = 1000;

/// What a peer says behind the upgrade: it must not matter in which pieces it comes, and where to it
/// goes.
pub(crate) fn messages(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (choice, piece, room) = (input.byte(), input.byte(), input.byte());
    let bytes = input.rest();
    let content = if choice & 1 == 0 { Content::Zws } else { Content::Plain };
    let from_client = choice & 2 == 0;
    headers(bytes, from_client);
    let (frames, failed) = decoded(bytes, content, from_client, (usize::MAX, 1 << 16));
    let pieces = (usize::from(piece).max(1), usize::from(room).max(1));
    assert_eq!(decoded(bytes, content, from_client, pieces), (frames.clone(), failed));
    assert!(frames.len() <= bytes.len() * 9);
    let (bodies, whole) = taken_apart(&frames);
    for (flags, body) in &bodies {
        let control = flags.command().then(|| as_control(body)).flatten();
        if let Some((opcode, payload)) = control {
            let mut again = Vec::new();
            control_command(opcode, payload, &mut again);
            assert_eq!(&again, body);
        } else {
            // No peer can say what stands for a control frame, or commands that have no name.
            assert!(!flags.command() || body.first().is_some_and(|&len| len > 0));
            assert!(!flags.command() || content == Content::Zws);
        }
    }
    sent_and_received(&frames[..whole], content, from_client, pieces.0);
}

fn headers(bytes: &[u8], masked: bool) {
    let all = websocket::parse_header(bytes, masked);
    let mut decided = false;
    for len in 0..=bytes.len().min(MAX_HEADER + 1) {
        let some = websocket::parse_header(&bytes[..len], masked);
        decided |= some != Ok(None);
        assert_eq!(some, if decided { all } else { Ok(None) });
    }
    let Ok(Some(header)) = all else { return };
    let mut out = [0; MAX_HEADER];
    let len = websocket::encode_header(header.opcode, header.payload_len, header.mask, &mut out);
    assert_eq!(len, header.header_len);
    assert_eq!(out[1..len], bytes[1..len]);
}

/// The frames, and what was wrong behind them.
fn decoded(
    bytes: &[u8],
    content: Content,
    from_client: bool,
    (piece, room): (usize, usize),
) -> (Vec<u8>, Option<WebSocketError>) {
    let mut decoder = Decoder::new(content, from_client, MOST);
    let mut frames = Vec::new();
    let mut out = vec![0; room];
    let mut at = 0_usize;
    loop {
        let input = &bytes[at..bytes.len().min(at.saturating_add(piece))];
        match decoder.decode(input, &mut out) {
            Ok(step) => {
                assert!(step.used <= input.len() && step.written <= room);
                frames.extend_from_slice(&out[..step.written]);
                at += step.used;
                if step.used == 0 && step.written == 0 {
                    assert!(at == bytes.len() && !decoder.holds_output());
                    return (frames, None);
                }
            }
            Err(error) => {
                assert_eq!(decoder.decode(b"", &mut out), Err(error));
                return (frames, Some(error));
            }
        }
    }
}

/// The frames that are whole, and where they end.
fn taken_apart(frames: &[u8]) -> (Vec<(Flags, Vec<u8>)>, usize) {
    let (mut all, mut at) = (Vec::new(), 0);
    while let Some(header) = parse_header(Framing::V2, &frames[at..]).unwrap() {
        let end = at + header.frame_len() as usize;
        let Some(body) = frames.get(at + header.header_len..end) else { break };
        all.push((header.flags, body.to_vec()));
        at = end;
    }
    (all, at)
}

/// Frames of ours arrive as they are, in whatever pieces they are sent.
fn sent_and_received(frames: &[u8], content: Content, to_client: bool, piece: usize) {
    let source: fn(&mut [u8]) -> crate::error::Result<()> = |out| {
        out.iter_mut().zip((1..=255_u8).cycle()).for_each(|(byte, n)| *byte = n);
        Ok(())
    };
    let masks = (!to_client).then(|| Masks::new(source));
    let mut encoder = Encoder::new(content, masks);
    let mut sent = Buffer::new();
    let mut at = 0;
    while at < frames.len() {
        let most = piece.max(16);
        sent.reserve(most + GROWTH).unwrap();
        let (before, room) = (sent.len(), most + GROWTH);
        let used = encoder.encode(&frames[at..], most, &mut sent).unwrap();
        assert!(used > 0 && used <= most && sent.len() - before <= room);
        at += used;
    }
    let (received, failed) = decoded(&sent, content, !to_client, (usize::MAX, 1 << 16));
    assert_eq!(failed, None);
    let close = |frames: &[u8]| {
        // Behind the peer's last frame nothing counts.
        let (all, _) = taken_apart(frames);
        let last =
            all.iter().position(|(flags, body)| flags.command() && body.starts_with(&[0, 8]));
        all.into_iter().take(last.map_or(usize::MAX, |at| at + 1)).collect::<Vec<_>>()
    };
    assert_eq!(close(&received), close(frames));
}

/// How an upgrade came out: the octets it took, and what it said.
type Outcome = (Result<Option<Agreed>, UpgradeError>, usize, Vec<u8>);

fn upgrade(mut side: Upgrade, bytes: &[u8], piece: usize) -> Outcome {
    let mut taken = 0;
    while taken < bytes.len() && side.agreed().is_none() {
        let end = bytes.len().min(taken.saturating_add(piece));
        match side.input(&bytes[taken..end]) {
            Ok(used) => {
                assert!(used == end - taken || side.agreed().is_some());
                taken += used;
            }
            Err(error) => return (Err(error), 0, std::mem::take(side.output())),
        }
    }
    assert!(taken < MAX_HEAD + 1);
    (Ok(side.agreed()), taken, std::mem::take(side.output()))
}

fn offer(choice: u8) -> Offer {
    match choice % 3 {
        0 => Offer::Zws { mechanism: b"NULL", old: true },
        1 => Offer::Zws { mechanism: b"PLAIN", old: false },
        _ => Offer::Any,
    }
}

/// A client asks a socket for an upgrade.
pub(crate) fn request(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (choice, piece) = (input.byte(), usize::from(input.byte()).max(1));
    let bytes = input.rest();
    let whole = upgrade(Upgrade::server(offer(choice)), bytes, usize::MAX);
    let pieces = upgrade(Upgrade::server(offer(choice)), bytes, piece);
    // What is wrong may show before the end, or behind it.
    if whole.0.is_ok_and(|agreed| agreed.is_some()) || pieces.0.is_ok_and(|agreed| agreed.is_some())
    {
        assert_eq!(whole, pieces);
        assert!(whole.2.starts_with(b"HTTP/1.1 101 ") && whole.2.ends_with(b"\r\n\r\n"));
        // A client takes our answer only if it goes with its request.
        let client = Upgrade::client("host", "/", offer(choice), &[1; 16]);
        let _ = upgrade(client, &whole.2, usize::MAX);
    } else if whole.0.is_err() {
        assert!(whole.2.starts_with(b"HTTP/1.1 4"));
    }
}

/// A server answers a socket that asked for an upgrade.
pub(crate) fn answer(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (choice, piece) = (input.byte(), usize::from(input.byte()).max(1));
    let bytes = input.rest();
    let client = || Upgrade::client("host", "/path", offer(choice), &[7; 16]);
    let whole = upgrade(client(), bytes, usize::MAX);
    let pieces = upgrade(client(), bytes, piece);
    if whole.0.is_ok_and(|agreed| agreed.is_some()) {
        assert_eq!(whole, pieces);
    }
    assert!(whole.2.starts_with(b"GET /path HTTP/1.1\r\n"));
}

/// Masking twice is nothing, in whatever pieces.
pub(crate) fn masks(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (mask, at) = ([input.byte(), input.byte(), input.byte(), input.byte()], input.below(256));
    let plain = input.rest();
    let mut masked = plain.to_vec();
    apply_mask(&mut masked, Some(mask), 0);
    let (one, other) = masked.split_at_mut(at.min(plain.len()));
    let expected: Vec<u8> = plain.iter().enumerate().map(|(n, b)| b ^ mask[n % 4]).collect();
    assert!(expected.starts_with(one) && expected.ends_with(other));
    apply_mask(one, Some(mask), 0);
    apply_mask(other, Some(mask), at.min(plain.len()));
    assert_eq!(masked, plain);
}
