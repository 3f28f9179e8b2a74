//! Names of the context: bind and connect within the process.

use super::core::Core;
use super::find;
use crate::endpoint::{FarEnd, Kind};
use crate::error::{Error, Result};
use crate::pattern::PipeId;
use crate::pipe::NO_ENDPOINT;
use crate::pipe::local::{self, InprocEnd};
use std::sync::Arc;

impl Core {
    fn add_inproc(&mut self, given: &str, kind: Kind) -> u32 {
        let (options, traffic) = (Arc::new(self.options.clone()), self.traffic());
        self.endpoints.add(given.to_owned(), kind, options, traffic)
    }

    pub(super) fn bind_inproc(&mut self, given: &str, name: &str) -> Result<()> {
        let config = self.inproc_config();
        let context = self.context.clone();
        let mut registry = context.registry().lock();
        if !registry.bind(name, self.key, config.clone()) {
            return Err(Error::AddressInUse);
        }
        let waiting = registry.take_waiting(name);
        drop(registry);
        self.add_inproc(given, Kind::InprocBinding(name.to_owned()));
        given.clone_into(&mut self.endpoints.last);
        for end in waiting {
            end.bring(&config);
            self.attach_inproc(end, NO_ENDPOINT, false);
        }
        Ok(())
    }

    pub(super) fn connect_inproc(&mut self, given: &str, name: &str) -> Result<()> {
        self.check_routing_id()?;
        let mine = self.inproc_config();
        let context = self.context.clone();
        let mut registry = context.registry().lock();
        given.clone_into(&mut self.endpoints.last);
        let Some((binder, config)) = registry.find(name).cloned() else {
            let (end, far) = local::pair(&mine, None);
            let number = registry.wait(name, far);
            drop(registry);
            let far = FarEnd::Waits { name: name.to_owned(), number };
            let endpoint = self.add_inproc(given, Kind::InprocConnection(far));
            self.attach_inproc(end, endpoint, true);
            return Ok(());
        };
        drop(registry);
        let (end, mut far) = local::pair(&mine, Some(&config));
        if !config.hello.is_empty() {
            far.write_first(&config.hello)?;
        }
        let kind = Kind::InprocConnection(FarEnd::Owned);
        let endpoint = self.add_inproc(given, kind);
        self.attach_inproc(end, endpoint, true);
        if binder == self.key {
            // A socket connected to itself.
            self.attach_inproc(far, NO_ENDPOINT, false);
            return Ok(());
        }
        let there = find(binder.index);
        match there.and_then(|socket| socket.send_end(binder.generation, far)) {
            Some(number) => {
                let far = FarEnd::Sent { to: binder, number };
                if let Some(endpoint) = self.endpoints.get_mut(endpoint) {
                    endpoint.kind = Kind::InprocConnection(far);
                }
            }
            // The binder closed at this very moment: its end is dropped, ours ends.
            None => self.process_mail(),
        }
        Ok(())
    }

    /// Before a pipe is closed: takes the far end back if its socket has not found it yet, and would
    /// find nothing in it. Who comes and goes without a word leaves nothing behind, even if nobody
    /// ever binds the name, or who has bound it never looks.
    pub(super) fn withdraw_far_end(&mut self, id: PipeId) {
        let Some(pipe) = self.pipes.get(id) else { return };
        if !pipe.inproc().is_some_and(InprocEnd::is_alone) {
            return;
        }
        let number = pipe.endpoint;
        let Some(endpoint) = self.endpoints.get_mut(number) else { return };
        let Kind::InprocConnection(far) = &mut endpoint.kind else { return };
        // Whatever it was, there is nothing to take back any more. It is dropped with no lock held
        // but ours.
        drop(match std::mem::replace(far, FarEnd::Owned) {
            FarEnd::Owned => None,
            FarEnd::Waits { name, number } => {
                self.context.registry().lock().withdraw(&name, number)
            }
            FarEnd::Sent { to, number } => {
                find(to.index).and_then(|socket| socket.withdraw(to.generation, number))
            }
        });
    }
}
