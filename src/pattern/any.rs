//! A socket's pattern, whichever it is: chosen when the socket is made, dispatched by `match`.

use super::{Attach, Part, Pattern, PipeId, PipeSet};
use crate::error::Result;
use crate::msg::{Msg, Sink};
use crate::types::SocketType;

/// Makes the enum of all patterns, what chooses one, and what calls one.
macro_rules! patterns {
    ($d:tt $($name:ident)*) => {
        /// The pattern of any socket type.
        #[derive(Debug)]
        #[allow(missing_docs, reason = "the names are the socket types")]
        pub enum AnyPattern {
            $($name(super::$name),)*
        }

        impl AnyPattern {
            /// The pattern of a socket type, with default options.
            pub fn new(socket_type: SocketType) -> AnyPattern {
                match socket_type {
                    $(SocketType::$name => AnyPattern::$name(super::$name::default()),)*
                }
            }
        }

        /// Calls a method of whichever pattern it is.
        macro_rules! each {
            ($d any:expr, $d pattern:ident => $d call:expr) => {
                match $d any {
                    $(AnyPattern::$name($d pattern) => $d call,)*
                }
            };
        }
    };
}

// Every type of `crate::types` has its pattern, of the same name.
patterns!($ Pair Pub Sub Req Rep Dealer Router Pull Push XPub XSub Stream
    Server Client Radio Dish Gather Scatter Dgram Peer Channel);

#[deny(clippy::missing_trait_methods, reason = "what is not handed on the pattern never hears")]
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
        // One piece of code for all that do nothing else.
        let queue = match self {
            AnyPattern::Pull(pull) => &mut pull.queue,
            AnyPattern::Dealer(dealer) => &mut dealer.queue,
            AnyPattern::XSub(xsub) => &mut xsub.queue,
            other => return each!(other, pattern => pattern.recv_into(pipes, to)),
        };
        queue.recv_into(pipes, to)
    }

    #[inline(always)]
    fn send_bytes<P: PipeSet>(&mut self, pipes: &mut P, bytes: &[u8], keep: bool) -> bool {
        each!(self, pattern => pattern.send_bytes(pipes, bytes, keep))
    }

    #[inline(always)]
    fn sends_straight_to(&self) -> Option<PipeId> {
        each!(self, pattern => pattern.sends_straight_to())
    }

    #[inline(always)]
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

    fn is_routing_id_free(&self, id: &[u8]) -> bool {
        each!(self, pattern => pattern.is_routing_id_free(id))
    }

    fn join<P: PipeSet>(&mut self, pipes: &mut P, group: &[u8]) -> Result<()> {
        each!(self, pattern => pattern.join(pipes, group))
    }

    fn leave<P: PipeSet>(&mut self, pipes: &mut P, group: &[u8]) -> Result<()> {
        each!(self, pattern => pattern.leave(pipes, group))
    }

    fn newest_peer(&self) -> Option<u32> {
        each!(self, pattern => pattern.newest_peer())
    }

    fn disconnect_peer<P: PipeSet>(&mut self, pipes: &mut P, number: u32) -> Result<()> {
        each!(self, pattern => pattern.disconnect_peer(pipes, number))
    }

    fn has_room_for<P: PipeSet>(&mut self, pipes: &mut P, peer: &[u8]) -> Result<bool> {
        each!(self, pattern => pattern.has_room_for(pipes, peer))
    }

    #[inline]
    fn drops(&self) -> bool {
        each!(self, pattern => pattern.drops())
    }

    #[inline]
    fn is_raw(&self) -> bool {
        each!(self, pattern => pattern.is_raw())
    }

    fn notifies_raw(&self) -> bool {
        each!(self, pattern => pattern.notifies_raw())
    }
}
