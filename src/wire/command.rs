//! Commands: frames for the protocol itself (RFC 37, "Commands"). A command's body is its name,
//! preceded by one octet of length, and data whose shape the name decides.

use super::error::{HandshakeError, Malformed};

/// The longest context of a PING that is echoed (RFC 37, "Connection Heartbeating").
pub const MAX_PING_CONTEXT: usize = 16;

/// Name, with its length, and command of a subscription.
pub const SUBSCRIBE: &[u8] = b"\x09SUBSCRIBE";
/// Name, with its length, of the command that takes a subscription back.
pub const CANCEL: &[u8] = b"\x06CANCEL";

/// Name, with its length, of the command that joins a group.
pub const JOIN: &[u8] = b"\x04JOIN";
/// Name, with its length, of the command that leaves a group.
pub const LEAVE: &[u8] = b"\x05LEAVE";

/// A command, borrowed from the frame's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// The end of a handshake, with a list of properties ([`super::metadata::Properties`]).
    Ready(&'a [u8]),
    /// The peer gives up, for this reason.
    Error(&'a [u8]),
    /// Are you there?
    Ping {
        /// Tenths of seconds after which the peer may be taken for dead; 0: no such promise.
        ttl: u16,
        /// To be echoed; cut to [`MAX_PING_CONTEXT`], as libzmq does with longer ones.
        context: &'a [u8],
    },
    /// The answer to a PING with its context.
    Pong(&'a [u8]),
    /// A subscription to this prefix (ZMTP 3.1; older peers send a message).
    Subscribe(&'a [u8]),
    /// One subscription to this prefix less.
    Cancel(&'a [u8]),
    /// A DISH joins this group (RFC 48).
    Join(&'a [u8]),
    /// A DISH leaves this group (RFC 48).
    Leave(&'a [u8]),
    /// A command of the security mechanism, or one we do not know.
    Other {
        /// Its name.
        name: &'a [u8],
        /// All that follows.
        data: &'a [u8],
    },
}

/// Splits a command's body into name and data; `None` if the name is longer than the body.
#[inline]
pub fn split(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = body.split_first()?;
    rest.split_at_checked(usize::from(len))
}

/// The data of a body that is the command `name`; `None` if it is another one.
#[inline]
pub fn strip<'a>(body: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    split(body).filter(|(found, _)| *found == name).map(|(_, data)| data)
}

/// Takes a command's body apart.
///
/// # Errors
/// `MalformedCommand` if there is no name in it, if a PING is shorter than its header, or if the
/// reason of an ERROR is longer than the command.
pub fn parse(body: &[u8]) -> Result<Command<'_>, HandshakeError> {
    let malformed = HandshakeError::MalformedCommand(Malformed::Unspecified);
    let Some((name, data)) = split(body) else { return Err(malformed) };
    Ok(match name {
        b"PING" => {
            let Some((ttl, context)) = data.split_first_chunk::<2>() else {
                return Err(malformed);
            };
            let context = context.get(..MAX_PING_CONTEXT).unwrap_or(context);
            Command::Ping { ttl: u16::from_be_bytes(*ttl), context }
        }
        b"PONG" => Command::Pong(data),
        b"SUBSCRIBE" => Command::Subscribe(data),
        b"CANCEL" => Command::Cancel(data),
        b"READY" => Command::Ready(data),
        b"ERROR" => Command::Error(error_reason(data)?),
        b"JOIN" => Command::Join(data),
        b"LEAVE" => Command::Leave(data),
        _ => Command::Other { name, data },
    })
}

/// The reason inside the data of an ERROR command. Octets after it are not looked at.
///
/// # Errors
/// `MalformedCommand(Error)` if it is missing or longer than the data.
pub fn error_reason(data: &[u8]) -> Result<&[u8], HandshakeError> {
    match split(data) {
        Some((reason, _)) => Ok(reason),
        None => Err(HandshakeError::MalformedCommand(Malformed::Error)),
    }
}

/// Appends the body of a command. `name` is one of the protocol's, at most 255 octets.
pub fn append(out: &mut Vec<u8>, name: &[u8], data: &[u8]) {
    debug_assert!(name.len() <= 255);
    out.reserve(1 + name.len() + data.len());
    out.push(name.len() as u8);
    out.extend_from_slice(name);
    out.extend_from_slice(data);
}

/// Appends the body of a READY command around encoded properties.
pub fn append_ready(out: &mut Vec<u8>, properties: &[u8]) {
    append(out, b"READY", properties);
}

/// Appends the body of an ERROR command; a reason longer than 255 octets is cut.
pub fn append_error(out: &mut Vec<u8>, reason: &[u8]) {
    let reason = reason.get(..255).unwrap_or(reason);
    append(out, b"ERROR", &[reason.len() as u8]);
    out.extend_from_slice(reason);
}

/// Appends the body of a PING command. `ttl` in tenths of seconds; a context longer than
/// [`MAX_PING_CONTEXT`] is cut.
pub fn append_ping(out: &mut Vec<u8>, ttl: u16, context: &[u8]) {
    append(out, b"PING", &ttl.to_be_bytes());
    out.extend_from_slice(context.get(..MAX_PING_CONTEXT).unwrap_or(context));
}

/// Appends the body of a PONG command that echoes `context`.
pub fn append_pong(out: &mut Vec<u8>, context: &[u8]) {
    append(out, b"PONG", context.get(..MAX_PING_CONTEXT).unwrap_or(context));
}

/// Translates the message `1 topic` or `0 topic`, by which patterns and peers before ZMTP 3.1
/// subscribe, into what a 3.1 peer wants: a command whose body is both slices, one after the
/// other. `None` for other messages, which go out as they are.
#[inline]
pub fn subscription_to_command(message: &[u8]) -> Option<(&'static [u8], &[u8])> {
    match message {
        [1, topic @ ..] => Some((SUBSCRIBE, topic)),
        [0, topic @ ..] => Some((CANCEL, topic)),
        _ => None,
    }
}

/// The way back: first octet and topic of the message that means the same as this command.
#[inline]
pub fn command_to_subscription<'a>(command: &Command<'a>) -> Option<(u8, &'a [u8])> {
    match command {
        Command::Subscribe(topic) => Some((1, topic)),
        Command::Cancel(topic) => Some((0, topic)),
        _ => None,
    }
}

/// Translates `1 group` or `0 group`, by which patterns join and leave, into a command whose body is both
/// slices, one after the other. `None` for other messages.
pub fn membership_to_command(message: &[u8]) -> Option<(&'static [u8], &[u8])> {
    match message {
        [1, group @ ..] => Some((JOIN, group)),
        [0, group @ ..] => Some((LEAVE, group)),
        _ => None,
    }
}

/// The way back: first octet and group of the message that means the same as this command.
pub fn command_to_membership<'a>(command: &Command<'a>) -> Option<(u8, &'a [u8])> {
    match command {
        Command::Join(group) => Some((1, group)),
        Command::Leave(group) => Some((0, group)),
        _ => None,
    }
}
