//! What is said on a connection before ZMTP.

use crate::error::Result;

/// One such dialogue: with a proxy on the way, or with the peer about what carries ZMTP. Bytes go in and out; there
/// is no descriptor, and no clock: whoever drives it keeps ZMQ_HANDSHAKE_IVL.
pub trait Dialogue: Send {
    /// Bytes for the other side. The caller drains what it has sent.
    fn output(&mut self) -> &mut Vec<u8>;

    /// The most bytes to read for the next step; 0 once it is over and has nothing more to hear. What is in the output
    /// then is still sent.
    fn wanted(&self) -> usize;

    /// Takes bytes of the other side and tells how many: all of them, unless the dialogue is over
    /// before. Those are for whoever comes next.
    ///
    /// # Errors
    /// The attempt has failed.
    fn input(&mut self, bytes: &[u8]) -> Result<usize>;
}
