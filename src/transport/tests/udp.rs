//! Sockets for datagrams.

use super::*;

fn open(text: &str, binds: bool, options: &SocketOptions) -> Result<DatagramSocket> {
    let socket_type = if binds { SocketType::Dish } else { SocketType::Radio };
    parse(&format!("udp://{text}")).unwrap().open_datagrams(socket_type, binds, options)
}

/// What libzmq 4.3.6 said of addresses, and what ZMQ_LAST_ENDPOINT says of those that are some.
#[test]
fn udp_addresses_are_as_measured() {
    let connected = [
        ("127.0.0.1:5555", Ok("udp://127.0.0.1:5555")),
        ("239.0.0.1:5555", Ok("udp://239.0.0.1:5555")),
        ("lo;239.0.0.1:5555", Ok("udp://239.0.0.1:5555")),
        ("127.0.0.1;239.0.0.1:5555", Ok("udp://239.0.0.1:5555")),
        ("localhost:5555", Ok("udp://127.0.0.1:5555")),
        ("nosuch;239.0.0.1:5555", Err(Error::NoDevice)),
        ("*:5555", Err(Error::Invalid)),
        ("127.0.0.1:*", Err(Error::Invalid)),
        ("lo:5555", Err(Error::Invalid)),
        ("x", Err(Error::Invalid)),
    ];
    for (text, expected) in connected {
        let got = open(text, false, &defaults()).map(|socket| socket.endpoint);
        assert_eq!(got, expected.map(str::to_owned), "{text}");
    }
    let bound = [
        ("*:*", Ok("udp://0.0.0.0")),
        ("127.0.0.1:*", Ok("udp://127.0.0.1")),
        ("lo:*", Ok("udp://127.0.0.1")),
        ("nosuch;239.0.0.1:*", Err(Error::NoDevice)),
        ("nosuch:*", Err(Error::NoDevice)),
        ("8.8.8.8:*", Err(Error::AddressNotAvailable)),
        ("x", Err(Error::Invalid)),
    ];
    for (text, expected) in bound {
        let socket = open(text, true, &defaults());
        let got = socket.map(|socket| socket.endpoint.rsplit_once(':').unwrap().0.to_owned());
        assert_eq!(got, expected.map(str::to_owned), "{text}");
    }
    if ipv6_works() {
        assert_eq!(open("[::1]:7", false, &with_ipv6()).unwrap().endpoint, "udp://[::1]:7");
        let any = open("*:*", true, &with_ipv6()).unwrap();
        assert!(any.endpoint.starts_with("udp://[::]:"));
        assert_eq!(open("1.2.3.4:7", false, &with_ipv6()).unwrap().endpoint, "udp://1.2.3.4:7");
    }
}

/// zmq_udp(7): "we can only bind the ZMQ_DISH socket type", "only connect the ZMQ_RADIO".
#[test]
fn types_bind_or_connect() {
    let address = parse("udp://x").unwrap();
    let wrong = [
        (SocketType::Radio, true),
        (SocketType::Dish, false),
        (SocketType::Dgram, false),
        (SocketType::Pub, true),
    ];
    for (socket_type, binds) in wrong {
        let opened = address.open_datagrams(socket_type, binds, &defaults()).map(drop);
        assert_eq!(opened, Err(Error::IncompatibleProtocol));
    }
}

/// ZMQ_MULTICAST_HOPS, ZMQ_MULTICAST_LOOP.
#[test]
fn groups_are_sent_to_as_the_options_say() {
    let options = SocketOptions { multicast_hops: 7, multicast_loop: false, ..defaults() };
    let socket = open("lo;239.0.0.1:5555", false, &options).unwrap();
    let Medium::Datagrams(fd, ..) = socket.medium else { unreachable!() };
    let get = |name| net::get_option(fd.as_fd(), libc::IPPROTO_IP, name);
    assert_eq!(get(libc::IP_MULTICAST_TTL), Ok(7));
    assert_eq!(get(libc::IP_MULTICAST_LOOP), Ok(0));
    let other = open("239.0.0.1:5555", false, &defaults()).unwrap();
    let Medium::Datagrams(fd, ..) = other.medium else { unreachable!() };
    let get = |name| net::get_option(fd.as_fd(), libc::IPPROTO_IP, name);
    assert_eq!(get(libc::IP_MULTICAST_LOOP), Ok(1));
}
