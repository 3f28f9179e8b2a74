use crate::wire::error::FrameError;
use crate::wire::frame::*;

const SIZES: &[usize] = &[0, 1, 2, 30, 252, 253, 254, 255, 256, 257, 65535, 65536, 1 << 33];

fn header(framing: Framing, body_len: usize, more: bool, command: bool) -> Vec<u8> {
    let mut out = [0xaa; MAX_HEADER];
    let len = encode_header(framing, body_len, more, command, &mut out);
    out[..len].to_vec()
}

#[test]
fn headers_come_back_and_need_each_byte() {
    for &framing in &[Framing::V1, Framing::V2] {
        for &size in SIZES {
            for (more, command) in [(false, false), (true, false), (false, true)] {
                let command = command && framing == Framing::V2;
                let bytes = header(framing, size, more, command);
                for end in 0..bytes.len() {
                    assert_eq!(parse_header(framing, &bytes[..end]), Ok(None));
                }
                let parsed = parse_header(framing, &bytes).unwrap().unwrap();
                assert_eq!(parsed.flags, Flags::new(more, command));
                assert_eq!((parsed.flags.more(), parsed.flags.command()), (more, command));
                assert_eq!(parsed.header_len, bytes.len());
                assert_eq!(parsed.body_len, size as u64);
                assert_eq!(parsed.frame_len(), (bytes.len() + size) as u64);
            }
        }
    }
}

#[test]
fn headers_are_those_of_the_rfcs_and_libzmq() {
    assert_eq!(header(Framing::V2, 0, false, false), [0, 0]);
    assert_eq!(header(Framing::V2, 255, true, false), [1, 255]);
    assert_eq!(header(Framing::V2, 256, false, false), [2, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(header(Framing::V2, 256, true, false), [3, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(header(Framing::V2, 5, false, true), [4, 5]);
    assert_eq!(header(Framing::V2, 300, false, true), [6, 0, 0, 0, 0, 0, 0, 1, 44]);
    assert_eq!(header(Framing::V1, 0, false, false), [1, 0]);
    // Recorded from libzmq 4.3.4: a body of 253 is short, one of 254 long.
    assert_eq!(header(Framing::V1, 253, true, false), [254, 1]);
    assert_eq!(header(Framing::V1, 254, false, false), [255, 0, 0, 0, 0, 0, 0, 0, 255, 0]);
}

#[test]
fn long_form_may_carry_small_frames() {
    let parsed = parse_header(Framing::V2, b"\x02\0\0\0\0\0\0\0\x02").unwrap().unwrap();
    assert_eq!((parsed.header_len, parsed.body_len), (9, 2));
    let parsed = parse_header(Framing::V1, b"\xff\0\0\0\0\0\0\0\x01\x01").unwrap().unwrap();
    assert_eq!((parsed.header_len, parsed.body_len, parsed.flags.more()), (10, 0, true));
}

#[test]
fn bad_headers_are_told_apart() {
    for flags in 8..=255 {
        assert_eq!(parse_header(Framing::V2, &[flags]), Err(FrameError::ReservedFlags));
        assert_eq!(parse_header(Framing::V2, &[flags, 1]), Err(FrameError::ReservedFlags));
    }
    for flags in [5, 7] {
        assert_eq!(parse_header(Framing::V2, &[flags, 1]), Err(FrameError::CommandWithMore));
    }
    assert_eq!(parse_header(Framing::V1, &[0]), Err(FrameError::ZeroLength));
    let long = |first: u8, len: u64| [&[first][..], &len.to_be_bytes()].concat();
    assert_eq!(parse_header(Framing::V1, &long(255, 0)), Err(FrameError::ZeroLength));
    for len in [1 << 63, (1 << 63) + 1, u64::MAX] {
        for first in [2, 3, 6] {
            let bytes = long(first, len);
            assert_eq!(parse_header(Framing::V2, &bytes), Err(FrameError::LengthOverflow));
        }
        assert_eq!(parse_header(Framing::V1, &long(255, len)), Err(FrameError::LengthOverflow));
    }
    // 2^63-1 is a legal announcement; it costs nothing, and the limits decide about it.
    let most = parse_header(Framing::V2, &long(2, MAX_BODY)).unwrap().unwrap();
    assert_eq!(most.body_len, MAX_BODY);
    assert_eq!(most.frame_len(), MAX_BODY + 9);
    assert_eq!(most.checked_len(1000), Err(FrameError::TooLarge));
    // Bits other than MORE mean nothing in ZMTP 1.0.
    assert!(!parse_header(Framing::V1, &[2, 0xfe]).unwrap().unwrap().flags.more());
}

#[test]
fn size_limit() {
    let header = parse_header(Framing::V2, &[0, 100]).unwrap().unwrap();
    assert_eq!(header.checked_len(-1), Ok(100));
    assert_eq!(header.checked_len(100), Ok(100));
    assert_eq!(header.checked_len(99), Err(FrameError::TooLarge));
    assert_eq!(header.checked_len(0), Err(FrameError::TooLarge));
}

fn message(framing: Framing, sizes: &[usize]) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, &size) in sizes.iter().enumerate() {
        let flags = Flags::new(i + 1 < sizes.len(), false);
        append_frame_as(framing, &mut out, flags, &vec![7; size]);
    }
    out
}

#[test]
fn a_message_is_whole_when_all_of_it_is_there() {
    let shapes: &[&[usize]] = &[&[0], &[5], &[300], &[0, 0], &[5, 0, 70], &[300, 256, 255, 1]];
    for &framing in &[Framing::V1, Framing::V2] {
        for shape in shapes {
            let one = message(framing, shape);
            for end in 0..one.len() {
                assert!(!holds_message(framing, &one[..end], u64::MAX));
            }
            let two = [one.clone(), message(framing, &[3])].concat();
            let longest = *shape.iter().max().unwrap() as u64;
            for bytes in [one, two] {
                assert!(holds_message(framing, &bytes, u64::MAX));
                assert!(holds_message(framing, &bytes, longest));
                assert!(longest == 0 || !holds_message(framing, &bytes, longest - 1));
            }
        }
    }
}

#[test]
fn what_is_left_to_be_decided_is_no_whole_message() {
    let holds = |bytes: &[u8]| holds_message(Framing::V2, bytes, u64::MAX);
    let ping = b"\x04\x07\x04PING\0\0";
    assert!(!holds(ping), "a command");
    assert!(!holds(&[b"\x01\x01a", &ping[..], b"\0\x01b"].concat()), "one between the parts");
    assert!(holds(&[b"\x01\x01a\0\x01b", &ping[..]].concat()), "one behind them");
    assert!(!holds(b"\x01\x01a\x08\x01b"), "a reserved flag");
    assert!(!holds(b"\x01\x01a\x05\x01b"), "a command with MORE");
    assert!(!holds(b"\x01\0\x02\x7f\xff\xff\xff\xff\xff\xff\xff"), "no such length");
    assert!(!holds(b"\x01\0\x02\xff\xff\xff\xff\xff\xff\xff\xff"), "nor this");
    assert!(!holds_message(Framing::V1, b"\x02\x01a\0", u64::MAX), "a length of nothing");
}
