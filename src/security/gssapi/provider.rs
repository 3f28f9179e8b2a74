//! Who sets up security contexts: the system's library, or what tests have in its place.

use crate::sys::gssapi::{Context, Failure};
use crate::util::buffer::Buffer;

/// What a step has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// For the peer; empty: nothing.
    pub(super) token: Vec<u8>,
    /// Whether the context is set up.
    pub(super) established: bool,
}

/// A security context, at first one that is to be set up.
pub(super) trait Provider: Send {
    /// The next step, with the peer's token if it has come. It may take as long as others like.
    fn step(&mut self, token: &[u8]) -> Result<Step, Failure>;

    /// Who the other side is, if it has begun and the context is set up.
    fn peer(&self) -> &[u8];

    /// Encrypts what stands in `out` from `at` on, where it stands. False if that cannot be done.
    fn wrap(&mut self, out: &mut Buffer, at: usize) -> bool;

    /// Decrypts what stands in `body` from `at` on, to the beginning of `body`; how long it is.
    fn unwrap(&mut self, body: &mut [u8], at: usize) -> Option<usize>;
}

impl Provider for Context {
    fn step(&mut self, token: &[u8]) -> Result<Step, Failure> {
        let step = Context::step(self, token)?;
        Ok(Step { token: step.token.to_vec(), established: step.established })
    }

    fn peer(&self) -> &[u8] {
        Context::peer(self)
    }

    fn wrap(&mut self, out: &mut Buffer, at: usize) -> bool {
        let Some(token) = out.get(at..).and_then(|text| Context::wrap(self, text)) else {
            return false;
        };
        out.truncate(at);
        if out.reserve(token.len()).is_err() {
            return false;
        }
        out.extend_from_slice(&token);
        true
    }

    fn unwrap(&mut self, body: &mut [u8], at: usize) -> Option<usize> {
        let text = Context::unwrap(self, body.get(at..)?)?;
        body.get_mut(..text.len())?.copy_from_slice(&text);
        Some(text.len())
    }
}

/// There is no library any more: it was there when the options were set.
pub(super) struct Absent;

impl Provider for Absent {
    fn step(&mut self, _: &[u8]) -> Result<Step, Failure> {
        Err(Failure::Ours)
    }

    fn peer(&self) -> &[u8] {
        &[]
    }

    fn wrap(&mut self, _: &mut Buffer, _: usize) -> bool {
        false
    }

    fn unwrap(&mut self, _: &mut [u8], _: usize) -> Option<usize> {
        None
    }
}
