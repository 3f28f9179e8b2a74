//! Keys of the CURVE mechanism (RFC 26): making a pair, and the public key of a secret one.

use crate::error::Result;
use crate::sys::random;
use dryoc::classic::crypto_core::crypto_scalarmult_base;
use zeroize::Zeroizing;

/// The number of bytes of a public or secret key.
pub const KEY_LEN: usize = 32;
/// The number of characters of a key in Z85, without a terminating zero.
pub const KEY_TEXT_LEN: usize = 40;

/// A secret key, overwritten when it is dropped.
pub type SecretKey = Zeroizing<[u8; KEY_LEN]>;

/// A new pair: the public key, and the secret one in its place. That is not returned, because what is moved leaves a copy behind
/// that nobody overwrites.
///
/// # Errors
/// Whatever the system's random source says.
pub fn generate(secret: &mut SecretKey) -> Result<[u8; KEY_LEN]> {
    random::fill(secret.as_mut_slice())?;
    Ok(public_of(secret))
}

/// The public key that belongs to `secret`, in constant time; what is secret on the way is overwritten.
pub fn public_of(secret: &[u8; KEY_LEN]) -> [u8; KEY_LEN] {
    let mut public = [0; KEY_LEN];
    crypto_scalarmult_base(&mut public, secret);
    public
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::z85;

    #[test]
    fn public_key_of_a_known_secret() {
        // The pair in the examples of zmq_curve(7).
        let secret = z85::decode(b"JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6").unwrap();
        let public = public_of(&secret.try_into().unwrap());
        let text = z85::encode(&public).unwrap();
        assert_eq!(text, "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7");
    }

    #[test]
    fn pairs_differ_and_fit() {
        let mut secret = SecretKey::default();
        let public = generate(&mut secret).unwrap();
        assert_eq!(public, public_of(&secret));
        assert_ne!(public, generate(&mut secret).unwrap());
    }
}
