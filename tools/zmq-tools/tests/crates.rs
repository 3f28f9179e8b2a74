//! What the tools bring in with them is held against the same lists as what the library does.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on panics")]
#![allow(clippy::print_stderr, reason = "what is left out is said")]

#[path = "../../../tests/common/mod.rs"]
mod common;

use common::{crates, root};
use std::path::Path;

#[test]
fn licences_and_versions_are_those_of_deny_toml() {
    let repository = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let denied = |name| crates::denied(repository, name);
    let found = crates::licences(root());
    assert!(found.len() > 20);
    let (allowed, exceptions) = (denied("allow"), denied("exceptions"));
    assert_eq!(crates::not_allowed(&found, &allowed, &exceptions), [""; 0], "see deny.toml");
    let known = denied("skip");
    let twice = crates::twice(&root().join("Cargo.lock"), "zmq-tools");
    let unknown: Vec<_> = twice.iter().filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty(), "in several versions: {unknown:?}");
}
