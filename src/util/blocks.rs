//! Blocks for what a burst of small messages stands in while it waits: received bytes, and frames
//! that the kernel has not taken.
//!
//! They come straight from the system and go back there: after a burst, malloc(3) would keep what lies
//! below anything that is still in use. While there is traffic some are kept, because new ones cost a
//! page fault for each page.

use crate::sync::PerProcess;
use crate::sync::mutex::Mutex;
use crate::sys::pages;
use crate::util::pieces::{GivenBack, Pieces};
use std::ptr::NonNull;

/// Bytes of a block: what one system call moves, and a page for what its owner puts in front.
pub const SIZE: usize = 68 * 1024;

/// Blocks of a piece: about a megabyte.
const COUNT: usize = 15;

/// Blocks kept while there is traffic.
const KEPT: usize = 32;

struct Store {
    /// The last one is the likeliest to be in the cache.
    kept: [Option<NonNull<u8>>; KEPT],
    count: usize,
    /// How many sockets have traffic.
    busy: usize,
    pieces: Pieces<SIZE, COUNT>,
}

// SAFETY: a block that nobody has is plain memory, which belongs to whoever takes it.
unsafe impl Send for Store {}

impl Store {
    const fn new() -> Store {
        Store { kept: [None; KEPT], count: 0, busy: 0, pieces: Pieces::new() }
    }

    fn take(&mut self) -> Option<NonNull<u8>> {
        if let Some(last) = self.count.checked_sub(1) {
            self.count = last;
            return self.kept[last].take();
        }
        self.pieces.cut()
    }

    /// Whether the block is kept as it is.
    fn keep(&mut self, block: NonNull<u8>) -> bool {
        let keeps = self.busy > 0 && self.count < KEPT;
        if keeps {
            self.kept[self.count] = Some(block);
            self.count += 1;
        }
        keeps
    }
}

static STORE: PerProcess<Mutex<Store>> = PerProcess::new(Mutex::new(Store::new()));

fn store() -> &'static Mutex<Store> {
    STORE.get_or(|parents| {
        let store = if parents.is_locked() {
            Store::new()
        } else {
            // SAFETY: free, so whole, and nobody in this process uses it. What it consists of has one
            // owner as before: the parent's is not dropped.
            let inherited = unsafe { std::ptr::read(parents.inherited()) };
            // None of the child's sockets has traffic yet.
            Store { busy: 0, ..inherited }
        };
        Mutex::new(store)
    })
}

/// A block whose content is of no value; `None` without memory.
pub fn take() -> Option<NonNull<u8>> {
    let found = store().lock().take();
    if found.is_some() {
        return found;
    }
    // Not under the lock: the system takes its time.
    let piece = pages::map(Pieces::<SIZE, COUNT>::BYTES)?;
    let mut store = store().lock();
    if store.pieces.add(piece) {
        return store.take();
    }
    drop(store);
    // SAFETY: just mapped, and nobody has any of it.
    unsafe { pages::unmap(piece, Pieces::<SIZE, COUNT>::BYTES) };
    None
}

/// Takes a block back.
///
/// # Safety
/// It came from [`take`], and nobody uses it any more.
pub unsafe fn give(block: NonNull<u8>) {
    if store().lock().keep(block) {
        return;
    }
    // SAFETY: passed on.
    unsafe { give_back(block) };
}

/// Gives a block back to the system.
///
/// # Safety
/// As for [`give`].
unsafe fn give_back(block: NonNull<u8>) {
    // Before anybody else can have it. Its neighbours may be in use for long.
    // SAFETY: whole pages of a mapping of ours, whose content is of no value.
    unsafe { pages::discard(block, SIZE) };
    // A stranger was the parent's when the process was forked and is lost.
    if let GivenBack::Whole(piece) = { store().lock().pieces.give(block) } {
        // SAFETY: a whole mapping, none of whose blocks is in use.
        unsafe { pages::unmap(piece, Pieces::<SIZE, COUNT>::BYTES) };
    }
}

/// Says that a socket has traffic from now on, or has none any more. Without any, nothing is kept.
pub fn set_busy(busy: bool) {
    let (kept, count) = {
        let mut store = store().lock();
        store.busy = if busy { store.busy + 1 } else { store.busy.saturating_sub(1) };
        let count = if store.busy > 0 { 0 } else { std::mem::take(&mut store.count) };
        (store.kept, count)
    };
    for block in kept[..count].iter().flatten() {
        // SAFETY: was kept, so it is nobody's, and it is no longer in the list.
        unsafe { give_back(*block) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_apart_and_go_back() {
        let blocks: Vec<_> = (0..100).filter_map(|_| take()).collect();
        assert_eq!(blocks.len(), 100);
        for (at, block) in blocks.iter().enumerate() {
            // SAFETY: ours.
            unsafe { block.as_ptr().write_bytes(at as u8, SIZE) };
        }
        for (at, block) in blocks.iter().enumerate() {
            // SAFETY: ours.
            let bytes = unsafe { std::slice::from_raw_parts(block.as_ptr(), SIZE) };
            assert!(bytes.iter().all(|byte| *byte == at as u8));
        }
        // SAFETY: ours, and used no more.
        blocks.into_iter().for_each(|block| unsafe { give(block) });
        // Other tests of this process may have some.
        assert!(store().lock().pieces.count() < 7);
    }
}
