//! zmq_tipc(7). An address is a service `{type,lower,upper}` or one instance of it, `{type,instance}` with
//! `@zone.cluster.node` where it is looked for, the reference of a socket, `<zone.cluster.node:reference>`, or
//! `<*>`, which is that of the socket that listens.

use super::bound::{BindResult, Bound};
use super::row::{AddressError, Transport, Way};
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::sys::net::{SockAddr, TipcName};

/// The row of the table.
pub(super) static TRANSPORT: Transport = Transport {
    scheme: "tipc",
    check: |text| match parse(text) {
        Some(_) => Ok(()),
        None => Err(AddressError::Nobodys(Error::Invalid)),
    },
    canonical: |text| name(text).ok().map(write),
    optional: Some(|| true),
    names_what_fails: true,
    listen,
    // The socket that is bound to a service goes by its own reference, too.
    resolve_binding: |text, _| name(text).ok().map(SockAddr::tipc),
    check_connect: |text| name(text).map(drop),
    resolve: |text, _| Ok(vec![Way { target: SockAddr::tipc(name(text)?), source: None }]),
    endpoint: |address| Some(format!("tipc://{}", write(address.to_tipc()?))),
    ..Transport::PLAIN
};

/// What an address means.
enum Wanted {
    /// Whatever reference the socket has.
    Own,
    Name(TipcName),
}

/// The least number that is a service of an application (linux/tipc.h, TIPC_RESERVED_TYPES).
const LEAST_SERVICE: u32 = 64;
/// Where an instance is looked for unless an address says it: zone 1.
const ZONE_1: u32 = 1 << 24;

/// libzmq looks at no more than it needs: not at the closing bracket, and behind it only for `@`.
fn parse(text: &str) -> Option<Wanted> {
    if text.starts_with("<*>") {
        return Some(Wanted::Own);
    }
    if let Some(rest) = text.strip_prefix('<') {
        let (node, rest) = node(rest)?;
        let (reference, _) = number(rest.strip_prefix(':')?)?;
        return Some(Wanted::Name(TipcName::Socket { reference, node }));
    }
    let (service, rest) = number(text.strip_prefix('{')?)?;
    let (first, rest) = number(rest.strip_prefix(',')?)?;
    let name = match rest.strip_prefix(',').and_then(number) {
        Some((upper, _)) => TipcName::Range { service, lower: first, upper },
        None => TipcName::Instance { service, instance: first, domain: domain(text)? },
    };
    let is_possible = match name {
        TipcName::Range { lower, upper, .. } => lower <= upper,
        _ => true,
    };
    (is_possible && service >= LEAST_SERVICE).then_some(Wanted::Name(name))
}

/// What stands behind the `@`, to its end.
fn domain(text: &str) -> Option<u32> {
    match text.split_once('@') {
        Some((_, text)) => node(text).and_then(|(node, rest)| rest.is_empty().then_some(node)),
        None => Some(ZONE_1),
    }
}

/// `zone.cluster.node` in 8, 12 and 12 bits, cut off if they are more; and the rest.
fn node(text: &str) -> Option<(u32, &str)> {
    let (zone, rest) = number(text)?;
    let (cluster, rest) = number(rest.strip_prefix('.')?)?;
    let (node, rest) = number(rest.strip_prefix('.')?)?;
    Some((zone << 24 | cluster << 12 | node, rest))
}

/// A number the way scanf(3) reads it, and the rest: spaces before it do not matter, nor digits beyond what 32
/// bits hold.
fn number(text: &str) -> Option<(u32, &str)> {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace());
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at_checked(end).filter(|_| end > 0)?;
    let number = match digits.parse::<u64>() {
        Ok(number) if negative => number.wrapping_neg() as u32,
        Ok(number) => number as u32,
        Err(_) => u32::MAX,
    };
    Some((number, rest))
}

/// As libzmq does.
fn write(name: TipcName) -> String {
    match name {
        TipcName::Range { service, lower: first, upper: last }
        | TipcName::Instance { service, instance: first, domain: last } => {
            format!("{{{service}, {first}, {last}}}")
        }
        TipcName::Socket { reference, node } => {
            format!("<{}.{}.{}:{reference}>", node >> 24, node >> 12 & 0xfff, node & 0xfff)
        }
    }
}

/// The name of somebody else.
fn name(text: &str) -> Result<TipcName> {
    match parse(text) {
        Some(Wanted::Name(name)) => Ok(name),
        _ => Err(Error::Invalid),
    }
}

fn listen(text: &str, options: &SocketOptions) -> BindResult {
    match parse(text).ok_or(Error::Invalid)? {
        Wanted::Own => {
            let like = SockAddr::tipc(TipcName::Socket { reference: 0, node: 0 });
            Bound::listen_anywhere(&like, options)
        }
        // The system chooses references.
        Wanted::Name(TipcName::Socket { .. }) => Err(Error::Invalid.into()),
        Wanted::Name(name) => Bound::listen(&SockAddr::tipc(name), options, None, |_| Ok(())),
    }
}
