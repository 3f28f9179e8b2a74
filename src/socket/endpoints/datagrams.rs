//! bind and connect where there are no connections (zmq_udp(7)): the pipe leads to a socket of the system, from the
//! beginning to the end of the endpoint. Monitors hear of none of it, as with libzmq.

use crate::endpoint::Kind;
use crate::error::Result;
use crate::pattern::Pattern;
use crate::pipe::datagram::{Carrier, DatagramEnd, Packets, Settings, Udp};
use crate::socket::Socket;
use crate::socket::core::Core;
use crate::stats::{PeerStats, State, Way};
use crate::transport::{Address, DatagramSocket, Medium};
use crate::util::reserve;
use std::sync::Arc;

impl Socket {
    /// Binds or connects, if the endpoint is of a transport without connections. Names are looked up here, as with
    /// libzmq, but while nobody has to wait for the lock.
    ///
    /// # Errors
    /// As zmq_bind(3) and zmq_connect(3).
    pub(in crate::socket) fn open_datagrams(
        &'static self,
        given: &str,
        binds: bool,
    ) -> Option<Result<()>> {
        let address = Address::parse(given).ok().filter(Address::is_of_datagrams)?;
        Some(self.open_datagrams_at(&address, binds))
    }

    fn open_datagrams_at(&'static self, address: &Address, binds: bool) -> Result<()> {
        let (socket_type, options) = {
            let core = self.enter()?;
            let once = core.socket_type.info().connects_once;
            if once && core.endpoints.is_named(&address.to_string()) {
                return Ok(());
            }
            (core.socket_type, core.options.clone())
        };
        let opened = address.open_datagrams(socket_type, binds, &options)?;
        let mut core = self.enter()?;
        reserve::ready()?;
        core.process_mail();
        let result = core.add_datagrams(opened, address, binds);
        core.after_change_of_endpoints();
        result
    }
}

impl Core {
    fn add_datagrams(
        &mut self,
        opened: DatagramSocket,
        address: &Address,
        binds: bool,
    ) -> Result<()> {
        self.check_affinity()?;
        self.set()?;
        let limits = (self.options.sndhwm.max(0) as usize, self.options.rcvhwm.max(0) as usize);
        let carrier = match opened.medium {
            Medium::Datagrams(fd, kind, to) => Carrier::Udp(Box::new(Udp::new(fd, kind, to))),
            Medium::Packets(network) => {
                let settings = Settings {
                    sends: self.socket_type.info().publishes,
                    most: self.options.maxmsgsize,
                    conflates: self.conflates(&self.options),
                };
                Carrier::Packets(Box::new(Packets::new(network, settings)))
            }
        };
        let stats = PeerStats::of(&self.stats);
        stats.describe(Way::Datagrams, &opened.endpoint, "");
        stats.state(State::Ready);
        let end = DatagramEnd::new(carrier, limits).with_stats(stats);
        let (options, traffic) = (Arc::new(self.options.clone()), self.traffic());
        let number = self.endpoints.add(opened.endpoint.clone(), Kind::Datagrams, options, traffic);
        let pipe = match self.pipes.add_datagrams(end, number) {
            Ok(pipe) => pipe,
            Err(error) => {
                self.endpoints.remove(number);
                return Err(error);
            }
        };
        // With a wildcard it is the name of any.
        let given = address.to_string();
        if !given.contains('*') {
            self.endpoints.add_name(number, given);
        }
        self.endpoints.last = opened.endpoint;
        self.attach_pattern(pipe, !binds);
        self.pattern.connected(&mut self.pipes, pipe);
        self.settle();
        self.wakers.changed = true;
        Ok(())
    }
}
