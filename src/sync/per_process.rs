//! What a process has once: a child of fork(2) begins with its own.
//!
//! A child has only the thread that forked. Whatever others were doing at that moment stays half
//! done in it, locks they had stay locked, and what it would change of the parent's through
//! descriptors both have is none of its business. So everything that is there once for the process,
//! and is more than a number, stands in a [`PerProcess`], and a child never uses its parent's.

use super::pause;
use super::statics::{AtomicU64, Ordering};
use crate::sys::thread::process_generation;
use std::cell::UnsafeCell;
use std::mem::ManuallyDrop;
use std::ptr;

/// A value of which each process has its own. A child's is made when it is first asked for, in the
/// place of the parent's, which is forgotten and not dropped: nothing is allocated for it.
pub struct PerProcess<T> {
    /// The process whose the value is, and [`MAKING`] while a thread of it makes it.
    owner: AtomicU64,
    value: UnsafeCell<ManuallyDrop<T>>,
}

const MAKING: u64 = 1 << 63;

/// No process has this number.
const NOBODY: u64 = MAKING - 1;

// SAFETY: hands out references to a `T` to all threads.
unsafe impl<T: Send + Sync> Sync for PerProcess<T> {}
// SAFETY: as for any owner of a `T`.
unsafe impl<T: Send> Send for PerProcess<T> {}

impl<T> PerProcess<T> {
    /// Begins with this in the first process, before any fork was counted.
    pub const fn new(value: T) -> PerProcess<T> {
        PerProcess { owner: AtomicU64::new(0), value: UnsafeCell::new(ManuallyDrop::new(value)) }
    }

    /// Begins without a value, in any process: `make` is told this one.
    pub const fn not_yet(value: T) -> PerProcess<T> {
        PerProcess {
            owner: AtomicU64::new(NOBODY),
            value: UnsafeCell::new(ManuallyDrop::new(value)),
        }
    }

    /// Begins with this in the running process.
    pub fn here(value: T) -> PerProcess<T> {
        let made = PerProcess::new(value);
        made.owner.store(process_generation(), Ordering::Release);
        made
    }

    /// This process's value. `make` is told the parent's, as it was at the fork: no thread uses it any
    /// more, and other threads may have been in the middle of changing it. It must not panic.
    #[inline]
    pub fn get_or(&self, make: impl FnOnce(&T) -> T) -> &T {
        let process = process_generation();
        if self.owner.load(Ordering::Acquire) != process {
            self.begin_anew(process, make);
        }
        // SAFETY: it is this process's, and so stays until the next fork.
        unsafe { &*self.value.get() }
    }

    #[cold]
    fn begin_anew(&self, process: u64, make: impl FnOnce(&T) -> T) {
        let mut owner = self.owner.load(Ordering::Acquire);
        loop {
            if owner == process {
                return;
            }
            if owner == process | MAKING {
                // Another thread of this process is at it.
                pause::yield_now();
                owner = self.owner.load(Ordering::Acquire);
                continue;
            }
            // The parent's, or one that a thread of the parent's was making at the fork.
            let order = (Ordering::Acquire, Ordering::Acquire);
            match self.owner.compare_exchange(owner, process | MAKING, order.0, order.1) {
                Ok(_) => break,
                Err(now) => owner = now,
            }
        }
        // SAFETY: others wait for us, and the thread that forked, the only one that may have used the
        // parent's, is not inside: nothing of ours forks with a reference in its hands.
        unsafe {
            let value = make(&*self.value.get());
            ptr::write(self.value.get(), ManuallyDrop::new(value));
        }
        self.owner.store(process, Ordering::Release);
    }
}

impl<T: Default> PerProcess<T> {
    /// This process's value.
    #[inline]
    pub fn get(&self) -> &T {
        self.get_or(|_| T::default())
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        if *self.owner.get_mut() == process_generation() {
            // SAFETY: this process's, whole, and not used afterwards.
            unsafe { ManuallyDrop::drop(self.value.get_mut()) };
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::sync::mutex::Mutex;
    use crate::sys::thread;

    /// The exit status of a child that calls `child`.
    fn in_child(child: impl FnOnce() -> i32) -> i32 {
        // SAFETY: the child looks at memory only, and leaves without running anything else.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let status = child();
            // SAFETY: as above.
            unsafe { libc::_exit(status) };
        }
        let mut status = 0;
        // SAFETY: a child of ours.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        libc::WEXITSTATUS(status)
    }

    #[test]
    fn a_child_begins_with_its_own() {
        static VALUE: PerProcess<Mutex<i32>> = PerProcess::new(Mutex::new(7));
        thread::count_forks();
        *VALUE.get().lock() = 7;
        let held = VALUE.get().lock();
        let child =
            || in_child(|| *VALUE.get_or(|p| Mutex::new(2 + i32::from(p.is_locked()))).lock());
        assert_eq!(child(), 3);
        drop(held);
        assert_eq!(child(), 2);
        assert_eq!(*VALUE.get().lock(), 7);
        let grandchild = || in_child(|| *VALUE.get_or(|p| Mutex::new(*p.lock() + 1)).lock());
        let status = in_child(|| {
            *VALUE.get().lock() = 20;
            grandchild()
        });
        assert_eq!(status, 21);
    }

    #[test]
    fn all_threads_of_a_child_get_the_same() {
        static VALUE: PerProcess<AtomicU64> = PerProcess::new(AtomicU64::new(0));
        thread::count_forks();
        let status = in_child(|| {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..1000 {
                            VALUE.get().fetch_add(1, Ordering::SeqCst);
                        }
                    });
                }
            });
            i32::from(VALUE.get().load(Ordering::SeqCst) == 4000)
        });
        assert_eq!(status, 1);
    }

    #[test]
    fn the_first_process_may_have_to_make_it_too() {
        static VALUE: PerProcess<i32> = PerProcess::not_yet(3);
        assert_eq!((*VALUE.get_or(|first| first + 1), *VALUE.get_or(|_| 9)), (4, 4));
        thread::count_forks();
        assert_eq!(in_child(|| *VALUE.get_or(|parents| parents * 2)), 8);
    }

    #[test]
    fn only_what_is_this_processes_is_dropped() {
        struct Tells<'a>(&'a AtomicU64);
        impl Drop for Tells<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        thread::count_forks();
        let dropped = AtomicU64::new(0);
        let value = PerProcess::here(Tells(&dropped));
        let status = in_child(|| {
            drop(PerProcess::here(Tells(&dropped)));
            // SAFETY: not used again in the child.
            drop(unsafe { ptr::read(&raw const value) });
            dropped.load(Ordering::SeqCst) as i32
        });
        assert_eq!(status, 1);
        drop(value);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    }
}
