//! What stands in for locks, memory and the kernel while loom runs a model.

pub mod eventfd;
pub mod futex;
pub mod heap;

use loom::sync::MutexGuard;

/// loom's mutex with the interface of `parking_lot`'s.
#[derive(Debug, Default)]
pub struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// An unlocked mutex.
    pub fn new(value: T) -> Mutex<T> {
        Mutex(loom::sync::Mutex::new(value))
    }

    /// Waits for the lock.
    ///
    /// # Panics
    /// If a thread panicked with the lock; the model has failed then.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        #[allow(clippy::unwrap_used, reason = "a model that cannot go on panics")]
        self.0.lock().unwrap()
    }
}

/// Runs `model` in every order in which its threads are interrupted at most `preemptions` times
/// where they need not wait.
#[cfg(test)]
pub(crate) fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(model);
}
