//! What a thread keeps between its calls of zmq_poll(3) with the same sockets.
//!
//! A program that polls many sockets polls the same ones again and again, and few of them have news.
//! So the thread keeps an epoll set of its sockets' sets, and remembers of each socket when it last
//! found nothing there. A socket nobody has touched since then needs no lock, and the kernel says
//! with one call which of them have bytes: what a call costs depends on how many are ready.

use super::item::{Item, Looked, Source};
use crate::error::{Error, Result};
use crate::socket::Socket;
use crate::socket::options::POLL_IN;
use crate::sys::epoll::{self, Epoll, Event, NO_EVENT};
use crate::util::memory;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

/// Fewer sockets are not worth it.
const FEWEST: usize = 4;
/// Reports taken from the kernel in one call.
const TOGETHER: usize = 64;
/// The same sockets this often in a row are worth it.
const OFTEN: u32 = 3;

struct Socketry {
    socket: &'static Socket,
    /// Where it stands among the items.
    at: usize,
    /// Its incarnation, and the descriptor of its set, if that is in ours.
    watched: Option<(u32, RawFd)>,
    /// When it was last found to have nothing to receive, in its count of touches.
    empty_at: Option<u64>,
}

/// The sockets of one thread's calls.
pub(super) struct PollSet {
    set: Epoll,
    sockets: Vec<Socketry>,
}

/// Learns whether a thread polls the same sockets again and again.
#[derive(Default)]
pub(super) struct Habit {
    /// The sockets of the last call without a set, by address; 0 is no socket.
    last: Vec<usize>,
    times: u32,
    set: Option<PollSet>,
}

fn address(item: &Item) -> usize {
    match item.source {
        Source::Socket(socket) => std::ptr::from_ref(socket).addr(),
        Source::Descriptor(_) => 0,
    }
}

impl Habit {
    pub(super) const fn new() -> Habit {
        Habit { last: Vec::new(), times: 0, set: None }
    }

    /// Takes the set for these items out, if it is known, or time to make one.
    pub(super) fn take(&mut self, items: &[Item]) -> Option<PollSet> {
        if self.set.as_ref().is_some_and(|set| set.is_for(items)) {
            return self.set.take();
        }
        if !self.last.iter().copied().eq(items.iter().map(address)) {
            self.last.clear();
            self.times = 0;
            // Without memory there is no habit.
            memory::reserve(&mut self.last, items.len()).ok()?;
            self.last.extend(items.iter().map(address));
            return None;
        }
        self.times = self.times.saturating_add(1);
        if self.times != OFTEN {
            // Where a set could not be used it is not tried again.
            return None;
        }
        PollSet::new(items)
    }

    /// Keeps the set for the next call.
    pub(super) fn put(&mut self, set: PollSet) {
        self.set = Some(set);
    }
}

impl PollSet {
    fn new(items: &[Item]) -> Option<PollSet> {
        let sockets = items.iter().enumerate().filter_map(|(at, item)| match item.source {
            Source::Socket(socket) => Some(Socketry { socket, at, watched: None, empty_at: None }),
            Source::Descriptor(_) => None,
        });
        let mut list: Vec<Socketry> = memory::with_room(items.len()).ok()?;
        list.extend(sockets);
        let sockets = list;
        if sockets.len() < FEWEST {
            return None;
        }
        let set = Epoll::new().ok()?;
        Some(PollSet { set, sockets })
    }

    fn is_for(&self, items: &[Item]) -> bool {
        let mut next = self.sockets.iter();
        items.iter().enumerate().all(|(at, item)| match item.source {
            Source::Socket(socket) => {
                next.next().is_some_and(|s| s.at == at && std::ptr::eq(s.socket, socket))
            }
            Source::Descriptor(_) => true,
        }) && next.next().is_none()
    }

    /// Looks at every socket among `items`, without waiting. `None`: the set is of no use any more.
    ///
    /// # Errors
    /// As zmq_poll(3).
    pub(super) fn check(
        &mut self,
        items: &mut [Item],
        will_wait: bool,
        will_sleep: bool,
    ) -> Result<Option<usize>> {
        let mut found = 0;
        for index in 0..self.sockets.len() {
            let entry = &mut self.sockets[index];
            let item = &mut items[entry.at];
            item.ready = 0;
            if entry.empty_at.is_some_and(|at| entry.socket.is_untouched(at)) {
                continue;
            }
            let plain = item.events == POLL_IN;
            // The kernel says whether there is room only to who tries.
            let looked = if plain {
                entry.socket.check_here(will_wait)?
            } else {
                entry.socket.check(item.events, will_wait, will_sleep)?
            };
            item.ready = looked.ready;
            found += usize::from(looked.ready != 0);
            if !self.learn(index, looked, plain) {
                return Ok(None);
            }
        }
        Ok(self.ask(items, will_sleep)?.map(|more| found + more))
    }

    /// Notes what a look at a socket said. False if the set cannot watch it.
    fn learn(&mut self, index: usize, looked: Looked, plain: bool) -> bool {
        let entry = &mut self.sockets[index];
        entry.empty_at = (plain && looked.ready == 0).then_some(looked.touched);
        let Some(fd) = looked.set else { return true };
        match entry.watched {
            None => {
                entry.watched = Some((looked.generation, fd));
                self.set.add(fd, epoll::IN, index as u64).is_ok()
            }
            // The slot is another socket now, and the number of the descriptor says nothing.
            known => known == Some((looked.generation, fd)),
        }
    }

    /// Asks the kernel about all sockets, and looks at those that have something. `None`: the set is none
    /// any more, somebody has closed its descriptor.
    fn ask(&mut self, items: &mut [Item], will_sleep: bool) -> Result<Option<usize>> {
        let mut found = 0;
        let mut events = [NO_EVENT; TOGETHER];
        // Those reported go behind the others, so this comes round to every one of them.
        for _ in 0..self.sockets.len().div_ceil(TOGETHER) {
            let count = match self.set.wait(&mut events, Some(Duration::ZERO)) {
                Ok(count) => count,
                Err(Error::Interrupted) => 0,
                Err(_) => return Ok(None),
            };
            found += self.look_at(items, &events[..count], will_sleep)?;
            if count < events.len() {
                break;
            }
        }
        Ok(Some(found))
    }

    fn look_at(&mut self, items: &mut [Item], events: &[Event], will_sleep: bool) -> Result<usize> {
        let mut found = 0;
        for event in events {
            let Some(entry) = self.sockets.get_mut(event.u64 as usize) else { continue };
            let item = &mut items[entry.at];
            if item.ready != 0 || item.events != POLL_IN {
                continue;
            }
            entry.empty_at = None;
            let looked = entry.socket.check_reported(will_sleep)?;
            item.ready = looked.ready;
            entry.empty_at = (looked.ready == 0).then_some(looked.touched);
            found += usize::from(item.ready != 0);
        }
        Ok(found)
    }

    /// The descriptor that is readable when one of the sockets may have something.
    pub(super) fn descriptor(&self) -> RawFd {
        self.set.as_raw_fd()
    }

    /// Whether the socket at this place among the items is as the last look left it.
    pub(super) fn is_untouched(&self, number: usize) -> bool {
        let entry = self.sockets.get(number);
        entry.is_some_and(|e| e.empty_at.is_some_and(|at| e.socket.is_untouched(at)))
    }
}
