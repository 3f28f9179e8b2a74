//! zmq_proxy(3) and zmq_proxy_steerable(3): messages from one socket to another, both ways.

use super::Socket;
use super::options::{POLL_IN, POLL_OUT};
use super::poll::{self, Item, Source};
use crate::error::{Error, Result};
use crate::msg::Msg;

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
    while proxy.state != State::Terminated {
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
        poll::wait(&mut items, -1)?;
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
        poll::wait(&mut items, -1)?;
        Ok(())
    }

    /// Moves messages that wait at one side to the other. False if the way out is full.
    fn pass(&mut self, from: usize, one: bool) -> Result<bool> {
        let to = if one { from } else { 1 - from };
        let (source, target) = (self.sides[from], self.sides[to]);
        for _ in 0..BATCH {
            // A socket that talks to itself is a REP: it can send once it has received.
            if !one && poll::wait(&mut [item(target, POLL_OUT)], 0)? == 0 {
                return Ok(false);
            }
            let mut first = match source.receive(true) {
                Ok(msg) => msg,
                Err(Error::Again) => return Ok(true),
                Err(error) => return Err(error),
            };
            self.counts[from].messages_in += 1;
            self.counts[to].messages_out += 1;
            loop {
                let more = first.more();
                let size = first.len() as u64;
                self.counts[from].bytes_in += size;
                self.counts[to].bytes_out += size;
                if let Some(capture) = self.capture {
                    capture.send(&mut first.share(), more, false)?;
                }
                target.send(&mut first, more, false)?;
                if !more {
                    break;
                }
                first = source.receive(false)?;
            }
        }
        Ok(true)
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
