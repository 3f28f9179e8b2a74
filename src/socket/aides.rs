//! Sockets of the library's own that work for one of the application's, by the numbers of their slots. Nobody else
//! closes them, so a number stands for one socket as long as it is here.

/// Those of one socket.
#[derive(Default)]
pub(super) struct Aides {
    pub(super) monitor: Option<Monitor>,
    /// Put to the ZAP handler, not answered yet.
    pub(super) questions: Vec<Asked>,
}

/// Where the events of a socket go.
pub(super) struct Monitor {
    pub(super) index: u32,
    pub(super) wanted: u64,
    pub(super) version: i32,
}

/// A question put to the ZAP handler about an attempt at a connection.
pub(super) struct Asked {
    pub(super) attempt: u32,
    pub(super) serial: u32,
    pub(super) index: u32,
}

impl Aides {
    /// The place of the question about this attempt.
    pub(super) fn asked(&self, attempt: u32, serial: u32) -> Option<usize> {
        self.questions.iter().position(|q| q.attempt == attempt && q.serial == serial)
    }
}
