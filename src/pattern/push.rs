//! PUSH: tasks out, round robin (RFC 30).

use super::load_balance::LoadBalance;
use super::{Attach, Pattern, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::Msg;

/// "SHALL block on sending, or return a suitable error, when it has no available peers", "SHALL
/// NOT accept further messages when it has no available peers", "SHALL NOT discard messages".
#[derive(Debug, Default)]
pub struct Push {
    out: LoadBalance,
}

impl Pattern for Push {
    fn attach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId, _how: Attach) {
        self.out.attach(id);
        self.read_activated(pipes, id);
    }

    fn detach<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.out.detach(id);
    }

    fn read_activated<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        // A PULL has nothing to say; what comes all the same must not fill the pipe.
        while pipes.read(id).is_some() {}
    }

    fn write_activated<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.out.activate(id);
    }

    #[inline]
    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        self.out.send(pipes, msg).map(|_| ())
    }

    fn recv<P: PipeSet>(&mut self, _pipes: &mut P) -> Result<Msg> {
        Err(Error::NotSupported)
    }

    #[inline]
    fn send_bytes<P: PipeSet>(&mut self, pipes: &mut P, bytes: &[u8], keep: bool) -> bool {
        self.out.send_bytes(pipes, bytes, keep)
    }

    fn sends_straight_to(&self) -> Option<PipeId> {
        self.out.only()
    }

    fn has_in<P: PipeSet>(&mut self, _pipes: &mut P) -> bool {
        false
    }

    #[inline]
    fn has_out<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        self.out.has_out(pipes)
    }
}
