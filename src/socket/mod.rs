//! Sockets: one lock each, shared by all threads of the application and an I/O thread.
//!
//! A [`Socket`] is a slot of memory that is never freed, so a stale handle can be told from a live
//! one without touching freed memory. What makes it a socket, its [`Core`], comes and goes.

mod aides;
mod attending;
mod core;
mod driver;
mod endpoints;
mod forward;
mod heartbeat;
mod inherited;
mod inproc;
mod lane;
mod looking;
mod loss;
mod messaging;
mod monitor;
mod options;
mod outbox;
mod peers;
pub mod poll;
mod poll_set;
pub mod proxy;
mod row;
mod waiting;
mod zap;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::msg::Reclaimer;
use crate::pipe::local::{InprocEnd, Mailbox, News};
use crate::reactor::{Handler, Key, MAX_INDEX};
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering};
use crate::sync::biased::BiasedGuard;
use crate::sync::mutex::{Mutex, MutexGuard};
use crate::sync::once::{PoisonError, RwLock, RwLockReadGuard};
use crate::sync::{BiasedMutex, PerProcess, Signal, pause};
use crate::sys::thread;
use crate::types::SocketType;
use crate::util::reserve;
pub use core::Core;
use lane::Lanes;
use std::alloc::Layout;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

/// Marks a slot that is a socket of the application now.
const LIVE: u32 = 0x7a6d_7101;
/// Marks a slot that is not.
const DEAD: u32 = 0xdead_7a6d;

/// What other threads left for a socket without taking its lock.
#[derive(Default)]
struct Mail {
    /// News of pipes that the socket has.
    news: Vec<News>,
    /// The ends of pipes whose peers connected to a name we bound, oldest first. A peer that goes
    /// before anything came of it takes its own back.
    arrivals: BTreeMap<u64, InprocEnd>,
}

#[derive(Default)]
struct Mails {
    /// Which incarnation they are for; none while the socket is closed.
    generation: Option<u32>,
    waiting: Mail,
    /// Of the next arrival.
    number: u64,
}

/// A slot for a socket. Handles given to C point here. Two threads that use two sockets do not write
/// to the same cache line.
#[repr(C, align(128))]
pub struct Socket {
    magic: AtomicU32,
    index: u32,
    generation: AtomicU32,
    has_mail: AtomicBool,
    /// Whether it is worth looking for [`Lanes`].
    has_lanes: AtomicBool,
    /// The number of its type, for who cannot ask for the lock.
    socket_type: AtomicU8,
    /// The process that made the socket.
    process: AtomicU64,
    /// The context's [`Reclaimer`].
    reclaimer: AtomicPtr<Reclaimer>,
    /// Moves with everything that is done under the lock; written under it.
    touched: AtomicU64,
    /// Its context was stopped after the socket was made.
    stopped: AtomicBool,
    core: BiasedMutex<Place>,
    /// What the I/O thread saw of it on its last tick, see [`BiasedMutex::is_busy`].
    seen: AtomicU32,
    /// Ticks in a row on which the I/O thread did not disturb the application.
    passed_by: AtomicU32,
    /// Something sent waits to be flushed.
    holds_back: AtomicBool,
    mails: Mutex<Mails>,
    /// Where threads wait for this socket.
    pub(crate) signal: Signal,
    /// Called when there is mail, for sockets the library keeps for itself.
    hook: Mutex<Option<Hook>>,
    has_hook: AtomicBool,
}

/// Called without any lock of the socket held; must not touch the socket.
type Hook = Box<dyn Fn() + Send>;

/// What the lock of a socket protects.
#[derive(Default)]
struct Place {
    core: Option<Box<Core>>,
    lanes: Lanes,
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
            let lanes = core.set_lanes();
            self.place.lanes = lanes;
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
        self.slots.try_reserve(1).map_err(|_| Error::NoMemory)?;
        if self.room.is_empty() {
            let count = ROOM / size_of::<Socket>();
            self.room.try_reserve(count).map_err(|_| Error::NoMemory)?;
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
        Socket {
            magic: AtomicU32::new(DEAD),
            index,
            generation: AtomicU32::new(1),
            has_mail: AtomicBool::new(false),
            has_lanes: AtomicBool::new(false),
            socket_type: AtomicU8::new(0),
            process: AtomicU64::new(0),
            reclaimer: AtomicPtr::new(std::ptr::null_mut()),
            touched: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            core: BiasedMutex::new(Place::default()),
            seen: AtomicU32::new(0),
            passed_by: AtomicU32::new(0),
            holds_back: AtomicBool::new(false),
            mails: Mutex::new(Mails::default()),
            signal: Signal::new(),
            hook: Mutex::new(None),
            has_hook: AtomicBool::new(false),
        }
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
        let generation = socket.generation.load(Ordering::SeqCst);
        *socket.mails.lock() = Mails { generation: Some(generation), ..Mails::default() };
        socket.has_mail.store(false, Ordering::SeqCst);
        socket.stopped.store(false, Ordering::SeqCst);
        socket.socket_type.store(socket_type as u8, Ordering::Relaxed);
        socket.process.store(thread::process_generation(), Ordering::SeqCst);
        let reclaimer = context.reclaimer().map_or(std::ptr::null(), std::ptr::from_ref);
        socket.reclaimer.store(reclaimer.cast_mut(), Ordering::Relaxed);
        let key = Key { index: socket.index, generation };
        let core = Core::new(socket, key, context.clone(), socket_type);
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

    /// Who gives memory of the application back that this socket is done with. For who has its lock.
    #[inline(always)]
    fn reclaimer(&self) -> Option<&'static Reclaimer> {
        // SAFETY: null, or one that is never freed.
        unsafe { self.reclaimer.load(Ordering::Relaxed).as_ref() }
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

    /// To be called by whoever has taken the lock.
    #[inline]
    fn touch(&self) {
        let next = self.touched.load(Ordering::Relaxed).wrapping_add(1);
        self.touched.store(next, Ordering::Relaxed);
    }

    /// Whether nothing can have happened to the socket, as far as its process knows, since its lock
    /// was held with this number in `touched`.
    #[inline]
    fn is_untouched(&self, since: u64) -> bool {
        self.touched.load(Ordering::Acquire) == since
            && !self.has_mail()
            && !self.stopped.load(Ordering::SeqCst)
            && !self.is_inherited()
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
        // It has no lanes: whoever closed it left the lock the ordinary way.
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

    /// Leaves the end of a pipe to a name that incarnation `generation` has bound; the number is for
    /// [`Socket::withdraw`]. `None` if the incarnation is gone: the end is dropped.
    fn send_end(&self, generation: u32, end: InprocEnd) -> Option<u64> {
        let mut mails = self.mails_of(generation)?;
        mails.number += 1;
        let number = mails.number;
        mails.waiting.arrivals.insert(number, end);
        self.mail_came(mails);
        Some(number)
    }

    /// Takes an end back that the socket has not found yet.
    fn withdraw(&self, generation: u32, number: u64) -> Option<InprocEnd> {
        self.mails_of(generation)?.waiting.arrivals.remove(&number)
    }

    fn mails_of(&self, generation: u32) -> Option<MutexGuard<'_, Mails>> {
        Some(self.mails.lock()).filter(|mails| mails.generation == Some(generation))
    }

    fn mail_came(&self, mails: MutexGuard<'_, Mails>) {
        self.has_mail.store(true, Ordering::SeqCst);
        drop(mails);
        self.signal.notify_descriptor();
        if self.has_hook.load(Ordering::SeqCst)
            && let Some(hook) = &*self.hook.lock()
        {
            hook();
        }
    }

    fn set_hook(&self, hook: Option<Hook>) {
        self.has_hook.store(hook.is_some(), Ordering::SeqCst);
        *self.hook.lock() = hook;
    }

    #[inline]
    fn has_mail(&self) -> bool {
        self.has_mail.load(Ordering::SeqCst)
    }

    /// Takes what waits; `empty` is left in its place, so that no memory is allocated.
    fn take_mail(&self, empty: Mail) -> Mail {
        let mut mails = self.mails.lock();
        self.has_mail.store(false, Ordering::SeqCst);
        std::mem::replace(&mut mails.waiting, empty)
    }

    fn close_mailbox(&self) -> Mail {
        self.mails.lock().generation = None;
        self.take_mail(Mail::default())
    }
}

impl Mailbox for Socket {
    fn post(&self, generation: u32, news: News) {
        // A closed socket has no use for news.
        if let Some(mut mails) = self.mails_of(generation) {
            mails.waiting.news.push(news);
            self.mail_came(mails);
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
    let all = all();
    for index in indices {
        if let Some(socket) = all.slots.get(index as usize) {
            socket.stopped.store(true, Ordering::SeqCst);
            // No mail, but a reason to take the ordinary way.
            socket.has_mail.store(true, Ordering::SeqCst);
            socket.signal.notify_descriptor();
        }
    }
}
