//! The side that connects with a server's key in its hands: HELLO, WELCOME, INITIATE, READY.

use super::boxes::{Key, LONG_LEN, MAC_LEN, PublicKey, long_nonce, random, short_nonce};
use super::commands::{
    COOKIE_LEN, Counter, HELLO_LEN, MIN_INITIATE_LEN, MIN_READY_LEN, PADDING_LEN, VERSION,
    WELCOME_LEN,
};
use super::session::session;
use crate::security::dialogue::refusal;
use crate::util::keys::KEY_LEN;
use crate::wire::command::strip;
use crate::wire::metadata::PeerMetadata;
use crate::wire::{HandshakeError, Malformed, Mechanism, Session, Status};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    SendHello,
    AwaitWelcome,
    SendInitiate,
    AwaitReady,
    Ready,
}

/// What there is between HELLO and INITIATE.
struct Transient {
    /// C'.
    public: PublicKey,
    /// c'.
    secret: Key,
    /// Of the boxes between C' and S.
    hello_key: Key,
}

/// What WELCOME brought, until INITIATE.
struct Welcome {
    /// S'.
    server: PublicKey,
    cookie: [u8; COOKIE_LEN],
}

/// The client's side of a CURVE handshake.
pub struct CurveClient {
    server_key: PublicKey,
    public: PublicKey,
    secret: Key,
    step: Step,
    transient: Option<Transient>,
    welcome: Option<Welcome>,
    /// Of the boxes between C' and S', from WELCOME on.
    shared: Option<Key>,
    sent: Counter,
    received: Counter,
}

impl std::fmt::Debug for CurveClient {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CurveClient").field("step", &self.step).finish_non_exhaustive()
    }
}

impl CurveClient {
    /// A client with the permanent key pair `public` and `secret` (ZMQ_CURVE_PUBLICKEY,
    /// ZMQ_CURVE_SECRETKEY) that talks to nobody but the owner of `server_key`
    /// (ZMQ_CURVE_SERVERKEY). If `public` does not belong to `secret`, servers refuse it.
    pub fn new(
        server_key: &[u8; KEY_LEN],
        public: &[u8; KEY_LEN],
        secret: &[u8; KEY_LEN],
    ) -> CurveClient {
        CurveClient {
            server_key: *server_key,
            public: *public,
            secret: Key::from_bytes(secret),
            step: Step::SendHello,
            transient: None,
            welcome: None,
            shared: None,
            sent: Counter::default(),
            received: Counter::default(),
        }
    }

    fn append_hello(&mut self, out: &mut Vec<u8>) -> Result<(), HandshakeError> {
        let secret = Key::generate()?;
        let transient = Transient {
            public: secret.public(),
            // There is no such server: its key is zeros, or never was set. What libzmq's monitors hear.
            hello_key: secret.agree(&self.server_key).ok_or(HandshakeError::Cryptographic)?,
            secret,
        };
        let number = self.sent.next()?;
        out.reserve(HELLO_LEN);
        out.extend_from_slice(b"\x05HELLO");
        out.extend_from_slice(&VERSION);
        out.extend_from_slice(&[0; PADDING_LEN]);
        out.extend_from_slice(&transient.public);
        out.extend_from_slice(&number.to_be_bytes());
        let at = out.len();
        out.extend_from_slice(&[0; MAC_LEN + 64]);
        transient.hello_key.seal(&short_nonce(b"CurveZMQHELLO---", number), out, at)?;
        self.transient = Some(transient);
        Ok(())
    }

    fn process_welcome(&mut self, body: &[u8]) -> Result<(), HandshakeError> {
        // libzmq's monitors hear of a box that does not open, whatever its length.
        let malformed = HandshakeError::Cryptographic;
        let data = strip(body, b"WELCOME").ok_or_else(|| refusal(body))?;
        if body.len() != WELCOME_LEN {
            return Err(malformed);
        }
        let Some(transient) = &self.transient else {
            return Err(HandshakeError::UnexpectedCommand);
        };
        let Some((nonce, boxed)) = data.split_first_chunk::<LONG_LEN>() else {
            return Err(malformed);
        };
        let mut boxed = boxed.to_vec();
        let text = transient.hello_key.open(&long_nonce(b"WELCOME-", nonce), &mut boxed)?;
        let Some((server, cookie)) = text.split_first_chunk::<KEY_LEN>() else {
            return Err(malformed);
        };
        let cookie = cookie.try_into().map_err(|_| malformed)?;
        let shared = transient.secret.agree(server).ok_or(HandshakeError::KeyExchange)?;
        self.shared = Some(shared);
        self.welcome = Some(Welcome { server: *server, cookie });
        Ok(())
    }

    fn append_initiate(
        &mut self,
        metadata: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), HandshakeError> {
        // Both are used up here: c' has done its work once the shared key is there.
        let (Some(transient), Some(welcome), Some(shared)) =
            (self.transient.take(), self.welcome.take(), &self.shared)
        else {
            return Err(HandshakeError::UnexpectedCommand);
        };
        let number = self.sent.next()?;
        let mut vouch_nonce = [0; LONG_LEN];
        random(&mut vouch_nonce)?;
        let vouch_key = self.secret.agree(&welcome.server).ok_or(HandshakeError::KeyExchange)?;

        out.reserve(MIN_INITIATE_LEN + metadata.len());
        out.extend_from_slice(b"\x08INITIATE");
        out.extend_from_slice(&welcome.cookie);
        out.extend_from_slice(&number.to_be_bytes());
        let at = out.len();
        out.extend_from_slice(&[0; MAC_LEN]);
        out.extend_from_slice(&self.public);
        out.extend_from_slice(&vouch_nonce);
        let vouch_at = out.len();
        out.extend_from_slice(&[0; MAC_LEN]);
        out.extend_from_slice(&transient.public);
        out.extend_from_slice(&self.server_key);
        vouch_key.seal(&long_nonce(b"VOUCH---", &vouch_nonce), out, vouch_at)?;
        out.extend_from_slice(metadata);
        shared.seal(&short_nonce(b"CurveZMQINITIATE", number), out, at)
    }

    fn process_ready(
        &mut self,
        body: &[u8],
        peer: &mut PeerMetadata,
    ) -> Result<(), HandshakeError> {
        let malformed = HandshakeError::MalformedCommand(Malformed::Ready);
        let data = strip(body, b"READY").ok_or_else(|| refusal(body))?;
        if body.len() < MIN_READY_LEN {
            return Err(malformed);
        }
        let (Some((number, boxed)), Some(shared)) = (data.split_first_chunk::<8>(), &self.shared)
        else {
            return Err(malformed);
        };
        let number = u64::from_be_bytes(*number);
        let mut boxed = boxed.to_vec();
        let metadata = shared.open(&short_nonce(b"CurveZMQREADY---", number), &mut boxed)?;
        // The server's first number, which may be any.
        self.received = Counter(number);
        peer.read_peer(metadata)
    }
}

impl Mechanism for CurveClient {
    fn name(&self) -> &'static [u8] {
        b"CURVE"
    }

    fn status(&self) -> Status {
        if self.step == Step::Ready { Status::Ready } else { Status::Handshaking }
    }

    fn next_command(&mut self, metadata: &[u8], out: &mut Vec<u8>) -> Result<bool, HandshakeError> {
        match self.step {
            Step::SendHello => {
                self.append_hello(out)?;
                self.step = Step::AwaitWelcome;
            }
            Step::SendInitiate => {
                self.append_initiate(metadata, out)?;
                self.step = Step::AwaitReady;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn process_command(
        &mut self,
        body: &[u8],
        peer: &mut PeerMetadata,
    ) -> Result<(), HandshakeError> {
        match self.step {
            Step::AwaitWelcome => {
                self.process_welcome(body)?;
                self.step = Step::SendInitiate;
            }
            Step::AwaitReady => {
                self.process_ready(body, peer)?;
                self.step = Step::Ready;
            }
            _ => return Err(HandshakeError::UnexpectedCommand),
        }
        Ok(())
    }

    fn session(&mut self) -> Option<Session> {
        if self.step != Step::Ready {
            return None;
        }
        // Once: two encoders would use the same nonces.
        let shared = self.shared.take()?;
        Some(session(&shared, true, self.sent, self.received))
    }
}
