//! Which pipes belong to an endpoint. A pipe that joins or leaves looks at no others, however many there
//! are.

use crate::pattern::PipeId;

/// The pipes of each endpoint, by the endpoint's number.
#[derive(Default)]
pub(super) struct Groups {
    members: Vec<Vec<PipeId>>,
}

impl Groups {
    /// Adds a pipe. Returns its place, which is needed to take it out again.
    pub(super) fn join(&mut self, endpoint: u32, id: PipeId) -> u32 {
        let number = endpoint as usize;
        if self.members.len() <= number {
            self.members.resize_with(number + 1, Vec::new);
        }
        let members = &mut self.members[number];
        members.push(id);
        (members.len() - 1) as u32
    }

    /// Takes the pipe in this place out. Returns the pipe that has its place now, if there is one.
    pub(super) fn leave(&mut self, endpoint: u32, place: u32) -> Option<PipeId> {
        let members = self.members.get_mut(endpoint as usize)?;
        if place as usize >= members.len() {
            return None;
        }
        members.swap_remove(place as usize);
        if members.is_empty() {
            *members = Vec::new();
        }
        members.get(place as usize).copied()
    }

    /// The pipes of an endpoint, in no order.
    pub(super) fn of(&self, endpoint: u32) -> &[PipeId] {
        self.members.get(endpoint as usize).map_or(&[], Vec::as_slice)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_handed_on() {
        let mut groups = Groups::default();
        assert_eq!((groups.join(2, 7), groups.join(2, 8), groups.join(0, 9)), (0, 1, 0));
        assert_eq!(groups.join(2, 10), 2);
        assert_eq!(groups.leave(2, 0), Some(10));
        assert_eq!(groups.of(2), [10, 8]);
        assert_eq!(
            (groups.leave(2, 1), groups.leave(2, 0), groups.leave(2, 0)),
            (None, None, None)
        );
        assert_eq!(
            (groups.of(2), groups.of(1), groups.of(0), groups.of(5)),
            (&[][..], &[][..], &[9][..], &[][..])
        );
    }
}
