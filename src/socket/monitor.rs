//! Socket monitors (zmq_socket_monitor(3)): a PAIR socket that the library writes events to.

use super::Socket;
use super::core::Core;
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::transport;
use crate::types::SocketType;

/// The events of `zmq.h`.
pub(super) mod event {
    pub(crate) const CONNECTED: u16 = 0x0001;
    pub(crate) const CONNECT_DELAYED: u16 = 0x0002;
    pub(crate) const CONNECT_RETRIED: u16 = 0x0004;
    pub(crate) const LISTENING: u16 = 0x0008;
    pub(crate) const BIND_FAILED: u16 = 0x0010;
    pub(crate) const ACCEPTED: u16 = 0x0020;
    pub(crate) const ACCEPT_FAILED: u16 = 0x0040;
    pub(crate) const CLOSED: u16 = 0x0080;
    pub(crate) const DISCONNECTED: u16 = 0x0200;
    pub(crate) const MONITOR_STOPPED: u16 = 0x0400;
    pub(crate) const HANDSHAKE_FAILED_NO_DETAIL: u16 = 0x0800;
    pub(crate) const HANDSHAKE_SUCCEEDED: u16 = 0x1000;
    pub(crate) const HANDSHAKE_FAILED_PROTOCOL: u16 = 0x2000;
    pub(crate) const HANDSHAKE_FAILED_AUTH: u16 = 0x4000;
}

/// Where the events of a socket go.
pub(super) struct Monitor {
    socket: &'static Socket,
    wanted: u16,
}

impl Monitor {
    /// Writes one event: 16 bits of event and 32 of value in native order, then the address. An
    /// event that nobody takes in time is lost; a connection never waits for a monitor.
    fn write(&self, event: u16, value: i64, address: &str) {
        if self.wanted & event == 0 {
            return;
        }
        let mut head = [0u8; 6];
        head[..2].copy_from_slice(&event.to_ne_bytes());
        head[2..].copy_from_slice(&(value as u32).to_ne_bytes());
        let frames = (Msg::copy_from(&head), Msg::copy_from(address.as_bytes()));
        if let (Ok(mut head), Ok(mut address)) = frames
            && self.socket.send(&mut head, true, true).is_ok()
        {
            let _ = self.socket.send(&mut address, false, true);
        }
    }
}

impl Core {
    /// Tells the monitor, if there is one.
    pub(super) fn report(&mut self, event: u16, value: i64, address: &str) {
        if let Some(monitor) = &self.monitor {
            monitor.write(event, value, address);
        }
    }

    /// Ends the monitor.
    pub(super) fn stop_monitor(&mut self) {
        if let Some(monitor) = self.monitor.take() {
            monitor.write(event::MONITOR_STOPPED, 0, "");
            // It is ours alone and was not closed before.
            let _ = monitor.socket.close();
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
        core.monitor = Some(Monitor { socket, wanted });
        Ok(())
    }
}
