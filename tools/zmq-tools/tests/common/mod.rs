//! Programs, the libraries they load, and the directories they meet in.

#![allow(unreachable_pub, reason = "each test is a crate of its own")]
#![allow(dead_code, reason = "each test uses some of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Which libzmq a program loads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    /// What `make stage` has installed.
    Ours,
    /// The system's.
    Theirs,
}

/// Where ours is.
pub fn ours() -> PathBuf {
    let staged = std::env::var_os("ZMQ_TOOLS_LIBDIR").map(PathBuf::from);
    let staged = staged
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/prefix/lib"));
    assert!(staged.join("libzmq.so.5").exists(), "no library in {}: make stage", staged.display());
    staged
}

/// A program with this library.
pub fn program(name: &str, library: Library) -> Command {
    let mut command = Command::new(name);
    match library {
        Library::Ours => command.env("LD_LIBRARY_PATH", ours()),
        Library::Theirs => command.env_remove("LD_LIBRARY_PATH"),
    };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Python with Debian's python3-zmq.
pub fn python(script: &str, library: Library) -> Command {
    let mut command = program("/usr/bin/python3", library);
    command.args(["-u", "-c", script]);
    command
}

/// zmqcat with arguments that have no blanks in them.
pub fn zmqcat(arguments: &str, library: Library) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_zmqcat"), library);
    command.args(arguments.split_whitespace());
    command
}

/// A directory that goes with the test.
pub struct Place(PathBuf);

impl Place {
    pub fn new() -> Place {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let place = std::env::temp_dir().join(format!("zt-{}-{number}", std::process::id()));
            match std::fs::create_dir(&place) {
                // Left by another process of this number.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
                made => return made.map(|()| Place(place)).unwrap(),
            }
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn ipc(&self, name: &str) -> String {
        format!("ipc://{}", self.path(name).display())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A program under way, killed with the test. What it prints is read all the time.
pub struct Running {
    child: Child,
    printed: [Option<JoinHandle<Vec<u8>>>; 2],
}

pub fn start(mut command: Command) -> Running {
    Running::of(command.spawn().expect("the program starts"))
}

fn reader(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut all = Vec::new();
        from.read_to_end(&mut all).unwrap();
        all
    })
}

impl Running {
    pub fn of(mut child: Child) -> Running {
        let (out, err) = (child.stdout.take(), child.stderr.take());
        Running { child, printed: [out.map(reader), err.map(reader)] }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Waits for its end, which comes within a minute on the busiest machine.
    pub fn end(mut self) -> Output {
        let until = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break Some(status);
            }
            if Instant::now() > until {
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        if status.is_none() {
            self.child.kill().unwrap();
        }
        let [stdout, stderr] = self.printed.each_mut().map(|reader| match reader.take() {
            Some(reader) => reader.join().unwrap(),
            None => Vec::new(),
        });
        let Some(status) = status else {
            let said = [stdout, stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
            panic!("it did not end: {said:?}");
        };
        Output { status, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end, with this input.
pub fn run(mut command: Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped());
    let mut running = start(command);
    // One that ends before it has read all is not this function's business.
    let _ = running.child().stdin.take().unwrap().write_all(input);
    running.end()
}

/// What it printed, if it ended so.
pub fn printed(output: &Output, status: i32) -> String {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}
