//! A queue of numbers that each can leave from any place, however long it is.

use std::collections::BTreeMap;

/// Numbers in the order they came, each once and with something that belongs to it. None of what can be asked of it walks
/// through all of them.
#[derive(Debug)]
pub struct Line<T = ()> {
    /// By when they came.
    order: BTreeMap<u64, u32>,
    /// When each came.
    places: BTreeMap<u32, (u64, T)>,
    next: u64,
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Line { order: BTreeMap::new(), places: BTreeMap::new(), next: 0 }
    }
}

impl<T> Line<T> {
    /// Puts a number at the end. False if it is there already, where it stays as it is.
    pub fn push(&mut self, number: u32, what: T) -> bool {
        if self.places.contains_key(&number) {
            return false;
        }
        self.places.insert(number, (self.next, what));
        self.order.insert(self.next, number);
        self.next += 1;
        true
    }

    /// Takes a number out.
    pub fn remove(&mut self, number: u32) -> Option<T> {
        let (at, what) = self.places.remove(&number)?;
        self.order.remove(&at);
        Some(what)
    }

    /// What belongs to a number that is there.
    pub fn get(&self, number: u32) -> Option<&T> {
        self.places.get(&number).map(|(_, what)| what)
    }

    /// Whether a number is there.
    pub fn contains(&self, number: u32) -> bool {
        self.places.contains_key(&number)
    }

    /// The number that has been there for the longest time.
    #[inline]
    pub fn first(&self) -> Option<u32> {
        self.order.first_key_value().map(|(_, &number)| number)
    }

    /// Takes that one out.
    pub fn pop(&mut self) -> Option<u32> {
        let (_, number) = self.order.pop_first()?;
        self.places.remove(&number);
        Some(number)
    }

    /// All numbers, in their order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.order.values().copied()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_is_there_once_and_leaves_from_any_place() {
        let mut line = Line::default();
        let mut expected: Vec<u32> = Vec::new();
        let mut state = 1u32;
        for step in 0..5000 {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            let number = (state >> 16) % 20;
            match state >> 29 {
                0..4 => {
                    let new = !expected.contains(&number);
                    assert_eq!(line.push(number, step), new);
                    if new {
                        expected.push(number);
                    }
                }
                4..7 => {
                    let known = expected.contains(&number);
                    assert_eq!((line.get(number).is_some(), line.contains(number)), (known, known));
                    assert_eq!(line.remove(number).is_some(), known);
                    expected.retain(|&other| other != number);
                }
                _ => {
                    let first = expected.first().copied();
                    assert_eq!((line.first(), line.pop()), (first, first));
                    expected.drain(..usize::from(first.is_some()));
                }
            }
            assert!(line.iter().eq(expected.iter().copied()));
            assert_eq!(line.is_empty(), expected.is_empty());
        }
        assert_eq!(line.order.len(), line.places.len());
    }
}
