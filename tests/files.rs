//! What the repository is made of: text that people write, in kinds that are known, nothing large. Wheels, programs,
//! captures and other things a tool has made come in by one careless `git add`, and never leave the history. And code in
//! pieces that one reads at a sitting: files of at most 600 lines, functions of at most 60.

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

/// The longest file and the longest function of code, in lines.
const LONGEST_FILE: usize = 600;
const LONGEST_FUNCTION: usize = 60;

/// Made by a tool.
const GENERATED: [&str; 1] = ["include/zmq.h"];

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

/// The files that belong to the repository, or none where nobody says which do.
fn listed() -> Vec<String> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output();
    let Some(listed) = listed.ok().filter(|o| o.status.success() && !o.stdout.is_empty()) else {
        eprintln!("SKIPPED: no git, or not a git repository: nobody says which files belong to it");
        return Vec::new();
    };
    let names = String::from_utf8(listed.stdout).unwrap();
    let names = names.split_terminator('\0').filter(|name| root().join(name).exists());
    names.map(str::to_owned).collect()
}

#[test]
fn only_text_of_known_kinds_and_nothing_large() {
    let faults: Vec<String> = listed()
        .iter()
        .filter_map(|name| {
            let file = Path::new(root()).join(name);
            let size = file.symlink_metadata().unwrap().len();
            let content = if size > LARGEST { Vec::new() } else { std::fs::read(&file).unwrap() };
            fault(name, size, &content).map(|what| format!("{name} {what}"))
        })
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The name of the function that a line of Rust begins.
fn rust_function(line: &str) -> Option<&str> {
    let mut words = line.trim_start();
    loop {
        if let Some(name) = words.strip_prefix("fn ") {
            return name.split(|c: char| !c.is_alphanumeric() && c != '_').next();
        }
        let (word, rest) = words.split_once(' ')?;
        let may_be = ["pub", "const", "async", "unsafe", "extern", "\"C\"", "\"C-unwind\""];
        if !may_be.contains(&word) && !word.starts_with("pub(") {
            return None;
        }
        words = rest;
    }
}

/// The functions of formatted Rust and their lengths: each ends with a brace as far to the right as it began.
fn functions_of_rust(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let begins = lines.iter().enumerate().filter_map(|(at, line)| Some((at, rust_function(line)?)));
    let lengths = begins.filter_map(|(at, name)| {
        let indent = &lines[at][..lines[at].len() - lines[at].trim_start().len()];
        let is_last = |line: &&str| {
            let rest = line.strip_prefix(indent).unwrap_or_default();
            rest == "}" || !rest.starts_with(' ') && (rest.ends_with(';') || rest.ends_with('}'))
        };
        let length = 1 + lines[at..].iter().position(is_last)?;
        Some((name.to_owned(), length))
    });
    lengths.collect()
}

/// The same of C, where a function's braces stand alone at the left.
fn functions_of_c(text: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let begins = (1..lines.len()).filter(|at| lines[*at] == "{");
    let lengths = begins.filter_map(|at| {
        let length = 2 + lines[at..].iter().position(|line| line.starts_with('}'))?;
        let head = lines[at - 1];
        // A test: GROUP (its_name).
        let (before, arguments) = head.split_once('(').unwrap_or((head, ""));
        let name = if before == "GROUP " {
            arguments
        } else {
            before.rsplit([' ', '*']).find(|w| !w.is_empty())?
        };
        Some((name.trim_end_matches(')').to_owned(), length))
    });
    lengths.collect()
}

/// What is too long in a file of code.
fn too_long(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if lines > LONGEST_FILE {
        faults.push(format!("{name} has {lines} lines"));
    }
    let functions =
        if name.ends_with(".rs") { functions_of_rust(text) } else { functions_of_c(text) };
    let long = functions.iter().filter(|(_, length)| *length > LONGEST_FUNCTION);
    faults.extend(long.map(|(function, length)| format!("{name} {function} has {length} lines")));
    faults
}

#[test]
fn files_and_functions_are_read_at_a_sitting() {
    let names = listed();
    let is_code =
        |n: &&String| [".rs", ".c", ".h", ".py", ".sh"].iter().any(|end| n.ends_with(end));
    let code = names.iter().filter(is_code).filter(|name| !GENERATED.contains(&name.as_str()));
    let found = code.map(|n| too_long(n, &std::fs::read_to_string(root().join(n)).unwrap()));
    let faults = found.collect::<Vec<_>>().concat();
    assert!(faults.is_empty(), "longer than a file or a function may be: {faults:#?}");
}

#[test]
fn what_is_too_long_is_found() {
    let rust = "impl A {\n    pub(crate) const fn a(&self) -> u8 {\n        1\n    }\n\n    fn b(\n        c: u8,\n    ) {\n    }\n}\n";
    assert_eq!(functions_of_rust(rust), [("a".to_owned(), 3), ("b".to_owned(), 4)]);
    let one_line = "fn a() {}\nextern \"C\" fn b(x: u8);\n";
    assert_eq!(functions_of_rust(one_line), [("a".to_owned(), 1), ("b".to_owned(), 1)]);
    let c = "static int *a (int b)\n{\n    return 0;\n}\nGROUP (test)\n{\n}\n";
    assert_eq!(functions_of_c(c), [("a".to_owned(), 4), ("test".to_owned(), 3)]);
    let long = format!("fn a() {{\n{}}}\n", "    b();\n".repeat(LONGEST_FILE));
    assert_eq!(too_long("src/lib.rs", &long).len(), 2);
    let longest = format!("fn a() {{\n{}}}\n", "    b();\n".repeat(LONGEST_FUNCTION - 2));
    assert!(too_long("src/lib.rs", &longest).is_empty());
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
