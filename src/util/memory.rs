//! Lists whose length somebody else chooses: without memory for them there is an error, where Vec's
//! own ways would end the process.

use super::reserve;
use crate::error::{Error, Result};
use std::collections::{TryReserveError, VecDeque};

/// An empty list with room for so many.
///
/// # Errors
/// [`Error::NoMemory`].
pub fn with_room<T>(count: usize) -> Result<Vec<T>> {
    let mut list = Vec::new();
    reserve(&mut list, count)?;
    Ok(list)
}

/// A copy of these.
///
/// # Errors
/// [`Error::NoMemory`].
pub fn copy_of<T: Copy>(items: &[T]) -> Result<Vec<T>> {
    let mut list = with_room(items.len())?;
    list.extend_from_slice(items);
    Ok(list)
}

/// Makes room for so many more. Not for lists that grow by many small steps.
///
/// # Errors
/// [`Error::NoMemory`]; the list is unchanged then.
pub fn reserve<T>(list: &mut Vec<T>, more: usize) -> Result<()> {
    reserve::ready()?;
    reserve::ask(|| list.try_reserve_exact(more)).map_err(|_| Error::NoMemory)
}

/// Makes room for one more, and by steps that grow for those that follow.
///
/// # Errors
/// [`Error::NoMemory`]; the list is unchanged then.
pub fn reserve_one<T>(list: &mut Vec<T>) -> Result<()> {
    if list.len() < list.capacity() {
        return Ok(());
    }
    reserve::ready()?;
    try_room(list, 1)
}

/// A list that can be asked for room.
pub trait Growing {
    /// How many more there is room for.
    fn room(&self) -> usize;
    /// Makes room for so many more, or says that it cannot.
    fn try_grow(&mut self, more: usize) -> std::result::Result<(), TryReserveError>;
}

impl<T> Growing for Vec<T> {
    #[inline]
    fn room(&self) -> usize {
        self.capacity() - self.len()
    }

    fn try_grow(&mut self, more: usize) -> std::result::Result<(), TryReserveError> {
        self.try_reserve(more)
    }
}

impl<T> Growing for VecDeque<T> {
    #[inline]
    fn room(&self) -> usize {
        self.capacity() - self.len()
    }

    fn try_grow(&mut self, more: usize) -> std::result::Result<(), TryReserveError> {
        self.try_reserve(more)
    }
}

/// Makes room for so many more of what has begun: in a shortage, too, if it is little.
///
/// # Errors
/// [`Error::NoMemory`]; the list is unchanged then.
#[inline]
pub fn try_room(list: &mut impl Growing, more: usize) -> Result<()> {
    if list.room() >= more {
        return Ok(());
    }
    reserve::ask(|| list.try_grow(more)).map_err(|_| Error::NoMemory)
}

/// Adds one.
///
/// # Errors
/// [`Error::NoMemory`]; the list is unchanged then, and `item` lost.
pub fn push<T>(list: &mut Vec<T>, item: T) -> Result<()> {
    reserve_one(list)?;
    list.push(item);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_list_can_have_is_an_error() {
        assert_eq!(with_room::<u64>(usize::MAX / 8).err(), Some(Error::NoMemory));
        assert_eq!(with_room::<u8>(1 << 62).err(), Some(Error::NoMemory));
        let mut list = copy_of(&[1, 2, 3]).unwrap();
        assert_eq!(reserve(&mut list, usize::MAX), Err(Error::NoMemory));
        assert_eq!(push(&mut list, 4), Ok(()));
        assert_eq!(list, [1, 2, 3, 4]);
    }
}
