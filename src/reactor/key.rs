//! Whom an event is for, in the 64 bits that epoll(7) keeps of it.

/// Whom an event is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Which handler.
    pub index: u32,
    /// Which incarnation of it; only the low 16 bits count.
    pub generation: u32,
}

/// Of the waker of a thread, which is nobody's.
pub(super) const WAKER: u64 = u64::MAX;
/// Bits of an epoll number: 22 of index, 16 of generation, 26 of token.
const TOKEN_BITS: u32 = 26;
const GENERATION_BITS: u32 = 16;

/// The largest token that fits an event.
const MAX_TOKEN: u32 = (1 << TOKEN_BITS) - 1;
/// Tokens from this on, and below twice this, are those of listeners. What happened to connections in
/// the same round comes first: whoever sees a new peer has seen how far the one before it got.
pub const LISTENERS: u32 = 1 << (TOKEN_BITS - 2);

pub(super) fn is_late(data: u64) -> bool {
    data != WAKER && (LISTENERS..2 * LISTENERS).contains(&(data as u32 & MAX_TOKEN))
}

/// The largest handler index that fits an event.
pub const MAX_INDEX: u32 = (1 << (64 - TOKEN_BITS - GENERATION_BITS)) - 2;

pub(super) fn pack(key: Key, token: u32) -> u64 {
    (u64::from(key.index) << (TOKEN_BITS + GENERATION_BITS))
        | (u64::from(key.generation & 0xffff) << TOKEN_BITS)
        | u64::from(token & MAX_TOKEN)
}

pub(super) fn unpack(data: u64) -> (Key, u32) {
    let key = Key {
        index: (data >> (TOKEN_BITS + GENERATION_BITS)) as u32,
        generation: (data >> TOKEN_BITS) as u32 & 0xffff,
    };
    (key, data as u32 & MAX_TOKEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_packing() {
        let key = Key { index: MAX_INDEX, generation: 0xabcd };
        assert_eq!(unpack(pack(key, MAX_TOKEN)), (key, MAX_TOKEN));
        assert_ne!(pack(key, MAX_TOKEN), WAKER);
        assert!(is_late(pack(key, LISTENERS)) && is_late(pack(key, 2 * LISTENERS - 1)));
        assert!(!is_late(pack(key, LISTENERS - 1)) && !is_late(pack(key, 2 * LISTENERS)));
    }
}
