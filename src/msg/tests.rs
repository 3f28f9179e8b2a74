use super::*;
use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn bodies_of_every_size_come_back() {
    for len in [0, 1, INLINE_MAX, INLINE_MAX + 1, 300, 70_000] {
        let bytes: Vec<u8> = (0..len).map(|i| i as u8).collect();
        let mut msg = Msg::copy_from(&bytes).unwrap();
        assert_eq!(msg.data(), &bytes[..]);
        let copy = msg.share();
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
    let mut msg = unsafe { Msg::foreign(bytes.as_mut_ptr(), 100, Some(free)) }.unwrap();
    let copy = msg.share();
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
    let mut msg = unsafe { Msg::borrowed(bytes.as_ptr(), bytes.len()) };
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
