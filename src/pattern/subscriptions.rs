//! Subscriptions: prefixes of messages (RFC 29, "SUB: SHALL ... filter messages by prefix").

use super::PipeId;
use super::members::Members;
use super::trie::{NodeId, Trie, begins_with};
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::util::memory;

/// First byte of a message that subscribes.
pub(crate) const SUBSCRIBE: u8 = 1;
/// First byte of a message that cancels a subscription.
pub(crate) const CANCEL: u8 = 0;

/// What a (un)subscription message says, if it is one.
#[inline]
pub(crate) fn parse(data: &[u8]) -> Option<(bool, &[u8])> {
    match data {
        [SUBSCRIBE, topic @ ..] => Some((true, topic)),
        [CANCEL, topic @ ..] => Some((false, topic)),
        _ => None,
    }
}

/// The message that subscribes to a topic, or cancels that.
pub(crate) fn message(kind: u8, topic: &[u8]) -> Result<Msg> {
    let mut msg = Msg::with_size(1 + topic.len())?;
    if let Some((first, rest)) = msg.data_mut().split_first_mut() {
        *first = kind;
        rest.copy_from_slice(topic);
    }
    Ok(msg)
}

fn message_of(trie: &Trie, id: NodeId, kind: u8) -> Result<Msg> {
    let mut msg = Msg::with_size(1 + trie.key_len(id))?;
    if let Some((first, rest)) = msg.data_mut().split_first_mut() {
        *first = kind;
        trie.copy_key(id, rest);
    }
    Ok(msg)
}

/// What became of a topic when somebody cancelled it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// There was nothing to cancel.
    Unknown,
    /// Others, or other subscriptions, keep it.
    Remains,
    /// It was the last one.
    Last,
}

/// Which of a leaving subscriber's topics are worth a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    Nothing,
    /// Those that have nobody left.
    Last,
    Every,
}

/// A subscriber's own subscriptions: each topic counts how often it was subscribed.
#[derive(Debug, Default)]
pub(crate) struct TopicCounts {
    trie: Trie,
    /// The topic, if there is one alone and it is short: many subscribers have no other.
    only: Option<Box<[u8]>>,
}

/// The longest topic that is kept in [`TopicCounts::only`].
const SHORT: usize = 64;

impl TopicCounts {
    /// The number of different topics.
    pub(crate) fn len(&self) -> usize {
        self.trie.len()
    }

    /// Counts one more subscription.
    ///
    /// # Errors
    /// [`Error::NoMemory`] if there is no room for the topic.
    pub(crate) fn add(&mut self, topic: &[u8]) -> Result<()> {
        let (id, new) = self.trie.insert(topic, 1).ok_or(Error::NoMemory)?;
        if !new {
            self.trie.set_value(id, self.trie.value(id).saturating_add(1));
        } else if self.trie.len() <= 2 {
            self.note_only();
        }
        Ok(())
    }

    /// See [`Trie::check`].
    #[cfg(any(test, fuzzing))]
    pub(crate) fn check(&self) {
        self.trie.check();
    }

    pub(crate) fn cancel(&mut self, topic: &[u8]) -> Cancelled {
        let Some(id) = self.trie.find(topic) else { return Cancelled::Unknown };
        let count = self.trie.value(id);
        if count > 1 {
            self.trie.set_value(id, count - 1);
            return Cancelled::Remains;
        }
        self.trie.remove(id);
        self.trie.compact();
        if self.trie.len() <= 1 {
            self.note_only();
        }
        Cancelled::Last
    }

    fn note_only(&mut self) {
        let trie = &self.trie;
        let alone = if trie.len() == 1 { trie.ids().next() } else { None };
        self.only = alone.filter(|&id| trie.key_len(id) <= SHORT).map(|id| {
            let mut topic = vec![0; trie.key_len(id)].into_boxed_slice();
            trie.copy_key(id, &mut topic);
            topic
        });
    }

    /// Whether a subscription is a prefix of this message.
    #[inline]
    pub(crate) fn matches(&self, message: &[u8]) -> bool {
        match &self.only {
            Some(topic) => begins_with(message, topic),
            None => self.trie.find_prefix(message, |_| true),
        }
    }

    /// The subscription messages for all topics, each once, in the order of the topics.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Msg> + '_ {
        self.trie.ids_in_order().filter_map(|id| message_of(&self.trie, id, SUBSCRIBE).ok())
    }
}

/// A topic's subscribers, as the number the trie keeps: odd for a single pipe, even for the
/// place of a list. Never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subscribers {
    One(PipeId),
    Many(usize),
}

impl Subscribers {
    #[inline]
    fn decode(value: u32) -> Subscribers {
        if value & 1 == 1 {
            Subscribers::One(value >> 1)
        } else {
            Subscribers::Many((value >> 1) as usize - 1)
        }
    }

    fn encode(self) -> u32 {
        match self {
            Subscribers::One(pipe) => pipe << 1 | 1,
            Subscribers::Many(list) => (list as u32 + 1) << 1,
        }
    }
}

/// What a publisher knows of one subscriber.
#[derive(Debug, Default)]
struct Subscriber {
    /// Where its topics are, in the order they came; may hold nodes it has left since.
    nodes: Vec<NodeId>,
    /// How many of them are really its own.
    live: usize,
    /// The last search that found it.
    seen: u32,
}

/// The subscriptions of a publisher's peers: each topic has a set of pipes.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    trie: Trie,
    /// Of topics with two and more.
    lists: Vec<Members>,
    free_lists: Vec<u32>,
    subscribers: Vec<Subscriber>,
    search: u32,
    /// What the trie had for the last message, and the pipes that makes.
    met: Vec<u32>,
    found: Vec<PipeId>,
    /// Tells sets of pipes apart that were found one after the other.
    set: u64,
    /// The same values may stand for other pipes now.
    changed: bool,
}

impl Subscriptions {
    /// The number of different topics.
    pub(crate) fn len(&self) -> usize {
        self.trie.len()
    }

    /// Subscribes a pipe to a topic. True if it is the topic's first one. Again is no change.
    ///
    /// # Errors
    /// [`Error::NoMemory`] if there is no room for the topic, and nothing has happened: libzmq would
    /// end the process here.
    pub(crate) fn add(&mut self, topic: &[u8], pipe: PipeId) -> Result<bool> {
        let slot = pipe as usize;
        if self.subscribers.len() <= slot {
            self.subscribers.resize_with(slot + 1, Subscriber::default);
        }
        let nodes = &mut self.subscribers[slot].nodes;
        if nodes.len() == nodes.capacity() {
            // By a quarter: these lists are a good part of a topic's memory.
            memory::reserve(nodes, 4.max(nodes.len() / 4))?;
        }
        let value = Subscribers::One(pipe).encode();
        let (id, new) = self.trie.insert(topic, value).ok_or(Error::NoMemory)?;
        if !new && !self.join(id, pipe) {
            return Ok(false);
        }
        let subscriber = &mut self.subscribers[slot];
        subscriber.nodes.push(id);
        subscriber.live += 1;
        self.change();
        Ok(new)
    }

    /// Cancels the subscription of a pipe to a topic.
    pub(crate) fn cancel(&mut self, topic: &[u8], pipe: PipeId) -> Cancelled {
        let Some(id) = self.trie.find(topic) else { return Cancelled::Unknown };
        if !self.contains(id, pipe) {
            return Cancelled::Remains;
        }
        let last = self.leave(id, pipe);
        if last {
            self.trie.remove(id);
        }
        if let Some(subscriber) = self.subscribers.get_mut(pipe as usize) {
            subscriber.live -= 1;
            if subscriber.nodes.len() > 2 * subscriber.live + 32 {
                self.tidy(pipe);
            }
        }
        self.compact();
        self.change();
        if last { Cancelled::Last } else { Cancelled::Remains }
    }

    /// Cancels everything of a pipe; `gone` gets the cancel messages that `tell` asks for.
    pub(crate) fn remove_pipe(&mut self, pipe: PipeId, tell: Tell, mut gone: impl FnMut(Msg)) {
        let Some(subscriber) = self.subscribers.get_mut(pipe as usize) else { return };
        for id in std::mem::take(subscriber).nodes {
            if !self.contains(id, pipe) {
                continue;
            }
            let last = self.leave(id, pipe);
            if (tell == Tell::Every || last && tell == Tell::Last)
                && let Ok(msg) = message_of(&self.trie, id, CANCEL)
            {
                gone(msg);
            }
            if last {
                self.trie.remove(id);
            }
        }
        self.compact();
        self.change();
    }

    /// Looks for the pipes with a subscription that is a prefix of the message. Returns a number
    /// for the set of them, which is another one whenever the pipes may be others than last time.
    #[inline]
    pub(crate) fn find(&mut self, message: &[u8]) -> u64 {
        let Subscriptions { trie, met, .. } = self;
        let mut count = 0;
        let mut differs = self.changed;
        trie.find_prefix(message, |value| {
            if met.get(count) != Some(&value) {
                differs = true;
                met.truncate(count);
                met.push(value);
            }
            count += 1;
            false
        });
        if differs || count != met.len() {
            met.truncate(count);
            self.collect();
        }
        self.set
    }

    /// Looks for the pipes with exactly this subscription. The number is as of [`Subscriptions::find`].
    #[inline]
    pub(crate) fn find_exactly(&mut self, topic: &[u8]) -> u64 {
        let value = self.trie.find(topic).map(|id| self.trie.value(id));
        if self.changed || self.met.as_slice() != value.as_slice() {
            self.met.clear();
            self.met.extend(value);
            self.collect();
        }
        self.set
    }

    /// The pipes that the last search found, each once.
    #[inline]
    pub(crate) fn found(&self) -> &[PipeId] {
        &self.found
    }

    /// Makes a set of pipes of what the trie had.
    fn collect(&mut self) {
        self.changed = false;
        self.set += 1;
        self.search = self.search.wrapping_add(1);
        if self.search == 0 {
            self.subscribers.iter_mut().for_each(|subscriber| subscriber.seen = 0);
            self.search = 1;
        }
        let Subscriptions { lists, subscribers, found, search, .. } = self;
        found.clear();
        let mut once = |pipe: PipeId| {
            if let Some(subscriber) = subscribers.get_mut(pipe as usize)
                && subscriber.seen != *search
            {
                subscriber.seen = *search;
                found.push(pipe);
            }
        };
        for &value in &self.met {
            match Subscribers::decode(value) {
                Subscribers::One(pipe) => once(pipe),
                Subscribers::Many(list) => {
                    lists.get(list).into_iter().for_each(|list| list.for_each(&mut once));
                }
            }
        }
    }

    /// Subscriptions have changed.
    fn change(&mut self) {
        self.changed = true;
        if self.trie.len() == 0 {
            self.met = Vec::new();
            self.found = Vec::new();
        }
    }

    /// Whether the last [`Subscriptions::find`] found this pipe.
    pub(crate) fn was_found(&self, pipe: PipeId) -> bool {
        self.subscribers.get(pipe as usize).is_some_and(|s| s.seen == self.search)
    }

    fn contains(&self, id: NodeId, pipe: PipeId) -> bool {
        match self.trie.value(id) {
            0 => false,
            value => match Subscribers::decode(value) {
                Subscribers::One(one) => one == pipe,
                Subscribers::Many(list) => self.lists[list].contains(pipe),
            },
        }
    }

    /// Adds a pipe to the subscribers of a topic. False if it was one already.
    fn join(&mut self, id: NodeId, pipe: PipeId) -> bool {
        match Subscribers::decode(self.trie.value(id)) {
            Subscribers::One(one) if one == pipe => false,
            Subscribers::One(one) => {
                let list = Members::Few(vec![one.min(pipe), one.max(pipe)]);
                let place = match self.free_lists.pop() {
                    Some(place) => {
                        self.lists[place as usize] = list;
                        place as usize
                    }
                    None => {
                        self.lists.push(list);
                        self.lists.len() - 1
                    }
                };
                self.trie.set_value(id, Subscribers::Many(place).encode());
                true
            }
            Subscribers::Many(list) => self.lists[list].insert(pipe),
        }
    }

    /// Takes a pipe out of the subscribers of a topic. True if nobody is left; the node is then
    /// still there.
    fn leave(&mut self, id: NodeId, pipe: PipeId) -> bool {
        let Subscribers::Many(place) = Subscribers::decode(self.trie.value(id)) else {
            return true;
        };
        let list = &mut self.lists[place];
        list.remove(pipe);
        if let Some(one) = list.only() {
            *list = Members::default();
            self.trie.set_value(id, Subscribers::One(one).encode());
            self.free_lists.push(place as u32);
            if self.free_lists.len() == self.lists.len() {
                self.lists = Vec::new();
                self.free_lists = Vec::new();
            }
        }
        false
    }

    /// Forgets the nodes a pipe has left.
    fn tidy(&mut self, pipe: PipeId) {
        let Some(subscriber) = self.subscribers.get_mut(pipe as usize) else { return };
        let mut nodes = std::mem::take(&mut subscriber.nodes);
        nodes.sort_unstable();
        nodes.dedup();
        nodes.retain(|&id| self.contains(id, pipe));
        nodes.shrink_to_fit();
        self.subscribers[pipe as usize].nodes = nodes;
    }

    fn compact(&mut self) {
        let Some(moved) = self.trie.compact() else { return };
        for pipe in 0..self.subscribers.len() {
            // Tidied with the old numbers' successors: one that is gone becomes that of no topic.
            for id in &mut self.subscribers[pipe].nodes {
                *id = moved.new_id(*id);
            }
            self.tidy(pipe as PipeId);
        }
    }

    /// See [`Trie::check`].
    #[cfg(any(test, fuzzing))]
    pub(crate) fn check(&self) {
        self.trie.check();
    }

    /// Bytes of memory held for topics.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        let lists = self.lists.iter().map(Members::memory).sum::<usize>();
        let nodes = self.subscribers.iter().map(|s| s.nodes.capacity() * 4).sum::<usize>();
        self.trie.memory() + lists + nodes
    }
}
