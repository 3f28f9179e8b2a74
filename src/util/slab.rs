//! Numbered places: a number stands for what is there until that is taken out, and is used again then.

/// Things by small numbers.
#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Slab { places: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slab<T> {
    /// Puts something into a free place and returns its number.
    pub fn insert(&mut self, item: T) -> u32 {
        if let Some(number) = self.free.pop() {
            self.places[number as usize] = Some(item);
            return number;
        }
        self.places.push(Some(item));
        (self.places.len() - 1) as u32
    }

    /// What is at this place.
    #[inline]
    pub fn get(&self, number: u32) -> Option<&T> {
        self.places.get(number as usize)?.as_ref()
    }

    /// The same, to be changed.
    #[inline]
    pub fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.places.get_mut(number as usize)?.as_mut()
    }

    /// Takes out what is there.
    pub fn remove(&mut self, number: u32) -> Option<T> {
        let item = self.places.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(item)
    }

    /// Whether all places are free.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }

    /// All numbers there may be.
    pub fn numbers(&self) -> std::ops::Range<u32> {
        0..self.places.len() as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_used_again_but_only_of_what_is_gone() {
        let mut slab = Slab::default();
        assert!(slab.is_empty());
        let numbers: Vec<u32> = (0..4).map(|n| slab.insert(n * 10)).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        assert_eq!((slab.remove(1), slab.remove(1), slab.remove(9)), (Some(10), None, None));
        assert_eq!((slab.get(1), slab.get(2), slab.get(9)), (None, Some(&20), None));
        assert_eq!(slab.insert(50), 1);
        *slab.get_mut(1).expect("there") += 1;
        assert_eq!((slab.get(1), slab.numbers()), (Some(&51), 0..4));
        assert!(slab.numbers().all(|number| slab.remove(number).is_some()));
        assert!(slab.is_empty() && slab.get_mut(0).is_none());
    }
}
