//! What the seed decides.

/// Numbers that follow from a seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Choice(u64);

impl Choice {
    /// The choices of a seed. Seeds that are next to each other have nothing in common.
    pub fn new(seed: u64) -> Choice {
        let mut choice = Choice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37_79b9);
        choice.number();
        choice
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, or 0.
    pub fn below(&mut self, end: u64) -> u64 {
        if end == 0 { 0 } else { self.number() % end }
    }

    /// A number from `first` to `last`.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last - first + 1)
    }

    /// A number up to `last` of which small ones are as likely as large ones.
    pub fn any_size(&mut self, last: u64) -> u64 {
        let bits = self.below(u64::from(64 - last.leading_zeros()) + 1);
        self.below(1 << bits).min(last)
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub fn of<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }
}
