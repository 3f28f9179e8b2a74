//! std's lock of many readers, for which nobody waits with the world standing still.

use super::world;
use std::sync::{LockResult, RwLockReadGuard, RwLockWriteGuard, TryLockError};

/// As in std.
#[derive(Debug, Default)]
pub struct RwLock<T>(std::sync::RwLock<T>);

#[allow(missing_docs, reason = "as in std")]
impl<T> RwLock<T> {
    pub const fn new(value: T) -> RwLock<T> {
        RwLock(std::sync::RwLock::new(value))
    }

    /// # Errors
    /// As in std.
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        loop {
            match self.0.try_read() {
                Ok(guard) => return Ok(guard),
                Err(TryLockError::Poisoned(guard)) => return Err(guard),
                Err(TryLockError::WouldBlock) => world::yields(),
            }
        }
    }

    /// # Errors
    /// As in std.
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        loop {
            match self.0.try_write() {
                Ok(guard) => return Ok(guard),
                Err(TryLockError::Poisoned(guard)) => return Err(guard),
                Err(TryLockError::WouldBlock) => world::yields(),
            }
        }
    }
}
