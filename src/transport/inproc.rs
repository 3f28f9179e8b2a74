//! zmq_inproc(7): names in the process, which belong to the context. Pipes between sockets are
//! `crate::pipe::local`; nothing of it goes through the system.

use super::row::Transport;

/// The row of the table.
pub(super) static TRANSPORT: Transport =
    Transport { scheme: "inproc", within_process: true, ..Transport::PLAIN };
