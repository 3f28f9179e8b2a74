//! std's atomics, at which another thread may go on.

use super::{stores, world};
pub use std::sync::atomic::{Ordering, compiler_fence};

/// As in std.
pub fn fence(order: Ordering) {
    world::atomic();
    if order == Ordering::SeqCst {
        world::drain();
    }
    std::sync::atomic::fence(order);
}

/// A value as a store buffer has it.
#[inline]
fn word<T: Copy>(value: T) -> u64 {
    let mut word = 0u64;
    // SAFETY: no value of an atomic is longer.
    unsafe {
        let bytes = (&raw const value).cast::<u8>();
        std::ptr::copy_nonoverlapping(bytes, (&raw mut word).cast(), size_of::<T>());
    }
    word
}

#[inline]
fn value<T: Copy>(word: u64) -> T {
    // SAFETY: made of one.
    unsafe { (&raw const word).cast::<T>().read() }
}

macro_rules! atomics {
    ($($name:ident $(<$t:ident>)? : $type:ty: $($update:ident)*;)*) => {$(
        /// As in std.
        #[derive(Debug)]
        #[repr(transparent)]
        pub struct $name $(<$t>)? (std::sync::atomic::$name $(<$t>)?);

        #[allow(missing_docs, reason = "as in std")]
        impl $(<$t>)? $name $(<$t>)? {
            pub const fn new(value: $type) -> Self {
                Self(std::sync::atomic::$name::new(value))
            }

            #[inline]
            pub fn load(&self, order: Ordering) -> $type {
                world::atomic();
                match stores::own(self.0.as_ptr() as usize) {
                    Some(word) => value(word),
                    None => self.0.load(order),
                }
            }

            #[inline]
            pub fn store(&self, value: $type, order: Ordering) {
                world::atomic();
                let (address, size) = (self.0.as_ptr() as usize, size_of::<$type>());
                if order == Ordering::SeqCst || !stores::store(address, size, word(value)) {
                    world::drain();
                    self.0.store(value, order);
                }
            }

            #[inline]
            pub fn compare_exchange(
                &self,
                old: $type,
                new: $type,
                order: Ordering,
                else_order: Ordering,
            ) -> Result<$type, $type> {
                world::atomic();
                world::drain();
                self.0.compare_exchange(old, new, order, else_order)
            }

            #[inline]
            pub fn compare_exchange_weak(
                &self,
                old: $type,
                new: $type,
                order: Ordering,
                else_order: Ordering,
            ) -> Result<$type, $type> {
                self.compare_exchange(old, new, order, else_order)
            }

            pub fn as_ptr(&self) -> *mut $type {
                self.0.as_ptr()
            }

            pub fn get_mut(&mut self) -> &mut $type {
                stores::freed(self.0.as_ptr() as usize, size_of::<$type>());
                self.0.get_mut()
            }

            $(
                #[inline]
                pub fn $update(&self, value: $type, order: Ordering) -> $type {
                    world::atomic();
                    world::drain();
                    self.0.$update(value, order)
                }
            )*
        }

        impl $(<$t>)? Drop for $name $(<$t>)? {
            fn drop(&mut self) {
                stores::freed(self.0.as_ptr() as usize, size_of::<$type>());
            }
        }
    )*};
}

atomics! {
    AtomicBool: bool: swap fetch_and fetch_or;
    AtomicI32: i32: swap fetch_add fetch_sub;
    AtomicPtr<T>: *mut T: swap;
    AtomicU8: u8: swap fetch_max fetch_and fetch_or;
    AtomicU32: u32: swap fetch_add fetch_sub fetch_max fetch_and fetch_or;
    AtomicU64: u64: swap fetch_add fetch_sub fetch_max fetch_and fetch_or;
    AtomicUsize: usize: swap fetch_add fetch_sub fetch_max;
}

macro_rules! defaults {
    ($($name:ident)*) => {$(
        impl Default for $name {
            fn default() -> Self {
                Self::new(Default::default())
            }
        }
    )*};
}

defaults! { AtomicBool AtomicI32 AtomicU8 AtomicU32 AtomicU64 AtomicUsize }
