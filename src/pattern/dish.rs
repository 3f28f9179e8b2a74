//! DISH: the messages of the groups one has joined (RFC 48).

use super::fair_queue::FairQueue;
use super::hash::Seeded;
use super::subscriptions::{CANCEL, SUBSCRIBE, message};
use super::{Attach, Loss, MAX_GROUP, Pattern, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::{Envelope, Msg};
use crate::util::line::Line;
use std::collections::HashMap;

/// "SHALL receive incoming messages from its peers using a fair-queuing strategy", "SHALL filter those by
/// group", "SHALL tell all its peers which groups it has joined". A message comes as two parts: the group
/// and the body.
#[derive(Debug, Default)]
pub struct Dish {
    queue: FairQueue,
    groups: HashMap<Box<[u8]>, Envelope, Seeded>,
    /// The peers on these pipes know all our groups.
    informed: Line,
    /// A message of one of our groups, read ahead.
    ahead: Option<Msg>,
}

/// What a peer is told: `1 group` or `0 group`, marked as a command, which is what the wire makes of it.
fn command(kind: u8, group: &[u8]) -> Result<Msg> {
    let mut msg = message(kind, group)?;
    msg.set_command();
    Ok(msg)
}

impl Dish {
    /// The next message of our groups. Others may come, too: of a group we have left, or from a peer
    /// that sends all to all.
    #[inline]
    fn fetch<P: PipeSet>(&mut self, pipes: &mut P) -> Option<Msg> {
        if let Some(msg) = self.ahead.take() {
            return Some(msg);
        }
        loop {
            let (pipe, group) = self.queue.recv(pipes)?;
            if !group.more() {
                continue;
            }
            let Some(mut body) = self.queue.recv_rest(pipes).filter(|body| !body.more()) else {
                self.queue.skip_rest(pipes);
                continue;
            };
            if let Some(envelope) = self.groups.get_mut(group.data()) {
                pipes.complete(pipe, &mut body);
                envelope.put_on(&mut body);
                return Some(body);
            }
            pipes.lost(Loss::FilteredIn);
        }
    }

    fn tell<P: PipeSet>(&self, pipes: &mut P, mut msg: Msg) {
        for id in self.informed.iter() {
            if let Ok(copy) = msg.share() {
                pipes.write_exempt(id, copy);
            }
        }
    }

    fn tell_all<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        if !self.informed.push(id, ()) {
            return;
        }
        for msg in self.groups.keys().filter_map(|group| command(SUBSCRIBE, group).ok()) {
            pipes.write_exempt(id, msg);
        }
    }
}

impl Pattern for Dish {
    fn attach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId, _how: Attach) {
        self.queue.attach(id);
        if pipes.is_connected(id) {
            self.tell_all(pipes, id);
        }
    }

    fn connected<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.tell_all(pipes, id);
    }

    fn disconnected<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.informed.remove(id);
    }

    fn before_detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.queue.before_detach(pipes, id);
    }

    fn detach<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.informed.remove(id);
        self.queue.detach(id);
    }

    fn hung_up<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.queue.hung_up(id);
    }

    fn read_activated<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.queue.activate(id);
    }

    #[inline(never)]
    fn send<P: PipeSet>(&mut self, _pipes: &mut P, _msg: &mut Msg) -> Result<()> {
        Err(Error::NotSupported)
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

    /// Groups can always be joined, says libzmq; there is nothing to send.
    #[inline(never)]
    fn has_out<P: PipeSet>(&mut self, _pipes: &mut P) -> bool {
        true
    }

    fn reading(&self) -> Option<PipeId> {
        self.queue.reading()
    }

    fn join<P: PipeSet>(&mut self, pipes: &mut P, group: &[u8]) -> Result<()> {
        if group.len() > MAX_GROUP || self.groups.contains_key(group) {
            return Err(Error::Invalid);
        }
        let msg = command(SUBSCRIBE, group)?;
        self.groups.insert(group.into(), Envelope::new(group)?);
        pipes.asked_for(self.groups.len());
        self.tell(pipes, msg);
        Ok(())
    }

    fn leave<P: PipeSet>(&mut self, pipes: &mut P, group: &[u8]) -> Result<()> {
        if !self.groups.contains_key(group) {
            return Err(Error::Invalid);
        }
        let msg = command(CANCEL, group)?;
        self.groups.remove(group);
        pipes.asked_for(self.groups.len());
        self.tell(pipes, msg);
        Ok(())
    }
}
