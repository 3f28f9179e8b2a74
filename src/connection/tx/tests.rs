//! The sending side without a peer of its own kind.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use super::*;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

#[test]
fn buffers_are_used_again_and_given_back_when_it_is_quiet() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut queue = TxQueue::new(Framing::V2, false);
    let mut received = 0;
    let mut sink = vec![0; 1 << 20];
    for round in 0..3 {
        for _ in 0..200 {
            assert!(queue.push_bytes(&[7; 1000]));
        }
        let before = queue.spares.len();
        while !queue.flush(ours.as_fd()).unwrap() {
            received += theirs.read(&mut sink).unwrap();
            queue.unblock();
        }
        assert!(queue.is_grown() && queue.spares.len() <= SPARES);
        assert!(round == 0 || queue.spares.len() >= before, "buffers were freed");
    }
    let expected = 3 * 200 * (1000 + 9);
    while received < expected {
        received += theirs.read(&mut sink).unwrap();
    }
    assert_eq!((received, queue.messages(), queue.bytes()), (expected, 0, 0));
    queue.shrink();
    assert!(!queue.is_grown());
}
