//! [`BiasedMutex`](crate::sync::BiasedMutex) where the owner's barrier is free: models of `lock_as`,
//! `enter`, `lock_beneath`, `dispossess` and `leave`. When somebody becomes the owner is left open.

use super::{Cpu, Event, Model, Step, WORDS, Word, explore};

const THREADS: usize = 3;
/// Nobody's.
const NOBODY: u8 = 0;
/// Counters of turns, and as many bits of a token.
const SLOTS: u8 = 4;

const OWNER: Word = 0;
/// The mutex beneath, and what it protects.
const BENEATH: Word = 1;
const LAST: Word = 2;
/// What is inside: visits.
const VALUE: Word = 3;
const TURNS: Word = 4;
const HOLDERS: Word = TURNS + SLOTS as usize;

/// What may be wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Variant {
    AsItIs,
    /// Who takes the ownership away makes a fence only.
    NoHeavyBarrier,
    /// The owner enters without looking again whether it is still the owner.
    NoSecondLook,
    /// Nobody waits for the owner to leave.
    NoWaiting,
    /// A former owner's counter is free as soon as it has lost the ownership.
    CounterIsFreeAtOnce,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
enum At {
    #[default]
    Outside,
    // `enter`.
    Count,
    Counted,
    Check,
    Return,
    // `lock_beneath`.
    Lock,
    Locked,
    Disown,
    Barrier,
    BarrierOn(u8),
    Wait,
    Decide,
    BecomeInside,
    BecomeOwner,
    UnlockAsOwner,
    // Inside, with a counter to leave by or the mutex beneath.
    Inside(bool),
    Changed(bool),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Local {
    at: At,
    visits: u8,
    owner: u8,
    turns: u8,
    value: u8,
}

struct Lock(Variant);

fn token(who: usize) -> u8 {
    (who as u8 + 1) * SLOTS
}

fn turns_of(owner: u8) -> Word {
    TURNS + usize::from(owner % SLOTS)
}

fn holder(slot: u8) -> Word {
    HOLDERS + usize::from(slot)
}

impl Lock {
    /// What the mutex beneath protects: nobody else looks at it meanwhile.
    fn decide(&self, who: usize, local: &mut Local, cpu: &mut Cpu) -> At {
        let me = token(who);
        if cpu.load(LAST) != me {
            cpu.store(LAST, me);
            for slot in 0..SLOTS {
                if cpu.load(holder(slot)) == me {
                    cpu.store(holder(slot), NOBODY);
                }
            }
            return At::Inside(false);
        }
        // Whether it was often enough.
        let free = (0..SLOTS).find(|&slot| cpu.load(holder(slot)) == NOBODY);
        if let Some(slot) = free
            && cpu.choose(2) == 1
        {
            cpu.store(holder(slot), me);
            local.owner = me | slot;
            return At::BecomeInside;
        }
        At::Inside(false)
    }

    /// On the way of who does not own it: the lock beneath, and the ownership of another taken away.
    /// `None`: nothing to do before somebody else has done something.
    fn take(&self, who: usize, local: &mut Local, cpu: &mut Cpu) -> Option<At> {
        Some(match local.at {
            At::Lock => {
                cpu.fence();
                if cpu.swap(BENEATH, 1) != 0 {
                    return None;
                }
                At::Locked
            }
            At::Locked => {
                local.owner = cpu.load(OWNER);
                if local.owner == NOBODY { At::Decide } else { At::Disown }
            }
            At::Disown => {
                cpu.store(OWNER, NOBODY);
                At::Barrier
            }
            At::Barrier => {
                cpu.fence_on(who);
                if self.0 == Variant::NoHeavyBarrier { At::Wait } else { At::BarrierOn(0) }
            }
            At::BarrierOn(other) => {
                cpu.fence_on(usize::from(other));
                let last = usize::from(other) + 1 == THREADS;
                if last { At::Wait } else { At::BarrierOn(other + 1) }
            }
            At::Wait => {
                let inside = cpu.load(turns_of(local.owner)) & 1 != 0;
                if inside && self.0 != Variant::NoWaiting {
                    return None;
                }
                cpu.store(LAST, NOBODY);
                if self.0 == Variant::CounterIsFreeAtOnce {
                    cpu.store(holder(local.owner % SLOTS), NOBODY);
                }
                At::Decide
            }
            at => at,
        })
    }
}

impl Model<Local, THREADS> for Lock {
    fn step(&self, who: usize, local: &mut Local, cpu: &mut Cpu) -> Step {
        local.at = match local.at {
            At::Outside if local.visits == 0 => return Step::Done,
            At::Outside => {
                local.owner = cpu.load(OWNER);
                if local.owner & !(SLOTS - 1) == token(who) { At::Count } else { At::Lock }
            }
            At::Count => {
                local.turns = cpu.load(turns_of(local.owner));
                At::Counted
            }
            At::Counted => {
                cpu.store(turns_of(local.owner), local.turns + 1);
                if self.0 == Variant::NoSecondLook { At::Inside(true) } else { At::Check }
            }
            At::Check if cpu.load(OWNER) == local.owner => At::Inside(true),
            At::Check => At::Return,
            At::Return => {
                cpu.store(turns_of(local.owner), local.turns);
                At::Lock
            }
            At::Lock | At::Locked | At::Disown | At::Barrier | At::BarrierOn(_) | At::Wait => {
                let Some(at) = self.take(who, local, cpu) else { return Step::Blocked };
                at
            }
            At::Decide => self.decide(who, local, cpu),
            At::BecomeInside => {
                let turns = cpu.load(turns_of(local.owner));
                cpu.store(turns_of(local.owner), turns + 1);
                At::BecomeOwner
            }
            At::BecomeOwner => {
                cpu.store(OWNER, local.owner);
                At::UnlockAsOwner
            }
            At::UnlockAsOwner => {
                cpu.swap(BENEATH, 0);
                At::Inside(true)
            }
            At::Inside(owner) => {
                local.value = cpu.load(VALUE);
                At::Changed(owner)
            }
            At::Changed(owner) => {
                // The change and the leaving are two stores in order, or one and a locked one: what
                // others see of them is the same as of two steps.
                cpu.store(VALUE, local.value + 1);
                if owner {
                    let turns = cpu.load(turns_of(local.owner));
                    cpu.store(turns_of(local.owner), turns + 1);
                } else {
                    cpu.swap(BENEATH, 0);
                }
                local.visits -= 1;
                (local.owner, local.turns, local.value) = (NOBODY, 0, 0);
                At::Outside
            }
        };
        Step::On
    }

    fn holds(&self, locals: &[Local; THREADS], memory: &[u8; WORDS], end: bool) -> bool {
        let inside = |l: &&Local| matches!(l.at, At::Inside(_) | At::Changed(_));
        if locals.iter().filter(inside).count() > 1 {
            return false;
        }
        // Nobody is kept out, and what one did inside the next one sees.
        !end || locals.iter().all(|l| l.visits == 0) && usize::from(memory[VALUE]) == VISITS
    }
}

/// The first becomes the owner, loses the ownership to the second when it is about to enter, and
/// that one to the third.
const EACH: [u8; THREADS] = [3, 3, 1];
const VISITS: usize = 7;

fn goes_wrong(variant: Variant) -> Option<Vec<Event>> {
    let local = |visits| Local { at: At::Outside, visits, owner: NOBODY, turns: 0, value: 0 };
    explore(&Lock(variant), EACH.map(local), [0; WORDS])
}

#[test]
fn nobody_meets_the_owner_inside() {
    assert_eq!(goes_wrong(Variant::AsItIs), None);
}

#[test]
fn what_would_let_two_in_is_found() {
    use Variant::*;
    for variant in [NoHeavyBarrier, NoSecondLook, NoWaiting, CounterIsFreeAtOnce] {
        assert!(goes_wrong(variant).is_some(), "{variant:?}");
    }
}
