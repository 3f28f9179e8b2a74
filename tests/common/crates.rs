//! Which crates a package uses, and what deny.toml says of them: for the library, and for the tools.

use super::stdout;
use std::path::Path;
use std::process::Command;

/// The texts in quotes of what stands between `[` and `]` behind `name =` in deny.toml.
pub(crate) fn denied(root: &Path, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root.join("deny.toml")).unwrap();
    let list = text.split_once(&format!("\n{name} = [")).unwrap().1;
    // The list ends in the line that has the last bracket of its own.
    let (mut depth, mut end) = (1, 0);
    for (at, c) in list.char_indices() {
        depth += i32::from(c == '[') - i32::from(c == ']');
        if depth == 0 {
            end = at;
            break;
        }
    }
    list[..end].split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a licence in SPDX's words, or in those of older crates, is one of these. What is nested deeper than an AND of
/// ORs is refused: a person has to look.
pub(crate) fn is_allowed(licence: &str, allowed: &[String]) -> bool {
    licence.split(" AND ").all(|part| {
        let part = part.trim_start_matches('(').trim_end_matches(')').replace('/', " OR ");
        part.split(" OR ").any(|choice| allowed.iter().any(|name| name == choice))
    })
}

/// Each crate that a package, its build or its tests use on this machine, with its licence.
pub(crate) fn licences(package: &Path) -> Vec<(String, String)> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = ["tree", "--offline", "--locked", "-e", "normal,build,dev", "--prefix", "none"];
    let mut command = Command::new(cargo);
    let list = stdout(command.args(tree).args(["-f", "{p}|{l}|"]).current_dir(package));
    let crates = list.lines().filter_map(|line| {
        let (name, rest) = line.split_once(' ')?;
        Some((name.to_owned(), rest.split('|').nth(1)?.to_owned()))
    });
    crates.collect()
}

/// What is under a licence that is not in these lists, with that.
pub(crate) fn not_allowed(
    found: &[(String, String)],
    allowed: &[String],
    exceptions: &[String],
) -> Vec<String> {
    let wrong = found.iter().filter(|(name, licence)| {
        let except = exceptions.chunks(2).any(|pair| pair[0] == *name && pair[1] == *licence);
        !except && !is_allowed(licence, allowed)
    });
    wrong.map(|(name, licence)| format!("{name} is under {licence}")).collect()
}

/// The crates that a lock-file has in several versions. All but `ours` have to come from the registry.
pub(crate) fn twice(lock: &Path, ours: &str) -> Vec<String> {
    let lock = std::fs::read_to_string(lock).unwrap();
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key));
        line.map(|rest| rest.trim_matches(['=', ' ', '"']).to_owned())
    };
    let mut names = Vec::new();
    for package in lock.split("[[package]]").skip(1) {
        names.push(value(package, "name ").unwrap());
        let source = value(package, "source ");
        let is_ours = source.is_none() && names.ends_with(&[ours.to_owned()]);
        let registry = "registry+https://github.com/rust-lang/crates.io-index";
        assert!(is_ours || source.as_deref() == Some(registry), "{names:?} comes from {source:?}");
    }
    names.sort_unstable();
    let mut twice: Vec<String> =
        names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].clone()).collect();
    twice.dedup();
    twice
}
