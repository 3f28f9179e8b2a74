//! `include/zmq.h` is what cbindgen makes of the sources, compiles as every C and C++ in use, and
//! says the same as libzmq's header.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use common::{root, run, scratch, source, stdout, system_header};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

/// The header as the sources say it should be.
fn generate() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    let capi = root().join("src/capi");
    let mut files: Vec<_> = std::fs::read_dir(&capi).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "rs"));
    // Constants and types come first, the rest by the name of its file.
    files.sort_by_key(|path| {
        let first = ["constants.rs", "types.rs"].iter().any(|name| path.ends_with(name));
        (!first, path.clone())
    });
    files.retain(|path| !path.ends_with("mod.rs"));
    // One source with a module per file: given several files, cbindgen repeats what has a `cfg`.
    let modules = files.iter().map(|file| {
        let name = file.file_stem().unwrap().to_str().unwrap();
        format!("pub mod {name} {{\n{}\n}}\n", std::fs::read_to_string(file).unwrap())
    });
    let all = source(&scratch("header-generate"), "capi.rs", &modules.collect::<String>());
    let builder = cbindgen::Builder::new().with_config(config).with_src(all);
    let mut bytes = Vec::new();
    builder.generate().unwrap().write(&mut bytes);
    tidy(&String::from_utf8(bytes).unwrap())
}

/// One-line comments on one line, and one condition around neighbours that have the same.
fn tidy(header: &str) -> String {
    let lines: Vec<&str> = header.lines().map(str::trim_end).collect();
    let mut text = String::new();
    let mut i = 0;
    while i < lines.len() {
        let merged = lines[i] == "#endif"
            && lines.get(i + 1) == Some(&"")
            && lines.get(i + 2) == Some(&"#if defined(ZMQ_BUILD_DRAFT_API)");
        if merged {
            let comment = lines.get(i + 3) == Some(&"/*");
            if comment {
                text.push('\n');
            }
            i += 3;
            continue;
        }
        let indent = &lines[i][..lines[i].len() - lines[i].trim_start().len()];
        if lines[i].trim() == "/*" && lines.get(i + 2).is_some_and(|end| end.trim() == "*/") {
            text.push_str(&format!("{indent}/* {} */\n", lines[i + 1].trim()));
            i += 3;
            continue;
        }
        text.push_str(lines[i]);
        text.push('\n');
        i += 1;
    }
    // Constants have no blank lines between them but before a comment.
    while text.contains("\n\n#define ZMQ") {
        text = text.replace("\n\n#define ZMQ", "\n#define ZMQ");
    }
    while text.contains("\n\n\n") {
        text = text.replace("\n\n\n", "\n\n");
    }
    text.replace("_fn * ", "_fn *")
}

#[test]
fn is_up_to_date() {
    let path = root().join("include/zmq.h");
    let expected = generate();
    if std::env::var_os("UPDATE_HEADER").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "include/zmq.h is not what the sources say: run `make header`");
}

/// Compiles a file against our header and treats every warning as an error.
fn compile(compiler: &str, standard: &str, file: &Path, defines: &[&str]) {
    let flags = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"];
    let include = root().join("include");
    run(Command::new(compiler)
        .arg(format!("-std={standard}"))
        .args(flags)
        .args(defines)
        .arg("-I")
        .arg(include)
        .arg(file));
}

/// Uses what C programs use of the header: function types, initialisers, aliases.
const PROGRAM: &str = r#"
#include <zmq.h>
#include <zmq.h>
static void release (void *data, void *hint) { (void) data; (void) hint; }
static void tick (int id, void *arg) { (void) id; (void) arg; }
static void work (void *arg) { (void) arg; }
int main (void)
{
    zmq_free_fn *free_fn = release;
    zmq_timer_fn *timer_fn = &tick;
    zmq_thread_fn *thread_fn = work;
    zmq_msg_t msg;
    zmq_pollitem_t items[] = {{NULL, 0, ZMQ_POLLIN, 0}, {NULL, 1, ZMQ_POLLIN | ZMQ_POLLERR, 0}};
    zmq_fd_t fd = items[0].fd;
    uint8_t key[32] = {0};
    char text[41];
    long rc = zmq_msg_init (&msg);
    rc += zmq_msg_init_data (&msg, key, 32, free_fn, NULL);
    rc += zmq_timers_add (NULL, 10, *timer_fn, NULL) + zmq_poll (items, 2, -1L);
    zmq_threadclose (zmq_threadstart (thread_fn, NULL));
    rc += zmq_z85_encode (text, key, 32) == NULL || zmq_msg_gets (&msg, "User-Id") == NULL;
    rc += ZMQ_VERSION >= ZMQ_MAKE_VERSION (4, 3, 5) && ZMQ_XREQ == ZMQ_DEALER && errno == EFSM;
    return (int) rc + fd;
}
"#;

/// What C11 can check while compiling.
const LAYOUT: &str = r#"
#include <zmq.h>
_Static_assert (sizeof (zmq_msg_t) == 64, "");
_Static_assert (_Alignof (zmq_msg_t) == sizeof (void *), "");
_Static_assert (sizeof (zmq_pollitem_t) == sizeof (void *) + 8, "");
_Static_assert (offsetof (zmq_pollitem_t, fd) == sizeof (void *), "");
_Static_assert (offsetof (zmq_pollitem_t, events) == sizeof (void *) + 4, "");
_Static_assert (offsetof (zmq_pollitem_t, revents) == sizeof (void *) + 6, "");
_Static_assert (sizeof (zmq_fd_t) == sizeof (int), "");
_Static_assert (ZMQ_VERSION == 40306, "");
"#;

#[test]
fn compiles_as_every_c_and_cpp() {
    let dir = scratch("header-compiles");
    let c = source(&dir, "program.c", PROGRAM);
    let cpp = source(&dir, "program.cpp", PROGRAM);
    for defines in [&[][..], &["-DZMQ_BUILD_DRAFT_API"]] {
        // zmq_ppoll has a sigset_t, which plain C does not have: libzmq's header says the same.
        let plain = if defines.is_empty() { ["c99", "c11"] } else { ["gnu99", "gnu11"] };
        for standard in plain.into_iter().chain(["gnu17"]) {
            compile("cc", standard, &c, defines);
        }
        for standard in ["c++98", "c++11", "c++17"] {
            compile("c++", standard, &cpp, defines);
        }
    }
    compile("cc", "c11", &source(&dir, "layout.c", LAYOUT), &[]);
}

#[test]
fn the_old_header_includes_the_new_one() {
    let dir = scratch("header-utils");
    let text = PROGRAM.replace("#include <zmq.h>", "#include <zmq_utils.h>");
    compile("cc", "c99", &source(&dir, "program.c", &text), &[]);
    compile("c++", "c++98", &source(&dir, "program.cpp", &text), &[]);
}

/// The names of the macros a header defines, as far as they are the library's.
fn macros(header: &Path, defines: &[&str]) -> BTreeSet<String> {
    let all = stdout(Command::new("cc").args(["-dM", "-E"]).args(defines).arg(header));
    let names = all.lines().filter_map(|line| line.strip_prefix("#define ")?.split(' ').next());
    let ours = |name: &&str| {
        let own_errors = ["EFSM", "ENOCOMPATPROTO", "ETERM", "EMTHREAD"];
        (name.starts_with("ZMQ_") && !name.contains('(')) || own_errors.contains(name)
    };
    names.filter(ours).map(str::to_owned).collect()
}

/// Name and value of every macro that is a number or a text.
fn values(dir: &Path, header: &Path, defines: &[&str]) -> BTreeMap<String, String> {
    let names = macros(header, defines);
    let mut text = format!("#include \"{}\"\n#include <stdio.h>\n", header.display());
    text.push_str("#define SHOW(x) _Generic((x), char *: \"%s %s\\n\", default: \"%s %d\\n\")\n");
    text.push_str("int main(void) {\n");
    // Macros without a value only say that something is there.
    for name in names.iter().filter(|name| *name != "ZMQ_HAVE_TIMERS" && *name != "ZMQ_HAVE_POLLER")
    {
        text.push_str(&format!("printf(SHOW({name}), \"{name}\", {name});\n"));
    }
    text.push_str("return 0;\n}\n");
    let program = dir.join("values");
    let file = source(dir, "values.c", &text);
    run(Command::new("cc").arg("-w").args(defines).arg(file).arg("-o").arg(&program));
    let output = stdout(&mut Command::new(program));
    let pairs = output.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn constants_are_those_of_libzmq() {
    let Some(system) = system_header() else { return };
    let dir = scratch("header-constants");
    // What 4.3.6 changed since 4.3.4.
    let changed = ["ZMQ_VERSION", "ZMQ_VERSION_PATCH", "ZMQ_RECONNECT_STOP_AFTER_DISCONNECT"];
    for defines in [&[][..], &["-DZMQ_BUILD_DRAFT_API"]] {
        let ours = root().join("include/zmq.h");
        let missing: Vec<String> =
            macros(&system, defines).difference(&macros(&ours, defines)).cloned().collect();
        assert!(missing.is_empty(), "not defined: {missing:?}");
        let (theirs, ours) = (values(&dir, &system, defines), values(&dir, &ours, defines));
        assert!(theirs.len() > 180, "only {} constants found", theirs.len());
        for (name, value) in theirs.iter().filter(|(name, _)| !changed.contains(&name.as_str())) {
            assert_eq!(ours.get(name), Some(value), "{name}");
        }
        assert_eq!(ours["ZMQ_VERSION"], "40306");
        if !defines.is_empty() {
            assert_eq!(ours["ZMQ_RECONNECT_STOP_AFTER_DISCONNECT"], "4");
            assert_eq!(ours["ZMQ_NORM_PUSH"], "124");
        }
    }
}

/// The declarations of functions in a header, without attributes.
fn prototypes(header: &Path) -> Vec<String> {
    let text = stdout(Command::new("cc").args(["-E", "-P", "-D__attribute__(x)="]).arg(header));
    let statements = text.split(';').map(|s| s.split_whitespace().collect::<Vec<_>>().join(" "));
    statements.filter(|s| function_name(s).is_some() && !s.starts_with("typedef")).collect()
}

/// The name of the function a statement declares.
fn function_name(statement: &str) -> Option<&str> {
    let name = statement.split('(').next()?.trim_end().rsplit([' ', '*']).next()?;
    (name.starts_with("zmq_") && statement.ends_with(')')).then_some(name)
}

#[test]
fn functions_are_those_of_libzmq() {
    let Some(system) = system_header() else { return };
    let ours = root().join("include/zmq.h");
    let names = |header| -> BTreeSet<String> {
        prototypes(header).iter().filter_map(|p| function_name(p)).map(str::to_owned).collect()
    };
    assert_eq!(names(&ours), names(&system));
    assert_eq!(names(&ours).len(), 70);
    // A second declaration of a function is an error unless the types are the same.
    let mut text = String::from("#include <zmq.h>\n");
    for prototype in prototypes(&system) {
        text.push_str(&prototype);
        text.push_str(";\n");
    }
    let dir = scratch("header-functions");
    compile("cc", "c11", &source(&dir, "again.c", &text), &[]);
}
