//! zmqcat between processes: with itself, with the system's libzmq in one or both, and with Debian's python3-zmq.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use Library::{Ours, Theirs};
use common::{Library, Place, printed, program, python, run, start, zmqcat};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// One receives what the other sends.
fn pass(receiver: &str, sender: &str, input: &str, libraries: [Library; 2]) -> (String, String) {
    let place = Place::new();
    let endpoint = place.ipc("a");
    let receiver = start(zmqcat(&format!("{receiver} -t 5 -b {endpoint}"), libraries[0]));
    let sender = zmqcat(&format!("{sender} -t 5 -c {endpoint}"), libraries[1]);
    let sent = printed(&run(sender, input.as_bytes()), 0);
    (printed(&receiver.end(), 0), sent)
}

#[test]
fn every_pair_of_types_with_either_library() {
    for libraries in [[Ours, Ours], [Ours, Theirs], [Theirs, Ours], [Theirs, Theirs]] {
        let lines = "one\ntwo\n";
        assert_eq!(pass("pull -n 2", "push", lines, libraries).0, lines);
        assert_eq!(pass("rep -e -n 2", "req", lines, libraries), (lines.into(), lines.into()));
        assert_eq!(pass("pair -e -n 2", "pair -n 2", lines, libraries).1, lines);
        assert_eq!(pass("router -e -n 2", "dealer -n 2", lines, libraries).1, lines);
    }
}

/// What a receiver prints of a sender that goes on and on.
fn heard(sender: &str, receiver: &str, libraries: [Library; 2]) -> String {
    let place = Place::new();
    let endpoint = place.ipc("a");
    let sender = start(zmqcat(&format!("{sender} -i 0.02 -b {endpoint}"), libraries[0]));
    let receiver = run(zmqcat(&format!("{receiver} -t 8 -c {endpoint}"), libraries[1]), b"");
    drop(sender);
    printed(&receiver, 0)
}

#[test]
fn a_publisher_is_heard_and_an_xsub_subscribes() {
    for libraries in [[Ours, Ours], [Ours, Theirs], [Theirs, Ours]] {
        for subscriber in ["sub -s x", "xsub -s x", "sub"] {
            let lines = heard("pub -d x1", &format!("{subscriber} -n 2"), libraries);
            assert_eq!(lines, "x1\nx1\n", "{subscriber}");
        }
    }
}

#[test]
fn draft_types() {
    let both = [Ours, Ours];
    let json = "{\"group\":\"news\",\"parts\":[\"x\"]}\n";
    assert_eq!(heard("radio -d x -g news", "dish -g news -f json -n 1", both), json);
    assert_eq!(pass("gather -n 1", "scatter", "x\n", both).0, "x\n");
    for (one, other) in [("server", "client"), ("peer", "peer"), ("channel", "channel")] {
        let back = pass(&format!("{one} -e -n 1"), &format!("{other} -n 1"), "x\n", both);
        assert_eq!(back, ("x\n".into(), "x\n".into()), "{one}");
    }
}

#[test]
fn formats_between_processes() {
    let both = [Ours, Theirs];
    let quoted = "\"\\x00\\xff\" \"\" \"two words\"\n";
    assert_eq!(pass("pull -n 1 -f quoted", "push -f quoted", quoted, both).0, quoted);
    let json = pass("pull -n 1 -f json", "push -I quoted", quoted, both).0;
    assert_eq!(json, "{\"parts\":[{\"base64\":\"AP8=\"},\"\",\"two words\"]}\n");
    assert_eq!(pass("pull -n 1 -f quoted", "push -f json", &json, both).0, quoted);
    assert_eq!(pass("pull -n 1 -f raw", "push -f raw", "a\nb\n", both).0, "a\nb\n");
    assert_eq!(pass("pull -n 1", "push -d a -d b", "", both).0, "a b\n");
    let packed = "\u{1}"; // A number, which is no message.
    let wrong = run(zmqcat("push -f msgpack -b ipc:///tmp/none", Ours), packed.as_bytes());
    assert_eq!(printed(&wrong, 3), "");
}

#[test]
fn a_hundred_thousand_lines_arrive() {
    let lines: String = (0..100_000).map(|n| format!("line {n}\n")).collect();
    assert!(pass("pull -n 100000", "push", &lines, [Ours, Ours]).0 == lines);
}

#[test]
fn the_exit_status_says_what_happened() {
    let place = Place::new();
    let nobody = place.ipc("nobody");
    for (arguments, status) in [
        (format!("req -c {nobody} -d x -t 0.1"), 1),
        (format!("push -c {nobody} -d x -t 0.1"), 1),
        (format!("pull -b {nobody} -t 0.1"), 1),
        (format!("pair -b {nobody} -t 0.1"), 1),
        (format!("pub -b {nobody} -d x -t 0.1"), 0),
        ("pull".to_owned(), 2),
        (format!("push -b {nobody} -d x -s topic"), 2),
        ("push -d x -c nonsense".to_owned(), 3),
        ("pull -b tcp://nowhere".to_owned(), 3),
        (format!("pull -b {nobody} --curve-server --curve-key /nowhere"), 3),
        (format!("push -b {nobody} -F /nowhere"), 3),
    ] {
        for library in [Ours, Theirs] {
            let output = run(zmqcat(&arguments, library), b"");
            assert_eq!(output.status.code(), Some(status), "{arguments} {library:?}: {output:?}");
        }
    }
}

#[test]
fn a_count_that_is_not_reached_in_time_is_a_failure_and_some_without_a_count_are_not() {
    for (count, status) in [("-n 2", 1), ("", 0)] {
        let place = Place::new();
        let endpoint = place.ipc("a");
        let receiver = start(zmqcat(&format!("pull {count} -t 1 -b {endpoint}"), Ours));
        printed(&run(zmqcat(&format!("push -d x -t 5 -c {endpoint}"), Ours), b""), 0);
        assert_eq!(printed(&receiver.end(), status), "x\n");
    }
}

#[test]
fn whoever_has_read_enough_ends_it() {
    let place = Place::new();
    let publisher = start(zmqcat(&format!("pub -d x -i 0.02 -b {}", place.ipc("a")), Ours));
    let mut shell = program("/bin/sh", Ours);
    let cat = env!("CARGO_BIN_EXE_zmqcat");
    let line = format!("{{ {cat} sub -c {}; echo $? >&2; }} | head -n 1", place.ipc("a"));
    let output = start({
        shell.args(["-c", &line]);
        shell
    })
    .end();
    drop(publisher);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "0\n");
    assert_eq!(output.stdout, b"x\n");
}

/// Nobody reads what they say, or the disk is full.
#[test]
fn nothing_that_is_not_read_is_a_panic() {
    for (line, status) in [
        ("zmq-keygen - 2>/dev/null | true", "0"),
        ("zmq-keygen - >/dev/full", "3"),
        ("zmq-keygen - >&-", "0"),
        ("zmqcat pull -c nonsense 2>&1 | true", "3"),
        ("zmqcat pull -c nonsense 2>/dev/full", "3"),
        ("zmqcat pull -c nonsense 2>&-", "3"),
        ("zmqtop why 4294967295 2>&1 | true", "3"),
        ("zmqtop why 4294967295 2>/dev/full", "3"),
        ("zmqtop --json | head -1 >/dev/null", "0"),
        ("zmqtop -1 >/dev/full", "3"),
        ("zmqtop record - -n 2 -d 0.1 | true", "0"),
    ] {
        let mut shell = program("/bin/bash", Ours);
        let place = std::path::Path::new(env!("CARGO_BIN_EXE_zmqcat")).parent().unwrap();
        shell.env("PATH", format!("{}:/usr/bin:/bin", place.display()));
        shell.args(["-c", &format!("{line}; echo ${{PIPESTATUS[0]}}")]);
        let output = run(shell, b"");
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(said.trim_end(), status, "{line}: {output:?}");
    }
}

#[test]
fn a_library_that_is_not_there_is_said() {
    let mut cat = zmqcat("pull -b tcp://127.0.0.1:*", Theirs);
    let place = Place::new();
    std::fs::write(place.path("libzmq.so.5"), "not a library").unwrap();
    cat.env("LD_LIBRARY_PATH", place.path(""));
    let output = run(cat, b"");
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot load libzmq.so.5"));
}

fn keygen(arguments: &[&std::ffi::OsStr]) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_zmq-keygen"), Ours);
    command.args(arguments);
    command
}

#[test]
fn keys_are_made_kept_and_used() {
    let place = Place::new();
    let (secret, public) = (place.path("me"), place.path("me.pub"));
    printed(&run(keygen(&[secret.as_os_str()]), b""), 0);
    let mode = |file| std::fs::metadata(file).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&secret), mode(&public)), (0o600, 0o644));
    let text = std::fs::read_to_string(&public).unwrap();
    let again = run(keygen(&["--public-from".as_ref(), secret.as_os_str()]), b"");
    assert_eq!(printed(&again, 0), text);
    // What is there stays, unless it is asked for.
    printed(&run(keygen(&[secret.as_os_str()]), b""), 3);
    assert_eq!(std::fs::read_to_string(&public).unwrap(), text);
    // Of a public key nothing is asked as if it were the secret one; and no half of a pair stays beside that of another.
    printed(&run(keygen(&["--public-from".as_ref(), public.as_os_str()]), b""), 3);
    let other = place.path("other");
    std::fs::write(place.path("other.pub"), &text).unwrap();
    printed(&run(keygen(&[other.as_os_str()]), b""), 3);
    assert!(!other.exists());
    let (secret, public) = (secret.display(), public.display());
    for libraries in [[Ours, Theirs], [Theirs, Ours]] {
        let server = format!("pull -n 1 --curve-server --curve-key {secret}");
        let client = format!("push -d private --curve-server-key {public}");
        assert_eq!(pass(&server, &client, "", libraries).0, "private\n");
    }
    let place = Place::new();
    let server = start(zmqcat(
        &format!("pull --curve-server --curve-key {secret} -b {}", place.ipc("a")),
        Ours,
    ));
    let stranger = run(zmqcat(&format!("push -d x -t 0.3 -c {}", place.ipc("a")), Ours), b"");
    printed(&stranger, 1);
    drop(server);
    printed(&run(keygen(&["-f".as_ref(), place.path("me").as_os_str()]), b""), 0);
}

const ANSWER: &str = "
import zmq, sys
socket = zmq.Context.instance().socket(zmq.REP)
socket.bind(sys.argv[1])
for _ in range(2):
    socket.send(socket.recv().upper())
";

const ASK: &str = "
import zmq, sys
socket = zmq.Context.instance().socket(zmq.REQ)
socket.connect(sys.argv[1])
for text in (b'one', b'two'):
    socket.send_multipart([text, b'\\0'])
    print(socket.recv_multipart())
";

#[test]
fn python_answers_and_asks() {
    for library in [Ours, Theirs] {
        let place = Place::new();
        let endpoint = place.ipc("a");
        let mut server = python(ANSWER, library);
        server.arg(&endpoint);
        let server = start(server);
        let asked = run(zmqcat(&format!("req -t 5 -c {endpoint}"), Ours), b"one\ntwo\n");
        assert_eq!(printed(&asked, 0), "ONE\nTWO\n");
        printed(&server.end(), 0);

        let endpoint = place.ipc("b");
        let server = start(zmqcat(&format!("rep -e -n 2 -t 5 -f quoted -b {endpoint}"), Ours));
        let mut client = python(ASK, library);
        client.arg(&endpoint);
        assert_eq!(printed(&run(client, b""), 0), "[b'one', b'\\x00']\n[b'two', b'\\x00']\n");
        assert_eq!(printed(&server.end(), 0), "\"one\" \"\\x00\"\n\"two\" \"\\x00\"\n");
    }
}
