//! The table of options: what each is called, what it holds, which values it takes.
//!
//! Ranges, sizes and defaults are those of libzmq 4.3.4 as measured (`tests.rs` holds the
//! measurements).

use super::SocketOptions;
use super::filter::AddressMask;
use super::numbers::{option, value};
use crate::error::{Error, Result};
use crate::sys::gssapi;
use crate::types::SocketType;
use crate::util::memory::{copy_of, try_room};

/// One row: an option of all socket types.
#[derive(Debug, Clone, Copy)]
pub struct OptionInfo {
    /// The number in `zmq.h`.
    pub number: i32,
    /// The name in `zmq.h`.
    pub name: &'static str,
    /// When a value takes effect.
    pub scope: Scope,
    /// Which types of sockets have it; for others setting it is EINVAL.
    types: fn(SocketType) -> bool,
    /// Whether what it is about is there: without it, it is as unknown as in a libzmq built without.
    is_there: fn() -> bool,
    pub(super) shape: Shape,
}

/// For what a value counts that is set now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Endpoints that are bound or connected later, with their connections.
    Endpoints,
    /// The next `connect`, which uses it up.
    NextConnect,
    /// All that the socket does from now on.
    Socket,
    /// That, and the pipes there are.
    Pipes,
}

impl OptionInfo {
    const fn at_once(self) -> OptionInfo {
        OptionInfo { scope: Scope::Socket, ..self }
    }

    const fn for_pipes_too(self) -> OptionInfo {
        OptionInfo { scope: Scope::Pipes, ..self }
    }

    const fn for_next_connect(self) -> OptionInfo {
        OptionInfo { scope: Scope::NextConnect, ..self }
    }

    const fn if_there(self, is_there: fn() -> bool) -> OptionInfo {
        OptionInfo { is_there, ..self }
    }

    const fn of_types(self, types: fn(SocketType) -> bool) -> OptionInfo {
        OptionInfo { types, ..self }
    }
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
    let at = TABLE.binary_search_by_key(&option, |info| info.number).ok()?;
    TABLE.get(at).filter(|info| (info.is_there)())
}

/// Whether sockets of this type have this option of the table; if not, setting it is EINVAL.
pub fn supported_by(option: i32, socket_type: SocketType) -> bool {
    find(option).is_some_and(|info| (info.types)(socket_type))
}

/// For what a value of this option counts, if it is one of the table.
pub fn scope_of(option: i32) -> Option<Scope> {
    find(option).map(|info| info.scope)
}

/// Whether a value of `length` bytes is read into a buffer of `capacity`: a number of the table only
/// into one of exactly its size.
pub fn fits(option: i32, length: usize, capacity: usize) -> bool {
    match find(option).map(|info| info.shape) {
        Some(
            Shape::Int { .. } | Shape::Flag { .. } | Shape::Int64 { .. } | Shape::Uint64 { .. },
        ) => length == capacity,
        _ => length <= capacity,
    }
}

/// A row from the name of an option without its `ZMQ_`.
macro_rules! row {
    ($name:ident, $shape:expr $(,)?) => {
        row(concat!("ZMQ_", stringify!($name)), option::$name, $shape)
    };
}

macro_rules! int {
    ($name:ident $field:ident $min:literal ..) => {
        int!($name $field $min .. i32::MAX)
    };
    ($name:ident $field:ident $min:literal .. $max:expr) => {
        row!($name, Shape::Int {
            min: $min,
            max: $max,
            get: |o| o.$field,
            set: Some(|o, v| o.$field = v),
        })
    };
}

macro_rules! flag {
    ($name:ident $field:ident strict $strict:literal) => {
        row!($name, Shape::Flag { strict: $strict, get: |o| o.$field, set: |o, v| o.$field = v },)
    };
}

macro_rules! text {
    ($name:ident $field:ident $min:literal .. $max:expr, $clear:expr) => {
        text!($name $field $min .. $max, $clear, |_| ())
    };
    ($name:ident $field:ident $min:literal .. $max:expr, $clear:expr,
     $also:expr) => {
        row!($name, Shape::Text {
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

/// A text or a message of any length, which cannot be read; an empty one is none.
macro_rules! notice {
    ($name:ident $field:ident) => {
        row!(
            $name,
            Shape::Bytes {
                min: 0,
                max: usize::MAX,
                get: None,
                set: |o, v| copy_of(v).map(|v| o.draft.$field = v.into()),
            },
        )
    };
}

/// An `int` of the draft API, from a least one on.
macro_rules! draft {
    ($name:ident $field:ident $min:literal) => {
        row!(
            $name,
            Shape::Int {
                min: $min,
                max: i32::MAX,
                get: |o| o.draft.$field,
                set: Some(|o, v| o.draft.$field = v),
            },
        )
    };
}

/// Of the transport norm: a number in these bounds, or 0 and 1.
macro_rules! norm {
    ($name:ident $field:ident) => {
        row!(
            $name,
            Shape::Flag {
                strict: true,
                get: |o| o.draft.norm.$field,
                set: |o, v| o.draft.norm.$field = v,
            }
        )
    };
    ($name:ident $field:ident $min:literal .. $max:expr) => {
        row!(
            $name,
            Shape::Int {
                min: $min,
                max: $max,
                get: |o| o.draft.norm.$field,
                set: Some(|o, v| o.draft.norm.$field = v),
            }
        )
    };
}

macro_rules! key {
    ($name:ident $field:ident $also:expr) => {
        row!(
            $name,
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

/// The name of a principal, which chooses GSSAPI.
macro_rules! principal {
    ($name:ident $field:ident $also:expr) => {
        row!(
            $name,
            Shape::Text {
                min: 1,
                max: 255,
                get: |o| &o.gssapi.$field,
                set: |o, v| {
                    let also: fn(&mut Options) = $also;
                    o.gssapi.$field = copy_of(v)?;
                    o.mechanism = value::GSSAPI;
                    also(o);
                    Ok(())
                },
                clear: None,
            },
        )
        .if_there(gssapi::is_there)
    };
}

/// What kind of name that is.
macro_rules! name_type {
    ($name:ident $field:ident) => {
        row!(
            $name,
            Shape::Int {
                min: 0,
                max: 2,
                get: |o| o.gssapi.$field,
                set: Some(|o, v| o.gssapi.$field = v),
            },
        )
        .if_there(gssapi::is_there)
    };
}

macro_rules! list {
    ($name:ident $field:ident $parse:expr) => {
        row!(
            $name,
            Shape::List {
                add: |o, v| {
                    let element = $parse(o, v)?;
                    o.accept.$field.push(element);
                    Ok(())
                },
                clear: Some(|o| o.accept.$field.clear()),
            },
        )
    };
}

/// Every option common to the socket types, in the order of their numbers.
///
/// Not here, hence EINVAL: ZMQ_VMCI_*, which Debian's build has not either.
#[rustfmt::skip]
pub const TABLE: &[OptionInfo] = &[
    row!(AFFINITY, Shape::Uint64 { get: |o| o.affinity, set: |o, v| o.affinity = v }),
    row!(ROUTING_ID, Shape::Bytes {
        min: 1,
        max: 255,
        get: Some(|o| &o.routing_id),
        set: |o, v| copy_of(v).map(|v| o.routing_id = v),
    }),
    int!(RATE rate 1..),
    int!(RECOVERY_IVL recovery_ivl 0..),
    int!(SNDBUF sndbuf -1..),
    int!(RCVBUF rcvbuf -1..),
    int!(LINGER linger -1..).at_once(),
    int!(RECONNECT_IVL reconnect_ivl -1..),
    int!(BACKLOG backlog 0..),
    int!(RECONNECT_IVL_MAX reconnect_ivl_max 0..),
    row!(MAXMSGSIZE, Shape::Int64 { get: |o| o.maxmsgsize, set: |o, v| o.maxmsgsize = v }),
    int!(SNDHWM sndhwm 0..).for_pipes_too(),
    int!(RCVHWM rcvhwm 0..).for_pipes_too(),
    int!(MULTICAST_HOPS multicast_hops 1..),
    int!(RCVTIMEO rcvtimeo -1..).at_once(),
    int!(SNDTIMEO sndtimeo -1..).at_once(),
    row!(IPV4ONLY, Shape::Flag { strict: true, get: |o| !o.ipv6, set: |o, v| o.ipv6 = !v }),
    int!(TCP_KEEPALIVE tcp_keepalive -1..1),
    int!(TCP_KEEPALIVE_CNT tcp_keepalive_cnt -1..),
    int!(TCP_KEEPALIVE_IDLE tcp_keepalive_idle -1..),
    int!(TCP_KEEPALIVE_INTVL tcp_keepalive_intvl -1..),
    list!(TCP_ACCEPT_FILTER networks
        |o: &Options, v: &[u8]| AddressMask::parse(v, o.ipv6)),
    flag!(IMMEDIATE immediate strict true),
    flag!(IPV6 ipv6 strict true),
    row!(MECHANISM, Shape::Int { min: 0, max: 0, get: |o| o.mechanism, set: None }),
    row!(PLAIN_SERVER, Shape::Flag {
        strict: true,
        get: |o| o.as_server && o.mechanism == value::PLAIN,
        set: |o, v| role(o, value::PLAIN, v),
    }),
    text!(PLAIN_USERNAME plain_username 1..255, Some(no_security), plain_client),
    text!(PLAIN_PASSWORD plain_password 1..255, Some(no_security), plain_client),
    row!(CURVE_SERVER, Shape::Flag {
        strict: true,
        get: |o| o.as_server && o.mechanism == value::CURVE,
        set: |o, v| role(o, value::CURVE, v),
    }),
    key!(CURVE_PUBLICKEY curve_public_key |o| o.mechanism = value::CURVE),
    row!(CURVE_SECRETKEY, Shape::Key {
        get: |o| o.curve_secret_key(),
        set: |o, v| {
            o.set_curve_secret_key(v);
            o.mechanism = value::CURVE;
        },
    }),
    key!(CURVE_SERVERKEY curve_server_key |o| {
        o.mechanism = value::CURVE;
        o.as_server = false;
    }),
    flag!(CONFLATE conflate strict true),
    text!(ZAP_DOMAIN zap_domain 1..255, None),
    int!(TOS tos 0..),
    list!(IPC_FILTER_PID processes |_: &Options, v| id(v)),
    list!(IPC_FILTER_UID users |_: &Options, v| id(v).map(|n| n as u32)),
    list!(IPC_FILTER_GID groups |_: &Options, v| id(v).map(|n| n as u32)),
    row!(CONNECT_ROUTING_ID, Shape::Bytes {
        min: 1,
        max: usize::MAX,
        get: None,
        set: |o, v| copy_of(v).map(|v| o.connect_routing_id = v),
    }).for_next_connect().of_types(|socket_type| socket_type.info().names_peers),
    row!(GSSAPI_SERVER, Shape::Flag {
        strict: true,
        get: |o| o.as_server && o.mechanism == value::GSSAPI,
        set: |o, v| (o.as_server, o.mechanism) = (v, value::GSSAPI),
    }).if_there(gssapi::is_there),
    principal!(GSSAPI_PRINCIPAL principal |_| ()),
    principal!(GSSAPI_SERVICE_PRINCIPAL service |o| o.as_server = false),
    row!(GSSAPI_PLAINTEXT, Shape::Flag {
        strict: true,
        get: |o| o.gssapi.plaintext,
        set: |o, v| o.gssapi.plaintext = v,
    }).if_there(gssapi::is_there),
    int!(HANDSHAKE_IVL handshake_ivl 0..),
    text!(SOCKS_PROXY socks_proxy 1..usize::MAX, Some(|o| o.socks_proxy.clear())),
    flag!(INVERT_MATCHING invert_matching strict false),
    int!(HEARTBEAT_IVL heartbeat_ivl 0..),
    row!(HEARTBEAT_TTL, Shape::Int { // 16 bits of deciseconds; -99 to 99 are 0
        min: -99,
        max: 6_553_599,
        get: |o| o.heartbeat_ttl,
        set: Some(|o, v| o.heartbeat_ttl = v / 100 * 100),
    }),
    int!(HEARTBEAT_TIMEOUT heartbeat_timeout 0..),
    int!(CONNECT_TIMEOUT connect_timeout 0..),
    int!(TCP_MAXRT tcp_maxrt 0..),
    int!(MULTICAST_MAXTPDU multicast_maxtpdu 1..),
    int!(USE_FD use_fd -1..),
    name_type!(GSSAPI_PRINCIPAL_NAMETYPE principal_type),
    name_type!(GSSAPI_SERVICE_PRINCIPAL_NAMETYPE service_type),
    text!(BINDTODEVICE bindtodevice 1..16, Some(|o| o.bindtodevice.clear())),
    flag!(ZAP_ENFORCE_DOMAIN zap_enforce_domain strict false),
    flag!(LOOPBACK_FASTPATH loopback_fastpath strict false),
    row!(METADATA, Shape::List { add: add_metadata, clear: None }),
    flag!(MULTICAST_LOOP multicast_loop strict false),
    // The value of a ROUTER or REP is its pattern's.
    row!(ROUTER_NOTIFY, Shape::Int { min: 0, max: 0, get: |_| 0, set: None }),
    text!(SOCKS_USERNAME socks_username 0..255, Some(|o| o.socks_username.clear())),
    text!(SOCKS_PASSWORD socks_password 0..255, Some(|o| o.socks_password.clear())),
    draft!(IN_BATCH_SIZE in_batch_size 1),
    draft!(OUT_BATCH_SIZE out_batch_size 1),
    notice!(WSS_KEY_PEM wss_key_pem),
    notice!(WSS_CERT_PEM wss_cert_pem),
    notice!(WSS_TRUST_PEM wss_trust_pem),
    notice!(WSS_HOSTNAME wss_hostname),
    row!(WSS_TRUST_SYSTEM, Shape::Bytes {
        min: size_of::<i32>(),
        max: size_of::<i32>(),
        get: None,
        set: |o, v| match id(v)? {
            on @ (0 | 1) => {
                o.draft.wss_trust_system = on == 1;
                Ok(())
            }
            _ => Err(Error::Invalid),
        },
    }),
    row!(RECONNECT_STOP, Shape::Int {
        min: i32::MIN,
        max: i32::MAX,
        get: |o| o.reconnect_stop,
        set: Some(|o, v| o.reconnect_stop = v),
    }),
    notice!(HELLO_MSG hello_msg),
    notice!(DISCONNECT_MSG disconnect_msg),
    draft!(PRIORITY priority 0),
    row!(BUSY_POLL, Shape::Bytes {
        min: size_of::<i32>(),
        max: size_of::<i32>(),
        get: None,
        set: |o, v| id(v).map(|v| o.draft.busy_poll = v),
    }),
    notice!(HICCUP_MSG hiccup_msg),
    norm!(NORM_MODE mode 0..4),
    norm!(NORM_UNICAST_NACK unicast_nack),
    norm!(NORM_BUFFER_SIZE buffer_size 1..i32::MAX),
    norm!(NORM_SEGMENT_SIZE segment_size 1..i32::MAX),
    norm!(NORM_BLOCK_SIZE block_size 1..255),
    norm!(NORM_NUM_PARITY num_parity 0..254),
    norm!(NORM_NUM_AUTOPARITY num_autoparity 0..254),
    norm!(NORM_PUSH push),
];

const fn row(name: &'static str, number: i32, shape: Shape) -> OptionInfo {
    OptionInfo { number, name, scope: Scope::Endpoints, types: |_| true, is_there: || true, shape }
}

/// Becoming a server chooses the mechanism; ceasing to be one ends security altogether.
fn role(options: &mut Options, mechanism: i32, server: bool) {
    options.as_server = server;
    options.mechanism = if server { mechanism } else { value::NULL };
}

/// A user name or password makes the socket a PLAIN client (zmq_plain(7)).
fn plain_client(options: &mut Options) {
    options.mechanism = value::PLAIN;
    options.as_server = false;
}

/// A null user name or password; the stored names stay readable.
fn no_security(options: &mut Options) {
    options.mechanism = value::NULL;
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
        try_room(properties, 1)?;
        properties.insert(place, property);
    }
    Ok(())
}

/// A string of C inside of bytes that may go on behind its end.
fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A process, user or group number, or another one that is not checked.
fn id(value: &[u8]) -> Result<i32> {
    value.try_into().map(i32::from_ne_bytes).map_err(|_| Error::Invalid)
}
