//! A multicast network, as one socket has it: what libpgm ([`super::pgm`]) and libnorm ([`super::norm`]) do alike.

use std::fmt::Debug;
use std::os::fd::RawFd;
use std::time::Instant;

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It is sent, or lost as any may be.
    Done,
    /// It has to be sent again when the rate allows it.
    At(Instant),
    /// It has to be sent again when the kernel takes more.
    Blocked,
}

/// What there was to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// Something, and there may be more.
    Some,
    /// Nothing, until a descriptor tells, or it has to be called again at this time.
    Nothing(Option<Instant>),
}

/// Where packets go to and come from.
pub trait Network: Send + Debug {
    /// The descriptors that tell when to receive, also where nothing but questions of receivers comes.
    fn descriptors(&self) -> Vec<RawFd>;
    /// The one that tells when the kernel takes more, if it is none of the others.
    fn out(&self) -> Option<RawFd>;
    /// Whether it knows itself where messages begin, of a stream without packets; a packet is a piece of that then.
    fn marks_messages(&self) -> bool {
        false
    }
    /// The octets a packet can have.
    fn room(&self) -> usize;
    /// Sends a packet.
    fn send(&mut self, packet: &[u8]) -> Sent;
    /// Whether all that was sent has left; a descriptor tells when.
    fn is_sent(&mut self) -> bool {
        true
    }
    /// Does what has to be done now, and receives some packets: each comes with the number of who has sent it; `None`: some of his are
    /// lost. The answer is whether it is known where in his stream we are.
    fn receive(&mut self, each: &mut dyn FnMut(u64, Option<&[u8]>) -> bool) -> Received;
}
