//! Giving memory of the application back, on an I/O thread and between its other duties.
//!
//! Whoever retires the first memory while the thread sleeps wakes it, which costs both of them a system
//! call or two. So once that has happened twice within two milliseconds the thread looks by itself, a few
//! times in a millisecond, as long as it finds something; nobody has to wake it meanwhile.

use crate::msg::{Reclaimer, Taken};
use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_micros(250);
/// How long the thread looks in vain before it goes to rest.
const PATIENCE: Duration = Duration::from_millis(2);
/// The most functions called before descriptors and deadlines have their turn again.
const MOST: usize = 256;

/// What the thread has taken, and how long it goes on looking.
pub(super) struct Reclaiming {
    taken: Taken,
    /// It is bound to look again: whoever retires something leaves it asleep.
    looking: bool,
    /// When it last looked.
    looked: Instant,
    /// When it last found something.
    found: Option<Instant>,
    /// There was something to find within [`PATIENCE`] before that, too.
    busy: bool,
}

impl Reclaiming {
    pub(super) fn new(now: Instant) -> Reclaiming {
        Reclaiming { taken: Taken::new(), looking: false, looked: now, found: None, busy: false }
    }

    /// What is to be done in each round of the thread, with no lock held.
    #[inline]
    pub(super) fn round(
        &mut self,
        reclaimer: &Reclaimer,
        now: Instant,
        goes_on: impl Fn() -> bool,
    ) {
        if self.looking || reclaimer.is_filled() || !self.taken.is_empty() {
            self.look(reclaimer, now, goes_on);
        }
    }

    fn look(&mut self, reclaimer: &Reclaimer, now: Instant, goes_on: impl Fn() -> bool) {
        let lately = self.found.is_some_and(|at| now.saturating_duration_since(at) < PATIENCE);
        if reclaimer.is_filled() {
            self.taken.take_from(reclaimer);
            self.looking = true;
            self.busy = lately;
            self.found = Some(now);
        }
        self.looked = now;
        self.taken.give_back(reclaimer, MOST, goes_on);
        if self.looking && self.taken.is_empty() && !(self.busy && lately) {
            // If something came just now it is still bound to look.
            self.looking = !reclaimer.rest();
        }
    }

    /// When the thread has to be back.
    pub(super) fn due(&self, reclaimer: &Reclaimer) -> Option<Instant> {
        if self.looking && self.taken.is_empty() {
            // Also if something has come already: it comes all the time, and costs less together.
            return Some(self.looked + PAUSE);
        }
        (!self.taken.is_empty() || reclaimer.is_filled()).then_some(self.looked)
    }

    /// Everything that is left, at the end of the thread.
    pub(super) fn finish(&mut self, reclaimer: &Reclaimer, goes_on: impl Fn() -> bool) {
        reclaimer.reclaim_all(&mut self.taken, goes_on);
        self.looking = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msg::{Keeper, Msg};
    use crate::sync::atomic::{AtomicUsize, Ordering};
    use std::ffi::c_void;
    use std::sync::Arc;

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Keeper for Bell {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A thread with a clock of its own.
    struct World {
        bell: Arc<Bell>,
        reclaimer: &'static Reclaimer,
        reclaiming: Reclaiming,
        now: Instant,
        back: AtomicUsize,
    }

    impl World {
        fn new() -> World {
            let (bell, reclaimer) = (Arc::new(Bell::default()), Reclaimer::open().unwrap());
            reclaimer.set_keeper(bell.clone());
            let now = Instant::now();
            World {
                bell,
                reclaimer,
                reclaiming: Reclaiming::new(now),
                now,
                back: AtomicUsize::new(0),
            }
        }

        fn retire(&self) {
            unsafe extern "C" fn count(_: *mut c_void, back: *mut c_void) {
                // SAFETY: the hint below.
                unsafe { &*back.cast::<AtomicUsize>() }.fetch_add(1, Ordering::SeqCst);
            }
            static BYTES: [u8; 100] = [0; 100];
            let hint = std::ptr::from_ref(&self.back).cast_mut().cast();
            let free = Some(crate::msg::ForeignFree { function: count, hint });
            // SAFETY: static, and not written to.
            let mut msg = unsafe { Msg::foreign(BYTES.as_ptr().cast_mut(), 100, free) };
            msg.hand_over(Some(self.reclaimer));
        }

        /// Lets time pass, in which the thread is there when it has to be, and whenever it is woken. Says
        /// how often that was.
        fn pass(&mut self, time: Duration) -> usize {
            let (end, mut rounds) = (self.now + time, 0);
            loop {
                let woken = self.bell.0.swap(0, Ordering::SeqCst) > 0;
                match self.reclaiming.due(self.reclaimer) {
                    Some(at) if at <= end => self.now = self.now.max(at),
                    _ if !woken => break,
                    _ => {}
                }
                self.reclaiming.round(self.reclaimer, self.now, || true);
                rounds += 1;
            }
            self.now = end;
            rounds
        }

        fn back(&self) -> usize {
            self.back.swap(0, Ordering::SeqCst)
        }
    }

    #[test]
    fn a_single_one_costs_one_round() {
        let mut world = World::new();
        for _ in 0..3 {
            world.retire();
            assert_eq!((world.pass(Duration::ZERO), world.back()), (1, 1));
            assert_eq!(world.pass(10 * PATIENCE), 0);
        }
    }

    #[test]
    fn in_a_stream_nobody_has_to_wake_the_thread() {
        let mut world = World::new();
        world.retire();
        world.pass(PAUSE / 2);
        world.retire();
        world.pass(PAUSE / 2);
        world.back();
        let (mut rounds, mut calls) = (0, 0);
        for _ in 0..1000 {
            world.retire();
            calls += world.bell.0.load(Ordering::SeqCst);
            rounds += world.pass(PAUSE / 10);
        }
        assert_eq!(calls, 0);
        assert!((90..=110).contains(&rounds), "{rounds} rounds");
        // Whatever was retired comes back within a pause, and then it ends.
        world.pass(PAUSE);
        assert_eq!(world.back(), 1000);
        let last = world.pass(10 * PATIENCE);
        assert!(last as u128 <= PATIENCE.as_micros() / PAUSE.as_micros() + 1, "{last} rounds");
        world.retire();
        assert_eq!(world.bell.0.load(Ordering::SeqCst), 1);
        world.pass(Duration::ZERO);
        assert_eq!(world.back(), 1);
    }

    #[test]
    fn many_do_not_keep_the_thread_from_its_other_duties() {
        let mut world = World::new();
        (0..3 * MOST).for_each(|_| world.retire());
        world.reclaiming.round(world.reclaimer, world.now, || true);
        assert_eq!(world.back(), MOST);
        assert!(world.reclaiming.due(world.reclaimer).is_some_and(|at| at <= world.now));
        world.pass(Duration::ZERO);
        assert_eq!(world.back(), 2 * MOST);
    }
}
