//! From the first byte of a connection to the first frame of traffic, for every version of ZMTP.

use super::error::{FrameError, HandshakeError};
use super::frame::{Flags, Framing, Header, append_frame, append_frame_as, parse_header};
use super::greeting::{self, GREETING_LEN, MECHANISM_LEN, SIGNATURE_LEN, Signature};
use super::mechanism::{Mechanism, Session, Status, Work, ZapReply, ZapRequest};
use super::metadata;
use super::metadata::{MAX_ROUTING_ID, PeerMetadata, local_properties};
use super::websocket::Opcode;
use super::zws;
use crate::types::SocketType;
use zeroize::{Zeroize, Zeroizing};

/// The longest command of a handshake we wait for. The RFCs know no limit; this is ample for every
/// mechanism's commands and metadata, and the most a stranger can make us hold.
pub const MAX_COMMAND: usize = 64 * 1024;

/// What a handshake starts from.
pub struct HandshakeConfig {
    /// Our socket's type. Not STREAM, which speaks no ZMTP.
    pub socket_type: SocketType,
    /// Our routing id (ZMQ_ROUTING_ID), at most 255 octets, empty if there is none.
    pub routing_id: Vec<u8>,
    /// The security mechanism, which also knows our role.
    pub mechanism: Box<dyn Mechanism>,
    /// Properties to announce besides those the protocol wants (ZMQ_METADATA).
    pub properties: Vec<(Vec<u8>, Vec<u8>)>,
    /// The longest command to accept, [`MAX_COMMAND`] unless told otherwise.
    pub max_command: usize,
}

impl HandshakeConfig {
    /// A configuration with no extra properties and the usual limit.
    pub fn new(
        socket_type: SocketType,
        routing_id: Vec<u8>,
        mechanism: Box<dyn Mechanism>,
    ) -> HandshakeConfig {
        HandshakeConfig {
            socket_type,
            routing_id,
            mechanism,
            properties: Vec::new(),
            max_command: MAX_COMMAND,
        }
    }
}

/// What both sides have agreed on.
#[derive(Debug)]
pub struct Established {
    /// How frames are written from here on, in both directions.
    pub framing: Framing,
    /// The version spoken: 1.0, 2.0, 3.0 or 3.1.
    pub version: (u8, u8),
    /// The type the peer announced, if it did. Checked against ours for ZMTP 3 only, as in libzmq.
    pub peer_socket_type: Option<SocketType>,
    /// The routing id the peer announced, empty if it has none.
    pub peer_routing_id: Vec<u8>,
    /// The peer's properties, after those of the ZAP handler. The first of a name counts.
    pub properties: Vec<(Vec<u8>, Vec<u8>)>,
    /// What encrypts the traffic, if the mechanism does.
    pub transform: Option<Session>,
    /// We publish, and the peer is a ZMTP 1.0 one that filters for itself and will never subscribe:
    /// our PUB or XPUB must take it as subscribed to everything.
    pub subscribe_all: bool,
}

impl Established {
    /// Whether subscriptions travel as SUBSCRIBE and CANCEL commands, rather than as messages that
    /// start with 1 or 0 (new in ZMTP 3.1).
    pub fn subscribes_by_command(&self) -> bool {
        self.version >= (3, 1)
    }

    /// Whether we may send PING. RFC 23 has none, but libzmq sends them to ZMTP 3.0 peers as well;
    /// older ones have no commands at all.
    pub fn heartbeats(&self) -> bool {
        self.version >= (3, 0)
    }
}

/// Which bytes of the peer come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Octet 0, or octets 0 to 9.
    Signature,
    /// Octet 10, the version.
    Version,
    /// Octet 11 of a ZMTP 2.0 greeting, the socket type.
    OldType,
    /// The frame with the routing id of a ZMTP 1.0 or 2.0 peer.
    OldRoutingId,
    /// Octets 11 to 63 of a ZMTP 3 greeting.
    Greeting,
    /// Commands of the mechanism.
    Commands,
    /// Traffic, which is not ours to read.
    Done,
}

/// The handshake of one connection. Feed it with [`Handshake::input`], send what is in
/// [`Handshake::output`] after every call (there is something from the start), and ask the ZAP
/// handler if [`Handshake::zap_request`] says so.
pub struct Handshake {
    socket_type: SocketType,
    routing_id: Vec<u8>,
    mechanism: Box<dyn Mechanism>,
    /// What we announce, encoded.
    metadata: Vec<u8>,
    max_command: usize,
    stage: Stage,
    /// The peer's bytes of this stage, as far as they arrived.
    pending: Zeroizing<Vec<u8>>,
    output: Zeroizing<Vec<u8>>,
    framing: Framing,
    version: (u8, u8),
    /// The mechanism that the peer's greeting names, filled up with zeros.
    announced: Vec<u8>,
    /// The peer did not even send a version.
    unversioned: bool,
    /// Messages of WebSocket carry the frames, and control frames come as commands (see [`zws`]).
    websocket: bool,
    peer: PeerMetadata,
    failed: Option<HandshakeError>,
    established: Option<Established>,
}

/// Room for a command with a password in it: a buffer that has to grow leaves a copy behind.
const ROOM: usize = 1024;

/// A buffer that is overwritten when it is dropped.
fn buffer(content: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut buffer = Vec::with_capacity(ROOM);
    buffer.extend_from_slice(content);
    Zeroizing::new(buffer)
}

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handshake").field("stage", &self.stage).finish_non_exhaustive()
    }
}

impl Handshake {
    /// Starts a handshake: the signature is in the output.
    pub fn new(config: HandshakeConfig) -> Handshake {
        let mut routing_id = config.routing_id;
        routing_id.truncate(MAX_ROUTING_ID);
        Handshake {
            metadata: local_properties(config.socket_type, &routing_id, &config.properties),
            output: buffer(&greeting::signature(routing_id.len())),
            socket_type: config.socket_type,
            routing_id,
            mechanism: config.mechanism,
            max_command: config.max_command,
            stage: Stage::Signature,
            pending: buffer(&[]),
            framing: Framing::V2,
            version: greeting::VERSION,
            announced: Vec::new(),
            unversioned: false,
            websocket: false,
            peer: PeerMetadata::new(config.socket_type),
            failed: None,
            established: None,
        }
    }

    /// The mechanism that the peer's greeting names, with zeros behind the name; nothing as long as none is here.
    pub fn announced(&self) -> &[u8] {
        &self.announced
    }

    /// Starts one where the opening of the transport has said what a greeting would have (RFC 45): with
    /// the commands of the mechanism, or, without one, with the routing ids.
    pub fn without_greeting(config: HandshakeConfig, mechanism: bool) -> Handshake {
        let mut handshake = Handshake::new(config);
        handshake.output.clear();
        handshake.websocket = true;
        if mechanism {
            // ZWS knows the commands of ZMTP 3.0: subscriptions are messages.
            (handshake.version, handshake.stage) = ((3, 0), Stage::Commands);
            let begun = handshake.send_commands();
            // What is wrong with it the first input tells, and there will be one.
            let _ = handshake.keep(begun);
        } else {
            // "Similar to ZMTP 2" (RFC 45, "No Mechanism").
            (handshake.version, handshake.stage) = ((2, 0), Stage::OldRoutingId);
            append_frame(&mut handshake.output, Flags::NONE, &handshake.routing_id);
        }
        handshake
    }

    /// Takes bytes of the peer and tells how many it used. It uses none that belong to the traffic
    /// after the handshake, and none while it [waits](Handshake::waiting): keep the rest, and after
    /// [`Handshake::zap_reply`] or [`Handshake::work_done`] offer it again.
    ///
    /// # Errors
    /// What the peer did wrong; every later call gives the same error. Send what is in the output
    /// if it can be sent at once, then close.
    pub fn input(&mut self, bytes: &[u8]) -> Result<usize, HandshakeError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.consume(bytes);
        self.keep(result)
    }

    /// The bytes to send; the caller drains them.
    pub fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// What was agreed on, once: `None` before the handshake is over, and afterwards.
    pub fn outcome(&mut self) -> Option<Established> {
        self.established.take()
    }

    /// The question to put to the ZAP handler, once. Answer with [`Handshake::zap_reply`].
    pub fn zap_request(&mut self) -> Option<ZapRequest> {
        if self.waiting_for_zap() { self.mechanism.zap_request() } else { None }
    }

    /// Goes on with the answer of the ZAP handler, [`HandshakeError::NoZapHandler`] if there is
    /// none, or what is wrong with its reply. Without a question open, nothing happens.
    ///
    /// # Errors
    /// The error given, or `Refused` for any status but 200. A refused peer is told with an ERROR
    /// command in the output, unless the refusal is for now only (status 300), as in libzmq.
    pub fn zap_reply(
        &mut self,
        reply: Result<ZapReply, HandshakeError>,
    ) -> Result<(), HandshakeError> {
        if !self.waiting_for_zap() {
            return Ok(());
        }
        let result = reply.and_then(|reply| self.apply_zap(&reply));
        self.keep(result)
    }

    /// Whether `input` stands still until [`Handshake::zap_reply`].
    pub fn waiting_for_zap(&self) -> bool {
        self.waits_as(Status::WaitingForZap)
    }

    /// Whether `input` stands still until [`Handshake::work_done`].
    pub fn working(&self) -> bool {
        self.waits_as(Status::Working)
    }

    /// Whether `input` stands still, for either.
    pub fn waiting(&self) -> bool {
        self.waiting_for_zap() || self.working()
    }

    fn waits_as(&self, status: Status) -> bool {
        self.failed.is_none() && self.stage == Stage::Commands && self.mechanism.status() == status
    }

    /// What is to be done elsewhere, once. [`Handshake::work_done`] follows, whatever comes of it.
    pub fn work(&mut self) -> Option<Work> {
        if self.working() { self.mechanism.work() } else { None }
    }

    /// Goes on after the work, done or not.
    ///
    /// # Errors
    /// What has come of it, if that ends the handshake.
    pub fn work_done(&mut self) -> Result<(), HandshakeError> {
        if !self.working() {
            return Ok(());
        }
        let result = self.mechanism.work_done().and_then(|()| self.send_commands());
        self.keep(result)
    }

    fn keep<T>(&mut self, result: Result<T, HandshakeError>) -> Result<T, HandshakeError> {
        if let Err(error) = &result {
            self.failed = Some(error.clone());
            self.pending = Zeroizing::default();
        }
        result
    }

    fn apply_zap(&mut self, reply: &ZapReply) -> Result<(), HandshakeError> {
        if reply.status != 200 {
            if reply.status != 300 {
                let mut body = Vec::new();
                self.mechanism.append_error(reply.status.to_string().as_bytes(), &mut body);
                append_frame(&mut self.output, Flags::COMMAND, &body);
            }
            return Err(HandshakeError::Refused(reply.status));
        }
        self.peer.read_zap(reply.user_id.as_deref(), &reply.metadata)?;
        self.mechanism.zap_accepted();
        self.send_commands()
    }

    fn consume(&mut self, bytes: &[u8]) -> Result<usize, HandshakeError> {
        let mut rest = bytes;
        while self.stage != Stage::Done && !self.waiting() {
            let Some(need) = self.step()? else { continue };
            let missing = need.saturating_sub(self.pending.len());
            let (now, later) = rest.split_at(missing.min(rest.len()));
            self.pending.extend_from_slice(now);
            rest = later;
            if now.len() < missing {
                break;
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// Makes of the pending bytes what can be made: `None` if that led a step further, else how
    /// many must be pending for the next one. It never asks for bytes beyond the current stage,
    /// so that none are taken that belong to somebody else.
    fn step(&mut self) -> Result<Option<usize>, HandshakeError> {
        match self.stage {
            Stage::Signature => self.on_signature(),
            Stage::Version => self.on_version(),
            Stage::OldType => Ok(self.on_old_type()),
            Stage::OldRoutingId => self.on_old_routing_id(),
            Stage::Greeting => self.on_greeting(),
            Stage::Commands => self.on_command(),
            Stage::Done => Ok(None),
        }
    }

    fn on_signature(&mut self) -> Result<Option<usize>, HandshakeError> {
        match greeting::judge(&self.pending) {
            Signature::Need(total) => return Ok(Some(total)),
            Signature::Versioned => {
                self.output.push(greeting::VERSION.0);
                self.stage = Stage::Version;
            }
            Signature::Unversioned => {
                self.downgrade(Framing::V1, (1, 0))?;
                self.unversioned = true;
                // Our signature was the header of this frame (RFC 37, "Detecting ZMTP 1.0 ...").
                self.output.extend_from_slice(&self.routing_id);
                self.stage = Stage::OldRoutingId;
            }
        }
        Ok(None)
    }

    fn on_version(&mut self) -> Result<Option<usize>, HandshakeError> {
        let Some(&version) = self.pending.get(SIGNATURE_LEN) else {
            return Ok(Some(SIGNATURE_LEN + 1));
        };
        match version {
            // Version 0 means ZMTP 2.0's greeting with ZMTP 1.0's frames, as libzmq has it; 2 was
            // never released, RFC 37 wants it treated as 1.
            0 => self.greet_old(Framing::V1, (1, 0))?,
            1 | 2 => self.greet_old(Framing::V2, (2, 0))?,
            _ => {
                let mechanism = self.mechanism.name();
                greeting::append_rest(&mut self.output, mechanism, self.mechanism.as_server());
                self.stage = Stage::Greeting;
            }
        }
        Ok(None)
    }

    fn greet_old(&mut self, framing: Framing, version: (u8, u8)) -> Result<(), HandshakeError> {
        self.downgrade(framing, version)?;
        // libzmq sends the numbers of XPUB and XSUB too, which RFC 15 does not list.
        self.output.push(self.socket_type as i32 as u8);
        append_frame_as(framing, &mut self.output, Flags::NONE, &self.routing_id);
        self.stage = Stage::OldType;
        Ok(())
    }

    fn downgrade(&mut self, framing: Framing, version: (u8, u8)) -> Result<(), HandshakeError> {
        if !self.mechanism.allows_old_versions() {
            return Err(HandshakeError::OldVersion);
        }
        self.framing = framing;
        self.version = version;
        Ok(())
    }

    fn on_old_type(&mut self) -> Option<usize> {
        let Some(&number) = self.pending.get(SIGNATURE_LEN + 1) else {
            return Some(SIGNATURE_LEN + 2);
        };
        self.peer.socket_type = SocketType::from_number(i32::from(number));
        self.pending.clear();
        self.stage = Stage::OldRoutingId;
        None
    }

    fn on_old_routing_id(&mut self) -> Result<Option<usize>, HandshakeError> {
        let Some(header) = parse_header(self.framing, &self.pending)? else {
            return Ok(Some(self.pending.len() + 1));
        };
        if self.websocket && header.flags.command() {
            return self.on_control(header);
        }
        // The flags of this frame "SHALL not be validated" (RFC 13).
        if header.body_len > MAX_ROUTING_ID as u64 {
            return Err(HandshakeError::InvalidMetadata { reported: false });
        }
        let len = header.header_len + header.body_len as usize;
        if self.pending.len() < len {
            return Ok(Some(len));
        }
        let routing_id = self.pending.get(header.header_len..len).unwrap_or_default();
        self.peer.set_routing_id(routing_id)?;
        self.establish();
        Ok(None)
    }

    fn on_greeting(&mut self) -> Result<Option<usize>, HandshakeError> {
        let Some(greeting) = self.pending.first_chunk::<GREETING_LEN>() else {
            return Ok(Some(GREETING_LEN));
        };
        let [major, minor, rest @ ..] = &greeting[SIGNATURE_LEN..] else { return Ok(None) };
        let mechanism = rest.get(..MECHANISM_LEN).unwrap_or_default();
        self.announced = mechanism.to_vec();
        if !greeting::names_mechanism(mechanism, self.mechanism.name()) {
            return Err(HandshakeError::MechanismMismatch);
        }
        // "A peer MUST accept higher protocol versions as valid" (RFC 37).
        self.version = greeting::VERSION.min((*major, *minor));
        self.pending.clear();
        self.stage = Stage::Commands;
        self.send_commands()?;
        Ok(None)
    }

    fn on_command(&mut self) -> Result<Option<usize>, HandshakeError> {
        let Some(header) = parse_header(Framing::V2, &self.pending)? else {
            return Ok(Some(self.pending.len() + 1));
        };
        // libzmq takes frames without the COMMAND flag for commands here, so we do.
        if header.flags.more() {
            return Err(HandshakeError::UnexpectedCommand);
        }
        let body_len = usize::try_from(header.body_len)
            .ok()
            .filter(|len| *len <= self.max_command)
            .ok_or(FrameError::TooLarge)?;
        let len = header.header_len + body_len;
        if self.pending.len() < len {
            return Ok(Some(len));
        }
        let body = self.pending.get(header.header_len..len).unwrap_or_default();
        if self.websocket && zws::as_control(body).is_some() {
            return self.on_control(header);
        }
        self.mechanism.process_command(body, &mut self.peer)?;
        self.pending.zeroize();
        self.send_commands()?;
        Ok(None)
    }

    /// A control frame of WebSocket: a Ping is answered, and who closes will have none of us.
    fn on_control(&mut self, header: Header) -> Result<Option<usize>, HandshakeError> {
        let len = header.header_len + header.body_len.min(MAX_COMMAND as u64) as usize;
        if self.pending.len() < len {
            return Ok(Some(len));
        }
        let body = self.pending.get(header.header_len..).unwrap_or_default();
        match zws::as_control(body) {
            // Whoever sends them faster than it takes the answers is not after a connection.
            Some((Opcode::Ping, _)) if self.output.len() > MAX_COMMAND => {
                return Err(FrameError::TooLarge.into());
            }
            Some((Opcode::Ping, payload)) => {
                let mut pong = Vec::new();
                zws::control_command(Opcode::Pong, payload, &mut pong);
                append_frame(&mut self.output, Flags::COMMAND, &pong);
            }
            Some((Opcode::Pong, _)) => {}
            _ => return Err(HandshakeError::PeerError(Vec::new())),
        }
        self.pending.clear();
        Ok(None)
    }

    fn send_commands(&mut self) -> Result<(), HandshakeError> {
        let mut body = buffer(&[]);
        while self.mechanism.next_command(&self.metadata, &mut body)? {
            append_frame(&mut self.output, Flags::COMMAND, &body);
            body.clear();
        }
        if self.mechanism.status() == Status::Ready {
            self.establish();
        }
        Ok(())
    }

    fn establish(&mut self) {
        let peer = std::mem::replace(&mut self.peer, metadata::PeerMetadata::new(self.socket_type));
        self.stage = Stage::Done;
        self.pending = Zeroizing::default();
        self.established = Some(Established {
            framing: self.framing,
            version: self.version,
            peer_socket_type: peer.socket_type,
            peer_routing_id: peer.routing_id,
            properties: peer.properties,
            transform: self.mechanism.session(),
            subscribe_all: self.unversioned && self.socket_type.info().publishes,
        });
    }
}
