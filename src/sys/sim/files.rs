//! Descriptors, event counters and epoll sets.

use super::kernel::Kernel;
use super::objects::{Entry, Errno, File, Set};

const IN: u32 = ::libc::EPOLLIN as u32;
const OUT: u32 = ::libc::EPOLLOUT as u32;
const EDGE: u32 = ::libc::EPOLLET as u32;
const ALWAYS: u32 = (::libc::EPOLLERR | ::libc::EPOLLHUP) as u32;
/// What poll(2) says of a descriptor that is none.
const INVALID: u32 = ::libc::POLLNVAL as u32;

impl Kernel {
    /// eventfd(2).
    pub fn eventfd(&mut self) -> Result<i32, Errno> {
        self.new_fd(File::Event(0))
    }

    /// epoll_create1(2).
    pub fn epoll_create(&mut self) -> Result<i32, Errno> {
        self.new_fd(File::Set(Set::default()))
    }

    /// read(2) of an event counter.
    pub fn read_event(&mut self, fd: i32) -> Result<u64, Errno> {
        match self.files.get_mut(&fd) {
            Some(File::Event(0)) => Err(::libc::EAGAIN),
            Some(File::Event(count)) => {
                let before = std::mem::take(count);
                self.notify(fd, OUT);
                Ok(before)
            }
            Some(_) => Err(::libc::EINVAL),
            None => Err(::libc::EBADF),
        }
    }

    /// write(2) to an event counter.
    pub fn write_event(&mut self, fd: i32, value: u64) -> Result<(), Errno> {
        match self.files.get_mut(&fd) {
            Some(File::Event(count)) => {
                *count += value;
                self.notify(fd, IN);
                Ok(())
            }
            Some(_) => Err(::libc::EINVAL),
            None => Err(::libc::EBADF),
        }
    }

    /// What is true of a descriptor at the moment.
    pub fn events(&mut self, fd: i32) -> u32 {
        match self.files.get(&fd) {
            None => INVALID,
            Some(File::Event(0)) => OUT,
            Some(File::Event(_)) => IN | OUT,
            Some(File::Socket(id)) => self.sock_events(*id),
            Some(File::Datagrams(id)) => self.datagram_events(*id),
            Some(File::Set(_)) => u32::from(self.has_reports(fd)) * IN,
        }
    }

    fn set(&mut self, fd: i32) -> Option<&mut Set> {
        match self.files.get_mut(&fd) {
            Some(File::Set(set)) => Some(set),
            _ => None,
        }
    }

    /// What there is to report of an entry of a set.
    fn report(&mut self, set: i32, fd: i32) -> Option<(u32, u32, u64)> {
        let entry = self.set(set)?.entries.get(&fd)?;
        let (asked, data) = (entry.events, entry.data);
        let events = self.events(fd) & (asked | ALWAYS);
        (events != 0).then_some((events, asked, data))
    }

    fn has_reports(&mut self, set: i32) -> bool {
        while let Some(first) = self.set(set).and_then(|s| s.reports.front().copied()) {
            if self.report(set, first).is_some() {
                return true;
            }
            self.set(set).map(|s| s.reports.pop_front());
        }
        false
    }

    /// Something happened to a descriptor; 0: something that everybody who watches is told of.
    pub(super) fn notify(&mut self, fd: i32, events: u32) {
        for set in self.watchers.get(&fd).cloned().unwrap_or_default() {
            let Some(watching) = self.set(set) else { continue };
            let Some(entry) = watching.entries.get(&fd) else { continue };
            if events == 0 || events & (entry.events | ALWAYS) != 0 {
                if !watching.reports.contains(&fd) {
                    watching.reports.push_back(fd);
                }
                self.notify(set, IN);
            }
        }
    }

    /// epoll_ctl(2).
    pub fn epoll_ctl(
        &mut self,
        set: i32,
        operation: i32,
        fd: i32,
        events: u32,
        data: u64,
    ) -> Result<(), Errno> {
        if !self.files.contains_key(&fd) || !self.files.contains_key(&set) {
            return Err(::libc::EBADF);
        }
        let watching = self.set(set).ok_or(::libc::EINVAL)?;
        let known = watching.entries.contains_key(&fd);
        match operation {
            ::libc::EPOLL_CTL_ADD if known => return Err(::libc::EEXIST),
            ::libc::EPOLL_CTL_ADD => {}
            _ if !known => return Err(::libc::ENOENT),
            ::libc::EPOLL_CTL_DEL => {
                watching.forget(fd);
                if let Some(sets) = self.watchers.get_mut(&fd) {
                    sets.retain(|&other| other != set);
                }
                return Ok(());
            }
            _ => {}
        }
        watching.entries.insert(fd, Entry { events, data });
        if !known {
            self.watchers.entry(fd).or_default().push(set);
        }
        // What is true already is reported, edge or not.
        if self.report(set, fd).is_some() {
            if let Some(watching) = self.set(set)
                && !watching.reports.contains(&fd)
            {
                watching.reports.push_back(fd);
            }
            self.notify(set, IN);
        }
        Ok(())
    }

    /// epoll_wait(2) without waiting: the events and numbers of at most so many.
    pub fn take_reports(&mut self, set: i32, most: usize) -> Result<Vec<(u32, u64)>, Errno> {
        let count = match self.files.get(&set) {
            None => return Err(::libc::EBADF),
            Some(File::Set(watching)) => watching.reports.len(),
            Some(_) => return Err(::libc::EINVAL),
        };
        let mut taken = Vec::new();
        for _ in 0..count {
            if taken.len() == most {
                break;
            }
            let Some(fd) = self.set(set).and_then(|s| s.reports.pop_front()) else { break };
            if let Some((events, asked, data)) = self.report(set, fd) {
                taken.push((events, data));
                if asked & EDGE == 0
                    && let Some(watching) = self.set(set)
                {
                    watching.reports.push_back(fd);
                }
            }
        }
        Ok(taken)
    }
}
