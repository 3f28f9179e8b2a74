//! DGRAM: datagrams with the addresses they go to and come from (zmq_udp(7)).

use super::{Attach, Pattern, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::Msg;

/// A message is two parts: an address, and what is sent there or came from there. There is one pipe only:
/// that to the socket of the system.
#[derive(Debug, Default)]
pub struct Dgram {
    pipe: Option<PipeId>,
    /// The address was sent.
    sending: bool,
    /// The address was received.
    reading: bool,
}

impl Pattern for Dgram {
    fn attach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId, _how: Attach) {
        if self.pipe.is_none() {
            self.pipe = Some(id);
        } else {
            pipes.close(id);
        }
    }

    fn detach<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        if self.pipe == Some(id) {
            *self = Dgram::default();
        }
    }

    fn read_activated<P: PipeSet>(&mut self, _pipes: &mut P, _id: PipeId) {}

    #[inline(never)]
    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        if msg.more() == self.sending {
            return Err(Error::Invalid);
        }
        let Some(pipe) = self.pipe.filter(|&pipe| pipes.check_write(pipe)) else {
            return Err(Error::Again);
        };
        pipes.write(pipe, msg)?;
        self.sending = !self.sending;
        Ok(())
    }

    #[inline(never)]
    fn recv<P: PipeSet>(&mut self, pipes: &mut P) -> Result<Msg> {
        let frame = self.pipe.and_then(|pipe| pipes.read(pipe)).ok_or(Error::Again)?;
        self.reading = frame.more();
        Ok(frame)
    }

    #[inline(never)]
    fn has_in<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        self.pipe.is_some_and(|pipe| pipes.check_read(pipe))
    }

    #[inline(never)]
    fn has_out<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        self.pipe.is_some_and(|pipe| pipes.check_write(pipe))
    }

    fn reading(&self) -> Option<PipeId> {
        if self.reading { self.pipe } else { None }
    }
}
