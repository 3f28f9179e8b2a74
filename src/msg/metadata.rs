//! Properties of the connection a message came from (zmq_msg_gets(3)).

use std::ffi::{CStr, CString};
use std::sync::Arc;

/// Name-value pairs of a connection: `Socket-Type`, `Routing-Id`, `Peer-Address`, `User-Id` and
/// what the peer sent in its handshake. And the group of a message, which has its own then.
#[derive(Debug, Default)]
pub struct Metadata {
    properties: Vec<(Box<[u8]>, CString)>,
    group: Option<CString>,
    /// Those of the connection, behind a group.
    of: Option<Arc<Metadata>>,
}

impl Metadata {
    /// Sets a property unless it is there already. A value is cut at its first zero byte, as a C
    /// program would read it.
    pub fn add(&mut self, name: &[u8], value: &[u8]) {
        if self.properties.iter().any(|(n, _)| **n == *name) {
            return;
        }
        let end = value.iter().position(|&b| b == 0).unwrap_or(value.len());
        if let Ok(value) = CString::new(&value[..end]) {
            self.properties.push((name.into(), value));
        }
    }

    /// The value of a property. Names are case-insensitive (RFC 37, "metadata"), but not to libzmq:
    /// the very name goes first.
    pub fn get(&self, name: &[u8]) -> Option<&CStr> {
        let same = self.properties.iter().find(|(n, _)| **n == *name);
        let alike = || self.properties.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        let here = same.or_else(alike).map(|(_, value)| value.as_c_str());
        here.or_else(|| self.of.as_ref()?.get(name))
    }

    /// Of a message of this group, in front of that of its connection.
    pub(super) fn of_group(group: CString, of: Option<Arc<Metadata>>) -> Metadata {
        Metadata { group: Some(group), of, ..Metadata::default() }
    }

    /// The group, if a message has one.
    #[inline]
    pub(super) fn group(&self) -> Option<&CStr> {
        self.group.as_deref()
    }

    /// That of the connection alone.
    #[inline]
    pub(super) fn of_connection(self: Arc<Metadata>) -> Option<Arc<Metadata>> {
        if self.group.is_some() { self.of.clone() } else { Some(self) }
    }

    /// Whether this is in front of that of the same connection, or none.
    #[inline]
    pub(super) fn has_come_from(&self, connection: Option<&Arc<Metadata>>) -> bool {
        self.of.as_ref().map(Arc::as_ptr) == connection.map(Arc::as_ptr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_very_name_goes_first() {
        let mut metadata = Metadata::default();
        for (name, value) in [("X-A", "1"), ("X-a", "2"), ("X-a", "3"), ("Other", "4\0x")] {
            metadata.add(name.as_bytes(), value.as_bytes());
        }
        assert_eq!(metadata.get(b"X-A"), Some(c"1"));
        assert_eq!(metadata.get(b"X-a"), Some(c"2"));
        assert_eq!(metadata.get(b"x-A"), Some(c"1"));
        assert_eq!(metadata.get(b"other"), Some(c"4"));
        assert_eq!(metadata.get(b"X-"), None);
    }
}
