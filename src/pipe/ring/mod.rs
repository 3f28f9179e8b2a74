//! The queue of one direction of an inproc pipe: one writer, one reader, no locks.
//!
//! Frames stand one behind the other as records in linked blocks of memory, so an empty queue is
//! small and a full one is as large as its high-water mark asks for. Bodies that are short, and
//! nobody else's, are copied into their record: a message is one or two cache lines on their way
//! from one processor to the other, and neither side allocates. Others travel as the [`Msg`] they
//! are.
//!
//! The writer publishes whole messages by raising `published`; the reader tells how far it came by
//! raising `acknowledged` every half high-water mark. A side that finds nothing to do says so in
//! its `asleep` flag, and the other side then wakes it, once. Flag and counter are written and read
//! in sequentially consistent order on both sides: either the sleeper sees the other's progress,
//! or the other sees the flag. That costs the writer a barrier per message, so a reader that has
//! not slept for a while tells it to leave them out (`quick`), and makes a
//! [`heavy`](crate::sync::asymmetric::heavy) one for both when it falls asleep after all.
//!
//! Layout of responsibility: `producer` is touched by the [`Writer`] only, `consumer` by the
//! [`Reader`] only; each exists once and its methods take `&mut self`.

mod block;
#[cfg(all(test, loom))]
mod models;
#[cfg_attr(loom, path = "pool_none.rs")]
mod pool;
mod reader;
mod supply;
#[cfg(test)]
mod tests;
#[cfg(all(test, not(loom)))]
mod tso;
mod writer;

use crate::msg::Msg;
use crate::policy::lingering::Lingering;
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use crate::sync::{Arc, Mutex};
use block::{Block, Head, Walk};
use std::alloc::{Layout, handle_alloc_error};
use std::cell::UnsafeCell;
use std::ptr;

/// The longest body that is copied into the queue, in bytes.
pub const BYTES_LIMIT: usize = 1024;
/// The same while the reader is far behind: longer ones would leave much of each block empty, and
/// stand closer in an arena.
const BYTES_LIMIT_FAR: usize = 560;
/// New blocks in a row after which the reader is far behind.
const FAR: u32 = 1024;
/// Blocks the reader is done with that are kept for the writer.
const SPARES: usize = 8;
/// Stands for no high-water mark.
const UNLIMITED: u64 = u64::MAX / 2;
/// Messages read without sleeping after which the writer may be quick.
const AWAKE: u64 = if cfg!(any(loom, sim)) { 1 } else { 256 };

/// Keeps what the two sides write on different cache lines.
#[repr(align(128))]
struct Apart<T>(T);

struct Producer {
    block: *mut Block,
    index: usize,
    /// Words written, published or not, those skipped at the ends of blocks included.
    position: u64,
    /// Whole messages written.
    messages: u64,
    /// The reader's acknowledgement as last seen.
    acknowledged: u64,
    /// Where the next spare block would be.
    spare: usize,
    /// Blocks in a row that the reader had not been done with.
    fresh: u32,
    /// The longest body that is copied into the queue, in bytes.
    most: usize,
    /// Where the message being written begins, if it has further parts.
    begin: Option<Mark>,
}

/// A place of the writer.
#[derive(Clone, Copy)]
struct Mark {
    block: *mut Block,
    index: usize,
    position: u64,
}

struct Consumer {
    at: Walk,
    /// Words known to be published.
    visible: u64,
    /// Whole messages read.
    messages: u64,
    /// Whole messages the writer was told of.
    acknowledged: u64,
    /// Where the next spare block goes.
    spare: usize,
    /// `messages` when the reader last fell asleep.
    slept_at: u64,
    /// What `quick` says.
    quick: bool,
    lingering: Lingering,
}

struct Shared {
    producer: Apart<UnsafeCell<Producer>>,
    consumer: Apart<UnsafeCell<Consumer>>,
    published: Apart<AtomicU64>,
    acknowledged: Apart<AtomicU64>,
    reader_asleep: AtomicBool,
    /// The writer need make no barrier between publishing and looking whether the reader sleeps.
    quick: AtomicBool,
    writer_asleep: AtomicBool,
    writer_gone: AtomicBool,
    reader_gone: AtomicBool,
    /// Messages that may be under way, [`UNLIMITED`] if any number may.
    high_water_mark: AtomicU64,
    /// Blocks the reader is done with, for the writer to use again: a ring of its own.
    spares: Apart<[AtomicPtr<Block>; SPARES]>,
    /// ZMQ_CONFLATE: only the newest message is kept, here.
    latest: Option<Mutex<Option<Msg>>>,
}

// SAFETY: `producer` and `consumer` belong to the one Writer and the one Reader; records are handed
// from one to the other by the store and load of `published`, blocks back through `spares`.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// The writing end.
pub struct Writer(Arc<Shared>);

/// The reading end.
pub struct Reader(Arc<Shared>);

/// A new queue for `high_water_mark` messages (0: unlimited); `conflate` keeps the newest only.
pub fn queue(high_water_mark: u32, conflate: bool) -> (Writer, Reader) {
    // As small as what else belongs to a socket.
    let block = Block::take().unwrap_or_else(|| handle_alloc_error(Layout::new::<Block>()));
    let producer = Producer {
        block,
        index: 0,
        position: 0,
        messages: 0,
        acknowledged: 0,
        spare: 0,
        fresh: 0,
        most: BYTES_LIMIT,
        begin: None,
    };
    let consumer = Consumer {
        at: Walk { block, index: 0, position: 0 },
        visible: 0,
        messages: 0,
        acknowledged: 0,
        spare: 0,
        slept_at: 0,
        quick: false,
        lingering: Lingering::new(),
    };
    let shared = Arc::new(Shared {
        producer: Apart(UnsafeCell::new(producer)),
        consumer: Apart(UnsafeCell::new(consumer)),
        published: Apart(AtomicU64::new(0)),
        acknowledged: Apart(AtomicU64::new(0)),
        // Nobody has looked yet, so the first message must wake the reader.
        reader_asleep: AtomicBool::new(true),
        quick: AtomicBool::new(false),
        writer_asleep: AtomicBool::new(false),
        writer_gone: AtomicBool::new(false),
        reader_gone: AtomicBool::new(false),
        high_water_mark: AtomicU64::new(if conflate { UNLIMITED } else { limit(high_water_mark) }),
        spares: Apart(std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut()))),
        latest: conflate.then(|| Mutex::new(None)),
    });
    (Writer(shared.clone()), Reader(shared))
}

/// A high-water mark as the queue keeps it.
fn limit(messages: u32) -> u64 {
    if messages == 0 { UNLIMITED } else { u64::from(messages) }
}

impl Shared {
    /// Changes the high-water mark (0: unlimited), unless only the newest message is kept.
    fn set_high_water_mark(&self, messages: u32) {
        if self.latest.is_none() {
            self.high_water_mark.store(limit(messages), Ordering::Relaxed);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let end = self.producer.0.get_mut().position;
        let consumer = self.consumer.0.get_mut();
        // SAFETY: both ends are gone, so everything here is ours. Records were written from the
        // reader's place up to the writer's, published or not.
        unsafe {
            let at = &mut consumer.at;
            let leave = |block| {
                if Block::leave(block) {
                    Block::give(block);
                }
            };
            while at.position != end {
                let (head, body) = at.record(leave);
                if head.kind() == Head::MESSAGE {
                    body.cast::<Msg>().drop_in_place();
                }
                at.pass(head);
            }
            leave(at.block);
            for spare in &self.spares.0 {
                let spare = spare.load(Ordering::Relaxed);
                if !spare.is_null() {
                    Block::give(spare);
                }
            }
        }
    }
}
