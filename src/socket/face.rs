//! What of a socket may be touched without its lock.
//!
//! Each flag has a protocol of its own, which stands at it: who sets it, who clears it, and who is owed what by whoever finds it
//! set.

use crate::msg::Reclaimer;
use crate::pipe::local::{InprocEnd, Mailbox, News};
use crate::sync::Signal;
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering};
use crate::sync::mutex::{Mutex, MutexGuard};
use crate::sys::thread;
use crate::types::SocketType;
use std::collections::BTreeMap;

/// Marks a slot that is a socket of the application now.
pub(super) const LIVE: u32 = 0x7a6d_7101;
/// Marks a slot that is not.
pub(super) const DEAD: u32 = 0xdead_7a6d;

/// What other threads left for a socket without taking its lock.
#[derive(Default)]
pub(super) struct Mail {
    /// News of pipes that the socket has.
    pub(super) news: Vec<News>,
    /// The ends of pipes whose peers connected to a name we bound, oldest first. A peer that goes
    /// before anything came of it takes its own back.
    pub(super) arrivals: BTreeMap<u64, InprocEnd>,
}

#[derive(Default)]
struct Mails {
    /// Which incarnation they are for; none while the socket is closed.
    generation: Option<u32>,
    waiting: Mail,
    /// Of the next arrival.
    number: u64,
}

/// Called without any lock of the socket held; must not touch the socket.
type Hook = Box<dyn Fn() + Send>;

/// The side of a slot that everybody sees. What each call looks at stands together, in front.
#[repr(C)]
pub struct Face {
    /// [`LIVE`] from the end of zmq_socket(3) to the beginning of zmq_close(3), [`DEAD`] otherwise. Both write it, each
    /// under the lock; handles of C are checked against it before the lock, and again with it.
    pub(super) magic: AtomicU32,
    /// The number of the slot.
    pub(super) index: u32,
    /// Which socket of those that the slot is, one after the other. Counted up under the lock when one is gone; whoever left
    /// the lock and takes it again compares.
    pub(super) generation: AtomicU32,
    /// There is mail, or another reason to take the ordinary way. Set by whoever leaves mail, by who ends the context, and by
    /// who leaves the lock with pipes that are to be read in another turn (`PipeEvent::Unread`); the first two tell
    /// [`Face::signal`] of it, the third does so in `hand_over_unread`. Cleared by who takes the mail, with the lock. Each call looks
    /// when it has the lock, and once more before it sleeps.
    pub(super) has_mail: AtomicBool,
    /// It is worth looking for a straight way. Written by who leaves the lock the ordinary way; read without it by each call,
    /// which finds out with the lock whether that is so.
    pub(super) has_straight_way: AtomicBool,
    /// The number of its type, for who cannot ask for the lock. Written when the socket is made.
    pub(super) socket_type: AtomicU8,
    /// The process that made the socket. Written when it is made; no other process takes the lock.
    process: AtomicU64,
    /// The context's [`Reclaimer`]. Written when the socket is made.
    reclaimer: AtomicPtr<Reclaimer>,
    /// Moves with everything that is done under the lock. Written by whoever has just taken it; zmq_poll(3) leaves a
    /// socket alone that had nothing, as long as this stands still, no mail came and its context goes on.
    pub(super) touched: AtomicU64,
    /// Its context was stopped after the socket was made. Set by who stops it, cleared when the slot is used again. Mail
    /// that is set with it is taken; this remains.
    stopped: AtomicBool,
    /// Something sent waits to be flushed. Set by who leaves the lock with it, who has the I/O thread tick for the socket then;
    /// cleared, or not, by each tick that takes the lock. Ticks do not pass by a socket with it because the
    /// application was there since the last one.
    pub(super) holds_back: AtomicBool,
    has_hook: AtomicBool,
    /// What the I/O thread saw of the lock on its last tick, see [`BiasedMutex::is_busy`]. The thread's alone.
    ///
    /// [`BiasedMutex::is_busy`]: crate::sync::BiasedMutex::is_busy
    pub(super) seen: AtomicU32,
    /// Ticks in a row on which the I/O thread did not disturb the application. The thread's alone: it takes the lock after
    /// so many, whoever is there.
    pub(super) passed_by: AtomicU32,
    mails: Mutex<Mails>,
    /// Where threads wait for this socket, which has the protocol of who sleeps and who leads.
    pub(crate) signal: Signal,
    /// Called when there is mail, for sockets the library keeps for itself.
    hook: Mutex<Option<Hook>>,
}

impl Face {
    /// Of a slot that nobody has used yet.
    pub(super) fn new(index: u32) -> Face {
        Face {
            magic: AtomicU32::new(DEAD),
            index,
            generation: AtomicU32::new(1),
            has_mail: AtomicBool::new(false),
            has_straight_way: AtomicBool::new(false),
            socket_type: AtomicU8::new(0),
            process: AtomicU64::new(0),
            reclaimer: AtomicPtr::new(std::ptr::null_mut()),
            touched: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            holds_back: AtomicBool::new(false),
            has_hook: AtomicBool::new(false),
            seen: AtomicU32::new(0),
            passed_by: AtomicU32::new(0),
            mails: Mutex::new(Mails::default()),
            signal: Signal::new(),
            hook: Mutex::new(None),
        }
    }

    /// The slot will be a socket of this type: what of the one before is left is not its own. Returns its
    /// generation.
    pub(super) fn begin(&self, socket_type: SocketType, reclaimer: Option<&Reclaimer>) -> u32 {
        let generation = self.generation.load(Ordering::SeqCst);
        *self.mails.lock() = Mails { generation: Some(generation), ..Mails::default() };
        self.has_mail.store(false, Ordering::SeqCst);
        self.stopped.store(false, Ordering::SeqCst);
        self.socket_type.store(socket_type as u8, Ordering::Relaxed);
        self.process.store(thread::process_generation(), Ordering::SeqCst);
        let reclaimer = reclaimer.map_or(std::ptr::null(), std::ptr::from_ref);
        self.reclaimer.store(reclaimer.cast_mut(), Ordering::Relaxed);
        generation
    }

    /// Who gives memory of the application back that this socket is done with. For who has its lock.
    #[inline(always)]
    pub(super) fn reclaimer(&self) -> Option<&'static Reclaimer> {
        // SAFETY: null, or one that is never freed.
        unsafe { self.reclaimer.load(Ordering::Relaxed).as_ref() }
    }

    /// Whether another process made the socket, which forked this one, or one of its parents.
    #[inline(always)]
    pub(super) fn is_inherited(&self) -> bool {
        self.process.load(Ordering::Relaxed) != thread::process_generation()
    }

    /// To be called by whoever has taken the lock.
    #[inline]
    pub(super) fn touch(&self) {
        let next = self.touched.load(Ordering::Relaxed).wrapping_add(1);
        self.touched.store(next, Ordering::Relaxed);
    }

    /// Whether nothing can have happened to the socket, as far as its process knows, since its lock
    /// was held with this number in `touched`.
    #[inline]
    pub(super) fn is_untouched(&self, since: u64) -> bool {
        self.touched.load(Ordering::Acquire) == since
            && !self.has_mail()
            && !self.stopped.load(Ordering::SeqCst)
            && !self.is_inherited()
    }

    /// Whether there seems to be a straight way.
    #[inline(always)]
    pub fn has_straight_way(&self) -> bool {
        self.has_straight_way.load(Ordering::Relaxed)
    }

    /// Leaves the end of a pipe to a name that incarnation `generation` has bound; the number is for
    /// [`Face::withdraw`]. `None` if the incarnation is gone: the end is dropped.
    pub(super) fn send_end(&self, generation: u32, end: InprocEnd) -> Option<u64> {
        let mut mails = self.mails_of(generation)?;
        mails.number += 1;
        let number = mails.number;
        mails.waiting.arrivals.insert(number, end);
        self.mail_came(mails);
        Some(number)
    }

    /// Takes an end back that the socket has not found yet.
    pub(super) fn withdraw(&self, generation: u32, number: u64) -> Option<InprocEnd> {
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

    /// The context has ended: whoever waits for the socket, or asks next, finds that out.
    pub(super) fn context_stopped(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        // No mail, but a reason to take the ordinary way.
        self.has_mail.store(true, Ordering::SeqCst);
        self.signal.notify_descriptor();
    }

    pub(super) fn set_hook(&self, hook: Option<Hook>) {
        self.has_hook.store(hook.is_some(), Ordering::SeqCst);
        *self.hook.lock() = hook;
    }

    #[inline]
    pub(super) fn has_mail(&self) -> bool {
        self.has_mail.load(Ordering::SeqCst)
    }

    /// Takes what waits; `empty` is left in its place, so that no memory is allocated.
    pub(super) fn take_mail(&self, empty: Mail) -> Mail {
        let mut mails = self.mails.lock();
        self.has_mail.store(false, Ordering::SeqCst);
        std::mem::replace(&mut mails.waiting, empty)
    }

    pub(super) fn close_mailbox(&self) -> Mail {
        self.mails.lock().generation = None;
        self.take_mail(Mail::default())
    }
}

impl Mailbox for Face {
    fn post(&self, generation: u32, news: News) {
        // A closed socket has no use for news.
        if let Some(mut mails) = self.mails_of(generation) {
            mails.waiting.news.push(news);
            self.mail_came(mails);
        }
    }
}
