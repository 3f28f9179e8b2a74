//! What a connection over WebSocket has besides: control frames, and a last word.

use super::answer;
use super::{Connection, WebSocket};
use crate::error::Result;
use crate::msg::Msg;
use crate::wire::websocket::Opcode;
use crate::wire::zws::{self, Content};
use std::os::fd::AsFd;

/// The status of an end that is none of the peer's doing (RFC 6455, section 7.4.1: "such as a server going
/// down or a browser having navigated away").
const GOING_AWAY: &[u8] = &1001_u16.to_be_bytes();

impl Connection {
    /// From now on messages of WebSocket carry what is said.
    pub fn carry(&mut self, websocket: WebSocket) {
        let WebSocket { encoder, decoder, content, link } = websocket;
        self.tx.carry(encoder, content, link.clone());
        self.rx.carry(decoder, link);
        (self.websocket, self.open_websocket) = (true, true);
        self.heartbeats = content == Content::Zws;
    }

    /// Acts on a control frame of the peer.
    pub(super) fn control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<Option<Msg>> {
        match opcode {
            Opcode::Ping => {
                self.answered = true;
                let pong = answer::control_pong(payload)?;
                self.answers.answer(&mut self.tx, self.fd.as_fd(), pong).map(|()| None)
            }
            Opcode::Close => {
                // "It typically echos the status code it received" (RFC 6455, section 5.5.1).
                self.close_with(payload.get(..2).unwrap_or_default());
                self.rx.end();
                Err(self.rx.why_ended())
            }
            _ => Ok(None),
        }
    }

    /// Says, if nothing stands before it, that nothing more comes: a peer that hears this knows that it has
    /// all. Whether it arrives is not waited for.
    fn close_with(&mut self, status: &[u8]) {
        let open = std::mem::take(&mut self.open_websocket);
        if !open || self.flush() != Ok(true) || !self.tx.may_close() {
            return;
        }
        let mut body = Vec::with_capacity(4);
        zws::control_command(Opcode::Close, status, &mut body);
        if self.tx.push_command_of(&body).is_ok() && self.flush() == Ok(true) {
            self.tx.close_link(self.fd.as_fd());
        }
    }

    /// The same when it is we who go.
    pub(super) fn close_websocket(&mut self) {
        self.close_with(GOING_AWAY);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // What could not be sent is for another connection, and this one has no last word then.
        if self.open_websocket && self.tx.may_close() {
            self.close_websocket();
        }
    }
}
