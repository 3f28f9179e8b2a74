//! A compressed trie (radix tree) from byte strings to numbers, made for many short topics: all
//! nodes are records in one allocation, each with its label and its children's first bytes in
//! one place, so that a step down looks at one or two lines of the cache.
//!
//! A topic ends in a *leaf*, which stays where it is while it has a value, until
//! [`Trie::compact`]: that is what [`NodeId`] stands for. Above are *forks*, which move when they
//! grow. A topic that is the beginning of others hangs on the fork where it ends, with no label.
//! The first byte of a label is not in the label but in the fork above, beside the reference.
//!
//! Nothing recurses, so neither a deep tree nor a long topic from a peer costs stack.

mod arena;
mod record;

use crate::util::reserve;
use arena::{Arena, Block};
pub(crate) use record::begins_with;
use record::{Child, Fork};

/// A topic. Never 0.
pub(crate) type NodeId = u32;

/// Arenas with less to free than this many units are left alone.
const SLACK: u32 = 2048;

/// Longer labels are divided among several forks, so that it costs little to branch off inside one.
const LABEL_MAX: usize = 4096;

/// See the module. A value of 0 means "absent".
#[derive(Debug, Default)]
pub(crate) struct Trie {
    arena: Arena,
    /// The fork for the empty topic, without a label; 0: there is none.
    root: Block,
    /// Which units of the arena begin a leaf, 64 in a word.
    leaves: Vec<u64>,
    topics: usize,
}

/// Where the topics of a tree are after [`Trie::compact`].
pub(crate) struct Moved {
    arena: Arena,
    leaves: Vec<u64>,
}

impl Moved {
    /// The number that a topic has now; 0 if there was none with this number.
    pub(crate) fn new_id(&self, old: NodeId) -> NodeId {
        if is_leaf(&self.leaves, old) { record::parent(&self.arena, old) } else { 0 }
    }
}

fn is_leaf(leaves: &[u64], id: NodeId) -> bool {
    leaves.get(id as usize / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
}

impl Trie {
    /// The number of keys with a value.
    pub(crate) fn len(&self) -> usize {
        self.topics
    }

    /// Bytes of memory held.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.arena.memory() + self.leaves.capacity() * 8
    }

    /// Looks at every record: whether all know each other, and no unit is lost or in use twice.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn check(&self) {
        let bytes = self.arena.bytes();
        let (mut leaves, mut used) = (0, u32::from(self.arena.len() > 0));
        let mut forks = Vec::from_iter((self.root != 0).then_some((self.root, 0)));
        while let Some((at, parent)) = forks.pop() {
            assert_eq!(record::parent(&self.arena, at), parent);
            assert!(!is_leaf(&self.leaves, at) && !self.is_useless(at));
            let fork = Fork::read(bytes, at);
            assert!(at == self.root || fork.count + usize::from(fork.end != 0) > 0);
            assert!(fork.room <= 4 || fork.room <= 2 * fork.count.max(1));
            used += record::size(bytes, Child::Fork(at));
            let children = (0..fork.count).map(|slot| fork.child_at(&self.arena, slot));
            for child in children.chain((fork.end != 0).then_some(Child::Leaf(fork.end))) {
                match child {
                    Child::Fork(below) => forks.push((below, at)),
                    Child::Leaf(leaf) => {
                        assert!(is_leaf(&self.leaves, leaf));
                        assert_eq!(record::parent(&self.arena, leaf), at);
                        used += record::size(bytes, child);
                        leaves += 1;
                    }
                }
            }
        }
        assert_eq!((leaves, self.ids().count()), (self.topics, self.topics));
        assert_eq!(used + self.arena.free(), self.arena.len());
    }

    /// Calls `found` with the value of each key that is a prefix of `topic`, shortest first,
    /// until it returns true. Returns whether it did.
    #[inline]
    pub(crate) fn find_prefix(&self, topic: &[u8], mut found: impl FnMut(u32) -> bool) -> bool {
        if self.root == 0 {
            return false;
        }
        let bytes = self.arena.bytes();
        let mut fork = Fork::read(bytes, self.root);
        let mut rest = topic;
        loop {
            if fork.end != 0 && found(record::value(bytes, fork.end)) {
                return true;
            }
            let Some((&first, tail)) = rest.split_first() else { return false };
            match fork.child(bytes, first) {
                None => return false,
                Some(Child::Leaf(leaf)) => {
                    return begins_with(tail, record::leaf_label(bytes, leaf))
                        && found(record::value(bytes, leaf));
                }
                Some(Child::Fork(below)) => {
                    fork = Fork::read(bytes, below);
                    let label = fork.label(bytes);
                    if !begins_with(tail, label) {
                        return false;
                    }
                    rest = &tail[label.len()..];
                }
            }
        }
    }

    /// The topic that is exactly this key.
    pub(crate) fn find(&self, key: &[u8]) -> Option<NodeId> {
        let bytes = self.arena.bytes();
        let mut at = self.root;
        let mut rest = key;
        while at != 0 {
            let fork = Fork::read(bytes, at);
            rest = rest.strip_prefix(fork.label(bytes))?;
            let Some((&first, tail)) = rest.split_first() else {
                return (fork.end != 0).then_some(fork.end);
            };
            match fork.child(bytes, first)? {
                Child::Leaf(leaf) => {
                    return (tail == record::leaf_label(bytes, leaf)).then_some(leaf);
                }
                Child::Fork(below) => at = below,
            }
            rest = tail;
        }
        None
    }

    /// The value of a topic, 0 if there is none with this number.
    #[inline]
    pub(crate) fn value(&self, id: NodeId) -> u32 {
        if is_leaf(&self.leaves, id) { record::value(self.arena.bytes(), id) } else { 0 }
    }

    /// Changes the value of a topic to one that is not 0.
    pub(crate) fn set_value(&mut self, id: NodeId, value: u32) {
        debug_assert!(value != 0 && self.value(id) != 0);
        record::set_value(&mut self.arena, id, value);
    }

    /// The topic for a key, with `value` if it is new; whether it is. `None` if the tree is full
    /// (2 GiB), or without memory, and then unchanged.
    pub(crate) fn insert(&mut self, key: &[u8], value: u32) -> Option<(NodeId, bool)> {
        debug_assert!(value != 0);
        // Besides the key there may be a fork that moves, and one that is joined with the one below.
        let bytes = key.len().checked_mul(2)?.checked_add(2 * 4096 + LABEL_MAX)?;
        if reserve::ready().is_err()
            || !self.arena.has_room(bytes)
            || !self.has_room_for_mark(bytes)
        {
            return None;
        }
        if self.root == 0 {
            self.root = record::new_fork(&mut self.arena, 0, &[], 1);
        }
        let mut at = self.root;
        let mut rest = key;
        loop {
            let Some((&first, tail)) = rest.split_first() else {
                let end = Fork::read(self.arena.bytes(), at).end;
                if end != 0 {
                    return Some((end, false));
                }
                let leaf = self.new_leaf(at, &[], value);
                record::set_end(&mut self.arena, at, leaf);
                return Some((leaf, true));
            };
            let Some(child) = Fork::read(self.arena.bytes(), at).child(self.arena.bytes(), first)
            else {
                let at = self.with_room(at);
                return Some((self.add_leaf(at, first, tail, value), true));
            };
            let label = child.label(self.arena.bytes());
            let common = label.iter().zip(tail).take_while(|(a, b)| a == b).count();
            let whole = common == label.len();
            match child {
                Child::Leaf(leaf) if whole && common == tail.len() => return Some((leaf, false)),
                Child::Fork(below) if whole => at = below,
                _ => at = self.branch(at, child, common),
            }
            rest = &tail[common..];
        }
    }

    /// Takes a topic out, and what else nobody needs then.
    pub(crate) fn remove(&mut self, id: NodeId) {
        debug_assert!(self.value(id) != 0);
        self.topics -= 1;
        if self.topics == 0 {
            *self = Trie::default();
            return;
        }
        let parent = record::parent(&self.arena, id);
        if Fork::read(self.arena.bytes(), parent).end == id {
            record::set_end(&mut self.arena, parent, 0);
        } else {
            record::remove_child(&mut self.arena, parent, Child::Leaf(id));
        }
        self.leaves[id as usize / 64] &= !(1 << (id % 64));
        record::free_leaf(&mut self.arena, id);
        self.tidy(parent);
    }

    /// Makes a new arena if most of this one is free. Says where the topics are then.
    pub(crate) fn compact(&mut self) -> Option<Moved> {
        if self.arena.free() < self.arena.len() / 2 + SLACK {
            return None;
        }
        let mut old = std::mem::take(&mut self.arena);
        let leaves = std::mem::take(&mut self.leaves);
        self.root = record::copy_fork(&mut old, self.root, &mut self.arena, 0);
        let mut forks = vec![self.root];
        while let Some(at) = forks.pop() {
            let end = Fork::read(self.arena.bytes(), at).end;
            if end != 0 {
                let end = self.copy_leaf(&mut old, end, at);
                record::set_end(&mut self.arena, at, end);
            }
            // Children's children come right behind their parents, the last ones first.
            for slot in 0..Fork::read(self.arena.bytes(), at).count {
                let child = match Fork::read(self.arena.bytes(), at).child_at(&self.arena, slot) {
                    Child::Leaf(leaf) => Child::Leaf(self.copy_leaf(&mut old, leaf, at)),
                    Child::Fork(fork) => {
                        let fork = record::copy_fork(&mut old, fork, &mut self.arena, at);
                        forks.push(fork);
                        Child::Fork(fork)
                    }
                };
                record::set_child(&mut self.arena, at, slot, child);
            }
        }
        self.arena.shrink();
        self.leaves.shrink_to_fit();
        Some(Moved { arena: old, leaves })
    }

    /// The numbers of all topics.
    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.leaves.iter().zip(0..).flat_map(|(&word, at)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit)
        })
    }

    /// The numbers of all topics in the order of their keys.
    pub(crate) fn ids_in_order(&self) -> impl Iterator<Item = NodeId> + '_ {
        let mut waiting: Vec<Child> = Vec::new();
        if self.root != 0 {
            waiting.push(Child::Fork(self.root));
        }
        let mut below = Vec::new();
        std::iter::from_fn(move || {
            while let Some(child) = waiting.pop() {
                let at = match child {
                    Child::Leaf(id) => return Some(id),
                    Child::Fork(at) => at,
                };
                let fork = Fork::read(self.arena.bytes(), at);
                below.extend((0..fork.count).map(|slot| fork.child_at(&self.arena, slot)));
                below.sort_unstable_by_key(|&child| fork.key_of(&self.arena, child));
                waiting.extend(below.drain(..).rev());
                if fork.end != 0 {
                    return Some(fork.end);
                }
            }
            None
        })
    }

    /// The length of a topic's key.
    pub(crate) fn key_len(&self, id: NodeId) -> usize {
        let bytes = self.arena.bytes();
        let mut len = record::leaf_label(bytes, id).len();
        let mut below = Child::Leaf(id);
        let mut at = record::parent(&self.arena, id);
        while at != 0 {
            let fork = Fork::read(bytes, at);
            len += fork.label(bytes).len() + usize::from(Child::Leaf(fork.end) != below);
            below = Child::Fork(at);
            at = record::parent(&self.arena, at);
        }
        len
    }

    /// Writes a topic's key into a buffer of [`Trie::key_len`] bytes.
    pub(crate) fn copy_key(&self, id: NodeId, buffer: &mut [u8]) {
        let bytes = self.arena.bytes();
        let mut end = buffer.len();
        let mut put = |part: &[u8]| {
            let start = end - part.len();
            buffer[start..end].copy_from_slice(part);
            end = start;
        };
        put(record::leaf_label(bytes, id));
        let mut below = Child::Leaf(id);
        let mut at = record::parent(&self.arena, id);
        while at != 0 {
            let fork = Fork::read(bytes, at);
            if Child::Leaf(fork.end) != below {
                put(&[fork.key_of(&self.arena, below)]);
            }
            put(fork.label(bytes));
            below = Child::Fork(at);
            at = record::parent(&self.arena, at);
        }
    }

    /// Adds a leaf below a fork that has room for it.
    fn add_leaf(&mut self, at: Block, first: u8, label: &[u8], value: u32) -> NodeId {
        let (mut at, mut first, mut label) = (at, first, label);
        while let Some((part, &[next, ref rest @ ..])) = label.split_at_checked(LABEL_MAX) {
            let fork = record::new_fork(&mut self.arena, at, part, 1);
            record::add_child(&mut self.arena, at, first, Child::Fork(fork));
            (at, first, label) = (fork, next, rest);
        }
        let leaf = self.new_leaf(at, label, value);
        record::add_child(&mut self.arena, at, first, Child::Leaf(leaf));
        leaf
    }

    fn new_leaf(&mut self, parent: Block, label: &[u8], value: u32) -> NodeId {
        let leaf = record::new_leaf(&mut self.arena, parent, label, value);
        self.mark(leaf);
        self.topics += 1;
        leaf
    }

    /// Whether there is memory to mark a leaf in the next so many bytes, if the marks are many.
    fn has_room_for_mark(&mut self, bytes: usize) -> bool {
        let words = (self.arena.len() as usize + bytes / arena::UNIT) / 64 + 1;
        words <= self.leaves.capacity() || words < 4096 || self.grow_marks(words)
    }

    fn grow_marks(&mut self, words: usize) -> bool {
        let more = words + words / 8 + 1 - self.leaves.len();
        reserve::ask(|| self.leaves.try_reserve_exact(more)).is_ok()
    }

    fn mark(&mut self, leaf: NodeId) {
        let words = leaf as usize / 64 + 1;
        if words > self.leaves.len() {
            if words > self.leaves.capacity() {
                self.grow_marks(words);
            }
            self.leaves.resize(words, 0);
        }
        self.leaves[leaf as usize / 64] |= 1 << (leaf % 64);
    }

    /// Copies a leaf for a parent that is copied already. The old one then says where it is.
    fn copy_leaf(&mut self, old: &mut Arena, leaf: NodeId, parent: Block) -> NodeId {
        let copy = record::copy_leaf(old, leaf, &mut self.arena, parent);
        self.mark(copy);
        copy
    }

    /// Puts a fork between `at` and its child, which takes the child's first byte and `common`
    /// bytes of its label. A leaf without anything left becomes the fork's end.
    fn branch(&mut self, at: Block, child: Child, common: usize) -> Block {
        let label = child.label(self.arena.bytes());
        let next = label.get(common).copied();
        let from = label.len();
        let fork = record::new_fork_like(&mut self.arena, at, child, common);
        let kept = next.map_or(0, |_| from - common - 1);
        record::shorten_label(&mut self.arena, child, kept);
        record::replace_child(&mut self.arena, at, child, Child::Fork(fork));
        record::set_parent(&mut self.arena, child.block(), fork);
        match (next, child) {
            (Some(next), _) => record::add_child(&mut self.arena, fork, next, child),
            (None, Child::Leaf(leaf)) => record::set_end(&mut self.arena, fork, leaf),
            (None, Child::Fork(_)) => debug_assert!(false, "the whole label of a fork"),
        }
        // With a shorter label it may go with its only child, which stood apart because of the length.
        if let Child::Fork(high) = child
            && self.is_useless(high)
            && let Child::Fork(low) = Fork::read(self.arena.bytes(), high).child_at(&self.arena, 0)
        {
            self.merge(high, low);
        }
        if self.is_useless(at) { self.merge(at, fork) } else { fork }
    }

    /// The fork, moved if need be, with room for one more child.
    fn with_room(&mut self, at: Block) -> Block {
        let Fork { count, room, .. } = Fork::read(self.arena.bytes(), at);
        if count < room { at } else { self.resize(at, (room + room.div_ceil(2)).clamp(1, 256)) }
    }

    /// Moves a fork to a record with room for this many children.
    fn resize(&mut self, at: Block, room: usize) -> Block {
        let moved = record::resized(&mut self.arena, at, room);
        self.took_place(at, moved);
        record::free_fork(&mut self.arena, at);
        moved
    }

    /// All that refers to fork `old` refers to `new` from now on.
    fn took_place(&mut self, old: Block, new: Block) {
        let parent = record::parent(&self.arena, new);
        if parent == 0 {
            self.root = new;
        } else {
            record::replace_child(&mut self.arena, parent, Child::Fork(old), Child::Fork(new));
        }
        record::adopt(&mut self.arena, new);
    }

    /// Whether a fork leads to one other fork and nowhere else, and the two can be one.
    fn is_useless(&self, at: Block) -> bool {
        let bytes = self.arena.bytes();
        let fork = Fork::read(bytes, at);
        if at == self.root || fork.count != 1 || fork.end != 0 {
            return false;
        }
        let child = fork.child_at(&self.arena, 0);
        let len = fork.label(bytes).len() + 1 + child.label(bytes).len();
        matches!(child, Child::Fork(_)) && len <= LABEL_MAX
    }

    /// Joins a useless fork with the one below.
    fn merge(&mut self, high: Block, low: Block) -> Block {
        let merged = record::joined(&mut self.arena, high, low);
        self.took_place(high, merged);
        record::free_fork(&mut self.arena, high);
        record::free_fork(&mut self.arena, low);
        merged
    }

    /// After a fork has lost something. A fork above a single leaf stays, as the leaf must.
    fn tidy(&mut self, at: Block) {
        let mut at = at;
        let mut fork = Fork::read(self.arena.bytes(), at);
        while at != self.root && fork.count == 0 && fork.end == 0 {
            let parent = record::parent(&self.arena, at);
            record::remove_child(&mut self.arena, parent, Child::Fork(at));
            record::free_fork(&mut self.arena, at);
            at = parent;
            fork = Fork::read(self.arena.bytes(), at);
        }
        if self.is_useless(at)
            && let Child::Fork(below) = fork.child_at(&self.arena, 0)
        {
            at = self.merge(at, below);
        }
        let parent = record::parent(&self.arena, at);
        if parent != 0 && self.is_useless(parent) {
            at = self.merge(parent, at);
        }
        let Fork { count, room, .. } = Fork::read(self.arena.bytes(), at);
        if room > 4 && count * 2 < room {
            self.resize(at, count + count / 4 + 1);
        }
    }
}
