//! Types whose messages have one part, and that are another type otherwise: CLIENT (RFC 41), SCATTER and
//! GATHER (RFC 49), CHANNEL (RFC 52).

use super::inner::inner_has_the_pipes;
use super::{Dealer, Pair, Part, Pattern, PipeId, PipeSet, Pull, Push};
use crate::error::{Error, Result};
use crate::msg::{Metadata, Msg, Sink};
use std::sync::Arc;

/// A type of which a [`Single`] can be made.
pub trait Inner: Pattern {
    /// Why a part of a message is refused.
    const REFUSES: Error = Error::Invalid;
}

impl Inner for Dealer {}
impl Inner for Push {}
impl Inner for Pair {}

impl Inner for Pull {
    const REFUSES: Error = Error::NotSupported;
}

/// CLIENT: a DEALER that talks to servers.
pub type Client = Single<Dealer>;
/// SCATTER: a PUSH.
pub type Scatter = Single<Push>;
/// GATHER: a PULL.
pub type Gather = Single<Pull>;
/// CHANNEL: a PAIR.
pub type Channel = Single<Pair>;

/// "SHALL NOT accept multipart messages"; what comes in parts is not delivered. All else is `T`'s, but for
/// its options.
#[derive(Debug, Default)]
pub struct Single<T> {
    inner: T,
    parts: Parts,
    /// A message read ahead: whether there is one for the application is known only then.
    ahead: Option<Msg>,
}

/// What is to be remembered of a message in parts while it is passed over.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// The next frame belongs to a message whose first one was passed over.
    within: bool,
}

impl Parts {
    /// Whether this frame is a message, and not a part of one.
    #[inline]
    pub(crate) fn is_whole(&mut self, more: bool) -> bool {
        let within = std::mem::replace(&mut self.within, more);
        !within && !more
    }
}

/// Lets through what is a message; parts are taken, too, and go nowhere.
struct Whole<'a, S: ?Sized> {
    to: &'a mut S,
    parts: &'a mut Parts,
    /// Whether the last frame went through.
    passed: bool,
}

impl<S: Sink + ?Sized> Sink for Whole<'_, S> {
    const TAKES_MESSAGES: bool = S::TAKES_MESSAGES;

    #[inline]
    fn take(&mut self, bytes: &[u8], more: bool) -> bool {
        if self.parts.within || more {
            self.passed = self.parts.is_whole(more);
            return true;
        }
        self.passed = true;
        self.to.take(bytes, more)
    }

    /// A place is asked for a message of one part only.
    #[inline]
    fn place(&mut self, len: usize) -> Option<*mut u8> {
        self.passed = !self.parts.within;
        if self.passed { self.to.place(len) } else { None }
    }

    #[inline]
    fn take_message(&mut self, msg: Msg) {
        self.passed = self.parts.is_whole(msg.more());
        if self.passed {
            self.to.take_message(msg);
        }
    }

    #[inline]
    fn came_from(&mut self, metadata: &Arc<Metadata>) {
        if self.passed {
            self.to.came_from(metadata);
        }
    }
}

impl<T: Inner> Single<T> {
    #[inline]
    fn fetch<P: PipeSet>(&mut self, pipes: &mut P) -> Result<Msg> {
        loop {
            let frame = self.inner.recv(pipes)?;
            if self.parts.is_whole(frame.more()) {
                return Ok(frame);
            }
        }
    }
}

impl<T: Inner> Pattern for Single<T> {
    inner_has_the_pipes!();

    #[inline(never)]
    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        if msg.more() { Err(T::REFUSES) } else { self.inner.send(pipes, msg) }
    }

    #[inline(never)]
    fn recv<P: PipeSet>(&mut self, pipes: &mut P) -> Result<Msg> {
        match self.ahead.take() {
            Some(msg) => Ok(msg),
            None => self.fetch(pipes),
        }
    }

    #[inline(never)]
    fn recv_into<P: PipeSet, S: Sink + ?Sized>(
        &mut self,
        pipes: &mut P,
        to: &mut S,
    ) -> Option<Part> {
        if self.ahead.is_some() {
            return None;
        }
        let mut whole = Whole { to, parts: &mut self.parts, passed: false };
        loop {
            let part = self.inner.recv_into(pipes, &mut whole)?;
            if whole.passed {
                return Some(part);
            }
            if !pipes.spend(part.len) {
                return None;
            }
        }
    }

    #[inline(never)]
    fn send_bytes<P: PipeSet>(&mut self, pipes: &mut P, bytes: &[u8], keep: bool) -> bool {
        self.inner.send_bytes(pipes, bytes, keep)
    }

    #[inline(never)]
    fn sends_straight_to(&self) -> Option<PipeId> {
        self.inner.sends_straight_to()
    }

    #[inline(never)]
    fn receives_straight_from(&self) -> Option<PipeId> {
        let first = self.ahead.is_none() && !self.parts.within;
        if first { self.inner.receives_straight_from() } else { None }
    }

    #[inline(never)]
    fn has_in<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        if self.ahead.is_none() && self.inner.has_in(pipes) {
            self.ahead = self.fetch(pipes).ok();
        }
        self.ahead.is_some()
    }

    #[inline(never)]
    fn has_out<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        self.inner.has_out(pipes)
    }
}
