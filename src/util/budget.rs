//! How much of what peers send is looked at in one go.

/// Frames that the application gets nothing of, in one turn. Made-up worlds are smaller.
const FRAMES: u32 = if cfg!(sim) { 64 } else { 2048 };
/// The bytes of those.
const BYTES: u32 = 1 << 20;

/// What one turn at a socket, from taking its lock until leaving it, may spend on input that the
/// application gets nothing of: commands, messages nobody wants, the beginning of a message whose
/// end is not here. A peer sends such things as fast as they can be read, and would keep the call,
/// the lock and the thread for as long as it likes. Whoever finds the budget spent leaves the rest
/// for another turn, and sees to it that there is one.
///
/// A turn may take a fraction of a millisecond. That is more than a pipe of libzmq holds at its
/// default high-water mark, so that a call with ZMQ_DONTWAIT finds what it would find there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    frames: u32,
    bytes: u32,
}

impl Budget {
    /// That of one turn.
    pub const TURN: Budget = Budget { frames: FRAMES, bytes: BYTES };

    /// One for so many frames of any length.
    pub const fn of_frames(frames: u32) -> Budget {
        Budget { frames, bytes: u32::MAX }
    }

    /// A frame with a body of so many bytes was looked at.
    #[inline]
    pub fn spend(&mut self, bytes: usize) {
        self.frames = self.frames.saturating_sub(1);
        self.spend_bytes(bytes);
    }

    /// So many bytes were, which are no frame yet.
    #[inline]
    pub fn spend_bytes(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    /// The frame is one that the application got.
    #[inline]
    pub fn refund(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.frames = self.frames.saturating_add(1).min(FRAMES);
        self.bytes = self.bytes.saturating_add(bytes).min(BYTES);
    }

    /// Nothing is left, whatever was.
    pub fn exhaust(&mut self) {
        self.frames = 0;
    }

    /// Whether nothing is left.
    #[inline]
    pub fn is_spent(&self) -> bool {
        self.frames == 0 || self.bytes == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_bytes_are_limited() {
        let mut budget = Budget::TURN;
        for _ in 1..FRAMES {
            budget.spend(0);
            assert!(!budget.is_spent());
        }
        budget.spend(0);
        assert!(budget.is_spent());
        let mut budget = Budget::TURN;
        budget.spend(BYTES as usize - 1);
        assert!(!budget.is_spent());
        budget.spend_bytes(1);
        assert!(budget.is_spent());
        let mut budget = Budget::of_frames(2);
        budget.spend(1 << 30);
        assert!(!budget.is_spent());
        budget.spend(1);
        assert!(budget.is_spent());
    }

    #[test]
    fn no_length_is_too_much() {
        let mut budget = Budget::TURN;
        budget.spend(usize::MAX);
        budget.spend_bytes(usize::MAX);
        assert!(budget.is_spent());
        budget.refund(usize::MAX);
        assert!(!budget.is_spent());
        assert_eq!(budget.bytes, BYTES);
        budget.exhaust();
        assert!(budget.is_spent());
    }

    #[test]
    fn what_the_application_gets_costs_nothing() {
        let mut budget = Budget::TURN;
        for _ in 0..10 * FRAMES {
            budget.spend(100_000);
            budget.refund(100_000);
        }
        assert_eq!(budget, Budget::TURN);
        budget.refund(1);
        assert_eq!(budget, Budget::TURN);
    }
}
