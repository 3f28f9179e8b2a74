//! A provider of contexts that need nobody, for tests: nothing about it is secret.

use super::Gssapi;
use super::provider::{Provider, Step};
use crate::sys::gssapi::Failure;
use crate::util::buffer::Buffer;
use std::hash::{DefaultHasher, Hasher};

/// Octets that a token has more than its text.
#[cfg(test)]
pub(crate) const OVERHEAD: usize = 16;

/// Says `hello` and hears `welcome`, or the other way round. Tokens carry a number and a sum of their text.
#[derive(Debug, Default)]
pub(crate) struct Toy {
    begins: bool,
    begun: bool,
    done: bool,
    sent: u64,
    received: u64,
}

/// A client with a toy.
pub(crate) fn client(private: bool) -> Gssapi {
    Gssapi::client(Box::new(Toy { begins: true, ..Toy::default() }), private)
}

/// A server with a toy.
pub(crate) fn server(private: bool, zap: bool) -> Gssapi {
    Gssapi::server(Box::new(Toy::default()), private, zap)
}

fn sum(text: &[u8]) -> [u8; 8] {
    let mut hasher = DefaultHasher::new();
    hasher.write(text);
    hasher.finish().to_be_bytes()
}

impl Provider for Toy {
    fn step(&mut self, token: &[u8]) -> Result<Step, Failure> {
        let expected: &[u8] = match (self.begins, self.begun) {
            (true, false) => b"",
            (true, true) => b"welcome",
            (false, _) => b"hello",
        };
        if self.done || token != expected {
            return Err(Failure::Token);
        }
        self.done = !self.begins || self.begun;
        let said: &[u8] = match (self.begins, self.begun) {
            (true, false) => b"hello",
            (true, true) => b"",
            (false, _) => b"welcome",
        };
        self.begun = true;
        Ok(Step { token: said.to_vec(), established: self.done })
    }

    fn peer(&self) -> &[u8] {
        if self.done && !self.begins { b"somebody@TOYS" } else { b"" }
    }

    fn wrap(&mut self, out: &mut Buffer, at: usize) -> bool {
        let Some(text) = out.get(at..).map(<[u8]>::to_vec) else { return false };
        out.truncate(at);
        out.extend_from_slice(&self.sent.to_be_bytes());
        out.extend_from_slice(&text.iter().map(|byte| !byte).collect::<Vec<_>>());
        out.extend_from_slice(&sum(&text));
        self.sent += 1;
        self.done
    }

    fn unwrap(&mut self, body: &mut [u8], at: usize) -> Option<usize> {
        let (number, rest) = body.get(at..)?.split_first_chunk::<8>()?;
        let (text, check) = rest.split_last_chunk::<8>()?;
        let text: Vec<u8> = text.iter().map(|byte| !byte).collect();
        if u64::from_be_bytes(*number) != self.received || *check != sum(&text) || !self.done {
            return None;
        }
        self.received += 1;
        body.get_mut(..text.len())?.copy_from_slice(&text);
        Some(text.len())
    }
}
