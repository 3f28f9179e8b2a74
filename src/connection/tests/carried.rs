//! Connections over WebSocket.

use super::*;
use crate::sys::random;
use crate::transport::Link;
use crate::wire::websocket::{self, MAX_HEADER};
use crate::wire::zws::{Decoder, Encoder, Masks};

/// For the end of a client, or of a server.
pub(super) fn websocket(client: bool) -> WebSocket {
    let content = Content::Zws;
    let encoder = Encoder::new(content, client.then(|| Masks::new(random::fill)));
    WebSocket {
        encoder,
        decoder: Decoder::new(content, !client, 0),
        content,
        link: Link::default(),
    }
}

/// What a client has sent.
pub(super) fn frames_of(bytes: &[u8]) -> Vec<u8> {
    let mut frames = vec![0; 2 * bytes.len() + 100];
    let step = Decoder::new(Content::Zws, true, 0).decode(bytes, &mut frames).unwrap();
    frames.truncate(step.written);
    frames
}

fn pair(encrypted: bool) -> (Connection, Connection) {
    let (ours, theirs) = tcp_pair();
    ours.set_nonblocking(true).unwrap();
    theirs.set_nonblocking(true).unwrap();
    let (mut ours, mut theirs) = (connection(ours, encrypted), connection(theirs, encrypted));
    ours.carry(websocket(true));
    theirs.carry(websocket(false));
    (ours, theirs)
}

/// Sends all of it, with Pings in between, while the other end reads.
fn exchange(mut writer: Connection, mut reader: Connection, seed: u64) {
    let mut numbers = Numbers(seed);
    let sent: Vec<_> = lengths(&mut numbers, 150)
        .iter()
        .enumerate()
        .map(|(number, &len)| (body(number, len), number % 7 == 3))
        .collect();
    let expected = sent.clone();
    let writing = std::thread::spawn(move || {
        let mut pool = BufferPool::default();
        for (number, (body, more)) in sent.iter().enumerate() {
            let mut msg = Msg::copy_from(body).unwrap();
            msg.set_more(*more);
            writer.tx.push(&mut msg).unwrap();
            if number % 10 == 9 {
                writer.push_ping(clock::now()).unwrap();
            }
            while !writer.flush().unwrap() {
                wait_for(writer.fd(), libc::POLLOUT);
                writer.tx.unblock();
            }
            writer.rx.set_ready(false);
            assert!(writer.receive(&mut pool, false).unwrap().is_none(), "Pongs are no messages");
        }
        writer
    });
    read_all(&mut reader, &expected, &mut numbers);
    drop(writing.join().unwrap());
    assert!(reader.answered, "Pings are answered");
}

#[test]
fn frames_arrive_as_they_were_sent() {
    for (encrypted, seed) in [(false, 1), (true, 2)] {
        let (ours, theirs) = pair(encrypted);
        exchange(ours, theirs, seed);
        let (ours, theirs) = pair(encrypted);
        exchange(theirs, ours, seed + 2);
    }
}

#[test]
fn a_message_in_fragments_that_come_one_by_one_is_not_taken_for_silence() {
    let (mut client, theirs) = tcp_pair();
    theirs.set_nonblocking(true).unwrap();
    let mut reader = connection(theirs, false);
    reader.carry(websocket(false));
    let mut pool = BufferPool::default();
    let mut header = [0; MAX_HEADER];
    let len = websocket::encode_header(websocket::Opcode::Binary, 2, Some([0; 4]), &mut header);
    for number in 0..10 {
        header[0] = if number == 0 { 0x02 } else { 0x00 };
        client.write_all(&[&header[..len], b"\0x"].concat()).unwrap();
        let heard = reader.heard;
        wait_for(reader.fd(), libc::POLLIN);
        reader.rx.set_ready(false);
        assert!(reader.receive(&mut pool, false).unwrap().is_none());
        assert!(reader.heard > heard && !reader.rx.holds_data());
    }
    client.write_all(b"\x80\x80\0\0\0\0").unwrap();
    wait_for(reader.fd(), libc::POLLIN);
    reader.rx.set_ready(false);
    let whole = reader.receive(&mut pool, false).unwrap().unwrap();
    assert_eq!(whole.data(), b"x\0x\0x\0x\0x\0x\0x\0x\0x\0x");
}

#[test]
fn who_closes_says_so_and_who_hears_it_answers() {
    let (ours, mut theirs) = pair(false);
    let mut pool = BufferPool::default();
    drop(ours);
    wait_for(theirs.fd(), libc::POLLIN);
    theirs.rx.set_ready(true);
    let end = theirs.receive(&mut pool, false).map(|_| ());
    assert_eq!(end, Err(Error::Os(libc::ECONNRESET)));
    assert!(!theirs.open_websocket);
    // One whose frame is cut short has no last word.
    let (mut ours, theirs) = pair(false);
    let mut msg = Msg::copy_from(&vec![7; 8 << 20]).unwrap();
    ours.tx.push(&mut msg).unwrap();
    assert_eq!(ours.flush(), Ok(false));
    assert!(!ours.tx.may_close());
    let mut waiting = Waiting::default();
    ours.tx.give_back(&mut waiting);
    assert!(!ours.tx.may_close() && waiting.messages() == 1);
    drop((ours, theirs));
}

/// Of a record that is not whole the beginning is not the kernel's any more: it has fewer bytes to come than the body, and must
/// not wait for as many.
#[cfg(tls)]
#[test]
fn the_end_of_a_long_body_is_told_of() {
    const LEN: usize = 1 << 20;
    let (mut client, theirs) = tcp_pair();
    // Else the kernel keeps pieces until those before are acknowledged.
    client.set_nodelay(true).unwrap();
    let [ours, link] = Link::protected([client.as_fd(), theirs.as_fd()]);
    let mut said = [&[0x82, 0xff][..], &(LEN as u64 + 1).to_be_bytes(), &[0; 5]].concat();
    said.resize(said.len() + LEN, 7);
    let (mut records, aside) = UnixStream::pair().unwrap();
    records.set_nonblocking(true).unwrap();
    let mut wire = Vec::new();
    for piece in said.chunks(8192) {
        assert_eq!(ours.send(aside.as_fd(), piece), Ok(piece.len()));
        let _ = records.read_to_end(&mut wire);
    }
    theirs.set_nonblocking(true).unwrap();
    let mut reader = connection(theirs, false);
    reader.carry(WebSocket { link, ..websocket(false) });
    let mut pool = BufferPool::default();
    let (mut left, mut waits) = (wire.len(), 0);
    for piece in wire.chunks(10_007) {
        client.write_all(piece).unwrap();
        left -= piece.len();
        while net::unread(reader.fd.as_fd()).unwrap() < piece.len() {
            std::thread::yield_now();
        }
        reader.rx.set_ready(false);
        if let Some(msg) = reader.receive(&mut pool, false).unwrap() {
            assert_eq!((msg.len(), left), (LEN, 0));
            return assert!(waits > 10, "else nothing was shown");
        }
        let fd = reader.fd.as_fd();
        let wanted = net::get_option(fd, libc::SOL_SOCKET, libc::SO_RCVLOWAT).unwrap() as usize;
        assert!(wanted <= left + net::unread(fd).unwrap(), "{wanted} of {left}");
        waits += usize::from(wanted > 1);
    }
    wait_for(reader.fd(), libc::POLLIN);
    reader.rx.set_ready(false);
    assert!(reader.receive(&mut pool, false).unwrap().is_some());
}
