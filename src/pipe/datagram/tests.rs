//! Over the loopback interface.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use super::udp::{Gathered, Outbox, SLACK, gather_from};
use super::*;
use crate::error::Error;
use crate::sys::net::{MOST_DATAGRAMS, SockAddr};
use crate::wire::datagram;
use std::net::{SocketAddr, UdpSocket};

fn pair(kind: Datagrams, limits: (usize, usize)) -> (DatagramEnd, UdpSocket) {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let own = UdpSocket::bind("127.0.0.1:0").unwrap();
    own.set_nonblocking(true).unwrap();
    own.connect(peer.local_addr().unwrap()).unwrap();
    peer.connect(own.local_addr().unwrap()).unwrap();
    let to = SockAddr::from(peer.local_addr().unwrap());
    // SAFETY: the descriptor is given away.
    let fd =
        unsafe { std::os::fd::FromRawFd::from_raw_fd(std::os::fd::IntoRawFd::into_raw_fd(own)) };
    (DatagramEnd::new(Carrier::Udp(Box::new(Udp::new(fd, kind, Some(to)))), limits), peer)
}

fn write(end: &mut DatagramEnd, head: &[u8], body: &[u8]) {
    let mut head = Msg::copy_from(head).unwrap();
    head.set_more(true);
    end.write(&mut head).unwrap();
    end.write(&mut Msg::copy_from(body).unwrap()).unwrap();
}

/// All frames that are here, each with whether more follow.
fn frames(end: &mut DatagramEnd) -> Vec<(Vec<u8>, bool)> {
    end.ready = true;
    end.gather(&mut Slots::default()).unwrap();
    std::iter::from_fn(|| end.take()).map(|frame| (frame.data().to_vec(), frame.more())).collect()
}

#[test]
fn groups_leave_in_front_of_bodies() {
    let (mut end, peer) = pair(Datagrams::Sent, (0, 0));
    let bodies: Vec<Vec<u8>> = (0..100).map(|size| vec![b'x'; size * 13]).collect();
    bodies.iter().for_each(|body| write(&mut end, b"TV", body));
    assert!(end.flush() && end.is_drained());
    let mut buffer = [0; 4096];
    for body in &bodies {
        let size = peer.recv(&mut buffer).unwrap();
        assert_eq!(datagram::parse(&buffer[..size]), Some((&b"TV"[..], &body[..])));
    }
}

/// One that is too long for the system goes nowhere, and those behind it do.
#[test]
fn what_the_system_does_not_take_is_dropped() {
    let (mut end, peer) = pair(Datagrams::Sent, (0, 0));
    write(&mut end, b"A", &[0; 70_000]);
    write(&mut end, &[b'g'; 256], b"no group is so long");
    write(&mut end, b"A", b"x");
    assert!(end.flush());
    let mut buffer = [0; 16];
    assert_eq!(peer.recv(&mut buffer).unwrap(), 3);
    assert_eq!(&buffer[..3], b"\x01Ax");
}

#[test]
fn what_is_no_message_is_dropped() {
    let (mut end, peer) = pair(Datagrams::Received, (0, 0));
    for datagram in [&b""[..], b"\x05four", b"\xff", b"\x01Ax", b"\x00", b"\x02BC"] {
        peer.send(datagram).unwrap();
    }
    let parts = |parts: &[(&str, bool)]| -> Vec<(Vec<u8>, bool)> {
        parts.iter().map(|(text, more)| (text.as_bytes().to_vec(), *more)).collect()
    };
    let all = [("A", true), ("x", false), ("", true), ("", false), ("BC", true), ("", false)];
    assert_eq!(frames(&mut end), parts(&all));
}

/// Beyond the high-water mark they stay in the kernel.
#[test]
fn no_more_is_read_than_may_wait() {
    let (mut end, peer) = pair(Datagrams::Received, (0, 20));
    for number in 0..50_u8 {
        peer.send(&[1, b'A', number]).unwrap();
    }
    let counts: Vec<usize> = (0..4).map(|_| frames(&mut end).len() / 2).collect();
    assert_eq!(counts, [20, 20, 10, 0]);
}

#[test]
fn addresses_are_those_of_the_other_end() {
    let (mut end, peer) = pair(Datagrams::Addressed, (0, 0));
    let address = peer.local_addr().unwrap().to_string();
    peer.send(b"question").unwrap();
    let came = frames(&mut end);
    assert_eq!(came, [(format!("{address}\0").into_bytes(), true), (b"question".to_vec(), false)]);
    for nobody in ["", "nonsense", "localhost:1", "127.0.0.1", "127.0.0.1:99999"] {
        write(&mut end, nobody.as_bytes(), b"dropped");
    }
    for address in [address.clone(), format!("{address}\0")] {
        write(&mut end, address.as_bytes(), b"answer");
        assert!(end.flush());
        let mut buffer = [0; 16];
        let size = peer.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..size], b"answer");
    }
}

#[test]
fn the_outbox_keeps_its_order_and_no_more_than_it_needs() {
    let mut out = Outbox::default();
    let to = SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 1)));
    let (mut pushed, mut passed) = (0_u32, 0_u32);
    for round in 0..5000_u32 {
        for _ in 0..round % 5 {
            out.push([&pushed.to_le_bytes(), &[0; 100], b""], None).unwrap();
            pushed += 1;
        }
        let mut batch = [(&[][..], to); MOST_DATAGRAMS];
        let count = out.first(&to, &mut batch).min(2);
        for (bytes, _) in &batch[..count] {
            assert_eq!((&bytes[..4], bytes.len()), (&passed.to_le_bytes()[..], 104));
            passed += 1;
        }
        out.pass(count);
        assert!(out.begin <= SLACK);
    }
    assert_eq!(out.sizes.len() as u32, pushed - passed);
}

/// A writer that found no room may go on when half of it is free.
#[test]
fn limits() {
    let (mut end, _peer) = pair(Datagrams::Sent, (4, 0));
    end.blocked = true;
    for _ in 0..4 {
        assert!(end.has_room());
        write(&mut end, b"A", b"x");
    }
    assert!(!end.has_room() && !end.has_resumed() && !end.flush());
    end.unblock();
    assert!(end.flush() && end.has_room() && end.has_resumed());
}

/// What has come before there was no memory for more has come.
#[test]
fn what_came_before_a_shortage_counts() {
    for (end, more) in [
        (Err(Error::NoMemory), Err(Error::NoMemory)),
        (Err(Error::Again), Ok(false)),
        (Ok(0), Ok(false)),
    ] {
        let mut looks = [Ok(MOST_DATAGRAMS), Err(Error::Os(libc::ECONNREFUSED)), end].into_iter();
        let found = gather_from(0, &mut VecDeque::new(), |_, _| looks.next().unwrap());
        assert_eq!(found, Gathered { came: MOST_DATAGRAMS as u64, more });
    }
}
