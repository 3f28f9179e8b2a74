//! XSUB: subscribe by sending messages (RFC 29).

use super::distribute::Distribute;
use super::fair_queue::FairQueue;
use super::subscriptions::{CANCEL, Cancelled, SUBSCRIBE, TopicCounts, message, parse};
use super::value::{self, set_switch};
use super::{Attach, Part, Pattern, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::{Msg, Sink};
use crate::options::numbers::option;

/// What a frame from the application is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    /// No (un)subscription.
    User,
    /// A (un)subscription that publishers are to hear of.
    News,
    /// One that changes nothing for them.
    NoNews,
}

/// Once this much of subscriptions that come and go waits for a publisher that takes none, its connection is
/// given up, in bytes: behind a proxy others subscribe as they like. As for those that wait in an XPUB.
const NEWS_MAX: usize = if cfg!(test) { 64 << 10 } else { 64 << 20 };

/// "SHALL receive incoming messages from all connected publishers using a fair-queuing
/// strategy", "SHALL send subscriptions to all connected publishers"; without a filter.
#[derive(Debug, Default)]
pub struct XSub {
    pub(crate) queue: FairQueue,
    out: Distribute,
    pub(crate) topics: TopicCounts,
    /// The peers on these pipes have all our subscriptions, and were told so many bytes of news since, but for
    /// those that are known to have left; indexed by pipe.
    informed: Vec<Option<usize>>,
    /// In the middle of a message from the application, of which frames may have been left out.
    sending: bool,
    only_first: bool,
    verbose_unsubscribe: bool,
}

impl XSub {
    /// Adds a subscription. Publishers hear of each one, as XPUB may want to see repeated ones.
    pub(crate) fn subscribe<P: PipeSet>(&mut self, pipes: &mut P, topic: &[u8]) -> Result<()> {
        let msg = message(SUBSCRIBE, topic)?;
        self.topics.add(topic)?;
        pipes.asked_for(self.topics.len());
        self.tell(pipes, msg, false);
        Ok(())
    }

    /// Takes a subscription back. Publishers hear of the last one to a topic.
    pub(crate) fn unsubscribe<P: PipeSet>(&mut self, pipes: &mut P, topic: &[u8]) -> Result<()> {
        let msg = message(CANCEL, topic)?;
        if self.topics.cancel(topic) == Cancelled::Last {
            pipes.asked_for(self.topics.len());
            self.tell(pipes, msg, false);
        }
        Ok(())
    }

    /// Sends a (un)subscription to every publisher that is there; others get all subscriptions
    /// once they are. Those that get the current message have it already if `rest`. `msg` owns its
    /// body and can be shared.
    fn tell<P: PipeSet>(&mut self, pipes: &mut P, mut msg: Msg, rest: bool) {
        msg.set_more(false);
        if rest {
            self.out.sort_chosen();
        }
        for &id in self.out.all() {
            let Some(Some(news)) = self.informed.get_mut(id as usize) else { continue };
            if rest && self.out.is_chosen(id) {
                continue;
            }
            *news += msg.len();
            if *news > NEWS_MAX {
                *news = (*news).min(pipes.owed(id));
                if *news > NEWS_MAX {
                    // It takes nothing. Who comes in its place hears of what is still subscribed to.
                    self.informed[id as usize] = None;
                    pipes.give_up(id);
                    continue;
                }
            }
            if let Ok(copy) = msg.share() {
                pipes.write_exempt(id, copy);
            }
        }
    }

    fn set_informed(&mut self, id: PipeId, informed: bool) {
        let slot = id as usize;
        if self.informed.len() <= slot {
            self.informed.resize(slot + 1, None);
        }
        self.informed[slot] = informed.then_some(0);
    }

    fn tell_all<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        if self.informed.get(id as usize).is_none_or(Option::is_none) {
            self.set_informed(id, true);
            for msg in self.topics.messages() {
                pipes.write_exempt(id, msg);
            }
        }
    }

    /// Notes a (un)subscription.
    fn note(&mut self, data: &[u8], first: bool) -> Result<Frame> {
        match parse(data).filter(|_| first || !self.only_first) {
            None => Ok(Frame::User),
            Some((true, topic)) => self.topics.add(topic).map(|()| Frame::News),
            Some((false, topic)) => {
                let last = self.topics.cancel(topic) == Cancelled::Last;
                Ok(if last || self.verbose_unsubscribe { Frame::News } else { Frame::NoNews })
            }
        }
    }
}

impl Pattern for XSub {
    fn attach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId, _how: Attach) {
        self.queue.attach(id);
        self.out.attach(id);
        self.set_informed(id, false);
        if pipes.is_connected(id) {
            self.tell_all(pipes, id);
        }
    }

    fn connected<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.tell_all(pipes, id);
    }

    fn disconnected<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.set_informed(id, false);
    }

    fn before_detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.queue.before_detach(pipes, id);
    }

    fn detach<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.set_informed(id, false);
        self.queue.detach(id);
        self.out.detach(id);
    }

    fn hung_up<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.queue.hung_up(id);
    }

    #[inline]
    fn read_activated<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.queue.activate(id);
    }

    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        msg.make_owned()?;
        msg.make_shareable()?;
        let first = !self.sending;
        let more = msg.more();
        let frame = self.note(msg.data(), first)?;
        if frame == Frame::News {
            pipes.asked_for(self.topics.len());
        }
        self.sending = more;
        // The last frame of a message that was begun has to go out whatever it says.
        if frame == Frame::NoNews && (more || !self.out.more()) {
            drop(msg.take());
            return Ok(());
        }
        if frame == Frame::News && first && !more {
            self.tell(pipes, msg.take(), false);
            return Ok(());
        }
        if !self.out.more() {
            self.out.clear();
            self.out.choose_where(|_| true);
            self.out.leave_out_full(pipes, false);
        }
        if frame == Frame::News {
            // A subscription is not lost because a pipe has no room for the message it is in.
            let subscription = msg.share()?;
            self.tell(pipes, subscription, true);
        }
        self.out.write(pipes, msg).inspect_err(|_| self.sending = !first)
    }

    #[inline]
    fn recv<P: PipeSet>(&mut self, pipes: &mut P) -> Result<Msg> {
        self.queue.recv(pipes).map(|(_, msg)| msg).ok_or(Error::Again)
    }

    #[inline]
    fn recv_into<P: PipeSet, S: Sink + ?Sized>(
        &mut self,
        pipes: &mut P,
        to: &mut S,
    ) -> Option<Part> {
        self.queue.recv_into(pipes, to)
    }

    #[inline]
    fn has_in<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        self.queue.has_in(pipes)
    }

    /// Subscriptions are always accepted.
    fn has_out<P: PipeSet>(&mut self, _pipes: &mut P) -> bool {
        true
    }

    fn set_option<P: PipeSet>(
        &mut self,
        _pipes: &mut P,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        match option {
            option::ONLY_FIRST_SUBSCRIBE => set_switch(&mut self.only_first, value),
            option::XSUB_VERBOSE_UNSUBSCRIBE => {
                Some(value::int(value).map(|on| self.verbose_unsubscribe = on != 0))
            }
            _ => None,
        }
    }

    fn get_option(&self, option: i32) -> Option<Result<Vec<u8>>> {
        match option {
            option::TOPICS_COUNT => value::from_count(self.topics.len()),
            _ => None,
        }
    }

    fn reading(&self) -> Option<PipeId> {
        self.queue.reading()
    }

    #[inline]
    fn drops(&self) -> bool {
        true
    }
}
