//! Pollers (zmq_poller(3)): a list of sockets and descriptors that stays from one wait to the next.
//!
//! Any thread may wait and any may change the list: whoever waits goes on with the list as it is then.
//! A socket may be in several pollers. One that is closed while it is in a poller is what the next wait
//! reports (`ENOTSOCK`), also if its place is another socket's by then.

use super::terms::{Changes, Terms};
use super::{Item, POLL_ERR, POLL_PRI, Source, wait};
use crate::error::{Error, Result};
use crate::socket::Socket;
use crate::socket::options::{POLL_IN, POLL_OUT};
use crate::sync::PerProcess;
use crate::sync::atomic::Ordering;
use crate::sync::mutex::Mutex;
use crate::sys::clock;
use crate::sys::epoll::{self, Epoll};
use crate::types::SocketType;
use crate::util::memory;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The events that can be asked for.
const EVENTS: i16 = POLL_IN | POLL_OUT | POLL_ERR | POLL_PRI;
/// So many are waited for without memory being asked for.
const FEW: usize = 8;

/// What can be in a poller.
#[derive(Clone, Copy)]
pub enum Subject {
    /// A socket, and which one of those in its place.
    Socket(&'static Socket, u32),
    /// A descriptor.
    Descriptor(RawFd),
}

impl Subject {
    /// The socket that is there now.
    pub fn of(socket: &'static Socket) -> Subject {
        Subject::Socket(socket, socket.generation.load(Ordering::SeqCst))
    }

    /// A descriptor; `EBADF` if it is none.
    ///
    /// # Errors
    /// As said.
    pub fn descriptor(fd: RawFd) -> Result<Subject> {
        if fd < 0 { Err(Error::Os(libc::EBADF)) } else { Ok(Subject::Descriptor(fd)) }
    }

    fn is(self, other: Subject) -> bool {
        match (self, other) {
            (Subject::Socket(..), Subject::Socket(..)) => {
                self.shares_place(other) && self.generation() == other.generation()
            }
            (Subject::Descriptor(one), Subject::Descriptor(other)) => one == other,
            _ => false,
        }
    }

    /// Two sockets of which one had the place of the other, or the same.
    fn shares_place(self, other: Subject) -> bool {
        match (self, other) {
            (Subject::Socket(one, _), Subject::Socket(other, _)) => std::ptr::eq(one, other),
            _ => false,
        }
    }

    fn generation(self) -> Option<u32> {
        match self {
            Subject::Socket(_, generation) => Some(generation),
            Subject::Descriptor(_) => None,
        }
    }

    /// Whether it is not a socket that was closed, and has made place for another one.
    fn is_here(self) -> bool {
        match self {
            Subject::Socket(socket, _) => self.is(Subject::of(socket)),
            Subject::Descriptor(_) => true,
        }
    }

    /// What tells of a socket is quiet until something new happens; [`wait`] looks at what has.
    fn quiet(self) -> Result<()> {
        if let Subject::Socket(socket, _) = self {
            let mut core = socket.enter()?;
            core.quiet_descriptor();
            core.process_mail();
        }
        Ok(())
    }

    /// What is readable when there may be news of it.
    fn telling(self) -> Result<RawFd> {
        match self {
            Subject::Socket(socket, _) => socket.enter()?.expose(),
            Subject::Descriptor(fd) => Ok(fd),
        }
    }
}

/// One of the things that a poller waits for.
#[derive(Clone, Copy)]
struct Entry {
    subject: Subject,
    events: i16,
    /// The caller's.
    user_data: usize,
}

impl Entry {
    /// What the descriptor of the poller is told of: of a socket every change.
    fn watched(&self) -> u32 {
        let Subject::Descriptor(_) = self.subject else { return epoll::IN };
        let among = |wanted: i16, event: u32| if self.events & wanted != 0 { event } else { 0 };
        among(POLL_IN, epoll::IN) | among(POLL_OUT, epoll::OUT) | among(POLL_PRI, epoll::URGENT)
    }
}

/// What was found of one.
#[derive(Clone, Copy)]
pub struct Found {
    /// Of which.
    pub subject: Subject,
    /// What the caller gave when it was added.
    pub user_data: usize,
    /// POLL_IN and the like.
    pub events: i16,
}

#[derive(Default)]
struct List {
    /// In the order in which they came. Who waits has the list as it was when that began.
    entries: Arc<Vec<Entry>>,
    /// Of zmq_poller_fd(3), once it was asked for.
    descriptor: Option<Epoll>,
    ended: bool,
}

impl List {
    fn place(&self, subject: Subject) -> Result<usize> {
        let place = self.entries.iter().position(|entry| entry.subject.is(subject));
        place.ok_or(Error::Invalid)
    }

    fn take(&mut self, place: usize) -> Result<()> {
        let entry = self.change()?.remove(place);
        if let (Some(set), Ok(fd)) = (&self.descriptor, entry.subject.telling()) {
            let _ = set.remove(fd);
        }
        Ok(())
    }

    /// Nothing is found of what was removed meanwhile, nor what is not asked for any more.
    fn strike_out<'a>(&self, entries: impl Iterator<Item = &'a Entry>, items: &mut [Item]) {
        for (entry, item) in entries.zip(items) {
            let now = self.place(entry.subject).ok().and_then(|at| self.entries.get(at));
            let same = now.filter(|now| now.user_data == entry.user_data);
            // Of descriptors errors are reported whatever is asked for.
            item.ready &=
                same.map_or(0, |now| if now.events == 0 { 0 } else { now.events | POLL_ERR });
        }
    }

    /// The entries, to be changed.
    fn change(&mut self) -> Result<&mut Vec<Entry>> {
        if Arc::get_mut(&mut self.entries).is_none() {
            self.entries = Arc::new(memory::copy_of(&self.entries)?);
        }
        // Nobody has asked for it meanwhile, who has the lock.
        Arc::get_mut(&mut self.entries).ok_or(Error::NoMemory)
    }

    /// Whether a descriptor may be asked for: with libzmq only if there is a socket that it lets several
    /// threads use.
    fn is_for_any_thread(&self) -> bool {
        self.entries.iter().any(|entry| match entry.subject {
            Subject::Socket(socket, _) => {
                let number = i32::from(socket.socket_type.load(Ordering::Relaxed));
                SocketType::from_number(number).is_some_and(|of| of.info().thread_safe)
            }
            Subject::Descriptor(_) => false,
        })
    }
}

/// What a process has of a poller: a forked child begins with an empty one.
#[derive(Default)]
struct Own {
    list: Mutex<List>,
    changes: Changes,
}

/// A poller.
pub struct Poller {
    own: PerProcess<Own>,
}

impl Default for Poller {
    /// An empty one.
    fn default() -> Poller {
        Poller { own: PerProcess::here(Own::default()) }
    }
}

impl Poller {
    /// How many things it waits for.
    pub fn size(&self) -> usize {
        self.own.get().list.lock().entries.len()
    }

    /// Changes the list, and tells those who wait.
    fn change(&self, call: impl FnOnce(&mut List) -> Result<()>) -> Result<()> {
        let own = self.own.get();
        call(&mut own.list.lock())?;
        own.changes.tell();
        Ok(())
    }

    /// Waits for these events of `subject` from now on, perhaps for none.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one that is here already, and for events that there are not;
    /// [`Error::NoMemory`].
    pub fn add(&self, subject: Subject, user_data: usize, events: i16) -> Result<()> {
        let entry = Entry { subject, events: known(events)?, user_data };
        self.change(|list| {
            if list.place(subject).is_ok() {
                return Err(Error::Invalid);
            }
            // What a closed socket has left is not the new one's.
            while let Some(at) = list.entries.iter().position(|e| e.subject.shares_place(subject)) {
                list.take(at)?;
            }
            // Refused as a whole: what can fail comes before what cannot.
            memory::reserve_one(list.change()?)?;
            list.descriptor.as_ref().map_or(Ok(()), |set| watch(set, &entry))?;
            list.change()?.push(entry);
            Ok(())
        })
    }

    /// Waits for other events of `subject`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one that is not here, and for events that there are not;
    /// [`Error::NoMemory`].
    pub fn modify(&self, subject: Subject, events: i16) -> Result<()> {
        let events = known(events)?;
        self.change(|list| {
            let place = list.place(subject)?;
            let entry = list.change()?.get_mut(place).ok_or(Error::Invalid)?;
            entry.events = events;
            let entry = *entry;
            if let (Some(set), Subject::Descriptor(fd)) = (&list.descriptor, subject) {
                let _ = set.modify(fd, entry.watched(), 0);
            }
            Ok(())
        })
    }

    /// Waits no longer for `subject`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for one that is not here; [`Error::NoMemory`].
    pub fn remove(&self, subject: Subject) -> Result<()> {
        self.change(|list| list.take(list.place(subject)?))
    }

    /// Forgets a socket that was closed without having been removed before, by its handle.
    pub fn forget(&self, handle: usize) {
        let at_handle = |entry: &Entry| match entry.subject {
            Subject::Socket(socket, _) => socket.handle().addr() == handle,
            Subject::Descriptor(_) => false,
        };
        // Without memory it stays, and is reported.
        let _ = self.change(|list| match list.entries.iter().position(at_handle) {
            Some(place) => list.take(place),
            None => Ok(()),
        });
    }

    /// A descriptor that becomes readable when there may be something to find: [`Poller::wait`] has to be
    /// called then until it finds nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] if no socket was ever here that is meant for several threads; what making it says.
    pub fn descriptor(&self) -> Result<RawFd> {
        let mut list = self.own.get().list.lock();
        if list.descriptor.is_none() && !list.is_for_any_thread() {
            return Err(Error::Invalid);
        }
        if list.descriptor.is_none() {
            let set = Epoll::new()?;
            list.entries.iter().try_for_each(|entry| watch(&set, entry))?;
            list.descriptor = Some(set);
        }
        list.descriptor.as_ref().map(AsRawFd::as_raw_fd).ok_or(Error::Invalid)
    }

    /// Ends it: whoever waits is told.
    pub fn end(&self) {
        let _ = self.change(|list| {
            *list = List { ended: true, ..List::default() };
            Ok(())
        });
    }

    /// Waits until something is true of what is here, or for `timeout` milliseconds (negative: for ever), and
    /// tells `report` of at most so many. Returns how many those are.
    ///
    /// # Errors
    /// [`Error::Again`] if nothing is, [`Error::Fault`] if nothing ever can be, or it ends meanwhile; as
    /// [`wait`].
    pub fn wait(
        &self,
        timeout: i64,
        most: usize,
        mut report: impl FnMut(usize, Found),
    ) -> Result<usize> {
        let own = self.own.get();
        let until = u64::try_from(timeout).ok().filter(|&milliseconds| milliseconds != 0);
        let until = until.map(|milliseconds| clock::now() + Duration::from_millis(milliseconds));
        loop {
            let (entries, count, quiet) = {
                let list = own.list.lock();
                if list.ended {
                    return Err(Error::Fault);
                }
                let count = own.changes.count();
                (list.entries.clone(), count, list.descriptor.is_some())
            };
            let active = || entries.iter().filter(|entry| entry.events != 0 && most != 0);
            if timeout < 0 && active().next().is_none() {
                return Err(Error::Fault);
            }
            if !active().all(|entry| entry.subject.is_here()) {
                return Err(Error::NotSocket);
            }
            if quiet {
                active().try_for_each(|entry| entry.subject.quiet())?;
            }
            let changes = Some((&own.changes, count));
            let terms = Terms { changes, ..Terms::plain(left(timeout, until)) };
            let mut found = 0;
            with_items(active(), |items| {
                wait(items, terms)?;
                if own.changes.count() != count {
                    own.list.lock().strike_out(active(), items);
                }
                for (entry, item) in active().zip(items).filter(|(_, item)| item.ready != 0) {
                    if found < most {
                        let Entry { subject, user_data, .. } = *entry;
                        report(found, Found { subject, user_data, events: item.ready });
                        found += 1;
                    }
                }
                Ok(())
            })?;
            if found != 0 {
                return Ok(found);
            }
            if timeout == 0 || until.is_some_and(|until| clock::now() >= until) {
                return Err(Error::Again);
            }
        }
    }
}

/// Events that can be asked for.
fn known(events: i16) -> Result<i16> {
    if events & !EVENTS == 0 { Ok(events) } else { Err(Error::Invalid) }
}

/// The time that is left of a wait, in milliseconds.
fn left(timeout: i64, until: Option<Instant>) -> i64 {
    until.map_or(timeout, |until| {
        let left = until.saturating_duration_since(clock::now());
        i64::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
    })
}

/// Lets the descriptor of a poller tell of an entry. A file that is always ready cannot be watched.
fn watch(set: &Epoll, entry: &Entry) -> Result<()> {
    match set.add(entry.subject.telling()?, entry.watched(), 0) {
        Err(Error::Os(libc::EPERM)) => Ok(()),
        result => result,
    }
}

/// Calls with what zmq_poll(3) would be given.
fn with_items<'a>(
    entries: impl Iterator<Item = &'a Entry> + Clone,
    call: impl FnOnce(&mut [Item]) -> Result<()>,
) -> Result<()> {
    let item = |entry: &Entry| {
        let source = match entry.subject {
            Subject::Socket(socket, _) => Source::Socket(socket),
            Subject::Descriptor(fd) => Source::Descriptor(fd),
        };
        Item { source, events: entry.events, ready: 0 }
    };
    let mut few = [Item { source: Source::Descriptor(-1), events: 0, ready: 0 }; FEW];
    let count = entries.clone().count();
    let Some(list) = few.get_mut(..count) else {
        let mut many: Vec<Item> = memory::with_room(count)?;
        many.extend(entries.map(item));
        return call(&mut many);
    };
    list.iter_mut().zip(entries).for_each(|(place, entry)| *place = item(entry));
    call(list)
}
