//! The greeting: the first bytes of a connection, by which both sides find out the newest version
//! of ZMTP they share (RFC 37, "Version Negotiation" and "Backwards Interoperability").

/// Octets of the signature, which also looks like the start of a ZMTP 1.0 identity frame.
pub const SIGNATURE_LEN: usize = 10;
/// Octets of a whole ZMTP 3 greeting.
pub const GREETING_LEN: usize = 64;
/// Octets of the mechanism field.
pub const MECHANISM_LEN: usize = 20;
/// The version we speak, major and minor.
pub const VERSION: (u8, u8) = (3, 1);

/// The signature: 0xff, the length of our routing id plus one, 0x7f. To a ZMTP 1.0 peer this is the
/// header of a long identity frame, whose body we send once we know what the peer is.
pub fn signature(routing_id_len: usize) -> [u8; SIGNATURE_LEN] {
    let [a, b, c, d, e, f, g, h] = (routing_id_len as u64).saturating_add(1).to_be_bytes();
    [0xff, a, b, c, d, e, f, g, h, 0x7f]
}

/// Octets 11 to 63 of our greeting: minor version, mechanism, as-server, filler. A name longer
/// than the field is cut.
pub fn append_rest(out: &mut Vec<u8>, mechanism: &[u8], as_server: bool) {
    let mut rest = [0; GREETING_LEN - SIGNATURE_LEN - 1];
    rest[0] = VERSION.1;
    for (to, from) in rest.iter_mut().skip(1).take(MECHANISM_LEN).zip(mechanism) {
        *to = *from;
    }
    rest[1 + MECHANISM_LEN] = u8::from(as_server);
    out.extend_from_slice(&rest);
}

/// Whether the field of a peer's greeting names this mechanism: the name, then nothing but nulls.
pub fn names_mechanism(field: &[u8], mechanism: &[u8]) -> bool {
    field.strip_prefix(mechanism).is_some_and(|rest| rest.iter().all(|octet| *octet == 0))
}

/// What the first bytes of a peer tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// Not enough bytes yet; look again when there are this many.
    Need(usize),
    /// A ZMTP 1.0 peer, whose bytes so far are those of its identity frame.
    Unversioned,
    /// ZMTP 2.0 or later; the version octet follows.
    Versioned,
}

/// Judges the start of a peer's bytes (RFC 37, "Detecting ZMTP 1.0 and 2.0 Peers").
pub fn judge(bytes: &[u8]) -> Signature {
    match bytes {
        [] => Signature::Need(1),
        [0xff, rest @ ..] => match rest.get(SIGNATURE_LEN - 2) {
            None => Signature::Need(SIGNATURE_LEN),
            Some(octet) if octet & 1 == 0 => Signature::Unversioned,
            Some(_) => Signature::Versioned,
        },
        _ => Signature::Unversioned,
    }
}
