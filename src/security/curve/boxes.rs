//! Keys, nonces and boxes: all of the cryptography, done by `dryoc` (XSalsa20-Poly1305, HSalsa20,
//! X25519), in terms of RFC 26.

use std::sync::Arc;

use dryoc::classic::crypto_box::{
    crypto_box_detached_afternm_inplace, crypto_box_open_detached_afternm_inplace,
};
use dryoc::classic::crypto_core::{crypto_core_hsalsa20, crypto_scalarmult};
use zeroize::Zeroizing;

use crate::sys;
use crate::util::keys::{self, KEY_LEN};
use crate::wire::HandshakeError;

/// Octets that a box has more than what is in it.
pub(super) const MAC_LEN: usize = 16;
/// Octets of a nonce, prefix included.
pub(super) const NONCE_LEN: usize = 24;
/// Octets of a short nonce on the wire.
pub(super) const SHORT_LEN: usize = 8;
/// Octets of a long nonce on the wire.
pub(super) const LONG_LEN: usize = 16;

pub(super) type PublicKey = [u8; KEY_LEN];

/// A nonce for a transient key: a sequential number.
#[inline]
pub(super) fn short_nonce(prefix: &[u8; NONCE_LEN - SHORT_LEN], number: u64) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    let (name, counter) = nonce.split_at_mut(NONCE_LEN - SHORT_LEN);
    name.copy_from_slice(prefix);
    counter.copy_from_slice(&number.to_be_bytes());
    nonce
}

/// A nonce for a permanent key: random octets.
pub(super) fn long_nonce(
    prefix: &[u8; NONCE_LEN - LONG_LEN],
    random: &[u8; LONG_LEN],
) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    let (name, rest) = nonce.split_at_mut(NONCE_LEN - LONG_LEN);
    name.copy_from_slice(prefix);
    rest.copy_from_slice(random);
    nonce
}

/// Fills `out` from the system's random source, without which there is no key exchange.
pub(super) fn random(out: &mut [u8]) -> Result<(), HandshakeError> {
    sys::random::fill(out).map_err(|_| HandshakeError::KeyExchange)
}

/// A secret key, or a key of a secret box. It lives in one place on the heap, so that moving or
/// sharing it leaves no copies behind, and is overwritten when its last owner goes.
#[derive(Clone)]
pub(super) struct Key(Arc<Zeroizing<[u8; KEY_LEN]>>);

impl Key {
    fn blank() -> Key {
        Key(Arc::new(Zeroizing::new([0; KEY_LEN])))
    }

    fn bytes_mut(&mut self) -> &mut [u8; KEY_LEN] {
        let bytes: &mut Zeroizing<_> = Arc::make_mut(&mut self.0);
        bytes
    }

    /// A key made elsewhere.
    pub(super) fn from_bytes(bytes: &[u8; KEY_LEN]) -> Key {
        let mut key = Key::blank();
        key.bytes_mut().copy_from_slice(bytes);
        key
    }

    /// A new key.
    pub(super) fn generate() -> Result<Key, HandshakeError> {
        let mut key = Key::blank();
        random(key.bytes_mut())?;
        Ok(key)
    }

    /// The key's octets, for the cookie.
    pub(super) fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// The public key that belongs to this secret key.
    pub(super) fn public(&self) -> PublicKey {
        keys::public_of(&self.0)
    }

    /// The key of the boxes between the owner of `public` and us ("beforenm" in NaCl). `None` if
    /// `public` is one of the few points with which every secret gives the same.
    pub(super) fn agree(&self, public: &PublicKey) -> Option<Key> {
        let mut point = Zeroizing::new([0; KEY_LEN]);
        crypto_scalarmult(&mut point, &self.0, public).ok()?;
        let mut shared = Key::blank();
        crypto_core_hsalsa20(shared.bytes_mut(), &[0; 16], &point, None);
        Some(shared)
    }

    /// Turns `out[at..]`, [`MAC_LEN`] octets of any value and then the contents, into a box.
    ///
    /// # Errors
    /// `Cryptographic` if there is no room for the MAC; the contents are zeros then.
    #[inline]
    pub(super) fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        out: &mut [u8],
        at: usize,
    ) -> Result<(), HandshakeError> {
        if let Some((mac, text)) = out.get_mut(at..).and_then(|b| b.split_first_chunk_mut()) {
            crypto_box_detached_afternm_inplace(text, mac, nonce, &self.0);
            return Ok(());
        }
        out.get_mut(at..).unwrap_or_default().fill(0);
        Err(HandshakeError::Cryptographic)
    }

    /// Opens a box in place and gives its contents. If it does not open, nothing is decrypted.
    ///
    /// # Errors
    /// `Cryptographic` if the box was not made with this key and this nonce.
    #[inline]
    pub(super) fn open<'a>(
        &self,
        nonce: &[u8; NONCE_LEN],
        boxed: &'a mut [u8],
    ) -> Result<&'a mut [u8], HandshakeError> {
        let Some((mac, text)) = boxed.split_first_chunk_mut::<MAC_LEN>() else {
            return Err(HandshakeError::Cryptographic);
        };
        // The MACs are compared in constant time, by `subtle`.
        crypto_box_open_detached_afternm_inplace(text, mac, nonce, &self.0)
            .map_err(|_| HandshakeError::Cryptographic)?;
        Ok(text)
    }
}
