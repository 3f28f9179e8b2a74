//! STREAM: plain TCP connections, each under a routing id (zmq_socket(3), "Native Pattern").

use super::router::Outgoing;
use super::routing::Routing;
use super::tagged_queue::TaggedQueue;
use super::value;
use super::{Attach, Pattern, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::options::numbers::option;

/// Each message is a routing id and a piece of data. The connection delivers an empty piece
/// when it begins and when it ends, unless its endpoint was made without ZMQ_STREAM_NOTIFY.
#[derive(Debug)]
pub struct Stream {
    incoming: TaggedQueue,
    routing: Routing,
    out: Outgoing,
    /// The name we gave last, what ZMQ_ROUTING_ID reads.
    newest: Option<[u8; 5]>,
    notify: bool,
}

impl Default for Stream {
    fn default() -> Self {
        Stream {
            incoming: TaggedQueue::default(),
            routing: Routing::default(),
            out: Outgoing::default(),
            newest: None,
            notify: true,
        }
    }
}

impl Stream {
    #[inline]
    fn route<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        // An id with nothing after it is no message.
        if msg.more() {
            match self.routing.find(msg.data()) {
                Some(pipe) if pipes.check_write(pipe) => self.out.to = Some(pipe),
                Some(_) => return Err(Error::Again),
                None => return Err(Error::HostUnreachable),
            }
            self.out.in_message = true;
        }
        drop(msg.take());
        Ok(())
    }
}

impl Pattern for Stream {
    fn attach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId, _how: Attach) {
        match pipes.assigned_routing_id(id) {
            // Taken, which the socket refuses beforehand: the pipe stays nameless.
            Some(name) if !self.routing.insert(id, name) => return,
            Some(_) => {}
            None => self.newest = Some(self.routing.insert_generated(id)),
        }
        self.incoming.queue.attach(id);
    }

    fn before_detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.incoming.before_detach(pipes, id);
    }

    fn detach<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.out.detach(id);
        self.incoming.detach(id);
        self.routing.remove(id);
    }

    fn hung_up<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.incoming.queue.hung_up(id);
    }

    #[inline]
    fn read_activated<P: PipeSet>(&mut self, _pipes: &mut P, id: PipeId) {
        self.incoming.queue.activate(id);
    }

    #[inline]
    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        if !self.out.in_message {
            return self.route(pipes, msg);
        }
        // "The ZMQ_SNDMORE flag is required for routing id frames but is ignored on data frames."
        msg.set_more(false);
        match self.out.to {
            Some(pipe) if msg.is_empty() => {
                self.incoming.before_detach(pipes, pipe);
                self.incoming.detach(pipe);
                self.routing.remove(pipe);
                pipes.close(pipe);
            }
            Some(pipe) => pipes.write(pipe, msg)?,
            None => drop(msg.take()),
        }
        self.out = Outgoing::default();
        Ok(())
    }

    #[inline]
    fn recv<P: PipeSet>(&mut self, pipes: &mut P) -> Result<Msg> {
        self.incoming.recv(pipes, &mut self.routing)
    }

    #[inline]
    fn has_in<P: PipeSet>(&mut self, pipes: &mut P) -> bool {
        self.incoming.fetch(pipes, &mut self.routing)
    }

    #[inline]
    fn has_out<P: PipeSet>(&mut self, _pipes: &mut P) -> bool {
        true
    }

    fn set_option<P: PipeSet>(
        &mut self,
        _pipes: &mut P,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        match option {
            option::STREAM_NOTIFY => Some(match value::int(value) {
                Ok(notify @ 0..=1) => {
                    self.notify = notify != 0;
                    Ok(())
                }
                _ => Err(Error::Invalid),
            }),
            _ => None,
        }
    }

    fn get_option(&self, option: i32) -> Option<Result<Vec<u8>>> {
        match option {
            option::ROUTING_ID => self.newest.map(|id| Ok(id.to_vec())),
            _ => None,
        }
    }

    fn reading(&self) -> Option<PipeId> {
        self.incoming.reading()
    }

    fn is_routing_id_free(&self, id: &[u8]) -> bool {
        !self.routing.contains(id)
    }

    #[inline]
    fn is_raw(&self) -> bool {
        true
    }

    /// `ZMQ_STREAM_NOTIFY`.
    fn notifies_raw(&self) -> bool {
        self.notify
    }
}
