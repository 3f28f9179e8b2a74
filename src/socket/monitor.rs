//! Socket monitors (zmq_socket_monitor(3), zmq_socket_monitor_versioned(3)): a socket that the library
//! writes events to.

use super::aides::Monitor;
use super::core::Core;
use super::{Socket, find};
use crate::connection::Ends;
use crate::endpoint::{Endpoint, Event, Kind};
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::pattern::PipeId;
use crate::transport;
use crate::types::SocketType;

/// The most frames an event has: its number, how many values, two of them, and both ends.
const FRAMES: usize = 6;

/// The frames of one event.
#[derive(Default)]
struct Frames {
    frames: [Msg; FRAMES],
    count: usize,
}

impl Frames {
    fn push(&mut self, bytes: &[u8]) -> Result<()> {
        let frame = Msg::copy_from(bytes)?;
        if let Some(place) = self.frames.get_mut(self.count) {
            *place = frame;
            self.count += 1;
        }
        Ok(())
    }

    /// What an event looks like in this version. Numbers are in native order. Others than these two have no
    /// events: libzmq takes any number, and is silent.
    fn of(version: i32, event: Event, ends: &Ends) -> Result<Frames> {
        let mut frames = Frames::default();
        match version {
            1 => {
                // 16 bits of event and 32 of value.
                let mut head = [0u8; 6];
                head[..2].copy_from_slice(&(event.number() as u16).to_ne_bytes());
                head[2..].copy_from_slice(&(event.value() as u32).to_ne_bytes());
                frames.push(&head)?;
                frames.push(ends.name().as_bytes())?;
            }
            2 => {
                let second = event.second_value();
                frames.push(&event.number().to_ne_bytes())?;
                frames.push(&(1 + u64::from(second.is_some())).to_ne_bytes())?;
                frames.push(&event.value().to_ne_bytes())?;
                if let Some(second) = second {
                    frames.push(&second.to_ne_bytes())?;
                }
                frames.push(ends.local.as_bytes())?;
                frames.push(ends.remote.as_bytes())?;
            }
            _ => {}
        }
        Ok(frames)
    }
}

impl Monitor {
    /// Writes one event. One that nobody takes in time is lost; a connection never waits for a monitor.
    fn write(&self, event: Event, ends: &Ends) {
        if self.wanted & event.number() == 0 {
            return;
        }
        let Some(socket) = find(self.index) else { return };
        let Ok(mut frames) = Frames::of(self.version, event, ends) else { return };
        let count = frames.count;
        for (at, frame) in frames.frames.iter_mut().take(count).enumerate() {
            if socket.send(frame, at + 1 < count, true).is_err() {
                return;
            }
        }
    }
}

impl Core {
    /// Tells the monitor, if there is one.
    pub(super) fn report(&mut self, event: Event, ends: &Ends) {
        if let Some(monitor) = &self.aides.monitor {
            monitor.write(event, ends);
        }
    }

    /// Ends the monitor.
    pub(super) fn stop_monitor(&mut self) {
        if let Some(monitor) = self.aides.monitor.take() {
            monitor.write(Event::MonitorStopped, &Ends::default());
            // It is ours alone and was not closed before.
            let _ = find(monitor.index).map(Socket::close);
        }
    }

    /// The ends of a pipe, as they stand in [`Event::PipesStats`]: who connects has none of its own, and
    /// within the process there are none.
    fn ends_of(&mut self, id: PipeId) -> Ends {
        let Some(pipe) = self.pipes.get(id) else { return Ends::default() };
        let number = pipe.endpoint;
        let here = pipe.connection().map(|connection| connection.ends.clone());
        let datagrams = pipe.datagrams().map(|datagrams| datagrams.connects());
        if let Some(connecter) = self.endpoints.connecter(number) {
            return connecter.ends();
        }
        // Of a peer that is gone the listener is known yet.
        let name = |endpoint: &Endpoint| endpoint.name().to_owned();
        let endpoint = self.endpoints.get(number);
        match datagrams {
            Some(true) => endpoint.map(|endpoint| Ends::connecting(name(endpoint))),
            Some(false) => endpoint.map(|endpoint| Ends::bound(name(endpoint))),
            None => here.or_else(|| {
                let listens = |endpoint: &&Endpoint| matches!(endpoint.kind, Kind::Listener(_));
                endpoint.filter(listens).map(|endpoint| Ends::bound(name(endpoint)))
            }),
        }
        .unwrap_or_default()
    }

    fn report_pipes(&mut self) -> Result<()> {
        self.poll_set();
        let mut any = false;
        for id in self.pipes.ids() {
            if self.pipes.get(id).is_none_or(|pipe| !pipe.attached) {
                continue;
            }
            // What the peer has sent waits here, as far as the high-water mark lets it in.
            self.pipes.gather(id);
            let Some((sending, receiving)) = self.pipes.get(id).map(|pipe| pipe.queued()) else {
                continue;
            };
            let ends = self.ends_of(id);
            self.report(Event::PipesStats(sending as u64, receiving as u64), &ends);
            any = true;
        }
        if any { Ok(()) } else { Err(Error::Again) }
    }
}

impl Socket {
    /// Starts to report the `wanted` events at the inproc endpoint `endpoint`, to a socket of this type and
    /// in this version of the protocol; `None` stops.
    ///
    /// # Errors
    /// [`Error::UnknownProtocol`] for other transports, what `zmq_bind` says of an endpoint that is
    /// none, or not for this type of socket, [`Error::Invalid`] of events that version 1 has not and of types
    /// that only receive or answer, and what making and binding the socket says.
    pub fn monitor(
        &'static self,
        endpoint: Option<&str>,
        wanted: u64,
        version: i32,
        socket_type: i32,
    ) -> Result<()> {
        let mut core = self.enter_for_settings()?;
        if version == 1 && wanted > u64::from(u16::MAX) {
            return Err(Error::Invalid);
        }
        let Some(endpoint) = endpoint else {
            core.stop_monitor();
            return Ok(());
        };
        if !transport::is_within_process(endpoint, core.socket_type)? {
            return Err(Error::UnknownProtocol);
        }
        core.stop_monitor();
        let socket_type = SocketType::from_number(socket_type).ok_or(Error::Invalid)?;
        if !matches!(socket_type, SocketType::Pair | SocketType::Pub | SocketType::Push) {
            return Err(Error::Invalid);
        }
        let socket = Socket::open(&core.context, socket_type)?;
        let bound = socket.enter().map(|mut monitor| monitor.options.linger = 0);
        if let Err(error) = bound.and_then(|()| socket.bind(endpoint)) {
            let _ = socket.close();
            return Err(error);
        }
        core.aides.monitor = Some(Monitor { index: socket.index, wanted, version });
        Ok(())
    }

    /// Reports how many messages wait in each pipe ([`Event::PipesStats`]), at once.
    ///
    /// # Errors
    /// [`Error::Invalid`] unless there is a monitor that wants that event; [`Error::Again`] without pipes.
    pub fn monitor_pipes(&'static self) -> Result<()> {
        let mut core = self.enter()?;
        let wants = |monitor: &Monitor| monitor.wanted & Event::PIPES_STATS != 0;
        if !core.aides.monitor.as_ref().is_some_and(wants) {
            return Err(Error::Invalid);
        }
        core.process_mail();
        let result = core.report_pipes();
        core.after_change();
        result
    }
}
