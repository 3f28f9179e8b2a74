//! Threads: real ones, each with a turn to wait for.

use super::world::{self, Wait, World};
use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// The first function of a thread in C.
type First = extern "C" fn(*mut c_void) -> *mut c_void;
/// What ends the value of a thread.
type End = unsafe extern "C" fn(*mut c_void);

struct Start {
    number: usize,
    turn: &'static AtomicU32,
    first: First,
    argument: *mut c_void,
}

thread_local! {
    /// The values of pthread_getspecific(3).
    static VALUES: RefCell<Vec<*mut c_void>> = const { RefCell::new(Vec::new()) };
}

/// What ends the values of each key.
static ENDS: [AtomicUsize; 64] = [const { AtomicUsize::new(0) }; 64];
static KEYS: AtomicU32 = AtomicU32::new(0);

/// Ends a thread's values, while it still has its turn.
pub fn end_values() {
    let keys = KEYS.load(Ordering::Acquire) as usize;
    for (key, end) in ENDS.iter().enumerate().take(keys) {
        let take = |values: &RefCell<Vec<*mut c_void>>| {
            let mut values = values.borrow_mut();
            values.get_mut(key).map_or(std::ptr::null_mut(), std::mem::take)
        };
        let value = VALUES.with(take);
        let end = end.load(Ordering::Acquire);
        if !value.is_null() && end != 0 {
            // SAFETY: what pthread_key_create(3) was told, and pthread_setspecific(3), once.
            unsafe { std::mem::transmute::<usize, End>(end)(value) };
        }
    }
}

extern "C" fn run(start: *mut c_void) -> *mut c_void {
    // SAFETY: what `create` handed over.
    let start = unsafe { Box::from_raw(start.cast::<Start>()) };
    let Start { number, turn, first, argument } = *start;
    world::enter(number, turn);
    let result = first(argument);
    end_values();
    world::leave();
    result
}

/// pthread_create(3).
///
/// # Safety
/// As there.
pub unsafe fn pthread_create(
    thread: *mut libc::pthread_t,
    attributes: *const libc::pthread_attr_t,
    first: First,
    argument: *mut c_void,
) -> c_int {
    world::place("pthread_create", 0, 0);
    if let Some(error) = super::libc::chance("pthread_create") {
        return error;
    }
    let added = world::with(|world, _| {
        let number = world.add_thread("library");
        (number, world.turn_of(number))
    });
    let Some((number, turn)) = added else {
        // SAFETY: the caller's.
        return unsafe { libc::pthread_create(thread, attributes, first, argument) };
    };
    let start = Box::into_raw(Box::new(Start { number, turn, first, argument }));
    // SAFETY: the caller's, but for the argument, which is what `run` takes.
    let failed = unsafe { libc::pthread_create(thread, attributes, run, start.cast()) };
    if failed != 0 {
        world::wrong("the real system has no more threads");
    }
    // SAFETY: the caller's.
    let id = unsafe { *thread };
    world::with(|world: &mut World, _| world.kernel.threads.insert(id, number));
    0
}

/// pthread_join(3).
///
/// # Safety
/// As there.
pub unsafe fn pthread_join(thread: libc::pthread_t, value: *mut *mut c_void) -> c_int {
    let number = world::with(|world, _| world.kernel.threads.remove(&thread)).flatten();
    if let Some(number) = number {
        world::wait("pthread_join", Wait::Thread(number), None);
    }
    // SAFETY: the caller's. The thread has nothing left to do but to end.
    unsafe { libc::pthread_join(thread, value) }
}

/// pthread_key_create(3).
///
/// # Safety
/// As there.
pub unsafe fn pthread_key_create(key: *mut libc::pthread_key_t, end: Option<End>) -> c_int {
    world::place("", 0, 0);
    let new = KEYS.load(Ordering::Acquire);
    ENDS[new as usize].store(end.map_or(0, |end| end as usize), Ordering::Release);
    // SAFETY: room for a key, says the caller.
    unsafe { *key = new };
    KEYS.store(new + 1, Ordering::Release);
    0
}

/// pthread_key_delete(3).
///
/// # Safety
/// As there.
pub unsafe fn pthread_key_delete(_key: libc::pthread_key_t) -> c_int {
    0
}

/// pthread_getspecific(3).
///
/// # Safety
/// As there.
pub unsafe fn pthread_getspecific(key: libc::pthread_key_t) -> *mut c_void {
    let get = |values: &RefCell<Vec<*mut c_void>>| values.borrow().get(key as usize).copied();
    VALUES.with(get).unwrap_or(std::ptr::null_mut())
}

/// pthread_setspecific(3).
///
/// # Safety
/// As there.
pub unsafe fn pthread_setspecific(key: libc::pthread_key_t, value: *const c_void) -> c_int {
    VALUES.with(|values| {
        let mut values = values.borrow_mut();
        if values.len() <= key as usize {
            values.resize(key as usize + 1, std::ptr::null_mut());
        }
        values[key as usize] = value.cast_mut();
    });
    0
}

/// A thread of a scenario.
pub struct Spawned {
    number: usize,
    thread: std::thread::JoinHandle<()>,
}

/// Begins a thread of a scenario.
pub fn spawn(name: &'static str, body: impl FnOnce() + Send + 'static) -> Spawned {
    world::place("spawn", 0, 0);
    let added = world::with(|world, _| {
        let number = world.add_thread(name);
        (number, world.turn_of(number))
    });
    let Some((number, turn)) = added else { panic!("there is no world") };
    let thread = std::thread::spawn(move || {
        world::enter(number, turn);
        body();
        end_values();
        world::leave();
    });
    Spawned { number, thread }
}

impl Spawned {
    /// Waits until it has ended.
    pub fn join(self) {
        world::wait("join", Wait::Thread(self.number), None);
        let _ = self.thread.join();
    }
}
