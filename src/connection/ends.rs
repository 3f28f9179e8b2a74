//! What monitors call a connection, or what shall become one.

/// Both ends as endpoints, as far as they are known (zmq_socket_monitor_versioned(3)).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends {
    /// Ours.
    pub local: String,
    /// The peer's.
    pub remote: String,
    connects: bool,
}

impl Ends {
    /// Of who listens at `local`.
    pub fn bound(local: String) -> Ends {
        Ends { local, ..Ends::default() }
    }

    /// Of who connects to `remote`.
    pub fn connecting(remote: String) -> Ends {
        Ends { remote, connects: true, ..Ends::default() }
    }

    /// The endpoint this side gave to `bind` or `connect`: events of version 1 have this one only.
    pub fn name(&self) -> &str {
        if self.connects { &self.remote } else { &self.local }
    }
}
