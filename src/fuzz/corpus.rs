//! What the fuzzers begin with. Where a target's first bytes choose how it is tried, so do those here.

use crate::wire::Framing;
use crate::wire::command;
use crate::wire::frame::{Flags, append_frame, append_frame_as};
use crate::wire::metadata::append_property;

fn owned(all: &[&[u8]]) -> Vec<Vec<u8>> {
    all.iter().map(|bytes| bytes.to_vec()).collect()
}

/// A ZMTP 3 greeting.
fn greeting(minor: u8, mechanism: &[u8]) -> Vec<u8> {
    let mut out = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03".to_vec();
    out.push(minor);
    out.extend_from_slice(mechanism);
    out.resize(64, 0);
    out
}

fn command(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_frame(&mut out, Flags::COMMAND, body);
    out
}

fn property_list() -> Vec<u8> {
    let mut out = Vec::new();
    append_property(&mut out, b"Socket-Type", b"DEALER");
    append_property(&mut out, b"Identity", b"abc");
    append_property(&mut out, b"X-Other", b"");
    out
}

fn ready(name: &[u8]) -> Vec<u8> {
    command(&[name, &property_list()].concat())
}

/// Beginnings of connections, and mechanisms of greetings.
pub(super) fn greetings() -> Vec<Vec<u8>> {
    let mut all = owned(&[b"", b"\x01\0", b"\x04\0abc", b"\xff\0\0\0\0\0\0\0\x04\0abc", b"NULL"]);
    all.push(b"CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec());
    all.push(greeting(0, b"NULL"));
    all.push(greeting(1, b"PLAIN"));
    all
}

fn frames(framing: Framing) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    for len in [0, 1, 5, 253, 254, 255, 256, 300, 70_000] {
        let body = vec![7; len];
        let mut one = Vec::new();
        append_frame_as(framing, &mut one, Flags::NONE, &body);
        let mut several = Vec::new();
        append_frame_as(framing, &mut several, Flags::MORE, &body);
        append_frame_as(framing, &mut several, Flags::MORE, b"");
        append_frame_as(framing, &mut several, Flags::NONE, b"end");
        append_frame_as(framing, &mut several, Flags::NONE, b"another");
        all.extend([one, several]);
    }
    all
}

/// Frames of ZMTP 1.0.
pub(super) fn frames_v1() -> Vec<Vec<u8>> {
    let mut all = frames(Framing::V1);
    all.push(b"\xff\0\0\0\0\0\0\0\x02\0a".to_vec());
    all.push(b"\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0".to_vec());
    all
}

/// Frames of ZMTP 2.0 to 3.1.
pub(super) fn frames_v2() -> Vec<Vec<u8>> {
    let mut all = frames(Framing::V2);
    all.push(b"\x02\0\0\0\0\0\0\0\x01a".to_vec());
    all.push(b"\x03\x7f\xff\xff\xff\xff\xff\xff\xff".to_vec());
    all.extend(commands().iter().map(|body| command(body)));
    all
}

/// Bodies of commands.
pub(super) fn commands() -> Vec<Vec<u8>> {
    let mut all = owned(&[
        b"",
        b"\x05ERROR\x03400",
        b"\x04PING\0\x05context",
        b"\x04PING\0\0",
        b"\x04PING\xff\xff0123456789abcdefgh",
        b"\x04PONGcontext",
        b"\x09SUBSCRIBEtopic",
        b"\x06CANCELtopic",
        b"\x04JOINgroup",
        b"\x05LEAVEgroup",
        b"\x05HELLO\x04user\x04pass",
        b"\x00data",
    ]);
    all.push([&b"\x05READY"[..], &property_list()].concat());
    all
}

/// Lists of properties.
pub(super) fn properties() -> Vec<Vec<u8>> {
    let mut all = owned(&[b"", b"\x01a\0\0\0\0", b"\x07user-id\0\0\0\x02me"]);
    all.push(property_list());
    let mut many = Vec::new();
    (0..300).for_each(|_| append_property(&mut many, b"X", b"y"));
    all.push(many);
    for kind in ["PULL", "PUSH", "SUB", "XPUB", "REQ", "REP", "PAIR", "STREAM"] {
        let mut out = Vec::new();
        append_property(&mut out, b"socket-type", kind.as_bytes());
        append_property(&mut out, b"IDENTITY", &[b'i'; 255]);
        all.push(out);
    }
    all
}

/// Whole handshakes, of the kinds that a peer has. Choice, type (6 is ROUTER) and piece come first.
pub(super) fn handshakes() -> Vec<Vec<u8>> {
    let signature = b"\xff\0\0\0\0\0\0\0\x01\x7f";
    let all = [
        b"\x04\0ABC\x02\0x".to_vec(),
        [&signature[..], b"\x01\x05\0\x03abc\0\x02hi"].concat(),
        [&signature[..], b"\x00\x05\x04\0abc\x03\0hi"].concat(),
        [greeting(1, b"NULL"), ready(b"\x05READY"), command(b"\x04PING\0\0")].concat(),
        [greeting(0, b"NULL"), command(b"\x05ERROR\x03400")].concat(),
        [
            greeting(0, b"PLAIN"),
            command(b"\x05HELLO\x04user\x04pass"),
            ready(b"\x08INITIATE"),
            b"\0\x01x".to_vec(),
        ]
        .concat(),
        [greeting(1, b"PLAIN"), command(b"\x07WELCOME"), ready(b"\x05READY")].concat(),
        [greeting(1, b"PLAIN"), command(b"^RROR\x03400")].concat(),
        [greeting(0, b"CURVE"), command(&[&b"\x05HELLO\x01\0"[..], &[0; 192]].concat())].concat(),
        [greeting(0, b"CURVE"), command(&[&b"\x07WELCOME"[..], &[9; 160]].concat())].concat(),
        [greeting(0, b"CURVE"), command(&[&b"\x08INITIATE"[..], &[9; 300]].concat())].concat(),
        [
            greeting(0, b"GSSAPI"),
            command(b"\x08INITIATE\0\0\0\x05hello"),
            command(b""),
            ready(b"\x05READY"),
        ]
        .concat(),
        [
            greeting(0, b"GSSAPI"),
            command(b"\x08INITIATE\0\0\0\x07welcome"),
            command(b"\x07MESSAGE\0\0\0\x03\0\0\0"),
        ]
        .concat(),
    ];
    let starts: [[u8; 3]; 5] = [[0, 6, 0], [1, 6, 3], [2, 3, 70], [13, 5, 9], [17, 6, 1]];
    starts.iter().flat_map(|start| all.iter().map(|rest| [&start[..], rest].concat())).collect()
}

/// How to spoil what others say.
pub(super) fn spoilt() -> Vec<Vec<u8>> {
    owned(&[
        &[0; 30],
        b"\0\x01\0\x10\x04\x02",
        b"\x01\x00\x01\0\x20\x04\x02",
        b"\0\0\0\x01\0\x30\x01\x41",
        b"\x01\x10messages of some\x00\x00\x14of which one is spoilt\x01\0\x08\x04\x01",
    ])
}

/// Answers of a ZAP handler.
pub(super) fn zap_replies() -> Vec<Vec<u8>> {
    let mut with_metadata = b"\0\x031.0\x011\x03200\0\x04user".to_vec();
    with_metadata.push(property_list().len() as u8);
    with_metadata.extend(property_list());
    vec![with_metadata, b"\0\x031.0\x011\x03400\x02no\0\0".to_vec()]
}

/// What follows a handshake. Choice and piece come first.
pub(super) fn traffic() -> Vec<Vec<u8>> {
    let mut mixed = Vec::new();
    append_frame(&mut mixed, Flags::MORE, b"first");
    let mut ping = Vec::new();
    command::append_ping(&mut ping, 3, b"here");
    append_frame(&mut mixed, Flags::COMMAND, &ping);
    append_frame(&mut mixed, Flags::NONE, b"second");
    append_frame(&mut mixed, Flags::COMMAND, b"\x09SUBSCRIBEtopic");
    append_frame(&mut mixed, Flags::NONE, &[1; 20_000]);
    append_frame(&mut mixed, Flags::COMMAND, b"\x06CANCELtopic");
    let mut all = Vec::new();
    for way in [0, 2, 0x54, 0xfc] {
        for rest in frames_v2().iter().chain([&mixed]) {
            all.push([&[way, 40][..], rest].concat());
        }
        all.extend(frames_v1().iter().map(|rest| [&[way | 1, 90][..], rest].concat()));
    }
    all
}

/// What SOCKS proxies answer. Choice and piece come first.
pub(super) fn socks() -> Vec<Vec<u8>> {
    owned(&[
        b"\0\0\x05\0\x05\0\0\x01\x7f\0\0\x01\x04\x38rest",
        b"\x01\x03\x05\x02\x01\0\x05\0\0\x03\x09localhost\x00\x50rest",
        b"\x01\x01\x05\0\x05\0\0\x04aaaaaaaaaaaaaaaa\x00\x50",
        b"\0\0\x05\0\x05\x05\0\x01",
        b"\x01\0\x05\xff",
    ])
}

/// Endpoints that mean something.
pub(super) fn endpoints() -> Vec<Vec<u8>> {
    owned(&[
        b"tcp://127.0.0.1:5555",
        b"tcp://*:*",
        b"tcp://lo:0",
        b"tcp://[::1]:80",
        b"tcp://[fe80::1%lo]:80",
        b"tcp://::1:80",
        b"tcp://127.0.0.1:0;127.0.0.1:5555",
        b"tcp://0x7f.1:65535",
        b"tcp://[::]:65536",
        b"ipc:///tmp/some.sock",
        b"ipc://@abstract",
        b"ipc://*",
        b"vsock://@:5555",
        b"tipc://{5560,0}@1.1.10",
        b"tipc://<1.1.10:5555>",
        b"inproc://name",
        b"udp://239.0.0.1:5555",
        b"udp://lo;239.0.0.1:5555",
        b"vsock://2:5555",
        b"vsock://*:*",
        b"tipc://{5560,0,0}",
        b"tipc://{5560,1,9}",
        b"tipc://<*>",
        b"vmci://@:*",
        b"ws://127.0.0.1:80/path",
        b"ws://*:*",
        b"ws://[::1]:5555/a/b?c",
        b"wss://localhost:443/",
        b"epgm://127.0.0.1;239.0.0.1:5555",
        b"norm://7,eth0;239.0.0.1:5555",
        b"pgm://eth0;239.0.0.1:5555",
        b"norm://7,eth0;239.0.0.1:5555",
        b"://",
        b"tcp://",
    ])
}

/// Calls that set and get options, of sockets of several types.
pub(super) fn options() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for kind in 0..21u8 {
        for first in (0..128u8).step_by(16) {
            let mut calls = vec![kind];
            for option in first..first + 16 {
                calls.extend([0, option, 4, 1, 0, 0, 0]);
                calls.extend([6, option, 0, 4]);
            }
            all.push(calls);
        }
        let mut calls = vec![kind];
        for option in [5, 6, 7, 38, 45, 46, 48, 49, 50, 55, 61, 68, 92, 95, 99] {
            calls.extend([0, option, 40]);
            calls.extend_from_slice(b"X-name:127.0.0.1/8\0[::1]/64 abcdefghijkl");
            calls.extend([4, option, 0]);
            calls.extend([5, option, 0, 0]);
            calls.extend([7, option, 1, 0]);
        }
        all.push(calls);
    }
    all
}

/// Texts and bytes.
pub(super) fn z85() -> Vec<Vec<u8>> {
    owned(&[b"", b"HelloWorld", b"%nSc0", b"%nSc1", b"#####", b"\x86\x4f\xd2\x6f\xb5\x59\xf7\x5b"])
}

/// Subscriptions that come, are looked for, and go.
pub(super) fn topics() -> Vec<Vec<u8>> {
    let numbers = |count: u32, step: u32| -> Vec<u8> {
        (0..count).map(|n| (n.wrapping_mul(step) >> 3) as u8).collect()
    };
    let mut all = vec![numbers(200, 77), numbers(900, 1237), numbers(3000, 40_503)];
    all.push(b"\0\x01\x02ab\x06\x01\x03abc\x04\x01\x02ab\x07".to_vec());
    // A long label that is divided twice: what is between could be joined, and was not.
    all.push(b"\xc2\xd5\xdf\xe9\xf2\xb7\xc0\xca\xd3\xdd\xe7\xd7\xe1\xeb\xf4\x07".to_vec());
    all
}

/// A frame of WebSocket of this kind, masked with zeros if a client sends it.
fn websocket_frame(first: u8, payload: &[u8], client: bool) -> Vec<u8> {
    let mask = if client { 0x80 } else { 0 };
    let mut out = vec![first];
    match payload.len() {
        len @ 0..=125 => out.push(mask | len as u8),
        len => {
            out.push(mask | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    if client {
        out.extend_from_slice(&[0; 4]);
    }
    out.extend_from_slice(payload);
    out
}

/// What comes over a connection behind the upgrade.
pub(super) fn websocket_messages() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for client in [true, false] {
        let frame = |first: u8, payload: &[u8]| websocket_frame(first, payload, client);
        let conversations = [
            [frame(0x82, b"\0"), frame(0x82, b"\x01part"), frame(0x82, b"\0end")].concat(),
            [frame(0x82, &[0; 500]), frame(0x89, b"ping"), frame(0x82, b"\x02\x04PONG")].concat(),
            [frame(0x02, b"\0fr"), frame(0x8a, b""), frame(0, b"ag"), frame(0x80, b"s")].concat(),
            [frame(0x81, b"text"), frame(0x88, b"\x03\xe8bye"), frame(0x82, b"\0late")].concat(),
            [frame(0x02, &[1; 600]), frame(0x80, &[2; 500])].concat(),
        ];
        for (choice, bytes) in
            (0..2).flat_map(|plain| conversations.iter().map(move |c| (plain, c)))
        {
            all.push([&[choice | u8::from(!client) << 1, 5, 9], &bytes[..]].concat());
        }
    }
    all
}

/// Requests for an upgrade.
pub(super) fn websocket_requests() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for (choice, protocols) in [(0, "ZWS2.0/NULL,ZWS2.0"), (1, "ZWS2.0/PLAIN"), (2, "chat")] {
        let request = format!(
            "GET /path HTTP/1.1\r\nHost: host\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {protocols}\r\n\
             Sec-WebSocket-Version: 13\r\n\r\n"
        );
        let spoilt = request.replace("13", "8");
        for text in [&request, &spoilt, &request.replace("\r\n", "\n")] {
            all.push([&[choice, 7], text.as_bytes(), b"\x82\x81\0\0\0\0\0"].concat());
        }
    }
    all
}

/// Answers to the request of the target.
pub(super) fn websocket_answers() -> Vec<Vec<u8>> {
    let answer = |protocol: &str| {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: CdXSYUsvsaMthlEXWDNURGWA/1o=\r\n{protocol}\r\n"
        )
    };
    let named = answer("Sec-WebSocket-Protocol: ZWS2.0\r\n");
    let texts = [(0, named), (2, answer("")), (0, "HTTP/1.1 404 Not Found\r\n\r\n".to_owned())];
    texts
        .iter()
        .map(|(choice, text)| [&[*choice, 3], text.as_bytes(), b"\x82\x01\0"].concat())
        .collect()
}

/// Datagrams of a group.
pub(super) fn datagrams() -> Vec<Vec<u8>> {
    let datagrams = [&b"\x02TVhello"[..], b"\0", b"\xff", b"\x06Movies"];
    datagrams.iter().map(|bytes| bytes.to_vec()).collect()
}

/// Each behind its length.
pub(super) fn packets() -> Vec<Vec<u8>> {
    let streams = [
        &b"\x0f\0\0\x03\x01AB\x06\0hello\x02\0"[..],
        b"\x06\0\0\x09\0ab\x06\xff\xffcdef\x08\0\x02gh\x03\0ij",
        b"\x0d\0\0\xff\0\0\0\0\0\0\0\x05\0\x06\xff\xffabcd",
        b"\x02\xff\xff\x01\0\0\x03\0\0\0",
    ];
    streams.iter().map(|bytes| bytes.to_vec()).collect()
}

/// What happens to a pipe for datagrams: each begins with what, and a length.
pub(super) fn datagram_pipes() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for steps in [[0, 1, 2, 3, 4, 5], [2, 2, 3, 4, 2, 4], [3, 3, 3, 3, 4, 4]] {
        let mut bytes = Vec::new();
        for what in steps {
            for some in [&b"\x02TVhello"[..], b"127.0.0.1:5555", b"[::1]:80\0", b"\xffshort", b""] {
                bytes.extend([what, 0, some.len() as u8]);
                bytes.extend_from_slice(some);
            }
        }
        all.push(bytes);
    }
    all
}

/// What stands behind `udp://`.
pub(super) fn udp_addresses() -> Vec<Vec<u8>> {
    owned(&[
        b"127.0.0.1:5555",
        b"lo;239.0.0.1:5555",
        b"127.0.0.1;239.255.255.250:1",
        b"*:*",
        b"*:5555",
        b"[::1]:5555",
        b"lo;[ff02::1]:5555",
        b"[ff05::1%lo]:80",
        b"::ffff:1.2.3.4:5",
        b"nobody;239.0.0.1:5555",
        b";127.0.0.1:0",
        b"lo:65535",
    ])
}

/// Calls of pollers, behind the types of three sockets: whom, two bytes of events, and what.
pub(super) fn pollers() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for kinds in [[0, 1, 3], [12, 13, 19], [14, 15, 20], [5, 7, 11]] {
        let mut bytes = kinds.to_vec();
        for call in [0, 6, 3, 7, 5, 0, 4, 6] {
            for subject in 0..8 {
                bytes.extend([subject, 1 + subject % 3, 0, call, 4]);
            }
        }
        all.push(bytes);
    }
    all
}
