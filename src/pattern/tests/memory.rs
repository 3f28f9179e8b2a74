//! A pipe without memory for a frame: nothing has happened, and what is sent again is sent once.

use super::mock::{Mock, frame, recv, text};
use crate::error::Error;
use crate::pattern::{AnyPattern, Pattern};
use crate::types::SocketType;

/// Sends the message part by part, each again if there was no memory. How often there was none.
fn send_patiently(pattern: &mut AnyPattern, mock: &mut Mock, parts: &[&[u8]]) -> usize {
    let mut refused = 0;
    for (i, part) in parts.iter().enumerate() {
        let mut msg = frame(part, i + 1 < parts.len());
        while let Err(error) = pattern.send(mock, &mut msg) {
            assert_eq!(error, Error::NoMemory);
            assert_eq!((msg.data(), msg.more()), (*part, i + 1 < parts.len()));
            refused += 1;
        }
        assert!(msg.is_empty());
    }
    refused
}

#[test]
fn a_part_without_memory_is_still_the_callers() {
    use SocketType::{Dealer, Pair, Push, Rep, Req, Router, XSub};
    for kind in [Push, Dealer, Pair, Req, Rep, Router, XSub] {
        // Wherever in the message the memory runs out, envelopes included.
        for at in 0..6 {
            let (mut pattern, mut mock) = (AnyPattern::new(kind), Mock::default());
            mock.accept_named(&mut pattern, 0, b"peer");
            if kind == Rep {
                mock.arrive(&mut pattern, 0, &[b"to", b"", b"?"]);
                assert!(recv(&mut pattern, &mut mock).is_some());
            }
            mock.pipe(0).refuses_after = Some(at);
            let message: &[&[u8]] = match kind {
                Router => &[b"peer", b"a", b"b", b"c"],
                _ => &[b"a", b"b", b"c"],
            };
            let refused = send_patiently(&mut pattern, &mut mock, message);
            let frames = match kind {
                Req => 4,
                Rep => 5,
                _ => 3,
            };
            assert_eq!(refused, usize::from(at < frames), "{kind:?} {at}");
            let sent = match kind {
                Req => "|a|b|c",
                Rep => "to||a|b|c",
                _ => "a|b|c",
            };
            let all: Vec<_> = mock.sent(0).iter().map(|message| text(message)).collect();
            assert_eq!(all, [sent], "{kind:?} {at}");
        }
    }
}

#[test]
fn a_subscriber_without_memory_gets_all_of_a_message_or_nothing() {
    for at in 0..4 {
        let (mut publisher, mut mock) = (AnyPattern::new(SocketType::Pub), Mock::default());
        for id in 0..2 {
            mock.accept(&mut publisher, id);
            mock.arrive(&mut publisher, id, &[b"\x01"]);
        }
        mock.pipe(1).refuses_after = Some(at);
        for parts in [&[&b"a"[..], b"b", b"c"][..], &[b"d", b"e"]] {
            assert_eq!(send_patiently(&mut publisher, &mut mock, parts), 0);
        }
        assert_eq!(mock.sent_text(0), ["a|b|c", "d|e"]);
        let other = if at < 3 { vec!["d|e"] } else { vec!["a|b|c"] };
        assert_eq!(mock.sent_text(1), other, "{at}");
    }
}

#[test]
fn the_only_subscriber_without_memory_is_an_error() {
    let (mut publisher, mut mock) = (AnyPattern::new(SocketType::Pub), Mock::default());
    mock.accept(&mut publisher, 0);
    mock.arrive(&mut publisher, 0, &[b"\x01"]);
    mock.pipe(0).refuses_after = Some(0);
    assert!(!publisher.send_bytes(&mut mock, &[7; 100], false));
    mock.pipe(0).refuses_after = Some(1);
    assert_eq!(send_patiently(&mut publisher, &mut mock, &[b"a", b"b"]), 1);
    assert_eq!(mock.sent_text(0), ["a|b"]);
}
