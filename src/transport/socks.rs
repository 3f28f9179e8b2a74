//! The client's side of SOCKS 5 (RFC 1928, RFC 1929): asking a proxy to connect to a peer.
//!
//! A [`Dialogue`] that tells how many bytes it wants, because what comes behind its last one is
//! the peer's already.

use std::net::IpAddr;

use super::dialogue::Dialogue;
use crate::error::{Error, Result};
use crate::options::SocketOptions;

const VERSION: u8 = 5;
/// The version of the authentication with name and password (RFC 1929).
const LOGIN_VERSION: u8 = 1;
const METHOD_NONE: u8 = 0;
const METHOD_LOGIN: u8 = 2;
const METHOD_REFUSED: u8 = 0xff;
const COMMAND_CONNECT: u8 = 1;
const FORM_IPV4: u8 = 1;
const FORM_NAME: u8 = 3;
const FORM_IPV6: u8 = 4;
const SUCCEEDED: u8 = 0;

/// What a proxy is asked to connect to. Names are the proxy's to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    pub(super) host: Host,
    pub(super) port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Address(IpAddr),
    /// 1 to 255 bytes.
    Name(String),
}

impl Destination {
    /// `Invalid` if SOCKS cannot ask for it.
    pub(super) fn new(host: Host, port: u16) -> Result<Destination> {
        match &host {
            Host::Name(name) if name.is_empty() || name.len() > 255 => Err(Error::Invalid),
            _ => Ok(Destination { host, port }),
        }
    }

    /// The request to connect (RFC 1928, "Requests").
    fn request(&self) -> Vec<u8> {
        let mut request = vec![VERSION, COMMAND_CONNECT, 0];
        match &self.host {
            Host::Address(IpAddr::V4(address)) => {
                request.push(FORM_IPV4);
                request.extend_from_slice(&address.octets());
            }
            Host::Address(IpAddr::V6(address)) => {
                request.push(FORM_IPV6);
                request.extend_from_slice(&address.octets());
            }
            Host::Name(name) => {
                request.push(FORM_NAME);
                append_counted(&mut request, name.as_bytes());
            }
        }
        request.extend_from_slice(&self.port.to_be_bytes());
        request
    }
}

/// A string behind a byte with its length. All such strings here have been checked to fit.
fn append_counted(message: &mut Vec<u8>, text: &[u8]) {
    let text = text.get(..255).unwrap_or(text);
    message.push(text.len() as u8);
    message.extend_from_slice(text);
}

/// Why the proxy will not connect us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// What it says is not SOCKS 5.
    Protocol,
    /// It wants to be convinced of who we are in a way that we have not offered.
    Method,
    /// It does not know the name and password.
    Login,
    /// It could not connect; the number is its reason (RFC 1928, "Replies").
    Reply(u8),
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        match refusal {
            Refusal::Protocol => Error::Protocol,
            Refusal::Method | Refusal::Login | Refusal::Reply(_) => Error::ConnectionRefused,
        }
    }
}

/// What comes next from the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Version and chosen method.
    Method,
    /// Version and verdict on name and password.
    Login,
    /// Version and outcome of the request.
    Reply,
    /// A reserved byte and the form of the address that the proxy connects from.
    Form,
    /// How long that is if it is a name.
    NameLength,
    /// That address and its port. They mean nothing to us.
    Bound(usize),
    Done,
}

impl State {
    /// How many bytes that is.
    fn length(self) -> usize {
        match self {
            State::Method | State::Login | State::Reply | State::Form => 2,
            State::NameLength => 1,
            State::Bound(length) => length,
            State::Done => 0,
        }
    }
}

/// What is said to one proxy.
#[derive(Debug)]
pub(super) struct Socks {
    state: State,
    output: Vec<u8>,
    /// The part that is here of what the state waits for.
    received: Vec<u8>,
    /// Name and password as they will be sent, if there are any.
    login: Option<Vec<u8>>,
    request: Vec<u8>,
}

impl Socks {
    /// Begins. With ZMQ_SOCKS_USERNAME that is the only way to log in that we offer, as
    /// zmq_setsockopt(3) says; a proxy that needs no login is welcome all the same.
    pub(super) fn new(destination: &Destination, options: &SocketOptions) -> Socks {
        let login = (!options.socks_username.is_empty()).then(|| {
            let mut login = vec![LOGIN_VERSION];
            append_counted(&mut login, &options.socks_username);
            append_counted(&mut login, &options.socks_password);
            login
        });
        let method = if login.is_some() { METHOD_LOGIN } else { METHOD_NONE };
        Socks {
            state: State::Method,
            output: vec![VERSION, 1, method],
            received: Vec::new(),
            login,
            request: destination.request(),
        }
    }

    /// Bytes for the proxy. The caller drains what it has sent.
    pub(super) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// How many bytes have to come for the next step; 0 once the proxy has connected.
    pub(super) fn wanted(&self) -> usize {
        self.state.length().saturating_sub(self.received.len())
    }

    /// Takes bytes of the proxy and tells how many: all of them unless some are the peer's. An
    /// error ends the dialogue.
    pub(super) fn input(&mut self, bytes: &[u8]) -> std::result::Result<usize, Refusal> {
        let mut rest = bytes;
        while self.wanted() > 0 && !rest.is_empty() {
            let (piece, behind) = rest.split_at(self.wanted().min(rest.len()));
            self.received.extend_from_slice(piece);
            rest = behind;
            if self.wanted() == 0 {
                self.state = self.step()?;
                self.received.clear();
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// What follows now that all that was waited for is here.
    fn step(&mut self) -> std::result::Result<State, Refusal> {
        match (self.state, self.received.as_slice()) {
            (State::Method, [VERSION, METHOD_NONE])
            | (State::Login, [LOGIN_VERSION, SUCCEEDED]) => {
                self.output.append(&mut self.request);
                Ok(State::Reply)
            }
            (State::Method, [VERSION, METHOD_LOGIN]) => {
                let login = self.login.as_mut().ok_or(Refusal::Method)?;
                self.output.append(login);
                Ok(State::Login)
            }
            (State::Method, [VERSION, METHOD_REFUSED]) => Err(Refusal::Method),
            (State::Login, [LOGIN_VERSION, _]) => Err(Refusal::Login),
            (State::Reply, [VERSION, SUCCEEDED]) => Ok(State::Form),
            (State::Reply, [VERSION, reason]) => Err(Refusal::Reply(*reason)),
            (State::Form, [0, FORM_IPV4]) => Ok(State::Bound(4 + 2)),
            (State::Form, [0, FORM_IPV6]) => Ok(State::Bound(16 + 2)),
            (State::Form, [0, FORM_NAME]) => Ok(State::NameLength),
            (State::NameLength, [length]) => Ok(State::Bound(usize::from(*length) + 2)),
            (State::Bound(_), _) => Ok(State::Done),
            _ => Err(Refusal::Protocol),
        }
    }
}

impl Dialogue for Socks {
    fn output(&mut self) -> &mut Vec<u8> {
        Socks::output(self)
    }

    fn wanted(&self) -> usize {
        Socks::wanted(self)
    }

    fn input(&mut self, bytes: &[u8]) -> Result<usize> {
        Ok(Socks::input(self, bytes)?)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
mod tests {
    use super::*;

    fn name() -> Destination {
        Destination::new(Host::Name("db.example".to_owned()), 5555).unwrap()
    }

    fn anonymous() -> SocketOptions {
        SocketOptions::default()
    }

    fn user(name: &[u8], password: &[u8]) -> SocketOptions {
        SocketOptions {
            socks_username: name.to_vec(),
            socks_password: password.to_vec().into(),
            ..SocketOptions::default()
        }
    }

    fn said(dialogue: &mut Socks) -> Vec<u8> {
        std::mem::take(dialogue.output())
    }

    /// A dialogue that has sent its request.
    fn asked(destination: &Destination) -> Socks {
        let mut dialogue = Socks::new(destination, &anonymous());
        assert_eq!(said(&mut dialogue), [5, 1, 0]);
        assert_eq!(dialogue.input(&[5, 0]), Ok(2));
        dialogue
    }

    #[test]
    fn asks_for_a_name_that_the_proxy_looks_up() {
        let mut dialogue = asked(&name());
        assert_eq!(said(&mut dialogue), b"\x05\x01\x00\x03\x0adb.example\x15\xb3");
        assert_eq!(dialogue.input(&[5, 0, 0, 1, 127, 0, 0, 1, 4, 56]), Ok(10));
        assert_eq!(dialogue.wanted(), 0);
        assert!(said(&mut dialogue).is_empty());
    }

    #[test]
    fn asks_for_addresses_by_number() {
        let ask = |text: &str| {
            let host = Host::Address(text.parse().unwrap());
            said(&mut asked(&Destination::new(host, 80).unwrap()))
        };
        assert_eq!(ask("10.1.2.3"), [5, 1, 0, 1, 10, 1, 2, 3, 0, 80]);
        let mut v6 = vec![5, 1, 0, 4];
        v6.extend_from_slice(&[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 80]);
        assert_eq!(ask("2001:db8::7"), v6);
    }

    #[test]
    fn names_have_1_to_255_bytes() {
        for (length, fits) in [(0, false), (1, true), (255, true), (256, false)] {
            let made = Destination::new(Host::Name("a".repeat(length)), 1);
            assert_eq!(made.is_ok(), fits, "{length}");
        }
    }

    #[test]
    fn logs_in_with_name_and_password() {
        let mut dialogue = Socks::new(&name(), &user(b"me", b"secret"));
        assert_eq!(said(&mut dialogue), [5, 1, 2]);
        assert_eq!(dialogue.input(&[5, 2]), Ok(2));
        assert_eq!(said(&mut dialogue), b"\x01\x02me\x06secret");
        assert_eq!(dialogue.input(&[1, 0]), Ok(2));
        assert_eq!(said(&mut dialogue)[..5], [5, 1, 0, 3, 10]);
    }

    #[test]
    fn longest_login_and_empty_password() {
        let long = [b'x'; 255];
        let mut dialogue = Socks::new(&name(), &user(&long, &long));
        said(&mut dialogue);
        assert_eq!(dialogue.input(&[5, 2]), Ok(2));
        assert_eq!(said(&mut dialogue).len(), 1 + 256 + 256);
        let mut dialogue = Socks::new(&name(), &user(b"me", b""));
        said(&mut dialogue);
        assert_eq!(dialogue.input(&[5, 2]), Ok(2));
        assert_eq!(said(&mut dialogue), [1, 2, b'm', b'e', 0]);
    }

    #[test]
    fn a_proxy_may_waive_the_login() {
        let mut dialogue = Socks::new(&name(), &user(b"me", b"secret"));
        said(&mut dialogue);
        assert_eq!(dialogue.input(&[5, 0]), Ok(2));
        assert_eq!(said(&mut dialogue)[..3], [5, 1, 0]);
    }

    /// The replies of RFC 1928 that grant a request, one for each form of address.
    fn granted() -> [Vec<u8>; 4] {
        let mut v6 = vec![5, 0, 0, 4];
        v6.extend_from_slice(&[9; 18]);
        [
            vec![5, 0, 0, 1, 1, 2, 3, 4, 5, 6],
            v6,
            b"\x05\x00\x00\x03\x09localhost\x00\x50".to_vec(),
            vec![5, 0, 0, 3, 0, 0, 80],
        ]
    }

    #[test]
    fn what_follows_the_reply_is_the_peers() {
        for reply in granted() {
            let mut dialogue = asked(&name());
            let mut bytes = reply.clone();
            bytes.extend_from_slice(b"\xffZMTP");
            assert_eq!(dialogue.input(&bytes), Ok(reply.len()), "{reply:?}");
            assert_eq!(dialogue.wanted(), 0);
            assert_eq!(dialogue.input(b"more"), Ok(0));
        }
    }

    #[test]
    fn byte_by_byte() {
        for reply in granted() {
            let mut dialogue = Socks::new(&name(), &user(b"me", b"secret"));
            let mut sent = said(&mut dialogue);
            for byte in [5, 2, 1, 0].iter().chain(&reply) {
                assert!(dialogue.wanted() > 0, "{reply:?}");
                assert_eq!(dialogue.input(&[*byte]), Ok(1));
                sent.append(dialogue.output());
            }
            assert_eq!(dialogue.wanted(), 0);
            assert_eq!(
                sent,
                b"\x05\x01\x02\x01\x02me\x06secret\x05\x01\x00\x03\x0adb.example\x15\xb3"
            );
        }
    }

    #[test]
    fn reading_what_is_wanted_never_reads_what_is_the_peers() {
        for reply in granted() {
            let mut dialogue = asked(&name());
            let mut rest = reply.as_slice();
            while dialogue.wanted() > 0 {
                let (piece, behind) = rest.split_at(dialogue.wanted());
                assert_eq!(dialogue.input(piece), Ok(piece.len()));
                rest = behind;
            }
            assert!(rest.is_empty(), "{reply:?}");
        }
    }

    #[test]
    fn every_method_but_those_offered_is_refused() {
        for method in 0..=255 {
            let mut plain = Socks::new(&name(), &anonymous());
            let mut with_login = Socks::new(&name(), &user(b"me", b"secret"));
            let refusal =
                if matches!(method, 2 | 0xff) { Refusal::Method } else { Refusal::Protocol };
            if method != 0 {
                assert_eq!(plain.input(&[5, method]), Err(refusal), "{method}");
            }
            if method > 2 {
                assert_eq!(with_login.input(&[5, method]), Err(refusal), "{method}");
            }
        }
    }

    #[test]
    fn every_verdict_but_0_refuses_the_login() {
        for verdict in 1..=255 {
            let mut dialogue = Socks::new(&name(), &user(b"me", b"secret"));
            assert_eq!(dialogue.input(&[5, 2]), Ok(2));
            said(&mut dialogue);
            assert_eq!(dialogue.input(&[1, verdict]), Err(Refusal::Login));
            assert!(said(&mut dialogue).is_empty(), "no request follows");
        }
    }

    #[test]
    fn every_error_reply_is_refused_before_its_address_is_here() {
        for reason in 1..=255 {
            assert_eq!(asked(&name()).input(&[5, reason]), Err(Refusal::Reply(reason)));
        }
    }

    #[test]
    fn wrong_versions_reserved_bytes_and_forms_are_refused() {
        for version in (0..=255).filter(|v| *v != 5) {
            let mut dialogue = Socks::new(&name(), &anonymous());
            assert_eq!(dialogue.input(&[version, 0]), Err(Refusal::Protocol));
            assert_eq!(asked(&name()).input(&[version, 0]), Err(Refusal::Protocol));
        }
        for version in (0..=255).filter(|v| *v != 1) {
            let mut dialogue = Socks::new(&name(), &user(b"me", b"secret"));
            assert_eq!(dialogue.input(&[5, 2, version, 0]), Err(Refusal::Protocol));
        }
        for form in (0..=255).filter(|f| ![1, 3, 4].contains(f)) {
            assert_eq!(asked(&name()).input(&[5, 0, 0, form]), Err(Refusal::Protocol));
        }
        assert_eq!(asked(&name()).input(&[5, 0, 1, 1]), Err(Refusal::Protocol));
        assert_eq!(asked(&name()).input(b"HTTP/1.1 400 Bad Request\r\n"), Err(Refusal::Protocol));
    }
}
