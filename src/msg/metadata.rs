//! Properties of the connection a message came from (zmq_msg_gets(3)).

use std::ffi::{CStr, CString};

/// Name-value pairs of a connection: `Socket-Type`, `Routing-Id`, `Peer-Address`, `User-Id` and
/// what the peer sent in its handshake.
#[derive(Debug, Default)]
pub struct Metadata {
    properties: Vec<(Box<[u8]>, CString)>,
}

impl Metadata {
    /// Sets a property unless it is there already. A value is cut at its first zero byte, as a C
    /// program would read it.
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        if self.get(name).is_some() {
            return;
        }
        let end = value.iter().position(|&b| b == 0).unwrap_or(value.len());
        if let Ok(value) = CString::new(&value[..end]) {
            self.properties.push((name.into(), value));
        }
    }

    /// The value of a property. Names are case-insensitive (RFC 37, "metadata").
    pub fn get(&self, name: &[u8]) -> Option<&CStr> {
        let found = self.properties.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_c_str())
    }
}
