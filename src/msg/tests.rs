use super::*;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn bodies_of_every_size_come_back() {
    for len in [0, 1, INLINE_MAX, INLINE_MAX + 1, 300, 70_000] {
        let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let mut msg = Msg::copy_from(&bytes).unwrap();
        assert_eq!(msg.data(), &bytes[..]);
        let copy = msg.share().unwrap();
        assert_eq!(msg.take().data(), &bytes[..]);
        assert!(msg.is_empty());
        assert_eq!(copy.data(), &bytes[..]);
        assert_eq!(copy.shared(), len > INLINE_MAX);
    }
}

static FREED: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn count(_: *mut c_void, hint: *mut c_void) {
    FREED.fetch_add(hint as usize, Ordering::SeqCst);
}

#[test]
fn foreign_memory_is_freed_once() {
    let mut bytes = [7u8; 100];
    let free = ForeignFree { function: count, hint: 5 as *mut c_void };
    // SAFETY: `bytes` outlives the message.
    let mut msg = unsafe { Msg::foreign(bytes.as_mut_ptr(), 100, Some(free)) };
    let copy = msg.share().unwrap();
    drop(msg);
    assert_eq!(FREED.load(Ordering::SeqCst), 0);
    assert_eq!(copy.data(), [7u8; 100]);
    drop(copy);
    assert_eq!(FREED.load(Ordering::SeqCst), 5);
}

#[test]
fn slices_outlive_their_buffer() {
    let mut buffer = RxBuffer::new(256).unwrap();
    buffer.append(&[1; 100]);
    buffer.append(&[2; 100]);
    let msg = Msg::slice_of(&buffer, 100, 100);
    assert!(!buffer.rewind(0), "a shared buffer must not be overwritten");
    let mut own = Msg::slice_of(&buffer, 0, 100);
    own.unpin();
    drop(buffer);
    assert_eq!(msg.data(), [2; 100]);
    assert_eq!(own.data(), [1; 100]);
    assert!(!own.shared());
}

#[test]
fn borrowed_becomes_owned() {
    let bytes = vec![3u8; 50];
    // SAFETY: made owned before `bytes` is dropped.
    let mut msg = unsafe { Msg::borrowed(&bytes) };
    msg.set_more(true);
    msg.make_owned().unwrap();
    drop(bytes);
    assert_eq!(msg.data(), [3; 50]);
    assert!(msg.more());
}

#[test]
fn closed_memory_is_not_live() {
    let mut place = std::mem::MaybeUninit::new(Msg::new());
    // SAFETY: the place holds a live message, closed once.
    unsafe {
        assert!(Msg::is_live(place.as_ptr()));
        Msg::close(place.as_mut_ptr());
        assert!(!Msg::is_live(place.as_ptr()));
    }
}

#[test]
fn impossible_sizes_are_refused() {
    assert_eq!(Msg::with_size(usize::MAX).unwrap_err(), crate::error::Error::NoMemory);
}

#[test]
fn received_messages_use_the_memory_of_the_last_one() {
    let mut msg = Msg::copy_from(&[1; 100]).unwrap();
    let place = msg.as_mut_ptr();
    assert!(Sink::take(&mut msg, &[2; 98], true));
    assert!(msg.data() == [2; 98] && msg.more() && msg.as_mut_ptr() == place);
    assert!(Sink::take(&mut msg, &[3; 112], false), "blocks have multiples of 16 bytes");
    assert!(msg.data() == [3; 112] && !msg.more() && msg.as_mut_ptr() == place);
    let copy = msg.share().unwrap();
    assert!(Sink::take(&mut msg, &[4; 112], false));
    assert!(msg.data() == [4; 112] && copy.data() == [3; 112], "shared memory stays as it is");
    msg.narrow(1..110);
    assert!(Sink::take(&mut msg, &[5; 112], false) && msg.data() == [5; 112]);
    assert!(Sink::take(&mut msg, &[6; 9], false) && msg.data() == [6; 9]);
    assert!(Sink::take(&mut msg, &[7; 100], false) && msg.data() == [7; 100]);
}

#[test]
fn a_slot_keeps_or_replaces_the_connection() {
    let (one, other) = (Arc::new(Metadata::default()), Arc::new(Metadata::default()));
    let mut msg = Msg::new();
    for metadata in [&one, &one, &other] {
        let mut slot = Slot::new(&mut msg);
        assert!(slot.take(&[1; 64], false));
        slot.came_from(metadata);
        assert!(Arc::ptr_eq(msg.metadata().unwrap(), metadata));
    }
    assert_eq!((Arc::strong_count(&one), Arc::strong_count(&other)), (1, 2));
    Slot::new(&mut msg).restore();
    assert_eq!(Arc::strong_count(&other), 2);
    assert!(Slot::new(&mut msg).take(&[2; 64], false));
    assert!(msg.metadata().is_none() && Arc::strong_count(&other) == 1);
}

#[test]
fn what_is_received_over_is_freed_afterwards() {
    static FREED: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "C" fn count(_: *mut c_void, _: *mut c_void) {
        FREED.fetch_add(1, Ordering::SeqCst);
    }
    let free = ForeignFree { function: count, hint: std::ptr::null_mut() };
    let mut bytes = [7u8; 50];
    let data = bytes.as_mut_ptr();
    // SAFETY: `bytes` outlives the messages.
    let (mut msg, mut next) =
        unsafe { (Msg::foreign(data, 50, Some(free)), Msg::foreign(data, 40, Some(free))) };
    let mut over = Over::new(&mut msg).unwrap();
    assert!(!over.take(&[1; 9], false), "the old message would be lost");
    let mut moved = std::mem::MaybeUninit::uninit();
    // SAFETY: room for a message, which is taken once.
    unsafe {
        next.move_to(moved.as_mut_ptr());
        assert_eq!(over.take_message_at(moved.as_ptr()), 40);
    }
    assert!(next.is_empty() && next.metadata().is_none());
    assert_eq!(FREED.load(Ordering::SeqCst), 0);
    over.finish();
    assert_eq!(FREED.load(Ordering::SeqCst), 1);
    assert_eq!(msg.data(), [7; 40]);
    let copy = msg.share().unwrap();
    assert!(Over::new(&mut msg).is_none(), "shared memory of the application takes more");
    drop((msg, copy));
    assert_eq!(FREED.load(Ordering::SeqCst), 2);
}
