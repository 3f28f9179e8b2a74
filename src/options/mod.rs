//! Socket options (zmq_setsockopt(3), zmq_getsockopt(3)) common to all socket types.
//!
//! [`table`] says number, name, shape, range, field and scope of each; [`SocketOptions::set`] and
//! [`SocketOptions::get`] both read it. Options of one pattern only (ZMQ_SUBSCRIBE,
//! ZMQ_ROUTER_MANDATORY, ...) and those that describe the socket itself (ZMQ_RCVMORE, ZMQ_FD,
//! ZMQ_EVENTS, ZMQ_TYPE, ZMQ_LAST_ENDPOINT, ZMQ_THREAD_SAFE) are not here.
#![forbid(unsafe_code)]

mod filter;
pub mod numbers;
mod table;
#[cfg(test)]
mod tests;

pub use filter::{AddressMask, parse_ipv4};
pub use table::{OptionInfo, Scope, TABLE, fits, scope_of, supported_by};

use crate::error::{Error, Result};
use crate::types::SocketType;
use crate::util::keys::SecretKey;
use crate::util::z85;
use table::Shape;
use zeroize::Zeroizing;

/// The values of the options of one socket (zmq_setsockopt(3)). A connection copies what it
/// needs when it is made, so later changes affect later connections only, as the man page says.
/// Passwords and secret keys are overwritten when they are dropped or replaced.
#[derive(Clone)]
#[allow(missing_docs, reason = "each field is the option of zmq_setsockopt(3) with its name")]
pub struct SocketOptions {
    pub affinity: u64,
    pub routing_id: Vec<u8>,
    pub rate: i32,
    pub recovery_ivl: i32,
    /// Bytes, -1: what the system gives.
    pub sndbuf: i32,
    /// Bytes, -1: what the system gives.
    pub rcvbuf: i32,
    /// Milliseconds, -1: for ever.
    pub linger: i32,
    /// Milliseconds, -1: never reconnect.
    pub reconnect_ivl: i32,
    pub reconnect_ivl_max: i32,
    /// Bits `ZMQ_RECONNECT_STOP_*`.
    pub reconnect_stop: i32,
    pub backlog: i32,
    /// Bytes, -1 (any negative): no limit.
    pub maxmsgsize: i64,
    pub sndhwm: i32,
    pub rcvhwm: i32,
    pub multicast_hops: i32,
    pub multicast_maxtpdu: i32,
    pub multicast_loop: bool,
    /// Milliseconds, -1: for ever.
    pub rcvtimeo: i32,
    /// Milliseconds, -1: for ever.
    pub sndtimeo: i32,
    pub tcp_keepalive: i32,
    pub tcp_keepalive_cnt: i32,
    pub tcp_keepalive_idle: i32,
    pub tcp_keepalive_intvl: i32,
    /// Milliseconds, 0: what the system gives.
    pub tcp_maxrt: i32,
    /// A peer is let in if one of these matches or there is none.
    pub tcp_accept_filters: Vec<AddressMask>,
    pub ipc_uid_accept_filters: Vec<u32>,
    pub ipc_gid_accept_filters: Vec<u32>,
    pub ipc_pid_accept_filters: Vec<i32>,
    pub immediate: bool,
    pub ipv6: bool,
    pub tos: i32,
    pub conflate: bool,
    /// For the next `connect`, which uses it up.
    pub connect_routing_id: Vec<u8>,
    /// Milliseconds, 0: no limit.
    pub handshake_ivl: i32,
    /// Milliseconds, 0: what the system gives.
    pub connect_timeout: i32,
    /// Milliseconds, 0: no heartbeats.
    pub heartbeat_ivl: i32,
    /// Milliseconds, always whole deciseconds (the wire counts those).
    pub heartbeat_ttl: i32,
    /// Milliseconds, -1: as long as `heartbeat_ivl`.
    pub heartbeat_timeout: i32,
    /// `host:port`, empty: no proxy.
    pub socks_proxy: Vec<u8>,
    pub socks_username: Vec<u8>,
    pub socks_password: Zeroizing<Vec<u8>>,
    /// A descriptor `bind` takes instead of making one, -1: none.
    pub use_fd: i32,
    pub bindtodevice: Vec<u8>,
    /// Accepted for compatibility; it means something on Windows only.
    pub loopback_fastpath: bool,
    /// Properties to announce to peers, in the order of their names.
    pub metadata: Vec<(Vec<u8>, Vec<u8>)>,
    pub invert_matching: bool,
    /// One of [`numbers::value`], the number of a mechanism.
    pub mechanism: i32,
    pub as_server: bool,
    pub zap_domain: Vec<u8>,
    pub zap_enforce_domain: bool,
    pub plain_username: Vec<u8>,
    pub plain_password: Zeroizing<Vec<u8>>,
    pub curve_public_key: [u8; 32],
    pub curve_secret_key: SecretKey,
    pub curve_server_key: [u8; 32],
}

impl Default for SocketOptions {
    /// The values of a new DEALER socket; see [`SocketOptions::for_type`].
    fn default() -> SocketOptions {
        SocketOptions {
            affinity: 0,
            routing_id: Vec::new(),
            rate: 100,
            recovery_ivl: 10_000,
            sndbuf: -1,
            rcvbuf: -1,
            linger: -1,
            reconnect_ivl: 100,
            reconnect_ivl_max: 0,
            reconnect_stop: 0,
            backlog: 100,
            maxmsgsize: -1,
            sndhwm: 1000,
            rcvhwm: 1000,
            multicast_hops: 1,
            multicast_maxtpdu: 1500,
            multicast_loop: true,
            rcvtimeo: -1,
            sndtimeo: -1,
            tcp_keepalive: -1,
            tcp_keepalive_cnt: -1,
            tcp_keepalive_idle: -1,
            tcp_keepalive_intvl: -1,
            tcp_maxrt: 0,
            tcp_accept_filters: Vec::new(),
            ipc_uid_accept_filters: Vec::new(),
            ipc_gid_accept_filters: Vec::new(),
            ipc_pid_accept_filters: Vec::new(),
            immediate: false,
            ipv6: false,
            tos: 0,
            conflate: false,
            connect_routing_id: Vec::new(),
            handshake_ivl: 30_000,
            connect_timeout: 0,
            heartbeat_ivl: 0,
            heartbeat_ttl: 0,
            heartbeat_timeout: -1,
            socks_proxy: Vec::new(),
            socks_username: Vec::new(),
            socks_password: Zeroizing::default(),
            use_fd: -1,
            bindtodevice: Vec::new(),
            loopback_fastpath: false,
            metadata: Vec::new(),
            invert_matching: false,
            mechanism: numbers::value::NULL,
            as_server: false,
            zap_domain: Vec::new(),
            zap_enforce_domain: false,
            plain_username: Vec::new(),
            plain_password: Zeroizing::default(),
            curve_public_key: [0; 32],
            curve_secret_key: SecretKey::default(),
            curve_server_key: [0; 32],
        }
    }
}

impl SocketOptions {
    /// The values a new socket of this type starts with.
    pub fn for_type(socket_type: SocketType) -> SocketOptions {
        SocketOptions { linger: socket_type.info().linger, ..SocketOptions::default() }
    }

    /// zmq_setsockopt(3) with a value that is not a null pointer. `None`: not an option of all
    /// types, ask the pattern. An option the table knows but that cannot be set, or a value
    /// of the wrong size or out of range, is EINVAL and changes nothing.
    ///
    /// For options of some types only, ask [`supported_by`] first.
    pub fn set(&mut self, option: i32, value: &[u8]) -> Option<Result<()>> {
        Some(self.store(table::find(option)?, value))
    }

    /// zmq_setsockopt(3) with a null pointer and length 0, which clears some options and is
    /// EINVAL for the others. (A null pointer with a length is EINVAL at the C boundary.)
    pub fn set_null(&mut self, option: i32) -> Option<Result<()>> {
        let info = table::find(option)?;
        Some(match info.shape {
            Shape::Text { clear: Some(clear), .. } | Shape::List { clear: Some(clear), .. } => {
                clear(self);
                Ok(())
            }
            _ => Err(Error::Invalid),
        })
    }

    /// zmq_getsockopt(3) into a buffer of `capacity` bytes: the bytes to store there, whose
    /// number is the new length. `None`: not an option of all types, ask the pattern.
    pub fn get(&self, option: i32, capacity: usize) -> Option<Result<Vec<u8>>> {
        Some(self.load(table::find(option)?, capacity))
    }

    fn store(&mut self, info: &OptionInfo, value: &[u8]) -> Result<()> {
        match info.shape {
            Shape::Int { min, max, set: Some(set), .. } => {
                let number = i32::from_ne_bytes(exactly(value)?);
                if number < min || number > max {
                    return Err(Error::Invalid);
                }
                set(self, number);
                Ok(())
            }
            Shape::Flag { strict, set, .. } => {
                let number = i32::from_ne_bytes(exactly(value)?);
                if strict && !matches!(number, 0 | 1) {
                    return Err(Error::Invalid);
                }
                set(self, number != 0);
                Ok(())
            }
            Shape::Int64 { set, .. } => {
                set(self, i64::from_ne_bytes(exactly(value)?));
                Ok(())
            }
            Shape::Uint64 { set, .. } => {
                set(self, u64::from_ne_bytes(exactly(value)?));
                Ok(())
            }
            Shape::Bytes { min, max, set, .. } | Shape::Text { min, max, set, .. } => {
                if value.len() < min || value.len() > max {
                    return Err(Error::Invalid);
                }
                set(self, value)
            }
            Shape::Key { set, .. } => {
                set(self, &*curve_key(value)?);
                Ok(())
            }
            Shape::List { add, .. } => add(self, value),
            Shape::Int { set: None, .. } => Err(Error::Invalid),
        }
    }

    fn load(&self, info: &OptionInfo, capacity: usize) -> Result<Vec<u8>> {
        match info.shape {
            Shape::Int { get, .. } => fitting(&get(self).to_ne_bytes(), capacity),
            Shape::Flag { get, .. } => fitting(&i32::from(get(self)).to_ne_bytes(), capacity),
            Shape::Int64 { get, .. } => fitting(&get(self).to_ne_bytes(), capacity),
            Shape::Uint64 { get, .. } => fitting(&get(self).to_ne_bytes(), capacity),
            Shape::Bytes { get: Some(get), .. } => {
                let bytes = get(self);
                if bytes.len() > capacity {
                    return Err(Error::Invalid);
                }
                Ok(bytes.to_vec())
            }
            Shape::Text { get, .. } => {
                let text = get(self);
                if text.len() >= capacity {
                    return Err(Error::Invalid);
                }
                Ok([text, &[0]].concat())
            }
            Shape::Key { get, .. } => match capacity {
                32 => Ok(get(self).to_vec()),
                41 => {
                    let text = z85::encode(get(self)).ok_or(Error::Invalid)?;
                    Ok([text.as_bytes(), &[0]].concat())
                }
                _ => Err(Error::Invalid),
            },
            Shape::Bytes { get: None, .. } | Shape::List { .. } => Err(Error::Invalid),
        }
    }
}

/// The value if it has exactly the size of a `T`.
fn exactly<const N: usize>(value: &[u8]) -> Result<[u8; N]> {
    value.try_into().map_err(|_| Error::Invalid)
}

/// A number is only read into a buffer of exactly its size.
fn fitting(bytes: &[u8], capacity: usize) -> Result<Vec<u8>> {
    if bytes.len() == capacity { Ok(bytes.to_vec()) } else { Err(Error::Invalid) }
}

/// A CURVE key as 32 raw bytes, or 40 characters of Z85 (RFC 32) with or without their NUL.
fn curve_key(value: &[u8]) -> Result<SecretKey> {
    // The length first: what is said to be longer may not be there.
    let text = match value.len() {
        32 | 40 => value,
        41 => value.strip_suffix(&[0]).ok_or(Error::Invalid)?,
        _ => return Err(Error::Invalid),
    };
    let mut key = SecretKey::default();
    if text.len() == 32 {
        key.copy_from_slice(text);
    } else if !z85::decode_to(&mut *key, text) {
        return Err(Error::Invalid);
    }
    Ok(key)
}
