//! Names shared by every layer: socket types and their wire names, one row each.

/// What is to be known of a socket type, below the pattern that it is (`crate::pattern`). Rows say what
/// differs from [`PLAIN`].
#[derive(Debug)]
pub struct TypeInfo {
    /// The `Socket-Type` property a ZMTP 3 peer announces (RFC 37, "Socket-Type").
    pub name: &'static str,
    /// The types of peers that may talk to it (RFC 37, "Socket-Type").
    pub peers: &'static [SocketType],
    /// A ROUTER may address it: its routing id is announced (RFC 37, "The Identity Property").
    pub announces_routing_id: bool,
    /// Sends to those who subscribed. A peer of ZMTP 1.0 without version cannot, and gets everything.
    pub publishes: bool,
    /// Subscribes: its SUBSCRIBE and CANCEL commands count (RFC 37, "Subscriptions").
    pub subscribes: bool,
    /// Joins groups: its JOIN and LEAVE commands count (RFC 48).
    pub joins: bool,
    /// What datagrams could carry of it, if anything (zmq_udp(7)).
    pub datagrams: Option<Datagrams>,
    /// And nothing else could.
    pub only_datagrams: bool,
    /// Peers have numbers, and a `connect` says which (zmq_connect_peer(3)).
    pub numbers_peers: bool,
    /// Has ZMQ_HELLO_MSG (zmq_setsockopt(3)).
    pub says_hello: bool,
    /// Has ZMQ_DISCONNECT_MSG (zmq_setsockopt(3)).
    pub hears_disconnects: bool,
    /// Has ZMQ_HICCUP_MSG (zmq_setsockopt(3)).
    pub hears_hiccups: bool,
    /// libzmq lets several threads use it, which may be asked (ZMQ_THREAD_SAFE). Here they all may.
    pub thread_safe: bool,
    /// Multicast could carry what it sends or gets (zmq_pgm(7)).
    pub multicasts: bool,
    /// A second `connect` to the same endpoint does nothing (zmq_connect(3)).
    pub connects_once: bool,
    /// Has ZMQ_CONFLATE (zmq_setsockopt(3)).
    pub conflates: bool,
    /// Has ZMQ_CONNECT_ROUTING_ID (zmq_setsockopt(3)).
    pub names_peers: bool,
    /// Of two sockets in one process a whole message may go straight from one to the other
    /// (`socket/ways.rs`).
    pub goes_straight: bool,
    /// Takes whatever it is given once it is ready to send: a proxy waits for that before it takes a
    /// message for it. What others say shows when it is sent.
    pub tells_of_room: bool,
    /// ZMQ_LINGER of a new socket, in milliseconds; -1 is for ever.
    pub linger: i32,
}

/// What a socket does with datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Datagrams {
    /// Sends them, with a group in each.
    Sent,
    /// Receives those.
    Received,
    /// Sends and receives them as they are, with the address of who is at the other end.
    Addressed,
}

/// A type that nobody may talk to.
const PLAIN: TypeInfo = TypeInfo {
    name: "",
    peers: &[],
    announces_routing_id: false,
    publishes: false,
    subscribes: false,
    joins: false,
    datagrams: None,
    only_datagrams: false,
    numbers_peers: false,
    says_hello: false,
    hears_disconnects: false,
    hears_hiccups: false,
    thread_safe: false,
    multicasts: false,
    connects_once: false,
    conflates: false,
    names_peers: false,
    goes_straight: false,
    tells_of_room: false,
    linger: -1,
};

/// What the types have in common that came after the first twelve.
const LATER: TypeInfo = TypeInfo { thread_safe: true, ..PLAIN };

/// Makes the enum, the list and the rows of one text.
macro_rules! socket_types {
    ($($variant:ident = $number:literal $info:tt)*) => {
        /// The socket types, with the numbers of `zmq.h`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(i32)]
        #[allow(missing_docs, reason = "the names are the definitions")]
        pub enum SocketType {
            $($variant = $number,)*
        }

        impl SocketType {
            /// Every type, in the order of its number.
            pub const ALL: [SocketType; [$($number),*].len()] = [$(SocketType::$variant),*];

            /// Its row.
            #[inline]
            pub fn info(self) -> &'static TypeInfo {
                use SocketType::*;
                match self {
                    $($variant => const { &TypeInfo $info },)*
                }
            }
        }
    };
}

socket_types! {
    Pair = 0 { name: "PAIR", peers: &[Pair], goes_straight: true, tells_of_room: true, ..PLAIN }
    Pub = 1 {
        name: "PUB",
        peers: &[Sub, XSub],
        publishes: true,
        multicasts: true,
        connects_once: true,
        conflates: true,
        tells_of_room: true,
        ..PLAIN
    }
    // Does not linger: all it ever sends is subscriptions.
    Sub = 2 {
        name: "SUB",
        peers: &[Pub, XPub],
        subscribes: true,
        multicasts: true,
        connects_once: true,
        conflates: true,
        linger: 0,
        ..PLAIN
    }
    Req = 3 {
        name: "REQ",
        peers: &[Rep, Router],
        announces_routing_id: true,
        connects_once: true,
        ..PLAIN
    }
    // A ROUTER inside.
    Rep = 4 { name: "REP", peers: &[Req, Dealer], names_peers: true, says_hello: true, ..PLAIN }
    Dealer = 5 {
        name: "DEALER",
        peers: &[Rep, Dealer, Router],
        announces_routing_id: true,
        connects_once: true,
        conflates: true,
        goes_straight: true,
        says_hello: true, hears_hiccups: true, tells_of_room: true,
        ..PLAIN
    }
    Router = 6 {
        name: "ROUTER",
        peers: &[Req, Dealer, Router],
        announces_routing_id: true,
        names_peers: true,
        says_hello: true, hears_disconnects: true, tells_of_room: true,
        ..PLAIN
    }
    Pull = 7 { name: "PULL", peers: &[Push], conflates: true, goes_straight: true, ..PLAIN }
    Push = 8 { name: "PUSH", peers: &[Pull], conflates: true, goes_straight: true, tells_of_room: true, ..PLAIN }
    XPub = 9 { name: "XPUB", peers: &[Sub, XSub], publishes: true, multicasts: true, tells_of_room: true, ..PLAIN }
    // As SUB.
    XSub = 10 {
        name: "XSUB",
        peers: &[Pub, XPub],
        subscribes: true,
        multicasts: true,
        linger: 0,
        ..PLAIN
    }
    // Its peers speak no ZMTP.
    Stream = 11 { name: "STREAM", names_peers: true, ..PLAIN }
    Server = 12 { name: "SERVER", peers: &[Client], says_hello: true, hears_disconnects: true, ..LATER }
    Client = 13 { name: "CLIENT", peers: &[Server], goes_straight: true, says_hello: true, hears_hiccups: true, ..LATER }
    Radio = 14 { name: "RADIO", peers: &[Dish], datagrams: Some(Datagrams::Sent), ..LATER }
    // As SUB.
    Dish = 15 { name: "DISH", peers: &[Radio], joins: true, datagrams: Some(Datagrams::Received), linger: 0, ..LATER }
    Gather = 16 { name: "GATHER", peers: &[Scatter], goes_straight: true, ..LATER }
    Scatter = 17 { name: "SCATTER", peers: &[Gather], goes_straight: true, ..LATER }
    // Its peers speak no ZMTP.
    Dgram = 18 { name: "DGRAM", datagrams: Some(Datagrams::Addressed), only_datagrams: true, ..PLAIN }
    Peer = 19 { name: "PEER", peers: &[Peer], numbers_peers: true, says_hello: true, hears_disconnects: true, hears_hiccups: true, ..LATER }
    Channel = 20 { name: "CHANNEL", peers: &[Channel], goes_straight: true, ..LATER }
}

impl SocketType {
    /// The type with this number in `zmq.h`, if there is one.
    pub fn from_number(number: i32) -> Option<SocketType> {
        Self::ALL.into_iter().find(|socket_type| *socket_type as i32 == number)
    }

    /// The `Socket-Type` property a ZMTP 3 peer announces (RFC 37, "Socket-Type").
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The type announced under this name.
    pub fn from_name(name: &[u8]) -> Option<SocketType> {
        Self::ALL.into_iter().find(|t| t.name().as_bytes() == name)
    }

    /// Whether a peer of type `peer` may talk to a socket of this type.
    pub fn accepts(self, peer: SocketType) -> bool {
        self.info().peers.contains(&peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_accepts_is_accepted() {
        for one in SocketType::ALL {
            assert_eq!(SocketType::from_number(one as i32), Some(one));
            assert_eq!(SocketType::from_name(one.name().as_bytes()), Some(one));
            for other in SocketType::ALL {
                assert_eq!(one.accepts(other), other.accepts(one), "{one:?} {other:?}");
            }
        }
        assert_eq!(SocketType::from_number(-1), None);
        assert_eq!(SocketType::from_name(b""), None);
    }
}
