//! What is to be known of a mechanism: a row of the table.

use crate::options::SocketOptions;
use crate::wire::Mechanism;

/// A name, and whether what it names is here.
pub(super) type Optional = (&'static [u8], fn() -> bool);

/// What is to be known of a mechanism before there is a connection.
#[derive(Debug)]
pub(super) struct Row {
    /// What `ZMQ_MECHANISM` says of a socket with it.
    pub(super) number: i32,
    /// Its name for zmq_has(3), if libraries exist without it, and whether it is here.
    pub(super) optional: Option<Optional>,
    /// Nobody comes in if there is no ZAP handler, whatever ZMQ_ZAP_ENFORCE_DOMAIN says.
    pub(super) needs_zap_handler: bool,
    /// Our side of a handshake.
    pub(super) make: fn(&SocketOptions) -> Box<dyn Mechanism>,
}
