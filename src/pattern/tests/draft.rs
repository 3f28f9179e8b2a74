//! SERVER, PEER, CLIENT, SCATTER, GATHER, CHANNEL, RADIO, DISH, DGRAM.

use super::mock::{Mock, frame, recv, recv_all, send, set};
use crate::error::Error;
use crate::msg::Msg;
use crate::pattern::{
    AnyPattern, Channel, Client, Dgram, Dish, Gather, Pattern, Peer, Radio, Scatter, Server,
};
use crate::types::SocketType;

fn with_peers<T: Pattern + Default>(pipes: u32) -> (T, Mock) {
    let (mut pattern, mut mock) = (T::default(), Mock::default());
    (0..pipes).for_each(|id| mock.accept(&mut pattern, id));
    (pattern, mock)
}

fn to(number: u32, body: &[u8]) -> Msg {
    let mut msg = frame(body, false);
    msg.set_routing_id(number);
    msg
}

/// What a peer tells a RADIO.
fn tell(radio: &mut Radio, mock: &mut Mock, id: u32, what: &[u8]) {
    let mut msg = frame(what, false);
    msg.set_command();
    mock.pipe(id).inbound.push_back(msg);
    radio.read_activated(mock, id);
}

fn in_group(group: &[u8], body: &[u8]) -> Msg {
    let mut msg = frame(body, false);
    msg.set_group(group).unwrap();
    msg
}

#[test]
fn messages_in_parts_are_refused() {
    use SocketType::{Channel, Client, Peer, Radio, Scatter, Server};
    for socket_type in [Channel, Client, Peer, Radio, Scatter, Server] {
        let (mut any, mut mock) = (AnyPattern::new(socket_type), Mock::default());
        mock.accept(&mut any, 0);
        let mut part = frame(b"part", true);
        assert_eq!(any.send(&mut mock, &mut part), Err(Error::Invalid), "{socket_type:?}");
        assert_eq!(part.data(), b"part");
    }
}

/// What comes in parts, beside what does not, in pieces of every kind.
fn hears_whole_messages_only<T: Pattern + Default>() {
    let (mut pattern, mut mock) = with_peers::<T>(1);
    mock.arrive(&mut pattern, 0, &[b"a", b"b", b"c"]);
    assert_eq!(recv(&mut pattern, &mut mock), None);
    for _ in 0..3 {
        mock.arrive(&mut pattern, 0, &[b"one"]);
        mock.arrive(&mut pattern, 0, &[b"a", b"b"]);
        mock.arrive(&mut pattern, 0, &[b"a", b""]);
        mock.arrive(&mut pattern, 0, &[b"two"]);
        mock.arrive(&mut pattern, 0, &[b""]);
        assert_eq!(recv_all(&mut pattern, &mut mock), ["one", "two", ""]);
    }
    assert!(!pattern.has_in(&mut mock));
    assert_eq!(pattern.recv(&mut mock).unwrap_err(), Error::Again);
    // What was seen of a message in parts does not count for the next peer.
    mock.arrive(&mut pattern, 0, &[b"a", b"b"]);
    mock.turn = Some(1);
    assert!(!pattern.has_in(&mut mock));
    mock.turn = None;
    mock.detach(&mut pattern, 0);
    mock.accept(&mut pattern, 0);
    mock.arrive(&mut pattern, 0, &[b"three"]);
    assert_eq!(recv_all(&mut pattern, &mut mock), ["three"]);
}

#[test]
fn messages_in_parts_are_not_heard() {
    hears_whole_messages_only::<Client>();
    hears_whole_messages_only::<Gather>();
    hears_whole_messages_only::<Channel>();
    hears_whole_messages_only::<Server>();
    hears_whole_messages_only::<Peer>();
}

#[test]
fn a_message_read_ahead_is_not_passed_over() {
    let (mut gather, mut mock) = with_peers::<Gather>(1);
    assert_eq!(gather.receives_straight_from(), Some(0));
    mock.arrive(&mut gather, 0, &[b"one"]);
    mock.arrive(&mut gather, 0, &[b"two"]);
    assert!(gather.has_in(&mut mock));
    assert_eq!(gather.receives_straight_from(), None);
    assert_eq!(recv_all(&mut gather, &mut mock), ["one", "two"]);
}

#[test]
fn scatter_and_client_go_round() {
    let (mut scatter, mut mock) = with_peers::<Scatter>(2);
    for body in [b"1", b"2", b"3"] {
        send(&mut scatter, &mut mock, &[body]).unwrap();
    }
    assert_eq!((mock.sent_text(0).len(), mock.sent_text(1).len()), (2, 1));
    assert_eq!(scatter.recv(&mut mock).unwrap_err(), Error::NotSupported);
    assert!(!scatter.has_in(&mut mock));
    let (mut client, mut mock) = with_peers::<Client>(0);
    assert_eq!(send(&mut client, &mut mock, &[b"x"]), Err(Error::Again));
    assert!(!client.has_out(&mut mock));
    let (mut gather, mut mock) = with_peers::<Gather>(1);
    assert_eq!(send(&mut gather, &mut mock, &[b"x"]), Err(Error::NotSupported));
}

#[test]
fn server_numbers_its_peers() {
    let (mut server, mut mock) = with_peers::<Server>(3);
    let mut number = |id| {
        mock.arrive(&mut server, id, &[b"hello"]);
        server.recv(&mut mock).unwrap().routing_id()
    };
    let (one, two) = (number(1), number(2));
    assert!(one != 0 && two != 0 && one != two);
    server.send(&mut mock, &mut to(two, b"for two")).unwrap();
    server.send(&mut mock, &mut to(one, b"for one")).unwrap();
    assert_eq!(
        (mock.sent_text(1), mock.sent_text(2)),
        (vec!["for one".into()], vec!["for two".into()])
    );
    for unknown in [0, one.wrapping_sub(100)] {
        let mut msg = to(unknown, b"body");
        assert_eq!(server.send(&mut mock, &mut msg), Err(Error::HostUnreachable));
        assert_eq!(msg.data(), b"body");
    }
    mock.pipe(1).hwm = 0;
    let mut msg = to(one, b"body");
    assert_eq!(server.send(&mut mock, &mut msg), Err(Error::Again));
    mock.pipe(1).hwm = 1;
    mock.pipe(1).refuses_after = Some(0);
    assert_eq!(server.send(&mut mock, &mut msg), Err(Error::NoMemory));
    assert_eq!((msg.data(), msg.routing_id()), (&b"body"[..], one));
    assert!(server.has_out(&mut mock));
    // Who comes in the place of one that is gone has another number.
    mock.detach(&mut server, 1);
    mock.accept(&mut server, 1);
    assert_eq!(server.send(&mut mock, &mut msg), Err(Error::HostUnreachable));
    mock.arrive(&mut server, 1, &[b"new"]);
    assert_ne!(server.recv(&mut mock).unwrap().routing_id(), one);
}

#[test]
fn a_peer_that_is_disconnected_is_not_heard_again() {
    let (mut peer, mut mock) = with_peers::<Peer>(1);
    mock.connect(&mut peer, 1);
    let newest = peer.newest_peer().unwrap();
    peer.send(&mut mock, &mut to(newest, b"first")).unwrap();
    assert_eq!(mock.sent_text(1), ["first"]);
    mock.arrive(&mut peer, 1, &[b"a"]);
    mock.arrive(&mut peer, 1, &[b"b"]);
    assert!(peer.has_in(&mut mock));
    mock.arrive(&mut peer, 0, &[b"c"]);
    assert_eq!(peer.disconnect_peer(&mut mock, newest), Ok(()));
    assert!(mock.pipe(1).closed && !mock.pipe(0).closed);
    assert_eq!(peer.disconnect_peer(&mut mock, newest), Err(Error::HostUnreachable));
    assert_eq!(peer.disconnect_peer(&mut mock, 0), Err(Error::HostUnreachable));
    assert_eq!(peer.send(&mut mock, &mut to(newest, b"x")), Err(Error::HostUnreachable));
    // What had been read ahead is the application's.
    assert_eq!(recv_all(&mut peer, &mut mock), ["a", "c"]);
    mock.detach(&mut peer, 1);
    let mut any = AnyPattern::new(SocketType::Client);
    assert_eq!(any.disconnect_peer(&mut mock, 1), Err(Error::NotSupported));
    assert_eq!(any.newest_peer(), None);
}

#[test]
fn radio_sends_to_members() {
    let (mut radio, mut mock) = with_peers::<Radio>(4);
    tell(&mut radio, &mut mock, 0, b"\x01A");
    tell(&mut radio, &mut mock, 1, b"\x01A");
    tell(&mut radio, &mut mock, 1, b"\x01AB");
    tell(&mut radio, &mut mock, 2, b"\x01");
    tell(&mut radio, &mut mock, 2, &[&[1][..], &[b'x'; 256]].concat());
    // No command, and one that is none.
    mock.arrive(&mut radio, 3, &[b"\x01A"]);
    mock.arrive(&mut radio, 3, &[b"\x01A", b"\x01A"]);
    tell(&mut radio, &mut mock, 3, b"");
    tell(&mut radio, &mut mock, 3, b"\x07A");
    for (group, body) in
        [(&b"A"[..], "a"), (b"AB", "ab"), (b"", "none"), (b"B", "b"), (b"ABC", "c")]
    {
        radio.send(&mut mock, &mut in_group(group, body.as_bytes())).unwrap();
    }
    assert_eq!(mock.sent_text(0), ["A|a"]);
    assert_eq!(mock.sent_text(1), ["A|a", "AB|ab"]);
    assert_eq!(mock.sent_text(2), ["|none"]);
    assert!(mock.sent(3).is_empty());
    tell(&mut radio, &mut mock, 1, b"\x00A");
    tell(&mut radio, &mut mock, 0, b"\x00B");
    radio.send(&mut mock, &mut in_group(b"A", &[7; 300])).unwrap();
    assert_eq!(mock.sent(0), [vec![b"A".to_vec(), vec![7; 300]]]);
    assert!(mock.sent(1).is_empty());
    mock.detach(&mut radio, 0);
    mock.accept(&mut radio, 0);
    radio.send(&mut mock, &mut in_group(b"A", b"x")).unwrap();
    assert!(mock.sent(0).is_empty(), "the number's old groups are gone");
    assert_eq!(radio.recv(&mut mock).unwrap_err(), Error::NotSupported);
}

#[test]
fn radio_drops_for_the_full_or_waits_for_them() {
    let (mut radio, mut mock) = with_peers::<Radio>(2);
    (0..2).for_each(|id| tell(&mut radio, &mut mock, id, b"\x01A"));
    mock.pipe(0).hwm = 1;
    (0..2).for_each(|_| radio.send(&mut mock, &mut in_group(b"A", b"x")).unwrap());
    assert!(radio.drops() && radio.has_out(&mut mock));
    assert_eq!((mock.sent(0).len(), mock.sent(1).len()), (1, 2));
    set(&mut radio, &mut mock, 69, 1);
    radio.send(&mut mock, &mut in_group(b"A", b"x")).unwrap();
    let mut msg = in_group(b"A", b"y");
    assert_eq!(radio.send(&mut mock, &mut msg), Err(Error::Again));
    assert_eq!((msg.data(), msg.group()), (&b"y"[..], c"A"));
    assert!(!radio.drops() && !radio.has_out(&mut mock));
    mock.drain(&mut radio, 0);
    assert!(radio.has_out(&mut mock));
    radio.send(&mut mock, &mut msg).unwrap();
}

#[test]
fn half_a_message_of_a_radio_is_taken_back() {
    let (mut radio, mut mock) = with_peers::<Radio>(1);
    tell(&mut radio, &mut mock, 0, b"\x01A");
    let mut msg = in_group(b"A", b"x");
    for written in [0, 1] {
        mock.pipe(0).refuses_after = Some(written);
        assert_eq!(radio.send(&mut mock, &mut msg), Err(Error::NoMemory));
        assert_eq!((msg.data(), msg.group()), (&b"x"[..], c"A"));
    }
    mock.pipe(0).refuses_after = None;
    radio.send(&mut mock, &mut msg).unwrap();
    assert_eq!(mock.sent_text(0), ["A|x"]);
}

#[test]
fn dish_hears_its_groups() {
    let (mut dish, mut mock) = with_peers::<Dish>(1);
    dish.join(&mut mock, b"A").unwrap();
    dish.join(&mut mock, b"").unwrap();
    assert_eq!(mock.sent_text(0), ["\\x01A", "\\x01"]);
    for (group, expected) in [(&b"A"[..], Error::Invalid), (&[b'x'; 256], Error::Invalid)] {
        assert_eq!(dish.join(&mut mock, group), Err(expected));
    }
    assert_eq!(dish.join(&mut mock, &[b'x'; 255]), Ok(()));
    assert_eq!(dish.leave(&mut mock, &[b'x'; 255]), Ok(()));
    assert_eq!(dish.leave(&mut mock, b"B"), Err(Error::Invalid));
    assert_eq!(mock.sent(0).len(), 2);
    for parts in
        [&[&b"A"[..], b"1"][..], &[b"B", b"2"], &[b"A"], &[b"A", b"3", b"more"], &[b"", b"4"]]
    {
        mock.arrive(&mut dish, 0, parts);
    }
    let first = dish.recv(&mut mock).unwrap();
    assert_eq!((first.data(), first.group()), (&b"1"[..], c"A"));
    assert_eq!(recv_all(&mut dish, &mut mock), ["4"]);
    // Peers that come later, or again, hear of what is joined now.
    dish.leave(&mut mock, b"").unwrap();
    assert_eq!(mock.sent_text(0), ["\\x00"]);
    mock.connect(&mut dish, 1);
    assert!(mock.sent(1).is_empty());
    for _ in 0..2 {
        mock.connected(&mut dish, 1);
        assert_eq!(mock.sent_text(1), ["\\x01A"]);
        mock.disconnected(&mut dish, 1);
    }
    dish.join(&mut mock, b"C").unwrap();
    assert!(mock.sent(1).is_empty() && mock.sent_text(0) == ["\\x01C"]);
    let mut any = AnyPattern::new(SocketType::Sub);
    assert_eq!(any.join(&mut mock, b"A"), Err(Error::NotSupported));
    assert_eq!(any.leave(&mut mock, b"A"), Err(Error::NotSupported));
}

#[test]
fn a_datagram_has_an_address() {
    let (mut dgram, mut mock) = with_peers::<Dgram>(0);
    assert_eq!(dgram.send(&mut mock, &mut frame(b"1.2.3.4:5", true)), Err(Error::Again));
    mock.accept(&mut dgram, 0);
    mock.accept(&mut dgram, 1);
    assert!(mock.pipe(1).closed);
    mock.detach(&mut dgram, 1);
    assert_eq!(dgram.send(&mut mock, &mut frame(b"body", false)), Err(Error::Invalid));
    dgram.send(&mut mock, &mut frame(b"1.2.3.4:5", true)).unwrap();
    assert_eq!(dgram.send(&mut mock, &mut frame(b"body", true)), Err(Error::Invalid));
    dgram.send(&mut mock, &mut frame(b"body", false)).unwrap();
    assert_eq!(mock.sent_text(0), ["1.2.3.4:5|body"]);
    mock.arrive(&mut dgram, 0, &[b"1.2.3.4:5", b"answer"]);
    assert_eq!(recv_all(&mut dgram, &mut mock), ["1.2.3.4:5|answer"]);
}

/// Encoded once or for each of them, all members of a group get the same, and nobody else anything.
#[test]
fn members_of_a_group_can_share_what_is_encoded() {
    let (mut radio, mut mock) = with_peers::<Radio>(4);
    (0..3).for_each(|id| tell(&mut radio, &mut mock, id, b"\x01news"));
    tell(&mut radio, &mut mock, 3, b"\x01other");
    mock.in_place = true;
    for round in 0..4 {
        radio.send(&mut mock, &mut in_group(b"news", b"one")).unwrap();
        radio.send(&mut mock, &mut in_group(b"other", b"two")).unwrap();
        radio.send(&mut mock, &mut in_group(b"nobody's", b"three")).unwrap();
        for id in 0..3 {
            // One that is full does without, and the others do not.
            let full = round == 2 && id == 1;
            assert_eq!(mock.sent_text(id).concat(), if full { "" } else { "news|one" });
        }
        assert_eq!(mock.sent_text(3), ["other|two"]);
        mock.pipe(1).hwm = if round == 1 { 0 } else { 100 };
    }
    tell(&mut radio, &mut mock, 0, b"\x00news");
    radio.send(&mut mock, &mut in_group(b"news", b"four")).unwrap();
    assert!(mock.sent(0).is_empty());
    assert_eq!(
        (mock.sent_text(1), mock.sent_text(2)),
        (vec!["news|four".into()], vec!["news|four".into()])
    );
}
