//! When what was sent goes to the kernel: at once, or together with what follows.
//!
//! A system call per message is what small messages cost most, so of a sender that keeps sending they
//! are collected. What must hold: *whatever is held back has somebody who is bound to look at it.*
//! Everything that holds back, hands over, or stops looking goes through this file, which knows the
//! socket as an [`Outbox`]: [`sent`] after a message was put on a connection, [`leave`] before anybody
//! leaves the socket's lock, [`flush_if_left`] on the I/O thread's ticks. A send that does not look at
//! the clock ([`Held::blind`]) is allowed only while the I/O thread ticks for the socket; if the
//! application pauses behind it, a tick flushes it. Whoever leaves the lock with something held back
//! that nobody ticks for has it ticked for, whatever the way it came there.
//!
//! Pure: times come in, in [`ticks`](crate::sys::clock::ticks), and so do the facts.

use super::TICKS_PER_US;

/// Sends closer together than this are a burst, worth collecting.
pub(crate) const BURST: u64 = 6 * TICKS_PER_US;
/// The longest a sender that keeps sending holds back what it collected, for each connection it
/// has something for; flushing many takes longer, and pays only if each has got more by then.
const HOLD: u64 = 50 * TICKS_PER_US;
/// The longest, unless flushing so many takes that long, too.
const HOLD_MOST: u64 = 400 * TICKS_PER_US;
/// More time for a flush does not count.
const FLUSH_MOST: u64 = 50_000 * TICKS_PER_US;
/// The longest for a thread that sends over many sockets in turn, which leaves handing over to the
/// I/O thread as long as that one does it; with very many sockets that takes longer.
const HOLD_UTMOST: u64 = 20_000 * TICKS_PER_US;
/// Sends closer together than this come so fast that not each needs a look at the clock.
const RUSH: u64 = TICKS_PER_US;
/// Sends in a rush without a look at the clock.
const BLIND: u32 = 7;
/// An application that came back this often will again: the I/O thread looks after what it holds
/// back with its slow ticks only, because quick ones cost more than they are worth then.
const TRUSTED: u32 = 16;
/// Returns that are remembered.
const MOST_TRUST: u32 = 4 * TRUSTED;

/// What a socket knows when a send has put a message on a connection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    pub(crate) now: u64,
    /// Connections with something that was not flushed.
    pub(crate) dirty: usize,
    /// There is more to receive, as far as is known.
    pub(crate) has_input: bool,
    /// When the application last looked at the kernel.
    pub(crate) last_look: u64,
}

/// The connections of a socket, and who looks after them.
pub(crate) trait Outbox {
    /// What there is to know for a decision, the time among it.
    fn facts(&self) -> Facts;
    /// The time, if it is not the facts'.
    fn now(&self) -> u64;
    /// Whether the thread sends in haste over several sockets in turn; `None`: no. Otherwise the time
    /// from one tick of the I/O thread to the next, if it has many sockets to look after. Asked for
    /// once at most for each send.
    fn in_turn(&self, now: u64) -> Option<u64>;
    /// Connections with something that was not flushed. What the kernel refused to take is none of
    /// it: the kernel says when it takes more.
    fn dirty_count(&self) -> usize;
    /// Whether that is any.
    fn is_dirty(&self) -> bool;
    /// Whether some of it could be flushed; not for every send.
    fn has_flushable(&mut self) -> bool;
    /// Whether some of it had better be flushed now.
    fn is_urgent(&self) -> bool;
    /// Flushes all of it, or what is urgent.
    fn flush(&mut self, all: bool);
    /// Whether the I/O thread ticks for the socket, until a tick has found nothing to do.
    fn is_watched(&self) -> bool;
    /// Has the I/O thread tick for the socket, which has something to flush; very soon, if `soon`.
    fn watch(&mut self, soon: bool);
    /// What was learnt.
    fn batching(&mut self) -> &mut Batching;
}

/// A message was put on a connection: it goes to the kernel at once if the socket was quiet, or has
/// somebody who looks after it. If nothing is held back now, the time when it was handed over.
#[inline]
pub(crate) fn sent(out: &mut impl Outbox) -> Option<u64> {
    if out.batching().may_be_blind() && out.is_watched() && !out.is_urgent() {
        out.batching().goes_blind();
        return None;
    }
    sent_by_the_clock(out)
}

fn sent_by_the_clock(out: &mut impl Outbox) -> Option<u64> {
    let facts = out.facts();
    // A burst over one socket needs no other reason to be collected.
    let own_burst = out.batching().is_burst(facts);
    let turn = if own_burst { None } else { out.in_turn(facts.now) };
    let sending = out.batching().before(facts, own_burst, turn);
    out.flush(sending.all);
    let dirty = out.dirty_count();
    let now = if dirty == 0 || sending.held_long { out.now() } else { facts.now };
    match out.batching().after(sending, dirty, now) {
        Duty::Nobody => return Some(now),
        Duty::Tick => out.watch(false),
        Duty::TickSoon => out.watch(true),
    }
    None
}

/// The caller is about to leave the socket's lock: what it held back, or wrote on the side (an answer
/// to a PING, a subscription), has somebody who looks after it.
#[inline(always)]
pub(crate) fn leave(out: &mut impl Outbox) {
    if !out.is_watched() {
        leave_unwatched(out);
    }
}

#[inline(never)]
fn leave_unwatched(out: &mut impl Outbox) {
    if out.is_dirty() {
        out.watch(true);
    }
    debug_assert!(
        out.is_watched() || !out.has_flushable() || std::thread::panicking(),
        "something is held back and nobody is bound to look"
    );
}

/// Flushes everything. Whatever is flushed as a whole is flushed here, so that the next send knows
/// that nothing is held back.
pub(crate) fn flush_all(out: &mut impl Outbox) {
    if out.is_dirty() {
        out.flush(true);
    }
    out.batching().held = None;
}

/// On a tick of the I/O thread: flushes if the application has stopped sending, or holds back for
/// too long. True if there was something to flush: another tick has to follow soon.
pub(crate) fn flush_if_left(out: &mut impl Outbox) -> bool {
    if !out.has_flushable() {
        // What the kernel refuses to take leaves when it reports that it does.
        flush_all(out);
        return false;
    }
    let (now, dirty) = (out.now(), out.dirty_count());
    if out.batching().on_tick(now, dirty) {
        flush_all(out);
    }
    true
}

/// What a send has to do before it returns. [`Batching::after`] must hear what became of it.
#[must_use]
#[derive(Debug, Clone, Copy)]
struct Sending {
    /// Flush everything; otherwise only what is worth a system call by itself.
    all: bool,
    /// What was held back was held for long: how long flushing it takes is worth knowing.
    held_long: bool,
    now: u64,
    in_turn: bool,
    blind: u32,
}

/// Who looks after what is left.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    /// Nothing is left.
    Nobody,
    /// The I/O thread with one of its next ticks.
    Tick,
    /// The same, very soon.
    TickSoon,
}

/// Something is held back, and the I/O thread ticks for it.
#[derive(Debug, Clone, Copy)]
struct Held {
    since: u64,
    /// The most connections that had something held back since then.
    most: usize,
    /// Sends to come that need not look at the clock.
    blind: u32,
}

/// What a socket has learnt from its sends.
#[derive(Debug)]
pub(crate) struct Batching {
    last_send: u64,
    held: Option<Held>,
    /// How long it took to flush what had been held back for long.
    flush_time: u64,
    /// How often lately the application came back to flush what it had held back, before the I/O
    /// thread did it.
    returns: u32,
    /// The application has received all there was since the last send.
    drained: bool,
}

/// Sends closer together than this are worth collecting with what is held back already: the longer
/// flushing that takes, the less does a moment in which others had the processor say.
fn pause(dirty: usize) -> u64 {
    (BURST * dirty as u64).clamp(BURST, HOLD_MOST / 2)
}

impl Batching {
    pub(crate) fn new() -> Batching {
        Batching { last_send: 0, held: None, flush_time: 0, returns: 0, drained: true }
    }

    /// Whether the send may return without more ado, if what it sent is with something that is looked
    /// after.
    #[inline]
    fn may_be_blind(&self) -> bool {
        self.held.is_some_and(|held| held.blind > 0)
    }

    /// It does.
    #[inline]
    fn goes_blind(&mut self) {
        if let Some(held) = &mut self.held {
            held.blind -= 1;
        }
    }

    /// Whether this send follows the last one so soon that it is worth collecting.
    fn is_burst(&self, facts: Facts) -> bool {
        // From the end of the last send: how long the application took, not how long we did.
        let gap = facts.now.wrapping_sub(self.last_send);
        gap < if self.held.is_none() { BURST } else { pause(facts.dirty) }
    }

    /// What a send has to flush; see [`Batching::is_burst`] and [`Outbox::in_turn`].
    fn before(&mut self, facts: Facts, own_burst: bool, turn: Option<u64>) -> Sending {
        let Facts { now, dirty, .. } = facts;
        let gap = now.wrapping_sub(self.last_send);
        let burst = own_burst || turn.is_some();
        // An application with more to receive will be back, and flush when it has seen all; unless
        // it takes its time with each.
        let slow = gap > HOLD && now.wrapping_sub(facts.last_look) > HOLD_MOST;
        let back_soon = facts.has_input && !slow;
        let quiet = (!burst || self.drained) && !back_soon;
        let blind = if gap < RUSH && !self.drained { BLIND } else { 0 };
        self.drained = false;
        if let Some(held) = &mut self.held {
            held.most = held.most.max(dirty);
        }
        let held_long = match turn {
            Some(lag) => self.has_held(now, HOLD_UTMOST.max(2 * lag)),
            None => self.has_held_long(now),
        };
        Sending { all: quiet || held_long, held_long, now, in_turn: turn.is_some(), blind }
    }

    /// Who looks after what the flush, which was over `now`, has left on `dirty` connections.
    fn after(&mut self, sending: Sending, dirty: usize, now: u64) -> Duty {
        let began = sending.now;
        if sending.held_long {
            self.flush_time = now.wrapping_sub(began).min(FLUSH_MOST);
        }
        if dirty == 0 {
            self.held = None;
            self.last_send = now;
            return Duty::Nobody;
        }
        self.last_send = began;
        let Sending { blind, .. } = sending;
        match &mut self.held {
            Some(held) => {
                held.blind = blind;
                if sending.held_long {
                    held.since = began;
                }
            }
            None => {
                self.returns = (self.returns + 1).min(MOST_TRUST);
                self.held = Some(Held { since: began, most: dirty, blind });
            }
        }
        if self.returns < TRUSTED || sending.in_turn { Duty::TickSoon } else { Duty::Tick }
    }

    /// The application looks at the kernel, with everything flushed: what it sends next may be an
    /// answer.
    pub(crate) fn looked(&mut self) {
        self.drained = true;
    }

    /// Whether a tick of the I/O thread, which found something held back on so many connections,
    /// flushes it: the application has stopped sending, or holds back for too long.
    fn on_tick(&mut self, now: u64, dirty: usize) -> bool {
        let quiet = now.wrapping_sub(self.last_send) > 2 * pause(dirty);
        if quiet {
            // It may only have had to leave the processor to others for a while.
            self.returns /= 2;
        }
        quiet || self.held.is_none() || self.has_held_long(now)
    }

    #[inline]
    fn has_held_long(&self, now: u64) -> bool {
        let Some(held) = self.held else { return false };
        let time = now.wrapping_sub(held.since);
        // Not even for one connection; most sends need no closer look.
        time > HOLD && time > self.longest(held)
    }

    fn longest(&self, held: Held) -> u64 {
        // Flushing must not take more time than there is left for filling.
        let most = HOLD_MOST.max(2 * self.flush_time);
        // Those that are left when most have been flushed are the next to be full.
        (HOLD * held.most as u64).min(most)
    }

    /// Whether something has been held back for longer than that.
    fn has_held(&self, now: u64, limit: u64) -> bool {
        self.held.is_some_and(|held| now.wrapping_sub(held.since) > limit)
    }
}

#[cfg(test)]
mod tests;
