//! REP: one request, then our reply to it (RFC 28).

use super::dealer::probe_router;
use super::fair_queue::FairQueue;
use super::value::{self, set_switch, switch};
use super::{Attach, Loss, Pattern, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::options::numbers::option;

/// Envelopes longer than this do not keep their memory.
const ENVELOPE_KEPT: usize = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waiting for a request.
    Idle,
    /// The application read a part of the request.
    Receiving,
    /// The application has the request and owes a reply.
    Replying,
    /// The application sent a part of the reply.
    Sending,
}

/// "SHALL remove and store the address envelope, including the delimiter", "SHALL pass the
/// remaining data frames to its calling application", "SHALL wait for a single reply message from
/// its calling application", "SHALL prepend the address envelope and delimiter", "SHALL deliver
/// this message back to the originating peer".
#[derive(Debug)]
pub struct Rep {
    queue: FairQueue,
    state: State,
    /// Address frames and delimiter of the request.
    envelope: Vec<Msg>,
    /// The first body frame of the request, read ahead.
    request: Option<Msg>,
    /// Who asked; nobody any more if that peer is gone. The reply is dropped then.
    from: Option<PipeId>,
    probe: bool,
    /// ZMQ_ROUTER_NOTIFY as it was set: it is read again, and has no effect.
    notify: i32,
}

impl Default for Rep {
    fn default() -> Self {
        Rep {
            queue: FairQueue::default(),
            state: State::Idle,
            envelope: Vec::new(),
            request: None,
            from: None,
            probe: false,
            notify: 0,
        }
    }
}

impl Rep {
    /// Reads ahead to the first body frame of the next request that has a delimiter.
    fn fetch_request<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        while self.request.is_none() {
            let Some((from, frame)) = self.queue.recv(pipes) else { return false };
            self.request = self.open_envelope(pipes, frame);
            if self.request.is_some() {
                self.from = Some(from);
            } else {
                self.queue.skip_rest(pipes);
                self.forget_envelope();
            }
        }
        true
    }

    /// Keeps the envelope of a message that begins with `frame` and returns what follows it.
    fn open_envelope<P: PipeSet>(&mut self, pipes: &mut P, frame: Msg) -> Option<Msg> {
        let mut frame = frame;
        loop {
            if !frame.more() {
                return None;
            }
            let delimiter = frame.is_empty();
            self.envelope.push(frame);
            frame = self.queue.recv_rest(pipes)?;
            if delimiter {
                return Some(frame);
            }
        }
    }

    fn forget_envelope(&mut self) {
        self.envelope.clear();
        if self.envelope.capacity() > ENVELOPE_KEPT {
            self.envelope = Vec::new();
        }
    }

    /// Writes the envelope back and the first part of the reply, or decides to drop the reply: "SHALL silently discard" what
    /// cannot be delivered rather than block.
    ///
    /// # Errors
    /// [`Error::NoMemory`]: the reply has not begun.
    fn begin_reply<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        match self.from {
            Some(id) if pipes.check_write(id) => {
                let envelope = &mut self.envelope;
                let write_all = || {
                    for frame in envelope {
                        pipes.write(id, &mut frame.share()?)?;
                    }
                    pipes.write(id, msg)
                };
                if let Err(error) = write_all() {
                    pipes.rollback(id);
                    return Err(error);
                }
            }
            from => {
                pipes.lost(from.map_or(Loss::Unknown, Loss::Full));
                self.from = None;
                drop(msg.take());
            }
        }
        self.forget_envelope();
        Ok(())
    }
}

impl Pattern for Rep {
    fn attach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId, _how: Attach) {
        if self.probe {
            probe_router(pipes, id);
        }
        self.queue.attach(id);
    }

    fn before_detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.queue.before_detach(pipes, id);
    }

    fn detach<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.queue.detach(id);
        if self.from == Some(id) {
            self.from = None;
        }
    }

    fn hung_up<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.queue.hung_up(id);
    }

    #[inline]
    fn read_activated<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.queue.activate(id);
    }

    #[inline]
    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        let more = msg.more();
        match (self.state, self.from) {
            (State::Idle | State::Receiving, _) => return Err(Error::State),
            (State::Replying, _) => self.begin_reply(pipes, msg)?,
            (State::Sending, Some(id)) => pipes.write(id, msg)?,
            (State::Sending, None) => drop(msg.take()),
        }
        self.state = if more { State::Sending } else { State::Idle };
        if !more {
            self.from = None;
        }
        Ok(())
    }

    #[inline]
    fn recv<P: PipeSet>(&mut self, pipes: &mut P) -> Result<Msg> {
        match self.state {
            State::Replying | State::Sending => return Err(Error::State),
            State::Idle => {
                if !self.fetch_request(pipes) {
                    return Err(Error::Again);
                }
            }
            State::Receiving => self.request = self.queue.recv_rest(pipes),
        }
        let frame = self.request.take().ok_or(Error::Again)?;
        self.state = if frame.more() { State::Receiving } else { State::Replying };
        Ok(frame)
    }

    #[inline]
    fn has_in<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        match self.state {
            State::Idle => self.fetch_request(pipes),
            State::Receiving => true,
            State::Replying | State::Sending => false,
        }
    }

    #[inline]
    fn has_out<P: PipeSet>(&mut self, _pipes: &mut P) -> bool {
        matches!(self.state, State::Replying | State::Sending)
    }

    fn set_option<P: PipeSet>(
        &mut self,
        _pipes: &mut P,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        match option {
            option::PROBE_ROUTER => set_switch(&mut self.probe, value),
            // libzmq's REP is a kind of ROUTER and accepts its other options, to no effect.
            option::ROUTER_MANDATORY | option::ROUTER_RAW | option::ROUTER_HANDOVER => {
                Some(switch(value).map(|_| ()))
            }
            option::ROUTER_NOTIFY => Some(value::notify(value).map(|notify| self.notify = notify)),
            _ => None,
        }
    }

    fn get_option(&self, option: i32) -> Option<Result<Vec<u8>>> {
        match option {
            option::ROUTER_NOTIFY => value::from_int(self.notify),
            _ => None,
        }
    }

    fn reading(&self) -> Option<PipeId> {
        self.queue.reading()
    }

    /// To libzmq's REP, a kind of ROUTER, messages are addressed, too; ours has no names for its peers.
    fn has_room_for<P: PipeSet>(&mut self, _pipes: &mut P, _peer: &[u8]) -> Result<bool> {
        Err(Error::HostUnreachable)
    }

    #[inline]
    fn drops(&self) -> bool {
        true
    }
}
