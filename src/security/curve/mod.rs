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
mod commands;
mod server;
mod session;

#[cfg(test)]
mod tests;

pub use client::CurveClient;
pub use server::CurveServer;

use super::row::Row;
use crate::options::SocketOptions;
use crate::options::numbers::value;
use crate::wire::Mechanism;

/// The row of the table.
pub(super) static ROW: Row = Row {
    number: value::CURVE,
    optional: Some((b"curve", || true)),
    needs_zap_handler: false,
    make,
};

fn make(options: &SocketOptions) -> Box<dyn Mechanism> {
    if !options.as_server {
        return Box::new(CurveClient::new(
            &options.curve_server_key,
            &options.curve_public_key,
            options.curve_secret_key(),
        ));
    }
    // With ZMQ_ZAP_ENFORCE_DOMAIN and no domain, libzmq asks nobody.
    let zap = !options.zap_enforce_domain || !options.zap_domain.is_empty();
    Box::new(CurveServer::new(options.curve_secret_key(), zap))
}
