//! What peers can make a socket hold while its application, or another peer, does nothing.

use super::mock::{Mock, recv, recv_all, send, set};
use crate::pattern::{Router, XSub};

/// Of ZMQ_ROUTER_NOTIFY.
const NOTIFY: i32 = 97;
/// The limits, in tests.
const MOST: usize = 64 << 10;

#[test]
fn notices_of_peers_that_come_and_go_unread_are_bounded() {
    for notify in [1, 2, 3] {
        let (mut router, mut mock) = (Router::default(), Mock::default());
        set(&mut router, &mut mock, NOTIFY, notify);
        let visit = |router: &mut Router, mock: &mut Mock| {
            mock.accept_named(router, 0, b"somebody");
            mock.detach(router, 0);
        };
        (0..10_000).for_each(|_| visit(&mut router, &mut mock));
        let notices = recv_all(&mut router, &mut mock);
        assert!(notices.iter().all(|notice| notice == "somebody|"));
        assert!(notices.len() * 64 < 2 * MOST, "{}", notices.len());
        assert!(notify != 3 || notices.len().is_multiple_of(2), "who has come has gone");
        // All is as before.
        visit(&mut router, &mut mock);
        assert_eq!(recv_all(&mut router, &mut mock).len(), notify.count_ones() as usize);
    }
}

#[test]
fn a_publisher_that_takes_no_subscriptions_is_given_up() {
    let (mut xsub, mut mock) = (XSub::default(), Mock::default());
    mock.accept(&mut xsub, 0);
    mock.accept(&mut xsub, 1);
    send(&mut xsub, &mut mock, &[b"\x01kept"]).unwrap();
    for _ in 0..10_000 {
        send(&mut xsub, &mut mock, &[b"\x01comes and goes"]).unwrap();
        send(&mut xsub, &mut mock, &[b"\x00comes and goes"]).unwrap();
        // This one takes what it is told.
        mock.sent(1);
        if mock.pipe(0).closed {
            break;
        }
    }
    assert!(mock.pipe(0).closed && !mock.pipe(1).closed);
    let owed: usize = mock.sent(0).iter().flatten().map(Vec::len).sum();
    assert!((MOST / 2..MOST + 100).contains(&owed), "{owed}");
    // Whoever comes in its place has the same to do.
    mock.detach(&mut xsub, 0);
    mock.accept(&mut xsub, 0);
    assert_eq!(mock.sent_text(0), ["\\x01kept"]);
    assert!(recv(&mut xsub, &mut mock).is_none());
}
