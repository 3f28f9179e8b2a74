//! The endpoints of a socket, by number and by name. There may be many thousands: nothing here walks
//! through all of them, but for what concerns all.

use super::endpoints::Endpoint;
use super::zap::Question;
use crate::connection::opening::Opening;
use crate::transport::Address;
use crate::util::slab::Slab;
use std::collections::BTreeMap;

/// Endpoints, and handshakes of their connections.
#[derive(Default)]
pub(super) struct Directory {
    places: Slab<Endpoint>,
    /// Connections whose handshake is not over.
    pub(super) openings: Slab<Opening>,
    /// Put to the ZAP handler, not answered yet.
    pub(super) questions: Vec<Question>,
    /// ZMQ_LAST_ENDPOINT.
    pub(super) last: String,
    /// Of the last endpoint or handshake.
    serial: u32,
    /// Numbers of the endpoints of a name, oldest first, without those that are closing.
    names: BTreeMap<String, Vec<u32>>,
    /// Second names of endpoints.
    aliases: BTreeMap<u32, String>,
}

impl Directory {
    /// A number no other endpoint or handshake of this socket has, for timers.
    pub(super) fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    /// Adds an endpoint and returns its number.
    pub(super) fn insert(&mut self, endpoint: Endpoint) -> u32 {
        let name = endpoint.resolved.clone();
        let number = self.places.insert(endpoint);
        self.names.entry(name).or_default().push(number);
        number
    }

    /// The endpoint goes by this name, too.
    pub(super) fn add_name(&mut self, number: u32, name: String) {
        let numbers = self.names.entry(name.clone()).or_default();
        if !numbers.contains(&number) {
            numbers.push(number);
            self.aliases.insert(number, name);
        }
    }

    pub(super) fn get(&self, number: u32) -> Option<&Endpoint> {
        self.places.get(number)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Endpoint> {
        self.places.get_mut(number)
    }

    /// The endpoints of that name that are not closing. A bound one does not go by a wildcard: two may
    /// have been bound to the same.
    pub(super) fn named(&self, name: &str) -> &[u32] {
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    /// The endpoints that an address means which is no name of theirs as it is written.
    pub(super) fn meant_by(&self, address: &Address, ipv6: bool) -> &[u32] {
        match self.named(&address.to_string()) {
            // `tcp://*:5555` and the like mean what a bind would make of them.
            [] => address.resolved_binding(ipv6).map_or(&[], |resolved| self.named(&resolved)),
            found => found,
        }
    }

    /// All numbers there may be.
    pub(super) fn numbers(&self) -> std::ops::Range<u32> {
        self.places.numbers()
    }

    /// The endpoint only lives on until its pipes have sent what is left: its name is free.
    pub(super) fn begin_closing(&mut self, number: u32) {
        let Some(endpoint) = self.places.get_mut(number) else { return };
        endpoint.closing = true;
        let alias = self.aliases.remove(&number);
        for name in std::iter::once(&endpoint.resolved).chain(&alias) {
            if let Some(numbers) = self.names.get_mut(name) {
                numbers.retain(|&other| other != number);
                if numbers.is_empty() {
                    self.names.remove(name);
                }
            }
        }
    }

    /// The endpoint is gone, and its number free.
    pub(super) fn remove(&mut self, number: u32) {
        self.begin_closing(number);
        self.places.remove(number);
    }
}
