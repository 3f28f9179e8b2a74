//! Looking at the kernel for a socket, and who does: see [`crate::policy::attention`].

use super::core::{Core, KICK};
use super::options::POLL_IN;
use crate::endpoint::token;
use crate::error::Error;
use crate::msg;
use crate::pattern::PipeId;
use crate::policy::attention::Attention;
use crate::sys::clock::{self, ticks};
use crate::sys::epoll::{self, NO_EVENT};
use std::os::fd::AsRawFd;
use std::time::Duration;

impl Core {
    /// Looks at the kernel on behalf of a thread of the application that found nothing to do.
    pub(super) fn look(&mut self, will_wait: bool) {
        let recently = self.attention.look(ticks());
        self.flush_on_look();
        if self.pipes.connections() > 0 {
            if will_wait || recently {
                self.attend();
            }
            if self.pipes.expect_bytes_on_only_connection() {
                self.read_unattended();
            } else {
                self.poll_set();
            }
        }
        self.pump();
    }

    /// After a look that took nothing out: what it found may have been read from the kernel, which does
    /// not wake those for it any more that sleep on the set. The caller is one of them if it `sleeps`.
    pub(super) fn tell_of_input(&mut self, ready: i16, sleeps: bool) {
        self.wakers.changed |=
            ready & POLL_IN != 0 && self.face.signal.sleepers() > u32::from(sleeps);
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
        let others = gather || self.face.signal.sleepers() > 0;
        // Those reported go behind the others, so this comes round to every one of them; what comes
        // meanwhile, as fast as it likes, makes the set readable.
        for _ in 0..=self.pipes.connections() / events.len() {
            let count = match set.wait(&mut events, Some(Duration::ZERO)) {
                Ok(count) => count,
                Err(error) => return error == Error::Interrupted,
            };
            self.wakers.changed |= others && count > 0;
            for event in &events[..count] {
                if event.u64 == KICK {
                    // It may have been the I/O thread's.
                    self.wakers.changed |= self.pipes.has_unread();
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
        if !gather {
            self.read_unattended();
        }
        true
    }

    /// Reports of the set were taken while nobody looks after it: no tick follows, and the I/O thread
    /// does not hear of them any more. What they told of is read now.
    fn read_unattended(&mut self) {
        if !self.is_attended() {
            self.read_ahead();
        }
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
            && io.modify(set.as_raw_fd(), 0, self.key, token::SET).is_ok()
        {
            self.attention.attended(clock::now);
        }
    }

    /// For whoever took reports of the set and will not read now: does so, because nothing reports
    /// again what the kernel has, PINGs among it. True if anything came, or happened.
    pub(super) fn read_ahead(&mut self) -> bool {
        let read = self.pipes.gather_ready();
        // Threads that sleep on the set do not wake up for what is read before they do.
        self.wakers.changed |= read && self.face.signal.sleepers() > 0;
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
            && io.modify(set.as_raw_fd(), epoll::IN, self.key, token::SET).is_ok()
        {
            self.attention.unattended();
            self.wakers.changed |= self.pipes.has_unread();
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

    /// Says whether the I/O thread ticks for the socket; memory is kept for it meanwhile.
    pub(super) fn set_watched(&mut self, watched: bool) {
        if self.attention.set_watched(watched) {
            msg::set_busy(watched);
        }
    }

    /// What was left for another turn is the application's, which may receive a message of it and leave
    /// the rest where it is, PINGs among it. The I/O thread, whose it may have been, hears nothing more of
    /// that, unless it ticks for the socket and takes over when the application is away.
    pub(super) fn take_unread(&mut self) {
        self.pipes.resume(false);
        self.attend();
        self.ensure_watched();
        if !self.is_attended() {
            // The kernel refused, or there is no I/O thread.
            self.wakers.changed |= self.pipes.gather_ready();
        }
    }

    /// What was left for another turn has somebody who is bound to look at it: whoever waits for the
    /// socket was told, a program that waits for its descriptor is, and if the I/O thread looks after
    /// the set, that becomes readable. Otherwise the thread ticks for the socket.
    #[inline]
    pub(super) fn hand_over_unread(&mut self) {
        if self.pipes.has_unread() {
            self.face.signal.notify_descriptor();
            if let (false, Some(kick)) = (self.is_attended(), &self.wakers.kick) {
                kick.signal();
            }
        }
    }
}
