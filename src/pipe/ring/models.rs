//! loom models of the queue: every frame arrives once and whole, whoever sleeps is woken, and
//! nothing is left when both ends are gone. A lost wake-up is a deadlock, which loom finds.

#![allow(clippy::unwrap_used, reason = "a model that cannot go on panics")]

use super::*;
use crate::sync::model::check_in_one_order;
use crate::sync::model::eventfd::EventFd;
use loom::thread;
use std::mem::MaybeUninit;
use std::ops::Range;

/// News for either end, as its socket's mailbox brings them.
struct News {
    readable: EventFd,
    writable: EventFd,
}

fn news() -> Arc<News> {
    Arc::new(News { readable: EventFd::default(), writable: EventFd::default() })
}

/// A frame whose body is copied into the queue.
fn bytes(n: u8) -> Msg {
    Msg::copy_from(&[n; 8]).unwrap()
}

/// A frame that travels as a `Msg`, and fills a block.
fn message(n: u8) -> Msg {
    Msg::copy_from(&[n; 300]).unwrap()
}

/// As `Pipe::pull` of an inproc pipe.
fn read(reader: &mut Reader, news: &News) -> Option<Msg> {
    let Some((msg, wake)) = reader.pop() else {
        if reader.acknowledge() {
            news.writable.signal();
        }
        return None;
    };
    if wake {
        news.writable.signal();
    }
    Some(msg)
}

/// As a socket that reads until it has these frames, one after the other.
fn read_in_order(reader: &mut Reader, news: &News, frames: Range<u8>) {
    for n in frames {
        let msg = loop {
            match read(reader, news) {
                Some(msg) => break msg,
                None => news.readable.wait_for_edge(),
            }
        };
        assert_eq!(msg.data()[0], n);
    }
}

/// As a socket that writes one message.
fn write(writer: &mut Writer, news: &News, mut msg: Msg) {
    while !writer.has_room() {
        news.writable.wait_for_edge();
    }
    writer.push(&mut msg).unwrap();
    publish(writer, news);
}

fn publish(writer: &mut Writer, news: &News) {
    if writer.publish() {
        news.readable.signal();
    }
}

/// As [`read`], by the straight way through a socket as far as that goes.
fn read_straight(reader: &mut Reader, news: &News) -> Option<Msg> {
    let mut msg = Msg::new();
    match reader.pop_alone(&mut msg) {
        Some((_, wake)) => {
            if wake {
                news.writable.signal();
            }
            Some(msg)
        }
        None => read(reader, news),
    }
}

#[test]
fn the_straight_way_leaves_nobody_asleep() {
    check_in_one_order(2, || {
        let (mut writer, mut reader) = queue(1, false);
        let news = news();
        let of_reader = news.clone();
        let thread = thread::spawn(move || {
            for n in 0..3 {
                let msg = loop {
                    match read_straight(&mut reader, &of_reader) {
                        Some(msg) => break msg,
                        None => of_reader.readable.wait_for_edge(),
                    }
                };
                assert_eq!(msg.data()[0], n);
            }
        });
        for n in 0..3 {
            while !writer.has_room() {
                news.writable.wait_for_edge();
            }
            if n == 1 {
                writer.push_alone(&mut message(n));
            } else {
                writer.push_bytes_alone(&[n; 8]);
            }
            if writer.publish_freely() {
                news.readable.signal();
            }
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_sleeping_reader_gets_every_message() {
    check_in_one_order(3, || {
        let (mut writer, mut reader) = queue(0, false);
        let news = news();
        let of_reader = news.clone();
        let thread = thread::spawn(move || read_in_order(&mut reader, &of_reader, 0..3));
        for n in 0..3 {
            write(&mut writer, &news, bytes(n));
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_sleeping_writer_gets_room() {
    for limit in [1, 2] {
        check_in_one_order(2, move || {
            let (mut writer, mut reader) = queue(limit, false);
            let news = news();
            let of_reader = news.clone();
            let thread = thread::spawn(move || read_in_order(&mut reader, &of_reader, 0..4));
            for n in 0..4 {
                write(&mut writer, &news, bytes(n));
            }
            thread.join().unwrap();
        });
    }
}

#[test]
fn a_lowered_limit_does_not_stop_the_writer_for_good() {
    check_in_one_order(3, || {
        let (mut writer, mut reader) = queue(4, false);
        let news = news();
        let of_reader = news.clone();
        let thread = thread::spawn(move || {
            read_in_order(&mut reader, &of_reader, 0..1);
            reader.set_high_water_mark(1);
            read_in_order(&mut reader, &of_reader, 1..3);
        });
        for n in 0..3 {
            write(&mut writer, &news, bytes(n));
        }
        thread.join().unwrap();
    });
}

#[test]
fn blocks_go_back_and_forth() {
    for limit in [0, 2] {
        check_in_one_order(2, move || {
            let (mut writer, mut reader) = queue(limit, false);
            let news = news();
            let of_reader = news.clone();
            let thread = thread::spawn(move || read_in_order(&mut reader, &of_reader, 0..4));
            for n in 0..4 {
                write(&mut writer, &news, if n % 2 == 0 { message(n) } else { bytes(n) });
            }
            thread.join().unwrap();
        });
    }
}

#[test]
fn what_is_taken_back_is_never_read() {
    check_in_one_order(3, || {
        let (mut writer, mut reader) = queue(0, false);
        let news = news();
        let of_reader = news.clone();
        let thread = thread::spawn(move || read_in_order(&mut reader, &of_reader, 0..2));
        for n in 0..2 {
            for mut part in [message(7), bytes(7)] {
                part.set_more(true);
                writer.push(&mut part).unwrap();
            }
            writer.rollback();
            write(&mut writer, &news, message(n));
        }
        thread.join().unwrap();
    });
}

#[test]
fn parts_of_a_message_arrive_together() {
    check_in_one_order(3, || {
        let (mut writer, mut reader) = queue(0, false);
        let news = news();
        let of_reader = news.clone();
        let thread = thread::spawn(move || {
            for first in [0, 2] {
                while !reader.has_frame() {
                    of_reader.readable.wait_for_edge();
                }
                for n in [first, first + 1] {
                    let (msg, _) = reader.pop().unwrap();
                    assert_eq!((msg.data()[0], msg.more()), (n, n == first));
                }
            }
        });
        for first in [0, 2] {
            let mut part = message(first);
            part.set_more(true);
            writer.push(&mut part).unwrap();
            writer.push(&mut bytes(first + 1)).unwrap();
            publish(&mut writer, &news);
        }
        thread.join().unwrap();
    });
}

#[test]
fn reading_into_a_buffer_loses_nothing() {
    check_in_one_order(2, || {
        let (mut writer, mut reader) = queue(1, false);
        let news = news();
        let of_reader = news.clone();
        let thread = thread::spawn(move || {
            let mut next = 0;
            while next < 3 {
                let mut buffer = [MaybeUninit::new(0u8); 16];
                // As `zmq_recv`: what is not bytes in the queue is read the other way.
                if let Some((part, wake)) = reader.pop_into(&mut buffer[..]) {
                    if wake {
                        of_reader.writable.signal();
                    }
                    // SAFETY: initialised above.
                    assert_eq!((part.len, unsafe { buffer[0].assume_init() }), (8, next));
                } else if let Some(msg) = read(&mut reader, &of_reader) {
                    assert_eq!(msg.data()[0], next);
                } else {
                    of_reader.readable.wait_for_edge();
                    continue;
                }
                next += 1;
            }
        });
        for n in 0..3 {
            write(&mut writer, &news, if n == 1 { message(n) } else { bytes(n) });
        }
        thread.join().unwrap();
    });
}

#[test]
fn what_was_written_before_the_end_is_read() {
    check_in_one_order(3, || {
        let (mut writer, mut reader) = queue(0, false);
        let news = news();
        let of_reader = news.clone();
        let thread = thread::spawn(move || {
            let mut next = 0;
            loop {
                // Asked first: what is there afterwards is all there is.
                let gone = reader.writer_gone();
                while let Some(msg) = read(&mut reader, &of_reader) {
                    assert_eq!(msg.data()[0], next);
                    next += 1;
                }
                if gone {
                    break;
                }
                of_reader.readable.wait_for_edge();
            }
            assert_eq!(next, 3);
        });
        for n in 0..3 {
            write(&mut writer, &news, if n == 1 { message(n) } else { bytes(n) });
        }
        // As `InprocEnd::drop`, except that news of the end are no others.
        drop(writer);
        news.readable.signal();
        thread.join().unwrap();
    });
}

#[test]
fn a_reader_may_leave_while_the_writer_works() {
    check_in_one_order(3, || {
        let (mut writer, mut reader) = queue(0, false);
        let thread = thread::spawn(move || {
            // Whether this finds something or not.
            drop(reader.pop());
        });
        // What nobody reads is freed: a model ends with no memory allocated.
        for n in 0..3 {
            if !writer.reader_gone() {
                writer.push(&mut message(n)).unwrap();
                writer.publish();
            }
        }
        writer.push(&mut message(3)).unwrap();
        drop(writer);
        thread.join().unwrap();
    });
}

#[test]
fn the_newest_of_conflated_messages_arrives() {
    check_in_one_order(3, || {
        let (mut writer, mut reader) = queue(0, true);
        let news = news();
        let of_reader = news.clone();
        let thread = thread::spawn(move || {
            let mut last = None;
            while last != Some(2) {
                match read(&mut reader, &of_reader) {
                    Some(msg) => {
                        assert!(Some(msg.data()[0]) > last, "an older one after a newer one");
                        last = Some(msg.data()[0]);
                    }
                    None => of_reader.readable.wait_for_edge(),
                }
            }
        });
        for n in 0..3 {
            write(&mut writer, &news, message(n));
        }
        thread.join().unwrap();
    });
}

#[test]
fn either_end_of_conflated_messages_may_leave_first() {
    check_in_one_order(3, || {
        let (mut writer, mut reader) = queue(0, true);
        let thread = thread::spawn(move || {
            // Whether this finds something or not. What nobody reads is freed.
            drop(reader.pop());
        });
        for n in 0..2 {
            writer.push(&mut message(n)).unwrap();
            writer.publish();
        }
        drop(writer);
        thread.join().unwrap();
    });
}

#[test]
fn a_quick_writer_wakes_a_reader_that_falls_asleep() {
    check_in_one_order(3, || {
        let (mut writer, mut reader) = queue(0, false);
        let news = news();
        // Read in one go over the end of a block: the writer is told to be quick.
        for n in 0..3 {
            write(&mut writer, &news, message(n));
        }
        news.readable.wait_for_edge();
        read_in_order(&mut reader, &news, 0..3);
        assert!(writer.0.quick.load(Ordering::Relaxed));
        let of_reader = news.clone();
        let thread = thread::spawn(move || read_in_order(&mut reader, &of_reader, 3..5));
        for n in 3..5 {
            write(&mut writer, &news, bytes(n));
        }
        thread.join().unwrap();
    });
}
