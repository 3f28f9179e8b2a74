//! The scheduler: real threads, of which one goes on at a time, and the clock.

use super::buffers::{self, Buffers};
use super::choice::Choice;
use super::faults::Faults;
use super::kernel::Kernel;
use super::trace::Trace;
use std::cell::Cell;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where the clock begins, in nanoseconds.
const MORNING: u64 = 1_000_000_000_000;
/// A world that is older than this does not come to an end.
const OLDEST: u64 = 600_000_000_000;
/// Nor does one in which so much happens.
const MOST_STEPS: u64 = 20_000_000;

/// The exit status of a child whose world was found wrong.
pub const WRONG: i32 = 3;

/// What a thread that does not go on waits for.
#[derive(Debug, Clone)]
pub enum Wait {
    /// The time only.
    Time,
    /// To be woken from a sleep on this word.
    Futex(usize),
    /// Any of these descriptors to have any of these events.
    Files(Vec<(i32, u32)>),
    /// The end of a thread.
    Thread(usize),
}

#[derive(Debug)]
enum State {
    /// It would go on.
    Ready,
    Waiting {
        wait: Wait,
        deadline: Option<u64>,
    },
    Ended,
}

/// A thread of the world.
struct Thread {
    name: &'static str,
    state: State,
    /// How likely it is to be the next, among others.
    weight: u64,
    /// 1 when it is its turn. Never moves.
    turn: Box<AtomicU32>,
}

/// What the seed chose for the whole of a run.
#[derive(Debug, Clone, Copy)]
pub struct Habits {
    /// How many processors there seem to be.
    pub processors: usize,
    /// Whether there are barriers of which one side is free.
    pub barriers: bool,
    /// Another thread may go on at one in so many points.
    switch: u64,
    /// Of atomics one in so many, on average, is a point.
    atomics: u64,
    /// At one in so many points a thread loses its processor for a while.
    slice: u64,
    /// How much the longest point costs, in nanoseconds.
    cost: u64,
}

/// All there is. Only the thread whose turn it is looks at it.
pub struct World {
    /// What the seed decides next.
    pub choice: Choice,
    /// Descriptors and what is behind them.
    pub kernel: Kernel,
    /// Which calls fail.
    pub faults: Faults,
    pub(super) buffers: Buffers,
    /// What the seed chose once.
    pub habits: Habits,
    now: u64,
    /// When it began.
    began: u64,
    threads: Vec<Thread>,
    trace: Trace,
    steps: u64,
    /// How many system calls there were.
    pub calls: u64,
    until_point: u64,
    until_weights: u64,
}

static WORLD: AtomicPtr<World> = AtomicPtr::new(ptr::null_mut());
/// Whether the thread whose turn it is looks at the world.
static INSIDE: AtomicBool = AtomicBool::new(false);
/// When the next world begins: the clock of a process never goes back.
static NEXT: AtomicU64 = AtomicU64::new(MORNING);

thread_local! {
    static ME: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Calls with the world and the number of the running thread, if it is a thread of the world.
pub fn with<R>(call: impl FnOnce(&mut World, usize) -> R) -> Option<R> {
    let me = ME.try_with(Cell::get).unwrap_or(usize::MAX);
    if me == usize::MAX {
        return None;
    }
    // SAFETY: it is this thread's turn, and no caller keeps the reference while another's is.
    let world = unsafe { WORLD.load(Ordering::Acquire).as_mut() }?;
    let before = INSIDE.load(Ordering::Relaxed);
    INSIDE.store(true, Ordering::Relaxed);
    let result = call(world, me);
    INSIDE.store(before, Ordering::Relaxed);
    Some(result)
}

/// Whether the caller is a part of the world, which must not look at it again.
pub(super) fn is_inside() -> bool {
    INSIDE.load(Ordering::Relaxed)
}

/// All stores of the running thread are visible.
#[inline]
pub(super) fn drain() {
    if buffers::are_under_way() {
        with(|world, me| world.buffers.drain(me));
    }
}

/// All stores of all threads are.
pub(super) fn drain_all() {
    if buffers::are_under_way() {
        with(|world, _| world.buffers.drain_all());
    }
}

/// Begins a world of which the running thread is the first thread.
pub fn begin(seed: u64) {
    let mut choice = Choice::new(seed);
    let habits = Habits {
        processors: choice.of(&[1, 2, 2, 4]),
        barriers: !choice.once_in(8),
        switch: choice.of(&[1, 3, 10, 40, 200]),
        atomics: choice.of(&[2, 5, 20, 100, 1000]),
        slice: choice.of(&[300, 3000, 30_000]),
        cost: choice.of(&[100, 1000, 5000]),
    };
    // What came later is chosen apart: worlds without it are what they were before.
    let mut apart = Choice::new(seed ^ 0xfa17);
    let mut world = World {
        kernel: Kernel::new(&mut choice),
        faults: Faults::new(&mut apart),
        buffers: Buffers::new(&mut apart),
        choice,
        habits,
        now: NEXT.load(Ordering::Acquire),
        began: NEXT.load(Ordering::Acquire),
        threads: Vec::new(),
        trace: Trace::default(),
        steps: 0,
        calls: 0,
        until_point: 1,
        until_weights: 0,
    };
    world.add_thread("main");
    ME.set(0);
    base();
    WORLD.store(Box::into_raw(Box::new(world)), Ordering::Release);
}

/// Ends the world, of which the running thread is the last: it goes on unhindered. Returns what tells
/// this run from others: a digest of all that happened, and how much that was.
pub fn end() -> Option<(u64, u64)> {
    drain_all();
    let told = with(|world, _| {
        NEXT.store(world.now, Ordering::Release);
        (world.living() == 1).then(|| (world.trace.digest(), world.trace.count()))
    });
    ME.set(usize::MAX);
    let told = told.flatten()?;
    // SAFETY: made by `begin`, and all other threads have ended and were waited for.
    drop(unsafe { Box::from_raw(WORLD.swap(ptr::null_mut(), Ordering::AcqRel)) });
    Some(told)
}

fn base() -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(Instant::now)
}

/// Nanoseconds on the world's clock; to look takes a moment.
pub fn now() -> u64 {
    place("", 0, 0);
    with(|world, _| world.now).unwrap_or(MORNING)
}

/// The same as std has it.
pub fn instant() -> Instant {
    base() + Duration::from_nanos(now() - MORNING)
}

/// Nanoseconds since the world began, without taking any time.
pub fn age() -> u64 {
    with(|world, _| world.now - world.began).unwrap_or_default()
}

/// A place in the running thread where time passes and another thread may go on.
pub fn place(what: &'static str, a: i64, b: i64) {
    if !what.is_empty() {
        drain();
    }
    if let Some(switch) = with(|world, me| world.place(me, what, [a, b])) {
        switch.follow();
    }
}

/// An atomic operation: a place once in a while.
#[inline]
pub fn atomic() {
    let switch = with(|world, me| {
        world.now += 5;
        if world.buffers.first <= world.now {
            world.buffers.pass(world.now);
        }
        world.until_point -= 1;
        if world.until_point != 0 {
            return Switch::NONE;
        }
        world.until_point = world.choice.between(1, 2 * world.habits.atomics - 1);
        world.place(me, "", [0; 2])
    });
    if let Some(switch) = switch {
        switch.follow();
    }
}

/// How many processors there seem to be.
pub fn processors() -> usize {
    with(|world, _| world.habits.processors).unwrap_or(1)
}

/// Between two looks of a thread that spins.
pub fn relax() {
    let switch = with(|world, me| {
        world.step();
        world.pass(world.habits.cost.min(100));
        if world.choice.once_in(4) { world.go_on(me, true) } else { Switch::NONE }
    });
    if let Some(switch) = switch {
        switch.follow();
    }
}

/// Lets another thread go on, if any would.
pub fn yields() {
    drain();
    let switch = with(|world, me| {
        world.step();
        world.pass(2000);
        world.go_on(me, true)
    });
    if let Some(switch) = switch {
        switch.follow();
    }
}

/// Sleeps.
pub fn sleep(time: Duration) {
    wait("sleep", Wait::Time, Some(time));
}

/// Waits for something, or until the time is over: then it returns false.
pub fn wait(what: &'static str, wait: Wait, time: Option<Duration>) -> bool {
    drain();
    let switch = with(|world, me| {
        let nanoseconds = time.map(|t| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX));
        let deadline = nanoseconds.and_then(|n| world.now.checked_add(n));
        world.calls += 1;
        world.add(me, what, [nanoseconds.map_or(-1, |n| n as i64), 0]);
        world.step();
        world.wait(me, wait, deadline)
    });
    switch.is_none_or(Switch::follow)
}

/// From now on all that happens is printed.
pub fn speak() {
    with(|world, _| world.trace.speak());
}

/// A word in the trace.
pub fn note(what: &'static str, a: i64, b: i64) {
    with(|world, me| world.add(me, what, [a, b]));
}

/// Something is wrong with this world: says what, and ends the process.
pub fn wrong(text: &str) -> ! {
    with(|world, me| world.describe(me, text));
    // SAFETY: ends the process.
    unsafe { ::libc::_exit(WRONG) }
}

impl World {
    /// A new thread, which would go on.
    pub(super) fn add_thread(&mut self, name: &'static str) -> usize {
        let turn = Box::new(AtomicU32::new(0));
        self.threads.push(Thread { name, state: State::Ready, weight: 1, turn });
        self.threads.len() - 1
    }

    /// Something worth telling.
    pub fn add(&mut self, me: usize, what: &'static str, numbers: [i64; 2]) {
        self.trace.add(self.now, me, what, numbers);
    }

    /// The time, in nanoseconds.
    pub fn time(&self) -> u64 {
        self.now
    }

    fn step(&mut self) {
        self.steps += 1;
        if self.buffers.first <= self.now {
            self.buffers.pass(self.now);
        }
        if self.steps > MOST_STEPS || self.now > self.began + OLDEST {
            // Who runs then may be who does not stop.
            panic!("it does not come to an end");
        }
    }

    /// Some time goes by.
    fn pass(&mut self, most: u64) {
        self.now += 20 + self.choice.any_size(most);
    }

    fn place(&mut self, me: usize, what: &'static str, numbers: [i64; 2]) -> Switch {
        self.step();
        if !what.is_empty() {
            self.calls += 1;
            self.add(me, what, numbers);
        }
        self.pass(self.habits.cost);
        if self.choice.once_in(self.habits.slice) {
            let slice = self.choice.any_size(10_000_000);
            let deadline = Some(self.now + slice);
            self.add(me, "loses its turn", [slice as i64, 0]);
            self.buffers.drain(me);
            self.wait(me, Wait::Time, deadline)
        } else if self.choice.once_in(self.habits.switch) {
            self.go_on(me, false)
        } else {
            Switch::NONE
        }
    }

    /// How many threads there are that have not ended.
    pub fn living(&self) -> usize {
        self.threads.iter().filter(|thread| !matches!(thread.state, State::Ended)).count()
    }

    /// Wakes so many of the threads that sleep on a word.
    pub fn wake(&mut self, word: usize, most: usize) -> usize {
        let sleepers = self.threads.iter_mut().filter(|thread| {
            matches!(thread.state, State::Waiting { wait: Wait::Futex(at), .. } if at == word)
        });
        sleepers.take(most).map(|thread| thread.state = State::Ready).count()
    }

    fn wait(&mut self, me: usize, wait: Wait, deadline: Option<u64>) -> Switch {
        self.threads[me].state = State::Waiting { wait, deadline };
        let switch = self.go_on(me, false);
        Switch { waited: Some(deadline), ..switch }
    }

    /// Whether a thread that waited was woken, or what it waited for is there. Who was woken is ready
    /// by now; who was chosen for its time is not.
    fn has_waited(&mut self, me: usize, deadline: Option<u64>) -> bool {
        let timed_out = deadline.is_some_and(|at| at <= self.now)
            && matches!(self.threads[me].state, State::Waiting { .. });
        self.threads[me].state = State::Ready;
        !timed_out
    }

    /// The running thread has ended. Whose turn it is.
    fn ends(&mut self, me: usize) -> &'static AtomicU32 {
        self.threads[me].state = State::Ended;
        self.add(me, "ends", [0; 2]);
        let next = self.next(me, false);
        self.turn_of(next)
    }

    /// Another thread goes on, or the same.
    fn go_on(&mut self, me: usize, yields: bool) -> Switch {
        let next = self.next(me, yields);
        if next == me {
            return Switch::NONE;
        }
        self.add(next, "goes on", [me as i64, 0]);
        Switch { turns: Some((self.turn_of(next), self.turn_of(me))), waited: None }
    }

    /// Where a thread's turn is told.
    pub(super) fn turn_of(&self, thread: usize) -> &'static AtomicU32 {
        // SAFETY: boxed, and a world lives until its last thread has ended it.
        unsafe { &*std::ptr::from_ref(self.threads[thread].turn.as_ref()) }
    }

    fn may_go_on(&mut self, thread: usize) -> bool {
        let now = self.now;
        match &self.threads[thread].state {
            State::Ready => true,
            State::Ended => false,
            State::Waiting { deadline: Some(at), .. } if *at <= now => true,
            State::Waiting { wait: Wait::Thread(other), .. } => {
                matches!(self.threads[*other].state, State::Ended)
            }
            State::Waiting { wait: Wait::Files(list), .. } => {
                let kernel = &mut self.kernel;
                list.iter().any(|&(fd, events)| kernel.events(fd) & events != 0)
            }
            State::Waiting { .. } => false,
        }
    }

    fn next(&mut self, me: usize, yields: bool) -> usize {
        loop {
            self.kernel.arrive(self.now);
            let mut ready = Vec::with_capacity(self.threads.len());
            for thread in 0..self.threads.len() {
                if self.may_go_on(thread) {
                    ready.push(thread);
                }
            }
            if yields && ready.len() > 1 {
                ready.retain(|&thread| thread != me);
            }
            if !ready.is_empty() {
                return self.choose(&ready);
            }
            let deadlines = self.threads.iter().filter_map(|thread| match thread.state {
                State::Waiting { deadline, .. } => deadline,
                _ => None,
            });
            match deadlines.chain(self.kernel.next_arrival()).min() {
                Some(at) => self.now = self.now.max(at),
                None => self.hangs(me),
            }
        }
    }

    fn choose(&mut self, ready: &[usize]) -> usize {
        if self.until_weights == 0 {
            self.until_weights = 1 + self.choice.any_size(1000);
            for at in 0..self.threads.len() {
                self.threads[at].weight = self.choice.of(&[1, 1, 10, 200]);
            }
        }
        self.until_weights -= 1;
        let total = ready.iter().map(|&thread| self.threads[thread].weight).sum();
        let mut left = self.choice.below(total);
        for &thread in ready {
            let weight = self.threads[thread].weight;
            if left < weight {
                return thread;
            }
            left -= weight;
        }
        ready[0]
    }

    fn hangs(&mut self, me: usize) -> ! {
        self.describe(me, "nobody can go on any more");
        // SAFETY: ends the process.
        unsafe { ::libc::_exit(WRONG) }
    }

    fn describe(&mut self, me: usize, text: &str) {
        self.trace.print(self.began);
        for (number, thread) in self.threads.iter().enumerate() {
            let here = if number == me { "here" } else { "" };
            eprintln!("thread {number} ({}): {:?} {here}", thread.name, thread.state);
        }
        self.kernel.describe();
        eprintln!("{:?}", self.habits);
        let (failed, lost) = (self.faults.failed, self.faults.lost);
        eprintln!(
            "{failed} calls failed by chance, {lost} of them lost something; {:?}",
            self.buffers
        );
        eprintln!("after {} us and {} steps: {text}", (self.now - self.began) / 1000, self.steps);
    }
}

/// What the world has decided, to be followed by a thread that no longer looks at it.
#[must_use]
struct Switch {
    /// The turn to give, and the one to wait for.
    turns: Option<(&'static AtomicU32, &'static AtomicU32)>,
    /// The thread waited, until this.
    waited: Option<Option<u64>>,
}

impl Switch {
    const NONE: Switch = Switch { turns: None, waited: None };

    /// False if it waited and the time is over.
    fn follow(self) -> bool {
        if let Some((next, me)) = self.turns {
            give(next);
            take(me);
        }
        match self.waited {
            Some(deadline) => with(|world, me| world.has_waited(me, deadline)).unwrap_or(true),
            None => true,
        }
    }
}

/// Gives a thread its turn.
fn give(turn: &AtomicU32) {
    turn.store(1, Ordering::Release);
    let word = turn.as_ptr();
    // SAFETY: the word lives as long as the world.
    unsafe {
        ::libc::syscall(::libc::SYS_futex, word, ::libc::FUTEX_WAKE | ::libc::FUTEX_PRIVATE_FLAG, 1)
    };
}

/// Waits for a turn.
fn take(turn: &AtomicU32) {
    while turn.swap(0, Ordering::Acquire) == 0 {
        let nothing = ptr::null::<::libc::timespec>();
        let word = turn.as_ptr();
        // SAFETY: as above.
        unsafe {
            ::libc::syscall(
                ::libc::SYS_futex,
                word,
                ::libc::FUTEX_WAIT | ::libc::FUTEX_PRIVATE_FLAG,
                0,
                nothing,
            )
        };
    }
}

/// The first thing a new thread does: it waits for its first turn.
pub(super) fn enter(me: usize, turn: &'static AtomicU32) {
    take(turn);
    ME.set(me);
}

/// The last thing a thread does.
pub(super) fn leave() {
    drain();
    if let Some(next) = with(World::ends) {
        ME.set(usize::MAX);
        give(next);
    }
}
