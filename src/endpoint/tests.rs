//! Endpoints alone: two of them connected through the system, with nothing around them that a socket has.

use super::attempt::{Attempt, Progress, Stage};
use super::token::{Ready, Timer};
use super::*;
use crate::connection::Ends;
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::reactor::{IoThread, Key};
use crate::sys::epoll;
use crate::sys::thread::ThreadOptions;
use crate::transport::{Address, Dialogue, Listener, Route, Stream};
use crate::types::SocketType;
use crate::wire::HandshakeConfig;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;

/// Waits for one of these; the deadline only ends a broken test.
fn wait_for(items: &mut [libc::pollfd]) {
    // SAFETY: as many items, which outlive the call.
    let ready = unsafe { libc::poll(items.as_mut_ptr(), items.len() as libc::nfds_t, 10_000) };
    assert!(ready > 0, "nothing happened for ten seconds");
}

fn wait(fd: RawFd, events: i16) {
    wait_for(&mut [libc::pollfd { fd, events, revents: 0 }]);
}

/// Endpoints of nobody's, and what they said.
struct World {
    endpoints: Endpoints,
    /// Reports by their numbers; 0: a connection.
    said: Vec<u16>,
    /// The monitor's last word.
    name: String,
    /// Places for what peers say: of attempts that go on.
    places: Vec<RawFd>,
}

const ZMTP: Traffic = Traffic { raw: false, notes: false };
const CONNECTED: u16 = 0;

impl Drop for World {
    /// Whatever became of its attempts, no place is left.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        for number in self.endpoints.numbers() {
            self.endpoints.close_listener(number);
            self.endpoints.forget(number);
        }
        self.carry_out();
        assert!(self.places.is_empty(), "places of nobody: {:?}", self.places);
    }
}

impl World {
    fn new(io: &Arc<IoThread>, socket_type: SocketType) -> World {
        let mut endpoints = Endpoints::new(Key { index: 1, generation: 1 }, socket_type);
        endpoints.use_thread(io.clone());
        World { endpoints, said: Vec::new(), name: String::new(), places: Vec::new() }
    }

    fn carry_out(&mut self) {
        while let Some(effect) = self.endpoints.next_effect() {
            match effect {
                Effect::Report(event, ends) => {
                    self.said.push(event.number() as u16);
                    self.name = ends.name().to_owned();
                }
                Effect::Prepare(attempt, fd) => {
                    self.places.push(fd);
                    self.endpoints.greet(attempt, true);
                }
                Effect::Release(fd) => self.leave_place(fd),
                Effect::Established(_, connection) => {
                    self.leave_place(connection.fd());
                    self.said.push(CONNECTED);
                }
                Effect::AskZap(_) | Effect::ForgetZap(..) => panic!("nobody is asked here"),
                Effect::Refused(_) | Effect::GaveUp(_) => self.said.push(u16::MAX),
            }
        }
    }

    fn leave_place(&mut self, fd: RawFd) {
        let at = self.places.iter().position(|place| *place == fd);
        self.places.swap_remove(at.expect("it has one"));
    }

    /// What its first attempt waits for, if there is one.
    fn awaits(&self) -> libc::pollfd {
        let Some(attempt) = self.endpoints.attempts.get(0) else {
            return libc::pollfd { fd: -1, events: 0, revents: 0 };
        };
        let connecting = attempt.stage == Stage::Connecting;
        let events = if connecting { libc::POLLOUT } else { libc::POLLIN };
        libc::pollfd { fd: attempt.fd(), events, revents: 0 }
    }

    /// Goes on with it if that is there.
    fn go_on(&mut self, item: libc::pollfd) {
        if item.revents != 0 {
            let connecting = item.events == libc::POLLOUT;
            let what = if connecting { Ready::Connecting(0) } else { Ready::Greeting(0) };
            self.endpoints.ready(what, epoll::IN | epoll::OUT);
            self.carry_out();
        }
    }
}

/// Lets both go on as long as there is something to wait for.
fn converse(one: &mut World, other: &mut World) {
    loop {
        let mut items = [one.awaits(), other.awaits()];
        if items.iter().all(|item| item.fd < 0) {
            return;
        }
        wait_for(&mut items);
        one.go_on(items[0]);
        other.go_on(items[1]);
    }
}

fn thread() -> Arc<IoThread> {
    let (name_prefix, affinity) = (Vec::new(), Vec::new());
    let options = ThreadOptions { name_prefix, affinity, policy: -1, priority: -1 };
    Arc::new(IoThread::start("endpoints", options, |_| None).expect("a thread"))
}

fn route(to: &str, options: &SocketOptions) -> Route {
    Route::new(Address::parse(to).expect("an address"), options).expect("a way")
}

#[test]
fn two_shake_hands_with_no_socket_around_them() {
    let io = thread();
    let options = SocketOptions::default();
    let mut server = World::new(&io, SocketType::Pull);
    let address = server.endpoints.address_to_bind("tcp://127.0.0.1:*").expect("an address");
    server.endpoints.bind("tcp://127.0.0.1:*", &address, &options, ZMTP).expect("bound");
    let bound = server.endpoints.last.clone();
    let listener = server.endpoints.named(&bound)[0];

    let mut client = World::new(&io, SocketType::Push);
    let to = route(&bound, &options);
    let number = client.endpoints.add_connecter(bound.clone(), to, &options, ZMTP);
    client.endpoints.begin_connect(number);
    client.carry_out();
    // What was not for this attempt at this stage changes nothing.
    client.endpoints.ready(Ready::Greeting(0), epoll::IN | epoll::FAILED);
    client.endpoints.timer_due(Timer::Attempt, 0, 0);
    let mut item = [client.awaits()];
    wait_for(&mut item);
    client.go_on(item[0]);
    let Some(Endpoint { kind: Kind::Listener(at), .. }) = server.endpoints.get(listener) else {
        panic!("no listener")
    };
    wait(at.as_fd().as_raw_fd(), libc::POLLIN);
    server.endpoints.accept(listener);
    server.carry_out();
    converse(&mut server, &mut client);
    assert_eq!(server.said, [0x0008, 0x0020, 0x1000, CONNECTED]);
    assert_eq!(client.said, [0x0002, 0x0001, 0x1000, CONNECTED]);
    assert_eq!((&client.name, &server.name), (&bound, &bound));
    io.stop();
}

#[test]
fn who_is_forgotten_while_it_connects_leaves_nothing() {
    let io = thread();
    let options = SocketOptions::default();
    let address = Address::parse("tcp://127.0.0.1:*").expect("an address");
    let listener = Listener::bind(&address, &options).expect("bound");
    let mut client = World::new(&io, SocketType::Push);
    let to = route(listener.endpoint(), &options);
    let number = client.endpoints.add_connecter(listener.endpoint().to_owned(), to, &options, ZMTP);
    client.endpoints.begin_connect(number);
    client.endpoints.forget(number);
    client.carry_out();
    assert_eq!(client.said, [0x0002, 0x0080], "delayed, and closed");
    assert!(client.endpoints.attempts.is_empty() && client.endpoints.get(number).is_none());
    io.stop();
}

/// A dialogue that ends with a full stop.
struct Sentence {
    output: Vec<u8>,
    over: bool,
    takes: usize,
}

impl Sentence {
    fn boxed(says: &[u8], takes: usize) -> Box<dyn Dialogue> {
        Box::new(Sentence { output: says.to_vec(), over: false, takes })
    }
}

impl Dialogue for Sentence {
    fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    fn wanted(&self) -> usize {
        if self.over { 0 } else { 100 }
    }

    fn input(&mut self, bytes: &[u8]) -> Result<usize> {
        let end = bytes.iter().position(|byte| *byte == b'.');
        self.over = end.is_some();
        Ok(end.map_or(bytes.len(), |at| at + 1).min(self.takes))
    }
}

/// A connection to a peer that the test plays.
fn connected() -> (Stream, Stream) {
    connected_at("tcp://127.0.0.1:*")
}

fn connected_at(address: &str) -> (Stream, Stream) {
    let options = SocketOptions::default();
    let address = Address::parse(address).expect("an address");
    let listener = Listener::bind(&address, &options).expect("bound");
    let to = route(listener.endpoint(), &options);
    let way = to.first().resolve(&options).expect("a way").remove(0);
    let (stream, _) = to.start(&way, &options).expect("a socket");
    wait(stream.as_fd().as_raw_fd(), libc::POLLOUT);
    wait(listener.as_fd().as_raw_fd(), libc::POLLIN);
    let peer = listener.accept(&options).expect("somebody").expect("somebody");
    (stream, peer)
}

#[test]
fn what_one_dialogue_leaves_is_for_the_next() {
    use crate::sys::net;
    let (stream, peer) = connected();
    let dialogues = vec![Sentence::boxed(b"one", 100), Sentence::boxed(b"two", 100)];
    let mut attempt = Attempt::connecting(0, 1, stream, dialogues, Ends::default());
    assert!(matches!(attempt.drive(), Progress::Waiting(epoll::IN)));
    assert_eq!(attempt.stage, Stage::OnTheWay);
    net::send(peer.as_fd(), b"a.b").expect("sent");
    wait(attempt.fd(), libc::POLLIN);
    assert!(matches!(attempt.drive(), Progress::Waiting(epoll::IN)), "the second is not over");
    let mut said = [0; 100];
    assert_eq!(
        net::recv(peer.as_fd(), &mut said).map(|n| said[..n].to_vec()),
        Ok(b"onetwo".to_vec())
    );
    net::send(peer.as_fd(), b".rest").expect("sent");
    wait(attempt.fd(), libc::POLLIN);
    assert!(matches!(attempt.drive(), Progress::Reached));
    // Bytes as they are: what is left belongs to the connection.
    assert!(attempt.begin_greeting("tcp://x", &SocketOptions::default(), None).is_ok());
    let Progress::Established(None, rest) = attempt.drive() else { panic!("not established") };
    assert_eq!(rest.as_slice(), b"rest");
}

#[test]
fn who_neither_ends_nor_takes_anything_is_not_asked_for_ever() {
    use crate::sys::net;
    let (stream, peer) = connected();
    let dialogues = vec![Sentence::boxed(b"", 0)];
    let mut attempt = Attempt::connecting(0, 1, stream, dialogues, Ends::default());
    net::send(peer.as_fd(), b"a").expect("sent");
    wait(attempt.fd(), libc::POLLIN);
    assert!(matches!(attempt.drive(), Progress::Closed(Error::Protocol)));
}

#[test]
fn why_a_peer_refuses_us_is_heard_although_it_hears_nothing_any_more() {
    use crate::sys::net;
    use crate::wire::HandshakeConfig;
    for (said, heard) in [(&b"\x04\x07\x05ERROR\x00"[..], true), (b"", false)] {
        let (stream, peer) = connected();
        let options = SocketOptions::default();
        let mut attempt = Attempt::connecting(0, 1, stream, Vec::new(), Ends::default());
        assert!(matches!(attempt.drive(), Progress::Reached));
        let mut greeting = [0; 64];
        greeting[..16].copy_from_slice(b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL");
        net::send(peer.as_fd(), &[&greeting[..], said].concat()).expect("sent");
        drop(peer);
        wait(attempt.fd(), libc::POLLIN);
        // As whoever writes to a peer that is gone finds out.
        // SAFETY: no pointers are involved.
        unsafe { libc::shutdown(attempt.fd(), libc::SHUT_WR) };
        let mechanism = crate::security::mechanism(&options);
        let config = HandshakeConfig::new(SocketType::Push, Vec::new(), mechanism);
        attempt.begin_greeting("tcp://x", &options, Some(config)).expect("a handshake");
        let progress = attempt.drive();
        assert_eq!(matches!(progress, Progress::Failed(_)), heard);
        assert_eq!(matches!(progress, Progress::Closed(_)), !heard);
    }
}

/// Of as much as no kernel takes at once.
fn greets_at_length(stream: Stream) -> Attempt {
    let mechanism = Box::new(crate::security::Null::new(false));
    let mut config = HandshakeConfig::new(SocketType::Pair, Vec::new(), mechanism);
    config.properties.push((b"X-Long".to_vec(), vec![7; 60_000]));
    let (fd, level, option) = (stream.as_fd(), libc::SOL_SOCKET, libc::SO_SNDBUF);
    crate::sys::net::set_option(fd, level, option, 4096).expect("set");
    let mut attempt = Attempt::accepted(0, 1, stream, Ends::default());
    let begun = attempt.begin_greeting("tcp://x", &SocketOptions::default(), Some(config));
    assert!(begun.is_ok());
    attempt
}

#[test]
fn two_who_say_much_at_the_same_time_hear_each_other_meanwhile() {
    let (ours, theirs) = connected_at("ipc://*");
    let mut attempts = [ours, theirs].map(greets_at_length);
    let mut established = [false; 2];
    while established != [true; 2] {
        let mut items = Vec::new();
        for (attempt, done) in attempts.iter_mut().zip(&mut established).filter(|(_, done)| !**done)
        {
            match attempt.drive() {
                Progress::Waiting(events) => {
                    let events = events as i16;
                    items.push(libc::pollfd { fd: attempt.fd(), events, revents: 0 });
                }
                Progress::Established(..) => *done = true,
                _ => panic!("neither"),
            }
        }
        if !items.is_empty() && established == [false; 2] {
            wait_for(&mut items);
        }
    }
}
