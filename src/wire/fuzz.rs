//! What a fuzzer tries of this layer, see `crate::fuzz`.

pub(crate) mod websocket;

use super::command::{self, Command};
use super::frame::{Framing, Header, MAX_HEADER, encode_header, holds_message, parse_header};
use super::greeting::{self, SIGNATURE_LEN, Signature};
use super::metadata::{MAX_PROPERTIES, MAX_ROUTING_ID, PeerMetadata, Properties, append_property};
use super::packets::{Packer, Piece, Style, Unpacker};
use crate::types::SocketType;

/// A datagram is a group and a body, or nothing.
pub(crate) fn datagram(bytes: &[u8]) {
    let Some((group, body)) = super::datagram::parse(bytes) else {
        assert!(bytes.first().is_none_or(|&length| usize::from(length) >= bytes.len()));
        return;
    };
    let Some((length, group)) = super::datagram::head(group) else { unreachable!("it was read") };
    assert_eq!([&length, group, body].concat(), bytes);
}

/// Packets of PGM, each behind its length in an octet: what comes out is no more than came in, whole messages arrive whole
/// however they are cut, and one is joined again once it is lost.
pub(crate) fn packets(bytes: &[u8]) {
    [Style::Pgm, Style::Norm].into_iter().for_each(|style| packets_of(style, bytes));
}

fn packets_of(style: Style, bytes: &[u8]) {
    let mut unpacker = Unpacker::new(style);
    let (mut rest, mut came, mut took) = (bytes, 0, 0);
    let mut frames = Vec::new();
    while let Some((&length, behind)) = rest.split_first() {
        let (packet, behind) =
            behind.split_at_checked(usize::from(length)).unwrap_or((behind, &[]));
        took += packet.len();
        unpacker.packet(packet, 100, |piece| match piece {
            Piece::Frame(body, more) => {
                assert!(body.len() <= 100);
                came += body.len();
                frames.push((body.to_vec(), more));
            }
            Piece::Lost => {}
        });
        rest = behind;
    }
    assert!(came <= took && unpacker.held() <= 256);
    let most = 3 + bytes.len() % 64;
    let (mut packer, mut packet) = (Packer::new(style), Vec::new());
    let (mut unpacker, mut again) = (Unpacker::new(style), Vec::new());
    for (body, more) in &frames {
        assert!(packer.push(body, *more));
    }
    packer.rollback();
    while packer.pack(most, &mut packet) {
        assert!(packet.len() <= most);
        unpacker.packet(&packet, -1, |piece| match piece {
            Piece::Frame(body, more) => again.push((body.to_vec(), more)),
            Piece::Lost => unreachable!("nothing is lost"),
        });
    }
    while frames.pop_if(|(_, more)| *more).is_some() {}
    assert!(packer.unsent() == 0 && again == frames);
}

/// The beginning of a connection is judged as soon as it can be, and never otherwise later.
pub(crate) fn greeting(bytes: &[u8]) {
    let mut known = None;
    for len in 0..=bytes.len().min(80) {
        let verdict = greeting::judge(&bytes[..len]);
        match (known, verdict) {
            (None, Signature::Need(total)) => assert!(len < total && total <= SIGNATURE_LEN),
            (None, decided) => known = Some(decided),
            (Some(before), now) => assert_eq!(before, now),
        }
    }
    assert!(known.is_some() || bytes.len() < SIGNATURE_LEN);
    for mechanism in [&b"NULL"[..], b"PLAIN", b"CURVE"] {
        let named = greeting::names_mechanism(bytes, mechanism);
        assert!(!named || bytes.starts_with(mechanism));
    }
}

/// Frames of ZMTP 1.0.
pub(crate) fn frames_v1(bytes: &[u8]) {
    frames(Framing::V1, bytes);
}

/// Frames of ZMTP 2.0, 3.0 and 3.1, which are the same.
pub(crate) fn frames_v2(bytes: &[u8]) {
    frames(Framing::V2, bytes);
}

fn frames(framing: Framing, bytes: &[u8]) {
    let mut rest = bytes;
    // The most that `holds_message` may accept, worked out step by step.
    let (mut whole, mut longest, mut over) = (false, 0, false);
    while let Ok(Some(header)) = header(framing, rest) {
        let len = usize::try_from(header.frame_len());
        let Some(behind) = len.ok().and_then(|len| rest.get(len..)) else { break };
        if !over {
            longest = longest.max(header.body_len);
            whole = !header.flags.command() && !header.flags.more();
            over = header.flags.command() || whole;
        }
        rest = behind;
    }
    assert_eq!(holds_message(framing, bytes, u64::MAX), whole);
    assert_eq!(holds_message(framing, bytes, longest), whole);
    assert!(longest == 0 || !holds_message(framing, bytes, longest - 1));
}

/// The header at the start, which must not depend on how much of it and of what follows is here.
fn header(framing: Framing, bytes: &[u8]) -> Result<Option<Header>, super::FrameError> {
    let all = parse_header(framing, bytes);
    let mut decided = false;
    for len in 0..=bytes.len().min(MAX_HEADER + 1) {
        let some = parse_header(framing, &bytes[..len]);
        decided |= some != Ok(None);
        assert_eq!(some, if decided { all } else { Ok(None) });
    }
    if let Ok(Some(header)) = all {
        assert!(header.header_len <= bytes.len().min(MAX_HEADER));
        assert_eq!(header.frame_len(), header.body_len + header.header_len as u64);
        assert_eq!(header.checked_len(-1).ok(), usize::try_from(header.body_len).ok());
        let (more, command) = (header.flags.more(), header.flags.command());
        assert!(!(more && command));
        // Written as we would, which may be shorter, it is the same frame.
        let mut out = [0; MAX_HEADER];
        let len = encode_header(framing, header.body_len as usize, more, command, &mut out);
        let again = parse_header(framing, &out[..len]);
        let again = again.ok().flatten().map(|h| (h.header_len, h.body_len, h.flags));
        assert_eq!(again, Some((len, header.body_len, header.flags)));
    }
    all
}

/// A command, and what we would write for the same.
pub(crate) fn commands(bytes: &[u8]) {
    let Ok(parsed) = command::parse(bytes) else { return };
    let mut out = Vec::new();
    match parsed {
        Command::Ready(data) => command::append_ready(&mut out, data),
        Command::Error(reason) => command::append_error(&mut out, reason),
        Command::Ping { ttl, context } => {
            assert!(context.len() <= command::MAX_PING_CONTEXT);
            command::append_ping(&mut out, ttl, context);
        }
        Command::Pong(data) => command::append(&mut out, b"PONG", data),
        Command::Subscribe(topic) => command::append(&mut out, b"SUBSCRIBE", topic),
        Command::Cancel(topic) => command::append(&mut out, b"CANCEL", topic),
        Command::Join(group) => command::append(&mut out, b"JOIN", group),
        Command::Leave(group) => command::append(&mut out, b"LEAVE", group),
        Command::Other { name, data } => command::append(&mut out, name, data),
    }
    assert_eq!(command::parse(&out), Ok(parsed));
    assert!(out.len() <= bytes.len());
    if let Some((first, topic)) = command::command_to_subscription(&parsed) {
        let message = [&[first], topic].concat();
        let back = command::subscription_to_command(&message).map(|(name, t)| [name, t].concat());
        assert_eq!(back, Some(out));
    }
}

/// The properties of a peer, and what a socket of each type makes of them.
pub(crate) fn properties(bytes: &[u8]) {
    let walked: Vec<_> = Properties::new(bytes).collect();
    let held: usize = walked.iter().flatten().map(|(name, value)| name.len() + value.len()).sum();
    assert!(held <= bytes.len());
    if let Ok(all) = walked.into_iter().collect::<Result<Vec<_>, _>>() {
        let mut out = Vec::new();
        all.iter().for_each(|(name, value)| append_property(&mut out, name, value));
        assert_eq!(out, bytes);
    }
    for local in SocketType::ALL {
        let mut peer = PeerMetadata::new(local);
        let read = peer.read_peer(bytes);
        assert!(peer.properties.len() <= MAX_PROPERTIES);
        assert!(peer.routing_id.len() <= MAX_ROUTING_ID);
        assert!(peer.socket_type.is_none_or(|theirs| read.is_err() || local.accepts(theirs)));
        // Only the ZAP handler may say these.
        let reserved = |name: &[u8]| {
            [&b"User-Id"[..], b"Peer-Address"].iter().any(|own| name.eq_ignore_ascii_case(own))
        };
        assert!(!peer.properties.iter().any(|(name, _)| reserved(name)));
        let _ = PeerMetadata::new(local).read_zap(Some(b"me"), bytes);
    }
}
