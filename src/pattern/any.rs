//! A socket's pattern, whichever it is: chosen when the socket is made, dispatched by `match`.

use super::{
    Attach, Dealer, Pair, Part, Pattern, PipeId, PipeSet, Pub, Pull, Push, Rep, Req, Router,
    Stream, Sub, XPub, XSub,
};
use crate::error::Result;
use crate::msg::{Msg, Sink};
use crate::types::SocketType;

/// The pattern of any socket type.
#[derive(Debug)]
#[allow(missing_docs, reason = "the names are the socket types")]
pub enum AnyPattern {
    Pair(Pair),
    Pub(Pub),
    Sub(Sub),
    Req(Req),
    Rep(Rep),
    Dealer(Dealer),
    Router(Router),
    Pull(Pull),
    Push(Push),
    XPub(XPub),
    XSub(XSub),
    Stream(Stream),
}

/// Calls a method of whichever pattern it is.
macro_rules! each {
    ($any:expr, $pattern:ident => $call:expr) => {
        match $any {
            AnyPattern::Pair($pattern) => $call,
            AnyPattern::Pub($pattern) => $call,
            AnyPattern::Sub($pattern) => $call,
            AnyPattern::Req($pattern) => $call,
            AnyPattern::Rep($pattern) => $call,
            AnyPattern::Dealer($pattern) => $call,
            AnyPattern::Router($pattern) => $call,
            AnyPattern::Pull($pattern) => $call,
            AnyPattern::Push($pattern) => $call,
            AnyPattern::XPub($pattern) => $call,
            AnyPattern::XSub($pattern) => $call,
            AnyPattern::Stream($pattern) => $call,
        }
    };
}

impl AnyPattern {
    /// The pattern of a socket type, with default options.
    pub fn new(socket_type: SocketType) -> AnyPattern {
        match socket_type {
            SocketType::Pair => AnyPattern::Pair(Pair::default()),
            SocketType::Pub => AnyPattern::Pub(Pub::default()),
            SocketType::Sub => AnyPattern::Sub(Sub::default()),
            SocketType::Req => AnyPattern::Req(Req::default()),
            SocketType::Rep => AnyPattern::Rep(Rep::default()),
            SocketType::Dealer => AnyPattern::Dealer(Dealer::default()),
            SocketType::Router => AnyPattern::Router(Router::default()),
            SocketType::Pull => AnyPattern::Pull(Pull::default()),
            SocketType::Push => AnyPattern::Push(Push::default()),
            SocketType::XPub => AnyPattern::XPub(XPub::default()),
            SocketType::XSub => AnyPattern::XSub(XSub::default()),
            SocketType::Stream => AnyPattern::Stream(Stream::default()),
        }
    }

    /// Whether a `connect` may give its peer this name (ZMQ_CONNECT_ROUTING_ID). To be asked
    /// before the pipe is made.
    pub fn is_routing_id_free(&self, id: &[u8]) -> bool {
        match self {
            AnyPattern::Router(router) => router.is_free(id),
            AnyPattern::Stream(stream) => stream.is_free(id),
            _ => true,
        }
    }

    /// Whether a message that finds no room is dropped rather than refused.
    pub fn drops(&self) -> bool {
        match self {
            AnyPattern::Pub(publish) => publish.drops(),
            AnyPattern::XPub(xpub) => xpub.drops(),
            AnyPattern::Router(router) => router.drops(),
            AnyPattern::XSub(_) | AnyPattern::Rep(_) => true,
            _ => false,
        }
    }

    /// Whether connections carry plain bytes: STREAM, and ROUTER with ZMQ_ROUTER_RAW.
    pub fn is_raw(&self) -> bool {
        match self {
            AnyPattern::Router(router) => router.raw(),
            AnyPattern::Stream(_) => true,
            _ => false,
        }
    }

    /// Whether raw connections deliver an empty frame when they begin and end.
    pub fn notifies_raw(&self) -> bool {
        match self {
            AnyPattern::Router(router) => router.raw(),
            AnyPattern::Stream(stream) => stream.notify(),
            _ => false,
        }
    }
}

impl Pattern for AnyPattern {
    fn attach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId, how: Attach) {
        each!(self, pattern => pattern.attach(pipes, id, how));
    }

    fn connected<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        each!(self, pattern => pattern.connected(pipes, id));
    }

    fn disconnected<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        each!(self, pattern => pattern.disconnected(pipes, id));
    }

    fn before_detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        each!(self, pattern => pattern.before_detach(pipes, id));
    }

    fn detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        each!(self, pattern => pattern.detach(pipes, id));
    }

    fn hung_up<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        each!(self, pattern => pattern.hung_up(pipes, id));
    }

    #[inline]
    fn read_activated<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        each!(self, pattern => pattern.read_activated(pipes, id));
    }

    #[inline]
    fn write_activated<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        each!(self, pattern => pattern.write_activated(pipes, id));
    }

    #[inline]
    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        each!(self, pattern => pattern.send(pipes, msg))
    }

    #[inline]
    fn recv<P: PipeSet>(&mut self, pipes: &mut P) -> Result<Msg> {
        each!(self, pattern => pattern.recv(pipes))
    }

    #[inline(always)]
    fn recv_into<P: PipeSet, S: Sink + ?Sized>(
        &mut self,
        pipes: &mut P,
        to: &mut S,
    ) -> Option<Part> {
        each!(self, pattern => pattern.recv_into(pipes, to))
    }

    #[inline(always)]
    fn send_bytes<P: PipeSet>(&mut self, pipes: &mut P, bytes: &[u8], keep: bool) -> bool {
        each!(self, pattern => pattern.send_bytes(pipes, bytes, keep))
    }

    fn sends_straight_to(&self) -> Option<PipeId> {
        each!(self, pattern => pattern.sends_straight_to())
    }

    fn receives_straight_from(&self) -> Option<PipeId> {
        each!(self, pattern => pattern.receives_straight_from())
    }

    #[inline]
    fn has_in<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        each!(self, pattern => pattern.has_in(pipes))
    }

    #[inline]
    fn has_out<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        each!(self, pattern => pattern.has_out(pipes))
    }

    fn set_option<P: PipeSet>(
        &mut self,
        pipes: &mut P,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        each!(self, pattern => pattern.set_option(pipes, option, value))
    }

    fn get_option(&self, option: i32) -> Option<Result<Vec<u8>>> {
        each!(self, pattern => pattern.get_option(option))
    }

    fn reading(&self) -> Option<PipeId> {
        each!(self, pattern => pattern.reading())
    }
}
