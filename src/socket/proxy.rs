//! zmq_proxy(3) and zmq_proxy_steerable(3): messages from one socket to another, both ways.

use super::Socket;
use super::forward::{End, forward};
use super::options::{POLL_IN, POLL_OUT};
use super::poll::terms::Terms;
use super::poll::{self, Item, Source};
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::sys::cancel;

/// Messages moved before the other direction gets its turn.
const BATCH: usize = 1000;

/// Messages and bytes that passed one socket.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    messages_in: u64,
    bytes_in: u64,
    messages_out: u64,
    bytes_out: u64,
}

/// Turns between two looks whether the thread was cancelled.
const CHECKED: u32 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Active,
    Paused,
    Terminated,
}

/// The sockets of a proxy.
struct Proxy {
    sides: [&'static Socket; 2],
    capture: Option<&'static Socket>,
    control: Option<&'static Socket>,
    state: State,
    counts: [Count; 2],
}

/// Runs a proxy until the context ends, or until `control` says TERMINATE.
///
/// # Errors
/// [`Error::Terminated`] when the context ends, and what polling and moving messages says.
pub fn run(
    frontend: &'static Socket,
    backend: &'static Socket,
    capture: Option<&'static Socket>,
    control: Option<&'static Socket>,
) -> Result<()> {
    let mut proxy = Proxy {
        sides: [frontend, backend],
        capture,
        control,
        state: State::Active,
        counts: [Count::default(); 2],
    };
    let mut turns = 0u32;
    while proxy.state != State::Terminated {
        // Where there always is something to do it never sleeps.
        if turns.is_multiple_of(CHECKED) {
            cancel::check()?;
        }
        turns = turns.wrapping_add(1);
        proxy.turn()?;
    }
    Ok(())
}

fn item(socket: &'static Socket, events: i16) -> Item {
    Item { source: Source::Socket(socket), events, ready: 0 }
}

impl Proxy {
    fn turn(&mut self) -> Result<()> {
        let [front, back] = self.sides;
        let one = std::ptr::eq(front, back);
        // Wait for input only: a socket that could send is almost always ready, and waiting for
        // that would be a busy loop.
        let mut items = Vec::with_capacity(3);
        if self.state == State::Active {
            items.push(item(front, POLL_IN));
            if !one {
                items.push(item(back, POLL_IN));
            }
        }
        if let Some(control) = self.control {
            items.push(item(control, POLL_IN));
        }
        poll::wait(&mut items, Terms::plain(-1))?;
        if let Some(control) = self.control
            && items.last().is_some_and(|i| i.ready != 0)
        {
            self.obey(control)?;
            return Ok(());
        }
        if self.state != State::Active {
            return Ok(());
        }
        let from_front = items[0].ready != 0;
        let from_back = !one && items[1].ready != 0;
        let blocked_front = from_front && !self.pass(0, one)?;
        let blocked_back = from_back && !self.pass(1, one)?;
        let stuck = (!from_front || blocked_front) && (!from_back || blocked_back);
        if stuck && (blocked_front || blocked_back) {
            self.wait_for_room(blocked_front, blocked_back)?;
        }
        Ok(())
    }

    /// Input waits but its way out is full. A proxy without a consumer must not spin, so this
    /// waits until there is room, news from the other side, or a word from the control socket.
    fn wait_for_room(&mut self, blocked_front: bool, blocked_back: bool) -> Result<()> {
        let [front, back] = self.sides;
        let front_events =
            if blocked_back { POLL_OUT } else { 0 } | if blocked_front { 0 } else { POLL_IN };
        let back_events =
            if blocked_front { POLL_OUT } else { 0 } | if blocked_back { 0 } else { POLL_IN };
        let mut items = vec![item(front, front_events), item(back, back_events)];
        items.extend(self.control.map(|c| item(c, POLL_IN)));
        poll::wait(&mut items, Terms::plain(-1))?;
        Ok(())
    }

    /// Moves messages that wait at one side to the other. False if the way out is full.
    fn pass(&mut self, from: usize, one: bool) -> Result<bool> {
        let to = if one { from } else { 1 - from };
        if one || self.capture.is_some() {
            return self.pass_singly(from, to);
        }
        let moved = forward(self.sides[from], self.sides[to], BATCH)?;
        self.count(from, to, moved.messages, moved.bytes);
        match moved.end {
            End::Enough | End::Empty => Ok(true),
            End::Full => Ok(false),
            End::Rest(part) => {
                let part = match part {
                    Some(part) => part,
                    None => self.sides[from].receive(false)?,
                };
                self.pass_rest(from, to, part)?;
                Ok(true)
            }
        }
    }

    /// [`Proxy::pass`] with a capture socket, or of a socket that talks to itself.
    fn pass_singly(&mut self, from: usize, to: usize) -> Result<bool> {
        let (source, target) = (self.sides[from], self.sides[to]);
        for _ in 0..BATCH {
            // A socket that talks to itself is a REP: it can send once it has received.
            if from != to && poll::wait(&mut [item(target, POLL_OUT)], Terms::plain(0))? == 0 {
                return Ok(false);
            }
            match source.receive(true) {
                Ok(first) => self.pass_rest(from, to, first)?,
                Err(Error::Again) => return Ok(true),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Moves a part of a message and all that follow it, waiting for room if there is none.
    fn pass_rest(&mut self, from: usize, to: usize, mut part: Msg) -> Result<()> {
        let (source, target) = (self.sides[from], self.sides[to]);
        loop {
            let more = part.more();
            self.count(from, to, u64::from(!more), part.len() as u64);
            if let Some(capture) = self.capture {
                capture.send(&mut part.share()?, more, false)?;
            }
            target.send(&mut part, more, false)?;
            if !more {
                return Ok(());
            }
            part = source.receive(false)?;
        }
    }

    fn count(&mut self, from: usize, to: usize, messages: u64, bytes: u64) {
        self.counts[from].messages_in += messages;
        self.counts[from].bytes_in += bytes;
        self.counts[to].messages_out += messages;
        self.counts[to].bytes_out += bytes;
    }

    /// PAUSE, RESUME, TERMINATE or STATISTICS.
    fn obey(&mut self, control: &'static Socket) -> Result<()> {
        let command = control.receive(true)?;
        let mut more = command.more();
        while more {
            more = control.receive(false)?.more();
        }
        match command.data() {
            b"PAUSE" => self.state = State::Paused,
            b"RESUME" => self.state = State::Active,
            b"TERMINATE" => self.state = State::Terminated,
            b"STATISTICS" => return self.tell(control),
            _ => {}
        }
        // A REP socket must answer before it gets the next command.
        if control.get_option(16, 4)?.first() == Some(&4) {
            control.send(&mut Msg::new(), false, false)?;
        }
        Ok(())
    }

    /// Eight numbers of 64 bits, each a part of one message.
    fn tell(&self, control: &'static Socket) -> Result<()> {
        let [f, b] = self.counts;
        let numbers = [
            f.messages_in,
            f.bytes_in,
            f.messages_out,
            f.bytes_out,
            b.messages_in,
            b.bytes_in,
            b.messages_out,
            b.bytes_out,
        ];
        for (at, number) in numbers.iter().enumerate() {
            let mut msg = Msg::copy_from(&number.to_ne_bytes())?;
            control.send(&mut msg, at + 1 < numbers.len(), false)?;
        }
        Ok(())
    }
}
