//! One batch for many: messages that several connections are to send alike (PUB, XPUB, RADIO).
//!
//! A publisher mostly has the same subscribers for one message after the other. Their frames are
//! then encoded once, into one buffer, and each connection hands that buffer to its kernel when the
//! batch goes out: a message costs the same for one subscriber and for a thousand until then. What
//! a kernel does not take is copied to the connection's own queue.
//!
//! Whoever looks at a pipe must find on its connection what was written to it. So everything but
//! the next message to the same pipes begins with [`PipeTable::spread`].

use super::PipeTable;
use super::pipe::{Kind, Pipe, PipeEvent};
use crate::connection::tx::COPY_LIMIT;
use crate::pattern::PipeId;
use crate::util::memory::try_room;
use crate::wire::frame::{self, Framing, MAX_HEADER};

/// Messages that go out pipe by pipe after the pipes turned out not to be fit for a batch.
const REFUSED: u32 = 15;

impl PipeTable {
    /// See [`PipeSet::write_to_all`](crate::pattern::PipeSet::write_to_all).
    #[inline]
    pub(super) fn add_to_batch<const N: usize>(
        &mut self,
        ids: &[PipeId],
        set: u64,
        parts: [&[u8]; N],
    ) -> bool {
        if self.batch.set != set {
            // The pipes of one message may well not be those of the next.
            self.spread();
            self.batch.set = set;
            self.batch.refused = 0;
            return false;
        }
        let len: usize = parts.iter().map(|part| part.len()).sum();
        if len > COPY_LIMIT || self.sends_at_once || self.batch.room == 0 && !self.arm(ids) {
            return false;
        }
        let batch = &mut self.batch;
        if try_room(&mut batch.bytes, N * MAX_HEADER + len).is_err() {
            return false;
        }
        for (at, part) in parts.iter().enumerate() {
            let mut header = [0; MAX_HEADER];
            let more = at + 1 < N;
            let header_len =
                frame::encode_header(Framing::V2, part.len(), more, false, &mut header);
            batch.bytes.extend_from_slice(&header[..header_len]);
            batch.bytes.extend_from_slice(part);
        }
        batch.messages += 1;
        batch.bodies += len;
        batch.room -= 1;
        true
    }

    /// Looks whether all these pipes can send from one batch, and how far. What is held back in
    /// one goes out first.
    fn arm(&mut self, ids: &[PipeId]) -> bool {
        if self.batch.is_pending() {
            self.flush_batch();
            if self.batch.room > 0 {
                return true;
            }
        }
        if self.batch.refused > 0 {
            self.batch.refused -= 1;
            return false;
        }
        let room = ids.iter().map(|&id| self.batch_room(id)).min().unwrap_or(0);
        if room == 0 {
            self.batch.refused = REFUSED;
            return false;
        }
        self.batch.members.clear();
        self.batch.members.extend_from_slice(ids);
        self.batch.room = room;
        true
    }

    /// How many messages there is room for, if they may come from a common batch.
    fn batch_room(&mut self, id: PipeId) -> usize {
        match self.pipes.get_mut(id as usize) {
            Some(Some(pipe)) if !(pipe.in_message() || pipe.ending || pipe.lingering) => {
                match &mut pipe.kind {
                    Kind::Wire(wire) => wire.room_for_encoded(),
                    Kind::Inproc(_) | Kind::Datagram(_) => 0,
                }
            }
            _ => 0,
        }
    }

    /// Hands the batch to the kernel for each of its members.
    pub(super) fn flush_batch(&mut self) {
        let members = std::mem::take(&mut self.batch.members);
        let bytes = std::mem::take(&mut self.batch.bytes);
        let (messages, bodies) = (self.batch.messages, self.batch.bodies);
        self.batch.clear();
        let mut room = usize::MAX;
        for &id in &members {
            let Some(Some(Pipe { kind: Kind::Wire(wire), .. })) = self.pipes.get_mut(id as usize)
            else {
                room = 0;
                continue;
            };
            wire.stats.sent(messages, bodies);
            let result = wire.send_encoded(&bytes, messages);
            self.flushed(id, result);
            room = room.min(self.batch_room(id));
        }
        self.batch.members = members;
        self.batch.bytes = bytes;
        self.batch.clear();
        self.batch.room = room;
    }

    /// Gives the batch to the queues of its members, so that each pipe has what was written to it;
    /// before the next one they are looked at anew.
    #[inline]
    pub(super) fn spread(&mut self) {
        // What is done to a pipe now may need the room there was.
        self.batch.room = 0;
        if self.batch.is_pending() {
            self.spread_all();
        }
    }

    #[cold]
    fn spread_all(&mut self) {
        let members = std::mem::take(&mut self.batch.members);
        let bytes = std::mem::take(&mut self.batch.bytes);
        let (messages, bodies) = (self.batch.messages, self.batch.bodies);
        self.batch.clear();
        for &id in &members {
            let Some(Some(pipe)) = self.pipes.get_mut(id as usize) else { continue };
            let Kind::Wire(wire) = &mut pipe.kind else { continue };
            wire.stats.sent(messages, bodies);
            let result = wire.put_encoded(&bytes, messages);
            self.written(id);
            if let Err(error) = result {
                self.events.push_back(PipeEvent::Lost(id, error));
            }
        }
        self.batch.members = members;
        self.batch.bytes = bytes;
        self.batch.clear();
    }

    /// Pipes have changed: who is in the batch must be looked at anew. Nothing may be in it.
    pub(super) fn disarm_batch(&mut self) {
        debug_assert!(!self.batch.is_pending());
        self.batch.room = 0;
        self.batch.refused = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Connection, Ends};
    use crate::msg::{Metadata, Msg};
    use crate::pattern::PipeSet;
    use crate::pipe::Wire;
    use crate::wire::Established;
    use std::io::{ErrorKind, Read};
    use std::os::unix::net::UnixStream;

    /// A pipe to a peer of ours.
    fn connect(pipes: &mut PipeTable, limit: usize) -> (PipeId, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let established = Established {
            framing: Framing::V2,
            version: (3, 1),
            peer_socket_type: None,
            peer_routing_id: Vec::new(),
            properties: Vec::new(),
            transform: None,
            subscribe_all: false,
        };
        let (metadata, ends) = (Metadata::default(), Ends::default());
        let connection =
            Connection::new(ours.into(), established, u64::MAX, Vec::new(), metadata, ends);
        let id = pipes.add_wire(Wire::new(limit, 0, false), 0);
        pipes.connect(id, connection);
        (id, theirs)
    }

    fn read(peer: &mut UnixStream) -> Vec<u8> {
        let mut bytes = Vec::new();
        match peer.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        bytes
    }

    fn frame(body: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, body.len() as u8];
        frame.extend_from_slice(body);
        frame
    }

    /// What a publisher does that has the same subscribers for each message.
    fn publish(pipes: &mut PipeTable, ids: &[PipeId], set: u64, body: &[u8]) {
        if !pipes.write_to_all(ids, set, [body]) {
            for &id in ids {
                if pipes.check_write(id) {
                    assert!(pipes.write_bytes(id, body, false));
                }
            }
        }
    }

    #[test]
    fn all_get_all_in_order() {
        let mut pipes = PipeTable::new();
        let mut peers: Vec<_> = (0..3).map(|_| connect(&mut pipes, 0)).collect();
        let ids: Vec<_> = peers.iter().map(|peer| peer.0).collect();
        let mut expected = vec![Vec::new(); 3];
        for number in 0..1000_u32 {
            let body = number.to_le_bytes();
            // Now and then other pipes, one pipe alone, or a message in parts.
            let (chosen, set) = match number % 50 {
                30 => (&ids[..2], 2),
                _ => (&ids[..], 1),
            };
            publish(&mut pipes, chosen, set, &body);
            chosen.iter().for_each(|&id| expected[id as usize].extend(frame(&body)));
            match number % 40 {
                10 => {
                    assert!(pipes.write_bytes(ids[1], b"alone", false));
                    expected[1].extend(frame(b"alone"));
                }
                20 => {
                    for more in [true, false] {
                        let mut part = Msg::copy_from(b"part").unwrap();
                        part.set_more(more);
                        pipes.write(ids[2], &mut part).unwrap();
                    }
                    expected[2].extend([1, 4]);
                    expected[2].extend(b"part");
                    expected[2].extend(frame(b"part"));
                }
                35 => pipes.flush(true),
                _ => pipes.flush(false),
            }
        }
        assert!(pipes.is_dirty() && pipes.dirty_count() == 3);
        pipes.flush(true);
        assert!(!pipes.is_dirty() && !pipes.has_flushable());
        for (id, peer) in &mut peers {
            assert!(read(peer) == expected[*id as usize], "pipe {id}");
        }
    }

    #[test]
    fn a_message_in_two_parts_is_one_for_each() {
        let mut pipes = PipeTable::new();
        let mut peers: Vec<_> = (0..3).map(|_| connect(&mut pipes, 2)).collect();
        let ids: Vec<_> = peers.iter().map(|peer| peer.0).collect();
        assert!(!pipes.write_to_all(&ids, 1, [b"the", b"first"]));
        assert!(pipes.write_to_all(&ids, 1, [b"group", b"a body"]));
        assert!(pipes.write_to_all(&ids, 1, [b"", b""]));
        assert!(!pipes.write_to_all(&ids, 1, [b"no", b"room"]) || pipes.batch.messages == 1);
        pipes.flush(true);
        for (_, peer) in &mut peers {
            let got = read(peer);
            assert!(got.starts_with(b"\x01\x05group\x00\x06a body\x01\x00\x00\x00"), "{got:?}");
        }
    }

    #[test]
    fn the_limit_counts_what_waits_in_the_batch_and_behind_it() {
        let mut pipes = PipeTable::new();
        let (slow, mut slow_peer) = connect(&mut pipes, 10);
        let (fast, mut fast_peer) = connect(&mut pipes, 1000);
        let ids = [slow, fast];
        let body = [7; 8000];
        let mut sent = 0;
        // As long as the kernel takes it, the limit is none.
        while pipes.get(slow).and_then(Pipe::connection).is_some_and(|c| !c.tx.blocked()) {
            assert!(pipes.write_to_all(&ids, 1, [&body]) || sent == 0 || pipes.batch.refused > 0);
            if sent == 0 {
                ids.iter().for_each(|&id| assert!(pipes.write_bytes(id, &body, false)));
            }
            sent += 1;
            pipes.flush(true);
            read(&mut fast_peer);
            assert!(sent < 10_000);
        }
        let waiting = pipes.get(slow).and_then(Pipe::wire).map_or(0, |wire| wire.unsent());
        assert_eq!(waiting, 1, "a message that was sent in part");
        for _ in waiting..10 {
            assert!(pipes.write_to_all(&ids, 1, [&body]));
        }
        assert!(!pipes.write_to_all(&ids, 1, [&body]));
        assert!(!pipes.check_write(slow) && pipes.check_write(fast));
        sent += 9;
        // Once there is room again the pipe says so, and nothing is missing.
        let mut received = 0;
        pipes.events.clear();
        while received < sent * (9 + body.len()) {
            let bytes = read(&mut slow_peer).len();
            assert!(bytes > 0, "{received} bytes of {sent} messages");
            received += bytes;
            pipes.on_ready(slow, crate::sys::epoll::OUT);
            pipes.flush(true);
        }
        assert!(pipes.take_events().contains(&PipeEvent::Writable(slow)));
        assert!(pipes.write_to_all(&ids, 1, [&body]) || pipes.batch.refused > 0);
    }

    #[test]
    fn what_was_not_sent_whole_is_kept_for_the_next_connection() {
        let mut pipes = PipeTable::new();
        let (one, mut one_peer) = connect(&mut pipes, 0);
        let (two, _two_peer) = connect(&mut pipes, 0);
        let mut sent = 0_u32;
        while pipes.get(one).and_then(Pipe::connection).is_some_and(|c| !c.tx.blocked()) {
            for _ in 0..50 {
                let mut body = [0; 5000];
                body[..4].copy_from_slice(&sent.to_le_bytes());
                publish(&mut pipes, &[one, two], 1, &body);
                sent += 1;
            }
            pipes.flush(true);
        }
        publish(&mut pipes, &[one, two], 1, b"in the batch");
        pipes.drop_connection(one);
        let whole = read(&mut one_peer).len() / 5009;
        let (again, mut again_peer) = connect(&mut pipes, 0);
        let pipe = pipes.pipes[again as usize].as_mut().and_then(Pipe::wire).unwrap();
        let connection = pipe.connection.take().unwrap();
        pipes.connect(one, connection);
        let mut rest = Vec::new();
        while pipes.get(one).and_then(Pipe::wire).is_some_and(|wire| wire.unsent() > 0) {
            pipes.on_ready(one, crate::sys::epoll::OUT);
            pipes.flush(true);
            let bytes = read(&mut again_peer);
            assert!(!bytes.is_empty());
            rest.extend(bytes);
        }
        assert_eq!(rest[9..13], (whole as u32).to_le_bytes(), "the first one cut short");
        assert_eq!(rest.len(), (sent as usize - whole) * 5009 + 14);
        assert!(rest.ends_with(b"in the batch"));
    }

    #[test]
    fn a_pipe_that_is_gone_has_no_part_in_it() {
        let mut pipes = PipeTable::new();
        let (one, mut one_peer) = connect(&mut pipes, 0);
        let (two, mut two_peer) = connect(&mut pipes, 0);
        for body in [b"1", b"2", b"3"] {
            publish(&mut pipes, &[one, two], 1, body);
        }
        pipes.remove(one);
        assert!(!pipes.write_to_all(&[one, two], 1, [b"4"]));
        publish(&mut pipes, &[two], 2, b"4");
        pipes.flush(true);
        assert_eq!(read(&mut one_peer), b"", "closed before anything was flushed");
        assert_eq!(
            read(&mut two_peer),
            [frame(b"1"), frame(b"2"), frame(b"3"), frame(b"4")].concat()
        );
        pipes.remove(two);
        assert_eq!(pipes.batch.bytes.capacity(), 0);
    }
}
