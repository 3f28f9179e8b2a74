//! malloc(3) under observation: a block is freed once, after everybody who used it is done with
//! it, and none is left when the model ends.

use libc::{c_void, size_t};
use loom::cell::UnsafeCell;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Stands for the content of a block: loom finds accesses that nothing keeps apart.
type Content = Rc<UnsafeCell<()>>;

#[derive(Default)]
struct Heap {
    /// Blocks by address: their size, and their content. loom runs all threads of a model in one
    /// of the system's; a lock of loom's would order what the code under test may fail to order.
    blocks: RefCell<BTreeMap<usize, (usize, Content)>>,
}

loom::lazy_static! {
    static ref HEAP: Heap = Heap::default();
}

impl Heap {
    /// The content of the block that `address` is in.
    fn content(&self, address: usize) -> Content {
        let blocks = self.blocks.borrow();
        let block = blocks.range(..=address).next_back();
        match block.filter(|(start, (size, _))| address < *start + size) {
            Some((_, (_, content))) => content.clone(),
            None => panic!("use of memory that is not allocated"),
        }
    }
}

impl Drop for Heap {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.blocks.borrow().is_empty(), "memory that nobody has is still allocated");
        }
    }
}

/// See malloc(3).
///
/// # Safety
/// None needed; the real one has none either.
pub unsafe fn malloc(size: size_t) -> *mut c_void {
    // SAFETY: no pointers.
    let block = unsafe { libc::malloc(size) };
    if !block.is_null() {
        let content = Rc::new(UnsafeCell::new(()));
        HEAP.blocks.borrow_mut().insert(block as usize, (size, content));
    }
    block
}

/// See realloc(3).
///
/// # Safety
/// As realloc(3).
pub unsafe fn realloc(block: *mut c_void, size: size_t) -> *mut c_void {
    // SAFETY: the caller's, for the old block; the new one is larger or fails.
    unsafe {
        let new = malloc(size);
        if !new.is_null() && !block.is_null() {
            let old = HEAP.blocks.borrow().get(&(block as usize)).map_or(0, |(size, _)| *size);
            std::ptr::copy_nonoverlapping(block.cast::<u8>(), new.cast(), old.min(size));
            free(block);
        }
        new
    }
}

/// See free(3).
///
/// # Safety
/// As free(3).
///
/// # Panics
/// If the block is not allocated.
pub unsafe fn free(block: *mut c_void) {
    writes(block.cast());
    let removed = HEAP.blocks.borrow_mut().remove(&(block as usize));
    assert!(removed.is_some(), "free of an address that is not a block's");
    // SAFETY: the caller's.
    unsafe { libc::free(block) };
}

/// Says that the running thread reads the block that `address` is in.
pub fn reads(address: *const u8) {
    HEAP.content(address as usize).with(|_| ());
}

/// Says that the running thread has the block that `address` is in for itself.
pub fn writes(address: *const u8) {
    HEAP.content(address as usize).with_mut(|_| ());
}
