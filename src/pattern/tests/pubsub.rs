//! PUB, SUB, XPUB, XSUB.

use super::mock::{Mock, frame, recv_all, send, set};
use crate::error::Error;
use crate::pattern::{Pattern, Pub, Sub, XPub, XSub};

const SUBSCRIBE: i32 = 6;
const UNSUBSCRIBE: i32 = 7;

fn count<T: Pattern>(pattern: &T) -> i32 {
    let bytes = pattern.get_option(116).unwrap().unwrap();
    i32::from_ne_bytes(bytes.try_into().unwrap())
}

fn subscribe<T: Pattern>(pattern: &mut T, mock: &mut Mock, topic: &[u8]) {
    assert_eq!(pattern.set_option(mock, SUBSCRIBE, topic), Some(Ok(())));
}

fn unsubscribe<T: Pattern>(pattern: &mut T, mock: &mut Mock, topic: &[u8]) {
    assert_eq!(pattern.set_option(mock, UNSUBSCRIBE, topic), Some(Ok(())));
}

fn xpub_of(pipes: u32) -> (XPub, Mock) {
    let (mut xpub, mut mock) = (XPub::default(), Mock::default());
    (0..pipes).for_each(|id| mock.accept(&mut xpub, id));
    (xpub, mock)
}

#[test]
fn pub_sends_to_subscribers() {
    let (mut publisher, mut mock) = (Pub::default(), Mock::default());
    (0..4).for_each(|id| mock.accept(&mut publisher, id));
    mock.arrive(&mut publisher, 0, &[b"\x01"]);
    mock.arrive(&mut publisher, 1, &[b"\x01a"]);
    mock.arrive(&mut publisher, 2, &[b"\x01a"]);
    mock.arrive(&mut publisher, 2, &[b"\x01ab"]);
    mock.arrive(&mut publisher, 3, &[b"user", b"message"]);
    assert_eq!(count(&publisher), 3);
    send(&mut publisher, &mut mock, &[b"abc", b"a"]).unwrap();
    send(&mut publisher, &mut mock, &[b"xyz", b"a"]).unwrap();
    send(&mut publisher, &mut mock, &[&[b'a'; 5000]]).unwrap();
    assert_eq!(mock.sent(0).len(), 3);
    assert_eq!(mock.sent(1).len(), 2);
    assert_eq!(mock.sent(2).len(), 2);
    assert!(mock.sent(3).is_empty());
    assert!(!publisher.has_in(&mut mock) && publisher.has_out(&mut mock));
    assert_eq!(publisher.recv(&mut mock).unwrap_err(), Error::NotSupported);
    mock.arrive(&mut publisher, 2, &[b"\x00ab"]);
    mock.arrive(&mut publisher, 1, &[b"\x00a"]);
    assert_eq!(count(&publisher), 2);
    send(&mut publisher, &mut mock, &[b"abc"]).unwrap();
    assert_eq!((mock.sent(1).len(), mock.sent(2).len()), (0, 1));
    mock.detach(&mut publisher, 2);
    assert_eq!(count(&publisher), 1);
    mock.accept(&mut publisher, 2);
    send(&mut publisher, &mut mock, &[b"abc"]).unwrap();
    assert!(mock.sent(2).is_empty(), "the number's old subscriptions are gone");
}

#[test]
fn pub_decides_at_the_first_frame() {
    let (mut publisher, mut mock) = (Pub::default(), Mock::default());
    (0..3).for_each(|id| mock.accept(&mut publisher, id));
    (0..2).for_each(|id| mock.arrive(&mut publisher, id, &[b"\x01"]));
    publisher.send(&mut mock, &mut frame(b"a", true)).unwrap();
    mock.arrive(&mut publisher, 2, &[b"\x01"]);
    mock.arrive(&mut publisher, 1, &[b"\x00"]);
    mock.pipe(0).hwm = 1;
    publisher.send(&mut mock, &mut frame(b"b", true)).unwrap();
    mock.detach(&mut publisher, 1);
    mock.accept(&mut publisher, 1);
    publisher.send(&mut mock, &mut frame(b"c", false)).unwrap();
    assert_eq!(mock.sent_text(0), ["a|b|c"]);
    assert!(mock.sent(1).is_empty() && mock.sent(2).is_empty());
}

#[test]
fn pub_drops_for_full_pipes_only() {
    let (mut publisher, mut mock) = (Pub::default(), Mock::default());
    (0..2).for_each(|id| mock.accept(&mut publisher, id));
    (0..2).for_each(|id| mock.arrive(&mut publisher, id, &[b"\x01"]));
    mock.pipe(0).hwm = 1;
    for message in [b"1", b"2", b"3"] {
        send(&mut publisher, &mut mock, &[message, b"x"]).unwrap();
    }
    assert_eq!(mock.sent_text(0), ["1|x"]);
    assert_eq!(mock.sent_text(1), ["1|x", "2|x", "3|x"]);
    publisher.write_activated(&mut mock, 0);
    send(&mut publisher, &mut mock, &[b"4"]).unwrap();
    assert_eq!(mock.sent_text(0), ["4"]);
}

#[test]
fn pub_keeps_subscriptions_while_a_connecting_pipe_is_down() {
    let (mut publisher, mut mock) = (Pub::default(), Mock::default());
    mock.connect(&mut publisher, 0);
    mock.connected(&mut publisher, 0);
    mock.arrive(&mut publisher, 0, &[b"\x01A"]);
    mock.disconnected(&mut publisher, 0);
    send(&mut publisher, &mut mock, &[b"A2"]).unwrap();
    mock.connected(&mut publisher, 0);
    assert_eq!(mock.sent_text(0), ["A2"]);
}

#[test]
fn nodrop_refuses_instead() {
    let (mut xpub, mut mock) = xpub_of(3);
    set(&mut xpub, &mut mock, 69, 1);
    mock.arrive(&mut xpub, 0, &[b"\x01"]);
    mock.arrive(&mut xpub, 1, &[b"\x01"]);
    mock.arrive(&mut xpub, 2, &[b"\x01other"]);
    mock.pipe(1).hwm = 1;
    mock.pipe(2).hwm = 0;
    send(&mut xpub, &mut mock, &[b"1", b"x"]).unwrap();
    assert_eq!(send(&mut xpub, &mut mock, &[b"2", b"x"]), Err(Error::Again));
    assert!(!xpub.has_out(&mut mock));
    assert_eq!(mock.sent_text(0), ["1|x"], "nothing of the second one");
    mock.drain(&mut xpub, 1);
    assert!(xpub.has_out(&mut mock));
    send(&mut xpub, &mut mock, &[b"2", b"x"]).unwrap();
    // A full pipe that does not want the message does not matter; one that is gone neither.
    mock.pipe(1).hwm = usize::MAX;
    assert_eq!(send(&mut xpub, &mut mock, &[b"other"]), Err(Error::Again));
    mock.detach(&mut xpub, 2);
    assert!(xpub.has_out(&mut mock));
    send(&mut xpub, &mut mock, &[b"other"]).unwrap();
}

/// The same conversation with each way of telling, as recorded from libzmq 4.3.4.
fn conversation(xpub: &mut XPub, mock: &mut Mock) -> Vec<Vec<String>> {
    let mut heard = Vec::new();
    let says: [(u32, &[u8]); 8] = [
        (0, b"\x01A"),
        (0, b"\x01A"),
        (1, b"\x01A"),
        (0, b"\x00A"),
        (0, b"\x00Z"),
        (1, b"\x01B"),
        (1, b"\x01B"),
        (0, b"\x01A"),
    ];
    for (id, says) in says {
        mock.arrive(xpub, id, &[says]);
        heard.push(recv_all(xpub, mock));
    }
    for id in [1, 0] {
        mock.detach(xpub, id);
        heard.push(recv_all(xpub, mock));
    }
    heard
}

#[test]
fn xpub_tells_what_is_new() {
    let (mut xpub, mut mock) = xpub_of(2);
    let heard = conversation(&mut xpub, &mut mock);
    let none: &[&str] = &[];
    let expected: [&[&str]; 10] = [
        &["\\x01A"],
        none,
        none,
        none,
        &["\\x00Z"],
        &["\\x01B"],
        none,
        none,
        &["\\x00B"],
        &["\\x00A"],
    ];
    assert_eq!(heard, expected);
    assert_eq!(count(&xpub), 0);
}

#[test]
fn xpub_verbose_tells_repeated_subscriptions() {
    let (mut xpub, mut mock) = xpub_of(2);
    set(&mut xpub, &mut mock, 40, 1);
    let heard = conversation(&mut xpub, &mut mock);
    let none: &[&str] = &[];
    let expected: [&[&str]; 10] = [
        &["\\x01A"],
        &["\\x01A"],
        &["\\x01A"],
        none,
        &["\\x00Z"],
        &["\\x01B"],
        &["\\x01B"],
        &["\\x01A"],
        &["\\x00B"],
        &["\\x00A"],
    ];
    assert_eq!(heard, expected);
}

#[test]
fn xpub_verboser_and_manual_tell_everything() {
    for option in [78, 71] {
        let (mut xpub, mut mock) = xpub_of(2);
        set(&mut xpub, &mut mock, option, 1);
        let heard = conversation(&mut xpub, &mut mock);
        let expected: [&[&str]; 10] = [
            &["\\x01A"],
            &["\\x01A"],
            &["\\x01A"],
            &["\\x00A"],
            &["\\x00Z"],
            &["\\x01B"],
            &["\\x01B"],
            &["\\x01A"],
            &["\\x00A", "\\x00B"],
            &["\\x00A"],
        ];
        assert_eq!(heard, expected);
    }
}

#[test]
fn xpub_does_not_tell_of_cancels_while_others_subscribe() {
    let (mut xpub, mut mock) = xpub_of(2);
    mock.arrive(&mut xpub, 0, &[b"\x01A"]);
    recv_all(&mut xpub, &mut mock);
    // Not subscribed itself. (libzmq 4.3.4 tells, against its man page.)
    mock.arrive(&mut xpub, 1, &[b"\x00A"]);
    assert!(!xpub.has_in(&mut mock));
}

#[test]
fn xpub_passes_user_messages() {
    let (mut xpub, mut mock) = xpub_of(1);
    mock.arrive(&mut xpub, 0, &[b"hello"]);
    mock.arrive(&mut xpub, 0, &[b"h1", b"h2"]);
    mock.arrive(&mut xpub, 0, &[b""]);
    mock.arrive(&mut xpub, 0, &[b"\x01a", b"\x01b", b"x"]);
    let got = recv_all(&mut xpub, &mut mock);
    assert_eq!(got, ["hello", "h1|h2", "", "\\x01a", "\\x01b", "x"]);
    assert_eq!(count(&xpub), 2);
    set(&mut xpub, &mut mock, 108, 1);
    mock.arrive(&mut xpub, 0, &[b"\x01c", b"\x01d"]);
    mock.arrive(&mut xpub, 0, &[b"x", b"\x01e"]);
    mock.arrive(&mut xpub, 0, &[b"\x00c", b"\x00a"]);
    let got = recv_all(&mut xpub, &mut mock);
    assert_eq!(got, ["\\x01c", "\\x01d", "x|\\x01e", "\\x00c", "\\x00a"]);
    assert_eq!(count(&xpub), 2, "c came and went, d, e and a are user data");
}

#[test]
fn xpub_manual_subscribes_for_the_peer_heard_last() {
    let (mut xpub, mut mock) = xpub_of(2);
    assert_eq!(xpub.set_option(&mut mock, SUBSCRIBE, b"A"), Some(Err(Error::Invalid)));
    set(&mut xpub, &mut mock, 71, 1);
    subscribe(&mut xpub, &mut mock, b"nobody was heard");
    mock.arrive(&mut xpub, 0, &[b"\x01A"]);
    subscribe(&mut xpub, &mut mock, b"still nobody");
    assert_eq!(count(&xpub), 0);
    assert_eq!(recv_all(&mut xpub, &mut mock), ["\\x01A"]);
    subscribe(&mut xpub, &mut mock, b"XA");
    mock.arrive(&mut xpub, 1, &[b"user"]);
    recv_all(&mut xpub, &mut mock);
    subscribe(&mut xpub, &mut mock, b"U");
    send(&mut xpub, &mut mock, &[b"A"]).unwrap();
    send(&mut xpub, &mut mock, &[b"XA"]).unwrap();
    send(&mut xpub, &mut mock, &[b"U"]).unwrap();
    assert_eq!(mock.sent_text(0), ["XA", "U"], "user messages do not count");
    // What the peer cancels is only told.
    mock.arrive(&mut xpub, 0, &[b"\x00A"]);
    assert_eq!(recv_all(&mut xpub, &mut mock), ["\\x00A"]);
    send(&mut xpub, &mut mock, &[b"XA"]).unwrap();
    assert_eq!(mock.sent_text(0), ["XA"]);
    unsubscribe(&mut xpub, &mut mock, b"XA");
    unsubscribe(&mut xpub, &mut mock, b"unknown");
    send(&mut xpub, &mut mock, &[b"XA"]).unwrap();
    assert!(mock.sent(0).is_empty());
    // On the way out the peer cancels what it asked for, not what it was given.
    mock.arrive(&mut xpub, 0, &[b"\x01C"]);
    mock.arrive(&mut xpub, 1, &[b"\x01D"]);
    recv_all(&mut xpub, &mut mock);
    subscribe(&mut xpub, &mut mock, b"D");
    mock.detach(&mut xpub, 0);
    assert_eq!(recv_all(&mut xpub, &mut mock), ["\\x00C"]);
    subscribe(&mut xpub, &mut mock, b"C");
    assert_eq!(count(&xpub), 1, "who was heard last is gone");
}

#[test]
fn xpub_manual_knows_old_pipes_from_new_ones() {
    let (mut xpub, mut mock) = xpub_of(1);
    set(&mut xpub, &mut mock, 71, 1);
    mock.arrive(&mut xpub, 0, &[b"\x01A"]);
    mock.detach(&mut xpub, 0);
    mock.accept(&mut xpub, 0);
    assert_eq!(xpub.recv(&mut mock).unwrap().data(), b"\x01A");
    subscribe(&mut xpub, &mut mock, b"A");
    assert_eq!(count(&xpub), 0);
}

#[test]
fn xpub_manual_last_value() {
    let (mut xpub, mut mock) = xpub_of(2);
    set(&mut xpub, &mut mock, 98, 1);
    for id in 0..2 {
        mock.arrive(&mut xpub, id, &[b"\x01A"]);
        recv_all(&mut xpub, &mut mock);
        subscribe(&mut xpub, &mut mock, b"A");
        send(&mut xpub, &mut mock, &[b"A-last", b"value"]).unwrap();
        assert_eq!(mock.sent_text(id), ["A-last|value"]);
        assert!(mock.sent(1 - id).is_empty());
    }
    send(&mut xpub, &mut mock, &[b"A"]).unwrap();
    assert_eq!((mock.sent(0).len(), mock.sent(1).len()), (1, 1));
    // Meant for the last subscriber, which does not want it: for nobody.
    mock.arrive(&mut xpub, 1, &[b"\x01B"]);
    recv_all(&mut xpub, &mut mock);
    subscribe(&mut xpub, &mut mock, b"B");
    mock.arrive(&mut xpub, 0, &[b"\x01C"]);
    recv_all(&mut xpub, &mut mock);
    send(&mut xpub, &mut mock, &[b"B"]).unwrap();
    assert!(mock.sent(0).is_empty() && mock.sent(1).is_empty());
    send(&mut xpub, &mut mock, &[b"B"]).unwrap();
    assert_eq!(mock.sent_text(1), ["B"]);
}

#[test]
fn xpub_welcomes() {
    let (mut xpub, mut mock) = xpub_of(0);
    assert_eq!(xpub.set_option(&mut mock, 72, b"W"), Some(Ok(())));
    mock.accept(&mut xpub, 0);
    mock.accept(&mut xpub, 1);
    assert_eq!((mock.sent_text(0), mock.sent_text(1)), (vec!["W".into()], vec!["W".into()]));
    assert_eq!(xpub.set_option(&mut mock, 72, b""), Some(Ok(())));
    mock.accept(&mut xpub, 2);
    assert!(mock.sent(2).is_empty());
}

#[test]
fn matching_can_be_inverted() {
    let (mut xpub, mut mock) = xpub_of(2);
    mock.arrive(&mut xpub, 0, &[b"\x01A"]);
    set(&mut xpub, &mut mock, 74, 1);
    send(&mut xpub, &mut mock, &[b"A1"]).unwrap();
    send(&mut xpub, &mut mock, &[b"B1"]).unwrap();
    assert_eq!(mock.sent_text(0), ["B1"]);
    assert_eq!(mock.sent_text(1), ["A1", "B1"]);
    let mut sub = Sub::default();
    let mut mock = Mock::default();
    mock.accept(&mut sub, 0);
    subscribe(&mut sub, &mut mock, b"A");
    set(&mut sub, &mut mock, 74, 1);
    mock.arrive(&mut sub, 0, &[b"A1"]);
    mock.arrive(&mut sub, 0, &[b"B1"]);
    assert_eq!(recv_all(&mut sub, &mut mock), ["B1"]);
}

#[test]
fn xpub_pauses_subscribers_nobody_listens_to() {
    let (mut xpub, mut mock) = xpub_of(1);
    let big = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        mock.arrive(&mut xpub, 0, &[b"n", &big]);
    }
    let waiting = mock.pipe(0).inbound.len();
    assert!((60..100).contains(&waiting), "{waiting}");
    mock.arrive(&mut xpub, 0, &[b"\x01late"]);
    assert_eq!(count(&xpub), 0);
    assert_eq!(recv_all(&mut xpub, &mut mock).len(), 101);
    assert_eq!(count(&xpub), 1);
}

#[test]
fn sub_filters() {
    let (mut sub, mut mock) = (Sub::default(), Mock::default());
    (0..2).for_each(|id| mock.accept(&mut sub, id));
    mock.arrive(&mut sub, 0, &[b"A", b"1"]);
    assert!(!sub.has_in(&mut mock));
    subscribe(&mut sub, &mut mock, b"A");
    mock.arrive(&mut sub, 0, &[b"B", b"A2"]);
    mock.arrive(&mut sub, 0, &[b"A", b"3", b"x"]);
    mock.arrive(&mut sub, 1, &[b"AA", b"4"]);
    assert_eq!(recv_all(&mut sub, &mut mock), ["AA|4", "A|3|x"]);
    unsubscribe(&mut sub, &mut mock, b"A");
    mock.arrive(&mut sub, 0, &[b"A", b"5"]);
    assert!(!sub.has_in(&mut mock));
    assert_eq!(sub.send(&mut mock, &mut frame(b"\x01A", false)), Err(Error::NotSupported));
    assert!(!sub.has_out(&mut mock));
}

#[test]
fn sub_gets_the_rest_when_a_pipe_dies_within_a_message() {
    let (mut sub, mut mock) = (Sub::default(), Mock::default());
    (0..2).for_each(|id| mock.accept(&mut sub, id));
    subscribe(&mut sub, &mut mock, b"");
    mock.arrive(&mut sub, 0, &[b"a", b"b"]);
    assert!(sub.has_in(&mut mock));
    mock.detach(&mut sub, 0);
    assert_eq!(recv_all(&mut sub, &mut mock), ["a|b"]);
    mock.accept(&mut sub, 0);
    mock.arrive(&mut sub, 0, &[b"a", b"b"]);
    assert!(sub.recv(&mut mock).unwrap().more());
    assert_eq!(sub.reading(), Some(0));
    mock.detach(&mut sub, 0);
    unsubscribe(&mut sub, &mut mock, b"");
    mock.arrive(&mut sub, 1, &[b"unwanted"]);
    assert_eq!(recv_all(&mut sub, &mut mock), ["b"], "and nothing else is taken for it");
}

#[test]
fn sub_tells_publishers() {
    let (mut sub, mut mock) = (Sub::default(), Mock::default());
    mock.accept(&mut sub, 0);
    mock.connect(&mut sub, 1);
    mock.pipe(0).hwm = 0;
    for _ in 0..2 {
        subscribe(&mut sub, &mut mock, b"A");
    }
    subscribe(&mut sub, &mut mock, b"B");
    unsubscribe(&mut sub, &mut mock, b"unknown");
    unsubscribe(&mut sub, &mut mock, b"A");
    unsubscribe(&mut sub, &mut mock, b"B");
    // Each subscription is told, the last cancel is; the limit does not hold for them.
    assert_eq!(mock.sent_text(0), ["\\x01A", "\\x01A", "\\x01B", "\\x00B"]);
    assert!(mock.sent(1).is_empty());
    subscribe(&mut sub, &mut mock, b"C");
    mock.connected(&mut sub, 1);
    let mut got = mock.sent_text(1);
    got.sort();
    assert_eq!(got, ["\\x01A", "\\x01C"], "each topic once");
    assert_eq!(count(&sub), 2);
    mock.sent(0);
    mock.disconnected(&mut sub, 1);
    unsubscribe(&mut sub, &mut mock, b"C");
    assert!(mock.sent(1).is_empty());
    mock.connected(&mut sub, 1);
    assert_eq!(mock.sent_text(1), ["\\x01A"]);
    mock.detach(&mut sub, 0);
    mock.accept(&mut sub, 0);
    assert_eq!(mock.sent_text(0), ["\\x01A"], "not twice, at attach and at connect");
}

#[test]
fn xsub_subscribes_by_messages() {
    let (mut xsub, mut mock) = (XSub::default(), Mock::default());
    assert!(xsub.has_out(&mut mock));
    send(&mut xsub, &mut mock, &[b"to nobody"]).unwrap();
    mock.accept(&mut xsub, 0);
    for message in [b"\x01A", b"\x01A", b"\x00A", b"\x00A", b"\x00A", b"us"] {
        send(&mut xsub, &mut mock, &[message]).unwrap();
    }
    assert_eq!(mock.sent_text(0), ["\\x01A", "\\x01A", "\\x00A", "us"]);
    // Several parts stay one message; a cancel that is no news is left out.
    send(&mut xsub, &mut mock, &[b"\x01B", b"\x01C", b"u"]).unwrap();
    send(&mut xsub, &mut mock, &[b"u1", b"\x01D", b"u2"]).unwrap();
    send(&mut xsub, &mut mock, &[b"\x00Q", b"u2"]).unwrap();
    send(&mut xsub, &mut mock, &[b"u3", b"\x00Q"]).unwrap();
    send(&mut xsub, &mut mock, &[b""]).unwrap();
    assert_eq!(mock.sent_text(0), ["\\x01B|\\x01C|u", "u1|\\x01D|u2", "u2", "u3|\\x00Q", ""]);
    assert_eq!(count(&xsub), 3);
    mock.arrive(&mut xsub, 0, &[b"unmatched", b"2"]);
    assert_eq!(recv_all(&mut xsub, &mut mock), ["unmatched|2"], "no filter");
    assert_eq!(xsub.set_option(&mut mock, SUBSCRIBE, b"A"), None);
}

#[test]
fn xsub_loses_user_messages_but_no_subscriptions_at_the_limit() {
    let (mut xsub, mut mock) = (XSub::default(), Mock::default());
    mock.accept(&mut xsub, 0);
    mock.accept(&mut xsub, 1);
    mock.pipe(0).hwm = 0;
    send(&mut xsub, &mut mock, &[b"u"]).unwrap();
    send(&mut xsub, &mut mock, &[b"u", b"\x01A", b"v"]).unwrap();
    assert_eq!(mock.sent_text(0), ["\\x01A"]);
    assert_eq!(mock.sent_text(1), ["u", "u|\\x01A|v"]);
}

#[test]
fn xsub_options() {
    let (mut xsub, mut mock) = (XSub::default(), Mock::default());
    mock.accept(&mut xsub, 0);
    set(&mut xsub, &mut mock, 115, 1);
    for message in [b"\x00A", b"\x01A", b"\x01A", b"\x00A", b"\x00A"] {
        send(&mut xsub, &mut mock, &[message]).unwrap();
    }
    let expected = ["\\x00A", "\\x01A", "\\x01A", "\\x00A", "\\x00A"];
    assert_eq!(mock.sent_text(0), expected);
    set(&mut xsub, &mut mock, 108, 1);
    send(&mut xsub, &mut mock, &[b"ABC", b"\x01BC"]).unwrap();
    send(&mut xsub, &mut mock, &[b"\x01BC", b"\x01CD"]).unwrap();
    assert_eq!(mock.sent_text(0), ["ABC|\\x01BC", "\\x01BC|\\x01CD"]);
    assert_eq!(count(&xsub), 1);
}

#[test]
fn xpub_never_makes_one_message_of_two() {
    let (mut xpub, mut mock) = xpub_of(2);
    mock.arrive(&mut xpub, 0, &[b"\x01k"]);
    assert_eq!(recv_all(&mut xpub, &mut mock), ["\\x01k"]);
    // The last part is no news, and still the end of the message.
    mock.arrive(&mut xpub, 0, &[b"A", b"\x01k"]);
    mock.arrive(&mut xpub, 1, &[b"B"]);
    assert_eq!(recv_all(&mut xpub, &mut mock), ["A|\\x01k", "B"]);
    // Nor does news in the middle end it.
    mock.arrive(&mut xpub, 0, &[b"A", b"\x01j", b"rest"]);
    mock.arrive(&mut xpub, 1, &[b"\x01x", b"\x01y", b"B", b"\x01z"]);
    assert_eq!(recv_all(&mut xpub, &mut mock), ["A|\\x01j|rest", "\\x01x", "\\x01y", "B|\\x01z"]);
    send(&mut xpub, &mut mock, &[b"j"]).unwrap();
    assert_eq!(mock.sent_text(0), ["j"], "it counts all the same");
}

#[test]
fn peers_that_go_in_the_middle_of_a_message_get_no_more_of_any() {
    let (mut publisher, mut mock) = xpub_of(5);
    (0..5).for_each(|id| mock.arrive(&mut publisher, id, &[b"\x01"]));
    publisher.send(&mut mock, &mut frame(b"first", true)).unwrap();
    for id in [3, 0] {
        mock.detach(&mut publisher, id);
        // Another one with the same number has no part in this message.
        mock.accept(&mut publisher, id);
        mock.arrive(&mut publisher, id, &[b"\x01"]);
    }
    publisher.send(&mut mock, &mut frame(b"second", true)).unwrap();
    mock.detach(&mut publisher, 4);
    mock.detach(&mut publisher, 3);
    publisher.send(&mut mock, &mut frame(b"third", false)).unwrap();
    for id in [1, 2] {
        assert_eq!(mock.sent(id), [[&b"first"[..], b"second", b"third"]]);
    }
    assert!(mock.sent(0).is_empty());
    send(&mut publisher, &mut mock, &[b"a", b"b"]).unwrap();
    for id in [0, 1, 2] {
        assert_eq!(mock.sent(id), [[b"a", b"b"]]);
    }
    publisher.send(&mut mock, &mut frame(b"for nobody", true)).unwrap();
    [0, 1, 2].into_iter().for_each(|id| mock.detach(&mut publisher, id));
    mock.accept(&mut publisher, 1);
    mock.arrive(&mut publisher, 1, &[b"\x01"]);
    publisher.send(&mut mock, &mut frame(b"any more", false)).unwrap();
    assert!(mock.sent(1).is_empty());
}
