//! Every order of events that x86 allows, for small models of what relies on barriers of which one
//! side is free ([`asymmetric`](super::asymmetric)): loom knows no such barriers and takes both
//! sides for fences.
//!
//! The memory model is x86-TSO (Sewell, Sarkar, Owens, Nardelli, Myreen, 2010): a processor's stores
//! go through a queue of its own, in order; its loads see the newest store of that queue, or else
//! memory; a fence waits until the queue is empty, and a locked operation does so and acts on memory
//! at once. membarrier(2) makes a fence on each other processor, one after the other, at any moment
//! before it returns. An order that only the compiler has to keep is no event.
//!
//! A model is a function that makes the next step of a thread, with at most one access to memory.
//! [`explore`] follows every choice between steps, queues and [`Cpu::choose`], and keeps the states
//! it has seen. The models are written by hand after the code they name; whoever changes one changes
//! the other.

mod biased;
mod signal;

use std::collections::{HashSet, VecDeque};
use std::hash::Hash;

/// Words of memory.
pub(crate) const WORDS: usize = 12;
/// States that no model here should exceed.
const MOST_STATES: usize = 3_000_000;

/// One word of memory, by its number.
pub(crate) type Word = usize;

/// What a step may do.
pub(crate) struct Cpu<'a> {
    memory: &'a mut [u8; WORDS],
    queues: &'a mut [Vec<(Word, u8)>],
    me: usize,
    /// Which way [`Cpu::choose`] goes, and how many ways there are.
    choice: u8,
    ways: u8,
}

impl Cpu<'_> {
    /// A load.
    pub(crate) fn load(&self, word: Word) -> u8 {
        let queued = self.queues[self.me].iter().rev().find(|(w, _)| *w == word);
        queued.map_or(self.memory[word], |&(_, value)| value)
    }

    /// A store, to be seen by others at some time.
    pub(crate) fn store(&mut self, word: Word, value: u8) {
        self.queues[self.me].push((word, value));
    }

    /// A fence.
    pub(crate) fn fence(&mut self) {
        self.drain(self.me);
    }

    /// A locked exchange; also a sequentially consistent store.
    pub(crate) fn swap(&mut self, word: Word, value: u8) -> u8 {
        self.fence();
        std::mem::replace(&mut self.memory[word], value)
    }

    /// A locked addition; the old value.
    pub(crate) fn add(&mut self, word: Word, value: u8) -> u8 {
        let old = self.load(word);
        self.swap(word, old.wrapping_add(value))
    }

    /// A part of membarrier(2): the fence on this processor. All of them, the caller's own first and
    /// last, make the whole.
    pub(crate) fn fence_on(&mut self, who: usize) {
        self.drain(who);
    }

    /// One of so many ways to go on, all of which are tried.
    pub(crate) fn choose(&mut self, ways: u8) -> u8 {
        self.ways = ways;
        self.choice
    }

    fn drain(&mut self, who: usize) {
        for (word, value) in self.queues[who].drain(..) {
            self.memory[word] = value;
        }
    }
}

/// What became of a thread with its step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// It goes on.
    On,
    /// It could not make this step now: nothing has happened.
    Blocked,
    /// It has nothing more to do: nothing has happened.
    Done,
}

/// What is explored: `N` threads with a state `L` each.
pub(crate) trait Model<L, const N: usize> {
    /// Makes the next step of thread `who`.
    fn step(&self, who: usize, local: &mut L, cpu: &mut Cpu) -> Step;
    /// Whether a state is as it has to be. At the end no thread can go on any more.
    fn holds(&self, locals: &[L; N], memory: &[u8; WORDS], end: bool) -> bool;
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State<L, const N: usize> {
    locals: [L; N],
    memory: [u8; WORDS],
    queues: [Vec<(Word, u8)>; N],
}

/// An event: which thread went on (`true`), or whose oldest store reached memory.
pub(crate) type Event = (usize, bool);

/// Follows every order of events. The shortest way to a state in which the model does not hold, if
/// there is one.
pub(crate) fn explore<L: Copy + Eq + Hash, const N: usize>(
    model: &impl Model<L, N>,
    locals: [L; N],
    memory: [u8; WORDS],
) -> Option<Vec<Event>> {
    let start = State { locals, memory, queues: std::array::from_fn(|_| Vec::new()) };
    let mut seen = HashSet::from([start.clone()]);
    let mut open = VecDeque::from([(start, Vec::new())]);
    while let Some((state, way)) = open.pop_front() {
        let mut next = Vec::new();
        for who in 0..N {
            if !state.queues[who].is_empty() {
                let mut after = state.clone();
                let (word, value) = after.queues[who].remove(0);
                after.memory[word] = value;
                next.push((after, (who, false)));
            }
            next.extend(steps(model, &state, who).into_iter().map(|s| (s, (who, true))));
        }
        if !model.holds(&state.locals, &state.memory, next.is_empty()) {
            return Some(way);
        }
        for (after, event) in next {
            if seen.insert(after.clone()) {
                assert!(seen.len() < MOST_STATES, "the model is too large");
                open.push_back((after, [way.as_slice(), &[event]].concat()));
            }
        }
    }
    None
}

/// All ways in which a thread can go on.
fn steps<L: Copy, const N: usize>(
    model: &impl Model<L, N>,
    state: &State<L, N>,
    who: usize,
) -> Vec<State<L, N>> {
    let mut found = Vec::new();
    let (mut choice, mut ways) = (0, 1);
    while choice < ways {
        let mut after = state.clone();
        let State { locals, memory, queues } = &mut after;
        let mut cpu = Cpu { memory, queues, me: who, choice, ways: 1 };
        let step = model.step(who, &mut locals[who], &mut cpu);
        ways = cpu.ways;
        if step == Step::On {
            found.push(after);
        }
        choice += 1;
    }
    found
}

mod litmus {
    use super::*;

    /// Both write their own word and then read the other's, with what a barrier is in between.
    struct StoreBuffering {
        barriers: [Barrier; 2],
    }

    #[derive(Clone, Copy, PartialEq)]
    enum Barrier {
        Light,
        Fence,
        Heavy,
    }

    impl Model<(u8, u8), 2> for StoreBuffering {
        fn step(&self, who: usize, (at, saw): &mut (u8, u8), cpu: &mut Cpu) -> Step {
            match (*at, self.barriers[who]) {
                (0, _) => cpu.store(who, 1),
                (1, Barrier::Fence) => cpu.fence(),
                (1, Barrier::Heavy) => cpu.fence_on(who),
                (2, Barrier::Heavy) => cpu.fence_on(1 - who),
                (1 | 2, _) => {}
                (3, _) => *saw = cpu.load(1 - who),
                _ => return Step::Done,
            }
            *at += 1;
            Step::On
        }

        fn holds(&self, locals: &[(u8, u8); 2], _: &[u8; WORDS], end: bool) -> bool {
            !end || locals.iter().any(|&(_, saw)| saw == 1)
        }
    }

    fn both_miss(barriers: [Barrier; 2]) -> bool {
        explore(&StoreBuffering { barriers }, [(0, 0); 2], [0; WORDS]).is_some()
    }

    #[test]
    fn stores_are_seen_late_unless_a_barrier_says_otherwise() {
        use Barrier::*;
        assert!(both_miss([Light, Light]) && both_miss([Light, Fence]));
        assert!(!both_miss([Fence, Fence]) && !both_miss([Light, Heavy]));
        assert!(!both_miss([Heavy, Heavy]));
    }

    /// The first writes two words, the second reads them the other way round: never only the later.
    struct MessagePassing;

    impl Model<(u8, [u8; 2]), 2> for MessagePassing {
        fn step(&self, who: usize, (at, saw): &mut (u8, [u8; 2]), cpu: &mut Cpu) -> Step {
            match *at {
                n @ 0..2 if who == 0 => cpu.store(usize::from(n), 1),
                n @ 0..2 => saw[usize::from(n)] = cpu.load(usize::from(1 - n)),
                _ => return Step::Done,
            }
            *at += 1;
            Step::On
        }

        fn holds(&self, locals: &[(u8, [u8; 2]); 2], _: &[u8; WORDS], end: bool) -> bool {
            !end || locals[1].1 != [1, 0]
        }
    }

    #[test]
    fn stores_are_seen_in_their_order() {
        assert_eq!(explore(&MessagePassing, [(0, [0; 2]); 2], [0; WORDS]), None);
    }
}
