//! Barriers of which one side is free.
//!
//! Two threads that each write their own word and then read the other's need a full barrier in
//! between, or both may read the old value. Where one of them does that a million times a second
//! and the other once in a while, the first uses [`light`], which only keeps the compiler from
//! changing the order, and the second [`heavy`], which asks the kernel for a barrier on every
//! processor: about a microsecond for the second, nothing for the first.
//!
//! Where the kernel cannot do that, both are ordinary fences.

#[cfg(loom)]
use super::atomic::{Ordering, fence};

/// To be called before the first use of what relies on barriers here.
#[cfg(not(loom))]
pub fn prepare() {
    kernel::prepare();
}

/// The side that must be fast.
#[cfg(not(loom))]
#[inline]
pub fn light() {
    kernel::light();
}

/// Whether [`light`] is known to be nothing but an order for the compiler. If so, it always is.
#[cfg(not(loom))]
pub fn is_free() -> bool {
    kernel::is_free()
}

/// [`light`] for those who know that it [is free](is_free).
#[cfg(not(loom))]
#[inline]
pub fn free() {
    crate::sync::atomic::compiler_fence(crate::sync::atomic::Ordering::SeqCst);
}

/// The other side.
#[cfg(not(loom))]
#[cold]
pub fn heavy() {
    kernel::heavy();
}

#[cfg(not(loom))]
mod kernel {
    use crate::sync::atomic::{Ordering, compiler_fence, fence};
    use crate::sync::statics::AtomicU8;
    use crate::sys::membarrier;

    /// Who sees this makes a barrier too many.
    const UNKNOWN: u8 = 0;
    const FREE: u8 = 1;
    const FENCES: u8 = 2;

    /// Settled once, for forked children, too.
    static BARRIERS: AtomicU8 = AtomicU8::new(UNKNOWN);

    pub(super) fn prepare() {
        // Threads that find out at the same time do not wait for each other: in a forked child the
        // other one may not exist. What the first has found out counts.
        if BARRIERS.load(Ordering::Relaxed) == UNKNOWN {
            let found = if membarrier::register() { FREE } else { FENCES };
            let order = Ordering::Relaxed;
            let _ = BARRIERS.compare_exchange(UNKNOWN, found, order, order);
        }
    }

    #[inline]
    pub(super) fn light() {
        if is_free() {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    #[inline]
    pub(super) fn is_free() -> bool {
        BARRIERS.load(Ordering::Relaxed) == FREE
    }

    pub(super) fn heavy() {
        // Not what this thread happens to have seen so far: the other one may have seen more.
        prepare();
        if is_free() {
            membarrier::everywhere();
        } else {
            fence(Ordering::SeqCst);
        }
    }
}

/// In models both sides are fences, which is what they amount to together.
#[cfg(loom)]
pub fn prepare() {}

/// In models both sides are fences, which is what they amount to together.
#[cfg(loom)]
pub fn light() {
    fence(Ordering::SeqCst);
}

/// In models both sides are fences, which is what they amount to together.
#[cfg(loom)]
pub fn heavy() {
    fence(Ordering::SeqCst);
}

/// In models both sides are fences, which is what they amount to together.
#[cfg(loom)]
pub fn free() {
    fence(Ordering::SeqCst);
}

/// A fence may always stand for a barrier that is free.
#[cfg(loom)]
pub fn is_free() -> bool {
    true
}
