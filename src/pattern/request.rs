//! REQ: one request, then its reply (RFC 28).

use super::dealer::probe_router;
use super::fair_queue::FairQueue;
use super::hash::random;
use super::load_balance::LoadBalance;
use super::value::set_switch;
use super::{Attach, Pattern, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::options::numbers::option;

/// How many frames that came before a request are dropped at most; more than any pipe holds
/// unless its peer keeps writing to it meanwhile.
const STALE_MAX: u32 = 1 << 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The application may send a request.
    Idle,
    /// The application sent a part of a request.
    Sending,
    /// A request is out; the reply is awaited.
    Waiting,
    /// The application read a part of the reply.
    Receiving,
}

/// "SHALL prefix outgoing messages with an empty delimiter frame", "SHALL accept an incoming
/// message only from the last peer that it sent a request to", "SHALL discard silently any
/// messages received from other peers".
#[derive(Debug)]
pub struct Req {
    out: LoadBalance,
    queue: FairQueue,
    state: State,
    /// Who was asked; nobody any more if that peer is gone.
    asked: Option<PipeId>,
    /// The first body frame of the reply, read ahead.
    reply: Option<Msg>,
    /// The number of the request that is out (ZMQ_REQ_CORRELATE).
    request_id: u32,
    correlate: bool,
    relaxed: bool,
    probe: bool,
}

impl Default for Req {
    fn default() -> Self {
        Req {
            out: LoadBalance::default(),
            queue: FairQueue::default(),
            state: State::Idle,
            asked: None,
            reply: None,
            request_id: random() as u32,
            correlate: false,
            relaxed: false,
            probe: false,
        }
    }
}

impl Req {
    /// Writes the request's envelope and remembers whom it went to.
    fn begin_request<P: PipeSet>(&mut self, pipes: &mut P) -> Result<()> {
        let mut delimiter = Msg::new();
        delimiter.set_more(true);
        let asked = if self.correlate {
            let number = self.request_id.wrapping_add(1);
            let mut id = Msg::copy_from(&number.to_ne_bytes())?;
            id.set_more(true);
            let asked = self.out.send(pipes, &mut id)?;
            self.request_id = number;
            self.out.send(pipes, &mut delimiter)?;
            asked
        } else {
            self.out.send(pipes, &mut delimiter)?
        };
        self.asked = asked;
        if let Some(id) = asked {
            pipes.with_budget(STALE_MAX, |pipes| Self::drop_stale(pipes, id));
        }
        Ok(())
    }

    /// What a peer sent before it could see the request is no reply to it.
    fn drop_stale<P: PipeSet>(pipes: &mut P, id: PipeId) {
        let mut more = false;
        for _ in 0..STALE_MAX {
            match pipes.read(id) {
                Some(frame) => more = frame.more(),
                None => return,
            }
        }
        while more {
            more = pipes.read(id).is_some_and(|frame| frame.more());
        }
    }

    /// Gives up the reply that is awaited or half read (ZMQ_REQ_RELAXED).
    fn abandon<P: PipeSet>(&mut self, pipes: &mut P) {
        self.reply = None;
        self.queue.skip_rest(pipes);
        self.asked = None;
        self.state = State::Idle;
    }

    /// Reads ahead to the first body frame of the reply.
    fn fetch_reply<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        while self.reply.is_none() {
            let Some((from, frame)) = self.queue.recv(pipes) else { return false };
            if self.asked == Some(from) {
                self.reply = self.open_envelope(pipes, frame);
            }
            if self.reply.is_none() {
                self.queue.skip_rest(pipes);
            }
        }
        true
    }

    /// The first body frame of a message that begins with `frame`, if its envelope is right.
    fn open_envelope<P: PipeSet>(&mut self, pipes: &mut P, frame: Msg) -> Option<Msg> {
        let mut delimiter = frame;
        if self.correlate {
            if !delimiter.more() || delimiter.data() != self.request_id.to_ne_bytes() {
                return None;
            }
            delimiter = self.queue.recv_rest(pipes)?;
        }
        if !delimiter.more() || !delimiter.is_empty() {
            return None;
        }
        self.queue.recv_rest(pipes)
    }
}

impl Pattern for Req {
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
        if self.asked == Some(id) {
            self.asked = None;
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
    fn write_activated<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.out.activate(id);
    }

    #[inline]
    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        if matches!(self.state, State::Waiting | State::Receiving) {
            if !self.relaxed {
                return Err(Error::State);
            }
            if !self.out.has_out(pipes) {
                return Err(Error::Again);
            }
            self.abandon(pipes);
        }
        let more = msg.more();
        if self.state == State::Idle {
            let begun = self.begin_request(pipes).and_then(|()| self.out.send(pipes, msg));
            if let Err(error) = begun {
                // An envelope alone is no request.
                self.out.take_back(pipes);
                return Err(error);
            }
        } else {
            self.out.send(pipes, msg)?;
        }
        self.state = if more { State::Sending } else { State::Waiting };
        Ok(())
    }

    #[inline]
    fn recv<P: PipeSet>(&mut self, pipes: &mut P) -> Result<Msg> {
        match self.state {
            State::Idle | State::Sending => return Err(Error::State),
            State::Waiting => {
                if !self.fetch_reply(pipes) {
                    return Err(Error::Again);
                }
            }
            State::Receiving => self.reply = self.queue.recv_rest(pipes),
        }
        let reply = self.reply.take();
        let more = reply.as_ref().is_some_and(Msg::more);
        self.state = if more { State::Receiving } else { State::Idle };
        reply.ok_or(Error::State)
    }

    #[inline]
    fn has_in<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        match self.state {
            State::Idle | State::Sending => false,
            State::Waiting => self.fetch_reply(pipes),
            State::Receiving => true,
        }
    }

    #[inline]
    fn has_out<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        match self.state {
            State::Waiting | State::Receiving if !self.relaxed => false,
            _ => self.out.has_out(pipes),
        }
    }

    fn set_option<P: PipeSet>(
        &mut self,
        _pipes: &mut P,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        match option {
            option::REQ_CORRELATE => set_switch(&mut self.correlate, value),
            option::REQ_RELAXED => set_switch(&mut self.relaxed, value),
            option::PROBE_ROUTER => set_switch(&mut self.probe, value),
            _ => None,
        }
    }

    fn reading(&self) -> Option<PipeId> {
        self.queue.reading()
    }
}
