//! Socket patterns (RFC 28 to 31): who gets a message, and whose message comes next.
//!
//! A pattern sees pipes by number through [`PipeSet`] and never a descriptor, a thread or a
//! lock: all its calls happen under the lock of its socket. It is told what happens to its pipes
//! through the methods of [`Pattern`].

#![forbid(unsafe_code)]

mod any;
mod dealer;
mod dgram;
mod dish;
mod distribute;
mod fair_queue;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod hash;
mod inner;
mod load_balance;
mod members;
mod pair;
mod publish;
mod pull;
mod push;
mod radio;
mod reply;
mod request;
mod ring;
mod router;
mod routing;
mod server;
mod single;
mod stream;
mod subscribe;
mod subscriptions;
mod tagged_queue;
#[cfg(test)]
mod tests;
mod trie;
mod value;
mod xpub;
mod xsub;

pub use any::AnyPattern;
pub use dealer::Dealer;
pub use dgram::Dgram;
pub use dish::Dish;
pub use pair::Pair;
pub use publish::Pub;
pub use pull::Pull;
pub use push::Push;
pub use radio::Radio;
pub use reply::Rep;
pub use request::Req;
pub use router::Router;
pub use server::{Peer, Server};
pub use single::{Channel, Client, Gather, Scatter};
pub use stream::Stream;
pub use subscribe::Sub;
pub use xpub::XPub;
pub use xsub::XSub;

use crate::error::{Error, Result};
use crate::msg::{Msg, Sink};

/// A pipe of one socket. Numbers are reused after [`Pattern::detach`].
pub type PipeId = u32;

/// The longest group of a message, in bytes (RFC 48).
pub use crate::msg::MAX_GROUP;

/// A frame that was given to a [`Sink`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Bytes of its body.
    pub len: usize,
    /// Whether another part of the same message follows.
    pub more: bool,
}

/// Where a message went that the caller believes sent, or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// This peer does not get it: its queue is full.
    Full(PipeId),
    /// There is no peer at all.
    NoPeer,
    /// Nobody has this routing id, or who asked is gone.
    Unknown,
    /// None of the peers has subscribed to it.
    FilteredOut,
    /// A peer has sent it, and the socket has not subscribed to it.
    FilteredIn,
}

/// What a pattern may do with the pipes of its socket.
pub trait PipeSet {
    /// A message is dropped for this reason. Changes nothing: others may want to know.
    fn lost(&mut self, loss: Loss) {
        let _ = loss;
    }
    /// A frame that was read is not for the application, which cannot receive. Changes nothing, as well.
    fn uncounted(&mut self, id: PipeId, frame: &Msg) {
        let _ = (id, frame);
    }
    /// The socket asks for so many topics or groups now, or its peers do. Changes nothing, as well.
    fn asked_for(&mut self, topics: usize) {
        let _ = topics;
    }
    /// Whether a frame can be read now. A pipe shows a multipart message only once it is whole,
    /// so after a frame with the MORE flag this is true until its last part was read.
    fn check_read(&mut self, id: PipeId) -> bool;
    /// The next frame, `None` exactly when [`PipeSet::check_read`] is false. After that the
    /// pattern gets [`Pattern::read_activated`] once there is something to read again. Between
    /// messages that may be because so much was read in this turn that others have to have theirs
    /// first: loops over what comes need no limit of their own.
    fn read(&mut self, id: PipeId) -> Option<Msg>;
    /// Gives a frame that was just read from the pipe the properties of its peer: `read` may leave
    /// them out for a caller who cannot ask for them, but a later one will get a frame that the
    /// pattern keeps.
    #[inline]
    fn complete(&self, id: PipeId, frame: &mut Msg) {
        let _ = (id, frame);
    }
    /// Whether a frame may be written: below the high-water mark, or in the middle of a message.
    /// When false the pattern gets [`Pattern::write_activated`] once there is room again.
    fn check_write(&mut self, id: PipeId) -> bool;
    /// Whether the peer is gone for good: the pipe never takes anything again, although what came of
    /// it may still be read.
    fn is_gone(&self, id: PipeId) -> bool {
        let _ = id;
        false
    }
    /// Writes a frame; its MORE flag says whether the message goes on. The parts of a message
    /// become visible to the reader with the last one. Only after `check_write` said true.
    /// A pipe whose reader is gone swallows the frame. `msg` is empty afterwards.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then, and `msg` is
    /// unchanged.
    fn write(&mut self, id: PipeId, msg: &mut Msg) -> Result<()>;
    /// Gives the next frame straight to `to`, if it stands ready in a receive buffer together with
    /// the rest of its message. `None`: use [`PipeSet::read`], nothing has happened.
    #[inline]
    fn read_into<S: Sink + ?Sized>(&mut self, id: PipeId, to: &mut S) -> Option<Part> {
        let _ = (id, to);
        None
    }
    /// The application was promised the pipe's next message: it can be read now, whatever it costs.
    #[inline]
    fn promise(&mut self, id: PipeId) {
        let _ = id;
    }
    /// The caller has dropped a frame of so many bytes that [`PipeSet::read_into`] gave it. False if
    /// it has to stop: what [`PipeSet::read`] says after that is the end of this turn.
    #[inline]
    fn spend(&mut self, bytes: usize) -> bool {
        let _ = bytes;
        true
    }
    /// Does what cannot be left for another turn, for which so many frames may be read, however many
    /// were read before.
    fn with_budget(&mut self, frames: u32, call: impl FnOnce(&mut Self))
    where
        Self: Sized,
    {
        let _ = frames;
        call(self);
    }
    /// Says whose messages will be read next, the nearest first, if there are so many pipes that
    /// what belongs to these is likely not to be in the cache.
    #[inline]
    fn expect_reads(&self, ids: [PipeId; 3]) {
        let _ = ids;
    }
    /// Whether a message stands ready where [`PipeSet::read_into`] finds it. False says nothing.
    #[inline]
    fn stands_ready(&mut self, id: PipeId) -> bool {
        let _ = id;
        false
    }
    /// Writes a message of one part, or the last part of one, straight from `bytes`, if the pipe has
    /// room and a batch to put it in. With `keep` the caller has a [`Msg`] of them that had better be handed on, where a pipe can do that.
    /// False: use [`PipeSet::check_write`] and [`PipeSet::write`], nothing has happened.
    #[inline]
    fn write_bytes(&mut self, id: PipeId, bytes: &[u8], keep: bool) -> bool {
        let _ = (id, bytes, keep);
        false
    }
    /// Writes a message of these parts to all of these pipes, if they have room and
    /// can send it from one batch. `set` is a number of the caller's for these pipes: it never
    /// stands for others. False: write to each, nothing has happened.
    #[inline]
    fn write_to_all<const N: usize>(
        &mut self,
        ids: &[PipeId],
        set: u64,
        parts: [&[u8]; N],
    ) -> bool {
        let _ = (ids, set, parts);
        false
    }
    /// Writes a single-frame message regardless of the high-water mark (subscriptions). Without
    /// memory for it the pipe ends, or connects again: its peer must not miss one.
    fn write_exempt(&mut self, id: PipeId, msg: Msg);

    /// Bytes that wait for the kernel to take them. None where the peer is a socket of this process.
    fn owed(&mut self, id: PipeId) -> usize;

    /// Ends a pipe's connection, as if the peer had. Whoever connects does so again.
    fn give_up(&mut self, id: PipeId);
    /// Forgets the parts of an unfinished message written so far.
    fn rollback(&mut self, id: PipeId);
    /// Ends the pipe from our side. What was written before is still delivered (subject to
    /// linger), what was not read is lost. [`Pattern::detach`] is called before or after the
    /// current call returns; until then the pipe reads nothing and swallows what is written.
    fn close(&mut self, id: PipeId);
    /// The routing id the peer announced (ZMQ_ROUTING_ID of the peer), empty if it has none or
    /// is not known yet. Known in [`Pattern::connected`].
    fn peer_routing_id(&self, id: PipeId) -> &[u8];
    /// The name given with ZMQ_CONNECT_ROUTING_ID before the `connect` that made this pipe.
    fn assigned_routing_id(&self, id: PipeId) -> Option<&[u8]>;
    /// Attached messages carry the peer's properties; for [`crate::msg::Metadata`] users.
    /// Whether the peer is a wire peer older than ZMTP 3.1, or an inproc peer, needs no
    /// distinction here: subscriptions are always written as messages `1 topic` / `0 topic` and
    /// translated at the wire.
    fn is_connected(&self, id: PipeId) -> bool;
    /// Whether the pipe leads to whoever listens: nobody there says what it wants, and all is sent.
    fn hears_all(&self, id: PipeId) -> bool {
        let _ = id;
        false
    }
}

/// What a pattern needs to know about a new pipe.
#[derive(Debug, Clone, Copy, Default)]
pub struct Attach {
    /// Made by our `connect`, not by a peer that came to our `bind`.
    pub locally_initiated: bool,
    /// The other end is a socket of this process (inproc), and speaks no protocol.
    pub within_process: bool,
}

/// One socket type. Every method runs under the socket's lock and never blocks.
///
/// Lifecycle of a pipe: `attach`; then `connected` when a peer is really there (at once for
/// accepted connections, and for inproc if the name is bound; after each successful handshake for a connecting pipe, so
/// possibly many times); `disconnected` when the peer went away but the pipe will reconnect;
/// `detach` when it is gone for good.
pub trait Pattern {
    /// A new pipe. It may be written to at once (queued until there is a peer) unless the
    /// pattern decides otherwise.
    fn attach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId, how: Attach);
    /// A peer is there, see above.
    #[inline]
    fn connected<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        let _ = (pipes, id);
    }
    /// The peer of a connecting pipe is gone for now. What came from it can still be read.
    #[inline]
    fn disconnected<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        let _ = (pipes, id);
    }
    /// The pipe will be gone in a moment: take from it what the application was promised, the rest of
    /// a message that it has read in part.
    #[inline]
    fn before_detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        let _ = (pipes, id);
    }
    /// The pipe is gone: forget it. It must not be used any more, not even in this call.
    fn detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId);
    /// The peer of a pipe will send no more. What came from it should be read before what others
    /// send: it may be one of them by now.
    #[inline]
    fn hung_up<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        let _ = (pipes, id);
    }
    /// There is something to read on a pipe that was empty.
    fn read_activated<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId);
    /// There is room in a pipe that was full. Who asks the pipe each time need not hear it.
    #[inline]
    fn write_activated<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        let _ = (pipes, id);
    }
    /// Sends one frame; on success `msg` is left empty, on an error it is unchanged.
    ///
    /// # Errors
    /// [`Error::Again`]: would block; the caller decides about waiting and calls again.
    /// [`Error::NotSupported`] of a type that does not send, [`Error::State`] out of turn (REQ, REP),
    /// [`Error::HostUnreachable`] without the peer that is named, [`Error::Invalid`] for a part where
    /// messages have none, [`Error::NoMemory`].
    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()>;
    /// Receives one frame.
    ///
    /// # Errors
    /// [`Error::Again`] if the caller would have to wait, [`Error::NotSupported`] of a type that does not
    /// receive, [`Error::State`] out of turn (REQ, REP).
    fn recv<P: PipeSet>(&mut self, pipes: &mut P) -> Result<Msg>;
    /// [`Pattern::recv`] straight into `to`, where that is no different from receiving and copying;
    /// see [`PipeSet::read_into`].
    #[inline]
    fn recv_into<P: PipeSet, S: Sink + ?Sized>(
        &mut self,
        pipes: &mut P,
        to: &mut S,
    ) -> Option<Part> {
        let _ = (pipes, to);
        None
    }
    /// [`Pattern::send`] of a part without MORE straight from `bytes`, where that is no different
    /// from sending a copy; see [`PipeSet::write_bytes`].
    #[inline]
    fn send_bytes<P: PipeSet>(&mut self, pipes: &mut P, bytes: &[u8], keep: bool) -> bool {
        let _ = (pipes, bytes, keep);
        false
    }
    /// The pipe that [`Pattern::send_bytes`] would use, if it is the only one there is to choose, and
    /// would be so afterwards: sending a message of one part changes nothing here.
    fn sends_straight_to(&self) -> Option<PipeId> {
        None
    }
    /// The same for [`Pattern::recv_into`] of a message of one part.
    fn receives_straight_from(&self) -> Option<PipeId> {
        None
    }
    /// Whether `recv` would deliver now (POLLIN). May move messages internally (prefetch).
    fn has_in<P: PipeSet>(&mut self, pipes: &mut P) -> bool;
    /// Whether `send` would be accepted now (POLLOUT).
    fn has_out<P: PipeSet>(&mut self, pipes: &mut P) -> bool;
    /// Sets an option that only this socket type has (number of `zmq.h`, raw value). `None` if
    /// the type does not know it; the caller then answers EINVAL.
    fn set_option<P: PipeSet>(
        &mut self,
        pipes: &mut P,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        let _ = (pipes, option, value);
        None
    }
    /// Reads an option that only this socket type has, as the bytes `getsockopt` returns.
    fn get_option(&self, option: i32) -> Option<Result<Vec<u8>>> {
        let _ = option;
        None
    }
    /// The pipe of which the application has read a part of a message, if any. What it gets next is
    /// the rest of that message.
    fn reading(&self) -> Option<PipeId> {
        None
    }

    /// Whether a `connect` may give its peer this name (ZMQ_CONNECT_ROUTING_ID). To be asked
    /// before the pipe is made.
    fn is_routing_id_free(&self, id: &[u8]) -> bool {
        let _ = id;
        true
    }

    /// Joins a group (zmq_join, RFC 48).
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has been joined or is too long, [`Error::NotSupported`] of a type without
    /// groups.
    fn join<P: PipeSet>(&mut self, pipes: &mut P, group: &[u8]) -> Result<()> {
        let _ = (pipes, group);
        Err(Error::NotSupported)
    }

    /// Leaves a group (zmq_leave).
    ///
    /// # Errors
    /// [`Error::Invalid`] if it was not joined, [`Error::NotSupported`] of a type without groups.
    fn leave<P: PipeSet>(&mut self, pipes: &mut P, group: &[u8]) -> Result<()> {
        let _ = (pipes, group);
        Err(Error::NotSupported)
    }

    /// The number of the peer that was connected to last, where peers have numbers.
    fn newest_peer(&self) -> Option<u32> {
        None
    }

    /// Ends the pipe to the peer of this number (zmq_disconnect_peer(3)).
    ///
    /// # Errors
    /// [`Error::HostUnreachable`] if there is none, [`Error::NotSupported`] where peers have no numbers.
    fn disconnect_peer<P: PipeSet>(&mut self, pipes: &mut P, number: u32) -> Result<()> {
        let _ = (pipes, number);
        Err(Error::NotSupported)
    }

    /// Whether a message to the peer of this name would find room.
    ///
    /// # Errors
    /// [`Error::HostUnreachable`] if there is none, [`Error::NotSupported`] where messages are not addressed so.
    fn has_room_for<P: PipeSet>(&mut self, pipes: &mut P, peer: &[u8]) -> Result<bool> {
        let _ = (pipes, peer);
        Err(Error::NotSupported)
    }

    /// Whether a message that finds no room is dropped rather than refused.
    #[inline]
    fn drops(&self) -> bool {
        false
    }

    /// Whether connections made from now on carry plain bytes: STREAM, and ROUTER with
    /// ZMQ_ROUTER_RAW.
    #[inline]
    fn is_raw(&self) -> bool {
        false
    }

    /// Whether raw connections deliver an empty frame when they begin and end.
    fn notifies_raw(&self) -> bool {
        false
    }
}
