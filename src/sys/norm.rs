//! libnorm (Debian: libnorm1), which speaks NORM (RFC 5740): streams of octets that are sent to a multicast group, with marks where
//! messages begin, and what of them is lost sent again.
//!
//! It is opened at run time ([`super::dl`]). Unlike libpgm it has a thread of its own for each [`Session`], which sends
//! and receives; one descriptor tells that it has something to say.

use super::cancel::Shielded;
use super::clock;
use super::dl::library;
use super::foreign::Inside;
use super::network::{Network, Received, Sent};
use super::random;
use super::signals::Held;
use super::thread::process_generation;
use crate::error::{Error, Result};
use libc::c_int;
use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_uint, c_void};
use std::ops::Bound::{Excluded, Unbounded};
use std::os::fd::RawFd;
use std::ptr::null;
use std::time::Duration;

/// `NormInstanceHandle` and the other handles of normApi.h.
type Handle = *const c_void;

library! {
    /// What of libnorm is used.
    #[expect(non_snake_case, reason = "as the header has them")]
    struct Norm from "libnorm.so.1" {
        fn NormCreateInstance(priority: bool) -> Handle;
        fn NormDestroyInstance(instance: Handle);
        fn NormSuspendInstance(instance: Handle) -> bool;
        fn NormResumeInstance(instance: Handle);
        fn NormGetDescriptor(instance: Handle) -> c_int;
        fn NormGetNextEvent(instance: Handle, event: *mut Event, wait: bool) -> bool;
        fn NormCreateSession(instance: Handle, address: *const c_char, port: u16, id: u32) -> Handle;
        fn NormDestroySession(session: Handle);
        fn NormSetTTL(session: Handle, hops: u8) -> bool;
        fn NormSetTOS(session: Handle, tos: u8) -> bool;
        fn NormSetRxPortReuse(session: Handle, on: bool, address: *const c_char, sender: *const c_char, port: u16);
        fn NormSetLoopback(session: Handle, on: bool) -> bool;
        fn NormSetMulticastLoopback(session: Handle, on: bool) -> bool;
        fn NormSetMulticastInterface(session: Handle, name: *const c_char) -> bool;
        fn NormSetDefaultUnicastNack(session: Handle, on: bool);
        fn NormSetDefaultSyncPolicy(session: Handle, policy: c_int);
        fn NormStartReceiver(session: Handle, buffer: u32) -> bool;
        fn NormStartSender(session: Handle, number: u32, buffer: u32, segment: u16, block: u16, parity: u16, fec: u8) -> bool;
        fn NormSetAutoParity(session: Handle, parity: u8);
        fn NormSetTxRate(session: Handle, bits: f64);
        fn NormSetCongestionControl(session: Handle, on: bool, adjusts: bool);
        fn NormSetEcnSupport(session: Handle, on: bool, ignores: bool, tolerates: bool);
        fn NormStreamOpen(session: Handle, buffer: u32, info: *const c_char, length: c_uint) -> Handle;
        fn NormStreamSetPushEnable(stream: Handle, on: bool);
        fn NormStreamWrite(stream: Handle, bytes: *const c_char, length: c_uint) -> c_uint;
        fn NormStreamMarkEom(stream: Handle);
        fn NormStreamFlush(stream: Handle, end: bool, mode: c_int);
        fn NormStreamSeekMsgStart(stream: Handle) -> bool;
        fn NormStreamRead(stream: Handle, to: *mut c_char, length: *mut c_uint) -> bool;
        fn NormObjectGetType(object: Handle) -> c_int;
        fn NormObjectCancel(object: Handle);
        fn NormObjectRetain(object: Handle);
        fn NormObjectRelease(object: Handle);
        fn NormNodeFreeBuffers(sender: Handle);
    }
}

/// `NormEvent`.
#[repr(C)]
struct Event {
    kind: c_int,
    session: Handle,
    sender: Handle,
    object: Handle,
}

/// `NormEventType`, `NORM_OBJECT_STREAM`, `NORM_SYNC_STREAM` and `NORM_FLUSH_ACTIVE`.
const TX_QUEUE_EMPTY: c_int = 2;
const REMOTE_SENDER_INACTIVE: c_int = 14;
const RX_OBJECT_NEW: c_int = 17;
const RX_OBJECT_UPDATED: c_int = 19;
const RX_OBJECT_COMPLETED: c_int = 20;
const RX_OBJECT_ABORTED: c_int = 21;
const STREAM: c_int = 3;
const SYNC_STREAM: c_int = 1;
const FLUSH_ACTIVE: c_int = 2;

/// Octets of a [`Network`]'s packet that say where in it the first message begins, and what they say if none does.
const OFFSET: usize = 2;
const NOWHERE: [u8; OFFSET] = [0xff; OFFSET];

/// Octets that are read of a stream in one go.
const READ: usize = 8192;

/// A packet that is written has room for this many octets, at least.
const LEAST: usize = 256;

/// It is asked again so much later whether it takes more, if what it said about that was wrong.
const PAUSE: Duration = Duration::from_millis(10);

/// Streams that are read. Of more those are forgotten that have said nothing for the longest time: who comes again is joined again.
const MOST: usize = 256;

/// What keeps the rate (`ZMQ_NORM_MODE`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Mode {
    /// So many bits in a second.
    Fixed(f64),
    /// Congestion control, with (ECN, ignores loss, tolerates loss).
    Controlled(bool, bool, bool),
}

/// What a session is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Sends; otherwise it receives.
    pub sends: bool,
    /// How others know it, 0: any.
    pub id: u32,
    /// The port of the group.
    pub port: u16,
    /// Networks that packets pass.
    pub hops: u8,
    /// Of IP packets.
    pub tos: u8,
    /// Whether this machine gets what it sends.
    pub comes_back: bool,
    /// Receivers ask the sender alone for what is lost.
    pub unicast_nack: bool,
    /// Octets that are kept to be sent again, or wait for others that are lost.
    pub buffer: u32,
    /// Octets of a packet, packets of a block, and those that are added to one: all, and before anybody asks.
    pub segment: u16,
    /// See `segment`.
    pub block: u16,
    /// See `segment`.
    pub parity: u16,
    /// See `segment`.
    pub auto_parity: u8,
    /// What comes new takes the place of what is old and not sent.
    pub push: bool,
    /// What keeps the rate.
    pub mode: Mode,
}

/// Whether the library can be loaded.
pub fn is_available() -> bool {
    Norm::get().is_some()
}

/// One that comes.
#[derive(Debug, Default, Clone, Copy)]
struct Incoming {
    /// What is read goes on where the last ended.
    joined: bool,
    /// There may be something to read.
    ready: bool,
    /// Whose it is: a handle, that the library has as long as the session.
    sender: usize,
    /// When he last said something, counted in events.
    heard: u64,
}

/// Of one endpoint.
pub struct Session {
    norm: &'static Norm,
    instance: Handle,
    /// Null until it is made.
    session: Handle,
    /// The one that it sends, if it does.
    stream: Handle,
    /// Whose it is: a child of fork(2) has none of the threads.
    process: u64,
    room: usize,
    /// Octets of the packet that are written already.
    written: usize,
    /// Some of what is written may not be sent.
    sending: bool,
    /// It took nothing when it was last asked.
    refused: bool,
    /// Those that come, by their handles.
    incoming: BTreeMap<usize, Incoming>,
    /// The one that was read last.
    last: usize,
    /// Events of theirs.
    heard: u64,
}

// SAFETY: the library locks an instance itself; it belongs to no thread.
unsafe impl Send for Session {}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("room", &self.room).finish_non_exhaustive()
    }
}

/// Whose turn it is to be read: the next one that is ready behind this.
fn next_ready(incoming: &BTreeMap<usize, Incoming>, last: usize) -> Option<usize> {
    let behind = incoming.range((Excluded(last), Unbounded));
    behind.chain(incoming).find(|(_, one)| one.ready).map(|(&key, _)| key)
}

/// Whose stream has to go before there is a place for another one, if it is so.
fn silent_for_longest(incoming: &BTreeMap<usize, Incoming>) -> Option<usize> {
    let longest = incoming.values().min_by_key(|one| one.heard);
    longest.filter(|_| incoming.len() >= MOST).map(|one| one.sender)
}

fn done(result: bool) -> Result<()> {
    if result { Ok(()) } else { Err(Error::Invalid) }
}

impl Session {
    /// Of a group, through an interface unless that has no name. **Blocks** if there is a name to look up.
    ///
    /// # Errors
    /// `UnknownProtocol` without the library, `Invalid` for what it does not take.
    pub fn open(group: &str, interface: &str, settings: &Settings) -> Result<Session> {
        let norm = Norm::get().ok_or(Error::UnknownProtocol)?;
        let _here = Shielded::begin();
        let _inside = Inside::enter();
        // Its threads get none of the application's signals.
        let _held = Held::begin();
        let group = CString::new(group).map_err(|_| Error::Invalid)?;
        let interface = CString::new(interface).map_err(|_| Error::Invalid)?;
        // SAFETY: no arguments that could be wrong.
        let instance = unsafe { (norm.NormCreateInstance)(false) };
        if instance.is_null() {
            return Err(Error::NoMemory);
        }
        let mut session = Session {
            norm,
            instance,
            session: null(),
            stream: null(),
            process: process_generation(),
            room: OFFSET + usize::from(settings.segment).max(LEAST),
            written: 0,
            sending: false,
            refused: false,
            incoming: BTreeMap::new(),
            last: 0,
            heard: 0,
        };
        let mut id = settings.id.to_ne_bytes();
        if settings.id == 0 {
            random::fill(&mut id)?;
        }
        // Neither nobody nor anybody.
        let id = u32::from_ne_bytes(id).clamp(1, u32::MAX - 1);
        // SAFETY: an instance of ours and a text that ends with a zero.
        let handle =
            unsafe { (norm.NormCreateSession)(instance, group.as_ptr(), settings.port, id) };
        if handle.is_null() {
            return Err(Error::Invalid);
        }
        session.session = handle;
        // SAFETY: a session of ours, and texts that end with a zero.
        unsafe {
            done((norm.NormSetTTL)(handle, settings.hops))?;
            done((norm.NormSetTOS)(handle, settings.tos))?;
            (norm.NormSetRxPortReuse)(handle, true, null(), null(), 0);
            done((norm.NormSetLoopback)(handle, settings.comes_back))?;
            done((norm.NormSetMulticastLoopback)(handle, settings.comes_back))?;
            if !interface.is_empty() {
                done((norm.NormSetMulticastInterface)(handle, interface.as_ptr()))?;
            }
            (norm.NormSetDefaultUnicastNack)(handle, settings.unicast_nack);
        }
        session.start(handle, settings)?;
        Ok(session)
    }

    fn start(&mut self, handle: Handle, settings: &Settings) -> Result<()> {
        let norm = self.norm;
        // SAFETY: a session of ours.
        unsafe {
            if !settings.sends {
                (norm.NormSetDefaultSyncPolicy)(handle, SYNC_STREAM);
                return done((norm.NormStartReceiver)(handle, settings.buffer));
            }
            let mut number = [0; 4];
            random::fill(&mut number)?;
            done((norm.NormStartSender)(
                handle,
                u32::from_ne_bytes(number),
                settings.buffer,
                settings.segment,
                settings.block,
                settings.parity,
                0,
            ))?;
            if settings.auto_parity > 0 {
                (norm.NormSetAutoParity)(handle, settings.auto_parity);
            }
            match settings.mode {
                Mode::Fixed(bits) => (norm.NormSetTxRate)(handle, bits),
                Mode::Controlled(ecn, ignores, tolerates) => {
                    (norm.NormSetCongestionControl)(handle, true, true);
                    (norm.NormSetEcnSupport)(handle, ecn, ignores, tolerates);
                }
            }
            self.stream = (norm.NormStreamOpen)(handle, settings.buffer, null(), 0);
        }
        done(!self.stream.is_null())?;
        // SAFETY: a stream of ours.
        unsafe { (norm.NormStreamSetPushEnable)(self.stream, settings.push) };
        Ok(())
    }

    /// Whether the running process is the one that opened it.
    fn is_ours(&self) -> bool {
        self.process == process_generation()
    }

    fn next_event(&mut self) -> Option<Event> {
        let mut event = Event { kind: 0, session: null(), sender: null(), object: null() };
        // SAFETY: an instance of ours and room for an event.
        let is_one = unsafe { (self.norm.NormGetNextEvent)(self.instance, &raw mut event, false) };
        is_one.then_some(event)
    }

    /// Hears, as a sender, all that there is to be heard.
    fn hear(&mut self) {
        while let Some(event) = self.next_event() {
            self.sending &= event.kind != TX_QUEUE_EMPTY;
        }
    }

    /// Writes as much as there is room for. True if that is all.
    fn write(&mut self, bytes: &[u8], end: usize) -> bool {
        let rest = bytes.get(self.written..end).unwrap_or_default();
        if rest.is_empty() {
            return true;
        }
        // SAFETY: a stream of ours, and as many octets as told.
        let count = unsafe {
            (self.norm.NormStreamWrite)(self.stream, rest.as_ptr().cast(), rest.len() as c_uint)
        };
        self.written += count as usize;
        self.sending |= count > 0;
        count as usize >= rest.len()
    }

    /// Writes the rest of a packet, as [`Session::write`] does, with its mark.
    fn write_packet(&mut self, offset: [u8; OFFSET], bytes: &[u8]) -> bool {
        let begin = usize::from(u16::from_be_bytes(offset));
        if offset != NOWHERE && self.written <= begin {
            if !self.write(bytes, begin) {
                return false;
            }
            // SAFETY: a stream of ours.
            unsafe { (self.norm.NormStreamMarkEom)(self.stream) };
        }
        self.write(bytes, bytes.len())
    }

    /// Somebody's stream is there, or says something.
    fn on_event(&mut self, event: &Event, each: &mut dyn FnMut(u64, Option<&[u8]>) -> bool) {
        let key = event.object.addr();
        self.heard += 1;
        match event.kind {
            RX_OBJECT_NEW => {
                // SAFETY: an object that the library tells of lives until the next event, and a sender as long as the session.
                unsafe {
                    if (self.norm.NormObjectGetType)(event.object) != STREAM {
                        // Files and the like, which nobody wants.
                        (self.norm.NormObjectCancel)(event.object);
                        return;
                    }
                    if let Some(sender) = silent_for_longest(&self.incoming) {
                        self.forget(std::ptr::without_provenance(sender), each);
                    }
                    let (sender, heard) = (event.sender.addr(), self.heard);
                    let one = Incoming { joined: false, ready: true, sender, heard };
                    if self.incoming.insert(key, one).is_none() {
                        (self.norm.NormObjectRetain)(event.object);
                    }
                }
                each(key as u64, None);
            }
            RX_OBJECT_UPDATED => {
                if let Some(incoming) = self.incoming.get_mut(&key) {
                    (incoming.ready, incoming.heard) = (true, self.heard);
                }
            }
            // He has said nothing for minutes, and mostly is no more.
            REMOTE_SENDER_INACTIVE => self.forget(event.sender, each),
            RX_OBJECT_COMPLETED | RX_OBJECT_ABORTED if self.incoming.remove(&key).is_some() => {
                each(key as u64, None);
                // SAFETY: it was retained, and is not used any more.
                unsafe { (self.norm.NormObjectRelease)(event.object) };
            }
            _ => {}
        }
    }

    /// Has the library forget what it keeps for a sender, some megabytes; his streams are none any more.
    fn forget(&mut self, sender: Handle, each: &mut dyn FnMut(u64, Option<&[u8]>) -> bool) {
        let norm = self.norm;
        // SAFETY: a sender that the library has told of.
        unsafe { (norm.NormNodeFreeBuffers)(sender) };
        self.incoming.retain(|&key, one| {
            let stays = one.sender != sender.addr();
            if !stays {
                each(key as u64, None);
                // SAFETY: it was retained, and is not used any more.
                unsafe { (norm.NormObjectRelease)(std::ptr::without_provenance(key)) };
            }
            stays
        });
    }

    /// Octets of a stream, behind room for [`OFFSET`] in `to`; `None`: some are lost.
    fn read(&self, stream: Handle, to: &mut [u8]) -> Option<usize> {
        let mut length = to.len() as c_uint;
        // SAFETY: a stream that is retained, and room for as many octets as told.
        let whole =
            unsafe { (self.norm.NormStreamRead)(stream, to.as_mut_ptr().cast(), &raw mut length) };
        whole.then_some((length as usize).min(to.len()))
    }

    /// Reads something of one that is ready. False if none is.
    fn read_one(&mut self, each: &mut dyn FnMut(u64, Option<&[u8]>) -> bool) -> bool {
        let Some(key) = next_ready(&self.incoming, self.last) else { return false };
        self.last = key;
        let stream = std::ptr::without_provenance::<c_void>(key);
        let Some(one) = self.incoming.get(&key) else { return false };
        let mut now = Incoming { ready: true, ..*one };
        let mut packet = [0; OFFSET + READ];
        let [first, second, room @ ..] = &mut packet;
        // SAFETY: a stream that is retained.
        if !now.joined && !unsafe { (self.norm.NormStreamSeekMsgStart)(stream) } {
            now.ready = false;
        } else {
            let begins = !now.joined;
            // What has a mark may be a later part of a message: the first octet says it.
            let room = if begins { room.get_mut(..1).unwrap_or_default() } else { room };
            match self.read(stream, room) {
                Some(0) => now.ready = false,
                Some(length) => {
                    [*first, *second] = if begins { [0; OFFSET] } else { NOWHERE };
                    let is_later = begins && room.first().is_some_and(|&octet| octet != 0);
                    now.joined = !is_later && each(key as u64, packet.get(..OFFSET + length));
                }
                None => {
                    now.joined = false;
                    each(key as u64, None);
                }
            }
        }
        self.incoming.insert(key, now);
        true
    }
}

impl Network for Session {
    fn descriptors(&self) -> Vec<RawFd> {
        // SAFETY: an instance of ours.
        let fd = unsafe { (self.norm.NormGetDescriptor)(self.instance) };
        if fd >= 0 { vec![fd] } else { Vec::new() }
    }

    fn out(&self) -> Option<RawFd> {
        None
    }

    fn marks_messages(&self) -> bool {
        true
    }

    fn room(&self) -> usize {
        self.room
    }

    fn send(&mut self, packet: &[u8]) -> Sent {
        let Some((&offset, bytes)) = packet.split_first_chunk().filter(|_| self.is_ours()) else {
            return Sent::Done;
        };
        let _here = Shielded::begin();
        // What it says of earlier packets is not about this one: while it stands still nothing new is said.
        // SAFETY: an instance of ours, which goes on below.
        let stands = unsafe { (self.norm.NormSuspendInstance)(self.instance) };
        self.hear();
        let before = self.written;
        let whole = self.write_packet(offset, bytes);
        let refused_before = std::mem::replace(&mut self.refused, !whole && self.written == before);
        if whole {
            self.written = 0;
            // SAFETY: a stream of ours.
            unsafe { (self.norm.NormStreamFlush)(self.stream, false, FLUSH_ACTIVE) };
        }
        if stands {
            // SAFETY: it was suspended.
            unsafe { (self.norm.NormResumeInstance)(self.instance) };
        }
        match whole {
            true => Sent::Done,
            // It keeps what others may still ask for. Whenever it takes nothing it says at once that it has sent everything,
            // so whoever asked each time would never rest.
            false if self.refused && refused_before => Sent::At(clock::now() + PAUSE),
            false => Sent::Blocked,
        }
    }

    fn is_sent(&mut self) -> bool {
        if self.sending && self.is_ours() {
            let _here = Shielded::begin();
            self.hear();
            return !self.sending;
        }
        true
    }

    fn receive(&mut self, each: &mut dyn FnMut(u64, Option<&[u8]>) -> bool) -> Received {
        if !self.is_ours() {
            return Received::Nothing(None);
        }
        let _here = Shielded::begin();
        if !self.stream.is_null() {
            self.hear();
            return Received::Nothing(None);
        }
        if self.read_one(each) {
            return Received::Some;
        }
        match self.next_event() {
            Some(event) => {
                self.on_event(&event, each);
                Received::Some
            }
            None => Received::Nothing(None),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // In a child of fork(2) its thread, whose end this waits for, is not there.
        if self.is_ours() {
            let _here = Shielded::begin();
            let _inside = Inside::enter();
            for &key in self.incoming.keys() {
                // SAFETY: it was retained, and is not used any more.
                unsafe { (self.norm.NormObjectRelease)(std::ptr::without_provenance(key)) };
            }
            // The streams of others go with the session only: an instance that ends with one leaves their buffers (1.5.9).
            // SAFETY: ours, for the last time; our stream goes with the session.
            unsafe {
                if !self.session.is_null() {
                    (self.norm.NormDestroySession)(self.session);
                }
                (self.norm.NormDestroyInstance)(self.instance);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that says more than is read would keep all others from being read.
    #[test]
    fn streams_are_read_by_turns() {
        let ready = |ready| Incoming { ready, ..Incoming::default() };
        let mut incoming = BTreeMap::from([1, 2, 5, 9].map(|key| (key, ready(key != 2))));
        let mut last = 0;
        let mut turn = |incoming: &_| {
            last = next_ready(incoming, last)?;
            Some(last)
        };
        assert_eq!([0; 5].map(|_| turn(&incoming)), [1, 5, 9, 1, 5].map(Some));
        incoming.retain(|&key, _| key < 5);
        assert_eq!([0; 2].map(|_| turn(&incoming)), [1, 1].map(Some));
        incoming.clear();
        assert_eq!(turn(&incoming), None);
    }

    #[test]
    fn who_is_silent_makes_room() {
        let one = |key: usize| Incoming {
            sender: key + 1000,
            heard: (key as u64 + 200) % 300,
            ..Incoming::default()
        };
        let mut incoming: BTreeMap<usize, Incoming> =
            (0..MOST - 1).map(|key| (key, one(key))).collect();
        assert_eq!(silent_for_longest(&incoming), None);
        incoming.insert(MOST, one(MOST));
        assert_eq!(silent_for_longest(&incoming), Some(1100));
    }
}
