//! TLS over a descriptor.

use super::super::tls::fuzz::{hear, pair};
use super::*;
use std::io::Read;

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
    assert!(client.is_grown() && server.is_grown());
    client.shrink();
    server.shrink();
    assert!(!client.is_grown() && !server.is_grown());
}
