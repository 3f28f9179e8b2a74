//! One record, and how it is written.

use super::layout::{Field, RECORD_SIZE, UNKNOWN, record};
use crate::sync::outside::{AtomicU8, AtomicU32, AtomicU64, Ordering, fence};
use std::ptr::NonNull;

/// A record that others may look at, or one that nobody does. It stays for ever. Counts are changed by whoever has the lock
/// of the socket, so a load and a store are enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record(NonNull<u8>);

// SAFETY: memory that stays for ever and is used through atomics.
unsafe impl Send for Record {}
// SAFETY: as above.
unsafe impl Sync for Record {}

/// Memory of a record that nobody looks at: with one, counting needs no question whether to count.
#[repr(C, align(64))]
struct Nobodys([AtomicU64; RECORD_SIZE / 8]);

/// Several, so that threads that use several sockets do not write to the same line of the cache.
static NOBODYS: [Nobodys; 64] =
    [const { Nobodys([const { AtomicU64::new(0) }; RECORD_SIZE / 8]) }; 64];

impl Record {
    /// One of memory that others may see.
    ///
    /// # Safety
    /// As many bytes as a record has, aligned to 8, are there and stay for ever, for atomics only.
    pub(super) unsafe fn at(address: NonNull<u8>) -> Record {
        Record(address)
    }

    /// One that nobody looks at; each number has its own, and shares it with few others.
    #[must_use]
    pub fn nobodys(number: u64) -> Record {
        let [first, ..] = &NOBODYS;
        let place = NOBODYS.get(number as usize % NOBODYS.len()).unwrap_or(first);
        Record(NonNull::from(place).cast())
    }

    #[inline(always)]
    fn long(&self, field: Field<u64>) -> &AtomicU64 {
        // SAFETY: inside the record, by the layout aligned, and there for ever.
        unsafe { self.0.add(field.offset).cast().as_ref() }
    }

    #[inline(always)]
    fn word(&self, field: Field<u32>) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { self.0.add(field.offset).cast().as_ref() }
    }

    #[inline(always)]
    fn byte(&self, offset: usize) -> &AtomicU8 {
        // SAFETY: as above.
        unsafe { self.0.add(offset).cast().as_ref() }
    }

    /// Counts.
    #[inline(always)]
    pub fn add(&self, field: Field<u64>, count: u64) {
        let place = self.long(field);
        place.store(place.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// Counts one.
    pub fn count(&self, field: Field<u32>) {
        let place = self.word(field);
        place.store(place.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// What was counted.
    #[inline]
    #[must_use]
    pub fn get(&self, field: Field<u64>) -> u64 {
        self.long(field).load(Ordering::Relaxed)
    }

    /// Writes a number.
    #[inline]
    pub fn set(&self, field: Field<u64>, value: u64) {
        self.long(field).store(value, Ordering::Relaxed);
    }

    /// Writes a number.
    #[inline]
    pub fn set_word(&self, field: Field<u32>, value: u32) {
        self.word(field).store(value, Ordering::Relaxed);
    }

    /// Writes a number if it is more than what is there.
    #[inline]
    pub fn raise(&self, field: Field<u32>, value: usize) {
        let place = self.word(field);
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        if value > place.load(Ordering::Relaxed) {
            place.store(value, Ordering::Relaxed);
        }
    }

    /// Writes a number.
    pub fn set_byte(&self, field: Field<u8>, value: u8) {
        self.byte(field.offset).store(value, Ordering::Relaxed);
    }

    /// Writes a text, only while the record [changes](Record::change). False if it is longer than its room, which its
    /// beginning has then.
    pub fn write<const N: usize>(&self, field: Field<[u8; N]>, text: &str) -> bool {
        let text = text.as_bytes();
        for at in 0..N {
            let byte = text.get(at).copied().unwrap_or(0);
            self.byte(field.offset + at).store(byte, Ordering::Relaxed);
        }
        text.len() <= N
    }

    /// Everything is zero but the sequence.
    pub(super) fn clear(&self) {
        for offset in (8..RECORD_SIZE).step_by(8) {
            // SAFETY: inside the record, and aligned.
            let word: &AtomicU64 = unsafe { self.0.add(offset).cast().as_ref() };
            word.store(0, Ordering::Relaxed);
        }
        self.set_word(record::KIND, record::FREE);
    }

    /// Changes what belongs together: who reads meanwhile notices.
    pub fn change(&self, change: impl FnOnce(&Record)) {
        let sequence = self.word(record::SEQUENCE);
        let before = sequence.load(Ordering::Relaxed);
        sequence.store(before.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        change(self);
        sequence.store(before.wrapping_add(2), Ordering::Release);
    }
}

/// A number for what the layout has a byte for.
pub(super) fn small(value: i32) -> u8 {
    u8::try_from(value).unwrap_or(UNKNOWN)
}

#[cfg(test)]
mod tests {
    use super::super::layout::{peer, socket};
    use super::*;

    fn bytes(record: Record) -> [u8; RECORD_SIZE] {
        let mut bytes = [0; RECORD_SIZE];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = record.byte(at).load(Ordering::Relaxed);
        }
        bytes
    }

    #[test]
    fn what_is_written_is_where_the_layout_says() {
        let record = Record::nobodys(63);
        record.change(|record| {
            record.clear();
            record.set(record::ID, 0x0102_0304_0506_0708);
            assert!(record.write(peer::ADDRESS, "tcp://1.2.3.4:5"));
        });
        record.add(peer::MESSAGES_OUT, 3);
        record.add(peer::MESSAGES_OUT, 4);
        record.raise(peer::DEEPEST_OUT, 9);
        record.raise(peer::DEEPEST_OUT, 8);
        record.set_byte(peer::PEER_TYPE, 5);
        record.count(socket::FAILURES);
        let copy = bytes(record);
        assert_eq!(record::ID.of(&copy), 0x0102_0304_0506_0708);
        assert_eq!(peer::ADDRESS.of(&copy), b"tcp://1.2.3.4:5");
        assert_eq!((peer::MESSAGES_OUT.of(&copy), peer::DEEPEST_OUT.of(&copy)), (7, 9));
        assert_eq!((peer::PEER_TYPE.of(&copy), record::SEQUENCE.of(&copy) % 2), (5, 0));
        let long = "x".repeat(200);
        record.change(|record| {
            assert_eq!(record::SEQUENCE.of(&bytes(*record)) % 2, 1);
            assert!(!record.write(peer::ADDRESS, &long));
            record.write(peer::ADDRESS, "short");
        });
        assert_eq!(peer::ADDRESS.of(&bytes(record)), b"short");
        record.clear();
        assert_eq!(bytes(record)[8..], [0; RECORD_SIZE - 8]);
    }
}
