//! WebSocket on the way up to the end of ZMTP's handshake: the upgrade, which chooses the handshake, and then
//! what makes frames of messages and messages of frames.

use crate::connection::WebSocket;
use crate::error::{Error, Result};
use crate::sys::random;
use crate::transport::{HttpTarget, Link};
use crate::util::buffer::Buffer;
use crate::wire::handshake::MAX_COMMAND;
use crate::wire::upgrade::{Agreed, Offer, Upgrade};
use crate::wire::zws::{Content, Decoder, Encoder, GROWTH, Masks};
use crate::wire::{Handshake, HandshakeConfig};
use zeroize::{Zeroize, Zeroizing};

/// See the module.
pub(super) struct Carrier {
    /// Whether a `connect` of ours began it: then we are the client.
    ours: bool,
    upgrade: Upgrade,
    /// For the handshake, if there will be one.
    config: Option<HandshakeConfig>,
    codec: Option<WebSocket>,
    /// Messages for the peer.
    output: Vec<u8>,
}

impl Carrier {
    /// One to this target, if we ask. Without `config` messages are the application's.
    ///
    /// # Errors
    /// There are no secret numbers to be had.
    pub(super) fn new(
        ours: bool,
        target: &HttpTarget,
        config: Option<HandshakeConfig>,
    ) -> Result<Carrier> {
        let offer = config.as_ref().map_or(Offer::Any, |config| Offer::of(&*config.mechanism));
        let upgrade = if ours {
            let mut key = [0; 16];
            random::fill(&mut key)?;
            Upgrade::client(&target.host, &target.path, offer, &key)
        } else {
            Upgrade::server(offer)
        };
        Ok(Carrier { ours, upgrade, config, codec: None, output: Vec::new() })
    }

    /// Whether the upgrade is agreed on, and what we have said of it is taken from the output.
    pub(super) fn is_upgraded(&self) -> bool {
        self.codec.is_some()
    }

    /// Once the upgrade is over: the handshake that comes next, if there is one.
    pub(super) fn go_on(&mut self) -> Option<Option<Handshake>> {
        let agreed = self.upgrade.agreed().filter(|_| self.codec.is_none())?;
        let content = if agreed == Agreed::Plain { Content::Plain } else { Content::Zws };
        let encoder = Encoder::new(content, self.ours.then(|| Masks::new(random::fill)));
        let decoder = Decoder::new(content, !self.ours, MAX_COMMAND as u64);
        self.codec = Some(WebSocket { encoder, decoder, content, link: Link::default() });
        let config = self.config.take();
        Some(config.map(|c| Handshake::without_greeting(c, agreed == Agreed::Mechanism)))
    }

    /// What is to be sent, of the handshake if that has begun.
    ///
    /// # Errors
    /// [`Error::NoMemory`], or no secret numbers.
    pub(super) fn output(&mut self, handshake: Option<&mut Handshake>) -> Result<&mut Vec<u8>> {
        let (Some(codec), Some(handshake)) = (&mut self.codec, handshake) else {
            return Ok(self.upgrade.output());
        };
        let frames = handshake.output();
        let (mut messages, mut at) = (Buffer::new(), 0);
        while at < frames.len() {
            let rest = frames.get(at..).unwrap_or_default();
            messages.reserve(rest.len() + GROWTH)?;
            match codec.encoder.encode(rest, rest.len(), &mut messages)? {
                0 => return Err(Error::Protocol),
                used => at += used,
            }
        }
        frames.zeroize();
        self.output.extend_from_slice(&messages);
        Ok(&mut self.output)
    }

    /// Takes what the peer says; how much of it, and what it means in frames.
    ///
    /// # Errors
    /// There will be no connection. The output may have to be sent still.
    pub(super) fn input(&mut self, bytes: &[u8], frames: &mut Zeroizing<Vec<u8>>) -> Result<usize> {
        let Some(codec) = &mut self.codec else {
            return self.upgrade.input(bytes).map_err(|_| Error::Protocol);
        };
        let mut used = 0;
        let mut room = Zeroizing::new([0; 4096]);
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let step = match codec.decoder.decode(rest, &mut *room) {
                Ok(step) => step,
                // What came before that may be all that the handshake needs. The decoder says it again.
                Err(_) if !frames.is_empty() => return Ok(bytes.len()),
                Err(error) => return Err(error.into()),
            };
            if step.used == 0 && step.written == 0 {
                return Ok(used);
            }
            used += step.used;
            frames.extend_from_slice(room.get(..step.written).unwrap_or_default());
        }
    }

    /// Whether what the peer says next makes no sense.
    pub(super) fn has_failed(&self) -> bool {
        self.codec.as_ref().is_some_and(|codec| codec.decoder.has_failed())
    }

    /// For the connection, over this.
    pub(super) fn into_websocket(self, link: Link) -> Option<WebSocket> {
        self.codec.map(|codec| WebSocket { link, ..codec })
    }
}
