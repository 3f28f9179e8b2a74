//! Frames of an encrypted connection, opened where they stand.

use super::{Arrived, ENVELOPE, Front, Rx};
use crate::connection::buffers::BufferPool;
use crate::error::{Error, Result};
use crate::msg::{Msg, Sink};
use crate::wire::frame;
use crate::wire::frame::{Flags, Framing, Header};
use crate::wire::mechanism::Decoder;
use std::ops::Range;

impl Rx {
    /// From now on frames are encrypted.
    pub fn decrypt(&mut self, decoder: Box<dyn Decoder>) {
        self.decoder = Some(decoder);
        self.longest_inside = self.max_size;
        self.max_size = self.max_size.saturating_add(ENVELOPE);
    }

    /// [`Rx::take_into`] where frames are encrypted: messages of one part only.
    pub(super) fn take_encrypted<S: Sink + ?Sized>(
        &mut self,
        to: &mut S,
        pool: &mut BufferPool,
    ) -> Option<usize> {
        let plain = self.frames.is_empty()
            && self.arrived.is_none()
            && self.framing == Framing::V2
            && !self.raw
            && self.front == Front::Message;
        let buffer = self.buffer.as_ref().filter(|_| plain)?;
        let bytes = buffer.filled().get(self.at..)?;
        // Anything but a frame without flags is for the careful path.
        let header = match bytes.first()? {
            0 | 2 => frame::parse_header(self.framing, bytes).ok().flatten()?,
            _ => return None,
        };
        if header.body_len > self.longest() {
            return None;
        }
        self.decrypt_into(header, to, pool)
    }

    /// [`Rx::take_encrypted`] for a frame with this header.
    fn decrypt_into<S: Sink + ?Sized>(
        &mut self,
        header: Header,
        to: &mut S,
        pool: &mut BufferPool,
    ) -> Option<usize> {
        let here = self.buffer.as_ref()?.filled().len() - self.at;
        if header.frame_len() > here as u64 {
            return None;
        }
        let (flags, place) = match self.decrypt_here(header) {
            Ok(decrypted) => decrypted,
            Err(error) => {
                let error = self.refuse(error);
                self.fail_later(error);
                return None;
            }
        };
        let body = self.buffer.as_ref()?.filled().get(place)?;
        let len = body.len();
        let taken = flags == Flags::NONE && to.take(body, false);
        if !taken {
            // Without memory it stays where it is, opened.
            let Ok(msg) = Msg::copy_from(body) else {
                self.starve(pool);
                return None;
            };
            self.arrived = Some(Arrived::Decrypted(msg, flags));
        }
        self.pass(header, pool);
        taken.then_some(len)
    }

    /// Decrypts the frame at the front of the buffer, which is here as a whole, in place and once: the
    /// flags of the frame inside, and where in the buffer its body is. [`Rx::pass`] follows, now or when
    /// there is memory for what the frame is to become.
    #[inline]
    pub(super) fn decrypt_here(&mut self, header: Header) -> Result<(Flags, Range<usize>)> {
        if let Some((flags, place)) = &self.opened {
            return Ok((*flags, self.at + place.start..self.at + place.end));
        }
        let start = self.at + header.header_len;
        let end = start.saturating_add(header.body_len as usize);
        let (Some(buffer), Some(decoder)) = (&mut self.buffer, &mut self.decoder) else {
            return Err(Error::Protocol);
        };
        // No message refers to the buffer: what is cut from it while there is a decoder is copied.
        let Some(frame) = buffer.filled_mut().and_then(|bytes| bytes.get_mut(start..end)) else {
            return Err(Error::Protocol);
        };
        // The flags outside are not authentic and say nothing.
        match decoder.decode(frame) {
            Ok((_, place)) if place.len() as u64 > self.longest_inside => {
                Err(Error::MessageTooLong)
            }
            Ok((flags, place)) => {
                let from = start - self.at + place.start;
                self.opened = Some((flags, from..from + place.len()));
                Ok((flags, start + place.start..start + place.end))
            }
            Err(error) => {
                self.failure = Some(error);
                Err(Error::Protocol)
            }
        }
    }
}
