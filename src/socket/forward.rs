//! Moving messages from one socket to another under both their locks, for proxies.

use super::core::Core;
use super::{Guard, Socket};
use crate::error::{Error, Result};
use crate::msg::{Msg, Sink};
use crate::pattern::Pattern;

/// Bodies longer than this are handed on as messages, which share the receive buffer.
const LONG: usize = 8 * 1024;

/// What [`forward`] has done.
#[derive(Debug, Default)]
pub(super) struct Moved {
    /// Whole messages.
    pub(super) messages: u64,
    /// Bytes of all parts.
    pub(super) bytes: u64,
    /// Why it ended.
    pub(super) end: End,
}

/// Why [`forward`] ended.
#[derive(Debug, Default)]
pub(super) enum End {
    /// As many messages were moved as were asked for.
    #[default]
    Enough,
    /// The source has no more.
    Empty,
    /// The target has no room.
    Full,
    /// The rest of a message has to be moved by calls that may wait: this part, if there is one,
    /// and what follows it.
    Rest(Option<Msg>),
}

/// The target, taking bytes where they stand in the source's receive buffer.
struct Through<'a> {
    target: &'a mut Core,
    bytes: &'a mut u64,
}

impl Sink for Through<'_> {
    /// Where the target has pipes within the process, the careful path is taken from the start.
    const TAKES_MESSAGES: bool = false;

    #[inline]
    fn take(&mut self, bytes: &[u8], more: bool) -> bool {
        if bytes.len() > LONG {
            return false;
        }
        let core = &mut *self.target;
        if more || !core.pattern.send_bytes(&mut core.pipes, bytes, false) {
            // SAFETY: valid during this call, and pipes keep nothing of it.
            let mut part = unsafe { Msg::borrowed(bytes) };
            part.set_more(more);
            // An error shows again on the careful path.
            if core.send_now(&mut part).is_err() {
                return false;
            }
        }
        *self.bytes += bytes.len() as u64;
        true
    }
}

/// Moves at most `most` messages that wait at `source` to `target`, another socket, without waiting.
/// Takes none out of `source` that `target` has no room for.
///
/// # Errors
/// What receiving and sending say, except that they would have to wait.
pub(super) fn forward(
    source: &'static Socket,
    target: &'static Socket,
    most: usize,
) -> Result<Moved> {
    let (mut from, mut to) = Socket::enter_both(source, target)?;
    let mut moved = Moved::default();
    let result = forward_locked(&mut from, &mut to, most, &mut moved);
    from.receive_more = false;
    from.ensure_watched();
    to.after_send();
    to.ensure_watched();
    drop((from, to));
    moved.end = result?;
    Ok(moved)
}

fn forward_locked(from: &mut Guard, to: &mut Guard, most: usize, moved: &mut Moved) -> Result<End> {
    to.process_mail();
    to.pipes.sends_at_once = false;
    from.pipes.waits_to_receive = false;
    // Another socket of the process gets the properties of messages, too, so messages as such.
    let plain = to.pipes.are_wires();
    for _ in 0..most {
        from.process_mail();
        let mut more = false;
        loop {
            if plain {
                let core: &mut Core = from;
                let mut through = Through { target: to, bytes: &mut moved.bytes };
                if let Some(part) = core.pattern.recv_into(&mut core.pipes, &mut through) {
                    more = part.more;
                    if more {
                        continue;
                    }
                    from.look_around();
                    break;
                }
            }
            let end = forward_part(from, to, !plain, &mut more, &mut moved.bytes)?;
            if let Some(end) = end {
                return Ok(end);
            }
            if !more {
                break;
            }
        }
        moved.messages += 1;
        to.pipes.flush(false);
    }
    Ok(End::Enough)
}

/// Moves one part as a message. `more`: the part before said that another follows, and then whether
/// this one does.
fn forward_part(
    from: &mut Guard,
    to: &mut Guard,
    with_metadata: bool,
    more: &mut bool,
    bytes: &mut u64,
) -> Result<Option<End>> {
    if !*more && !has_room(to) {
        return Ok(Some(End::Full));
    }
    let mut part = match from.receive(false, with_metadata) {
        Ok(part) => part,
        Err(Error::Again) if *more => return Ok(Some(End::Rest(None))),
        Err(Error::Again) => return Ok(Some(End::Empty)),
        Err(error) => return Err(error),
    };
    let first = !std::mem::replace(more, part.more());
    let len = part.len() as u64;
    let core: &mut Core = to;
    let keep = !part.is_better_copied();
    // Memory of the application comes back by way of the socket that has the message last.
    part.hand_over(core.face.reclaimer());
    if !(first && !*more && core.pattern.send_bytes(&mut core.pipes, part.data(), keep)) {
        match core.send(&mut part, true) {
            Ok(()) => {}
            Err(Error::Again) => {
                // The caller has it now, and keeps it longer than the sockets may live.
                part.hand_back();
                return Ok(Some(End::Rest(Some(part))));
            }
            Err(error) => return Err(error),
        }
    }
    *bytes += len;
    Ok(None)
}

/// Whether the socket takes a message now, after a look at the kernel if it seems not to.
fn has_room(to: &mut Guard) -> bool {
    let core: &mut Core = to;
    if core.pattern.has_out(&mut core.pipes) {
        return true;
    }
    core.look_for_room(true);
    core.pattern.has_out(&mut core.pipes)
}
