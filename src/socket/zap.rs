//! Asking the ZAP handler of the context about a peer (RFC 27).
//!
//! Each question goes over a DEALER socket of its own, so that an answer, however wrong, belongs to
//! one handshake. Its news reach the I/O thread of the socket whose handshake waits.

use super::core::Core;
use super::{Socket, find};
use crate::endpoint::Question;
use crate::endpoint::token::Timer;
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::options::SocketOptions;
use crate::security::{self, zap};
use crate::sys::clock;
use crate::types::SocketType;
use crate::wire::{HandshakeError, ZapReply};

const REQUEST_ID: &[u8] = b"1";

/// More parts than any reply has.
const MOST_PARTS: usize = 16;

impl Core {
    /// Puts a question to the handler, or answers it if there is none.
    pub(super) fn ask_zap(&mut self, question: &Question) {
        let (attempt, serial) = (question.attempt, question.serial);
        let Some(options) = self.endpoints.options(question.endpoint) else { return };
        if self.context.registry().lock().find("zeromq.zap.01").is_none() {
            self.endpoints.hear_zap(attempt, serial, without_handler(&options));
            return;
        }
        match self.put_question(question, &options) {
            Ok(socket) => {
                self.aides.questions.insert((attempt, serial), socket.index);
            }
            Err(_) => {
                self.endpoints.hear_zap(attempt, serial, Err(HandshakeError::NoZapHandler));
            }
        }
    }

    fn put_question(
        &mut self,
        question: &Question,
        options: &SocketOptions,
    ) -> Result<&'static Socket> {
        let context = zap::Context {
            request_id: REQUEST_ID,
            domain: &options.zap_domain,
            address: question.peer.as_bytes(),
            routing_id: &options.routing_id,
        };
        let frames = zap::request(&context, &question.request);
        let io = self.io()?;
        let key = self.key;
        let token = Timer::Zap.token(question.attempt, question.serial);
        let socket = Socket::open_internal(&self.context, SocketType::Dealer)?;
        socket.set_hook(Some(Box::new(move || io.set_timer(clock::now(), key, token))));
        let sent = socket.connect(zap::ENDPOINT).and_then(|()| {
            let last = frames.len() - 1;
            frames.iter().enumerate().try_for_each(|(at, frame)| {
                socket.send(&mut Msg::copy_from(frame)?, at < last, true)
            })
        });
        if let Err(error) = sent {
            close(socket);
            return Err(error);
        }
        Ok(socket)
    }

    /// The handler may have answered, or gone away.
    pub(super) fn hear_zap(&mut self, attempt: u32, serial: u32) {
        let asked = self.aides.questions.get(&(attempt, serial));
        let Some(socket) = asked.and_then(|&index| find(index)) else { return };
        let reply = match read_reply(socket) {
            Ok(frames) => zap::reply(&frames, REQUEST_ID),
            // Not yet; the handshake's own deadline is the limit.
            Err(Error::Again) => return,
            Err(_) => Err(HandshakeError::NoZapHandler),
        };
        self.aides.questions.remove(&(attempt, serial));
        close(socket);
        self.endpoints.hear_zap(attempt, serial, reply);
        self.carry_out();
    }

    /// A handshake is over before its question was answered.
    pub(super) fn drop_question(&mut self, attempt: u32, serial: u32) {
        let asked = self.aides.questions.remove(&(attempt, serial));
        asked.and_then(find).into_iter().for_each(close);
    }
}

/// Without a handler PLAIN lets nobody in, and others only if ZMQ_ZAP_ENFORCE_DOMAIN is off.
fn without_handler(options: &SocketOptions) -> std::result::Result<ZapReply, HandshakeError> {
    if security::needs_zap_handler(options) {
        return Err(HandshakeError::NoZapHandler);
    }
    Ok(ZapReply { status: 200, user_id: None, metadata: Vec::new() })
}

/// Closes a socket of ours. It was not closed before, and nobody else has it.
fn close(socket: &'static Socket) {
    socket.set_hook(None);
    let _ = socket.close();
}

/// The frames of a reply. Multipart messages arrive whole, so after the first the rest is there.
fn read_reply(socket: &'static Socket) -> Result<Vec<Vec<u8>>> {
    let mut frames = Vec::new();
    loop {
        let msg = socket.receive(true)?;
        if frames.len() < MOST_PARTS {
            frames.push(msg.data().to_vec());
        }
        if !msg.more() {
            return Ok(frames);
        }
    }
}
