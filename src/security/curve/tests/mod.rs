//! CURVE without sockets: pairs in memory, a peer made by hand with mistakes, hostile bytes. The error
//! expected for each mistake is what libzmq 4.3.4 tells its monitors, unless said otherwise.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod fuzz;
mod handshake;
mod hostile;
mod messages;

use super::boxes::Key;
use super::{CurveClient, CurveServer};
use crate::types::SocketType;
use crate::util::keys::public_of;
use crate::wire::metadata::{PeerMetadata, append_property};
use crate::wire::{
    Established, Handshake, HandshakeConfig, HandshakeError, Mechanism, Session, ZapReply,
};

const CLIENT: [u8; 32] = [5; 32];
const SERVER: [u8; 32] = [3; 32];

/// A fixed sequence of numbers (xorshift64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

fn client() -> CurveClient {
    CurveClient::new(&public_of(&SERVER), &public_of(&CLIENT), &CLIENT)
}

fn server(zap: bool) -> CurveServer {
    CurveServer::new(&SERVER, zap)
}

fn handshake(socket_type: SocketType, mechanism: impl Mechanism + 'static) -> Handshake {
    Handshake::new(HandshakeConfig::new(socket_type, b"me".to_vec(), Box::new(mechanism)))
}

/// The body of the command a mechanism has to send, if any.
fn next(mechanism: &mut dyn Mechanism, metadata: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    mechanism.next_command(metadata, &mut out).unwrap().then_some(out)
}

fn process(mechanism: &mut dyn Mechanism, body: &[u8]) -> Result<(), HandshakeError> {
    mechanism.process_command(body, &mut PeerMetadata::new(SocketType::Router))
}

fn socket_type(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    append_property(&mut out, b"Socket-Type", name);
    out
}

/// A finished handshake, as client and server see it.
fn sessions() -> (Session, Session) {
    let (mut client, mut server) = (client(), server(false));
    let metadata = socket_type(b"DEALER");
    for _ in 0..2 {
        process(&mut server, &next(&mut client, &metadata).unwrap()).unwrap();
        process(&mut client, &next(&mut server, &metadata).unwrap()).unwrap();
    }
    (client.session().unwrap(), server.session().unwrap())
}

/// Carries bytes between two handshakes in pieces until nothing moves.
fn carry(
    client: &mut Handshake,
    server: &mut Handshake,
    mut piece: impl FnMut() -> usize,
) -> Result<(), HandshakeError> {
    let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
    loop {
        to_server.append(client.output());
        to_client.append(server.output());
        if to_client.is_empty() && to_server.is_empty() || server.waiting_for_zap() {
            return Ok(());
        }
        let now = piece().min(to_server.len());
        let used = server.input(&to_server[..now])?;
        to_server.drain(..used);
        let now = piece().min(to_client.len());
        let used = client.input(&to_client[..now])?;
        to_client.drain(..used);
    }
}

fn established(client: &mut Handshake, server: &mut Handshake) -> (Established, Established) {
    (client.outcome().expect("client is done"), server.outcome().expect("server is done"))
}
