//! The queue of one direction of an inproc pipe: one writer, one reader, no locks.
//!
//! Messages stand in linked blocks, so an empty queue is small and a full one is as large as its
//! high-water mark asks for. The writer publishes whole messages by raising `published`; the
//! reader tells how far it came by raising `acknowledged` every half high-water mark. A side that
//! finds nothing to do says so in its `asleep` flag, and the other side then wakes it, once.
//!
//! Layout of responsibility: `producer` is touched by the [`Writer`] only, `consumer` by the
//! [`Reader`] only; each exists once and its methods take `&mut self`.

use crate::msg::Msg;
use parking_lot::Mutex;
use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};

/// Frames in a block: 63 of 64 bytes and the link fill 4 KiB.
const BLOCK: usize = 63;

struct Block {
    next: AtomicPtr<Block>,
    slots: [UnsafeCell<MaybeUninit<Msg>>; BLOCK],
}

impl Block {
    fn allocate() -> *mut Block {
        Box::into_raw(Box::new(Block {
            next: AtomicPtr::new(ptr::null_mut()),
            slots: [const { UnsafeCell::new(MaybeUninit::uninit()) }; BLOCK],
        }))
    }
}

/// Keeps what the two sides write on different cache lines.
#[repr(align(128))]
struct Apart<T>(T);

struct Producer {
    block: *mut Block,
    index: usize,
    /// Frames written, published or not.
    frames: u64,
    /// Whole messages written.
    messages: u64,
    /// The reader's acknowledgement as last seen.
    acknowledged: u64,
}

struct Consumer {
    block: *mut Block,
    index: usize,
    /// Frames read.
    frames: u64,
    /// Frames known to be published.
    visible: u64,
    /// Whole messages read.
    messages: u64,
}

struct Shared {
    producer: Apart<UnsafeCell<Producer>>,
    consumer: Apart<UnsafeCell<Consumer>>,
    published: Apart<AtomicU64>,
    acknowledged: Apart<AtomicU64>,
    reader_asleep: AtomicBool,
    writer_asleep: AtomicBool,
    writer_gone: AtomicBool,
    reader_gone: AtomicBool,
    /// Messages that may be under way; 0 is unlimited.
    high_water_mark: AtomicU32,
    /// A block the reader is done with, for the writer to use again.
    spare: AtomicPtr<Block>,
    /// ZMQ_CONFLATE: only the newest message is kept, here.
    latest: Option<Mutex<Option<Msg>>>,
}

// SAFETY: `producer` and `consumer` belong to the one Writer and the one Reader; slots are handed
// from one to the other by the release store and acquire load of `published`.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// The writing end.
pub struct Writer(Arc<Shared>);

/// The reading end.
pub struct Reader(Arc<Shared>);

/// A new queue for `high_water_mark` messages (0: unlimited); `conflate` keeps the newest only.
pub fn queue(high_water_mark: u32, conflate: bool) -> (Writer, Reader) {
    let block = Block::allocate();
    let producer = Producer { block, index: 0, frames: 0, messages: 0, acknowledged: 0 };
    let consumer = Consumer { block, index: 0, frames: 0, visible: 0, messages: 0 };
    let shared = Arc::new(Shared {
        producer: Apart(UnsafeCell::new(producer)),
        consumer: Apart(UnsafeCell::new(consumer)),
        published: Apart(AtomicU64::new(0)),
        acknowledged: Apart(AtomicU64::new(0)),
        // Nobody has looked yet, so the first message must wake the reader.
        reader_asleep: AtomicBool::new(true),
        writer_asleep: AtomicBool::new(false),
        writer_gone: AtomicBool::new(false),
        reader_gone: AtomicBool::new(false),
        high_water_mark: AtomicU32::new(high_water_mark),
        spare: AtomicPtr::new(ptr::null_mut()),
        latest: conflate.then(|| Mutex::new(None)),
    });
    (Writer(shared.clone()), Reader(shared))
}

impl Writer {
    /// Changes the high-water mark (0: unlimited).
    pub fn set_high_water_mark(&self, messages: u32) {
        self.0.high_water_mark.store(messages, Ordering::Relaxed);
    }

    /// Whether one more message may be written. If not, the reader wakes us once it has read
    /// half of what is under way.
    #[inline]
    pub fn has_room(&mut self) -> bool {
        let shared = &*self.0;
        let limit = u64::from(shared.high_water_mark.load(Ordering::Relaxed));
        if limit == 0 || shared.latest.is_some() {
            return true;
        }
        // SAFETY: the only Writer.
        let producer = unsafe { &mut *shared.producer.0.get() };
        if producer.messages - producer.acknowledged < limit {
            return true;
        }
        producer.acknowledged = shared.acknowledged.0.load(Ordering::Acquire);
        if producer.messages - producer.acknowledged < limit {
            return true;
        }
        shared.writer_asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        producer.acknowledged = shared.acknowledged.0.load(Ordering::Acquire);
        if producer.messages - producer.acknowledged < limit {
            shared.writer_asleep.store(false, Ordering::SeqCst);
            return true;
        }
        false
    }

    /// Appends a frame, not yet visible to the reader. A message ends with a frame without MORE.
    #[inline]
    pub fn push(&mut self, msg: Msg) {
        let shared = &*self.0;
        if let Some(latest) = &shared.latest {
            *latest.lock() = Some(msg);
            return;
        }
        // SAFETY: the only Writer; the slot at `index` is free until published.
        unsafe {
            let producer = &mut *shared.producer.0.get();
            producer.messages += u64::from(!msg.more());
            let block = producer.block;
            (*(&(*block).slots)[producer.index].get()).write(msg);
            producer.index += 1;
            producer.frames += 1;
            if producer.index == BLOCK {
                let mut next = shared.spare.swap(ptr::null_mut(), Ordering::Acquire);
                if next.is_null() {
                    next = Block::allocate();
                } else {
                    (*next).next.store(ptr::null_mut(), Ordering::Relaxed);
                }
                // Made visible to the reader by the release store of `published`.
                (*block).next.store(next, Ordering::Release);
                producer.block = next;
                producer.index = 0;
            }
        }
    }

    /// Makes everything pushed visible. True if the reader sleeps and must be woken by the caller.
    #[inline]
    pub fn publish(&mut self) -> bool {
        let shared = &*self.0;
        // SAFETY: the only Writer.
        let frames = unsafe { (*shared.producer.0.get()).frames };
        shared.published.0.store(frames, Ordering::Release);
        fence(Ordering::SeqCst);
        shared.reader_asleep.load(Ordering::Relaxed)
            && shared.reader_asleep.swap(false, Ordering::SeqCst)
    }

    /// Says that nothing more will be written.
    pub fn close(&mut self) {
        self.0.writer_gone.store(true, Ordering::Release);
    }

    /// Whether nobody will read any more.
    pub fn reader_gone(&self) -> bool {
        self.0.reader_gone.load(Ordering::Acquire)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Reader {
    /// Changes the high-water mark (0: unlimited).
    pub fn set_high_water_mark(&self, messages: u32) {
        self.0.high_water_mark.store(messages, Ordering::Relaxed);
    }

    /// Whether a frame can be popped. If not, the writer wakes us with the next one.
    #[inline]
    pub fn has_frame(&mut self) -> bool {
        let shared = &*self.0;
        if let Some(latest) = &shared.latest {
            return latest.lock().is_some() || {
                shared.reader_asleep.store(true, Ordering::SeqCst);
                fence(Ordering::SeqCst);
                latest.lock().is_some()
            };
        }
        // SAFETY: the only Reader.
        let consumer = unsafe { &mut *shared.consumer.0.get() };
        if consumer.frames != consumer.visible {
            return true;
        }
        consumer.visible = shared.published.0.load(Ordering::Acquire);
        if consumer.frames != consumer.visible {
            return true;
        }
        shared.reader_asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        consumer.visible = shared.published.0.load(Ordering::Acquire);
        if consumer.frames != consumer.visible {
            shared.reader_asleep.store(false, Ordering::SeqCst);
            return true;
        }
        false
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
        // SAFETY: the only Reader; the frame at `index` was published, so it is initialised, and
        // it is read out once. A block is left only after its link was published with a frame.
        let (msg, messages) = unsafe {
            let consumer = &mut *shared.consumer.0.get();
            let block = consumer.block;
            let msg = (*(&(*block).slots)[consumer.index].get()).assume_init_read();
            consumer.index += 1;
            consumer.frames += 1;
            if consumer.index == BLOCK {
                consumer.block = (*block).next.load(Ordering::Acquire);
                consumer.index = 0;
                let old = shared.spare.swap(block, Ordering::AcqRel);
                if !old.is_null() {
                    drop(Box::from_raw(old));
                }
            }
            consumer.messages += u64::from(!msg.more());
            (msg, consumer.messages)
        };
        let mut wake = false;
        if !msg.more() {
            let limit = u64::from(shared.high_water_mark.load(Ordering::Relaxed));
            if limit != 0 && messages % limit.div_ceil(2) == 0 {
                shared.acknowledged.0.store(messages, Ordering::Release);
                fence(Ordering::SeqCst);
                wake = shared.writer_asleep.load(Ordering::Relaxed)
                    && shared.writer_asleep.swap(false, Ordering::SeqCst);
            }
        }
        Some((msg, wake))
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
        // SAFETY: both ends are gone, so everything here is ours. Frames were written to every
        // slot from the reader's place up to the writer's, published or not.
        unsafe {
            let producer = &*self.producer.0.get();
            let consumer = &mut *self.consumer.0.get();
            let mut block = consumer.block;
            let mut index = consumer.index;
            for _ in consumer.frames..producer.frames {
                (*(&(*block).slots)[index].get()).assume_init_drop();
                index += 1;
                if index == BLOCK {
                    let next = (*block).next.load(Ordering::Relaxed);
                    drop(Box::from_raw(block));
                    block = next;
                    index = 0;
                }
            }
            drop(Box::from_raw(block));
            let spare = self.spare.load(Ordering::Relaxed);
            if !spare.is_null() {
                drop(Box::from_raw(spare));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn msg(n: u32) -> Msg {
        Msg::copy_from(&n.to_le_bytes()).unwrap()
    }

    #[test]
    fn order_across_blocks_and_threads() {
        const COUNT: u32 = 200_000;
        let (mut writer, mut reader) = queue(0, false);
        let thread = std::thread::spawn(move || {
            for n in 0..COUNT {
                writer.push(msg(n));
                writer.publish();
            }
        });
        let mut expected = 0;
        while expected < COUNT {
            if let Some((m, _)) = reader.pop() {
                assert_eq!(m.data(), expected.to_le_bytes());
                expected += 1;
            } else {
                std::thread::yield_now();
            }
        }
        thread.join().unwrap();
        assert!(!reader.has_frame());
        assert!(reader.writer_gone());
    }

    #[test]
    fn high_water_mark_resumes_at_half() {
        let (mut writer, mut reader) = queue(5, false);
        for n in 0..5 {
            assert!(writer.has_room());
            writer.push(msg(n));
        }
        assert!(!writer.has_room());
        assert!(writer.publish(), "the reader had not looked yet");
        assert!(!reader.pop().unwrap().1);
        assert!(!reader.pop().unwrap().1);
        assert!(!writer.has_room(), "two of five is not half");
        assert!(reader.pop().unwrap().1, "three of five wakes the writer");
        assert!(writer.has_room());
    }

    #[test]
    fn unpublished_and_unread_frames_are_freed() {
        let (mut writer, mut reader) = queue(0, false);
        for n in 0..200 {
            writer.push(Msg::copy_from(&[n as u8; 100]).unwrap());
        }
        writer.publish();
        writer.push(Msg::copy_from(&[1; 100]).unwrap());
        assert!(reader.pop().is_some());
        drop(reader);
        assert!(writer.reader_gone());
    }

    #[test]
    fn conflate_keeps_the_newest() {
        let (mut writer, mut reader) = queue(1, true);
        for n in 0..9 {
            assert!(writer.has_room());
            writer.push(msg(n));
            writer.publish();
        }
        assert_eq!(reader.pop().unwrap().0.data(), 8u32.to_le_bytes());
        assert!(reader.pop().is_none());
        writer.push(msg(9));
        assert!(writer.publish());
    }
}
