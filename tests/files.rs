//! What the repository is made of: text that people write, in kinds that are known, nothing large. Wheels, programs,
//! captures and other things a tool has made come in by one careless `git add`, and never leave the history.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::root;
use std::path::Path;
use std::process::Command;

/// The largest file, in bytes.
const LARGEST: u64 = 1 << 20;

/// Endings of file names.
const KINDS: [&str; 14] =
    ["rs", "c", "h", "cpp", "hpp", "py", "sh", "md", "txt", "toml", "lock", "in", "svg", "patch"];

/// Files whose names have no ending.
const NAMES: [&str; 5] = [".gitignore", "LICENSE-APACHE", "LICENSE-MIT", "Makefile", "run"];

/// What is wrong with a file of this name, size and beginning.
fn fault(path: &str, size: u64, content: &[u8]) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let kind = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map(|(_, kind)| kind);
    if size > LARGEST {
        Some("is above a mebibyte")
    } else if !NAMES.contains(&name) && !kind.is_some_and(|kind| KINDS.contains(&kind)) {
        Some("is of a kind that is not listed in tests/files.rs")
    } else if content.contains(&0) || std::str::from_utf8(content).is_err() {
        Some("is not text")
    } else {
        None
    }
}

#[test]
fn only_text_of_known_kinds_and_nothing_large() {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Some(listed) = listed.ok().filter(|o| o.status.success() && !o.stdout.is_empty()) else {
        eprintln!("SKIPPED: no git, or not a git repository: nobody says which files belong to it");
        return;
    };
    let names = String::from_utf8(listed.stdout).unwrap();
    let faults: Vec<String> = names
        .split_terminator('\0')
        .filter(|name| root().join(name).exists())
        .filter_map(|name| {
            let file = Path::new(root()).join(name);
            let size = file.symlink_metadata().unwrap().len();
            let content = if size > LARGEST { Vec::new() } else { std::fs::read(&file).unwrap() };
            fault(name, size, &content).map(|what| format!("{name} {what}"))
        })
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn what_does_not_belong_is_found() {
    assert_eq!(fault("src/lib.rs", LARGEST, b"//! text"), None);
    assert_eq!(fault("Makefile", 9, b"all:"), None);
    for (name, size, content) in [
        ("numpy-2.0-cp311-cp311-manylinux_x86_64.whl", 9, &b"PK"[..]),
        ("src/lib.rs", LARGEST + 1, b""),
        ("tests-c/t_poll", 9, b"text"),
        ("tests-c/.rs", 9, b"text"),
        ("bench/chart.svg", 9, b"\x7fELF\0"),
        ("bench/table.md", 9, b"\xff\xfe"),
    ] {
        assert!(fault(name, size, content).is_some(), "{name}");
    }
}
