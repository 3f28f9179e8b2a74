//! SERVER (RFC 41) and PEER (RFC 51): messages to and from peers with numbers.

use super::fair_queue::FairQueue;
use super::hash::{Seeded, random};
use super::single::Parts;
use super::{Attach, Pattern, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::Msg;
use std::collections::HashMap;

/// PEER: a SERVER that may speak first, to whom it has connected.
pub type Peer = Server;

/// "SHALL assign a unique 32-bit routing id to each peer", "SHALL tag incoming messages with that", "SHALL
/// route outgoing messages by it", "SHALL NOT accept multipart messages".
#[derive(Debug, Default)]
pub struct Server {
    queue: FairQueue,
    peers: Peers,
    parts: Parts,
    /// A message read ahead: whether there is one for the application is known only then.
    ahead: Option<Msg>,
    /// The number of the peer that we connected to last.
    newest: Option<u32>,
}

/// The numbers of peers. Never 0, and not soon used again.
#[derive(Debug)]
struct Peers {
    by_number: HashMap<u32, PipeId, Seeded>,
    /// Of each pipe; 0: none.
    numbers: Vec<u32>,
    next: u32,
    /// The pipe found last: answers often follow one another.
    last: PipeId,
}

impl Default for Peers {
    fn default() -> Peers {
        let next = random() as u32;
        Peers { by_number: HashMap::default(), numbers: Vec::new(), next, last: 0 }
    }
}

impl Peers {
    fn insert(&mut self, pipe: PipeId) -> u32 {
        while self.next == 0 || self.by_number.contains_key(&self.next) {
            self.next = self.next.wrapping_add(1);
        }
        let number = self.next;
        self.next = number.wrapping_add(1);
        let slot = pipe as usize;
        if self.numbers.len() <= slot {
            self.numbers.resize(slot + 1, 0);
        }
        self.numbers[slot] = number;
        self.by_number.insert(number, pipe);
        number
    }

    #[inline]
    fn number(&self, pipe: PipeId) -> u32 {
        self.numbers.get(pipe as usize).copied().unwrap_or_default()
    }

    #[inline]
    fn find(&mut self, number: u32) -> Option<PipeId> {
        if number == 0 {
            return None;
        }
        if self.number(self.last) != number {
            self.last = self.by_number.get(&number).copied()?;
        }
        Some(self.last)
    }

    fn remove(&mut self, pipe: PipeId) {
        let number = self.number(pipe);
        if number != 0 {
            self.numbers[pipe as usize] = 0;
            self.by_number.remove(&number);
        }
        if self.by_number.is_empty() {
            self.by_number.shrink_to_fit();
            self.numbers = Vec::new();
        }
    }
}

impl Server {
    #[inline]
    fn fetch<P: PipeSet>(&mut self, pipes: &mut P) -> Option<Msg> {
        if let Some(msg) = self.ahead.take() {
            return Some(msg);
        }
        loop {
            let (pipe, mut msg) = self.queue.recv(pipes)?;
            if self.parts.is_whole(msg.more()) {
                self.peers.last = pipe;
                msg.set_routing_id(self.peers.number(pipe));
                return Some(msg);
            }
        }
    }

    fn forget(&mut self, pipe: PipeId) {
        self.queue.detach(pipe);
        self.peers.remove(pipe);
    }
}

impl Pattern for Server {
    fn attach<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId, how: Attach) {
        let number = self.peers.insert(id);
        if how.locally_initiated {
            self.newest = Some(number);
        }
        self.queue.attach(id);
    }

    fn before_detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.queue.before_detach(pipes, id);
    }

    fn detach<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.forget(id);
    }

    fn hung_up<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.queue.hung_up(id);
    }

    fn read_activated<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.queue.activate(id);
    }

    #[inline(never)]
    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        if msg.more() {
            return Err(Error::Invalid);
        }
        let number = msg.routing_id();
        let pipe = self.peers.find(number).ok_or(Error::HostUnreachable)?;
        if !pipes.check_write(pipe) {
            let gone = pipes.is_gone(pipe);
            return Err(if gone { Error::HostUnreachable } else { Error::Again });
        }
        // The number means nothing to the peer, who may be of this process.
        msg.set_routing_id(0);
        pipes.write(pipe, msg).inspect_err(|_| msg.set_routing_id(number))
    }

    #[inline(never)]
    fn recv<P: PipeSet>(&mut self, pipes: &mut P) -> Result<Msg> {
        self.fetch(pipes).ok_or(Error::Again)
    }

    #[inline(never)]
    fn has_in<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        self.ahead = self.fetch(pipes);
        self.ahead.is_some()
    }

    /// Whether there is room depends on the peer.
    #[inline(never)]
    fn has_out<P: PipeSet>(&mut self, _pipes: &mut P) -> bool {
        true
    }

    fn reading(&self) -> Option<PipeId> {
        self.queue.reading()
    }

    fn newest_peer(&self) -> Option<u32> {
        self.newest
    }

    fn disconnect_peer<P: PipeSet>(&mut self, pipes: &mut P, number: u32) -> Result<()> {
        let pipe = self.peers.find(number).ok_or(Error::HostUnreachable)?;
        self.queue.before_detach(pipes, pipe);
        self.forget(pipe);
        pipes.close(pipe);
        Ok(())
    }
}
