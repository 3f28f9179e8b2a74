//! Connections with a cipher.

use super::*;

#[test]
fn encrypted_frames_of_all_lengths_and_kinds() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (mut writer, mut reader) = (connection(ours, true), connection(theirs, true));
    let numbers = &mut Numbers(5);
    let mut expected = Vec::new();
    for (number, len) in lengths(numbers, 40).into_iter().filter(|len| *len < 100_000).enumerate() {
        let (bytes, more) = (body(number, len), numbers.below(4) == 0);
        let mut msg = Msg::copy_from(&bytes).unwrap();
        msg.set_more(more);
        let rest = expected.last().is_some_and(|last: &(Vec<u8>, bool)| last.1);
        if more || rest || !writer.tx.push_bytes(&bytes) {
            writer.tx.push(&mut msg).unwrap();
        }
        expected.push((bytes, more));
    }
    writer.tx.push(&mut Msg::copy_from(b"the end").unwrap()).unwrap();
    expected.push((b"the end".to_vec(), false));
    std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            while !writer.flush().unwrap() {
                wait_for(writer.fd(), libc::POLLOUT);
                writer.tx.unblock();
            }
            writer
        });
        read_all(&mut reader, &expected, numbers);
        drop(writer.join());
    });
}

#[test]
fn nothing_behind_a_frame_that_does_not_decrypt_is_delivered() {
    for way in 0..3 {
        let (mut writer, reader) = UnixStream::pair().unwrap();
        let mut reader = connection(reader, true);
        let mut pool = BufferPool::default();
        let mut bytes = Vec::new();
        for body in [&b"ABCD\0\xff"[..], b"ABCX\0\xff", b"ABCD\0\xfe"] {
            frame::append_frame(&mut bytes, Flags::NONE, body);
        }
        writer.write_all(&bytes).unwrap();
        assert_eq!(reader.receive(&mut pool, false).unwrap().unwrap().data(), [0]);
        if way > 0 {
            let mut msg = Msg::new();
            assert_eq!(reader.take_into(&mut msg, &mut pool), None);
        }
        if way > 1 {
            let mut msg = Msg::new();
            assert_eq!(reader.take_into(&mut msg, &mut pool), None);
        }
        let failed = reader.receive(&mut pool, false);
        assert_eq!(failed.map(|_| ()), Err(Error::Protocol));
        assert_eq!(reader.rx.failure(), Some(HandshakeError::MalformedCommand(Malformed::Message)));
    }
}
