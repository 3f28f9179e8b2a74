//! What a reader has learnt about waiting a moment for its writer.

/// Waits in vain that are forgiven.
const MOST_CREDIT: i32 = 4;

/// What a reader has learnt about waiting a moment for its writer.
pub(super) struct Patience {
    credit: i32,
    pause: u32,
    pause_left: u32,
    /// Times without waiting before it is tried again, at most.
    longest_pause: u32,
}

impl Patience {
    pub(super) fn new(longest_pause: u32) -> Patience {
        Patience { credit: 1, pause: 1, pause_left: 0, longest_pause }
    }

    /// Whether to wait this time.
    pub(super) fn has_any(&mut self) -> bool {
        if self.credit > 0 {
            return true;
        }
        if self.pause_left > 0 {
            self.pause_left -= 1;
            return false;
        }
        self.credit = 1;
        true
    }

    /// Learns whether waiting was worth it.
    pub(super) fn learn(&mut self, paid: bool) {
        if paid {
            self.credit = (self.credit + 1).min(MOST_CREDIT);
            self.pause = 1;
        } else {
            self.credit -= 1;
            if self.credit <= 0 {
                self.pause_left = self.pause;
                self.pause = (self.pause * 2).min(self.longest_pause);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_lost_and_found() {
        let mut patience = Patience::new(1024);
        let mut waits = 0;
        for _ in 0..10_000 {
            if patience.has_any() {
                waits += 1;
                patience.learn(false);
            }
        }
        assert!((10..30).contains(&waits), "{waits} waits in vain");
        while !patience.has_any() {}
        patience.learn(true);
        assert!((0..100).all(|_| {
            let waits = patience.has_any();
            patience.learn(true);
            waits
        }));
    }
}
