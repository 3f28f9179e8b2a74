//! The NULL mechanism: each side sends READY with its properties (RFC 37, "The NULL Security
//! Mechanism"). With a ZAP domain set, a handler judges the peer's address first (RFC 27).

use zeroize::Zeroizing;

use super::dialogue::{Zap, refusal};
use super::row::Row;
use crate::options::numbers::value;
use crate::wire::command::{append_ready, strip};
use crate::wire::metadata::PeerMetadata;
use crate::wire::{HandshakeError, Mechanism, Status, ZapRequest};

/// The row of the table.
pub(super) static ROW: Row = Row {
    number: value::NULL,
    optional: None,
    needs_zap_handler: false,
    make: |options| Box::new(Null::new(!options.zap_domain.is_empty())),
};

/// One side of a NULL handshake; both are alike.
#[derive(Debug)]
pub struct Null {
    /// Without a ZAP domain, peers of old versions may come in: nobody asked for security.
    uses_zap: bool,
    zap: Zap,
    sent: bool,
    received: bool,
}

impl Null {
    /// `zap`: the ZAP handler is asked before our READY goes out (a domain is set).
    pub fn new(zap: bool) -> Null {
        let state = if zap { Zap::Ask } else { Zap::Clear };
        Null { uses_zap: zap, zap: state, sent: false, received: false }
    }
}

impl Mechanism for Null {
    fn name(&self) -> &'static [u8] {
        b"NULL"
    }

    fn allows_old_versions(&self) -> bool {
        !self.uses_zap
    }

    fn status(&self) -> Status {
        if self.zap.waiting() {
            Status::WaitingForZap
        } else if self.sent && self.received {
            Status::Ready
        } else {
            Status::Handshaking
        }
    }

    fn next_command(&mut self, metadata: &[u8], out: &mut Vec<u8>) -> Result<bool, HandshakeError> {
        if self.sent || self.zap.waiting() {
            return Ok(false);
        }
        append_ready(out, metadata);
        self.sent = true;
        Ok(true)
    }

    fn process_command(
        &mut self,
        body: &[u8],
        peer: &mut PeerMetadata,
    ) -> Result<(), HandshakeError> {
        match strip(body, b"READY") {
            Some(properties) if !self.received => {
                self.received = true;
                // libzmq reports no event for the metadata of a NULL peer.
                peer.read_peer(properties)
                    .map_err(|_| HandshakeError::InvalidMetadata { reported: false })
            }
            Some(_) => Err(HandshakeError::UnexpectedCommand),
            None => Err(refusal(body)),
        }
    }

    fn zap_request(&mut self) -> Option<ZapRequest> {
        let ask = self.zap.take_question();
        ask.then(|| ZapRequest { mechanism: b"NULL", credentials: Zeroizing::default() })
    }

    fn zap_accepted(&mut self) {
        self.zap = Zap::Clear;
    }
}
