//! Who has a port of TCP, and for how long: whoever closes first keeps it for a minute (tcp(7), TIME_WAIT).

use super::kernel::Kernel;
use super::objects::{Held, Sock, Stage, place};

/// How long who closed first keeps its port, once the other end has closed, too, or if that never does.
const TIME_WAIT: u64 = 60_000_000_000;

/// Whether a name is of IPv4, and where it is, or everywhere.
fn host(name: &[u8]) -> Option<&[u8]> {
    let host = if name.first() == Some(&(::libc::AF_INET as u8)) { name.get(4..8) } else { None };
    host.filter(|host| *host != [0; 4])
}

/// Whether what is sent to the one may be meant for the other.
fn meet(one: &[u8], other: &[u8]) -> bool {
    let hosts = host(one).zip(host(other));
    place(one) == place(other) && hosts.is_none_or(|(one, other)| one == other)
}

impl Sock {
    fn reuses(&self) -> bool {
        let option = (::libc::SOL_SOCKET, ::libc::SO_REUSEADDR);
        self.options.get(&option).is_some_and(|value| *value != 0)
    }

    /// Whether it has its port: one that it was not bound to it gives up when its connection is over.
    fn has_port(&self) -> bool {
        let over = match self.stage {
            Stage::Dead => true,
            Stage::Connected => self.ended && self.shut,
            _ => false,
        };
        !self.is_unix() && !self.local.is_empty() && (self.bound || !over)
    }
}

impl Kernel {
    /// Whether a socket may not have this name because of another, or of one that was: both must say
    /// SO_REUSEADDR, and nobody may listen there.
    pub(super) fn is_taken(&mut self, id: u64, name: &[u8]) -> bool {
        let now = self.now;
        self.held.retain(|_, held| held.until > now);
        let reuses = self.socks.get(&id).is_some_and(Sock::reuses);
        let bars = |(other, sock): (&u64, &Sock)| {
            let shares = reuses && sock.reuses() && sock.stage != Stage::Listening;
            *other != id && sock.has_port() && meet(&sock.local, name) && !shares
        };
        self.socks.iter().any(bars)
            || self.held.values().any(|held| meet(&held.name, name) && !(reuses && held.reuse))
    }

    /// A connection is over on both sides, or its descriptor is closed: if this end closed first it keeps its port.
    pub(super) fn hold_port(&mut self, id: u64) {
        let until = self.now + TIME_WAIT;
        if let Some(held) = self.held.get_mut(&id) {
            held.until = until;
        } else if let Some(sock) = self.socks.get(&id).filter(|sock| !sock.is_unix()) {
            let held = Held { name: sock.local.clone(), reuse: sock.reuses(), until };
            self.held.insert(id, held);
        }
    }
}
