//! What stands in for locks, memory and the kernel while loom runs a model.

#![allow(clippy::unwrap_used, reason = "a model that cannot go on panics")]

pub mod atomic;
pub mod eventfd;
pub mod futex;
pub mod heap;

#[cfg(test)]
use atomic::Fences;
use loom::cell::UnsafeCell;
use loom::sync::MutexGuard;

/// loom's mutex with the interface of ours.
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
        self.0.lock().unwrap()
    }
}

/// Who uses which of `N` places in memory: loom finds users that nothing keeps apart.
#[derive(Debug)]
pub struct Users<const N: usize>([UnsafeCell<()>; N]);

impl<const N: usize> Users<N> {
    /// The running thread uses the place at `index`, which must be its own.
    pub fn enter(&self, index: usize) {
        self.0[index].with_mut(|_| ());
    }
}

impl<const N: usize> Default for Users<N> {
    fn default() -> Self {
        Users(std::array::from_fn(|_| UnsafeCell::new(())))
    }
}

/// Runs `model` in every order in which its threads are interrupted at most `preemptions` times
/// where they need not wait. Sequentially consistent accesses are releases and acquires, no more.
#[cfg(test)]
pub(crate) fn check(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 10_000;
    builder.check(model);
}

/// [`check`] of a model in which sequentially consistent accesses are what they say.
#[cfg(test)]
pub(crate) fn check_in_one_order(
    preemptions: usize,
    model: impl Fn() + Clone + Sync + Send + 'static,
) {
    for fences in [Fences::BehindStores, Fences::BeforeLoads] {
        atomic::set_fences(fences);
        check(preemptions, model.clone());
    }
    atomic::set_fences(Fences::Nowhere);
}
