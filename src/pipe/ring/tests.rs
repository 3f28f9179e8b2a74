use super::*;
use crate::pattern::Part;
use std::mem::MaybeUninit;

fn msg(n: u32) -> Msg {
    Msg::copy_from(&n.to_le_bytes()).unwrap()
}

#[test]
fn order_across_blocks_and_threads() {
    const COUNT: u32 = 200_000;
    let (mut writer, mut reader) = queue(0, false);
    let thread = std::thread::spawn(move || {
        for n in 0..COUNT {
            writer.push(&mut msg(n)).unwrap();
            writer.publish();
        }
    });
    let mut expected = 0;
    while expected < COUNT {
        if let Some((m, _)) = reader.pop() {
            assert_eq!(m.data(), expected.to_le_bytes());
            expected += 1;
        } else {
            std::thread::yield_now();
        }
    }
    thread.join().unwrap();
    assert!(!reader.has_frame());
    assert!(reader.writer_gone());
}

#[test]
fn high_water_mark_resumes_at_half() {
    let (mut writer, mut reader) = queue(5, false);
    for n in 0..5 {
        assert!(writer.has_room());
        writer.push(&mut msg(n)).unwrap();
    }
    assert!(!writer.has_room());
    assert!(writer.publish(), "the reader had not looked yet");
    assert!(!reader.pop().unwrap().1);
    assert!(!reader.pop().unwrap().1);
    assert!(!writer.has_room(), "two of five is not half");
    assert!(reader.pop().unwrap().1, "three of five wakes the writer");
    assert!(writer.has_room());
}

#[test]
fn both_ends_count_whole_messages_across_blocks() {
    let (mut writer, mut reader) = queue(4000, false);
    assert_eq!((writer.under_way(), reader.unread()), (0, 0));
    for n in 0..1000 {
        let mut first = msg(n);
        first.set_more(true);
        writer.push(&mut first).unwrap();
        writer.push(&mut Msg::copy_from(&[n as u8; 300]).unwrap()).unwrap();
    }
    assert_eq!(reader.unread(), 0, "not published");
    writer.publish();
    assert_eq!((writer.under_way(), reader.unread()), (1000, 1000));
    reader.pop().unwrap();
    assert_eq!(reader.unread(), 1000, "the last part of the first one is here");
    for left in (0..1000).rev() {
        reader.pop().unwrap();
        assert_eq!(reader.unread(), left);
        let _ = reader.pop();
    }
    reader.acknowledge();
    assert_eq!((writer.under_way(), reader.unread()), (0, 0));
    let (mut writer, reader) = queue(0, true);
    writer.push(&mut msg(1)).unwrap();
    writer.push(&mut msg(2)).unwrap();
    writer.publish();
    assert_eq!((writer.under_way(), reader.unread()), (1, 1), "the newest");
}

#[test]
fn unpublished_and_unread_frames_are_freed() {
    let (mut writer, mut reader) = queue(0, false);
    for n in 0..200 {
        writer.push(&mut Msg::copy_from(&[n as u8; 100]).unwrap()).unwrap();
    }
    writer.publish();
    writer.push(&mut Msg::copy_from(&[1; 100]).unwrap()).unwrap();
    assert!(reader.pop().is_some());
    drop(reader);
    assert!(writer.reader_gone());
}

#[test]
fn an_unfinished_message_is_taken_back() {
    let (mut writer, mut reader) = queue(0, false);
    let mut written = 0u32;
    for round in 0..200usize {
        // Up to several blocks of frames of both kinds, some longer than a block has room for.
        for frame in 0..round {
            let mut part = Msg::copy_from(&vec![frame as u8; frame * 37 % 1500]).unwrap();
            part.set_more(true);
            writer.push(&mut part).unwrap();
        }
        assert_eq!(writer.in_message(), round != 0);
        writer.rollback();
        assert!(!writer.in_message());
        for _ in 0..round % 7 {
            writer.push(&mut msg(written)).unwrap();
            writer.publish();
            written += 1;
        }
    }
    for n in 0..written {
        assert_eq!(reader.pop().unwrap().0.data(), n.to_le_bytes());
    }
    assert!(!reader.has_frame());
}

#[test]
fn conflate_keeps_the_newest() {
    let (mut writer, mut reader) = queue(1, true);
    for n in 0..9 {
        assert!(writer.has_room());
        writer.push(&mut msg(n)).unwrap();
        writer.publish();
    }
    assert_eq!(reader.pop().unwrap().0.data(), 8u32.to_le_bytes());
    assert!(reader.pop().is_none());
    writer.push(&mut msg(9)).unwrap();
    assert!(writer.publish());
}

#[test]
fn bodies_of_every_size_and_kind() {
    let (mut writer, mut reader) = queue(0, false);
    let bytes: Vec<u8> = (0..3000).map(|n| n as u8).collect();
    let lengths = (0..2 * BYTES_LIMIT).step_by(7).chain([BYTES_LIMIT, BYTES_LIMIT + 1]);
    for (round, len) in lengths.enumerate() {
        let mut copied = Msg::copy_from(&bytes[..len]).unwrap();
        copied.set_more(round % 3 != 0);
        // SAFETY: pushed at once, or owned before.
        let mut borrowed = unsafe { Msg::borrowed(&bytes[..len]) };
        assert_eq!(writer.copies(&borrowed), len <= BYTES_LIMIT);
        borrowed.set_more(round % 2 == 0);
        if !writer.copies(&borrowed) {
            borrowed.make_owned().unwrap();
        }
        writer.push(&mut copied).unwrap();
        writer.push(&mut borrowed).unwrap();
        writer.publish();
        let (msg, _) = reader.pop().unwrap();
        assert_eq!((msg.data(), msg.more()), (&bytes[..len], round % 3 != 0));
        let mut to = [MaybeUninit::uninit(); 100];
        if len <= BYTES_LIMIT {
            let part = Part { len, more: round % 2 == 0 };
            assert_eq!(reader.pop_into(&mut to[..]), Some((part, false)));
            let fits = len.min(100);
            // SAFETY: as much was written.
            let got = unsafe { std::slice::from_raw_parts(to.as_ptr().cast::<u8>(), fits) };
            assert_eq!(got, &bytes[..fits]);
        } else {
            assert_eq!(reader.pop_into(&mut to[..]), None, "a message of its own is not copied");
            assert_eq!(reader.pop().unwrap().0.data(), &bytes[..len]);
        }
        assert_eq!(reader.pop_into(&mut to[..]), None);
        writer.push_bytes(&[], 0);
        writer.publish();
        assert!(reader.pop().is_some());
    }
}

#[test]
fn a_lowered_high_water_mark_counts_only_what_is_under_way() {
    let (mut writer, mut reader) = queue(1000, false);
    for n in 0..400 {
        assert!(writer.has_room());
        writer.push(&mut msg(n)).unwrap();
    }
    writer.publish();
    while reader.pop().is_some() {}
    writer.set_high_water_mark(10);
    assert!(!writer.has_room(), "the reader has not said how far it came");
    assert!(reader.acknowledge(), "the writer waits");
    assert!(writer.has_room());
    assert!(!reader.acknowledge());
}

#[test]
fn the_straight_way_takes_whole_messages_only() {
    let (mut writer, mut reader) = queue(0, false);
    let mut got = Msg::new();
    for n in 0..1000 {
        if n % 3 == 0 {
            writer.push_alone(&mut Msg::copy_from(&[n as u8; 300]).unwrap());
        } else {
            writer.push_bytes_alone(&[n as u8; 100]);
        }
    }
    assert!(reader.pop_alone(&mut got).is_none(), "nothing is published yet");
    writer.publish_freely();
    for n in 0..1000 {
        let len = if n % 3 == 0 { 300 } else { 100 };
        assert_eq!(reader.pop_alone(&mut got), Some((len, false)));
        assert!(got.len() == len && got.data().iter().all(|&byte| byte == n as u8));
    }
    let mut part = msg(1);
    part.set_more(true);
    writer.push(&mut part).unwrap();
    writer.push(&mut msg(2)).unwrap();
    writer.publish();
    assert!(reader.pop_alone(&mut got).is_none(), "a message in parts");
    assert!(reader.pop().unwrap().0.more());
    assert_eq!(reader.pop_alone(&mut got), Some((4, false)));
}
