//! What the lock of a socket protects.

use super::aides::Aides;
use super::face::{Face, Mail};
use crate::context::Context;
use crate::endpoint::{Endpoints, token};
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::pattern::{AnyPattern, Attach, Pattern, PipeId};
use crate::pipe::local::{InprocConfig, InprocEnd, Owner};
use crate::pipe::{NO_ENDPOINT, PipeEvent, PipeTable, Rest};
use crate::policy::attention::Attention;
use crate::policy::batching::Batching;
use crate::policy::looking::Learnt;
use crate::reactor::{IoThread, Key};
use crate::stats::{SocketStats, Way};
use crate::sync::atomic::Ordering;
use crate::sys::epoll::{self, Epoll};
use crate::sys::eventfd::EventFd;
use crate::types::SocketType;
use std::os::fd::AsRawFd;
use std::sync::Arc;

/// The number of the wake-up descriptor in a socket's set; pipes have theirs.
pub(super) const KICK: u64 = u64::MAX;

/// What makes threads of the application look that sleep on descriptors.
#[derive(Default)]
pub(super) struct Wakers {
    /// What wakes a thread that sleeps on the set, which has to keep it for as long.
    pub(super) kick: Option<Arc<EventFd>>,
    /// ZMQ_FD: a set of the connections, and a descriptor for news that do not come from the kernel.
    pub(super) descriptor: Option<Arc<Epoll>>,
    /// Something changed that other waiting threads should know.
    pub(super) changed: bool,
    /// Calls that wait to send, and to receive.
    pub(super) blocked: [u32; 2],
}

/// The state of one socket.
pub struct Core {
    pub(super) face: &'static Face,
    pub(super) key: Key,
    pub(super) context: Arc<Context>,
    pub(super) socket_type: SocketType,
    pub(super) options: SocketOptions,
    pub(super) pattern: AnyPattern,
    pub(super) pipes: PipeTable,
    pub(super) endpoints: Endpoints,
    pub(super) aides: Aides,
    pub(super) io: Option<Arc<IoThread>>,
    pub(super) wakers: Wakers,
    /// ZMQ_RCVMORE.
    pub(super) receive_more: bool,
    /// A call has found the context ended: from then on none but zmq_close(3) does anything.
    pub(super) saw_end: bool,
    /// Closed by the application; lives to send what is left.
    pub(super) closing: bool,
    /// Who looks after the set.
    pub(super) attention: Attention,
    pub(super) batching: Batching,
    /// What was learnt of waits.
    pub(super) waits: Learnt,
    /// What others can see of the socket.
    pub(super) stats: SocketStats,
    /// Empty lists for the mailbox.
    spare_mail: Mail,
    /// Keeps the pattern from being called while it is called.
    pumping: bool,
}

impl Core {
    pub(super) fn new(
        face: &'static Face,
        key: Key,
        context: Arc<Context>,
        socket_type: SocketType,
    ) -> Core {
        let mut options = SocketOptions::for_type(socket_type);
        let (ipv6, linger) = context.socket_defaults();
        options.ipv6 = ipv6;
        if linger == 0 {
            options.linger = 0;
        }
        let stats = SocketStats::new(socket_type as i32, context.number());
        let mut pipes = PipeTable::new();
        pipes.stats = stats.clone();
        let mut endpoints = Endpoints::new(key, socket_type);
        endpoints.stats = stats.clone();
        Core {
            face,
            key,
            context,
            socket_type,
            options,
            pattern: AnyPattern::new(socket_type),
            pipes,
            endpoints,
            aides: Aides::default(),
            io: None,
            wakers: Wakers::default(),
            receive_more: false,
            saw_end: false,
            closing: false,
            attention: Attention::new(),
            batching: Batching::new(),
            waits: Learnt::new(),
            stats,
            spare_mail: Mail::default(),
            pumping: false,
        }
    }

    /// The I/O thread of this socket, chosen at first need.
    ///
    /// # Errors
    /// [`Error::NoIoThread`] if the context has none.
    pub(super) fn io(&mut self) -> Result<Arc<IoThread>> {
        if let Some(io) = &self.io {
            return Ok(io.clone());
        }
        let io = self.context.io_thread(self.options.affinity).ok_or(Error::NoIoThread)?;
        io.add_load();
        self.endpoints.use_thread(io.clone());
        self.io = Some(io.clone());
        Ok(io)
    }

    /// The same, if it was chosen.
    pub(super) fn known_io(&self) -> Option<&Arc<IoThread>> {
        self.io.as_ref()
    }

    /// ZMQ_AFFINITY as it is now has to name a thread, whichever the socket has already.
    ///
    /// # Errors
    /// [`Error::NoIoThread`] if there is none of those allowed.
    pub(super) fn check_affinity(&mut self) -> Result<Arc<IoThread>> {
        self.context.io_thread(self.options.affinity).ok_or(Error::NoIoThread)?;
        self.io()
    }

    /// The set with the descriptors of established connections.
    ///
    /// # Errors
    /// `EMFILE` and what else epoll says.
    pub(super) fn set(&mut self) -> Result<Arc<Epoll>> {
        if let Some(set) = &self.pipes.set {
            return Ok(set.clone());
        }
        let set = Arc::new(Epoll::new()?);
        let kick = Arc::new(EventFd::new()?);
        set.add(kick.as_raw_fd(), epoll::IN | epoll::EDGE, KICK)?;
        if let Ok(io) = self.io() {
            let watch = if self.is_attended() { 0 } else { epoll::IN };
            io.add(set.as_raw_fd(), watch, self.key, token::SET)?;
        }
        self.face.signal.set_kick(Some(kick.clone()));
        self.wakers.kick = Some(kick);
        self.pipes.set = Some(set.clone());
        Ok(set)
    }

    /// Delivers what other threads left.
    #[inline]
    pub(super) fn process_mail(&mut self) {
        if self.face.has_mail() {
            self.open_mail();
        }
    }

    #[cold]
    fn open_mail(&mut self) {
        let mut mails = self.face.take_mail(std::mem::take(&mut self.spare_mail));
        // Those that go make room for those that come.
        mails.news.drain(..).for_each(|news| self.pipes.on_news(news));
        for end in std::mem::take(&mut mails.arrivals).into_values() {
            self.attach_inproc(end, NO_ENDPOINT, false);
        }
        mails.news.shrink_to(64);
        if self.pipes.has_unread() {
            self.take_unread();
        }
        self.spare_mail = mails;
        self.pump();
    }

    /// What this socket brings into an inproc pipe.
    pub(super) fn inproc_config(&self) -> InprocConfig {
        let says_hello = self.socket_type.info().says_hello;
        InprocConfig {
            send_limit: self.options.sndhwm.max(0) as u32,
            receive_limit: self.options.rcvhwm.max(0) as u32,
            routing_id: self.options.routing_id.clone(),
            conflate: self.conflates(&self.options),
            hello: if says_hello { self.options.draft.hello_msg.clone() } else { Vec::new() },
        }
    }

    /// Whether an endpoint with these options has ZMQ_CONFLATE, and the socket type has it, too.
    pub(super) fn conflates(&self, options: &SocketOptions) -> bool {
        options.conflate && self.socket_type.info().conflates
    }

    pub(super) fn attach_inproc(&mut self, end: InprocEnd, endpoint: u32, ours: bool) -> PipeId {
        let owner = Owner { mailbox: self.face, generation: self.key.generation };
        let id = self.pipes.own_inproc(end, owner, endpoint);
        // Who came to us is at the other end of an endpoint that has a name.
        let way = if ours { Way::Connected } else { Way::Accepted };
        let name = self.endpoints.get(endpoint).map_or("", |endpoint| endpoint.name());
        if let Some(pipe) = self.pipes.get(id) {
            pipe.stats().describe(way, name, "");
        }
        if ours {
            self.assign_routing_id(id);
        } else {
            let last = self.options.draft.disconnect_msg.clone();
            self.prepare_farewell(id, &last);
        }
        self.say_hello_within_process(id);
        self.attach_pattern(id, ours);
        id
    }

    /// Uses ZMQ_CONNECT_ROUTING_ID up for a new pipe of a `connect`.
    pub(super) fn assign_routing_id(&mut self, id: PipeId) {
        let name = std::mem::take(&mut self.options.connect_routing_id);
        if let Some(pipe) = self.pipes.get(id).filter(|_| !name.is_empty()) {
            pipe.assigned_routing_id = Some(name);
        }
    }

    pub(super) fn attach_pattern(&mut self, id: PipeId, locally_initiated: bool) {
        let mut how = Attach { locally_initiated, within_process: false };
        if let Some(pipe) = self.pipes.get(id) {
            pipe.attached = true;
            how.within_process = pipe.inproc().is_some();
        }
        self.pattern.attach(&mut self.pipes, id, how);
        self.wakers.changed = true;
    }

    fn is_attached(&mut self, id: PipeId) -> bool {
        self.pipes.get(id).is_some_and(|p| p.attached && !p.is_lingering())
    }

    /// Tells the pattern what happened to its pipes, and acts on what is not the pattern's. True if
    /// anything did happen.
    #[inline]
    pub(super) fn pump(&mut self) -> bool {
        !self.pipes.events.is_empty() && !self.pumping && self.pump_all()
    }

    fn pump_all(&mut self) -> bool {
        self.pumping = true;
        let mut any = false;
        while let Some(event) = self.pipes.next_event() {
            any = true;
            // Readable is a guess, and whoever waits for the kernel is told by the kernel.
            self.wakers.changed |= !matches!(event, PipeEvent::Readable(_));
            match event {
                PipeEvent::Connected(id) => {
                    if self.is_attached(id) {
                        self.pattern.connected(&mut self.pipes, id);
                    }
                }
                PipeEvent::Readable(id) => {
                    if self.is_attached(id) {
                        self.pattern.read_activated(&mut self.pipes, id);
                    }
                }
                PipeEvent::HungUp(id) => {
                    if self.is_attached(id) {
                        self.pattern.hung_up(&mut self.pipes, id);
                    }
                }
                PipeEvent::Writable(id) => {
                    if self.is_attached(id) {
                        self.pattern.write_activated(&mut self.pipes, id);
                    }
                }
                PipeEvent::Lost(id, error) => self.connection_lost(id, error),
                PipeEvent::Deaf(id, error) => self.peer_is_deaf(id, error),
                PipeEvent::Starved => self.wait_for_memory(),
                PipeEvent::Dropped(id, count) => self.say_dropped(id, count),
                PipeEvent::Pinged(id) => self.set_heartbeat_timer(id),
                PipeEvent::Due(id, at) => self.set_network_timer(id, at),
                PipeEvent::Finished(id) => self.pipe_finished(id),
                // Calls of the application look there, and none sleeps before; for those that sleep,
                // and for the I/O thread, see `hand_over_unread`.
                PipeEvent::Unread => self.face.has_mail.store(true, Ordering::SeqCst),
            }
        }
        self.pumping = false;
        any
    }

    /// After a panic in the middle of [`Core::pump`].
    pub(super) fn reset_pumping(&mut self) {
        self.pumping = false;
    }

    /// The pattern is done with a pipe, or a pipe with its work.
    pub(super) fn pipe_finished(&mut self, id: PipeId) {
        self.detach_pattern(id);
        let Some(pipe) = self.pipes.get(id) else { return };
        let gone = pipe.is_ending();
        if gone || !self.see_off(id) {
            self.remove_pipe(id);
        }
    }

    /// Lets a pipe go that the pattern does not know any more. True if it lives on until what was sent
    /// has arrived, in the time that ZMQ_LINGER allows.
    pub(super) fn see_off(&mut self, id: PipeId) -> bool {
        let rest = self.pipes.let_go(id, self.options.linger != 0);
        if rest != Rest::Nothing {
            self.set_pipe_linger(id);
        }
        if let Rest::Arriving(look) = rest {
            self.set_farewell_timer(id, look);
        }
        rest != Rest::Nothing
    }

    /// Takes a pipe from the pattern, if it knows it.
    pub(super) fn detach_pattern(&mut self, id: PipeId) {
        if let Some(pipe) = self.pipes.get(id)
            && std::mem::take(&mut pipe.attached)
        {
            self.pattern.before_detach(&mut self.pipes, id);
            self.pattern.detach(&mut self.pipes, id);
            self.wakers.changed = true;
        }
    }

    /// Ends a pipe and what it belongs to.
    pub(super) fn remove_pipe(&mut self, id: PipeId) {
        self.detach_pattern(id);
        if let Some(count) = self.pipes.get(id).and_then(|pipe| pipe.drops.rest()) {
            self.say_dropped(id, count);
        }
        self.withdraw_far_end(id);
        self.pipe_removed_from_endpoint(id);
        self.clear_heartbeat_timer(id);
        self.clear_silence_timer(id);
        self.clear_network_timer(id);
        self.pipes.remove(id);
    }

    /// For calls that need the context: whether it has ended.
    ///
    /// # Errors
    /// [`Error::Terminated`].
    #[inline(always)]
    pub(super) fn see_context(&mut self) -> Result<()> {
        if self.context.is_stopped() {
            self.saw_end = true;
            return Err(Error::Terminated);
        }
        Ok(())
    }

    /// Other threads that wait for the socket learn what changed. Whoever leaves the lock does this.
    #[inline(always)]
    pub(super) fn tell_others(&mut self) {
        if self.wakers.changed {
            self.tell_of_changes();
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_of_changes(&mut self) {
        self.wakers.changed = false;
        self.face.signal.notify();
        self.hand_over_unread();
    }

    /// Closed, and nothing left to send.
    pub(super) fn is_done(&self) -> bool {
        self.closing && self.pipes.is_empty()
    }

    /// zmq_close(3): everything the application could see goes; what is to be sent lingers.
    pub(super) fn begin_close(&mut self) {
        self.process_mail();
        // Whoever waits for the kernel to take it returns without looking at it again.
        self.pipes.own_lent();
        self.closing = true;
        self.stats.closes(self.options.linger);
        // A peer's end that is dropped tells the peer.
        drop(self.face.close_mailbox());
        self.flush_held();
        if self.options.linger != 0 && self.known_io().is_some_and(|io| !io.is_whole()) {
            // Nobody would send what waits, nor notice that its time is over.
            self.options.linger = 0;
        }
        self.close_endpoints();
        for id in self.pipes.ids() {
            self.detach_pattern(id);
            // Those of endpoints are on their way already.
            let goes = self.pipes.get(id).is_some_and(|pipe| pipe.is_lingering());
            let lingers = self.options.linger != 0 && (goes || self.see_off(id));
            if !lingers {
                self.remove_pipe(id);
            }
        }
        self.pump();
        self.stop_monitor();
        if !self.pipes.is_empty() {
            self.set_socket_linger();
            self.unattend();
            self.ensure_watched();
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.set_watched(false);
        if let Some(io) = &self.io {
            if let Some(set) = &self.pipes.set {
                let _ = io.remove(set.as_raw_fd());
            }
            io.remove_load();
        }
    }
}
