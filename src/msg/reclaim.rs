//! Memory of the application that the library is done with, on its way back.
//!
//! What gives it back is a function of the application's (zmq_msg_init_data(3)). It may take a lock that
//! the program holds around a call of the library, so it runs in no call that sends, closes or polls,
//! and under no lock of ours. A message that was handed to a socket says whose [`Reclaimer`] it belongs
//! to from then on; who drops the last of it there leaves its memory to that, and a thread of the library
//! calls the function. A message of the application's own, before it is sent and after it was received,
//! belongs to none: to drop it is the application's act, and the function runs there and then, as
//! libzmq's does.

use super::header::{self, Foreign, ForeignFree, Retired};
use crate::error::{Error, Result};
use crate::sync::PerProcess;
use crate::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use crate::sync::mutex::Mutex;
use crate::util::memory;
use std::cell::UnsafeCell;
use std::mem::{MaybeUninit, offset_of};
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

/// Stands in [`Stack`] for nothing, where somebody is bound to look all the same.
const LOOKING: *mut Retired = ptr::without_provenance_mut(1);

/// What was retired and not yet taken, the newest first. Any thread pushes; only the keeper takes.
///
/// Nothing is left behind: the keeper sleeps only after it has [gone to rest](Stack::rest), and whoever
/// then pushes the first is told to wake it. One word says all of it, so there is no order of two words
/// to get wrong.
struct Stack(AtomicPtr<Retired>);

impl Stack {
    fn new() -> Stack {
        Stack(AtomicPtr::new(ptr::null_mut()))
    }

    /// True if nobody is bound to look: the caller wakes the keeper.
    ///
    /// # Safety
    /// The node is live and the caller's, and is the keeper's afterwards.
    unsafe fn push(&self, node: *mut Retired) -> bool {
        let mut top = self.0.load(Ordering::Relaxed);
        loop {
            let below = if top == LOOKING { ptr::null_mut() } else { top };
            // SAFETY: the caller's until it is in the stack.
            unsafe { (*node).next = below };
            // In the one order of all: whoever finds the keeper woken already relies on its looking here
            // after it has taken note of that.
            match self.0.compare_exchange_weak(top, node, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return top.is_null(),
                Err(now) => top = now,
            }
        }
    }

    /// Whether there is something to take.
    #[inline]
    fn is_filled(&self) -> bool {
        let top = self.0.load(Ordering::SeqCst);
        !top.is_null() && top != LOOKING
    }

    /// All there is, the newest first. The keeper looks again from now on, until it goes to rest.
    fn take(&self) -> *mut Retired {
        let top = self.0.swap(LOOKING, Ordering::SeqCst);
        if top == LOOKING { ptr::null_mut() } else { top }
    }

    /// The keeper will not look by itself any more. False if there is something to take: it has to.
    fn rest(&self) -> bool {
        let order = (Ordering::SeqCst, Ordering::SeqCst);
        match self.0.compare_exchange(LOOKING, ptr::null_mut(), order.0, order.1) {
            Ok(_) => true,
            Err(top) => top.is_null(),
        }
    }
}

/// Bits of a word.
const WORD: usize = u64::BITS as usize;

/// Places for what is retired without a header of its own: no memory has to be asked for, which costs
/// time, and might be refused when there is no way back.
struct Places {
    /// A bit for each that is in use.
    taken: [AtomicU64; Places::WORDS],
    /// Where there probably is a free one.
    hint: AtomicUsize,
    nodes: [UnsafeCell<MaybeUninit<Retired>>; Places::COUNT],
}

impl Places {
    const WORDS: usize = if cfg!(loom) { 1 } else { 8 };
    const COUNT: usize = Places::WORDS * WORD;

    fn new() -> Places {
        Places {
            taken: std::array::from_fn(|_| AtomicU64::new(0)),
            hint: AtomicUsize::new(0),
            nodes: [const { UnsafeCell::new(MaybeUninit::uninit()) }; Places::COUNT],
        }
    }

    /// A place that is the caller's until it is given back.
    fn take(&self) -> Option<*mut Retired> {
        let hint = self.hint.load(Ordering::Relaxed);
        for word in (hint..hint + Places::WORDS).map(|word| word % Places::WORDS) {
            let mut taken = self.taken[word].load(Ordering::Relaxed);
            while let Some(bit) = 1u64.checked_shl(taken.trailing_ones()) {
                let order = (Ordering::Acquire, Ordering::Relaxed);
                let next = taken | bit;
                // Acquire: its last user is done with it.
                match self.taken[word].compare_exchange_weak(taken, next, order.0, order.1) {
                    Ok(_) => {
                        if word != hint {
                            self.hint.store(word, Ordering::Relaxed);
                        }
                        let at = word * WORD + bit.trailing_zeros() as usize;
                        return Some(self.nodes[at].get().cast());
                    }
                    Err(now) => taken = now,
                }
            }
        }
        None
    }

    /// The number of a node that is one of these.
    fn number_of(&self, node: *mut Retired) -> Option<usize> {
        let from = node.addr().checked_sub(self.nodes.as_ptr().addr())?;
        Some(from / size_of::<Retired>()).filter(|&at| at < Places::COUNT)
    }

    /// Gives places back, the bits of one word.
    fn give(&self, word: usize, bits: u64) {
        if bits != 0 {
            self.taken[word].fetch_and(!bits, Ordering::Release);
        }
    }
}

/// Who calls the functions: a thread that may be asleep.
pub trait Keeper: Send + Sync {
    /// Something was retired, and the keeper has gone to rest before.
    fn wake(&self);
}

/// Each time so many more bytes were retired the keeper is called, though it would look by itself soon:
/// memory that is free again may still be in a cache.
const CALL: usize = 1 << 20;
/// Retired and not given back, in bytes, from which on a sender is held up, as a full queue would do it:
/// it makes more work than the keeper does, or gets the time to do.
const FAR_BEHIND: usize = 64 << 20;
/// How long it is held up by one message.
const PAUSE: Duration = Duration::from_micros(50);

/// Memory of the application on its way back through one thread of the library, its [`Keeper`].
///
/// Never freed, and used again by another keeper: whoever might leave something here late finds memory
/// of the right kind, and the next keeper finds what was left.
pub struct Reclaimer {
    stack: Stack,
    places: Places,
    /// Bytes retired and not given back.
    waiting: AtomicUsize,
    keeper: Mutex<Option<Arc<dyn Keeper>>>,
}

// SAFETY: what is retired belongs to nobody else, and goes from thread to thread through the stack; a
// place is used by who has taken it.
unsafe impl Send for Reclaimer {}
// SAFETY: as above.
unsafe impl Sync for Reclaimer {}

/// Those without a keeper.
static UNUSED: PerProcess<Mutex<Vec<&'static Reclaimer>>> = PerProcess::new(Mutex::new(Vec::new()));

impl Reclaimer {
    fn new() -> Reclaimer {
        Reclaimer {
            stack: Stack::new(),
            places: Places::new(),
            waiting: AtomicUsize::new(0),
            keeper: Mutex::new(None),
        }
    }

    /// One for a new keeper, which [is given](Reclaimer::set_keeper) before anything is retired.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn open() -> Result<&'static Reclaimer> {
        if let Some(unused) = UNUSED.get().lock().pop() {
            return Ok(unused);
        }
        let mut one = Vec::new();
        memory::push(&mut one, Reclaimer::new())?;
        one.leak().first().ok_or(Error::NoMemory)
    }

    /// Says whom to wake.
    pub fn set_keeper(&self, keeper: Arc<dyn Keeper>) {
        *self.keeper.lock() = Some(keeper);
    }

    /// The keeper is gone for good, after it, or somebody in its place, has called
    /// [`Reclaimer::reclaim_all`].
    pub fn close(&'static self) {
        debug_assert!(!self.stack.is_filled(), "retired after the last socket was gone");
        *self.keeper.lock() = None;
        // Without memory for the list it is lost.
        let _ = memory::push(&mut UNUSED.get().lock(), self);
    }

    /// Nobody uses this memory any more.
    #[cold]
    pub(super) fn retire(&self, data: *mut u8, len: usize, free: ForeignFree) {
        let node = if let Some(place) = self.places.take() {
            // SAFETY: ours, and large enough.
            unsafe { place.write(Retired::new(data, len, free)) };
            place
        } else {
            // Whoever drops it may be the keeper, or have a lock that the keeper wants: nothing is waited for.
            let foreign = match header::foreign(data, len, free) {
                Ok(header) => header.cast::<Foreign>(),
                Err(_) => header::foreign_in_need(data, len, free),
            };
            // SAFETY: a `Foreign`, just made.
            unsafe { ptr::addr_of_mut!((*foreign).retired) }
        };
        self.push(node);
    }

    /// Nobody uses the body of this header any more.
    ///
    /// # Safety
    /// It is live, and the caller's last reference is gone afterwards.
    #[cold]
    pub(super) unsafe fn retire_counted(&self, foreign: *mut Foreign) {
        // SAFETY: live by contract.
        self.push(unsafe { ptr::addr_of_mut!((*foreign).retired) });
    }

    fn push(&self, node: *mut Retired) {
        // SAFETY: the callers' until now, and not used by them any more.
        let weight = unsafe { (*node).weight() };
        let before = self.waiting.fetch_add(weight, Ordering::Relaxed);
        // SAFETY: as above.
        let nobody_looks = unsafe { self.stack.push(node) };
        if nobody_looks || before % CALL + weight >= CALL {
            let keeper = self.keeper.lock();
            debug_assert!(keeper.is_some(), "nobody is bound to look");
            keeper.iter().for_each(|keeper| keeper.wake());
        }
    }

    /// Holds up a thread for a moment that hands over more than comes back. Only without any lock of
    /// the library's.
    #[inline]
    pub fn keep_pace(&self) {
        if self.waiting.load(Ordering::Relaxed) > FAR_BEHIND {
            crate::sync::pause::sleep(PAUSE);
        }
    }

    /// Whether something was retired that the keeper has not taken.
    #[inline]
    pub fn is_filled(&self) -> bool {
        self.stack.is_filled()
    }

    /// The keeper, which has looked until now, goes to rest. False if there is something to take.
    pub fn rest(&self) -> bool {
        self.stack.rest()
    }

    /// Gives everything back, and ends with the keeper at rest. `goes_on` is asked before each function
    /// is called: one may fork, and a child has no business with what is left.
    pub fn reclaim_all(&self, taken: &mut Taken, goes_on: impl Fn() -> bool) {
        while goes_on() {
            if taken.is_empty() {
                taken.take_from(self);
                if taken.is_empty() && self.rest() {
                    return;
                }
            }
            taken.give_back(self, usize::MAX, &goes_on);
        }
    }
}

/// What a keeper has taken from a [`Reclaimer`] and not yet given back, the oldest first.
pub struct Taken {
    first: *mut Retired,
    last: *mut Retired,
}

impl Taken {
    /// Nothing.
    pub const fn new() -> Taken {
        Taken { first: ptr::null_mut(), last: ptr::null_mut() }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.first.is_null()
    }

    /// Adds all there is. The keeper is bound to look again, until it [rests](Reclaimer::rest).
    pub fn take_from(&mut self, reclaimer: &Reclaimer) {
        self.append(&reclaimer.stack);
    }

    fn append(&mut self, stack: &Stack) {
        let newest = stack.take();
        let (mut node, mut oldest) = (newest, ptr::null_mut());
        while !node.is_null() {
            // SAFETY: taken, so ours.
            let below = unsafe { std::mem::replace(&mut (*node).next, oldest) };
            oldest = node;
            node = below;
        }
        if oldest.is_null() {
            return;
        }
        if self.first.is_null() {
            self.first = oldest;
        } else {
            // SAFETY: the last of ours.
            unsafe { (*self.last).next = oldest };
        }
        self.last = newest;
    }

    /// Calls the functions of at most `most`, without any lock, as long as it `goes_on`.
    pub fn give_back(&mut self, reclaimer: &Reclaimer, most: usize, goes_on: impl Fn() -> bool) {
        let (mut count, mut weight) = (0, 0usize);
        let (mut word, mut bits) = (0, 0);
        while count < most && !self.first.is_null() && goes_on() {
            let node = self.first;
            // SAFETY: ours.
            let retired = unsafe { node.read() };
            self.first = retired.next;
            count += 1;
            weight = weight.wrapping_add(retired.weight());
            match reclaimer.places.number_of(node) {
                Some(number) => {
                    // Those that follow one another are mostly in one word.
                    if number / WORD != word {
                        reclaimer.places.give(word, bits);
                        (word, bits) = (number / WORD, 0);
                    }
                    bits |= 1 << (number % WORD);
                }
                // SAFETY: all others are in a `Foreign`.
                None => unsafe {
                    header::free_foreign(node.byte_sub(offset_of!(Foreign, retired)).cast());
                },
            }
            // SAFETY: nobody uses the memory any more.
            unsafe { retired.free.call(retired.data) };
        }
        reclaimer.places.give(word, bits);
        reclaimer.waiting.fetch_sub(weight, Ordering::Relaxed);
    }
}

impl Default for Taken {
    fn default() -> Self {
        Taken::new()
    }
}

#[cfg(all(test, loom))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
