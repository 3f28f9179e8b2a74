//! zmq_poll(3): waiting for several sockets and descriptors at once.

mod item;
pub mod poller;
mod set;
pub mod terms;

use super::looking;
use super::options::{POLL_IN, POLL_OUT};
use super::waiting::CLOSED;
use super::{Guard, Socket};
use crate::error::{Error, Result};
use crate::policy::looking::Waits;
use crate::sync::Signal;
use crate::sync::atomic::Ordering;
use crate::sys;
use crate::sys::cancel::Cancel;
use crate::sys::clock;
use crate::sys::eventfd::EventFd;
use crate::sys::poll::{PollFd, SignalMask, poll, poll_with};
use crate::sys::signals::Held;
use crate::sys::thread;
use crate::util::memory;
use item::Looked;
pub use item::{Item, Source};
use set::{Habit, PollSet};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use terms::{Changes, Terms};

/// ZMQ_POLLERR.
pub const POLL_ERR: i16 = 4;
/// ZMQ_POLLPRI.
pub const POLL_PRI: i16 = 8;

/// Sockets fewer than this are looked at one by one, which finds and reads in one.
const FEW: usize = 3;
/// Sockets that are looked at in one system call, at most.
const TOGETHER: usize = 64;

/// Gives up what this thread has kept open for its next waits.
pub fn forget() {
    LOCAL.with(
        || Local::new(thread::process_generation()),
        |local| {
            *local = Local::new(local.process);
        },
    );
}

/// What the calling thread has learnt about its waits, and its wake-up descriptor.
static LOCAL: sys::local::Local<Local> = sys::local::Local::new();

struct Local {
    /// Where that was: what the thread that forked brings into the child belongs to the parent.
    process: u64,
    waits: Option<Waits>,
    waker: Option<Arc<EventFd>>,
    habit: Habit,
}

impl Local {
    fn new(process: u64) -> Local {
        Local { process, waits: None, waker: None, habit: Habit::new() }
    }
}

/// `None` without memory for it.
fn with_local<R>(call: impl FnOnce(&mut Local) -> R) -> Option<R> {
    let process = thread::process_generation();
    LOCAL.with(
        || Local::new(process),
        |local| {
            if local.process != process {
                // Closes the child's copies of the descriptors, nothing else.
                *local = Local::new(process);
            }
            call(local)
        },
    )
}

/// The thread's wake-up descriptor, made at its first wait.
fn waker() -> Result<Arc<EventFd>> {
    let kept = with_local(|local| {
        if local.waker.is_none() {
            local.waker = Some(Arc::new(EventFd::new()?));
        }
        local.waker.clone().ok_or(Error::Fault)
    });
    // Otherwise this wait has to do with a descriptor of its own.
    kept.unwrap_or_else(|| EventFd::new().map(Arc::new))
}

fn with_waits<R>(call: impl FnOnce(&mut Waits) -> R) -> Option<R> {
    with_local(|local| call(local.waits.get_or_insert_with(Waits::new)))
}

/// Waits until one of `items` is ready, or as long as `terms` say. Returns how many are.
///
/// # Errors
/// [`Error::Interrupted`] after a signal, and [`Error::Cancelled`]; [`Error::Terminated`],
/// [`Error::NotSocket`] if a socket ends.
pub fn wait(items: &mut [Item], terms: Terms<'_>) -> Result<usize> {
    let mut set = None;
    if items.len() > FEW {
        set = with_local(|local| local.habit.take(items)).flatten();
    }
    let result = wait_with(items, terms, &mut set);
    if let (Ok(_), Some(set)) = (&result, set) {
        with_local(|local| local.habit.put(set));
    }
    result
}

fn wait_with(items: &mut [Item], terms: Terms<'_>, set: &mut Option<PollSet>) -> Result<usize> {
    let timeout = terms.timeout;
    let found = check(items, set, timeout != 0, false)?;
    if found > 0 || timeout == 0 {
        if found == 0 && terms.mask.is_some() {
            // A signal that waits for this mask is let in, as ppoll(2) does.
            poll_with(&mut [], Some(Duration::ZERO), terms.mask, Cancel::Waits)?;
        }
        return Ok(found);
    }
    let deadline = u64::try_from(timeout).ok().map(|t| clock::now() + Duration::from_millis(t));
    let sockets = items.iter().any(|i| matches!(i.source, Source::Socket(_)));
    let mut signals = None;
    if sockets && let Some(Some(mut look)) = with_waits(|waits| looking::begin(waits, false)) {
        loop {
            let go_on = look.pause();
            let found = check(items, set, true, false)?;
            if found > 0 || terms.are_over() {
                // How much there is nobody knows here.
                with_waits(|waits| looking::end(waits, &look, found > 0, false));
                return Ok(found);
            }
            if !go_on || deadline.is_some_and(|d| clock::now() >= d) {
                break;
            }
        }
        with_waits(|waits| looking::end(waits, &look, false, false));
        signals = look.give_up();
    }
    sleep(items, set, deadline, Sleep { terms, signals: signals.as_ref() })
}

/// Looks at every item without waiting.
fn check(
    items: &mut [Item],
    set: &mut Option<PollSet>,
    will_wait: bool,
    will_sleep: bool,
) -> Result<usize> {
    let sockets = items.iter().filter(|i| matches!(i.source, Source::Socket(_))).count();
    let mut found = None;
    if let Some(known) = set {
        found = known.check(items, will_wait, will_sleep)?;
    }
    let mut found = match found {
        Some(found) => found,
        None => {
            *set = None;
            check_sockets(items, sockets, will_wait, will_sleep)?
        }
    };
    if sockets != items.len() {
        let mut list: Vec<PollFd> = memory::with_room(items.len())?;
        list.extend(items.iter().filter_map(descriptor));
        poll(&mut list, Some(Duration::ZERO))?;
        found += store(items, &list);
    }
    Ok(found)
}

/// Looks at the sockets among the items, of which there are as many as `sockets` says.
fn check_sockets(
    items: &mut [Item],
    sockets: usize,
    will_wait: bool,
    will_sleep: bool,
) -> Result<usize> {
    let mut found = 0;
    for some in items.chunks_mut(TOGETHER) {
        if sockets >= FEW {
            found += check_together(some, will_wait, will_sleep)?;
            continue;
        }
        for item in some {
            if let Source::Socket(socket) = item.source {
                item.ready = socket.check(item.events, will_wait, will_sleep)?.ready;
                found += usize::from(item.ready != 0);
            }
        }
    }
    Ok(found)
}

/// Looks at the sockets among at most [`TOGETHER`] items, asking the kernel once for all that are
/// to be received from and have nothing here.
fn check_together(items: &mut [Item], will_wait: bool, will_sleep: bool) -> Result<usize> {
    let mut found = 0;
    let mut sets = [PollFd { fd: -1, events: libc::POLLIN, revents: 0 }; TOGETHER];
    let mut of = [0; TOGETHER];
    let mut asked = 0;
    for (at, item) in items.iter_mut().enumerate() {
        let Source::Socket(socket) = item.source else { continue };
        if item.events != POLL_IN {
            // The kernel says whether there is room only to who tries.
            item.ready = socket.check(item.events, will_wait, will_sleep)?.ready;
        } else {
            let looked = socket.check_here(will_wait)?;
            item.ready = looked.ready;
            if let (0, Some(set)) = (looked.ready, looked.set) {
                sets[asked].fd = set;
                of[asked] = at;
                asked += 1;
            }
        }
        found += usize::from(item.ready != 0);
    }
    if asked == 0 {
        return Ok(found);
    }
    poll(&mut sets[..asked], Some(Duration::ZERO))?;
    for (set, &at) in sets[..asked].iter().zip(&of) {
        if set.revents != 0
            && let Source::Socket(socket) = items[at].source
        {
            items[at].ready = socket.check(items[at].events, will_wait, will_sleep)?.ready;
            found += usize::from(items[at].ready != 0);
        }
    }
    Ok(found)
}

fn descriptor(item: &Item) -> Option<PollFd> {
    let Source::Descriptor(fd) = item.source else { return None };
    let mut events = 0;
    if item.events & POLL_IN != 0 {
        events |= libc::POLLIN;
    }
    if item.events & POLL_OUT != 0 {
        events |= libc::POLLOUT;
    }
    if item.events & POLL_PRI != 0 {
        events |= libc::POLLPRI;
    }
    Some(PollFd { fd, events, revents: 0 })
}

/// Copies what poll said of the descriptors among `items`, in their order.
fn store(items: &mut [Item], list: &[PollFd]) -> usize {
    let mut found = 0;
    let descriptors = items.iter_mut().filter(|i| matches!(i.source, Source::Descriptor(_)));
    for (item, polled) in descriptors.zip(list) {
        item.ready = 0;
        if polled.revents & libc::POLLIN != 0 {
            item.ready |= POLL_IN;
        }
        if polled.revents & libc::POLLOUT != 0 {
            item.ready |= POLL_OUT;
        }
        if polled.revents & libc::POLLPRI != 0 {
            item.ready |= POLL_PRI;
        }
        if polled.revents & !(libc::POLLIN | libc::POLLOUT | libc::POLLPRI) != 0 {
            item.ready |= POLL_ERR;
        }
        found += usize::from(item.ready != 0);
    }
    found
}

/// Registered with the sockets of `items`, and with changes of what they are, as long as it lives.
struct Observing<'a> {
    items: &'a [Item],
    changes: Option<&'a Changes>,
    waker: Arc<EventFd>,
}

impl<'a> Observing<'a> {
    fn new(items: &'a [Item], terms: &Terms<'a>, waker: Arc<EventFd>) -> Observing<'a> {
        let changes = terms.changes.map(|(changes, _)| changes);
        let observing = Observing { items, changes, waker };
        observing.signals().for_each(|signal| signal.observe(&observing.waker));
        observing
    }

    fn signals(&self) -> impl Iterator<Item = &'a Signal> + use<'a> {
        let sockets = self.items.iter().filter_map(|item| match item.source {
            Source::Socket(socket) => Some(&socket.signal),
            Source::Descriptor(_) => None,
        });
        sockets.chain(self.changes.map(Changes::signal))
    }
}

/// Between looks of a thread that has no descriptor to be woken through.
const WITHOUT_WAKER: Duration = Duration::from_millis(5);

impl Drop for Observing<'_> {
    fn drop(&mut self) {
        self.signals().for_each(|signal| signal.unobserve(&self.waker));
    }
}

/// What a sleep is told.
#[derive(Clone, Copy)]
struct Sleep<'a> {
    terms: Terms<'a>,
    /// Signals that were held until now.
    signals: Option<&'a Held>,
}

impl<'a> Sleep<'a> {
    fn mask(&self) -> Option<&'a SignalMask> {
        self.terms.mask.or(self.signals.map(Held::mask))
    }
}

/// A thread's sleep on the sets of these sockets, which the I/O thread leaves alone meanwhile. Dropping
/// it gives them back: also when a panic ends the sleep.
struct Stay<'a> {
    items: &'a mut [Item],
    set: &'a mut Option<PollSet>,
}

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        let mut number = 0;
        for item in self.items.iter() {
            if let Source::Socket(socket) = item.source {
                if !self.set.as_ref().is_some_and(|set| set.is_untouched(number)) {
                    socket.leave_poll();
                }
                number += 1;
            }
        }
    }
}

fn sleep(
    items: &mut [Item],
    set: &mut Option<PollSet>,
    deadline: Option<Instant>,
    how: Sleep<'_>,
) -> Result<usize> {
    // Whichever way the sleep ends, its sockets are looked after again.
    let stay = Stay { items, set };
    let mut result = sleep_observing(stay.items, stay.set, deadline, how);
    if result == Ok(None) {
        // Somebody has closed what the thread itself keeps open, as daemons do that begin.
        // Their numbers may be somebody else's by now.
        with_local(|local| std::mem::forget(std::mem::replace(local, Local::new(local.process))));
        std::mem::forget(stay.set.take());
        result = sleep_observing(stay.items, stay.set, deadline, how);
    }
    result.and_then(|found| found.ok_or(CLOSED))
}

/// Descriptors of the caller's, and how many those are; then what wakes a thread that has a waker: it, and
/// the sets of the sockets.
fn what_to_sleep_on(
    items: &[Item],
    set: Option<&PollSet>,
    observing: Option<&Observing<'_>>,
) -> Result<(Vec<PollFd>, usize)> {
    let mut list: Vec<PollFd> = memory::with_room(items.len() + 1)?;
    list.extend(items.iter().filter_map(descriptor));
    let theirs = list.len();
    let entry = |fd: i32| PollFd { fd, events: libc::POLLIN, revents: 0 };
    let Some(observing) = observing else { return Ok((list, theirs)) };
    list.push(entry(observing.waker.as_raw_fd()));
    if let Some(set) = set {
        list.push(entry(set.descriptor()));
        return Ok((list, theirs));
    }
    for item in items {
        if let Source::Socket(socket) = item.source {
            list.extend(socket.enter_poll()?.map(entry));
        }
    }
    Ok((list, theirs))
}

/// `None`: the descriptors of this thread have been closed.
fn sleep_observing(
    items: &mut [Item],
    set: &mut Option<PollSet>,
    deadline: Option<Instant>,
    how: Sleep<'_>,
) -> Result<Option<usize>> {
    let sockets = items.iter().any(|item| matches!(item.source, Source::Socket(_)));
    let woken = sockets || how.terms.changes.is_some();
    let watched: Vec<Item> = memory::copy_of(items)?;
    let mut observing = None;
    let mut gone = false;
    loop {
        // Out of descriptors, a thread that never waited before looks again and again instead, until
        // there is one.
        if woken && observing.is_none() {
            observing = waker().ok().map(|waker| Observing::new(&watched, &how.terms, waker));
        }
        let found = check(items, set, true, true)?;
        if found > 0 || how.terms.are_over() {
            return Ok(Some(found));
        }
        let (mut list, theirs) = what_to_sleep_on(items, set.as_ref(), observing.as_ref())?;
        let mut left = deadline.map(|d| d.saturating_duration_since(clock::now()));
        if woken && observing.is_none() {
            left = Some(left.map_or(WITHOUT_WAKER, |t| t.min(WITHOUT_WAKER)));
        }
        poll_with(&mut list, left, how.mask(), Cancel::Acts)?;
        let kept = theirs + 1 + usize::from(set.is_some());
        if let Some(at) = list.iter().skip(theirs).position(|p| p.revents & libc::POLLNVAL != 0) {
            if theirs + at < kept {
                return Ok(None);
            }
            // Another thread may have closed the socket since the look: the next one says so.
            if std::mem::replace(&mut gone, true) {
                return Err(CLOSED);
            }
            continue;
        }
        gone = false;
        // What was left from another wait counts as news.
        if let Some(observing) = &observing
            && list.get(theirs).is_some_and(|waker| waker.revents != 0)
            && !observing.waker.drain()
        {
            return Ok(None);
        }
        // Whatever made it return: there may be no end of what is no news to the caller.
        if deadline.is_some_and(|d| clock::now() >= d) {
            // What came in the last moment counts.
            return check(items, set, false, false).map(Some);
        }
    }
}

impl Socket {
    /// Which of `events` are true, after a look at the kernel if none are.
    fn check(&'static self, events: i16, will_wait: bool, will_sleep: bool) -> Result<Looked> {
        let mut core = self.enter()?;
        core.process_mail();
        let mut ready = core.ready(events);
        // Room to send says nothing about what the kernel has to receive.
        if events & !ready & POLL_IN != 0 || ready == 0 {
            if events & !ready & POLL_OUT != 0 {
                core.look_for_room(true);
            } else {
                core.look(will_wait);
                if will_sleep {
                    // What is left in the set would make it readable, and the sleep end at once.
                    if !core.poll_set() {
                        return Err(CLOSED);
                    }
                    core.pump();
                }
            }
            ready = core.ready(events);
            core.tell_of_input(ready, will_sleep);
        }
        Ok(self.end_of_check(core, events, ready))
    }

    /// Whether there is something to receive, as far as that is known without asking the kernel.
    fn check_here(&'static self, will_wait: bool) -> Result<Looked> {
        let mut core = self.enter()?;
        core.process_mail();
        let ready = core.ready(POLL_IN);
        if ready == 0 {
            core.look_later(will_wait);
        }
        Ok(self.end_of_check(core, POLL_IN, ready))
    }

    /// Whether there is something to receive, the kernel having reported the socket's set.
    fn check_reported(&'static self, will_sleep: bool) -> Result<Looked> {
        let mut core = self.enter()?;
        core.process_mail();
        core.look(true);
        let mut ready = core.ready(POLL_IN);
        core.tell_of_input(ready, will_sleep);
        if ready == 0 {
            // What is left in the set would be reported again and again.
            core.poll_set();
            core.pump();
            ready = core.ready(POLL_IN);
        }
        Ok(self.end_of_check(core, POLL_IN, ready))
    }

    fn end_of_check(&'static self, mut core: Guard, events: i16, mut ready: i16) -> Looked {
        // The look may have taken reports of what the pattern does not read now.
        if ready & POLL_IN == 0 && core.read_ahead() {
            ready = core.ready(events);
        }
        core.ensure_watched();
        let looked = Looked {
            ready,
            set: core.pipes.set.as_ref().map(|set| set.as_raw_fd()),
            touched: self.touched.load(Ordering::Relaxed),
            generation: core.key.generation,
        };
        if core.pipes.has_unread() {
            self.let_others(core);
        }
        looked
    }

    /// The descriptor that tells of news from the kernel, if the socket has connections. Until
    /// [`Socket::leave_poll`] the I/O thread leaves them alone.
    fn enter_poll(&'static self) -> Result<Option<i32>> {
        let mut core = self.enter()?;
        core.attend();
        // What changes makes the set readable from here on; what changed before does, too, unless
        // somebody else took it from the set, and then we were told through the waker.
        Ok(core.pipes.set.as_ref().map(|set| set.as_raw_fd()))
    }

    fn leave_poll(&'static self) {
        if let Ok(mut core) = self.enter() {
            core.ensure_watched();
        }
    }
}
