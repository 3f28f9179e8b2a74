//! The model's kernel against the real one: scripts of calls, from a seed, made on both. What a caller can
//! see must agree: results, errors, bytes, what poll(2) and epoll_wait(2) say. Not compared is what the
//! sizes of the real buffers decide.

use crate::api::check;
use std::mem::{size_of, size_of_val, zeroed};
use std::time::Duration;
use zmq::sys::sim::libc as model;
use zmq::sys::sim::{self, Choice, world};

/// What a descriptor of a script is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Listener,
    Tcp,
    Unix,
    Udp,
    Event,
    Set,
}

/// A descriptor of the real kernel, and what is the same in the model.
#[derive(Debug, Clone, Copy)]
struct Pair {
    real: i32,
    model: i32,
    kind: Kind,
}

/// What came of a call: its result, the error, and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome(i64, i32, Vec<u64>);

fn outcome(result: impl Into<i64>) -> Outcome {
    let result = result.into();
    // SAFETY: the running thread's own.
    let error = if result < 0 { unsafe { *libc::__errno_location() } } else { 0 };
    Outcome(result, error, Vec::new())
}

/// The same call of both kernels: `call!(pair, send(fd, ...))` has the real descriptor in `fd`, then the other.
macro_rules! both {
    ($fd:ident = $pair:expr, $name:ident ( $($argument:expr),* $(,)? )) => {{
        let pair = $pair;
        let $fd = pair.real;
        // SAFETY: arguments that live during the call.
        let real = outcome(unsafe { libc::$name($($argument),*) } as i64);
        let $fd = pair.model;
        // SAFETY: as above.
        let model = outcome(unsafe { model::$name($($argument),*) } as i64);
        (real, model)
    }};
}

unsafe fn libc_ioctl(fd: i32, request: libc::Ioctl, value: *mut i32) -> i32 {
    // SAFETY: the caller's.
    unsafe { libc::ioctl(fd, request, value) }
}

mod datagrams;
mod ports;

struct Script {
    choice: Choice,
    pairs: Vec<Pair>,
    /// What was done, for whoever has to understand a difference.
    told: Vec<String>,
    names: u64,
    /// Where somebody listened, in both kernels.
    ports: Vec<[Name; 2]>,
    /// Who was shut down, and who is asked for edges.
    shut: Vec<i32>,
    edged: Vec<i32>,
    /// Sets are in sets, or sockets for datagrams are.
    nests: bool,
    posts: datagrams::Names,
}

/// Where nobody else is: ports of connections that are over would be in the way.
fn inet(port: u16) -> Name {
    let [low, high, ..] = std::process::id().to_le_bytes();
    inet_at([127, high, low, 1], port)
}

fn inet_at(host: [u8; 4], port: u16) -> Name {
    // SAFETY: plain data.
    let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(host) },
        sin_zero: [0; 8],
    };
    // SAFETY: a storage has room for every address.
    unsafe { (&raw mut storage).cast::<libc::sockaddr_in>().write(address) };
    (storage, size_of::<libc::sockaddr_in>() as u32)
}

/// A name in no file system.
fn unix(number: u64) -> (libc::sockaddr_storage, u32) {
    // SAFETY: plain data.
    let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
    storage.ss_family = libc::AF_UNIX as u16;
    let name = format!("\0sim-truth-{}-{number}", std::process::id());
    // SAFETY: much shorter than a storage.
    unsafe {
        let path = (&raw mut storage).cast::<u8>().add(2);
        std::ptr::copy_nonoverlapping(name.as_ptr(), path, name.len());
    }
    (storage, 2 + name.len() as u32)
}

type Name = (libc::sockaddr_storage, u32);

fn bound(fd: i32) -> Name {
    let mut name = inet(0);
    name.1 = size_of::<libc::sockaddr_storage>() as u32;
    // SAFETY: room for an address.
    unsafe { libc::getsockname(fd, (&raw mut name.0).cast(), &raw mut name.1) };
    name
}

fn host_and_port(name: &Name) -> ([u8; 4], u16) {
    // SAFETY: a storage has room for every address.
    let name = unsafe { (&raw const name.0).cast::<libc::sockaddr_in>().read() };
    (name.sin_addr.s_addr.to_ne_bytes(), u16::from_be(name.sin_port))
}

/// What getsockname(2) says of a descriptor, of the model or not.
fn bound_to(fd: i32, made_up: bool) -> ([u8; 4], u16) {
    let mut name = inet(0);
    let (place, length) = ((&raw mut name.0).cast(), &raw mut name.1);
    // SAFETY: room for an address.
    unsafe {
        if made_up {
            model::getsockname(fd, place, length)
        } else {
            libc::getsockname(fd, place, length)
        }
    };
    host_and_port(&name)
}

const ANY: i16 = libc::POLLIN | libc::POLLOUT | libc::POLLRDHUP;
const QUIET: i32 = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;

impl Script {
    fn tell(&mut self, text: String) {
        self.told.push(text);
    }

    fn wrong(&self, text: &str) -> ! {
        self.told.iter().for_each(|line| eprintln!("{line}"));
        world::wrong(text)
    }

    fn agree(&mut self, what: &str, results: (Outcome, Outcome)) -> Outcome {
        self.tell(format!("{what}: {:?}", results.0));
        if results.0 != results.1 {
            self.wrong(&format!(
                "{what}: the kernel says {:?}, the model {:?}",
                results.0, results.1
            ));
        }
        results.0
    }

    /// What can be seen of a descriptor without changing anything: what poll(2) says, and how much is
    /// unread.
    fn seen(pair: Pair, real: bool) -> (i32, i32) {
        let fd = if real { pair.real } else { pair.model };
        let mut item = libc::pollfd { fd, events: ANY, revents: 0 };
        let now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let mut unread = 0;
        let ioctl = if real { libc_ioctl } else { model::ioctl };
        // SAFETY: one item, a time, and room for a number.
        unsafe {
            if real {
                libc::poll(&raw mut item, 1, 0);
            } else {
                model::ppoll(&raw mut item, 1, &raw const now, std::ptr::null());
            }
            if matches!(pair.kind, Kind::Tcp | Kind::Unix | Kind::Udp) {
                ioctl(fd, libc::FIONREAD, &raw mut unread);
            }
        }
        (i32::from(item.revents), unread)
    }

    /// Waits until everything has arrived, and compares what there is to see.
    fn settle(&mut self) {
        world::sleep(Duration::from_millis(5));
        for pair in self.pairs.clone() {
            let model = Script::seen(pair, false);
            let mut looks = 0;
            while Script::seen(pair, true) != model {
                looks += 1;
                if looks == 300 {
                    let real = Script::seen(pair, true);
                    self.wrong(&format!(
                        "{pair:?}: poll and unread are {real:x?}, in the model {model:x?}"
                    ));
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn pick(&mut self, kinds: &[Kind]) -> Option<Pair> {
        let fit: Vec<Pair> =
            self.pairs.iter().filter(|pair| kinds.contains(&pair.kind)).copied().collect();
        (!fit.is_empty()).then(|| self.choice.of(&fit))
    }

    fn add(&mut self, kind: Kind, results: (Outcome, Outcome)) -> Pair {
        let (real, model) = (results.0.0 as i32, results.1.0 as i32);
        check(real >= 0 && model >= 0, || format!("no descriptor for {kind:?}"));
        let pair = Pair { real, model, kind };
        self.tell(format!("new {pair:?}"));
        self.pairs.push(pair);
        pair
    }

    fn socket(&mut self, kind: Kind) -> Pair {
        let family = if kind == Kind::Unix { libc::AF_UNIX } else { libc::AF_INET };
        let type_ = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        let nobody = Pair { real: 0, model: 0, kind };
        let made = both!(_fd = nobody, socket(family, type_, 0));
        self.add(kind, made)
    }

    /// A listener; the names it has in both kernels.
    fn listener(&mut self, kind: Kind) -> (Pair, [Name; 2]) {
        self.names += 1;
        let pair = self.socket(kind);
        let at = self.pairs.len() - 1;
        self.pairs[at].kind = Kind::Listener;
        let mut names = if kind == Kind::Unix {
            [unix(self.names); 2]
        } else {
            [inet(0), inet(5000 + self.names as u16)]
        };
        if kind == Kind::Tcp && self.choice.once_in(2) {
            self.set(pair, libc::SO_REUSEADDR, &[1]);
        }
        let bound_ = self.bind(pair, &names);
        check(bound_.0 == 0, || format!("a new listener: {bound_:?}"));
        if kind == Kind::Tcp {
            names[0] = bound(pair.real);
            self.ports.push(names);
        }
        let listens = both!(fd = pair, listen(fd, 5));
        self.agree("listen", listens);
        (self.pairs[at], names)
    }

    fn bind(&mut self, pair: Pair, names: &[Name; 2]) -> Outcome {
        // SAFETY: names that live during the calls.
        let results = unsafe {
            let real = libc::bind(pair.real, (&raw const names[0].0).cast(), names[0].1);
            let real = outcome(real);
            let model = model::bind(pair.model, (&raw const names[1].0).cast(), names[1].1);
            (real, outcome(model))
        };
        self.agree(&format!("bind {pair:?}"), results)
    }

    fn connect(&mut self, kind: Kind, names: &[Name; 2]) -> Pair {
        let pair = self.socket(kind);
        // SAFETY: names that live during the calls.
        let results = unsafe {
            let real = libc::connect(pair.real, (&raw const names[0].0).cast(), names[0].1);
            let real = outcome(real);
            let model = model::connect(pair.model, (&raw const names[1].0).cast(), names[1].1);
            (real, outcome(model))
        };
        self.agree("connect", results);
        pair
    }

    /// Two ends of a new connection; its listener is closed before or after that is accepted, or never.
    fn connection(&mut self) {
        let kind = self.choice.of(&[Kind::Tcp, Kind::Unix]);
        let (listener, names) = self.listener(kind);
        self.connect(kind, &names);
        self.settle();
        if self.choice.once_in(10) {
            // Nobody accepts it.
            return self.close(listener);
        }
        let type_ = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: no address is wanted of the one; the other has room.
        let made = unsafe {
            let null = std::ptr::null_mut();
            let real = outcome(libc::accept4(listener.real, null, std::ptr::null_mut(), type_));
            let mut name = inet(0);
            let (address, length) = ((&raw mut name.0).cast(), &raw mut name.1);
            (real, outcome(model::accept4(listener.model, address, length, type_)))
        };
        self.add(kind, made);
        if !self.choice.once_in(3) {
            self.close(listener);
            if self.choice.once_in(4) {
                // Nobody is there any more.
                let refused = self.connect_refused(kind, &names);
                self.settle();
                self.error_of(refused);
            }
        }
    }

    fn connect_refused(&mut self, kind: Kind, names: &[Name; 2]) -> Pair {
        self.tell("nobody listens".to_owned());
        self.connect(kind, names)
    }

    fn error_of(&mut self, pair: Pair) {
        let (mut real, mut made_up) = (0, 0);
        let mut length = 4;
        // SAFETY: room for a number.
        unsafe {
            let (level, name) = (libc::SOL_SOCKET, libc::SO_ERROR);
            libc::getsockopt(pair.real, level, name, (&raw mut real).cast(), &raw mut length);
            model::getsockopt(pair.model, level, name, (&raw mut made_up).cast(), &raw mut length);
        }
        self.agree(&format!("SO_ERROR of {pair:?}"), (outcome(real), outcome(made_up)));
    }

    fn close(&mut self, pair: Pair) {
        self.pairs.retain(|other| other.real != pair.real);
        self.shut.retain(|other| *other != pair.real);
        self.edged.retain(|other| *other != pair.real);
        let closed = both!(fd = pair, close(fd));
        self.agree(&format!("close {pair:?}"), closed);
    }

    fn send(&mut self, pair: Pair) {
        let size = self.choice.any_size(300) as usize;
        let first = self.choice.below(200) as u8;
        let bytes: Vec<u8> = (0..size).map(|at| first.wrapping_add(at as u8)).collect();
        let sent = both!(fd = pair, send(fd, bytes.as_ptr().cast(), size, QUIET));
        self.agree(&format!("send {size} to {pair:?}"), sent);
    }

    fn recv(&mut self, pair: Pair) {
        let size = 1 + self.choice.any_size(500) as usize;
        let mut rooms = [vec![0u8; 600], vec![0u8; 600]];
        // SAFETY: more room than asked for.
        let mut got = unsafe {
            let real = libc::recv(pair.real, rooms[0].as_mut_ptr().cast(), size, QUIET);
            let real = outcome(real as i64);
            let model = model::recv(pair.model, rooms[1].as_mut_ptr().cast(), size, QUIET);
            (real, outcome(model as i64))
        };
        got.0.2 = rooms[0].iter().map(|byte| u64::from(*byte)).collect();
        got.1.2 = rooms[1].iter().map(|byte| u64::from(*byte)).collect();
        got.0.2.truncate(got.0.0.max(0) as usize);
        got.1.2.truncate(got.1.0.max(0) as usize);
        self.agree(&format!("recv {size} of {pair:?}"), got);
    }

    fn set(&mut self, pair: Pair, name: i32, value: &[i32]) {
        let (level, length) = (libc::SOL_SOCKET, size_of_val(value) as u32);
        let place = value.as_ptr().cast();
        let set = both!(fd = pair, setsockopt(fd, level, name, place, length));
        self.agree(&format!("option {name} of {pair:?} is {value:?}"), set);
    }

    /// A buffer is filled, and emptied: how much that is differs, what it looks like does not.
    fn fill(&mut self, pair: Pair) {
        let bytes = vec![1u8; 5000];
        self.tell(format!("fill {pair:?}"));
        for end in [pair.real, pair.model] {
            let send = || {
                // SAFETY: as long as told.
                unsafe {
                    if end == pair.real {
                        libc::send(end, bytes.as_ptr().cast(), bytes.len(), QUIET)
                    } else {
                        model::send(end, bytes.as_ptr().cast(), bytes.len(), QUIET)
                    }
                }
            };
            while send() > 0 {}
        }
    }

    fn empty(&mut self, pair: Pair) {
        let mut room = vec![0u8; 5000];
        self.tell(format!("empty {pair:?}"));
        for end in [pair.real, pair.model] {
            let mut recv = || {
                // SAFETY: as long as told.
                unsafe {
                    if end == pair.real {
                        libc::recv(end, room.as_mut_ptr().cast(), room.len(), QUIET)
                    } else {
                        model::recv(end, room.as_mut_ptr().cast(), room.len(), QUIET)
                    }
                }
            };
            while recv() > 0 {}
        }
    }

    /// The one is full until the other has read everything.
    fn fill_and_empty(&mut self) {
        let Some(sender) = self.pick(&[Kind::Unix]) else { return };
        let unix: Vec<Pair> =
            self.pairs.iter().filter(|pair| pair.kind == Kind::Unix).copied().collect();
        self.fill(sender);
        for pair in &self.pairs.clone() {
            // How much there is differs for a moment.
            let (real, model) = (Script::seen(*pair, true).0, Script::seen(*pair, false).0);
            if real != model {
                self.wrong(&format!("{pair:?} when it is full: {real:x}, in the model {model:x}"));
            }
        }
        unix.into_iter().for_each(|pair| self.empty(pair));
    }

    fn control(&mut self) {
        let Some(set) = self.pick(&[Kind::Set]) else { return };
        // Of datagrams newer kernels tell when there is one again, older ones of each, and some in between.
        let last = if self.nests { Kind::Set } else { Kind::Udp };
        let kinds = [Kind::Tcp, Kind::Unix, Kind::Event, Kind::Listener, last];
        let Some(other) = self.pick(&kinds) else { return };
        // Sets are only in older ones, so that none is in itself.
        if other.kind == Kind::Set && other.real <= set.real {
            return;
        }
        let operation =
            self.choice.of(&[libc::EPOLL_CTL_ADD, libc::EPOLL_CTL_MOD, libc::EPOLL_CTL_DEL]);
        let events = self.choice.of(&[
            libc::EPOLLIN,
            libc::EPOLLIN | libc::EPOLLOUT,
            libc::EPOLLOUT,
            libc::EPOLLIN | libc::EPOLLRDHUP,
            0,
        ]);
        let edge = if self.choice.once_in(2) { libc::EPOLLET } else { 0 };
        // Who shuts down is woken once more when the other end says that it knows, up to 40 ms later.
        let unsure = other.kind == Kind::Udp || self.shut.contains(&other.real);
        let edge = if unsure { 0 } else { edge };
        if edge != 0 {
            self.edged.push(other.real);
        }
        // How often the kernel says anew that there is room depends on how bytes stand in its buffers.
        let unix_edge = edge != 0 && other.kind == Kind::Unix;
        let events = if unix_edge { events & !libc::EPOLLOUT } else { events };
        let mut event =
            libc::epoll_event { events: (events | edge) as u32, u64: other.real as u64 };
        // SAFETY: an event that lives during the calls.
        let done = unsafe {
            let real = libc::epoll_ctl(set.real, operation, other.real, &raw mut event);
            let real = outcome(real);
            let model = model::epoll_ctl(set.model, operation, other.model, &raw mut event);
            (real, outcome(model))
        };
        self.agree(
            &format!("epoll_ctl {operation} {events:x} {edge:x} of {other:?} in {set:?}"),
            done,
        );
    }

    fn reports(&mut self, set: Pair) {
        // Who hears first that both ends are shut down is not the same.
        let room = if self.shut.is_empty() { self.choice.of(&[1, 2, 20]) } else { 20 };
        // SAFETY: plain data, and as much room as told.
        let mut results = unsafe {
            let mut events: [libc::epoll_event; 20] = zeroed();
            let real = outcome(libc::epoll_wait(set.real, events.as_mut_ptr(), room, 0));
            let mut made_up: [libc::epoll_event; 20] = zeroed();
            let model = outcome(model::epoll_wait(set.model, made_up.as_mut_ptr(), room, 0));
            let list = |outcome: Outcome, events: &[libc::epoll_event]| {
                let count = outcome.0.max(0) as usize;
                let words = events[..count].iter().map(|e| e.u64 << 32 | u64::from(e.events));
                Outcome(outcome.0, outcome.1, words.collect())
            };
            (list(real, &events), list(model, &made_up))
        };
        results.0.2.sort_unstable();
        results.1.2.sort_unstable();
        self.agree(&format!("epoll_wait of {set:?}"), results);
    }

    fn shut_down(&mut self, pair: Pair) {
        let shut = both!(fd = pair, shutdown(fd, libc::SHUT_WR));
        self.agree(&format!("shutdown {pair:?}"), shut);
        self.shut.push(pair.real);
        if pair.kind == Kind::Tcp && self.edged.contains(&pair.real) {
            std::thread::sleep(Duration::from_millis(60));
        }
    }

    fn step(&mut self) {
        let streams = [Kind::Tcp, Kind::Unix];
        match self.choice.below(37) {
            0 if self.pairs.len() < 12 => self.connection(),
            1 if self.pairs.len() < 12 => {
                let nobody = Pair { real: 0, model: 0, kind: Kind::Event };
                let made = both!(_fd = nobody, eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC));
                self.add(Kind::Event, made);
            }
            2 if self.pairs.len() < 12 => {
                let nobody = Pair { real: 0, model: 0, kind: Kind::Set };
                let made = both!(_fd = nobody, epoll_create1(libc::EPOLL_CLOEXEC));
                self.add(Kind::Set, made);
            }
            3..=6 => self.pick(&streams).into_iter().for_each(|pair| self.send(pair)),
            7..=9 => self.pick(&streams).into_iter().for_each(|pair| self.recv(pair)),
            10 => {
                self.pick(&streams).into_iter().for_each(|pair| self.shut_down(pair));
            }
            11 => {
                let all =
                    [Kind::Tcp, Kind::Unix, Kind::Udp, Kind::Event, Kind::Set, Kind::Listener];
                self.pick(&all).into_iter().for_each(|pair| self.close(pair));
            }
            12 => {
                let Some(pair) = self.pick(&[Kind::Tcp]) else { return };
                match self.choice.below(3) {
                    0 => self.set(pair, libc::SO_LINGER, &[1, 0]),
                    _ => {
                        let size = self.choice.of(&[1, 10, 100]);
                        self.set(pair, libc::SO_RCVLOWAT, &[size]);
                    }
                }
            }
            13 => self.pick(&streams).into_iter().for_each(|pair| self.error_of(pair)),
            14 => {
                let Some(pair) = self.pick(&[Kind::Event]) else { return };
                let value = self.choice.between(1, 3);
                let from = (&raw const value).cast();
                let wrote = both!(fd = pair, write(fd, from, 8));
                self.agree(&format!("write to {pair:?}"), wrote);
            }
            15 => {
                let Some(pair) = self.pick(&[Kind::Event]) else { return };
                let mut value = 0u64;
                let to = (&raw mut value).cast();
                let read = both!(fd = pair, read(fd, to, 8));
                self.agree(&format!("read of {pair:?}"), read);
            }
            16 => self.fill_and_empty(),
            17..=20 => self.control(),
            21..=30 => self.step_with_datagrams(),
            31..=33 => self.bind_again(),
            _ => self.pick(&[Kind::Set]).into_iter().for_each(|pair| self.reports(pair)),
        }
    }
}

/// One script.
pub(crate) fn run(choice: &mut Choice) {
    world::with(|world, _| {
        world.faults.end();
        world.kernel.be_plain();
    });
    let mut script = Script {
        choice: Choice::new(choice.number()),
        pairs: Vec::new(),
        told: Vec::new(),
        names: 0,
        ports: Vec::new(),
        shut: Vec::new(),
        edged: Vec::new(),
        nests: choice.once_in(2),
        posts: datagrams::Names::default(),
    };
    script.connection();
    script.settle();
    for _ in 0..script.choice.between(20, 150) {
        script.step();
        script.settle();
    }
    for pair in script.pairs.clone() {
        script.close(pair);
    }
    sim::sleep(Duration::from_secs(1));
}
