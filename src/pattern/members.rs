//! The subscribers of one topic.

use super::PipeId;
use std::collections::BTreeSet;

/// So many are moved when one comes or goes that is not the last.
const FEW: usize = 256;

/// Pipes, each once. One that comes or goes costs the same however many there are.
#[derive(Debug)]
#[expect(clippy::box_collection, reason = "most topics have few, and each eight bytes less")]
pub(super) enum Members {
    /// In the order of their numbers.
    Few(Vec<PipeId>),
    Many(Box<BTreeSet<PipeId>>),
}

impl Default for Members {
    fn default() -> Self {
        Members::Few(Vec::new())
    }
}

impl Members {
    pub(super) fn contains(&self, pipe: PipeId) -> bool {
        match self {
            Members::Few(list) => list.binary_search(&pipe).is_ok(),
            Members::Many(set) => set.contains(&pipe),
        }
    }

    /// False if it was there already.
    pub(super) fn insert(&mut self, pipe: PipeId) -> bool {
        let list = match self {
            Members::Few(list) => list,
            Members::Many(set) => return set.insert(pipe),
        };
        let Err(at) = list.binary_search(&pipe) else { return false };
        list.insert(at, pipe);
        if list.len() > FEW {
            *self = Members::Many(Box::new(std::mem::take(list).into_iter().collect()));
        }
        true
    }

    pub(super) fn remove(&mut self, pipe: PipeId) {
        match self {
            Members::Few(list) => {
                if let Ok(at) = list.binary_search(&pipe) {
                    list.remove(at);
                }
                if list.len() * 4 < list.capacity() {
                    list.shrink_to_fit();
                }
            }
            Members::Many(set) => {
                set.remove(&pipe);
                if set.len() <= FEW / 4 {
                    *self = Members::Few(std::mem::take(set.as_mut()).into_iter().collect());
                }
            }
        }
    }

    /// The pipe, if there is one alone.
    pub(super) fn only(&self) -> Option<PipeId> {
        match self {
            Members::Few(list) => <[PipeId; 1]>::try_from(list.as_slice()).ok().map(|[one]| one),
            Members::Many(_) => None,
        }
    }

    /// Calls `visit` with each.
    #[inline]
    pub(super) fn for_each(&self, mut visit: impl FnMut(PipeId)) {
        match self {
            Members::Few(list) => list.iter().copied().for_each(visit),
            Members::Many(set) => set.iter().for_each(|&pipe| visit(pipe)),
        }
    }

    /// Bytes of memory held.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        size_of::<Members>()
            + match self {
                Members::Few(list) => list.capacity() * 4 + 16,
                // Nodes of eleven, of which half are in use in the worst case.
                Members::Many(set) => set.len() * 12 + 40,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_have_the_same_members() {
        let (mut members, mut expected) = (Members::default(), BTreeSet::new());
        let mut state = 1u32;
        let mut kinds = [0; 2];
        for step in 0..24_000 {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            let pipe = (state >> 16) % 600;
            // Up and down again, several times.
            let comes = (state >> 8) % 16 < if step / 4000 % 2 == 0 { 15 } else { 1 };
            if comes {
                assert_eq!(members.insert(pipe), expected.insert(pipe));
            } else {
                members.remove(pipe);
                expected.remove(&pipe);
            }
            assert_eq!(members.contains(pipe), comes);
            let alone = if expected.len() == 1 { expected.first().copied() } else { None };
            assert_eq!(members.only(), alone);
            if step % 100 == 0 {
                let mut found = Vec::new();
                members.for_each(|pipe| found.push(pipe));
                assert!(found.iter().eq(expected.iter()));
            }
            kinds[usize::from(matches!(members, Members::Many(_)))] += 1;
        }
        assert!(kinds.iter().all(|&count| count > 1000), "{kinds:?}");
    }
}
