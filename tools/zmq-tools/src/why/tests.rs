//! Each rule where it applies, and where it does not.

use super::*;
use crate::stats::{Count, Failure, Problem, Queue};

fn socket(id: u64, kind: &str) -> Socket {
    Socket {
        id,
        kind: kind.to_owned(),
        age: 60.0,
        settled: true,
        bound: 1,
        endpoint: "tcp://0.0.0.0:5556".to_owned(),
        subscriptions: 1,
        ..Socket::default()
    }
}

fn ready(id: u64) -> Peer {
    Peer {
        id,
        state: "ready".to_owned(),
        state_for: 60.0,
        direction: "accepted".to_owned(),
        address: "10.0.0.7:40000".to_owned(),
        queue_out: Queue { length: 0, limit: 1000, deepest: 0 },
        queue_in: Queue { length: 0, limit: 1000, deepest: 0 },
        ..Peer::default()
    }
}

fn connecting(id: u64, state: &str) -> Peer {
    Peer {
        state: state.to_owned(),
        direction: "connected".to_owned(),
        endpoint: "tcp://localhost:5555".to_owned(),
        address: String::new(),
        ..ready(id)
    }
}

fn refused(id: u64) -> Peer {
    let problem = Problem { errno: 111, text: "Connection refused".to_owned(), ago: 0.5 };
    let retry =
        Peer { attempts: 3, retry_in: Some(3.0), problem: Some(problem), ..Peer::default() };
    let usual = connecting(id, "waiting to retry");
    Peer { attempts: retry.attempts, retry_in: retry.retry_in, problem: retry.problem, ..usual }
}

fn of(sockets: Vec<Socket>) -> Snapshot {
    let process = Process {
        pid: 7,
        name: "weather".to_owned(),
        library: "ours".to_owned(),
        sockets,
        ..Process::default()
    };
    Snapshot { processes: vec![process], ..Snapshot::default() }
}

/// The sentences about a socket that was the same before.
fn still(socket: Socket) -> Vec<String> {
    let now = of(vec![socket]);
    judge(&now.clone(), &now, 1.0).into_iter().map(|finding| finding.text).collect()
}

/// The one sentence, without its beginning.
#[track_caller]
fn one(socket: Socket) -> String {
    let found = still(socket);
    let [text] = found.as_slice() else { panic!("{found:?}") };
    let (_, rest) = text.split_once(": ").unwrap();
    rest.to_owned()
}

#[track_caller]
fn nothing(socket: Socket) {
    assert_eq!(still(socket), [""; 0]);
}

#[test]
fn a_slow_subscriber() {
    let slow = Peer { dropped_full: 40, full_for: Some(4.2), ..ready(2) };
    let with = |peer: Peer| Socket { peers: vec![peer], ..socket(1, "PUB") };
    let at = "PUB 1 at tcp://0.0.0.0:5556 dropped";
    assert_eq!(
        one(with(slow.clone())),
        format!("{at} 40 messages for 10.0.0.7:40000, whose queue of 1000 has been full for 4 s.")
    );
    let stalled = Peer { stalled_for: Some(9.0), ..slow.clone() };
    assert!(one(with(stalled)).ends_with("full for 4 s; it has taken nothing for 9 s."));
    let over = Peer { full_for: None, dropped_full: 1, ..slow };
    assert!(
        one(with(over)).ends_with("1 message for 10.0.0.7:40000, whose queue of 1000 was full.")
    );
    let gone = Socket { dropped_full_gone: 2, dropped_full: 2, ..socket(1, "PUB") };
    assert!(one(gone).ends_with("dropped 2 messages at full queues of peers that are gone."));
    nothing(with(ready(2)));
}

#[test]
fn what_is_being_lost_is_worse_than_what_was_lost() {
    let with = |dropped: u64| Socket {
        peers: vec![Peer { dropped_full: dropped, ..ready(2) }],
        ..socket(1, "PUB")
    };
    let gravity =
        |then: Socket, now: Socket| judge(&of(vec![then]), &of(vec![now]), 1.0)[0].gravity;
    assert_eq!(gravity(with(3), with(3)), Gravity::Lost);
    assert_eq!(gravity(with(3), with(4)), Gravity::Losing);
    assert_eq!(judge(&Snapshot::default(), &of(vec![with(3)]), 1.0)[0].gravity, Gravity::Lost);
    let stuck = Socket { blocked_out_for: Some(5.0), ..socket(2, "PUSH") };
    let both = of(vec![with(3), stuck]);
    let found: Vec<Gravity> = judge(&both, &both, 1.0).iter().map(|f| f.gravity).collect();
    assert_eq!(found, [Gravity::Stuck, Gravity::Lost]);
}

#[test]
fn a_subscriber_without_a_subscription() {
    let deaf = |kind| Socket { subscriptions: 0, peers: vec![ready(2)], ..socket(1, kind) };
    assert!(
        one(deaf("SUB")).ends_with("has no subscription, so that nothing comes (ZMQ_SUBSCRIBE).")
    );
    assert!(one(deaf("DISH")).ends_with("has joined no group, so that nothing comes (zmq_join)."));
    nothing(deaf("PULL"));
    nothing(socket(1, "SUB"));
    nothing(Socket { age: 0.1, ..deaf("SUB") });
}

#[test]
fn published_before_anybody_came() {
    let early = Socket { dropped_no_peer: 12, dropped_before: 12, ..socket(1, "PUB") };
    assert!(one(early.clone()).ends_with("published 12 messages, and no subscriber has come yet."));
    let came = Socket { peers: vec![ready(2)], ..early.clone() };
    assert!(one(came.clone()).ends_with("published 12 messages before the first subscriber came."));
    let left = Socket { dropped_no_peer: 13, dropped_before: 0, ..came };
    assert!(one(left).ends_with("published 13 messages while it had no subscriber."));
    let server = Socket { kind: "ROUTER".to_owned(), ..early };
    assert!(one(server).ends_with("sent 12 messages, and no peer has come yet."));
    nothing(socket(1, "PUB"));
}

#[test]
fn published_what_nobody_asked_for() {
    let vain = Socket { filtered_out: 9, peers: vec![ready(2)], ..socket(1, "PUB") };
    assert!(one(vain.clone()).ends_with(
        "published 9 messages, and none of them for its subscriber, which has 1 subscription to other topics."
    ));
    assert!(one(Socket { subscriptions: 0, ..vain.clone() }).ends_with("subscribed to nothing."));
    // Some want some of it: that is what topics are for.
    nothing(Socket { sent: Count { messages: 1, bytes: 1 }, ..vain });
}

#[test]
fn blocked_in_sending() {
    let blocked = Socket { blocked_out_for: Some(12.0), ..socket(1, "PUSH") };
    assert!(
        one(blocked.clone()).ends_with("has been blocked in sending for 12 s: it has no peer.")
    );
    let alone = Socket { bound: 0, endpoint: String::new(), age: 2.0, ..blocked.clone() };
    assert!(one(alone).ends_with("it is neither bound nor connected."));
    let full =
        |id| Peer { queue_out: Queue { length: 1000, limit: 1000, deepest: 1000 }, ..ready(id) };
    let one_full = Socket { peers: vec![full(2)], ..blocked.clone() };
    assert!(one(one_full).ends_with("the queue of 1000 for 10.0.0.7:40000 is full."));
    let all_full = Socket { peers: vec![full(2), full(3)], ..blocked.clone() };
    assert!(one(all_full).ends_with("the queues of all its 2 peers are full."));
    // One that was full takes nothing before a part of it is gone.
    let nearly = Queue { length: 600, limit: 1000, deepest: 1000 };
    let still_full = Peer { queue_out: nearly, full_for: Some(2.0), ..ready(2) };
    let still_full = Socket { peers: vec![still_full], ..blocked.clone() };
    assert!(one(still_full).ends_with("the queue of 1000 for 10.0.0.7:40000 is full."));
    let nobody = Socket { peers: vec![connecting(2, "connecting")], ..blocked.clone() };
    let nobody = still(nobody);
    assert!(
        nobody[0].ends_with("no peer is ready (tcp://localhost:5555 is connecting)."),
        "{nobody:?}"
    );
    nothing(Socket { blocked_out_for: Some(0.2), ..blocked.clone() });
    nothing(Socket { blocked_out_for: None, blocked_in_for: Some(100.0), ..blocked });
}

#[test]
fn not_received() {
    let full = Peer { queue_in: Queue { length: 1000, limit: 1000, deepest: 0 }, ..ready(2) };
    let slow = Socket { peers: vec![full], ..socket(1, "PULL") };
    assert!(one(slow.clone()).contains("does not receive what comes from 10.0.0.7:40000 as fast"));
    nothing(Socket { blocked_in_for: Some(0.0), ..slow });
    nothing(Socket { peers: vec![ready(2)], ..socket(1, "PULL") });
}

#[test]
fn unknown_ids() {
    let lost = |kind| Socket { dropped_unknown: 3, ..socket(1, kind) };
    assert!(
        one(lost("ROUTER")).ends_with("dropped 3 messages for routing ids that no peer of it has.")
    );
    assert!(one(lost("REP")).ends_with("dropped 3 answers: whoever had asked was gone."));
    nothing(socket(1, "ROUTER"));
}

#[test]
fn waits_for_an_answer() {
    let asks = |kind, waits| Socket { blocked_in_for: Some(waits), ..socket(1, kind) };
    assert!(one(asks("REQ", 200.0)).ends_with("has been waiting for an answer for 3 min."));
    nothing(asks("REQ", 2.0));
    nothing(asks("PULL", 200.0));
}

fn connected(peer: Peer) -> Socket {
    Socket { connected: 1, bound: 0, peers: vec![peer], ..socket(1, "PUSH") }
}

#[test]
fn cannot_connect() {
    assert!(one(connected(refused(2))).ends_with(
        "cannot connect to tcp://localhost:5555: Connection refused, 3 times; it tries again in 3 s."
    ));
    let now = Peer { retry_in: None, attempts: 1, ..refused(2) };
    assert!(one(connected(now)).ends_with("refused, 1 time; it tries again at once."));
    for (state, text) in [
        ("resolving", "waits for the address of tcp://localhost:5555 for 60 s."),
        ("connecting", "has had no answer of tcp://localhost:5555 for 60 s."),
        (
            "handshaking",
            "handshake for 60 s: it may be no socket of ZeroMQ, or its ZAP handler does not answer.",
        ),
        ("waiting for bind", "is connected to tcp://localhost:5555, which nobody has bound."),
    ] {
        assert!(one(connected(connecting(2, state))).ends_with(text), "{state}");
        nothing(connected(Peer { state_for: 0.1, ..connecting(2, state) }));
    }
    // It was refused, and is there now.
    nothing(connected(Peer { state: "ready".to_owned(), ..refused(2) }));
}

#[test]
fn both_ends_connect() {
    let push = connected(refused(2));
    let pull = Socket { id: 3, kind: "PULL".to_owned(), ..connected(refused(4)) };
    let mut elsewhere = pull.clone();
    elsewhere.peers[0].endpoint = "tcp://127.0.0.1:5555".to_owned();
    let said = |sockets: Vec<Socket>| {
        let now = of(sockets);
        let found = judge(&now, &now, 1.0);
        found.iter().filter(|f| f.text.contains("both connect")).count()
    };
    assert_eq!(said(vec![push.clone(), pull.clone()]), 1);
    assert_eq!(said(vec![push.clone(), elsewhere.clone()]), 1, "two names of one place");
    elsewhere.peers[0].endpoint = "tcp://127.0.0.1:5556".to_owned();
    assert_eq!(said(vec![push.clone(), elsewhere]), 0);
    assert_eq!(said(vec![push.clone(), Socket { kind: "PUSH".to_owned(), ..pull.clone() }]), 0);
    assert_eq!(said(vec![push]), 0);
}

#[test]
fn neither_bound_nor_connected() {
    let nowhere = Socket { bound: 0, endpoint: String::new(), ..socket(1, "PUSH") };
    assert!(one(nowhere.clone()).ends_with("is 60 s old, and is neither bound nor connected."));
    nothing(Socket { age: 1.0, ..nowhere.clone() });
    nothing(Socket { bound: 1, ..nowhere });
}

fn failure(code: u32, detail: u32, ours: &str, theirs: &str) -> Failure {
    Failure {
        code,
        detail,
        ours: ours.to_owned(),
        theirs: theirs.to_owned(),
        text: "it took too long".to_owned(),
        address: "10.0.0.9:1".to_owned(),
        ago: 2.0,
        count: 4,
    }
}

#[test]
fn handshakes_that_fail() {
    for (code, detail, ours, theirs, here, there) in [
        (3, 0, "NULL", "CURVE", "NULL here, CURVE there", "NULL here, CURVE there"),
        (
            9,
            0,
            "CURVE",
            "CURVE",
            "wrong server key for tcp://localhost:5555",
            "wrong key by 10.0.0.9:1",
        ),
        (
            10,
            400,
            "PLAIN",
            "PLAIN",
            "was refused by tcp://localhost:5555 with status 400",
            "was refused",
        ),
        (10, 0, "PLAIN", "PLAIN", "was refused by tcp://localhost:5555 (PLAIN", "was refused"),
        (
            11,
            400,
            "CURVE",
            "CURVE",
            "the ZAP handler said 400",
            "refused 10.0.0.9:1: the ZAP handler said 400",
        ),
        (13, 0, "NULL", "NULL", "there is no ZAP handler", "there is no ZAP handler"),
        (14, 0, "NULL", "", "(NULL): it took too long", "10.0.0.9:1 (NULL): it took too long"),
    ] {
        let failed = failure(code, detail, ours, theirs);
        let peer = Peer { failure: Some(failed.clone()), ..connecting(2, "waiting to retry") };
        let text = one(connected(peer.clone()));
        assert!(text.contains(here) && text.ends_with(", 2 s ago."), "{text}");
        // The socket has counted them all, and says nothing that was said of its peer.
        let counted = Socket { failure: Some(failed.clone()), ..connected(peer.clone()) };
        assert!(one(counted.clone()).ends_with("; 4 times, the last 2 s ago."));
        assert!(
            one(Socket { bound: 1, ..counted.clone() }).ends_with("; 4 times, the last 2 s ago.")
        );
        let given_up = Peer { state: "given up".to_owned(), ..peer.clone() };
        assert!(one(connected(given_up)).ends_with("ago; it does not try again."));
        let over = Peer { state: "ready".to_owned(), ..peer.clone() };
        nothing(Socket { peers: vec![over], ..counted });
        let came = Socket { failure: Some(failed), ..socket(1, "ROUTER") };
        let text = one(came.clone());
        assert!(text.contains(there), "{text}");
        // It was long ago, or it works now.
        let old = failure(code, detail, ours, theirs);
        nothing(Socket { failure: Some(Failure { ago: 1000.0, ..old }), ..came });
        nothing(connected(Peer { state: "ready".to_owned(), ..peer }));
    }
    let hung_up = Peer {
        failure: Some(failure(15, 104, "CURVE", "CURVE")),
        ..connecting(2, "waiting to retry")
    };
    assert!(one(connected(hung_up)).contains("most often the key set as ZMQ_CURVE_SERVERKEY"));
    nothing(Socket { failure: Some(failure(15, 104, "NULL", "NULL")), ..socket(1, "ROUTER") });
}

#[test]
fn termination_waits() {
    let queue_out = Queue { length: 17, limit: 1000, deepest: 17 };
    let peer = Peer { queue_out, ..connecting(2, "lingering") };
    let ends = Socket {
        closing: true,
        terminating: true,
        linger: -1,
        ..connected(Peer { state_for: 0.0, ..peer })
    };
    assert!(one(ends.clone()).ends_with(
        "is what zmq_ctx_term waits for: 17 messages for tcp://localhost:5555 (lingering), linger is for ever."
    ));
    assert!(one(Socket { linger: 30_000, ..ends.clone() }).ends_with("linger is 30 s."));
    let closed = Socket { terminating: false, ..ends.clone() };
    assert!(one(closed).ends_with(
        "is closed, and has 17 messages for tcp://localhost:5555 (lingering), linger is for ever."
    ));
    let open = Socket { closing: false, terminating: true, ..socket(1, "PUSH") };
    assert!(one(open).ends_with("is not closed: zmq_ctx_term waits for that."));
    nothing(Socket { peers: Vec::new(), ..ends.clone() });
    // It began a moment ago.
    let before = of(vec![socket(1, "PUSH")]);
    assert_eq!(judge(&before, &of(vec![ends]), 1.0), []);
}

#[test]
fn times_and_numbers_are_said_as_one_says_them() {
    assert_eq!(
        [time(0.3), time(4.4), time(600.0), time(1e5)],
        ["less than a second", "4 s", "10 min", "28 h"]
    );
}
