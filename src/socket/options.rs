//! zmq_setsockopt(3) and zmq_getsockopt(3): options of all types, of the pattern, and those that
//! say what the socket is doing.

use super::Socket;
use super::core::{Core, KICK};
use crate::error::{Error, Result};
use crate::options::numbers::option;
use crate::options::{self, Scope, SocketOptions};
use crate::pattern::{AnyPattern, Pattern};
use crate::pipe::PipeTable;
use crate::sys::epoll::{self, Epoll};
use crate::sys::eventfd::EventFd;
use crate::types::SocketType;
use std::ffi::c_int;
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// ZMQ_POLLIN.
pub(super) const POLL_IN: i16 = 1;
/// ZMQ_POLLOUT.
pub(super) const POLL_OUT: i16 = 2;

/// An option that says what the socket is or does. It cannot be set.
struct Fact {
    number: i32,
    read: Read,
}

enum Read {
    /// Known without a look at the socket's connections: the bytes for a buffer of this capacity.
    Known(fn(&Facts<'_>, usize) -> Result<Vec<u8>>),
    /// An `int` that takes a look at them. A forked child does not have them (ETERM).
    Look(fn(&mut Core) -> Result<c_int>),
}

/// Options that describe the socket, in the order of their numbers.
static FACTS: &[Fact] = &[
    Fact {
        number: option::RCVMORE,
        read: Read::Known(|facts, capacity| integer(c_int::from(facts.receive_more), capacity)),
    },
    Fact { number: option::FD, read: Read::Look(Core::expose) },
    Fact {
        number: option::EVENTS,
        read: Read::Look(|core| Ok(c_int::from(core.events_for_descriptor()))),
    },
    Fact {
        number: option::TYPE,
        read: Read::Known(|facts, capacity| match capacity {
            4 => integer(facts.socket_type as c_int, capacity),
            _ => Err(Error::Invalid),
        }),
    },
    Fact {
        number: option::LAST_ENDPOINT,
        read: Read::Known(|facts, capacity| facts.last_endpoint(capacity)),
    },
    Fact {
        number: option::THREAD_SAFE,
        read: Read::Known(|facts, capacity| {
            integer(c_int::from(facts.socket_type.info().thread_safe), capacity)
        }),
    },
];

fn fact(number: i32) -> Option<&'static Read> {
    FACTS.iter().find(|fact| fact.number == number).map(|fact| &fact.read)
}

impl Socket {
    /// Sets an option; `None` is a null pointer with length 0.
    ///
    /// # Errors
    /// As zmq_setsockopt(3).
    pub fn set_option(&'static self, option: i32, value: Option<&[u8]>) -> Result<()> {
        if self.is_inherited() {
            return self.set_inherited_option(option, value);
        }
        let mut core = self.enter_for_settings()?;
        core.process_mail();
        let result = core.set_option(option, value);
        core.after_change();
        result
    }

    /// Reads an option: the bytes for a buffer of `capacity`.
    ///
    /// # Errors
    /// As zmq_getsockopt(3).
    pub fn get_option(&'static self, option: i32, capacity: usize) -> Result<Vec<u8>> {
        if self.is_inherited() {
            return self.inherited_option(option, capacity);
        }
        // Of the options only this one takes part in what the socket does.
        let takes_part = option == option::EVENTS;
        let mut core = if takes_part { self.enter()? } else { self.enter_for_settings()? };
        core.process_mail();
        let result = core.get_option(option, capacity);
        core.after_change();
        result
    }
}

fn integer(value: c_int, capacity: usize) -> Result<Vec<u8>> {
    let bytes = value.to_ne_bytes();
    if capacity < bytes.len() { Err(Error::Invalid) } else { Ok(bytes.to_vec()) }
}

/// Sets an option where it belongs; `None` is a null pointer with length 0.
pub(super) fn store(
    pattern: &mut AnyPattern,
    pipes: &mut PipeTable,
    options: &mut SocketOptions,
    socket_type: SocketType,
    option: i32,
    value: Option<&[u8]>,
) -> Result<()> {
    // The pattern first: some numbers mean something else to some types.
    if let Some(result) = pattern.set_option(pipes, option, value.unwrap_or(&[])) {
        return result;
    }
    if !options::supported_by(option, socket_type) {
        return Err(Error::Invalid);
    }
    let result = match value {
        Some(value) => options.set(option, value),
        None => options.set_null(option),
    };
    result.unwrap_or(Err(Error::Invalid))
}

/// What options say that is known without a look at the socket's connections.
pub(super) struct Facts<'a> {
    pub(super) options: &'a SocketOptions,
    pub(super) pattern: &'a AnyPattern,
    pub(super) socket_type: SocketType,
    pub(super) receive_more: bool,
    pub(super) last_endpoint: &'a str,
}

impl Facts<'_> {
    /// The bytes of an option for a buffer of `capacity`.
    pub(super) fn get(&self, option: i32, capacity: usize) -> Result<Vec<u8>> {
        match fact(option) {
            Some(Read::Known(read)) => return read(self, capacity),
            Some(Read::Look(_)) => return Err(Error::Terminated),
            None => {}
        }
        let of_pattern = self.pattern.get_option(option).map(|value| {
            value.and_then(|value| match options::fits(option, value.len(), capacity) {
                true => Ok(value),
                false => Err(Error::Invalid),
            })
        });
        of_pattern.or_else(|| self.options.get(option, capacity)).unwrap_or(Err(Error::Invalid))
    }

    fn last_endpoint(&self, capacity: usize) -> Result<Vec<u8>> {
        let mut text = self.last_endpoint.to_owned().into_bytes();
        text.push(0);
        if text.len() > capacity { Err(Error::Invalid) } else { Ok(text) }
    }
}

impl Core {
    fn set_option(&mut self, option: i32, value: Option<&[u8]>) -> Result<()> {
        let Core { pattern, pipes, options, socket_type, .. } = self;
        store(pattern, pipes, options, *socket_type, option, value)?;
        if options::scope_of(option) == Some(Scope::Pipes) {
            self.change_limits();
        }
        Ok(())
    }

    /// High-water marks take effect on existing pipes, too (zmq_setsockopt(3), since 4.2).
    fn change_limits(&mut self) {
        let (send, receive) = (self.options.sndhwm.max(0), self.options.rcvhwm.max(0));
        for id in self.pipes.ids() {
            let Some(pipe) = self.pipes.get(id) else { continue };
            if let Some(end) = pipe.inproc() {
                end.set_limits(send as u32, receive as u32);
            } else if let Some(wire) = pipe.wire() {
                wire.set_limits(send as usize, receive as usize);
            } else if let Some(end) = pipe.datagrams() {
                end.set_limits(send as usize, receive as usize);
            }
        }
    }

    fn get_option(&mut self, option: i32, capacity: usize) -> Result<Vec<u8>> {
        if let Some(Read::Look(look)) = fact(option) {
            // The look changes something, so there has to be room for what it sees.
            integer(0, capacity)?;
            return integer(look(self)?, capacity);
        }
        let facts = Facts {
            options: &self.options,
            pattern: &self.pattern,
            socket_type: self.socket_type,
            receive_more: self.receive_more,
            last_endpoint: &self.endpoints.last,
        };
        facts.get(option, capacity)
    }

    /// The descriptor of ZMQ_FD. It is readable at first, so that whoever waits for it before
    /// looking at ZMQ_EVENTS is not kept waiting for what came earlier.
    pub(super) fn expose(&mut self) -> Result<c_int> {
        if let Some(descriptor) = &self.wakers.descriptor {
            return Ok(descriptor.as_raw_fd());
        }
        let descriptor = Arc::new(Epoll::new()?);
        let news = Arc::new(EventFd::new()?);
        descriptor.add(news.as_raw_fd(), epoll::IN, KICK)?;
        self.pipes.tell_descriptor(descriptor.clone(), self.endpoints.with_place())?;
        self.face.signal.set_descriptor(Some(news));
        self.face.signal.notify_descriptor();
        let fd = descriptor.as_raw_fd();
        self.wakers.descriptor = Some(descriptor);
        Ok(fd)
    }

    /// ZMQ_FD is quiet until something new happens. What has happened before is looked at afterwards.
    pub(super) fn quiet_descriptor(&mut self) {
        self.face.signal.quiet_descriptor();
        self.pipes.quiet_descriptor();
    }

    /// ZMQ_EVENTS. Reading it makes the descriptor quiet until something new happens.
    fn events_for_descriptor(&mut self) -> i16 {
        self.quiet_descriptor();
        // Mail that came before may have been what made the descriptor readable.
        self.process_mail();
        self.look_for_room(true);
        let ready = self.ready(POLL_IN | POLL_OUT);
        // The look has taken reports of what the pattern may not read now.
        if ready & POLL_IN == 0 && self.read_ahead() {
            return self.ready(POLL_IN | POLL_OUT);
        }
        ready
    }

    /// Which of `wanted` are true now.
    pub(super) fn ready(&mut self, wanted: i16) -> i16 {
        loop {
            let mut ready = 0;
            if wanted & POLL_OUT != 0 && self.pattern.has_out(&mut self.pipes) {
                ready |= POLL_OUT;
            }
            if wanted & POLL_IN != 0 && self.pattern.has_in(&mut self.pipes) {
                ready |= POLL_IN;
            }
            // What was found out meanwhile may be what the caller waits for.
            if !self.pump() || ready != 0 {
                return ready;
            }
        }
    }
}
