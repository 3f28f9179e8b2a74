//! What the project says of itself: a list that a person keeps is right for a while.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{crates, root, stdout};
use std::process::Command;

fn text(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

#[test]
fn make_help_lists_every_target() {
    let makefile = text("Makefile").replace("\\\n", " ");
    let phony = makefile.lines().find_map(|line| line.strip_prefix(".PHONY:")).unwrap();
    let help =
        stdout(Command::new("make").args(["--no-print-directory", "help"]).current_dir(root()));
    let listed: Vec<&str> =
        help.lines().map(|line| line.split_whitespace().nth(1).unwrap()).collect();
    let mut targets: Vec<&str> = phony.split_whitespace().collect();
    assert!(targets.len() > 20);
    let mut sorted = listed.clone();
    sorted.sort_unstable();
    targets.sort_unstable();
    assert_eq!(
        sorted, targets,
        "each .PHONY target has one line with ## in the Makefile, and nothing else has"
    );
    assert!(
        help.lines().all(|line| line.len() <= 120 && line.split_whitespace().count() > 2),
        "{help}"
    );
}

#[test]
fn every_example_is_listed_and_run() {
    let (listed, demo) = (text("examples/README.md"), text("tests-c/demo.sh"));
    let mut programs = 0;
    for entry in std::fs::read_dir(root().join("examples")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let Some(program) = name.strip_suffix(".c") else { continue };
        programs += 1;
        assert!(listed.contains(&format!("`{program}")), "{program} is not in examples/README.md");
        let runs = [format!("\" {program} "), format!("/{program}\"")];
        assert!(
            runs.iter().any(|run| demo.contains(run)),
            "tests-c/demo.sh does not run {program}"
        );
    }
    assert!(programs > 10);
}

#[test]
fn licences_are_those_of_deny_toml() {
    let allowed = crates::denied(root(), "allow");
    let exceptions = crates::denied(root(), "exceptions");
    let found = crates::licences(root());
    assert!(found.len() > 20);
    assert_eq!(crates::not_allowed(&found, &allowed, &exceptions), [""; 0], "see deny.toml");
    let locks = ["Cargo.lock", "tools/zmq-tools/Cargo.lock"].map(text).concat();
    let idle = |name: &&String| !locks.contains(&format!("name = \"{name}\"\n"));
    let idle: Vec<_> = exceptions.iter().step_by(2).filter(idle).collect();
    assert!(idle.is_empty(), "not used any more: {idle:?}");
    let allowed = ["MIT".to_owned(), "Unicode-3.0".to_owned()];
    assert!(crates::is_allowed("Unlicense/MIT", &allowed));
    assert!(crates::is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0", &allowed));
    assert!(!crates::is_allowed("MIT AND GPL-3.0-only", &allowed));
    assert!(!crates::is_allowed("", &allowed));
}

#[test]
fn crates_are_there_once_and_from_the_registry() {
    let known: Vec<String> =
        crates::denied(root(), "skip").chunks(2).map(|entry| entry[0].clone()).collect();
    let twice = crates::twice(&root().join("Cargo.lock"), "zmq-oxide");
    assert_eq!(twice, known, "crates in several versions, and those that deny.toml knows of");
}

/// Every text in the repository that is written for people, with its name.
fn pages() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for dir in ["", "bench/", "docs/design/", "examples/"] {
        for entry in std::fs::read_dir(root().join(dir)).unwrap() {
            let name = format!("{dir}{}", entry.unwrap().file_name().to_string_lossy());
            if name.ends_with(".md") {
                found.push((name.clone(), text(&name)));
            }
        }
    }
    found
}

#[test]
fn links_and_names_of_files_lead_somewhere() {
    let pages = pages();
    assert!(pages.len() > 15);
    let mut lost = Vec::new();
    for (name, page) in &pages {
        let here = root().join(name).parent().unwrap().to_owned();
        let links = page.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        let links = links.map(|(link, _)| link).filter(|link| !link.contains("://"));
        let links = links.filter(|link| !here.join(link.split('#').next().unwrap()).exists());
        lost.extend(links.map(|link| format!("{name}: {link}")));
        // Files of the library are named as they lie below src; NAME is one that is still to come.
        let words = page.split('`').skip(1).step_by(2);
        let files = words.filter(|w| {
            w.ends_with(".rs") && !w.contains([' ', '*']) && !w.contains("NAME") && w.contains('/')
        });
        let files =
            files.filter(|w| !root().join(w).exists() && !root().join("src").join(w).exists());
        lost.extend(files.map(|file| format!("{name}: `{file}`")));
    }
    assert!(lost.is_empty(), "{lost:#?}");
    let listed = text("ARCHITECTURE.md");
    for (name, _) in pages.iter().filter(|(name, _)| name.starts_with("docs/")) {
        assert!(listed.contains(&format!("]({name})")), "{name} is not in ARCHITECTURE.md");
    }
}

/// Whoever wants the draft interface says so; no program is shown it because of how it found the library.
#[test]
fn nothing_that_is_installed_asks_for_the_draft_interface() {
    let templates = ["pkgconfig", "cmake"].map(|name| std::fs::read_dir(root().join(name)));
    let mut seen = 0;
    for file in templates.into_iter().flat_map(|files| files.expect("a directory")) {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("a text");
        assert!(!text.contains("ZMQ_BUILD_DRAFT_API"));
        seen += 1;
    }
    assert!(seen >= 2 && !text("Makefile").contains("ZMQ_BUILD_DRAFT_API"));
    // Nor does the header decide for itself.
    assert!(!text("include/zmq.h").contains("#define ZMQ_BUILD_DRAFT_API"));
}

/// The C tests that the page names: `t_program`, `t_program:group`, and `:another` of the same program; and the mends
/// that a made-up world has to miss.
#[test]
fn tests_that_the_page_of_faults_names_are_there() {
    let page = text("docs/design/faults.md");
    let (mut program, mut seen) = (String::new(), 0);
    for name in page.split('`').skip(1).step_by(2) {
        let name = name.trim_start_matches("tests-c/").trim_end_matches(".c");
        let (file, group) = name.split_once(':').unwrap_or((name, ""));
        if file == "sim-faults" {
            let patch = format!("tests/sim/faults/{}.patch", group.trim());
            assert!(root().join(&patch).exists(), "{name}: no {patch}");
        } else if file.starts_with("t_") {
            program = text(&format!("tests-c/{file}.c"));
            let there = group.is_empty() || program.contains(&format!("GROUP ({group})"));
            assert!(there, "{name}: no such group");
        } else if file.is_empty() && !group.is_empty() {
            assert!(program.contains(&format!("GROUP ({group})")), "{name}: no such group");
        } else {
            continue;
        }
        seen += 1;
    }
    assert!(seen > 30, "only {seen}");
}
