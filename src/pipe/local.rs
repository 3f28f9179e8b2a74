//! Pipes between two sockets of one context: a [`ring`] in each direction.
//!
//! Each end belongs to its socket and is used under that socket's lock. The other socket's lock is
//! never taken: what it must know goes through its [`Mailbox`].
//!
//! The binding side's end is made by the connecting side and on its way for a while: it waits for a
//! `bind`, or in the binder's mailbox. Nobody can be told what happens meanwhile, so whoever
//! [owns](PipeTable::own_inproc) an end at last looks at all of its state.

use super::ring::{self, Reader, Writer};
use super::{Kind, Pipe, PipeEvent, PipeTable};
use crate::error::Result;
use crate::msg::{Arena, Msg, Sink};
use crate::pattern::{Part, PipeId};
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};
use crate::sync::once::OnceLock;
use std::sync::Arc;

/// News for a socket from the other end of one of its inproc pipes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct News {
    /// The pipe.
    pub pipe: PipeId,
    /// Tells it from earlier ones with its number, see [`Pipe::serial`].
    pub serial: u32,
    /// What happened.
    pub change: Change,
}

/// What the other end of an inproc pipe did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// There is something to read on the pipe.
    Readable,
    /// There is room to write on the pipe.
    Writable,
    /// The other end is closed. What it wrote before can still be read.
    Closed,
    /// The name is bound: whose pipe this is is known now.
    Known,
}

/// How the other end reaches a socket. Never blocks on the socket.
pub trait Mailbox: Sync {
    /// Delivers `news` to the socket's incarnation `generation`; drops it if that is gone.
    fn post(&self, generation: u32, news: News);
}

/// Where the other end reaches this one.
#[derive(Clone, Copy)]
pub struct Owner {
    /// The socket.
    pub mailbox: &'static dyn Mailbox,
    /// Its incarnation.
    pub generation: u32,
}

/// A pipe of a socket, for the other end.
#[derive(Clone, Copy)]
struct Address {
    owner: Owner,
    pipe: PipeId,
    serial: u32,
}

#[derive(Default)]
struct Side {
    /// None while the end is on its way to its socket.
    address: OnceLock<Address>,
    /// ZMQ_SNDHWM and ZMQ_RCVHWM of the socket at this end.
    send_limit: AtomicU32,
    receive_limit: AtomicU32,
    /// ZMQ_ROUTING_ID of that socket.
    routing_id: OnceLock<Vec<u8>>,
    /// Whether it is known which socket that is, and so what it brings.
    present: AtomicBool,
}

impl Side {
    fn of(config: Option<&InprocConfig>) -> Side {
        let side = Side::default();
        if let Some(config) = config {
            side.bring(config);
        }
        side
    }

    fn bring(&self, config: &InprocConfig) {
        // A side has one socket in its life.
        let _ = self.routing_id.set(config.routing_id.clone());
        self.set_limits(config.send_limit, config.receive_limit);
    }

    fn set_limits(&self, send: u32, receive: u32) {
        self.send_limit.store(send, Ordering::SeqCst);
        self.receive_limit.store(receive, Ordering::SeqCst);
        self.present.store(true, Ordering::SeqCst);
    }
}

/// One end of an inproc pipe.
pub struct InprocEnd {
    pub(super) writer: Writer,
    pub(super) reader: Reader,
    sides: Arc<[Side; 2]>,
    side: usize,
    /// There was an event that says that the other end's socket is known.
    met: bool,
}

/// What one socket brings into an inproc pipe.
#[derive(Debug, Clone, Default)]
pub struct InprocConfig {
    /// ZMQ_SNDHWM.
    pub send_limit: u32,
    /// ZMQ_RCVHWM.
    pub receive_limit: u32,
    /// ZMQ_ROUTING_ID.
    pub routing_id: Vec<u8>,
    /// ZMQ_CONFLATE, where the socket type has it.
    pub conflate: bool,
}

/// The limit of one direction: the sum of both ends, unlimited if either is (COMPAT, "Queues").
fn sum(a: u32, b: u32) -> u32 {
    if a == 0 || b == 0 { 0 } else { a.saturating_add(b) }
}

/// The limit of the direction from `writer` to `reader`.
fn limit(writer: &Side, reader: &Side) -> u32 {
    let send = writer.send_limit.load(Ordering::SeqCst);
    let receive = reader.receive_limit.load(Ordering::SeqCst);
    match (writer.present.load(Ordering::SeqCst), reader.present.load(Ordering::SeqCst)) {
        (true, true) => sum(send, receive),
        (true, false) => send,
        (false, _) => receive,
    }
}

/// Both ends of a new pipe: the connecting side's, and the binding side's. Without a `binder` (not
/// bound yet) only the connecting side's limits count until [`InprocEnd::bring`]. ZMQ_CONFLATE of the
/// connecting side is what counts, and for both directions, as with libzmq.
pub fn pair(connecter: &InprocConfig, binder: Option<&InprocConfig>) -> (InprocEnd, InprocEnd) {
    let sides = Arc::new([Side::of(Some(connecter)), Side::of(binder)]);
    let (up_writer, up_reader) = ring::queue(limit(&sides[0], &sides[1]), connecter.conflate);
    let (down_writer, down_reader) = ring::queue(limit(&sides[1], &sides[0]), connecter.conflate);
    let connecting = InprocEnd {
        writer: up_writer,
        reader: down_reader,
        sides: sides.clone(),
        side: 0,
        met: false,
    };
    let binding = InprocEnd { writer: down_writer, reader: up_reader, sides, side: 1, met: false };
    (connecting, binding)
}

impl InprocEnd {
    /// Says which pipe of which socket this end is. News come from then on; what happened before
    /// must be looked for afterwards.
    fn own(&self, owner: Owner, pipe: PipeId, serial: u32) {
        // An end is owned once in its life.
        let _ = self.sides[self.side].address.set(Address { owner, pipe, serial });
        // Either we see what the other end did, or it sees whom to tell, see `tell_peer`.
        fence(Ordering::SeqCst);
    }

    /// Says what this end's socket brings, when a pipe that waited for its `bind` gets it.
    pub fn bring(&self, config: &InprocConfig) {
        self.sides[self.side].bring(config);
        self.set_limits(config.send_limit, config.receive_limit);
        self.tell_peer(Change::Known);
    }

    /// Whether it is known whose the other end is, or will be: its routing id is.
    fn peer_is_known(&self) -> bool {
        self.sides[1 - self.side].present.load(Ordering::SeqCst)
    }

    /// ZMQ_ROUTING_ID of the socket at the other end; empty as long as that is not known.
    pub fn peer_routing_id(&self) -> &[u8] {
        self.sides[1 - self.side].routing_id.get().map_or(&[], Vec::as_slice)
    }

    /// The socket's high-water marks have changed.
    pub fn set_limits(&self, send: u32, receive: u32) {
        let (mine, theirs) = (&self.sides[self.side], &self.sides[1 - self.side]);
        mine.set_limits(send, receive);
        self.writer.set_high_water_mark(limit(mine, theirs));
        self.reader.set_high_water_mark(limit(theirs, mine));
    }

    /// The next frame.
    #[inline]
    pub(super) fn read(&mut self) -> Option<Msg> {
        let Some((msg, wake)) = self.reader.pop() else {
            if self.reader.acknowledge() {
                self.tell_peer(Change::Writable);
            }
            return None;
        };
        if wake {
            self.tell_peer(Change::Writable);
        }
        Some(msg)
    }

    /// See [`PipeSet::read_into`](crate::pattern::PipeSet::read_into).
    #[inline(always)]
    pub(super) fn read_into<S: Sink + ?Sized>(&mut self, to: &mut S) -> Option<Part> {
        let (part, wake) = self.reader.pop_into(to)?;
        if wake {
            self.tell_peer(Change::Writable);
        }
        Some(part)
    }

    /// Writes a message of one part, if there is room and the body is short. Only for the end of a
    /// [straight](super::PipeTable::straight_out) pipe, and where barriers
    /// [are free](crate::sync::asymmetric::is_free).
    #[inline(always)]
    pub fn write_straight(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.writer.most() || !self.writer.has_room() {
            return false;
        }
        let pushed = self.writer.push_bytes_alone(bytes);
        if pushed {
            self.publish_freely();
        }
        pushed
    }

    /// The same with a message that owns its body, which is empty afterwards.
    #[inline(always)]
    pub fn write_msg_straight(&mut self, msg: &mut Msg) -> bool {
        if !self.writer.has_room() {
            return false;
        }
        let pushed = self.writer.push_alone(msg);
        if pushed {
            self.publish_freely();
        }
        pushed
    }

    /// Reads a message of one part, if one stands ready. Only for the end of a
    /// [straight](super::PipeTable::straight_in) pipe.
    #[inline(always)]
    pub fn read_straight<S: Sink + ?Sized>(&mut self, to: &mut S) -> Option<usize> {
        let (len, wake) = self.reader.pop_alone(to)?;
        if wake {
            self.tell_peer(Change::Writable);
        }
        Some(len)
    }

    /// See [`PipeSet::write_bytes`](crate::pattern::PipeSet::write_bytes).
    #[inline(always)]
    pub(super) fn write_bytes(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.writer.most()
            || self.writer.conflates()
            || self.writer.reader_gone()
            || !self.writer.has_room()
        {
            return false;
        }
        self.push_last(bytes)
    }

    /// Writes the last part of a message that has begun, if that takes no more than a copy.
    pub(super) fn finish_with(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.writer.most() || self.writer.conflates() || self.writer.reader_gone()
        {
            return false;
        }
        self.push_last(bytes)
    }

    #[inline(always)]
    fn push_last(&mut self, bytes: &[u8]) -> bool {
        let pushed = self.writer.push_bytes(bytes, 0);
        if pushed {
            self.publish();
        }
        pushed
    }

    /// Writes a frame; the reader sees a message when it is whole. `msg` is empty afterwards.
    ///
    /// # Errors
    /// [`Error::NoMemory`](crate::error::Error::NoMemory); nothing has happened then.
    #[inline]
    pub(super) fn write(&mut self, msg: &mut Msg, arena: &mut Arena) -> Result<()> {
        if !self.writer.copies(msg) {
            msg.make_owned_in(arena)?;
        }
        let more = msg.more();
        self.writer.push(msg)?;
        if !more {
            self.publish();
        }
        Ok(())
    }

    #[inline(always)]
    fn publish(&mut self) {
        if self.writer.publish() {
            self.tell_peer(Change::Readable);
        }
    }

    #[inline(always)]
    fn publish_freely(&mut self) {
        if self.writer.publish_freely() {
            self.tell_peer(Change::Readable);
        }
    }

    /// If nobody owns the other end yet, who will be its owner finds out.
    #[cold]
    fn tell_peer(&self, change: Change) {
        fence(Ordering::SeqCst);
        if let Some(&Address { owner, pipe, serial }) = self.sides[1 - self.side].address.get() {
            owner.mailbox.post(owner.generation, News { pipe, serial, change });
        }
    }

    /// Whether the other end has a socket (false: it is on its way there).
    fn peer_is_there(&self) -> bool {
        self.sides[1 - self.side].address.get().is_some()
    }

    /// Whether nobody would miss the other end if we closed this one: it has no socket yet, and there
    /// is nothing in it for whoever gets it.
    pub fn is_alone(&self) -> bool {
        !self.peer_is_there() && !self.writer.has_published()
    }
}

impl PipeTable {
    /// Makes an end a new pipe of the socket that says where news of it go to. What happened to the
    /// end before is an event now.
    pub fn own_inproc(&mut self, end: InprocEnd, owner: Owner, endpoint: u32) -> PipeId {
        self.inprocs += 1;
        self.had_inproc = true;
        let id = self.insert(Pipe::new(Kind::Inproc(end), endpoint));
        let Some(pipe) = self.get(id) else { return id };
        let Some(end) = pipe.inproc() else { return id };
        end.own(owner, id, pipe.serial);
        // All that news could have told of. There may be room in any case: nobody found it full.
        let (known, closed) = (end.peer_is_known(), end.reader.writer_gone());
        if known {
            self.meet(id);
        }
        self.events.push_back(PipeEvent::Readable(id));
        if closed {
            self.end(id);
        }
        id
    }

    /// It is known whose the other end of a pipe is.
    fn meet(&mut self, id: PipeId) {
        if let Some(Pipe { kind: Kind::Inproc(end), .. }) = self.get(id)
            && !std::mem::replace(&mut end.met, true)
        {
            self.events.push_back(PipeEvent::Connected(id));
        }
    }

    /// News from the other end of an inproc pipe.
    pub fn on_news(&mut self, news: News) {
        let id = news.pipe;
        // The other end outlives ours by a moment, in which another pipe may get the number.
        let Some(pipe) = self.get(id).filter(|pipe| pipe.serial == news.serial) else { return };
        match news.change {
            Change::Readable => {
                if std::mem::take(&mut pipe.wants_read) {
                    self.events.push_back(PipeEvent::Readable(id));
                }
            }
            Change::Writable => {
                if std::mem::take(&mut pipe.wants_write) {
                    self.events.push_back(PipeEvent::Writable(id));
                }
            }
            Change::Closed => {
                if !pipe.ending {
                    self.end(id);
                }
            }
            Change::Known => self.meet(id),
        }
    }

    /// Whether there are pipes to other sockets of the process.
    pub fn has_inproc(&mut self) -> bool {
        self.had_inproc = self.inprocs != 0;
        self.had_inproc
    }

    /// From now on until another comes, [`PipeTable::may_have_inproc`] says no.
    pub fn forget_inproc(&mut self) {
        self.had_inproc = false;
    }

    /// Whether there may be some, or were when [`PipeTable::has_inproc`] was asked last.
    #[inline]
    pub fn may_have_inproc(&self) -> bool {
        self.had_inproc
    }

    /// The end of a pipe to another socket, if there is nothing to consider before writing to it but
    /// whether there is room.
    pub fn straight_out(&mut self, id: PipeId) -> Option<&mut InprocEnd> {
        let pipe = self.get(id).filter(|p| !p.ending && !p.lingering)?;
        let Kind::Inproc(end) = &mut pipe.kind else { return None };
        (!end.writer.conflates() && !end.writer.in_message()).then_some(end)
    }

    /// The end of a pipe from another socket, if what stands in its queue comes next.
    pub fn straight_in(&mut self, id: PipeId) -> Option<&mut InprocEnd> {
        let pipe = self.get(id).filter(|p| !p.lingering && p.next.is_none())?;
        let Kind::Inproc(end) = &mut pipe.kind else { return None };
        (!end.reader.conflates()).then_some(end)
    }
}

impl Drop for InprocEnd {
    fn drop(&mut self) {
        self.writer.close();
        self.reader.close();
        self.tell_peer(Change::Closed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::PipeSet;
    use crate::sync::Mutex;

    /// Keeps what it gets.
    #[derive(Default)]
    struct Kept(Mutex<Vec<News>>);

    impl Mailbox for Kept {
        fn post(&self, _generation: u32, news: News) {
            self.0.lock().push(news);
        }
    }

    fn owner() -> (Owner, &'static Kept) {
        let kept: &'static Kept = Box::leak(Box::default());
        (Owner { mailbox: kept, generation: 1 }, kept)
    }

    fn send(end: &mut InprocEnd, text: &str) {
        end.write(&mut Msg::copy_from(text.as_bytes()).unwrap(), &mut Arena::default()).unwrap();
    }

    /// All that comes of an end that is owned after the other has done this.
    fn found(acts: impl FnOnce(InprocEnd) -> Option<InprocEnd>) -> Vec<PipeEvent> {
        let mut pipes = PipeTable::new();
        let (connecting, binding) = pair(&InprocConfig::default(), None);
        let kept = acts(connecting);
        pipes.own_inproc(binding, owner().0, super::super::NO_ENDPOINT);
        drop(kept);
        pipes.events.into_iter().collect()
    }

    #[test]
    fn what_happened_before_an_end_was_owned_is_found() {
        let (met, readable) = (PipeEvent::Connected(0), PipeEvent::Readable(0));
        assert_eq!(found(Some), [met, readable]);
        assert_eq!(found(|_gone| None), [met, readable, PipeEvent::Finished(0)]);
        let sent_and_gone = |mut end: InprocEnd| {
            send(&mut end, "m");
            None
        };
        // It ends when that has been read.
        assert_eq!(found(sent_and_gone), [met, readable, readable, PipeEvent::HungUp(0)]);
    }

    #[test]
    fn the_peer_is_met_once_whoever_is_first() {
        for owned_first in [true, false] {
            let mut pipes = PipeTable::new();
            let (owner, kept) = owner();
            let (connecting, binding) = pair(&InprocConfig::default(), None);
            let binder = InprocConfig { routing_id: b"A".to_vec(), ..InprocConfig::default() };
            let id = if owned_first {
                let id = pipes.own_inproc(connecting, owner, super::super::NO_ENDPOINT);
                assert_eq!(pipes.events, [PipeEvent::Readable(id)]);
                assert_eq!(pipes.peer_routing_id(id), b"");
                binding.bring(&binder);
                id
            } else {
                binding.bring(&binder);
                pipes.own_inproc(connecting, owner, super::super::NO_ENDPOINT)
            };
            let news = std::mem::take(&mut *kept.0.lock());
            assert_eq!(news.len(), usize::from(owned_first));
            news.into_iter().for_each(|n| pipes.on_news(n));
            // The news may come although it is known already.
            let serial = pipes.get(id).map_or(0, |p| p.serial);
            pipes.on_news(News { pipe: id, serial, change: Change::Known });
            let met = pipes.events.iter().filter(|e| **e == PipeEvent::Connected(id));
            assert_eq!((met.count(), pipes.peer_routing_id(id)), (1, b"A".as_slice()));
        }
    }

    #[test]
    fn an_end_without_a_word_is_alone_until_somebody_owns_the_other() {
        let config = InprocConfig::default();
        let (mut connecting, binding) = pair(&config, None);
        assert!(connecting.is_alone());
        let mut part = Msg::copy_from(b"m").unwrap();
        part.set_more(true);
        connecting.write(&mut part, &mut Arena::default()).unwrap();
        assert!(connecting.is_alone(), "the message is not whole");
        send(&mut connecting, "m");
        assert!(!connecting.is_alone());
        let (connecting, other) = pair(&config, None);
        drop(binding);
        PipeTable::new().own_inproc(other, owner().0, super::super::NO_ENDPOINT);
        assert!(!connecting.is_alone());
        let (mut newest, _other) = pair(&InprocConfig { conflate: true, ..config }, None);
        assert!(newest.is_alone());
        send(&mut newest, "m");
        assert!(!newest.is_alone());
    }

    #[test]
    fn news_of_a_former_pipe_are_not_taken_for_the_next_ones() {
        let mut pipes = PipeTable::new();
        let (owner, kept) = owner();
        let (first, first_peer) = pair(&InprocConfig::default(), None);
        let (second, mut second_peer) = pair(&InprocConfig::default(), None);
        let id = pipes.own_inproc(first, owner, super::super::NO_ENDPOINT);
        pipes.remove(id);
        assert_eq!(pipes.own_inproc(second, owner, super::super::NO_ENDPOINT), id);
        pipes.events.clear();
        drop(first_peer);
        let news = std::mem::take(&mut *kept.0.lock());
        assert!(news.iter().any(|n| n.pipe == id && n.change == Change::Closed));
        news.into_iter().for_each(|n| pipes.on_news(n));
        assert!(pipes.events.is_empty() && pipes.check_write(id));
        assert!(!pipes.check_read(id));
        send(&mut second_peer, "m");
        let news = std::mem::take(&mut *kept.0.lock());
        news.into_iter().for_each(|n| pipes.on_news(n));
        assert_eq!(pipes.events, [PipeEvent::Readable(id)]);
    }
}
