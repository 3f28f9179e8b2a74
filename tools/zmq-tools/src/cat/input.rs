//! Standard input, cut into messages. It is read when there is something, so that a type which also receives never waits
//! for it.

use super::format::Format;
use super::{quoted, value};
use crate::zmq::Message;
use std::io::{Cursor, Read};

/// What is read and not yet a whole message.
pub(super) struct Input<R> {
    from: R,
    format: Format,
    held: Vec<u8>,
    /// How much of `held` is known to hold no end of a message.
    searched: usize,
    ended: bool,
}

/// What cutting found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// A message.
    Message(Message),
    /// None yet: more has to be read.
    More,
    /// None any more.
    End,
}

impl<R: Read> Input<R> {
    pub(super) fn new(from: R, format: Format) -> Input<R> {
        Input { from, format, held: Vec::new(), searched: 0, ended: false }
    }

    /// Reads once.
    pub(super) fn read(&mut self) -> Result<(), String> {
        let mut piece = [0_u8; 64 * 1024];
        match self.from.read(&mut piece) {
            Ok(0) => self.ended = true,
            Ok(size) => self.held.extend(piece.get(..size).unwrap_or_default()),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(format!("standard input: {e}")),
        }
        Ok(())
    }

    /// The next message of what has been read.
    pub(super) fn cut(&mut self) -> Result<Cut, String> {
        match self.format {
            Format::Raw => Ok(self.cut_all()),
            Format::Msgpack => self.cut_value(),
            Format::Ascii | Format::Quoted | Format::Json => self.cut_line(),
        }
    }

    fn cut_all(&mut self) -> Cut {
        if !self.ended {
            Cut::More
        } else if !self.held.is_empty() {
            Cut::Message(Message::of(std::mem::take(&mut self.held)))
        } else {
            Cut::End
        }
    }

    fn cut_line(&mut self) -> Result<Cut, String> {
        loop {
            let new = self.held.get(self.searched..).unwrap_or_default();
            let end = new.iter().position(|b| *b == b'\n').map(|at| self.searched + at);
            let line: Vec<u8> = match end {
                Some(end) => self.held.drain(..=end).take(end).collect(),
                None if self.ended && !self.held.is_empty() => std::mem::take(&mut self.held),
                None => {
                    self.searched = self.held.len();
                    return Ok(if self.ended { Cut::End } else { Cut::More });
                }
            };
            self.searched = 0;
            // A line of nothing is a message of nothing in ascii alone.
            if self.format != Format::Ascii && line.trim_ascii().is_empty() {
                continue;
            }
            return self.message_of(line).map(Cut::Message).map_err(|e| format!("input: {e}"));
        }
    }

    fn message_of(&self, line: Vec<u8>) -> Result<Message, String> {
        match self.format {
            Format::Quoted => Ok(Message { parts: quoted::read(&line)?, ..Message::default() }),
            Format::Json => {
                value::of_json(&serde_json::from_slice(&line).map_err(|e| e.to_string())?)
            }
            _ => Ok(Message::of(line)),
        }
    }

    fn cut_value(&mut self) -> Result<Cut, String> {
        if self.held.is_empty() {
            return Ok(if self.ended { Cut::End } else { Cut::More });
        }
        let mut bytes = Cursor::new(self.held.as_slice());
        match rmpv::decode::read_value(&mut bytes) {
            Ok(found) => {
                let used = usize::try_from(bytes.position()).unwrap_or(usize::MAX);
                self.held.drain(..used.min(self.held.len()));
                value::of_pack(&found).map(Cut::Message).map_err(|e| format!("input: {e}"))
            }
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof && !self.ended => Ok(Cut::More),
            Err(e) => Err(format!("input: {e}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte at a time.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let (Some(first), Some(place)) = (self.0.first(), buffer.first_mut()) else {
                return Ok(0);
            };
            *place = *first;
            self.0 = &self.0[1..];
            Ok(1)
        }
    }

    fn all(format: Format, text: &[u8]) -> Result<Vec<Message>, String> {
        let mut input = Input::new(Slow(text), format);
        let mut found = Vec::new();
        loop {
            match input.cut()? {
                Cut::Message(message) => found.push(message),
                Cut::More => input.read()?,
                Cut::End => return Ok(found),
            }
        }
    }

    #[test]
    fn input_is_cut_wherever_reads_end() {
        let (a, none, b) = (Message::of(*b"a"), Message::of(*b""), Message::of(*b"b"));
        assert_eq!(all(Format::Ascii, b"a\n\nb"), Ok(vec![a.clone(), none, b.clone()]));
        assert_eq!(all(Format::Quoted, b"\"a\"\n\n\"b\"\n"), Ok(vec![a.clone(), b.clone()]));
        assert_eq!(all(Format::Json, b"\"a\"\n[\"b\"]\n"), Ok(vec![a.clone(), b.clone()]));
        assert_eq!(all(Format::Msgpack, b"\xa1a\x91\xc4\x01b"), Ok(vec![a, b]));
        assert_eq!(all(Format::Raw, b"a\nb"), Ok(vec![Message::of(*b"a\nb")]));
        for format in [Format::Ascii, Format::Quoted, Format::Raw, Format::Json, Format::Msgpack] {
            assert_eq!(all(format, b""), Ok(Vec::new()), "{format:?}");
        }
    }

    #[test]
    fn broken_input_is_said() {
        for (format, wrong) in [
            (Format::Quoted, &b"a"[..]),
            (Format::Json, b"{"),
            (Format::Json, b"[1]"),
            (Format::Msgpack, b"\x92\xa1a"),
            (Format::Msgpack, b"\xc1"),
            (Format::Msgpack, b"\xdd\xff\xff\xff\xff"),
        ] {
            assert!(all(format, wrong).is_err(), "{format:?}");
        }
    }
}
