//! WebSocket over TLS over TCP: an address as one of [`ws`], which says all else, too.

use super::link::Terms;
use super::row::{HttpTarget, Transport};
use super::tls::Config;
use super::{tcp, ws};

/// The row of the table.
pub(super) static TRANSPORT: Transport = Transport {
    scheme: "wss",
    terms: |ours, text, options| {
        let config = match ours {
            true => Config::connecting(host(text), options)?,
            false => Config::listening(options)?,
        };
        Ok(Terms::Tls(config))
    },
    websocket: Some(target),
    endpoint: |address| address.to_inet().map(|inet| format!("wss://{}", tcp::authority(inet))),
    ..ws::ROW
};

/// What is asked for: as over plain TCP, but for the port that need not be named.
fn target(text: &str) -> HttpTarget {
    ws::target_at(text, ":443")
}

/// The host of an address to connect to.
fn host(text: &str) -> &str {
    let (authority, _) = ws::split(text);
    let authority = authority.rsplit_once(';').map_or(authority, |(_, target)| target);
    authority.rsplit_once(':').map_or(authority, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_named_unless_it_is_the_usual_one() {
        let of = |text| {
            let HttpTarget { host, path } = target(text);
            (host, path)
        };
        assert_eq!(of("a.b:443/c/d"), ("a.b".to_owned(), "/c/d".to_owned()));
        assert_eq!(of("1.2.3.4:1;a.b:80"), ("a.b:80".to_owned(), "/".to_owned()));
        assert_eq!(host("1.2.3.4:1;a.b:80/x:y"), "a.b");
        assert_eq!(host("[::1]:80"), "[::1]");
    }
}
