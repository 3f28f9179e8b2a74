//! Sockets in a cluster.

use super::*;
use crate::sys::net::TipcName;

/// What libzmq made of addresses: as its monitors and ZMQ_LAST_ENDPOINT after a connect wrote them, and what
/// the kernel was given.
#[test]
fn tipc_addresses_are_as_measured() {
    let range = |service, lower, upper| Some(TipcName::Range { service, lower, upper });
    let instance =
        |service, instance, domain| Some(TipcName::Instance { service, instance, domain });
    let socket = |node, reference| Some(TipcName::Socket { reference, node });
    let here = 1 << 24 | 1 << 12 | 10;
    let cases = [
        ("{5560,0,0}", "{5560, 0, 0}", range(5560, 0, 0)),
        ("{5560, 3,4}x", "{5560, 3, 4}", range(5560, 3, 4)),
        ("{5560,3,4", "{5560, 3, 4}", range(5560, 3, 4)),
        ("{5560,0,0}@0.0.0", "{5560, 0, 0}", range(5560, 0, 0)),
        ("{64,1,2}", "{64, 1, 2}", range(64, 1, 2)),
        ("{-1,2,3}", "{4294967295, 2, 3}", range(u32::MAX, 2, 3)),
        ("{99999999999,0,0}", "{1215752191, 0, 0}", range(1_215_752_191, 0, 0)),
        ("{5560,0}", "{5560, 0, 16777216}", instance(5560, 0, 1 << 24)),
        ("{5560,3", "{5560, 3, 16777216}", instance(5560, 3, 1 << 24)),
        ("{5560,-1}", "{5560, 4294967295, 16777216}", instance(5560, u32::MAX, 1 << 24)),
        ("{+5560,0x10}", "{5560, 0, 16777216}", instance(5560, 0, 1 << 24)),
        ("{5560,0 , 7}", "{5560, 0, 16777216}", instance(5560, 0, 1 << 24)),
        ("{5560,0}@0.0.0", "{5560, 0, 0}", instance(5560, 0, 0)),
        ("{5560,0}@1.1.10", "{5560, 0, 16781322}", instance(5560, 0, here)),
        ("{5560,3}@1.2.4096", "{5560, 3, 16789504}", instance(5560, 3, 16_789_504)),
        ("{5560,3}@300.2.4", "{5560, 3, 738205700}", instance(5560, 3, 738_205_700)),
        ("<1.1.10:10000>", "<1.1.10:10000>", socket(here, 10_000)),
        ("< 1.1.10:5x", "<1.1.10:5>", socket(here, 5)),
        ("<300.5000.10:5>", "<45.904.10:5>", socket(758_677_514, 5)),
        ("<0.0.0:0>", "<0.0.0:0>", socket(0, 0)),
        ("<*>", "<*>", None),
        ("<*>x", "<*>x", None),
    ];
    for (text, written, name) in cases {
        let address = parse(&format!("tipc://{text}")).unwrap();
        assert_eq!(address.to_string(), format!("tipc://{written}"), "{text}");
        assert_eq!(address.check_connect().is_ok(), name.is_some());
        let target = address.resolve(&defaults()).map(|ways| ways[0].target.to_tipc());
        assert_eq!(target, name.map(Some).ok_or(Error::Invalid), "{text}");
    }
}

#[test]
fn what_is_no_tipc_address() {
    let wrong = [
        "{63,1,2}",
        "{0,0,0}",
        "{5560,9,3}",
        "{5560}",
        "{5560,}",
        "{5560 ,0}",
        "{*}",
        "5560,0",
        " {5560,0}",
        "{5560,0}@",
        "{5560,3}@1",
        "{5560,0}@0.0.0x",
        "<1.1.10>",
        "<>",
        "<*",
        "*",
        "x",
    ];
    for text in wrong {
        let got = Address::parse(&format!("tipc://{text}"));
        assert_eq!(got, Err(AddressError::Nobodys(Error::Invalid)), "{text}");
    }
}

/// Names are written in every number that they have, and read again.
#[test]
fn tipc_names_are_addresses_of_the_system() {
    let names = [
        TipcName::Range { service: 64, lower: 1, upper: u32::MAX },
        TipcName::Instance { service: 65, instance: 2, domain: 3 },
        TipcName::Socket { reference: 4, node: u32::MAX },
    ];
    for name in names {
        let address = SockAddr::tipc(name);
        assert_eq!(address.to_tipc(), Some(name));
        assert_eq!(TABLE.iter().filter(|row| (row.endpoint)(&address).is_some()).count(), 1);
    }
    assert_eq!(parse("tipc://<1.2.3:4>").map(|_| ()), Ok(()));
    assert_eq!(bind("tipc://<1.2.3:4>", &defaults()).map(drop), Err(Error::Invalid));
}
