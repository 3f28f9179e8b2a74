//! PUSH, PULL, PAIR, DEALER: load balancing and fair queueing.

use super::mock::{Mock, frame, recv_all, send, set};
use crate::error::Error;
use crate::pattern::{AnyPattern, Attach, Dealer, Pair, Pattern, Pull, Push};
use crate::types::SocketType;

fn push_to(pipes: u32) -> (Push, Mock) {
    let (mut push, mut mock) = (Push::default(), Mock::default());
    (0..pipes).for_each(|id| mock.accept(&mut push, id));
    (push, mock)
}

#[test]
fn push_goes_round() {
    let (mut push, mut mock) = push_to(3);
    for i in 0..6_u8 {
        send(&mut push, &mut mock, &[&[b'0' + i]]).unwrap();
    }
    for id in 0..3 {
        assert_eq!(mock.sent_text(id), [id.to_string(), (id + 3).to_string()]);
    }
}

#[test]
fn push_sends_a_message_to_one_pipe() {
    let (mut push, mut mock) = push_to(2);
    send(&mut push, &mut mock, &[b"a", b"b", b"c"]).unwrap();
    send(&mut push, &mut mock, &[b"d", b"e"]).unwrap();
    assert_eq!(mock.sent_text(0), ["a|b|c"]);
    assert_eq!(mock.sent_text(1), ["d|e"]);
}

#[test]
fn push_skips_full_pipes_and_blocks_when_all_are() {
    let (mut push, mut mock) = push_to(2);
    assert!(push.has_out(&mut mock));
    mock.pipe(0).hwm = 1;
    mock.pipe(1).hwm = 2;
    for _ in 0..3 {
        send(&mut push, &mut mock, &[b"x", b"y"]).unwrap();
    }
    assert_eq!(send(&mut push, &mut mock, &[b"x"]), Err(Error::Again));
    assert!(!push.has_out(&mut mock));
    assert_eq!(mock.drain(&mut push, 1), 2);
    assert!(push.has_out(&mut mock));
    send(&mut push, &mut mock, &[b"z"]).unwrap();
    assert_eq!(mock.sent_text(1), ["z"]);
}

#[test]
fn push_without_peers_blocks() {
    let (mut push, mut mock) = push_to(0);
    assert!(!push.has_out(&mut mock));
    assert_eq!(send(&mut push, &mut mock, &[b"x"]), Err(Error::Again));
    assert_eq!(push.recv(&mut mock).unwrap_err(), Error::NotSupported);
    assert!(!push.has_in(&mut mock));
}

#[test]
fn push_drops_the_rest_of_a_message_whose_pipe_dies() {
    let (mut push, mut mock) = push_to(2);
    push.send(&mut mock, &mut frame(b"a", true)).unwrap();
    mock.detach(&mut push, 0);
    // The number is used again before the message ends.
    mock.accept(&mut push, 0);
    assert!(push.has_out(&mut mock));
    push.send(&mut mock, &mut frame(b"b", true)).unwrap();
    push.send(&mut mock, &mut frame(b"c", false)).unwrap();
    assert!(mock.sent(0).is_empty() && mock.sent(1).is_empty());
    send(&mut push, &mut mock, &[b"d"]).unwrap();
    send(&mut push, &mut mock, &[b"e"]).unwrap();
    let mut all = mock.sent_text(0);
    all.extend(mock.sent_text(1));
    all.sort();
    assert_eq!(all, ["d", "e"]);
}

#[test]
fn push_keeps_its_pipe_while_others_come_and_go() {
    let (mut push, mut mock) = push_to(4);
    send(&mut push, &mut mock, &[b"0"]).unwrap();
    send(&mut push, &mut mock, &[b"1"]).unwrap();
    send(&mut push, &mut mock, &[b"2"]).unwrap();
    push.send(&mut mock, &mut frame(b"a", true)).unwrap();
    mock.detach(&mut push, 0);
    mock.detach(&mut push, 1);
    mock.accept(&mut push, 7);
    push.send(&mut mock, &mut frame(b"b", false)).unwrap();
    assert_eq!(mock.sent_text(3), ["a|b"]);
}

#[test]
fn push_discards_what_arrives() {
    let (mut push, mut mock) = push_to(1);
    mock.arrive(&mut push, 0, &[b"what", b"for"]);
    assert!(mock.pipe(0).inbound.is_empty());
}

fn pull_from(pipes: u32) -> (Pull, Mock) {
    let (mut pull, mut mock) = (Pull::default(), Mock::default());
    (0..pipes).for_each(|id| mock.accept(&mut pull, id));
    (pull, mock)
}

#[test]
fn pull_takes_turns() {
    let (mut pull, mut mock) = pull_from(3);
    for round in [b"1", b"2"] {
        for id in 0..3 {
            mock.arrive(&mut pull, id, &[format!("p{id}").as_bytes(), round]);
        }
    }
    let got = recv_all(&mut pull, &mut mock);
    assert_eq!(got, ["p0|1", "p1|1", "p2|1", "p0|2", "p1|2", "p2|2"]);
    assert!(!pull.has_out(&mut mock));
    assert_eq!(pull.send(&mut mock, &mut frame(b"x", false)), Err(Error::NotSupported));
}

#[test]
fn pull_reads_who_has_hung_up_to_the_end_first() {
    let (mut pull, mut mock) = pull_from(3);
    for round in [b"1", b"2", b"3"] {
        for id in 0..3 {
            mock.arrive(&mut pull, id, &[format!("p{id}").as_bytes(), round]);
        }
    }
    // In the middle of a message that one comes first.
    assert!(pull.recv(&mut mock).unwrap().more());
    pull.hung_up(&mut mock, 2);
    pull.hung_up(&mut mock, 1);
    pull.hung_up(&mut mock, 2);
    assert_eq!(pull.reading(), Some(0));
    let parts = (0..7).map(|_| String::from_utf8(pull.recv(&mut mock).unwrap().data().to_vec()));
    assert_eq!(parts.map(Result::unwrap).collect::<Vec<_>>().concat(), "1p21p22p23");
    mock.detach(&mut pull, 2);
    assert_eq!(recv_all(&mut pull, &mut mock), ["p1|1", "p1|2", "p1|3", "p0|2", "p0|3"]);
    // One that is empty has no precedence any more, whoever has its number.
    mock.arrive(&mut pull, 0, &[b"a"]);
    mock.arrive(&mut pull, 1, &[b"b"]);
    mock.arrive(&mut pull, 0, &[b"c"]);
    mock.arrive(&mut pull, 1, &[b"d"]);
    let got = recv_all(&mut pull, &mut mock);
    assert!(got == ["a", "b", "c", "d"] || got == ["b", "a", "d", "c"], "{got:?}");
}

#[test]
fn pull_reads_a_message_to_its_end() {
    let (mut pull, mut mock) = pull_from(2);
    mock.arrive(&mut pull, 0, &[b"a", b"b"]);
    assert_eq!(pull.recv(&mut mock).unwrap().data(), b"a");
    assert_eq!(pull.reading(), Some(0));
    mock.arrive(&mut pull, 1, &[b"c"]);
    mock.accept(&mut pull, 5);
    mock.arrive(&mut pull, 5, &[b"d"]);
    mock.detach(&mut pull, 1);
    assert_eq!(pull.recv(&mut mock).unwrap().data(), b"b");
    assert_eq!(pull.reading(), None);
    assert_eq!(recv_all(&mut pull, &mut mock), ["d"]);
}

#[test]
fn pull_gets_the_rest_when_a_pipe_dies_within_a_message() {
    let (mut pull, mut mock) = pull_from(2);
    mock.arrive(&mut pull, 0, &[b"a", b"b"]);
    mock.arrive(&mut pull, 1, &[b"c", b"d"]);
    assert!(pull.recv(&mut mock).unwrap().more());
    mock.detach(&mut pull, 0);
    assert_eq!((pull.reading(), pull.receives_straight_from()), (None, None));
    assert_eq!(recv_all(&mut pull, &mut mock), ["b", "c|d"]);
    mock.accept(&mut pull, 0);
    mock.arrive(&mut pull, 0, &[b"e"]);
    assert_eq!(recv_all(&mut pull, &mut mock), ["e"]);
}

#[test]
fn pull_keeps_whole_messages_when_a_peer_disconnects() {
    let (mut pull, mut mock) = pull_from(1);
    mock.arrive(&mut pull, 0, &[b"a", b"b"]);
    mock.arrive(&mut pull, 0, &[b"c"]);
    assert!(pull.recv(&mut mock).unwrap().more());
    mock.disconnected(&mut pull, 0);
    assert_eq!(recv_all(&mut pull, &mut mock), ["b", "c"]);
}

#[test]
fn pull_finds_what_arrived_before_the_pipe_was_attached() {
    let (mut pull, mut mock) = pull_from(0);
    mock.add(9).inbound.push_back(frame(b"early", false));
    pull.attach(&mut mock, 9, Default::default());
    assert_eq!(recv_all(&mut pull, &mut mock), ["early"]);
}

#[test]
fn dealer_balances_and_queues() {
    let (mut dealer, mut mock) = (Dealer::default(), Mock::default());
    set(&mut dealer, &mut mock, 51, 1);
    mock.accept(&mut dealer, 0);
    set(&mut dealer, &mut mock, 51, 0);
    mock.connect(&mut dealer, 1);
    send(&mut dealer, &mut mock, &[b"", b"a"]).unwrap();
    send(&mut dealer, &mut mock, &[b"", b"b"]).unwrap();
    assert_eq!(mock.sent_text(0), ["", "|a"], "the probe comes first");
    assert_eq!(mock.sent_text(1), ["|b"]);
    mock.arrive(&mut dealer, 1, &[b"", b"B"]);
    mock.arrive(&mut dealer, 0, &[b"", b"A"]);
    let mut got = recv_all(&mut dealer, &mut mock);
    got.sort();
    assert_eq!(got, ["|A", "|B"]);
    // A probe is for the pipe, not for each connection (libzmq 4.3.4).
    mock.disconnected(&mut dealer, 0);
    mock.connected(&mut dealer, 0);
    assert!(mock.sent(0).is_empty());
}

#[test]
fn pair_has_one_peer() {
    let (mut pair, mut mock) = (Pair::default(), Mock::default());
    assert_eq!(send(&mut pair, &mut mock, &[b"x"]), Err(Error::Again));
    assert_eq!(recv_all(&mut pair, &mut mock), [""; 0]);
    mock.accept(&mut pair, 3);
    mock.add(4);
    pair.attach(&mut mock, 4, Attach { locally_initiated: false, within_process: true });
    assert!(!mock.pipe(3).closed && mock.pipe(4).closed);
    mock.pipe(4).inbound.push_back(frame(b"no", false));
    pair.read_activated(&mut mock, 4);
    mock.arrive(&mut pair, 3, &[b"a", b"b"]);
    assert_eq!(recv_all(&mut pair, &mut mock), ["a|b"]);
    send(&mut pair, &mut mock, &[b"c", b"d"]).unwrap();
    assert_eq!(mock.sent_text(3), ["c|d"]);
    mock.detach(&mut pair, 4);
    assert!(pair.has_out(&mut mock));
    pair.send(&mut mock, &mut frame(b"e", true)).unwrap();
    mock.detach(&mut pair, 3);
    pair.send(&mut mock, &mut frame(b"f", false)).unwrap();
    assert!(!pair.has_out(&mut mock));
    mock.accept(&mut pair, 4);
    send(&mut pair, &mut mock, &[b"g"]).unwrap();
    assert_eq!(mock.sent_text(4), ["g"]);
    mock.pipe(4).hwm = 0;
    assert_eq!(send(&mut pair, &mut mock, &[b"h"]), Err(Error::Again));
}

#[test]
fn pair_has_others_wait() {
    let (mut pair, mut mock) = (Pair::default(), Mock::default());
    mock.accept(&mut pair, 0);
    for other in [1, 2, 3] {
        mock.accept(&mut pair, other);
        mock.arrive(&mut pair, other, &[b"early"]);
    }
    mock.connect(&mut pair, 4);
    mock.arrive(&mut pair, 0, &[b"a"]);
    send(&mut pair, &mut mock, &[b"b"]).unwrap();
    assert_eq!(
        (recv_all(&mut pair, &mut mock), mock.sent_text(0)),
        (vec!["a".into()], vec!["b".into()])
    );
    // Who gives up is gone; who has something in the middle keeps its place.
    mock.detach(&mut pair, 2);
    pair.hung_up(&mut mock, 1);
    pair.hung_up(&mut mock, 4);
    assert!(mock.pipe(1).closed && !mock.pipe(3).closed && !mock.pipe(4).closed);
    mock.detach(&mut pair, 1);
    pair.send(&mut mock, &mut frame(b"half", true)).unwrap();
    mock.detach(&mut pair, 0);
    // The rest of what the first was sent is for nobody.
    pair.send(&mut mock, &mut frame(b"half", false)).unwrap();
    assert_eq!(recv_all(&mut pair, &mut mock), ["early"]);
    send(&mut pair, &mut mock, &[b"c"]).unwrap();
    mock.detach(&mut pair, 3);
    send(&mut pair, &mut mock, &[b"d"]).unwrap();
    assert_eq!(mock.sent_text(4), ["d"]);
}

/// Which types accept which integer option, and which values, as libzmq 4.3.4 does (from 97 on,
/// where it has no draft options, as the man page says).
#[test]
fn options_of_each_type() {
    use SocketType::*;
    let switches: [(i32, &[SocketType]); 14] = [
        (33, &[Router, Rep]),
        (40, &[Pub, XPub]),
        (41, &[Router, Rep]),
        (51, &[Req, Rep, Dealer, Router]),
        (52, &[Req]),
        (53, &[Req]),
        (56, &[Router, Rep]),
        (69, &[Pub, XPub, Radio]),
        (71, &[Pub, XPub]),
        (78, &[Pub, XPub]),
        (98, &[Pub, XPub]),
        (108, &[Pub, XPub, XSub]),
        (115, &[XSub]),
        (12345, &[]),
    ];
    for (option, types) in switches {
        for socket_type in SocketType::ALL {
            let (mut any, mut mock) = (AnyPattern::new(socket_type), Mock::default());
            // libzmq takes every number for the last one.
            for (value, ok) in [(1, true), (0, true), (2, true), (-1, option == 115)] {
                let expected = types.contains(&socket_type).then_some(match ok {
                    true => Ok(()),
                    false => Err(Error::Invalid),
                });
                let value = i32::to_ne_bytes(value);
                assert_eq!(any.set_option(&mut mock, option, &value), expected, "{option}");
            }
            for bad in [&[][..], &[1], &[0; 3], &[0; 8]] {
                assert_ne!(any.set_option(&mut mock, option, bad), Some(Ok(())));
            }
            assert_eq!(any.get_option(option), None);
        }
    }
}

#[test]
fn options_with_values_of_their_own() {
    let mut mock = Mock::default();
    let mut stream = AnyPattern::new(SocketType::Stream);
    for (value, ok) in [(0, true), (1, true), (2, false), (-1, false)] {
        let value = i32::to_ne_bytes(value);
        assert_eq!(stream.set_option(&mut mock, 73, &value).unwrap().is_ok(), ok);
    }
    let mut router = AnyPattern::new(SocketType::Router);
    for (value, ok) in [(3, true), (0, true), (1, true), (2, true), (4, false), (-1, false)] {
        let value = i32::to_ne_bytes(value);
        assert_eq!(router.set_option(&mut mock, 97, &value).unwrap().is_ok(), ok);
    }
    assert_eq!(router.get_option(97), Some(Ok(2_i32.to_ne_bytes().to_vec())));
    for socket_type in [SocketType::Pub, SocketType::XPub, SocketType::Sub] {
        let mut any = AnyPattern::new(socket_type);
        set(&mut any, &mut mock, 74, -1);
        assert_eq!(any.get_option(74), Some(Ok(1_i32.to_ne_bytes().to_vec())));
    }
}

#[test]
fn pair_gets_the_rest_when_its_peer_is_gone() {
    let (mut pair, mut mock) = (Pair::default(), Mock::default());
    mock.accept(&mut pair, 0);
    mock.arrive(&mut pair, 0, &[b"a", b"b", b"c"]);
    mock.arrive(&mut pair, 0, &[b"lost"]);
    assert!(pair.recv(&mut mock).unwrap().more());
    mock.detach(&mut pair, 0);
    mock.accept(&mut pair, 1);
    mock.arrive(&mut pair, 1, &[b"d"]);
    assert_eq!((pair.reading(), pair.receives_straight_from()), (None, None));
    assert_eq!(recv_all(&mut pair, &mut mock), ["b|c", "d"]);
}
