//! SUB: the messages one subscribed to (RFC 29).

use super::inner::inner_has_the_pipes;
use super::subscriptions::TopicCounts;
use super::value;
use super::xsub::XSub;
use super::{Loss, Part, Pattern, PipeSet};
use crate::error::{Error, Result};
use crate::msg::{Metadata, Msg, Sink};
use crate::options::numbers::option;
use std::sync::Arc;

/// An XSUB that subscribes through options and filters what it receives: a publisher may not
/// know of a change yet, or not filter at all.
#[derive(Debug, Default)]
pub struct Sub {
    inner: XSub,
    /// A first frame that passed the filter, read ahead.
    ahead: Option<Msg>,
    invert: bool,
}

impl Sub {
    /// Reads ahead to the next message that passes the filter, or to the next part of one that
    /// did.
    #[inline]
    fn fetch<P: PipeSet>(&mut self, pipes: &mut P) -> Option<Msg> {
        if let Some(msg) = self.ahead.take() {
            return Some(msg);
        }
        if let Some(msg) = self.inner.queue.recv_rest(pipes) {
            return Some(msg);
        }
        loop {
            let (_, msg) = self.inner.queue.recv(pipes)?;
            if self.inner.topics.matches(msg.data()) != self.invert {
                return Some(msg);
            }
            pipes.lost(Loss::FilteredIn);
            self.inner.queue.skip_rest(pipes);
        }
    }

    /// [`Sub::fetch`] straight into `to`.
    #[inline]
    fn fetch_into<P: PipeSet, S: Sink + ?Sized>(
        &mut self,
        pipes: &mut P,
        to: &mut S,
    ) -> Option<Part> {
        if self.ahead.is_some() {
            return None;
        }
        let XSub { queue, topics, .. } = &mut self.inner;
        let rest = queue.more();
        let mut filter = Filter { to, topics, invert: self.invert, rest, passed: false };
        loop {
            let part = queue.recv_into(pipes, &mut filter)?;
            if filter.passed {
                return Some(part);
            }
            pipes.lost(Loss::FilteredIn);
            queue.skip_rest(pipes);
            if !pipes.spend(part.len) {
                return None;
            }
        }
    }
}

/// Lets through what matches; the rest is taken, too, and goes nowhere.
struct Filter<'a, S: ?Sized> {
    to: &'a mut S,
    topics: &'a TopicCounts,
    invert: bool,
    /// What comes is the rest of a message that went through.
    rest: bool,
    /// Whether the last frame went through.
    passed: bool,
}

impl<S: Sink + ?Sized> Filter<'_, S> {
    #[inline(always)]
    fn wants(&self, message: &[u8]) -> bool {
        self.rest || self.topics.matches(message) != self.invert
    }
}

impl<S: Sink + ?Sized> Sink for Filter<'_, S> {
    const TAKES_MESSAGES: bool = S::TAKES_MESSAGES;

    #[inline(always)]
    fn take(&mut self, bytes: &[u8], more: bool) -> bool {
        self.passed = self.wants(bytes);
        !self.passed || self.to.take(bytes, more)
    }

    #[inline]
    fn take_message(&mut self, msg: Msg) {
        self.passed = self.wants(msg.data());
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

impl Pattern for Sub {
    inner_has_the_pipes!();

    fn send<P: PipeSet>(&mut self, _pipes: &mut P, _msg: &mut Msg) -> Result<()> {
        Err(Error::NotSupported)
    }

    #[inline]
    fn recv<P: PipeSet>(&mut self, pipes: &mut P) -> Result<Msg> {
        self.fetch(pipes).ok_or(Error::Again)
    }

    #[inline]
    fn recv_into<P: PipeSet, S: Sink + ?Sized>(
        &mut self,
        pipes: &mut P,
        to: &mut S,
    ) -> Option<Part> {
        self.fetch_into(pipes, to)
    }

    #[inline]
    fn has_in<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        if self.ahead.is_none() && !self.inner.queue.more() {
            self.ahead = self.fetch(pipes);
        }
        self.ahead.is_some() || self.inner.queue.more()
    }

    fn has_out<P: PipeSet>(&mut self, _pipes: &mut P) -> bool {
        false
    }

    fn set_option<P: PipeSet>(
        &mut self,
        pipes: &mut P,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        match option {
            option::SUBSCRIBE => Some(self.inner.subscribe(pipes, value)),
            option::UNSUBSCRIBE => Some(self.inner.unsubscribe(pipes, value)),
            option::INVERT_MATCHING => Some(value::int(value).map(|on| self.invert = on != 0)),
            _ => None,
        }
    }

    fn get_option(&self, option: i32) -> Option<Result<Vec<u8>>> {
        match option {
            option::INVERT_MATCHING => value::from_int(self.invert.into()),
            _ => self.inner.get_option(option),
        }
    }
}
