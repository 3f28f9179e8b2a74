//! The table of options: what each is called, what it holds, which values it takes.
//!
//! Ranges, sizes and defaults are those of libzmq 4.3.4 as measured (`tests.rs` holds the
//! measurements). Unless noted a value takes effect for later `bind` and `connect` calls.

use super::filter::AddressMask;
use super::{MECHANISM_CURVE, MECHANISM_NULL, MECHANISM_PLAIN, SocketOptions};
use crate::error::{Error, Result};
use crate::types::SocketType;
use crate::util::memory::copy_of;

/// One row: an option of all socket types.
#[derive(Debug, Clone, Copy)]
pub struct OptionInfo {
    /// The number in `zmq.h`.
    pub number: i32,
    /// The name in `zmq.h`.
    pub name: &'static str,
    pub(super) shape: Shape,
}

type Options = SocketOptions;
type Key = [u8; 32];

/// What an option holds and how to reach it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// `int` within a range.
    Int { min: i32, max: i32, get: fn(&Options) -> i32, set: Option<fn(&mut Options, i32)> },
    /// `int` read back as 0 or 1. Strict ones refuse other numbers.
    Flag { strict: bool, get: fn(&Options) -> bool, set: fn(&mut Options, bool) },
    /// `int64_t`.
    Int64 { get: fn(&Options) -> i64, set: fn(&mut Options, i64) },
    /// `uint64_t`.
    Uint64 { get: fn(&Options) -> u64, set: fn(&mut Options, u64) },
    /// Binary data of `min` to `max` bytes.
    Bytes {
        min: usize,
        max: usize,
        get: Option<fn(&Options) -> &[u8]>,
        set: fn(&mut Options, &[u8]) -> Result<()>,
    },
    /// A string of `min` to `max` bytes, stored as given, read with a NUL behind it.
    Text {
        min: usize,
        max: usize,
        get: fn(&Options) -> &[u8],
        set: fn(&mut Options, &[u8]) -> Result<()>,
        /// What a null pointer does.
        clear: Option<fn(&mut Options)>,
    },
    /// A CURVE key.
    Key { get: fn(&Options) -> &Key, set: fn(&mut Options, &Key) },
    /// A list: each value is one more element.
    List {
        add: fn(&mut Options, &[u8]) -> Result<()>,
        /// What a null pointer does.
        clear: Option<fn(&mut Options)>,
    },
}

/// The row of this number.
pub(super) fn find(option: i32) -> Option<&'static OptionInfo> {
    TABLE.binary_search_by_key(&option, |info| info.number).ok().and_then(|at| TABLE.get(at))
}

/// Whether sockets of this type have this option of the table; if not, setting it is EINVAL.
/// Only ZMQ_CONNECT_ROUTING_ID is choosy: ROUTER, REP (a ROUTER inside) and STREAM have it.
pub fn supported_by(option: i32, socket_type: SocketType) -> bool {
    find(option).is_some() && (option != 61 || socket_type.info().names_peers)
}

macro_rules! int {
    ($number:literal $name:ident $field:ident $min:literal ..) => {
        int!($number $name $field $min .. i32::MAX)
    };
    ($number:literal $name:ident $field:ident $min:literal .. $max:expr) => {
        row(stringify!($name), $number, Shape::Int {
            min: $min,
            max: $max,
            get: |o| o.$field,
            set: Some(|o, v| o.$field = v),
        })
    };
}

macro_rules! flag {
    ($number:literal $name:ident $field:ident strict $strict:literal) => {
        row(
            stringify!($name),
            $number,
            Shape::Flag { strict: $strict, get: |o| o.$field, set: |o, v| o.$field = v },
        )
    };
}

macro_rules! text {
    ($number:literal $name:ident $field:ident $min:literal .. $max:expr, $clear:expr) => {
        text!($number $name $field $min .. $max, $clear, |_| ())
    };
    ($number:literal $name:ident $field:ident $min:literal .. $max:expr, $clear:expr,
     $also:expr) => {
        row(stringify!($name), $number, Shape::Text {
            min: $min,
            max: $max,
            get: |o| &o.$field,
            set: |o, v| {
                let also: fn(&mut Options) = $also;
                o.$field = copy_of(v)?.into();
                also(o);
                Ok(())
            },
            clear: $clear,
        })
    };
}

macro_rules! key {
    ($number:literal $name:ident $field:ident $also:expr) => {
        row(
            stringify!($name),
            $number,
            Shape::Key {
                get: |o| &o.$field,
                set: |o, v| {
                    let also: fn(&mut Options) = $also;
                    o.$field.copy_from_slice(v);
                    also(o);
                },
            },
        )
    };
}

macro_rules! list {
    ($number:literal $name:ident $field:ident $parse:expr) => {
        row(
            stringify!($name),
            $number,
            Shape::List {
                add: |o, v| {
                    let element = $parse(o, v)?;
                    o.$field.push(element);
                    Ok(())
                },
                clear: Some(|o| o.$field.clear()),
            },
        )
    };
}

/// Every option common to the socket types, in the order of their numbers.
///
/// Not here, hence EINVAL: the ZMQ_GSSAPI_* options (Debian's build has that mechanism, this
/// library does not yet) and ZMQ_VMCI_* (neither has).
#[rustfmt::skip]
pub const TABLE: &[OptionInfo] = &[
    row("ZMQ_AFFINITY", 4, Shape::Uint64 { get: |o| o.affinity, set: |o, v| o.affinity = v }),
    row("ZMQ_ROUTING_ID", 5, Shape::Bytes {
        min: 1,
        max: 255,
        get: Some(|o| &o.routing_id),
        set: |o, v| copy_of(v).map(|v| o.routing_id = v),
    }),
    int!(8 ZMQ_RATE rate 1..),
    int!(9 ZMQ_RECOVERY_IVL recovery_ivl 0..),
    int!(11 ZMQ_SNDBUF sndbuf -1..),
    int!(12 ZMQ_RCVBUF rcvbuf -1..),
    int!(17 ZMQ_LINGER linger -1..), // at once, also for existing connections
    int!(18 ZMQ_RECONNECT_IVL reconnect_ivl -1..),
    int!(19 ZMQ_BACKLOG backlog 0..),
    int!(21 ZMQ_RECONNECT_IVL_MAX reconnect_ivl_max 0..),
    row("ZMQ_MAXMSGSIZE", 22, Shape::Int64 { get: |o| o.maxmsgsize, set: |o, v| o.maxmsgsize = v }),
    int!(23 ZMQ_SNDHWM sndhwm 0..), // at once
    int!(24 ZMQ_RCVHWM rcvhwm 0..), // at once
    int!(25 ZMQ_MULTICAST_HOPS multicast_hops 1..),
    int!(27 ZMQ_RCVTIMEO rcvtimeo -1..), // at once
    int!(28 ZMQ_SNDTIMEO sndtimeo -1..), // at once
    row("ZMQ_IPV4ONLY", 31, Shape::Flag { strict: true, get: |o| !o.ipv6, set: |o, v| o.ipv6 = !v }),
    int!(34 ZMQ_TCP_KEEPALIVE tcp_keepalive -1..1),
    int!(35 ZMQ_TCP_KEEPALIVE_CNT tcp_keepalive_cnt -1..),
    int!(36 ZMQ_TCP_KEEPALIVE_IDLE tcp_keepalive_idle -1..),
    int!(37 ZMQ_TCP_KEEPALIVE_INTVL tcp_keepalive_intvl -1..),
    list!(38 ZMQ_TCP_ACCEPT_FILTER tcp_accept_filters
        |o: &Options, v: &[u8]| AddressMask::parse(v, o.ipv6)),
    flag!(39 ZMQ_IMMEDIATE immediate strict true),
    flag!(42 ZMQ_IPV6 ipv6 strict true),
    row("ZMQ_MECHANISM", 43, Shape::Int { min: 0, max: 0, get: |o| o.mechanism, set: None }),
    row("ZMQ_PLAIN_SERVER", 44, Shape::Flag {
        strict: true,
        get: |o| o.as_server && o.mechanism == MECHANISM_PLAIN,
        set: |o, v| role(o, MECHANISM_PLAIN, v),
    }),
    text!(45 ZMQ_PLAIN_USERNAME plain_username 1..255, Some(no_security), plain_client),
    text!(46 ZMQ_PLAIN_PASSWORD plain_password 1..255, Some(no_security), plain_client),
    row("ZMQ_CURVE_SERVER", 47, Shape::Flag {
        strict: true,
        get: |o| o.as_server && o.mechanism == MECHANISM_CURVE,
        set: |o, v| role(o, MECHANISM_CURVE, v),
    }),
    key!(48 ZMQ_CURVE_PUBLICKEY curve_public_key |o| o.mechanism = MECHANISM_CURVE),
    key!(49 ZMQ_CURVE_SECRETKEY curve_secret_key |o| o.mechanism = MECHANISM_CURVE),
    key!(50 ZMQ_CURVE_SERVERKEY curve_server_key |o| {
        o.mechanism = MECHANISM_CURVE;
        o.as_server = false;
    }),
    flag!(54 ZMQ_CONFLATE conflate strict true),
    text!(55 ZMQ_ZAP_DOMAIN zap_domain 1..255, None),
    int!(57 ZMQ_TOS tos 0..),
    list!(58 ZMQ_IPC_FILTER_PID ipc_pid_accept_filters |_: &Options, v| id(v)),
    list!(59 ZMQ_IPC_FILTER_UID ipc_uid_accept_filters |_: &Options, v| id(v).map(|n| n as u32)),
    list!(60 ZMQ_IPC_FILTER_GID ipc_gid_accept_filters |_: &Options, v| id(v).map(|n| n as u32)),
    row("ZMQ_CONNECT_ROUTING_ID", 61, Shape::Bytes { // for the next connect
        min: 1,
        max: usize::MAX,
        get: None,
        set: |o, v| copy_of(v).map(|v| o.connect_routing_id = v),
    }),
    int!(66 ZMQ_HANDSHAKE_IVL handshake_ivl 0..),
    text!(68 ZMQ_SOCKS_PROXY socks_proxy 1..usize::MAX, Some(|o| o.socks_proxy.clear())),
    flag!(74 ZMQ_INVERT_MATCHING invert_matching strict false),
    int!(75 ZMQ_HEARTBEAT_IVL heartbeat_ivl 0..),
    row("ZMQ_HEARTBEAT_TTL", 76, Shape::Int { // 16 bits of deciseconds; -99 to 99 are 0
        min: -99,
        max: 6_553_599,
        get: |o| o.heartbeat_ttl,
        set: Some(|o, v| o.heartbeat_ttl = v / 100 * 100),
    }),
    int!(77 ZMQ_HEARTBEAT_TIMEOUT heartbeat_timeout 0..),
    int!(79 ZMQ_CONNECT_TIMEOUT connect_timeout 0..),
    int!(80 ZMQ_TCP_MAXRT tcp_maxrt 0..),
    int!(84 ZMQ_MULTICAST_MAXTPDU multicast_maxtpdu 1..),
    int!(89 ZMQ_USE_FD use_fd -1..),
    text!(92 ZMQ_BINDTODEVICE bindtodevice 1..16, Some(|o| o.bindtodevice.clear())),
    flag!(93 ZMQ_ZAP_ENFORCE_DOMAIN zap_enforce_domain strict false),
    flag!(94 ZMQ_LOOPBACK_FASTPATH loopback_fastpath strict false),
    row("ZMQ_METADATA", 95, Shape::List { add: add_metadata, clear: None }),
    flag!(96 ZMQ_MULTICAST_LOOP multicast_loop strict false),
    text!(99 ZMQ_SOCKS_USERNAME socks_username 0..255, Some(|o| o.socks_username.clear())),
    text!(100 ZMQ_SOCKS_PASSWORD socks_password 0..255, Some(|o| o.socks_password.clear())),
    row("ZMQ_RECONNECT_STOP", 109, Shape::Int {
        min: i32::MIN,
        max: i32::MAX,
        get: |o| o.reconnect_stop,
        set: Some(|o, v| o.reconnect_stop = v),
    }),
];

const fn row(name: &'static str, number: i32, shape: Shape) -> OptionInfo {
    OptionInfo { number, name, shape }
}

/// Becoming a server chooses the mechanism; ceasing to be one ends security altogether.
fn role(options: &mut Options, mechanism: i32, server: bool) {
    options.as_server = server;
    options.mechanism = if server { mechanism } else { MECHANISM_NULL };
}

/// A user name or password makes the socket a PLAIN client (zmq_plain(7)).
fn plain_client(options: &mut Options) {
    options.mechanism = MECHANISM_PLAIN;
    options.as_server = false;
}

/// A null user name or password; the stored names stay readable.
fn no_security(options: &mut Options) {
    options.mechanism = MECHANISM_NULL;
}

/// One more `name:value` to announce; names begin with `X-`. The first of a name stays.
fn add_metadata(options: &mut Options, value: &[u8]) -> Result<()> {
    let colon = value.iter().position(|byte| *byte == b':').ok_or(Error::Invalid)?;
    let (name, value) = value.split_at_checked(colon).ok_or(Error::Invalid)?;
    if name.len() > 255 {
        return Err(Error::Invalid);
    }
    let (name, value) = (until_nul(name), until_nul(value.get(1..).unwrap_or_default()));
    if !name.starts_with(b"X-") || name.len() < 3 || value.is_empty() {
        return Err(Error::Invalid);
    }
    let properties = &mut options.metadata;
    if let Err(place) = properties.binary_search_by(|(other, _)| other.as_slice().cmp(name)) {
        let property = (copy_of(name)?, copy_of(value)?);
        properties.try_reserve(1).map_err(|_| Error::NoMemory)?;
        properties.insert(place, property);
    }
    Ok(())
}

/// A string of C inside of bytes that may go on behind its end.
fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A process, user or group number.
fn id(value: &[u8]) -> Result<i32> {
    value.try_into().map(i32::from_ne_bytes).map_err(|_| Error::Invalid)
}
