//! What a caller that sends a long message over the only connection of its socket needs, to wait for
//! the kernel to take it instead of copying it.

use super::PipeTable;
use super::pipe::Pipe;
use crate::connection::Connection;
use crate::connection::tx::TxQueue;
use crate::pattern::PipeId;

impl PipeTable {
    /// The connection, if there is one only.
    pub(super) fn only_connection(&mut self) -> Option<(PipeId, &mut Connection)> {
        if self.connections != 1 {
            return None;
        }
        let pipes = self.pipes.iter_mut().enumerate();
        let mut found = pipes.filter_map(|(id, pipe)| Some((id, pipe.as_mut()?.connection()?)));
        found.next().map(|(id, connection)| (id as PipeId, connection))
    }

    /// Whether there is one connection, for which the kernel takes no more at the moment.
    pub fn only_connection_is_blocked(&mut self) -> bool {
        let blocks = |tx: &TxQueue| tx.blocked() && tx.lost().is_none();
        self.only_connection().is_some_and(|(_, connection)| blocks(&connection.tx))
    }

    /// Bytes that wait for the kernel, if there is one connection.
    pub fn only_connection_owes(&mut self) -> usize {
        let Some((id, _)) = self.only_connection() else { return 0 };
        self.get(id).and_then(Pipe::wire).map_or(0, |wire| wire.unsent_bytes())
    }

    /// For a socket with one connection: try again to hand over without asking the set first.
    pub fn expect_room_on_only_connection(&mut self) {
        if let Some((id, connection)) = self.only_connection() {
            connection.tx.unblock();
            self.mark_dirty(id);
        }
    }

    /// Whether there is one connection, and in its queue a body that belongs to the caller of a
    /// send call.
    pub fn only_connection_is_lent(&mut self) -> bool {
        self.only_connection().is_some_and(|(_, connection)| connection.tx.borrowed())
    }

    /// Copies what belongs to callers of send calls and was left in a queue.
    pub fn own_lent(&mut self) {
        for pipe in self.pipes.iter_mut().flatten() {
            if let Some(connection) = pipe.connection()
                && connection.tx.borrowed()
            {
                connection.tx.make_owned();
            }
        }
    }
}
