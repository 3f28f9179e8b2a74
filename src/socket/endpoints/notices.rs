//! Messages that come of peers that come and go: ZMQ_HELLO_MSG, ZMQ_DISCONNECT_MSG and ZMQ_HICCUP_MSG
//! (zmq_setsockopt(3)).

use crate::connection::Connection;
use crate::error::Result;
use crate::msg::Msg;
use crate::options::SocketOptions;
use crate::pattern::{PipeId, PipeSet};
use crate::pipe::local::InprocEnd;
use crate::socket::core::Core;

impl Core {
    /// A message of these bytes, if there is to be one.
    fn notice(&self, has: bool, bytes: &[u8]) -> Result<Option<Msg>> {
        if has && !bytes.is_empty() { Msg::copy_from(bytes).map(Some) } else { Ok(None) }
    }

    fn hello(&self, options: &SocketOptions) -> Result<Option<Msg>> {
        self.notice(self.socket_type.info().says_hello, &options.draft.hello_msg)
    }

    /// Has a new connection keep to the sizes of batches, and say hello: in front of all that waits for a
    /// connection. That belongs to this one: the next one has its own.
    ///
    /// # Errors
    /// [`Error::NoMemory`](crate::error::Error::NoMemory).
    pub(in crate::socket) fn greet(
        &self,
        endpoint: u32,
        connection: &mut Connection,
    ) -> Result<()> {
        let Some(options) = self.endpoints.options(endpoint) else { return Ok(()) };
        let (reads, writes) = options.batch_limits();
        connection.limit_batches(reads, writes);
        if self.endpoints.traffic(endpoint).raw {
            return Ok(());
        }
        self.hello(&options)?.map_or(Ok(()), |hello| connection.tx.push_control(hello))
    }

    /// The same to a socket of this process, unless who connected has done so for us.
    pub(in crate::socket) fn say_hello_within_process(&mut self, id: PipeId) {
        if self.pipes.get(id).and_then(|p| p.inproc()).is_some_and(InprocEnd::has_written) {
            return;
        }
        // Without memory for it the pipe is as one that could not be made.
        match self.hello(&self.options) {
            Ok(None) => {}
            Ok(Some(hello)) => self.pipes.write_exempt(id, hello),
            Err(_) => self.pipes.end(id),
        }
    }

    /// What is to be received last of a peer that came to us; the pipe hands it out when it ends.
    pub(in crate::socket) fn prepare_farewell(&mut self, id: PipeId, bytes: &[u8]) {
        let has = self.socket_type.info().hears_disconnects;
        if let Ok(Some(last)) = self.notice(has, bytes)
            && let Some(pipe) = self.pipes.get(id)
        {
            pipe.set_farewell(last);
        }
    }

    /// The same of one that came to this endpoint.
    pub(in crate::socket) fn prepare_farewell_of(&mut self, id: PipeId, endpoint: u32) {
        if let Some(options) = self.endpoints.options(endpoint)
            && !self.endpoints.traffic(endpoint).raw
        {
            self.prepare_farewell(id, &options.draft.disconnect_msg);
        }
    }

    /// What is received when a connection of ours is lost, and will be made again.
    pub(in crate::socket) fn note_hiccup(&mut self, id: PipeId, endpoint: u32) {
        let has = self.socket_type.info().hears_hiccups;
        let Some(options) = self.endpoints.options(endpoint).filter(|_| has) else { return };
        if let Ok(Some(notice)) = self.notice(has, &options.draft.hiccup_msg)
            && let Some(wire) = self.pipes.get(id).and_then(|pipe| pipe.wire())
        {
            wire.inject(notice);
        }
    }
}
