//! Functions that take whatever bytes there are and try a part of the library with them: what a peer, a
//! proxy or a caller may hand us. They panic if it does anything but what it says. Each stands beside
//! what it tries (`fuzz.rs` in its layer); here is their list, what to begin with, and a driver for
//! stable Rust, an ordinary unit test. `make fuzz` drives the same functions for longer, with
//! cargo-fuzz where that is installed. Nothing of it is in the library as it is shipped.

mod corpus;
#[cfg(test)]
mod driver;

use crate::{capi, connection, pattern, pipe, security, transport, util, wire};

/// One thing that is tried.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// What it is called in `fuzz/Cargo.toml`.
    pub name: &'static str,
    /// Tries it with these bytes.
    pub run: fn(&[u8]),
    /// Inputs that lead far in.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

const fn target(name: &'static str, run: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, seeds }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    target("greeting", wire::fuzz::greeting, corpus::greetings),
    target("frames_v1", wire::fuzz::frames_v1, corpus::frames_v1),
    target("frames_v2", wire::fuzz::frames_v2, corpus::frames_v2),
    target("commands", wire::fuzz::commands, corpus::commands),
    target("properties", wire::fuzz::properties, corpus::properties),
    target("handshake_null", security::fuzz::null, corpus::handshakes),
    target("handshake_plain_server", security::fuzz::plain_server, corpus::handshakes),
    target("handshake_plain_client", security::fuzz::plain_client, corpus::handshakes),
    target("handshake_curve_server", security::fuzz::curve_server, corpus::handshakes),
    target("handshake_curve_client", security::fuzz::curve_client, corpus::handshakes),
    target("curve_spoiled", security::fuzz::curve_spoiled, corpus::spoilt),
    target("curve_messages", security::fuzz::curve_messages, corpus::spoilt),
    target("handshake_gssapi_server", security::fuzz::gssapi_server, corpus::handshakes),
    target("handshake_gssapi_client", security::fuzz::gssapi_client, corpus::handshakes),
    target("gssapi_messages", security::fuzz::gssapi_messages, corpus::spoilt),
    target("zap_reply", security::fuzz::zap_reply, corpus::zap_replies),
    target("receiving", connection::fuzz::receiving, corpus::traffic),
    target("socks", transport::fuzz::socks, corpus::socks),
    target("endpoint", transport::fuzz::endpoint, corpus::endpoints),
    target("options", capi::fuzz::options, corpus::options),
    target("z85", util::fuzz::z85, corpus::z85),
    target("topics", pattern::fuzz::topics, corpus::topics),
    target("subscribers", pattern::fuzz::subscribers, corpus::topics),
    target("websocket_messages", wire::fuzz::websocket::messages, corpus::websocket_messages),
    target("websocket_request", wire::fuzz::websocket::request, corpus::websocket_requests),
    target("websocket_answer", wire::fuzz::websocket::answer, corpus::websocket_answers),
    target("websocket_masks", wire::fuzz::websocket::masks, corpus::websocket_messages),
    target("datagram", wire::fuzz::datagram, corpus::datagrams),
    target("packets", wire::fuzz::packets, corpus::packets),
    #[cfg(tls)]
    target("tls_hello", transport::fuzz::tls::hello, transport::fuzz::tls::hellos),
    #[cfg(tls)]
    target("tls_spoiled", transport::fuzz::tls::spoiled, corpus::spoilt),
    target("datagram_pipe", pipe::datagram::udp::fuzz::pipe, corpus::datagram_pipes),
    target("udp_address", transport::fuzz::udp, corpus::udp_addresses),
    target("pollers", capi::fuzz::pollers, corpus::pollers),
];
