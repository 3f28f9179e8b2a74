//! A connection between `connect` or `accept` and the end of its handshake.

use crate::error::{Error, Result};
use crate::sys::fd::OwnedFd;
use crate::sys::net;
use crate::wire::{Established, Handshake, HandshakeError};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use zeroize::{Zeroize, Zeroizing};

/// How far driving a handshake came.
pub enum Progress {
    /// More has to come from the peer, or (true) the kernel has to take more of ours first.
    Waiting(bool),
    /// A ZAP handler has to be asked or to answer, see [`Opening::handshake`].
    WaitingForZap,
    /// Done; the bytes are what came behind the handshake.
    Established(Box<Established>, Vec<u8>),
    /// The peer broke the protocol or was refused.
    Failed(HandshakeError),
    /// The transport failed, or the peer hung up.
    Closed(Error),
}

/// A handshake over a descriptor.
pub struct Opening {
    fd: OwnedFd,
    handshake: Handshake,
    /// Whether the reactor watches for room to write.
    pub watches_out: bool,
    /// The endpoint it belongs to.
    pub endpoint: u32,
    /// Tells this handshake from earlier ones with its number, for timers.
    pub serial: u32,
    /// Whether a `connect` of ours began it.
    pub connected: bool,
    /// The endpoint that monitor events name.
    pub address: String,
    /// The peer's address (Peer-Address).
    pub peer: String,
    /// The last read brought all there was: more makes the descriptor readable again.
    drained: bool,
    /// Received, not used by the handshake yet. There may be a password in it.
    rest: Zeroizing<Vec<u8>>,
}

impl Opening {
    /// Begins.
    pub fn new(
        fd: OwnedFd,
        handshake: Handshake,
        endpoint: u32,
        serial: u32,
        connected: bool,
        address: String,
        peer: String,
    ) -> Opening {
        let rest = Zeroizing::default();
        Opening {
            fd,
            handshake,
            watches_out: false,
            endpoint,
            serial,
            connected,
            address,
            peer,
            drained: false,
            rest,
        }
    }

    /// The descriptor.
    pub fn fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }

    /// Takes the descriptor for the established connection.
    pub fn into_fd(self) -> OwnedFd {
        self.fd
    }

    /// The handshake, for the ZAP dialogue.
    pub fn handshake(&mut self) -> &mut Handshake {
        &mut self.handshake
    }

    /// Goes as far as possible without waiting.
    pub fn drive(&mut self) -> Progress {
        self.drained = false;
        loop {
            match self.send() {
                Ok(true) => {}
                Ok(false) => return Progress::Waiting(true),
                Err(error) => return Progress::Closed(error),
            }
            if let Some(established) = self.handshake.outcome() {
                return Progress::Established(Box::new(established), self.rest.to_vec());
            }
            if self.handshake.waiting_for_zap() {
                return Progress::WaitingForZap;
            }
            if self.rest.is_empty()
                && let Some(progress) = self.receive()
            {
                return progress;
            }
            match self.handshake.input(&self.rest) {
                Ok(used) => {
                    self.rest.drain(..used);
                }
                Err(error) => return self.fail(error),
            }
        }
    }

    /// Ends the handshake. An ERROR command for the peer may be waiting; it is sent if that costs
    /// no waiting.
    pub fn fail(&mut self, error: HandshakeError) -> Progress {
        let _ = self.send();
        Progress::Failed(error)
    }

    /// Reads what there is; how far that came if there was nothing.
    fn receive(&mut self) -> Option<Progress> {
        if self.drained {
            return Some(Progress::Waiting(false));
        }
        let mut buffer = [0u8; 4096];
        match net::recv(self.fd.as_fd(), &mut buffer) {
            Ok(0) => Some(Progress::Closed(Error::Os(libc::EPIPE))),
            Ok(count) => {
                self.drained = count < buffer.len();
                // Nothing is left of what was there.
                self.rest = Zeroizing::new(buffer[..count].to_vec());
                buffer[..count].zeroize();
                None
            }
            Err(Error::Again) => Some(Progress::Waiting(false)),
            Err(error) => Some(Progress::Closed(error)),
        }
    }

    /// Sends what the handshake has to say; false if the kernel did not take all of it.
    fn send(&mut self) -> Result<bool> {
        let output = self.handshake.output();
        while !output.is_empty() {
            match net::send(self.fd.as_fd(), output) {
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
