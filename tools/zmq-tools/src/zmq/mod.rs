//! libzmq, for Rust: contexts, sockets and messages over the functions of whichever library is there.

mod kind;
mod library;

pub use kind::{Kind, Way};
pub use library::PollItem;
use library::{Functions, RawMsg};
use std::ffi::{CStr, CString, c_int, c_void};
use std::rc::Rc;
use std::time::Duration;

/// Options of sockets, by their numbers in `zmq.h`.
#[allow(missing_docs, reason = "zmq_setsockopt(3) describes them")]
pub mod option {
    pub const ROUTING_ID: i32 = 5;
    pub const SUBSCRIBE: i32 = 6;
    pub const LINGER: i32 = 17;
    pub const MAXMSGSIZE: i32 = 22;
    pub const SNDHWM: i32 = 23;
    pub const RCVHWM: i32 = 24;
    pub const RCVTIMEO: i32 = 27;
    pub const SNDTIMEO: i32 = 28;
    pub const LAST_ENDPOINT: i32 = 32;
    pub const IMMEDIATE: i32 = 39;
    pub const ROUTER_MANDATORY: i32 = 33;
    pub const IPV6: i32 = 42;
    pub const CURVE_SERVER: i32 = 47;
    pub const CURVE_PUBLICKEY: i32 = 48;
    pub const CURVE_SECRETKEY: i32 = 49;
    pub const CURVE_SERVERKEY: i32 = 50;
}

const POLLIN: i16 = 1;
const POLLOUT: i16 = 2;
const DONTWAIT: c_int = 1;
const SNDMORE: c_int = 2;

/// What a call answered: its number, and the library's words for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    /// As in `errno.h` and `zmq.h`.
    pub number: i32,
    /// What the library calls it.
    pub text: String,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error {
    /// Whether time ran out.
    pub fn is_timeout(&self) -> bool {
        self.number == libc::EAGAIN
    }
}

/// A message: parts, and what the draft types say beside them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// One at least, unless it is none.
    pub parts: Vec<Vec<u8>>,
    /// Of RADIO and DISH.
    pub group: Option<String>,
    /// Of SERVER and PEER: from whom, and to whom.
    pub routing_id: Option<u32>,
}

impl Message {
    /// One part and nothing else.
    pub fn of(part: impl Into<Vec<u8>>) -> Message {
        Message { parts: vec![part.into()], ..Message::default() }
    }
}

/// A loaded library.
#[derive(Clone)]
pub struct Zmq(Rc<Functions>);

impl Zmq {
    /// Loads `libzmq.so.5`. The text of an error is for the user.
    pub fn load() -> Result<Zmq, String> {
        Ok(Zmq(Rc::new(Functions::load()?)))
    }

    /// Its version, in three numbers.
    pub fn version(&self) -> String {
        let (mut major, mut minor, mut patch) = (0, 0, 0);
        // SAFETY: three places for numbers.
        unsafe { (self.0.version)(&raw mut major, &raw mut minor, &raw mut patch) };
        format!("{major}.{minor}.{patch}")
    }

    fn error(&self) -> Error {
        // SAFETY: the library's texts live as long as it.
        let (number, text) = unsafe {
            let number = (self.0.errno)();
            (number, CStr::from_ptr((self.0.strerror)(number)))
        };
        Error { number, text: text.to_string_lossy().into_owned() }
    }

    fn check(&self, result: c_int) -> Result<(), Error> {
        if result >= 0 { Ok(()) } else { Err(self.error()) }
    }

    /// A new CURVE key pair in Z85: public, secret.
    pub fn key_pair(&self) -> Result<(String, String), Error> {
        let (mut public, mut secret) = ([0_u8; 41], [0_u8; 41]);
        // SAFETY: 41 bytes each, as zmq_curve_keypair(3) asks for.
        let made = unsafe {
            (self.0.curve_keypair)(public.as_mut_ptr().cast(), secret.as_mut_ptr().cast())
        };
        self.check(made)?;
        Ok((text(&public), text(&secret)))
    }

    /// The public key of a secret one. `secret` must have 40 characters: some libraries do not look.
    pub fn public_key(&self, secret: &str) -> Result<String, Error> {
        let mut public = [0_u8; 41];
        let invalid = || Error { number: libc::EINVAL, text: "not a key".to_owned() };
        let secret =
            CString::new(secret).ok().filter(|s| s.as_bytes().len() == 40).ok_or_else(invalid)?;
        // SAFETY: 41 bytes each, the second ended by a zero.
        let found = unsafe { (self.0.curve_public)(public.as_mut_ptr().cast(), secret.as_ptr()) };
        self.check(found)?;
        Ok(text(&public))
    }

    /// Opens a socket in a context of its own.
    pub fn open(&self, kind: Kind) -> Result<Socket, Error> {
        // SAFETY: the context is given back when the socket is dropped, or here.
        unsafe {
            let context = (self.0.ctx_new)();
            if context.is_null() {
                return Err(self.error());
            }
            let handle = (self.0.socket)(context, kind.number());
            if handle.is_null() {
                let error = self.error();
                (self.0.ctx_term)(context);
                return Err(error);
            }
            Ok(Socket { zmq: self.clone(), context, handle, kind })
        }
    }
}

/// What stands before the first zero.
fn text(bytes: &[u8]) -> String {
    bytes.iter().take_while(|b| **b != 0).map(|b| char::from(*b)).collect()
}

/// A socket with its context, both of which end with it: after ZMQ_LINGER.
pub struct Socket {
    zmq: Zmq,
    context: *mut c_void,
    handle: *mut c_void,
    kind: Kind,
}

/// What there is after waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// Something can be done with the socket.
    pub socket: bool,
    /// The descriptor can be read.
    pub descriptor: bool,
}

impl Socket {
    fn functions(&self) -> &Functions {
        &self.zmq.0
    }

    /// Sets an option that is bytes.
    pub fn set_bytes(&self, option: i32, value: &[u8]) -> Result<(), Error> {
        // SAFETY: the length is that of the value.
        let set = unsafe {
            (self.functions().setsockopt)(self.handle, option, value.as_ptr().cast(), value.len())
        };
        self.zmq.check(set)
    }

    /// Sets an option that is an int.
    pub fn set(&self, option: i32, value: i32) -> Result<(), Error> {
        self.set_bytes(option, &value.to_ne_bytes())
    }

    /// Sets an option that is an int64_t.
    pub fn set_long(&self, option: i32, value: i64) -> Result<(), Error> {
        self.set_bytes(option, &value.to_ne_bytes())
    }

    /// As zmq_bind(3); where it is now, with the port that was given.
    pub fn bind(&self, endpoint: &CStr) -> Result<String, Error> {
        // SAFETY: a text with a zero at its end.
        self.zmq.check(unsafe { (self.functions().bind)(self.handle, endpoint.as_ptr()) })?;
        let mut name = [0_u8; 256];
        let mut size = name.len();
        // SAFETY: the length is that of the buffer.
        let got = unsafe {
            (self.functions().getsockopt)(
                self.handle,
                option::LAST_ENDPOINT,
                name.as_mut_ptr().cast(),
                &raw mut size,
            )
        };
        self.zmq.check(got)?;
        Ok(text(&name))
    }

    /// As zmq_connect(3).
    pub fn connect(&self, endpoint: &CStr) -> Result<(), Error> {
        // SAFETY: a text with a zero at its end.
        self.zmq.check(unsafe { (self.functions().connect)(self.handle, endpoint.as_ptr()) })
    }

    /// As zmq_connect_peer(3): the number of the peer.
    pub fn connect_peer(&self, endpoint: &CStr) -> Result<u32, Error> {
        let Some(connect) = self.functions().connect_peer else { return Err(no_drafts()) };
        // SAFETY: a text with a zero at its end.
        let id = unsafe { connect(self.handle, endpoint.as_ptr()) };
        if id == 0 { Err(self.zmq.error()) } else { Ok(id) }
    }

    /// As zmq_join(3).
    pub fn join(&self, group: &CStr) -> Result<(), Error> {
        let Some(join) = self.functions().join else { return Err(no_drafts()) };
        // SAFETY: a text with a zero at its end.
        self.zmq.check(unsafe { join(self.handle, group.as_ptr()) })
    }

    /// Sends a message, within ZMQ_SNDTIMEO.
    pub fn send(&self, message: &Message) -> Result<(), Error> {
        self.send_parts(message, 0)
    }

    /// Sends a message if that can be done at once: otherwise it is a timeout.
    pub fn try_send(&self, message: &Message) -> Result<(), Error> {
        self.send_parts(message, DONTWAIT)
    }

    fn send_parts(&self, message: &Message, flags: c_int) -> Result<(), Error> {
        let last = message.parts.len().saturating_sub(1);
        for (at, part) in message.parts.iter().enumerate() {
            let mut msg = self.outgoing(part)?;
            self.address(&mut msg, message)?;
            let flags = if at == last { flags } else { flags | SNDMORE };
            loop {
                // SAFETY: an initialized message; sent, it is empty, and otherwise `Part` closes it.
                let sent =
                    unsafe { (self.functions().msg_send)(&raw mut msg.raw, self.handle, flags) };
                match self.zmq.check(sent) {
                    Err(e) if e.number == libc::EINTR => {}
                    other => break other?,
                }
            }
        }
        Ok(())
    }

    fn outgoing(&self, bytes: &[u8]) -> Result<Part<'_>, Error> {
        let mut raw = RawMsg([0; 64]);
        // SAFETY: after success the message has as many bytes as are copied.
        unsafe {
            let functions = self.functions();
            self.zmq.check((functions.msg_init_size)(&raw mut raw, bytes.len()))?;
            let data = (functions.msg_data)(&raw mut raw).cast::<u8>();
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), data, bytes.len());
        }
        Ok(Part { raw, functions: self.functions() })
    }

    /// Writes the group or the peer of a draft type on it.
    fn address(&self, msg: &mut Part<'_>, message: &Message) -> Result<(), Error> {
        if let Some(group) = &message.group {
            let invalid = || Error { number: libc::EINVAL, text: "not a group".to_owned() };
            let group = CString::new(group.as_str()).map_err(|_| invalid())?;
            let set = self.functions().msg_set_group.ok_or_else(no_drafts)?;
            // SAFETY: an initialized message and a text with a zero at its end.
            self.zmq.check(unsafe { set(&raw mut msg.raw, group.as_ptr()) })?;
        }
        if let Some(id) = message.routing_id {
            let set = self.functions().msg_set_routing_id.ok_or_else(no_drafts)?;
            // SAFETY: an initialized message.
            self.zmq.check(unsafe { set(&raw mut msg.raw, id) })?;
        }
        Ok(())
    }

    /// Receives a message, within ZMQ_RCVTIMEO.
    pub fn receive(&self) -> Result<Message, Error> {
        self.receive_parts(0)
    }

    /// Receives a message that is there: otherwise it is a timeout.
    pub fn try_receive(&self) -> Result<Message, Error> {
        self.receive_parts(DONTWAIT)
    }

    fn receive_parts(&self, flags: c_int) -> Result<Message, Error> {
        let mut message = Message::default();
        let functions = self.functions();
        loop {
            let mut raw = RawMsg([0; 64]);
            // SAFETY: initialized here, closed by `Part`.
            self.zmq.check(unsafe { (functions.msg_init)(&raw mut raw) })?;
            let mut part = Part { raw, functions };
            // SAFETY: an initialized message, as below.
            let got = unsafe { (functions.msg_recv)(&raw mut part.raw, self.handle, flags) };
            match self.zmq.check(got) {
                Err(e) if e.number == libc::EINTR => continue,
                other => other?,
            }
            message.parts.push(part.bytes());
            if self.kind == Kind::Dish {
                message.group = part.group();
            }
            if self.kind.has_routing_ids() {
                // SAFETY: as above.
                message.routing_id =
                    functions.msg_routing_id.map(|f| unsafe { f(&raw mut part.raw) });
            }
            // SAFETY: as above.
            if unsafe { (functions.msg_more)(&raw const part.raw) } == 0 {
                return Ok(message);
            }
        }
    }

    /// Waits until there is a message, or room for one if there is one `to_send`, or `descriptor` can be read, or time is up.
    pub fn wait(
        &self,
        to_send: bool,
        descriptor: Option<i32>,
        time: Option<Duration>,
    ) -> Result<Ready, Error> {
        let events = if to_send { POLLIN | POLLOUT } else { POLLIN };
        let socket = PollItem { socket: self.handle, fd: 0, events, revents: 0 };
        let file = PollItem { socket: std::ptr::null_mut(), fd: -1, events: POLLIN, revents: 0 };
        let mut items = [socket, PollItem { fd: descriptor.unwrap_or(-1), ..file }];
        let count = if descriptor.is_some() { 2 } else { 1 };
        // Rounded up, so that nobody waits for nothing again and again.
        let wait =
            time.map_or(-1, |t| t.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as i64);
        // SAFETY: as many items as are counted.
        let polled = unsafe { (self.functions().poll)(items.as_mut_ptr(), count, wait) };
        match self.zmq.check(polled) {
            Err(e) if e.number != libc::EINTR => return Err(e),
            _ => {}
        }
        let [socket, file] = items;
        // A closed pipe is an error or a hang-up, which reading tells.
        Ok(Ready { socket: socket.revents != 0, descriptor: file.revents != 0 })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: both are given back once. zmq_ctx_term(3) waits for what lingers, and goes on after a signal.
        unsafe {
            (self.functions().close)(self.handle);
            while (self.functions().ctx_term)(self.context) != 0
                && (self.functions().errno)() == libc::EINTR
            {}
        }
    }
}

fn no_drafts() -> Error {
    Error { number: libc::ENOTSUP, text: "this libzmq has no draft functions".to_owned() }
}

/// An initialized message.
struct Part<'a> {
    raw: RawMsg,
    functions: &'a Functions,
}

impl Part<'_> {
    fn bytes(&mut self) -> Vec<u8> {
        // SAFETY: the library's body of an initialized message, which has that many bytes.
        unsafe {
            let size = (self.functions.msg_size)(&raw const self.raw);
            let data = (self.functions.msg_data)(&raw mut self.raw).cast::<u8>();
            if size == 0 { Vec::new() } else { std::slice::from_raw_parts(data, size).to_vec() }
        }
    }

    fn group(&mut self) -> Option<String> {
        let group = self.functions.msg_group?;
        // SAFETY: the text belongs to the message.
        let name = unsafe { CStr::from_ptr(group(&raw mut self.raw)) };
        Some(name.to_string_lossy().into_owned())
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        // SAFETY: initialized once, closed once.
        unsafe { (self.functions.msg_close)(&raw mut self.raw) };
    }
}
