//! Values that belong to a thread and go with it.
//!
//! std's need memory when a thread first has one, to register how to drop it, and the C library ends
//! the process if there is none: in a library that was opened at run time, which is how programs in other languages
//! have this one, even for those that need not be dropped. Here there is simply no value then.

#[cfg(sim)]
use super::sim::libc;
use crate::sync::atomic::Ordering;
use crate::sync::statics::AtomicU64;
use std::alloc::{Layout, alloc};
use std::cell::RefCell;
use std::ffi::c_void;
use std::marker::PhantomData;

/// A value of each thread, dropped when the thread ends. For statics only: it is never taken back.
pub struct Local<T> {
    /// The key of pthread_key_create(3) plus one; 0: none yet.
    key: AtomicU64,
    /// Threads do not see each other's.
    _kind: PhantomData<fn() -> T>,
}

impl<T: 'static> Local<T> {
    /// Without a value in any thread.
    pub const fn new() -> Local<T> {
        const { assert!(size_of::<RefCell<T>>() != 0) };
        Local { key: AtomicU64::new(0), _kind: PhantomData }
    }

    /// Calls with this thread's value, made at first use. `None`: there is none, for want of memory or
    /// of a key, or because a call is under way.
    pub fn with<R>(&self, make: impl FnOnce() -> T, call: impl FnOnce(&mut T) -> R) -> Option<R> {
        let key = self.key()?;
        // SAFETY: a key of ours, whose values are null or what `begin` set.
        let mut place = unsafe { libc::pthread_getspecific(key) }.cast::<RefCell<T>>();
        if place.is_null() {
            place = begin(key, make)?;
        }
        // SAFETY: live until the thread ends, and no other thread knows it.
        let mut value = unsafe { (*place).try_borrow_mut() }.ok()?;
        Some(call(&mut value))
    }

    fn key(&self) -> Option<libc::pthread_key_t> {
        // SAFETY: values are what `begin` sets.
        known(&self.key).or_else(|| unsafe { make_key(&self.key, Some(end::<T>)) })
    }
}

/// The key of pthread_key_create(3), if there is one.
#[inline]
fn known(key: &AtomicU64) -> Option<libc::pthread_key_t> {
    key.load(Ordering::Acquire).checked_sub(1).map(|key| key as libc::pthread_key_t)
}

/// # Safety
/// All values of the key are such as `end` ends.
#[cold]
unsafe fn make_key(
    place: &AtomicU64,
    end: Option<unsafe extern "C" fn(*mut c_void)>,
) -> Option<libc::pthread_key_t> {
    let mut key = 0;
    // SAFETY: room for a key; its values are as promised.
    if unsafe { libc::pthread_key_create(&raw mut key, end) } != 0 {
        return None;
    }
    let order = (Ordering::AcqRel, Ordering::Acquire);
    match place.compare_exchange(0, u64::from(key) + 1, order.0, order.1) {
        Ok(_) => Some(key),
        Err(theirs) => {
            // SAFETY: nobody else has seen this key.
            unsafe { libc::pthread_key_delete(key) };
            Some((theirs - 1) as libc::pthread_key_t)
        }
    }
}

/// Whether something is so of the running thread; at first it is not. For statics only.
pub struct Flag(AtomicU64);

impl Flag {
    /// One that is set in no thread.
    pub const fn new() -> Flag {
        Flag(AtomicU64::new(0))
    }

    /// Whether it is set. Asks for no memory.
    pub fn get(&self) -> bool {
        // SAFETY: a key of ours.
        known(&self.0).is_some_and(|key| unsafe { !libc::pthread_getspecific(key).is_null() })
    }

    /// Sets it or not, and says whether it was set. Without memory or a key it stays as it is.
    pub fn replace(&self, is_so: bool) -> bool {
        let before = self.get();
        if before != is_so {
            // SAFETY: nothing is to be done with its values, which nobody follows.
            let key = known(&self.0).or_else(|| unsafe { make_key(&self.0, None) });
            let value =
                if is_so { std::ptr::dangling_mut::<c_void>() } else { std::ptr::null_mut() };
            // SAFETY: a key of ours, for values that nobody follows.
            key.map(|key| unsafe { libc::pthread_setspecific(key, value) });
        }
        before
    }
}

impl Default for Flag {
    fn default() -> Self {
        Flag::new()
    }
}

impl<T: 'static> Default for Local<T> {
    fn default() -> Self {
        Local::new()
    }
}

#[cold]
fn begin<T>(key: libc::pthread_key_t, make: impl FnOnce() -> T) -> Option<*mut RefCell<T>> {
    // SAFETY: not of size zero, see `Local::new`.
    let place = unsafe { alloc(Layout::new::<RefCell<T>>()) }.cast::<RefCell<T>>();
    if place.is_null() {
        return None;
    }
    // SAFETY: fresh memory for one.
    unsafe { place.write(RefCell::new(make())) };
    // SAFETY: a key of ours.
    if unsafe { libc::pthread_setspecific(key, place.cast()) } != 0 {
        // SAFETY: allocated and written above, as a Box would have.
        drop(unsafe { Box::from_raw(place) });
        return None;
    }
    Some(place)
}

extern "C" fn end<T>(value: *mut c_void) {
    // SAFETY: `begin` set it, and the thread does not use it any more.
    drop(unsafe { Box::from_raw(value.cast::<RefCell<T>>()) });
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_its_own_until_it_ends() {
        static LOCAL: Local<Tells> = Local::new();
        static DROPPED: AtomicU64 = AtomicU64::new(0);
        struct Tells(u64);
        impl Drop for Tells {
            fn drop(&mut self) {
                DROPPED.fetch_add(self.0, Ordering::SeqCst);
            }
        }
        let add = |n: u64| {
            LOCAL.with(
                || Tells(0),
                |t| {
                    t.0 += n;
                    t.0
                },
            )
        };
        assert_eq!((add(1), add(2)), (Some(1), Some(3)));
        std::thread::spawn(move || assert_eq!((add(10), add(20)), (Some(10), Some(30))))
            .join()
            .unwrap();
        assert_eq!(DROPPED.load(Ordering::SeqCst), 30);
        let inside = LOCAL.with(|| Tells(0), |_| LOCAL.with(|| Tells(0), |_| ()).is_none());
        assert_eq!(inside, Some(true));
        assert_eq!(add(0), Some(3));
    }

    #[test]
    fn a_flag_is_of_one_thread() {
        static FLAG: Flag = Flag::new();
        assert!(!FLAG.get() && !FLAG.replace(true));
        std::thread::spawn(|| assert!(!FLAG.replace(true) && FLAG.replace(false))).join().unwrap();
        assert!(FLAG.get() && FLAG.replace(true) && FLAG.replace(false));
        assert!(!FLAG.get());
    }
}
