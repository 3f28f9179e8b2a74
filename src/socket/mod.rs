//! Sockets: one lock each, shared by all threads of the application and an I/O thread.
//!
//! A [`Socket`] is a slot of memory that is never freed, so a stale handle can be told from a live
//! one without touching freed memory. What makes it a socket, its [`Core`], comes and goes.

mod aides;
mod attending;
mod core;
mod driver;
mod endpoints;
mod face;
mod forward;
mod heartbeat;
mod inherited;
mod inproc;
mod looking;
mod loss;
mod messaging;
mod monitor;
mod network;
mod options;
mod outbox;
mod peers;
pub mod poll;
pub mod proxy;
mod row;
mod straight;
mod waiting;
mod ways;
mod zap;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::reactor::{Handler, Key, MAX_INDEX};
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::biased::BiasedGuard;
use crate::sync::mutex::Mutex;
use crate::sync::once::{PoisonError, RwLock, RwLockReadGuard};
use crate::sync::{BiasedMutex, PerProcess, pause};
use crate::types::SocketType;
use crate::util::memory::try_room;
use crate::util::reserve;
pub use core::Core;
use face::{DEAD, Face, LIVE};
use std::alloc::Layout;
use std::ffi::c_void;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;
use ways::StraightWays;

/// A slot for a socket. Handles given to C point here. Two threads that use two sockets do not write
/// to the same cache line.
#[repr(C, align(128))]
pub struct Socket {
    /// First: its mark is the first word.
    face: Face,
    core: BiasedMutex<Place>,
}

impl Deref for Socket {
    type Target = Face;

    #[inline(always)]
    fn deref(&self) -> &Face {
        &self.face
    }
}

/// What the lock of a socket protects.
#[derive(Default)]
struct Place {
    core: Option<Box<Core>>,
    straight: StraightWays,
}

/// The locked core of a socket.
pub(crate) struct Guard {
    core: NonNull<Core>,
    /// Goes last: the lock.
    place: BiasedGuard<'static, Place>,
}

impl Guard {
    #[inline(always)]
    fn new(mut place: BiasedGuard<'static, Place>) -> Option<Guard> {
        let core: &mut Core = place.core.as_mut()?;
        core.pipes.begin_turn();
        Some(Guard { core: NonNull::from(core), place })
    }
}

impl Drop for Guard {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: as in `deref`. No reference to the guard itself is handed on: it would have to be
        // in memory.
        let core = unsafe { self.core.as_mut() };
        core.leave();
        core.tell_others();
        if core.pipes.may_have_inproc() {
            let straight = core.find_straight_ways();
            self.place.straight = straight;
        }
    }
}

impl Deref for Guard {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        // SAFETY: it stays in its box, and is ours, as long as we hold the lock.
        unsafe { self.core.as_ref() }
    }
}

impl DerefMut for Guard {
    #[inline]
    fn deref_mut(&mut self) -> &mut Core {
        // SAFETY: as in `deref`.
        unsafe { self.core.as_mut() }
    }
}

/// The slots of a process. A forked child has none of its parent's, whose handles only say so, see
/// [`inherited`].
#[derive(Default)]
struct Slots {
    free: Mutex<Vec<&'static Socket>>,
    all: RwLock<All>,
}

/// Every slot there ever was.
#[derive(Default)]
struct All {
    slots: Vec<&'static Socket>,
    /// Memory for further ones, many at a time. Slots stay for ever: each between what comes and goes,
    /// they would keep all of malloc's pages.
    room: Vec<NonNull<Socket>>,
}

// SAFETY: memory that nobody uses yet.
unsafe impl Send for All {}
// SAFETY: as above.
unsafe impl Sync for All {}

impl All {
    const fn new() -> All {
        All { slots: Vec::new(), room: Vec::new() }
    }

    /// Adds a slot.
    ///
    /// # Errors
    /// [`Error::TooManyFiles`], [`Error::NoMemory`].
    fn add(&mut self) -> Result<&'static Socket> {
        const ROOM: usize = 64 * 1024;
        let index = self.slots.len();
        if index >= MAX_INDEX as usize {
            return Err(Error::TooManyFiles);
        }
        try_room(&mut self.slots, 1)?;
        if self.room.is_empty() {
            let count = ROOM / size_of::<Socket>();
            try_room(&mut self.room, count)?;
            let layout = Layout::array::<Socket>(count).map_err(|_| Error::NoMemory)?;
            // malloc's, where tools that look for leaks look for what is in use.
            // SAFETY: not of no bytes.
            let base = NonNull::new(unsafe { std::alloc::alloc(layout) }.cast::<Socket>());
            let base = base.ok_or(Error::NoMemory)?;
            // SAFETY: inside the allocation. The first one is taken first.
            self.room.extend((0..count).rev().map(|at| unsafe { base.add(at) }));
        }
        let place = self.room.pop().ok_or(Error::NoMemory)?;
        // SAFETY: the place is aligned and large enough, ours, and never freed.
        let socket: &'static Socket = unsafe {
            place.write(Socket::unused(index as u32));
            place.as_ref()
        };
        self.slots.push(socket);
        Ok(socket)
    }
}

static SLOTS: PerProcess<Slots> =
    PerProcess::new(Slots { free: Mutex::new(Vec::new()), all: RwLock::new(All::new()) });

/// Lets a thread have the lock of a socket that waits for it. A lock is taken by who comes first, and
/// one that has to be woken comes late.
fn give_way() {
    pause::sleep(Duration::from_micros(50));
}

/// Finds a slot for the reactor.
pub(crate) fn resolve(index: u32) -> Option<&'static dyn Handler> {
    find(index).map(|s| s as &'static dyn Handler)
}

fn all() -> RwLockReadGuard<'static, All> {
    // A list that only grows is whole whatever happened.
    SLOTS.get().all.read().unwrap_or_else(PoisonError::into_inner)
}

/// Finds a slot by its number.
fn find(index: u32) -> Option<&'static Socket> {
    all().slots.get(index as usize).copied()
}

impl Socket {
    fn take_slot() -> Result<&'static Socket> {
        let slots = SLOTS.get();
        if let Some(socket) = slots.free.lock().pop() {
            return Ok(socket);
        }
        slots.all.write().unwrap_or_else(PoisonError::into_inner).add()
    }

    /// What nobody has opened yet.
    fn unused(index: u32) -> Socket {
        Socket { face: Face::new(index), core: BiasedMutex::new(Place::default()) }
    }

    /// Makes a socket (zmq_socket(3)).
    ///
    /// # Errors
    /// [`Error::Terminated`], [`Error::TooManyFiles`], [`Error::NoMemory`], and what starting I/O threads says.
    pub fn open(context: &Arc<Context>, socket_type: SocketType) -> Result<&'static Socket> {
        reserve::ready()?;
        context.add_socket(resolve, true)?;
        Socket::open_counted(context, socket_type)
    }

    /// Makes a socket of the library's own, which ZMQ_MAX_SOCKETS does not count.
    fn open_internal(context: &Arc<Context>, socket_type: SocketType) -> Result<&'static Socket> {
        context.add_socket(resolve, false)?;
        Socket::open_counted(context, socket_type)
    }

    fn open_counted(context: &Arc<Context>, socket_type: SocketType) -> Result<&'static Socket> {
        let socket = match Socket::take_slot() {
            Ok(socket) => socket,
            Err(error) => {
                context.remove_socket();
                return Err(error);
            }
        };
        let generation = socket.begin(socket_type, context.reclaimer());
        let key = Key { index: socket.index, generation };
        let core = Core::new(&socket.face, key, context.clone(), socket_type);
        socket.core.lock().core = Some(Box::new(core));
        context.registry().lock().sockets.insert(socket.index);
        socket.magic.store(LIVE, Ordering::SeqCst);
        Ok(socket)
    }

    /// The slot behind a handle from C.
    ///
    /// # Errors
    /// [`Error::NotSocket`] if it is null or no live socket.
    ///
    /// # Safety
    /// `handle` is null, misaligned, or points to readable memory: a value `zmq_socket` returned
    /// at any time (slots are never freed), or another object of the library.
    #[inline]
    pub unsafe fn from_handle(handle: *mut c_void) -> Result<&'static Socket> {
        let pointer = handle.cast::<Socket>();
        if pointer.is_null() || !pointer.is_aligned() {
            return Err(Error::NotSocket);
        }
        // SAFETY: readable by contract; the first word of every object the library hands out is
        // its mark, and only slots carry LIVE.
        let socket = unsafe {
            if (*pointer.cast::<AtomicU32>()).load(Ordering::Acquire) != LIVE {
                return Err(Error::NotSocket);
            }
            &*pointer
        };
        Ok(socket)
    }

    /// The handle for C.
    pub fn handle(&'static self) -> *mut c_void {
        std::ptr::from_ref(self).cast_mut().cast()
    }

    /// Locks the socket for a call of the application.
    ///
    /// # Errors
    /// [`Error::NotSocket`] if it is closed, [`Error::Terminated`] if its context is.
    #[inline(always)]
    pub(crate) fn enter(&'static self) -> Result<Guard> {
        let mut core = self.lock_live()?;
        core.see_context()?;
        Ok(core)
    }

    /// The same for a call that only concerns what the socket remembers: it works after the context has
    /// ended, until another call has found that out. Programs learn of the end from one socket, and set
    /// ZMQ_LINGER of the others then.
    ///
    /// # Errors
    /// As [`Socket::enter`].
    fn enter_for_settings(&'static self) -> Result<Guard> {
        let core = self.lock_live()?;
        if core.saw_end { Err(Error::Terminated) } else { Ok(core) }
    }

    #[inline(always)]
    fn lock_live(&'static self) -> Result<Guard> {
        // In a forked child the lock may be held by a thread that only the parent has.
        if self.is_inherited() {
            return Err(Error::Terminated);
        }
        let guard = self.core.lock();
        self.touch();
        if self.magic.load(Ordering::Relaxed) != LIVE {
            return Err(Error::NotSocket);
        }
        Guard::new(guard).ok_or(Error::NotSocket)
    }

    /// Locks two sockets for a call of the application, in the order that every such call keeps.
    ///
    /// # Errors
    /// As [`Socket::enter`].
    pub(crate) fn enter_both(
        one: &'static Socket,
        other: &'static Socket,
    ) -> Result<(Guard, Guard)> {
        debug_assert!(!std::ptr::eq(one, other), "a lock is not taken twice");
        if one.index < other.index {
            let first = one.enter()?;
            Ok((first, other.enter()?))
        } else {
            let first = other.enter()?;
            Ok((one.enter()?, first))
        }
    }

    /// Locks the socket again after waiting; it may have been closed, and the slot used again.
    pub(crate) fn enter_again(&'static self, generation: u32) -> Result<Guard> {
        let mut core = self.lock_live()?;
        if core.key.generation != generation {
            return Err(Error::NotSocket);
        }
        core.see_context()?;
        Ok(core)
    }

    /// Locks incarnation `generation` (its low 16 bits count) for the I/O thread, closed or not.
    fn lock_for_reactor(&'static self, generation: u32) -> Option<Guard> {
        let place = self.core.lock();
        self.touch();
        let core = Guard::new(place)?;
        ((core.key.generation ^ generation) & 0xffff == 0).then_some(core)
    }

    /// Leaves the lock at the end of a turn after which the caller wants another one: others come
    /// first.
    #[cold]
    fn let_others(&self, core: Guard) {
        let awaited = self.core.is_awaited();
        drop(core);
        if awaited {
            give_way();
        }
    }

    /// Closes the socket (zmq_close(3)). Messages not sent yet linger as ZMQ_LINGER says.
    ///
    /// # Errors
    /// [`Error::NotSocket`] if it is closed already.
    pub fn close(&'static self) -> Result<()> {
        if self.is_inherited() {
            return self.close_inherited();
        }
        let mut core = self.lock_live()?;
        self.magic.store(DEAD, Ordering::SeqCst);
        core.begin_close();
        // Threads blocked on the socket learn that it is closed, before what wakes them is gone.
        self.signal.notify();
        self.finish_if_done(core);
        Ok(())
    }

    /// Frees the slot if the socket is closed and has nothing left to send.
    fn finish_if_done(&'static self, core: Guard) {
        if !core.is_done() {
            return;
        }
        drop(core);
        let mut place = self.core.lock();
        if !place.core.as_deref().is_some_and(Core::is_done) {
            return;
        }
        // It has no straight ways: whoever closed it left the lock the ordinary way.
        let core = place.core.take();
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.signal.set_descriptor(None);
        self.signal.set_kick(None);
        drop(place);
        if let Some(core) = core {
            let context = core.context.clone();
            drop(core);
            context.registry().lock().sockets.remove(&self.index);
            SLOTS.get().free.lock().push(self);
            context.remove_socket();
        }
    }
}

/// Ends the lingering of sockets of the context that nobody will ever look after: somebody has closed
/// the descriptors of its I/O threads, as daemons do that begin.
pub fn end_lost(context: &Context) {
    if !context.has_lost_threads() {
        return;
    }
    let indices = context.registry().lock().sockets.clone();
    for socket in indices.into_iter().filter_map(find) {
        let place = socket.core.lock();
        socket.touch();
        if let Some(mut core) = Guard::new(place).filter(|core| core.closing) {
            core.end_lingering();
            socket.finish_if_done(core);
        }
    }
}

/// Wakes every thread that waits for a socket of the context, after [`Context::stop`].
pub fn wake_all(context: &Context) {
    let indices = context.registry().lock().sockets.clone();
    for socket in indices.into_iter().filter_map(find) {
        socket.context_stopped();
        let place = socket.core.lock();
        socket.touch();
        // The place may be another context's by now.
        if let Some(core) = Guard::new(place)
            && core.context.number() == context.number()
        {
            core.stats.terminates();
        }
    }
}
