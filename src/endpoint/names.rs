//! Which endpoints go by a name: thousands may go by one, and each comes and goes without a look at the others.

use std::collections::{BTreeMap, BTreeSet};

/// The serial of an endpoint, which says how old it is, and its number.
type Entry = (u32, u32);

/// Those of one name.
#[derive(Debug)]
enum Named {
    One(Entry),
    Many(BTreeSet<Entry>),
}

/// The numbers of endpoints by their names.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, Named>);

impl Names {
    /// The endpoint goes by this name. False if it does so already.
    pub(super) fn add(&mut self, name: &str, entry: Entry) -> bool {
        let Some(named) = self.0.get_mut(name) else {
            self.0.insert(name.to_owned(), Named::One(entry));
            return true;
        };
        match named {
            Named::One(one) if *one == entry => false,
            Named::One(one) => {
                *named = Named::Many(BTreeSet::from([*one, entry]));
                true
            }
            Named::Many(set) => set.insert(entry),
        }
    }

    /// The endpoint does not go by this name any more.
    pub(super) fn remove(&mut self, name: &str, entry: Entry) {
        let none_left = match self.0.get_mut(name) {
            Some(Named::One(one)) => *one == entry,
            Some(Named::Many(set)) => {
                set.remove(&entry);
                set.is_empty()
            }
            None => false,
        };
        if none_left {
            self.0.remove(name);
        }
    }

    /// Whether an endpoint goes by this name.
    pub(super) fn is_known(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The endpoints that do, oldest first.
    pub(super) fn of(&self, name: &str) -> Vec<u32> {
        match self.0.get(name) {
            None => Vec::new(),
            Some(Named::One((_, number))) => vec![*number],
            Some(Named::Many(set)) => set.iter().map(|&(_, number)| number).collect(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_comes_first_whatever_its_number() {
        let mut names = Names::default();
        assert!(names.add("a", (1, 7)) && !names.add("a", (1, 7)) && names.add("b", (1, 7)));
        assert!(names.add("a", (3, 2)) && names.add("a", (2, 9)) && !names.add("a", (2, 9)));
        assert_eq!((names.of("a"), names.of("b"), names.of("c")), (vec![7, 9, 2], vec![7], vec![]));
        names.remove("a", (2, 9));
        names.remove("a", (2, 9));
        names.remove("b", (2, 9));
        names.remove("c", (2, 9));
        assert_eq!(
            (names.of("a"), names.is_known("b"), names.is_known("c")),
            (vec![7, 2], true, false)
        );
        names.remove("a", (1, 7));
        names.remove("a", (3, 2));
        names.remove("b", (1, 7));
        assert!(names.0.is_empty());
    }
}
