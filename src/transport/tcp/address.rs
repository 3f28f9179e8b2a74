//! Addresses of zmq_tcp(7): `host:port`, for connecting also `source:port;host:port`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::error::{Error, Result};
use crate::sys::net::{self, Lookup, SockAddr};
use crate::transport::row::Way;
use crate::transport::socks::{Destination, Host};

/// The part of a tcp endpoint behind `tcp://`.
#[derive(Debug, Clone, Copy)]
pub(in crate::transport) struct TcpAddress<'a> {
    text: &'a str,
}

/// `host:port` taken apart.
struct HostPort<'a> {
    /// Without brackets and zone.
    host: &'a str,
    /// What stands behind the `%` of an IPv6 address.
    zone: Option<&'a str>,
    port: u16,
}

impl<'a> TcpAddress<'a> {
    pub(in crate::transport) fn new(text: &'a str) -> TcpAddress<'a> {
        TcpAddress { text }
    }

    /// The syntax `zmq_connect` insists on, so that most mistakes are told at once: a letter,
    /// digit, `[` or `:` first, then only characters that occur in names and addresses, and a
    /// digit behind the last colon. All else (unknown names, port 0) shows when connecting.
    pub(in crate::transport) fn check_connect(&self) -> Result<()> {
        let mut characters = self.text.bytes();
        let first = characters.next().ok_or(Error::Invalid)?;
        if !first.is_ascii_alphanumeric() && !b"[:".contains(&first) {
            return Err(Error::Invalid);
        }
        if !characters.all(|c| c.is_ascii_alphanumeric() || b"%*-.:;[]_".contains(&c)) {
            return Err(Error::Invalid);
        }
        match self.text.rsplit_once(':') {
            Some((_, port)) if port.starts_with(|c: char| c.is_ascii_digit()) => Ok(()),
            _ => Err(Error::Invalid),
        }
    }

    /// Whether the peer is given by a name, not by numbers.
    pub(in crate::transport) fn needs_dns(&self) -> bool {
        let (_, target) = self.source_and_target();
        match split(target, false) {
            Ok(HostPort { host, .. }) => net::resolve(host, Lookup::Any, true).is_err(),
            Err(_) => false,
        }
    }

    /// The local address to listen at: `*`, a numeric address or the name of a network
    /// interface, never a host name; the port may be `*` or 0. A source means nothing here, but has
    /// to be one.
    ///
    /// `NoDevice`: not an address or interface of this kind, `Invalid`: no port.
    pub(in crate::transport) fn resolve_bind(&self, ipv6: bool) -> Result<SocketAddr> {
        let (source, target) = self.source_and_target();
        if let Some(source) = source {
            local(&split(source, true)?, ipv6)?;
        }
        local(&split(target, true)?, ipv6)
    }

    /// Where to connect to and from which address of ours. **Blocks** if
    /// [`TcpAddress::needs_dns`]. `Invalid` if that means nothing.
    ///
    /// With `ipv6` IPv4 addresses come in their IPv6 form, as in libzmq: they need one kind of
    /// socket only, and both sides see the peer's address in the same form.
    pub(in crate::transport) fn resolve_connect(&self, ipv6: bool) -> Result<Vec<Way>> {
        let (source, target) = self.source_and_target();
        let source = match source {
            Some(source) => Some(local(&split(source, true)?, ipv6).map_err(|_| Error::Invalid)?),
            None => None,
        };
        let target = split(target, false)?;
        let zone = target.zone_index()?;
        let addresses = net::resolve(target.host, lookup(ipv6), false)
            .map_err(|error| if error == Error::NotFound { Error::Invalid } else { error })?;
        let mut targets = Vec::new();
        for ip in addresses {
            let target = with_zone(ip, target.port, zone);
            if !targets.contains(&target) {
                targets.push(target); // a hosts file may list an address more than once
            }
        }
        if targets.is_empty() {
            return Err(Error::Invalid);
        }
        let source = source.map(SockAddr::from);
        Ok(targets.into_iter().map(|target| Way { target: target.into(), source }).collect())
    }

    /// The peer as a proxy is asked for it: numbers as numbers, names as they are. A zone means
    /// nothing there.
    pub(in crate::transport) fn destination(&self) -> Result<Destination> {
        let (_, target) = self.source_and_target();
        let HostPort { host, port, .. } = split(target, false)?;
        let numeric = net::resolve(host, Lookup::Any, true).ok();
        let host = match numeric.and_then(|found| found.first().copied()) {
            Some(address) => Host::Address(address),
            None => Host::Name(host.to_owned()),
        };
        Destination::new(host, port)
    }

    /// This address as text, to be connected to from the source that `other` names unless it names
    /// one itself.
    pub(in crate::transport) fn or_source_of(&self, other: &TcpAddress<'_>) -> String {
        match (self.source_and_target(), other.source_and_target()) {
            ((None, target), (Some(source), _)) => format!("{source};{target}"),
            _ => self.text.to_owned(),
        }
    }

    fn source_and_target(&self) -> (Option<&'a str>, &'a str) {
        match self.text.rsplit_once(';') {
            Some((source, target)) => (Some(source), target),
            None => (None, self.text),
        }
    }
}

impl HostPort<'_> {
    /// The interface number the zone names (RFC 4007), 0 without zone.
    fn zone_index(&self) -> Result<u32> {
        match self.zone {
            None => Ok(0),
            Some(zone) => net::interface_index(zone)
                .or_else(|| zone.parse().ok().filter(|index| *index != 0))
                .ok_or(Error::Invalid),
        }
    }
}

/// Takes `host:port` apart. Ports may be left open (`*`, `0`) for local addresses only.
fn split(text: &str, open_port: bool) -> Result<HostPort<'_>> {
    let (host, port) = text.rsplit_once(':').ok_or(Error::Invalid)?;
    let port = match port {
        "*" | "0" if open_port => 0,
        _ => parse_port(port)?,
    };
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let (host, zone) = match host.split_once('%') {
        Some((host, zone)) => (host, Some(zone)),
        None => (host, None),
    };
    Ok(HostPort { host, zone, port })
}

/// A port the way libzmq reads it, which is atoi(3) cut to 16 bits: what follows the digits
/// does not matter and -1 is 65535, but the result is not 0.
fn parse_port(text: &str) -> Result<u16> {
    let text = text.trim_start_matches(|c: char| c.is_ascii_whitespace());
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let number: u32 = digits.get(..end).unwrap_or_default().parse().map_err(|_| Error::Invalid)?;
    let number = if negative { number.wrapping_neg() } else { number };
    match number as u16 {
        0 => Err(Error::Invalid),
        port => Ok(port),
    }
}

/// An address of this machine, found without asking any name service.
fn local(at: &HostPort<'_>, ipv6: bool) -> Result<SocketAddr> {
    let zone = at.zone_index()?;
    if at.host == "*" {
        let any =
            if ipv6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { Ipv4Addr::UNSPECIFIED.into() };
        return Ok(SocketAddr::new(any, at.port));
    }
    if let Some(mut address) = interface(at.host, ipv6)? {
        address.set_port(at.port);
        return Ok(address);
    }
    match net::resolve(at.host, lookup(ipv6), true) {
        Ok(found) => found.first().map(|ip| with_zone(*ip, at.port, zone)).ok_or(Error::NoDevice),
        Err(Error::NotFound) => Err(Error::NoDevice),
        Err(error) => Err(error),
    }
}

/// The first address of the network interface of this name: IPv6 first if that is on.
fn interface(name: &str, ipv6: bool) -> Result<Option<SocketAddr>> {
    let addresses = net::interface_addresses(name)?;
    let v4 = || addresses.iter().find(|address| address.is_ipv4()).copied();
    if !ipv6 {
        return Ok(v4());
    }
    let v6 = addresses.iter().find(|address| address.is_ipv6()).copied();
    let mapped = |v4: SocketAddr| match v4.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), 0),
        IpAddr::V6(_) => v4,
    };
    Ok(v6.or_else(|| v4().map(mapped)))
}

fn lookup(ipv6: bool) -> Lookup {
    if ipv6 { Lookup::V6 } else { Lookup::V4 }
}

fn with_zone(ip: IpAddr, port: u16, zone: u32) -> SocketAddr {
    match ip {
        IpAddr::V4(_) => SocketAddr::new(ip, port),
        IpAddr::V6(v6) => SocketAddrV6::new(v6, port, 0, zone).into(),
    }
}
