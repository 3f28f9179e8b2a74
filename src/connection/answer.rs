//! Answers to PINGs (RFC 37, "Connection Heartbeating": a PONG echoes the context of the PING).
//!
//! A peer that sends PINGs and takes nothing must not fill our memory with the answers. While the
//! kernel takes them each PING is answered; when it takes no more, one answer stands in the queue,
//! and of the PINGs that come meanwhile the newest is remembered and answered when that one has
//! gone, as libzmq does. Not to read on instead would bound the queue, too. But then two peers that
//! wait with their answers for each other would wait for ever, and messages behind a PING would not
//! be received because of something that the application has no part in.
//!
//! A Ping of WebSocket (RFC 6455, section 5.5.2) is answered in the same way.

use super::tx::{BATCH, TxQueue};
use crate::error::{Error, Result};
use crate::util::memory;
use crate::wire::command;
use crate::wire::websocket::Opcode;
use crate::wire::zws;
use std::os::fd::BorrowedFd;

/// Answers that a connection owes.
#[derive(Default)]
pub(super) struct Answers {
    /// The answer to the newest PING, if it has to wait until the kernel has taken the one before. Then
    /// there is something queued, so somebody flushes.
    late: Option<Vec<u8>>,
}

impl Answers {
    /// Whether a PING waits for its answer: [`Answers::after_flush`] follows each flush.
    #[inline]
    pub(super) fn are_late(&self) -> bool {
        self.late.is_some()
    }

    /// Answers a PING, now or later, with this.
    ///
    /// # Errors
    /// What the kernel says: the connection cannot go on. `NoMemory`: to be called again.
    pub(super) fn answer(
        &mut self,
        tx: &mut TxQueue,
        fd: BorrowedFd<'_>,
        pong: Vec<u8>,
    ) -> Result<()> {
        if tx.owes_answer() {
            if tx.bytes() >= BATCH && !tx.blocked() {
                let empty = tx.flush(fd)?;
                if self.are_late() {
                    self.after_flush(tx, fd, empty)?;
                }
            }
            // However often the kernel seems to have room: no more than a batch is queued.
            if tx.owes_answer() && (tx.blocked() || tx.bytes() >= BATCH) {
                self.late = Some(pong);
                return Ok(());
            }
        }
        tx.push_answer(&pong)?;
        // This is the answer to an earlier one as well.
        self.late = None;
        Ok(())
    }

    /// After a flush that left nothing (`empty`) or something, with a PING to be answered: does so if
    /// the answer before has gone. Whether nothing is left now.
    ///
    /// # Errors
    /// As [`Answers::answer`].
    #[cold]
    pub(super) fn after_flush(
        &mut self,
        tx: &mut TxQueue,
        fd: BorrowedFd<'_>,
        empty: bool,
    ) -> Result<bool> {
        debug_assert!(!empty || !tx.owes_answer(), "nothing is left");
        if tx.owes_answer() {
            return Ok(false);
        }
        let Some(pong) = &self.late else { return Ok(empty) };
        match tx.push_answer(pong) {
            Ok(()) => self.late = None,
            Err(Error::NoMemory) => {
                tx.starve();
                return Ok(empty);
            }
            Err(error) => return Err(error),
        }
        if empty { tx.flush(fd) } else { Ok(false) }
    }
}

/// The answer to a PING with this context.
///
/// # Errors
/// [`Error::NoMemory`].
pub(super) fn pong(context: &[u8]) -> Result<Vec<u8>> {
    let mut pong = memory::with_room(8 + context.len())?;
    command::append_pong(&mut pong, context);
    Ok(pong)
}

/// The answer to a Ping of WebSocket.
///
/// # Errors
/// As [`pong`].
pub(super) fn control_pong(payload: &[u8]) -> Result<Vec<u8>> {
    let mut pong = memory::with_room(2 + payload.len())?;
    zws::control_command(Opcode::Pong, payload, &mut pong);
    Ok(pong)
}
