//! The CURVE mechanism: encryption and authentication of both sides (RFC 26, RFC 25), as libzmq 4.3
//! speaks it.
//!
//! The client knows the server's permanent key S beforehand; the server learns the client's
//! permanent key C from INITIATE and asks the ZAP handler about it. Traffic is encrypted between the
//! transient keys C' and S', which die with the connection.
//!
//! Where libzmq differs from RFC 26, programs depend on libzmq: a MESSAGE travels in a message frame,
//! not in a command frame, its nonce prefix ends in C or S by sender, and bit 1 of its flags marks a
//! ZMTP command inside.

mod boxes;
mod client;
mod server;
mod session;

#[cfg(test)]
mod tests;

pub use client::CurveClient;
pub use server::CurveServer;
pub use session::{CurveDecoder, CurveEncoder};

use super::Row;
use crate::options::SocketOptions;
use crate::options::numbers::value;
use crate::wire::{HandshakeError, Mechanism};

/// The row of the table.
pub(super) static ROW: Row =
    Row { number: value::CURVE, optional: Some(b"curve"), needs_zap_handler: false, make };

fn make(options: &SocketOptions) -> Box<dyn Mechanism> {
    if !options.as_server {
        return Box::new(CurveClient::new(
            &options.curve_server_key,
            &options.curve_public_key,
            &options.curve_secret_key,
        ));
    }
    // With ZMQ_ZAP_ENFORCE_DOMAIN and no domain, libzmq asks nobody.
    let zap = !options.zap_enforce_domain || !options.zap_domain.is_empty();
    Box::new(CurveServer::new(&options.curve_secret_key, zap))
}

/// Octets of a HELLO (RFC 26, "The HELLO Command").
const HELLO_LEN: usize = 200;
/// Octets of a WELCOME (RFC 26, "The WELCOME Command").
const WELCOME_LEN: usize = 168;
/// The fewest octets of an INITIATE (RFC 26, "The INITIATE Command").
const MIN_INITIATE_LEN: usize = 257;
/// The fewest octets of a READY: RFC 26 says 30, which is its fields without any metadata.
const MIN_READY_LEN: usize = 30;
/// Octets of nonce and box that a server remembers nothing but the key of.
const COOKIE_LEN: usize = 96;
/// Octets of nonce and box by which a client proves that C is its key.
const VOUCH_LEN: usize = 96;
/// The only version of CurveZMQ, in a HELLO.
const VERSION: [u8; 2] = [1, 0];
/// Octets of a HELLO that make it longer than the answer.
const PADDING_LEN: usize = 72;

/// The short nonces of one sender: "an incrementing integer, and unique to each command within a
/// connection" (RFC 26, "The HELLO Command").
#[derive(Debug, Clone, Copy, Default)]
struct Counter(u64);

impl Counter {
    /// The next one to send; the first is 1.
    #[inline]
    fn next(&mut self) -> Result<u64, HandshakeError> {
        // "SHALL NOT send more than 2^64-1 commands in one connection".
        self.0 = self.0.checked_add(1).ok_or(HandshakeError::InvalidSequence)?;
        Ok(self.0)
    }

    /// Accepts what a peer sent if it is above everything before.
    #[inline]
    fn accept(&mut self, nonce: u64) -> Result<(), HandshakeError> {
        if nonce <= self.0 {
            return Err(HandshakeError::InvalidSequence);
        }
        self.0 = nonce;
        Ok(())
    }
}
