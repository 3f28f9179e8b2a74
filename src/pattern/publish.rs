//! PUB: one to many (RFC 29).

use super::xpub::XPub;
use super::{Attach, Pattern, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::Msg;

/// An XPUB whose application does not hear of subscriptions.
#[derive(Debug)]
pub struct Pub {
    inner: XPub,
}

impl Default for Pub {
    fn default() -> Self {
        Pub { inner: XPub::silent() }
    }
}

impl Pattern for Pub {
    fn attach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId, how: Attach) {
        self.inner.attach(pipes, id, how);
    }

    fn connected<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.inner.connected(pipes, id);
    }

    fn disconnected<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.inner.disconnected(pipes, id);
    }

    fn detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.inner.detach(pipes, id);
    }

    #[inline]
    fn read_activated<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.inner.read_activated(pipes, id);
    }

    #[inline]
    fn write_activated<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.inner.write_activated(pipes, id);
    }

    #[inline]
    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        self.inner.send(pipes, msg)
    }

    #[inline]
    fn send_bytes<P: PipeSet>(&mut self, pipes: &mut P, bytes: &[u8], keep: bool) -> bool {
        self.inner.send_bytes(pipes, bytes, keep)
    }

    fn recv<P: PipeSet>(&mut self, _pipes: &mut P) -> Result<Msg> {
        Err(Error::NotSupported)
    }

    fn has_in<P: PipeSet>(&mut self, _pipes: &mut P) -> bool {
        false
    }

    #[inline]
    fn has_out<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        self.inner.has_out(pipes)
    }

    fn set_option<P: PipeSet>(
        &mut self,
        pipes: &mut P,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        self.inner.set_option(pipes, option, value)
    }

    fn get_option(&self, option: i32) -> Option<Result<Vec<u8>>> {
        self.inner.get_option(option)
    }

    #[inline]
    fn drops(&self) -> bool {
        self.inner.drops()
    }
}
