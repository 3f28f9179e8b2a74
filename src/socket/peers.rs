//! Groups (RFC 48), peers that have numbers (RFC 41, RFC 51), and what is known of those that have names.

use super::Socket;
use super::core::Core;
use crate::error::{Error, Result};
use crate::pattern::Pattern;
use crate::util::reserve;

impl Socket {
    /// Joins a group: messages of it are received from now on.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has been joined or is too long, [`Error::NotSupported`] if the socket is no
    /// DISH.
    pub fn join(&'static self, group: &[u8]) -> Result<()> {
        reserve::ready()?;
        self.change(|core| core.pattern.join(&mut core.pipes, group))
    }

    /// Leaves a group.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it has not been joined, [`Error::NotSupported`] if the socket is no DISH.
    pub fn leave(&'static self, group: &[u8]) -> Result<()> {
        self.change(|core| core.pattern.leave(&mut core.pipes, group))
    }

    /// Connects to `endpoint` and says the number of the peer there (zmq_connect_peer(3)).
    ///
    /// # Errors
    /// Those of [`Socket::connect`]; [`Error::NotSupported`] of a type whose peers say first who they are;
    /// [`Error::Fault`] with ZMQ_IMMEDIATE: there is no peer before it has been reached.
    pub fn connect_peer(&'static self, endpoint: &str) -> Result<u32> {
        reserve::ready()?;
        self.change(|core| {
            if !core.socket_type.info().numbers_peers {
                return Err(Error::NotSupported);
            }
            if core.options.immediate {
                return Err(Error::Fault);
            }
            core.connect(endpoint)?;
            core.pattern.newest_peer().ok_or(Error::Fault)
        })
    }

    /// Ends the connection to the peer of this number (zmq_disconnect_peer(3)).
    ///
    /// # Errors
    /// [`Error::HostUnreachable`] if there is none, [`Error::NotSupported`] of a type whose peers have none.
    pub fn disconnect_peer(&'static self, number: u32) -> Result<()> {
        self.change(|core| core.pattern.disconnect_peer(&mut core.pipes, number))
    }

    /// Whether a message to the peer of this name could be sent without waiting.
    ///
    /// # Errors
    /// [`Error::HostUnreachable`] if there is none, [`Error::NotSupported`] of a type whose messages are not
    /// addressed by name.
    pub fn has_room_for(&'static self, peer: &[u8]) -> Result<bool> {
        self.change(|core| {
            // A sender that does not wait shall find the same.
            core.pipes.sends_at_once = true;
            let result = core.pattern.has_room_for(&mut core.pipes, peer);
            core.pipes.sends_at_once = false;
            result
        })
    }

    fn change<R>(&'static self, call: impl FnOnce(&mut Core) -> Result<R>) -> Result<R> {
        let mut core = self.enter()?;
        core.process_mail();
        let result = call(&mut core);
        core.after_change_of_endpoints();
        result
    }
}
