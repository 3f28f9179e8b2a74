//! Counts what is allocated, by this program and by the library alike: malloc(3) is this one.
//!
//! What the library keeps for ever, slots of sockets for one, is there after the first lives of a
//! world. What becomes more each time that the same is done is a leak.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(old: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    fn __libc_free(place: *mut c_void);
}

static ALLOCATED: AtomicUsize = AtomicUsize::new(0);
static BLOCKS: AtomicUsize = AtomicUsize::new(0);

/// What a block of a queue within the process has. Those from malloc, made where two threads were at
/// the pool, are kept as others are, up to a number that no world comes to (`pipe/ring/pool.rs`).
const KEPT: usize = 4104;

fn begins(place: *mut c_void) -> *mut c_void {
    // SAFETY: just allocated, or null.
    let size = unsafe { libc::malloc_usable_size(place) };
    if size != 0 && size != KEPT {
        ALLOCATED.fetch_add(size, Ordering::Relaxed);
        BLOCKS.fetch_add(1, Ordering::Relaxed);
    }
    place
}

fn ends(place: *mut c_void) {
    // SAFETY: allocated, says the caller, or null.
    let size = unsafe { libc::malloc_usable_size(place) };
    if size != 0 && size != KEPT {
        ALLOCATED.fetch_sub(size, Ordering::Relaxed);
        BLOCKS.fetch_sub(1, Ordering::Relaxed);
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    // SAFETY: as malloc(3).
    begins(unsafe { __libc_malloc(size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    // SAFETY: as calloc(3).
    begins(unsafe { __libc_calloc(count, size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(old: *mut c_void, size: usize) -> *mut c_void {
    ends(old);
    // SAFETY: as realloc(3).
    let new = unsafe { __libc_realloc(old, size) };
    if new.is_null() && size > 0 {
        begins(old)
    } else {
        begins(new)
    };
    new
}

#[unsafe(no_mangle)]
unsafe extern "C" fn free(place: *mut c_void) {
    ends(place);
    // SAFETY: as free(3).
    unsafe { __libc_free(place) };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    // SAFETY: as aligned_alloc(3).
    begins(unsafe { __libc_memalign(alignment, size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
    // SAFETY: as memalign(3).
    begins(unsafe { __libc_memalign(alignment, size) })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(to: *mut *mut c_void, align: usize, size: usize) -> c_int {
    // SAFETY: as posix_memalign(3), whose caller gives a place for the result.
    unsafe {
        let new = begins(__libc_memalign(align, size));
        if new.is_null() {
            return libc::ENOMEM;
        }
        to.write(new);
    }
    0
}

/// Bytes from malloc(3), blocks of it, and bytes mapped by the library.
pub(crate) fn in_use() -> [usize; 3] {
    let mapped = zmq::sys::sim::libc::mapped();
    [ALLOCATED.load(Ordering::Relaxed), BLOCKS.load(Ordering::Relaxed), mapped]
}
