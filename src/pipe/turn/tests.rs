#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use super::super::{NO_ENDPOINT, Wire};
use super::*;
use crate::connection::{Connection, Ends};
use crate::msg::{Metadata, Msg};
use crate::pattern::PipeSet;
use crate::wire::frame::{Flags, append_frame};
use crate::wire::{Established, Framing};
use std::io::Write;
use std::os::unix::net::UnixStream;

/// More than two turns may read.
const MANY: usize = 5000;

/// A pipe that gets this from its peer.
fn pipe_with(table: &mut PipeTable, bytes: &[u8]) -> (PipeId, UnixStream) {
    let (mut peer, own) = UnixStream::pair().unwrap();
    own.set_nonblocking(true).unwrap();
    peer.write_all(bytes).unwrap();
    let established = Established {
        framing: Framing::V2,
        version: (3, 1),
        peer_socket_type: None,
        peer_routing_id: Vec::new(),
        properties: Vec::new(),
        transform: None,
        subscribe_all: false,
    };
    let metadata = Metadata::default();
    let connection =
        Connection::new(own.into(), established, u64::MAX, Vec::new(), metadata, Ends::default());
    let id = table.add_wire(Wire::new(0, 0, false), NO_ENDPOINT);
    table.connect(id, connection);
    (id, peer)
}

/// So many frames.
fn frames(count: usize, flags: Flags, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    (0..count).for_each(|_| append_frame(&mut bytes, flags, body));
    bytes
}

fn unknown_commands() -> Vec<u8> {
    frames(MANY, Flags::COMMAND, b"\x03FOO")
}

/// What happened but for guesses that came with the connections.
fn events(table: &mut PipeTable) -> Vec<PipeEvent> {
    table.take_events()
}

fn body(msg: Option<Msg>) -> Vec<u8> {
    msg.unwrap().data().to_vec()
}

#[test]
fn what_is_left_of_a_flood_has_other_turns() {
    let mut table = PipeTable::new();
    let bytes = [unknown_commands(), frames(1, Flags::NONE, b"message")].concat();
    let (id, _peer) = pipe_with(&mut table, &bytes);
    events(&mut table);
    let mut turns = 1;
    let msg = loop {
        if let Some(msg) = table.read(id) {
            break msg;
        }
        // Asking again is of no use, and it was said once that there is more.
        assert!(table.read(id).is_none() && table.has_unread());
        assert_eq!(events(&mut table), [PipeEvent::Unread]);
        table.begin_turn();
        table.resume(false);
        assert_eq!(events(&mut table), [PipeEvent::Readable(id)]);
        turns += 1;
    };
    assert_eq!(msg.data(), b"message");
    assert_eq!(turns, 3);
    // Nothing is left.
    assert!(table.read(id).is_none() && !table.has_unread());
    assert_eq!(events(&mut table), []);
}

#[test]
fn what_is_read_ahead_has_other_turns_too() {
    let mut table = PipeTable::new();
    let bytes = [unknown_commands(), frames(1, Flags::NONE, b"message")].concat();
    let (id, _peer) = pipe_with(&mut table, &bytes);
    let (other, _peer) = pipe_with(&mut table, &frames(1, Flags::NONE, b"other"));
    events(&mut table);
    table.gather(id);
    table.gather(other);
    assert_eq!(events(&mut table), [PipeEvent::Unread]);
    assert!(table.unread.pipes.iter().eq([id, other]));
    // That of which nothing was read comes first.
    table.begin_turn();
    table.resume(true);
    assert!(table.unread.pipes.iter().eq([id]));
    table.begin_turn();
    table.resume(true);
    assert!(!table.has_unread());
    table.begin_turn();
    assert_eq!(body(table.read(other)), b"other");
    assert_eq!(body(table.read(id)), b"message");
}

#[test]
fn one_that_floods_takes_nobodys_turn() {
    let mut table = PipeTable::new();
    let peers: Vec<_> = (0..3).map(|_| pipe_with(&mut table, &unknown_commands())).collect();
    let (honest, _peer) = pipe_with(&mut table, &frames(1, Flags::NONE, b"honest"));
    // In an order in which it never comes first.
    let order: Vec<PipeId> = peers.iter().map(|peer| peer.0).chain([honest]).collect();
    let mut turns = 1;
    let found = loop {
        let ready: Vec<PipeId> = events(&mut table)
            .iter()
            .filter_map(|event| if let PipeEvent::Readable(id) = event { Some(*id) } else { None })
            .collect();
        if turns > 1 {
            assert_eq!(ready.len(), 4);
        }
        // Whoever has not spent anything comes first, and the others are asked in the same order.
        let first = if turns == 1 { order[0] } else { ready[0] };
        let mut found = None;
        for id in [first].into_iter().chain(order.iter().copied()) {
            found = found.or_else(|| table.read(id));
        }
        if found.is_some() {
            break found;
        }
        table.begin_turn();
        table.resume(false);
        turns += 1;
    };
    // Each of those in front of it had one.
    assert_eq!((body(found), turns), (b"honest".to_vec(), 4));
}

#[test]
fn the_rest_of_a_message_is_always_read() {
    let mut table = PipeTable::new();
    let bytes = [frames(MANY, Flags::MORE, b"part"), frames(2, Flags::NONE, b"last")].concat();
    let (id, _peer) = pipe_with(&mut table, &bytes);
    events(&mut table);
    for _ in 0..MANY {
        assert_eq!(body(table.read(id)), b"part");
    }
    assert_eq!(body(table.read(id)), b"last");
    // The next one is for another turn.
    assert!(table.read(id).is_none());
    assert_eq!(events(&mut table), [PipeEvent::Unread]);
    // Unless the application was promised it.
    table.promise(id);
    assert_eq!(body(table.read(id)), b"last");
}

#[test]
fn what_the_application_gets_is_no_expense() {
    let mut table = PipeTable::new();
    let (id, _peer) = pipe_with(&mut table, &frames(MANY, Flags::NONE, b"good"));
    for _ in 0..MANY {
        let msg = table.read(id).unwrap();
        table.refund(msg.len());
    }
    // What one has to have is read whatever was before.
    table.begin_turn();
    let (id, _peer) = pipe_with(&mut table, &frames(MANY, Flags::NONE, b"stale"));
    while table.spend(1) {}
    table.with_budget(2 * MANY as u32, |table| {
        for _ in 0..MANY {
            assert_eq!(body(table.read(id)), b"stale");
        }
    });
    assert!(!table.spend(1));
}

#[test]
fn a_peer_that_hangs_up_behind_a_flood_is_read_to_its_end() {
    let mut table = PipeTable::new();
    let (id, peer) = pipe_with(&mut table, &frames(MANY, Flags::NONE, b"good"));
    events(&mut table);
    drop(peer);
    table.gather(id);
    while table.spend(1) {}
    events(&mut table);
    table.drop_connection(id);
    table.end(id);
    // It is not over because nothing can be read in this turn.
    assert!(!events(&mut table).contains(&PipeEvent::Finished(id)));
    let mut read = 0;
    while read < MANY {
        table.begin_turn();
        table.resume(false);
        while table.read(id).is_some() {
            read += 1;
        }
    }
    assert!(table.read(id).is_none());
    assert!(events(&mut table).contains(&PipeEvent::Finished(id)));
    table.remove(id);
    assert!(!table.has_unread());
}

#[test]
fn a_pipe_that_is_gone_has_no_turn() {
    let mut table = PipeTable::new();
    let (id, _peer) = pipe_with(&mut table, &unknown_commands());
    assert!(table.read(id).is_none() && table.has_unread());
    table.remove(id);
    assert!(!table.has_unread());
    table.resume(true);
}
