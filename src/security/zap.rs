//! The messages of the ZeroMQ Authentication Protocol (RFC 27). Who carries them to
//! `inproc://zeromq.zap.01` and back is not known here.

use zeroize::Zeroizing;

use crate::wire::{HandshakeError, ZapReply, ZapRequest};

/// Where a ZAP handler binds.
pub const ENDPOINT: &str = "inproc://zeromq.zap.01";

const VERSION: &[u8] = b"1.0";

const UNSPECIFIED: u32 = 0x2000_0000;
const MALFORMED_REPLY: u32 = 0x2000_0001;
const BAD_REQUEST_ID: u32 = 0x2000_0002;
const BAD_VERSION: u32 = 0x2000_0003;
const INVALID_STATUS_CODE: u32 = 0x2000_0004;

/// What the connection adds to the mechanism's question.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Echoed by the handler; libzmq always sends "1".
    pub request_id: &'a [u8],
    /// ZMQ_ZAP_DOMAIN.
    pub domain: &'a [u8],
    /// The peer's network address, without port.
    pub address: &'a [u8],
    /// The routing id of our own socket, as libzmq has it.
    pub routing_id: &'a [u8],
}

/// The frames of a request, the empty delimiter first, overwritten when they are dropped.
pub fn request(context: &Context<'_>, request: &ZapRequest) -> Zeroizing<Vec<Vec<u8>>> {
    let mut frames = Zeroizing::new(vec![
        Vec::new(),
        VERSION.to_vec(),
        context.request_id.to_vec(),
        context.domain.to_vec(),
        context.address.to_vec(),
        context.routing_id.to_vec(),
        request.mechanism.to_vec(),
    ]);
    frames.extend(request.credentials.iter().cloned());
    frames
}

/// Reads the frames of a reply, the empty delimiter first. The metadata is checked later, by whoever
/// stores it.
///
/// # Errors
/// `Zap` with the `ZMQ_PROTOCOL_ERROR_ZAP_*` that fits.
pub fn reply<F: AsRef<[u8]>>(frames: &[F], request_id: &[u8]) -> Result<ZapReply, HandshakeError> {
    let [delimiter, version, id, status, _text, user_id, metadata] = frames else {
        return Err(HandshakeError::Zap(MALFORMED_REPLY));
    };
    if !delimiter.as_ref().is_empty() {
        return Err(HandshakeError::Zap(UNSPECIFIED));
    }
    if version.as_ref() != VERSION {
        return Err(HandshakeError::Zap(BAD_VERSION));
    }
    if id.as_ref() != request_id {
        return Err(HandshakeError::Zap(BAD_REQUEST_ID));
    }
    let status = match status.as_ref() {
        b"200" => 200,
        b"300" => 300,
        b"400" => 400,
        b"500" => 500,
        _ => return Err(HandshakeError::Zap(INVALID_STATUS_CODE)),
    };
    Ok(ZapReply {
        status,
        user_id: Some(user_id.as_ref().to_vec()),
        metadata: metadata.as_ref().to_vec(),
    })
}
