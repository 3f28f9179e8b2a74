//! Both sides of the handshake.

use super::provider::{Provider, Step};
use super::session::Channel;
use crate::security::dialogue::{Zap, refusal};
use crate::sync::mutex::Mutex;
use crate::sys::gssapi::Failure;
use crate::util::buffer::Buffer;
use crate::wire::command::{append, strip};
use crate::wire::metadata::PeerMetadata;
use crate::wire::{HandshakeError, Malformed, Mechanism, Session, Status, Work, ZapRequest};
use std::sync::Arc;
use zeroize::Zeroizing;

/// Tokens that we take from a peer until the context is set up. Kerberos needs one from each side.
const MOST_TOKENS: u32 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// A token of the peer, or the beginning, waits for the library.
    Work,
    /// The library is at it.
    Working,
    SendToken,
    AwaitToken,
    /// The client has nothing to answer to the last token, and says so: with an empty command.
    SendNothing,
    AwaitNothing,
    SendReady,
    AwaitReady,
    Ready,
}

/// What a helper leaves behind.
type Outcome = (Box<dyn Provider>, Result<Step, Failure>);

/// Our side of a GSSAPI handshake.
pub struct Gssapi {
    server: bool,
    private: bool,
    turn: Turn,
    zap: Zap,
    /// While the library is not at it, and until there is a channel.
    provider: Option<Box<dyn Provider>>,
    outcome: Arc<Mutex<Option<Outcome>>>,
    /// For the library, or from it.
    token: Vec<u8>,
    tokens: u32,
    established: bool,
    channel: Option<Channel>,
    /// How much longer a frame's body becomes, once one was wrapped.
    overhead: usize,
}

impl std::fmt::Debug for Gssapi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gssapi").field("turn", &self.turn).finish_non_exhaustive()
    }
}

impl Gssapi {
    /// The side that begins.
    pub(super) fn client(provider: Box<dyn Provider>, private: bool) -> Gssapi {
        Gssapi {
            server: false,
            private,
            turn: Turn::Work,
            zap: Zap::Clear,
            provider: Some(provider),
            outcome: Arc::default(),
            token: Vec::new(),
            tokens: 0,
            established: false,
            channel: None,
            overhead: 0,
        }
    }

    /// The side that learns who has begun. `zap`: a ZAP handler is asked about it.
    pub(super) fn server(provider: Box<dyn Provider>, private: bool, zap: bool) -> Gssapi {
        let zap = if zap { Zap::Ask } else { Zap::Clear };
        let client = Gssapi::client(provider, private);
        Gssapi { server: true, turn: Turn::AwaitToken, zap, ..client }
    }

    /// After a step of the library's.
    fn went(&mut self, step: Step) {
        self.established = step.established;
        self.turn = match (step.token.is_empty(), step.established) {
            (false, _) => Turn::SendToken,
            (true, false) => Turn::AwaitToken,
            (true, true) if self.server => Turn::SendReady,
            (true, true) => Turn::SendNothing,
        };
        self.token = step.token;
    }

    fn process_token(&mut self, body: &[u8]) -> Result<(), HandshakeError> {
        let data = strip(body, b"INITIATE").ok_or_else(|| self.misfit(body))?;
        let token = data.split_first_chunk().and_then(|(len, token)| {
            (u32::from_be_bytes(*len) as usize == token.len()).then_some(token)
        });
        let token = token.ok_or(HandshakeError::MalformedCommand(Malformed::Initiate))?;
        self.tokens += 1;
        if self.tokens > MOST_TOKENS {
            return Err(HandshakeError::UnexpectedCommand);
        }
        self.token = token.to_vec();
        self.turn = Turn::Work;
        Ok(())
    }

    /// What a command is that has no place here. A client may be told why it is refused.
    fn misfit(&self, body: &[u8]) -> HandshakeError {
        if self.server { HandshakeError::UnexpectedCommand } else { refusal(body) }
    }

    fn append_token(&mut self, out: &mut Vec<u8>) -> Result<(), HandshakeError> {
        let token = std::mem::take(&mut self.token);
        let len = u32::try_from(token.len()).map_err(|_| HandshakeError::NoContext)?;
        append(out, b"INITIATE", &len.to_be_bytes());
        out.extend_from_slice(&token);
        self.turn = match (self.established, self.server) {
            (false, _) => Turn::AwaitToken,
            (true, true) => Turn::AwaitNothing,
            (true, false) => Turn::AwaitReady,
        };
        Ok(())
    }

    fn append_ready(&mut self, metadata: &[u8], out: &mut Vec<u8>) -> Result<(), HandshakeError> {
        if self.private {
            let mut ready = Vec::new();
            append(&mut ready, b"READY", metadata);
            let mut sealed = Buffer::new();
            let room = sealed.reserve(ready.len() + 64);
            room.map_err(|_| HandshakeError::NoContext)?;
            self.channel()?.seal(0, &ready, &mut sealed)?;
            self.overhead = sealed.len() - ready.len();
            out.extend_from_slice(&sealed);
        } else {
            append(out, b"READY", metadata);
        }
        self.turn = if self.server { Turn::AwaitReady } else { Turn::Ready };
        Ok(())
    }

    fn process_ready(
        &mut self,
        body: &[u8],
        peer: &mut PeerMetadata,
    ) -> Result<(), HandshakeError> {
        let mut opened = Vec::new();
        let mut ready = body;
        if self.private {
            opened.extend_from_slice(body);
            let channel = self.channel()?;
            let (_, len) = channel.open(&mut opened).map_err(|error| match error {
                HandshakeError::UnexpectedCommand => self.misfit(body),
                other => other,
            })?;
            ready = opened.get(1..len).unwrap_or_default();
        }
        let properties = strip(ready, b"READY").ok_or_else(|| self.misfit(ready))?;
        peer.read_peer(properties)?;
        self.turn = if self.server { Turn::Ready } else { Turn::SendReady };
        Ok(())
    }

    /// The context, which is set up.
    fn channel(&mut self) -> Result<Channel, HandshakeError> {
        if let Some(provider) = self.provider.take() {
            self.channel = Some(Channel::new(provider));
        }
        self.channel.clone().ok_or(HandshakeError::NoContext)
    }

    #[cfg(test)]
    pub(super) fn channel_for_tests(&self) -> Channel {
        self.channel.clone().expect("the handshake is over")
    }

    /// Whether the ZAP handler's turn has come.
    fn waits_for_zap(&self) -> bool {
        self.turn == Turn::SendReady && self.zap.waiting()
    }
}

impl Mechanism for Gssapi {
    fn name(&self) -> &'static [u8] {
        b"GSSAPI"
    }

    fn status(&self) -> Status {
        match self.turn {
            Turn::Work | Turn::Working => Status::Working,
            Turn::SendReady if self.waits_for_zap() => Status::WaitingForZap,
            Turn::Ready => Status::Ready,
            _ => Status::Handshaking,
        }
    }

    fn next_command(&mut self, metadata: &[u8], out: &mut Vec<u8>) -> Result<bool, HandshakeError> {
        match self.turn {
            Turn::SendToken => self.append_token(out)?,
            Turn::SendNothing => self.turn = Turn::AwaitReady,
            Turn::SendReady if !self.waits_for_zap() => self.append_ready(metadata, out)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn process_command(
        &mut self,
        body: &[u8],
        peer: &mut PeerMetadata,
    ) -> Result<(), HandshakeError> {
        match self.turn {
            Turn::AwaitToken => self.process_token(body)?,
            Turn::AwaitNothing if body.is_empty() => self.turn = Turn::SendReady,
            Turn::AwaitReady => self.process_ready(body, peer)?,
            _ => return Err(self.misfit(body)),
        }
        Ok(())
    }

    fn zap_request(&mut self) -> Option<ZapRequest> {
        let ask = self.waits_for_zap() && self.zap.take_question();
        let principal = self.provider.as_ref().map_or(&[][..], |provider| provider.peer());
        ask.then(|| ZapRequest {
            mechanism: b"GSSAPI",
            credentials: Zeroizing::new(vec![principal.to_vec()]),
        })
    }

    fn zap_accepted(&mut self) {
        self.zap = Zap::Clear;
    }

    fn work(&mut self) -> Option<Work> {
        let mut provider = self.provider.take_if(|_| self.turn == Turn::Work)?;
        self.turn = Turn::Working;
        let (token, outcome) = (std::mem::take(&mut self.token), Arc::downgrade(&self.outcome));
        Some(Box::new(move || {
            // Nobody waits for it any more if it is gone.
            if outcome.strong_count() > 0 {
                let step = provider.step(&token);
                if let Some(outcome) = outcome.upgrade() {
                    *outcome.lock() = Some((provider, step));
                }
            }
        }))
    }

    fn work_done(&mut self) -> Result<(), HandshakeError> {
        let outcome = self.outcome.lock().take();
        // Without an outcome nobody came to it.
        let (provider, step) = outcome.ok_or(HandshakeError::NoContext)?;
        self.provider = Some(provider);
        match step {
            Ok(step) => self.went(step),
            Err(Failure::Ours) => return Err(HandshakeError::NoContext),
            Err(Failure::Token) => return Err(HandshakeError::Cryptographic),
        }
        Ok(())
    }

    fn session(&mut self) -> Option<Session> {
        self.channel.take().map(|channel| channel.session(self.overhead))
    }
}
