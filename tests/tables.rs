//! Transports, socket types, options and mechanisms have tables (ARCHITECTURE.md, "How do I add"). Whoever wants to
//! know something about one asks its row instead of which one it is: so a new one is a file and a row.
//!
//! Numbers stand twice: where C programs see them, as literals that cbindgen can read, and where the
//! library looks at them. Both are the same.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::root;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
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

/// Source files of the library but for tests and what a fuzzer tries.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.contains("test") || name.contains("fuzz") {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// Which files, below `src`, have code outside of tests that names one of these.
fn files_that_name(words: &[String]) -> Vec<String> {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    assert!(files.len() > 100);
    let names_one = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        code.lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .any(|line| words.iter().any(|word| line.contains(word.as_str())))
    };
    files.retain(names_one);
    let below = |path: PathBuf| {
        path.strip_prefix(root().join("src")).unwrap().to_string_lossy().into_owned()
    };
    let mut names: Vec<String> = files.into_iter().map(below).collect();
    names.sort();
    names
}

#[test]
fn nobody_asks_which_socket_type_it_is() {
    let mut words: Vec<String> =
        SocketType::ALL.iter().map(|one| format!("SocketType::{one:?}")).collect();
    words.extend(["SocketType::{".to_owned(), "SocketType::*".to_owned()]);
    // The table, and those that make a socket of the library's own, or one of no type.
    let known = ["socket/inherited.rs", "socket/monitor.rs", "socket/zap.rs", "types.rs"];
    assert_eq!(files_that_name(&words), known);
}

#[test]
fn nobody_asks_which_transport_it_is() {
    let words: Vec<String> =
        ["tcp", "ipc", "inproc", "pgm"].iter().map(|scheme| format!("\"{scheme}")).collect();
    let files = files_that_name(&words);
    let outside: Vec<&String> =
        files.iter().filter(|file| !file.starts_with("transport/")).collect();
    // Where the ZAP handler is bound (RFC 27).
    assert_eq!(outside, ["security/zap.rs"]);
}

#[test]
fn nobody_asks_which_mechanism_it_is() {
    let words = ["value::NULL", "value::PLAIN", "value::CURVE", "value::GSSAPI"].map(str::to_owned);
    // The options that choose one, and each one's own row.
    let known = [
        "options/mod.rs",
        "options/table.rs",
        "security/curve/mod.rs",
        "security/gssapi/mod.rs",
        "security/null.rs",
        "security/plain.rs",
    ];
    assert_eq!(files_that_name(&words), known);
}

#[test]
fn options_are_known_by_their_rows() {
    let files = files_that_name(&["numbers::option".to_owned()]);
    let outside: Vec<&String> = files
        .iter()
        .filter(|file| !file.starts_with("options/") && !file.starts_with("pattern/"))
        .collect();
    // Those that say what the socket is or does have their rows there.
    assert_eq!(outside, ["socket/options.rs"]);
}

/// A list that asks for room without saying that it may be refused gets what is kept for those that may not be.
#[test]
fn lists_ask_for_room_in_one_place() {
    let files = files_that_name(&[".try_reserve".to_owned()]);
    // Each of the others has its reason beside it, or cannot see `util`.
    let known = ["pattern/trie/mod.rs", "pipe/mod.rs", "sys/helpers.rs", "sys/net/datagrams.rs"];
    let outside: Vec<&String> = files.iter().filter(|file| !file.starts_with("util/")).collect();
    assert_eq!(outside, known);
}
