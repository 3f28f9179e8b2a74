//! Of the scripts what has to do with ports that are in use, or were a moment ago (TIME_WAIT).

use super::{Kind, Script, host_and_port, inet_at, outcome};
use zmq::sys::sim::libc as model;

impl Script {
    /// Somebody wants a port that others have, or had a moment ago.
    pub(super) fn bind_again(&mut self) {
        let ports = self.ports.clone();
        if ports.is_empty() || self.pairs.len() >= 12 {
            return;
        }
        let mut names = self.choice.of(&ports);
        if self.choice.once_in(4) {
            // The same port, and not the same place. (Everywhere would meet other programs.)
            names = names.map(|name| {
                let ([a, b, c, _], port) = host_and_port(&name);
                inet_at([a, b, c, 2], port)
            });
        }
        let pair = self.socket(Kind::Tcp);
        let at = self.pairs.len() - 1;
        self.pairs[at].kind = Kind::Listener;
        if self.choice.once_in(2) {
            self.set(pair, libc::SO_REUSEADDR, &[1]);
        }
        let bound = self.bind(pair, &names);
        if bound.0 == 0 && self.choice.once_in(2) {
            let listens = both!(fd = pair, listen(fd, 5));
            self.agree("listen", listens);
        } else if self.choice.once_in(2) {
            self.close(pair);
        }
    }
}
