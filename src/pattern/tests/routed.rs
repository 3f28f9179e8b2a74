//! ROUTER and STREAM.

use super::mock::{Mock, frame, recv, recv_all, send, set};
use crate::error::Error;
use crate::msg::Msg;
use crate::pattern::{Dealer, Pattern, Router, Stream};

fn router_with(names: &[&[u8]]) -> (Router, Mock) {
    let (mut router, mut mock) = (Router::default(), Mock::default());
    for (id, name) in names.iter().enumerate() {
        mock.accept_named(&mut router, id as u32, name);
    }
    (router, mock)
}

#[test]
fn router_names_its_peers() {
    let (mut router, mut mock) = router_with(&[b"A", b"", b"", &[b'L'; 200]]);
    mock.arrive(&mut router, 0, &[b"hello", b"x"]);
    assert_eq!(recv_all(&mut router, &mut mock), ["A|hello|x"]);
    mock.arrive(&mut router, 1, &[b"1"]);
    mock.arrive(&mut router, 2, &[b"2"]);
    let one = recv(&mut router, &mut mock).unwrap();
    let two = recv(&mut router, &mut mock).unwrap();
    assert_eq!((one[0].len(), one[0][0], &one[1][..]), (5, 0, &b"1"[..]));
    let number = |id: &[u8]| u32::from_be_bytes(id[1..].try_into().unwrap());
    assert_eq!(number(&two[0]), number(&one[0]).wrapping_add(1));
    mock.arrive(&mut router, 3, &[b"long"]);
    assert_eq!(recv(&mut router, &mut mock).unwrap(), [vec![b'L'; 200], b"long".to_vec()]);
    send(&mut router, &mut mock, &[&two[0], b"for two", b"y"]).unwrap();
    send(&mut router, &mut mock, &[b"A", b"", b"for A"]).unwrap();
    assert_eq!(mock.sent_text(2), ["for two|y"]);
    assert_eq!(mock.sent_text(0), ["|for A"]);
}

#[test]
fn router_drops_what_has_no_way() {
    let (mut router, mut mock) = router_with(&[b"A"]);
    assert!(router.has_out(&mut mock));
    send(&mut router, &mut mock, &[b"nobody", b"x", b"A", b"y"]).unwrap();
    send(&mut router, &mut mock, &[b"A"]).unwrap();
    send(&mut router, &mut mock, &[b"", b"x"]).unwrap();
    send(&mut router, &mut mock, &[b"A", b"ok"]).unwrap();
    mock.pipe(0).hwm = 1;
    send(&mut router, &mut mock, &[b"A", b"too", b"much"]).unwrap();
    assert_eq!(mock.sent_text(0), ["ok"]);
}

#[test]
fn router_mandatory() {
    let (mut router, mut mock) = router_with(&[]);
    set(&mut router, &mut mock, 33, 1);
    assert!(!router.has_out(&mut mock));
    mock.accept_named(&mut router, 0, b"A");
    assert!(router.has_out(&mut mock));
    assert_eq!(router.has_room_for(&mut mock, b"A"), Ok(true));
    assert_eq!(router.has_room_for(&mut mock, b"B"), Err(Error::HostUnreachable));
    assert_eq!(send(&mut router, &mut mock, &[b"B", b"x"]), Err(Error::HostUnreachable));
    // An id alone is not looked up at all (libzmq 4.3.4).
    send(&mut router, &mut mock, &[b"B"]).unwrap();
    mock.pipe(0).hwm = 1;
    send(&mut router, &mut mock, &[b"A", b"1", b"2"]).unwrap();
    assert!(!router.has_out(&mut mock));
    assert_eq!(router.has_room_for(&mut mock, b"A"), Ok(false));
    assert_eq!(send(&mut router, &mut mock, &[b"A", b"x"]), Err(Error::Again));
    mock.drain(&mut router, 0);
    send(&mut router, &mut mock, &[b"A", b"x"]).unwrap();
}

#[test]
fn router_peer_dies_while_being_sent_to() {
    let (mut router, mut mock) = router_with(&[b"A"]);
    set(&mut router, &mut mock, 33, 1);
    router.send(&mut mock, &mut frame(b"A", true)).unwrap();
    router.send(&mut mock, &mut frame(b"1", true)).unwrap();
    mock.detach(&mut router, 0);
    mock.accept_named(&mut router, 0, b"C");
    router.send(&mut mock, &mut frame(b"2", true)).unwrap();
    router.send(&mut mock, &mut frame(b"3", false)).unwrap();
    assert_eq!(send(&mut router, &mut mock, &[b"A", b"x"]), Err(Error::HostUnreachable));
    send(&mut router, &mut mock, &[b"C", b"ok"]).unwrap();
    assert_eq!(mock.sent_text(0), ["ok"]);
}

#[test]
fn router_peer_dies_while_being_read() {
    let (mut router, mut mock) = router_with(&[b"A", b"B"]);
    // Read ahead, not delivered: it comes whole.
    mock.arrive(&mut router, 0, &[b"1", b"2"]);
    assert!(router.has_in(&mut mock));
    mock.detach(&mut router, 0);
    assert_eq!(recv_all(&mut router, &mut mock), ["A|1|2"]);
    // The same of a message of one part.
    mock.accept_named(&mut router, 0, b"C");
    mock.arrive(&mut router, 0, &[b"whole"]);
    assert!(router.has_in(&mut mock));
    mock.detach(&mut router, 0);
    mock.arrive(&mut router, 1, &[b"b"]);
    assert_eq!(recv_all(&mut router, &mut mock), ["C|whole", "B|b"]);
    // Id delivered, message complete.
    mock.arrive(&mut router, 1, &[b"last"]);
    assert_eq!(router.recv(&mut mock).unwrap().data(), b"B");
    mock.detach(&mut router, 1);
    assert_eq!(router.recv(&mut mock).unwrap().data(), b"last");
    assert_eq!(router.recv(&mut mock).unwrap_err(), Error::Again);
}

#[test]
fn router_ignores_a_second_peer_of_the_same_name() {
    let (mut router, mut mock) = router_with(&[b"X", b"X"]);
    mock.arrive(&mut router, 1, &[b"second"]);
    assert!(!router.has_in(&mut mock));
    mock.arrive(&mut router, 0, &[b"first"]);
    send(&mut router, &mut mock, &[b"X", b"hi"]).unwrap();
    assert_eq!((mock.sent(0).len(), mock.sent(1).len()), (1, 0));
    assert_eq!(recv_all(&mut router, &mut mock), ["X|first"]);
    mock.detach(&mut router, 1);
    send(&mut router, &mut mock, &[b"X", b"hi"]).unwrap();
    assert_eq!(mock.sent(0).len(), 1);
}

#[test]
fn router_hands_a_name_over() {
    let (mut router, mut mock) = router_with(&[b"X"]);
    set(&mut router, &mut mock, 56, 1);
    mock.arrive(&mut router, 0, &[b"first", b"message"]);
    mock.arrive(&mut router, 0, &[b"lost"]);
    assert_eq!(router.recv(&mut mock).unwrap().data(), b"X");
    router.send(&mut mock, &mut frame(b"X", true)).unwrap();
    router.send(&mut mock, &mut frame(b"half", true)).unwrap();
    mock.accept_named(&mut router, 1, b"X");
    assert!(!mock.pipe(0).closed, "its message is still being read");
    router.send(&mut mock, &mut frame(b"rest", false)).unwrap();
    assert_eq!(router.recv(&mut mock).unwrap().data(), b"first");
    assert_eq!(router.recv(&mut mock).unwrap().data(), b"message");
    assert!(!router.has_in(&mut mock));
    assert!(mock.pipe(0).closed && mock.sent(0).is_empty() && mock.sent(1).is_empty());
    mock.detach(&mut router, 0);
    send(&mut router, &mut mock, &[b"X", b"hi"]).unwrap();
    assert_eq!(mock.sent_text(1), ["hi"]);
    mock.accept_named(&mut router, 0, b"X");
    assert!(mock.pipe(1).closed);
    mock.arrive(&mut router, 0, &[b"third"]);
    assert_eq!(recv_all(&mut router, &mut mock), ["X|third"]);
}

#[test]
fn router_knows_assigned_names_at_once() {
    let (mut router, mut mock) = router_with(&[b"taken"]);
    set(&mut router, &mut mock, 33, 1);
    mock.add(4).assigned = Some(b"peer".to_vec());
    router.attach(&mut mock, 4, Default::default());
    send(&mut router, &mut mock, &[b"peer", b"early"]).unwrap();
    assert_eq!(mock.sent_text(4), ["early"]);
    mock.pipe(4).routing_id = b"REAL".to_vec();
    mock.connected(&mut router, 4);
    mock.arrive(&mut router, 4, &[b"m"]);
    assert_eq!(recv_all(&mut router, &mut mock), ["peer|m"]);
    assert_eq!(send(&mut router, &mut mock, &[b"REAL", b"x"]), Err(Error::HostUnreachable));
    assert!(!router.is_routing_id_free(b"peer") && router.is_routing_id_free(b"REAL"));
}

#[test]
fn router_learns_names_of_connecting_pipes_once() {
    let (mut router, mut mock) = router_with(&[]);
    set(&mut router, &mut mock, 51, 1);
    mock.connect(&mut router, 0);
    assert_eq!(mock.sent_text(0), [""], "probe");
    mock.pipe(0).routing_id = b"ID1".to_vec();
    mock.connected(&mut router, 0);
    mock.arrive(&mut router, 0, &[b"m1"]);
    mock.disconnected(&mut router, 0);
    mock.pipe(0).routing_id = b"ID2".to_vec();
    mock.connected(&mut router, 0);
    mock.arrive(&mut router, 0, &[b"m2"]);
    assert_eq!(recv_all(&mut router, &mut mock), ["ID1|m1", "ID1|m2"]);
}

#[test]
fn router_skips_generated_names_that_peers_took() {
    let (mut router, mut mock) = router_with(&[b""]);
    mock.arrive(&mut router, 0, &[b"x"]);
    let id = recv(&mut router, &mut mock).unwrap().remove(0);
    let mut taken = id.clone();
    let next = u32::from_be_bytes(id[1..].try_into().unwrap()).wrapping_add(1);
    taken[1..].copy_from_slice(&next.to_be_bytes());
    mock.accept_named(&mut router, 1, &taken);
    mock.accept_named(&mut router, 2, b"");
    mock.arrive(&mut router, 2, &[b"y"]);
    let id = recv(&mut router, &mut mock).unwrap().remove(0);
    assert_eq!(id[1..], next.wrapping_add(1).to_be_bytes());
}

#[test]
fn router_notifies() {
    let (mut router, mut mock) = router_with(&[]);
    set(&mut router, &mut mock, 97, 3);
    mock.accept_named(&mut router, 0, b"X");
    mock.arrive(&mut router, 0, &[b"hello", b"you"]);
    assert_eq!(recv_all(&mut router, &mut mock), ["X|", "X|hello|you"]);
    mock.detach(&mut router, 0);
    assert_eq!(recv_all(&mut router, &mut mock), ["X|"]);
    set(&mut router, &mut mock, 97, 2);
    mock.connect(&mut router, 0);
    mock.pipe(0).routing_id = b"Y".to_vec();
    mock.connected(&mut router, 0);
    assert!(!router.has_in(&mut mock));
    mock.disconnected(&mut router, 0);
    mock.detach(&mut router, 0);
    assert_eq!(recv_all(&mut router, &mut mock), ["Y|"]);
}

#[test]
fn router_raw() {
    let (mut router, mut mock) = router_with(&[]);
    set(&mut router, &mut mock, 41, 1);
    mock.accept_named(&mut router, 0, b"");
    mock.arrive(&mut router, 0, &[b""]);
    mock.arrive(&mut router, 0, &[b"abc"]);
    let first = recv(&mut router, &mut mock).unwrap();
    assert_eq!((first[0].len(), first[1].len()), (5, 0));
    let id = recv(&mut router, &mut mock).unwrap().remove(0);
    router.send(&mut mock, &mut frame(&id, true)).unwrap();
    router.send(&mut mock, &mut frame(b"data", true)).unwrap();
    send(&mut router, &mut mock, &[&id, b"more"]).unwrap();
    assert_eq!(mock.sent_text(0), ["data", "more"]);
    send(&mut router, &mut mock, &[b"nobody", b"x"]).unwrap();
    router.send(&mut mock, &mut frame(&id, true)).unwrap();
    router.send(&mut mock, &mut frame(b"", false)).unwrap();
    assert!(mock.pipe(0).closed);
    mock.detach(&mut router, 0);
}

#[test]
fn stream_moves_pieces() {
    let (mut stream, mut mock) = (Stream::default(), Mock::default());
    assert_eq!(stream.get_option(5), None);
    mock.accept(&mut stream, 0);
    let id = stream.get_option(5).unwrap().unwrap();
    assert_eq!((id.len(), id[0]), (5, 0));
    mock.arrive(&mut stream, 0, &[b""]);
    mock.arrive(&mut stream, 0, &[b"abc"]);
    assert_eq!(recv(&mut stream, &mut mock).unwrap(), [id.clone(), vec![]]);
    assert_eq!(recv(&mut stream, &mut mock).unwrap(), [id.clone(), b"abc".to_vec()]);
    // MORE on data means nothing: the next frame is an id again.
    stream.send(&mut mock, &mut frame(&id, true)).unwrap();
    stream.send(&mut mock, &mut frame(b"data", true)).unwrap();
    stream.send(&mut mock, &mut frame(b"swallowed", false)).unwrap();
    send(&mut stream, &mut mock, &[&id, b"data2"]).unwrap();
    assert_eq!(mock.sent_text(0), ["data", "data2"]);
    assert_eq!(send(&mut stream, &mut mock, &[b"no", b"x"]), Err(Error::HostUnreachable));
    mock.pipe(0).hwm = 0;
    assert_eq!(send(&mut stream, &mut mock, &[&id, b"x"]), Err(Error::Again));
    mock.pipe(0).hwm = 1;
    stream.send(&mut mock, &mut frame(&id, true)).unwrap();
    stream.send(&mut mock, &mut frame(b"", false)).unwrap();
    assert!(mock.pipe(0).closed);
    assert_eq!(send(&mut stream, &mut mock, &[&id, b"x"]), Err(Error::HostUnreachable));
    mock.detach(&mut stream, 0);
}

#[test]
fn stream_names_and_notices() {
    let (mut stream, mut mock) = (Stream::default(), Mock::default());
    set(&mut stream, &mut mock, 73, 0);
    mock.add(0).assigned = Some(b"peer".to_vec());
    stream.attach(&mut mock, 0, Default::default());
    assert_eq!(stream.get_option(5), None);
    assert!(!stream.is_routing_id_free(b"peer"));
    send(&mut stream, &mut mock, &[b"peer", b"early"]).unwrap();
    assert_eq!(mock.sent_text(0), ["early"]);
    // The connections that come leave the notices out; those there are do not.
    assert!(!stream.notifies_raw());
    mock.arrive(&mut stream, 0, &[b""]);
    mock.arrive(&mut stream, 0, &[b"data"]);
    assert_eq!(recv_all(&mut stream, &mut mock), ["peer|", "peer|data"]);
    // Gone between id and data.
    stream.send(&mut mock, &mut frame(b"peer", true)).unwrap();
    mock.detach(&mut stream, 0);
    mock.accept(&mut stream, 0);
    stream.send(&mut mock, &mut frame(b"late", false)).unwrap();
    assert!(mock.sent(0).is_empty());
}

/// The next frame as an application gets it: in place if that is possible.
fn next<T: Pattern>(pattern: &mut T, mock: &mut Mock) -> Option<(Vec<u8>, bool)> {
    let ready = pattern.has_in(mock);
    let mut msg = Msg::new();
    match pattern.recv_into(mock, &mut msg) {
        Some(part) => assert_eq!((part.len, part.more), (msg.len(), msg.more())),
        None => match pattern.recv(mock) {
            Ok(frame) => msg = frame,
            Err(_) => {
                assert!(!ready);
                return None;
            }
        },
    }
    assert!(ready, "has_in did not see it");
    Some((msg.data().to_vec(), msg.more()))
}

fn message<T: Pattern>(pattern: &mut T, mock: &mut Mock) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    while let Some((body, more)) = next(pattern, mock) {
        parts.push(body);
        if !more {
            break;
        }
    }
    parts
}

#[test]
fn router_reads_and_answers_in_place() {
    let (mut router, mut mock) = router_with(&[b"A", b"B"]);
    for round in 0..4 {
        mock.in_place = round % 2 == 0;
        mock.arrive(&mut router, 0, &[b"1"]);
        mock.arrive(&mut router, 1, &[b"2", b"", b"x"]);
        mock.arrive(&mut router, 0, &[&[7; 5000]]);
        // In the middle of a message the way of reading may change.
        let id = next(&mut router, &mut mock).unwrap();
        mock.in_place ^= round > 1;
        let body = next(&mut router, &mut mock).unwrap();
        assert_eq!((id, body), ((b"A".to_vec(), true), (b"1".to_vec(), false)));
        assert_eq!(message(&mut router, &mut mock), [&b"B"[..], b"2", b"", b"x"]);
        // Too long to be taken in place.
        assert_eq!(message(&mut router, &mut mock), [&b"A"[..], &[7; 5000]]);
        assert_eq!(next(&mut router, &mut mock), None);
        for (name, pipe) in [(b"A", 0), (b"B", 1), (b"?", 2)] {
            router.send(&mut mock, &mut frame(name, true)).unwrap();
            if !router.send_bytes(&mut mock, b"answer", false) {
                assert!(!mock.in_place);
                router.send(&mut mock, &mut frame(b"answer", false)).unwrap();
            }
            if pipe < 2 {
                assert_eq!(mock.sent_text(pipe), ["answer"]);
            }
        }
        assert!(!router.send_bytes(&mut mock, b"A", false), "an id is no message");
    }
}

#[test]
fn router_keeps_what_belongs_to_an_id_already_delivered() {
    let (mut router, mut mock) = router_with(&[b"A", b"B"]);
    mock.in_place = true;
    mock.arrive(&mut router, 0, &[b"mine"]);
    mock.arrive(&mut router, 1, &[b"other"]);
    assert_eq!(next(&mut router, &mut mock), Some((b"A".to_vec(), true)));
    assert_eq!(router.reading(), Some(0));
    mock.detach(&mut router, 0);
    assert_eq!(next(&mut router, &mut mock), Some((b"mine".to_vec(), false)));
    assert_eq!(message(&mut router, &mut mock), [&b"B"[..], b"other"]);
    // A pipe whose message nobody has begun to read takes it along.
    mock.arrive(&mut router, 1, &[b"lost"]);
    mock.detach(&mut router, 1);
    assert_eq!(next(&mut router, &mut mock), None);
}

#[test]
fn dealer_reads_parts_in_place() {
    let (mut dealer, mut mock) = (Dealer::default(), Mock::default());
    mock.accept(&mut dealer, 0);
    mock.accept(&mut dealer, 1);
    mock.in_place = true;
    mock.arrive(&mut dealer, 0, &[b"a", b"b", b"c"]);
    mock.arrive(&mut dealer, 1, &[b"d"]);
    mock.arrive(&mut dealer, 0, &[b"e", &[1; 5000]]);
    assert_eq!(message(&mut dealer, &mut mock), [b"a", b"b", b"c"]);
    assert_eq!(message(&mut dealer, &mut mock), [b"d"]);
    assert_eq!(message(&mut dealer, &mut mock), [&b"e"[..], &[1; 5000]]);
    assert_eq!(next(&mut dealer, &mut mock), None);
}
