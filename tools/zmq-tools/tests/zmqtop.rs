//! zmqtop and programs that run: Debian's python3-zmq and CZMQ with this library, unmodified.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on panics")]

mod common;

use common::{Library, Place, Running, printed, program, run};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/situations.py");

/// A program in a situation, and what it said until it was ready.
struct Situation {
    program: Running,
    said: Vec<String>,
}

fn situation(arguments: &str, library: Library, stats: &str) -> Situation {
    let mut command = program("/usr/bin/python3", library);
    command.arg(SCRIPT).args(arguments.split(' ')).env("ZMQ_STATS", stats);
    wait_for_it(command, arguments)
}

fn wait_for_it(mut command: Command, what: &str) -> Situation {
    command.stdin(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    loop {
        match lines.next() {
            Some(Ok(line)) if line == "ready" => break,
            Some(Ok(line)) => said.push(line),
            other => panic!("{what}: {other:?}, after {said:?}"),
        }
    }
    Situation { program: Running::of(child), said }
}

fn zmqtop(arguments: &str) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_zmqtop"), Library::Theirs);
    command.args(arguments.split_whitespace());
    command
}

fn why(arguments: &str) -> (i32, String) {
    let output = run(zmqtop(&format!("why {arguments}")), b"");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

fn look(pid: u32) -> Value {
    let text = printed(&run(zmqtop(&format!("--json -1 {pid}")), b""), 0);
    serde_json::from_str::<Value>(&text).unwrap()["processes"][0].clone()
}

/// Each situation, and what is said in it and not in its opposite.
const REASONS: [(&str, &[&str]); 33] = [
    ("slow_subscriber", &["whose queue of 10 has been full for"]),
    ("slow_subscriber_is_gone", &["messages at full queues of peers that are gone."]),
    ("no_subscription", &["has no subscription, so that nothing comes"]),
    ("no_group", &["has joined no group, so that nothing comes (zmq_join)."]),
    ("published_early", &["published 12 messages, and no subscriber has come yet."]),
    (
        "published_before_the_first_came",
        &["published 12 messages before the first subscriber came."],
    ),
    ("published_after_the_last_left", &["published 5 messages while it had no subscriber."]),
    ("wanted_by_nobody", &["published 9 messages, and none of them for its subscriber, which has"]),
    ("blocked", &["has been blocked in sending for", ": it has no peer."]),
    (
        "blocked_nowhere",
        &["has been blocked in sending for", ": it is neither bound nor connected."],
    ),
    (
        "blocked_without_connection",
        &["the queue of 10 for tcp://127.0.0.1:", "(waiting to retry) is full."],
    ),
    (
        "blocked_until_connected",
        &[": no peer is ready (tcp://127.0.0.1:", " is waiting to retry)."],
    ),
    (
        "not_received",
        &["does not receive what comes from", "of 10 that may", ": the queue of 10 for ipc://"],
    ),
    ("not_received_by_two", &[": the queues of all its 2 peers are full."]),
    ("unknown_id", &["dropped 1 message for routing ids that no peer of it has."]),
    ("answer_for_nobody", &["dropped 1 answer: whoever had asked was gone."]),
    ("no_answer", &["has been waiting for an answer for"]),
    ("neither_bound_nor_connected", &[" old, and is neither bound nor connected."]),
    ("cannot_connect", &[": Connection refused, ", " times; it tries again"]),
    ("cannot_connect_for_long", &[": Connection refused, 1 time; it tries again in "]),
    ("no_answer_of_tcp", &["has had no answer of tcp://127.0.0.1:"]),
    ("no_greeting", &[", and has waited for the end of the handshake for"]),
    ("silent_client", &["failed in the handshake with tcp://127.0.0.1:", ": it took too long"]),
    ("both_connect", &["and neither is bound: one of them has to be."]),
    ("nobody_bound", &["is connected to inproc://name, which nobody has bound."]),
    (
        "other_mechanism",
        &["NULL here, PLAIN there", "PLAIN here, NULL there", "; it does not try again."],
    ),
    (
        "curve_on_one_side",
        &["have different mechanisms: NULL here, CURVE there", "CURVE here, NULL there"],
    ),
    ("wrong_server_key", &["was asked with a wrong key by", "set as ZMQ_CURVE_SERVERKEY"]),
    ("zap_refuses", &["the ZAP handler said 400 (PLAIN)", "with status 400 (PLAIN, ZAP)"]),
    ("no_zap_handler", &["there is no ZAP handler at inproc://zeromq.zap.01 (PLAIN)"]),
    (
        "closed_lingers",
        &["is closed, and has 17 messages for tcp://127.0.0.1:", ", linger is 30 s."],
    ),
    (
        "termination_lingers",
        &[
            "is what zmq_ctx_term waits for: 17 messages for tcp://127.0.0.1:",
            ", linger is for ever.",
        ],
    ),
    ("termination_waits_for_a_socket", &["is not closed: zmq_ctx_term waits for that."]),
];

/// What is wrong with what `why` says in this situation, or in its opposite.
fn judged_wrongly(name: &str, texts: &[&str], is_so: bool) -> Option<String> {
    let arguments = if is_so { name.to_owned() } else { format!("{name} not") };
    let situation = situation(&arguments, Library::Ours, "1");
    let is_right = |said: &str| !is_so || texts.iter().all(|text| said.contains(text));
    let told = told_until(situation.program.pid(), is_right);
    let right = texts.iter().all(|text| told.1.contains(text) == is_so);
    (!right || is_so && told.0 != 1).then(|| format!("{arguments}: {told:?}"))
}

/// What `why` says when it says what it should, which may take a while, or in the end. It has little patience: what takes ten
/// seconds otherwise takes one.
fn told_until(pid: u32, is_right: impl Fn(&str) -> bool) -> (i32, String) {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let told = why(&format!("--patience 0.1 {pid}"));
        if is_right(&told.1) || Instant::now() > until {
            return told;
        }
    }
}

#[test]
fn reasons_are_given_where_they_are_and_nowhere_else() {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    // Most of them wait most of the time: more than there are processors.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((name, texts)) = REASONS.get(number / 2) else { break };
                    let judged = judged_wrongly(name, texts, number.is_multiple_of(2));
                    wrong.lock().unwrap().extend(judged);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn numbers_are_those_the_program_made() {
    let situation = situation("counts", Library::Ours, "1");
    let shown = look(situation.program.pid());
    assert_eq!(shown["name"], "python3 situations.py");
    let sockets = shown["sockets"].as_array().unwrap();
    let of = |kind: &str| sockets.iter().find(|socket| socket["kind"] == kind).unwrap();
    assert_eq!(of("PUSH")["sent"]["messages"], 1234);
    assert_eq!(of("PUSH")["sent"]["bytes"], 1234 * 7);
    assert_eq!(of("PULL")["received"]["messages"], 1000);
    assert_eq!(of("PULL")["received"]["bytes"], 7000);
    assert_eq!(of("PULL")["peers"][0]["peer_kind"], "PUSH");
    assert_eq!(of("PUSH")["peers"][0]["state"], "ready");
    let table = printed(&run(zmqtop(&format!("-1 -p -d 0.1 {}", situation.program.pid())), b""), 0);
    assert!(table.contains("PULL") && table.contains("ZMTP 3.1, NULL"), "{table}");
}

#[test]
fn a_child_has_its_own_numbers_or_none() {
    let situation = situation("forked", Library::Ours, "1");
    let child = |makes: &str| {
        let line = situation.said.iter().find(|line| line.ends_with(makes)).unwrap();
        line.split(' ').nth(1).unwrap().parse::<u32>().unwrap()
    };
    let kinds = |pid| {
        let shown = look(pid);
        let sockets = shown["sockets"].as_array().unwrap();
        sockets.iter().map(|s| s["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(child("True")), ["PAIR"]);
    assert_eq!(kinds(child("False")), [""; 0]);
    let (status, said) = why(&child("False").to_string());
    assert_eq!(status, 3);
    assert!(said.contains("of which it is a child, and has made no socket itself"), "{said}");
    assert_eq!(kinds(situation.program.pid()).len(), 2);
}

#[test]
fn what_cannot_be_seen_is_said() {
    for (name, library, stats, text) in [
        ("counts", Library::Ours, "0", "statistics are off (ZMQ_STATS=0)"),
        (
            "counts",
            Library::Theirs,
            "1",
            "shows no statistics: it is another libzmq or an older one",
        ),
        ("closed_descriptor", Library::Ours, "1", "or it has closed the descriptor"),
        (
            "of_another_version",
            Library::Ours,
            "1",
            "its library has statistics of version 2, and this is a reader of version 1",
        ),
        ("hostile", Library::Ours, "1", "its statistics make no sense"),
        ("half_written", Library::Ours, "1", "its statistics are not ready"),
    ] {
        let situation = situation(name, library, stats);
        let (status, said) = why(&situation.program.pid().to_string());
        assert!(status == 3 && said.contains(text), "{name}: {status}: {said}");
        let all = run(zmqtop("-1 -d 0.1"), b"");
        assert_eq!(all.status.code(), Some(0));
    }
    let (status, said) = why("4294967295");
    assert_eq!((status, said.as_str()), (3, "zmqtop: 4294967295: there is no such process\n"));
    let (status, said) = why(&std::process::id().to_string());
    assert!(status == 3 && said.contains("it uses no libzmq that can be seen"), "{said}");
}

#[test]
fn a_later_library_is_shown_as_far_as_it_is_known() {
    let situation = situation("of_a_later_revision", Library::Ours, "1");
    let pid = situation.program.pid();
    let shown = look(pid);
    assert_eq!(shown["sockets"][0]["received"]["messages"], 1000, "{shown}");
    let (status, said) = why(&pid.to_string());
    assert!(
        said.contains("its library is later than this program, and says more"),
        "{status}: {said}"
    );
}

#[test]
fn a_shortage_of_descriptors_is_not_taken_for_a_process_without_statistics() {
    let situation = situation("hostile", Library::Ours, "1");
    let mut command = zmqtop(&format!("why {}", situation.program.pid()));
    // Its standard ones, /proc/PID/fd, and no more.
    let few = libc::rlimit { rlim_cur: 4, rlim_max: 4 };
    let limited = move || {
        // SAFETY: a limit for this process.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const few) };
        if set == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: it calls nothing but setrlimit(2).
    unsafe { command.pre_exec(limited) };
    let output = run(command, b"");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot be opened: Too many open files"), "{said}");
}

/// prctl(PR_SET_DUMPABLE, 0)
const NOT_DUMPABLE: &str = "
import ctypes, sys
ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
print('ready', flush=True)
sys.stdin.read()
";

#[test]
fn another_users_process_is_not_looked_into() {
    // SAFETY: it cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        eprintln!("SKIPPED: only root has processes of other users");
        return;
    }
    let situation = situation("counts", Library::Ours, "1");
    // Where nobody may run what lies in somebody's home.
    let place = Place::new();
    std::fs::copy(env!("CARGO_BIN_EXE_zmqtop"), place.path("zmqtop")).unwrap();
    let ask = |arguments: &[&str]| {
        let mut command = program(place.path("zmqtop").to_str().unwrap(), Library::Theirs);
        command.args(arguments).uid(65534).gid(65534);
        let output = run(command, b"");
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat()
    };
    let pid = situation.program.pid().to_string();
    assert!(ask(&["why", &pid]).contains("it is another user's"));
    assert!(ask(&["-1", "-d", "0.1"]).contains("processes of other users"));

    let mut command = common::python(NOT_DUMPABLE, Library::Theirs);
    command.uid(65534).gid(65534).current_dir("/");
    let hidden = wait_for_it(command, "not dumpable");
    let pid = hidden.program.pid().to_string();
    assert!(ask(&["why", &pid]).contains("it is not dumpable"));
}

#[test]
fn a_process_in_a_container_is_found_by_its_number_outside() {
    let mut command = program("/usr/bin/unshare", Library::Ours);
    command.args(["--pid", "--fork", "--kill-child", "/usr/bin/python3", SCRIPT, "counts"]);
    let probe = Command::new("/usr/bin/unshare").args(["--pid", "--fork", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no new namespace of processes can be made here");
        return;
    }
    let situation = wait_for_it(command, "unshare");
    let parent = situation.program.pid();
    let children =
        std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    let child: u32 = children.split_whitespace().next().unwrap().parse().unwrap();
    let shown = look(child);
    assert_eq!(shown["sockets"].as_array().unwrap().len(), 2, "{shown}");
}

#[test]
fn without_proc_there_is_a_plain_message() {
    let hidden = "mount -t tmpfs none /proc && exec \"$@\"";
    let inside = |arguments: &[&str]| {
        let mut command = program("/usr/bin/unshare", Library::Theirs);
        command.args(["--mount", "--map-root-user", "sh", "-c", hidden, "sh"]).args(arguments);
        run(command, b"")
    };
    if !inside(&["true"]).status.success() {
        eprintln!("SKIPPED: /proc cannot be hidden here");
        return;
    }
    for arguments in [&["-1"][..], &["why"], &["why", "1"], &["--json", "-1"]] {
        let output = inside(&[&[env!("CARGO_BIN_EXE_zmqtop")], arguments].concat());
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(said, "zmqtop: cannot see processes: /proc is not mounted\n");
        assert_eq!(output.status.code(), Some(3));
    }
}

/// A program made from this source.
fn compiled(place: &Place, source: &str, libraries: &[&str]) -> Command {
    std::fs::write(place.path("program.c"), source).unwrap();
    let mut compiler = Command::new("cc");
    compiler.arg(place.path("program.c")).arg("-o").arg(place.path("program")).arg("-rdynamic");
    let built = compiler.args(libraries).output().unwrap();
    assert!(built.status.success(), "{built:?}");
    program(place.path("program").to_str().unwrap(), Library::Ours)
}

/// Names are looked up by its own function, which takes as long as it is told.
const LOOKS_UP: &str = r#"
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>
#include <zmq.h>
static unsigned seconds;
int getaddrinfo (const char *name, const char *port, const struct addrinfo *hints, struct addrinfo **found)
{
    (void) name, (void) port, (void) found;
    if (!(hints->ai_flags & AI_NUMERICHOST))
        sleep (seconds);
    return EAI_NONAME;
}
int main (int argc, char **argv)
{
    (void) argv;
    seconds = argc > 1 ? 0 : 100;
    void *push = zmq_socket (zmq_ctx_new (), ZMQ_PUSH);
    if (zmq_connect (push, "tcp://a.name.of.nobody:5555"))
        return 1;
    puts ("ready");
    fflush (stdout);
    getchar ();
    _exit (0);
}
"#;

#[test]
fn a_name_that_is_being_looked_up_is_told() {
    let place = Place::new();
    let texts = ["waits for the address of tcp://a.name.of.nobody:5555 for"];
    let failed = ["cannot connect to tcp://a.name.of.nobody:5555: ", " it tries again"];
    for (argument, texts, others) in
        [(None, &texts[..], &failed[..]), (Some("fast"), &failed, &texts)]
    {
        let mut command = compiled(&place, LOOKS_UP, &["-lzmq"]);
        command.args(argument);
        let situation = wait_for_it(command, "looks up");
        let is_right = |said: &str| texts.iter().all(|text| said.contains(text));
        let (_, said) = told_until(situation.program.pid(), is_right);
        assert!(is_right(&said) && !others.iter().any(|text| said.contains(text)), "{said}");
    }
}

#[test]
fn a_program_of_czmq_is_seen() {
    let place = Place::new();
    let source = "#include <czmq.h>\n#include <stdio.h>\n\
        int main (void)\n{\n    zsock_t *server = zsock_new_rep (\"ipc://SOCKET\");\n\
        zsock_t *client = zsock_new_req (\"ipc://SOCKET\");\n\
        for (int i = 0; i < 5; i++) {\n        zstr_send (client, \"Hello\");\n        char *text = zstr_recv (server);\n\
        zstr_send (server, text);\n        zstr_free (&text);\n        text = zstr_recv (client);\n        zstr_free (&text);\n    }\n\
        puts (\"ready\");\n    fflush (stdout);\n    getchar ();\n    return 0;\n}\n";
    let source = source.replace("SOCKET", place.path("socket").to_str().unwrap());
    let situation = wait_for_it(compiled(&place, &source, &["-lczmq", "-lzmq"]), "czmq");
    let shown = look(situation.program.pid());
    let sockets = shown["sockets"].as_array().unwrap();
    let count = |kind: &str, way: &str| {
        let socket = sockets.iter().find(|socket| socket["kind"] == kind).unwrap();
        socket[way]["messages"].as_u64().unwrap()
    };
    assert_eq!([count("REQ", "sent"), count("REQ", "received")], [5, 5]);
    assert_eq!([count("REP", "sent"), count("REP", "received")], [5, 5]);
    let rep = sockets.iter().find(|socket| socket["kind"] == "REP").unwrap();
    assert_eq!(rep["peers"][0]["pid"].as_u64(), Some(u64::from(situation.program.pid())));
}

#[test]
fn metrics_are_served() {
    let situation = situation("counts", Library::Ours, "1");
    let mut command = zmqtop(&format!("--metrics 0 {}", situation.program.pid()));
    let mut server = command.spawn().unwrap();
    let mut first = String::new();
    BufReader::new(server.stderr.take().unwrap()).read_line(&mut first).unwrap();
    let _server = Running::of(server);
    let address = first.trim().strip_prefix("zmqtop: metrics are at http://").unwrap();
    let (address, path) = address.split_once('/').unwrap();
    assert!(address.starts_with("127.0.0.1:"));
    for _ in 0..2 {
        let mut client = TcpStream::connect(address).unwrap();
        write!(client, "GET /{path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        let mut page = String::new();
        client.read_to_string(&mut page).unwrap();
        let sample = page.lines().find(|line| {
            line.starts_with("zmq_socket_messages_total{")
                && line.contains("type=\"PUSH\"")
                && line.contains("direction=\"out\"")
        });
        assert!(sample.is_some_and(|line| line.ends_with("} 1234")), "{page}");
        assert!(page.ends_with("# EOF\n"));
    }
}

#[test]
fn a_recording_is_played_and_judged() {
    let situation = situation("unknown_id", Library::Ours, "1");
    let place = Place::new();
    let file = place.path("recording").display().to_string();
    printed(&run(zmqtop(&format!("record {file} -d 0.1 -n 3")), b""), 0);
    drop(situation);
    let table = printed(&run(zmqtop(&format!("play {file} -1")), b""), 0);
    assert!(table.contains("ROUTER 1"), "{table}");
    let judged = printed(&run(zmqtop(&format!("why --from {file}")), b""), 1);
    assert!(judged.contains("dropped 1 message for routing ids"), "{judged}");
    std::fs::write(&file, "nonsense\n").unwrap();
    assert_eq!(run(zmqtop(&format!("play {file}")), b"").status.code(), Some(3));
}

/// A terminal is Python's: it starts the program in one, presses keys and prints what was shown.
const TERMINAL: &str = "
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
import fcntl, termios, struct
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 160, 0, 0))
shown = b''
keys = [b'p', b'w', b'h', b'>', b'q']
try:
    while True:
        piece = os.read(fd, 65536)
        shown += piece
        if b'every' in shown and keys:
            time.sleep(0.15)
            os.write(fd, keys.pop(0))
except OSError:
    pass
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
sys.stdout.flush()
sys.stdout.buffer.write(shown)
";

#[test]
fn on_a_terminal_keys_lead_through_it_and_out() {
    let situation = situation("counts", Library::Ours, "1");
    let mut terminal = common::python(TERMINAL, Library::Theirs);
    terminal.args([env!("CARGO_BIN_EXE_zmqtop"), "-d", "0.1"]);
    terminal.arg(situation.program.pid().to_string()).env("TERM", "xterm");
    let output = run(terminal, b"");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.starts_with("0\n"), "{shown}");
    for text in ["PULL", "ZMTP", "worst", "quit"] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
}

#[test]
fn processes_that_come_and_go_do_no_harm() {
    let mut table = zmqtop("--json -d 0.05");
    let mut child = table.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let _table = Running::of(child);
    for _ in 0..4 {
        // Ends in the middle of a look as often as not.
        drop(situation("counts", Library::Ours, "1"));
        let line = lines.next().unwrap().unwrap();
        assert!(serde_json::from_str::<Value>(&line).unwrap()["processes"].is_array());
    }
}
