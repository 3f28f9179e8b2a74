//! ZMQ_DEBUG=1: what happens to connections, in words, on standard error. Otherwise nothing of this is ever called but
//! [`is_on`], which is asked where something happens that takes a system call anyway, or a message is dropped.

use crate::sync::statics::{AtomicU8, Ordering};
use crate::sys::{shared, standard_error};
use std::fmt;

const UNKNOWN: u8 = 0;
const OFF: u8 = 1;
const ON: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Whether anybody wants to know. The environment is asked once.
#[must_use]
pub fn is_on() -> bool {
    match STATE.load(Ordering::Relaxed) {
        UNKNOWN => find_out(),
        state => state == ON,
    }
}

#[cold]
fn find_out() -> bool {
    let wanted = std::env::var_os("ZMQ_DEBUG").is_some_and(|value| value == "1");
    let on = wanted && !shared::is_privileged();
    STATE.store(if on { ON } else { OFF }, Ordering::Relaxed);
    on
}

/// Says something of a socket of this type and number, and of one of its endpoints.
#[cold]
pub fn say(socket_type: &str, number: u32, endpoint: &str, what: fmt::Arguments<'_>) {
    let process = shared::process_number();
    let between = if endpoint.is_empty() { "" } else { " " };
    let line = format!("zmq[{process}] {socket_type} {number}{between}{endpoint}: {what}");
    // Endpoints are the program's, but peers have addresses, too, and choose the names of their Unix domain sockets.
    standard_error::say(&format!("{}\n", Plain(&line)));
}

/// What the system calls an error.
#[must_use]
pub fn error(errno: i32) -> String {
    std::io::Error::from_raw_os_error(errno).to_string()
}

/// A text from elsewhere, without anything that moves the cursor.
struct Plain<'a>(&'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .chars()
            .try_for_each(|c| fmt::Write::write_char(f, if c.is_control() { '?' } else { c }))
    }
}

/// What was told of the messages dropped for one peer: of the first at once, and of others once a second at most.
#[derive(Debug, Clone, Copy, Default)]
pub struct Drops {
    told_at: u64,
    untold: u64,
}

/// Nanoseconds between two times that drops are told of.
const PAUSE: u64 = 1_000_000_000;

impl Drops {
    /// One message more was dropped; how many to tell of now.
    pub fn another(&mut self, now: u64) -> Option<u64> {
        self.untold += 1;
        if self.told_at != 0 && now.saturating_sub(self.told_at) < PAUSE {
            return None;
        }
        self.told_at = now.max(1);
        self.rest()
    }

    /// How many nobody was told of.
    pub fn rest(&mut self) -> Option<u64> {
        Some(std::mem::take(&mut self.untold)).filter(|count| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_drop_is_told_at_once_and_others_together() {
        let mut drops = Drops::default();
        let second = PAUSE;
        assert_eq!(drops.rest(), None);
        assert_eq!(drops.another(0), Some(1));
        assert_eq!(drops.another(second / 2), None);
        assert_eq!(drops.another(second), None);
        assert_eq!(drops.another(second + 1), Some(3));
        assert_eq!(drops.another(second + 2), None);
        assert_eq!(drops.another(5 * second), Some(2));
        assert_eq!(drops.another(5 * second), None);
        assert_eq!((drops.rest(), drops.rest()), (Some(1), None));
    }

    #[test]
    fn nothing_that_is_told_moves_the_cursor() {
        assert_eq!(Plain("tcp://a\x1b[2J\n").to_string(), "tcp://a?[2J?");
    }
}
