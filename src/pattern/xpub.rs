//! XPUB: publish, and see who subscribes to what (RFC 29).

use super::distribute::Distribute;
use super::subscriptions::{Cancelled, Subscriptions, Tell, parse};
use super::value::{self, set_switch};
use super::{Attach, Pattern, PipeId, PipeSet};
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::options::numbers::option;
use std::collections::VecDeque;

/// Once this much waits for an application that does not receive, subscribers are read no
/// further; in bytes.
const PENDING_MAX: usize = 64 << 20;

/// Longer messages are better shared by the pipes than copied by each, in bytes.
const BYTES_MAX: usize = 8 << 10;

/// A message for the application.
#[derive(Debug)]
struct Pending {
    msg: Msg,
    from: Source,
}

/// Messages in one piece of a [`Backlog`].
const PIECE: usize = 128;

/// Messages for the application, oldest first, in pieces: a queue in one piece would be copied as
/// it grows, and for a large one the C library keeps much of what is freed later.
#[derive(Debug, Default)]
struct Backlog {
    pieces: VecDeque<VecDeque<Pending>>,
}

impl Backlog {
    fn push(&mut self, pending: Pending) {
        match self.pieces.back_mut() {
            Some(last) if last.len() < PIECE => last.push_back(pending),
            _ => self.pieces.push_back(VecDeque::from([pending])),
        }
    }

    /// The newest, if its message goes on.
    fn pop_begun(&mut self) -> Option<Pending> {
        let last = self.pieces.back_mut()?;
        let begun = last.back().is_some_and(|pending| pending.msg.more());
        let begun = if begun { last.pop_back() } else { None };
        if last.is_empty() {
            self.pieces.pop_back();
        }
        begun
    }

    fn pop(&mut self) -> Option<Pending> {
        let first = self.pieces.front_mut()?;
        let pending = first.pop_front();
        if first.is_empty() {
            self.pieces.pop_front();
            if self.pieces.is_empty() {
                self.pieces = VecDeque::new();
            }
        }
        pending
    }

    fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// Which part of a subscriber's message is read next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The first.
    First,
    /// One behind (un)subscriptions only.
    Behind,
    /// One behind something else: what begins so is a message of the user's, and goes on to its last
    /// part whatever that says, so that the next message is not taken for its rest.
    InUsers,
}

/// Where a message for the application came from.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// A subscriber that had something else to say.
    User,
    /// A subscriber that (un)subscribes: its pipe and the serial number of that.
    Subscriber(PipeId, u64),
    /// A subscriber that is gone.
    Gone,
}

/// "SHALL maintain a set of subscriptions for each subscriber", "SHALL send outgoing messages to
/// all subscribers whose subscriptions match", "SHALL silently drop the message if the queue for
/// a subscriber is full"; and subscriptions come up as messages.
#[derive(Debug, Default)]
pub struct XPub {
    out: Distribute,
    /// What messages are matched with.
    subscriptions: Subscriptions,
    /// With ZMQ_XPUB_MANUAL, what the peers asked for, whether granted or not.
    requested: Subscriptions,
    pending: Backlog,
    pending_bytes: usize,
    /// Subscribers wait to be read until the application received more.
    paused: bool,
    /// Tells pipes of the same number apart; indexed by pipe.
    serials: Vec<u64>,
    next_serial: u64,
    /// Who sent the (un)subscription that was received last, and what ZMQ_SUBSCRIBE means.
    last: Option<PipeId>,
    welcome: Option<Msg>,
    /// A message did not get out because of ZMQ_XPUB_NODROP; nothing changed since.
    blocked: bool,
    /// A PUB: nobody receives.
    silent: bool,
    verbose: bool,
    verbose_cancel: bool,
    nodrop: bool,
    manual: bool,
    last_value: bool,
    invert: bool,
    only_first: bool,
}

impl XPub {
    /// One that keeps subscriptions to itself.
    pub(crate) fn silent() -> XPub {
        XPub { silent: true, ..XPub::default() }
    }

    /// Reads what a subscriber has to say.
    fn listen<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.hear(pipes, id);
        pipes.asked_for(self.subscriptions.len());
    }

    fn hear<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        let mut at = Place::First;
        while at != Place::First || !self.is_full() {
            let Some(msg) = pipes.read(id) else {
                debug_assert!(at == Place::First, "a message comes whole");
                return;
            };
            let more = msg.more();
            if self.silent {
                pipes.uncounted(id, &msg);
            }
            match parse(msg.data()) {
                Some((subscribe, _)) if at == Place::First || !self.only_first => {
                    if self.subscription(id, subscribe, msg, at == Place::InUsers).is_err() {
                        // It would wait in vain; connected again, it asks again.
                        self.take_back_begun();
                        pipes.close(id);
                        return;
                    }
                }
                _ => {
                    self.push(msg, Source::User);
                    at = Place::InUsers;
                }
            }
            at = match at {
                _ if !more => Place::First,
                Place::First => Place::Behind,
                at => at,
            };
        }
        self.paused = true;
    }

    fn is_full(&self) -> bool {
        self.pending_bytes > PENDING_MAX
    }

    /// A subscriber (un)subscribes, perhaps with a part of a message `of_user`.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    fn subscription(
        &mut self,
        id: PipeId,
        subscribe: bool,
        mut msg: Msg,
        of_user: bool,
    ) -> Result<()> {
        let topic = msg.data().get(1..).unwrap_or_default();
        let tell = if self.manual {
            if subscribe {
                self.requested.add(topic, id)?;
            } else {
                self.requested.cancel(topic, id);
            }
            true
        } else if subscribe {
            self.subscriptions.add(topic, id)? || self.verbose || self.verbose_cancel
        } else {
            self.subscriptions.cancel(topic, id) != Cancelled::Remains || self.verbose_cancel
        };
        self.blocked = false;
        if tell || of_user {
            if !of_user {
                // The parts of a message stand for themselves here.
                msg.set_more(false);
            }
            let serial = self.serials.get(id as usize).copied().unwrap_or_default();
            self.push(msg, Source::Subscriber(id, serial));
        }
        Ok(())
    }

    fn push(&mut self, mut msg: Msg, from: Source) {
        if self.silent {
            return;
        }
        msg.unpin();
        self.pending_bytes += size_of::<Pending>() + msg.len();
        self.pending.push(Pending { msg, from });
    }

    /// Takes the parts of a message back of which the last will not come.
    fn take_back_begun(&mut self) {
        while let Some(Pending { msg, .. }) = self.pending.pop_begun() {
            self.pending_bytes -= size_of::<Pending>() + msg.len();
        }
    }

    /// The application received a part of what waited.
    #[cold]
    fn resume<P: PipeSet>(&mut self, pipes: &mut P) {
        self.paused = false;
        for id in self.out.all().to_vec() {
            self.listen(pipes, id);
        }
    }

    /// Chooses the pipes for a message by its first frame.
    #[inline]
    fn choose<P: PipeSet>(&mut self, pipes: &mut P, topic: &[u8]) -> Result<()> {
        let XPub { out, subscriptions, .. } = self;
        subscriptions.find(topic);
        out.clear();
        if self.invert {
            out.choose_where(|pipe| !subscriptions.was_found(pipe));
        } else {
            out.choose(subscriptions.found());
        }
        let only = if self.last_value && !self.invert { self.last } else { None };
        if let Some(only) = only {
            // ZMQ_XPUB_MANUAL_LAST_VALUE: the first message after a subscription is for its
            // subscriber alone (in libzmq not when matching is inverted).
            out.keep_where(|pipe| pipe == only);
        }
        if !out.leave_out_full(pipes, self.nodrop) {
            self.blocked = true;
            return Err(Error::Again);
        }
        if only.is_some() {
            self.last = None;
        }
        Ok(())
    }

    /// ZMQ_SUBSCRIBE and ZMQ_UNSUBSCRIBE on behalf of the subscriber heard last.
    fn subscribe_last<P: PipeSet>(
        &mut self,
        pipes: &mut P,
        subscribe: bool,
        topic: &[u8],
    ) -> Result<()> {
        if !self.manual {
            return Err(Error::Invalid);
        }
        if let Some(pipe) = self.last {
            if subscribe {
                self.subscriptions.add(topic, pipe)?;
            } else {
                self.subscriptions.cancel(topic, pipe);
            }
            pipes.asked_for(self.subscriptions.len());
        }
        Ok(())
    }
}

impl Pattern for XPub {
    fn attach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId, _how: Attach) {
        self.out.attach(id);
        let slot = id as usize;
        if self.serials.len() <= slot {
            self.serials.resize(slot + 1, 0);
        }
        self.next_serial += 1;
        self.serials[slot] = self.next_serial;
        if pipes.hears_all(id) && self.subscriptions.add(b"", id).is_err() {
            // There it would get nothing.
            pipes.close(id);
            return;
        }
        if let Some(welcome) = &mut self.welcome
            && pipes.check_write(id)
        {
            // Without memory for it the pipe is as good as full.
            let _ = welcome.share().and_then(|mut copy| pipes.write(id, &mut copy));
        }
        self.listen(pipes, id);
    }

    /// The subscriptions stay while the pipe does: what is published meanwhile waits in it for
    /// the subscriber to come back, as in libzmq.
    fn disconnected<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.listen(pipes, id);
    }

    fn detach<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.out.detach(id);
        self.forget_subscriptions(id);
        pipes.asked_for(self.subscriptions.len());
        if let Some(serial) = self.serials.get_mut(id as usize) {
            *serial = 0;
        }
        if self.last == Some(id) {
            self.last = None;
        }
        self.blocked = false;
    }

    #[inline]
    fn read_activated<P: PipeSet>(&mut self, pipes: &mut P, id: PipeId) {
        self.listen(pipes, id);
    }

    #[inline]
    fn write_activated<P: PipeSet>(&mut self, _pipes: &mut P, _id: PipeId) {
        self.blocked = false;
    }

    #[inline]
    fn send<P: PipeSet>(&mut self, pipes: &mut P, msg: &mut Msg) -> Result<()> {
        if !self.out.more() {
            self.choose(pipes, msg.data())?;
        }
        self.out.write(pipes, msg)
    }

    #[inline]
    fn send_bytes<P: PipeSet>(&mut self, pipes: &mut P, bytes: &[u8], keep: bool) -> bool {
        if self.out.more() || bytes.len() > BYTES_MAX {
            return false;
        }
        let only = self.last_value && self.last.is_some();
        if !(self.invert || only) {
            let found = self.subscriptions.find(bytes);
            let sent = match *self.subscriptions.found() {
                [] => {
                    self.out.count_unwanted(pipes);
                    true
                }
                [one] => pipes.write_bytes(one, bytes, keep),
                ref all => pipes.write_to_all(all, found, [bytes]),
            };
            if sent {
                return true;
            }
        }
        if keep || self.choose(pipes, bytes).is_err() {
            return false;
        }
        self.out.write_bytes(pipes, bytes)
    }

    #[inline]
    fn recv<P: PipeSet>(&mut self, pipes: &mut P) -> Result<Msg> {
        let Pending { msg, from } = self.pending.pop().ok_or(Error::Again)?;
        self.pending_bytes -= size_of::<Pending>() + msg.len();
        match from {
            Source::User => {}
            Source::Gone => self.last = None,
            Source::Subscriber(pipe, serial) => {
                let same = self.serials.get(pipe as usize) == Some(&serial);
                self.last = same.then_some(pipe);
            }
        }
        if self.paused && self.pending_bytes < PENDING_MAX / 2 {
            self.resume(pipes);
        }
        Ok(msg)
    }

    #[inline]
    fn has_in<P: PipeSet>(&mut self, _pipes: &mut P) -> bool {
        !self.pending.is_empty()
    }

    #[inline]
    fn has_out<P: PipeSet>(&mut self, _pipes: &mut P) -> bool {
        !(self.nodrop && self.blocked) || self.out.more()
    }

    fn set_option<P: PipeSet>(
        &mut self,
        pipes: &mut P,
        option: i32,
        value: &[u8],
    ) -> Option<Result<()>> {
        self.blocked = false;
        match option {
            option::SUBSCRIBE => Some(self.subscribe_last(pipes, true, value)),
            option::UNSUBSCRIBE => Some(self.subscribe_last(pipes, false, value)),
            option::XPUB_VERBOSE => Some(value::switch(value).map(|on| {
                self.verbose = on;
                self.verbose_cancel = false;
            })),
            option::XPUB_VERBOSER => Some(value::switch(value).map(|on| {
                self.verbose = on;
                self.verbose_cancel = on;
            })),
            option::XPUB_NODROP => set_switch(&mut self.nodrop, value),
            option::XPUB_MANUAL => set_switch(&mut self.manual, value),
            option::XPUB_MANUAL_LAST_VALUE => Some(value::switch(value).map(|on| {
                self.manual = on;
                self.last_value = on;
            })),
            option::XPUB_WELCOME_MSG if value.is_empty() => {
                self.welcome = None;
                Some(Ok(()))
            }
            option::XPUB_WELCOME_MSG => {
                Some(Msg::copy_from(value).map(|msg| self.welcome = Some(msg)))
            }
            option::ONLY_FIRST_SUBSCRIBE => set_switch(&mut self.only_first, value),
            option::INVERT_MATCHING => Some(value::int(value).map(|on| self.invert = on != 0)),
            _ => None,
        }
    }

    fn get_option(&self, option: i32) -> Option<Result<Vec<u8>>> {
        match option {
            option::TOPICS_COUNT => value::from_count(self.subscriptions.len()),
            option::INVERT_MATCHING => value::from_int(self.invert.into()),
            _ => None,
        }
    }

    #[inline]
    fn drops(&self) -> bool {
        !self.nodrop
    }
}

impl XPub {
    /// Cancels everything of a pipe, as if it had done so itself.
    fn forget_subscriptions(&mut self, id: PipeId) {
        let mut cancelled = Vec::new();
        // In manual mode the application hears what the peer had asked for; what it had granted
        // is its own doing.
        let (requested, granted) = match (self.manual, self.verbose_cancel) {
            _ if self.silent => (Tell::Nothing, Tell::Nothing),
            (true, _) => (Tell::Every, Tell::Nothing),
            (false, true) => (Tell::Nothing, Tell::Every),
            (false, false) => (Tell::Nothing, Tell::Last),
        };
        self.requested.remove_pipe(id, requested, |msg| cancelled.push(msg));
        self.subscriptions.remove_pipe(id, granted, |msg| cancelled.push(msg));
        // In the order in which libzmq's tree has them.
        cancelled.sort_by(|a, b| a.data().cmp(b.data()));
        for msg in cancelled {
            self.push(msg, Source::Gone);
        }
    }
}
