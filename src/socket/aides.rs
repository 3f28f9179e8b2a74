//! Sockets of the library's own that work for one of the application's, by the numbers of their slots. Nobody else
//! closes them, so a number stands for one socket as long as it is here.

use std::collections::BTreeMap;

/// Those of one socket.
#[derive(Default)]
pub(super) struct Aides {
    pub(super) monitor: Option<Monitor>,
    /// Put to the ZAP handler, not answered yet: by the number and the serial of the attempt at a connection that a
    /// question is about, the socket it went over.
    pub(super) questions: BTreeMap<(u32, u32), u32>,
}

/// Where the events of a socket go.
pub(super) struct Monitor {
    pub(super) index: u32,
    pub(super) wanted: u64,
    pub(super) version: i32,
}
