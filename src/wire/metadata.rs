//! Connection metadata: property lists (RFC 37, "Connection Metadata").

use super::error::HandshakeError;
use crate::types::SocketType;

/// The most properties a peer may announce. RFC 37 has no limit; ordinary peers send two, and
/// each costs us two allocations before we know whom we talk to.
pub const MAX_PROPERTIES: usize = 256;

/// The longest routing id (RFC 37, "The Identity Property": 0*255OCTET).
pub const MAX_ROUTING_ID: usize = 255;

/// The list ends inside a property, or has one without a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadProperty;

/// Walks an encoded property list. After an error the walk is over.
#[derive(Debug, Clone)]
pub struct Properties<'a>(&'a [u8]);

impl<'a> Properties<'a> {
    /// A walk over these octets.
    pub fn new(encoded: &'a [u8]) -> Properties<'a> {
        Properties(encoded)
    }

    fn split(&self) -> Option<(&'a [u8], &'a [u8], &'a [u8])> {
        let (&name_len, rest) = self.0.split_first()?;
        let (name, rest) = rest.split_at_checked(usize::from(name_len))?;
        let (value_len, rest) = rest.split_first_chunk::<4>()?;
        let value_len = usize::try_from(u32::from_be_bytes(*value_len)).ok()?;
        let (value, rest) = rest.split_at_checked(value_len)?;
        // "Zero-sized names are not valid" (RFC 37).
        (!name.is_empty()).then_some((name, value, rest))
    }
}

impl<'a> Iterator for Properties<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), BadProperty>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        match self.split() {
            Some((name, value, rest)) => {
                self.0 = rest;
                Some(Ok((name, value)))
            }
            None => {
                self.0 = &[];
                Some(Err(BadProperty))
            }
        }
    }
}

/// Appends one property. Names are ours or checked when the option was set: 1 to 255 octets; a
/// property that does not fit its length fields is left out.
pub fn append_property(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let (Ok(name_len @ 1..), Ok(value_len)) =
        (u8::try_from(name.len()), u32::try_from(value.len()))
    else {
        return;
    };
    out.reserve(5 + name.len() + value.len());
    out.push(name_len);
    out.extend_from_slice(name);
    out.extend_from_slice(&value_len.to_be_bytes());
    out.extend_from_slice(value);
}

/// The properties that a socket announces: its type; its routing id if a ROUTER may address it (RFC 37,
/// "The Identity Property"; libzmq sends it even if empty); then those the application gave (ZMQ_METADATA).
pub fn local_properties(
    socket_type: SocketType,
    routing_id: &[u8],
    extra: &[(Vec<u8>, Vec<u8>)],
) -> Vec<u8> {
    let mut out = Vec::new();
    append_property(&mut out, b"Socket-Type", socket_type.name().as_bytes());
    if socket_type.info().announces_routing_id {
        append_property(&mut out, b"Identity", routing_id);
    }
    for (name, value) in extra {
        append_property(&mut out, name, value);
    }
    out
}

/// What a peer said about itself, checked against what we are.
#[derive(Debug)]
pub struct PeerMetadata {
    local_type: SocketType,
    /// Every property in the order of arrival; those of the ZAP handler first. The first of a name
    /// counts. Names are as the peer wrote them.
    pub properties: Vec<(Vec<u8>, Vec<u8>)>,
    /// The type the peer announced, if it did.
    pub socket_type: Option<SocketType>,
    /// The routing id the peer announced, empty if it has none.
    pub routing_id: Vec<u8>,
}

impl PeerMetadata {
    /// Nothing known yet about the peer of a socket of this type.
    pub fn new(local_type: SocketType) -> PeerMetadata {
        PeerMetadata {
            local_type,
            properties: Vec::new(),
            socket_type: None,
            routing_id: Vec::new(),
        }
    }

    /// Takes the properties that a peer sent. A peer that does not tell its type is accepted (RFC
    /// 37: it SHOULD), as libzmq does.
    ///
    /// # Errors
    /// `InvalidMetadata` if they do not parse, are too many, hold a routing id above 255 octets, or
    /// a socket type that is unknown or does not go with ours.
    pub fn read_peer(&mut self, encoded: &[u8]) -> Result<(), HandshakeError> {
        for property in Properties::new(encoded) {
            let (name, value) = property.map_err(|_| HandshakeError::INVALID_METADATA)?;
            if name.eq_ignore_ascii_case(b"Socket-Type") {
                self.socket_type = Some(self.accept_type(value)?);
            } else if name.eq_ignore_ascii_case(b"Identity") {
                self.set_routing_id(value)?;
            } else if name.eq_ignore_ascii_case(b"User-Id")
                || name.eq_ignore_ascii_case(b"Peer-Address")
            {
                // Only the ZAP handler and the transport may say these; applications trust them.
                continue;
            }
            self.push(name, value)?;
        }
        Ok(())
    }

    /// Takes the properties of a ZAP reply (RFC 27), which a peer cannot override.
    ///
    /// # Errors
    /// `Zap(ZMQ_PROTOCOL_ERROR_ZAP_INVALID_METADATA)` if they do not parse or are too many.
    pub fn read_zap(
        &mut self,
        user_id: Option<&[u8]>,
        encoded: &[u8],
    ) -> Result<(), HandshakeError> {
        let invalid = HandshakeError::Zap(0x2000_0005);
        let mut trusted = Vec::new();
        if let Some(user_id) = user_id {
            trusted.push((b"User-Id".to_vec(), user_id.to_vec()));
        }
        for property in Properties::new(encoded) {
            let Ok((name, value)) = property else { return Err(invalid) };
            trusted.push((name.to_vec(), value.to_vec()));
        }
        trusted.append(&mut self.properties);
        self.properties = trusted;
        if self.properties.len() > MAX_PROPERTIES { Err(invalid) } else { Ok(()) }
    }

    /// Takes the routing id that a ZMTP 1.0 or 2.0 peer sends as a frame.
    ///
    /// # Errors
    /// `InvalidMetadata` if it is longer than 255 octets.
    pub fn set_routing_id(&mut self, value: &[u8]) -> Result<(), HandshakeError> {
        if value.len() > MAX_ROUTING_ID {
            return Err(HandshakeError::INVALID_METADATA);
        }
        self.routing_id = value.to_vec();
        Ok(())
    }

    fn accept_type(&self, name: &[u8]) -> Result<SocketType, HandshakeError> {
        SocketType::from_name(name)
            .filter(|peer| self.local_type.accepts(*peer))
            .ok_or(HandshakeError::INVALID_METADATA)
    }

    fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), HandshakeError> {
        if self.properties.len() >= MAX_PROPERTIES {
            return Err(HandshakeError::INVALID_METADATA);
        }
        self.properties.push((name.to_vec(), value.to_vec()));
        Ok(())
    }
}
