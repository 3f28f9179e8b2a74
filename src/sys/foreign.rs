//! Calls of libraries that lock something for the whole process: the C library's look-up of names, libpgm, libnorm, GSSAPI.
//!
//! A child of fork(2) has none of the threads that could open such a lock, and whoever needs it there waits for ever. So who
//! makes such a call says so, and a fork waits until those who are in one are out of it: they hold the locks for
//! microseconds. It does not wait longer than [`LONGEST`], as some also wait for an answer from far away, which they do
//! without locks.

use super::clock;
use crate::sync::atomic::Ordering::SeqCst;
use crate::sync::pause;
use crate::sync::statics::AtomicU32;
use std::time::Duration;

/// What a fork waits for others, at most.
const LONGEST: Duration = Duration::from_millis(50);

/// Between two looks.
const PAUSE: Duration = Duration::from_micros(20);

/// Threads in such calls, and threads in fork(2).
static INSIDE: AtomicU32 = AtomicU32::new(0);
static FORKING: AtomicU32 = AtomicU32::new(0);

/// The running thread is in such a call as long as this lives.
pub(super) struct Inside(());

impl Inside {
    /// Says so, once no other thread forks. A thread that does it twice, as an attempt that fails may, can cost a fork
    /// [`LONGEST`], and waits as long itself.
    pub(super) fn enter() -> Inside {
        loop {
            INSIDE.fetch_add(1, SeqCst);
            if FORKING.load(SeqCst) == 0 {
                return Inside(());
            }
            INSIDE.fetch_sub(1, SeqCst);
            pause::sleep(PAUSE);
        }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.fetch_sub(1, SeqCst);
    }
}

/// Before a fork: nobody begins, and those inside have time to come out.
pub(super) extern "C" fn before_fork() {
    FORKING.fetch_add(1, SeqCst);
    let begun = clock::now();
    while INSIDE.load(SeqCst) != 0 && clock::now().duration_since(begun) < LONGEST {
        pause::sleep(PAUSE);
    }
}

/// In the parent, or without a child.
pub(super) extern "C" fn in_parent() {
    FORKING.fetch_sub(1, SeqCst);
}

/// In the child, which has no other threads.
pub(super) fn in_child() {
    INSIDE.store(0, SeqCst);
    FORKING.store(0, SeqCst);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_waits_for_those_inside_and_others_for_it() {
        let begun = clock::now();
        let inside = Inside::enter();
        std::thread::scope(|scope| {
            let fork = scope.spawn(|| {
                before_fork();
                let waited = clock::now().duration_since(begun);
                let other = scope.spawn(|| {
                    let _inside = Inside::enter();
                    clock::now()
                });
                std::thread::sleep(PAUSE * 100);
                let done = clock::now();
                in_parent();
                assert!(other.join().unwrap() >= done);
                waited
            });
            std::thread::sleep(Duration::from_millis(10));
            drop(inside);
            let waited = fork.join().unwrap();
            assert!(waited >= Duration::from_millis(10), "{waited:?}");
        });
        // Not for ever.
        let _inside = Inside::enter();
        before_fork();
        in_parent();
    }
}
