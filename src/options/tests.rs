#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::error::Error;
use crate::sys::gssapi;
use crate::util::z85;

/// One line of the measurements of the Debian library.
struct Measured {
    set_sizes: Vec<&'static str>,
    ints: BTreeMap<i32, Option<i32>>,
    int64s: BTreeMap<i64, Option<i64>>,
    gets: BTreeMap<usize, String>,
}

fn measured() -> BTreeMap<i32, Measured> {
    fn values<T: std::str::FromStr + Ord>(text: &str) -> BTreeMap<T, Option<T>>
    where
        T::Err: std::fmt::Debug,
    {
        let pair = |word: &str| match word.split_once('=') {
            Some((set, got)) => (set.parse().unwrap(), Some(got.parse().unwrap())),
            None => (word.parse().unwrap(), None),
        };
        text.split_whitespace().map(pair).collect()
    }
    let lines = include_str!("measured-4.3.4.txt").lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let columns: Vec<&'static str> = line.split('|').map(str::trim).collect();
            let gets = columns[4].split_whitespace().map(|word| {
                let (size, bytes) = word.split_once(':').unwrap();
                (size.parse().unwrap(), bytes.to_owned())
            });
            let row = Measured {
                set_sizes: columns[1].split_whitespace().collect(),
                ints: values(columns[2]),
                int64s: values(columns[3]),
                gets: gets.collect(),
            };
            (columns[0].parse().unwrap(), row)
        })
        .filter(|(number, _)| is_known(*number))
        .collect()
}

/// Those of GSSAPI are options only where its library is.
fn is_known(number: i32) -> bool {
    gssapi::is_there() || !matches!(number, 62..=65 | 90 | 91)
}

fn value_of_size(size: usize) -> Vec<u8> {
    match size {
        0..4 => vec![b'a'; size],
        4..9 => {
            let mut value = vec![0; size];
            value[0] = 1;
            value
        }
        _ => vec![b'0'; size],
    }
}

fn fresh() -> SocketOptions {
    SocketOptions::default()
}

/// Options that a released library of 4.3.4 does not have; `tests-c/t_draft_options.c` is about them.
const DRAFTS: [i32; 21] = [
    97, 101, 102, 103, 104, 105, 106, 107, 110, 111, 112, 113, 114, 117, 118, 119, 120, 121, 122,
    123, 124,
];

#[test]
fn table_is_sorted_by_number() {
    assert!(TABLE.is_sorted_by_key(|info| info.number));
}

#[test]
fn the_measured_options_are_the_table() {
    let known: Vec<i32> =
        TABLE.iter().map(|info| info.number).filter(|n| *n != 61 && is_known(*n)).collect();
    let seen = measured().into_keys().chain(DRAFTS);
    assert_eq!(known.iter().copied().collect::<BTreeSet<_>>(), seen.collect());
    for number in -1..130 {
        assert_eq!(fresh().set(number, &[]).is_some(), known.contains(&number) || number == 61);
        assert_eq!(fresh().get(number, 4).is_some(), known.contains(&number) || number == 61);
    }
}

#[test]
fn sizes_are_accepted_as_measured() {
    for (number, row) in measured() {
        for size in [0, 1, 2, 4, 5, 8, 32, 40, 41, 256] {
            let accepted = row.set_sizes.contains(&size.to_string().as_str());
            let result = fresh().set(number, &value_of_size(size)).unwrap();
            let expected = if accepted { Ok(()) } else { Err(Error::Invalid) };
            assert_eq!(result, expected, "option {number}, {size} bytes");
        }
        let result = fresh().set_null(number).unwrap();
        assert_eq!(result.is_ok(), row.set_sizes.contains(&"null"), "option {number}, null");
    }
}

#[test]
fn integers_are_accepted_as_measured() {
    let tried = [i32::MIN, -2, -1, 0, 1, 2, 100, 255, 256, 65_535, 1_000_000, i32::MAX]
        .map(i32::to_ne_bytes);
    for (number, row) in measured() {
        for bytes in tried {
            let value = i32::from_ne_bytes(bytes);
            let mut options = fresh();
            let result = options.set(number, &bytes).unwrap();
            let Some(read_back) = row.ints.get(&value) else {
                assert_eq!(result, Err(Error::Invalid), "option {number} = {value}");
                continue;
            };
            assert_eq!(result, Ok(()), "option {number} = {value}");
            if let Some(expected) = read_back {
                let got = options.get(number, 4).unwrap().unwrap();
                assert_eq!(got, expected.to_ne_bytes(), "option {number} = {value}");
            }
        }
    }
}

#[test]
fn wide_integers_are_accepted_as_measured() {
    for (number, row) in measured() {
        for value in [-2i64, -1, 0, 1, 100, 1 << 40] {
            let mut options = fresh();
            let result = options.set(number, &value.to_ne_bytes()).unwrap();
            let Some(read_back) = row.int64s.get(&value) else {
                assert_eq!(result, Err(Error::Invalid), "option {number} = {value}");
                continue;
            };
            assert_eq!(result, Ok(()), "option {number} = {value}");
            if let Some(expected) = read_back {
                let got = options.get(number, 8).unwrap().unwrap();
                assert_eq!(got, expected.to_ne_bytes(), "option {number} = {value}");
            }
        }
    }
}

#[test]
fn defaults_and_buffer_sizes_are_as_measured() {
    for (number, row) in measured() {
        for capacity in [0, 1, 2, 4, 5, 8, 32, 33, 40, 41, 256] {
            let got = fresh().get(number, capacity).unwrap();
            let got = got.map(|b| b.iter().map(|b| format!("{b:02x}")).collect::<String>());
            let expected = row.gets.get(&capacity).cloned().ok_or(Error::Invalid);
            assert_eq!(got, expected, "option {number} into {capacity} bytes");
        }
    }
}

#[test]
fn subscribers_do_not_linger() {
    for socket_type in SocketType::ALL {
        let expected = match socket_type {
            SocketType::Sub | SocketType::XSub | SocketType::Dish => 0,
            _ => -1,
        };
        assert_eq!(SocketOptions::for_type(socket_type).linger, expected);
    }
}

#[test]
fn connect_routing_id_belongs_to_routers() {
    for socket_type in SocketType::ALL {
        let expected =
            matches!(socket_type, SocketType::Router | SocketType::Rep | SocketType::Stream);
        assert_eq!(supported_by(61, socket_type), expected);
        assert!(supported_by(17, socket_type));
        assert!(!supported_by(33, socket_type));
    }
    let mut options = fresh();
    assert_eq!(options.set(61, &[]), Some(Err(Error::Invalid)));
    assert_eq!(options.set(61, &[7; 300]), Some(Ok(())));
    assert_eq!(options.connect_routing_id, [7; 300]);
    assert_eq!(options.get(61, 300), Some(Err(Error::Invalid)));
}

/// Applies a sequence and checks the mechanism and the two roles after each step.
#[test]
fn security_options_choose_the_mechanism() {
    enum Step {
        Int(i32, i32),
        Bytes(i32, &'static [u8]),
        Null(i32),
    }
    use Step::*;
    const KEY: &[u8] = b"11111111112222222222333333333344";
    let sequences: [&[(Step, [i32; 3])]; 4] = [
        &[
            (Int(44, 1), [1, 1, 0]),
            (Int(44, 0), [0, 0, 0]),
            (Int(44, 1), [1, 1, 0]),
            (Int(47, 1), [2, 0, 1]),
            (Int(47, 0), [0, 0, 0]),
            (Int(44, 1), [1, 1, 0]),
            (Bytes(45, b"admin"), [1, 0, 0]),
            (Null(45), [0, 0, 0]),
            (Bytes(46, b"pw"), [1, 0, 0]),
            (Int(44, 1), [1, 1, 0]),
            (Null(46), [0, 0, 0]),
        ],
        &[(Int(47, 1), [2, 0, 1]), (Bytes(50, KEY), [2, 0, 0]), (Int(47, 0), [0, 0, 0])],
        &[(Bytes(49, KEY), [2, 0, 0])],
        &[
            (Bytes(50, KEY), [2, 0, 0]),
            (Bytes(45, b"a"), [1, 0, 0]),
            (Int(47, 1), [2, 0, 1]),
            (Bytes(48, KEY), [2, 0, 1]),
        ],
    ];
    for sequence in sequences {
        let mut options = fresh();
        for (at, (step, expected)) in sequence.iter().enumerate() {
            let result = match step {
                Int(option, value) => options.set(*option, &value.to_ne_bytes()),
                Bytes(option, value) => options.set(*option, value),
                Null(option) => options.set_null(*option),
            };
            assert_eq!(result, Some(Ok(())), "step {at}");
            for (option, value) in [43, 44, 47].into_iter().zip(expected) {
                let got = options.get(option, 4).unwrap().unwrap();
                assert_eq!(got, value.to_ne_bytes(), "option {option} after step {at}");
            }
        }
    }
}

/// Unlike those of PLAIN and CURVE, a server that ceases to be one keeps its mechanism.
#[test]
fn gssapi_is_chosen_as_measured() {
    if !gssapi::is_there() {
        return;
    }
    let mut options = fresh();
    let mut step = |option: i32, value: &[u8], mechanism: i32, server: i32| {
        options.set(option, value).unwrap().unwrap();
        for (asked, expected) in [(43, mechanism), (62, server)] {
            let got = options.get(asked, 4).unwrap().unwrap();
            assert_eq!(got, expected.to_ne_bytes(), "option {asked} after {option}");
        }
    };
    let number = i32::to_ne_bytes;
    step(65, &number(1), 0, 0);
    step(90, &number(2), 0, 0);
    step(62, &number(1), 3, 1);
    step(62, &number(0), 3, 0);
    step(62, &number(1), 3, 1);
    step(63, b"name", 3, 1);
    step(64, b"service", 3, 0);
    step(44, &number(1), 1, 0);
    step(44, &number(0), 0, 0);
    step(63, b"a\0b", 3, 0);
    assert_eq!(options.get(63, 4), Some(Ok(b"a\0b\0".to_vec())));
}

#[test]
fn clearing_a_name_keeps_it_readable() {
    let mut options = fresh();
    options.set(45, b"admin").unwrap().unwrap();
    options.set_null(45).unwrap().unwrap();
    assert_eq!(options.get(45, 6), Some(Ok(b"admin\0".to_vec())));
    options.set(68, b"proxy:1").unwrap().unwrap();
    options.set_null(68).unwrap().unwrap();
    assert_eq!(options.get(68, 6), Some(Ok(vec![0])));
}

#[test]
fn strings_keep_their_bytes_and_their_limits() {
    let mut options = fresh();
    options.set(45, b"a\0b").unwrap().unwrap();
    assert_eq!(options.get(45, 3), Some(Err(Error::Invalid)));
    assert_eq!(options.get(45, 4), Some(Ok(b"a\0b\0".to_vec())));
    for (option, limit) in [(5, 255), (45, 255), (46, 255), (55, 255), (92, 16), (99, 255)] {
        assert_eq!(fresh().set(option, &vec![b'x'; limit]), Some(Ok(())));
        assert_eq!(fresh().set(option, &vec![b'x'; limit + 1]), Some(Err(Error::Invalid)));
    }
    assert_eq!(fresh().set(68, &[b'x'; 600]), Some(Ok(())));
}

#[test]
fn curve_keys_are_raw_or_z85() {
    const TEXT: &[u8; 40] = b"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
    let raw = z85::decode(TEXT).unwrap();
    let with = |tail: &[u8]| [TEXT, tail].concat();
    for value in [raw.clone(), with(b""), with(b"\0")] {
        let mut options = fresh();
        assert_eq!(options.set(48, &value), Some(Ok(())));
        assert_eq!(options.get(48, 32), Some(Ok(raw.clone())));
        assert_eq!(options.get(48, 41), Some(Ok(with(b"\0"))));
    }
    let mut bad = *TEXT;
    bad[39] = b'~';
    for value in [with(b"x"), bad.to_vec(), vec![b'#'; 40], with(b"\0")[..39].to_vec()] {
        assert_eq!(fresh().set(48, &value), Some(Err(Error::Invalid)));
    }
}

#[test]
fn heartbeat_ttl_counts_deciseconds() {
    let set = |value: i32| {
        let mut options = fresh();
        options.set(76, &value.to_ne_bytes()).unwrap().map(|()| options.heartbeat_ttl)
    };
    assert_eq!(set(-99), Ok(0));
    assert_eq!(set(-100), Err(Error::Invalid));
    assert_eq!(set(6_553_500), Ok(6_553_500));
    assert_eq!(set(6_553_599), Ok(6_553_500));
    assert_eq!(set(6_553_600), Err(Error::Invalid));
}

#[test]
fn ipv4only_is_the_opposite_of_ipv6() {
    let mut options = fresh();
    options.set(31, &0i32.to_ne_bytes()).unwrap().unwrap();
    assert!(options.ipv6);
    options.set(31, &1i32.to_ne_bytes()).unwrap().unwrap();
    assert!(!options.ipv6);
}

#[test]
fn ipc_filters_collect_and_clear() {
    let mut options = fresh();
    for option in [58, 59, 60] {
        options.set(option, &7i32.to_ne_bytes()).unwrap().unwrap();
        options.set(option, &8i32.to_ne_bytes()).unwrap().unwrap();
    }
    assert_eq!(options.accept.processes, [7, 8]);
    assert_eq!(options.accept.users, [7, 8]);
    assert_eq!(options.accept.groups, [7, 8]);
    options.set_null(59).unwrap().unwrap();
    assert!(options.accept.users.is_empty());
}

#[test]
fn metadata_is_a_list_of_names_with_values() {
    let mut options = fresh();
    for text in [&b"X-b:1"[..], b"X-B:0", b"X-a:b:c", b"X-b:2", b"X-z:end\0more", b"X-y\0y:why"] {
        assert_eq!(options.set(95, text), Some(Ok(())), "{text:?}");
    }
    let pair = |name: &str, value: &str| (name.as_bytes().to_vec(), value.as_bytes().to_vec());
    let expected = [("X-B", "0"), ("X-a", "b:c"), ("X-b", "1"), ("X-y", "why"), ("X-z", "end")];
    assert_eq!(options.metadata, expected.map(|(name, value)| pair(name, value)));
    for text in ["", ":", "X-a", "X-:v", "X-a:", "x-a:b", "a:b", " X-a:b", "Xa:b"] {
        assert_eq!(options.set(95, text.as_bytes()), Some(Err(Error::Invalid)), "{text:?}");
    }
    let named = |length: usize| [b"X-", "n".repeat(length - 2).as_bytes(), b":v"].concat();
    assert_eq!(options.set(95, &named(255)), Some(Ok(())));
    assert_eq!(options.set(95, &named(256)), Some(Err(Error::Invalid)));
    assert_eq!(options.set_null(95), Some(Err(Error::Invalid)));
}

/// Text, valid without ZMQ_IPV6, valid with it.
const ACCEPT_FILTERS: [(&str, bool, bool); 47] = [
    ("127.0.0.1", true, true),
    ("127.0.0.1/8", true, true),
    ("::1", false, true),
    ("::1/128", false, true),
    ("::1/129", false, false),
    ("127.0.0.1/33", false, true),
    ("127.0.0.1/-1", false, false),
    ("127.0.0.1/", false, false),
    ("localhost", false, false),
    ("localhost/8", false, false),
    ("[::1]", false, true),
    ("[::1]/64", false, true),
    ("lo", false, false),
    ("*", false, false),
    ("0.0.0.0/0", true, true),
    ("127.0.0.1/+8", true, true),
    ("127.0.0.1/ 8", true, true),
    ("127.0.0.1/08", true, true),
    ("127.0.0.1/8x", true, true),
    ("/8", false, false),
    ("fe80::1%lo", false, true),
    ("fe80::1%lo/64", false, true),
    ("127.1", true, true),
    ("", false, false),
    ("1.2.3.4:80", false, false),
    ("127.0.0.1/8/9", false, false),
    ("::ffff:127.0.0.1", true, true),
    ("0x7f.1", true, true),
    ("2130706433", true, true),
    ("1/8", true, true),
    ("127.0.0.1\0zz", true, true),
    ("0.0.0.0/foo", false, false),
    ("0.0.0.0/00", false, false),
    ("1.2.3.4/+0", false, false),
    ("127.0.0.1/-0", false, false),
    ("127.0.0.1/4294967304", false, false),
    (" 127.0.0.1", false, false),
    ("127.0.0.1 ", false, false),
    ("127.0.0.1\t/8", false, false),
    ("0127.0.0.1", true, true),
    ("1.2.3.", false, false),
    ("1..2", false, false),
    ("0x100.1.1.1", false, false),
    ("1.2.65536", false, false),
    ("1.16777216", false, false),
    ("4294967296", false, false),
    ("09.1.1.1", false, false),
];

#[test]
fn accept_filters_parse_as_measured() {
    for (text, v4, v6) in ACCEPT_FILTERS {
        for (ipv6, valid) in [(false, v4), (true, v6)] {
            let result = AddressMask::parse(text.as_bytes(), ipv6);
            assert_eq!(result.is_ok(), valid, "{text:?}, ipv6 {ipv6}: {result:?}");
        }
    }
    let long = |length: usize| {
        let mut text = vec![0u8; length];
        text[..9].copy_from_slice(b"127.0.0.1");
        AddressMask::parse(&text, false).is_ok()
    };
    assert!(long(255) && !long(256));
}

#[test]
fn accept_filters_match_their_network() {
    let matches = |filter: &str, peer: &str| {
        AddressMask::parse(filter.as_bytes(), true).unwrap().contains(peer.parse().unwrap())
    };
    assert!(matches("10.1.0.0/16", "10.1.255.1"));
    assert!(!matches("10.1.0.0/16", "10.2.0.1"));
    assert!(matches("10.1.0.0/16", "::ffff:10.1.2.3"));
    assert!(!matches("10.1.0.0/16", "::ffff:10.2.2.3"));
    assert!(!matches("10.1.0.0/16", "::1"));
    assert!(matches("0.0.0.0/0", "1.2.3.4"));
    assert!(!matches("0.0.0.0/0", "::2"));
    assert!(matches("127.0.0.1", "127.0.0.1") && !matches("127.0.0.1", "127.0.0.2"));
    assert!(matches("10.0.0.0/104", "10.200.0.1") && !matches("10.0.0.0/104", "11.0.0.1"));
    assert!(matches("fd00::/8", "fd12::1") && !matches("fd00::/8", "fe80::1"));
    assert!(matches("::/0", "1.2.3.4") && matches("::/0", "::1"));
    assert!(matches("::ffff:10.0.0.0/104", "10.0.0.1"));
    assert!(!matches("::ffff:10.0.0.0/104", "11.0.0.1"));
}
