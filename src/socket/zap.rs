//! Asking the ZAP handler of the context about a peer (RFC 27).
//!
//! Each question goes over a DEALER socket of its own, so that an answer, however wrong, belongs to
//! one handshake. Its news reach the I/O thread of the socket whose handshake waits.

use super::Socket;
use super::core::Core;
use super::driver::{Timer, opening, timer_token};
use crate::connection::opening::Progress;
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::options::SocketOptions;
use crate::security::{self, zap};
use crate::sys::clock;
use crate::sys::epoll;
use crate::types::SocketType;
use crate::wire::{HandshakeError, ZapReply, ZapRequest};

const REQUEST_ID: &[u8] = b"1";

/// More parts than any reply has.
const MOST_PARTS: usize = 16;

/// A question put to the handler.
pub(super) struct Question {
    opening: u32,
    serial: u32,
    socket: &'static Socket,
}

impl Core {
    /// A handshake stands still until the ZAP handler has spoken.
    pub(super) fn ask_zap(&mut self, number: u32) {
        let key = self.key;
        let place = self.endpoints.openings.get_mut(number);
        let Some(place) = place else { return };
        // Asked already if there is no question; bytes of the peer wait in the kernel meanwhile.
        let Some(request) = place.handshake().zap_request() else { return };
        let (fd, serial, peer) = (place.fd(), place.serial, place.peer.clone());
        let endpoint = place.endpoint;
        let Some(options) = self.endpoint_options(endpoint) else { return };
        if let Ok(io) = self.io() {
            let _ = io.modify(fd, epoll::PEER_CLOSED, key, opening(number));
        }
        if self.context.registry().lock().find("zeromq.zap.01").is_none() {
            return self.no_zap_handler(number, &options);
        }
        match self.put_question((number, serial), &options, &peer, &request) {
            Ok(socket) => {
                self.endpoints.questions.push(Question { opening: number, serial, socket })
            }
            Err(_) => self.answer_zap(number, Err(HandshakeError::NoZapHandler)),
        }
    }

    /// Without a handler PLAIN lets nobody in, and others only if ZMQ_ZAP_ENFORCE_DOMAIN is off.
    fn no_zap_handler(&mut self, number: u32, options: &SocketOptions) {
        let reply = if security::needs_zap_handler(options) {
            Err(HandshakeError::NoZapHandler)
        } else {
            Ok(ZapReply { status: 200, user_id: None, metadata: Vec::new() })
        };
        self.answer_zap(number, reply);
    }

    fn put_question(
        &mut self,
        (number, serial): (u32, u32),
        options: &SocketOptions,
        peer: &str,
        request: &ZapRequest,
    ) -> Result<&'static Socket> {
        let context = zap::Context {
            request_id: REQUEST_ID,
            domain: &options.zap_domain,
            address: peer.as_bytes(),
            routing_id: &options.routing_id,
        };
        let frames = zap::request(&context, request);
        let io = self.io()?;
        let key = self.key;
        let token = timer_token(Timer::Zap, number, serial);
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
    pub(super) fn hear_zap(&mut self, number: u32, serial: u32) {
        let asked = |q: &Question| q.opening == number && q.serial == serial;
        let Some(at) = self.endpoints.questions.iter().position(asked) else { return };
        let socket = self.endpoints.questions[at].socket;
        let reply = match read_reply(socket) {
            Ok(frames) => zap::reply(&frames, REQUEST_ID),
            // Not yet; the handshake's own deadline is the limit.
            Err(Error::Again) => return,
            Err(_) => Err(HandshakeError::NoZapHandler),
        };
        self.endpoints.questions.swap_remove(at);
        close(socket);
        self.answer_zap(number, reply);
    }

    fn answer_zap(&mut self, number: u32, reply: std::result::Result<ZapReply, HandshakeError>) {
        let key = self.key;
        let place = self.endpoints.openings.get_mut(number);
        let Some(place) = place else { return };
        if let Err(error) = place.handshake().zap_reply(reply) {
            if let Progress::Failed(error) = place.fail(error) {
                self.opening_failed(number, &error);
            }
            return;
        }
        let fd = place.fd();
        place.watches_out = false;
        if let Ok(io) = self.io() {
            let _ = io.modify(fd, epoll::IN, key, opening(number));
        }
        self.drive_opening(number);
    }

    /// A handshake is over before its question was answered.
    pub(super) fn drop_question(&mut self, number: u32) {
        self.endpoints.questions.retain(|q| {
            if q.opening == number {
                close(q.socket);
            }
            q.opening != number
        });
    }
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
