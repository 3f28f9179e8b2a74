//! The parts of a message that is not finished, on their way to a connection.
//!
//! Nothing of a message may leave before its last part is there. Small parts wait as the frames they
//! will be, so that a message of small parts is copied into the batch in one piece.

use super::wire::Wire;
use crate::error::Result;
use crate::msg::{Arena, Msg};
use crate::wire::Framing;
use crate::wire::frame::{self, Flags};

/// Bytes of parts that wait as frames, at most, without their headers.
const MOST_FRAMES: usize = 1024;

/// All parts but the last.
#[derive(Default)]
pub(super) struct Parts {
    /// The first ones, as frames of ZMTP 2.0 and later.
    frames: Vec<u8>,
    /// Those behind them.
    messages: Vec<Msg>,
}

impl Parts {
    /// Whether there are none: no message has begun.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.messages.is_empty()
    }

    /// Forgets them.
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.messages.clear();
    }

    /// Adds a part of which the message goes on.
    ///
    /// # Errors
    /// [`Error::NoMemory`](crate::error::Error::NoMemory).
    #[inline]
    pub(super) fn add(&mut self, mut part: Msg, wire: &Wire, arena: &mut Arena) -> Result<()> {
        let small = self.frames.len() + part.len() <= MOST_FRAMES;
        if small && self.messages.is_empty() && wire.takes_frames() {
            frame::append_frame(&mut self.frames, Flags::MORE, part.data());
            return Ok(());
        }
        part.make_owned_in(arena)?;
        self.messages.push(part);
        Ok(())
    }

    /// Queues the message, of which this is the last part.
    #[inline]
    pub(super) fn finish(&mut self, last: Msg, wire: &mut Wire) {
        if !self.frames.is_empty() {
            if self.finish_with(last.data(), wire) {
                return;
            }
            unframe(&self.frames, |part| wire.put(part));
            self.frames.clear();
        }
        self.messages.drain(..).for_each(|part| wire.put(part));
        wire.put(last);
    }

    /// [`Parts::finish`] straight from the bytes of the last part. False if that takes a message;
    /// nothing has happened then.
    #[inline]
    pub(super) fn finish_with(&mut self, last: &[u8], wire: &mut Wire) -> bool {
        let put = self.messages.is_empty() && wire.put_frames(&self.frames, last);
        if put {
            self.frames.clear();
        }
        put
    }
}

/// Gives the parts that stand in `frames` back as messages: they began with a connection that is gone.
#[cold]
fn unframe(frames: &[u8], mut each: impl FnMut(Msg)) {
    let mut rest = frames;
    while let Ok(Some(header)) = frame::parse_header(Framing::V2, rest) {
        let end = header.frame_len() as usize;
        // Without memory for a copy the part is sent empty rather than torn.
        let body = rest.get(header.header_len..end).unwrap_or_default();
        let mut part = Msg::copy_from(body).unwrap_or_default();
        part.set_more(true);
        each(part);
        rest = rest.get(end..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_from_their_frames() {
        let bodies = [vec![], vec![1], vec![2; 255], vec![3; 256], vec![4; 700]];
        let mut frames = Vec::new();
        for body in &bodies {
            frame::append_frame(&mut frames, Flags::MORE, body);
        }
        let mut back = Vec::new();
        unframe(&frames, |part| {
            assert!(part.more());
            back.push(part.data().to_vec());
        });
        assert_eq!(back, bodies);
    }

    #[test]
    fn without_a_connection_parts_wait_as_messages() {
        let mut wire = Wire::new(0, 0, false);
        let (mut parts, mut arena) = (Parts::default(), Arena::default());
        let mut part = Msg::copy_from(b"first").expect("memory");
        part.set_more(true);
        assert!(parts.add(part, &wire, &mut arena).is_ok());
        assert!(!parts.is_empty() && !parts.finish_with(b"last", &mut wire));
        parts.finish(Msg::copy_from(b"last").expect("memory"), &mut wire);
        assert!(parts.is_empty());
        assert_eq!(wire.unsent(), 1);
        parts.clear();
    }
}
