//! The HTTP that begins a connection over WebSocket (RFC 6455, "Opening Handshake"), and the choice of
//! a sub-protocol in it (RFC 45, "Handshake").

use super::mechanism::Mechanism;
use base64ct::{Base64, Encoding};
use sha1::{Digest, Sha1};
use std::fmt;

/// The longest request or answer, with all its headers. More is nothing that a peer would have to say,
/// and the most a stranger can make us hold.
pub const MAX_HEAD: usize = 16 * 1024;

/// The most headers.
const MAX_HEADERS: usize = 100;

/// What makes an answer of a key (RFC 6455, section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why there is no connection over WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpgradeError {
    /// It is no HTTP, or more than we take.
    Malformed,
    /// A request for something else, or an answer that refuses.
    NoUpgrade,
    /// Another version of WebSocket than 13.
    Version,
    /// The answer is not to our key, or agrees to what was not offered.
    Answer,
    /// No sub-protocol that both sides know.
    Protocol,
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UpgradeError::Malformed => "not HTTP, or too much of it",
            UpgradeError::NoUpgrade => "no upgrade to WebSocket",
            UpgradeError::Version => "another version of WebSocket",
            UpgradeError::Answer => "an answer to something else",
            UpgradeError::Protocol => "no sub-protocol in common",
        })
    }
}

impl std::error::Error for UpgradeError {}

/// Which sub-protocols a side can speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Offer {
    /// Those of RFC 45: first the one with this mechanism, then, if `old`, the one without any.
    Zws {
        /// Name of the mechanism.
        mechanism: &'static [u8],
        /// Whether peers without security are welcome.
        old: bool,
    },
    /// Whatever it is called (ZMQ_STREAM).
    Any,
}

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreed {
    /// ZWS 2.0 with the mechanism.
    Mechanism,
    /// ZWS 2.0 as RFC 45, "No Mechanism" has it.
    NoMechanism,
    /// Messages as they are.
    Plain,
}

const ZWS: &[u8] = b"ZWS2.0";

impl Offer {
    /// What a socket with this mechanism speaks.
    pub fn of(mechanism: &dyn Mechanism) -> Offer {
        Offer::Zws { mechanism: mechanism.name(), old: mechanism.allows_old_versions() }
    }

    /// What this name of a sub-protocol means to us, if it does.
    fn judge(&self, name: &[u8]) -> Option<Agreed> {
        match self {
            Offer::Any => Some(Agreed::Plain),
            Offer::Zws { mechanism, old } => {
                let rest = name.strip_prefix(ZWS)?;
                match rest.split_first() {
                    None => old.then_some(Agreed::NoMechanism),
                    Some((b'/', rest)) => (rest == *mechanism).then_some(Agreed::Mechanism),
                    Some(_) => None,
                }
            }
        }
    }

    fn append(&self, out: &mut Vec<u8>) {
        if let Offer::Zws { mechanism, old } = self {
            out.extend_from_slice(b"Sec-WebSocket-Protocol: ZWS2.0/");
            out.extend_from_slice(mechanism);
            out.extend_from_slice(if *old { b",ZWS2.0\r\n" } else { b"\r\n" });
        }
    }
}

#[derive(Debug)]
enum Side {
    /// With the answer that we wait for.
    Client(String),
    Server,
}

/// One side of an upgrade. Feed it with [`Upgrade::input`], send what is in [`Upgrade::output`]
/// after every call, also one that failed: a client has something from the start.
#[derive(Debug)]
pub struct Upgrade {
    side: Side,
    offer: Offer,
    head: Vec<u8>,
    output: Vec<u8>,
    agreed: Option<Agreed>,
}

impl Upgrade {
    /// A client's: the request is in the output. `host` goes to Host as it is, which the transport has
    /// checked; `path` begins with a slash. `key` is 16 arbitrary octets.
    pub fn client(host: &str, path: &str, offer: Offer, key: &[u8; 16]) -> Upgrade {
        let key = Base64::encode_string(key);
        let mut output = b"GET ".to_vec();
        append_path(&mut output, path);
        output.extend_from_slice(b" HTTP/1.1\r\nHost: ");
        output.extend(host.bytes().filter(u8::is_ascii_graphic));
        output.extend_from_slice(b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
        output.extend_from_slice(format!("Sec-WebSocket-Key: {key}\r\n").as_bytes());
        offer.append(&mut output);
        output.extend_from_slice(b"Sec-WebSocket-Version: 13\r\n\r\n");
        let side = Side::Client(answer_to(key.as_bytes()));
        Upgrade { side, offer, head: Vec::new(), output, agreed: None }
    }

    /// A server's.
    pub fn server(offer: Offer) -> Upgrade {
        let (head, output) = (Vec::new(), Vec::new());
        Upgrade { side: Side::Server, offer, head, output, agreed: None }
    }

    /// The bytes to send; the caller drains them.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// What was agreed on, once that is over. What is in the output belongs to it still.
    pub fn agreed(&self) -> Option<Agreed> {
        self.agreed
    }

    /// Takes bytes of the peer and tells how many it used: none that come behind the upgrade.
    ///
    /// # Errors
    /// Why there will be no connection; the output tells a client so.
    pub fn input(&mut self, bytes: &[u8]) -> Result<usize, UpgradeError> {
        if self.agreed.is_some() {
            return Ok(0);
        }
        let before = self.head.len();
        // A line that goes on need not be looked at again, the first one excepted: whoever speaks
        // something else may wait for us.
        let news = before == 0 || bytes.contains(&b'\n');
        let room = MAX_HEAD - before.min(MAX_HEAD);
        self.head.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
        let judged = if news { self.judge() } else { Ok(None) };
        match judged {
            Ok(Some((end, agreed))) => {
                self.agreed = Some(agreed);
                self.head = Vec::new();
                // What was there before did not end it.
                Ok(end.saturating_sub(before))
            }
            Ok(None) if bytes.len() < room => Ok(bytes.len()),
            Ok(None) => Err(self.refuse(UpgradeError::Malformed)),
            Err(error) => Err(self.refuse(error)),
        }
    }

    fn refuse(&mut self, error: UpgradeError) -> UpgradeError {
        if matches!(self.side, Side::Server) && self.output.is_empty() {
            let (status, more) = match error {
                UpgradeError::Version => {
                    ("426 Upgrade Required", "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n")
                }
                _ => ("400 Bad Request", ""),
            };
            let text = format!("HTTP/1.1 {status}\r\n{more}");
            self.output.extend_from_slice(text.as_bytes());
            self.output.extend_from_slice(b"Connection: close\r\nContent-Length: 0\r\n\r\n");
        }
        error
    }

    /// Where the head ends, and what it means; `None` if it does not end yet.
    fn judge(&mut self) -> Result<Option<(usize, Agreed)>, UpgradeError> {
        let head = std::mem::take(&mut self.head);
        let result = match &self.side {
            Side::Client(answer) => read_answer(&head, answer, &self.offer),
            Side::Server => read_request(&head, &self.offer).map(|read| {
                read.map(|(end, agreed, answer)| {
                    self.output.extend_from_slice(&answer);
                    (end, agreed)
                })
            }),
        };
        self.head = head;
        result
    }
}

/// What makes a good answer to a key.
fn answer_to(key: &[u8]) -> String {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    Base64::encode_string(&digest)
}

/// A path of any bytes as HTTP wants it: nothing in it may end the line.
fn append_path(out: &mut Vec<u8>, path: &str) {
    for byte in path.bytes() {
        if byte.is_ascii_graphic() {
            out.push(byte);
        } else {
            out.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
}

type Headers<'a> = &'a [httparse::Header<'a>];

/// The values of a header, each of its lines split at commas.
fn values<'a>(headers: Headers<'a>, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    headers
        .iter()
        .filter(move |header| header.name.eq_ignore_ascii_case(name))
        .flat_map(|header| header.value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|value| !value.is_empty())
}

fn has_value(headers: Headers<'_>, name: &'static str, wanted: &str) -> bool {
    values(headers, name).any(|value| value.eq_ignore_ascii_case(wanted.as_bytes()))
}

/// A header that is there once.
fn only<'a>(headers: Headers<'a>, name: &'static str) -> Option<&'a [u8]> {
    let mut all = headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
    let first = all.next()?;
    if all.next().is_none() { Some(first.value.trim_ascii()) } else { None }
}

fn upgrades(headers: Headers<'_>) -> bool {
    has_value(headers, "Upgrade", "websocket") && has_value(headers, "Connection", "Upgrade")
}

/// A request: where it ends, what is agreed on, and our answer.
#[allow(clippy::type_complexity, reason = "used once")]
fn read_request(
    head: &[u8],
    offer: &Offer,
) -> Result<Option<(usize, Agreed, Vec<u8>)>, UpgradeError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let status = request.parse(head).map_err(|_| UpgradeError::Malformed)?;
    let httparse::Status::Complete(end) = status else { return Ok(None) };
    let headers: Headers<'_> = request.headers;
    if request.method != Some("GET") || request.version != Some(1) || !upgrades(headers) {
        return Err(UpgradeError::NoUpgrade);
    }
    if only(headers, "Sec-WebSocket-Version") != Some(b"13") {
        return Err(UpgradeError::Version);
    }
    let key = only(headers, "Sec-WebSocket-Key").unwrap_or_default();
    let mut room = [0; 24];
    let is_key = |key: &[u8]| {
        let text = std::str::from_utf8(key).ok();
        let key = text.and_then(|text| Base64::decode(text, &mut room).ok());
        key.is_some_and(|key| key.len() == 16)
    };
    if !{ is_key }(key) {
        return Err(UpgradeError::NoUpgrade);
    }
    // The first of the client's that we know: it put them in the order of its liking.
    let name = "Sec-WebSocket-Protocol";
    let found = values(headers, name).find_map(|name| Some((name, offer.judge(name)?)));
    let (protocol, agreed) = match (found, offer) {
        (Some((name, agreed)), _) => (Some(name), agreed),
        (None, Offer::Any) => (None, Agreed::Plain),
        (None, Offer::Zws { .. }) => return Err(UpgradeError::Protocol),
    };
    let mut answer = b"HTTP/1.1 101 Switching Protocols\r\n".to_vec();
    answer.extend_from_slice(b"Upgrade: websocket\r\nConnection: Upgrade\r\n");
    answer.extend_from_slice(b"Sec-WebSocket-Accept: ");
    answer.extend_from_slice(answer_to(key).as_bytes());
    if let Some(protocol) = protocol {
        answer.extend_from_slice(b"\r\nSec-WebSocket-Protocol: ");
        answer.extend_from_slice(protocol);
    }
    answer.extend_from_slice(b"\r\n\r\n");
    Ok(Some((end, agreed, answer)))
}

/// An answer: where it ends, and what is agreed on.
fn read_answer(
    head: &[u8],
    wanted: &str,
    offer: &Offer,
) -> Result<Option<(usize, Agreed)>, UpgradeError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let status = response.parse(head).map_err(|_| UpgradeError::Malformed)?;
    let httparse::Status::Complete(end) = status else { return Ok(None) };
    let headers: Headers<'_> = response.headers;
    if response.code != Some(101) || !upgrades(headers) {
        return Err(UpgradeError::NoUpgrade);
    }
    let extended = values(headers, "Sec-WebSocket-Extensions").next().is_some();
    if only(headers, "Sec-WebSocket-Accept") != Some(wanted.as_bytes()) || extended {
        return Err(UpgradeError::Answer);
    }
    let mut protocols = values(headers, "Sec-WebSocket-Protocol");
    match (protocols.next(), protocols.next(), offer) {
        (None, _, Offer::Any) => Ok(Some((end, Agreed::Plain))),
        (Some(name), None, Offer::Zws { .. }) => {
            let agreed = offer.judge(name).ok_or(UpgradeError::Protocol)?;
            Ok(Some((end, agreed)))
        }
        _ => Err(UpgradeError::Protocol),
    }
}
