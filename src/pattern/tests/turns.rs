//! What patterns do when they may read no more in this turn.

use super::mock::{Mock, recv, send};
use crate::error::Error;
use crate::msg::Msg;
use crate::pattern::{Pattern, Rep, Req, Router, Sub};

const SUBSCRIBE: i32 = 6;

#[test]
fn messages_nobody_wants_are_left_for_another_turn() {
    for in_place in [false, true] {
        let (mut sub, mut mock) = (Sub::default(), Mock::default());
        mock.accept(&mut sub, 0);
        assert_eq!(sub.set_option(&mut mock, SUBSCRIBE, b"good"), Some(Ok(())));
        (0..10).for_each(|_| mock.arrive(&mut sub, 0, &[b"bad"]));
        mock.arrive(&mut sub, 0, &[b"good"]);
        mock.in_place = in_place;
        for left in [7, 3] {
            mock.turn = Some(4);
            assert!(sub.recv_into(&mut mock, &mut Msg::new()).is_none());
            if !in_place {
                assert_eq!(sub.recv(&mut mock).unwrap_err(), Error::Again);
                sub.read_activated(&mut mock, 0);
            }
            assert_eq!(mock.pipe(0).inbound.len(), left);
        }
        mock.turn = Some(4);
        assert_eq!(recv(&mut sub, &mut mock), Some(vec![b"good".to_vec()]));
    }
}

#[test]
fn requests_without_delimiter_are_left_for_another_turn() {
    let (mut rep, mut mock) = (Rep::default(), Mock::default());
    mock.accept(&mut rep, 0);
    (0..10).for_each(|_| mock.arrive(&mut rep, 0, &[b"no", b"delimiter"]));
    mock.arrive(&mut rep, 0, &[b"", b"hello"]);
    for left in [18, 14, 10] {
        mock.turn = Some(3);
        assert_eq!(rep.recv(&mut mock).unwrap_err(), Error::Again);
        // Messages are left whole.
        assert_eq!(mock.pipe(0).inbound.len(), left);
        rep.read_activated(&mut mock, 0);
    }
    mock.turn = None;
    assert_eq!(rep.recv(&mut mock).unwrap().data(), b"hello");
}

#[test]
fn stale_replies_are_dropped_whatever_others_sent() {
    let (mut req, mut mock) = (Req::default(), Mock::default());
    mock.accept(&mut req, 0);
    (0..10).for_each(|_| mock.arrive(&mut req, 0, &[b"", b"stale"]));
    mock.turn = Some(0);
    send(&mut req, &mut mock, &[b"request"]).unwrap();
    assert!(mock.pipe(0).inbound.is_empty());
    mock.turn = None;
    mock.arrive(&mut req, 0, &[b"", b"reply"]);
    assert_eq!(req.recv(&mut mock).unwrap().data(), b"reply");
}

#[test]
fn a_message_whose_id_was_received_is_received() {
    let (mut router, mut mock) = (Router::default(), Mock::default());
    mock.accept_named(&mut router, 0, b"peer");
    mock.arrive(&mut router, 0, &[b"one", b"two"]);
    mock.in_place = true;
    assert!(router.recv_into(&mut mock, &mut Msg::new()).is_some());
    mock.in_place = false;
    mock.turn = Some(0);
    assert_eq!(router.recv(&mut mock).unwrap().data(), b"one");
    assert_eq!(router.recv(&mut mock).unwrap().data(), b"two");
    assert_eq!(router.recv(&mut mock).unwrap_err(), Error::Again);
}
