//! futex(2) without a kernel.

use crate::error::Result;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sys::cancel::Cancel;
use loom::sync::{Condvar, Mutex};
use std::time::Duration;

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// Woken up, or the word had changed already, or for no reason.
    Maybe,
    /// The time is over: never, in a model.
    TimedOut,
}

#[derive(Default)]
struct Queue {
    lock: Mutex<()>,
    sleepers: Condvar,
}

// One queue for all words: who sleeps on another wakes up for no reason, as futex(2) allows.
loom::lazy_static! {
    static ref QUEUE: Queue = Queue::default();
}

/// Sleeps while `word` is `expected`; time does not pass.
///
/// # Errors
/// None, in a model.
///
/// # Panics
/// If another thread of the model panicked.
pub fn wait(
    word: &AtomicU32,
    expected: u32,
    _timeout: Option<Duration>,
    _cancel: Cancel,
) -> Result<Woken> {
    let guard = QUEUE.lock.lock().unwrap();
    if word.load(Ordering::SeqCst) == expected {
        drop(QUEUE.sleepers.wait(guard).unwrap());
    }
    Ok(Woken::Maybe)
}

/// Wakes everyone who sleeps on `word`.
///
/// # Panics
/// If another thread of the model panicked.
pub fn wake_all(_word: &AtomicU32) {
    let guard = QUEUE.lock.lock().unwrap();
    QUEUE.sleepers.notify_all();
    drop(guard);
}
