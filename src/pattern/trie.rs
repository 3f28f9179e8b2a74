//! A compressed trie (radix tree) from byte strings to numbers, made for many short topics: one
//! allocation for all nodes, one for all labels, one hash table for all edges.
//!
//! Nothing recurses, so neither a deep tree nor a long topic from a peer costs stack.

use super::hash::{mix, random};

/// A place in the tree. Stays the same as long as the node has a value and until
/// [`Trie::compact`].
pub(crate) type NodeId = u32;

/// The empty topic. Never a child, so its number stands for "nothing" in the edge table.
const ROOT: NodeId = 0;
/// In [`Node::children`]: the node is in the list of free ones.
const FREE: u16 = u16::MAX;
/// Longest sum of all labels. With what waits for compaction, offsets stay below 4 GiB.
const LABELS_MAX: usize = 1 << 30;
const NODES_MAX: usize = 1 << 30;
/// Labels are compacted once this much more than they need is in use.
const LABEL_SLACK: usize = 4096;

#[derive(Debug, Clone, Copy)]
struct Node {
    /// For a free node the next free one.
    parent: NodeId,
    /// Where the label begins in `labels`.
    label: u32,
    len: u32,
    /// 0: no topic ends here.
    value: u32,
    /// All children's numbers xored: with one child left, that child.
    child_xor: u32,
    children: u16,
    /// The first byte of the label.
    first: u8,
}

impl Node {
    const fn new(parent: NodeId, label: u32, len: u32, first: u8) -> Node {
        Node { parent, label, len, value: 0, child_xor: 0, children: 0, first }
    }
}

/// See the module. A value of 0 means "absent".
#[derive(Debug)]
pub(crate) struct Trie {
    nodes: Vec<Node>,
    free: NodeId,
    free_count: usize,
    labels: Vec<u8>,
    /// How many bytes of `labels` belong to a node.
    live_labels: usize,
    /// Edges by (parent, first byte), open addressing. An entry holds the child's number in its
    /// low `id_bits` and bits of the hash above, so a probe rarely looks at the wrong node.
    table: Vec<u32>,
    id_bits: u32,
    seed: u64,
    topics: usize,
}

impl Default for Trie {
    fn default() -> Self {
        Trie::with_seed(random())
    }
}

impl Trie {
    fn with_seed(seed: u64) -> Trie {
        Trie {
            nodes: Vec::new(),
            free: ROOT,
            free_count: 0,
            labels: Vec::new(),
            live_labels: 0,
            table: Vec::new(),
            id_bits: 1,
            seed,
            topics: 0,
        }
    }

    /// The number of keys with a value.
    pub(crate) fn len(&self) -> usize {
        self.topics
    }

    /// Bytes of memory held.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
            + self.labels.capacity()
            + self.table.capacity() * 4
    }

    /// Calls `found` with the value of each key that is a prefix of `topic`, shortest first,
    /// until it returns true. Returns whether it did.
    #[inline]
    pub(crate) fn find_prefix(&self, topic: &[u8], mut found: impl FnMut(u32) -> bool) -> bool {
        let Some(mut node) = self.nodes.first() else { return false };
        let mut at = ROOT;
        let mut rest = topic;
        loop {
            if node.value != 0 && found(node.value) {
                return true;
            }
            if node.children == 0 {
                return false;
            }
            let Some(&first) = rest.first() else { return false };
            let Some((_, child)) = self.edge(at, first) else { return false };
            at = child;
            node = &self.nodes[at as usize];
            let len = node.len as usize;
            if len > 1 && !rest.starts_with(self.label(node)) {
                return false;
            }
            rest = &rest[len..];
        }
    }

    /// The node of exactly this key, if it has a value.
    pub(crate) fn find(&self, key: &[u8]) -> Option<NodeId> {
        let mut at = ROOT;
        let mut rest = key;
        loop {
            let Some(&first) = rest.first() else {
                return (self.value(at) != 0).then_some(at);
            };
            at = self.edge(at, first)?.1;
            rest = rest.strip_prefix(self.label(&self.nodes[at as usize]))?;
        }
    }

    /// The value of a node, 0 if there is none.
    #[inline]
    pub(crate) fn value(&self, id: NodeId) -> u32 {
        match self.nodes.get(id as usize) {
            Some(node) if node.children != FREE => node.value,
            _ => 0,
        }
    }

    /// Changes the value of a node that has one, to one that is not 0.
    pub(crate) fn set_value(&mut self, id: NodeId, value: u32) {
        debug_assert!(value != 0 && self.value(id) != 0);
        self.nodes[id as usize].value = value;
    }

    /// The node for a key, with `value` if the key is new. `None` if the tree is full (1 GiB of
    /// topics) and then unchanged.
    pub(crate) fn insert(&mut self, key: &[u8], value: u32) -> Option<NodeId> {
        debug_assert!(value != 0);
        self.make_room(key.len())?;
        let mut at = ROOT;
        let mut rest = key;
        while let Some(&first) = rest.first() {
            let Some((_, child)) = self.edge(at, first) else {
                at = self.add_leaf(at, rest, first);
                break;
            };
            let label = self.label(&self.nodes[child as usize]);
            let common = label.iter().zip(rest).take_while(|(a, b)| a == b).count();
            at = if common == label.len() { child } else { self.split(child, common) };
            rest = &rest[common..];
        }
        let node = &mut self.nodes[at as usize];
        if node.value == 0 {
            node.value = value;
            self.topics += 1;
        }
        Some(at)
    }

    /// Takes the value of a node away, and the node if nothing else needs it.
    pub(crate) fn remove(&mut self, id: NodeId) {
        debug_assert!(self.value(id) != 0);
        self.topics -= 1;
        if self.topics == 0 {
            *self = Trie::with_seed(self.seed);
            return;
        }
        self.nodes[id as usize].value = 0;
        let parent = self.nodes[id as usize].parent;
        if self.nodes[id as usize].children == 0 && id != ROOT {
            self.remove_leaf(id);
            self.merge_if_useless(parent);
        } else {
            self.merge_if_useless(id);
        }
        if self.labels.len() > 2 * self.live_labels + LABEL_SLACK {
            self.compact_labels();
        }
        if self.table.len() > 64 && self.edges() * 8 < self.table.len() {
            self.rehash(self.table.len() / 2);
        }
    }

    /// Frees unused nodes if they are most of them. Returns the new number of each old one then.
    pub(crate) fn compact(&mut self) -> Option<Vec<NodeId>> {
        if self.nodes.len() < 4 * self.in_use() + 1024 {
            return None;
        }
        let mut renumbered = vec![ROOT; self.nodes.len()];
        let mut kept = Vec::with_capacity(self.in_use());
        for (old, node) in self.nodes.iter().enumerate() {
            if node.children != FREE {
                renumbered[old] = kept.len() as NodeId;
                kept.push(Node { child_xor: 0, ..*node });
            }
        }
        self.nodes = kept;
        for id in 1..self.nodes.len() {
            let parent = renumbered[self.nodes[id].parent as usize];
            self.nodes[id].parent = parent;
            self.nodes[parent as usize].child_xor ^= id as NodeId;
        }
        self.free = ROOT;
        self.free_count = 0;
        self.compact_labels();
        self.rehash(0);
        Some(renumbered)
    }

    /// The nodes with a value.
    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        (0..self.nodes.len() as NodeId).filter(|&id| self.value(id) != 0)
    }

    /// The length of a node's key.
    pub(crate) fn key_len(&self, id: NodeId) -> usize {
        let mut len = 0;
        let mut at = id;
        while at != ROOT {
            let node = &self.nodes[at as usize];
            len += node.len as usize;
            at = node.parent;
        }
        len
    }

    /// Writes a node's key into a buffer of [`Trie::key_len`] bytes.
    pub(crate) fn copy_key(&self, id: NodeId, buffer: &mut [u8]) {
        let mut end = buffer.len();
        let mut at = id;
        while at != ROOT {
            let node = &self.nodes[at as usize];
            let start = end - node.len as usize;
            buffer[start..end].copy_from_slice(self.label(node));
            end = start;
            at = node.parent;
        }
    }

    fn in_use(&self) -> usize {
        self.nodes.len() - self.free_count
    }

    /// Every node but the root hangs on one edge.
    fn edges(&self) -> usize {
        self.in_use().saturating_sub(1)
    }

    #[inline]
    fn label(&self, node: &Node) -> &[u8] {
        let start = node.label as usize;
        &self.labels[start..start + node.len as usize]
    }

    /// Makes sure that a key of `len` bytes and two nodes fit.
    fn make_room(&mut self, len: usize) -> Option<()> {
        if self.nodes.is_empty() {
            self.nodes.push(Node::new(ROOT, 0, 0, 0));
        }
        if self.live_labels + len > LABELS_MAX || self.nodes.len() > NODES_MAX {
            return None;
        }
        let wanted = (self.edges() + 2) * 4 / 3 + 1;
        let ids = self.nodes.len() + 2;
        if wanted > self.table.len() || ids >> self.id_bits != 0 {
            self.rehash(wanted);
        }
        Some(())
    }

    fn add_leaf(&mut self, parent: NodeId, label: &[u8], first: u8) -> NodeId {
        let start = self.labels.len() as u32;
        grow(&mut self.labels, label.len());
        self.labels.extend_from_slice(label);
        self.live_labels += label.len();
        let id = self.add_node(Node::new(parent, start, label.len() as u32, first));
        let up = &mut self.nodes[parent as usize];
        up.children += 1;
        up.child_xor ^= id;
        self.link(id);
        id
    }

    /// Puts a node between `child` and its parent that takes the first `at` bytes of its label.
    fn split(&mut self, child: NodeId, at: usize) -> NodeId {
        let low = self.nodes[child as usize];
        let middle = self.add_node(Node {
            child_xor: child,
            children: 1,
            ..Node::new(low.parent, low.label, at as u32, low.first)
        });
        if let Some((slot, _)) = self.edge(low.parent, low.first) {
            self.table[slot] = self.table[slot] & !self.id_mask() | middle;
        }
        self.nodes[low.parent as usize].child_xor ^= child ^ middle;
        let label = low.label + at as u32;
        let first = self.labels[label as usize];
        let node = &mut self.nodes[child as usize];
        *node = Node { parent: middle, label, len: low.len - at as u32, first, ..low };
        self.link(child);
        middle
    }

    fn remove_leaf(&mut self, id: NodeId) {
        let Node { parent, first, len, .. } = self.nodes[id as usize];
        self.unlink(parent, first);
        let up = &mut self.nodes[parent as usize];
        up.children -= 1;
        up.child_xor ^= id;
        self.live_labels -= len as usize;
        self.free_node(id);
    }

    /// Joins a node that has no value and only one child with that child.
    fn merge_if_useless(&mut self, id: NodeId) {
        let node = self.nodes[id as usize];
        if id == ROOT || node.value != 0 || node.children != 1 {
            return;
        }
        let child = node.child_xor;
        let low = self.nodes[child as usize];
        self.unlink(id, low.first);
        if let Some((slot, _)) = self.edge(node.parent, node.first) {
            self.table[slot] = self.table[slot] & !self.id_mask() | child;
        }
        self.nodes[node.parent as usize].child_xor ^= id ^ child;
        let label = self.join_labels(&node, &low);
        let len = node.len + low.len;
        self.nodes[child as usize] =
            Node { parent: node.parent, label, len, first: node.first, ..low };
        self.free_node(id);
    }

    /// The two labels one after the other; mostly they are already, having once been one.
    fn join_labels(&mut self, high: &Node, low: &Node) -> u32 {
        if high.label + high.len == low.label {
            return high.label;
        }
        let len = (high.len + low.len) as usize;
        let start = self.labels.len();
        grow(&mut self.labels, len);
        for part in [high, low] {
            let from = part.label as usize;
            self.labels.extend_from_within(from..from + part.len as usize);
        }
        start as u32
    }

    fn add_node(&mut self, node: Node) -> NodeId {
        if self.free == ROOT {
            grow(&mut self.nodes, 1);
            self.nodes.push(node);
            return (self.nodes.len() - 1) as NodeId;
        }
        let id = self.free;
        self.free = self.nodes[id as usize].parent;
        self.free_count -= 1;
        self.nodes[id as usize] = node;
        id
    }

    fn free_node(&mut self, id: NodeId) {
        self.nodes[id as usize] = Node { children: FREE, ..Node::new(self.free, 0, 0, 0) };
        self.free = id;
        self.free_count += 1;
    }

    fn compact_labels(&mut self) {
        let mut kept = Vec::with_capacity(self.live_labels);
        for node in &mut self.nodes {
            if node.children != FREE {
                let from = node.label as usize;
                node.label = kept.len() as u32;
                kept.extend_from_slice(&self.labels[from..from + node.len as usize]);
            }
        }
        self.labels = kept;
    }
}

/// The edge table.
impl Trie {
    fn id_mask(&self) -> u32 {
        ((1_u64 << self.id_bits) - 1) as u32
    }

    /// Where the search for an edge begins, and what its entry has above the child's number.
    #[inline]
    fn hash(&self, parent: NodeId, first: u8) -> (usize, u32) {
        let hash = mix(u64::from(parent) << 8 | u64::from(first), self.seed);
        (hash as usize & (self.table.len() - 1), ((hash >> 32) << self.id_bits) as u32)
    }

    /// The slot and the child of an edge.
    #[inline]
    fn edge(&self, parent: NodeId, first: u8) -> Option<(usize, NodeId)> {
        if self.table.is_empty() {
            return None;
        }
        let (mut slot, tag) = self.hash(parent, first);
        let mask = self.id_mask();
        loop {
            let entry = self.table[slot];
            if entry == 0 {
                return None;
            }
            if entry & !mask == tag {
                let id = entry & mask;
                let node = &self.nodes[id as usize];
                if node.parent == parent && node.first == first {
                    return Some((slot, id));
                }
            }
            slot = (slot + 1) & (self.table.len() - 1);
        }
    }

    /// Enters the edge to a node from its parent; there is room.
    fn link(&mut self, id: NodeId) {
        let node = &self.nodes[id as usize];
        let (mut slot, tag) = self.hash(node.parent, node.first);
        while self.table[slot] != 0 {
            slot = (slot + 1) & (self.table.len() - 1);
        }
        self.table[slot] = tag | id;
    }

    /// Removes an edge and closes the gap.
    fn unlink(&mut self, parent: NodeId, first: u8) {
        let Some((mut gap, _)) = self.edge(parent, first) else { return };
        let (wrap, mask) = (self.table.len() - 1, self.id_mask());
        let mut slot = gap;
        loop {
            slot = (slot + 1) & wrap;
            let entry = self.table[slot];
            if entry == 0 {
                break;
            }
            let node = &self.nodes[(entry & mask) as usize];
            let home = self.hash(node.parent, node.first).0;
            // The entry may move up if its search passes the gap on the way.
            if slot.wrapping_sub(home) & wrap >= slot.wrapping_sub(gap) & wrap {
                self.table[gap] = entry;
                gap = slot;
            }
        }
        self.table[gap] = 0;
    }

    /// Builds the table anew with at least this many slots, and at least as many as needed.
    fn rehash(&mut self, wanted: usize) {
        let needed = (self.edges() + 2) * 4 / 3 + 1;
        let slots = wanted.max(needed).max(8).next_power_of_two();
        let ids = slots.max(self.nodes.len() + 3);
        self.id_bits = usize::BITS - ids.leading_zeros();
        self.table = Vec::new();
        self.table.resize(slots, 0);
        for id in 1..self.nodes.len() {
            if self.nodes[id].children != FREE {
                self.link(id as NodeId);
            }
        }
    }
}

/// Makes room for `extra` more elements, a quarter at a time: doubling would waste too much of
/// the memory of a large tree.
fn grow<T>(vec: &mut Vec<T>, extra: usize) {
    if vec.capacity() - vec.len() < extra {
        vec.reserve_exact(extra.max(vec.len() / 4).max(4));
    }
}
