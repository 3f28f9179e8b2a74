//! What the project says of itself: a list that a person keeps is right for a while.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{root, stdout};
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
