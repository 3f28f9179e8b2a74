//! The queue's wake-ups where the writer's barrier is free, see [`crate::sync::tso`]: models of
//! [`Writer::publish`], [`Reader::has_frame`], [`Shared::record`] and [`Shared::fall_asleep`], and
//! of an end that is closed before somebody owns it.
//!
//! [`Writer::publish`]: super::Writer::publish
//! [`Reader::has_frame`]: super::Reader::has_frame
//! [`Shared::record`]: super::Shared
//! [`Shared::fall_asleep`]: super::Shared

use crate::sync::tso::{Cpu, Event, Model, Step, WORDS, Word, explore};

const PUBLISHED: Word = 0;
const ASLEEP: Word = 1;
const QUICK: Word = 2;
/// The reader's mailbox, used under its lock.
const MAIL: Word = 3;

const WRITER: usize = 0;
const READER: usize = 1;

/// Messages of a run: enough for a sleep before, between and behind.
const MESSAGES: u8 = 4;

/// What may be wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Variant {
    AsItIs,
    /// The writer looks at `quick` before it publishes.
    QuickIsReadFirst,
    /// The reader falls asleep with a fence where a heavy barrier belongs.
    NoHeavyBarrier,
    /// The writer never makes a barrier.
    AlwaysQuick,
    /// The reader does not look again after it said that it sleeps.
    NoSecondLook,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Local {
    at: u8,
    /// Messages written, or read.
    messages: u8,
    /// What is known to be published.
    visible: u8,
    quick: bool,
}

struct Ring(Variant);

impl Ring {
    /// One message after the other.
    fn write(&self, local: &mut Local, cpu: &mut Cpu) -> Step {
        let first = self.0 == Variant::QuickIsReadFirst;
        local.at = match local.at {
            0 if local.messages == MESSAGES => return Step::Done,
            0 if first => {
                local.quick = cpu.load(QUICK) != 0;
                1
            }
            0 | 1 => {
                local.messages += 1;
                cpu.store(PUBLISHED, local.messages);
                if first { 3 } else { 2 }
            }
            2 => {
                local.quick = cpu.load(QUICK) != 0;
                3
            }
            3 => {
                if !local.quick && self.0 != Variant::AlwaysQuick {
                    cpu.fence();
                }
                4
            }
            4 if cpu.load(ASLEEP) == 0 => 0,
            4 => 5,
            5 if cpu.swap(ASLEEP, 0) == 0 => 0,
            5 => 6,
            _ => {
                cpu.swap(MAIL, 1);
                0
            }
        };
        Step::On
    }

    /// Reads what is there; looks again, or sleeps until there is mail, where there is nothing.
    fn read(&self, local: &mut Local, cpu: &mut Cpu) -> Step {
        local.at = match local.at {
            0 if local.messages == MESSAGES => return Step::Done,
            // `record`: after many messages, which are few here.
            0 if local.messages != local.visible => {
                local.messages += 1;
                if local.quick || cpu.choose(2) == 0 { 0 } else { 1 }
            }
            1 => {
                local.quick = true;
                cpu.store(QUICK, 1);
                0
            }
            0 => {
                local.visible = cpu.load(PUBLISHED);
                if local.visible == local.messages { 2 } else { 0 }
            }
            2 if cpu.load(ASLEEP) != 0 => 9,
            2 if local.quick => 3,
            2 => 7,
            // `fall_asleep`.
            3 => {
                local.quick = false;
                cpu.store(QUICK, 0);
                4
            }
            4 => {
                cpu.store(ASLEEP, 1);
                5
            }
            5 => {
                cpu.fence_on(READER);
                if self.0 == Variant::NoHeavyBarrier { 8 } else { 6 }
            }
            6 => {
                cpu.fence_on(WRITER);
                8
            }
            7 => {
                cpu.swap(ASLEEP, 1);
                8
            }
            8 if self.0 == Variant::NoSecondLook => 9,
            8 => {
                local.visible = cpu.load(PUBLISHED);
                if local.visible == local.messages { 9 } else { 10 }
            }
            10 => {
                cpu.swap(ASLEEP, 0);
                0
            }
            // The application asks again, or waits.
            9 if cpu.choose(2) == 1 => 0,
            9 => 11,
            _ if cpu.swap(MAIL, 0) == 0 => return Step::Blocked,
            _ => 0,
        };
        Step::On
    }
}

impl Model<Local, 2> for Ring {
    fn step(&self, who: usize, local: &mut Local, cpu: &mut Cpu) -> Step {
        if who == WRITER { self.write(local, cpu) } else { self.read(local, cpu) }
    }

    /// Whoever waits is woken as long as something comes.
    fn holds(&self, locals: &[Local; 2], _: &[u8; WORDS], end: bool) -> bool {
        !end || locals[READER].messages == MESSAGES
    }
}

fn loses_a_wake_up(variant: Variant) -> Option<Vec<Event>> {
    let mut memory = [0; WORDS];
    // "Nobody has looked yet, so the first message must wake the reader."
    memory[ASLEEP] = 1;
    explore(&Ring(variant), [Local::default(); 2], memory)
}

#[test]
fn every_sleeping_reader_is_woken() {
    assert_eq!(loses_a_wake_up(Variant::AsItIs), None);
}

#[test]
fn what_would_lose_a_wake_up_is_found() {
    use Variant::*;
    for variant in [QuickIsReadFirst, NoHeavyBarrier, AlwaysQuick, NoSecondLook] {
        assert!(loses_a_wake_up(variant).is_some(), "{variant:?}");
    }
}

/// Set by who owns the reading end at last.
const ADDRESS: Word = 4;
const GONE: Word = 5;

/// A writer sends a message and closes its end while the other is being owned: models of
/// `InprocEnd::tell_peer` and `PipeTable::own_inproc`.
struct Owning {
    /// Whether there are fences before the looks at what the other side did.
    fences: [bool; 2],
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Side {
    at: u8,
    /// What the owner knows of: a message, the end.
    knows: [bool; 2],
}

impl Model<Side, 2> for Owning {
    fn step(&self, who: usize, local: &mut Side, cpu: &mut Cpu) -> Step {
        let fence = self.fences[who];
        match (who, local.at) {
            (WRITER, 0) => cpu.store(PUBLISHED, 1),
            (WRITER, 3) => cpu.store(GONE, 1),
            (WRITER, 1 | 4) | (READER, 1) if fence => cpu.fence(),
            (WRITER, 1 | 4) | (READER, 1) => {}
            // Each piece of news is a bit of its own.
            (WRITER, 2 | 5) => {
                if cpu.load(ADDRESS) != 0 {
                    cpu.add(MAIL, local.at);
                }
            }
            (READER, 0) => cpu.store(ADDRESS, 1),
            (READER, 2) => local.knows[0] |= cpu.load(PUBLISHED) != 0,
            (READER, 3) => local.knows[1] |= cpu.load(GONE) != 0,
            _ => return Step::Done,
        }
        local.at += 1;
        Step::On
    }

    fn holds(&self, locals: &[Side; 2], memory: &[u8; WORDS], end: bool) -> bool {
        let [mut message, mut gone] = locals[READER].knows;
        message |= [2, 7].contains(&memory[MAIL]);
        gone |= [5, 7].contains(&memory[MAIL]);
        !end || message && gone
    }
}

#[test]
fn whoever_owns_an_end_at_last_knows_all_that_happened_to_it() {
    let lost = |fences| explore(&Owning { fences }, [Side::default(); 2], [0; WORDS]);
    assert_eq!(lost([true, true]), None);
    assert!(lost([false, true]).is_some() && lost([true, false]).is_some());
}
