//! What a fuzzer tries of this layer, see `crate::fuzz`: bytes of a peer whose handshake is over.

use super::{BufferPool, Connection, Ends};
use crate::error::Result;
use crate::msg::{Metadata, Msg};
use crate::util::budget::Budget;
use crate::util::fuzz::Input;
use crate::wire::frame::{Flags, parse_header};
use crate::wire::{Established, Framing};
use std::io::Write;
use std::os::unix::net::UnixStream;

/// A part, and whether its message goes on.
type Part = (Vec<u8>, bool);

/// It must not matter in which pieces the bytes come, nor whether the application takes each message
/// as soon as it is here, or has been away and finds them read ahead.
pub(crate) fn receiving(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (choice, piece) = (input.byte(), 1 + usize::from(input.byte()));
    let framing = if choice & 1 == 1 { Framing::V1 } else { Framing::V2 };
    let most = if choice & 2 == 2 { 100 } else { u64::MAX };
    let bytes = input.rest();
    let (at_once, ended) = read(bytes, framing, most, bytes.len().max(1), 0);
    let (in_pieces, also) = read(bytes, framing, most, piece, choice >> 2);
    assert_eq!((&at_once, &ended), (&in_pieces, &also));
    // Messages are whole, and those that came before the breach are all there.
    assert!(at_once.last().is_none_or(|(_, more)| !more));
    let (wanted, commands) = messages(bytes, framing, most);
    if !commands {
        assert!(at_once == wanted, "{at_once:?} for {wanted:?}");
    }
}

/// The whole messages in front of the first breach, cut one after the other; and whether there were
/// commands, some of which become messages.
fn messages(bytes: &[u8], framing: Framing, most: u64) -> (Vec<Part>, bool) {
    let (mut whole, mut open, mut rest) = (Vec::new(), Vec::new(), bytes);
    let mut commands = false;
    while let Ok(Some(header)) = parse_header(framing, rest) {
        commands |= header.flags.command();
        let len = usize::try_from(header.frame_len()).ok();
        let Some((frame, behind)) = len.and_then(|len| rest.split_at_checked(len)) else { break };
        if header.body_len > most {
            break;
        }
        if header.flags != Flags::COMMAND {
            open.push((frame[header.header_len..].to_vec(), header.flags.more()));
            if !header.flags.more() {
                whole.append(&mut open);
            }
        }
        rest = behind;
    }
    (whole, commands)
}

fn connection(own: UnixStream, framing: Framing, most: u64) -> Connection {
    let established = Established {
        framing,
        version: if framing == Framing::V1 { (1, 0) } else { (3, 1) },
        peer_socket_type: None,
        peer_routing_id: Vec::new(),
        properties: Vec::new(),
        transform: None,
        subscribe_all: false,
    };
    let own = std::os::fd::OwnedFd::from(own).into();
    Connection::new(own, established, most, Vec::new(), Metadata::default(), Ends::default())
}

/// All parts that a reader gets who is given the bytes in such pieces, and the error at the end.
fn read(bytes: &[u8], framing: Framing, most: u64, piece: usize, way: u8) -> (Vec<Part>, String) {
    let Ok((mut peer, own)) = UnixStream::pair() else { return (Vec::new(), String::new()) };
    let mut reader = connection(own, framing, most);
    let (mut pool, mut parts, mut failed) = (BufferPool::default(), Vec::new(), None);
    for (turn, piece) in bytes.chunks(piece).enumerate() {
        if failed.is_none() {
            // It fails when the kernel holds no more, which is more than an input.
            let _ = peer.write_all(piece);
            failed = look(&mut reader, &mut pool, &mut parts, way >> (turn % 6) & 1 == 1).err();
        }
    }
    drop(peer);
    reader.rx.set_ready(true);
    let last = look(&mut reader, &mut pool, &mut parts, false).err();
    // Whoever reads ahead learns first what is wrong; the messages in front of it come all the same.
    let failed = format!("{:?} {:?}", failed.or(last), reader.rx.failure());
    (parts, failed)
}

/// Takes all that is here.
fn look(
    reader: &mut Connection,
    pool: &mut BufferPool,
    parts: &mut Vec<Part>,
    away: bool,
) -> Result<()> {
    reader.rx.set_ready(reader.rx.peer_closed());
    pool.budget = Budget::TURN;
    if away {
        return reader.gather(0, pool).map(drop);
    }
    loop {
        let mut msg = Msg::new();
        if let Some((len, more)) = reader.take_into(&mut msg, pool) {
            assert_eq!(len, msg.data().len());
            parts.push((msg.data().to_vec(), more));
            continue;
        }
        match reader.receive(pool, false)? {
            Some(msg) => parts.push((msg.data().to_vec(), msg.more())),
            None if pool.budget.is_spent() => pool.budget = Budget::TURN,
            None => return Ok(()),
        }
        let _ = reader.flush();
    }
}
