//! Addresses of TIPC sockets, as linux/tipc.h has them.

#[cfg(sim)]
use crate::sys::sim::libc;
use std::mem::size_of;

use super::SockAddr;

/// What a socket is reached by. Numbers are the network's, not the host's of it: nothing is swapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TipcName {
    /// A service, and which of its instances whoever is bound to it provides.
    Range {
        /// Which service.
        service: u32,
        /// The first instance.
        lower: u32,
        /// The last.
        upper: u32,
    },
    /// One instance of a service, looked for within a domain.
    Instance {
        /// Which service.
        service: u32,
        /// Which instance.
        instance: u32,
        /// Zone, cluster and node; 0 is anywhere.
        domain: u32,
    },
    /// A socket by its reference, which the system gives each.
    Socket {
        /// Its number there.
        reference: u32,
        /// Zone, cluster and node.
        node: u32,
    },
}

/// `struct sockaddr_tipc`.
#[derive(Clone, Copy)]
#[repr(C)]
struct Raw {
    family: libc::sa_family_t,
    kind: u8,
    scope: i8,
    /// Of a socket the first two.
    numbers: [u32; 3],
}

const _: () = assert!(size_of::<Raw>() == 16);

// TIPC_SERVICE_RANGE, TIPC_SERVICE_ADDR, TIPC_SOCKET_ADDR
const RANGE: u8 = 1;
const INSTANCE: u8 = 2;
const SOCKET: u8 = 3;
/// TIPC_ZONE_SCOPE: a service is known as far as can be. What libzmq asks for.
const EVERYWHERE: i8 = 1;

impl SockAddr {
    /// The address of a TIPC socket.
    pub fn tipc(name: TipcName) -> SockAddr {
        let (kind, scope, numbers) = match name {
            TipcName::Range { service, lower, upper } => {
                (RANGE, EVERYWHERE, [service, lower, upper])
            }
            TipcName::Instance { service, instance, domain } => {
                (INSTANCE, 0, [service, instance, domain])
            }
            TipcName::Socket { reference, node } => (SOCKET, 0, [reference, node, 0]),
        };
        let family = libc::AF_TIPC as libc::sa_family_t;
        SockAddr::from_c(Raw { family, kind, scope, numbers }, size_of::<Raw>())
    }

    /// The address as one of a TIPC socket, if it is one.
    pub fn to_tipc(&self) -> Option<TipcName> {
        if self.family() != libc::AF_TIPC {
            return None;
        }
        let Raw { kind, numbers: [first, second, third], .. } = self.as_c();
        match kind {
            RANGE => Some(TipcName::Range { service: first, lower: second, upper: third }),
            INSTANCE => {
                Some(TipcName::Instance { service: first, instance: second, domain: third })
            }
            SOCKET => Some(TipcName::Socket { reference: first, node: second }),
            _ => None,
        }
    }
}
