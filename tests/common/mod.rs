//! Running compilers and programs from the tests of the C interface.

#![allow(dead_code, reason = "each test uses its own part")]

pub(crate) mod crates;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// An empty directory of this test.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// The shared library that was built together with this test.
pub(crate) fn shared_library() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    // Cargo puts the library a test depends on beside the test.
    let library = exe.parent().unwrap().join("libzmq.so");
    assert!(library.exists(), "no {}", library.display());
    library
}

/// The same under the names the linker and the loader look for, in a directory of its own.
pub(crate) fn library_dir(name: &str) -> PathBuf {
    let dir = scratch(name);
    for link in ["libzmq.so", "libzmq.so.5"] {
        std::os::unix::fs::symlink(shared_library(), dir.join(link)).unwrap();
    }
    dir
}

/// The header of the distribution's libzmq. Without it a comparison has nothing to compare with,
/// and says so.
pub(crate) fn system_header() -> Option<PathBuf> {
    let header = PathBuf::from("/usr/include/zmq.h");
    if !header.exists() {
        eprintln!("SKIPPED: libzmq3-dev is not installed, see tools/setup-test-packages.sh");
        return None;
    }
    Some(header)
}

/// Runs a program that must succeed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    output
}

/// The standard output of a program that must succeed.
pub(crate) fn stdout(command: &mut Command) -> String {
    String::from_utf8(run(command).stdout).unwrap()
}

/// Writes a source file and returns where it is.
pub(crate) fn source(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
