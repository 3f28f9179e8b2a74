//! WebSocket over TCP (RFC 6455), which carries ZWS 2.0 (RFC 45). An address is `host:port/path`: in front
//! of the path one of zmq_tcp(7), of which all else holds, too. Without a path it is `/`. Who listens hears
//! peers of any path, as in libzmq.

use super::row::{HttpTarget, Transport};
use super::tcp::{self, TcpAddress};
use crate::error::Error;

/// The row of the table.
pub(super) static TRANSPORT: Transport = ROW;

/// The same for those over it.
pub(super) const ROW: Transport = Transport {
    scheme: "ws",
    canonical: |text| (!text.contains('/')).then(|| format!("{text}/")),
    optional: Some(|| true),
    listen: |text, options| tcp::listen(split(text).0, options),
    resolve_binding: |text, ipv6| tcp::resolve_binding(split(text).0, ipv6),
    check_connect: |text| {
        // TCP's grammar lets `:port` pass, which is nowhere.
        if text.starts_with(':') { Err(Error::Invalid) } else { tcp(text).check_connect() }
    },
    needs_dns: |text| tcp(text).needs_dns(),
    resolve: |text, options| tcp(text).resolve_connect(options.ipv6),
    through_proxy: Some(|text, options| tcp::through_proxy(split(text).0, options)),
    websocket: Some(target),
    endpoint: |address| address.to_inet().map(|inet| format!("ws://{}", tcp::authority(inet))),
    behind: |text| split(text).1,
    ..tcp::ROW
};

/// What is TCP's, and the path.
pub(super) fn split(text: &str) -> (&str, &str) {
    text.find('/').map_or((text, "/"), |at| text.split_at(at))
}

fn tcp(text: &str) -> TcpAddress<'_> {
    TcpAddress::new(split(text).0)
}

fn target(text: &str) -> HttpTarget {
    target_at(text, ":80")
}

/// A port need not be named if it is HTTP's own (RFC 6455, section 4.1).
pub(super) fn target_at(text: &str, usual: &str) -> HttpTarget {
    let (host, path) = split(text);
    let host = host.rsplit_once(';').map_or(host, |(_, target)| target);
    let host = host.strip_suffix(usual).unwrap_or(host);
    HttpTarget { host: host.to_owned(), path: path.to_owned() }
}
