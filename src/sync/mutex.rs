//! A mutex that is one word of memory, and needs nothing else.
//!
//! Locks that keep their waiters in a table of the whole process need memory of the thread the first
//! time it has to wait, without which the C library ends the process; and they do not survive
//! fork(2): a thread that only the parent has may have been at the table.
//!
//! What has a model uses [`super::Mutex`], which is loom's in the models.

use super::pause;
use super::statics::{AtomicU32, Ordering};
#[cfg(not(loom))]
use crate::sys::{cancel::Cancel, futex};
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

const FREE: u32 = 0;
const LOCKED: u32 = 1;
/// Locked, and somebody may sleep.
const AWAITED: u32 = 2;

/// Looks at a locked mutex before sleeping: whoever has it mostly needs it for a moment.
const LOOKS: u32 = 100;

/// A mutex around a `T`.
#[derive(Default)]
pub struct Mutex<T> {
    state: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is handed from thread to thread, one at a time.
unsafe impl<T: Send> Sync for Mutex<T> {}
// SAFETY: as for any owner of a `T`.
unsafe impl<T: Send> Send for Mutex<T> {}

/// The right to use the value, until it is dropped.
pub struct MutexGuard<'a, T> {
    mutex: &'a Mutex<T>,
    /// A guard stays with its thread.
    _here: PhantomData<*mut ()>,
}

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub const fn new(value: T) -> Mutex<T> {
        Mutex { state: AtomicU32::new(FREE), value: UnsafeCell::new(value) }
    }

    /// Waits for the lock.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        if !self.take() {
            self.wait();
        }
        self.guard()
    }

    /// The lock, if nobody has it.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.take().then(|| self.guard())
    }

    /// Whether somebody has the lock at the moment.
    #[inline]
    pub fn is_locked(&self) -> bool {
        self.state.load(Ordering::Relaxed) != FREE
    }

    /// The value of a mutex that only the parent of this process used, as it was at the fork.
    ///
    /// # Safety
    /// No thread of this process ever has the lock. Unless the mutex [is free](Mutex::is_locked), or
    /// the value changes by single writes of a word, it may be half changed and must not be looked at.
    pub unsafe fn inherited(&self) -> &T {
        // SAFETY: nobody changes it, by contract. What one thread of the parent wrote before another
        // word is here if that one is: fork(2) lets no writes pass it.
        unsafe { &*self.value.get() }
    }

    /// Whether somebody sleeps who wants it, probably. Only for who has the lock.
    #[cfg(not(loom))]
    pub fn is_awaited(&self) -> bool {
        self.state.load(Ordering::Relaxed) == AWAITED
    }

    #[inline]
    fn take(&self) -> bool {
        self.state.compare_exchange(FREE, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    #[inline]
    fn guard(&self) -> MutexGuard<'_, T> {
        MutexGuard { mutex: self, _here: PhantomData }
    }

    #[cold]
    fn wait(&self) {
        for _ in 0..LOOKS {
            match self.state.load(Ordering::Relaxed) {
                FREE if self.take() => return,
                // Others sleep already: it takes longer.
                AWAITED => break,
                _ => pause::spin_loop(),
            }
        }
        while self.state.swap(AWAITED, Ordering::Acquire) != FREE {
            #[cfg(not(loom))]
            // Neither a signal nor cancellation ends a wait for a lock, and where futex(2) is forbidden others go first.
            if futex::wait(&self.state, AWAITED, None, Cancel::Waits).is_ok() {
                continue;
            }
            pause::yield_now();
        }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if self.mutex.state.swap(FREE, Ordering::Release) == AWAITED {
            #[cfg(not(loom))]
            futex::wake_one(&self.mutex.state);
        }
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard says that nobody else has it.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard says that nobody else has it.
        unsafe { &mut *self.mutex.value.get() }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn one_thread_at_a_time() {
        let mutex = Mutex::new(0u64);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20_000 {
                        let mut value = mutex.lock();
                        let before = *value;
                        std::hint::black_box(&mut value);
                        *value = before + 1;
                    }
                });
            }
        });
        assert_eq!(*mutex.lock(), 80_000);
        assert!(!mutex.is_locked());
    }

    #[test]
    fn who_sleeps_is_woken() {
        let mutex = Mutex::new(());
        let guard = mutex.lock();
        assert!(mutex.is_locked() && mutex.try_lock().is_none());
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| drop(mutex.lock()));
            while mutex.state.load(Ordering::Relaxed) != AWAITED {
                std::thread::yield_now();
            }
            drop(guard);
            assert!(waiter.join().is_ok());
        });
        assert!(mutex.try_lock().is_some());
    }
}
