//! Memory that is given back: no store to it is under way any more.

use super::stores::freed;
use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::c_void;

/// The allocator of programs that run worlds.
pub struct Heap;

// SAFETY: the system's, which is told of nothing else.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        freed(memory as usize, layout.size());
        // SAFETY: the caller's.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        freed(memory as usize, layout.size());
        // SAFETY: the caller's.
        unsafe { System.realloc(memory, layout, size) }
    }
}

fn leaves(memory: *mut c_void) {
    // SAFETY: null or of malloc(3), says the caller.
    freed(memory as usize, unsafe { ::libc::malloc_usable_size(memory) });
}

/// free(3).
///
/// # Safety
/// As there.
pub unsafe fn free(memory: *mut c_void) {
    leaves(memory);
    // SAFETY: the caller's.
    unsafe { ::libc::free(memory) }
}

/// realloc(3).
///
/// # Safety
/// As there.
pub unsafe fn realloc(memory: *mut c_void, size: usize) -> *mut c_void {
    leaves(memory);
    // SAFETY: the caller's.
    unsafe { ::libc::realloc(memory, size) }
}
