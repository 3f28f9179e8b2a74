//! Socket options (zmq_setsockopt(3), zmq_getsockopt(3)) common to all socket types.
//!
//! [`table`] says number, name, shape, range, field and scope of each; [`SocketOptions::set`] and
//! [`SocketOptions::get`] both read it. Options of one pattern only (ZMQ_SUBSCRIBE,
//! ZMQ_ROUTER_MANDATORY, ...) and those that describe the socket itself (ZMQ_RCVMORE, ZMQ_FD,
//! ZMQ_EVENTS, ZMQ_TYPE, ZMQ_LAST_ENDPOINT, ZMQ_THREAD_SAFE) are not here.
#![forbid(unsafe_code)]

mod access;
mod filter;
pub mod numbers;
mod table;
#[cfg(test)]
mod tests;

pub use filter::{AcceptFilters, AddressMask};
pub use table::{OptionInfo, Scope, TABLE, fits, scope_of, supported_by};

use crate::types::SocketType;
use crate::util::keys::{KEY_LEN, SecretKey};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What ZMQ_IN_BATCH_SIZE and ZMQ_OUT_BATCH_SIZE say as long as nobody has set them. It is libzmq's number:
/// connections do without limits of their own then.
pub const BATCH_SIZE: i32 = 8192;

/// Those of [`SocketOptions`] that only libzmq's draft API has.
#[derive(Clone)]
#[allow(missing_docs, reason = "each field is the option of zmq_setsockopt(3) with its name")]
pub struct DraftOptions {
    /// The first message over each connection, empty: none.
    pub hello_msg: Vec<u8>,
    /// Received when a peer that came to us has gone, empty: nothing.
    pub disconnect_msg: Vec<u8>,
    /// Received when a connection of ours is lost, empty: nothing.
    pub hiccup_msg: Vec<u8>,
    /// The most that one read asks for, in bytes; see [`BATCH_SIZE`].
    pub in_batch_size: i32,
    /// The most that is collected for one write, in bytes; see [`BATCH_SIZE`].
    pub out_batch_size: i32,
    /// SO_PRIORITY, 0: what the system gives.
    pub priority: i32,
    /// SO_BUSY_POLL in microseconds, 0: what the system gives.
    pub busy_poll: i32,
    /// The key of `wss_cert_pem`.
    pub wss_key_pem: Zeroizing<Vec<u8>>,
    /// Our certificate, and behind it those that vouch for it.
    pub wss_cert_pem: Vec<u8>,
    /// Who may vouch for servers.
    pub wss_trust_pem: Vec<u8>,
    /// Who servers have to be, empty: see `transport::tls`.
    pub wss_hostname: Vec<u8>,
    pub wss_trust_system: bool,
    pub norm: NormOptions,
}

impl Default for DraftOptions {
    fn default() -> DraftOptions {
        DraftOptions {
            hello_msg: Vec::new(),
            disconnect_msg: Vec::new(),
            hiccup_msg: Vec::new(),
            in_batch_size: BATCH_SIZE,
            out_batch_size: BATCH_SIZE,
            priority: 0,
            busy_poll: 0,
            wss_key_pem: Zeroizing::default(),
            wss_cert_pem: Vec::new(),
            wss_trust_pem: Vec::new(),
            wss_hostname: Vec::new(),
            wss_trust_system: false,
            norm: NormOptions::default(),
        }
    }
}

/// Those of [`SocketOptions`] for the transport norm.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "each field is the option of zmq.h with its name")]
pub struct NormOptions {
    /// A `ZMQ_NORM_*`: what keeps the rate.
    pub mode: i32,
    pub unicast_nack: bool,
    /// In KiB.
    pub buffer_size: i32,
    pub segment_size: i32,
    pub block_size: i32,
    pub num_parity: i32,
    pub num_autoparity: i32,
    pub push: bool,
}

impl Default for NormOptions {
    fn default() -> NormOptions {
        NormOptions {
            mode: 1,
            unicast_nack: false,
            buffer_size: 2048,
            segment_size: 1400,
            block_size: 16,
            num_parity: 4,
            num_autoparity: 0,
            push: false,
        }
    }
}

/// Those of [`SocketOptions`] for the mechanism GSSAPI.
#[derive(Clone, Default)]
pub struct GssapiOptions {
    /// Whose credentials to use, empty: those there are.
    pub principal: Vec<u8>,
    /// How to read that: a `ZMQ_GSSAPI_NT_*`.
    pub principal_type: i32,
    /// The server that a client wants.
    pub service: Vec<u8>,
    /// How to read that.
    pub service_type: i32,
    /// Messages are not encrypted.
    pub plaintext: bool,
}

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
    pub accept: AcceptFilters,
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
    /// Those that only the draft API has.
    pub draft: DraftOptions,
    pub invert_matching: bool,
    /// One of [`numbers::value`], the number of a mechanism.
    pub mechanism: i32,
    pub as_server: bool,
    pub zap_domain: Vec<u8>,
    pub zap_enforce_domain: bool,
    pub plain_username: Vec<u8>,
    pub plain_password: Zeroizing<Vec<u8>>,
    pub curve_public_key: [u8; 32],
    /// On the heap, so that options may be moved and copied without leaving it behind.
    pub curve_secret_key: Option<Arc<SecretKey>>,
    pub curve_server_key: [u8; 32],
    /// Those of the mechanism GSSAPI.
    pub gssapi: GssapiOptions,
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
            accept: AcceptFilters::default(),
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
            draft: DraftOptions::default(),
            invert_matching: false,
            mechanism: numbers::value::NULL,
            as_server: false,
            zap_domain: Vec::new(),
            zap_enforce_domain: false,
            plain_username: Vec::new(),
            plain_password: Zeroizing::default(),
            curve_public_key: [0; 32],
            curve_secret_key: None,
            curve_server_key: [0; 32],
            gssapi: GssapiOptions::default(),
        }
    }
}

impl SocketOptions {
    /// What ZMQ_IN_BATCH_SIZE and ZMQ_OUT_BATCH_SIZE say, if somebody has set them.
    pub fn batch_limits(&self) -> (Option<usize>, Option<usize>) {
        let set = |size: i32| usize::try_from(size).ok().filter(|_| size != BATCH_SIZE);
        (set(self.draft.in_batch_size), set(self.draft.out_batch_size))
    }

    /// The secret key of ZMQ_CURVE_SECRETKEY, zeros if none was set.
    pub fn curve_secret_key(&self) -> &[u8; KEY_LEN] {
        self.curve_secret_key.as_deref().map_or(&[0; KEY_LEN], |key| key)
    }

    /// Sets it. It is made where it stays.
    fn set_curve_secret_key(&mut self, bytes: &[u8; KEY_LEN]) {
        let mut key = Arc::new(SecretKey::default());
        if let Some(key) = Arc::get_mut(&mut key) {
            key.copy_from_slice(bytes);
        }
        self.curve_secret_key = Some(key);
    }

    /// The values a new socket of this type starts with.
    pub fn for_type(socket_type: SocketType) -> SocketOptions {
        SocketOptions { linger: socket_type.info().linger, ..SocketOptions::default() }
    }
}
