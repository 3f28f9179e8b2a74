//! The side whose key is known beforehand, and that may have a ZAP handler judge its clients.

use subtle::ConstantTimeEq;

use super::boxes::{Key, LONG_LEN, MAC_LEN, PublicKey, long_nonce, random, short_nonce};
use super::commands::{
    COOKIE_LEN, Counter, HELLO_LEN, MIN_INITIATE_LEN, PADDING_LEN, VERSION, VOUCH_LEN, WELCOME_LEN,
};
use super::session::session;
use crate::security::dialogue::Zap;
use crate::util::keys::KEY_LEN;
use crate::wire::command::{split, strip};
use crate::wire::metadata::PeerMetadata;
use crate::wire::{HandshakeError, Malformed, Mechanism, Session, Status, ZapRequest};

const BAD_HELLO: HandshakeError = HandshakeError::MalformedCommand(Malformed::Hello);
const BAD_INITIATE: HandshakeError = HandshakeError::MalformedCommand(Malformed::Initiate);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    AwaitHello,
    SendWelcome,
    AwaitInitiate,
    SendReady,
    Ready,
}

/// What a HELLO said, until WELCOME.
struct Hello {
    /// C'.
    client: PublicKey,
    /// Of the boxes between S and C'.
    key: Key,
}

/// The server's side of a CURVE handshake.
pub struct CurveServer {
    /// s, until it has no more boxes to open.
    secret: Key,
    step: Step,
    zap: Zap,
    hello: Option<Hello>,
    /// Opens the cookie, in which S' waits for INITIATE: between WELCOME and INITIATE this key is
    /// all we know, and INITIATE ends its life (RFC 26, "The WELCOME Command"). A client that
    /// takes longer than ZMQ_HANDSHAKE_IVL loses the connection and the key with it.
    cookie_key: Option<Key>,
    /// C, the question to the ZAP handler.
    client: PublicKey,
    /// Of the boxes between S' and C', from INITIATE on.
    shared: Option<Key>,
    sent: Counter,
    received: Counter,
}

impl std::fmt::Debug for CurveServer {
    /// Without the keys.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CurveServer").field("step", &self.step).finish_non_exhaustive()
    }
}

impl CurveServer {
    /// A server with the permanent secret key `secret` (ZMQ_CURVE_SECRETKEY). `zap`: a ZAP handler
    /// is asked about every client; without it, everybody who knows our public key may come in.
    /// libzmq does not ask if ZMQ_ZAP_ENFORCE_DOMAIN is on and there is no domain, else always.
    pub fn new(secret: &[u8; KEY_LEN], zap: bool) -> CurveServer {
        CurveServer {
            secret: Key::from_bytes(secret),
            step: Step::AwaitHello,
            zap: if zap { Zap::Ask } else { Zap::Clear },
            hello: None,
            cookie_key: None,
            client: [0; KEY_LEN],
            shared: None,
            sent: Counter::default(),
            received: Counter::default(),
        }
    }

    fn process_hello(&mut self, body: &[u8]) -> Result<(), HandshakeError> {
        let data = strip(body, b"HELLO").ok_or(HandshakeError::UnexpectedCommand)?;
        if body.len() != HELLO_LEN {
            return Err(BAD_HELLO);
        }
        let (version, rest) = data.split_first_chunk::<2>().ok_or(BAD_HELLO)?;
        let (_padding, rest) = rest.split_first_chunk::<PADDING_LEN>().ok_or(BAD_HELLO)?;
        let (client, rest) = rest.split_first_chunk::<KEY_LEN>().ok_or(BAD_HELLO)?;
        let (number, boxed) = rest.split_first_chunk::<8>().ok_or(BAD_HELLO)?;
        if *version != VERSION {
            return Err(BAD_HELLO);
        }
        let number = u64::from_be_bytes(*number);
        let key = self.secret.agree(client).ok_or(HandshakeError::Cryptographic)?;
        let mut boxed = boxed.to_vec();
        // What is inside is as good as its MAC; libzmq does not look at the zeros either, nor at
        // the padding, whose only purpose is its length.
        key.open(&short_nonce(b"CurveZMQHELLO---", number), &mut boxed)?;
        // The client's first number, which may be any.
        self.received = Counter(number);
        self.hello = Some(Hello { client: *client, key });
        Ok(())
    }

    fn append_welcome(&mut self, out: &mut Vec<u8>) -> Result<(), HandshakeError> {
        let Some(hello) = self.hello.take() else {
            return Err(HandshakeError::UnexpectedCommand);
        };
        let transient = Key::generate()?;
        let cookie_key = Key::generate()?;
        let mut nonces = [[0; LONG_LEN]; 2];
        random(nonces.as_flattened_mut())?;
        let [welcome_nonce, cookie_nonce] = nonces;

        // So that writing s' behind this never moves the buffer: it is encrypted where it stands.
        out.reserve(WELCOME_LEN);
        out.extend_from_slice(b"\x07WELCOME");
        out.extend_from_slice(&welcome_nonce);
        let at = out.len();
        out.extend_from_slice(&[0; MAC_LEN]);
        out.extend_from_slice(&transient.public());
        out.extend_from_slice(&cookie_nonce);
        let cookie_at = out.len();
        out.extend_from_slice(&[0; MAC_LEN]);
        out.extend_from_slice(&hello.client);
        out.extend_from_slice(transient.bytes());
        cookie_key.seal(&long_nonce(b"COOKIE--", &cookie_nonce), out, cookie_at)?;
        hello.key.seal(&long_nonce(b"WELCOME-", &welcome_nonce), out, at)?;
        self.cookie_key = Some(cookie_key);
        Ok(())
    }

    fn process_initiate(
        &mut self,
        body: &[u8],
        peer: &mut PeerMetadata,
    ) -> Result<(), HandshakeError> {
        let data = strip(body, b"INITIATE").ok_or(HandshakeError::UnexpectedCommand)?;
        if body.len() < MIN_INITIATE_LEN {
            return Err(BAD_INITIATE);
        }
        let (cookie, rest) = data.split_first_chunk::<COOKIE_LEN>().ok_or(BAD_INITIATE)?;
        let (number, boxed) = rest.split_first_chunk::<8>().ok_or(BAD_INITIATE)?;
        let number = u64::from_be_bytes(*number);

        let (client_transient, transient) = self.open_cookie(cookie)?;
        let shared = transient.agree(&client_transient).ok_or(HandshakeError::Cryptographic)?;
        let mut boxed = boxed.to_vec();
        let text = shared.open(&short_nonce(b"CurveZMQINITIATE", number), &mut boxed)?;
        self.received.accept(number)?;
        let (client, rest) = text.split_first_chunk_mut::<KEY_LEN>().ok_or(BAD_INITIATE)?;
        let (vouch, metadata) = rest.split_first_chunk_mut::<VOUCH_LEN>().ok_or(BAD_INITIATE)?;
        self.check_vouch(client, vouch, &client_transient, &transient)?;

        self.client = *client;
        self.shared = Some(shared);
        // libzmq's server, unlike its client, reports no event for bad metadata.
        peer.read_peer(metadata).map_err(|_| HandshakeError::InvalidMetadata { reported: false })
    }

    /// C' and s' out of the cookie. The key is gone afterwards.
    fn open_cookie(
        &mut self,
        cookie: &[u8; COOKIE_LEN],
    ) -> Result<(PublicKey, Key), HandshakeError> {
        let cookie_key = self.cookie_key.take().ok_or(HandshakeError::UnexpectedCommand)?;
        let (nonce, boxed) = cookie.split_first_chunk::<LONG_LEN>().ok_or(BAD_INITIATE)?;
        let mut boxed = zeroize::Zeroizing::new(boxed.to_vec());
        let text = cookie_key.open(&long_nonce(b"COOKIE--", nonce), &mut boxed)?;
        let (client, secret) = text.split_first_chunk::<KEY_LEN>().ok_or(BAD_INITIATE)?;
        let secret = secret.first_chunk::<KEY_LEN>().ok_or(BAD_INITIATE)?;
        Ok((*client, Key::from_bytes(secret)))
    }

    /// Whether the owner of C made the vouch, for this connection and for us. (libzmq 4.3.4 does
    /// not check the latter; RFC 26 wants all fields validated.)
    fn check_vouch(
        &self,
        client: &PublicKey,
        vouch: &mut [u8; VOUCH_LEN],
        client_transient: &PublicKey,
        transient: &Key,
    ) -> Result<(), HandshakeError> {
        let key = transient.agree(client).ok_or(HandshakeError::Cryptographic)?;
        let (nonce, boxed) = vouch.split_first_chunk_mut::<LONG_LEN>().ok_or(BAD_INITIATE)?;
        let text = key.open(&long_nonce(b"VOUCH---", nonce), boxed)?;
        let (vouched, server) = text.split_first_chunk::<KEY_LEN>().ok_or(BAD_INITIATE)?;
        let same = vouched.ct_eq(client_transient) & server.ct_eq(self.secret.public().as_slice());
        if bool::from(same) { Ok(()) } else { Err(HandshakeError::KeyExchange) }
    }

    fn append_ready(&mut self, metadata: &[u8], out: &mut Vec<u8>) -> Result<(), HandshakeError> {
        let Some(shared) = &self.shared else { return Err(HandshakeError::UnexpectedCommand) };
        let number = self.sent.next()?;
        out.extend_from_slice(b"\x05READY");
        out.extend_from_slice(&number.to_be_bytes());
        let at = out.len();
        out.extend_from_slice(&[0; MAC_LEN]);
        out.extend_from_slice(metadata);
        shared.seal(&short_nonce(b"CurveZMQREADY---", number), out, at)
    }
}

impl Mechanism for CurveServer {
    fn name(&self) -> &'static [u8] {
        b"CURVE"
    }

    fn as_server(&self) -> bool {
        true
    }

    fn status(&self) -> Status {
        match self.step {
            Step::Ready => Status::Ready,
            Step::SendReady if self.zap.waiting() => Status::WaitingForZap,
            _ => Status::Handshaking,
        }
    }

    fn next_command(&mut self, metadata: &[u8], out: &mut Vec<u8>) -> Result<bool, HandshakeError> {
        match self.step {
            Step::SendWelcome => {
                self.append_welcome(out)?;
                self.step = Step::AwaitInitiate;
            }
            Step::SendReady if !self.zap.waiting() => {
                self.append_ready(metadata, out)?;
                self.step = Step::Ready;
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
        if body.len() <= 1 || split(body).is_none() {
            return Err(HandshakeError::MalformedCommand(Malformed::Unspecified));
        }
        match self.step {
            Step::AwaitHello => {
                self.process_hello(body)?;
                self.step = Step::SendWelcome;
            }
            Step::AwaitInitiate => {
                self.process_initiate(body, peer)?;
                self.step = Step::SendReady;
            }
            _ => return Err(HandshakeError::UnexpectedCommand),
        }
        Ok(())
    }

    fn zap_request(&mut self) -> Option<ZapRequest> {
        let ask = self.step == Step::SendReady && self.zap.take_question();
        ask.then(|| ZapRequest {
            mechanism: b"CURVE",
            credentials: vec![self.client.to_vec()].into(),
        })
    }

    fn zap_accepted(&mut self) {
        self.zap = Zap::Clear;
    }

    fn session(&mut self) -> Option<Session> {
        if self.step != Step::Ready {
            return None;
        }
        // Once: two encoders would use the same nonces.
        let shared = self.shared.take()?;
        Some(session(&shared, false, self.sent, self.received))
    }
}
