//! Handles of what a program may still use after it has ended it.
//!
//! A handle points to a slot. Slots are used again, never freed, so that a stale handle is found out; who
//! uses an object while another thread ends it has it until then.

use crate::error::{Error, Result};
use crate::sync::PerProcess;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::mutex::Mutex;
use crate::sync::statics::AtomicPtr;
use crate::util::{memory, reserve};
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

/// The mark of a slot that holds nothing.
const DEAD: u32 = 0xdead_7a6e;

/// A place for an object. Its mark is read before anything else is trusted, so it comes first.
#[repr(C)]
pub(super) struct Slot<T> {
    mark: AtomicU32,
    object: PerProcess<Mutex<Option<Arc<T>>>>,
    /// The one that was made before. Nobody follows it but tools that look for memory nobody has: a
    /// program may end with objects of which it has forgotten the handles.
    before: AtomicPtr<Slot<T>>,
}

impl<T> Slot<T> {
    fn object(&self) -> &Mutex<Option<Arc<T>>> {
        // SAFETY: the parent's, which only its threads lock; it is one pointer, exchanged at once.
        self.object.get_or(|parents| Mutex::new(unsafe { parents.inherited() }.clone()))
    }
}

/// All slots for objects of a kind.
pub(super) struct Slots<T: 'static> {
    /// Tells a live one from any other memory.
    live: u32,
    free: PerProcess<Mutex<Vec<&'static Slot<T>>>>,
    newest: AtomicPtr<Slot<T>>,
}

impl<T> Slots<T> {
    pub(super) const fn new(live: u32) -> Slots<T> {
        Slots {
            live,
            free: PerProcess::new(Mutex::new(Vec::new())),
            newest: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Gives an object a handle.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub(super) fn add(&self, object: T) -> Result<*mut c_void> {
        reserve::ready()?;
        let free = self.free.get().lock().pop();
        let slot = free.unwrap_or_else(|| self.one_more());
        *slot.object().lock() = Some(Arc::new(object));
        slot.mark.store(self.live, Ordering::SeqCst);
        Ok(ptr::from_ref(slot).cast_mut().cast())
    }

    fn one_more(&self) -> &'static Slot<T> {
        let (mark, object) = (AtomicU32::new(DEAD), PerProcess::here(Mutex::new(None)));
        let before = AtomicPtr::new(ptr::null_mut());
        let slot: &'static Slot<T> = Box::leak(Box::new(Slot { mark, object, before }));
        let newest = self.newest.swap(ptr::from_ref(slot).cast_mut(), Ordering::AcqRel);
        slot.before.store(newest, Ordering::Release);
        slot
    }

    /// The object of a handle; `EFAULT` if it has none.
    ///
    /// # Safety
    /// `handle` is null, misaligned, or points to readable memory: a handle of this kind given out at any
    /// time, or another object of the library.
    pub(super) unsafe fn get(&self, handle: *mut c_void) -> Result<Arc<T>> {
        // SAFETY: passed on.
        unsafe { self.slot(handle)? }.object().lock().clone().ok_or(Error::Fault)
    }

    /// Takes this object from its handle, which is free for another one then. False if it has another or
    /// none by now: several threads may have been at it.
    ///
    /// # Safety
    /// As for [`Slots::get`].
    pub(super) unsafe fn remove(&self, handle: *mut c_void, object: &Arc<T>) -> bool {
        // SAFETY: passed on.
        let Ok(slot) = (unsafe { self.slot(handle) }) else { return false };
        let mut held = slot.object().lock();
        if !held.as_ref().is_some_and(|held| Arc::ptr_eq(held, object)) {
            return false;
        }
        slot.mark.store(DEAD, Ordering::SeqCst);
        let ended = held.take();
        drop(held);
        drop(ended);
        // Without memory for the list the slot is lost.
        let _ = memory::push(&mut self.free.get().lock(), slot);
        true
    }

    /// # Safety
    /// As for [`Slots::get`].
    unsafe fn slot(&self, handle: *mut c_void) -> Result<&'static Slot<T>> {
        let pointer = handle.cast::<Slot<T>>();
        if pointer.is_null() || !pointer.is_aligned() {
            return Err(Error::Fault);
        }
        // SAFETY: readable by contract; only slots of this kind carry this mark.
        unsafe {
            if (*pointer.cast::<AtomicU32>()).load(Ordering::Acquire) != self.live {
                return Err(Error::Fault);
            }
            Ok(&*pointer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static NUMBERS: Slots<u64> = Slots::new(0x7a6d_7fff);

    #[test]
    fn stale_handles_are_found_out_and_slots_used_again() {
        let one = NUMBERS.add(1).unwrap();
        // SAFETY: handles that were given out, and readable memory that is none.
        unsafe {
            let kept = NUMBERS.get(one).unwrap();
            assert!(NUMBERS.remove(one, &kept) && !NUMBERS.remove(one, &kept));
            assert_eq!((*kept, NUMBERS.get(one)), (1, Err(Error::Fault)));
            let two = NUMBERS.add(2).unwrap();
            assert_eq!((two, NUMBERS.get(two).map(|n| *n)), (one, Ok(2)));
            assert!(!NUMBERS.remove(two, &kept), "another object has the handle now");
            let mut space = [0u64; 4];
            let none = space.as_mut_ptr();
            for handle in
                [ptr::null_mut(), none.cast::<c_void>(), none.cast::<u8>().wrapping_add(1).cast()]
            {
                assert_eq!(NUMBERS.get(handle), Err(Error::Fault));
            }
        }
    }
}
