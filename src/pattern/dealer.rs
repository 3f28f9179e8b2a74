//! DEALER: requests and replies without the lockstep (RFC 28).

use super::fair_queue::FairQueue;
use super::load_balance::LoadBalance;
use super::value::set_switch;
use super::{Attach, Part, Pattern, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::{Msg, Sink};
use crate::options::numbers::option;

/// "SHALL route outgoing messages to available peers using a round-robin strategy", "SHALL
/// receive incoming messages from its peers using a fair-queuing strategy".
#[derive(Debug, Default)]
pub struct Dealer {
    out: LoadBalance,
    pub(super) queue: FairQueue,
    probe: bool,
}

/// Tells a ROUTER that we are there (zmq_setsockopt(3), ZMQ_PROBE_ROUTER): an empty message, once
/// for each pipe, as libzmq does; not again when the same pipe connects again. Without memory for it
/// the pipe is as good as full.
pub(crate) fn probe_router<P: PipeSet>(pipes: &mut P, id: PipeId) {
    if pipes.check_write(id) {
        let _ = pipes.write(id, &mut Msg::new());
    }
}

impl Pattern for Dealer {
    fn attach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId, _how: Attach) {
        if self.probe {
            probe_router(pipes, id);
        }
        self.out.attach(id);
        self.queue.attach(id);
    }

    fn before_detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.queue.before_detach(pipes, id);
    }

    fn detach<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.out.detach(id);
        self.queue.detach(id);
    }

    fn hung_up<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.queue.hung_up(id);
    }

    #[inline]
    fn read_activated<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.queue.activate(id);
    }

    #[inline]
    fn write_activated<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.out.activate(id);
    }

    #[inline]
    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        self.out.send(pipes, msg).map(|_| ())
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
    fn send_bytes<P: PipeSet>(&mut self, pipes: &mut P, bytes: &[u8], keep: bool) -> bool {
        self.out.send_bytes(pipes, bytes, keep)
    }

    fn sends_straight_to(&self) -> Option<PipeId> {
        self.out.only()
    }

    fn receives_straight_from(&self) -> Option<PipeId> {
        self.queue.only()
    }

    #[inline]
    fn has_in<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        self.queue.has_in(pipes)
    }

    #[inline]
    fn has_out<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        self.out.has_out(pipes)
    }

    fn set_option<P: PipeSet>(
        &mut self,
        _pipes: &mut P,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        match option {
            option::PROBE_ROUTER => set_switch(&mut self.probe, value),
            _ => None,
        }
    }

    fn reading(&self) -> Option<PipeId> {
        self.queue.reading()
    }
}
