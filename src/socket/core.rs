//! What the lock of a socket protects.

use super::directory::Directory;
use super::monitor::Monitor;
use super::options::POLL_IN;
use super::row;
use super::zap::Question;
use super::{Mail, Socket};
use crate::connection::opening::Opening;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::msg;
use crate::options::SocketOptions;
use crate::pattern::{AnyPattern, Attach, Pattern, PipeId};
use crate::pipe::inproc::{InprocConfig, InprocEnd, Owner};
use crate::pipe::{NO_ENDPOINT, PipeEvent, PipeTable, Rest};
use crate::policy::attention::Attention;
use crate::policy::batching::{self, Batching, Facts, Outbox};
use crate::policy::habit::Habit;
use crate::policy::looking::{self, Waits};
use crate::reactor::{IoThread, Key};
use crate::sync::atomic::Ordering;
use crate::sys::clock;
use crate::sys::clock::{TICKS_PER_US, ticks};
use crate::sys::epoll::{self, Epoll, NO_EVENT};
use crate::sys::eventfd::EventFd;
use crate::types::SocketType;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

/// The number of the wake-up descriptor in a socket's set; pipes have theirs.
pub(super) const KICK: u64 = u64::MAX;

/// How often what happens while everything is flushed is flushed, too.
const SETTLE_ROUNDS: u32 = 4;

/// The state of one socket.
pub struct Core {
    pub(super) socket: &'static Socket,
    pub(super) key: Key,
    pub(super) context: Arc<Context>,
    pub(super) socket_type: SocketType,
    pub(super) options: SocketOptions,
    pub(super) pattern: AnyPattern,
    pub(super) pipes: PipeTable,
    pub(super) endpoints: Directory,
    pub(super) openings: Vec<Option<Opening>>,
    /// Free places among them.
    pub(super) free_openings: Vec<u32>,
    pub(super) serial: u32,
    pub(super) last_endpoint: String,
    pub(super) monitor: Option<Monitor>,
    /// Put to the ZAP handler, not answered yet.
    pub(super) questions: Vec<Question>,
    io: Option<Arc<IoThread>>,
    /// What wakes a thread that sleeps on the set, which has to keep it for as long.
    pub(super) kick: Option<Arc<EventFd>>,
    /// ZMQ_FD: a set of the connections, and a descriptor for news that do not come from the kernel.
    pub(super) descriptor: Option<Arc<Epoll>>,
    /// ZMQ_RCVMORE.
    pub(super) receive_more: bool,
    /// A call has found the context ended: from then on none but zmq_close(3) does anything.
    pub(super) saw_end: bool,
    /// Closed by the application; lives to send what is left.
    pub(super) closing: bool,
    /// Who looks after the set.
    pub(super) attention: Attention,
    batching: Batching,
    /// Something changed that other waiting threads should know.
    pub(super) changed: bool,
    /// What was learnt of waits for something to receive.
    pub(super) waits_in: Waits,
    /// The same of waits for the kernel to take more of a long message.
    pub(super) waits_out: Waits,
    /// Whether it pays to wait for that at all, where the message could be copied.
    pub(super) catching_up: Habit,
    /// Empty lists for the mailbox.
    spare_mail: Mail,
    /// Keeps the pattern from being called while it is called.
    pumping: bool,
}

impl Core {
    pub(super) fn new(
        socket: &'static Socket,
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
        Core {
            socket,
            key,
            context,
            socket_type,
            options,
            pattern: AnyPattern::new(socket_type),
            pipes: PipeTable::new(),
            endpoints: Directory::default(),
            openings: Vec::new(),
            free_openings: Vec::new(),
            serial: 0,
            last_endpoint: String::new(),
            monitor: None,
            questions: Vec::new(),
            io: None,
            kick: None,
            descriptor: None,
            receive_more: false,
            saw_end: false,
            closing: false,
            attention: Attention::new(),
            batching: Batching::new(),
            changed: false,
            waits_in: Waits::new(),
            waits_out: Waits::new(),
            catching_up: looking::catching_up(),
            spare_mail: Mail::default(),
            pumping: false,
        }
    }

    /// A number no other endpoint or handshake of this socket has, for timers.
    pub(super) fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
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
            io.add(set.as_raw_fd(), watch, self.key, super::driver::SET)?;
        }
        self.socket.signal.set_kick(Some(kick.clone()));
        self.kick = Some(kick);
        self.pipes.set = Some(set.clone());
        Ok(set)
    }

    /// Delivers what other threads left.
    #[inline]
    pub(super) fn process_mail(&mut self) {
        if self.socket.has_mail() {
            self.open_mail();
        }
    }

    #[cold]
    fn open_mail(&mut self) {
        let mut mails = self.socket.take_mail(std::mem::take(&mut self.spare_mail));
        // Those that go make room for those that come.
        mails.news.drain(..).for_each(|news| self.pipes.on_news(news));
        for end in std::mem::take(&mut mails.arrivals).into_values() {
            self.attach_inproc(end, NO_ENDPOINT, false);
        }
        mails.news.shrink_to(64);
        self.pipes.resume(false);
        self.spare_mail = mails;
        self.pump();
    }

    /// What this socket brings into an inproc pipe.
    pub(super) fn inproc_config(&self) -> InprocConfig {
        InprocConfig {
            send_limit: self.options.sndhwm.max(0) as u32,
            receive_limit: self.options.rcvhwm.max(0) as u32,
            routing_id: self.options.routing_id.clone(),
            conflate: self.conflates(&self.options),
        }
    }

    /// Whether an endpoint with these options has ZMQ_CONFLATE, and the socket type has it, too.
    pub(super) fn conflates(&self, options: &SocketOptions) -> bool {
        options.conflate && self.socket_type.info().conflates
    }

    pub(super) fn attach_inproc(&mut self, end: InprocEnd, endpoint: u32, ours: bool) -> PipeId {
        let owner = Owner { mailbox: self.socket, generation: self.key.generation };
        let id = self.pipes.own_inproc(end, owner, endpoint);
        if ours {
            self.assign_routing_id(id);
        }
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
        self.changed = true;
    }

    fn is_attached(&mut self, id: PipeId) -> bool {
        self.pipes.get(id).is_some_and(|p| p.attached && !p.is_lingering())
    }

    /// Tells the pattern what happened to its pipes, and acts on what is not the pattern's. True if
    /// anything did happen.
    #[inline]
    pub(super) fn pump(&mut self) -> bool {
        let any = !self.pipes.events.is_empty() && !self.pumping;
        if any {
            self.pump_all();
        }
        any
    }

    fn pump_all(&mut self) {
        self.pumping = true;
        while let Some(event) = self.pipes.events.pop_front() {
            // Readable is a guess, and whoever waits for the kernel is told by the kernel.
            self.changed |= !matches!(event, PipeEvent::Readable(_));
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
                PipeEvent::Pinged(id) => self.set_heartbeat_timer(id),
                PipeEvent::Finished(id) => self.pipe_finished(id),
                // Calls of the application look there, and none sleeps before; for those that sleep,
                // and for the I/O thread, see `hand_over_unread`.
                PipeEvent::Unread => self.socket.has_mail.store(true, Ordering::SeqCst),
            }
        }
        self.pumping = false;
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
            self.changed = true;
        }
    }

    /// Ends a pipe and what it belongs to.
    pub(super) fn remove_pipe(&mut self, id: PipeId) {
        self.detach_pattern(id);
        self.withdraw_far_end(id);
        self.pipe_removed_from_endpoint(id);
        self.clear_heartbeat_timer(id);
        self.pipes.remove(id);
    }

    /// Looks at the kernel on behalf of a thread of the application that found nothing to do.
    pub(super) fn look(&mut self, will_wait: bool) {
        let recently = self.attention.look(ticks());
        self.flush_on_look();
        if self.pipes.connections() > 0 {
            if will_wait || recently {
                self.attend();
            }
            if !self.pipes.expect_bytes_on_only_connection() {
                self.poll_set();
            }
        }
        self.pump();
    }

    /// After a look that took nothing out: what it found may have been read from the kernel, which does
    /// not wake those for it any more that sleep on the set. The caller is one of them if it `sleeps`.
    pub(super) fn tell_of_input(&mut self, ready: i16, sleeps: bool) {
        self.changed |= ready & POLL_IN != 0 && self.socket.signal.sleepers() > u32::from(sleeps);
    }

    /// Like [`Core::look`], except that the caller asks the kernel whether the set is readable.
    pub(super) fn look_later(&mut self, will_wait: bool) {
        let recently = self.attention.look(ticks());
        self.flush_on_look();
        self.pump();
        if self.pipes.connections() > 0 && (will_wait || recently) {
            self.attend();
        }
    }

    pub(super) fn flush_on_look(&mut self) {
        row::ends();
        self.flush_held();
        self.batching.looked();
    }

    /// Flushes everything.
    pub(super) fn flush_held(&mut self) {
        batching::flush_all(self);
    }

    /// Flushes everything and acts on what happened, and so on, but not for ever: what is left then
    /// is looked after as all that is held back.
    pub(super) fn settle(&mut self) {
        self.pump();
        for _ in 0..SETTLE_ROUNDS {
            if !self.pipes.is_dirty() {
                break;
            }
            self.flush_held();
            self.pump();
        }
    }

    /// Instead of [`Core::look`] for an application that has just received all there was a moment
    /// ago, and would learn with a system call what it knows. True if so; who asks again, or
    /// polls, looks.
    pub(super) fn has_just_looked(&mut self) -> bool {
        let received = self.attention.found_nothing();
        // A read from the only connection was a look at it.
        let only = self.pipes.connections() == 1;
        let looked = if only { self.pipes.read_at() } else { self.attention.last_look() };
        let just = received && Attention::was_lately(looked, ticks());
        if just {
            self.flush_on_look();
            self.pump();
        }
        just
    }

    /// Takes all events of the set, without waiting. False as for [`Core::poll_set_and`].
    pub(super) fn poll_set(&mut self) -> bool {
        self.poll_set_and(false)
    }

    /// Takes all events of the set; with `gather`, reads ahead on what is readable. False if the set
    /// is none any more: somebody has closed its descriptor.
    pub(super) fn poll_set_and(&mut self, gather: bool) -> bool {
        let Some(set) = self.pipes.set.clone() else { return true };
        let mut events = [NO_EVENT; 64];
        // Threads that sleep on the set, or on ZMQ_FD while we are the I/O thread, do not wake up
        // for events that we take before they do.
        let others = gather || self.socket.signal.sleepers() > 0;
        // Those reported go behind the others, so this comes round to every one of them; what comes
        // meanwhile, as fast as it likes, makes the set readable.
        for _ in 0..=self.pipes.connections() / events.len() {
            let count = match set.wait(&mut events, Some(Duration::ZERO)) {
                Ok(count) => count,
                Err(error) => return error == Error::Interrupted,
            };
            self.changed |= others && count > 0;
            for event in &events[..count] {
                if event.u64 == KICK {
                    // It may have been the I/O thread's.
                    self.changed |= self.pipes.has_unread();
                } else {
                    self.pipes.on_ready(event.u64 as PipeId, event.events);
                    if gather {
                        self.pipes.gather(event.u64 as PipeId);
                    }
                }
            }
            // Before there are thousands: each pipe that ends looks through what is left of them.
            self.pump();
            if count < events.len() {
                break;
            }
        }
        true
    }

    /// Looks at connections that are not known to be readable, every so many messages: a busy
    /// peer must not hide the others.
    #[inline]
    pub(super) fn look_around(&mut self) {
        if self.attention.received(self.pipes.long_reads()) {
            self.look_around_after_some();
        }
    }

    fn look_around_after_some(&mut self) {
        if self.pipes.connections() == 0 {
            return;
        }
        if !self.is_attended() {
            self.come_back();
        }
        if !self.attention.looks_around(self.pipes.long_reads()) {
            return;
        }
        // Whoever receives all the time never finds nothing, and is there all the same. But a PING may
        // stand behind all that it still has to receive.
        if !self.pipes.pinged() {
            self.attend();
        }
        if self.pipes.connections() > 1 && !self.pipes.all_have_input() {
            self.poll_set();
            self.pump();
        }
    }

    /// The application receives what the I/O thread has read for it. If it does so at a good pace it
    /// need not wait until that is used up: as long as the thread reads ahead there is no end of it,
    /// and what is read so far ahead is out of the cache when its turn comes.
    #[cold]
    fn come_back(&mut self) {
        if self.attention.is_back(ticks()) {
            self.attend();
        }
    }

    /// The application took a message that may have been here: that counts as a look at the set as long
    /// as no peer waits for answers.
    #[inline]
    pub(super) fn has_received(&mut self) {
        if !self.pipes.pinged() {
            self.attention.note_activity();
        }
    }

    /// The application looks after the set from now on: the I/O thread need not wake up for it.
    pub(super) fn attend(&mut self) {
        self.attention.note_activity();
        if self.is_attended() {
            return;
        }
        if let (Some(io), Some(set)) = (&self.io, &self.pipes.set)
            && io.modify(set.as_raw_fd(), 0, self.key, super::driver::SET).is_ok()
        {
            self.attention.attended(clock::now);
        }
    }

    /// For whoever took reports of the set and will not read now: does so, because nothing reports
    /// again what the kernel has, PINGs among it. True if anything came, or happened.
    pub(super) fn read_ahead(&mut self) -> bool {
        let read = self.pipes.gather_ready();
        // Threads that sleep on the set do not wake up for what is read before they do.
        self.changed |= read && self.socket.signal.sleepers() > 0;
        self.pump() || read
    }

    /// The I/O thread looks after the set from now on, and nothing is left that was reported already.
    pub(super) fn hand_over(&mut self) {
        self.unattend();
        self.read_ahead();
    }

    /// The I/O thread looks after the set from now on.
    pub(super) fn unattend(&mut self) {
        if let (true, Some(io), Some(set)) = (self.is_attended(), &self.io, &self.pipes.set)
            && io.modify(set.as_raw_fd(), epoll::IN, self.key, super::driver::SET).is_ok()
        {
            self.attention.unattended();
            self.changed |= self.pipes.has_unread();
        }
    }

    /// Whether the application looks after the set.
    pub(super) fn is_attended(&self) -> bool {
        self.attention.is_attended()
    }

    /// Sees to it that somebody takes over when the application goes away. Called at the end of
    /// every call that leaves the set attended.
    #[inline]
    pub(super) fn ensure_watched(&mut self) {
        if self.attention.needs_watch(self.pipes.is_dirty()) {
            self.watch();
        }
    }

    #[cold]
    fn watch(&mut self) {
        if let Some(io) = &self.io {
            let io = io.clone();
            self.set_watched(true);
            self.attention.begin_watch();
            io.watch(self.key);
        }
    }

    /// See [`batching::leave`].
    #[inline(always)]
    pub(super) fn leave(&mut self) {
        batching::leave(self);
        debug_assert!(
            !self.pipes.has_unread() || self.socket.has_mail() || std::thread::panicking(),
            "something is left unread and nobody is bound to look"
        );
    }

    /// Says whether the I/O thread ticks for the socket; memory is kept for it meanwhile.
    pub(super) fn set_watched(&mut self, watched: bool) {
        if self.attention.set_watched(watched) {
            msg::set_busy(watched);
        }
    }

    /// After a send: to the kernel at once if the socket was quiet, collected if it is busy.
    #[inline]
    pub(super) fn after_send(&mut self) {
        if !self.pipes.is_dirty() {
            return;
        }
        if let Some(ended) = batching::sent(self) {
            row::handed_over(ended);
        }
        self.pump();
    }

    /// See [`batching::flush_if_left`].
    pub(super) fn flush_if_left(&mut self) -> bool {
        batching::flush_if_left(self)
    }

    /// What was left for another turn has somebody who is bound to look at it: whoever waits for the
    /// socket was told, a program that waits for its descriptor is, and if the I/O thread looks after
    /// the set, that becomes readable. Otherwise the thread ticks for the socket.
    #[inline]
    pub(super) fn hand_over_unread(&mut self) {
        if self.pipes.has_unread() {
            self.socket.signal.notify_descriptor();
            if let (false, Some(kick)) = (self.is_attended(), &self.kick) {
                kick.signal();
            }
        }
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
        if self.changed {
            self.tell_of_changes();
        }
    }

    #[cold]
    #[inline(never)]
    fn tell_of_changes(&mut self) {
        self.changed = false;
        self.socket.signal.notify();
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
        // A peer's end that is dropped tells the peer.
        drop(self.socket.close_mailbox());
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

impl Outbox for Core {
    #[inline]
    fn facts(&self) -> Facts {
        let now = ticks();
        Facts {
            now,
            dirty: self.pipes.dirty_count(),
            has_input: self.pipes.has_input(),
            last_look: self.attention.last_look(),
        }
    }

    fn in_turn(&self, now: u64) -> Option<u64> {
        let io = self.io.as_ref().filter(|_| row::sends(now))?;
        Some(io.lag() * TICKS_PER_US)
    }

    fn now(&self) -> u64 {
        ticks()
    }

    #[inline]
    fn dirty_count(&self) -> usize {
        self.pipes.dirty_count()
    }

    #[inline]
    fn is_dirty(&self) -> bool {
        self.pipes.is_dirty()
    }

    fn has_flushable(&mut self) -> bool {
        self.pipes.has_flushable()
    }

    #[inline]
    fn is_urgent(&self) -> bool {
        self.pipes.is_urgent()
    }

    #[inline]
    fn flush(&mut self, all: bool) {
        self.pipes.flush(all);
    }

    #[inline]
    fn is_watched(&self) -> bool {
        self.attention.is_watched()
    }

    fn watch(&mut self, soon: bool) {
        self.ensure_watched();
        self.socket.holds_back.store(true, Ordering::Relaxed);
        if soon && let Some(io) = &self.io {
            io.hurry();
        }
    }

    #[inline]
    fn batching(&mut self) -> &mut Batching {
        &mut self.batching
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
