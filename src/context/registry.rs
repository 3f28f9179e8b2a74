//! The names bound with `inproc://`, and the connections that wait for them.

use crate::pipe::inproc::{InprocConfig, InprocEnd};
use std::collections::HashMap;

/// A socket that bound a name: how to reach it, and what it brings into a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binder {
    /// Number of the socket.
    pub index: u32,
    /// Its incarnation.
    pub generation: u32,
}

/// The far end of a pipe whose name nobody has bound yet.
pub struct Waiting {
    /// The binding side's end.
    pub end: InprocEnd,
    /// Who connected.
    pub from: Binder,
}

/// All names of a context.
#[derive(Default)]
pub struct Registry {
    /// Numbers of the context's sockets.
    pub sockets: Vec<u32>,
    bound: HashMap<String, (Binder, InprocConfig)>,
    waiting: HashMap<String, Vec<Waiting>>,
}

impl Registry {
    /// Binds a name. False if it is taken.
    pub fn bind(&mut self, name: &str, binder: Binder, config: InprocConfig) -> bool {
        if self.bound.contains_key(name) {
            return false;
        }
        self.bound.insert(name.to_owned(), (binder, config));
        true
    }

    /// Frees a name if `binder` has it. False if not.
    pub fn unbind(&mut self, name: &str, binder: Binder) -> bool {
        let has = self.bound.get(name).is_some_and(|(b, _)| *b == binder);
        if has {
            self.bound.remove(name);
        }
        has
    }

    /// Who bound a name, and what it brings into a pipe.
    pub fn find(&self, name: &str) -> Option<&(Binder, InprocConfig)> {
        self.bound.get(name)
    }

    /// Leaves the far end of a pipe for whoever binds the name.
    pub fn wait(&mut self, name: &str, waiting: Waiting) {
        self.waiting.entry(name.to_owned()).or_default().push(waiting);
    }

    /// Takes the pipes that waited for a name.
    pub fn take_waiting(&mut self, name: &str) -> Vec<Waiting> {
        self.waiting.remove(name).unwrap_or_default()
    }

    /// Forgets the waiting pipes of a socket to a name (zmq_disconnect(3)).
    pub fn forget_waiting(&mut self, name: &str, from: Binder) {
        if let Some(list) = self.waiting.get_mut(name) {
            list.retain(|w| w.from != from);
            if list.is_empty() {
                self.waiting.remove(name);
            }
        }
    }
}
