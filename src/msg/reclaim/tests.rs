//! What is retired comes back once, in order, and somebody is woken for it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use super::*;
use crate::msg::Msg;
use std::ffi::c_void;

/// Counts how often it is called.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Keeper for Bell {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Bell {
    fn calls(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// A reclaimer of its own, with a bell.
fn with_bell() -> (&'static Reclaimer, Arc<Bell>) {
    let reclaimer: &'static Reclaimer = Box::leak(Box::new(Reclaimer::new()));
    let bell = Arc::new(Bell::default());
    reclaimer.set_keeper(bell.clone());
    (reclaimer, bell)
}

/// The addresses that came back, in the order in which they did.
type Back = Mutex<Vec<usize>>;

unsafe extern "C" fn note(data: *mut c_void, back: *mut c_void) {
    // SAFETY: the hint of `free`, which outlives what is retired.
    unsafe { &*back.cast::<Back>() }.lock().push(data.addr());
}

fn free(back: &Back) -> ForeignFree {
    ForeignFree { function: note, hint: ptr::from_ref(back).cast_mut().cast() }
}

fn address(number: usize) -> *mut u8 {
    ptr::without_provenance_mut(0x1000 + number)
}

fn numbers(back: &Back) -> Vec<usize> {
    back.lock().drain(..).map(|address| address - 0x1000).collect()
}

#[test]
fn all_come_back_in_order_with_and_without_places() {
    let (reclaimer, _bell) = with_bell();
    let (back, mut taken) = (Back::default(), Taken::new());
    let many = 2 * Places::COUNT + 10;
    for round in 0..3 {
        (0..many).for_each(|n| reclaimer.retire(address(n), 1, free(&back)));
        assert!(reclaimer.is_filled() && numbers(&back).is_empty());
        taken.take_from(reclaimer);
        taken.give_back(reclaimer, 10, || true);
        assert_eq!(numbers(&back), (0..10).collect::<Vec<_>>());
        // What comes later comes behind what was taken before.
        reclaimer.retire(address(many), 1, free(&back));
        taken.take_from(reclaimer);
        taken.give_back(reclaimer, usize::MAX, || true);
        assert_eq!(numbers(&back), (10..=many).collect::<Vec<_>>(), "round {round}");
        assert!(taken.is_empty() && !reclaimer.is_filled());
        assert_eq!(reclaimer.waiting.load(Ordering::Relaxed), 0);
        let in_use = reclaimer.places.taken.iter().any(|word| word.load(Ordering::Relaxed) != 0);
        assert!(!in_use, "places are given back");
    }
}

#[test]
fn the_keeper_is_woken_once_and_again_after_it_went_to_rest() {
    let (reclaimer, bell) = with_bell();
    let (back, mut taken) = (Back::default(), Taken::new());
    let retire = || reclaimer.retire(address(1), 1, free(&back));
    retire();
    retire();
    assert_eq!(bell.calls(), 1);
    assert!(!reclaimer.rest(), "there is something to take");
    taken.take_from(reclaimer);
    retire();
    assert_eq!(bell.calls(), 1, "it is bound to look");
    assert!(!reclaimer.rest());
    taken.take_from(reclaimer);
    assert!(reclaimer.rest() && reclaimer.rest());
    retire();
    assert_eq!(bell.calls(), 2);
    reclaimer.reclaim_all(&mut taken, || true);
    assert_eq!(numbers(&back).len(), 4);
    retire();
    assert_eq!(bell.calls(), 3, "at rest after all of it");
}

#[test]
fn much_memory_calls_a_keeper_that_would_look_by_itself() {
    let (reclaimer, bell) = with_bell();
    let (back, mut taken) = (Back::default(), Taken::new());
    taken.take_from(reclaimer);
    reclaimer.retire(address(0), CALL / 2, free(&back));
    assert_eq!(bell.calls(), 0);
    reclaimer.retire(address(0), CALL / 2, free(&back));
    reclaimer.retire(address(0), 3 * CALL, free(&back));
    assert_eq!(bell.calls(), 2);
    reclaimer.retire(address(0), usize::MAX, free(&back));
    reclaimer.reclaim_all(&mut taken, || true);
    assert_eq!(reclaimer.waiting.load(Ordering::Relaxed), 0);
}

#[test]
fn what_forks_leaves_the_rest() {
    let (reclaimer, _bell) = with_bell();
    let (back, mut taken) = (Back::default(), Taken::new());
    (0..5).for_each(|n| reclaimer.retire(address(n), 1, free(&back)));
    reclaimer.reclaim_all(&mut taken, || back.lock().len() < 2);
    assert_eq!(numbers(&back), [0, 1]);
    reclaimer.reclaim_all(&mut taken, || true);
    assert_eq!(numbers(&back), [2, 3, 4]);
}

#[test]
fn a_message_comes_back_where_it_belongs() {
    let (reclaimer, _bell) = with_bell();
    let (back, mut taken) = (Back::default(), Taken::new());
    let mut bytes = [0u8; 100];
    let here = bytes.as_mut_ptr();
    let lent = |socket: bool| {
        // SAFETY: valid as long as the test.
        let mut msg = unsafe { Msg::foreign(here, 100, Some(free(&back))) };
        msg.hand_over(socket.then_some(reclaimer));
        assert!(msg.is_safe_to_drop() == socket);
        msg
    };
    let mut count = |at_once: usize, later: usize| {
        assert_eq!(back.lock().drain(..).count(), at_once);
        reclaimer.reclaim_all(&mut taken, || true);
        assert_eq!(back.lock().drain(..).count(), later);
    };
    drop(lent(false));
    count(1, 0);
    drop(lent(true));
    count(0, 1);
    // Whoever drops the last of several decides.
    for (socket_first, at_once) in [(true, 1), (false, 0)] {
        let mut of_socket = lent(true);
        let mut own = of_socket.share().unwrap();
        own.hand_back();
        if socket_first {
            drop(of_socket);
            count(0, 0);
            drop(own);
        } else {
            drop(own);
            count(0, 0);
            drop(of_socket);
        }
        count(at_once, 1 - at_once);
    }
}

#[test]
fn a_reclaimer_is_used_again() {
    let reclaimer = Reclaimer::open().unwrap();
    let bell = Arc::new(Bell::default());
    reclaimer.set_keeper(bell.clone());
    reclaimer.reclaim_all(&mut Taken::new(), || true);
    reclaimer.close();
    assert_eq!(Arc::strong_count(&bell), 1);
}

#[test]
fn what_is_retired_without_memory_comes_back_like_the_rest() {
    let (reclaimer, _bell) = with_bell();
    let (back, mut taken) = (Back::default(), Taken::new());
    for n in 0..3 {
        let foreign = header::foreign_in_need(address(n), 1, free(&back));
        // SAFETY: a `Foreign`, just made.
        reclaimer.push(unsafe { ptr::addr_of_mut!((*foreign).retired) });
        reclaimer.retire(address(10 + n), 1, free(&back));
    }
    reclaimer.reclaim_all(&mut taken, || true);
    assert_eq!(numbers(&back), [0, 10, 1, 11, 2, 12]);
    assert_eq!(reclaimer.waiting.load(Ordering::Relaxed), 0);
}
