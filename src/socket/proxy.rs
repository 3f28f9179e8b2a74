//! zmq_proxy(3) and zmq_proxy_steerable(3): messages from one socket to another, both ways.

use super::Socket;
use super::forward::{End, forward};
use super::options::{POLL_IN, POLL_OUT};
use super::poll::terms::Terms;
use super::poll::{self, Item, Source};
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::sys::{cancel, clock};
use std::time::Instant;

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
    /// The capture socket says when it has room. Whatever others say of what they are sent shows when
    /// it is.
    capture_tells: bool,
    /// Since when it has had none for what waits.
    capture_full: Option<Instant>,
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
        capture_tells: capture.is_some_and(tells_of_room),
        capture_full: None,
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

fn has_room(socket: &'static Socket) -> Result<bool> {
    Ok(poll::wait(&mut [item(socket, POLL_OUT)], Terms::plain(0))? > 0)
}

/// Whether a socket takes whatever it is given once it is ready to send.
fn tells_of_room(socket: &'static Socket) -> bool {
    socket.enter().is_ok_and(|core| core.socket_type.info().tells_of_room)
}

/// ZMQ_SNDTIMEO, in milliseconds.
fn send_timeout(socket: &'static Socket) -> i32 {
    socket.enter().map_or(-1, |core| core.options.sndtimeo)
}

/// Tries a call again that a signal has interrupted. In the middle of a message there is nobody but us
/// who has the rest of it.
fn whole(mut call: impl FnMut() -> Result<()>) -> Result<()> {
    loop {
        match call() {
            Err(Error::Interrupted) => {}
            result => return result,
        }
    }
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
        let ready = [items[0].ready != 0, !one && items[1].ready != 0];
        let mut full = [None; 2];
        for side in (0..2).filter(|side| ready[*side]) {
            full[side] = self.pass(side, one)?;
        }
        if (0..2).all(|side| full[side].is_some() == ready[side]) {
            self.wait_for_room(full, one)?;
        }
        Ok(())
    }

    /// Input waits but its way out is full: by each side the socket that has no room for what waits
    /// there. A proxy without a consumer must not spin, so this waits until there is room, news from
    /// the other side, or a word from the control socket.
    ///
    /// # Errors
    /// [`Error::Again`] if the capture socket had no room for as long as it may take.
    fn wait_for_room(&mut self, full: [Option<&'static Socket>; 2], one: bool) -> Result<()> {
        let is_full = |socket: &Socket| full.iter().flatten().any(|f| std::ptr::eq(*f, socket));
        let mut items = Vec::with_capacity(4);
        for (side, socket) in self.sides.into_iter().enumerate().take(if one { 1 } else { 2 }) {
            let input = if full[side].is_none() { POLL_IN } else { 0 };
            let room = if is_full(socket) { POLL_OUT } else { 0 };
            items.push(item(socket, input | room));
        }
        let capture = self.capture.filter(|capture| is_full(capture));
        items.extend(capture.map(|capture| item(capture, POLL_OUT)));
        items.extend(self.control.map(|control| item(control, POLL_IN)));
        let patience = capture.map_or(-1, |capture| self.patience(capture));
        match poll::wait(&mut items, Terms::plain(patience.into()))? {
            0 => Err(Error::Again),
            _ => Ok(()),
        }
    }

    /// How long the capture socket is still waited for, in milliseconds: as long as ZMQ_SNDTIMEO says, whatever
    /// else happens meanwhile.
    fn patience(&mut self, capture: &'static Socket) -> i32 {
        let full = *self.capture_full.get_or_insert_with(clock::now);
        let gone = i32::try_from(clock::since(full).as_millis()).unwrap_or(i32::MAX);
        match send_timeout(capture) {
            limit if limit < 0 => limit,
            limit => (limit - gone).max(0),
        }
    }

    /// Moves messages that wait at one side to the other. If that could not be gone on with: the socket
    /// that has no room.
    fn pass(&mut self, from: usize, one: bool) -> Result<Option<&'static Socket>> {
        let to = if one { from } else { 1 - from };
        if one || self.capture.is_some() {
            return self.pass_singly(from, to);
        }
        let moved = forward(self.sides[from], self.sides[to], BATCH)?;
        self.count(from, to, moved.messages, moved.bytes);
        match moved.end {
            End::Enough | End::Empty => Ok(None),
            End::Full => Ok(Some(self.sides[to])),
            End::Rest(part) => {
                let part = match part {
                    Some(part) => part,
                    None => self.rest(from)?,
                };
                self.pass_rest(from, to, part)?;
                Ok(None)
            }
        }
    }

    /// [`Proxy::pass`] with a capture socket, or of a socket that talks to itself.
    fn pass_singly(&mut self, from: usize, to: usize) -> Result<Option<&'static Socket>> {
        let (source, target) = (self.sides[from], self.sides[to]);
        for _ in 0..BATCH {
            // Before it is taken: whoever waits with a message in hand loses it when it is interrupted.
            if let Some(capture) = self.capture.filter(|_| self.capture_tells)
                && !has_room(capture)?
            {
                return Ok(Some(capture));
            }
            self.capture_full = None;
            // A socket that talks to itself is a REP: it can send once it has received.
            if from != to && !has_room(target)? {
                return Ok(Some(target));
            }
            match source.receive(true) {
                Ok(first) => self.pass_rest(from, to, first)?,
                Err(Error::Again) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// The next part of a message that has begun.
    fn rest(&self, from: usize) -> Result<Msg> {
        let mut part = Msg::new();
        whole(|| {
            part = self.sides[from].receive(false)?;
            Ok(())
        })?;
        Ok(part)
    }

    /// Moves a part of a message and all that follow it. Both have room, as a rule: it only waits if a
    /// peer has just gone.
    fn pass_rest(&mut self, from: usize, to: usize, mut part: Msg) -> Result<()> {
        let target = self.sides[to];
        loop {
            let more = part.more();
            self.count(from, to, u64::from(!more), part.len() as u64);
            if let Some(capture) = self.capture {
                let mut copy = part.share()?;
                whole(|| capture.send(&mut copy, more, false))?;
            }
            whole(|| target.send(&mut part, more, false))?;
            if !more {
                return Ok(());
            }
            part = self.rest(from)?;
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
            b"PAUSE" => (self.state, self.capture_full) = (State::Paused, None),
            b"RESUME" => self.state = State::Active,
            b"TERMINATE" => self.state = State::Terminated,
            b"STATISTICS" => return self.tell(control),
            _ => {}
        }
        // A REP socket must answer before it gets the next command.
        if control.get_option(16, 4)?.first() == Some(&4) {
            whole(|| control.send(&mut Msg::new(), false, false))?;
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
            whole(|| control.send(&mut msg, at + 1 < numbers.len(), false))?;
        }
        Ok(())
    }
}
