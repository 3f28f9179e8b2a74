//! PULL: tasks in, fairly queued (RFC 30).

use super::fair_queue::FairQueue;
use super::{Attach, Part, Pattern, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::{Msg, Sink};

/// "SHALL receive incoming messages from its peers using a fair-queuing strategy", "SHALL
/// deliver these to its calling application".
#[derive(Debug, Default)]
pub struct Pull {
    pub(super) queue: FairQueue,
}

impl Pattern for Pull {
    fn attach<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId, _how: Attach) {
        self.queue.attach(id);
    }

    fn before_detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.queue.before_detach(pipes, id);
    }

    fn detach<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.queue.detach(id);
    }

    fn hung_up<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.queue.hung_up(id);
    }

    #[inline]
    fn read_activated<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.queue.activate(id);
    }

    fn send<P: PipeSet>(&mut self, _pipes: &mut P, _msg: &mut Msg) -> Result<()> {
        Err(Error::NotSupported)
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

    fn receives_straight_from(&self) -> Option<PipeId> {
        self.queue.only()
    }

    #[inline]
    fn has_in<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        self.queue.has_in(pipes)
    }

    fn has_out<P: PipeSet>(&mut self, _pipes: &mut P) -> bool {
        false
    }

    fn reading(&self) -> Option<PipeId> {
        self.queue.reading()
    }
}
