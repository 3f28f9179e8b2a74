//! Answers to PINGs (RFC 37, "Connection Heartbeating": a PONG echoes the context of the PING).
//!
//! A peer that sends PINGs and takes nothing must not fill our memory with the answers. While the
//! kernel takes them each PING is answered; when it takes no more, one answer stands in the queue,
//! and of the PINGs that come meanwhile the newest is remembered and answered when that one has
//! gone, as libzmq does. Not to read on instead would bound the queue, too. But then two peers that
//! wait with their answers for each other would wait for ever, and messages behind a PING would not
//! be received because of something that the application has no part in.

use super::tx::{BATCH, TxQueue};
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::util::memory;
use crate::wire::command::{self, MAX_PING_CONTEXT};
use std::os::fd::BorrowedFd;

/// What a PONG is to echo.
#[derive(Clone, Copy)]
struct Context {
    bytes: [u8; MAX_PING_CONTEXT],
    len: usize,
}

impl Context {
    fn of(context: &[u8]) -> Context {
        let len = context.len().min(MAX_PING_CONTEXT);
        let mut bytes = [0; MAX_PING_CONTEXT];
        bytes.iter_mut().zip(context).for_each(|(to, from)| *to = *from);
        Context { bytes, len }
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Answers that a connection owes.
#[derive(Default)]
pub(super) struct Answers {
    /// The newest PING, if its answer has to wait until the kernel has taken the one before. Then
    /// there is something queued, so somebody flushes.
    late: Option<Context>,
}

impl Answers {
    /// Whether a PING waits for its answer: [`Answers::after_flush`] follows each flush.
    #[inline]
    pub(super) fn are_late(&self) -> bool {
        self.late.is_some()
    }

    /// Answers a PING, now or later.
    ///
    /// # Errors
    /// What the kernel says: the connection cannot go on. `NoMemory`: to be called again.
    pub(super) fn answer(
        &mut self,
        tx: &mut TxQueue,
        fd: BorrowedFd<'_>,
        context: &[u8],
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
                self.late = Some(Context::of(context));
                return Ok(());
            }
        }
        push_pong(tx, context)?;
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
        let Some(context) = self.late else { return Ok(empty) };
        match push_pong(tx, context.bytes()) {
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

fn push_pong(tx: &mut TxQueue, context: &[u8]) -> Result<()> {
    let mut pong = memory::with_room(8 + context.len())?;
    command::append_pong(&mut pong, context);
    tx.push_answer(Msg::copy_from(&pong)?)
}
