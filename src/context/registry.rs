//! The names bound with `inproc://`, and the connections that wait for them.

use crate::pipe::local::{InprocConfig, InprocEnd};
use crate::reactor::Key;
use crate::util::Unseeded;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// All names of a context.
#[derive(Default)]
pub struct Registry {
    /// Numbers of the context's sockets.
    pub sockets: BTreeSet<u32>,
    /// Which socket, and what it brings into a pipe.
    bound: HashMap<String, (Key, InprocConfig), Unseeded>,
    /// The far ends of pipes whose name nobody has bound yet, oldest first.
    waiting: HashMap<String, BTreeMap<u64, InprocEnd>, Unseeded>,
    /// Of the next one that waits.
    number: u64,
}

impl Registry {
    /// Binds a name. False if it is taken.
    pub fn bind(&mut self, name: &str, binder: Key, config: InprocConfig) -> bool {
        if self.bound.contains_key(name) {
            return false;
        }
        self.bound.insert(name.to_owned(), (binder, config));
        true
    }

    /// Frees a name if `binder` has it. False if not.
    pub fn unbind(&mut self, name: &str, binder: Key) -> bool {
        let has = self.bound.get(name).is_some_and(|(b, _)| *b == binder);
        if has {
            self.bound.remove(name);
        }
        has
    }

    /// Who bound a name, and what it brings into a pipe.
    pub fn find(&self, name: &str) -> Option<&(Key, InprocConfig)> {
        self.bound.get(name)
    }

    /// Leaves the far end of a pipe for whoever binds the name. The number is for
    /// [`Registry::withdraw`].
    pub fn wait(&mut self, name: &str, end: InprocEnd) -> u64 {
        self.number += 1;
        self.waiting.entry(name.to_owned()).or_default().insert(self.number, end);
        self.number
    }

    /// Takes the far ends that waited for a name.
    pub fn take_waiting(&mut self, name: &str) -> impl Iterator<Item = InprocEnd> + use<> {
        self.waiting.remove(name).unwrap_or_default().into_values()
    }

    /// Takes a far end back if it still waits.
    pub fn withdraw(&mut self, name: &str, number: u64) -> Option<InprocEnd> {
        let list = self.waiting.get_mut(name)?;
        let end = list.remove(&number);
        if list.is_empty() {
            self.waiting.remove(name);
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipe::local::pair;

    #[test]
    fn far_ends_wait_in_order_and_can_be_withdrawn() {
        let mut registry = Registry::default();
        let wait = |registry: &mut Registry, name: &str, limit: u32| {
            let config = InprocConfig { routing_id: vec![limit as u8], ..InprocConfig::default() };
            registry.wait(name, pair(&config, None).1)
        };
        let numbers: Vec<u64> = (0..5).map(|n| wait(&mut registry, "a", n)).collect();
        let other = wait(&mut registry, "b", 9);
        assert!(registry.withdraw("a", numbers[2]).is_some());
        assert!(registry.withdraw("a", numbers[2]).is_none());
        assert!(registry.withdraw("a", other).is_none() && registry.withdraw("c", 1).is_none());
        let ids = registry.take_waiting("a").map(|end| end.peer_routing_id()[0]);
        assert_eq!(ids.collect::<Vec<_>>(), [0, 1, 3, 4]);
        assert!(registry.withdraw("a", numbers[0]).is_none());
        assert!(registry.withdraw("b", other).is_some());
        assert!(registry.waiting.is_empty(), "names that nobody waits for are kept");
    }
}
