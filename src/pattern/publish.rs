//! PUB: one to many (RFC 29).

use super::inner::inner_has_the_pipes;
use super::xpub::XPub;
use super::{Pattern, PipeSet};
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
    inner_has_the_pipes!();

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
