//! The reader's side of a queue.

use super::block::{Block, Head, MSG_WORDS, Walk};
use super::{AWAKE, Consumer, Reader, SPARES, Shared};
use crate::msg::{Msg, Sink};
use crate::pattern::Part;
use crate::policy::lingering::Lingering;
use crate::sync::atomic::Ordering;
use crate::sync::{asymmetric, pause};
use crate::sys::clock::{processors, ticks};

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

    /// Messages that can be read.
    pub fn unread(&self) -> usize {
        let shared = &*self.0;
        if let Some(latest) = &shared.latest {
            return usize::from(latest.lock().is_some());
        }
        let published = shared.published.0.load(Ordering::Acquire);
        // SAFETY: the only Reader.
        let Walk { block, index, position } = unsafe { &(*shared.consumer.0.get()).at };
        let mut at = Walk { block: *block, index: *index, position: *position };
        let mut count = 0;
        while at.position != published {
            // SAFETY: published, so it is there, and nobody leaves its block before us.
            let (head, _) = unsafe { at.record(|_| {}) };
            at.pass(head);
            count += usize::from(!head.more());
        }
        count
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

impl Shared {
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
