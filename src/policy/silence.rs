//! How long to wait for the end of a connection that can only be read: see `socket::loss`.

/// How many looks, one a second, an application may let pass without reading what has come.
const PATIENCE: u32 = 10;

/// What the last look saw.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    heard: u64,
    gathered: usize,
    /// Looks since that changed; none yet: 0.
    looks: u32,
}

impl Silence {
    /// Another look. Whether there was silence for too long: nothing has come, and the application has
    /// taken nothing of what had, of which some is still in the kernel if `unread`.
    pub(crate) fn look(&mut self, heard: u64, gathered: usize, unread: bool) -> bool {
        if self.looks == 0 || (heard, gathered) != (self.heard, self.gathered) {
            *self = Silence { heard, gathered, looks: 1 };
            return false;
        }
        self.looks += 1;
        self.looks > if unread { PATIENCE } else { 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_of_the_peer_and_of_the_application() {
        let mut silence = Silence::default();
        assert!(!silence.look(0, 0, false), "the first look");
        assert!(!silence.look(6, 0, false), "it has spoken");
        assert!(silence.look(6, 0, false));
        let mut silence = Silence::default();
        for gathered in (1..9).rev() {
            // Each message that is read gives time for the next.
            assert!((0..PATIENCE).all(|_| !silence.look(5, gathered, true)));
        }
        assert!(silence.look(5, 1, true));
    }
}
