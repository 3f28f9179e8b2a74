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
//! [`heavy`](asymmetric::heavy) one for both when it falls asleep after all.
//!
//! Layout of responsibility: `producer` is touched by the [`Writer`] only, `consumer` by the
//! [`Reader`] only; each exists once and its methods take `&mut self`.

mod block;
#[cfg(all(test, loom))]
mod models;
#[cfg_attr(loom, path = "pool_none.rs")]
mod pool;
#[cfg(test)]
mod tests;
#[cfg(all(test, not(loom)))]
mod tso;

use crate::error::{Error, Result};
use crate::msg::{Msg, Sink};
use crate::pattern::Part;
use crate::policy::lingering::Lingering;
use crate::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering};
use crate::sync::pause;
use crate::sync::{Arc, Mutex, asymmetric};
use crate::sys::clock::{processors, ticks};
use block::{Block, Head, Walk};
use std::alloc::{Layout, handle_alloc_error};
use std::cell::UnsafeCell;
use std::mem::size_of;
use std::ptr;

/// Words of 8 bytes in a block: with the link and the count they fill 4 KiB. In a model, one `Msg` and
/// the end.
const BLOCK: usize = if cfg!(loom) { 2 + MSG_WORDS } else { 510 };
/// The longest body that is copied into the queue, in bytes.
pub const BYTES_LIMIT: usize = 1024;
/// The same while the reader is far behind: longer ones would leave much of each block empty, and
/// stand closer in an arena.
const BYTES_LIMIT_FAR: usize = 560;
/// New blocks in a row after which the reader is far behind.
const FAR: u32 = 1024;
/// Words of a record that holds a `Msg`, without its head.
const MSG_WORDS: usize = size_of::<Msg>() / size_of::<u64>();
/// Blocks the reader is done with that are kept for the writer.
const SPARES: usize = 8;
/// Stands for no high-water mark.
const UNLIMITED: u64 = u64::MAX / 2;
/// Messages read without sleeping after which the writer may be quick.
const AWAKE: u64 = if cfg!(loom) { 1 } else { 256 };

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

impl Writer {
    /// Changes the high-water mark (0: unlimited).
    pub fn set_high_water_mark(&self, messages: u32) {
        self.0.set_high_water_mark(messages);
    }

    /// Whether one more message may be written. If not, the reader wakes us once it has read
    /// half of what is under way.
    #[inline(always)]
    pub fn has_room(&mut self) -> bool {
        let shared = &*self.0;
        let limit = shared.high_water_mark.load(Ordering::Relaxed);
        // SAFETY: the only Writer.
        let producer = unsafe { &mut *shared.producer.0.get() };
        producer.messages - producer.acknowledged < limit || shared.has_room_after_all(producer)
    }

    /// Appends a frame, not yet visible to the reader. A message ends with a frame without MORE. `msg`
    /// is empty afterwards.
    ///
    /// The message must own its body, unless the queue [copies](Writer::copies) it.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    #[inline]
    pub fn push(&mut self, msg: &mut Msg) -> Result<()> {
        if self.copies(msg) {
            if !self.push_bytes(msg.data(), msg.flags()) {
                return Err(Error::NoMemory);
            }
            *msg = Msg::new();
            return Ok(());
        }
        self.push_message(msg)
    }

    /// Whether the body of `msg` would be copied into the queue.
    #[inline]
    pub fn copies(&self, msg: &Msg) -> bool {
        msg.is_better_copied() && msg.len() <= self.most() && self.0.latest.is_none()
    }

    /// The longest body that is copied into the queue now, in bytes: [`BYTES_LIMIT`] at most.
    #[inline(always)]
    pub fn most(&self) -> usize {
        // SAFETY: the only Writer.
        unsafe { (*self.0.producer.0.get()).most }
    }

    fn push_message(&mut self, msg: &mut Msg) -> Result<()> {
        if let Some(latest) = &self.0.latest {
            // Of a message in parts only the last one counts (zmq_setsockopt(3): "Does not support
            // multi-part messages").
            let msg = msg.take();
            if !msg.more() {
                *latest.lock() = Some(msg);
            }
            return Ok(());
        }
        let head = Head::new(Head::MESSAGE, msg.flags(), 0);
        // SAFETY: the record has room for its head and a Msg, words being aligned as one is.
        unsafe {
            let record = self.reserve(head).ok_or(Error::NoMemory)?;
            record.write(head.0);
            record.add(1).cast::<Msg>().write(msg.take());
        }
        Ok(())
    }

    /// [`Writer::push`] of a frame with this body; false without memory. Not for a queue that
    /// conflates.
    #[inline(always)]
    pub fn push_bytes(&mut self, bytes: &[u8], flags: u8) -> bool {
        debug_assert!(bytes.len() <= BYTES_LIMIT && self.0.latest.is_none());
        let head = Head::new(Head::BYTES, flags, bytes.len());
        // SAFETY: the record has room for its head and the bytes.
        unsafe {
            let Some(record) = self.reserve(head) else { return false };
            record.write(head.0);
            ptr::copy_nonoverlapping(bytes.as_ptr(), record.add(1).cast::<u8>(), bytes.len());
        }
        true
    }

    /// [`Writer::push_bytes`] of a message of one part, none having begun.
    #[inline(always)]
    pub fn push_bytes_alone(&mut self, bytes: &[u8]) -> bool {
        debug_assert!(bytes.len() <= BYTES_LIMIT && self.0.latest.is_none());
        let head = Head::new(Head::BYTES, 0, bytes.len());
        // SAFETY: the record has room for its head and the bytes.
        unsafe {
            let Some(record) = self.reserve_alone(1 + bytes.len().div_ceil(8)) else {
                return false;
            };
            record.write(head.0);
            ptr::copy_nonoverlapping(bytes.as_ptr(), record.add(1).cast::<u8>(), bytes.len());
        }
        true
    }

    /// [`Writer::push`] of a message of one part that owns its body, none having begun. It is empty
    /// afterwards. False without memory; nothing has happened then. Not for a queue that conflates.
    #[inline(always)]
    pub fn push_alone(&mut self, msg: &mut Msg) -> bool {
        debug_assert!(!msg.is_borrowed() && !msg.more() && self.0.latest.is_none());
        let head = Head::new(Head::MESSAGE, msg.flags(), 0);
        // SAFETY: the record has room for its head and a Msg, words being aligned as one is.
        unsafe {
            let Some(record) = self.reserve_alone(1 + MSG_WORDS) else { return false };
            record.write(head.0);
            msg.move_to(record.add(1).cast::<Msg>());
        }
        true
    }

    /// The place for a record of so many words that is a message of its own, none having begun.
    #[inline(always)]
    fn reserve_alone(&mut self, words: usize) -> Option<*mut u64> {
        // SAFETY: the only Writer.
        let producer = unsafe { &mut *self.0.producer.0.get() };
        debug_assert!(producer.begin.is_none());
        if producer.index + words > BLOCK && !self.0.change_block(producer) {
            return None;
        }
        // SAFETY: the words up to the end of the block are the writer's until published.
        let record = unsafe { Block::at(producer.block, producer.index) };
        producer.index += words;
        producer.position += words as u64;
        producer.messages += 1;
        Some(record)
    }

    /// Whether the queue keeps the newest message only.
    #[inline]
    pub fn conflates(&self) -> bool {
        self.0.latest.is_some()
    }

    /// The place for the next record, which the reader does not look at before `publish`; `None`
    /// without memory, and nothing has happened.
    #[inline(always)]
    fn reserve(&mut self, head: Head) -> Option<*mut u64> {
        let words = head.words();
        // SAFETY: the only Writer.
        let producer = unsafe { &mut *self.0.producer.0.get() };
        let Producer { block, index, position, .. } = *producer;
        if producer.index + words > BLOCK && !self.0.change_block(producer) {
            return None;
        }
        if head.more() {
            producer.begin.get_or_insert(Mark { block, index, position });
        } else {
            producer.begin = None;
        }
        // SAFETY: the words up to the end of the block are the writer's until published.
        let record = unsafe { Block::at(producer.block, producer.index) };
        producer.index += words;
        producer.position += words as u64;
        producer.messages += u64::from(!head.more());
        Some(record)
    }

    /// Whether the last frame pushed was one of a message that goes on.
    #[inline]
    pub fn in_message(&self) -> bool {
        // SAFETY: the only Writer.
        unsafe { (*self.0.producer.0.get()).begin.is_some() }
    }

    /// Takes the frames of an unfinished message back.
    pub fn rollback(&mut self) {
        // SAFETY: the only Writer. Nothing behind the mark was published, so all of it is the
        // writer's: records up to its place, and blocks behind that of the mark.
        unsafe {
            let producer = &mut *self.0.producer.0.get();
            let Some(mark) = producer.begin.take() else { return };
            let mut walk = Walk { block: mark.block, index: mark.index, position: mark.position };
            // The block of the mark stays.
            let give_other = |block| {
                if block != mark.block {
                    Block::give(block);
                }
            };
            while walk.position != producer.position {
                let (head, body) = walk.record(give_other);
                if head.kind() == Head::MESSAGE {
                    body.cast::<Msg>().drop_in_place();
                }
                walk.pass(head);
            }
            give_other(producer.block);
            (*mark.block).next.store(ptr::null_mut(), Ordering::Relaxed);
            (producer.block, producer.index) = (mark.block, mark.index);
            producer.position = mark.position;
        }
    }

    /// Makes everything pushed visible. True if the reader sleeps and must be woken by the caller.
    #[inline(always)]
    pub fn publish(&mut self) -> bool {
        self.publish_with(asymmetric::light)
    }

    /// [`Writer::publish`] where barriers [are free](asymmetric::is_free).
    #[inline(always)]
    pub fn publish_freely(&mut self) -> bool {
        self.publish_with(asymmetric::free)
    }

    #[inline(always)]
    fn publish_with(&mut self, barrier: impl FnOnce()) -> bool {
        let shared = &*self.0;
        // SAFETY: the only Writer.
        let position = unsafe { (*shared.producer.0.get()).position };
        shared.published.0.store(position, Ordering::Release);
        // `quick` is looked at after that. Seen before, it may be true still when the reader has
        // fallen asleep with a heavy barrier, woken up and fallen asleep again without one.
        barrier();
        if !shared.quick.load(Ordering::Relaxed) {
            // Once more in the one order of all: that is the barrier.
            shared.published.0.store(position, Ordering::SeqCst);
        }
        shared.reader_asleep.load(Ordering::SeqCst) && shared.wake_reader()
    }

    /// Whether the reader could ever see a message of this writer, or has seen one.
    pub fn has_published(&self) -> bool {
        if let Some(latest) = &self.0.latest {
            return latest.lock().is_some();
        }
        self.0.published.0.load(Ordering::Relaxed) != 0
    }

    /// Says that nothing more will be written.
    pub fn close(&mut self) {
        self.0.writer_gone.store(true, Ordering::Release);
    }

    /// Whether nobody will read any more.
    #[inline]
    pub fn reader_gone(&self) -> bool {
        self.0.reader_gone.load(Ordering::Acquire)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Changes the high-water mark (0: unlimited), unless only the newest message is kept.
    fn set_high_water_mark(&self, messages: u32) {
        if self.latest.is_none() {
            self.high_water_mark.store(limit(messages), Ordering::Relaxed);
        }
    }

    /// Whether the reader has made room that the writer does not know of yet. If not, the writer
    /// sleeps.
    #[cold]
    fn has_room_after_all(&self, producer: &mut Producer) -> bool {
        let limit = self.high_water_mark.load(Ordering::Relaxed);
        producer.acknowledged = self.acknowledged.0.load(Ordering::Acquire);
        if producer.messages - producer.acknowledged < limit {
            return true;
        }
        self.writer_asleep.store(true, Ordering::SeqCst);
        producer.acknowledged = self.acknowledged.0.load(Ordering::SeqCst);
        if producer.messages - producer.acknowledged < limit {
            self.writer_asleep.store(false, Ordering::SeqCst);
            return true;
        }
        false
    }

    /// True for the one who is to wake the reader.
    #[cold]
    fn wake_reader(&self) -> bool {
        self.reader_asleep.swap(false, Ordering::SeqCst)
    }

    /// Goes on in another block: one the reader is done with, or a new one. False without memory.
    #[cold]
    fn change_block(&self, producer: &mut Producer) -> bool {
        let place = &self.spares.0[producer.spare % SPARES];
        let mut next = place.load(Ordering::Acquire);
        if next.is_null() {
            match Block::take() {
                Some(block) => next = block,
                None => return false,
            }
            producer.fresh = producer.fresh.saturating_add(1);
        } else {
            place.store(ptr::null_mut(), Ordering::Release);
            producer.spare += 1;
            producer.fresh = 0;
        }
        producer.most = if producer.fresh < FAR { BYTES_LIMIT } else { BYTES_LIMIT_FAR };
        // SAFETY: `next` is the writer's alone. The rest of the old block is, too; the reader sees
        // its end and the link with the next record that is published.
        unsafe {
            (*next).next.store(ptr::null_mut(), Ordering::Relaxed);
            if producer.index < BLOCK {
                let end = Block::at(producer.block, producer.index);
                end.write(Head::new(Head::END, 0, 0).0);
                producer.position += (BLOCK - producer.index) as u64;
            }
            (*producer.block).next.store(next, Ordering::Release);
        }
        producer.block = next;
        producer.index = 0;
        true
    }

    /// The next record, which must be published.
    #[inline(always)]
    fn record(&self, consumer: &mut Consumer) -> (Head, *mut u64) {
        let Consumer { at, spare, messages, slept_at, quick, .. } = consumer;
        // SAFETY: published, so it is there, and ours.
        unsafe {
            at.record(|block| {
                if !*quick && *messages - *slept_at >= AWAKE {
                    *quick = true;
                    self.quick.store(true, Ordering::Relaxed);
                }
                self.leave_block(spare, block);
            })
        }
    }

    /// Says that the reader sleeps. The caller must look for messages once more afterwards.
    #[cold]
    fn fall_asleep(&self, consumer: &mut Consumer) {
        consumer.slept_at = consumer.messages;
        if std::mem::take(&mut consumer.quick) {
            self.quick.store(false, Ordering::Relaxed);
            self.reader_asleep.store(true, Ordering::Relaxed);
            asymmetric::heavy();
        } else {
            self.reader_asleep.store(true, Ordering::SeqCst);
        }
    }

    /// The reader is done with a block.
    #[cold]
    fn leave_block(&self, spare: &mut usize, block: *mut Block) {
        // SAFETY: the writer left it before us.
        if unsafe { !Block::leave(block) } {
            return;
        }
        let place = &self.spares.0[*spare % SPARES];
        if place.load(Ordering::Acquire).is_null() {
            place.store(block, Ordering::Release);
            *spare += 1;
        } else {
            // SAFETY: as above.
            unsafe { Block::give(block) };
        }
    }

    /// Whether there is a record, without saying to the writer that we look for one.
    #[inline(always)]
    fn stands_ready(&self, consumer: &mut Consumer) -> bool {
        if consumer.at.position == consumer.visible {
            consumer.visible = self.published.0.load(Ordering::Acquire);
        }
        consumer.at.position != consumer.visible
    }

    /// A record was read. True if the writer sleeps and must be woken.
    #[inline(always)]
    fn advance(&self, consumer: &mut Consumer, head: Head) -> bool {
        consumer.at.pass(head);
        if head.more() {
            return false;
        }
        consumer.messages += 1;
        // Half of it, rounded up.
        let enough = self.high_water_mark.load(Ordering::Relaxed).div_ceil(2);
        consumer.messages - consumer.acknowledged >= enough && self.acknowledge(consumer)
    }

    /// A record of so many words was read that was a message of its own. True if the writer sleeps
    /// and must be woken.
    #[inline(always)]
    fn advance_alone(&self, consumer: &mut Consumer, words: usize) -> bool {
        consumer.at.index += words;
        consumer.at.position += words as u64;
        consumer.messages += 1;
        let enough = self.high_water_mark.load(Ordering::Relaxed).div_ceil(2);
        consumer.messages - consumer.acknowledged >= enough && self.acknowledge(consumer)
    }

    #[cold]
    fn acknowledge(&self, consumer: &mut Consumer) -> bool {
        consumer.acknowledged = consumer.messages;
        self.acknowledged.0.store(consumer.messages, Ordering::SeqCst);
        self.writer_asleep.load(Ordering::SeqCst)
            && self.writer_asleep.swap(false, Ordering::SeqCst)
    }
}

impl Reader {
    /// Changes the high-water mark (0: unlimited).
    pub fn set_high_water_mark(&self, messages: u32) {
        self.0.set_high_water_mark(messages);
    }

    /// Whether a frame can be popped. If not, the writer wakes us with the next one.
    #[inline]
    pub fn has_frame(&mut self) -> bool {
        let shared = &*self.0;
        if let Some(latest) = &shared.latest {
            return latest.lock().is_some() || {
                shared.reader_asleep.store(true, Ordering::SeqCst);
                latest.lock().is_some()
            };
        }
        // SAFETY: the only Reader.
        let consumer = unsafe { &mut *shared.consumer.0.get() };
        if consumer.at.position != consumer.visible {
            return true;
        }
        consumer.visible = shared.published.0.load(Ordering::Acquire);
        if consumer.at.position != consumer.visible {
            return true;
        }
        if shared.reader_asleep.load(Ordering::Relaxed) {
            // Said before, and not woken since: the next message will.
            return false;
        }
        shared.fall_asleep(consumer);
        consumer.visible = shared.published.0.load(Ordering::SeqCst);
        if consumer.at.position != consumer.visible {
            shared.reader_asleep.store(false, Ordering::SeqCst);
            return true;
        }
        false
    }

    /// Waits a moment for the writer, which is perhaps in the middle of its work, if that has paid
    /// lately. Half a microsecond here saves two wake-ups. True if there is something to pop now.
    #[cold]
    pub fn linger(&mut self) -> bool {
        let shared = &*self.0;
        // SAFETY: the only Reader.
        let consumer = unsafe { &mut *shared.consumer.0.get() };
        if consumer.at.position == consumer.visible {
            consumer.visible = shared.published.0.load(Ordering::Acquire);
            if consumer.at.position == consumer.visible && shared.latest.is_none() {
                shared.linger(consumer);
            }
        }
        consumer.at.position != consumer.visible
    }

    /// Whether the queue keeps the newest message only.
    #[inline]
    pub fn conflates(&self) -> bool {
        self.0.latest.is_some()
    }

    /// Whether there is something to pop for sure.
    pub fn knows_more(&self) -> bool {
        // SAFETY: the only Reader.
        let consumer = unsafe { &*self.0.consumer.0.get() };
        consumer.at.position != consumer.visible
    }

    /// The next frame, and whether the writer sleeps and must be woken by the caller.
    #[inline]
    pub fn pop(&mut self) -> Option<(Msg, bool)> {
        if !self.has_frame() {
            return None;
        }
        let shared = &*self.0;
        if let Some(latest) = &shared.latest {
            return latest.lock().take().map(|msg| (msg, false));
        }
        // SAFETY: the only Reader; the record is published, so its body is initialised, and it is
        // read once.
        unsafe {
            let consumer = &mut *shared.consumer.0.get();
            let (head, body) = shared.record(consumer);
            let msg = if head.kind() == Head::BYTES {
                let body = body.cast::<u8>();
                let copy = Msg::copy_from(std::slice::from_raw_parts(body, head.len()));
                let mut msg = match copy {
                    Ok(copy) => copy,
                    Err(_) => Block::lend(consumer.at.block, body, head.len()),
                };
                msg.set_flags(head.flags());
                msg
            } else {
                body.cast::<Msg>().read()
            };
            let wake = shared.advance(consumer, head);
            Some((msg, wake))
        }
    }

    /// Gives the next frame straight to `to` if its body is in the queue, and says whether the
    /// writer sleeps and must be woken by the caller. `None`: nothing has happened, see
    /// [`Reader::pop`].
    #[inline(always)]
    pub fn pop_into<S: Sink + ?Sized>(&mut self, to: &mut S) -> Option<(Part, bool)> {
        let shared = &*self.0;
        // SAFETY: the only Reader.
        let consumer = unsafe { &mut *shared.consumer.0.get() };
        if !shared.stands_ready(consumer) {
            return None;
        }
        let (head, body) = shared.record(consumer);
        let more = head.more();
        if head.flags() & !crate::msg::MORE != 0 {
            return None;
        }
        if head.kind() != Head::BYTES {
            if !S::TAKES_MESSAGES {
                return None;
            }
            // SAFETY: published, so the message is initialised, and it is read once.
            let msg = unsafe { body.cast::<Msg>().read() };
            let part = Part { len: msg.len(), more };
            to.take_message(msg);
            return Some((part, shared.advance(consumer, head)));
        }
        // SAFETY: published, so the body is initialised and stays as it is until we advance.
        let bytes = unsafe { std::slice::from_raw_parts(body.cast::<u8>(), head.len()) };
        if !to.take(bytes, more) {
            return None;
        }
        Some((Part { len: head.len(), more }, shared.advance(consumer, head)))
    }

    /// Gives the next message to `to` if it is one of a single part that can go there straight, and
    /// says how long it is, and whether the writer sleeps and must be woken by the caller. `None`:
    /// nothing has happened, see [`Reader::pop`].
    #[inline(always)]
    pub fn pop_alone<S: Sink + ?Sized>(&mut self, to: &mut S) -> Option<(usize, bool)> {
        let shared = &*self.0;
        // SAFETY: the only Reader.
        let consumer = unsafe { &mut *shared.consumer.0.get() };
        if !shared.stands_ready(consumer) {
            return None;
        }
        let (head, body) = shared.record(consumer);
        if head.is_plain(Head::BYTES) {
            let len = head.len();
            // SAFETY: published, so the body is initialised and stays as it is until we advance.
            let bytes = unsafe { std::slice::from_raw_parts(body.cast::<u8>(), len) };
            if !to.take(bytes, false) {
                return None;
            }
            return Some((len, shared.advance_alone(consumer, 1 + len.div_ceil(8))));
        }
        if !S::TAKES_MESSAGES || !head.is_plain(Head::MESSAGE) {
            return None;
        }
        // SAFETY: published, so the message is initialised, and it is read once.
        let len = unsafe { to.take_message_at(body.cast::<Msg>()) };
        Some((len, shared.advance_alone(consumer, 1 + MSG_WORDS)))
    }

    /// Tells the writer of everything read, however little. True if it sleeps and must be woken
    /// by the caller. To be called when there is nothing to read: a high-water mark lowered
    /// meanwhile would otherwise count messages that are gone.
    #[inline]
    pub fn acknowledge(&mut self) -> bool {
        let shared = &*self.0;
        // SAFETY: the only Reader.
        let consumer = unsafe { &mut *shared.consumer.0.get() };
        consumer.acknowledged != consumer.messages && shared.acknowledge(consumer)
    }

    /// Says that nothing more will be read.
    pub fn close(&mut self) {
        self.0.reader_gone.store(true, Ordering::Release);
    }

    /// Whether the writer is gone: what can be popped now is the rest.
    pub fn writer_gone(&self) -> bool {
        self.0.writer_gone.load(Ordering::Acquire)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.close();
        while self.pop().is_some() {}
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

impl Shared {
    #[cold]
    fn linger(&self, consumer: &mut Consumer) {
        if !consumer.lingering.begins(processors(), consumer.messages) {
            return;
        }
        let until = Lingering::until(ticks());
        while consumer.at.position == consumer.visible && ticks() < until {
            // Not too eager: each look takes the counter's cache line from the writer.
            for _ in 0..4 {
                pause::spin_loop();
            }
            consumer.visible = self.published.0.load(Ordering::Acquire);
        }
        let found = consumer.at.position != consumer.visible;
        if consumer.lingering.ended(found, consumer.messages) {
            self.gather(consumer);
        }
    }

    /// Lets more messages come behind the first. A reader that is faster than its writer would else
    /// be at its heels: each would wait for the cache lines that the other has just used.
    fn gather(&self, consumer: &mut Consumer) {
        let until = Lingering::gather_until(ticks());
        while ticks() < until
            && !Lingering::is_enough(consumer.visible - consumer.at.position)
            && !self.writer_asleep.load(Ordering::Relaxed)
        {
            for _ in 0..16 {
                pause::spin_loop();
            }
            consumer.visible = self.published.0.load(Ordering::Acquire);
        }
    }
}
