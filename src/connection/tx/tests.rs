//! The sending side without a peer of its own kind.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use super::*;
use std::io::Read;
use std::os::fd::{AsFd, FromRawFd};
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
        assert!(queue.is_grown() && queue.spares.len() <= flushing::SPARES);
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

#[test]
fn of_encoded_frames_only_what_the_kernel_has_not_taken_is_counted() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut frames = Vec::new();
    (0..4).for_each(|_| frame::append_frame(&mut frames, Flags::NONE, b"hello"));
    let frame = frames.len() / 4;
    for sent in [0, 1, frame, 2 * frame + 3, 4 * frame - 1] {
        let mut queue = TxQueue::new(Framing::V2, false);
        queue.push_encoded(&frames, 4, sent).unwrap();
        assert_eq!((queue.messages(), queue.bytes()), (4 - sent / frame, 4 * frame - sent));
        // A second time behind it.
        queue.push_encoded(&frames, 4, 0).unwrap();
        assert_eq!((queue.messages(), queue.bytes()), (8 - sent / frame, 8 * frame - sent));
        assert!(queue.flush(ours.as_fd()).unwrap());
        assert_eq!((queue.messages(), queue.bytes()), (0, 0));
        let mut got = vec![0; 8 * frame];
        let rest = 8 * frame - sent;
        theirs.read_exact(&mut got[..rest]).unwrap();
        assert_eq!(got[..rest], [&frames[sent..], &frames].concat());
    }
}

#[test]
fn a_message_of_several_frames_that_the_kernel_has_in_part_counts_and_stays_whole() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    let mut message = Vec::new();
    frame::append_frame(&mut message, Flags::MORE, b"group");
    frame::append_frame(&mut message, Flags::NONE, b"a body");
    let (len, all) = (message.len(), message.repeat(3));
    for sent in 0..all.len() {
        let mut queue = TxQueue::new(Framing::V2, false);
        queue.push_encoded(&all, 3, sent).unwrap();
        assert_eq!((queue.messages(), queue.bytes()), (3 - sent / len, all.len() - sent));
        if sent % 2 == 0 {
            assert!(queue.flush(ours.as_fd()).unwrap());
            let mut got = vec![0; all.len() - sent];
            theirs.read_exact(&mut got).unwrap();
            assert_eq!(got, all[sent..]);
        } else {
            // The next connection sends it from its beginning.
            let mut waiting = Waiting::default();
            queue.give_back(&mut waiting);
            assert_eq!(waiting.messages(), 3 - sent / len);
            assert_eq!(waiting.bytes(), all.len() - sent / len * len);
        }
    }
}

#[test]
fn a_peer_that_has_gone_blocks_the_queue_for_ever_and_what_is_in_it_stays() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    drop(theirs);
    let mut frames = Vec::new();
    frame::append_frame(&mut frames, Flags::NONE, b"encoded");
    for encoded in [false, true] {
        let mut queue = TxQueue::new(Framing::V2, false);
        if encoded {
            assert!(!queue.send_encoded(ours.as_fd(), &frames, 1).unwrap());
        } else {
            assert!(queue.push_bytes(b"encoded") && !queue.flush(ours.as_fd()).unwrap());
        }
        assert!(queue.lost_lately().is_some() && queue.lost_lately().is_none());
        queue.unblock();
        assert!(queue.push_bytes(b"later") && queue.blocked());
        assert!(!queue.flush(ours.as_fd()).unwrap() && queue.lost().is_some());
        let mut waiting = Waiting::default();
        queue.give_back(&mut waiting);
        assert_eq!(waiting.messages(), 2);
    }
}

#[test]
fn no_call_of_the_kernel_gets_more_than_was_allowed() {
    let mut pair = [0; 2];
    // Here each call makes a record.
    // SAFETY: room for two descriptors.
    let made =
        unsafe { libc::socketpair(libc::AF_UNIX, libc::SOCK_SEQPACKET, 0, pair.as_mut_ptr()) };
    assert_eq!(made, 0);
    // SAFETY: two descriptors that were just opened.
    let [ours, theirs] = pair.map(|fd| unsafe { UnixStream::from_raw_fd(fd) });
    let mut theirs = theirs;
    let mut queue = TxQueue::new(Framing::V2, false);
    queue.limit_writes(100);
    (0..10).for_each(|_| assert!(queue.push_bytes(&[7; 28])));
    assert!(queue.flush(ours.as_fd()).unwrap());
    assert!(queue.send_encoded(ours.as_fd(), &[0; 150], 5).unwrap());
    let mut record = [0; 1000];
    let lengths = [(); 5].map(|()| theirs.read(&mut record).unwrap());
    assert_eq!(lengths, [100, 100, 100, 100, 50]);
    assert_eq!((queue.bytes(), queue.messages()), (0, 0));
}
