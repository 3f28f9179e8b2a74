//! Waiting for a socket: models of `Signal::enter` and `Signal::notify`, and of who passes over a
//! socket that nobody has touched (`Socket::is_untouched`) although its owner enters without a
//! barrier.

use super::{Cpu, Event, Model, Step, WORDS, Word, explore};

const TOUCHED: Word = 0;
/// What the sleeper waits for.
const WORK: Word = 1;
const SLEEPERS: Word = 2;
const EPOCH: Word = 3;

const OWNER: usize = 0;
const WAITER: usize = 1;

/// What may be wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Variant {
    AsItIs,
    /// `notify` looks for sleepers without a fence.
    NoFenceBehindTheChange,
    /// `enter` announces the sleeper with a plain store and no fence.
    NoFenceBehindTheAnnouncement,
    /// The look for work comes before the announcement.
    LooksFirst,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Local {
    at: u8,
    epoch: u8,
    found: bool,
}

struct Waiting(Variant);

impl Waiting {
    /// An owner of the lock enters, does something, leaves and tells.
    fn act(&self, local: &mut Local, cpu: &mut Cpu) -> Step {
        local.at = match local.at {
            0 => {
                cpu.store(TOUCHED, 1);
                1
            }
            1 => {
                cpu.store(WORK, 1);
                2
            }
            2 => {
                if self.0 != Variant::NoFenceBehindTheChange {
                    cpu.fence();
                }
                3
            }
            3 if cpu.load(SLEEPERS) == 0 => 5,
            3 => 4,
            4 => {
                cpu.add(EPOCH, 1);
                5
            }
            _ => return Step::Done,
        };
        Step::On
    }

    /// Looks whether the socket was touched, and if not, does not look at it.
    fn look(local: &mut Local, cpu: &mut Cpu, next: u8) -> u8 {
        local.found = cpu.load(TOUCHED) != 0 && cpu.load(WORK) != 0;
        next
    }

    fn wait(&self, local: &mut Local, cpu: &mut Cpu) -> Step {
        local.at = match local.at {
            _ if local.found => return Step::Done,
            0 if self.0 == Variant::LooksFirst => Waiting::look(local, cpu, 1),
            0 | 1 => {
                if self.0 == Variant::NoFenceBehindTheAnnouncement {
                    cpu.store(SLEEPERS, 1);
                } else {
                    cpu.add(SLEEPERS, 1);
                }
                2
            }
            2 => {
                local.epoch = cpu.load(EPOCH);
                if self.0 == Variant::LooksFirst { 4 } else { 3 }
            }
            3 => Waiting::look(local, cpu, 4),
            // futex(2) compares in one go, after a barrier of its own.
            4 => {
                cpu.fence();
                if cpu.load(EPOCH) == local.epoch {
                    return Step::Blocked;
                }
                2
            }
            _ => return Step::Done,
        };
        Step::On
    }
}

impl Model<Local, 2> for Waiting {
    fn step(&self, who: usize, local: &mut Local, cpu: &mut Cpu) -> Step {
        if who == OWNER { self.act(local, cpu) } else { self.wait(local, cpu) }
    }

    fn holds(&self, locals: &[Local; 2], _: &[u8; WORDS], end: bool) -> bool {
        !end || locals[WAITER].found
    }
}

fn sleeps_on(variant: Variant) -> Option<Vec<Event>> {
    explore(&Waiting(variant), [Local::default(); 2], [0; WORDS])
}

#[test]
fn who_passes_over_a_socket_is_told_of_what_it_missed() {
    assert_eq!(sleeps_on(Variant::AsItIs), None);
}

#[test]
fn what_would_be_slept_through_is_found() {
    use Variant::*;
    for variant in [NoFenceBehindTheChange, NoFenceBehindTheAnnouncement, LooksFirst] {
        assert!(sleeps_on(variant).is_some(), "{variant:?}");
    }
}
