//! The numbers of `zmq.h` that this library looks at, here and nowhere else. `tests/tables.rs` compares
//! them with those that C programs see (`src/capi/constants.rs`).

/// Makes the constants, and a list of them under their names in `zmq.h`.
macro_rules! numbers {
    ($($name:ident = $number:literal;)*) => {
        $(pub const $name: i32 = $number;)*

        /// Every number of this module with its name in `zmq.h`.
        pub const ALL: &[(&str, i32)] =
            &[$((concat!("ZMQ_", stringify!($name)), $number)),*];
    };
}

/// Socket options (zmq_setsockopt(3), zmq_getsockopt(3)): those of all types, of some, and those that
/// only say something.
#[allow(missing_docs, reason = "the names are those of the man page")]
pub mod option {
    numbers! {
        AFFINITY = 4;
        ROUTING_ID = 5;
        SUBSCRIBE = 6;
        UNSUBSCRIBE = 7;
        RATE = 8;
        RECOVERY_IVL = 9;
        SNDBUF = 11;
        RCVBUF = 12;
        RCVMORE = 13;
        FD = 14;
        EVENTS = 15;
        TYPE = 16;
        LINGER = 17;
        RECONNECT_IVL = 18;
        BACKLOG = 19;
        RECONNECT_IVL_MAX = 21;
        MAXMSGSIZE = 22;
        SNDHWM = 23;
        RCVHWM = 24;
        MULTICAST_HOPS = 25;
        RCVTIMEO = 27;
        SNDTIMEO = 28;
        IPV4ONLY = 31;
        LAST_ENDPOINT = 32;
        ROUTER_MANDATORY = 33;
        TCP_KEEPALIVE = 34;
        TCP_KEEPALIVE_CNT = 35;
        TCP_KEEPALIVE_IDLE = 36;
        TCP_KEEPALIVE_INTVL = 37;
        TCP_ACCEPT_FILTER = 38;
        IMMEDIATE = 39;
        XPUB_VERBOSE = 40;
        ROUTER_RAW = 41;
        IPV6 = 42;
        MECHANISM = 43;
        PLAIN_SERVER = 44;
        PLAIN_USERNAME = 45;
        PLAIN_PASSWORD = 46;
        CURVE_SERVER = 47;
        CURVE_PUBLICKEY = 48;
        CURVE_SECRETKEY = 49;
        CURVE_SERVERKEY = 50;
        PROBE_ROUTER = 51;
        REQ_CORRELATE = 52;
        REQ_RELAXED = 53;
        CONFLATE = 54;
        ZAP_DOMAIN = 55;
        ROUTER_HANDOVER = 56;
        TOS = 57;
        IPC_FILTER_PID = 58;
        IPC_FILTER_UID = 59;
        IPC_FILTER_GID = 60;
        CONNECT_ROUTING_ID = 61;
        GSSAPI_SERVER = 62;
        GSSAPI_PRINCIPAL = 63;
        GSSAPI_SERVICE_PRINCIPAL = 64;
        GSSAPI_PLAINTEXT = 65;
        HANDSHAKE_IVL = 66;
        SOCKS_PROXY = 68;
        XPUB_NODROP = 69;
        XPUB_MANUAL = 71;
        XPUB_WELCOME_MSG = 72;
        STREAM_NOTIFY = 73;
        INVERT_MATCHING = 74;
        HEARTBEAT_IVL = 75;
        HEARTBEAT_TTL = 76;
        HEARTBEAT_TIMEOUT = 77;
        XPUB_VERBOSER = 78;
        CONNECT_TIMEOUT = 79;
        TCP_MAXRT = 80;
        THREAD_SAFE = 81;
        MULTICAST_MAXTPDU = 84;
        USE_FD = 89;
        GSSAPI_PRINCIPAL_NAMETYPE = 90;
        GSSAPI_SERVICE_PRINCIPAL_NAMETYPE = 91;
        BINDTODEVICE = 92;
        ZAP_ENFORCE_DOMAIN = 93;
        LOOPBACK_FASTPATH = 94;
        METADATA = 95;
        MULTICAST_LOOP = 96;
        ROUTER_NOTIFY = 97;
        XPUB_MANUAL_LAST_VALUE = 98;
        SOCKS_USERNAME = 99;
        SOCKS_PASSWORD = 100;
        IN_BATCH_SIZE = 101;
        OUT_BATCH_SIZE = 102;
        WSS_KEY_PEM = 103;
        WSS_CERT_PEM = 104;
        WSS_TRUST_PEM = 105;
        WSS_HOSTNAME = 106;
        WSS_TRUST_SYSTEM = 107;
        ONLY_FIRST_SUBSCRIBE = 108;
        RECONNECT_STOP = 109;
        HELLO_MSG = 110;
        DISCONNECT_MSG = 111;
        PRIORITY = 112;
        BUSY_POLL = 113;
        HICCUP_MSG = 114;
        XSUB_VERBOSE_UNSUBSCRIBE = 115;
        TOPICS_COUNT = 116;
        NORM_MODE = 117;
        NORM_UNICAST_NACK = 118;
        NORM_BUFFER_SIZE = 119;
        NORM_SEGMENT_SIZE = 120;
        NORM_BLOCK_SIZE = 121;
        NORM_NUM_PARITY = 122;
        NORM_NUM_AUTOPARITY = 123;
        NORM_PUSH = 124;
    }
}

/// Values of options.
#[allow(missing_docs, reason = "the names are those of the man page")]
pub mod value {
    numbers! {
        NULL = 0;
        PLAIN = 1;
        CURVE = 2;
        GSSAPI = 3;
        RECONNECT_STOP_CONN_REFUSED = 1;
        RECONNECT_STOP_HANDSHAKE_FAILED = 2;
        RECONNECT_STOP_AFTER_DISCONNECT = 4;
        NOTIFY_CONNECT = 1;
        NOTIFY_DISCONNECT = 2;
    }
}
