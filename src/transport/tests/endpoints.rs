//! What endpoints mean.

use super::super::socks::Host;
use super::super::tcp::TcpAddress;
use super::*;
use crate::sys::net::SockAddr;

#[test]
fn endpoints_parse_as_measured() {
    let cases = [
        ("", Err(Error::Invalid)),
        ("tcp", Err(Error::Invalid)),
        ("tcp://", Err(Error::Invalid)),
        ("tcp:/127.0.0.1:5555", Err(Error::Invalid)),
        ("://127.0.0.1:5555", Err(Error::Invalid)),
        ("foo://127.0.0.1:5555", Err(Error::UnknownProtocol)),
        ("TCP://127.0.0.1:5555", Err(Error::UnknownProtocol)),
        ("vmci://*:*", Err(Error::UnknownProtocol)),
        ("inproc://", Err(Error::Invalid)),
        ("inproc://x", Ok("inproc://x")),
        ("ipc://", Err(Error::Invalid)),
        ("ipc://@", Err(Error::Invalid)),
        ("ipc://@x", Ok("ipc://@x")),
        ("ipc://*", Ok("ipc://*")),
        ("ipc://rel.sock", Ok("ipc://rel.sock")),
        ("tcp://a;b://c", Ok("tcp://a;b://c")),
    ];
    for (endpoint, expected) in cases {
        let got = parse(endpoint).map(|address| address.to_string());
        assert_eq!(got, expected.map(str::to_owned), "{endpoint}");
    }
    assert_eq!(Address::parse("ipc://@"), Err(AddressError::Nobodys(Error::Invalid)));
    for first in ["/", "@"] {
        let name = |length: usize| format!("ipc://{first}{}", "y".repeat(length - 1));
        assert!(Address::parse(&name(107)).is_ok());
        let too_long = Err(AddressError::Nobodys(Error::NameTooLong));
        assert_eq!(Address::parse(&name(108)), too_long);
    }
}

#[test]
fn transports_fit_socket_types() {
    use SocketType::{Dealer, Dgram, Dish, Pub, Radio, XSub};
    let parse = |endpoint, socket_type| {
        Address::parse_for(endpoint, socket_type).map(drop).map_err(Error::from)
    };
    assert_eq!(parse("pgm://eth0;239.0.0.1:5", Dealer), Err(Error::IncompatibleProtocol));
    assert_eq!(parse("epgm://eth0;239.0.0.1:5", Pub), Ok(()));
    assert_eq!(parse("norm://127.0.0.1:5", XSub), Ok(()));
    assert_eq!(parse("udp://127.0.0.1:5", Pub), Err(Error::IncompatibleProtocol));
    assert_eq!(parse("foo://x", Dealer), Err(Error::UnknownProtocol));
    assert_eq!(parse("udp://", Dealer), Err(Error::Invalid));
    for socket_type in [Radio, Dish, Dgram] {
        assert_eq!(parse("udp://127.0.0.1:5", socket_type), Ok(()));
    }
    for socket_type in SocketType::ALL {
        let carried = if socket_type == Dgram { Err(Error::IncompatibleProtocol) } else { Ok(()) };
        for endpoint in ["tcp://127.0.0.1:5", "ipc://name", "inproc://name"] {
            assert_eq!(parse(endpoint, socket_type), carried, "{socket_type:?} {endpoint}");
        }
    }
}

/// What zmq_connect of the Debian library takes at once.
const TAKEN: [&str; 28] = [
    "127.0.0.1:5555",
    "localhost:5555",
    "localhost:0",
    "0.0.0.0:5555",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "127.0.0.1:55x",
    "127.0.0.1:0x50",
    "127.0.0.1:080",
    "nosuch.invalid:5555",
    "host_with_underscore:5555",
    "host-dash.x:5555",
    "host.:5555",
    "[::1]:5555",
    "::1:5555",
    "[::1:5555",
    "::1]:5555",
    "[::1]",
    "[fe80::1%lo]:5555",
    "[]:5555",
    ":5555",
    "127.0.0.1:*;127.0.0.1:5555",
    "127.0.0.1;127.0.0.1:5555",
    "lo:0;127.0.0.1:5555",
    "127.0.0.1:0;",
    "a:b:c:5555",
    "1:5555",
    "x*x:1",
];

/// And what not.
const REFUSED: [&str; 23] = [
    "localhost",
    "localhost:",
    "localhost:foo",
    "localhost:*",
    "*:5555",
    "*:*",
    "127.0.0.1:-5",
    "127.0.0.1: 80",
    "127.0.0.1:80 ",
    "127.0.0.1:*0",
    "bad host:1",
    "-host:5555",
    ".host:5555",
    "ho$t:5555",
    "h\u{f6}:5555",
    "a/b:5555",
    ":",
    ";127.0.0.1:5555",
    "*:0;127.0.0.1:5555",
    "127.0.0.1:5555/path",
    "_x:1",
    "]:1",
    "%:1",
];

#[test]
fn connect_syntax_is_as_measured() {
    for (list, expected) in [(&TAKEN[..], Ok(())), (&REFUSED[..], Err(Error::Invalid))] {
        for text in list {
            let address = Address::parse(&format!("tcp://{text}")).unwrap();
            assert_eq!(address.check_connect(), expected, "{text}");
        }
    }
}

#[test]
fn only_names_need_dns() {
    let needs = |text: &str| Address::parse(&format!("tcp://{text}")).unwrap().needs_dns();
    for numeric in
        ["127.0.0.1:1", "[::1]:1", "::1:1", "127.1:1", "[fe80::1%lo]:1", "lo:0;1.2.3.4:1"]
    {
        assert!(!needs(numeric), "{numeric}");
    }
    assert!(needs("localhost:1") && needs("1.2.3.4:0;host:1") && needs("256.1.1.1:1"));
    assert!(!Address::parse("ipc://x").unwrap().needs_dns());
}

/// What the Debian library asked a SOCKS proxy for.
#[test]
fn proxies_are_asked_for_numbers_or_names() {
    let ask = |text: &str| TcpAddress::new(text).destination().map(|d| (d.host, d.port));
    let number = |text: &str, port| Ok((Host::Address(text.parse().unwrap()), port));
    let name = |text: &str, port| Ok((Host::Name(text.to_owned()), port));
    assert_eq!(ask("10.1.2.3:99"), number("10.1.2.3", 99));
    assert_eq!(ask("1.2:99"), number("1.0.0.2", 99));
    assert_eq!(ask("::1:99"), number("::1", 99));
    assert_eq!(ask("[fe80::1%lo]:99"), number("fe80::1", 99));
    assert_eq!(ask("[::ffff:1.2.3.4]:99"), number("::ffff:1.2.3.4", 99));
    assert_eq!(ask("lo:99999"), name("lo", 34463));
    assert_eq!(ask("eth0:0;peer.example:9x"), name("peer.example", 9));
    for nothing in ["peer.example:0", "peer.example", ":99", "[]:99"] {
        assert_eq!(ask(nothing), Err(Error::Invalid), "{nothing}");
    }
}

#[test]
fn routes_lead_through_the_proxy() {
    let options =
        SocketOptions { socks_proxy: b"proxy.example:1080".to_vec(), ..SocketOptions::default() };
    let first = |endpoint: &str, options: &SocketOptions| {
        Route::new(Address::parse(endpoint).unwrap(), options).map(|r| r.first().to_string())
    };
    assert_eq!(first("tcp://peer:1", &options).unwrap(), "tcp://proxy.example:1080");
    assert_eq!(first("tcp://lo:0;peer:1", &options).unwrap(), "tcp://lo:0;proxy.example:1080");
    assert_eq!(first("ipc://peer", &options).unwrap(), "ipc://peer");
    assert_eq!(first("tcp://peer:1", &defaults()).unwrap(), "tcp://peer:1");
    assert_eq!(first("tcp://lo:0;peer:1", &defaults()).unwrap(), "tcp://lo:0;peer:1");
    let own = SocketOptions { socks_proxy: b"eth1:0;proxy:1".to_vec(), ..defaults() };
    assert_eq!(first("tcp://lo:0;peer:1", &own).unwrap(), "tcp://eth1:0;proxy:1");
    assert_eq!(first("tcp://peer:0", &options), Err(Error::Invalid));
}

#[test]
fn numeric_addresses_resolve() {
    let resolve = |text: &str, ipv6| {
        let address = Address::parse(&format!("tcp://{text}")).unwrap();
        address.resolve(&SocketOptions { ipv6, ..defaults() }).map(|routes| {
            let text = |address: SockAddr| address.to_inet().unwrap().to_string();
            (text(routes[0].target), routes[0].source.map(text))
        })
    };
    let plain = |target: &str| Ok((target.to_owned(), None));
    assert_eq!(resolve("1.2.3.4:5", false), plain("1.2.3.4:5"));
    assert_eq!(resolve("127.1:5", false), plain("127.0.0.1:5"));
    assert_eq!(resolve("1.2.3.4:5", true), plain("[::ffff:1.2.3.4]:5"));
    assert_eq!(resolve("[::1]:5", true), plain("[::1]:5"));
    assert_eq!(resolve("::1:5", true), plain("[::1]:5"));
    assert_eq!(resolve("[::1]:5", false), Err(Error::Invalid));
    for nothing in ["1.2.3.4:0", "1.2.3.4:65536", "1.2.3.4", "[fe80::1%nosuch]:5", ":5"] {
        assert_eq!(resolve(nothing, true), Err(Error::Invalid), "{nothing}");
    }
    let from = |source: &str| Ok(("1.2.3.4:5".to_owned(), Some(source.to_owned())));
    assert_eq!(resolve("127.0.0.1:0;1.2.3.4:5", false), from("127.0.0.1:0"));
    assert_eq!(resolve("127.0.0.1:*;1.2.3.4:5", false), from("127.0.0.1:0"));
    assert_eq!(resolve("127.0.0.1:77;1.2.3.4:5", false), from("127.0.0.1:77"));
    assert_eq!(resolve("lo:0;1.2.3.4:5", false), from("127.0.0.1:0"));
    for source in ["nosuchif:0", "localhost:0", "127.0.0.1", "::1:0"] {
        assert_eq!(resolve(&format!("{source};1.2.3.4:5"), false), Err(Error::Invalid), "{source}");
    }
    let lo = net::interface_index("lo").unwrap();
    let expected = plain(&format!("[fe80::1%{lo}]:5"));
    assert_eq!(resolve("[fe80::1%lo]:5", true), expected);
    assert_eq!(resolve(&format!("[fe80::1%{lo}]:5"), true), expected);
}

#[test]
fn localhost_resolves() {
    for options in [defaults(), with_ipv6()] {
        let routes = Address::parse("tcp://localhost:5").unwrap().resolve(&options).unwrap();
        for route in &routes {
            let target = route.target.to_inet().unwrap();
            assert_eq!(target.is_ipv6(), options.ipv6);
            assert!(target.ip().to_canonical().is_loopback());
        }
    }
}

/// What zmq_bind of the Debian library made of addresses, as ZMQ_LAST_ENDPOINT without port.
#[test]
fn bind_addresses_are_as_measured() {
    let no_device = Err(Error::NoDevice);
    let invalid = Err(Error::Invalid);
    // Address, result without ZMQ_IPV6, result with it.
    let cases = [
        ("*:*", Ok("0.0.0.0"), Ok("[::]")),
        ("*:0", Ok("0.0.0.0"), Ok("[::]")),
        ("[*]:*", Ok("0.0.0.0"), Ok("[::]")),
        ("127.0.0.1:*", Ok("127.0.0.1"), Ok("[::ffff:127.0.0.1]")),
        ("[127.0.0.1]:*", Ok("127.0.0.1"), Ok("[::ffff:127.0.0.1]")),
        ("127.1:*", Ok("127.0.0.1"), Ok("[::ffff:127.0.0.1]")),
        ("2130706433:*", Ok("127.0.0.1"), Ok("[::ffff:127.0.0.1]")),
        ("127.0.0.1:1;127.0.0.1:*", Ok("127.0.0.1"), Ok("[::ffff:127.0.0.1]")),
        ("lo:*", Ok("127.0.0.1"), Ok("[::1]")),
        ("[::1]:*", no_device, Ok("[::1]")),
        ("[::1%lo]:*", no_device, Ok("[::1]")),
        ("::1:*", no_device, Ok("[::1]")),
        ("[::]:*", no_device, Ok("[::]")),
        ("nosuchif:*", no_device, no_device),
        ("localhost:*", no_device, no_device),
        (":*", no_device, no_device),
        ("256.0.0.1:*", no_device, no_device),
        ("127.0.0.1 :*", no_device, no_device),
        ("bad host:*", no_device, no_device),
        ("[fe80::1%nosuch]:*", invalid, invalid),
        ("8.8.8.8:*", Err(Error::AddressNotAvailable), Err(Error::AddressNotAvailable)),
        ("127.0.0.1", invalid, invalid),
        ("127.0.0.1:", invalid, invalid),
        ("127.0.0.1:foo", invalid, invalid),
        ("127.0.0.1:65536", invalid, invalid),
        ("127.0.0.1:0x50", invalid, invalid),
        ("127.0.0.1:!", invalid, invalid),
    ];
    for (text, v4, v6) in cases {
        let endpoint = format!("tcp://{text}");
        for (options, expected) in [(defaults(), v4), (with_ipv6(), v6)] {
            if options.ipv6 && !ipv6_works() {
                continue;
            }
            let got = bind(&endpoint, &options)
                .map(|l| l.endpoint().rsplit_once(':').unwrap().0.to_owned());
            let expected = expected.map(|host| format!("tcp://{host}"));
            assert_eq!(got, expected, "{text}, ipv6 {}", options.ipv6);
        }
    }
}

#[test]
fn ports_are_read_like_atoi() {
    let port = |text: &str| {
        let text = format!("127.0.0.1:{text}");
        TcpAddress::new(&text).resolve_bind(false).map(|address| address.port())
    };
    assert_eq!(port("-1"), Ok(65_535));
    for text in ["5562", "00005562", "+5562", " 5562", "5562 ", "5562x"] {
        assert_eq!(port(text), Ok(5562), "{text:?}");
    }
    assert_eq!((port("*"), port("0")), (Ok(0), Ok(0)));
    for text in ["00", "-0", "", "x", "65536", "99999999999999999999"] {
        assert_eq!(port(text), Err(Error::Invalid), "{text:?}");
    }
}

#[test]
fn a_web_socket_is_tcp_with_a_page() {
    assert!(is_optional(b"ws") && is_optional(b"wss") == cfg!(tls));
    for (given, written) in [
        ("ws://127.0.0.1:5", "ws://127.0.0.1:5/"),
        ("ws://127.0.0.1:5/", "ws://127.0.0.1:5/"),
        ("ws://host:5/a/b?c#d", "ws://host:5/a/b?c#d"),
        ("ws://[::1]:5/a", "ws://[::1]:5/a"),
    ] {
        assert_eq!(parse(given).map(|address| address.to_string()), Ok(written.to_owned()));
        assert_eq!(parse(given).and_then(|address| address.check_connect()), Ok(()));
    }
    for wrong in ["ws://*:5", "ws://:5", "ws://host", "ws://host/a:5", "ws://a b:5", "ws://host:*"]
    {
        let checked = parse(wrong).and_then(|address| address.check_connect());
        assert_eq!(checked, Err(Error::Invalid), "{wrong}");
    }
    let ways = parse("ws://127.0.0.1:5/x").and_then(|a| a.resolve(&defaults()));
    let to = |ways: Vec<Way>| ways.first().and_then(|way| way.target.to_inet());
    assert_eq!(ways.map(to), Ok("127.0.0.1:5".parse().ok()));
}

#[test]
fn a_request_names_host_and_page_as_they_are_given() {
    let options = defaults();
    let listener = bind("ws://127.0.0.1:*/p", &options).unwrap();
    assert!(listener.endpoint().starts_with("ws://127.0.0.1:"));
    assert!(listener.endpoint().ends_with("/p"));
    let _client = connect(listener.endpoint(), &options).unwrap();
    let stream = accept(&listener, &options);
    assert_eq!(stream.local_endpoint(), listener.endpoint());
    for (given, host, path) in [
        ("ws://127.0.0.1:8080/a/b", "127.0.0.1:8080", "/a/b"),
        ("ws://here:80", "here", "/"),
        ("ws://127.0.0.1:0;[::1]:8080/x", "[::1]:8080", "/x"),
    ] {
        let target = stream.websocket(given).unwrap();
        assert_eq!((target.host.as_str(), target.path.as_str()), (host, path));
    }
    // A wildcard is told with the address that the peer came to.
    let listener = bind("ws://*:*/p", &options).unwrap();
    let local = listener.endpoint().replace("0.0.0.0", "127.0.0.1");
    let _client = connect(&local, &options).unwrap();
    assert_eq!(accept(&listener, &options).local_endpoint(), local);
}
