//! The writer's side of a queue.

use super::block::{BLOCK, Block, Head, MSG_WORDS, Walk};
use super::{BYTES_LIMIT, BYTES_LIMIT_FAR, FAR, Mark, Producer, SPARES, Shared, Writer};
use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::sync::asymmetric;
use crate::sync::atomic::Ordering;
use std::ptr;

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
    /// Whether it takes the place of one that nobody has read, as the queue conflates.
    ///
    /// # Errors
    /// [`Error::NoMemory`]; nothing has happened then.
    #[inline(always)]
    pub fn push(&mut self, msg: &mut Msg) -> Result<bool> {
        if self.copies(msg) {
            if !self.push_bytes(msg.data(), msg.flags()) {
                return Err(Error::NoMemory);
            }
            *msg = Msg::new();
            return Ok(false);
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

    fn push_message(&mut self, msg: &mut Msg) -> Result<bool> {
        if let Some(latest) = &self.0.latest {
            // Of a message in parts only the last one counts (zmq_setsockopt(3): "Does not support
            // multi-part messages").
            let msg = msg.take();
            let before = if msg.more() { None } else { latest.lock().replace(msg) };
            return Ok(before.is_some());
        }
        let head = Head::new(Head::MESSAGE, msg.flags(), 0);
        // SAFETY: the record has room for its head and a Msg, words being aligned as one is.
        unsafe {
            let record = self.reserve(head).ok_or(Error::NoMemory)?;
            record.write(head.0);
            record.add(1).cast::<Msg>().write(msg.take());
        }
        Ok(false)
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

    /// Messages written that the reader has not said it has read.
    pub fn under_way(&self) -> usize {
        if let Some(latest) = &self.0.latest {
            return usize::from(latest.lock().is_some());
        }
        let acknowledged = self.0.acknowledged.0.load(Ordering::Acquire);
        // SAFETY: the only Writer.
        let written = unsafe { (*self.0.producer.0.get()).messages };
        written.saturating_sub(acknowledged) as usize
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
}
