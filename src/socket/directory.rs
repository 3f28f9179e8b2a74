//! The endpoints of a socket, by number and by name. There may be many thousands: nothing here walks
//! through all of them, but for what concerns all.

use super::endpoints::Endpoint;
use std::collections::BTreeMap;

/// Endpoints have small numbers, which are used again.
#[derive(Default)]
pub(super) struct Directory {
    places: Vec<Option<Endpoint>>,
    free: Vec<u32>,
    /// Numbers of the endpoints of a name, oldest first, without those that are closing.
    names: BTreeMap<String, Vec<u32>>,
}

impl Directory {
    /// Adds an endpoint and returns its number.
    pub(super) fn insert(&mut self, endpoint: Endpoint) -> u32 {
        let name = endpoint.resolved.clone();
        let number = match self.free.pop() {
            Some(free) => {
                self.places[free as usize] = Some(endpoint);
                free
            }
            None => {
                self.places.push(Some(endpoint));
                (self.places.len() - 1) as u32
            }
        };
        self.names.entry(name).or_default().push(number);
        number
    }

    pub(super) fn get(&self, number: u32) -> Option<&Endpoint> {
        self.places.get(number as usize)?.as_ref()
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Endpoint> {
        self.places.get_mut(number as usize)?.as_mut()
    }

    /// The endpoints of that name that are not closing. A bound one goes by its resolved name only: two
    /// may have been bound to the same wildcard.
    pub(super) fn named(&self, name: &str) -> &[u32] {
        self.names.get(name).map_or(&[], Vec::as_slice)
    }

    /// All numbers there may be.
    pub(super) fn numbers(&self) -> std::ops::Range<u32> {
        0..self.places.len() as u32
    }

    /// The endpoint only lives on until its pipes have sent what is left: its name is free.
    pub(super) fn begin_closing(&mut self, number: u32) {
        let Some(endpoint) = self.places.get_mut(number as usize).and_then(Option::as_mut) else {
            return;
        };
        endpoint.closing = true;
        if let Some(numbers) = self.names.get_mut(&endpoint.resolved) {
            numbers.retain(|&other| other != number);
            if numbers.is_empty() {
                self.names.remove(&endpoint.resolved);
            }
        }
    }

    /// The endpoint is gone, and its number free.
    pub(super) fn remove(&mut self, number: u32) {
        self.begin_closing(number);
        if let Some(place) = self.places.get_mut(number as usize)
            && place.take().is_some()
        {
            self.free.push(number);
        }
    }
}
