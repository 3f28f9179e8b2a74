//! Pipes without peers: queues that a test fills and empties.

use crate::error::{Error, Result};
use crate::msg::{Msg, Sink};
use crate::pattern::{Attach, Loss, Part, Pattern, PipeId, PipeSet};
use std::collections::{HashMap, VecDeque};

#[derive(Default)]
pub(super) struct MockPipe {
    pub(super) inbound: VecDeque<Msg>,
    /// Complete messages.
    pub(super) outbound: VecDeque<Vec<Vec<u8>>>,
    unfinished: Vec<Vec<u8>>,
    /// In messages.
    pub(super) hwm: usize,
    pub(super) routing_id: Vec<u8>,
    pub(super) assigned: Option<Vec<u8>>,
    pub(super) connected: bool,
    pub(super) closed: bool,
    /// In the middle of a message, or promised one.
    reading: bool,
    /// After so many frames there is no memory for one.
    pub(super) refuses_after: Option<usize>,
}

/// A set of mock pipes. Using a number that is not there is an error of the pattern and panics.
#[derive(Default)]
pub(super) struct Mock {
    pub(super) pipes: HashMap<PipeId, MockPipe>,
    /// Which pipes the numbers of [`PipeSet::write_to_all`] stand for.
    sets: HashMap<u64, Vec<PipeId>>,
    /// Every other message of one part is sent, and every other part received, straight.
    straight: bool,
    /// Frames can be read and written in place.
    pub(super) in_place: bool,
    /// What was lost, in order.
    pub(super) losses: Vec<Loss>,
    /// Frames that can be read in this turn, if that is limited.
    pub(super) turn: Option<usize>,
}

impl Mock {
    /// A pipe that is not attached yet.
    pub(super) fn add(&mut self, id: PipeId) -> &mut MockPipe {
        let pipe = MockPipe { hwm: usize::MAX, ..MockPipe::default() };
        assert!(self.pipes.insert(id, pipe).is_none(), "number in use");
        self.pipe(id)
    }

    pub(super) fn pipe(&mut self, id: PipeId) -> &mut MockPipe {
        self.pipes.get_mut(&id).expect("no such pipe")
    }

    /// An accepted peer: attached and connected at once.
    pub(super) fn accept<T: Pattern>(&mut self, pattern: &mut T, id: PipeId) {
        self.accept_named(pattern, id, b"");
    }

    pub(super) fn accept_named<T: Pattern>(&mut self, pattern: &mut T, id: PipeId, name: &[u8]) {
        let pipe = self.add(id);
        pipe.connected = true;
        pipe.routing_id = name.to_vec();
        pattern.attach(self, id, Attach::default());
        pattern.connected(self, id);
    }

    /// A connecting pipe whose peer is not there yet.
    pub(super) fn connect<T: Pattern>(&mut self, pattern: &mut T, id: PipeId) {
        self.add(id);
        pattern.attach(self, id, Attach { locally_initiated: true, within_process: false });
    }

    pub(super) fn connected<T: Pattern>(&mut self, pattern: &mut T, id: PipeId) {
        self.pipe(id).connected = true;
        pattern.connected(self, id);
    }

    pub(super) fn disconnected<T: Pattern>(&mut self, pattern: &mut T, id: PipeId) {
        self.pipe(id).connected = false;
        pattern.disconnected(self, id);
    }

    /// The pipe dies with all that is in it, but for the rest of a message that is being read.
    pub(super) fn detach<T: Pattern>(&mut self, pattern: &mut T, id: PipeId) {
        pattern.before_detach(self, id);
        self.pipes.remove(&id).expect("no such pipe");
        pattern.detach(self, id);
    }

    /// A whole message arrives from the peer.
    pub(super) fn arrive<T: Pattern>(&mut self, pattern: &mut T, id: PipeId, parts: &[&[u8]]) {
        let pipe = self.pipe(id);
        let was_empty = pipe.inbound.is_empty();
        for (i, part) in parts.iter().enumerate() {
            pipe.inbound.push_back(frame(part, i + 1 < parts.len()));
        }
        if was_empty {
            pattern.read_activated(self, id);
        }
    }

    /// What the peer got, message by message.
    pub(super) fn sent(&mut self, id: PipeId) -> Vec<Vec<Vec<u8>>> {
        self.pipe(id).outbound.drain(..).collect()
    }

    /// The same for messages of one frame, as text.
    pub(super) fn sent_text(&mut self, id: PipeId) -> Vec<String> {
        self.sent(id).into_iter().map(|message| text(&message)).collect()
    }

    /// Whether it is the straight path's turn.
    fn is_straight(&mut self) -> bool {
        self.straight = !self.straight;
        self.straight
    }

    /// For this call frames can be read and written in place.
    fn working_in_place<R>(&mut self, call: impl FnOnce(&mut Mock) -> R) -> R {
        let before = std::mem::replace(&mut self.in_place, true);
        let result = call(self);
        self.in_place = before;
        result
    }

    /// The peer reads everything, so that there is room again.
    pub(super) fn drain<T: Pattern>(&mut self, pattern: &mut T, id: PipeId) -> usize {
        let count = self.pipe(id).outbound.drain(..).count();
        pattern.write_activated(self, id);
        count
    }
}

impl PipeSet for Mock {
    fn lost(&mut self, loss: Loss) {
        self.losses.push(loss);
    }

    fn check_read(&mut self, id: PipeId) -> bool {
        let pipe = self.pipe(id);
        !pipe.closed && !pipe.inbound.is_empty()
    }

    fn read(&mut self, id: PipeId) -> Option<Msg> {
        let spent = self.turn == Some(0);
        let pipe = self.pipe(id);
        if pipe.closed || spent && !pipe.reading {
            return None;
        }
        let frame = pipe.inbound.pop_front()?;
        pipe.reading = frame.more();
        self.spend(frame.len());
        Some(frame)
    }

    fn promise(&mut self, id: PipeId) {
        self.pipe(id).reading = true;
    }

    fn spend(&mut self, _bytes: usize) -> bool {
        self.turn = self.turn.map(|frames| frames.saturating_sub(1));
        self.turn != Some(0)
    }

    fn with_budget(&mut self, frames: u32, call: impl FnOnce(&mut Mock)) {
        let before = self.turn.replace(frames as usize);
        call(self);
        self.turn = before;
    }

    fn check_write(&mut self, id: PipeId) -> bool {
        let pipe = self.pipe(id);
        pipe.closed || !pipe.unfinished.is_empty() || pipe.outbound.len() < pipe.hwm
    }

    fn write(&mut self, id: PipeId, msg: &mut Msg) -> Result<()> {
        assert!(self.check_write(id), "written without room");
        let pipe = self.pipe(id);
        if let Some(left) = pipe.refuses_after {
            pipe.refuses_after = left.checked_sub(1);
            if left == 0 {
                return Err(Error::NoMemory);
            }
        }
        let msg = msg.take();
        pipe.unfinished.push(msg.data().to_vec());
        if !msg.more() && !pipe.closed {
            pipe.outbound.push_back(std::mem::take(&mut pipe.unfinished));
        }
        Ok(())
    }

    fn stands_ready(&mut self, id: PipeId) -> bool {
        self.in_place && self.check_read(id)
    }

    fn read_into<S: Sink + ?Sized>(&mut self, id: PipeId, to: &mut S) -> Option<Part> {
        if !self.stands_ready(id) {
            return None;
        }
        let pipe = self.pipe(id);
        let frame = pipe.inbound.front()?;
        let part = Part { len: frame.len(), more: frame.more() };
        if !to.take(frame.data(), part.more) {
            return None;
        }
        pipe.inbound.pop_front();
        pipe.reading = part.more;
        Some(part)
    }

    fn write_bytes(&mut self, id: PipeId, bytes: &[u8], _keep: bool) -> bool {
        let possible = self.in_place && self.check_write(id);
        let pipe = self.pipe(id);
        if !possible || !pipe.unfinished.is_empty() || pipe.closed {
            return false;
        }
        pipe.outbound.push_back(vec![bytes.to_vec()]);
        true
    }

    fn write_to_all<const N: usize>(
        &mut self,
        ids: &[PipeId],
        set: u64,
        parts: [&[u8]; N],
    ) -> bool {
        assert_eq!(self.sets.entry(set).or_insert_with(|| ids.to_vec()), ids);
        let fit = |id: &PipeId| {
            let pipe = self.pipe(*id);
            pipe.unfinished.is_empty() && !pipe.closed && pipe.outbound.len() < pipe.hwm
        };
        if !ids.iter().all(fit) || !self.in_place {
            return false;
        }
        let message = parts.map(<[u8]>::to_vec);
        ids.iter().for_each(|&id| self.pipe(id).outbound.push_back(message.to_vec()));
        true
    }

    fn owed(&mut self, id: PipeId) -> usize {
        self.pipe(id).outbound.iter().flatten().map(Vec::len).sum()
    }

    fn give_up(&mut self, id: PipeId) {
        self.close(id);
    }

    fn write_exempt(&mut self, id: PipeId, msg: Msg) {
        let pipe = self.pipe(id);
        assert!(pipe.unfinished.is_empty(), "in the middle of a message");
        assert!(!msg.more(), "more than one frame");
        pipe.outbound.push_back(vec![msg.data().to_vec()]);
    }

    fn rollback(&mut self, id: PipeId) {
        self.pipe(id).unfinished.clear();
    }

    fn close(&mut self, id: PipeId) {
        self.pipe(id).closed = true;
    }

    fn peer_routing_id(&self, id: PipeId) -> &[u8] {
        &self.pipes[&id].routing_id
    }

    fn assigned_routing_id(&self, id: PipeId) -> Option<&[u8]> {
        self.pipes[&id].assigned.as_deref()
    }

    fn is_connected(&self, id: PipeId) -> bool {
        self.pipes[&id].connected
    }
}

pub(super) fn frame(data: &[u8], more: bool) -> Msg {
    let mut msg = Msg::copy_from(data).expect("memory");
    msg.set_more(more);
    msg
}

pub(super) fn text(parts: &[Vec<u8>]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| part.escape_ascii().to_string()).collect();
    parts.join("|")
}

/// Sends a message, all of it or nothing.
pub(super) fn send<T: Pattern>(pattern: &mut T, pipes: &mut Mock, parts: &[&[u8]]) -> Result<()> {
    if let [part] = parts
        && pipes.is_straight()
        && pipes.working_in_place(|pipes| pattern.send_bytes(pipes, part, false))
    {
        return Ok(());
    }
    for (i, part) in parts.iter().enumerate() {
        let mut msg = frame(part, i + 1 < parts.len());
        match pattern.send(pipes, &mut msg) {
            Ok(()) => assert!(msg.is_empty() && !msg.more(), "not taken"),
            Err(error) => {
                assert_eq!(msg.data(), *part, "changed by a failed send");
                assert_eq!(i, 0, "failed in the middle");
                return Err(error);
            }
        }
    }
    Ok(())
}

/// Receives a whole message; checks that `has_in` knows of it.
pub(super) fn recv<T: Pattern>(pattern: &mut T, pipes: &mut Mock) -> Option<Vec<Vec<u8>>> {
    let mut parts = Vec::new();
    loop {
        let mut body = Msg::new();
        if pipes.is_straight()
            && let Some(part) = pipes.working_in_place(|pipes| pattern.recv_into(pipes, &mut body))
        {
            parts.push(body.data().to_vec());
            if !part.more {
                return Some(parts);
            }
            continue;
        }
        let ready = pattern.has_in(pipes);
        match pattern.recv(pipes) {
            Ok(msg) => {
                assert!(ready, "has_in did not see it");
                parts.push(msg.data().to_vec());
                if !msg.more() {
                    return Some(parts);
                }
            }
            Err(error) => {
                assert!(!ready && parts.is_empty(), "has_in promised {error}");
                return None;
            }
        }
    }
}

/// Everything there is to receive, as text.
pub(super) fn recv_all<T: Pattern>(pattern: &mut T, pipes: &mut Mock) -> Vec<String> {
    std::iter::from_fn(|| recv(pattern, pipes)).map(|message| text(&message)).collect()
}

pub(super) fn set<T: Pattern>(pattern: &mut T, pipes: &mut Mock, option: i32, value: i32) {
    assert_eq!(pattern.set_option(pipes, option, &value.to_ne_bytes()), Some(Ok(())));
}
