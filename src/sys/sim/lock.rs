//! std's lock of many readers, for which nobody waits with the world standing still, and its shared
//! pointer. Both have what a processor locks inside, so they come after all stores before them.

use super::world;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::{LockResult, PoisonError, TryLockError};

/// As in std.
#[derive(Debug, Default)]
pub struct RwLock<T>(std::sync::RwLock<T>);

/// As in std.
#[derive(Debug)]
pub struct RwLockReadGuard<'a, T>(std::sync::RwLockReadGuard<'a, T>);

/// As in std.
#[derive(Debug)]
pub struct RwLockWriteGuard<'a, T>(std::sync::RwLockWriteGuard<'a, T>);

#[allow(missing_docs, reason = "as in std")]
impl<T> RwLock<T> {
    pub const fn new(value: T) -> RwLock<T> {
        RwLock(std::sync::RwLock::new(value))
    }

    /// # Errors
    /// As in std.
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        world::drain();
        loop {
            match self.0.try_read() {
                Ok(guard) => return Ok(RwLockReadGuard(guard)),
                Err(TryLockError::Poisoned(guard)) => {
                    return Err(PoisonError::new(RwLockReadGuard(guard.into_inner())));
                }
                Err(TryLockError::WouldBlock) => world::yields(),
            }
        }
    }

    /// # Errors
    /// As in std.
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        world::drain();
        loop {
            match self.0.try_write() {
                Ok(guard) => return Ok(RwLockWriteGuard(guard)),
                Err(TryLockError::Poisoned(guard)) => {
                    return Err(PoisonError::new(RwLockWriteGuard(guard.into_inner())));
                }
                Err(TryLockError::WouldBlock) => world::yields(),
            }
        }
    }
}

impl<T> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for RwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for RwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        world::drain();
    }
}

impl<T> Drop for RwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        world::drain();
    }
}

/// As in std.
#[derive(Debug)]
pub struct Arc<T>(ManuallyDrop<std::sync::Arc<T>>);

#[allow(missing_docs, reason = "as in std")]
impl<T> Arc<T> {
    pub fn new(value: T) -> Arc<T> {
        Arc(ManuallyDrop::new(std::sync::Arc::new(value)))
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Arc<T> {
        world::drain();
        Arc(self.0.clone())
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        world::drain();
        // SAFETY: not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.0) };
    }
}
