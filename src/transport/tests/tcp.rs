//! TCP connections.

use std::net::SocketAddr;

use super::*;
use crate::options::{AcceptFilters, AddressMask};

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
        let most = net::get_option(stream.as_fd(), libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT);
        assert_eq!(most, Ok(11 << 18));
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
        let (mut stream, connected) = route.start(&first, &options).unwrap();
        assert_eq!(connected, Ok(false));
        wait(stream.as_fd(), libc::POLLOUT);
        if found_out {
            assert_eq!(stream.finish_connect(), Err(Error::ConnectionRefused));
        }
        drop(stream);
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
    let (mut stream, connected) = route.start(&first, &options).unwrap();
    assert_eq!(connected, Ok(false));
    let (mut accepted, _) = proxy.accept().unwrap();
    wait(stream.as_fd(), libc::POLLOUT);
    assert_eq!(stream.finish_connect(), Ok(()));
    drop(stream);
    let mut said = Vec::new();
    let error = std::io::Read::read_to_end(&mut accepted, &mut said).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);

    let listener = bind("tcp://127.0.0.1:*", &defaults()).unwrap();
    let client = connect(listener.endpoint(), &defaults()).unwrap();
    wait(listener.as_fd(), libc::POLLIN);
    let nobody = AddressMask::parse(b"10.0.0.0/8", false).unwrap();
    let options = SocketOptions {
        accept: AcceptFilters { networks: vec![nobody], ..AcceptFilters::default() },
        ..defaults()
    };
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
        // Who says how much the kernel may take has the last word.
        assert_eq!(get(libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT), 0);
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
        accept: AcceptFilters {
            networks: vec![AddressMask::parse(filter.as_bytes(), false).unwrap()],
            ..AcceptFilters::default()
        },
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
