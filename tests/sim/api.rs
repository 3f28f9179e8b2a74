//! The C functions as scenarios call them.

use crate::certificates::introduce;
use std::ffi::{CString, c_int, c_void};

use zmq::capi::{context, poll, socket, types, util};
use zmq::sys::sim::{Choice, world};

pub(crate) use zmq::capi::constants::*;

/// The context has ended (zmq.h).
pub(crate) const ETERM: i32 = 156_384_765;

/// `errno` of this thread.
pub(crate) fn errno() -> i32 {
    // SAFETY: the running thread's own.
    unsafe { *libc::__errno_location() }
}

/// Ends the world with what is wrong, if it is.
pub(crate) fn check(right: bool, text: impl FnOnce() -> String) {
    if !right {
        world::wrong(&text());
    }
}

/// How many calls into the kernel have failed by chance, and how many connections that may have cost.
pub(crate) fn failed() -> (u64, u64) {
    world::with(|world, _| (world.faults.failed, world.faults.lost)).unwrap_or_default()
}

/// From now on calls may fail so that connections are lost, in worlds that have that.
pub(crate) fn may_lose() {
    world::with(|world, _| world.faults.may_lose());
}

/// From now on memory may be short now and then, in worlds where connections may be lost.
pub(crate) fn memory_may_be_short() {
    world::with(|world, _| world.faults.memory_may_be_short());
}

/// From now on no call fails any more.
pub(crate) fn no_more_failures() {
    world::with(|world, _| world.faults.end());
}

/// Whether a call gives this error because the kernel was short of something, or a signal came.
pub(crate) fn passes(error: i32) -> bool {
    use libc::{EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC};
    failed().0 != 0 && [EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC].contains(&error)
}

/// Tries again what fails for such a reason.
pub(crate) fn again<T>(call: impl FnMut() -> Result<T, i32>) -> Result<T, i32> {
    again_if(call, passes)
}

/// Tries again what must succeed in the end.
pub(crate) fn insist<T>(call: impl FnMut() -> Result<T, i32>) -> Result<T, i32> {
    again_if(call, |_| true)
}

fn again_if<T>(
    mut call: impl FnMut() -> Result<T, i32>,
    tried: impl Fn(i32) -> bool,
) -> Result<T, i32> {
    let mut tries = 0;
    loop {
        tries += 1;
        let error = match call() {
            Err(error) if tries < 1000 && failed().0 != 0 && tried(error) => error,
            result => return result,
        };
        world::note("tries again", i64::from(error), 0);
        world::sleep(std::time::Duration::from_millis(1));
    }
}

/// The result of a function that gives less than 0 on failure.
pub(crate) fn told(result: c_int) -> Result<c_int, i32> {
    if result < 0 { Err(errno()) } else { Ok(result) }
}

/// A context that threads share.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Context(*mut c_void);

// SAFETY: contexts may be used from any thread.
unsafe impl Send for Context {}

impl Context {
    pub(crate) fn new() -> Context {
        let new = || {
            // SAFETY: no arguments.
            let context = unsafe { context::zmq_ctx_new() };
            if context.is_null() { Err(errno()) } else { Ok(Context(context)) }
        };
        insist(new).unwrap_or_else(|error| world::wrong(&format!("zmq_ctx_new: {error}")))
    }

    /// Ends it, which waits for all sockets.
    pub(crate) fn term(self) {
        // SAFETY: a live context.
        let rc = insist(|| told(unsafe { context::zmq_ctx_term(self.0) }));
        check(rc == Ok(0), || format!("zmq_ctx_term: {rc:?}"));
    }

    pub(crate) fn shutdown(self) {
        // SAFETY: a live context.
        unsafe { context::zmq_ctx_shutdown(self.0) };
    }

    pub(crate) fn socket(self, kind: c_int) -> Socket {
        let socket = insist(|| self.try_socket(kind).ok_or_else(errno));
        socket.unwrap_or_else(|error| world::wrong(&format!("zmq_socket: {error}")))
    }

    /// A socket, unless the context ends.
    pub(crate) fn socket_before_end(self, kind: c_int) -> Option<Socket> {
        let made = again_if(|| self.try_socket(kind).ok_or_else(errno), |error| error != ETERM);
        check(made.is_ok() || made == Err(ETERM), || format!("zmq_socket: {made:?}"));
        made.ok()
    }

    pub(crate) fn try_socket(self, kind: c_int) -> Option<Socket> {
        // SAFETY: a live context.
        let socket = unsafe { context::zmq_socket(self.0, kind) };
        (!socket.is_null()).then_some(Socket(socket))
    }
}

/// A socket that threads share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Socket(pub(crate) *mut c_void);

// SAFETY: the library's sockets may be used from any thread.
unsafe impl Send for Socket {}
// SAFETY: the same.
unsafe impl Sync for Socket {}

impl Socket {
    pub(crate) fn close(self) {
        // SAFETY: a socket.
        let rc = unsafe { socket::zmq_close(self.0) };
        check(rc == 0, || format!("zmq_close: {}", errno()));
    }

    pub(crate) fn try_set(self, option: c_int, value: c_int) -> bool {
        // SAFETY: a socket and a number.
        unsafe { socket::zmq_setsockopt(self.0, option, (&raw const value).cast(), 4) == 0 }
    }

    pub(crate) fn set(self, option: c_int, value: c_int) {
        let set = insist(|| if self.try_set(option, value) { Ok(()) } else { Err(errno()) });
        check(set.is_ok(), || format!("zmq_setsockopt {option}: {set:?}"));
    }

    pub(crate) fn set_bytes(self, option: c_int, value: &[u8]) {
        let (data, length) = (value.as_ptr().cast(), value.len());
        // SAFETY: as long as told.
        let set = || told(unsafe { socket::zmq_setsockopt(self.0, option, data, length) });
        let set = insist(set);
        check(set.is_ok(), || format!("zmq_setsockopt {option}: {set:?}"));
    }

    /// An option that is bytes: how many there are.
    pub(crate) fn get_bytes(self, option: c_int, room: &mut [u8]) -> usize {
        let mut size = room.len();
        let (place, size_place) = (room.as_mut_ptr().cast(), &raw mut size);
        // SAFETY: as much room as told.
        let got = || told(unsafe { socket::zmq_getsockopt(self.0, option, place, size_place) });
        let got = insist(got);
        check(got.is_ok(), || format!("zmq_getsockopt {option}: {got:?}"));
        size
    }

    pub(crate) fn subscribe(self, topic: &[u8]) {
        let (data, length) = (topic.as_ptr().cast(), topic.len());
        // SAFETY: as long as told.
        let set = || told(unsafe { socket::zmq_setsockopt(self.0, ZMQ_SUBSCRIBE, data, length) });
        let set = insist(set);
        check(set.is_ok(), || format!("ZMQ_SUBSCRIBE: {set:?}"));
    }

    /// Its routing id.
    pub(crate) fn name(self, name: &[u8]) {
        let (data, length) = (name.as_ptr().cast(), name.len());
        // SAFETY: as long as told.
        let set = || told(unsafe { socket::zmq_setsockopt(self.0, ZMQ_ROUTING_ID, data, length) });
        let set = insist(set);
        check(set.is_ok(), || format!("ZMQ_ROUTING_ID: {set:?}"));
    }

    /// Binds or connects.
    pub(crate) fn attach(self, endpoint: &str, binds: bool) -> Result<(), i32> {
        let done = if binds { self.try_bind(endpoint) } else { self.try_connect(endpoint) };
        if done { Ok(()) } else { Err(errno()) }
    }

    /// Ends what a bind or a connect began.
    pub(crate) fn detach(self, endpoint: &str, bound: bool) -> Result<(), i32> {
        let text = CString::new(endpoint).unwrap();
        // SAFETY: a socket and a text.
        result(unsafe {
            if bound {
                socket::zmq_unbind(self.0, text.as_ptr())
            } else {
                socket::zmq_disconnect(self.0, text.as_ptr())
            }
        })
    }

    pub(crate) fn try_bind(self, endpoint: &str) -> bool {
        introduce(self, endpoint, true);
        let text = CString::new(endpoint).unwrap();
        // SAFETY: a socket and a text.
        unsafe { socket::zmq_bind(self.0, text.as_ptr()) == 0 }
    }

    pub(crate) fn bind(self, endpoint: &str) {
        let done = insist(|| if self.try_bind(endpoint) { Ok(()) } else { Err(errno()) });
        check(done.is_ok(), || format!("zmq_bind {endpoint}: {done:?}"));
    }

    pub(crate) fn try_connect(self, endpoint: &str) -> bool {
        introduce(self, endpoint, false);
        let text = CString::new(endpoint).unwrap();
        // SAFETY: a socket and a text.
        unsafe { socket::zmq_connect(self.0, text.as_ptr()) == 0 }
    }

    pub(crate) fn connect(self, endpoint: &str) {
        let done = insist(|| if self.try_connect(endpoint) { Ok(()) } else { Err(errno()) });
        check(done.is_ok(), || format!("zmq_connect {endpoint}: {done:?}"));
    }

    /// Sends a part; the error if it is not accepted.
    pub(crate) fn send(self, data: &[u8], flags: c_int) -> Result<(), i32> {
        let (bytes, length) = (data.as_ptr().cast(), data.len());
        // SAFETY: as long as told.
        again(|| told(unsafe { socket::zmq_send(self.0, bytes, length, flags) })).map(drop)
    }

    /// Receives a part.
    pub(crate) fn recv(self, flags: c_int) -> Result<Vec<u8>, i32> {
        let mut data = vec![0; 1 << 18];
        let (bytes, room) = (data.as_mut_ptr().cast(), data.len());
        // SAFETY: as long as told.
        let got = again(|| told(unsafe { socket::zmq_recv(self.0, bytes, room, flags) }));
        let length = got? as usize;
        check(length <= data.len(), || format!("a message of {length} bytes"));
        data.truncate(length);
        Ok(data)
    }

    /// An option that is a number.
    pub(crate) fn get(self, option: c_int) -> c_int {
        let mut value: c_int = 0;
        let mut size = size_of::<c_int>();
        let (place, size) = ((&raw mut value).cast(), &raw mut size);
        // SAFETY: room for a number.
        let got = || told(unsafe { socket::zmq_getsockopt(self.0, option, place, size) });
        let got = again(got);
        check(got.is_ok() || got == Err(ETERM), || format!("zmq_getsockopt {option}: {got:?}"));
        value
    }

    pub(crate) fn more(self) -> bool {
        self.get(ZMQ_RCVMORE) != 0
    }

    /// Has all its events told at a name, or no more.
    pub(crate) fn monitor(self, name: Option<&str>) {
        let text = name.map(|name| CString::new(name).unwrap());
        let name = text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
        // SAFETY: a socket, and a text or null.
        let rc = || told(unsafe { socket::zmq_socket_monitor(self.0, name, ZMQ_EVENT_ALL) });
        let rc = insist(rc);
        check(rc.is_ok(), || format!("zmq_socket_monitor: {rc:?}"));
    }

    /// All parts of a message.
    pub(crate) fn recv_all(self, flags: c_int) -> Result<Vec<Vec<u8>>, i32> {
        let mut parts = vec![self.recv(flags)?];
        while self.more() {
            // What has begun is here.
            match self.recv(ZMQ_DONTWAIT) {
                Ok(part) => parts.push(part),
                // Its context may end at any moment.
                Err(ETERM) => return Err(ETERM),
                Err(error) => world::wrong(&format!("the rest of a message: {error}")),
            }
        }
        Ok(parts)
    }

    /// Waits for an event for so many milliseconds.
    pub(crate) fn poll(self, events: i16, milliseconds: i64) -> Result<bool, i32> {
        let mut item = types::zmq_pollitem_t { socket: self.0, fd: 0, events, revents: 0 };
        // SAFETY: one item.
        again(|| told(unsafe { poll::zmq_poll(&raw mut item, 1, milliseconds) }))?;
        Ok(item.revents & events != 0)
    }
}

fn place_of(socket: Option<Socket>) -> *mut c_void {
    socket.map_or(std::ptr::null_mut(), |socket| socket.0)
}

fn result(rc: c_int) -> Result<(), i32> {
    if rc == 0 { Ok(()) } else { Err(errno()) }
}

/// zmq_proxy(3).
pub(crate) fn proxy(front: Socket, back: Socket, capture: Option<Socket>) -> Result<(), i32> {
    // SAFETY: sockets.
    result(unsafe { poll::zmq_proxy(front.0, back.0, place_of(capture)) })
}

/// zmq_proxy_steerable(3).
pub(crate) fn proxy_steerable(
    front: Socket,
    back: Socket,
    capture: Option<Socket>,
    control: Option<Socket>,
) -> Result<(), i32> {
    let (capture, control) = (place_of(capture), place_of(control));
    // SAFETY: sockets.
    result(unsafe { poll::zmq_proxy_steerable(front.0, back.0, capture, control) })
}

/// zmq_device(3).
pub(crate) fn device(front: Socket, back: Socket) -> Result<(), i32> {
    // SAFETY: sockets.
    result(unsafe { poll::zmq_device(ZMQ_QUEUE, front.0, back.0) })
}

/// A new public key and its secret one, as text.
pub(crate) fn key_pair() -> [String; 2] {
    let mut keys = [[0u8; 41]; 2];
    let [public, secret] = keys.each_mut().map(|key| key.as_mut_ptr().cast());
    // SAFETY: room for both.
    let made = insist(|| told(unsafe { util::zmq_curve_keypair(public, secret) }));
    check(made.is_ok(), || format!("zmq_curve_keypair: {made:?}"));
    keys.map(|key| String::from_utf8_lossy(&key[..40]).into_owned())
}

/// zmq_poll(3): how many are ready.
pub(crate) fn poll_all(items: &mut [types::zmq_pollitem_t], time: i64) -> Result<usize, i32> {
    let (place, count) = (items.as_mut_ptr(), items.len() as c_int);
    // SAFETY: as many as told.
    let ready = again(|| told(unsafe { poll::zmq_poll(place, count, time) }));
    ready.map(|ready| ready as usize)
}

/// Waits until it is true; if nothing moves for a minute it never will be.
pub(crate) fn wait_until(what: &str, progress: impl Fn() -> u64, done: impl Fn() -> bool) {
    let (mut seen, mut still) = (progress(), 0);
    while !done() {
        world::sleep(std::time::Duration::from_millis(20));
        let now = progress();
        still = if now == seen { still + 1 } else { 0 };
        seen = now;
        check(still < 3000, || format!("{what}: nothing moves any more"));
    }
}

/// Nothing is asked of the kernel for two seconds, once it has become quiet.
pub(crate) fn check_idle() {
    no_more_failures();
    let calls = || world::with(|world, _| world.calls).unwrap();
    world::sleep(std::time::Duration::from_secs(3));
    let before = calls();
    world::sleep(std::time::Duration::from_secs(2));
    // The sleep is one itself.
    let made = calls() - before - 1;
    check(made == 0, || format!("{made} calls in two idle seconds"));
}

/// A pause that may be none.
pub(crate) fn pause(choice: &mut Choice, longest: u64) {
    if choice.once_in(3) {
        world::sleep(std::time::Duration::from_nanos(choice.any_size(longest)));
    }
}

/// An endpoint of one of the transports.
pub(crate) fn endpoint(choice: &mut Choice, number: u64) -> String {
    match choice.below(4) {
        0 | 1 => format!("inproc://{number}"),
        2 => format!("tcp://127.0.0.1:{}", 5000 + number),
        _ => format!("ipc:///made-up/{number}"),
    }
}
