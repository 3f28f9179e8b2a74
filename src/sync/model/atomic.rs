//! loom's atomics, with what loom does not know: sequentially consistent accesses.
//!
//! loom takes them for releases and acquires, which suits code that has a fence where it needs one.
//! Where accesses themselves are meant to be in one order, a fence at each of them stands for it:
//! behind every store, as on x86, or in front of every load. Either alone would hide that an access
//! of the other kind is not sequentially consistent, so such models run with one and the other,
//! see [`check_in_one_order`](super::check_in_one_order). And such a store is a swap, because loom
//! lets a store come before one that an operation like a swap of another thread left behind, which
//! no processor does.

use loom::sync::atomic;
pub use loom::sync::atomic::{Ordering, fence};
use std::cell::Cell;

/// Where fences stand for sequentially consistent accesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fences {
    Nowhere,
    BehindStores,
    BeforeLoads,
}

thread_local! {
    // Of the test: loom runs the threads of a model in that of its test.
    static FENCES: Cell<Fences> = const { Cell::new(Fences::Nowhere) };
}

/// Chooses for the model that this thread runs next.
#[cfg(test)]
pub(super) fn set_fences(fences: Fences) {
    FENCES.set(fences);
}

fn in_one_order(order: Ordering) -> bool {
    order == Ordering::SeqCst && FENCES.get() != Fences::Nowhere
}

fn before_load(order: Ordering) {
    if order == Ordering::SeqCst && FENCES.get() == Fences::BeforeLoads {
        fence(order);
    }
}

fn behind_store(order: Ordering) {
    if order == Ordering::SeqCst && FENCES.get() == Fences::BehindStores {
        fence(order);
    }
}

/// Reads and writes in one step.
fn update<R>(order: Ordering, operation: impl FnOnce() -> R) -> R {
    before_load(order);
    let before = operation();
    behind_store(order);
    before
}

macro_rules! atomics {
    ($($name:ident $type:ty: $($update:ident)*;)*) => {$(
        /// As in std.
        #[derive(Debug, Default)]
        pub struct $name(atomic::$name);

        #[allow(missing_docs, reason = "as in std")]
        impl $name {
            #[track_caller]
            pub fn new(value: $type) -> Self {
                Self(atomic::$name::new(value))
            }

            #[track_caller]
            pub fn load(&self, order: Ordering) -> $type {
                before_load(order);
                self.0.load(order)
            }

            #[track_caller]
            pub fn store(&self, value: $type, order: Ordering) {
                if in_one_order(order) {
                    self.0.swap(value, Ordering::Release);
                } else {
                    self.0.store(value, order);
                }
                behind_store(order);
            }

            $(
                #[track_caller]
                pub fn $update(&self, value: $type, order: Ordering) -> $type {
                    update(order, || self.0.$update(value, order))
                }
            )*
        }
    )*};
}

atomics! {
    AtomicBool bool: swap;
    AtomicI32 i32: swap fetch_add fetch_sub;
    AtomicU8 u8: swap fetch_max;
    AtomicU32 u32: swap fetch_add fetch_sub;
    AtomicU64 u64: swap fetch_add fetch_sub fetch_and;
    AtomicUsize usize: swap fetch_add fetch_sub;
}

macro_rules! exchanges {
    ($type:ty) => {
        #[track_caller]
        pub fn compare_exchange(
            &self,
            old: $type,
            new: $type,
            done: Ordering,
            failed: Ordering,
        ) -> Result<$type, $type> {
            update(done, || self.0.compare_exchange(old, new, done, failed))
        }

        #[track_caller]
        pub fn compare_exchange_weak(
            &self,
            old: $type,
            new: $type,
            done: Ordering,
            failed: Ordering,
        ) -> Result<$type, $type> {
            update(done, || self.0.compare_exchange_weak(old, new, done, failed))
        }
    };
}

#[allow(missing_docs, reason = "as in std")]
impl AtomicU64 {
    exchanges!(u64);
}

/// As in std.
#[derive(Debug)]
pub struct AtomicPtr<T>(atomic::AtomicPtr<T>);

#[allow(missing_docs, reason = "as in std")]
impl<T> AtomicPtr<T> {
    #[track_caller]
    pub fn new(value: *mut T) -> Self {
        Self(atomic::AtomicPtr::new(value))
    }

    #[track_caller]
    pub fn load(&self, order: Ordering) -> *mut T {
        before_load(order);
        self.0.load(order)
    }

    #[track_caller]
    pub fn store(&self, value: *mut T, order: Ordering) {
        if in_one_order(order) {
            self.0.swap(value, Ordering::Release);
        } else {
            self.0.store(value, order);
        }
        behind_store(order);
    }

    #[track_caller]
    pub fn swap(&self, value: *mut T, order: Ordering) -> *mut T {
        update(order, || self.0.swap(value, order))
    }

    exchanges!(*mut T);
}
