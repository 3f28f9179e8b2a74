//! What this library was built with (zmq_has(3)).

/// Transports and mechanisms a program can ask for. Those every build has (tcp, inproc, NULL,
/// PLAIN) have no name in libzmq either.
const CAPABILITIES: [&[u8]; 2] = [b"ipc", b"curve"];

/// Whether `name` is provided. Names are case-sensitive.
pub fn has(name: &[u8]) -> bool {
    CAPABILITIES.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::has;

    #[test]
    fn names_are_exact() {
        assert!(has(b"ipc") && has(b"curve"));
        for name in [&b"IPC"[..], b"curve ", b"", b"draft", b"plain", b"tcp"] {
            assert!(!has(name), "{name:?}");
        }
    }
}
