//! The parts of a message that is not finished, on their way to a connection.
//!
//! Nothing of a message may leave before its last part is there. Small parts wait as the frames they
//! will be, so that a message of small parts is copied into the batch in one piece.

use super::remote::Wire;
use crate::error::Result;
use crate::msg::{Arena, Msg};
use crate::util::memory;
use crate::wire::Framing;
use crate::wire::frame::{self, Flags, MAX_HEADER};

/// Bytes of parts that wait as frames, at most, without their headers.
const MOST_FRAMES: usize = 1024;

/// All parts but the last.
#[derive(Default)]
pub(super) struct Parts {
    /// The first ones, as frames of ZMTP 2.0 and later.
    frames: Vec<u8>,
    /// Those behind them.
    messages: Vec<Msg>,
    /// How long their bodies are together.
    bytes: usize,
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
        self.bytes = 0;
    }

    /// Adds a part of which the message goes on; it is empty afterwards. With ZMQ_CONFLATE only the
    /// last part of a message counts (zmq_setsockopt(3): "Does not support multi-part messages").
    ///
    /// # Errors
    /// [`NoMemory`](crate::error::Error::NoMemory); nothing has happened then.
    #[inline]
    pub(super) fn add(&mut self, part: &mut Msg, wire: &Wire, arena: &mut Arena) -> Result<()> {
        if wire.conflates() {
            drop(part.take());
            return Ok(());
        }
        let small = self.frames.len() + part.len() <= MOST_FRAMES;
        if small && self.messages.is_empty() && wire.takes_frames() {
            let room = MAX_HEADER + part.len();
            memory::try_room(&mut self.frames, room)?;
            frame::append_frame(&mut self.frames, Flags::MORE, part.data());
            self.bytes += part.len();
            drop(part.take());
            return Ok(());
        }
        memory::try_room(&mut self.messages, 1)?;
        part.make_owned_in(arena)?;
        part.make_shareable()?;
        self.bytes += part.len();
        self.messages.push(part.take());
        Ok(())
    }

    /// Queues the message, of which this is the last part; it is empty afterwards.
    ///
    /// # Errors
    /// [`NoMemory`](crate::error::Error::NoMemory); nothing has happened then, and the other parts wait on.
    #[inline]
    pub(super) fn finish(&mut self, last: &mut Msg, wire: &mut Wire) -> Result<()> {
        if self.is_empty() {
            let bytes = last.len();
            wire.put(last)?;
            wire.stats.sent(1, bytes);
            return Ok(());
        }
        if self.finish_with(last.data(), wire) {
            drop(last.take());
            return Ok(());
        }
        self.finish_as_messages(last, wire)
    }

    fn finish_as_messages(&mut self, last: &mut Msg, wire: &mut Wire) -> Result<()> {
        if !self.frames.is_empty() {
            let first = unframe(&self.frames)?;
            memory::try_room(&mut self.messages, first.len())?;
            self.messages.splice(..0, first);
            self.frames.clear();
        }
        let bytes = self.bytes + last.len();
        wire.put_parts(&mut self.messages, last)?;
        wire.stats.sent(1, bytes);
        self.messages.clear();
        self.bytes = 0;
        Ok(())
    }

    /// [`Parts::finish`] straight from the bytes of the last part. False if that takes a message;
    /// nothing has happened then.
    #[inline]
    pub(super) fn finish_with(&mut self, last: &[u8], wire: &mut Wire) -> bool {
        let put = self.messages.is_empty() && wire.put_frames(&self.frames, last);
        if put {
            wire.stats.sent(1, self.bytes + last.len());
            self.frames.clear();
            self.bytes = 0;
        }
        put
    }
}

/// The parts that stand in `frames` as messages: they began with a connection that is gone.
///
/// # Errors
/// [`NoMemory`](crate::error::Error::NoMemory).
#[cold]
fn unframe(frames: &[u8]) -> Result<Vec<Msg>> {
    let mut parts = Vec::new();
    let mut rest = frames;
    while let Ok(Some(header)) = frame::parse_header(Framing::V2, rest) {
        let Some((frame, behind)) = rest.split_at_checked(header.frame_len() as usize) else {
            break;
        };
        let mut part = Msg::copy_from(frame.get(header.header_len..).unwrap_or_default())?;
        part.set_more(true);
        memory::push(&mut parts, part)?;
        rest = behind;
    }
    Ok(parts)
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
        let back = unframe(&frames).unwrap();
        assert!(back.iter().all(Msg::more));
        assert_eq!(back.iter().map(|part| part.data().to_vec()).collect::<Vec<_>>(), bodies);
    }

    #[test]
    fn without_a_connection_parts_wait_as_messages() {
        let mut wire = Wire::new(0, 0, false);
        let (mut parts, mut arena) = (Parts::default(), Arena::default());
        let mut part = Msg::copy_from(b"first").expect("memory");
        part.set_more(true);
        assert!(parts.add(&mut part, &wire, &mut arena).is_ok());
        assert!(!parts.is_empty() && !parts.finish_with(b"last", &mut wire));
        parts.finish(&mut Msg::copy_from(b"last").expect("memory"), &mut wire).unwrap();
        assert!(parts.is_empty());
        assert_eq!(wire.unsent(), 1);
        parts.clear();
    }
}
