//! Socket monitors (zmq_socket_monitor(3)): a PAIR socket that the library writes events to.

use super::aides::Monitor;
use super::core::Core;
use super::{Socket, find};
use crate::endpoint::Event;
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::transport;
use crate::types::SocketType;

impl Monitor {
    /// Writes one event: 16 bits of event and 32 of value in native order, then the address. An
    /// event that nobody takes in time is lost; a connection never waits for a monitor.
    fn write(&self, event: Event, address: &str) {
        if self.wanted & event.number() == 0 {
            return;
        }
        let Some(socket) = find(self.index) else { return };
        let mut head = [0u8; 6];
        head[..2].copy_from_slice(&event.number().to_ne_bytes());
        head[2..].copy_from_slice(&event.value().to_ne_bytes());
        let frames = (Msg::copy_from(&head), Msg::copy_from(address.as_bytes()));
        if let (Ok(mut head), Ok(mut address)) = frames
            && socket.send(&mut head, true, true).is_ok()
        {
            let _ = socket.send(&mut address, false, true);
        }
    }
}

impl Core {
    /// Tells the monitor, if there is one.
    pub(super) fn report(&mut self, event: Event, address: &str) {
        if let Some(monitor) = &self.aides.monitor {
            monitor.write(event, address);
        }
    }

    /// Ends the monitor.
    pub(super) fn stop_monitor(&mut self) {
        if let Some(monitor) = self.aides.monitor.take() {
            monitor.write(Event::MonitorStopped, "");
            // It is ours alone and was not closed before.
            let _ = find(monitor.index).map(Socket::close);
        }
    }
}

impl Socket {
    /// Starts to report the `wanted` events at the inproc endpoint `endpoint`; `None` stops.
    ///
    /// # Errors
    /// [`Error::UnknownProtocol`] for other transports, what `zmq_bind` says of an endpoint that is
    /// none, or not for this type of socket, and what making and binding the PAIR socket says.
    pub fn monitor(&'static self, endpoint: Option<&str>, wanted: u16) -> Result<()> {
        let mut core = self.enter_for_settings()?;
        let Some(endpoint) = endpoint else {
            core.stop_monitor();
            return Ok(());
        };
        if !transport::is_within_process(endpoint, core.socket_type)? {
            return Err(Error::UnknownProtocol);
        }
        core.stop_monitor();
        let socket = Socket::open(&core.context, SocketType::Pair)?;
        let bound = socket.enter().map(|mut pair| pair.options.linger = 0);
        if let Err(error) = bound.and_then(|()| socket.bind(endpoint)) {
            let _ = socket.close();
            return Err(error);
        }
        core.aides.monitor = Some(Monitor { index: socket.index, wanted });
        Ok(())
    }
}
