//! The records of a trie's arena.
//!
//! ```text
//! leaf:  parent u32 | value u32 | length of label | label
//! fork:  parent u32 | end u32 | count u16 | room u16 | length of label | label
//!        | first bytes, one for each child there is room for | their references, u32 each
//! ```
//!
//! The length of a label is one byte, or 255 and four bytes. A reference is the child's block and
//! a bit that says whether it is a leaf.

use super::arena::{Arena, Block, set_word, start, units, word};

const PARENT: usize = 0;
const VALUE: usize = 4;
const LEAF_LABEL: usize = 8;
const END: usize = 4;
const COUNT: usize = 8;
const ROOM: usize = 10;
const FORK_LABEL: usize = 12;
/// Announces a length of four bytes.
const LONG: u8 = 255;
const LEAF: u32 = 1 << 31;

/// What a fork has below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Child {
    Leaf(Block),
    Fork(Block),
}

impl Child {
    #[inline]
    fn decode(reference: u32) -> Child {
        if reference & LEAF == 0 { Child::Fork(reference) } else { Child::Leaf(reference & !LEAF) }
    }

    #[inline]
    fn encode(self) -> u32 {
        match self {
            Child::Leaf(block) => block | LEAF,
            Child::Fork(block) => block,
        }
    }

    pub(super) fn block(self) -> Block {
        match self {
            Child::Leaf(block) | Child::Fork(block) => block,
        }
    }

    fn label_at(self) -> usize {
        match self {
            Child::Leaf(block) => start(block) + LEAF_LABEL,
            Child::Fork(block) => start(block) + FORK_LABEL,
        }
    }

    pub(super) fn label(self, bytes: &[u8]) -> &[u8] {
        let (at, len) = label(bytes, self.label_at());
        &bytes[at..at + len]
    }
}

/// Where a label begins and how long it is, given where its length is.
#[inline]
fn label(bytes: &[u8], at: usize) -> (usize, usize) {
    match bytes[at] {
        LONG => (at + 5, word(bytes, at + 1) as usize),
        len => (at + 1, len as usize),
    }
}

/// Bytes for a label of this length and its length.
fn label_size(len: usize) -> usize {
    if len < LONG as usize { 1 + len } else { 5 + len }
}

/// Writes the length of a label; where the label begins.
fn set_label_len(bytes: &mut [u8], at: usize, len: usize) -> usize {
    if len < LONG as usize {
        bytes[at] = len as u8;
        at + 1
    } else {
        bytes[at] = LONG;
        set_word(bytes, at + 1, len as u32);
        at + 5
    }
}

#[inline]
fn short(bytes: &[u8], at: usize) -> usize {
    match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(two) => u16::from_le_bytes(*two) as usize,
        None => 0,
    }
}

fn set_short(bytes: &mut [u8], at: usize, value: usize) {
    bytes[at..at + 2].copy_from_slice(&(value as u16).to_le_bytes());
}

/// The fork above a leaf or fork; 0 for the root.
pub(super) fn parent(arena: &Arena, block: Block) -> Block {
    word(arena.bytes(), start(block) + PARENT)
}

pub(super) fn set_parent(arena: &mut Arena, block: Block, parent: Block) {
    set_word(arena.bytes_mut(), start(block) + PARENT, parent);
}

#[inline]
pub(super) fn value(bytes: &[u8], leaf: Block) -> u32 {
    word(bytes, start(leaf) + VALUE)
}

pub(super) fn set_value(arena: &mut Arena, leaf: Block, value: u32) {
    set_word(arena.bytes_mut(), start(leaf) + VALUE, value);
}

#[inline]
pub(super) fn leaf_label(bytes: &[u8], leaf: Block) -> &[u8] {
    let (at, len) = label(bytes, start(leaf) + LEAF_LABEL);
    &bytes[at..at + len]
}

fn leaf_units(label: usize) -> u32 {
    units(LEAF_LABEL + label_size(label))
}

pub(super) fn new_leaf(arena: &mut Arena, parent: Block, label: &[u8], value: u32) -> Block {
    let leaf = arena.take(leaf_units(label.len()));
    let (bytes, at) = (arena.bytes_mut(), start(leaf));
    set_word(bytes, at + PARENT, parent);
    set_word(bytes, at + VALUE, value);
    let to = set_label_len(bytes, at + LEAF_LABEL, label.len());
    bytes[to..to + label.len()].copy_from_slice(label);
    leaf
}

pub(super) fn free_leaf(arena: &mut Arena, leaf: Block) {
    let len = leaf_label(arena.bytes(), leaf).len();
    arena.give(leaf, leaf_units(len));
}

/// Units of a record.
#[cfg(any(test, fuzzing))]
pub(super) fn size(bytes: &[u8], child: Child) -> u32 {
    let label = child.label(bytes).len();
    match child {
        Child::Leaf(_) => leaf_units(label),
        Child::Fork(block) => fork_units(label, Fork::read(bytes, block).room),
    }
}

/// Copies a leaf to another arena; what was its parent is then where it is.
pub(super) fn copy_leaf(from: &mut Arena, leaf: Block, to: &mut Arena, parent: Block) -> Block {
    let bytes = from.bytes();
    let copy = new_leaf(to, parent, leaf_label(bytes, leaf), value(bytes, leaf));
    set_parent(from, leaf, copy);
    copy
}

/// Whether `text` begins with `label`, which is mostly short: a call would take longer.
#[inline(always)]
pub(crate) fn begins_with(text: &[u8], label: &[u8]) -> bool {
    match label {
        [] => true,
        short if short.len() <= 8 => {
            text.len() >= short.len() && short.iter().zip(text).all(|(a, b)| a == b)
        }
        long => text.starts_with(long),
    }
}

/// A fork as it is in the arena.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fork {
    /// The leaf of the topic that ends here; 0: none does.
    pub(super) end: Block,
    /// Children.
    pub(super) count: usize,
    /// Children there is room for.
    pub(super) room: usize,
    label: usize,
    label_len: usize,
}

impl Fork {
    #[inline]
    pub(super) fn read(bytes: &[u8], fork: Block) -> Fork {
        let at = start(fork);
        // One look whether it is in the arena is enough for all of it.
        let head: &[u8; FORK_LABEL + 1] = bytes[at..].first_chunk().unwrap_or(&[0; _]);
        let (label, label_len) = match head[FORK_LABEL] {
            LONG => label(bytes, at + FORK_LABEL),
            len => (at + FORK_LABEL + 1, len as usize),
        };
        Fork {
            end: word(head, END),
            count: short(head, COUNT),
            room: short(head, ROOM),
            label,
            label_len,
        }
    }

    #[inline]
    pub(super) fn label<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.label..self.label + self.label_len]
    }

    #[inline]
    fn keys(&self) -> usize {
        self.label + self.label_len
    }

    #[inline]
    fn references(&self) -> usize {
        self.keys() + self.room
    }

    /// The child whose key goes on with this byte.
    #[inline]
    pub(super) fn child(&self, bytes: &[u8], first: u8) -> Option<Child> {
        let keys = self.keys();
        let mut slot = 0;
        while slot < self.count {
            // Eight at a time; behind the arena's last block are bytes enough for that.
            let eight = u64::from_le_bytes(*bytes.get(keys + slot..)?.first_chunk()?);
            let found = first_equal(eight, first);
            if found < 8 {
                slot += found;
                let hit = slot < self.count;
                return hit.then(|| Child::decode(word(bytes, self.references() + 4 * slot)));
            }
            slot += 8;
        }
        None
    }

    pub(super) fn child_at(&self, arena: &Arena, slot: usize) -> Child {
        Child::decode(word(arena.bytes(), self.references() + 4 * slot))
    }

    /// The first byte of the key below for a child.
    pub(super) fn key_of(&self, arena: &Arena, child: Child) -> u8 {
        arena.bytes()[self.keys() + self.slot_of(arena, child)]
    }

    /// `count` if there is no such child, which cannot be.
    fn slot_of(&self, arena: &Arena, child: Child) -> usize {
        let slot = (0..self.count).find(|&slot| self.child_at(arena, slot) == child);
        debug_assert!(slot.is_some(), "a child that its parent does not know");
        slot.unwrap_or(self.count)
    }
}

/// The number of the first of eight bytes, the lowest first, that is this one; 8 if none is.
#[inline]
fn first_equal(eight: u64, byte: u8) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let differing = eight ^ (ONES * u64::from(byte));
    // The lowest bit set is right; those above may be wrong.
    let equal = differing.wrapping_sub(ONES) & !differing & (ONES << 7);
    equal.trailing_zeros() as usize / 8
}

fn fork_units(label: usize, room: usize) -> u32 {
    units(FORK_LABEL + label_size(label) + 5 * room)
}

pub(super) fn new_fork(arena: &mut Arena, parent: Block, label: &[u8], room: usize) -> Block {
    let fork = blank_fork(arena, parent, label.len(), room);
    let to = Fork::read(arena.bytes(), fork).label;
    arena.bytes_mut()[to..to + label.len()].copy_from_slice(label);
    fork
}

/// A fork without children whose label is still to be written.
fn blank_fork(arena: &mut Arena, parent: Block, label: usize, room: usize) -> Block {
    let fork = arena.take(fork_units(label, room));
    let (bytes, at) = (arena.bytes_mut(), start(fork));
    set_word(bytes, at + PARENT, parent);
    set_word(bytes, at + END, 0);
    set_short(bytes, at + COUNT, 0);
    set_short(bytes, at + ROOM, room);
    set_label_len(bytes, at + FORK_LABEL, label);
    fork
}

/// A fork whose label is the first `len` bytes of a child's, with room for two.
pub(super) fn new_fork_like(arena: &mut Arena, parent: Block, child: Child, len: usize) -> Block {
    let fork = blank_fork(arena, parent, len, 2);
    let from = label(arena.bytes(), child.label_at()).0;
    let to = Fork::read(arena.bytes(), fork).label;
    arena.bytes_mut().copy_within(from..from + len, to);
    fork
}

pub(super) fn free_fork(arena: &mut Arena, fork: Block) {
    let Fork { label_len, room, .. } = Fork::read(arena.bytes(), fork);
    arena.give(fork, fork_units(label_len, room));
}

/// Copies a fork to another arena, with the old references to its children and end.
pub(super) fn copy_fork(from: &mut Arena, fork: Block, to: &mut Arena, parent: Block) -> Block {
    let old = Fork::read(from.bytes(), fork);
    let copy = new_fork(to, parent, old.label(from.bytes()), old.count);
    let new = Fork::read(to.bytes(), copy);
    let (bytes, source) = (to.bytes_mut(), from.bytes());
    bytes[new.keys()..][..old.count].copy_from_slice(&source[old.keys()..][..old.count]);
    bytes[new.references()..][..4 * old.count]
        .copy_from_slice(&source[old.references()..][..4 * old.count]);
    set_short(bytes, start(copy) + COUNT, old.count);
    set_word(bytes, start(copy) + END, old.end);
    copy
}

/// A copy of a fork with another room, for the same children.
pub(super) fn resized(arena: &mut Arena, fork: Block, room: usize) -> Block {
    let parent = parent(arena, fork);
    let old = Fork::read(arena.bytes(), fork);
    let copy = blank_fork(arena, parent, old.label_len, room);
    let new = Fork::read(arena.bytes(), copy);
    arena.bytes_mut().copy_within(old.label..old.keys(), new.label);
    copy_children(arena, &old, copy);
    copy
}

/// A fork that stands for two, of which the higher has nothing but the lower.
pub(super) fn joined(arena: &mut Arena, high: Block, low: Block) -> Block {
    let above = parent(arena, high);
    let (upper, lower) = (Fork::read(arena.bytes(), high), Fork::read(arena.bytes(), low));
    let len = upper.label_len + 1 + lower.label_len;
    let fork = blank_fork(arena, above, len, lower.count.max(1));
    let to = Fork::read(arena.bytes(), fork).label;
    let bytes = arena.bytes_mut();
    bytes.copy_within(upper.label..upper.keys(), to);
    // The lower one's first byte is the upper one's only key, right behind its label.
    bytes[to + upper.label_len] = bytes[upper.keys()];
    bytes.copy_within(lower.label..lower.keys(), to + upper.label_len + 1);
    copy_children(arena, &lower, fork);
    fork
}

/// Gives a fork the children and end of another.
fn copy_children(arena: &mut Arena, old: &Fork, copy: Block) {
    let new = Fork::read(arena.bytes(), copy);
    let bytes = arena.bytes_mut();
    bytes.copy_within(old.keys()..old.keys() + old.count, new.keys());
    bytes.copy_within(old.references()..old.references() + 4 * old.count, new.references());
    set_short(bytes, start(copy) + COUNT, old.count);
    set_word(bytes, start(copy) + END, old.end);
}

/// Tells children and end of a fork who their parent is.
pub(super) fn adopt(arena: &mut Arena, fork: Block) {
    let Fork { end, count, .. } = Fork::read(arena.bytes(), fork);
    if end != 0 {
        set_parent(arena, end, fork);
    }
    for slot in 0..count {
        let child = Fork::read(arena.bytes(), fork).child_at(arena, slot);
        set_parent(arena, child.block(), fork);
    }
}

pub(super) fn set_end(arena: &mut Arena, fork: Block, end: Block) {
    set_word(arena.bytes_mut(), start(fork) + END, end);
}

/// Adds a child; there is room, and its parent is set.
pub(super) fn add_child(arena: &mut Arena, at: Block, first: u8, child: Child) {
    let fork = Fork::read(arena.bytes(), at);
    debug_assert!(fork.count < fork.room);
    let bytes = arena.bytes_mut();
    bytes[fork.keys() + fork.count] = first;
    set_word(bytes, fork.references() + 4 * fork.count, child.encode());
    set_short(bytes, start(at) + COUNT, fork.count + 1);
}

pub(super) fn set_child(arena: &mut Arena, at: Block, slot: usize, child: Child) {
    let fork = Fork::read(arena.bytes(), at);
    set_word(arena.bytes_mut(), fork.references() + 4 * slot, child.encode());
}

pub(super) fn replace_child(arena: &mut Arena, at: Block, old: Child, new: Child) {
    let slot = Fork::read(arena.bytes(), at).slot_of(arena, old);
    set_child(arena, at, slot, new);
}

/// Takes a child out; the last one takes its place.
pub(super) fn remove_child(arena: &mut Arena, at: Block, child: Child) {
    let fork = Fork::read(arena.bytes(), at);
    let slot = fork.slot_of(arena, child);
    let Some(last) = fork.count.checked_sub(1).filter(|&last| slot <= last) else { return };
    let moved = fork.child_at(arena, last);
    let bytes = arena.bytes_mut();
    bytes[fork.keys() + slot] = bytes[fork.keys() + last];
    set_word(bytes, fork.references() + 4 * slot, moved.encode());
    set_short(bytes, start(at) + COUNT, last);
}

/// Keeps the last `kept` bytes of a label, where the record is, and gives the rest back.
pub(super) fn shorten_label(arena: &mut Arena, child: Child, kept: usize) {
    let at = child.label_at();
    let (from, len) = label(arena.bytes(), at);
    let (before, after, behind) = match child {
        Child::Leaf(_) => (leaf_units(len), leaf_units(kept), 0),
        Child::Fork(block) => {
            let room = Fork::read(arena.bytes(), block).room;
            (fork_units(len, room), fork_units(kept, room), 5 * room)
        }
    };
    let bytes = arena.bytes_mut();
    let rest = from + len - kept..from + len + behind;
    let to = set_label_len(bytes, at, kept);
    bytes.copy_within(rest, to);
    arena.give(child.block() + after, before - after);
}
