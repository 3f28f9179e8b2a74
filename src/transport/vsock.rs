//! zmq_vsock(7): sockets between virtual machines and their host (vsock(7)). An address is
//! `machine:port`, both numbers; `*` is any machine, and a port that the system chooses. `@` is the
//! machine that we run on for who binds, and the host for who connects, as in libzmq (which takes it for the
//! host when it binds, too, so that this fails on any other machine).

use super::bound::{BindResult, Bound};
use super::row::{AddressError, Transport, Way};
use crate::error::Error;
use crate::options::SocketOptions;
use crate::sys::net::{self, SockAddr};
use libc::{VMADDR_CID_ANY as ANY_MACHINE, VMADDR_CID_HOST as HOST, VMADDR_PORT_ANY as ANY_PORT};

/// The row of the table.
pub(super) static TRANSPORT: Transport = Transport {
    scheme: "vsock",
    check: |text| match parse(text) {
        Some(_) => Ok(()),
        None => Err(AddressError::Nobodys(Error::Invalid)),
    },
    canonical: |text| parse(text).map(write),
    optional: Some(|| true),
    names_what_fails: true,
    listen,
    resolve: |text, _| {
        let (machine, port) = parse(text).ok_or(Error::Invalid)?;
        Ok(vec![Way { target: SockAddr::vsock(machine.unwrap_or(HOST), port), source: None }])
    },
    endpoint: |address| {
        let (machine, port) = address.to_vsock()?;
        Some(format!("vsock://{}", write((Some(machine), port))))
    },
    is_specific: |address| address.to_vsock().is_none_or(|(machine, _)| machine != ANY_MACHINE),
    // libzmq has none. Whom to let in is a question of the machine here.
    peer_address: |_, peer| {
        peer.to_vsock().map(|(machine, _)| machine.to_string()).unwrap_or_default()
    },
    ..Transport::PLAIN
};

/// Machine and port; no machine is `@`.
fn parse(text: &str) -> Option<(Option<u32>, u32)> {
    let (machine, port) = text.rsplit_once(':')?;
    let machine = match machine {
        "*" => Some(ANY_MACHINE),
        "@" => None,
        _ => Some(number(machine)?),
    };
    let port = if port == "*" { ANY_PORT } else { number(port)? };
    Some((machine, port))
}

/// A number the way libzmq reads it: space before and anything behind it do not matter, and one below zero
/// is taken from 2^32, as long as its digits make no more than 32 bits.
fn number(text: &str) -> Option<u32> {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace());
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let number: u32 = digits.get(..end)?.parse().ok()?;
    Some(if negative { number.wrapping_neg() } else { number })
}

fn write((machine, port): (Option<u32>, u32)) -> String {
    let machine = match machine {
        Some(ANY_MACHINE) => "*".to_owned(),
        Some(number) => number.to_string(),
        None => "@".to_owned(),
    };
    if port == ANY_PORT { format!("{machine}:*") } else { format!("{machine}:{port}") }
}

fn listen(text: &str, options: &SocketOptions) -> BindResult {
    let (machine, port) = parse(text).ok_or(Error::Invalid)?;
    // Where nobody knows, libzmq's answer is as good as any.
    let machine = machine.unwrap_or_else(|| net::local_machine().unwrap_or(HOST));
    Bound::listen(&SockAddr::vsock(machine, port), options, None, |_| Ok(()))
}
