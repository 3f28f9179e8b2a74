//! Sockets between virtual machines.

use super::*;

/// What libzmq 4.3.6 made of addresses: as its monitors and ZMQ_LAST_ENDPOINT after a connect wrote them.
#[test]
fn vsock_addresses_are_as_measured() {
    let cases = [
        ("*:5555", Some("*:5555")),
        ("*:*", Some("*:*")),
        ("3:5555", Some("3:5555")),
        ("3:0", Some("3:0")),
        ("-1:5", Some("*:5")),
        ("3:-1", Some("3:*")),
        ("4294967295:5", Some("*:5")),
        ("+3:6", Some("3:6")),
        ("0x3:7", Some("0:7")),
        ("3x:5", Some("3:5")),
        (" 3: 5 ", Some("3:5")),
        ("1:2:3", Some("1:3")),
        ("3", None),
        (":5", None),
        ("3:", None),
        ("x:5", None),
        ("3:x", None),
        ("3:*5", None),
        ("**:5", None),
        ("@1:5", None),
        ("4294967296:5", None),
        ("3:99999999999", None),
    ];
    for (text, expected) in cases {
        let got = Address::parse(&format!("vsock://{text}")).map(|address| address.to_string());
        let expected = expected.map(|text| format!("vsock://{text}"));
        assert_eq!(got, expected.ok_or(AddressError::Nobodys(Error::Invalid)), "{text}");
    }
}

/// Who connects to `@` connects to the host, as with libzmq.
#[test]
fn the_machine_at_hand() {
    let target = parse("vsock://@:7").unwrap().resolve(&defaults()).unwrap().remove(0).target;
    assert_eq!(target.to_vsock(), Some((libc::VMADDR_CID_HOST, 7)));
    assert_eq!((TABLE.iter().filter(|row| (row.endpoint)(&target).is_some())).count(), 1);
}

/// As far as the kernel goes along. Nothing need come through: many machines cannot reach themselves.
#[test]
fn vsock_listens() {
    for asked in ["vsock://*:*", "vsock://@:*"] {
        let listener = match bind(asked, &defaults()) {
            Ok(listener) => listener,
            Err(Error::Os(libc::EAFNOSUPPORT) | Error::AddressNotAvailable) => continue,
            Err(error) => panic!("{asked}: {error}"),
        };
        assert_eq!(listener.name(), asked);
        let (machine, port) = listener.endpoint().rsplit_once(':').unwrap();
        assert!(port.parse::<u32>().is_ok() && machine != "vsock://@");
        assert_eq!(machine == "vsock://*", asked == "vsock://*:*");
        assert_eq!(bind(listener.endpoint(), &defaults()).map(drop), Err(Error::AddressInUse));
        assert!(matches!(listener.accept(&defaults()), Ok(None)));
    }
}
