//! ZWS 2.0 (RFC 45): what ZMTP says in frames, said in messages of WebSocket (RFC 6455).
//!
//! A connection over WebSocket has the queues and buffers of any other, with frames as ZMTP 2.0 and
//! later write them. Here is what stands between those and the kernel: an [`Encoder`] makes messages
//! of WebSocket of frames, a [`Decoder`] makes frames of messages. So what waits for a connection,
//! what is sent again and what is read ahead is the same with and without WebSocket.
//!
//! Control frames of WebSocket pass through the queues as commands without a name, which no peer can
//! send: see [`control_command`].

use super::frame::{self, Flags, Framing};
use super::websocket::{self, MAX_CONTROL, MAX_HEADER, Mask, Opcode, WebSocketError, apply_mask};
use crate::error::{self, Error};
use crate::util::buffer::Buffer;
use crate::util::memory::try_room;

/// What is in the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A frame of ZMTP behind an octet of flags (RFC 45, "Framing").
    Zws,
    /// What the application says (ZMQ_STREAM). Empty messages are left out when they come: to the
    /// application they would mean that the peer comes or goes.
    Plain,
}

const MORE: u8 = 1;
const COMMAND: u8 = 2;

/// The first octet of a message of ZWS that carries a frame with these flags.
const fn octet(flags: Flags) -> u8 {
    if flags.command() {
        COMMAND
    } else if flags.more() {
        MORE
    } else {
        0
    }
}

/// The body of a command that stands for a control frame in the queues of a connection: no name, the
/// opcode, the payload.
pub fn control_command(opcode: Opcode, payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, opcode.bits()]);
    out.extend_from_slice(payload);
}

/// The control frame for which the body of a command stands, if it does.
pub fn as_control(body: &[u8]) -> Option<(Opcode, &[u8])> {
    match body {
        [0, bits, payload @ ..] if payload.len() <= MAX_CONTROL => {
            Opcode::new(*bits).filter(|opcode| opcode.is_control()).map(|opcode| (opcode, payload))
        }
        _ => None,
    }
}

/// A body of which not all is through.
#[derive(Debug, Clone, Copy)]
struct Body {
    left: u64,
    mask: Option<Mask>,
    /// Octets of the payload before.
    at: usize,
}

impl Body {
    fn pass(&mut self, octets: usize) {
        self.left -= octets as u64;
        // Only where in the mask it is matters.
        self.at = self.at.wrapping_add(octets) % 4;
    }
}

/// Masks, which nobody may foresee (RFC 6455, section 5.3): a client's.
pub struct Masks {
    source: fn(&mut [u8]) -> error::Result<()>,
    stock: [u8; 256],
    used: usize,
}

impl Masks {
    /// From a source of secret random octets.
    pub fn new(source: fn(&mut [u8]) -> error::Result<()>) -> Masks {
        Masks { source, stock: [0; 256], used: 256 }
    }

    /// The next one.
    ///
    /// # Errors
    /// What the source says.
    pub fn next_mask(&mut self) -> error::Result<Mask> {
        if self.used >= self.stock.len() {
            (self.source)(&mut self.stock)?;
            self.used = 0;
        }
        let mask = self.stock.get(self.used..).and_then(|rest| rest.first_chunk());
        self.used += 4;
        mask.copied().ok_or(Error::Protocol)
    }
}

/// Makes messages of WebSocket of frames of ZMTP 2.0.
pub struct Encoder {
    content: Content,
    /// For a client.
    masks: Option<Masks>,
    body: Option<Body>,
}

/// Octets that a frame has more as a message, at most.
pub const GROWTH: usize = MAX_HEADER + 1;

impl Encoder {
    /// One for a client, which has masks, or a server.
    pub fn new(content: Content, masks: Option<Masks>) -> Encoder {
        Encoder { content, masks, body: None }
    }

    /// Whether no frame is under way.
    pub fn is_between_frames(&self) -> bool {
        self.body.is_none()
    }

    /// Takes the beginning of what is left of some frames, and appends it to `out`, which has memory
    /// for that: [`GROWTH`] octets more than what is taken. How many octets it took, `most` at most; a frame's
    /// header is taken as a whole. 0: none is here, or `most` is less than one and two octets.
    ///
    /// # Errors
    /// [`Error::Protocol`] for what is no frame; without masks what their source says.
    pub fn encode(&mut self, frames: &[u8], most: usize, out: &mut Buffer) -> error::Result<usize> {
        if self.body.is_some() {
            let piece = frames.get(..most.min(frames.len())).unwrap_or_default();
            return Ok(self.encode_body(piece, out));
        }
        let Some(header) = frame::parse_header(Framing::V2, frames)? else { return Ok(0) };
        // What tells a control frame has to be in sight.
        if header.header_len + header.body_len.min(2) as usize > most {
            return Ok(0);
        }
        let rest = frames.get(header.header_len..).unwrap_or_default();
        let rest = rest.get(..rest.len().min(most - header.header_len)).unwrap_or_default();
        let mask = self.masks.as_mut().map(Masks::next_mask).transpose()?;
        let mut head = [0; MAX_HEADER];
        if header.flags.command()
            && let &[0, bits, ..] = rest
            && let Some(opcode) = Opcode::new(bits)
        {
            let len = header.body_len.saturating_sub(2);
            let head_len = websocket::encode_header(opcode, len, mask, &mut head);
            out.extend_from_slice(head.get(..head_len).unwrap_or_default());
            self.body = Some(Body { left: len, mask, at: 0 });
            let body = rest.get(2..).unwrap_or_default();
            return Ok(header.header_len + 2 + self.encode_body(body, out));
        }
        let flags = usize::from(self.content == Content::Zws);
        let len = header.body_len + flags as u64;
        let head_len = websocket::encode_header(Opcode::Binary, len, mask, &mut head);
        out.extend_from_slice(head.get(..head_len).unwrap_or_default());
        if self.content == Content::Zws {
            let mut octets = [octet(header.flags)];
            apply_mask(&mut octets, mask, 0);
            out.extend_from_slice(&octets);
        }
        self.body = Some(Body { left: header.body_len, mask, at: flags });
        Ok(header.header_len + self.encode_body(rest, out))
    }

    fn encode_body(&mut self, piece: &[u8], out: &mut Buffer) -> usize {
        let Some(body) = &mut self.body else { return 0 };
        let take = usize::try_from(body.left).map_or(piece.len(), |left| left.min(piece.len()));
        let before = out.len();
        out.extend_from_slice(piece.get(..take).unwrap_or_default());
        apply_mask(out.get_mut(before..).unwrap_or_default(), body.mask, body.at);
        body.pass(take);
        if body.left == 0 {
            self.body = None;
        }
        take
    }
}

/// How far [`Decoder::decode`] came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Octets of the peer that it used.
    pub used: usize,
    /// Octets of frames that it wrote.
    pub written: usize,
}

/// What comes next from the peer.
#[derive(Debug)]
enum State {
    /// The header of a frame.
    Header,
    /// The flags of a message, and the length of a command's name.
    Flags(Body),
    /// The rest of a body, which goes where the frames go.
    Body(Body),
    /// A fragment of a message; whether it is the last one.
    Fragment(Body, bool),
    /// A control frame.
    Control(Opcode, Body),
    /// Nothing that counts: the peer has said that it is through.
    Closed,
}

/// Makes frames of ZMTP 2.0 of messages of WebSocket.
#[derive(Debug)]
pub struct Decoder {
    content: Content,
    /// Whether the peer is a client.
    masked: bool,
    /// The longest body of a message in fragments. Others are for those who read the frames.
    most: u64,
    state: State,
    /// The beginning of a header, of flags, or a control frame.
    begun: Vec<u8>,
    /// A message of which not all fragments have come.
    fragments: Option<Vec<u8>>,
    /// What has to be written before anything else.
    first: Vec<u8>,
    first_at: usize,
    failed: Option<WebSocketError>,
}

/// Room in a buffer that is kept.
const KEPT: usize = 4096;

impl Decoder {
    /// For messages of a client, or of a server, with bodies of at most `most` octets if they come in
    /// fragments.
    pub fn new(content: Content, from_client: bool, most: u64) -> Decoder {
        Decoder {
            content,
            masked: from_client,
            most,
            state: State::Header,
            begun: Vec::new(),
            fragments: None,
            first: Vec::new(),
            first_at: 0,
            failed: None,
        }
    }

    /// Changes the limit of messages in fragments.
    pub fn limit(&mut self, most: u64) {
        self.most = most;
    }

    /// Whether it has more to say without further input.
    pub fn holds_output(&self) -> bool {
        self.failed.is_some() || self.holds_first()
    }

    /// Whether the peer has broken the rules: there is nothing but that to be told.
    pub fn has_failed(&self) -> bool {
        self.failed.is_some()
    }

    fn holds_first(&self) -> bool {
        self.first_at < self.first.len()
    }

    /// Takes what it can make use of, and writes frames of it to `output`. It stops early only if
    /// `output` is full, or before an error that the next call gives.
    ///
    /// # Errors
    /// What the peer did wrong, behind what was written; every later call gives the same.
    pub fn decode(&mut self, input: &[u8], output: &mut [u8]) -> Result<Step, WebSocketError> {
        let mut step = Step { used: 0, written: 0 };
        if let Some(error) = self.failed {
            return Err(error);
        }
        loop {
            let rest = input.get(step.used..).unwrap_or_default();
            let out = output.get_mut(step.written..).unwrap_or_default();
            match self.advance(rest, out) {
                Ok((0, 0)) => return Ok(step),
                Ok((used, written)) => {
                    step.used += used;
                    step.written += written;
                }
                Err(error) => {
                    self.failed = Some(error);
                    return if step.written > 0 { Ok(step) } else { Err(error) };
                }
            }
        }
    }

    /// One step: what it used and wrote, both 0 if it can do nothing.
    fn advance(&mut self, input: &[u8], out: &mut [u8]) -> Result<(usize, usize), WebSocketError> {
        if self.holds_first() {
            return Ok((0, self.write_first(out)));
        }
        if input.is_empty() {
            return Ok((0, 0));
        }
        match &mut self.state {
            State::Body(body) => {
                let count = body_octets(body, input.len()).min(out.len());
                unmask(body, input.get(..count).unwrap_or_default(), out);
                if body.left == 0 {
                    self.state = State::Header;
                }
                Ok((count, count))
            }
            State::Header => match self.whole_message(input, out) {
                Some(taken) => Ok(taken),
                None => Ok((self.header(input)?, 0)),
            },
            State::Flags(_) => Ok((self.flags(input)?, 0)),
            State::Fragment(..) => Ok((self.fragment(input)?, 0)),
            State::Control(..) => Ok((self.control(input), 0)),
            State::Closed => Ok((input.len(), 0)),
        }
    }

    fn write_first(&mut self, out: &mut [u8]) -> usize {
        let rest = self.first.get(self.first_at..).unwrap_or_default();
        let count = rest.len().min(out.len());
        copy(rest, out);
        self.first_at += count;
        if !self.holds_first() {
            self.first.clear();
            self.first.shrink_to(KEPT);
            self.first_at = 0;
        }
        count
    }

    /// What most of it is: a short message that is all here, and there is room for it. How much that is
    /// as it came, and as a frame.
    #[inline]
    fn whole_message(&mut self, input: &[u8], out: &mut [u8]) -> Option<(usize, usize)> {
        if self.content != Content::Zws || !self.begun.is_empty() || self.fragments.is_some() {
            return None;
        }
        let &[0x82, second, ref rest @ ..] = input else { return None };
        let len = usize::from(second & 0x7f);
        if (second & 0x80 != 0) != self.masked || len == 0 || len > MAX_CONTROL {
            return None;
        }
        let (mask, rest) = match rest.split_first_chunk() {
            Some((mask, rest)) if self.masked => (Some(*mask), rest),
            _ if self.masked => return None,
            _ => (None, rest),
        };
        let (&flags, body) = rest.get(..len)?.split_first()?;
        let flags = flags ^ mask.map_or(0, |mask: Mask| mask[0]);
        let (head, to) = out.get_mut(..len + 1)?.split_first_chunk_mut::<2>()?;
        if flags > MORE {
            return None;
        }
        *head = [flags, body.len() as u8];
        to.copy_from_slice(body);
        apply_mask(to, mask, 1);
        let head_len = if self.masked { 6 } else { 2 };
        Some((head_len + len, len + 1))
    }

    fn header(&mut self, input: &[u8]) -> Result<usize, WebSocketError> {
        let before = self.begun.len();
        let take = input.len().min(MAX_HEADER - before.min(MAX_HEADER));
        self.begun.extend_from_slice(input.get(..take).unwrap_or_default());
        let Some(header) = websocket::parse_header(&self.begun, self.masked)? else {
            return Ok(take);
        };
        self.begun.clear();
        let body = Body { left: header.payload_len, mask: header.mask, at: 0 };
        self.state = if header.opcode.is_control() {
            State::Control(header.opcode, body)
        } else {
            let continues = header.opcode == Opcode::Continuation;
            if continues != self.fragments.is_some() {
                return Err(WebSocketError::Fragment);
            }
            // "ZWS messages are binary WebSocket messages" (RFC 45, "Implementation").
            if header.opcode == Opcode::Text && self.content == Content::Zws {
                return Err(WebSocketError::Content);
            }
            if continues || !header.last {
                self.fragments.get_or_insert_default();
                State::Fragment(body, header.last)
            } else {
                self.begin_message(body)?
            }
        };
        self.end_if_empty()?;
        // What was begun is a part of this header.
        Ok(header.header_len - before)
    }

    /// A message in one frame.
    fn begin_message(&mut self, body: Body) -> Result<State, WebSocketError> {
        match self.content {
            Content::Zws if body.left == 0 => Err(WebSocketError::Content),
            Content::Zws => Ok(State::Flags(body)),
            Content::Plain => Ok(self.begin_body(Flags::NONE, body)),
        }
    }

    /// The header of the frame that a message is.
    fn begin_body(&mut self, flags: Flags, body: Body) -> State {
        if body.left == 0 && self.content == Content::Plain {
            return State::Header;
        }
        append_header(&mut self.first, flags, body.left);
        if body.left == 0 { State::Header } else { State::Body(body) }
    }

    /// The octet of flags; of a command also the length of its name, which is not 0.
    fn flags(&mut self, input: &[u8]) -> Result<usize, WebSocketError> {
        let State::Flags(mut body) = self.state else { return Ok(0) };
        let Some(&octet) = input.first() else { return Ok(0) };
        let mut octets = [octet];
        apply_mask(&mut octets, body.mask, body.at);
        body.pass(1);
        let [octet] = octets;
        if self.begun.pop().is_some() {
            if octet == 0 {
                return Err(WebSocketError::Content);
            }
            append_header(&mut self.first, Flags::COMMAND, body.left + 1);
            self.first.push(octet);
            self.state = if body.left == 0 { State::Header } else { State::Body(body) };
            return Ok(1);
        }
        self.state = match octet {
            COMMAND if body.left > 0 => {
                self.begun.push(octet);
                State::Flags(body)
            }
            0 | MORE => self.begin_body(Flags::new(octet == MORE, false), body),
            _ => return Err(WebSocketError::Content),
        };
        Ok(1)
    }

    fn fragment(&mut self, input: &[u8]) -> Result<usize, WebSocketError> {
        let State::Fragment(body, _) = &mut self.state else { return Ok(0) };
        let Some(message) = &mut self.fragments else { return Err(WebSocketError::Fragment) };
        let flags = u64::from(self.content == Content::Zws);
        if (message.len() as u64).saturating_add(body.left) > self.most.saturating_add(flags) {
            return Err(WebSocketError::TooLarge);
        }
        let count = body_octets(body, input.len());
        if try_room(message, count).is_err() {
            return Err(WebSocketError::TooLarge);
        }
        let before = message.len();
        message.resize(before + count, 0);
        let to = message.get_mut(before..).unwrap_or_default();
        unmask(body, input.get(..count).unwrap_or_default(), to);
        self.end_if_empty()?;
        Ok(count)
    }

    fn control(&mut self, input: &[u8]) -> usize {
        let State::Control(_, body) = &mut self.state else { return 0 };
        let count = body_octets(body, input.len());
        let before = self.begun.len();
        self.begun.resize(before + count, 0);
        let to = self.begun.get_mut(before..).unwrap_or_default();
        unmask(body, input.get(..count).unwrap_or_default(), to);
        self.end_control();
        count
    }

    fn end_control(&mut self) {
        let State::Control(opcode, Body { left: 0, .. }) = self.state else { return };
        append_header(&mut self.first, Flags::COMMAND, 2 + self.begun.len() as u64);
        control_command(opcode, &self.begun, &mut self.first);
        self.begun.clear();
        self.state = if opcode == Opcode::Close { State::Closed } else { State::Header };
    }

    /// Ends a frame of which nothing is to come.
    fn end_if_empty(&mut self) -> Result<(), WebSocketError> {
        self.end_control();
        let State::Fragment(Body { left: 0, .. }, last) = self.state else { return Ok(()) };
        self.state = State::Header;
        if !last {
            return Ok(());
        }
        let message = self.fragments.take().unwrap_or_default();
        let (flags, body) = match (self.content, message.split_first()) {
            (Content::Plain, None) => return Ok(()),
            (Content::Plain, _) => (Flags::NONE, message.as_slice()),
            (Content::Zws, Some((&octet @ (0 | MORE), body))) => {
                (Flags::new(octet == MORE, false), body)
            }
            (Content::Zws, Some((&COMMAND, body))) if body.first().is_some_and(|&len| len > 0) => {
                (Flags::COMMAND, body)
            }
            (Content::Zws, _) => return Err(WebSocketError::Content),
        };
        append_header(&mut self.first, flags, body.len() as u64);
        if try_room(&mut self.first, body.len()).is_err() {
            return Err(WebSocketError::TooLarge);
        }
        self.first.extend_from_slice(body);
        Ok(())
    }
}

fn append_header(out: &mut Vec<u8>, flags: Flags, body_len: u64) {
    let mut header = [0; frame::MAX_HEADER];
    let len = usize::try_from(body_len).unwrap_or(usize::MAX);
    let (more, command) = (flags.more(), flags.command());
    let header_len = frame::encode_header(Framing::V2, len, more, command, &mut header);
    out.extend_from_slice(header.get(..header_len).unwrap_or_default());
}

/// How many of so many octets belong to a body.
fn body_octets(body: &Body, here: usize) -> usize {
    usize::try_from(body.left).map_or(here, |left| left.min(here))
}

/// Copies a piece of a body in clear.
fn unmask(body: &mut Body, piece: &[u8], out: &mut [u8]) {
    copy(piece, out);
    apply_mask(out.get_mut(..piece.len()).unwrap_or_default(), body.mask, body.at);
    body.pass(piece.len());
}

fn copy(from: &[u8], to: &mut [u8]) {
    let count = from.len().min(to.len());
    if let (Some(from), Some(to)) = (from.get(..count), to.get_mut(..count)) {
        to.copy_from_slice(from);
    }
}
