//! REQ and REP.

use super::mock::{Mock, frame, recv, recv_all, send, set};
use crate::error::Error;
use crate::pattern::{Pattern, Rep, Req};

fn req_to(pipes: u32) -> (Req, Mock) {
    let (mut req, mut mock) = (Req::default(), Mock::default());
    (0..pipes).for_each(|id| mock.accept(&mut req, id));
    (req, mock)
}

#[test]
fn req_alternates() {
    let (mut req, mut mock) = req_to(2);
    assert_eq!(req.recv(&mut mock).unwrap_err(), Error::State);
    assert!(req.has_out(&mut mock) && !req.has_in(&mut mock));
    req.send(&mut mock, &mut frame(b"a", true)).unwrap();
    assert_eq!(req.recv(&mut mock).unwrap_err(), Error::State);
    req.send(&mut mock, &mut frame(b"b", false)).unwrap();
    assert_eq!(mock.sent_text(0), ["|a|b"]);
    assert!(!req.has_out(&mut mock));
    assert_eq!(send(&mut req, &mut mock, &[b"x"]), Err(Error::State));
    assert_eq!(req.recv(&mut mock).unwrap_err(), Error::Again);
    mock.arrive(&mut req, 0, &[b"", b"c", b"d"]);
    assert!(req.has_in(&mut mock));
    assert_eq!(req.recv(&mut mock).unwrap().data(), b"c");
    assert!(req.has_in(&mut mock) && !req.has_out(&mut mock));
    assert_eq!(send(&mut req, &mut mock, &[b"x"]), Err(Error::State));
    assert_eq!(req.recv(&mut mock).unwrap().data(), b"d");
    assert_eq!(req.recv(&mut mock).unwrap_err(), Error::State);
    send(&mut req, &mut mock, &[b"e"]).unwrap();
    assert_eq!(mock.sent_text(1), ["|e"]);
}

#[test]
fn req_without_peers_blocks_and_stays_as_it_is() {
    let (mut req, mut mock) = req_to(0);
    assert!(!req.has_out(&mut mock));
    assert_eq!(send(&mut req, &mut mock, &[b"a"]), Err(Error::Again));
    mock.accept(&mut req, 0);
    send(&mut req, &mut mock, &[b"a"]).unwrap();
    assert_eq!(mock.sent_text(0), ["|a"]);
}

#[test]
fn req_hears_only_whom_it_asked_and_only_well_formed() {
    let (mut req, mut mock) = req_to(2);
    mock.arrive(&mut req, 0, &[b"", b"stale"]);
    send(&mut req, &mut mock, &[b"q"]).unwrap();
    mock.arrive(&mut req, 1, &[b"", b"not you"]);
    mock.arrive(&mut req, 0, &[b"no delimiter"]);
    mock.arrive(&mut req, 0, &[b"x", b"", b"y"]);
    mock.arrive(&mut req, 0, &[b""]);
    assert!(!req.has_in(&mut mock));
    assert_eq!(req.recv(&mut mock).unwrap_err(), Error::Again);
    mock.arrive(&mut req, 0, &[b"", b""]);
    assert_eq!(recv_all(&mut req, &mut mock), [""]);
}

#[test]
fn req_waits_for_ever_when_the_asked_peer_is_gone() {
    let (mut req, mut mock) = req_to(2);
    send(&mut req, &mut mock, &[b"q"]).unwrap();
    mock.detach(&mut req, 0);
    mock.accept(&mut req, 0);
    mock.arrive(&mut req, 0, &[b"", b"impostor"]);
    mock.arrive(&mut req, 1, &[b"", b"other"]);
    assert!(!req.has_in(&mut mock) && !req.has_out(&mut mock));
    assert_eq!(req.recv(&mut mock).unwrap_err(), Error::Again);
    assert_eq!(send(&mut req, &mut mock, &[b"q"]), Err(Error::State));
}

#[test]
fn req_loses_a_request_whose_pipe_dies_within() {
    let (mut req, mut mock) = req_to(1);
    req.send(&mut mock, &mut frame(b"a", true)).unwrap();
    mock.detach(&mut req, 0);
    mock.accept(&mut req, 0);
    req.send(&mut mock, &mut frame(b"b", false)).unwrap();
    assert!(mock.sent(0).is_empty());
    assert_eq!(req.recv(&mut mock).unwrap_err(), Error::Again);
}

#[test]
fn req_gets_the_rest_of_a_reply_whose_pipe_died() {
    let (mut req, mut mock) = req_to(1);
    send(&mut req, &mut mock, &[b"q"]).unwrap();
    mock.arrive(&mut req, 0, &[b"", b"a", b"b"]);
    assert!(req.has_in(&mut mock));
    mock.detach(&mut req, 0);
    assert_eq!(recv_all(&mut req, &mut mock), ["a|b"]);
    let (mut req, mut mock) = req_to(1);
    send(&mut req, &mut mock, &[b"q"]).unwrap();
    mock.arrive(&mut req, 0, &[b"", b"a", b"b"]);
    assert!(req.recv(&mut mock).unwrap().more());
    mock.detach(&mut req, 0);
    mock.accept(&mut req, 1);
    mock.arrive(&mut req, 1, &[b"", b"other"]);
    assert_eq!(recv_all(&mut req, &mut mock), ["b"]);
    send(&mut req, &mut mock, &[b"next"]).unwrap();
    assert_eq!(mock.sent_text(1), ["|next"]);
}

#[test]
fn req_relaxed_and_correlated() {
    let (mut req, mut mock) = req_to(1);
    set(&mut req, &mut mock, 52, 1);
    set(&mut req, &mut mock, 53, 1);
    send(&mut req, &mut mock, &[b"one"]).unwrap();
    send(&mut req, &mut mock, &[b"two", b"2"]).unwrap();
    let sent = mock.sent(0);
    let [first, second] = [&sent[0], &sent[1]];
    assert_eq!(
        (first.len(), first[0].len(), &first[1][..], &first[2][..]),
        (3, 4, &b""[..], &b"one"[..])
    );
    let number = |id: &[u8]| u32::from_ne_bytes(id.try_into().unwrap());
    assert_eq!(number(&second[0]), number(&first[0]).wrapping_add(1));
    mock.arrive(&mut req, 0, &[&first[0], b"", b"late"]);
    mock.arrive(&mut req, 0, &[b"", b"no number"]);
    mock.arrive(&mut req, 0, &[&second[0], b"x", b"no delimiter"]);
    mock.arrive(&mut req, 0, &[&second[0], b""]);
    mock.arrive(&mut req, 0, &[&second[0], b"", b"good", b"r"]);
    assert_eq!(recv_all(&mut req, &mut mock), ["good|r"]);
}

#[test]
fn req_relaxed_gives_up_replies() {
    let (mut req, mut mock) = req_to(2);
    set(&mut req, &mut mock, 53, 1);
    send(&mut req, &mut mock, &[b"1"]).unwrap();
    assert!(req.has_out(&mut mock));
    mock.arrive(&mut req, 0, &[b"", b"unread"]);
    assert!(req.has_in(&mut mock));
    send(&mut req, &mut mock, &[b"2"]).unwrap();
    mock.arrive(&mut req, 1, &[b"", b"r1", b"r2"]);
    assert!(req.recv(&mut mock).unwrap().more());
    send(&mut req, &mut mock, &[b"3"]).unwrap();
    assert_eq!(req.recv(&mut mock).unwrap_err(), Error::Again);
    mock.arrive(&mut req, 1, &[b"", b"late"]);
    mock.arrive(&mut req, 0, &[b"", b"3!"]);
    assert_eq!(recv_all(&mut req, &mut mock), ["3!"]);
    assert_eq!(mock.sent_text(0), ["|1", "|3"]);
    // Nobody has room: the request that is out stays awaited.
    send(&mut req, &mut mock, &[b"4"]).unwrap();
    mock.pipe(0).hwm = 0;
    mock.pipe(1).hwm = 0;
    assert_eq!(send(&mut req, &mut mock, &[b"5"]), Err(Error::Again));
    mock.arrive(&mut req, 1, &[b"", b"4!"]);
    assert_eq!(recv_all(&mut req, &mut mock), ["4!"]);
}

fn rep_of(pipes: u32) -> (Rep, Mock) {
    let (mut rep, mut mock) = (Rep::default(), Mock::default());
    (0..pipes).for_each(|id| mock.accept(&mut rep, id));
    (rep, mock)
}

#[test]
fn rep_keeps_the_envelope() {
    let (mut rep, mut mock) = rep_of(2);
    assert_eq!(send(&mut rep, &mut mock, &[b"x"]), Err(Error::State));
    mock.arrive(&mut rep, 1, &[b"X", b"Y", b"", b"a", b"b"]);
    assert!(rep.has_in(&mut mock) && !rep.has_out(&mut mock));
    assert_eq!(rep.recv(&mut mock).unwrap().data(), b"a");
    assert_eq!(send(&mut rep, &mut mock, &[b"x"]), Err(Error::State));
    assert_eq!(rep.recv(&mut mock).unwrap().data(), b"b");
    assert!(!rep.has_in(&mut mock) && rep.has_out(&mut mock));
    assert_eq!(rep.recv(&mut mock).unwrap_err(), Error::State);
    rep.send(&mut mock, &mut frame(b"c", true)).unwrap();
    assert_eq!(rep.recv(&mut mock).unwrap_err(), Error::State);
    rep.send(&mut mock, &mut frame(b"d", false)).unwrap();
    assert_eq!(mock.sent_text(1), ["X|Y||c|d"]);
    assert_eq!(rep.recv(&mut mock).unwrap_err(), Error::Again);
}

#[test]
fn rep_drops_malformed_requests() {
    let (mut rep, mut mock) = rep_of(1);
    mock.arrive(&mut rep, 0, &[b"no delimiter"]);
    mock.arrive(&mut rep, 0, &[b"x", b"y"]);
    mock.arrive(&mut rep, 0, &[b""]);
    mock.arrive(&mut rep, 0, &[b"x", b""]);
    assert!(!rep.has_in(&mut mock));
    mock.arrive(&mut rep, 0, &[b"", b"ok"]);
    assert_eq!(rep.recv(&mut mock).unwrap().data(), b"ok");
    send(&mut rep, &mut mock, &[b"r"]).unwrap();
    assert_eq!(mock.sent_text(0), ["|r"]);
}

#[test]
fn rep_drops_replies_nobody_takes() {
    let (mut rep, mut mock) = rep_of(2);
    mock.arrive(&mut rep, 0, &[b"", b"q"]);
    rep.recv(&mut mock).unwrap();
    mock.detach(&mut rep, 0);
    mock.accept(&mut rep, 0);
    assert!(rep.has_out(&mut mock));
    send(&mut rep, &mut mock, &[b"to nobody"]).unwrap();
    assert!(mock.sent(0).is_empty());
    // Gone in the middle of the reply.
    mock.arrive(&mut rep, 1, &[b"", b"q"]);
    rep.recv(&mut mock).unwrap();
    rep.send(&mut mock, &mut frame(b"a", true)).unwrap();
    mock.detach(&mut rep, 1);
    rep.send(&mut mock, &mut frame(b"b", false)).unwrap();
    // Full.
    mock.pipe(0).hwm = 0;
    mock.arrive(&mut rep, 0, &[b"", b"q"]);
    rep.recv(&mut mock).unwrap();
    send(&mut rep, &mut mock, &[b"a", b"b"]).unwrap();
    mock.pipe(0).hwm = 1;
    mock.arrive(&mut rep, 0, &[b"", b"q"]);
    rep.recv(&mut mock).unwrap();
    send(&mut rep, &mut mock, &[b"at last"]).unwrap();
    assert_eq!(mock.sent_text(0), ["|at last"]);
}

#[test]
fn rep_gets_the_rest_of_a_request_whose_pipe_died() {
    let (mut rep, mut mock) = rep_of(2);
    mock.arrive(&mut rep, 0, &[b"", b"a", b"b"]);
    assert!(rep.has_in(&mut mock));
    mock.detach(&mut rep, 0);
    assert_eq!(recv(&mut rep, &mut mock), Some(vec![b"a".to_vec(), b"b".to_vec()]));
    send(&mut rep, &mut mock, &[b"to nobody"]).unwrap();
    mock.arrive(&mut rep, 1, &[b"E", b"", b"a", b"b"]);
    assert!(rep.recv(&mut mock).unwrap().more());
    mock.detach(&mut rep, 1);
    mock.accept(&mut rep, 1);
    mock.arrive(&mut rep, 1, &[b"", b"c"]);
    assert_eq!(recv(&mut rep, &mut mock), Some(vec![b"b".to_vec()]));
    send(&mut rep, &mut mock, &[b"to nobody"]).unwrap();
    assert!(mock.sent(1).is_empty());
    assert_eq!(rep.recv(&mut mock).unwrap().data(), b"c");
    send(&mut rep, &mut mock, &[b"C"]).unwrap();
    assert_eq!(mock.sent_text(1), ["|C"]);
}
