//! Answers to PINGs (RFC 37, "Connection Heartbeating": a PONG echoes the context of the PING).
//!
//! A peer that sends PINGs and takes nothing must not fill our memory with the answers. While the
//! kernel takes them each PING is answered; when it takes no more, one answer stands in the queue,
//! and of the PINGs that come meanwhile the newest is remembered and answered when that one has
//! gone, as libzmq does. Not to read on instead would bound the queue, too. But then two peers that
//! wait with their answers for each other would wait for ever, and messages behind a PING would not
//! be received because of something that the application has no part in.

use super::Connection;
use super::tx::BATCH;
use crate::error::Result;
use crate::msg::Msg;
use crate::util::memory;
use crate::wire::command::{self, MAX_PING_CONTEXT};

/// What a PONG is to echo.
#[derive(Clone, Copy)]
pub(super) struct Context {
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

impl Connection {
    /// Answers a PING, now or later.
    ///
    /// # Errors
    /// What the kernel says, or `NoMemory`: the connection cannot go on.
    pub(super) fn answer(&mut self, context: &[u8]) -> Result<()> {
        self.answered = true;
        if self.tx.owes_answer() {
            if self.tx.bytes() >= BATCH && !self.tx.blocked() {
                self.flush()?;
            }
            // However often the kernel seems to have room: no more than a batch is queued.
            if self.tx.owes_answer() && (self.tx.blocked() || self.tx.bytes() >= BATCH) {
                self.late = Some(Context::of(context));
                return Ok(());
            }
        }
        // This is the answer to an earlier one as well.
        self.late = None;
        self.push_pong(context)
    }

    /// After a flush that left nothing (`empty`) or something, with a PING to be answered: does so if
    /// the answer before has gone. Whether nothing is left now.
    #[cold]
    pub(super) fn answer_late(&mut self, empty: bool) -> Result<bool> {
        debug_assert!(!empty || !self.tx.owes_answer(), "nothing is left");
        if self.tx.owes_answer() {
            return Ok(false);
        }
        let Some(context) = self.late.take() else { return Ok(empty) };
        self.push_pong(context.bytes())?;
        if empty { self.flush() } else { Ok(false) }
    }

    fn push_pong(&mut self, context: &[u8]) -> Result<()> {
        let mut pong = memory::with_room(8 + context.len())?;
        command::append_pong(&mut pong, context);
        self.tx.push_answer(Msg::copy_from(&pong)?)
    }
}
