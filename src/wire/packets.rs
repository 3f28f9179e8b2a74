//! What packets of PGM carry (zmq_pgm(7), "Wire format"): a stream of ZMTP 1.0 frames, cut where a packet is full; or of others, see
//! [`Style`]. Each
//! packet says first where in it the first message begins, so that one who comes late, or has lost some, knows
//! where to go on.

use super::frame::{Framing, Header, MAX_HEADER, encode_header, parse_header};
use crate::util::memory::try_room;
use std::collections::VecDeque;

/// The octets in front.
pub const OFFSET: usize = 2;

/// No message begins in the packet.
const NOWHERE: u16 = u16::MAX;

/// Bytes in packets that stay before the others are moved to the front.
const SLACK: usize = 64 << 10;

/// What frames look like.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Those of ZMTP 1.0.
    #[default]
    Pgm,
    /// Those of ZMTP 2.0, each behind an octet: 0 if a message begins, 255 if it goes on. Measured: what libzmq sends by libnorm.
    Norm,
}

/// The octet before a frame that is not the first of its message.
const LATER: u8 = 0xff;

/// Messages on their way into packets. Places are counted from the beginning of the stream.
#[derive(Debug, Default)]
pub struct Packer {
    style: Style,
    bytes: Vec<u8>,
    /// Where they begin.
    base: u64,
    /// What comes before is in packets.
    begin: u64,
    /// What comes before is whole messages.
    whole: u64,
    /// Where the messages end that are not in packets to their end.
    ends: VecDeque<u64>,
    /// Where the last one of the others ends.
    last: u64,
}

impl Packer {
    /// For frames like that.
    pub fn new(style: Style) -> Packer {
        Packer { style, ..Packer::default() }
    }

    /// Adds a frame. False, and nothing has happened, without memory.
    pub fn push(&mut self, body: &[u8], more: bool) -> bool {
        let mut header = [0; MAX_HEADER];
        let (framing, octet) = match self.style {
            Style::Pgm => (Framing::V1, None),
            Style::Norm => (Framing::V2, Some(if self.in_message() { LATER } else { 0 })),
        };
        let length = encode_header(framing, body.len(), more, false, &mut header);
        let room = try_room(&mut self.bytes, 1 + length + body.len());
        if room.and_then(|()| try_room(&mut self.ends, 1)).is_err() {
            return false;
        }
        self.bytes.extend(octet.iter().chain(header.iter().take(length)));
        self.bytes.extend_from_slice(body);
        if !more {
            self.whole = self.base + self.bytes.len() as u64;
            self.ends.push_back(self.whole);
        }
        true
    }

    /// Whether the last message is not whole.
    pub fn in_message(&self) -> bool {
        self.base + self.bytes.len() as u64 > self.whole
    }

    /// Takes its frames back.
    pub fn rollback(&mut self) {
        self.bytes.truncate((self.whole - self.base) as usize);
    }

    /// Takes back messages of which nothing is in a packet yet.
    pub fn drop_unbegun(&mut self) {
        let begun = self.begin != self.last;
        self.ends.truncate(usize::from(begun));
        self.whole = self.ends.front().copied().unwrap_or(self.begin);
        self.rollback();
    }

    /// Messages that are whole, and not in packets to their end.
    pub fn unsent(&self) -> usize {
        self.ends.len()
    }

    /// Makes the next packet, of so many octets at most. False if there is nothing for one.
    pub fn pack(&mut self, most: usize, packet: &mut Vec<u8>) -> bool {
        let room = most.saturating_sub(OFFSET).min(usize::from(NOWHERE)) as u64;
        let end = self.whole.min(self.begin + room);
        if end == self.begin {
            return false;
        }
        let next =
            if self.begin == self.last { Some(self.last) } else { self.ends.front().copied() };
        let first = next.filter(|&at| at < end).map_or(NOWHERE, |at| (at - self.begin) as u16);
        let place = (self.begin - self.base) as usize..(end - self.base) as usize;
        packet.clear();
        packet.extend_from_slice(&first.to_be_bytes());
        packet.extend_from_slice(self.bytes.get(place).unwrap_or_default());
        self.begin = end;
        while let Some(&passed) = self.ends.front().filter(|at| **at <= end) {
            self.ends.pop_front();
            self.last = passed;
        }
        let sent = (end - self.base) as usize;
        if sent >= SLACK || sent == self.bytes.len() {
            self.bytes.drain(..sent);
            self.base = end;
        }
        true
    }

    /// Gives back what an idle socket does not need.
    pub fn trim(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
            self.ends = VecDeque::new();
        }
    }
}

/// The packets of one sender, on their way to being messages.
#[derive(Debug, Default)]
pub struct Unpacker {
    style: Style,
    /// The message goes on behind the last frame.
    more: bool,
    /// It is known where in the stream we are.
    joined: bool,
    /// The beginning of a header.
    header: [u8; MAX_HEADER],
    length: usize,
    /// A frame whose body is not here to its end.
    frame: Option<Header>,
    body: Vec<u8>,
}

/// What comes out of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A frame, and whether the message goes on.
    Frame(&'a [u8], bool),
    /// What there was of a message goes no further.
    Lost,
}

impl Unpacker {
    /// For frames like that.
    pub fn new(style: Style) -> Unpacker {
        Unpacker { style, ..Unpacker::default() }
    }

    /// For frames like what.
    pub fn style(&self) -> Style {
        self.style
    }

    /// Whether it is known where in the stream we are.
    pub fn is_joined(&self) -> bool {
        self.joined
    }

    /// Packets are missing: goes on with the next message that begins in one.
    pub fn lose(&mut self) {
        *self = Unpacker::new(self.style);
    }

    /// Takes a packet, with bodies of `most` octets (negative: no limit). What cannot be a frame ends the stream until
    /// another message begins in a later packet.
    pub fn packet(&mut self, packet: &[u8], most: i64, mut each: impl FnMut(Piece<'_>)) {
        let Some((offset, mut bytes)) = packet.split_first_chunk::<OFFSET>() else {
            self.lose();
            return each(Piece::Lost);
        };
        if !self.joined {
            let offset = u16::from_be_bytes(*offset);
            let Some(rest) = bytes.get(usize::from(offset)..).filter(|_| offset != NOWHERE) else {
                return;
            };
            self.joined = true;
            bytes = rest;
        }
        while !bytes.is_empty() {
            match self.take(bytes, most, &mut each) {
                Some(rest) => bytes = rest,
                None => {
                    self.lose();
                    return each(Piece::Lost);
                }
            }
        }
    }

    /// Takes something of it, and says what is left. `None`: it cannot be a frame, or there is no memory for it.
    fn take<'a>(
        &mut self,
        bytes: &'a [u8],
        most: i64,
        each: &mut impl FnMut(Piece<'_>),
    ) -> Option<&'a [u8]> {
        let Some(header) = self.frame else { return self.take_header(bytes, most, each) };
        let wanted = header.checked_len(most).ok()?.saturating_sub(self.body.len());
        let (part, rest) = bytes.split_at_checked(wanted).unwrap_or((bytes, &[]));
        try_room(&mut self.body, part.len()).ok()?;
        self.body.extend_from_slice(part);
        if part.len() == wanted {
            self.more = header.flags.more();
            each(Piece::Frame(&self.body, header.flags.more()));
            self.frame = None;
            self.body = Vec::new();
        }
        Some(rest)
    }

    fn take_header<'a>(
        &mut self,
        bytes: &'a [u8],
        most: i64,
        each: &mut impl FnMut(Piece<'_>),
    ) -> Option<&'a [u8]> {
        // As many octets as there may be in one, with those of earlier packets before them.
        let before = self.length;
        let room = self.header.get_mut(before..)?;
        let count = room.len().min(bytes.len());
        room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let known = self.header.get(..before + count)?;
        let Some(header) = self.parse(known)? else {
            self.length += count;
            return bytes.get(count..);
        };
        let length = header.checked_len(most).ok()?;
        let rest = bytes.get(header.header_len.checked_sub(before)?..)?;
        self.length = 0;
        match rest.split_at_checked(length) {
            Some((body, rest)) => {
                self.more = header.flags.more();
                each(Piece::Frame(body, header.flags.more()));
                Some(rest)
            }
            None => {
                self.frame = Some(header);
                Some(rest)
            }
        }
    }

    /// A header, unless some of it is still to come. `None`: it cannot be one.
    fn parse(&self, known: &[u8]) -> Option<Option<Header>> {
        if self.style == Style::Pgm {
            return parse_header(Framing::V1, known).ok();
        }
        let Some((&octet, known)) = known.split_first() else { return Some(None) };
        if octet != if self.more { LATER } else { 0 } {
            return None;
        }
        let header = parse_header(Framing::V2, known).ok()?;
        if header.is_some_and(|header| header.flags.command()) {
            return None;
        }
        Some(header.map(|header| Header { header_len: 1 + header.header_len, ..header }))
    }

    /// Octets that it holds of a frame.
    #[cfg(any(test, fuzzing))]
    pub fn held(&self) -> usize {
        self.body.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Frames = Vec<(Vec<u8>, bool)>;

    fn unpack(unpacker: &mut Unpacker, packet: &[u8]) -> Frames {
        let mut frames = Vec::new();
        unpacker.packet(packet, -1, |piece| match piece {
            Piece::Frame(body, more) => frames.push((body.to_vec(), more)),
            Piece::Lost => frames.push((b"lost".to_vec(), false)),
        });
        frames
    }

    fn packets(packer: &mut Packer, most: usize) -> Vec<Vec<u8>> {
        let mut packet = Vec::new();
        std::iter::from_fn(|| packer.pack(most, &mut packet).then(|| packet.clone())).collect()
    }

    /// What libzmq 4.3.4 sent: three times "AB" and "hello" as two parts, a message of 3000 octets, and "end".
    #[test]
    fn packets_are_as_captured() {
        let mut packer = Packer::default();
        for _ in 0..3 {
            assert!(packer.push(b"AB", true) && packer.push(b"hello", false));
        }
        assert!(packer.push(&[0; 3000], false) && packer.push(b"end", false));
        let sent = packets(&mut packer, 1428);
        let lengths: Vec<usize> = sent.iter().map(Vec::len).collect();
        assert_eq!(lengths, [1428, 1428, 198]);
        assert!(sent[0].starts_with(b"\0\0\x03\x01AB\x06\0hello"));
        assert_eq!(sent[0][35..45], [0xff, 0, 0, 0, 0, 0, 0, 0x0b, 0xb9, 0]);
        assert_eq!(sent[1][..2], [0xff, 0xff]);
        assert_eq!(sent[2][..2], [0, 0xbf]);
        assert_eq!(sent[2][2 + 0xbf..], *b"\x04\0end");
        assert_eq!((packer.unsent(), packer.in_message()), (0, false));
    }

    #[test]
    fn one_who_comes_late_begins_with_a_message() {
        let mut packer = Packer::default();
        assert!(packer.push(&[b'a'; 100], false));
        assert!(
            packer.push(b"one", true) && packer.push(b"two", false) && packer.push(b"x", false)
        );
        let all = packets(&mut packer, 66);
        assert_eq!(all.len(), 2);
        let rest = vec![(b"one".to_vec(), true), (b"two".to_vec(), false), (b"x".to_vec(), false)];
        assert_eq!(unpack(&mut Unpacker::default(), &all[1]), rest);
        let mut whole = Unpacker::default();
        assert_eq!(unpack(&mut whole, &all[0]), []);
        assert_eq!(unpack(&mut whole, &all[1])[1..], rest);
        // One is missing, and then no message begins.
        whole.lose();
        assert_eq!(unpack(&mut whole, b"\xff\xffabcdef"), []);
        assert_eq!(unpack(&mut whole, b"\0\x03abc\x02\0x"), [(b"x".to_vec(), false)]);
    }

    #[test]
    fn what_is_cut_anywhere_is_whole_again() {
        let bodies: Vec<Vec<u8>> =
            [0, 1, 2, 253, 254, 255, 256, 700].map(|size| vec![size as u8; size]).into();
        let styles = [Style::Pgm, Style::Norm];
        for (most, style) in (3..=300).flat_map(|most| styles.map(|style| (most, style))) {
            let (mut packer, mut unpacker) = (Packer::new(style), Unpacker::new(style));
            let mut expected: Frames = Vec::new();
            let mut got = Vec::new();
            for (number, body) in bodies.iter().cycle().take(40).enumerate() {
                let more = number % 3 == 1;
                assert!(packer.push(body, more));
                expected.push((body.clone(), more));
                if number % 7 == 0 {
                    for packet in packets(&mut packer, most) {
                        assert!(packet.len() <= most);
                        got.extend(unpack(&mut unpacker, &packet));
                    }
                }
            }
            assert!(packer.push(b"", false));
            expected.push((Vec::new(), false));
            packets(&mut packer, most).iter().for_each(|p| got.extend(unpack(&mut unpacker, p)));
            assert_eq!(got, expected, "{most}");
            assert_eq!((packer.unsent(), packer.bytes.len()), (0, 0));
        }
    }

    /// Measured: what libzmq writes to libnorm.
    #[test]
    fn norm_has_an_octet_before_each_frame() {
        let (mut packer, mut unpacker) = (Packer::new(Style::Norm), Unpacker::new(Style::Norm));
        assert!(packer.push(b"hello", true) && packer.push(b"world", false));
        assert!(packer.push(b"other", false) && packer.push(&[b'z'; 3000], false));
        let sent = packets(&mut packer, 2048);
        assert!(sent[0].starts_with(
            b"\0\0\0\x01\x05hello\xff\0\x05world\0\0\x05other\0\x02\0\0\0\0\0\0\x0b\xb8z"
        ));
        let got: Frames = sent.iter().flat_map(|packet| unpack(&mut unpacker, packet)).collect();
        let short = [("hello", true), ("world", false), ("other", false)];
        let mut all = short.map(|(body, more)| (body.as_bytes().to_vec(), more)).to_vec();
        all.push((vec![b'z'; 3000], false));
        assert_eq!(got, all);
        assert!(unpacker.is_joined());
        // A message that begins in another, or goes on without one, a command, and a flag nobody knows.
        for bad in [
            &b"\xff\xff\0\x01\x01a\0\0\0"[..],
            b"\xff\xff\xff\0\0",
            b"\xff\xff\0\x04\0",
            b"\xff\xff\0\x40\0",
        ] {
            assert_eq!(
                unpack(&mut unpacker, bad).last(),
                Some(&(b"lost".to_vec(), false)),
                "{bad:?}"
            );
            assert!(!unpacker.is_joined());
            assert_eq!(unpack(&mut unpacker, b"\0\0\0\0\x01b"), [(b"b".to_vec(), false)]);
        }
    }

    #[test]
    fn a_message_that_is_not_whole_is_taken_back() {
        let mut packer = Packer::default();
        assert!(packer.push(b"a", false) && packer.push(b"b", true) && packer.in_message());
        assert_eq!(packets(&mut packer, 100), [b"\0\0\x02\0a"]);
        packer.rollback();
        assert!(!packer.in_message() && packer.push(b"c", false));
        assert_eq!(packets(&mut packer, 100), [b"\0\0\x02\0c"]);
    }

    #[test]
    fn what_lies_ends_until_a_message_begins() {
        let bad: [&[u8]; 5] = [
            b"",
            b"\0",
            b"\0\0\0",
            b"\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\0",
            b"\0\0\xff\0\0\0\0\0\0\0\0",
        ];
        for packet in bad {
            let mut unpacker = Unpacker::default();
            assert_eq!(unpack(&mut unpacker, packet), [(b"lost".to_vec(), false)], "{packet:?}");
            assert_eq!(unpack(&mut unpacker, b"\xff\xffabc"), []);
            assert_eq!(unpack(&mut unpacker, b"\0\0\x02\0x"), [(b"x".to_vec(), false)]);
        }
        // Beyond the end, and at it.
        assert_eq!(unpack(&mut Unpacker::default(), b"\0\x06\x02\0x"), []);
        assert_eq!(unpack(&mut Unpacker::default(), b"\0\x03\x02\0x"), []);
        // A limit of ZMQ_MAXMSGSIZE, and a length that nothing of has come yet.
        let mut pieces = 0;
        let mut unpacker = Unpacker::default();
        unpacker.packet(b"\0\0\x05\0x", 3, |piece| pieces += i32::from(piece == Piece::Lost));
        assert_eq!(pieces, 1);
        unpack(&mut unpacker, b"\0\0\xff\x3f\xff\xff\xff\xff\xff\xff\xff\0x");
        assert!(unpacker.held() < 100);
    }
}
