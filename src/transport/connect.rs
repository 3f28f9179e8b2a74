//! Making connections without waiting for them.

use super::dialogue::Dialogue;
use super::link::Terms;
use super::socks::{Destination, Socks};
use super::{Address, Stream, Way};
use crate::error::Result;
use crate::options::SocketOptions;

/// How to get to an endpoint: directly, or through the proxy of ZMQ_SOCKS_PROXY.
#[derive(Debug, Clone)]
pub struct Route {
    first: Address,
    /// What the proxy, if `first` is one, shall connect to.
    destination: Option<Destination>,
    /// What is between the descriptor and what is said to the peer.
    terms: Terms,
}

impl Route {
    /// `Invalid`: no proxy could be asked for this address, for want of a port or because the name
    /// has more than 255 bytes; or options of the transport make no sense.
    ///
    /// Nothing is found out about the proxy yet, not even whether that is an address at all.
    pub fn new(address: Address, options: &SocketOptions) -> Result<Route> {
        let terms = (address.transport.terms)(true, &address.text, options)?;
        match address.transport.through_proxy {
            Some(ask) if !options.socks_proxy.is_empty() => {
                let (text, destination) = ask(&address.text, options)?;
                let first = Address { text, ..address };
                Ok(Route { first, destination: Some(destination), terms })
            }
            _ => Ok(Route { first: address, destination: None, terms }),
        }
    }

    /// Where to connect to: the endpoint or the proxy. Monitor events name it.
    pub fn first(&self) -> &Address {
        &self.first
    }

    /// Starts to connect to what [`Address::resolve`] found for [`Route::first`]. Fails only for
    /// want of a socket: beside it stands whether it is connected already, or why it could not even
    /// begin (`Again` is what a Unix domain socket says whose backlog is full). If not,
    /// [`Stream::finish_connect`] is due once the descriptor is writable.
    pub fn start(&self, to: &Way, options: &SocketOptions) -> Result<(Stream, Result<bool>)> {
        let transport = self.first.transport;
        let (fd, connected) = (transport.start)(to, options)?;
        Ok((Stream::new(fd, transport, None, None).on(&self.terms), connected))
    }

    /// What has to be said on the way to the peer, the first one first. Then
    /// [`Stream::reached`] is due.
    pub fn dialogues(&self, options: &SocketOptions) -> Vec<Box<dyn Dialogue>> {
        let proxy = self.destination.as_ref().map(|peer| Socks::new(peer, options));
        proxy.into_iter().map(|proxy| Box::new(proxy) as Box<dyn Dialogue>).collect()
    }
}
