//! NORM (RFC 5740), as libzmq uses it. An address is `[id,][interface;]group:port`: PUB and XPUB send to the group, SUB and XSUB
//! receive what others send there, and bind is connect. The id tells senders apart; without one it is any.

use super::row::{DatagramSocket, Medium, Transport};
use crate::error::{Error, Result};
use crate::options::SocketOptions;
use crate::sys::norm::{Mode, Session, Settings, is_available};
use crate::types::SocketType;

/// The row of the table.
pub(super) static TRANSPORT: Transport = Transport {
    scheme: "norm",
    carries: |socket_type| socket_type.info().multicasts,
    optional: Some(is_available),
    needs_dns: |_| true,
    open_datagrams: Some(|text, socket_type, _, options| open(text, socket_type, options)),
    ..Transport::PLAIN
};

/// Octets of a packet: with its headers no datagram is longer.
const LARGEST_SEGMENT: i32 = 65_000;

fn open(text: &str, socket_type: SocketType, options: &SocketOptions) -> Result<DatagramSocket> {
    if !is_available() {
        return Err(Error::UnknownProtocol);
    }
    let at = Place::parse(text).ok_or(Error::Invalid)?;
    let settings = settings(&at, socket_type.info().publishes, options)?;
    let session = Session::open(at.group, at.interface, &settings)?;
    let medium = Medium::Packets(Box::new(session));
    Ok(DatagramSocket { medium, endpoint: format!("norm://{text}") })
}

/// What an address says.
#[derive(Debug, PartialEq, Eq)]
struct Place<'a> {
    /// 0: any.
    id: u32,
    /// Empty: any.
    interface: &'a str,
    group: &'a str,
    port: u16,
}

impl Place<'_> {
    fn parse(text: &str) -> Option<Place<'_>> {
        let (id, rest) = match text.split_once(',') {
            Some((id, rest)) => (id.parse().ok().filter(|&id| id != 0 && id != u32::MAX)?, rest),
            None => (0, text),
        };
        let (interface, rest) = match rest.split_once(';') {
            Some(("", _)) => return None,
            Some(split) => split,
            None => ("", rest),
        };
        let (group, port) = rest.rsplit_once(':')?;
        let digits = port.bytes().all(|octet| octet.is_ascii_digit());
        let port = port.parse().ok().filter(|&port| digits && port != 0)?;
        let is_name = !group.is_empty() && !group.contains(['*', ',', ';', '[', '/']);
        is_name.then_some(Place { id, interface, group, port })
    }
}

/// What libzmq 4.3.6, built with drafts, tells libnorm.
fn settings(at: &Place<'_>, sends: bool, o: &SocketOptions) -> Result<Settings> {
    let norm = &o.draft.norm;
    let segment = u16::try_from(norm.segment_size.min(LARGEST_SEGMENT + 1));
    let segment = segment.ok().filter(|&segment| i32::from(segment) <= LARGEST_SEGMENT);
    // With ECN the lowest bit of TOS says that the sender knows of it (RFC 3168).
    let (mode, ecn) = match norm.mode {
        0 => (Mode::Fixed(f64::from(o.rate) * 1000.0), 0),
        2 => (Mode::Controlled(false, false, true), 0),
        3 => (Mode::Controlled(true, false, false), 1),
        4 => (Mode::Controlled(true, true, false), 1),
        _ => (Mode::Controlled(false, false, false), 0),
    };
    Ok(Settings {
        sends,
        id: at.id,
        port: at.port,
        hops: u8::try_from(o.multicast_hops).unwrap_or(u8::MAX),
        tos: o.tos.to_le_bytes()[0] | ecn,
        comes_back: o.multicast_loop,
        unicast_nack: norm.unicast_nack,
        buffer: u32::try_from(norm.buffer_size)
            .ok()
            .and_then(|k| k.checked_mul(1024))
            .ok_or(Error::Invalid)?,
        segment: segment.ok_or(Error::Invalid)?,
        block: u16::try_from(norm.block_size).map_err(|_| Error::Invalid)?,
        parity: u16::try_from(norm.num_parity.max(norm.num_autoparity))
            .map_err(|_| Error::Invalid)?,
        auto_parity: u8::try_from(norm.num_autoparity).map_err(|_| Error::Invalid)?,
        push: norm.push,
        mode,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Option<(u32, &str, &str, u16)> {
        Place::parse(text).map(|at| (at.id, at.interface, at.group, at.port))
    }

    #[test]
    fn addresses() {
        assert_eq!(place("239.1.2.3:5555"), Some((0, "", "239.1.2.3", 5555)));
        assert_eq!(place("lo;239.1.2.3:1"), Some((0, "lo", "239.1.2.3", 1)));
        assert_eq!(place("7,239.1.2.3:5555"), Some((7, "", "239.1.2.3", 5555)));
        assert_eq!(place("7,10.0.0.1;ff02::1:65535"), Some((7, "10.0.0.1", "ff02::1", 65535)));
        for bad in [
            "239.1.2.3",
            "*:5555",
            "x,239.1.2.3:5555",
            "0,239.1.2.3:5555",
            ",239.1.2.3:5555",
            "4294967295,g:5555",
            "4294967296,g:5555",
            "-1,g:5555",
            ";g:5555",
            "lo;:5555",
            "lo;7,g:5555",
            "lo;lo;g:5555",
            "1,2,g:5555",
            "g:0",
            "g:*",
            "g:x",
            "g:70000",
            "g:-1",
            "g:+1",
            "g:5555x",
            "g:5555/",
            "g:",
            "lo",
            "",
        ] {
            assert_eq!(place(bad), None, "{bad}");
        }
    }

    #[test]
    fn settings_are_as_measured() {
        let at = Place { id: 3, interface: "", group: "g", port: 5 };
        let mut options = SocketOptions::default();
        let made = settings(&at, true, &options).unwrap();
        assert_eq!((made.buffer, made.segment, made.block, made.parity), (2_097_152, 1400, 16, 4));
        assert_eq!((made.hops, made.tos, made.auto_parity, made.id), (1, 0, 0, 3));
        let mode = |number, options: &mut SocketOptions| {
            options.draft.norm.mode = number;
            let made = settings(&at, true, options).unwrap();
            (made.mode, made.tos)
        };
        options.tos = 8;
        let controlled = Mode::Controlled;
        assert_eq!(mode(0, &mut options), (Mode::Fixed(100_000.0), 8));
        assert_eq!(mode(1, &mut options), (controlled(false, false, false), 8));
        assert_eq!(mode(2, &mut options), (controlled(false, false, true), 8));
        assert_eq!(mode(3, &mut options), (controlled(true, false, false), 9));
        assert_eq!(mode(4, &mut options), (controlled(true, true, false), 9));
        options.draft.norm.num_parity = 2;
        options.draft.norm.num_autoparity = 6;
        let made = settings(&at, true, &options).unwrap();
        assert_eq!((made.parity, made.auto_parity), (6, 6));
        options.draft.norm.segment_size = 66_000;
        assert_eq!(settings(&at, true, &options), Err(Error::Invalid));
        options.draft.norm.segment_size = 1;
        options.draft.norm.buffer_size = i32::MAX;
        assert_eq!(settings(&at, true, &options), Err(Error::Invalid));
    }
}
