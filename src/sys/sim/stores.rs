//! What threads store and load, by way of their store buffers.

use super::{buffers, world};
use std::cell::Cell;
use std::ptr;

thread_local! {
    /// Where the thread's stack begins and ends; not known yet if it has no end.
    static STACK: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// Stores, visible later. False if it must be now.
#[inline]
pub(super) fn store(address: usize, size: usize, value: u64) -> bool {
    if !buffers::are_there() {
        return false;
    }
    let delays = |world: &mut world::World, me: usize| {
        // What stands on a stack may be moved by copying it, or be something else soon.
        if is_on_stack(address) {
            world.buffers.drain(me);
            return false;
        }
        let now = world.time();
        world.buffers.put(me, now, address, size, value);
        true
    };
    world::with(delays).unwrap_or(false)
}

/// What the running thread has stored there and others may not see yet.
#[inline]
pub(super) fn own(address: usize) -> Option<u64> {
    if !buffers::are_under_way() {
        return None;
    }
    world::with(|world, me| world.buffers.own(me, address)).flatten()
}

/// Nobody else uses this memory any more.
#[inline]
pub(super) fn freed(address: usize, size: usize) {
    if buffers::are_under_way() && !world::is_inside() {
        world::with(|world, _| world.buffers.settle(address, size));
    }
}

/// Whether an address is on the running thread's stack.
fn is_on_stack(address: usize) -> bool {
    let (begin, end) = STACK.get();
    if end != 0 {
        return (begin..end).contains(&address);
    }
    let (mut begin, mut size) = (ptr::null_mut(), 0);
    // SAFETY: plain data that lives during the calls.
    unsafe {
        let mut attributes: ::libc::pthread_attr_t = std::mem::zeroed();
        ::libc::pthread_getattr_np(::libc::pthread_self(), &raw mut attributes);
        ::libc::pthread_attr_getstack(&raw const attributes, &raw mut begin, &raw mut size);
        ::libc::pthread_attr_destroy(&raw mut attributes);
    }
    STACK.set((begin as usize, begin as usize + size.max(1)));
    is_on_stack(address)
}
