//! Looks into all processes again and again. What it has found it keeps open, and processes that had nothing are looked through
//! again only now and then: a machine with thousands of them costs little.

use super::process::{self, Found, Memory};
use super::region::{self, Fault, Region};
use super::snapshot::{Process, Snapshot};
use std::collections::HashMap;

/// After how many looks at least a process without a memory is looked through again.
const PATIENCE: u64 = 5;

/// What is known of a process from earlier looks.
#[derive(Default)]
struct Entry {
    identity: process::Identity,
    /// What the process calls itself.
    number: u32,
    memories: Vec<Memory>,
    /// Why there is nothing to read.
    note: Option<String>,
    refused: bool,
    /// Not looked through before this look.
    next: u64,
    /// How often it has been looked through in vain.
    tries: u32,
}

/// Looks into processes.
#[derive(Default)]
pub struct Reader {
    /// Only these; all, if it is empty.
    only: Vec<u32>,
    looks: u64,
    known: HashMap<u32, Entry>,
}

impl Reader {
    /// Looks into these processes, or into all if there are none. Of those that are named it says why they show nothing.
    pub fn new(only: &[u32]) -> Reader {
        process::allow_many_descriptors();
        Reader { only: only.to_vec(), ..Reader::default() }
    }

    /// What all show now. The text of an error is for the user.
    pub fn look(&mut self) -> Result<Snapshot, String> {
        self.looks += 1;
        if !process::can_be_seen() {
            return Err("cannot see processes: /proc is not mounted".to_owned());
        }
        let mut pids = self.only.clone();
        if pids.is_empty() {
            pids = process::list().map_err(|e| format!("cannot see processes: /proc: {e}"))?;
        }
        pids.sort_unstable();
        pids.dedup();
        self.known.retain(|pid, _| pids.binary_search(pid).is_ok());
        let clock = now();
        let mut snapshot =
            Snapshot { time: wall(), clock: clock as f64 / 1e9, ..Snapshot::default() };
        for pid in pids {
            snapshot.processes.extend(self.look_into(pid));
        }
        let refused = self.known.values().filter(|entry| entry.refused).count();
        snapshot.unreadable = u32::try_from(refused).unwrap_or(u32::MAX);
        Ok(snapshot)
    }

    fn look_into(&mut self, pid: u32) -> Option<Process> {
        let named = !self.only.is_empty();
        let looks = self.looks;
        let entry = self.known.entry(pid).or_default();
        if !entry.memories.is_empty() && !is_the_same(pid, entry) {
            *entry = Entry::default();
        }
        if entry.memories.is_empty() && (looks >= entry.next || named) {
            look_through(pid, entry, looks);
        }
        let mut shown = Process {
            pid,
            name: entry.identity.name.clone(),
            start: entry.identity.start,
            note: entry.note.clone(),
            ..Process::default()
        };
        if entry.memories.is_empty() {
            if named && shown.note.is_none() {
                shown.note = Some(if entry.refused {
                    process::refusal(pid)
                } else if entry.identity.start == 0 {
                    "there is no such process".to_owned()
                } else {
                    "it uses no libzmq that can be seen".to_owned()
                });
            }
            return Some(shown).filter(|shown| shown.note.is_some());
        }
        read_all(entry, &mut shown, named);
        (named || shown.note.is_some() || !shown.library.is_empty()).then_some(shown)
    }
}

/// Whether it is the process, and the program, that it was.
fn is_the_same(pid: u32, entry: &Entry) -> bool {
    let still = process::identity(pid).is_some_and(|now| now.start == entry.identity.start);
    still && entry.memories.iter().all(|memory| process::still_has(pid, memory))
}

/// Looks through a process's descriptors.
fn look_through(pid: u32, entry: &mut Entry, looks: u64) {
    let tries = entry.tries + 1;
    // Whoever has just begun may make its first socket in a moment.
    let patience = if tries <= 3 { 1 } else { PATIENCE + u64::from(pid) % 3 };
    let Some(identity) = process::identity(pid) else {
        *entry = Entry::default();
        return;
    };
    let old = std::mem::take(entry);
    *entry = Entry { identity, tries, next: looks + patience, ..Entry::default() };
    match process::find(pid) {
        Found::Memories(memories) => entry.memories = memories,
        Found::Failed(text) => {
            entry.note = Some(text);
            return;
        }
        Found::Refused => entry.refused = true,
        Found::Gone => {}
    }
    if !entry.memories.is_empty() {
        entry.number = process::own_number(pid).unwrap_or(pid);
        entry.identity.name = process::full_name(pid, &entry.identity.name);
    } else if !entry.refused {
        // The list of what it has mapped is long: it is read when it is new, and seldom later.
        let is_new = old.identity.start != entry.identity.start;
        let read = is_new || tries.is_multiple_of(8);
        entry.note = if read { process::absence(pid) } else { old.note };
    }
}

/// Reads all memories of a process that are its own.
fn read_all(entry: &Entry, shown: &mut Process, named: bool) {
    let mut parent = None;
    let mut own = 0_u64;
    for memory in &entry.memories {
        match region::read(&memory.file, now()) {
            Ok(region) if is_own(entry, &region) => {
                add(shown, region, own);
                own += 1;
            }
            Ok(region) => parent = Some(region.pid),
            // It has its first socket in a moment: no news, unless somebody asks.
            Err(Fault::NotReady) if !named => {}
            Err(fault) => shown.note = Some(fault.to_string()),
        }
    }
    if let (true, 0, Some(parent), None) = (named, own, parent, &shown.note) {
        // A child of one that uses libzmq, or somebody who looks into it, as this program does.
        shown.note = Some(format!(
            "it has the statistics of process {parent}, of which it is a child, and has made no socket itself"
        ));
    }
}

/// A child has the descriptors of its parent.
fn is_own(entry: &Entry, region: &Region) -> bool {
    region.pid == entry.number && (region.start == 0 || region.start == entry.identity.start)
}

/// Adds what a region shows; a process in which libzmq is twice has two of them.
fn add(shown: &mut Process, region: Region, number: u64) {
    shown.library = region.library;
    shown.hidden_sockets = shown.hidden_sockets.saturating_add(region.hidden_sockets);
    shown.hidden_peers = shown.hidden_peers.saturating_add(region.hidden_peers);
    if region.later {
        shown.note = Some("its library is later than this program, and says more".to_owned());
    }
    shown.sockets.extend(region.sockets.into_iter().map(|mut socket| {
        socket.id |= number << 48;
        socket
    }));
}

/// CLOCK_MONOTONIC, as the library's clock is translated to.
fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a place for the time.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000_000
        + u64::try_from(time.tv_nsec).unwrap_or_default()
}

/// Seconds since 1970.
fn wall() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0.0, |d| (d.as_secs_f64() * 1000.0).round() / 1000.0)
}
