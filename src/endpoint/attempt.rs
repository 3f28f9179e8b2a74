//! One attempt at a connection, from `connect` or `accept` to the end of its handshake.
//!
//! What has to be said first is a stack of dialogues, each of which gets what the one before did not use: those with
//! whoever stands on the way to the peer (a proxy), those with the peer that agree on what carries ZMTP, and ZMTP's handshake.

use super::carrier::Carrier;
use crate::connection::{Ends, WebSocket};
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::stats::{PeerStats, Record};
use crate::sys::epoll;
use crate::sys::fd::OwnedFd;
use crate::transport::{Agreement, Dialogue, Link, Stream};
use crate::wire::{Established, Handshake, HandshakeConfig, HandshakeError};
use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::Instant;
use zeroize::{Zeroize, Zeroizing};

/// The most that is heard before there is a connection. What a peer has to say takes a small part of it: 64 KiB for TLS, 16 for HTTP, 64
/// for each command. But what says nothing (fragments without content, Pongs, records without text) has no end of its own,
/// and comes as fast as it is read.
const MOST_HEARD: usize = 1 << 20;

/// What counts as heard when there was something to be read that said nothing.
const NOTHING_HEARD: usize = 1 << 16;

/// How far driving an attempt came.
pub(super) enum Progress {
    /// More has to come from the other side, or the kernel has to take more of ours: the events of epoll.
    Waiting(u32),
    /// This is the peer: what follows is for it.
    Reached,
    /// A ZAP handler has to be asked or to answer, see [`Attempt::handshake`].
    WaitingForZap,
    /// Something has to be done elsewhere, see [`Attempt::handshake`].
    Working,
    /// Done, and what was agreed on, if ZMTP is spoken. The bytes are what came behind it.
    Established(Option<Box<Established>>, Zeroizing<Vec<u8>>),
    /// The peer broke the protocol or was refused.
    Failed(HandshakeError),
    /// The transport failed, or the other side hung up or said what makes no sense.
    Closed(Error),
}

/// Whom an attempt has to do with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The system, which connects.
    Connecting,
    /// Who stands on the way to the peer.
    OnTheWay,
    /// The peer. If this comes to nothing there was a connection all the same.
    Greeting,
}

/// An attempt.
pub(super) struct Attempt {
    /// The endpoint it belongs to.
    pub(super) endpoint: u32,
    /// Tells this attempt from earlier ones with its number, for timers.
    pub(super) serial: u32,
    /// Whether a `connect` of ours began it.
    pub(super) ours: bool,
    /// What monitor events name.
    pub(super) ends: Ends,
    /// The peer's address (Peer-Address), once it is here.
    pub(super) peer: String,
    pub(super) stage: Stage,
    /// What the reactor watches the descriptor for, and for which stage: nothing yet.
    pub(super) watched: Option<(u32, Stage)>,
    /// Whether what the peer says has a place: after [`Effect::Prepare`](super::Effect::Prepare).
    pub(super) has_place: bool,
    /// When this stage has taken too long.
    pub(super) deadline: Option<Instant>,
    /// What others can see of the peer.
    pub(super) stats: PeerStats,
    stream: Stream,
    /// What is between its descriptor and all that is said to the peer.
    link: Link,
    /// What is said before ZMTP to whom the stage has to do with, the first one first.
    dialogues: VecDeque<Box<dyn Dialogue>>,
    /// What is said last; there is none if bytes are carried as they are.
    handshake: Option<Handshake>,
    /// Messages of WebSocket carry what is said to the peer. It chooses the handshake.
    carrier: Option<Box<Carrier>>,
    /// The last read brought all there was: more makes the descriptor readable again.
    drained: bool,
    /// How much was heard.
    heard: usize,
    /// Received, not used by a dialogue yet. There may be a password in it.
    rest: Zeroizing<Vec<u8>>,
    /// What that is in frames, if messages carry them.
    frames: Zeroizing<Vec<u8>>,
}

impl Attempt {
    /// One that a `connect` of ours begins.
    pub(super) fn connecting(
        endpoint: u32,
        serial: u32,
        stream: Stream,
        dialogues: Vec<Box<dyn Dialogue>>,
        ends: Ends,
    ) -> Attempt {
        Attempt {
            endpoint,
            serial,
            ours: true,
            ends,
            peer: String::new(),
            stage: Stage::Connecting,
            watched: None,
            has_place: false,
            deadline: None,
            stats: PeerStats::nobodys(Record::nobodys(0)),
            stream,
            link: Link::default(),
            dialogues: dialogues.into(),
            handshake: None,
            carrier: None,
            drained: false,
            heard: 0,
            rest: Zeroizing::default(),
            frames: Zeroizing::default(),
        }
    }

    /// One with a peer that came to us.
    pub(super) fn accepted(endpoint: u32, serial: u32, stream: Stream, ends: Ends) -> Attempt {
        let attempt = Attempt::connecting(endpoint, serial, stream, Vec::new(), ends);
        Attempt { ours: false, stage: Stage::Greeting, ..attempt }
    }

    /// The peer is here. What its transport wants said comes first; at the end stands ZMTP's handshake, if
    /// that is spoken. The endpoint has this name.
    ///
    /// # Errors
    /// There is nothing that could be said, or no way to.
    pub(super) fn begin_greeting(
        &mut self,
        endpoint: &str,
        options: &SocketOptions,
        config: Option<HandshakeConfig>,
    ) -> Result<()> {
        self.stage = Stage::Greeting;
        self.peer = self.stream.peer_address();
        self.link = self.stream.link()?;
        self.dialogues = self.stream.greetings(self.ours, endpoint, options).into();
        if let Some(target) = self.stream.websocket(endpoint) {
            self.carrier = Some(Box::new(Carrier::new(self.ours, &target, config)?));
        } else {
            self.handshake = config.map(Handshake::new);
        }
        Ok(())
    }

    /// Its descriptor.
    pub(super) fn fd(&self) -> RawFd {
        self.stream.as_fd().as_raw_fd()
    }

    /// Takes the descriptor for the established connection, and what stands before it.
    pub(super) fn into_parts(self) -> (OwnedFd, Option<WebSocket>) {
        let websocket = self.carrier.and_then(|carrier| carrier.into_websocket(self.link));
        (self.stream.into_fd(), websocket)
    }

    /// The handshake, for the questions to the ZAP handler.
    pub(super) fn handshake(&mut self) -> Option<&mut Handshake> {
        self.handshake.as_mut().filter(|_| self.dialogues.is_empty())
    }

    /// The mechanism that the peer has named.
    pub(super) fn announced(&self) -> &[u8] {
        self.handshake.as_ref().map_or(&[], |handshake| handshake.announced())
    }

    /// The process at the other end, where the system knows.
    pub(super) fn peer_process(&self) -> u32 {
        self.stream.peer_process()
    }

    /// Whether nothing goes on until the ZAP handler has spoken.
    pub(super) fn waits_for_zap(&mut self) -> bool {
        self.handshake().is_some_and(|handshake| handshake.waiting_for_zap())
    }

    /// Whether nothing goes on until somebody else has done something.
    pub(super) fn is_waiting(&mut self) -> bool {
        self.handshake().is_some_and(|handshake| handshake.waiting())
    }

    /// Goes as far as possible without waiting.
    pub(super) fn drive(&mut self) -> Progress {
        self.drained = false;
        if self.stage == Stage::Connecting {
            if let Err(error) = self.stream.finish_connect() {
                return Progress::Closed(error);
            }
            self.stage = Stage::OnTheWay;
        }
        match self.link.agree(self.stream.as_fd()) {
            Ok(Agreement::Reached) => {}
            Ok(Agreement::Speaks) => return Progress::Waiting(epoll::OUT),
            Ok(Agreement::Hears) => return Progress::Waiting(epoll::IN),
            Err(error) => return Progress::Closed(error),
        }
        loop {
            match self.send() {
                Ok(true) => {}
                Ok(false) => return self.hear_meanwhile(),
                Err(error) => return self.last_words(error),
            }
            if self.dialogues.front().is_some_and(|dialogue| dialogue.wanted() == 0) {
                self.dialogues.pop_front();
                continue;
            }
            if self.dialogues.is_empty()
                && let Some(handshake) = self.carrier.as_mut().and_then(|carrier| carrier.go_on())
            {
                self.handshake = handshake;
                continue;
            }
            if self.dialogues.is_empty()
                && let Some(progress) = self.outcome()
            {
                return progress;
            }
            if self.frames.is_empty() && self.carrier.as_ref().is_some_and(|c| c.has_failed()) {
                return Progress::Closed(Error::Protocol);
            }
            if self.rest.is_empty()
                && self.frames.is_empty()
                && let Some(progress) = self.receive()
            {
                return progress;
            }
            if let Err(progress) = self.hear() {
                return progress;
            }
        }
    }

    /// What has come of the last dialogue.
    fn outcome(&mut self) -> Option<Progress> {
        if self.stage != Stage::Greeting {
            if let Err(error) = self.stream.reached() {
                return Some(Progress::Closed(error));
            }
            self.ends.local = self.stream.local_endpoint();
            return Some(Progress::Reached);
        }
        if self.carrier.as_ref().is_some_and(|carrier| !carrier.is_upgraded()) {
            return None;
        }
        let Some(handshake) = &mut self.handshake else {
            // What is here already is made frames.
            if let Err(progress) = self.hear() {
                return Some(progress);
            }
            return Some(Progress::Established(None, self.take_rest()));
        };
        if let Some(established) = handshake.outcome() {
            let rest = self.take_rest();
            return Some(Progress::Established(Some(Box::new(established)), rest));
        }
        if handshake.working() {
            return Some(Progress::Working);
        }
        handshake.waiting_for_zap().then_some(Progress::WaitingForZap)
    }

    /// The peer hears no more. Why may be in what it said before it went: an ERROR command.
    fn last_words(&mut self, error: Error) -> Progress {
        while let Some(handshake) = self.handshake.as_mut().filter(|_| self.dialogues.is_empty()) {
            if handshake.waiting() || self.rest.is_empty() && self.receive().is_some() {
                break;
            }
            let before = self.rest.len();
            if let Err(progress) = self.hear() {
                return progress;
            }
            if self.rest.len() == before {
                // All of the handshake has been said.
                break;
            }
        }
        Progress::Closed(error)
    }

    /// What came behind all that was said.
    fn take_rest(&mut self) -> Zeroizing<Vec<u8>> {
        let rest = if self.carrier.is_some() { &mut self.frames } else { &mut self.rest };
        std::mem::take(rest)
    }

    /// Ends the handshake. An ERROR command for the peer may be waiting; it is sent if that costs
    /// no waiting.
    pub(super) fn say_goodbye(&mut self) {
        let _ = self.send();
    }

    /// Gives the dialogue what is here.
    fn hear(&mut self) -> std::result::Result<(), Progress> {
        if self.dialogues.is_empty() && self.carrier.is_some() {
            return self.hear_carried();
        }
        let used = match (self.dialogues.front_mut(), &mut self.handshake) {
            (Some(dialogue), _) => {
                let used = dialogue.input(&self.rest).map_err(Progress::Closed)?;
                if used < self.rest.len() && dialogue.wanted() > 0 {
                    // Asked again, it would say the same.
                    return Err(Progress::Closed(Error::Protocol));
                }
                used
            }
            (None, Some(handshake)) => match handshake.input(&self.rest) {
                Ok(used) => used,
                Err(error) => {
                    self.say_goodbye();
                    return Err(Progress::Failed(error));
                }
            },
            (None, None) => 0,
        };
        self.rest.drain(..used);
        Ok(())
    }

    /// The same where messages of WebSocket carry it.
    fn hear_carried(&mut self) -> std::result::Result<(), Progress> {
        let Some(carrier) = &mut self.carrier else { return Ok(()) };
        let heard = carrier.input(&self.rest, &mut self.frames);
        match heard {
            Ok(used) => drop(self.rest.drain(..used)),
            Err(error) => {
                // A client is told.
                self.say_goodbye();
                return Err(Progress::Closed(error));
            }
        }
        let Some(handshake) = &mut self.handshake else { return Ok(()) };
        match handshake.input(&self.frames) {
            Ok(used) => drop(self.frames.drain(..used)),
            Err(error) => {
                self.say_goodbye();
                return Err(Progress::Failed(error));
            }
        }
        Ok(())
    }

    /// Reads what there is, and no more than the dialogue wants; how far that came if there was nothing.
    fn receive(&mut self) -> Option<Progress> {
        if self.drained {
            return Some(Progress::Waiting(epoll::IN));
        }
        if self.heard >= MOST_HEARD {
            return Some(Progress::Closed(Error::Protocol));
        }
        let mut buffer = [0u8; 4096];
        let wanted = self.dialogues.front().map_or(buffer.len(), |dialogue| dialogue.wanted());
        let room = wanted.min(buffer.len());
        let buffer = &mut buffer[..room];
        match self.link.recv(self.stream.as_fd(), buffer) {
            Ok(0) => Some(Progress::Closed(Error::Os(libc::EPIPE))),
            Ok(count) => {
                self.heard += count;
                self.drained = !self.link.has_more(count == buffer.len());
                // Nothing is left of what was there.
                self.rest = Zeroizing::new(buffer[..count].to_vec());
                buffer[..count].zeroize();
                None
            }
            Err(Error::Again) => Some(Progress::Waiting(epoll::IN)),
            Err(Error::Interrupted) => {
                self.heard += NOTHING_HEARD;
                None
            }
            Err(error) => Some(Progress::Closed(error)),
        }
    }

    /// The kernel takes no more of ours. If the peer is as far as that, too, it goes on once we have read something: two
    /// who both only wait for room wait for ever. Before ZMTP they speak by turns.
    fn hear_meanwhile(&mut self) -> Progress {
        while self.dialogues.is_empty() && !self.is_waiting() {
            if self.rest.is_empty() && self.frames.is_empty() {
                match self.receive() {
                    None => {}
                    Some(Progress::Waiting(events)) => {
                        return Progress::Waiting(events | epoll::OUT);
                    }
                    Some(Progress::Closed(error)) => return self.last_words(error),
                    Some(progress) => return progress,
                }
            }
            if let Err(progress) = self.hear() {
                return progress;
            }
            if !self.rest.is_empty() || !self.frames.is_empty() {
                // It is for later: first we have to say more.
                break;
            }
        }
        Progress::Waiting(epoll::OUT)
    }

    /// Sends what is to be said; false if the kernel did not take all of it.
    fn send(&mut self) -> Result<bool> {
        let handshake = self.handshake.as_mut();
        let output = match (self.dialogues.front_mut(), &mut self.carrier, handshake) {
            (Some(dialogue), ..) => dialogue.output(),
            (None, Some(carrier), handshake) => carrier.output(handshake)?,
            (None, None, Some(handshake)) => handshake.output(),
            (None, None, None) => return Ok(true),
        };
        while !output.is_empty() {
            match self.link.send(self.stream.as_fd(), output) {
                Ok(sent) => {
                    output.drain(..sent);
                }
                Err(Error::Again) => return Ok(false),
                Err(Error::Interrupted) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
