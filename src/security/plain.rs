//! The PLAIN mechanism: user name and password in clear text (RFC 24). The names of the commands
//! are length-prefixed as in RFC 37; RFC 24's remark about padding with spaces was never practice.

use zeroize::Zeroizing;

use super::dialogue::{Zap, refusal};
use super::row::Row;
use crate::options::numbers::value;
use crate::wire::command::{append, split, strip};
use crate::wire::metadata::PeerMetadata;
use crate::wire::{HandshakeError, Malformed, Mechanism, Status, ZapRequest};

/// The row of the table.
pub(super) static ROW: Row = Row {
    number: value::PLAIN,
    optional: None,
    needs_zap_handler: true,
    make: |options| match options.as_server {
        true => Box::new(PlainServer::new()),
        false => Box::new(PlainClient::new(&options.plain_username, &options.plain_password)),
    },
};

/// How every libzmq so far (4.3.5 included) begins the ERROR command of this mechanism, and the only
/// way its clients understand: `"\x05ERROR"` in C is the octet 0x5E and `RROR`.
const MISSPELT_ERROR: &[u8] = b"^RROR";

/// What a client learns from a command that is not the expected one; ERROR may be spelt as in RFC 37
/// or as libzmq does.
fn client_refusal(body: &[u8]) -> HandshakeError {
    match body.strip_prefix(MISSPELT_ERROR) {
        Some(data) => refusal(&[b"\x05ERROR", data].concat()),
        None => refusal(body),
    }
}

/// The side that sends its credentials: HELLO, WELCOME, INITIATE, READY.
pub struct PlainClient {
    user_name: Zeroizing<Vec<u8>>,
    password: Zeroizing<Vec<u8>>,
    step: ClientStep,
}

impl std::fmt::Debug for PlainClient {
    /// Without the credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlainClient").field("step", &self.step).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClientStep {
    SendHello,
    AwaitWelcome,
    SendInitiate,
    AwaitReady,
    Ready,
}

impl PlainClient {
    /// A client with these credentials, each at most 255 octets (zmq_setsockopt(3),
    /// ZMQ_PLAIN_USERNAME); the rest is cut.
    pub fn new(user_name: &[u8], password: &[u8]) -> PlainClient {
        let cut = |text: &[u8]| Zeroizing::new(text.get(..255).unwrap_or(text).to_vec());
        PlainClient {
            user_name: cut(user_name),
            password: cut(password),
            step: ClientStep::SendHello,
        }
    }
}

impl Mechanism for PlainClient {
    fn name(&self) -> &'static [u8] {
        b"PLAIN"
    }

    fn status(&self) -> Status {
        if self.step == ClientStep::Ready { Status::Ready } else { Status::Handshaking }
    }

    fn next_command(&mut self, metadata: &[u8], out: &mut Vec<u8>) -> Result<bool, HandshakeError> {
        match self.step {
            ClientStep::SendHello => {
                append(out, b"HELLO", &[]);
                for text in [&self.user_name, &self.password] {
                    out.push(text.len() as u8);
                    out.extend_from_slice(text);
                }
                self.step = ClientStep::AwaitWelcome;
            }
            ClientStep::SendInitiate => {
                append(out, b"INITIATE", metadata);
                self.step = ClientStep::AwaitReady;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn process_command(
        &mut self,
        body: &[u8],
        peer: &mut PeerMetadata,
    ) -> Result<(), HandshakeError> {
        match self.step {
            ClientStep::AwaitWelcome => {
                let data = strip(body, b"WELCOME").ok_or_else(|| client_refusal(body))?;
                if !data.is_empty() {
                    return Err(HandshakeError::MalformedCommand(Malformed::Welcome));
                }
                self.step = ClientStep::SendInitiate;
            }
            ClientStep::AwaitReady => {
                let properties = strip(body, b"READY").ok_or_else(|| client_refusal(body))?;
                peer.read_peer(properties)?;
                self.step = ClientStep::Ready;
            }
            _ => return Err(HandshakeError::UnexpectedCommand),
        }
        Ok(())
    }
}

/// The side that has the ZAP handler check the credentials.
pub struct PlainServer {
    step: ServerStep,
    zap: Zap,
    credentials: Zeroizing<Vec<Vec<u8>>>,
}

impl std::fmt::Debug for PlainServer {
    /// Without the credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlainServer").field("step", &self.step).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ServerStep {
    AwaitHello,
    SendWelcome,
    AwaitInitiate,
    SendReady,
    Ready,
}

impl PlainServer {
    /// A server that waits for a HELLO.
    pub fn new() -> PlainServer {
        PlainServer {
            step: ServerStep::AwaitHello,
            zap: Zap::Clear,
            credentials: Zeroizing::default(),
        }
    }
}

impl Default for PlainServer {
    fn default() -> PlainServer {
        PlainServer::new()
    }
}

/// User name and password, and nothing behind them.
fn parse_hello(data: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (user_name, rest) = split(data)?;
    let (password, rest) = split(rest)?;
    rest.is_empty().then(|| vec![user_name.to_vec(), password.to_vec()])
}

impl Mechanism for PlainServer {
    fn name(&self) -> &'static [u8] {
        b"PLAIN"
    }

    fn as_server(&self) -> bool {
        true
    }

    fn status(&self) -> Status {
        if self.zap.waiting() {
            Status::WaitingForZap
        } else if self.step == ServerStep::Ready {
            Status::Ready
        } else {
            Status::Handshaking
        }
    }

    fn next_command(&mut self, metadata: &[u8], out: &mut Vec<u8>) -> Result<bool, HandshakeError> {
        match self.step {
            ServerStep::SendWelcome if !self.zap.waiting() => {
                append(out, b"WELCOME", &[]);
                self.step = ServerStep::AwaitInitiate;
            }
            ServerStep::SendReady => {
                append(out, b"READY", metadata);
                self.step = ServerStep::Ready;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn process_command(
        &mut self,
        body: &[u8],
        peer: &mut PeerMetadata,
    ) -> Result<(), HandshakeError> {
        match self.step {
            ServerStep::AwaitHello => {
                let data = strip(body, b"HELLO").ok_or(HandshakeError::UnexpectedCommand)?;
                *self.credentials =
                    parse_hello(data).ok_or(HandshakeError::MalformedCommand(Malformed::Hello))?;
                self.zap = Zap::Ask;
                self.step = ServerStep::SendWelcome;
            }
            ServerStep::AwaitInitiate => {
                let properties =
                    strip(body, b"INITIATE").ok_or(HandshakeError::UnexpectedCommand)?;
                peer.read_peer(properties)?;
                self.step = ServerStep::SendReady;
            }
            _ => return Err(HandshakeError::UnexpectedCommand),
        }
        Ok(())
    }

    fn zap_request(&mut self) -> Option<ZapRequest> {
        let ask = self.zap.take_question();
        ask.then(|| ZapRequest {
            mechanism: b"PLAIN",
            credentials: std::mem::take(&mut self.credentials),
        })
    }

    fn append_error(&self, reason: &[u8], out: &mut Vec<u8>) {
        let reason = reason.get(..255).unwrap_or(reason);
        out.extend_from_slice(MISSPELT_ERROR);
        out.push(reason.len() as u8);
        out.extend_from_slice(reason);
    }

    fn zap_accepted(&mut self) {
        self.zap = Zap::Clear;
    }
}
