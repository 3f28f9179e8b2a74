//! What a fuzzer tries of this layer, see `crate::fuzz`.

use super::socks::{Destination, Host, Socks};
use super::{Address, Route};
use crate::options::SocketOptions;
use crate::types::SocketType;
use crate::util::fuzz::Input;

#[cfg(tls)]
pub(crate) use super::tls::fuzz as tls;

/// What a SOCKS proxy answers. It must not matter in which pieces it comes.
pub(crate) fn socks(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (choice, piece) = (input.byte(), 1 + usize::from(input.byte()));
    let mut options = SocketOptions::default();
    if choice & 1 == 1 {
        options.socks_username = b"me".to_vec();
        options.socks_password = b"secret".to_vec().into();
    }
    let host = Host::Name("db.example".to_owned());
    let Ok(destination) = Destination::new(host, 5555) else { unreachable!("a short name") };
    let bytes = input.rest();
    let run = |piece: usize| {
        let mut dialogue = Socks::new(&destination, &options);
        let (mut taken, mut failed) = (0, None);
        for piece in bytes.chunks(piece) {
            let wanted = dialogue.wanted();
            match dialogue.input(piece) {
                Ok(used) => {
                    assert!(used <= piece.len() && (used > 0) == (wanted > 0));
                    taken += used;
                }
                Err(refusal) => {
                    failed = Some(refusal);
                    break;
                }
            }
            assert!(dialogue.wanted() <= 257 && dialogue.output().len() < 64);
        }
        // Whoever reads what is wanted and no more never has what is the peer's.
        let reached = failed.is_none().then(|| (taken, dialogue.wanted()));
        (reached, failed, dialogue.output().clone())
    };
    assert_eq!(run(bytes.len().max(1)), run(piece));
}

/// What a program may name as an endpoint. Host names are not looked up.
pub(crate) fn endpoint(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let parsed = Address::parse(&text);
    for kind in SocketType::ALL {
        match Address::parse_for(&text, kind) {
            Ok(address) => assert_eq!(Ok(&address), parsed.as_ref()),
            Err(error) => {
                let other = crate::error::Error::IncompatibleProtocol.into();
                assert!(error == other || Some(&error) == parsed.as_ref().err());
            }
        }
    }
    let Ok(address) = parsed else { return };
    let written = address.to_string();
    assert!(written == text || address.canonical().is_some());
    let _ = address.check_connect();
    for ipv6 in [false, true] {
        if let Some(bound) = address.resolved_binding(ipv6) {
            let known = |again: Address| !again.needs_dns();
            assert!(bound == written || Address::parse(&bound).is_ok_and(known), "{bound}");
        }
        if !address.needs_dns() {
            let routes = address.resolve(&SocketOptions { ipv6, ..SocketOptions::default() });
            assert!(routes.is_err() || routes.is_ok_and(|routes| !routes.is_empty()));
        }
    }
    // Whatever a proxy can be asked for is reached through it, by the same transport.
    let proxy = SocketOptions { socks_proxy: b"proxy:1080".to_vec(), ..SocketOptions::default() };
    if let Ok(route) = Route::new(address, &proxy) {
        let scheme = |text: &str| text.split("://").next().map(str::to_owned);
        assert_eq!(scheme(&route.first().to_string()), scheme(&text));
    }
}

/// Where datagrams are received, or sent to.
pub(crate) fn udp(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for ipv6 in [false, true] {
        let understood = super::udp::is_understood(&text, ipv6);
        // Whoever binds there may name it.
        assert!(
            !understood || Address::parse(&format!("udp://{text}")).is_ok() || text.contains('\0')
        );
    }
}
