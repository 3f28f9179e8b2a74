//! The shared library as the loader and C programs see it: name, symbols, what it needs, and what
//! its utility functions do, side by side with the distribution's libzmq.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{library_dir, root, run, scratch, shared_library, stdout, system_header};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The entries of one kind in the dynamic section: `[name]` in the lines that have `(TAG)`.
fn dynamic(tag: &str) -> Vec<String> {
    let text = stdout(Command::new("readelf").args(["-W", "-d"]).arg(shared_library()));
    let lines = text.lines().filter(|line| line.contains(&format!("({tag})")));
    let names = lines.filter_map(|line| line.split_once('[')?.1.split_once(']'));
    names.map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn the_name_is_that_of_libzmq() {
    assert_eq!(dynamic("SONAME"), ["libzmq.so.5"]);
}

#[test]
fn nothing_but_the_c_runtime_is_needed() {
    for name in dynamic("NEEDED") {
        let known = ["libc.so.", "libgcc_s.so.", "ld-linux"];
        assert!(known.iter().any(|k| name.starts_with(k)), "needs {name}");
    }
}

#[test]
fn it_stays_when_it_is_closed() {
    let text = stdout(Command::new("readelf").args(["-W", "-d"]).arg(shared_library()));
    assert!(text.contains("NODELETE"), "{text}");
}

#[test]
fn symbols_are_those_of_libzmq_and_no_others() {
    let text = stdout(
        Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(shared_library()),
    );
    let found: BTreeSet<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    let list = std::fs::read_to_string(root().join("tests/abi/symbols.txt")).unwrap();
    let expected: BTreeSet<&str> = list.lines().collect();
    assert_eq!(expected.len(), 97);
    assert_eq!(found, expected);
}

/// Builds one of the programs in `tests/abi` against our header and library.
fn program(name: &str, libraries: &Path) -> PathBuf {
    let file = root().join("tests/abi").join(format!("{name}.c"));
    let exe = scratch(&format!("abi-{name}")).join(name);
    let warnings = ["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1"];
    // Null for parameters that must not be null is what some of them are about.
    run(Command::new("cc")
        .args(warnings)
        .args(["-Wno-nonnull", "-Wno-alloc-size-larger-than"])
        .arg("-I")
        .arg(root().join("include"))
        .arg(file)
        .arg("-L")
        .arg(libraries)
        .args(["-lzmq", "-pthread", "-o"])
        .arg(&exe));
    exe
}

/// A difference of two long texts that can be read.
fn assert_same(ours: &str, theirs: &str) {
    for (line, (ours, theirs)) in ours.lines().zip(theirs.lines()).enumerate() {
        assert_eq!(ours, theirs, "line {} (left: ours)", line + 1);
    }
    assert_eq!(ours.lines().count(), theirs.lines().count());
}

#[test]
fn utilities_do_what_those_of_libzmq_do() {
    let libraries = library_dir("abi-utilities-lib");
    let exe = program("utilities", &libraries);
    let ours = run(Command::new(&exe).env("LD_LIBRARY_PATH", &libraries));
    assert_eq!(ours.stderr, b"4.3.6", "another library was loaded");
    if system_header().is_none() {
        return;
    }
    let theirs = run(Command::new(&exe).env_remove("LD_LIBRARY_PATH"));
    assert_ne!(theirs.stderr, ours.stderr, "ours is installed as the system's libzmq");
    assert_same(&String::from_utf8_lossy(&ours.stdout), &String::from_utf8_lossy(&theirs.stdout));
}

#[test]
fn misuse_is_an_error_and_not_a_crash() {
    let libraries = library_dir("abi-misuse-lib");
    let exe = program("misuse", &libraries);
    run(Command::new(exe).env("LD_LIBRARY_PATH", &libraries));
}
