#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::IoSlice;
use std::net::{Ipv6Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd};

use super::socks::Host;
use super::*;
use crate::options::AddressMask;
use crate::sys::net;

/// Waits until one of the poll events comes; the deadline only ends a broken test.
fn wait(fd: BorrowedFd<'_>, events: i16) {
    let mut item = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: one item, which outlives the call.
    let ready = unsafe { libc::poll(&raw mut item, 1, 10_000) };
    assert_eq!(ready, 1, "nothing happened for ten seconds");
}

fn defaults() -> SocketOptions {
    SocketOptions::default()
}

fn with_ipv6() -> SocketOptions {
    SocketOptions { ipv6: true, ..defaults() }
}

fn bind(endpoint: &str, options: &SocketOptions) -> Result<Listener> {
    Listener::bind(&Address::parse(endpoint)?, options).map_err(|failed| failed.error)
}

fn connect(endpoint: &str, options: &SocketOptions) -> Result<Stream> {
    let route = Route::new(Address::parse(endpoint)?, options)?;
    let first = route.first().resolve(options)?.remove(0);
    let mut connecting = route.start(&first, options)?;
    let mut step = connecting.first_step()?;
    while step != Step::Made {
        let events = if step == Step::Listening { libc::POLLIN } else { libc::POLLOUT };
        wait(connecting.as_fd(), events);
        step = connecting.advance()?;
    }
    Ok(connecting.finish())
}

fn accept(listener: &Listener, options: &SocketOptions) -> Stream {
    wait(listener.as_fd(), libc::POLLIN);
    listener.accept(options).unwrap().unwrap()
}

fn port_of(endpoint: &str) -> &str {
    endpoint.rsplit_once(':').unwrap().1
}

fn ipv6_works() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// Sends from one to the other and checks that the end of the stream arrives too.
fn exchange(from: Stream, to: &Stream) {
    assert_eq!(net::send(from.as_fd(), b"hello"), Ok(5));
    let mut buffer = [0; 16];
    wait(to.as_fd(), libc::POLLIN);
    assert_eq!(net::recv(to.as_fd(), &mut buffer), Ok(5));
    assert_eq!(&buffer[..5], b"hello");
    assert_eq!(net::recv(to.as_fd(), &mut buffer), Err(Error::Again));
    drop(from);
    wait(to.as_fd(), libc::POLLIN);
    assert_eq!(net::recv(to.as_fd(), &mut buffer), Ok(0));
}

// ---- endpoints ----------------------------------------------------------------------------

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
        ("wss://127.0.0.1:5555", Err(Error::UnknownProtocol)),
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
        let got = Address::parse(endpoint).map(|address| address.to_string());
        assert_eq!(got, expected.map(str::to_owned), "{endpoint}");
    }
    for first in ["/", "@"] {
        let name = |length: usize| format!("ipc://{first}{}", "y".repeat(length - 1));
        assert!(Address::parse(&name(107)).is_ok());
        assert_eq!(Address::parse(&name(108)), Err(Error::NameTooLong));
    }
}

#[test]
fn transports_fit_socket_types() {
    use SocketType::{Dealer, Pub, XSub};
    let parse = |endpoint, socket_type| Address::parse_for(endpoint, socket_type).map(drop);
    assert_eq!(parse("pgm://eth0;239.0.0.1:5", Dealer), Err(Error::IncompatibleProtocol));
    assert_eq!(parse("epgm://eth0;239.0.0.1:5", Pub), Err(Error::UnknownProtocol));
    assert_eq!(parse("norm://127.0.0.1:5", XSub), Err(Error::UnknownProtocol));
    assert_eq!(parse("udp://127.0.0.1:5", Pub), Err(Error::IncompatibleProtocol));
    assert_eq!(parse("foo://x", Dealer), Err(Error::UnknownProtocol));
    assert_eq!(parse("udp://", Dealer), Err(Error::Invalid));
    for socket_type in SocketType::ALL {
        assert_eq!(parse("tcp://127.0.0.1:5", socket_type), Ok(()));
    }
}

/// What zmq_connect of the Debian library said at once.
#[test]
fn connect_syntax_is_as_measured() {
    let good = [
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
    let bad = [
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
    for (list, expected) in [(&good[..], Ok(())), (&bad[..], Err(Error::Invalid))] {
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
            let SocketAddrAny::Inet { target, source } = &routes[0] else { panic!() };
            (target.to_string(), source.map(|s| s.to_string()))
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
            let SocketAddrAny::Inet { target, .. } = route else { panic!() };
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
        let Address::Tcp(tcp) = Address::parse(&format!("tcp://127.0.0.1:{text}")).unwrap() else {
            panic!()
        };
        tcp.resolve_bind(false).map(|address| address.port())
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

// ---- tcp ----------------------------------------------------------------------------------

#[test]
fn tcp_round_trip_and_names() {
    let options = defaults();
    let listener = bind("tcp://127.0.0.1:*", &options).unwrap();
    assert!(matches!(listener.accept(&options), Ok(None)));
    let client = connect(listener.endpoint(), &options).unwrap();
    let server = accept(&listener, &options);
    assert_eq!(server.local_endpoint(), listener.endpoint());
    assert_eq!(client.remote_endpoint(), listener.endpoint());
    assert_eq!(client.local_endpoint(), server.remote_endpoint());
    assert_eq!(server.peer_address(), "127.0.0.1");
    assert_eq!(client.peer_address(), "127.0.0.1");
    for stream in [&client, &server] {
        let nodelay = net::get_option(stream.as_fd(), libc::IPPROTO_TCP, libc::TCP_NODELAY);
        assert_ne!(nodelay, Ok(0));
        // SAFETY: no pointers are involved.
        let flags = unsafe { libc::fcntl(stream.as_fd().as_raw_fd(), libc::F_GETFD) };
        assert_eq!(flags & libc::FD_CLOEXEC, libc::FD_CLOEXEC);
    }
    exchange(client, &server);
}

#[test]
fn dual_stack_listener_sees_mapped_peers() {
    if !ipv6_works() {
        return;
    }
    let listener = bind("tcp://*:*", &with_ipv6()).unwrap();
    let port = port_of(listener.endpoint());
    for (host, options, ours, theirs) in [
        ("127.0.0.1", defaults(), "127.0.0.1", "::ffff:127.0.0.1"),
        ("127.0.0.1", with_ipv6(), "::ffff:127.0.0.1", "::ffff:127.0.0.1"),
        ("[::1]", with_ipv6(), "::1", "::1"),
    ] {
        let client = connect(&format!("tcp://{host}:{port}"), &options).unwrap();
        let server = accept(&listener, &with_ipv6());
        assert_eq!(client.peer_address(), ours);
        assert_eq!(server.peer_address(), theirs);
        assert_eq!(server.local_endpoint(), format!("tcp://[{theirs}]:{port}"));
        exchange(client, &server);
    }
}

#[test]
fn connections_come_from_the_source_address() {
    let options = defaults();
    let listener = bind("tcp://127.0.0.1:*", &options).unwrap();
    let target = listener.endpoint().strip_prefix("tcp://").unwrap();
    let client = connect(&format!("tcp://127.0.0.2:0;{target}"), &options).unwrap();
    assert_eq!(accept(&listener, &options).peer_address(), "127.0.0.2");
    drop(client);
    let foreign = connect(&format!("tcp://8.8.8.8:0;{target}"), &options);
    assert_eq!(foreign.map(drop), Err(Error::AddressNotAvailable));
}

#[test]
fn a_port_is_bound_once() {
    let options = defaults();
    let listener = bind("tcp://127.0.0.1:*", &options).unwrap();
    let endpoint = listener.endpoint().to_owned();
    let again = bind(&endpoint, &options).map(drop);
    assert_eq!(again, Err(Error::AddressInUse));
    let port = port_of(&endpoint);
    assert_eq!(bind(&format!("tcp://*:{port}"), &options).map(drop), Err(Error::AddressInUse));
}

#[test]
fn a_port_nobody_listens_at_refuses() {
    // Bound, so that nobody else can have it, but not listening.
    let address = net::SockAddr::from(SocketAddr::from(([127, 0, 0, 1], 0)));
    let socket = net::stream_socket(&address).unwrap();
    net::bind(socket.as_fd(), &address).unwrap();
    let taken = net::local_address(socket.as_fd()).unwrap().to_inet().unwrap();
    let refused = connect(&format!("tcp://{taken}"), &defaults()).map(drop);
    assert_eq!(refused, Err(Error::ConnectionRefused));
}

#[test]
fn a_connection_to_itself_is_refused() {
    let options = defaults();
    // A free port of an address no other test uses.
    let port = port_of(bind("tcp://127.0.0.77:*", &options).unwrap().endpoint()).to_owned();
    let endpoint = format!("tcp://127.0.0.77:{port};127.0.0.77:{port}");
    assert_eq!(connect(&endpoint, &options).map(drop), Err(Error::ConnectionRefused));
}

/// Binds the way a server without SO_REUSEADDR does, to which a connection in TIME_WAIT is in the
/// way.
fn is_free(port: u16) -> bool {
    let at = net::SockAddr::from(SocketAddr::from(([127, 0, 0, 77], port)));
    let socket = net::stream_socket(&at).unwrap();
    net::bind(socket.as_fd(), &at).is_ok()
}

#[test]
fn connections_that_never_were_leave_nothing_on_a_port() {
    let options = defaults();
    // To itself: when that is found out, when it is given up before, and when there is a proxy.
    for (found_out, socks_proxy) in
        [(true, b"".as_slice()), (false, b""), (true, b"x"), (false, b"x")]
    {
        let port = port_of(bind("tcp://127.0.0.77:*", &options).unwrap().endpoint()).to_owned();
        let itself = format!("127.0.0.77:{port};127.0.0.77:{port}");
        let mut options = defaults();
        let mut endpoint = format!("tcp://{itself}");
        if !socks_proxy.is_empty() {
            options.socks_proxy = itself.into_bytes();
            endpoint = "tcp://127.0.0.1:1".to_owned();
        }
        let route = Route::new(Address::parse(&endpoint).unwrap(), &options).unwrap();
        let first = route.first().resolve(&options).unwrap().remove(0);
        let mut connecting = route.start(&first, &options).unwrap();
        assert_eq!(connecting.first_step(), Ok(Step::Connecting));
        wait(connecting.as_fd(), libc::POLLOUT);
        if found_out {
            assert_eq!(connecting.advance(), Err(Error::ConnectionRefused));
        }
        drop(connecting);
        assert!(is_free(port.parse().unwrap()), "{endpoint}, found out: {found_out}");
    }
}

#[test]
fn a_proxy_that_is_left_and_a_peer_turned_away_get_a_reset() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = proxy.local_addr().unwrap().to_string();
    let options = SocketOptions { socks_proxy: at.into_bytes(), ..defaults() };
    let route = Route::new(Address::parse("tcp://127.0.0.1:1").unwrap(), &options).unwrap();
    let first = route.first().resolve(&options).unwrap().remove(0);
    let mut connecting = route.start(&first, &options).unwrap();
    assert_eq!(connecting.first_step(), Ok(Step::Connecting));
    let (mut accepted, _) = proxy.accept().unwrap();
    wait(connecting.as_fd(), libc::POLLOUT);
    assert_eq!(connecting.advance(), Ok(Step::Listening));
    drop(connecting);
    let mut said = Vec::new();
    let error = std::io::Read::read_to_end(&mut accepted, &mut said).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

    let listener = bind("tcp://127.0.0.1:*", &defaults()).unwrap();
    let client = connect(listener.endpoint(), &defaults()).unwrap();
    wait(listener.as_fd(), libc::POLLIN);
    let nobody = AddressMask::parse(b"10.0.0.0/8", false).unwrap();
    let options = SocketOptions { tcp_accept_filters: vec![nobody], ..defaults() };
    assert_eq!(listener.accept(&options).map(drop), Err(AcceptError::Refused));
    wait(client.as_fd(), libc::POLLIN);
    let reset = Err(Error::Os(libc::ECONNRESET));
    assert_eq!(net::recv(client.as_fd(), &mut [0; 1]), reset);
}

#[test]
fn system_options_follow_socket_options() {
    let options = SocketOptions {
        tcp_keepalive: 1,
        tcp_keepalive_cnt: 5,
        tcp_keepalive_idle: 77,
        tcp_keepalive_intvl: 11,
        tcp_maxrt: 4321,
        tos: 0x28,
        sndbuf: 20_000,
        rcvbuf: 30_000,
        ..defaults()
    };
    let listener = bind("tcp://127.0.0.1:*", &options).unwrap();
    let client = connect(listener.endpoint(), &options).unwrap();
    let server = accept(&listener, &options);
    for stream in [&client, &server] {
        let get = |level, name| net::get_option(stream.as_fd(), level, name).unwrap();
        assert_ne!(get(libc::SOL_SOCKET, libc::SO_KEEPALIVE), 0);
        assert_eq!(get(libc::IPPROTO_TCP, libc::TCP_KEEPCNT), 5);
        assert_eq!(get(libc::IPPROTO_TCP, libc::TCP_KEEPIDLE), 77);
        assert_eq!(get(libc::IPPROTO_TCP, libc::TCP_KEEPINTVL), 11);
        assert_eq!(get(libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT), 4321);
        // Linux doubles the sizes for its own book-keeping (socket(7)).
        assert_eq!(get(libc::SOL_SOCKET, libc::SO_SNDBUF), 40_000);
        assert_eq!(get(libc::SOL_SOCKET, libc::SO_RCVBUF), 60_000);
    }
    let tos = net::get_option(client.as_fd(), libc::IPPROTO_IP, libc::IP_TOS);
    assert_eq!(tos, Ok(0x28));
}

#[test]
fn devices_must_exist() {
    let options = SocketOptions { bindtodevice: b"nosuchif".to_vec(), ..defaults() };
    let result = bind("tcp://127.0.0.1:*", &options).map(drop);
    // Old systems let only the administrator ask.
    assert!(matches!(result, Err(Error::NoDevice | Error::Os(libc::EPERM))), "{result:?}");
}

#[test]
fn accept_filters_turn_peers_away() {
    let filtered = |filter: &str| SocketOptions {
        tcp_accept_filters: vec![AddressMask::parse(filter.as_bytes(), false).unwrap()],
        ..defaults()
    };
    let listener = bind("tcp://127.0.0.1:*", &defaults()).unwrap();
    let client = connect(listener.endpoint(), &defaults()).unwrap();
    wait(listener.as_fd(), libc::POLLIN);
    let result = listener.accept(&filtered("10.0.0.0/8"));
    assert_eq!(result.map(drop), Err(AcceptError::Refused));
    wait(client.as_fd(), libc::POLLIN);
    assert!(matches!(net::recv(client.as_fd(), &mut [0; 1]), Ok(0) | Err(Error::Os(_))));
    let _client = connect(listener.endpoint(), &defaults()).unwrap();
    accept(&listener, &filtered("127.0.0.0/8"));
}

#[test]
fn pieces_are_written_together() {
    let options = defaults();
    let listener = bind("tcp://127.0.0.1:*", &options).unwrap();
    let client = connect(listener.endpoint(), &options).unwrap();
    let server = accept(&listener, &options);
    let pieces = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
    assert_eq!(net::send_vectored(client.as_fd(), &pieces), Ok(5));
    wait(server.as_fd(), libc::POLLIN);
    let mut buffer = [const { std::mem::MaybeUninit::<u8>::uninit() }; 8];
    assert_eq!(net::recv_uninit(server.as_fd(), &mut buffer), Ok(5));
    // SAFETY: recv_uninit said that five bytes are initialised.
    let text = buffer[..5].iter().map(|byte| unsafe { byte.assume_init() }).collect::<Vec<u8>>();
    assert_eq!(text, b"abcde");
}

/// A full peer is `Again`; a dead one is an error and never SIGPIPE. The test blocks the signal
/// for its thread, so that one that was raised would stay pending.
#[test]
fn writing_to_a_dead_peer_raises_no_signal() {
    // SAFETY: the sets are plain data and outlive the calls.
    let pending = || unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigpending(&raw mut set);
        libc::sigismember(&raw const set, libc::SIGPIPE)
    };
    // SAFETY: as above.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
    for endpoint in ["tcp://127.0.0.1:*", "ipc://*"] {
        let options = defaults();
        let listener = bind(endpoint, &options).unwrap();
        let client = connect(listener.endpoint(), &options).unwrap();
        let server = accept(&listener, &options);
        let block = [0; 65_536];
        let full = loop {
            match net::send(client.as_fd(), &block) {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(full, Error::Again);
        drop(server);
        wait(client.as_fd(), libc::POLLHUP);
        for vectored in [false, true, false] {
            let result = match vectored {
                true => net::send_vectored(client.as_fd(), &[IoSlice::new(&block)]),
                false => net::send(client.as_fd(), &block),
            };
            assert!(matches!(result, Err(Error::Os(libc::EPIPE | libc::ECONNRESET))), "{result:?}");
        }
        assert_eq!(pending(), 0);
    }
}

// ---- ipc ----------------------------------------------------------------------------------

/// A directory for one test's sockets.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new(test: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("zmq-oxide-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn endpoint(&self, name: &str) -> String {
        format!("ipc://{}", self.0.join(name).display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn own_credentials() -> String {
    // SAFETY: no pointers are involved.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    format!("localhost:{uid}:{gid}:{}", std::process::id())
}

#[test]
fn ipc_round_trip_and_names() {
    let scratch = Scratch::new("names");
    let abstract_name = format!("ipc://@zmq-oxide-names-{}", std::process::id());
    for endpoint in [scratch.endpoint("s"), abstract_name] {
        let options = defaults();
        let listener = bind(&endpoint, &options).unwrap();
        assert_eq!(listener.endpoint(), endpoint);
        let client = connect(&endpoint, &options).unwrap();
        let server = accept(&listener, &options);
        assert_eq!(server.local_endpoint(), endpoint);
        assert_eq!(client.remote_endpoint(), endpoint);
        assert_eq!(server.remote_endpoint(), "ipc://");
        assert_eq!(server.peer_address(), own_credentials());
        exchange(client, &server);
    }
}

#[test]
fn a_path_is_taken_over_and_stays_when_closed() {
    let scratch = Scratch::new("takeover");
    let endpoint = scratch.endpoint("s");
    let path = scratch.0.join("s");
    let options = defaults();
    let first = bind(&endpoint, &options).unwrap();
    let second = bind(&endpoint, &options).unwrap();
    let _client = connect(&endpoint, &options).unwrap();
    accept(&second, &options);
    assert!(matches!(first.accept(&options), Ok(None)));
    drop(first);
    drop(second);
    assert!(path.exists());
    assert_eq!(connect(&endpoint, &options).map(drop), Err(Error::ConnectionRefused));
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, b"not a socket").unwrap();
    bind(&endpoint, &options).unwrap();
    assert_eq!(connect(&scratch.endpoint("missing"), &options).map(drop), Err(Error::NotFound));
    assert_eq!(bind(&scratch.endpoint("no/s"), &options).map(drop), Err(Error::NotFound));
    let directory = format!("ipc://{}", scratch.0.display());
    assert_eq!(bind(&directory, &options).map(drop), Err(Error::AddressInUse));
}

#[test]
fn abstract_names_are_bound_once() {
    let endpoint = format!("ipc://@zmq-oxide-once-{}", std::process::id());
    let listener = bind(&endpoint, &defaults()).unwrap();
    assert_eq!(bind(&endpoint, &defaults()).map(drop), Err(Error::AddressInUse));
    drop(listener);
    bind(&endpoint, &defaults()).unwrap();
}

#[test]
fn wildcard_paths_come_and_go() {
    use std::os::unix::fs::PermissionsExt;
    let listener = bind("ipc://*", &defaults()).unwrap();
    let path = std::path::PathBuf::from(listener.endpoint().strip_prefix("ipc://").unwrap());
    assert!(path.ends_with("socket"));
    let directory = path.parent().unwrap().to_owned();
    assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let _client = connect(listener.endpoint(), &defaults()).unwrap();
    drop(listener);
    assert!(!path.exists() && !directory.exists());
}

#[test]
fn ipc_filters_look_at_credentials() {
    let listener = bind("ipc://*", &defaults()).unwrap();
    let passes = |options: &SocketOptions| {
        let _client = connect(listener.endpoint(), &defaults()).unwrap();
        wait(listener.as_fd(), libc::POLLIN);
        match listener.accept(options) {
            Ok(Some(_)) => true,
            Err(AcceptError::Refused) => false,
            other => panic!("{other:?}"),
        }
    };
    // SAFETY: no pointers are involved.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    let pid = i32::try_from(std::process::id()).unwrap();
    let no_group = u32::MAX - 7;
    assert!(passes(&SocketOptions { ipc_uid_accept_filters: vec![uid], ..defaults() }));
    assert!(!passes(&SocketOptions { ipc_uid_accept_filters: vec![uid + 1], ..defaults() }));
    assert!(passes(&SocketOptions { ipc_gid_accept_filters: vec![gid], ..defaults() }));
    assert!(!passes(&SocketOptions { ipc_gid_accept_filters: vec![no_group], ..defaults() }));
    assert!(passes(&SocketOptions { ipc_pid_accept_filters: vec![pid], ..defaults() }));
    assert!(!passes(&SocketOptions { ipc_pid_accept_filters: vec![pid + 1], ..defaults() }));
    let either = SocketOptions {
        ipc_uid_accept_filters: vec![uid + 1],
        ipc_pid_accept_filters: vec![pid],
        ..defaults()
    };
    assert!(passes(&either));
}

// ---- descriptors --------------------------------------------------------------------------

#[test]
fn a_given_descriptor_is_used_and_closed() {
    let given = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = given.local_addr().unwrap();
    let raw = given.into_raw_fd();
    let options = SocketOptions { use_fd: raw, ..defaults() };
    let listener = bind("tcp://127.0.0.1:1", &options).unwrap();
    assert!(listener.is_adopted());
    assert_eq!(listener.endpoint(), format!("tcp://{address}"));
    assert_eq!(bind("tcp://127.0.0.1:1", &options).map(drop), Err(Error::AddressInUse));
    let _client = connect(listener.endpoint(), &defaults()).unwrap();
    accept(&listener, &options);
    // A connection that nobody accepted ends when the listener is really closed.
    let waiting = connect(listener.endpoint(), &defaults()).unwrap();
    drop(listener);
    wait(waiting.as_fd(), libc::POLLIN);
    let ended = net::recv(waiting.as_fd(), &mut [0; 1]);
    assert!(matches!(ended, Ok(0) | Err(Error::Os(libc::ECONNRESET))), "{ended:?}");
}

#[test]
fn descriptors_that_do_not_listen_are_refused_and_stay_open() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let use_fd = |fd| bind("tcp://127.0.0.1:*", &SocketOptions { use_fd: fd, ..defaults() });
    let refused = use_fd(file.as_raw_fd()).map(drop).unwrap_err();
    assert_eq!(refused.errno(), libc::ENOTSOCK);
    assert!(file.metadata().is_ok());
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    assert!(use_fd(socket.as_raw_fd()).is_err());
    assert!(socket.local_addr().is_ok());
    assert!(use_fd(1_000_000).is_err());
    assert_eq!(use_fd(-2).map(drop), Err(Error::Invalid));
}

#[test]
fn exhaustion_is_told_from_bad_luck() {
    use super::listener::classify;
    for errno in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
        let error = Error::from_errno(errno);
        assert_eq!(classify(error), AcceptError::Exhausted(error));
    }
    for errno in [libc::ECONNABORTED, libc::EPROTO, libc::EINTR, libc::EPERM] {
        let error = Error::from_errno(errno);
        assert_eq!(classify(error), AcceptError::Failed(error));
    }
}

#[test]
fn membership_needs_a_user() {
    assert!(!net::user_is_member(u32::MAX - 7, 0));
    assert!(!net::user_is_member(0, u32::MAX - 7));
}
