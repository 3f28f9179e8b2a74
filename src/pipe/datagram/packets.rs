//! Multicast (zmq_pgm(7)): messages share packets, or need several, and what comes is sorted by who has sent it. What a
//! packet is, and how lost ones are sent again, is the network's.

use crate::error::{Error, Result};
use crate::msg::Msg;
use crate::sys::network::{Network, Received, Sent};
use crate::util::memory::try_room;
use crate::wire::packets::{Packer, Piece, Style, Unpacker};
use std::collections::{BTreeMap, VecDeque};
use std::os::fd::RawFd;
use std::time::Instant;

/// Times that the network is asked for packets before others have their turn.
const GATHERED: usize = 200;

/// Senders that are told apart. Of more those are forgotten that have not been heard for the longest time: who comes
/// again is joined again.
const MOST_SENDERS: usize = 256;

/// The most parts a message may have of which the last has not come, as over a connection: what somebody sends who never ends it is
/// nobody's.
const MOST_PARTS: usize = if cfg!(test) { 1000 } else { 1 << 20 };

/// One network, seen from one socket.
#[derive(Debug)]
pub struct Packets {
    network: Box<dyn Network>,
    sends: bool,
    packer: Packer,
    style: Style,
    /// One that has to be sent again, if it is not empty.
    packet: Vec<u8>,
    /// It is the kernel that does not take it.
    waits_for_kernel: bool,
    senders: BTreeMap<u64, Sender>,
    /// Packets that have come.
    heard: u64,
    /// Messages that have come, and are not taken to their last part.
    unread: usize,
    /// When the network wants to be called, as far as it has said.
    next: Option<Instant>,
    /// When it will be.
    armed: Option<Instant>,
    settings: Settings,
}

/// What of a socket's options concerns its packets.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Sends; otherwise it receives.
    pub sends: bool,
    /// ZMQ_MAXMSGSIZE.
    pub most: i64,
    /// ZMQ_CONFLATE: only the newest message waits, on either side.
    pub conflates: bool,
}

/// Somebody whose packets come.
#[derive(Debug)]
struct Sender {
    unpacker: Unpacker,
    /// Of a message whose last part has not come.
    parts: Vec<Msg>,
    /// What follows is the rest of a message that there was no memory for, or that had too many parts.
    skips: bool,
    /// When his last packet came, counted in packets.
    heard: u64,
}

impl Sender {
    fn new(style: Style) -> Sender {
        Sender { unpacker: Unpacker::new(style), parts: Vec::new(), skips: false, heard: 0 }
    }

    /// What comes next is the beginning of another message.
    fn forget(&mut self) {
        self.parts.clear();
        self.skips = false;
    }

    /// Takes a frame. True if a message is whole.
    fn add(&mut self, body: &[u8], more: bool) -> bool {
        let goes_on = !self.skips && (!more || self.parts.len() < MOST_PARTS);
        let msg = if goes_on { Msg::copy_from(body).ok() } else { None };
        match msg.filter(|_| try_room(&mut self.parts, 1).is_ok()) {
            Some(mut msg) => {
                msg.set_more(more);
                self.parts.push(msg);
                !more
            }
            None => {
                self.parts = Vec::new();
                self.skips = more;
                false
            }
        }
    }
}

impl Packets {
    /// On this network.
    pub fn new(network: Box<dyn Network>, settings: Settings) -> Packets {
        let style = if network.marks_messages() { Style::Norm } else { Style::Pgm };
        Packets {
            network,
            sends: settings.sends,
            packer: Packer::new(style),
            style,
            packet: Vec::new(),
            waits_for_kernel: false,
            senders: BTreeMap::new(),
            heard: 0,
            unread: 0,
            next: None,
            armed: None,
            settings,
        }
    }

    /// Those that tell what comes, and the one that tells when the kernel takes more.
    pub(super) fn descriptors(&self) -> (Vec<RawFd>, Option<RawFd>) {
        (self.network.descriptors(), self.network.out())
    }

    pub(super) fn sends(&self) -> bool {
        self.sends
    }

    /// Whether what tells of something to receive tells of room, too, or that all has left; a packet that waits for its time
    /// waits for nothing else.
    pub(super) fn hears_of_room(&self) -> bool {
        let waits_for_time = !self.packet.is_empty() && !self.waits_for_kernel;
        self.sends && self.network.out().is_none() && !waits_for_time
    }

    /// Whether all that the network was given has left.
    pub(super) fn is_sent(&mut self) -> bool {
        self.network.is_sent()
    }

    pub(super) fn unsent(&self) -> usize {
        self.packer.unsent() + usize::from(!self.packet.is_empty())
    }

    pub(super) fn unread(&self) -> usize {
        self.unread
    }

    pub(super) fn in_message(&self) -> bool {
        self.packer.in_message()
    }

    pub(super) fn rollback(&mut self) {
        self.packer.rollback();
    }

    pub(super) fn waits_for_kernel(&self) -> bool {
        self.waits_for_kernel
    }

    /// # Errors
    /// `NoMemory`; nothing has happened then.
    pub(super) fn write(&mut self, msg: &mut Msg) -> Result<()> {
        if self.settings.conflates && !self.packer.in_message() {
            self.packer.drop_unbegun();
        }
        if !self.sends || self.packer.push(msg.data(), msg.more()) {
            drop(msg.take());
            return Ok(());
        }
        Err(Error::NoMemory)
    }

    /// Sends as much as may be sent. True if no more may be at the moment.
    pub(super) fn flush(&mut self) -> bool {
        let room = self.network.room();
        while !self.packet.is_empty() || self.packer.pack(room, &mut self.packet) {
            match self.network.send(&self.packet) {
                Sent::Done => self.packet.clear(),
                Sent::Blocked => {
                    self.waits_for_kernel = true;
                    return true;
                }
                Sent::At(time) => {
                    self.waits_for_kernel = false;
                    self.wants(time);
                    return true;
                }
            }
        }
        false
    }

    fn wants(&mut self, time: Instant) {
        self.next = Some(self.next.map_or(time, |next| next.min(time)));
    }

    /// When to call, if that has to be told: unless it will be called before that, anyway.
    pub(super) fn due(&mut self, untold: Option<Instant>) -> Option<Instant> {
        let next = self.next.take().filter(|&at| self.armed.is_none_or(|armed| at < armed));
        if next.is_none() {
            return untold;
        }
        self.armed = next;
        next
    }

    /// That time has come.
    pub(super) fn wake(&mut self) {
        self.armed = None;
    }

    /// Receives as many messages as there is room for (0: any number), and lets the network do what it has to do now. How many
    /// packets came, and whether there may be more.
    pub(super) fn gather(&mut self, limit: usize, inbox: &mut VecDeque<Msg>) -> (u64, bool) {
        let before = self.heard;
        let limit = if self.settings.conflates { 0 } else { limit };
        for _ in 0..GATHERED {
            if limit != 0 && self.unread >= limit {
                break;
            }
            let Packets { network, senders, heard, unread, settings, style, .. } = self;
            let received = network.receive(&mut |number, packet| {
                *heard += 1;
                let sender = sender_of(senders, number, *heard, *style);
                *unread = take_in(sender, packet, settings, inbox, *unread);
                sender.unpacker.is_joined()
            });
            if let Received::Nothing(time) = received {
                if let Some(time) = time {
                    self.wants(time);
                }
                return (self.heard - before, false);
            }
        }
        (self.heard - before, true)
    }

    /// The application has this frame now.
    pub(super) fn taken(&mut self, frame: &Msg) {
        self.unread -= usize::from(!frame.more());
    }

    pub(super) fn trim(&mut self) {
        self.packer.trim();
        if self.packet.is_empty() {
            self.packet = Vec::new();
        }
    }
}

/// Who sends the so-and-so-many-th packet of all.
fn sender_of(
    senders: &mut BTreeMap<u64, Sender>,
    number: u64,
    heard: u64,
    style: Style,
) -> &mut Sender {
    if senders.len() >= MOST_SENDERS && !senders.contains_key(&number) {
        let oldest =
            senders.iter().min_by_key(|(_, sender)| sender.heard).map(|(&number, _)| number);
        oldest.map(|number| senders.remove(&number));
    }
    let sender = senders.entry(number).or_insert_with(|| Sender::new(style));
    sender.heard = heard;
    sender
}

/// A packet comes from a sender; `None`: some of his are lost. Returns how many messages wait.
fn take_in(
    sender: &mut Sender,
    packet: Option<&[u8]>,
    settings: &Settings,
    inbox: &mut VecDeque<Msg>,
    mut unread: usize,
) -> usize {
    let Some(packet) = packet else {
        sender.unpacker.lose();
        sender.forget();
        return unread;
    };
    let style = sender.unpacker.style();
    let mut unpacker = std::mem::replace(&mut sender.unpacker, Unpacker::new(style));
    unpacker.packet(packet, settings.most, |piece| match piece {
        Piece::Frame(body, more) => {
            if sender.add(body, more) && try_room(inbox, sender.parts.len()).is_ok() {
                if settings.conflates {
                    inbox.clear();
                    unread = 0;
                }
                inbox.extend(sender.parts.drain(..));
                unread += 1;
            }
        }
        Piece::Lost => sender.forget(),
    });
    sender.unpacker = unpacker;
    unread
}

#[cfg(test)]
mod tests {
    use super::super::{Carrier, DatagramEnd};
    use super::*;
    use crate::sys::net::Slots;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    /// What a network does next, and what it was given.
    #[derive(Debug, Default)]
    struct Script {
        answers: VecDeque<Sent>,
        sent: Vec<Vec<u8>>,
        comes: VecDeque<(u64, Option<Vec<u8>>)>,
        next: Option<Instant>,
        keeps: bool,
        known: Vec<bool>,
    }

    #[derive(Debug, Clone, Default)]
    struct MadeUp(Arc<Mutex<Script>>);

    impl Network for MadeUp {
        fn descriptors(&self) -> Vec<RawFd> {
            Vec::new()
        }

        fn out(&self) -> Option<RawFd> {
            None
        }

        fn room(&self) -> usize {
            20
        }

        fn is_sent(&mut self) -> bool {
            !self.0.lock().unwrap().keeps
        }

        fn send(&mut self, packet: &[u8]) -> Sent {
            let mut script = self.0.lock().unwrap();
            let answer = script.answers.pop_front().unwrap_or(Sent::Done);
            if answer == Sent::Done {
                script.sent.push(packet.to_vec());
            }
            answer
        }

        fn receive(&mut self, each: &mut dyn FnMut(u64, Option<&[u8]>) -> bool) -> Received {
            let mut script = self.0.lock().unwrap();
            match script.comes.pop_front() {
                Some((number, packet)) => {
                    let known = each(number, packet.as_deref());
                    script.known.push(known);
                    Received::Some
                }
                None => Received::Nothing(script.next.take()),
            }
        }
    }

    fn end(sends: bool, limits: (usize, usize), conflates: bool) -> (DatagramEnd, MadeUp) {
        let network = MadeUp::default();
        let settings = Settings { sends, most: 1000, conflates };
        let packets = Packets::new(Box::new(network.clone()), settings);
        (DatagramEnd::new(Carrier::Packets(Box::new(packets)), limits), network)
    }

    fn write(end: &mut DatagramEnd, body: &[u8], more: bool) {
        let mut msg = Msg::copy_from(body).unwrap();
        msg.set_more(more);
        end.write(&mut msg).unwrap();
    }

    fn come(network: &MadeUp, packets: &[(u64, Option<&[u8]>)]) {
        let packets = packets.iter().map(|(number, bytes)| (*number, bytes.map(<[u8]>::to_vec)));
        network.0.lock().unwrap().comes.extend(packets);
    }

    fn frames(end: &mut DatagramEnd) -> Vec<String> {
        end.ready = true;
        end.gather(&mut Slots::default()).unwrap();
        let text = |frame: Msg| {
            let text = String::from_utf8(frame.data().to_vec()).unwrap();
            if frame.more() { text + "+" } else { text }
        };
        std::iter::from_fn(|| end.take()).map(text).collect()
    }

    #[test]
    fn what_may_not_be_sent_yet_waits_for_its_time_or_for_the_kernel() {
        let (mut end, network) = end(true, (3, 0), false);
        let later = Instant::now() + Duration::from_secs(1);
        network.0.lock().unwrap().answers = [Sent::At(later), Sent::Blocked, Sent::Done].into();
        write(&mut end, b"one", true);
        write(&mut end, b"two", false);
        assert!(end.owes() && !end.flush() && !end.owes() && !end.waits_for_kernel());
        // What comes meanwhile says nothing about room.
        assert!(!end.hears_of_room());
        assert_eq!((end.take_due(), end.take_due()), (Some(later), None));
        end.wake();
        assert!(end.owes() && !end.flush() && end.waits_for_kernel() && end.hears_of_room());
        // No time frees it, the kernel does.
        end.wake();
        assert!(!end.owes());
        end.unblock();
        assert!(end.flush() && end.is_drained() && end.has_room());
        assert_eq!(network.0.lock().unwrap().sent, [b"\0\0\x04\x01one\x04\0two"]);
    }

    /// What tells of room by the descriptor of what comes may be taken by who looks for that, before the set can report it.
    #[test]
    fn room_is_heard_of_by_whoever_asks() {
        let (mut sender, network) = end(true, (3, 0), false);
        network.0.lock().unwrap().answers = [Sent::Blocked].into();
        write(&mut sender, b"one", false);
        assert!(!sender.flush() && !sender.owes());
        assert_eq!(frames(&mut sender), [""; 0]);
        assert!(sender.owes() && sender.flush());
    }

    /// Nobody has to end what he begins. The one behind that is a message again.
    #[test]
    fn a_message_has_no_more_parts_than_over_a_connection() {
        let (mut end, network) = end(false, (0, 0), false);
        for parts in [MOST_PARTS, MOST_PARTS + 1] {
            let packet = [&[0, 0][..], &[1, 1].repeat(parts), &[2, 0, b'e', 2, 0, b'n']].concat();
            come(&network, &[(7, Some(&packet))]);
            let came = frames(&mut end);
            assert_eq!(came.len(), if parts > MOST_PARTS { 1 } else { MOST_PARTS + 2 });
            assert_eq!(came.last().map(String::as_str), Some("n"));
        }
    }

    /// What the network keeps is of no concern but to who closes the socket; one that has no descriptor for that tells of room by the others.
    #[test]
    fn what_a_network_keeps_is_waited_for() {
        let (mut sender, network) = end(true, (3, 0), false);
        network.0.lock().unwrap().keeps = true;
        write(&mut sender, b"one", false);
        assert!(sender.flush() && sender.is_drained() && !sender.finish());
        network.0.lock().unwrap().keeps = false;
        assert!(sender.finish() && sender.hears_of_room());
        assert!(!end(false, (3, 0), false).0.hears_of_room());
    }

    /// Of the one who cannot tell whether he goes on in the middle, NORM's receiver.
    #[test]
    fn a_network_hears_whether_a_stream_goes_on() {
        let (mut end, network) = end(false, (0, 0), false);
        let packets: [&[u8]; 4] = [b"\xff\xffx", b"\0\0\x02\0a", b"\xff\xff\0", b"\0\0\x02\0b"];
        packets.iter().for_each(|packet| come(&network, &[(1, Some(packet))]));
        come(&network, &[(1, None)]);
        assert_eq!(frames(&mut end), ["a", "b"]);
        assert_eq!(network.0.lock().unwrap().known, [false, true, false, true, false]);
    }

    /// One that is on its way in part counts until its end, and no more wait than the high-water mark says.
    #[test]
    fn limits() {
        let (mut end, network) = end(true, (3, 2), false);
        network.0.lock().unwrap().answers = [Sent::Done, Sent::Blocked].into();
        for _ in 0..3 {
            assert!(end.has_room());
            write(&mut end, &[b'x'; 30], false);
        }
        assert!(!end.has_room() && !end.flush() && !end.has_room());
        end.unblock();
        assert!(end.flush() && end.has_resumed());
        assert_eq!(network.0.lock().unwrap().sent.concat().len(), 3 * 32 + 6 * 2);
        for number in 0..5 {
            come(&network, &[(7, Some(&[0, 0, 2, 0, b'0' + number]))]);
        }
        let all: Vec<_> = (0..4).map(|_| frames(&mut end)).collect();
        assert_eq!(all, [vec!["0", "1"], vec!["2", "3"], vec!["4"], vec![]]);
    }

    #[test]
    fn each_sender_has_a_stream_of_his_own() {
        let (mut end, network) = end(false, (0, 0), false);
        let (one, two) = (1, 2);
        come(&network, &[(one, Some(b"\0\0\x02\x01a\x04\0b")), (two, Some(b"\0\0\x02\x01c"))]);
        come(&network, &[(two, Some(b"\xff\xff\x02\0d")), (one, Some(b"\0\x02bb\x02\0e"))]);
        assert_eq!(frames(&mut end), ["c+", "d", "a+", "bbb", "e"]);
        // Some of one's are lost: what there was of a message is, too, and that of the other is not.
        come(
            &network,
            &[(one, Some(b"\0\0\x02\x01a")), (two, Some(b"\0\0\x02\x01c")), (one, None)],
        );
        come(&network, &[(one, Some(b"\xff\xff\x02\0b")), (two, Some(b"\xff\xff\x02\0d"))]);
        come(&network, &[(one, Some(b"\0\x03\x02\0b\x02\0f"))]);
        assert_eq!(frames(&mut end), ["c+", "d", "f"]);
        // A message above ZMQ_MAXMSGSIZE, and a packet that is none.
        come(
            &network,
            &[(one, Some(b"\0\0\xff\0\0\0\0\0\0\x10\0\0xx")), (one, Some(b"\xff\xffyy"))],
        );
        come(
            &network,
            &[(one, Some(b"\0\0\x02\0g")), (two, Some(b"")), (two, Some(b"\0\0\x02\0h"))],
        );
        assert_eq!(frames(&mut end), ["g", "h"]);
    }

    #[test]
    fn no_more_senders_are_known_than_there_is_a_place_for() {
        let (mut end, network) = end(false, (0, 0), false);
        for number in 0..1000 {
            come(&network, &[(number, Some(b"\0\0\x02\x01a"))]);
            assert_eq!(frames(&mut end), [""; 0]);
        }
        // The first ones are new again, and the last ones are not.
        come(&network, &[(0, Some(b"\xff\xff\x02\0b")), (999, Some(b"\xff\xff\x02\0b"))]);
        assert_eq!(frames(&mut end), ["a+", "b"]);
        let Carrier::Packets(packets) = &end.carrier else { unreachable!() };
        assert_eq!(packets.senders.len(), MOST_SENDERS);
    }

    #[test]
    fn of_several_the_newest_waits_alone() {
        let (mut one, network) = end(false, (0, 1), true);
        come(&network, &[(1, Some(b"\0\0\x02\0a\x02\0b")), (2, Some(b"\0\0\x02\0c"))]);
        assert_eq!(frames(&mut one), ["c"]);
        let (mut one, network) = end(true, (0, 0), true);
        network.0.lock().unwrap().answers = [Sent::Blocked].into();
        write(&mut one, &[b'x'; 20], false);
        assert!(!one.flush());
        (b'a'..b'd').for_each(|body| write(&mut one, &[body], false));
        one.unblock();
        assert!(one.flush());
        assert_eq!(network.0.lock().unwrap().sent[1], *b"\0\x04xxxx\x02\0c");
    }

    #[test]
    fn the_earliest_time_is_told_once() {
        let (mut end, network) = end(false, (0, 0), false);
        let now = Instant::now();
        let mut told = |after: u64| {
            network.0.lock().unwrap().next = Some(now + Duration::from_millis(after));
            frames(&mut end);
            end.take_due().map(|at| (at - now).as_millis())
        };
        assert_eq!([told(50), told(60), told(50), told(20)], [Some(50), None, None, Some(20)]);
        end.wake();
        assert!(end.ready);
        network.0.lock().unwrap().next = Some(now + Duration::from_millis(70));
        frames(&mut end);
        assert_eq!(end.take_due(), Some(now + Duration::from_millis(70)));
    }
}
