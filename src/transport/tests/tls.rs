//! TLS over a descriptor.

use super::super::tls::fuzz::{hear, meet, pair, short_keys};
use super::super::tls::idle;
use super::*;
use crate::transport::Agreement;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

/// The lengths of records.
fn records(mut bytes: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    while let Some((&[_, _, _, high, low], rest)) = bytes.split_first_chunk::<5>() {
        let len = usize::from(u16::from_be_bytes([high, low]));
        found.push(len);
        bytes = &rest[len..];
    }
    found
}

#[test]
fn no_record_says_more_than_libzmq_takes() {
    let [(mut client, ours), (_server, mut theirs)] = pair();
    assert_eq!(client.send(ours.as_fd(), &[7; 60_000]), Ok(60_000));
    drop((client, ours));
    let mut said = Vec::new();
    theirs.read_to_end(&mut said).unwrap();
    let records = records(&said);
    assert!(records.len() == 8 && records.iter().all(|len| *len <= 8192 + 64), "{records:?}");
}

#[test]
fn what_counts_as_sent_is_what_the_peer_can_read() {
    let [(mut client, ours), (mut server, theirs)] = pair();
    net::set_option(ours.as_fd(), libc::SOL_SOCKET, libc::SO_SNDBUF, 20_000).unwrap();
    let said: Vec<u8> = (0..600_000_usize).map(|n| (n % 251) as u8).collect();
    let (mut sent, mut heard, mut waits) = (0, Vec::new(), 0);
    while sent < said.len() {
        // As an attempt does each time before it says something.
        assert_eq!(client.agree(ours.as_fd()), Ok(Agreement::Reached));
        match client.send(ours.as_fd(), &said[sent..said.len().min(sent + 70_000)]) {
            Ok(count) => sent += count,
            Err(error) => {
                assert_eq!(error, Error::Again);
                waits += 1;
                heard.extend(hear(&mut server, &theirs, 1000).0);
                assert_eq!(heard.len(), sent, "neither lost nor sent twice");
            }
        }
    }
    heard.extend(hear(&mut server, &theirs, 64 * 1024).0);
    assert!(heard == said && waits > 10);
}

#[test]
fn a_short_read_does_not_mean_that_there_is_no_more() {
    let [(mut client, ours), (mut server, theirs)] = pair();
    assert_eq!(client.send(ours.as_fd(), &[7; 10_000]), Ok(10_000));
    client.close(ours.as_fd());
    let (mut heard, mut buffer) = (0, [0; 9]);
    while heard < 10_000 {
        // What is still the kernel's makes an event.
        assert!(heard == 0 || server.has_more());
        // SAFETY: the buffer is as long as told.
        heard += unsafe { server.recv(theirs.as_fd(), (buffer.as_mut_ptr(), 9)) }.unwrap();
    }
    // SAFETY: as above.
    let end = unsafe { server.recv(theirs.as_fd(), (buffer.as_mut_ptr(), 9)) };
    assert_eq!((heard, end), (10_000, Ok(0)), "it was said that nothing more comes");
    assert!(client.is_grown());
    client.shrink();
    assert!(!client.is_grown());
}

/// What the kernel has is not told of a second time: who could not ask for it has to ask again.
#[test]
fn without_memory_nothing_is_forgotten() {
    let [(mut client, ours), (mut server, theirs)] = pair();
    assert_eq!(client.send(ours.as_fd(), b"first"), Ok(5));
    let (mut heard, mut buffer) = (Vec::new(), [0; 9]);
    // SAFETY: the buffer is as long as told.
    let count = unsafe { server.recv(theirs.as_fd(), (buffer.as_mut_ptr(), 3)) }.unwrap();
    heard.extend_from_slice(&buffer[..count]);
    assert_eq!(client.send(ours.as_fd(), b"second"), Ok(6));
    idle::REFUSES.set(true);
    // SAFETY: as above.
    let count = unsafe { server.recv(theirs.as_fd(), (buffer.as_mut_ptr(), 9)) }.unwrap();
    heard.extend_from_slice(&buffer[..count]);
    assert_eq!((&heard[..], server.has_more()), (&b"first"[..], true));
    // SAFETY: as above.
    let none = unsafe { server.recv(theirs.as_fd(), (buffer.as_mut_ptr(), 9)) };
    assert_eq!(none, Err(Error::NoMemory));
    idle::REFUSES.set(false);
    assert_eq!(hear(&mut server, &theirs, 9), (b"second".to_vec(), false));
}

/// Half of a greeting, or a connection on which nothing is said, costs no buffer.
#[test]
fn octets_have_a_buffer_while_they_are_here() {
    let [(mut client, ours), (mut server, theirs)] = pair();
    assert_eq!([client.holds_input(), server.holds_input()], [false, false]);
    client.send(ours.as_fd(), &[7; 50_000]).unwrap();
    let mut buffer = [0; 9];
    // SAFETY: the buffer is as long as told.
    unsafe { server.recv(theirs.as_fd(), (buffer.as_mut_ptr(), 9)) }.unwrap();
    assert!(server.holds_input());
    hear(&mut server, &theirs, 9000);
    assert!(!server.holds_input());
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let mut server = super::super::tls::fuzz::server();
    theirs.write_all(b"\x16\x03\x01\x02\0\x01\0").unwrap();
    assert_eq!((server.agree(ours.as_fd()), server.holds_input()), (Ok(Agreement::Hears), false));
}

/// TLS 1.3 has others then. With TLS 1.2 the connection ends, and nothing counts as sent that nobody will read.
#[test]
fn keys_that_are_used_up() {
    for is_new in [true, false] {
        let [(mut client, ours), (mut server, theirs)] = meet(&short_keys(is_new));
        let (mut sent, mut heard) = (0, Vec::new());
        for piece in 0..40_u8 {
            match client.send(ours.as_fd(), &[piece; 1000]) {
                Ok(count) => sent += count,
                Err(error) => assert!(!is_new && error == Error::Protocol),
            }
            heard.extend(hear(&mut server, &theirs, 1000).0);
        }
        assert_eq!(heard.len(), sent);
        assert_eq!(sent == 40_000, is_new, "{sent}");
        assert!(heard.chunks(1000).enumerate().all(|(n, piece)| piece == [n as u8; 1000]));
    }
}
