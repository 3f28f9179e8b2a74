//! Stands for `kept` in models, which know of every block: nothing is kept.

pub(super) const SHORTEST: usize = usize::MAX;
pub(super) const LONGEST: usize = 0;

/// Nothing depends on it.
pub fn set_busy(_busy: bool) {}

pub(super) fn take(_size: usize) -> Option<(*mut u8, usize)> {
    None
}

/// # Safety
/// None needed.
pub(super) unsafe fn give(_start: *mut u8, _size: usize) -> bool {
    false
}
