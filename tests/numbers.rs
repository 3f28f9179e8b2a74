//! Numbers stand twice: where C programs see them, as literals that cbindgen can read, and where the
//! library looks at them. Both are the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::root;
use std::collections::BTreeMap;
use zmq::options::numbers::{option, value};
use zmq::types::SocketType;

/// The constants of `src/capi/constants.rs` that are literals.
fn constants() -> BTreeMap<String, i32> {
    let text = std::fs::read_to_string(root().join("src/capi/constants.rs")).unwrap();
    let parse = |line: &str| {
        let (name, number) = line.strip_prefix("pub const ")?.split_once(": c_int = ")?;
        let number = number.strip_suffix(';')?.replace('_', "");
        let parsed = match number.strip_prefix("0x") {
            Some(digits) => i32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        parsed.ok().map(|number| (name.to_owned(), number))
    };
    text.lines().filter_map(parse).collect()
}

#[test]
fn the_library_and_zmq_h_mean_the_same_numbers() {
    let constants = constants();
    assert!(constants.len() > 100);
    for (name, number) in option::ALL.iter().chain(value::ALL) {
        assert_eq!(constants.get(*name), Some(number), "{name}");
    }
    for socket_type in SocketType::ALL {
        let name = format!("ZMQ_{}", socket_type.name());
        assert_eq!(constants.get(&name), Some(&(socket_type as i32)), "{name}");
    }
}

#[test]
fn an_option_has_one_number() {
    let numbers: Vec<i32> = option::ALL.iter().map(|(_, number)| *number).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next));
    for info in zmq::options::TABLE {
        assert!(option::ALL.contains(&(info.name, info.number)), "{}", info.name);
    }
}
