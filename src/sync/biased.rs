//! A mutex that costs its habitual user next to nothing.
//!
//! Nearly every socket is used by one thread, with the I/O thread looking in now and then. A thread
//! that has locked the mutex many times in a row becomes its *owner*: from then on it enters by
//! counting a turn of its own, with no operation that other processors take part in. Any other
//! thread takes the ordinary mutex beneath, and then the ownership away, which costs a
//! [`heavy`](asymmetric::heavy) barrier and, if the owner is inside, waiting until it has left.
//! Who gets it again, and when, is decided by how well it paid the last time.

use super::asymmetric;
use super::atomic::{AtomicU32, AtomicUsize, Ordering};
#[cfg(loom)]
use super::model::Mutex;
#[cfg(not(loom))]
use super::mutex::{Mutex, MutexGuard};
#[cfg(not(loom))]
use super::pause;
use crate::sys::thread;
use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

#[cfg(loom)]
use loom::sync::MutexGuard;

/// Times in a row that make an owner, at least. A model has few.
const FEWEST: u32 = if cfg!(loom) { 1 } else { 16 };
/// The same, at most.
const MOST: u32 = if cfg!(loom) { 2 } else { 1 << 14 };
/// Turns of an owner that pay for taking the ownership away from it.
const WORTH: u32 = 256;

/// No owner. Not the token of a thread.
const NOBODY: usize = 0;
/// Counters of turns. Their number is what alignment leaves free in a token.
const SLOTS: usize = 4;

/// Whether the owner is inside, by its count of turns.
#[inline]
fn is_inside(turns: u32) -> bool {
    turns & 1 != 0
}

/// What the mutex beneath protects besides the value.
struct Habit {
    /// Who locked last.
    last: usize,
    /// How often in a row.
    run: u32,
    /// How often in a row makes an owner.
    needed: u32,
    /// The owner's turns when it became the owner.
    began: u32,
    /// Whose the counters are. That of a former owner stays its own until it comes by here: it may
    /// be about to count, not knowing yet that it has lost the ownership.
    holders: [usize; SLOTS],
}

/// A mutex around a `T`, see the module.
pub struct BiasedMutex<T> {
    /// The thread that enters without the mutex beneath: its token, and which of the counters is
    /// its own. Changed under the mutex beneath only.
    owner: AtomicUsize,
    /// How often an owner has entered and left: odd while it is inside. Each is written by its
    /// holder only.
    turns: [AtomicU32; SLOTS],
    beneath: Mutex<Habit>,
    /// Somebody is inside, which no order of events may let two be.
    #[cfg(sim)]
    inside: std::sync::atomic::AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is handed from thread to thread, one at a time.
unsafe impl<T: Send> Sync for BiasedMutex<T> {}
// SAFETY: as for any owner of a `T`.
unsafe impl<T: Send> Send for BiasedMutex<T> {}

/// The right to use the value, until it is dropped.
pub struct BiasedGuard<'a, T> {
    mutex: &'a BiasedMutex<T>,
    /// The counter to leave with, or the mutex beneath.
    entered: Entered<'a>,
    /// A guard stays with its thread.
    _here: PhantomData<*mut ()>,
}

/// The same, of a mutex that this thread owns.
pub struct OwnersGuard<'a, T> {
    mutex: &'a BiasedMutex<T>,
    turns: &'a AtomicU32,
    /// A guard stays with its thread.
    _here: PhantomData<*mut ()>,
}

enum Entered<'a> {
    Owner(&'a AtomicU32),
    /// Unlocks when it is dropped.
    #[allow(dead_code, reason = "held, not read")]
    Beneath(MutexGuard<'a, Habit>),
}

impl<T> BiasedMutex<T> {
    /// An unlocked mutex without owner.
    pub fn new(value: T) -> BiasedMutex<T> {
        asymmetric::prepare();
        let holders = [NOBODY; SLOTS];
        let habit = Habit { last: NOBODY, run: 0, needed: FEWEST, began: 0, holders };
        BiasedMutex {
            owner: AtomicUsize::new(NOBODY),
            turns: std::array::from_fn(|_| AtomicU32::new(0)),
            beneath: Mutex::new(habit),
            #[cfg(sim)]
            inside: std::sync::atomic::AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for the lock.
    #[inline(always)]
    pub fn lock(&self) -> BiasedGuard<'_, T> {
        self.lock_as(thread::token())
    }

    /// The lock, if the running thread owns it and is outside. Only where barriers
    /// [are free](asymmetric::is_free).
    #[inline(always)]
    pub fn lock_as_owner(&self) -> Option<OwnersGuard<'_, T>> {
        let owner = self.owner.load(Ordering::Relaxed);
        let turns = self.turns.get(owner ^ thread::token())?;
        self.enter(owner, turns, asymmetric::free).then(|| {
            self.is_inside_now(true);
            OwnersGuard { mutex: self, turns, _here: PhantomData }
        })
    }

    /// [`BiasedMutex::lock`] by the thread with this token.
    #[inline(always)]
    fn lock_as(&self, me: usize) -> BiasedGuard<'_, T> {
        let owner = self.owner.load(Ordering::Relaxed);
        if let Some(turns) = self.turns.get(owner ^ me)
            && self.enter(owner, turns, asymmetric::light)
        {
            return self.guard(Entered::Owner(turns));
        }
        self.lock_beneath(me)
    }

    #[inline(always)]
    fn guard<'a>(&'a self, entered: Entered<'a>) -> BiasedGuard<'a, T> {
        self.is_inside_now(true);
        BiasedGuard { mutex: self, entered, _here: PhantomData }
    }

    /// Somebody has entered, or is about to leave.
    #[inline(always)]
    fn is_inside_now(&self, inside: bool) {
        #[cfg(sim)]
        {
            let before = self.inside.swap(inside, std::sync::atomic::Ordering::Relaxed);
            assert!(before != inside, "two threads have the same lock");
        }
        let _ = inside;
    }

    /// Enters as the `owner`; false if it has just ceased to be that.
    #[inline(always)]
    fn enter(&self, owner: usize, turns: &AtomicU32, barrier: impl FnOnce()) -> bool {
        let before = turns.load(Ordering::Relaxed);
        if is_inside(before) {
            // Inside already (a signal handler): a deadlock, as with any mutex.
            return false;
        }
        turns.store(before.wrapping_add(1), Ordering::Relaxed);
        // Whoever takes the ownership away writes `owner` first and then looks at the counter.
        barrier();
        if self.owner.load(Ordering::Relaxed) == owner {
            return true;
        }
        turns.store(before, Ordering::Release);
        false
    }

    #[cold]
    #[inline(never)]
    fn lock_beneath(&self, me: usize) -> BiasedGuard<'_, T> {
        let mut habit = self.beneath.lock();
        if self.owner.load(Ordering::Relaxed) != NOBODY {
            self.dispossess(&mut habit);
        }
        if habit.last != me {
            (habit.last, habit.run) = (me, 0);
            // Here, and so not about to count.
            habit.holders.iter_mut().filter(|h| **h == me).for_each(|h| *h = NOBODY);
        } else if habit.run < habit.needed {
            habit.run += 1;
        } else if let Some(free) = habit.holders.iter().position(|&h| h == NOBODY) {
            habit.run = 0;
            habit.holders[free] = me;
            let turns = &self.turns[free];
            habit.began = turns.load(Ordering::Relaxed);
            turns.store(habit.began.wrapping_add(1), Ordering::Relaxed);
            self.owner.store(me | free, Ordering::Relaxed);
            // Who locks the mutex beneath next sees both.
            drop(habit);
            return self.guard(Entered::Owner(turns));
        }
        self.guard(Entered::Beneath(habit))
    }

    /// Takes the ownership away and waits until the owner is outside.
    #[cold]
    fn dispossess(&self, habit: &mut Habit) {
        let turns = &self.turns[self.owner.load(Ordering::Relaxed) % SLOTS];
        self.owner.store(NOBODY, Ordering::Relaxed);
        asymmetric::heavy();
        let mut looks = 0;
        while is_inside(turns.load(Ordering::Acquire)) {
            pause(looks);
            looks += 1;
        }
        let taken = turns.load(Ordering::Relaxed).wrapping_sub(habit.began) / 2;
        habit.needed = if taken >= WORTH {
            (habit.needed / 2).max(FEWEST)
        } else {
            habit.needed.saturating_mul(2).min(MOST)
        };
        habit.last = NOBODY;
    }

    /// The value of a mutex that only the parent of this process used, as it was at the fork, unless
    /// somebody was inside then.
    ///
    /// # Safety
    /// No thread of this process ever has the lock.
    pub unsafe fn inherited(&self) -> Option<&T> {
        // SAFETY: nobody is inside, nor will be.
        (!self.is_locked()).then(|| unsafe { &*self.value.get() })
    }

    /// Whether somebody is inside, or the owner has been since the last call with the same `seen`,
    /// as far as can be told without waiting.
    pub fn is_busy(&self, seen: &AtomicU32) -> bool {
        let turns = self.owners_turns();
        let moved = turns.is_some_and(|turns| turns != seen.load(Ordering::Relaxed));
        seen.store(turns.unwrap_or_default(), Ordering::Relaxed);
        moved || self.is_locked()
    }

    /// Whether somebody is inside at the moment.
    pub fn is_locked(&self) -> bool {
        self.owners_turns().is_some_and(is_inside) || self.is_locked_beneath()
    }

    /// Whether a thread sleeps that would not come by the lock if the caller, who has it, left and took
    /// it again at once. An owner that somebody waits for is none any more.
    pub fn is_awaited(&self) -> bool {
        self.is_awaited_beneath()
    }

    fn owners_turns(&self) -> Option<u32> {
        let owner = self.owner.load(Ordering::Relaxed);
        (owner != NOBODY).then(|| self.turns[owner % SLOTS].load(Ordering::Relaxed))
    }

    #[cfg(not(loom))]
    fn is_locked_beneath(&self) -> bool {
        self.beneath.is_locked()
    }

    #[cfg(not(loom))]
    fn is_awaited_beneath(&self) -> bool {
        self.beneath.is_awaited()
    }

    #[cfg(loom)]
    fn is_locked_beneath(&self) -> bool {
        false
    }

    #[cfg(loom)]
    fn is_awaited_beneath(&self) -> bool {
        false
    }
}

/// Waits for the owner to leave, a little longer each time. Giving the processor up is not enough
/// where we have a higher priority than the owner.
fn pause(looks: u32) {
    #[cfg(loom)]
    {
        let _ = (looks, Duration::ZERO);
        loom::thread::yield_now();
    }
    #[cfg(not(loom))]
    match looks {
        0..64 => pause::spin_loop(),
        64..256 => pause::yield_now(),
        _ => pause::sleep(Duration::from_micros(50)),
    }
}

impl<T> Deref for BiasedGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard says that nobody else is inside.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> DerefMut for BiasedGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard says that nobody else is inside.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T> Drop for BiasedGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.is_inside_now(false);
        if let Entered::Owner(turns) = self.entered {
            leave(turns);
        }
    }
}

impl<T> Deref for OwnersGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard says that nobody else is inside.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T> Drop for OwnersGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.is_inside_now(false);
        leave(self.turns);
    }
}

/// The owner leaves.
#[inline]
fn leave(turns: &AtomicU32) {
    turns.store(turns.load(Ordering::Relaxed).wrapping_add(1), Ordering::Release);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_habitual_user_becomes_the_owner_and_others_take_it_away() {
        let mutex = BiasedMutex::new(0);
        for _ in 0..100 {
            *mutex.lock() += 1;
        }
        assert_eq!(mutex.owner.load(Ordering::Relaxed) & !(SLOTS - 1), thread::token());
        assert!(!mutex.is_locked());
        if asymmetric::is_free() {
            let guard = mutex.lock_as_owner();
            assert!(guard.is_some_and(|guard| *guard == 100 && mutex.lock_as_owner().is_none()));
        }
        let guard = mutex.lock();
        assert!(matches!(guard.entered, Entered::Owner(_)) && mutex.is_locked());
        drop(guard);
        std::thread::scope(|scope| {
            scope.spawn(|| *mutex.lock() += 1);
        });
        assert_eq!(mutex.owner.load(Ordering::Relaxed), NOBODY);
        assert!(mutex.lock_as_owner().is_none());
        assert_eq!(*mutex.lock(), 101);
    }

    #[test]
    fn who_loses_it_often_gets_it_less_often() {
        let mutex = BiasedMutex::new(());
        let mut owned = 0;
        for _ in 0..200 {
            for _ in 0..100 {
                drop(mutex.lock_as(SLOTS));
            }
            owned += u32::from(mutex.owner.load(Ordering::Relaxed) == SLOTS);
            drop(mutex.lock_as(2 * SLOTS));
        }
        assert!(owned < 10, "{owned} times in 200");
    }

    #[test]
    fn busy_means_inside_or_since_the_last_look() {
        let mutex = BiasedMutex::new(());
        let seen = AtomicU32::new(0);
        for _ in 0..100 {
            drop(mutex.lock());
        }
        assert!(mutex.is_busy(&seen) && !mutex.is_busy(&seen));
        drop(mutex.lock());
        assert!(mutex.is_busy(&seen));
        let guard = mutex.lock();
        assert!(mutex.is_busy(&seen) && mutex.is_busy(&seen));
        drop(guard);
    }

    #[test]
    fn threads_that_come_and_go_never_meet_inside() {
        // (inside, count): not atomic, so that a meeting shows.
        let mutex = Arc::new(BiasedMutex::new((false, 0u64)));
        let rounds = 200_000;
        let threads: Vec<_> = [1u64, 1000, 20_000]
            .into_iter()
            .map(|every| {
                let mutex = mutex.clone();
                std::thread::spawn(move || {
                    for _ in 0..rounds / every {
                        let mut inside = mutex.lock();
                        assert!(!std::mem::replace(&mut inside.0, true));
                        inside.1 += 1;
                        inside.0 = false;
                        drop(inside);
                        (1..every).for_each(|_| std::hint::spin_loop());
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|t| assert!(t.join().is_ok()));
        assert_eq!(mutex.lock().1, rounds + rounds / 1000 + rounds / 20_000);
    }
}

#[cfg(all(test, loom))]
mod models {
    use super::*;
    use crate::sync::model::{Users, check};
    use loom::sync::Arc;
    use loom::thread::{self, JoinHandle};

    type Place = BiasedMutex<Users<1>>;

    /// `times` inside, where nobody else may be.
    fn visit(place: &Place, who: usize, times: usize) {
        for _ in 0..times {
            place.lock_as(who * SLOTS).enter(0);
        }
    }

    fn visitor(place: &Arc<Place>, who: usize, times: usize) -> JoinHandle<()> {
        let place = place.clone();
        thread::spawn(move || visit(&place, who, times))
    }

    #[test]
    fn nobody_meets_the_owner_inside() {
        check(3, || {
            let place = Arc::new(BiasedMutex::new(Users::default()));
            let other = visitor(&place, 2, 1);
            // The third time makes the owner, the fourth is its first as such.
            visit(&place, 1, 4);
            assert!(other.join().is_ok());
        });
    }

    #[test]
    fn ownership_passes_while_the_former_owner_is_about_to_enter() {
        check(3, || {
            let place = Arc::new(BiasedMutex::new(Users::default()));
            visit(&place, 1, 3);
            // Takes the ownership and gets it, while a third takes it from either.
            let second = visitor(&place, 2, 4);
            let third = visitor(&place, 3, 1);
            visit(&place, 1, 1);
            assert!(second.join().is_ok() && third.join().is_ok());
        });
    }
}
