//! loom models of shared bodies: freed once, after the last reader, and never written while
//! somebody reads.

#![allow(clippy::unwrap_used, reason = "a model that cannot go on panics")]

use super::*;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::heap;
use crate::sync::model::check;
use loom::cell::UnsafeCell;
use loom::thread;
use std::ffi::c_void;

/// Longer than what fits a message.
const LEN: usize = INLINE_MAX + 8;

/// Reads a body the way applications do, and lets loom know.
fn read(msg: &Msg) -> u8 {
    heap::reads(msg.data().as_ptr());
    let first = msg.data()[0];
    assert!(msg.data().iter().all(|&byte| byte == first));
    first
}

/// Memory of an application, and what happened to it.
struct Memory {
    bytes: UnsafeCell<[u8; LEN]>,
    freed: AtomicUsize,
}

unsafe extern "C" fn give_back(_: *mut c_void, hint: *mut c_void) {
    // SAFETY: the hint of `foreign`, which lives as long as the model.
    let memory = unsafe { &*hint.cast::<Memory>() };
    memory.bytes.with_mut(|_| ());
    memory.freed.fetch_add(1, Ordering::Relaxed);
}

/// A message over `memory`, which must outlive it.
fn foreign(memory: &Memory) -> Msg {
    let data = memory.bytes.with_mut(|bytes| bytes.cast::<u8>());
    let hint = ptr::from_ref(memory).cast_mut().cast();
    let free = ForeignFree { function: give_back, hint };
    // SAFETY: the caller's.
    unsafe { Msg::foreign(data, LEN, Some(free)) }
}

#[test]
fn memory_of_the_application_comes_back_once_after_the_last_reader() {
    check(3, || {
        let bytes = UnsafeCell::new([7; LEN]);
        let memory = loom::sync::Arc::new(Memory { bytes, freed: AtomicUsize::new(0) });
        let mut msg = foreign(&memory);
        let threads = [1, 2].map(|_| {
            let (mut msg, memory) = (msg.share().unwrap(), memory.clone());
            thread::spawn(move || {
                let copy = msg.share().unwrap();
                drop(msg);
                // SAFETY: the message keeps the memory from being given back.
                memory.bytes.with(|bytes| assert_eq!(unsafe { (*bytes)[0] }, copy.data()[0]));
            })
        });
        drop(msg);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(memory.freed.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn an_allocated_body_is_freed_once_after_the_last_reader() {
    check(3, || {
        let mut msg = Msg::copy_from(&[7; LEN]).unwrap();
        let threads = [1, 2].map(|_| {
            let mut msg = msg.share().unwrap();
            thread::spawn(move || {
                let copy = msg.share().unwrap();
                assert_eq!(read(&msg), 7);
                drop(msg);
                assert_eq!(read(&copy), 7);
            })
        });
        assert_eq!(read(&msg), 7);
        drop(msg);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_receive_buffer_starts_again_only_after_its_last_message() {
    check(3, || {
        let mut buffer = RxBuffer::new(2 * LEN).unwrap();
        buffer.append(&[1; LEN]);
        buffer.append(&[2; LEN]);
        let threads = [0, LEN].map(|at| {
            let msg = Msg::slice_of(&buffer, at, LEN);
            thread::spawn(move || read(&msg))
        });
        while !buffer.rewind(2 * LEN) {
            thread::yield_now();
        }
        heap::writes(buffer.spare().0);
        buffer.append(&[3; LEN]);
        threads.into_iter().for_each(|thread| assert!(thread.join().unwrap() < 3));
    });
}

#[test]
fn a_receive_buffer_outlives_its_owner_as_long_as_a_message_needs() {
    check(3, || {
        let mut buffer = RxBuffer::new(LEN).unwrap();
        buffer.append(&[1; LEN]);
        let threads = [1, 2].map(|_| {
            let msg = Msg::slice_of(&buffer, 0, LEN);
            thread::spawn(move || read(&msg))
        });
        drop(buffer);
        threads.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap(), 1));
    });
}

/// A body in the arena; [`arena::ARENA_LIMIT`] long, so that few fill a block.
fn place(arena: &mut Arena, byte: u8) -> Msg {
    let bytes = [byte; ARENA_LIMIT];
    // SAFETY: made owned at once.
    let mut msg = unsafe { Msg::borrowed(&bytes) };
    msg.make_owned_in(arena).unwrap();
    msg
}

#[test]
fn an_arena_writes_over_no_body_that_is_read() {
    check(2, || {
        let mut arena = Arena::default();
        // As many as fill a block, each read by a thread.
        let bodies = [1, 2].map(|byte| place(&mut arena, byte));
        let start = bodies[0].data().as_ptr();
        let threads = bodies.map(|msg| thread::spawn(move || read(&msg)));
        for byte in 3..=6 {
            // Loom does not try by itself what it is if they have finished here.
            thread::yield_now();
            let msg = place(&mut arena, byte);
            if msg.data().as_ptr() == start && byte % 2 == 1 {
                // The first block again: nobody may have anything in it but this.
                heap::writes(start);
            }
            assert_eq!(read(&msg), byte);
        }
        drop(arena);
        let read = threads.map(|thread| thread.join().unwrap());
        assert_eq!(read, [1, 2]);
    });
}

#[test]
fn bodies_outlive_their_arena() {
    check(3, || {
        let mut arena = Arena::default();
        let threads = [1, 2].map(|byte| {
            let msg = place(&mut arena, byte);
            thread::spawn(move || read(&msg))
        });
        drop(arena);
        let read = threads.map(|thread| thread.join().unwrap());
        assert_eq!(read, [1, 2]);
    });
}
