//! loom models: nothing retired is left behind by a keeper that falls asleep, and nobody uses what
//! another has. A lost wake-up is a deadlock, which loom finds.

#![allow(clippy::unwrap_used, reason = "a model that cannot go on panics")]

use super::*;
use crate::sync::model::{Users, check};
use crate::sys::eventfd::EventFd;
use loom::sync::Arc as LoomArc;
use loom::thread;
use std::ffi::c_void;

unsafe extern "C" fn nothing(_: *mut c_void, _: *mut c_void) {}

/// What the threads of a model have in common.
struct World {
    stack: Stack,
    bell: EventFd,
    memory: Users<3>,
}

// SAFETY: nodes go from thread to thread through the stack; the rest is made for several.
unsafe impl Send for World {}
// SAFETY: as above.
unsafe impl Sync for World {}

impl World {
    fn new() -> LoomArc<World> {
        LoomArc::new(World {
            stack: Stack::new(),
            bell: EventFd::new().unwrap(),
            memory: Users::default(),
        })
    }

    /// As a thread does that drops the last message over memory `number`.
    fn retire(&self, number: usize) {
        self.memory.enter(number);
        let free = ForeignFree { function: nothing, hint: ptr::null_mut() };
        let data = ptr::without_provenance_mut(number);
        let node = Box::into_raw(Box::new(Retired::new(data, 0, free)));
        // SAFETY: just made.
        if unsafe { self.stack.push(node) } {
            self.bell.signal();
        }
    }

    /// As an I/O thread does, until so many have come back. It looks once more before it rests.
    fn keep(&self, wanted: usize) {
        let (mut back, mut taken) = (0, Taken::new());
        while back < wanted {
            if !self.stack.is_filled() {
                self.bell.wait_until_readable();
                self.bell.drain();
            }
            loop {
                taken.append(&self.stack);
                while !taken.is_empty() {
                    // SAFETY: taken, and made by `retire`.
                    let retired = unsafe { Box::from_raw(taken.first) };
                    self.memory.enter(retired.data.addr());
                    taken.first = retired.next;
                    back += 1;
                }
                if !self.stack.is_filled() && self.stack.rest() {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_keeper_that_sleeps_is_woken_for_everything() {
    check(3, || {
        let world = World::new();
        let other = world.clone();
        let one = thread::spawn(move || {
            other.retire(0);
            other.retire(1);
        });
        let other = world.clone();
        let two = thread::spawn(move || other.retire(2));
        world.keep(3);
        one.join().unwrap();
        two.join().unwrap();
    });
}

#[test]
fn a_place_has_one_user() {
    check(3, || {
        let places = LoomArc::new((Places::new(), Users::<{ Places::COUNT }>::default()));
        let use_one = |(places, users): &(Places, Users<{ Places::COUNT }>)| {
            let number = places.number_of(places.take().unwrap()).unwrap();
            users.enter(number);
            places.give(number / WORD, 1 << (number % WORD));
        };
        let other = places.clone();
        let thread = thread::spawn(move || {
            use_one(&other);
            use_one(&other);
        });
        use_one(&places);
        thread.join().unwrap();
    });
}
