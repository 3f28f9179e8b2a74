//! Imports between the layers point downwards only, those between the files of a layer make no circle, and the layers that
//! promise to do without `unsafe` do.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "layering/circles.rs"]
mod circles;
mod common;
#[path = "layering/picture.rs"]
mod picture;

use common::root;
use std::path::{Path, PathBuf};

/// Every top-level module with its height. A module may use those that are lower, never one of the
/// same height but itself; members of a group (the letter) may use each other.
const LAYERS: [(&str, u8, char); 22] = [
    // What a fuzzer tries, of every layer.
    ("fuzz", 95, 'f'),
    ("capi", 90, 'c'),
    // What a handle of C stands for, and what is built of several sockets.
    ("socket", 80, 's'),
    ("context", 80, 's'),
    ("pattern", 70, 'n'),
    ("pipe", 72, 'p'),
    // A connection until its handshake is over: pipes come after it.
    ("endpoint", 65, 'g'),
    ("connection", 60, 'o'),
    ("security", 51, 'e'),
    ("wire", 50, 'w'),
    ("transport", 50, 't'),
    ("reactor", 40, 'r'),
    ("options", 30, 'i'),
    ("msg", 20, 'm'),
    // What others can see of the process: written by many, read by none.
    ("stats", 14, 'v'),
    ("util", 13, 'u'),
    // Waiting needs the kernel, and the kernel's wrappers have their atomics from `sync`.
    ("sync", 12, 'k'),
    ("sys", 11, 'k'),
    // Decisions of all of them: needs none.
    ("policy", 2, 'd'),
    ("types", 1, 'b'),
    ("error", 0, 'a'),
    // The root: modules only.
    ("lib", 100, 'l'),
];

/// Lower, and forbidden all the same: a pattern sees pipes by number only, and only a connection
/// knows both what is secured and what carries it.
const FORBIDDEN: [(&str, &str); 9] = [
    ("pattern", "connection"),
    ("pattern", "endpoint"),
    ("pattern", "wire"),
    ("pattern", "security"),
    ("pattern", "transport"),
    ("pattern", "reactor"),
    ("wire", "reactor"),
    ("security", "transport"),
    ("security", "reactor"),
];

/// Layers without `unsafe`.
const SAFE: [&str; 5] = ["wire", "security", "pattern", "options", "policy"];

/// Every source file of the library but for its tests.
fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "tests" && name != "bin" {
            sources(&path, found);
        } else if name.ends_with(".rs") && !name.contains("test") {
            found.push(path);
        }
    }
}

/// Fuzz targets, and what drives them, are tests.
fn is_fuzzing(file: &Path) -> bool {
    module_of(file) == "fuzz" || file.ends_with("fuzz.rs")
}

/// The code of a file: no comments, and nothing from the module of its tests on.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let tests = text.match_indices("#[cfg(").find(|(at, _)| {
        let mut lines = text[*at..].lines();
        let is_test = |line: &str| line == "#[cfg(test)]" || line.starts_with("#[cfg(all(test, ");
        // What stands below `mod tests;` is code.
        lines.next().is_some_and(is_test)
            && lines.next().is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
    });
    let text = &text[..tests.map_or(text.len(), |(at, _)| at)];
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The top-level module a file belongs to.
fn module_of(path: &Path) -> String {
    let inside = path.strip_prefix(root().join("src")).unwrap();
    let first = inside.components().next().unwrap().as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The top-level modules named after `crate::`, alone or in braces.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => found.push(identifier(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut start = true;
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && c.is_alphabetic() => {
                            found.push(identifier(&list[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// What is wrong with one module using another, if anything.
fn objection(from: &str, to: &str) -> Option<String> {
    let layer = |name: &str| LAYERS.iter().find(|(layer, ..)| *layer == name);
    let (Some(source), Some(target)) = (layer(from), layer(to)) else {
        return Some(format!("`{from}` uses `{to}`: not both in the table of tests/layering.rs"));
    };
    let allowed = source.2 == target.2 || source.1 > target.1;
    let forbidden = FORBIDDEN.contains(&(from, to));
    (!allowed || forbidden).then(|| format!("`{from}` must not use `{to}`"))
}

#[test]
fn imports_point_downwards() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    assert!(files.len() > 10);
    let mut objections = Vec::new();
    for file in &files {
        let from = module_of(file);
        // Macros of the crate are at its root and belong to no layer.
        for to in imports(&code(file)).iter().filter(|to| !to.is_empty()) {
            if let Some(text) = objection(&from, to) {
                objections.push(format!("{}: {text}", file.display()));
            }
        }
    }
    assert!(objections.is_empty(), "{}", objections.join("\n"));
    let there: Vec<String> = files.iter().map(|file| module_of(file)).collect();
    let gone: Vec<_> =
        LAYERS.iter().filter(|(layer, ..)| !there.iter().any(|t| t == layer)).collect();
    assert!(gone.is_empty(), "in the table of tests/layering.rs, and nowhere else: {gone:?}");
}

#[test]
fn atomics_come_through_sync() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    // The scheduler of the made-up world is below them.
    let world = root().join("src/sys/sim");
    for file in files.iter().filter(|f| module_of(f) != "sync" && !f.starts_with(&world)) {
        let code = code(file);
        let own = ["std::sync::atomic", "core::sync::atomic", "sync::{atomic"];
        let found = own.iter().any(|path| code.contains(path));
        assert!(!found, "atomics that loom cannot replace in {}", file.display());
    }
}

/// What reaches the world past `sys` and `sync`, where a made-up one can take its place
/// (docs/design/simulation.md).
const WORLD: [&str; 13] = [
    "Instant::now",
    "SystemTime",
    ".elapsed()",
    "_rdtsc",
    "std::thread::spawn",
    "std::thread::Builder",
    "std::thread::sleep",
    "std::thread::yield_now",
    "hint::spin_loop",
    "parking_lot",
    "RandomState",
    "std::os::fd::OwnedFd",
    "std::fs::",
];

/// Functions of the C library that touch nothing but the texts it has.
const PURE: [&str; 1] = ["libc::strerror"];

/// Calls of functions of the C library: names in small letters before a parenthesis.
fn calls_of_c(code: &str) -> Vec<String> {
    let calls = code.split("libc::").skip(1).map(|rest| (identifier(rest), rest));
    calls
        .filter(|(name, rest)| {
            rest[name.len()..].starts_with('(') && name.starts_with(|c: char| c.is_lowercase())
        })
        .map(|(name, _)| format!("libc::{name}"))
        .filter(|call| !PURE.contains(&call.as_str()))
        .collect()
}

/// What is named of `std::sync`, alone or in braces, but for shared pointers.
fn std_sync(code: &str) -> Vec<String> {
    let rests = code.split("std::sync::").skip(1).map(|rest| match rest.strip_prefix('{') {
        Some(list) => list.split('}').next().unwrap_or_default().to_owned(),
        None => identifier(rest),
    });
    let names = rests.flat_map(|l| l.split(',').map(|n| n.trim().to_owned()).collect::<Vec<_>>());
    names.filter(|name| !["Arc", "Weak", ""].contains(&name.as_str())).collect()
}

#[test]
fn the_world_is_reached_through_sys_and_sync() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    for file in files.iter().filter(|file| !["sys", "sync"].contains(&module_of(file).as_str())) {
        // Models are loom's; what drives the fuzz targets is a test.
        if file.ends_with("models.rs") || is_fuzzing(file) {
            continue;
        }
        let code = code(file);
        let found: Vec<_> = WORLD.iter().filter(|name| code.contains(**name)).collect();
        assert!(
            found.is_empty(),
            "{found:?} in {}: not what `sys` and `sync` have",
            file.display()
        );
        let locks = std_sync(&code);
        assert!(locks.is_empty(), "{locks:?} of std in {}: see `sync`", file.display());
        let calls = calls_of_c(&code);
        assert!(calls.is_empty(), "{calls:?} in {}: `sys` makes system calls", file.display());
    }
    let code = "libc::read(1); libc::EINTR; libc::c_int; libc::strerror(1)";
    assert_eq!(calls_of_c(code), ["libc::read"]);
    let code = "use std::sync::{Arc, Mutex};\nuse std::sync::Arc; std::sync::Once::new()";
    assert_eq!(std_sync(code), ["Mutex", "Once"]);
}

/// In a library that was opened at run time the first use of one needs memory, and without it the C library ends the process.
#[test]
fn no_value_of_a_thread_is_std_s() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let world = root().join("src/sys/sim");
    for file in files.iter().filter(|file| !file.starts_with(&world) && module_of(file) != "sync") {
        // Those of tests are in no library.
        let code = code(file).replace("#[cfg(test)]\nthread_local!", "");
        let code = code.replace("#[cfg(sim)]\nmod rows {", "}\nmod sim_only {");
        let ours = code.split("mod sim_only {").next().unwrap_or_default();
        assert!(!ours.contains("thread_local!"), "{}: see `sys::local`", file.display());
    }
}

/// Whether a line declares something that a forked child would have from its parent, locked for ever
/// perhaps: see `sync/per_process.rs`.
fn outlives_a_fork(line: &str) -> bool {
    let line = line.trim_start().trim_start_matches("pub ").trim_start_matches("pub(crate) ");
    let Some((_, kind)) = line.strip_prefix("static ").and_then(|rest| rest.split_once(':')) else {
        return false;
    };
    let kind = kind.split('=').next().unwrap_or_default();
    ["Mutex", "RwLock", "Once", "Lazy", "Condvar"].iter().any(|lock| kind.contains(lock))
        && !kind.contains("PerProcess<")
}

#[test]
fn no_lock_outlives_a_fork() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    // The made-up world has no forks.
    let world = root().join("src/sys/sim");
    for file in files.iter().filter(|file| !file.starts_with(&world)) {
        let found: Vec<String> =
            code(file).lines().filter(|line| outlives_a_fork(line)).map(str::to_owned).collect();
        assert!(found.is_empty(), "not in a PerProcess: {found:?} in {}", file.display());
    }
    assert!(outlives_a_fork("    static ONCE: std::sync::Once = std::sync::Once::new();"));
    assert!(outlives_a_fork("pub static A: Mutex<u8> = Mutex::new(0);"));
    assert!(!outlives_a_fork("static A: PerProcess<Mutex<u8>> = PerProcess::new(Mutex::new(0));"));
    assert!(!outlives_a_fork("static N: AtomicU64 = AtomicU64::new(0);"));
}

/// Functions that are cancellation points, in one C library or another (pthreads(7)), and what std has
/// that calls them: see `src/sys/cancel.rs`.
const POINTS: [&str; 43] = [
    "accept",
    "accept4",
    "close",
    "connect",
    "epoll_pwait",
    "epoll_wait",
    "fdatasync",
    "fsync",
    "getrandom",
    "mq_receive",
    "mq_send",
    "msync",
    "nanosleep",
    "open",
    "open64",
    "openat",
    "pause",
    "poll",
    "ppoll",
    "pread",
    "pselect",
    "pwrite",
    "read",
    "readv",
    "recv",
    "recvfrom",
    "recvmsg",
    "select",
    "send",
    "sendmsg",
    "sendto",
    "sigsuspend",
    "sigtimedwait",
    "sleep",
    "system",
    "tcdrain",
    "usleep",
    "wait",
    "waitpid",
    "write",
    "writev",
    "clock_nanosleep",
    "sem_wait",
];
const POINTS_INSIDE: [&str; 9] = [
    "getaddrinfo",
    "getgrgid_r",
    "getifaddrs",
    "getnameinfo",
    "getpwuid_r",
    "if_nametoindex",
    "mkdtemp",
    "pthread_join",
    "syslog",
];
const POINTS_OF_STD: [&str; 7] =
    ["thread::sleep", "std::fs", "println!", "eprint", "TcpStream", "UnixStream", "std::process"];

/// What a cancelled thread could be unwound from, with frames of ours below.
fn cancellation_points(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for function in code.split("\nfn ").flat_map(|f| f.split(" fn ")) {
        let calls = |name: &&&str| function.contains(&format!("libc::{name}("));
        found.extend(POINTS.iter().filter(calls).map(|n| (*n).to_owned()));
        if !function.contains("Shielded::begin()") && !function.contains("C-unwind") {
            found.extend(POINTS_INSIDE.iter().filter(calls).map(|n| (*n).to_owned()));
        }
    }
    found.extend(POINTS_OF_STD.iter().filter(|n| code.contains(**n)).map(|n| (*n).to_owned()));
    found
}

#[test]
fn nobody_is_cancelled_in_the_middle() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    // Nobody is cancelled in a made-up world.
    let is_real =
        |file: &&PathBuf| !is_fuzzing(file) && !file.starts_with(root().join("src/sys/sim"));
    for file in files.iter().filter(is_real) {
        let code = code(file);
        // Tests begin in several ways.
        let found = cancellation_points(code.split("mod tests").next().unwrap_or_default());
        assert!(found.is_empty(), "cancellation points in {}: {found:?}", file.display());
    }
    assert_eq!(cancellation_points("unsafe { libc::read(fd, to, 8) };"), ["read"]);
    assert_eq!(cancellation_points("fn a() { libc::getaddrinfo() }"), ["getaddrinfo"]);
    assert!(
        cancellation_points("fn a() { let s = Shielded::begin(); libc::getaddrinfo() }").is_empty()
    );
}

/// The words of a text between `from` and `to` that are marked on both sides like this.
fn marked<'a>(text: &'a str, from: &str, to: &str, open: &str, close: &str) -> Vec<&'a str> {
    let text = text.split_once(from).unwrap().1.split_once(to).unwrap().0;
    text.split(open)
        .skip(1)
        .filter_map(|rest| rest.split_once(close))
        .map(|(word, _)| word)
        .collect()
}

#[test]
fn documented_system_calls_are_those_of_the_test() {
    let text = std::fs::read_to_string(root().join("docs/design/system-calls.md")).unwrap();
    let test = std::fs::read_to_string(root().join("tests-c/t_sandbox.c")).unwrap();
    let documented = marked(&text, "asks the kernel for:", "Options of a context", " `", "`");
    let allowed = marked(&test, "/* the list */", "/* the end */", "CALL (", ")");
    assert!(allowed.len() > 20);
    assert_eq!(documented, allowed);
}

/// What is asked of the kernel itself is asked of the model in a made-up world, where names that it lacks are the real ones.
#[test]
fn the_made_up_kernel_has_what_the_real_one_is_asked_for() {
    let functions = |file: &str, mark: &str| -> Vec<String> {
        let code = code(&root().join(file));
        let names = code.split(mark).skip(1).map(identifier);
        names.filter(|name| !name.is_empty()).collect()
    };
    let real = functions("src/sys/raw.rs", " fn ");
    let model = functions("src/sys/sim/libc.rs", "pub unsafe fn ");
    assert!(real.len() > 10);
    // The pause is the scheduler's there.
    let lacks: Vec<_> = real.iter().filter(|n| !model.contains(n) && *n != "nanosleep").collect();
    assert!(lacks.is_empty(), "would reach the real kernel: {lacks:?}");
}

/// What one lock protects is understood as long as it is little.
#[test]
fn the_state_of_a_socket_has_at_most_twenty_fields() {
    let code = code(&root().join("src/socket/core.rs"));
    let fields = code.split_once("pub struct Core {").unwrap().1.split_once("\n}").unwrap().0;
    let count = fields.lines().filter(|line| line.contains(": ")).count();
    assert!((10..=20).contains(&count), "{count} fields of Core");
}

#[test]
fn safe_layers_are_safe() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    for file in files.iter().filter(|file| SAFE.contains(&module_of(file).as_str())) {
        let code = code(file).replace("unsafe_code", "");
        assert!(!code.contains("unsafe"), "unsafe code in {}", file.display());
    }
}

#[test]
fn the_check_sees_what_it_should() {
    let code = "use crate::msg::Msg;\nuse crate::{error::{Error, Result}, wire::{self}};\nlet a = crate::sys::fd();";
    assert_eq!(imports(code), ["msg", "error", "wire", "sys"]);
    assert!(objection("wire", "transport").is_some(), "same height");
    assert!(objection("msg", "wire").is_some(), "upwards");
    assert!(objection("pattern", "pipe").is_some(), "beside");
    assert!(objection("pattern", "wire").is_some(), "forbidden");
    assert!(objection("security", "wire").is_none());
    assert!(objection("socket", "context").is_none(), "one group");
    assert!(objection("wire", "elsewhere").is_some(), "unknown");
}
