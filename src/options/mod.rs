//! Socket options: one table says number, type, range, default and moment of effect of each.

/// The values of the options of one socket (zmq_setsockopt(3)). A connection copies what it
/// needs when it is made, so later changes affect later connections only, as the man page says.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "each field is the option of zmq_setsockopt(3) with its name")]
pub struct SocketOptions {
    pub affinity: u64,
    pub routing_id: Vec<u8>,
    pub rate: i32,
    pub recovery_ivl: i32,
    pub sndbuf: i32,
    pub rcvbuf: i32,
    /// Milliseconds, -1: for ever.
    pub linger: i32,
    pub reconnect_ivl: i32,
    pub reconnect_ivl_max: i32,
    pub backlog: i32,
    pub maxmsgsize: i64,
    pub sndhwm: i32,
    pub rcvhwm: i32,
    pub multicast_hops: i32,
    pub multicast_maxtpdu: i32,
    pub rcvtimeo: i32,
    pub sndtimeo: i32,
    pub tcp_keepalive: i32,
    pub tcp_keepalive_cnt: i32,
    pub tcp_keepalive_idle: i32,
    pub tcp_keepalive_intvl: i32,
    pub tcp_maxrt: i32,
    pub tcp_accept_filters: Vec<String>,
    pub ipc_uid_accept_filters: Vec<u32>,
    pub ipc_gid_accept_filters: Vec<u32>,
    pub ipc_pid_accept_filters: Vec<i32>,
    pub immediate: bool,
    pub ipv6: bool,
    pub tos: i32,
    pub conflate: bool,
    pub connect_routing_id: Vec<u8>,
    pub handshake_ivl: i32,
    pub connect_timeout: i32,
    pub heartbeat_ivl: i32,
    /// Milliseconds (the wire counts deciseconds).
    pub heartbeat_ttl: i32,
    /// Milliseconds, -1: as long as `heartbeat_ivl`.
    pub heartbeat_timeout: i32,
    pub socks_proxy: String,
    pub use_fd: i32,
    pub bindtodevice: String,
    pub invert_matching: bool,
    /// ZMQ_NULL, ZMQ_PLAIN, ZMQ_CURVE.
    pub mechanism: i32,
    pub as_server: bool,
    pub zap_domain: String,
    pub plain_username: String,
    pub plain_password: String,
    pub curve_public_key: [u8; 32],
    pub curve_secret_key: [u8; 32],
    pub curve_server_key: [u8; 32],
}
