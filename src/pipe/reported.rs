//! Connections with bytes that nobody has looked at.
//!
//! The set reports a connection once. A thread that took the report and reads something else, or
//! nothing, because it waits for room or for another peer, leaves bytes in the kernel that nobody hears
//! of any more, PINGs among them; a slow receiver leaves them behind messages in its buffer.
//! [`PipeTable::reported`] lists such connections from the report on, and [`PipeTable::gather_ready`] is
//! for whoever goes to sleep, or hands over to somebody else.

use super::PipeTable;
use super::lists::{Listed, NONE};
use super::pipe::Kind;
use crate::connection::Connection;
use crate::pattern::PipeId;

impl PipeTable {
    /// The pipe's connection may have bytes.
    #[inline]
    pub(super) fn note_reported(&mut self, id: PipeId) {
        let last = self.reported.last;
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return };
        if pipe.reported.is_some() {
            return;
        }
        pipe.reported = Some(Listed { before: last, behind: NONE });
        match self.listed(last) {
            Some(listed) => listed.behind = id,
            None => self.reported.first = id,
        }
        self.reported.last = id;
        self.reported.len += 1;
    }

    /// The pipe is not listed any more.
    pub(super) fn forget_reported(&mut self, id: PipeId) {
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return };
        let Some(Listed { before, behind }) = pipe.reported.take() else { return };
        match self.listed(before) {
            Some(listed) => listed.behind = behind,
            None => self.reported.first = behind,
        }
        match self.listed(behind) {
            Some(listed) => listed.before = before,
            None => self.reported.last = before,
        }
        self.reported.len -= 1;
    }

    fn listed(&mut self, id: PipeId) -> Option<&mut Listed> {
        self.pipes.get_mut(id as usize)?.as_mut()?.reported.as_mut()
    }

    /// Whether the pipe's connection may have bytes, here or in the kernel.
    fn may_have_bytes(&mut self, id: PipeId) -> bool {
        let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { return false };
        if pipe.lingering {
            return false;
        }
        match &mut pipe.kind {
            Kind::Datagram(end) => end.ready,
            _ => pipe.connection().is_some_and(|c| has_bytes(c)),
        }
    }

    /// Reads and looks ahead, up to the receive high-water marks, on all connections that were reported
    /// readable. True if anything came.
    pub fn gather_ready(&mut self) -> bool {
        debug_assert!(self.lists_reported(), "a connection has bytes and is not listed");
        let mut came = false;
        // Those that are listed now, each once.
        for _ in 0..self.reported.len {
            let id = self.reported.first;
            if self.may_have_bytes(id) {
                let heard = self.heard(id);
                self.gather(id);
                came |= self.heard(id) != heard;
            }
            // One that is full, or holds messages, stays for the next who stops looking.
            let again = self.may_have_bytes(id);
            self.forget_reported(id);
            if again {
                self.note_reported(id);
            }
        }
        came
    }

    fn heard(&mut self, id: PipeId) -> Option<u64> {
        match &mut self.get(id)?.kind {
            Kind::Datagram(end) => Some(end.received),
            Kind::Wire(wire) => wire.connection.as_ref().map(|connection| connection.heard),
            Kind::Inproc(_) => None,
        }
    }

    fn lists_reported(&self) -> bool {
        self.pipes.iter().flatten().all(|pipe| match &pipe.kind {
            Kind::Wire(wire) => {
                let bytes = wire.connection.as_ref().is_some_and(has_bytes);
                pipe.reported.is_some() || pipe.lingering || !bytes
            }
            Kind::Inproc(_) => true,
            Kind::Datagram(end) => pipe.reported.is_some() || pipe.lingering || !end.ready,
        })
    }
}

fn has_bytes(connection: &Connection) -> bool {
    connection.rx.ready() || connection.rx.holds_data()
}

#[cfg(test)]
mod tests {
    use super::super::{NO_ENDPOINT, Wire};
    use super::*;

    fn listed(table: &PipeTable) -> Vec<PipeId> {
        let pipe = |id: PipeId| table.pipes[id as usize].as_ref();
        let mut ids = Vec::new();
        let (mut before, mut next) = (NONE, table.reported.first);
        while next != NONE {
            ids.push(next);
            let here =
                pipe(next).and_then(|pipe| pipe.reported.as_ref()).expect("one that is listed");
            assert_eq!(here.before, before);
            (before, next) = (next, here.behind);
        }
        assert_eq!((table.reported.last, table.reported.len), (before, ids.len()));
        ids
    }

    #[test]
    fn each_is_listed_once_and_goes_from_any_place() {
        let mut table = PipeTable::new();
        let new = |table: &mut PipeTable| table.add_wire(Wire::new(0, 0, false), NO_ENDPOINT);
        let ids: Vec<PipeId> = (0..6).map(|_| new(&mut table)).collect();
        let mut expected: Vec<PipeId> = Vec::new();
        let mut state = 1u32;
        for _ in 0..3000 {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            let id = ids[(state >> 16) as usize % ids.len()];
            match state >> 28 {
                0..8 => {
                    table.note_reported(id);
                    if !expected.contains(&id) {
                        expected.push(id);
                    }
                }
                8..14 => {
                    table.forget_reported(id);
                    expected.retain(|&other| other != id);
                }
                _ => {
                    table.remove(id);
                    expected.retain(|&other| other != id);
                    assert_eq!(new(&mut table), id);
                }
            }
            assert_eq!(listed(&table), expected);
        }
        // Nobody has bytes: a look leaves none.
        assert!(!table.gather_ready());
        assert!(listed(&table).is_empty());
    }
}
